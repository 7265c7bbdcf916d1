//! Long work, as whoever administers the tenant sees it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::page::{List, Page, Query};
use crate::App;
use crate::caller::Administrator;
use crate::error::ApiError;
use crate::jobs::Job;

pub(crate) async fn list(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<Json<List<Job>>, ApiError> {
    Ok(Json(page.newest(app.jobs.list(principal.tenant), |job| job.id.to_string())?))
}

pub(crate) async fn show(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Job>, ApiError> {
    Ok(Json(app.jobs.get(principal.tenant, id.parse()?)?))
}

pub(crate) async fn cancel(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Job>, ApiError> {
    Ok(Json(app.jobs.cancel(principal.tenant, id.parse()?)?))
}
