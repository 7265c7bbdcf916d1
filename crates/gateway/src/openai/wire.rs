//! What the doors of the OpenAI API read, and how strictly.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponseParts, ResponseParts};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::App;
use crate::error::ApiError;
use crate::visit::Visit;

/// A JSON body. Any content type is taken, since clients differ; the depth is bounded by the parser (128).
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequest<Arc<App>> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        read(request, app.bounds.body_bytes_max).await.map(Body)
    }
}

/// A JSON body that is no document and no conversation: 256 KiB at most.
pub(crate) struct Short<T>(pub(crate) T);

const SHORT_BYTES_MAX: usize = 256 << 10;

impl<T: DeserializeOwned + Send> FromRequest<Arc<App>> for Short<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        read(request, app.bounds.body_bytes_max.min(SHORT_BYTES_MAX)).await.map(Short)
    }
}

async fn read<T: DeserializeOwned>(request: Request, bytes_max: usize) -> Result<T, ApiError> {
    let visit = request.extensions().get::<Visit>().cloned().ok_or(ApiError::Internal)?;
    let bytes = visit.take_in(request.into_body(), bytes_max).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        // The parser's text names a field and a place, never what stood there.
        ApiError::invalid(format!("the body is not the JSON that is taken here: {}", place(&error)))
    })
}

fn place(error: &serde_json::Error) -> String {
    let text: String = error.to_string().chars().take(200).collect();
    match error.classify() {
        serde_json::error::Category::Data => text,
        _ => format!("line {}, column {}", error.line(), error.column()),
    }
}

/// One text or several.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(crate) fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

/// Fields by which other gateways let a caller choose where the request goes, and with which credentials. Here only
/// the operator does.
const UPSTREAM: &[&str] =
    &["api_base", "api_key", "api_version", "base_url", "custom_llm_provider", "extra_headers", "headers", "upstream"];

const WARNING: HeaderName = HeaderName::from_static("x-dure-warning");
const FIELDS_NAMED_MAX: usize = 8;
const FIELD_CHARS_MAX: usize = 40;

/// Fields of a request that nobody here knows. In front of an answer (`(unknown, answer).into_response()`) they are
/// named in its head, so that a misspelt field is noticed where it would have been ignored.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Unknown(Option<HeaderValue>);

/// Looks at the fields that a request's type left over.
///
/// # Errors
/// When one of them tries to choose the upstream.
pub(crate) fn unknown(rest: &Map<String, Value>) -> Result<Unknown, ApiError> {
    refuse_upstream(rest)?;
    if rest.is_empty() {
        return Ok(Unknown(None));
    }
    let names: Vec<String> = rest.keys().take(FIELDS_NAMED_MAX).map(|name| format!("`{}`", shown(name))).collect();
    let more = match rest.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let plural = if rest.len() == 1 { "" } else { "s" };
    let text = format!("unknown field{plural} {}{more}", names.join(", "));
    Ok(Unknown(HeaderValue::from_str(&text).ok()))
}

/// A name as it may stand in a header: short, and of plain letters.
fn shown(name: &str) -> String {
    name.chars().take(FIELD_CHARS_MAX).flat_map(char::escape_default).collect()
}

impl IntoResponseParts for Unknown {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        if let Some(text) = self.0 {
            parts.headers_mut().append(WARNING, text);
        }
        Ok(parts)
    }
}

/// Refuses a request that tries to choose its upstream.
pub(crate) fn refuse_upstream(rest: &Map<String, Value>) -> Result<(), ApiError> {
    match rest.keys().find(|field| UPSTREAM.contains(&field.as_str())) {
        Some(field) => Err(ApiError::Invalid {
            message: format!("`{field}`: where a request goes is the operator's choice"),
            field: Some(field.clone()),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use serde_json::json;

    use super::*;

    fn warned(rest: Value) -> Option<String> {
        let Value::Object(rest) = rest else { panic!("no object") };
        let response = (unknown(&rest).unwrap(), "answer").into_response();
        response.headers().get(WARNING).map(|text| text.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_field_that_nobody_knows_is_named_in_the_head() {
        assert_eq!(warned(json!({})), None);
        assert_eq!(warned(json!({ "temprature": 1 })).as_deref(), Some("unknown field `temprature`"));
        assert_eq!(warned(json!({ "a": 1, "b": null })).as_deref(), Some("unknown fields `a`, `b`"));
        let many: Map<String, Value> = (0..100_000).map(|i| (format!("f{i}"), Value::Null)).collect();
        assert!(warned(Value::Object(many)).unwrap().ends_with("`f7` and 99992 more"));
    }

    #[test]
    fn a_hostile_name_cannot_write_a_header_of_its_own() {
        let text = warned(json!({ "x\r\nset-cookie: a=b": 1, "\u{0}": 1, "온도": 1, "y".repeat(1 << 20): 1 })).unwrap();
        assert!(text.is_ascii() && !text.contains(['\r', '\n', '\0']) && text.len() < 600, "{text}");
    }

    #[test]
    fn a_request_that_chooses_its_upstream_is_refused() {
        for field in UPSTREAM {
            let rest = Map::from_iter([((*field).to_owned(), json!("https://evil.example"))]);
            assert!(matches!(unknown(&rest), Err(ApiError::Invalid { field: Some(named), .. }) if named == *field));
        }
    }
}
