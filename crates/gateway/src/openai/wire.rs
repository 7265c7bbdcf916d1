//! What the doors of the OpenAI API read, and how strictly.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::App;
use crate::error::ApiError;

/// A JSON body. Any content type is taken, since clients differ; the depth is bounded by the parser (128).
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequest<Arc<App>> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, app).await.map_err(rejected)?;
        serde_json::from_slice(&bytes).map(Body).map_err(|error| {
            // The parser's text names a field and a place, never what stood there.
            ApiError::invalid(format!("the body is not the JSON that is taken here: {}", place(&error)))
        })
    }
}

fn rejected(rejection: BytesRejection) -> ApiError {
    let too_large = matches!(&rejection, BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)))
        || rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE;
    if too_large { ApiError::BodyTooLarge } else { ApiError::invalid("the body did not arrive whole") }
}

fn place(error: &serde_json::Error) -> String {
    let text: String = error.to_string().chars().take(200).collect();
    match error.classify() {
        serde_json::error::Category::Data => text,
        _ => format!("line {}, column {}", error.line(), error.column()),
    }
}

/// One text or several.
#[derive(Debug, Deserialize)]
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
