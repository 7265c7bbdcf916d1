//! The catalogue of models.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use models::{ImportOptions, Listed, Progress, PullOptions, Update};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::App;
use crate::caller::Operator;
use crate::error::ApiError;
use crate::openai::Body;
use crate::stream::working;

pub(crate) async fn list(_: Operator, State(app): State<Arc<App>>) -> Result<Json<Vec<Listed>>, ApiError> {
    Ok(Json(app.models.list().await?))
}

pub(crate) async fn show(
    _: Operator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Listed>, ApiError> {
    Ok(Json(app.models.show(&name).await?))
}

pub(crate) async fn remove(
    _: Operator,
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
    _: Operator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Body(request): Body<PullRequest>,
) -> Response {
    working(move |sender| async move {
        let options = PullOptions { accept_licence: request.accept_licence };
        let installed = app.models.pull(&name, &options, Arc::new(Told(sender))).await?;
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
    _: Operator,
    State(app): State<Arc<App>>,
    Body(request): Body<ImportRequest>,
) -> Result<Response, ApiError> {
    if !request.path.is_absolute() {
        return Err(ApiError::invalid(format!("`{}` is not an absolute path", request.path.display())));
    }
    Ok(working(move |sender| async move {
        let options = ImportOptions { name: request.name, accept_licence: request.accept_licence };
        let installed = app.models.import(&request.path, &options, Arc::new(Told(sender))).await?;
        changed(&app);
        Ok(installed)
    }))
}

fn changed(app: &App) {
    app.models_changed.send_modify(|count| *count += 1);
}

/// Hands progress to whoever reads the answer; what a slow reader has no room for is left out.
#[derive(Debug)]
struct Told(mpsc::Sender<Update>);

impl Progress for Told {
    fn update(&self, update: &Update) {
        let _ = self.0.try_send(update.clone());
    }
}
