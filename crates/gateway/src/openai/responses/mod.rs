//! `/v1/responses`: chats as items that go in and items that come out, whole or as typed events.
//!
//! It is the same road as `/v1/chat/completions`, spelt as OpenAI's newer clients spell it. A response is kept for whoever
//! asked for it, so that the next one can go on from it (`previous_response_id`, or an item by its id); what goes on from
//! records takes their labels along.

mod events;
mod items;
mod request;
mod shape;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base::ResponseId;
use serde::Deserialize;
use serde_json::{Value, json};
use serving::Basis;

use super::wire::Body;
use crate::App;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::input::{Path, Query};
use crate::stamped::Stamped;
use crate::stream::named_events;
use events::Going;
use request::Request;

const PAGE_USUAL: usize = 20;
const PAGE_MAX: usize = 100;

/// A response to items, whole or as typed events. Its fields are OpenAI's.
#[utoipa::path(
    post,
    path = "/v1/responses",
    request_body = Value,
    responses((status = 200, content((Value = "application/json"), (String = "text/event-stream")))),
)]
pub(crate) async fn create(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Body(request): Body<Request>,
) -> Result<Response, ApiError> {
    let mut asked = request.read()?;
    let mut basis = Basis::default();
    let before = items::before(&app, &principal, &mut asked, &mut basis).await?;
    let droppable = asked.put_before(before)?;
    let call = asked.call.take().ok_or(ApiError::Internal)?;
    let records = asked.search.as_ref().map(|search| search.records.clone());
    let reply = app.serving.respond(&principal, call, droppable, records, &mut basis).await?;
    let stamped = Stamped::one(reply.stamp().clone());
    let (streamed, unknown) = (asked.streamed, std::mem::take(&mut asked.unknown));
    let going = Going::new(app, principal, asked, basis, reply);
    if streamed {
        return Ok((stamped, unknown, named_events(going.events())).into_response());
    }
    Ok((stamped, unknown, Json(going.whole().await?)).into_response())
}

/// A response that was kept.
#[utoipa::path(
    get,
    path = "/v1/responses/{id}",
    params(("id" = String, Path, description = "The id"), Wanted),
    responses((status = 200, body = Value)),
)]
pub(crate) async fn show(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, ApiError> {
    if wanted.stream {
        return Err(ApiError::field("stream", "a response that has ended is not streamed again"));
    }
    let kept = app.serving.history().response(&principal, read(&id)?, &mut Basis::default()).await?;
    Ok(Json(kept.body))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    #[serde(default)]
    stream: bool,
}

/// Deletes a response that was kept.
#[utoipa::path(
    delete,
    path = "/v1/responses/{id}",
    params(("id" = String, Path, description = "The id")),
    responses((status = 200, body = Value)),
)]
pub(crate) async fn remove(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    app.serving.history().delete_response(&principal, read(&id)?).await?;
    app.forget_answers(principal.tenant).await?;
    Ok(Json(json!({ "id": id, "object": "response", "deleted": true })))
}

/// Only what runs in the background could be cancelled, and nothing does: whoever hangs up ends the work.
#[utoipa::path(
    post,
    path = "/v1/responses/{id}/cancel",
    params(("id" = String, Path, description = "The id")),
    responses((status = 200, body = Value)),
)]
pub(crate) async fn cancel(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    app.serving.history().response(&principal, read(&id)?, &mut Basis::default()).await?;
    Err(ApiError::invalid("only a response that runs in the background can be cancelled, and none does here"))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    #[param(inline)]
    order: Order,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ItemOrder)]
enum Order {
    Asc,
    /// As in OpenAI's API, the last item comes first.
    #[default]
    Desc,
}

/// The items that went into a response.
#[utoipa::path(
    get,
    path = "/v1/responses/{id}/input_items",
    params(("id" = String, Path, description = "The id"), Page),
    responses((status = 200, body = Value)),
)]
pub(crate) async fn input_items(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<Value>, ApiError> {
    let limit = page.limit.unwrap_or(PAGE_USUAL);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(ApiError::field("limit", format!("is 1 to {PAGE_MAX}")));
    }
    let mut items = app.serving.history().response(&principal, read(&id)?, &mut Basis::default()).await?.input;
    if page.order == Order::Desc {
        items.reverse();
    }
    if let Some(after) = page.after {
        let place = items.iter().position(|item| item["id"] == after.as_str());
        let place = place.ok_or_else(|| ApiError::field("after", "is none of the items"))?;
        items.drain(..=place);
    }
    let has_more = items.len() > limit;
    items.truncate(limit);
    let id_of = |item: Option<&Value>| item.map_or(json!(""), |item| item["id"].clone());
    Ok(Json(json!({
        "object": "list",
        "first_id": id_of(items.first()),
        "last_id": id_of(items.last()),
        "has_more": has_more,
        "data": items,
    })))
}

/// What is no id names nothing that could be there.
fn read(id: &str) -> Result<ResponseId, ApiError> {
    id.parse().map_err(|_| ApiError::NotFound("response"))
}
