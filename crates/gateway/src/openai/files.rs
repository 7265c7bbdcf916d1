//! `/v1/files`: files that are uploaded first and used later.
//!
//! A file is seen by whoever uploaded it and by those who administer the tenant; for everybody else it is not there.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::Response;
use base::Principal;
use corpus::{NewFile, StoredFile};
use serde::{Deserialize, Serialize};

use super::list::{List, Page};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::input::{Path, Query};
use crate::{App, incoming};

/// What OpenAI's API knows files to be uploaded for.
const PURPOSES: &[&str] = &["assistants", "batch", "evals", "fine-tune", "user_data", "vision"];
/// Bytes of a file that are in memory while it is sent.
const PIECE_BYTES: usize = 64 << 10;

/// An uploaded file.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct File {
    id: String,
    object: &'static str,
    bytes: u64,
    created_at: i64,
    expires_at: Option<i64>,
    filename: String,
    purpose: String,
    status: &'static str,
}

impl From<StoredFile> for File {
    fn from(file: StoredFile) -> Self {
        Self {
            id: file.id.to_string(),
            object: "file",
            bytes: file.bytes,
            created_at: file.created.as_second(),
            expires_at: None,
            filename: file.name,
            purpose: file.purpose,
            status: "processed",
        }
    }
}

/// A file and what it is for.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "only the OpenAPI document is made of it")]
pub(crate) struct FileForm {
    #[schema(value_type = String, format = Binary)]
    file: String,
    /// `assistants`, `batch`, `evals`, `fine-tune`, `user_data` or `vision`.
    purpose: String,
}

/// What is gone.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Deleted {
    pub(crate) id: String,
    pub(crate) object: &'static str,
    pub(crate) deleted: bool,
}

/// Uploads a file.
#[utoipa::path(
    post,
    path = "/v1/files",
    request_body(content((FileForm = "multipart/form-data"))),
    responses((status = 200, body = File)),
)]
pub(crate) async fn create(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Json<File>, ApiError> {
    let form = incoming::form(&app, request, 1).await?;
    let purpose = form.field("purpose").unwrap_or_default().to_owned();
    if !PURPOSES.contains(&purpose.as_str()) {
        return Err(ApiError::Invalid {
            message: format!("`purpose`: is one of {}", PURPOSES.join(", ")),
            field: Some("purpose".to_owned()),
        });
    }
    let new = NewFile {
        tenant: principal.tenant,
        owner: principal.subject.to_string(),
        purpose,
        // What a key sends takes at least its input class.
        class: principal.input_class,
    };
    Ok(Json(app.files.keep(form.upload, new).await?.into()))
}

/// Which files are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    purpose: Option<String>,
}

/// The files that this key uploaded; for an administrator, all of the tenant.
#[utoipa::path(
    get,
    path = "/v1/files",
    params(Page, Wanted),
    responses((status = 200, body = List<File>)),
)]
pub(crate) async fn list(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<List<File>>, ApiError> {
    let owner = principal.subject.to_string();
    let mine = app.guard.may_administer(&principal).is_err().then_some(owner.as_str());
    let mut files = app.files.list(principal.tenant, mine).await?;
    files.retain(|file| wanted.purpose.as_deref().is_none_or(|purpose| file.purpose == purpose));
    Ok(Json(page.of(files.into_iter().map(File::from).collect(), 10_000, |file| &file.id)?))
}

/// One file.
#[utoipa::path(
    get,
    path = "/v1/files/{file}",
    params(("file" = String, Path, description = "The file's id")),
    responses((status = 200, body = File)),
)]
pub(crate) async fn show(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<File>, ApiError> {
    Ok(Json(visible(&app, &principal, &id).await?.into()))
}

/// Removes a file. The documents that it became stay.
#[utoipa::path(
    delete,
    path = "/v1/files/{file}",
    params(("file" = String, Path, description = "The file's id")),
    responses((status = 200, body = Deleted)),
)]
pub(crate) async fn remove(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Deleted>, ApiError> {
    let file = visible(&app, &principal, &id).await?;
    app.files.remove(&file).await?;
    Ok(Json(Deleted { id: file.id.to_string(), object: "file", deleted: true }))
}

/// A file's content, as it was uploaded.
#[utoipa::path(
    get,
    path = "/v1/files/{file}/content",
    params(("file" = String, Path, description = "The file's id")),
    responses((status = 200, content_type = "application/octet-stream", body = String)),
)]
pub(crate) async fn content(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let stored = visible(&app, &principal, &id).await?;
    let content = app.files.read(&stored).await?.ok_or(ApiError::NotFound("file"))?;
    let pieces = futures::stream::unfold(0, move |offset| {
        let content = Arc::clone(&content);
        async move {
            let read = move || {
                let mut piece = vec![0; PIECE_BYTES];
                content.read_at(&mut piece, offset).map(|count| {
                    piece.truncate(count);
                    piece
                })
            };
            match tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
                Ok(piece) if piece.is_empty() => None,
                Ok(piece) => {
                    let next = offset + piece.len() as u64;
                    Some((Ok(Bytes::from(piece)), next))
                }
                Err(error) => Some((Err(error), offset)),
            }
        }
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(stored.bytes));
    // Whatever it is, a browser saves it and never shows it as a page of this site.
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The file of this id, if this principal may know of it.
pub(crate) async fn visible(app: &App, principal: &Principal, id: &str) -> Result<StoredFile, ApiError> {
    let gone = || ApiError::NotFound("file");
    let file = app.files.find(principal.tenant, id.parse().map_err(|_| gone())?).await?.ok_or_else(gone)?;
    let mine = file.owner == principal.subject.to_string() || app.guard.may_administer(principal).is_ok();
    if mine { Ok(file) } else { Err(gone()) }
}
