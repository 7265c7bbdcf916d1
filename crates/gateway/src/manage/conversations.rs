//! Conversations that are kept: listed, searched, shown, exported, renamed, deleted.
//!
//! Turns are not written here: `/v1/chat/completions` keeps them when a request names a conversation.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base::ConversationId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use serving::{Conversation, Conversations, Page, Shown};

use crate::App;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::input::{Path, Query};
use crate::openai::Body;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct List {
    /// Words that a title, a question or a reply has.
    #[serde(default)]
    q: Option<String>,
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    limit: Option<u32>,
}

/// The conversations that are kept of this key's owner, the one touched last first.
#[utoipa::path(
    get,
    path = "/conversations",
    params(List),
    responses((status = 200, body = Value)),
)]
pub(crate) async fn list(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Query(list): Query<List>,
) -> Result<Json<Conversations>, ApiError> {
    let page = Page { query: list.q, after: list.after, limit: list.limit };
    Ok(Json(app.serving.history().list(&principal, &page).await?))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct Titled {
    /// Where none is given, the first question names the conversation.
    #[serde(default)]
    title: String,
}

/// Begins a conversation.
#[utoipa::path(
    post,
    path = "/conversations",
    request_body = Titled,
    responses((status = 201, body = Value)),
)]
pub(crate) async fn create(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Body(new): Body<Titled>,
) -> Result<(StatusCode, Json<Conversation>), ApiError> {
    let made = app.serving.history().create(&principal, &new.title).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// A conversation with its turns.
#[derive(Debug, Serialize)]
pub(crate) struct Whole {
    conversation: Conversation,
    turns: Vec<Shown>,
}

/// One conversation with its turns.
#[utoipa::path(
    get,
    path = "/conversations/{id}",
    params(("id" = String, Path, description = "The id")),
    responses((status = 200, body = Value)),
)]
pub(crate) async fn show(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Whole>, ApiError> {
    let (conversation, turns) = app.serving.history().show(&principal, read(&id)?).await?;
    Ok(Json(Whole { conversation, turns }))
}

/// Gives a conversation a title.
#[utoipa::path(
    patch,
    path = "/conversations/{id}",
    params(("id" = String, Path, description = "The id")),
    request_body = Titled,
    responses((status = 200, body = Value)),
)]
pub(crate) async fn rename(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Body(new): Body<Titled>,
) -> Result<Json<Conversation>, ApiError> {
    Ok(Json(app.serving.history().rename(&principal, read(&id)?, &new.title).await?))
}

/// Deletes a conversation.
#[utoipa::path(
    delete,
    path = "/conversations/{id}",
    params(("id" = String, Path, description = "The id")),
    responses((status = 200, body = Value)),
)]
pub(crate) async fn remove(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    app.serving.history().delete(&principal, read(&id)?).await?;
    app.forget_answers(principal.tenant).await?;
    Ok(Json(json!({ "removed": id })))
}

/// Deletes all conversations of this key's owner.
#[utoipa::path(
    delete,
    path = "/conversations",
    responses((status = 200, body = Value)),
)]
pub(crate) async fn remove_all(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
) -> Result<Json<Value>, ApiError> {
    let removed = app.serving.history().delete_all(&principal).await?;
    app.forget_answers(principal.tenant).await?;
    Ok(Json(json!({ "removed": removed })))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Export {
    #[serde(default)]
    #[param(inline)]
    format: Format,
    /// The language of the words around a Markdown export.
    #[serde(default)]
    #[param(inline)]
    lang: Language,
}

#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ExportFormat)]
enum Format {
    #[default]
    Json,
    Markdown,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ExportLanguage)]
enum Language {
    #[default]
    En,
    Ko,
}

/// A conversation as a file.
#[utoipa::path(
    get,
    path = "/conversations/{id}/export",
    params(("id" = String, Path, description = "The id"), Export),
    responses((status = 200, content((Value = "application/json"), (String = "text/markdown; charset=utf-8")))),
)]
pub(crate) async fn export(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(export): Query<Export>,
) -> Result<Response, ApiError> {
    let id = read(&id)?;
    let (conversation, turns) = app.serving.history().show(&principal, id).await?;
    let (text, kind, ending) = match export.format {
        Format::Markdown => {
            (conversation.markdown(&turns, export.lang == Language::Ko), "text/markdown; charset=utf-8", "md")
        }
        Format::Json => {
            let whole = Whole { conversation, turns };
            let text = serde_json::to_string_pretty(&whole).map_err(|error| ApiError::internal(&error))?;
            (text, "application/json", "json")
        }
    };
    let mut response = text.into_response();
    let disposition = format!("attachment; filename=\"dure-{id}.{ending}\"");
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_str(&disposition).map_err(|_| ApiError::Internal)?);
    Ok(response)
}

/// What is no id names nothing that could be there.
fn read(id: &str) -> Result<ConversationId, ApiError> {
    id.parse().map_err(|_| ApiError::NotFound("conversation"))
}
