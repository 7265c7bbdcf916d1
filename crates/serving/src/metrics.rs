//! What can be watched of serving, under the names of OpenTelemetry's conventions for generative AI as Prometheus
//! spells them.
//!
//! The model is the one that worked, never a text that a client sent, so there are as many series as models.

use std::time::Duration;

use base::Usage;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::Serving;

// The bounds that the conventions advise.
const REQUEST_S: [f64; 14] = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const FIRST_TOKEN_S: [f64; 16] =
    [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const NEXT_TOKEN_S: [f64; 13] = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5];
const TOKENS: [f64; 12] =
    [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0];

/// What a model was asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Operation {
    pub gen_ai_operation_name: &'static str,
    pub gen_ai_request_model: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    gen_ai_operation_name: &'static str,
    gen_ai_request_model: String,
    error_type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tokens {
    gen_ai_operation_name: &'static str,
    gen_ai_request_model: String,
    gen_ai_token_type: &'static str,
}

type Histograms<Labels> = Family<Labels, Histogram, fn() -> Histogram>;

/// What serving counts. A clone counts the same.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    request: Histograms<Ended>,
    first_token: Histograms<Operation>,
    next_token: Histograms<Operation>,
    tokens: Histograms<Tokens>,
    written: Family<Operation, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            request: Family::new_with_constructor(|| Histogram::new(REQUEST_S)),
            first_token: Family::new_with_constructor(|| Histogram::new(FIRST_TOKEN_S)),
            next_token: Family::new_with_constructor(|| Histogram::new(NEXT_TOKEN_S)),
            tokens: Family::new_with_constructor(|| Histogram::new(TOKENS)),
            written: Family::default(),
        }
    }
}

impl Metrics {
    /// The first token came.
    pub fn began(&self, operation: &Operation, after: Duration) {
        self.first_token.get_or_create(operation).observe(after.as_secs_f64());
    }

    /// So many tokens more were written.
    pub fn wrote(&self, operation: &Operation, tokens: u64) {
        self.written.get_or_create(operation).inc_by(tokens);
    }

    /// The tokens after the first one took so long in all.
    pub fn went_on(&self, operation: &Operation, tokens: u64, took: Duration) {
        self.next_token.get_or_create(operation).observe(took.as_secs_f64() / tokens as f64);
    }

    /// The engine counted what was used.
    pub fn used(&self, operation: &Operation, usage: Usage) {
        let kinds = [
            ("input", usage.prompt_tokens),
            ("input_cached", usage.cached_tokens),
            ("output", usage.completion_tokens),
        ];
        for (kind, tokens) in kinds {
            // An embedding writes nothing, and not every engine keeps prompts.
            if tokens > 0 {
                let labels = Tokens {
                    gen_ai_operation_name: operation.gen_ai_operation_name,
                    gen_ai_request_model: operation.gen_ai_request_model.clone(),
                    gen_ai_token_type: kind,
                };
                self.tokens.get_or_create(&labels).observe(tokens as f64);
            }
        }
    }

    /// The request ended, well (an empty `error`) or otherwise.
    pub fn ended(&self, operation: Operation, error: &'static str, after: Duration) {
        let Operation { gen_ai_operation_name, gen_ai_request_model } = operation;
        let labels = Ended { gen_ai_operation_name, gen_ai_request_model, error_type: error };
        self.request.get_or_create(&labels).observe(after.as_secs_f64());
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        let Metrics { request, first_token, next_token, tokens, written } = self.clone();
        registry.register_with_unit(
            "gen_ai_server_request_duration",
            "Time that a model worked on a request, waiting included; error_type is empty where it ended well",
            Unit::Seconds,
            request,
        );
        registry.register_with_unit(
            "gen_ai_server_time_to_first_token",
            "Time from a request to its first token, waiting included",
            Unit::Seconds,
            first_token,
        );
        registry.register_with_unit(
            "gen_ai_server_time_per_output_token",
            "Mean time of each token after the first, one value a request",
            Unit::Seconds,
            next_token,
        );
        registry.register(
            "gen_ai_client_token_usage",
            "Tokens of a request: input, input_cached (of the input, what was not computed anew), output",
            tokens,
        );
        registry.register("dure_output_tokens", "Tokens written so far, counted as they are written", written);
    }
}

impl Serving {
    /// Lets `registry` show what serving counts.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }
}
