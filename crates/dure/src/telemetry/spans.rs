//! Spans of requests as they end.

use std::fmt::Debug;
use std::time::SystemTime;

use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::sender::Line;

/// What the gateway calls the span of a request.
pub const REQUEST: &str = "request";

/// A request's span that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    pub parent_id: Option<[u8; 8]>,
    pub name: String,
    pub begun: SystemTime,
    pub ended: SystemTime,
    pub failed: bool,
    pub attributes: Vec<(&'static str, Value)>,
}

/// What an attribute holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Number(i64),
}

/// Hands spans of requests on when they end.
pub struct Spans {
    line: Line,
}

impl Spans {
    /// Hands them to `line`.
    pub fn new(line: Line) -> Self {
        Self { line }
    }
}

/// A span that has not ended.
#[derive(Debug)]
struct Open {
    begun: SystemTime,
    fields: Fields,
}

#[derive(Debug, Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), Value::Text(value.to_owned())));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.push((field.name(), Value::Number(i64::try_from(value).unwrap_or(i64::MAX))));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.push((field.name(), Value::Number(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push((field.name(), Value::Text(format!("{value:?}"))));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut open = Open { begun: SystemTime::now(), fields: Fields::default() };
        attributes.record(&mut open.fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(open);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            values.record(&mut open.fields);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let open = context.span(&id).and_then(|span| span.extensions_mut().remove::<Open>());
        if let Some(span) = open.and_then(ended) {
            self.line.send(span);
        }
    }
}

/// Where the request stands in its trace is told in fields of its own; what says nothing of that is no request.
fn ended(open: Open) -> Option<Span> {
    let (mut trace_id, mut span_id, mut parent_id) = (None, None, None);
    let (mut method, mut route, mut failed) = (String::new(), String::new(), false);
    let mut attributes = Vec::new();
    for (name, value) in open.fields.0 {
        match (name, &value) {
            ("trace_id", Value::Text(text)) => trace_id = number(text),
            ("span_id", Value::Text(text)) => span_id = number(text),
            ("parent_span_id", Value::Text(text)) => parent_id = number(text),
            _ => {
                match (name, &value) {
                    ("http.request.method", Value::Text(text)) => method.clone_from(text),
                    ("http.route", Value::Text(text)) => route.clone_from(text),
                    ("http.response.status_code", Value::Number(status)) => failed = *status >= 500,
                    _ => {}
                }
                attributes.push((name, value));
            }
        }
    }
    Some(Span {
        trace_id: trace_id?,
        span_id: span_id?,
        parent_id,
        name: format!("{method} {route}"),
        begun: open.begun,
        ended: SystemTime::now(),
        failed,
        attributes,
    })
}

fn number<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let mut number = [0; BYTES];
    hex::decode_to_slice(text, &mut number).ok()?;
    Some(number)
}
