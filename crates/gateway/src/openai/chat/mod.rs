//! `/v1/chat/completions`: a chat turn on a model or route, whole or streamed.
//!
//! Citations come as `annotations` of the message, of OpenAI's kind `url_citation`: the marks that they stand behind,
//! the document's title, and an address on this server where the quote can be read in its place. What OpenAI's kind
//! has no field for (headings, span, quote) stands beside. All else that the house knows of an answer is under `dure`.
//! A request that names a conversation under `dure` is a turn of it: the house puts before it what was said there, and
//! keeps the turn.

mod reply;
mod request;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};
use futures::future::try_join_all;
pub(crate) use reply::{address, extension, logprob};
use request::Request;
pub(crate) use request::StreamOptions;
use serving::Reply;

use super::choices::{Head, begin};
use super::shape::{ChatCompletion, ChatRequest};
use super::wire::Body;
use crate::App;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::stamped::Stamped;
use crate::stream::server_sent_events;

/// The number of the turn that a reply is in its conversation.
const TURN: &str = "x-dure-turn";

/// A chat turn; on a route with records, a cited answer.
#[utoipa::path(
    post,
    path = "/v1/chat/completions",
    request_body = ChatRequest,
    responses((status = 200, content((ChatCompletion = "application/json"), (String = "text/event-stream")))),
)]
pub(crate) async fn complete(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Body(request): Body<Request>,
) -> Result<Response, ApiError> {
    let head = Head::new("chatcmpl", &request.model);
    let asked = request.read()?;
    let (streams, turn) = match asked.place {
        None => (begin(&app, &principal, asked.calls).await?, None),
        Some(place) => {
            let call = asked.calls.into_iter().next().ok_or(ApiError::Internal)?;
            let turned = Box::pin(app.serving.converse(&principal, place, call)).await?;
            (vec![turned.stream], Some(turned.number))
        }
    };
    let stamped = Stamped::of(&streams);
    let mut response = if asked.streamed {
        let events = server_sent_events(reply::chunks(head, streams, asked.usage_wanted));
        (stamped, asked.unknown, events).into_response()
    } else {
        let replies = try_join_all(streams.into_iter().map(Reply::gather)).await?;
        (stamped, asked.unknown, Json(reply::whole(&head, &replies))).into_response()
    };
    if let Some(turn) = turn {
        response.headers_mut().insert(TURN, HeaderValue::from(turn));
    }
    Ok(response)
}
