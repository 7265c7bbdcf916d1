//! A request's place in a trace, as W3C's Trace Context writes it: `traceparent`.

use axum::http::HeaderMap;
use tracing::Span;
use uuid::Uuid;

const TRACEPARENT: &str = "traceparent";

/// Where a request stands: in the trace that its client began, or at the beginning of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trace {
    /// What the client sent, if it sent a whole one.
    came: Option<String>,
    trace_id: String,
    span_id: String,
}

impl Trace {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let came = headers.get(TRACEPARENT).and_then(|shown| shown.to_str().ok()).filter(|shown| is_whole(shown));
        Self {
            trace_id: came.map_or_else(|| Uuid::new_v4().simple().to_string(), |came| came[3..35].to_owned()),
            span_id: format!("{:016x}", Uuid::new_v4().as_u64_pair().1),
            came: came.map(str::to_owned),
        }
    }

    /// Writes it into the request's span. Whether this is to be kept is the client's choice, if it made one.
    pub(crate) fn record(&self, span: &Span, kept: bool) {
        span.record("trace_id", &self.trace_id);
        if kept && self.is_sampled() {
            span.record("span_id", &self.span_id);
            if let Some(came) = &self.came {
                span.record("parent_span_id", &came[36..52]);
            }
        }
    }

    /// What is sent along to those who are asked on the request's behalf. Where no spans are kept, what the client sent is
    /// passed on as it is, so that its trace does not break here.
    pub(crate) fn onwards(&self, kept: bool) -> Option<String> {
        if !kept {
            return self.came.clone();
        }
        let flags = if self.is_sampled() { "01" } else { "00" };
        Some(format!("00-{}-{}-{flags}", self.trace_id, self.span_id))
    }

    fn is_sampled(&self) -> bool {
        let flags = self.came.as_deref().and_then(|came| u8::from_str_radix(&came[53..], 16).ok());
        flags.is_none_or(|flags| flags & 1 == 1)
    }
}

/// Version 00: the trace, its part that asks, and a byte of flags, none of them missing.
fn is_whole(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let [version, trace, parent, flags] = parts[..] else { return false };
    let some = |part: &str| part.bytes().any(|byte| byte != b'0');
    version == "00" && hex(trace, 32) && some(trace) && hex(parent, 16) && some(parent) && hex(flags, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn trace(shown: &str) -> Trace {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, shown.parse().unwrap());
        Trace::of(&headers)
    }

    #[test]
    fn a_clients_trace_is_gone_on_with_and_passed_on() {
        let ours = trace(WHOLE);
        assert_eq!(ours.trace_id, WHOLE[3..35]);
        assert_eq!(ours.onwards(false).as_deref(), Some(WHOLE));
        assert_eq!(ours.onwards(true), Some(format!("00-{}-{}-01", &WHOLE[3..35], ours.span_id)));
        let unwanted = trace(&WHOLE.replace("-01", "-00"));
        assert!(!unwanted.is_sampled() && unwanted.onwards(true).unwrap().ends_with("-00"));
    }

    #[test]
    fn what_is_no_traceparent_begins_a_trace() {
        for broken in [
            "",
            "00-0-0-0",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            let ours = trace(broken);
            assert!(ours.came.is_none() && ours.onwards(false).is_none(), "{broken}");
            assert!(is_whole(&ours.onwards(true).unwrap()), "{ours:?}");
        }
        assert_ne!(trace("").trace_id, trace("").trace_id);
    }
}
