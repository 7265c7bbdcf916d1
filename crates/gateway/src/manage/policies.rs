//! The policies that count now.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base::ContentHash;
use serde::Serialize;

use crate::App;
use crate::caller::Administrator;

/// The policies that count now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PolicyState {
    /// The version: receipts name it.
    version: ContentHash,
    /// Whether these are the starting policies, since the folder has none.
    starting: bool,
    /// Cases that stand beside them.
    cases: usize,
    /// Those cases that do not hold.
    failing: Vec<String>,
    /// What is wrong with the folder, where it has changed and cannot be used; then the version from before counts.
    problems: Vec<String>,
}

/// The policies that count now, and what is wrong with their folder if it cannot be used.
#[utoipa::path(
    get,
    path = "/policies",
    responses((status = 200, body = PolicyState)),
)]
pub(crate) async fn state(_: Administrator, State(app): State<Arc<App>>) -> Json<PolicyState> {
    let policies = app.guard.policies();
    let results = guard::policy::test(&policies, policies.cases());
    let failing = results.iter().filter(|result| !result.wrong.is_empty()).map(ToString::to_string).collect();
    Json(PolicyState {
        version: policies.version(),
        starting: policies.is_starting(),
        cases: results.len(),
        failing,
        problems: app.guard.problems().iter().map(ToString::to_string).collect(),
    })
}
