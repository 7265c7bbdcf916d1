//! `/v1/messages`: the same chats for clients that speak Anthropic's Messages API.
//!
//! A request becomes the same call as any other, so it passes the same guard, quota and ledger. What that API has and
//! this house has not (thinking, server tools, documents in a message) is refused by its name.

mod events;
mod request;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use serving::Reply;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::openai::Body;
use crate::stamped::Stamped;
use crate::stream::named_events;

pub(crate) fn doors() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default().routes(routes!(create))
}

/// A message to a model, or to a route with records. Its fields are Anthropic's.
#[utoipa::path(
    post,
    path = "/v1/messages",
    request_body = Value,
    responses((status = 200, content((Value = "application/json"), (String = "text/event-stream")))),
)]
pub(crate) async fn create(
    caller: Result<Caller, ApiError>,
    State(app): State<Arc<App>>,
    body: Result<Body<request::Request>, ApiError>,
) -> Result<Response, Failure> {
    let Caller(principal) = caller?;
    let Body(request) = body?;
    let asked = request.read()?;
    let model = asked.call.model.clone();
    let stream = app.serving.chat(&principal, asked.call).await.map_err(ApiError::from)?;
    let stamped = Stamped::one(stream.stamp().clone());
    if asked.streamed {
        return Ok((stamped, asked.unknown, named_events(events::of(model, stream))).into_response());
    }
    let reply = Reply::gather(stream).await.map_err(ApiError::from)?;
    Ok((stamped, asked.unknown, Json(events::whole(&model, &reply))).into_response())
}

/// An error in the shape that these clients read: the usual one, with a `type` above it.
pub(crate) struct Failure(ApiError);

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = told(&self.0).to_string();
        let (mut head, _) = self.0.into_response().into_parts();
        head.headers.remove(axum::http::header::CONTENT_LENGTH);
        debug_assert!(head.headers.contains_key(CONTENT_TYPE));
        Response::from_parts(head, axum::body::Body::from(body))
    }
}

/// An error as these clients read it.
fn told(error: &ApiError) -> Value {
    let mut value = json!({ "type": "error" });
    value["error"] = error.value()["error"].take();
    value
}
