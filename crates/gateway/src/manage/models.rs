//! The catalogue of models.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use models::{ImportOptions, Installed, Listed, Progress, PullOptions, Update};
use serde::Deserialize;

use super::page::{List, Page, Removed};
use crate::App;
use crate::caller::{Administrator, Operator, Steward};
use crate::error::ApiError;
use crate::input::{Path, Query};
use crate::jobs::{self, Job, Teller};
use crate::openai::Body;
use crate::stream::Step;

/// The catalogue and what is installed, by name.
#[utoipa::path(
    get,
    path = "/models",
    params(Page),
    responses((status = 200, body = List<Listed>)),
)]
pub(crate) async fn list(
    _: Administrator,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<Json<List<Listed>>, ApiError> {
    Ok(Json(page.of(app.models.list().await?, |model| &model.name)?))
}

/// One model.
#[utoipa::path(
    get,
    path = "/models/{name}",
    params(("name" = String, Path, description = "The name")),
    responses((status = 200, body = Listed)),
)]
pub(crate) async fn show(
    _: Administrator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Listed>, ApiError> {
    Ok(Json(app.models.show(&name).await?))
}

/// Removes an installed model.
#[utoipa::path(
    delete,
    path = "/models/{name}",
    params(("name" = String, Path, description = "The name")),
    responses((status = 200, body = Removed)),
)]
pub(crate) async fn remove(
    _: Steward,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Removed>, ApiError> {
    app.models.remove(&name).await?;
    changed(&app);
    Ok(Json(Removed { removed: name }))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct PullRequest {
    #[serde(default)]
    accept_licence: bool,
}

/// Fetches a model of the catalogue, checks it and installs it.
#[utoipa::path(
    post,
    path = "/models/{name}/pull",
    params(("name" = String, Path, description = "The name")),
    request_body = PullRequest,
    responses((status = 200, description = "A line for each step, and the result as the last one", content_type = "application/x-ndjson", body = Step<Update, Installed>), (status = 202, description = "With `Prefer: respond-async`: the work goes on by itself", body = Job)),
)]
pub(crate) async fn pull(
    Steward(principal): Steward,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(request): Body<PullRequest>,
) -> Result<Response, ApiError> {
    // What no catalogue knows is said at once, not in a job.
    app.models.show(&name).await?;
    let jobs = app.jobs.clone();
    jobs.run(&principal, &headers, (jobs::Kind::Pull, &name.clone()), move |teller| async move {
        let options = PullOptions { accept_licence: request.accept_licence };
        let installed = app.models.pull(&name, &options, Arc::new(Told(teller))).await?;
        changed(&app);
        Ok(installed)
    })
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct ImportRequest {
    /// A GGUF file on this machine, as an absolute path. Only the operator may name one.
    #[schema(value_type = String)]
    path: PathBuf,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    accept_licence: bool,
}

/// Installs a GGUF file of the server's machine. The operator's alone.
#[utoipa::path(
    post,
    path = "/models/import",
    request_body = ImportRequest,
    responses((status = 200, description = "A line for each step, and the result as the last one", content_type = "application/x-ndjson", body = Step<Update, Installed>), (status = 202, description = "With `Prefer: respond-async`: the work goes on by itself", body = Job)),
)]
pub(crate) async fn import(
    Operator(principal): Operator,
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Body(request): Body<ImportRequest>,
) -> Result<Response, ApiError> {
    if !request.path.is_absolute() {
        return Err(ApiError::invalid(format!("`{}` is not an absolute path", request.path.display())));
    }
    let about = request.name.clone().unwrap_or_else(|| request.path.display().to_string());
    let jobs = app.jobs.clone();
    jobs.run(&principal, &headers, (jobs::Kind::Import, &about), move |teller| async move {
        let options = ImportOptions { name: request.name, accept_licence: request.accept_licence };
        let installed = app.models.import(&request.path, &options, Arc::new(Told(teller))).await?;
        changed(&app);
        Ok(installed)
    })
}

fn changed(app: &App) {
    app.models_changed.send_modify(|count| *count += 1);
}

/// Hands progress to whoever reads the answer; what a slow reader has no room for is left out.
struct Told(Teller<Update>);

impl Progress for Told {
    fn update(&self, update: &Update) {
        self.0.tell(update.clone());
    }
}
