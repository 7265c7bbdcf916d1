//! Records uploaded into a corpus.
//!
//! What must stay true: the whole body is bounded and lies on the disk, not in memory, before anything is read; a file's
//! name is what the document is called and never a path on this machine.

use std::sync::Arc;

use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use axum::{RequestExt, body::Bytes};
use base::Class;
use corpus::{AddOptions, Upload};
use futures::StreamExt;
use serde::Deserialize;

use super::corpora::visible;
use super::page::Query;
use super::people::group_ids;
use crate::App;
use crate::caller::Administrator;
use crate::error::ApiError;
use crate::jobs;

/// Files of one upload.
const FILES_MAX: usize = 10_000;

#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    /// What the document is called, where the body is one file as it is.
    path: Option<String>,
    /// A class stricter than the corpus's, for these documents.
    class: Option<Class>,
    /// Groups, by name and separated by commas, that may read these documents beyond what the corpus asks.
    #[serde(default)]
    readers: String,
}

/// Takes `multipart/form-data` with one or more files, or one file as the body with `?path=`.
pub(crate) async fn upload(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(which): Query<Which>,
    request: Request,
) -> Result<Response, ApiError> {
    let corpus = visible(&app, &principal, &name).await?;
    let readers: Vec<String> =
        which.readers.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let options = AddOptions {
        // What a key sends takes at least its input class, also as a record.
        class: Some(which.class.unwrap_or(Class::Open).max(principal.input_class)),
        readers: group_ids(&app, &principal, &readers)?,
        ..AddOptions::default()
    };
    let headers = request.headers().clone();
    let upload = match which.path {
        Some(path) => whole(&app, &path, request).await?,
        None => parts(&app, request).await?,
    };
    let jobs = app.jobs.clone();
    jobs.run(&principal, &headers, (jobs::Kind::Upload, &name), move |teller| async move {
        let report = app.corpora.add_upload(&corpus, upload, &options, &|step| teller.tell(step)).await?;
        // Whoever is told that the records are in can find them.
        app.search.catch_up().await?;
        Ok(report)
    })
}

/// The body as one file.
async fn whole(app: &App, path: &str, request: Request) -> Result<Upload, ApiError> {
    let mut upload = app.corpora.begin_upload().await?;
    upload.begin(path);
    let mut body = request.into_limited_body().into_data_stream();
    while let Some(part) = body.next().await {
        let part: Bytes = part.map_err(|error| broken_body(&error))?;
        upload.write(&part).await?;
    }
    Ok(upload)
}

/// The files of a form. Fields without a file name are no files and are left alone.
async fn parts(app: &App, request: Request) -> Result<Upload, ApiError> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("multipart/form-data") {
        return Err(ApiError::invalid(
            "send files as `multipart/form-data`, or one file as the body with `?path=NAME`",
        ));
    }
    let mut form = Multipart::from_request(request, &()).await.map_err(|error| ApiError::invalid(error.body_text()))?;
    let mut upload = app.corpora.begin_upload().await?;
    while let Some(mut field) = form.next_field().await.map_err(|error| broken_form(&error))? {
        let Some(name) = field.file_name().map(str::to_owned) else { continue };
        if upload.records() >= FILES_MAX {
            return Err(ApiError::invalid(format!("an upload has at most {FILES_MAX} files")));
        }
        upload.begin(&name);
        while let Some(part) = field.chunk().await.map_err(|error| broken_form(&error))? {
            upload.write(&part).await?;
        }
    }
    if upload.records() == 0 { Err(ApiError::invalid("the form has no file")) } else { Ok(upload) }
}

fn broken_form(error: &MultipartError) -> ApiError {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::BodyTooLarge,
        _ => ApiError::invalid("the form did not arrive whole, or is none"),
    }
}

fn broken_body(error: &axum::Error) -> ApiError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if error.is::<http_body_util::LengthLimitError>() {
            return ApiError::BodyTooLarge;
        }
        source = error.source();
    }
    ApiError::invalid("the body did not arrive whole")
}
