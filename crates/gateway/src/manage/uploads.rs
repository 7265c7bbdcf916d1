//! Records uploaded into a corpus.
//!
//! What must stay true: the whole body is bounded and lies on the disk, not in memory, before anything is read; a file's
//! name is what the document is called and never a path on this machine.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use base::Class;
use corpus::{AddOptions, AddReport, Progress};
use serde::Deserialize;

use super::corpora::visible;
use super::people::group_ids;
use crate::caller::Administrator;
use crate::error::ApiError;
use crate::input::{Path, Query};
use crate::jobs::Job;
use crate::stream::Step;
use crate::{App, incoming, jobs};

/// Files of one upload.
const FILES_MAX: usize = 10_000;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// What the document is called, where the body is one file as it is.
    path: Option<String>,
    /// A class stricter than the corpus's, for these documents.
    #[param(inline)]
    class: Option<Class>,
    /// Groups, by name and separated by commas, that may read these documents beyond what the corpus asks.
    #[serde(default)]
    readers: String,
}

/// Files as a browser sends them.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "only the OpenAPI document is made of it")]
pub(crate) struct UploadForm {
    /// One or more files; archives stand for their entries.
    file: Vec<String>,
}

/// Uploads records into a corpus: `multipart/form-data` with one or more files, or one file as the body with `?path=`.
///
/// Documents of the same names are replaced; no other document changes.
#[utoipa::path(
    post,
    path = "/corpora/{name}/files",
    params(("name" = String, Path, description = "The name"), Which),
    request_body(content((UploadForm = "multipart/form-data"), (String = "application/octet-stream"))),
    responses((status = 200, description = "A line for each step, and the result as the last one", content_type = "application/x-ndjson", body = Step<Progress, AddReport>), (status = 202, description = "With `Prefer: respond-async`: the work goes on by itself", body = Job)),
)]
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
        Some(path) => incoming::whole(&app, &path, request).await?,
        None => incoming::form(&app, request, FILES_MAX).await?.upload,
    };
    let jobs = app.jobs.clone();
    jobs.run(&principal, &headers, (jobs::Kind::Upload, &name), move |teller| async move {
        let report = app.corpora.add_upload(&corpus, upload, &options, &|step| teller.tell(step)).await?;
        // Whoever is told that the records are in can find them.
        app.search.catch_up().await?;
        Ok(report)
    })
}
