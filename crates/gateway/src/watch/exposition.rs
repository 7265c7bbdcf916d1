//! The metrics as others read them: Prometheus's text, OpenMetrics, JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use prometheus_client::encoding::{prometheus_text, text};
use serde_json::{Map, Value, json};

use crate::App;
use crate::caller::Steward;
use crate::error::ApiError;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The numbers of the house, as Prometheus reads them. For those who keep the house.
#[utoipa::path(
    get,
    path = "/metrics",
    responses((status = 200, content((String = "text/plain; version=0.0.4; charset=utf-8"), (String = "application/openmetrics-text; version=1.0.0; charset=utf-8")))),
)]
pub(crate) async fn metrics_for_stewards(
    _: Steward,
    app: State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    metrics(app, headers).await
}

pub(crate) async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, ApiError> {
    let accepted = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let mut out = String::new();
    let (written, kind) = if accepted.contains("application/openmetrics-text") {
        (text::encode(&mut out, &app.watch.registry), OPEN_METRICS)
    } else {
        (prometheus_text::encode(&mut out, &app.watch.registry), prometheus_text::CONTENT_TYPE)
    };
    written.map_err(|error| ApiError::internal(&error))?;
    Ok(([(CONTENT_TYPE, kind)], out).into_response())
}

/// The same numbers as JSON, with the last errors: for the console, `dure top`, and whoever has no Prometheus.
#[utoipa::path(
    get,
    path = "/api/v1/metrics",
    responses((status = 200, body = Value)),
)]
pub(crate) async fn metrics_as_json(_: Steward, State(app): State<Arc<App>>) -> Result<Json<Value>, ApiError> {
    let mut out = String::new();
    prometheus_text::encode(&mut out, &app.watch.registry).map_err(|error| ApiError::internal(&error))?;
    let readiness = app.watch.readiness();
    let reasons: Vec<_> = readiness.values().flatten().collect();
    Ok(Json(json!({
        "at": Timestamp::now(),
        "since": app.watch.since,
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "errors": app.watch.recent_errors(),
        "metrics": as_json(&out),
    })))
}

/// Prometheus's text as JSON: by name, each with its type, its help and its series. A series of a histogram has
/// `count`, `sum` and `buckets` of `[upper bound, cumulative count]`, where the last bound is null.
///
/// It reads what this program writes itself, and leaves out what it does not understand.
fn as_json(text: &str) -> Map<String, Value> {
    let mut families = Map::new();
    let mut name = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (named, help) = rest.split_once(' ').unwrap_or((rest, ""));
            name = named;
            families.insert(name.to_owned(), json!({ "type": "untyped", "help": help, "series": [] }));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            if let (Some((_, kind)), Some(family)) = (rest.split_once(' '), families.get_mut(name)) {
                family["type"] = json!(kind);
            }
        } else if let Some(sample) = Sample::read(line)
            && let Some(family) = families.get_mut(name)
        {
            add(family, name, sample);
        }
    }
    families
}

fn add(family: &mut Value, name: &str, mut sample: Sample) {
    let Some(series) = family["series"].as_array_mut() else { return };
    let Some(part) = sample.name.strip_prefix(name) else { return };
    if part.is_empty() {
        series.push(json!({ "labels": sample.labels, "value": sample.value }));
        return;
    }
    let bound = sample.labels.shift_remove("le");
    let known = series.iter().position(|one| one["labels"].as_object() == Some(&sample.labels));
    let at = known.unwrap_or_else(|| {
        series.push(json!({ "labels": sample.labels, "count": 0, "sum": 0.0, "buckets": [] }));
        series.len() - 1
    });
    match part {
        "_count" => series[at]["count"] = json!(sample.value),
        "_sum" => series[at]["sum"] = json!(sample.value),
        _ => {
            let bound = bound.as_ref().and_then(Value::as_str).and_then(|bound| bound.parse::<f64>().ok());
            if let Some(buckets) = series[at]["buckets"].as_array_mut() {
                // JSON knows no infinity: it becomes null.
                buckets.push(json!([bound, sample.value]));
            }
        }
    }
}

/// One line: a name, labels, a number.
struct Sample {
    name: String,
    labels: Map<String, Value>,
    value: f64,
}

impl Sample {
    fn read(line: &str) -> Option<Self> {
        let (name, rest) = line.split_at(line.find(['{', ' '])?);
        let mut labels = Map::new();
        let mut rest = rest;
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            while !rest.starts_with('}') {
                let (label, value) = rest.split_once("=\"")?;
                let (value, after) = quoted(value)?;
                labels.insert(label.trim_start_matches(',').to_owned(), Value::from(value));
                rest = after;
            }
            rest = &rest[1..];
        }
        Some(Self { name: name.to_owned(), labels, value: rest.trim().parse().ok()? })
    }
}

/// What stands before the closing quote, and what comes after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match letters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;
    use prometheus_client::metrics::histogram::Histogram;
    use prometheus_client::registry::{Registry, Unit};

    use super::*;

    #[test]
    fn json_says_what_the_text_says() {
        let mut registry = Registry::default();
        let counts: Family<Vec<(String, String)>, Counter> = Family::default();
        let hostile = "a\"b\\c\nd, le=\"1\"} 7";
        counts.get_or_create(&vec![("name".to_owned(), hostile.to_owned())]).inc_by(3);
        registry.register("things", "Things", counts);
        let times = Histogram::new([0.5, 2.0]);
        [0.1, 1.0, 9.0].into_iter().for_each(|time| times.observe(time));
        registry.register_with_unit("time", "Time", Unit::Seconds, times);
        let mut out = String::new();
        prometheus_text::encode(&mut out, &registry).unwrap();
        let expected = json!({
            "things_total": {
                "type": "counter", "help": "Things.",
                "series": [{ "labels": { "name": hostile }, "value": 3.0 }],
            },
            "time_seconds": {
                "type": "histogram", "help": "Time.",
                "series": [{
                    "labels": {}, "count": 3.0, "sum": 10.1,
                    "buckets": [[0.5, 1.0], [2.0, 2.0], [null, 3.0]],
                }],
            },
        });
        assert_eq!(Value::Object(as_json(&out)), expected, "{out}");
    }

    #[test]
    fn a_line_that_is_none_is_left_out() {
        for line in ["", "name", "name{", "name{a=\"b} 1", "name{a=\"b\"", "name{a} 1", "name x", "{a=\"\\"] {
            assert!(Sample::read(line).is_none_or(|sample| sample.value.is_finite()), "{line}");
        }
        assert!(as_json("x 1\n# TYPE y counter\n# HELP\n").is_empty());
    }
}
