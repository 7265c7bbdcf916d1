//! What can be watched of search.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::{Mode, Search};

const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByMode {
    mode: &'static str,
}

/// What search counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    duration: Family<ByMode, Histogram, fn() -> Histogram>,
    refused: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let duration = Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> Histogram);
        Self { duration, refused: Counter::default() }
    }
}

impl Metrics {
    /// A search was answered.
    pub fn answered(&self, mode: Mode, took: Duration) {
        let mode = match mode {
            Mode::Words => "words",
            Mode::Meaning => "meaning",
            Mode::Fused => "fused",
        };
        self.duration.get_or_create(&ByMode { mode }).observe(took.as_secs_f64());
    }

    /// A search was told to come again.
    pub fn refused(&self) {
        self.refused.inc();
    }
}

impl Search {
    /// Lets `registry` show what search counts, and how far its indexes are.
    pub fn register(self: &Arc<Self>, registry: &mut Registry) {
        let Metrics { duration, refused } = &self.metrics;
        registry.register_with_unit(
            "dure_search_duration",
            "Time of a search that was answered, by how it looked: words, meaning or fused",
            Unit::Seconds,
            duration.clone(),
        );
        registry.register("dure_search_refused", "Searches refused because too many waited", refused.clone());
        registry.register_collector(Box::new(Indexes(Arc::downgrade(self))));
    }
}

/// How far the indexes are, looked up when somebody asks. Holds nothing open.
#[derive(Debug)]
struct Indexes(std::sync::Weak<Search>);

impl Collector for Indexes {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let Some(search) = self.0.upgrade() else { return Ok(()) };
        let status = search.status();
        let outstanding = status.passages.saturating_sub(status.embedded);
        let rows = [
            ("dure_passages", "Passages of live documents", status.passages as f64),
            ("dure_passages_indexed", "Passages that can be found by words", status.indexed as f64),
            ("dure_passages_embedded", "Passages that can be found by meaning", status.embedded as f64),
            ("dure_vectors_outstanding", "Passages whose vector is still to be made", outstanding as f64),
            ("dure_vectors_per_second", "Vectors made in a second, lately", status.per_second),
        ];
        for (name, help, value) in rows {
            ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}
