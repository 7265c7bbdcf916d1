//! `/v1/embeddings`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use serving::EmbedCall;

use super::shape::{EmbeddingRequest, Embeddings};
use super::wire::{Body, OneOrMany, Unknown, unknown};
use crate::App;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::stamped::Stamped;

#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    model: String,
    input: OneOrMany,
    #[serde(default)]
    encoding_format: Encoding,
    /// `query` or `passage`, for models that tell them apart (as several embedding servers name it).
    #[serde(default)]
    input_type: Option<InputType>,
    #[serde(default)]
    dimensions: Option<u32>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Float,
    Base64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum InputType {
    Query,
    Passage,
}

/// Vectors of texts.
#[utoipa::path(
    post,
    path = "/v1/embeddings",
    request_body = EmbeddingRequest,
    responses((status = 200, body = Embeddings)),
)]
pub(crate) async fn embed(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Body(request): Body<Request>,
) -> Result<(Stamped, Unknown, Json<Value>), ApiError> {
    let unknown = unknown(&request.rest)?;
    let call = EmbedCall {
        model: request.model,
        texts: request.input.into_vec(),
        query: request.input_type.map(|kind| matches!(kind, InputType::Query)),
        dimensions: request.dimensions,
    };
    let embedded = app.serving.embed(&principal, call).await?;
    let data: Vec<Value> = embedded
        .vectors
        .iter()
        .enumerate()
        .map(|(index, vector)| {
            let vector = match request.encoding_format {
                Encoding::Float => json!(vector),
                Encoding::Base64 => {
                    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
                    json!(STANDARD.encode(bytes))
                }
            };
            json!({ "object": "embedding", "index": index, "embedding": vector })
        })
        .collect();
    let answer = Json(json!({
        "object": "list",
        "model": embedded.model,
        "data": data,
        "usage": {
            "prompt_tokens": embedded.usage.prompt_tokens,
            "total_tokens": embedded.usage.total_tokens(),
        },
    }));
    Ok((Stamped::one(embedded.stamp), unknown, answer))
}
