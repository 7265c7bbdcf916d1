//! `/v1/chat/completions`: a chat turn on a model or route, whole or streamed.
//!
//! Citations come as `annotations` of the message, of OpenAI's kind `url_citation`: the marks that they stand behind,
//! the document's title, and an address on this server where the quote can be read in its place. What OpenAI's kind
//! has no field for (headings, span, quote) stands beside. All else that the house knows of an answer is under `dure`.

mod reply;
mod request;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::future::try_join_all;
pub(crate) use reply::logprob;
use request::Request;
pub(crate) use request::StreamOptions;
use serving::Reply;

use super::choices::{Head, begin};
use super::wire::Body;
use crate::App;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::stream::server_sent_events;

pub(crate) async fn complete(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Body(request): Body<Request>,
) -> Result<Response, ApiError> {
    let head = Head::new("chatcmpl", &request.model);
    let asked = request.read()?;
    let streams = begin(&app, &principal, asked.calls).await?;
    if asked.streamed {
        return Ok(server_sent_events(reply::chunks(head, streams, asked.usage_wanted)));
    }
    let replies = try_join_all(streams.into_iter().map(Reply::gather)).await?;
    Ok(Json(reply::whole(&head, &replies)).into_response())
}
