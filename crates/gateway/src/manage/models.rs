//! The catalogue of models.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use models::{ImportOptions, Listed, Progress, PullOptions, Update};
use serde::Deserialize;
use serde_json::{Value, json};

use super::page::{List, Page, Query};
use crate::App;
use crate::caller::{Administrator, Operator, Steward};
use crate::error::ApiError;
use crate::jobs::{self, Teller};
use crate::openai::Body;

pub(crate) async fn list(
    _: Administrator,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<Json<List<Listed>>, ApiError> {
    Ok(Json(page.of(app.models.list().await?, |model| &model.name)?))
}

pub(crate) async fn show(
    _: Administrator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Listed>, ApiError> {
    Ok(Json(app.models.show(&name).await?))
}

pub(crate) async fn remove(
    _: Steward,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    app.models.remove(&name).await?;
    changed(&app);
    Ok(Json(json!({ "removed": name })))
}

#[derive(Debug, Deserialize)]
pub(crate) struct PullRequest {
    #[serde(default)]
    accept_licence: bool,
}

pub(crate) async fn pull(
    Steward(principal): Steward,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(request): Body<PullRequest>,
) -> Result<Response, ApiError> {
    let jobs = app.jobs.clone();
    jobs.run(&principal, &headers, (jobs::Kind::Pull, &name.clone()), move |teller| async move {
        let options = PullOptions { accept_licence: request.accept_licence };
        let installed = app.models.pull(&name, &options, Arc::new(Told(teller))).await?;
        changed(&app);
        Ok(installed)
    })
}

#[derive(Debug, Deserialize)]
pub(crate) struct ImportRequest {
    /// A GGUF file on this machine, as an absolute path. Only the operator may name one.
    path: PathBuf,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    accept_licence: bool,
}

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
