//! One look at a running server: what its metrics say over a while.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// What the server's counters said at one moment.
#[derive(Debug, Clone)]
pub struct Look {
    value: Value,
    at_s: f64,
}

/// What happened between two looks, and what holds at the second.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Sample {
    /// Seconds between the looks.
    pub over_s: f64,
    /// Whether work may be sent there; the reasons if not.
    pub ready: bool,
    pub reasons: Vec<String>,
    pub requests_per_s: f64,
    pub errors_per_s: f64,
    pub requests_active: f64,
    pub streams_open: f64,
    pub tokens_in_per_s: f64,
    pub tokens_out_per_s: f64,
    /// Seconds to the first token; none where no answer began.
    pub first_token_p50_s: Option<f64>,
    pub first_token_p95_s: Option<f64>,
    pub search_p50_s: Option<f64>,
    pub search_p95_s: Option<f64>,
    pub models: Vec<Model>,
    pub passages: f64,
    pub vectors_outstanding: f64,
    pub vectors_per_s: f64,
    /// Processor time of the server without its engines; 1 is one core.
    pub cores_used: f64,
    pub memory_bytes: f64,
    pub files_open: f64,
    pub database_bytes: f64,
    pub disk_free_bytes: f64,
    /// The last errors, newest first.
    pub errors: Vec<Failure>,
}

/// One engine.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Model {
    pub name: String,
    pub up: bool,
    /// None where the engine does not tell.
    pub slots: Option<f64>,
    pub busy: f64,
    pub waiting: f64,
    /// Share of its prompts' tokens that were not computed anew, since the server started.
    pub cached: Option<f64>,
    pub restarts: f64,
    pub memory_bytes: f64,
}

/// A request that was answered with an error.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Failure {
    pub at: String,
    pub method: String,
    pub route: String,
    pub status: u64,
    pub code: String,
}

impl Look {
    /// Takes what `/api/v1/metrics` answered.
    pub fn new(value: Value) -> Self {
        let at = value["at"].as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok());
        let at_s = at.map_or(0.0, |at| at.as_millisecond() as f64 / 1000.0);
        Self { value, at_s }
    }

    /// What happened since `before`.
    pub fn since(&self, before: &Look) -> Sample {
        let over_s = (self.at_s - before.at_s).max(0.001);
        let grown = |name: &str| (self.sum(name) - before.sum(name)).max(0.0);
        let per_s = |name: &str| grown(name) / over_s;
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let first = self.grown_buckets(before, "gen_ai_server_time_to_first_token_seconds");
        let search = self.grown_buckets(before, "dure_search_duration_seconds");
        Sample {
            over_s,
            ready: self.value["ready"].as_bool().unwrap_or(false),
            reasons: texts(&self.value["reasons"]),
            requests_per_s: per_s("http_server_request_duration_seconds"),
            errors_per_s: per_s("dure_http_errors_total"),
            requests_active: self.sum("http_server_active_requests"),
            streams_open: self.sum("dure_streams_open"),
            tokens_in_per_s: (self.input_tokens() - before.input_tokens()).max(0.0) / over_s,
            tokens_out_per_s: per_s("dure_output_tokens_total"),
            first_token_p50_s: quantile(&first, 0.5),
            first_token_p95_s: quantile(&first, 0.95),
            search_p50_s: quantile(&search, 0.5),
            search_p95_s: quantile(&search, 0.95),
            models: self.models(),
            passages: self.sum("dure_passages"),
            vectors_outstanding: self.sum("dure_vectors_outstanding"),
            vectors_per_s: self.sum("dure_vectors_per_second"),
            cores_used: per_s("process_cpu_seconds_total"),
            memory_bytes: self.sum("process_resident_memory_bytes"),
            files_open: self.sum("process_open_fds"),
            database_bytes: self.sum("dure_database_bytes"),
            disk_free_bytes: self.sum("dure_disk_free_bytes"),
            errors: self.errors(),
        }
    }

    /// Whether the server was started again after `before`: then its counters began anew.
    pub fn is_another_run(&self, before: &Look) -> bool {
        self.value["since"] != before.value["since"]
    }

    fn series(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.value["metrics"][name]["series"].as_array().into_iter().flatten()
    }

    /// All series of a metric together; of a histogram, how often something was seen.
    fn sum(&self, name: &str) -> f64 {
        self.series(name).filter_map(|one| one["value"].as_f64().or_else(|| one["count"].as_f64())).sum()
    }

    fn input_tokens(&self) -> f64 {
        let input =
            self.series("gen_ai_client_token_usage").filter(|one| one["labels"]["gen_ai_token_type"] == "input");
        input.filter_map(|one| one["sum"].as_f64()).sum()
    }

    /// Upper bounds with how often something at most as large was seen since `before`, over all series.
    fn grown_buckets(&self, before: &Look, name: &str) -> Vec<(f64, f64)> {
        let mut now = self.buckets(name);
        for ((_, count), (_, old)) in now.iter_mut().zip(before.buckets(name)) {
            *count = (*count - old).max(0.0);
        }
        now
    }

    fn buckets(&self, name: &str) -> Vec<(f64, f64)> {
        let mut all: Vec<(f64, f64)> = Vec::new();
        for one in self.series(name) {
            for (at, bucket) in one["buckets"].as_array().into_iter().flatten().enumerate() {
                let bound = bucket[0].as_f64().unwrap_or(f64::INFINITY);
                let count = bucket[1].as_f64().unwrap_or(0.0);
                match all.get_mut(at) {
                    Some((_, sum)) => *sum += count,
                    None => all.push((bound, count)),
                }
            }
        }
        all
    }

    fn models(&self) -> Vec<Model> {
        let of = |name: &str| -> BTreeMap<String, f64> {
            let named = |one: &Value| Some((one["labels"]["model"].as_str()?.to_owned(), one["value"].as_f64()?));
            self.series(name).filter_map(named).collect()
        };
        let (slots, busy, waiting) = (of("dure_engine_slots"), of("dure_engine_busy"), of("dure_engine_waiting"));
        let (prompts, cached) = (of("dure_engine_prompt_tokens_total"), of("dure_engine_cached_prompt_tokens_total"));
        let (restarts, memory) = (of("dure_engine_restarts_total"), of("dure_engine_resident_memory_bytes"));
        let number = |map: &BTreeMap<String, f64>, name: &str| map.get(name).copied().unwrap_or(0.0);
        of("dure_engine_up")
            .into_iter()
            .map(|(name, up)| Model {
                up: up > 0.0,
                slots: slots.get(&name).copied(),
                busy: number(&busy, &name),
                waiting: number(&waiting, &name),
                cached: Some(number(&cached, &name) / number(&prompts, &name)).filter(|share| share.is_finite()),
                restarts: number(&restarts, &name),
                memory_bytes: number(&memory, &name),
                name,
            })
            .collect()
    }

    fn errors(&self) -> Vec<Failure> {
        let errors = self.value["errors"].as_array().into_iter().flatten().rev();
        let text = |error: &Value, field: &str| error[field].as_str().unwrap_or_default().to_owned();
        errors
            .map(|error| Failure {
                at: text(error, "at"),
                method: text(error, "method"),
                route: text(error, "route"),
                status: error["status"].as_u64().unwrap_or(0),
                code: text(error, "code"),
            })
            .collect()
    }
}

