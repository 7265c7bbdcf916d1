//! Backups and checks, for the operator.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use crate::caller::Operator;
use crate::error::ApiError;
use crate::jobs::{Job, Kind, Teller};
use crate::keeper::{KeeperProgress, Tell};
use crate::openai::Body;
use crate::{App, BackupWish};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct BackupRequest {
    /// A file or a folder on this machine, as an absolute path. Only the operator may name one.
    #[schema(value_type = String)]
    path: PathBuf,
    /// Whether the models' files go along.
    #[serde(default = "yes")]
    models: bool,
}

fn yes() -> bool {
    true
}

/// Writes a backup while the house is in use. The operator's alone.
#[utoipa::path(
    post,
    path = "/backup",
    request_body = BackupRequest,
    responses((status = 200, description = "A line for each step, and the result as the last one", content_type = "application/x-ndjson", body = Value), (status = 202, description = "With `Prefer: respond-async`: the work goes on by itself", body = Job)),
)]
pub(crate) async fn backup(
    Operator(principal): Operator,
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Body(request): Body<BackupRequest>,
) -> Result<Response, ApiError> {
    if !request.path.is_absolute() {
        return Err(ApiError::invalid(format!("`{}` is not an absolute path", request.path.display())));
    }
    let (keeper, wish) = (Arc::clone(&app.keeper), BackupWish { path: request.path, models: request.models });
    app.jobs.run(&principal, &headers, (Kind::Backup, ""), move |teller| async move {
        Ok(keeper.backup(wish, telling(teller)).await?)
    })
}

/// Checks the data folder while it is in use. The operator's alone.
#[utoipa::path(
    post,
    path = "/check",
    responses((status = 200, description = "A line for each step, and the result as the last one", content_type = "application/x-ndjson", body = Value), (status = 202, description = "With `Prefer: respond-async`: the work goes on by itself", body = Job)),
)]
pub(crate) async fn check(
    Operator(principal): Operator,
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let keeper = Arc::clone(&app.keeper);
    app.jobs.run(&principal, &headers, (Kind::Check, ""), move |teller| async move {
        Ok(keeper.check(telling(teller)).await?)
    })
}

fn telling(teller: Teller<KeeperProgress>) -> Tell {
    Arc::new(move |progress| teller.tell(progress))
}
