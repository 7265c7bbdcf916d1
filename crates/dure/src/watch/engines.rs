//! How busy each engine is, looked up when somebody asks.

use std::fmt;
use std::sync::Arc;

use engine::{Load, WAIT_BOUNDS_S};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::{each, machine};
use crate::engines::Engines;

/// The engines' metrics.
#[derive(Debug)]
pub struct EngineLoads(pub Arc<Engines>);

#[derive(Debug, Clone, EncodeLabelSet)]
struct ByModel {
    model: String,
}

type Row = (&'static str, &'static str, MetricType, fn(&Load) -> Option<f64>);

const ROWS: &[Row] = &[
    (
        "dure_engine_up",
        "Whether the engine's process could be started when that was tried last",
        MetricType::Gauge,
        |load| Some(if load.down { 0.0 } else { 1.0 }),
    ),
    ("dure_engine_slots", "Chats that the engine writes at the same time", MetricType::Gauge, |load| {
        load.slots.map(f64::from)
    }),
    ("dure_engine_busy", "Work that the engine has; of chats, those that have a slot", MetricType::Gauge, |load| {
        Some(load.busy.into())
    }),
    ("dure_engine_waiting", "Work that waits for the engine", MetricType::Gauge, |load| Some(load.waiting.into())),
    ("dure_engine_chats", "Chats that came to their end", MetricType::Counter, |load| Some(load.chats as f64)),
    ("dure_engine_cache_hits", "Chats that took up what an earlier one had computed", MetricType::Counter, |load| {
        Some(load.cache_hits as f64)
    }),
    ("dure_engine_prompt_tokens", "Tokens of all prompts", MetricType::Counter, |load| Some(load.prompt_tokens as f64)),
    (
        "dure_engine_cached_prompt_tokens",
        "Tokens of prompts that were not computed anew",
        MetricType::Counter,
        |load| Some(load.cached_tokens as f64),
    ),
    (
        "dure_engine_restarts",
        "Times that the engine's process was lost and started again",
        MetricType::Counter,
        |load| Some(load.losses as f64),
    ),
    ("dure_engine_resident_memory_bytes", "Memory of the engine's process", MetricType::Gauge, |load| {
        Some(machine::resident_bytes(load.pid?)? as f64)
    }),
];

impl Collector for EngineLoads {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let loads: Vec<(ByModel, Load)> =
            self.0.loads().into_iter().map(|(model, load)| (ByModel { model }, load)).collect();
        for (name, help, kind, value) in ROWS {
            let values = loads.iter().filter_map(|(model, load)| Some((model.clone(), value(load)?)));
            each(&mut encoder, (name, help, *kind), values)?;
        }
        waits(&mut encoder, &loads)
    }
}

fn waits(encoder: &mut DescriptorEncoder<'_>, loads: &[(ByModel, Load)]) -> fmt::Result {
    let help = "Time that chats waited for a slot";
    let mut family = encoder.encode_descriptor("dure_engine_wait_seconds", help, None, MetricType::Histogram)?;
    for (model, load) in loads.iter().filter(|(_, load)| load.slots.is_some()) {
        let bounds = WAIT_BOUNDS_S.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(load.waits.counts).collect();
        let count = load.waits.counts.iter().sum();
        family.encode_family(model)?.encode_histogram::<NoLabelSet>(load.waits.seconds, count, &buckets, None)?;
    }
    Ok(())
}
