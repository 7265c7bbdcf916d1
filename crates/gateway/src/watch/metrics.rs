//! What can be watched of the doors, under OpenTelemetry's names for HTTP servers as Prometheus spells them.
//!
//! Labels have few values: methods of HTTP, routes as they are written in the code, statuses, codes of errors. What
//! no route matches is one value, whatever its path.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

// The bounds that OpenTelemetry's conventions advise, and two more for answers that are written slowly.
const SECONDS: [f64; 16] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 120.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Answered {
    pub http_request_method: &'static str,
    pub http_route: String,
    pub http_response_status_code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ByCode {
    pub code: &'static str,
}

/// What the doors count.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub duration: Family<Answered, Histogram, fn() -> Histogram>,
    pub active: Gauge,
    pub streams: Gauge,
    pub received: Counter,
    pub sent: Counter,
    pub errors: Family<ByCode, Counter>,
}

impl Metrics {
    /// Counts from zero, and lets `registry` show it.
    pub fn registered(registry: &mut Registry) -> Self {
        let metrics = Self {
            duration: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            active: Gauge::default(),
            streams: Gauge::default(),
            received: Counter::default(),
            sent: Counter::default(),
            errors: Family::default(),
        };
        registry.register_with_unit(
            "http_server_request_duration",
            "Time from a request's head to its answer's last byte, or to the hang-up",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        registry.register("http_server_active_requests", "Requests being answered", metrics.active.clone());
        registry.register("dure_streams_open", "Answers that are streamed right now", metrics.streams.clone());
        registry.register_with_unit(
            "dure_http_received",
            "Bytes of requests' bodies",
            Unit::Bytes,
            metrics.received.clone(),
        );
        registry.register_with_unit("dure_http_sent", "Bytes of answers' bodies", Unit::Bytes, metrics.sent.clone());
        registry.register("dure_http_errors", "Requests answered with an error, by its code", metrics.errors.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))].to_vec());
        registry.register("dure_build", "The program's version", build);
        metrics
    }
}