/// The value below which so large a share lies, as Prometheus guesses it: evenly spread inside a bucket. What lies in
/// the bucket without a bound counts as the largest bound.
fn quantile(buckets: &[(f64, f64)], share: f64) -> Option<f64> {
    let total = buckets.last()?.1;
    if total <= 0.0 {
        return None;
    }
    let rank = share * total;
    let at = buckets.iter().position(|(_, count)| *count >= rank)?;
    let (low, below) = if at == 0 { (0.0, 0.0) } else { buckets[at - 1] };
    let (high, count) = buckets[at];
    if high.is_infinite() {
        return Some(low);
    }
    Some(low + (high - low) * (rank - below) / (count - below).max(1.0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn look(at: &str, requests: u64, fast: u64, slow: u64) -> Look {
        Look::new(json!({
            "at": at, "since": "2026-01-01T00:00:00Z", "ready": true, "reasons": [],
            "errors": [
                { "at": "old", "method": "GET", "route": "/a", "status": 404, "code": "not_found" },
                { "at": "new", "method": "POST", "route": "/b", "status": 429, "code": "rate_limit_exceeded" },
            ],
            "metrics": {
                "http_server_request_duration_seconds": { "series": [{ "labels": {}, "count": requests }] },
                "gen_ai_server_time_to_first_token_seconds": { "series": [
                    { "labels": {}, "buckets": [[0.1, fast], [1.0, fast + slow], [null, fast + slow]] },
                ] },
                "gen_ai_client_token_usage": { "series": [
                    { "labels": { "gen_ai_token_type": "input" }, "sum": 10 * requests },
                    { "labels": { "gen_ai_token_type": "output" }, "sum": 99 },
                ] },
                "dure_engine_up": { "series": [{ "labels": { "model": "m" }, "value": 1 }] },
                "dure_engine_slots": { "series": [{ "labels": { "model": "m" }, "value": 4 }] },
                "dure_engine_busy": { "series": [{ "labels": { "model": "m" }, "value": 3 }] },
            },
        }))
    }

    #[test]
    fn what_happened_between_two_looks_is_what_grew() {
        let (before, after) = (look("2026-01-01T00:00:10Z", 100, 7, 3), look("2026-01-01T00:00:12Z", 120, 8, 4));
        let sample = after.since(&before);
        assert_eq!((sample.over_s, sample.requests_per_s, sample.tokens_in_per_s), (2.0, 10.0, 100.0));
        assert_eq!((sample.first_token_p50_s, sample.search_p50_s), (Some(0.1), None));
        assert!(sample.first_token_p95_s.is_some_and(|p95| (0.9..1.0).contains(&p95)), "{sample:?}");
        let model = Model { name: "m".to_owned(), up: true, slots: Some(4.0), busy: 3.0, ..Model::default() };
        assert_eq!(sample.models, [model]);
        assert_eq!((sample.errors[0].at.as_str(), sample.errors[1].at.as_str()), ("new", "old"));
        assert!(!after.is_another_run(&before));
    }

    #[test]
    fn an_answer_that_is_none_is_an_idle_server() {
        let nothing = Look::new(Value::Null);
        let sample = nothing.since(&nothing);
        assert_eq!((sample.ready, sample.requests_per_s, sample.models.len()), (false, 0.0, 0));
    }

    #[test]
    fn quantiles_are_guessed_inside_a_bucket() {
        let buckets = [(0.1, 0.0), (1.0, 10.0), (f64::INFINITY, 20.0)];
        assert_eq!(quantile(&buckets, 0.25), Some(0.1 + 0.9 * 0.5));
        assert_eq!(quantile(&buckets, 0.9), Some(1.0));
        assert_eq!(quantile(&[(1.0, 0.0), (f64::INFINITY, 0.0)], 0.5), None);
        assert_eq!(quantile(&[], 0.5), None);
    }
}
