//! How the house is: what runs, what is still to be done, how full the disk is; and the settings that hold.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use serving::ListedModel;

use super::page::List;
use crate::about::{Disk, Setting, disk};
use crate::caller::{Administrator, Operator};
use crate::error::ApiError;
use crate::{App, jobs};

/// How the house is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = HouseStatus)]
pub(crate) struct Status {
    version: &'static str,
    started: Timestamp,
    /// What can be called: models that are installed, and routes.
    models: Vec<Served>,
    /// How far words and vectors are.
    index: retrieval::Status,
    /// Long work of this tenant that runs now.
    jobs_running: usize,
    /// How full the data folder is; only for those who may change models.
    disk: Option<Disk>,
}

/// Something that can be called.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Served {
    name: String,
    route: bool,
    chats: bool,
    embeds: bool,
}

impl From<ListedModel> for Served {
    fn from(model: ListedModel) -> Self {
        Self { name: model.name, route: model.route, chats: model.chats, embeds: model.embeds }
    }
}

/// How the house is: what runs, what is still to be done, how full the disk is.
#[utoipa::path(
    get,
    path = "/status",
    responses((status = 200, body = Status)),
)]
pub(crate) async fn status(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
) -> Result<Json<Status>, ApiError> {
    let jobs = app.jobs.list(principal.tenant);
    let house = app.tenancy.house();
    let disk = match house.map(|house| app.guard.may_change_models(&principal, house)) {
        Some(Ok(())) => {
            let data = app.about.data.clone();
            Some(tokio::task::spawn_blocking(move || disk(&data)).await.map_err(|error| ApiError::internal(&error))?)
        }
        _ => None,
    };
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        started: app.about.started,
        models: app.serving.models(&principal).await?.into_iter().map(Served::from).collect(),
        index: app.search.status(),
        jobs_running: jobs.iter().filter(|job| job.state == jobs::State::Running).count(),
        disk,
    }))
}

/// Every setting, with where its value came from. They name places of the machine, so they are the operator's alone.
#[utoipa::path(
    get,
    path = "/settings",
    responses((status = 200, body = List<Setting>)),
)]
pub(crate) async fn settings(_: Operator, State(app): State<Arc<App>>) -> Json<List<Setting>> {
    Json(List { data: app.about.settings.clone(), next: None })
}
