//! Spans as OpenTelemetry's protocol writes them: protobuf, as `opentelemetry-proto` 1.x describes it
//! (`trace/v1/trace.proto`). Only what is sent is here: a few fields of eight messages need no library and no generated
//! code. An outside decoder reads it in the tests.

use std::time::{SystemTime, UNIX_EPOCH};

use super::spans::{Span, Value};

const KIND_SERVER: u64 = 2;
const STATUS_ERROR: u64 = 2;

/// An `ExportTraceServiceRequest` of these spans.
pub fn request(spans: &[Span]) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, 1, |resource_spans| {
        message(resource_spans, 1, |resource| {
            for (key, value) in [("service.name", "dure"), ("service.version", env!("CARGO_PKG_VERSION"))] {
                attribute(resource, 1, key, &Value::Text(value.to_owned()));
            }
        });
        message(resource_spans, 2, |scope_spans| {
            message(scope_spans, 1, |scope| bytes(scope, 1, b"dure"));
            for span in spans {
                message(scope_spans, 2, |out| write(out, span));
            }
        });
    });
    out
}

fn write(out: &mut Vec<u8>, span: &Span) {
    bytes(out, 1, &span.trace_id);
    bytes(out, 2, &span.span_id);
    if let Some(parent) = &span.parent_id {
        bytes(out, 4, parent);
    }
    bytes(out, 5, span.name.as_bytes());
    varint(out, 6, KIND_SERVER);
    time(out, 7, span.begun);
    time(out, 8, span.ended);
    for (key, value) in &span.attributes {
        attribute(out, 9, key, value);
    }
    if span.failed {
        message(out, 15, |status| varint(status, 3, STATUS_ERROR));
    }
}

fn attribute(out: &mut Vec<u8>, field: u64, key: &str, value: &Value) {
    message(out, field, |pair| {
        bytes(pair, 1, key.as_bytes());
        message(pair, 2, |any| match value {
            Value::Text(text) => bytes(any, 1, text.as_bytes()),
            Value::Number(number) => varint(any, 3, *number as u64),
        });
    });
}

/// Nanoseconds since 1970, in eight bytes.
fn time(out: &mut Vec<u8>, field: u64, at: SystemTime) {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    number(out, field << 3 | 1);
    out.extend(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX).to_le_bytes());
}

fn varint(out: &mut Vec<u8>, field: u64, value: u64) {
    number(out, field << 3);
    number(out, value);
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    number(out, field << 3 | 2);
    number(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn message(out: &mut Vec<u8>, field: u64, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut inside = Vec::new();
    fill(&mut inside);
    bytes(out, field, &inside);
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_nested_messages_have_their_bytes() {
        let mut out = Vec::new();
        varint(&mut out, 1, 150);
        assert_eq!(out, [0x08, 0x96, 0x01]);
        out.clear();
        message(&mut out, 3, |inside| varint(inside, 1, 150));
        assert_eq!(out, [0x1a, 0x03, 0x08, 0x96, 0x01]);
        out.clear();
        varint(&mut out, 16, u64::MAX);
        assert_eq!(out.len(), 2 + 10);
    }
}
