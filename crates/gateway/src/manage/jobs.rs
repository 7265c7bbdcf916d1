//! Long work, as whoever administers the tenant sees it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::page::{List, Page};
use crate::App;
use crate::caller::Administrator;
use crate::error::ApiError;
use crate::input::{Path, Query};
use crate::jobs::Job;

/// Long work that runs and that has ended lately, the newest first.
#[utoipa::path(
    get,
    path = "/jobs",
    params(Page),
    responses((status = 200, body = List<Job>)),
)]
pub(crate) async fn list(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<Json<List<Job>>, ApiError> {
    Ok(Json(page.newest(app.jobs.list(principal.tenant), |job| job.id.to_string())?))
}

/// One job.
#[utoipa::path(
    get,
    path = "/jobs/{id}",
    params(("id" = String, Path, description = "The id")),
    responses((status = 200, body = Job)),
)]
pub(crate) async fn show(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Job>, ApiError> {
    Ok(Json(app.jobs.get(principal.tenant, id.parse()?)?))
}

/// Cancels a job. What it has done so far stays.
#[utoipa::path(
    delete,
    path = "/jobs/{id}",
    params(("id" = String, Path, description = "The id")),
    responses((status = 200, body = Job)),
)]
pub(crate) async fn cancel(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Job>, ApiError> {
    Ok(Json(app.jobs.cancel(principal.tenant, id.parse()?)?))
}
