//! Answers from records.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde::Deserialize;
use serving::{AnswerCall, AnswerMode, Reply, ReplyEvent, Sampling};

use super::corpora::visible;
use crate::App;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::input::Path;
use crate::openai::Body;
use crate::stamped::Stamped;
use crate::stream::json_lines;

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct AnswerRequest {
    question: String,
    #[serde(default)]
    mode: AnswerMode,
    #[serde(default)]
    passages: Option<u32>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    instructions: String,
    #[serde(default)]
    max_tokens: Option<u32>,
    #[serde(default)]
    stream: bool,
}

/// Answers a question from the records, with citations.
#[utoipa::path(
    post,
    path = "/corpora/{name}/answers",
    params(("name" = String, Path, description = "The name")),
    request_body = AnswerRequest,
    responses((status = 200, content((Reply = "application/json"), (ReplyEvent = "application/x-ndjson")))),
)]
pub(crate) async fn answer(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Body(request): Body<AnswerRequest>,
) -> Result<Response, ApiError> {
    let corpus = visible(&app, &principal, &name).await?;
    let call = AnswerCall {
        corpora: vec![corpus.name],
        question: request.question,
        passages_max: request.passages,
        mode: request.mode,
        model: request.model,
        instructions: request.instructions,
        sampling: Sampling::default(),
        tokens_max: request.max_tokens,
    };
    let stream = app.serving.answer(&principal, call).await?;
    let stamped = Stamped::one(stream.stamp().clone());
    if request.stream {
        Ok((stamped, json_lines(stream.map(|event| event.map_err(ApiError::from)))).into_response())
    } else {
        Ok((stamped, Json(Reply::gather(stream).await?)).into_response())
    }
}
