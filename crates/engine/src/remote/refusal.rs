//! What an upstream's refusal means to whoever asked. Its own words are read, never repeated: they may quote the prompt.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use crate::EngineError;

const BYTES_MAX: usize = 64 << 10;
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// When to come again where nothing is said.
pub(super) const RETRY_WAIT: Duration = Duration::from_secs(1);
/// Anthropic's status for an API that has too much to do.
const OVERLOADED: u16 = 529;

/// Whether a refusal is one that passes by itself. A limit of requests does so only if it says when.
pub(super) fn passes(response: &Response<Incoming>) -> bool {
    match response.status() {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => true,
        StatusCode::TOO_MANY_REQUESTS => retry_after(response.headers()).is_some(),
        status => status.as_u16() == OVERLOADED,
    }
}

/// What a status that is no success means.
pub(super) async fn read(name: &str, tokens_max: u32, response: Response<Incoming>, until: Instant) -> EngineError {
    let status = response.status();
    let model = name.to_owned();
    let retry_after = retry_after(response.headers());
    // The operator reads the status here; the caller learns only what is to be done.
    tracing::warn!(model, status = status.as_u16(), "an upstream refused");
    let unavailable = |reason: &str| EngineError::Unavailable { model: name.to_owned(), reason: reason.to_owned() };
    match status {
        StatusCode::TOO_MANY_REQUESTS => EngineError::Busy { model, retry_after: retry_after.unwrap_or(RETRY_WAIT) },
        _ if status.as_u16() == OVERLOADED => {
            EngineError::Busy { model, retry_after: retry_after.unwrap_or(RETRY_WAIT) }
        }
        StatusCode::SERVICE_UNAVAILABLE if let Some(retry_after) = retry_after => {
            EngineError::Busy { model, retry_after }
        }
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
            not_taken(model, tokens_max, response, until).await
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => unavailable("its upstream does not take our key"),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            unavailable("its upstream has no such model or no such address")
        }
        _ if status.is_redirection() => unavailable("its upstream points elsewhere, where nothing is sent"),
        _ => unavailable(&format!("its upstream answers {}", status.as_u16())),
    }
}

/// A request that the upstream does not take: its prompt is too long, or something in it is.
async fn not_taken(model: String, tokens_max: u32, response: Response<Incoming>, until: Instant) -> EngineError {
    let body = timeout_at(until, Limited::new(response.into_body(), BYTES_MAX).collect()).await;
    let said = body.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
    let said: serde_json::Value = serde_json::from_slice(&said).unwrap_or_default();
    match too_long(said.get("error").unwrap_or(&said)) {
        Some(tokens) => {
            EngineError::TooLong { model, tokens: tokens.unwrap_or_else(|| tokens_max.saturating_add(1)), tokens_max }
        }
        None => EngineError::Invalid(format!("the upstream of `{model}` does not take this request")),
    }
}

/// Whether a refusal says that the prompt is too long, and how long it is if it says so. OpenAI and vLLM have a code or
/// a sentence for it, llama-server a type with the numbers, Anthropic a sentence.
fn too_long(error: &serde_json::Value) -> Option<Option<u32>> {
    let word = |field: &str| error.get(field).and_then(|value| value.as_str()).unwrap_or_default();
    let told = word("code") == "context_length_exceeded"
        || word("type") == "exceed_context_size_error"
        || word("message").contains("maximum context length")
        || word("message").starts_with("prompt is too long");
    let tokens = error.get("n_prompt_tokens").and_then(|value| value.as_u64());
    told.then(|| tokens.map(|tokens| u32::try_from(tokens).unwrap_or(u32::MAX)))
}

/// When to come again: seconds or a date (RFC 9110, 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let when = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            Duration::try_from(when.duration_since(jiff::Timestamp::now())).unwrap_or_default()
        }
    };
    Some(wait.clamp(Duration::from_secs(1), RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    #[test]
    fn when_to_come_again_is_seconds_or_a_date() {
        let after = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
            retry_after(&headers).map(|wait| wait.as_secs())
        };
        assert_eq!(after("7"), Some(7));
        assert_eq!(after("0"), Some(1));
        assert_eq!(after("99999999999"), Some(3_600));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(1));
        assert_eq!(after("Fri, 31 Dec 2990 23:59:59 GMT"), Some(3_600));
        for nothing in ["", "-1", "soon", "1.5"] {
            assert_eq!(after(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_prompt_that_is_too_long_is_known_by_the_words_of_each_server() {
        let llama = json!({ "code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": 9000, "n_ctx": 4096 });
        assert_eq!(too_long(&llama), Some(Some(9_000)));
        assert_eq!(too_long(&json!({ "code": "context_length_exceeded", "message": "" })), Some(None));
        let vllm = "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens";
        assert_eq!(too_long(&json!({ "message": vllm, "code": 400 })), Some(None));
        let anthropic = "prompt is too long: 208310 tokens > 200000 maximum";
        assert_eq!(too_long(&json!({ "type": "invalid_request_error", "message": anthropic })), Some(None));
        assert_eq!(too_long(&json!({ "message": "bad schema", "code": 400 })), None);
        assert_eq!(too_long(&json!(null)), None);
    }
}
