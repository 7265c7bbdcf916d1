//! Receipts: what the ledger says of flows and acts, each with a proof that others can check.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use base::{Principal, ReceiptId, Subject, TenantId};
use guard::{Filed, LedgerState, ReceiptFilter};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::page::{List, Page};
use crate::App;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::input::{Path, Query};

/// An entry of the ledger.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = LedgerEntry)]
pub(crate) struct Told {
    /// Its place in the log.
    leaf: u64,
    /// What it says: a receipt, an act, or an intent that no receipt closed yet. `entry` names which.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    entry: Value,
}

impl Told {
    fn of(filed: &Filed) -> Result<Self, ApiError> {
        let entry = serde_json::to_value(&filed.entry).map_err(|error| ApiError::internal(&error))?;
        Ok(Self { leaf: filed.leaf, entry })
    }
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only `receipt`, `act` or `intent`.
    kind: Option<String>,
    /// Only flows that ended so: `served`, `refused`, `failed`, `hung_up`, `lost`.
    outcome: Option<String>,
    /// Only flows that called this route or model.
    asked: Option<String>,
    /// Only flows whose text left the house.
    #[serde(default)]
    outside: bool,
    /// Only what began then or later.
    from: Option<Timestamp>,
    /// Only what began before.
    to: Option<Timestamp>,
    /// Only one's own, also for administrators.
    #[serde(default)]
    mine: bool,
}

/// What the ledger says, the newest first: of everybody in the tenant for its administrators, of oneself for others.
#[utoipa::path(
    get,
    path = "/receipts",
    params(Page, Which),
    responses((status = 200, body = List<Told>)),
)]
pub(crate) async fn list(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
    Query(which): Query<Which>,
) -> Result<Json<List<Told>>, ApiError> {
    let limit = page.limit()?;
    let before = match &page.after {
        Some(after) => Some(after.parse().map_err(|_| ApiError::field("after", "is `next` of the page before"))?),
        None => None,
    };
    let filter = ReceiptFilter {
        tenant: principal.tenant,
        who: (which.mine || !sees_all(&app, &principal)).then_some(principal.subject),
        kind: which.kind,
        outcome: which.outcome,
        asked: which.asked,
        outside: which.outside,
        from: which.from,
        to: which.to,
        before,
        limit: limit + 1,
    };
    let mut found = app.receipts.list(&filter).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|filed| filed.leaf.to_string());
    Ok(Json(List { data: found.iter().map(Told::of).collect::<Result<_, _>>()?, next }))
}

/// One entry, by its receipt's id.
#[utoipa::path(
    get,
    path = "/receipts/{id}",
    params(("id" = String, Path, description = "The id")),
    responses((status = 200, body = Told)),
)]
pub(crate) async fn show(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(id): Path<ReceiptId>,
) -> Result<Json<Told>, ApiError> {
    Ok(Json(Told::of(&visible(&app, &principal, id).await?)?))
}

/// The proof that an entry stands in the log, as a `c2sp.org/tlog-proof@v1` file. Whoever has the log's public key checks
/// it without asking anybody.
#[utoipa::path(
    get,
    path = "/receipts/{id}/proof",
    params(("id" = String, Path, description = "The id")),
    responses((status = 200, body = String, content_type = "text/plain")),
)]
pub(crate) async fn proof(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(id): Path<ReceiptId>,
) -> Result<Response, ApiError> {
    let filed = visible(&app, &principal, id).await?;
    let proof = app.receipts.prove(filed.leaf).await?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], proof).into_response())
}

/// The log's public key and its last signed checkpoint. With them others verify what they are shown.
#[utoipa::path(
    get,
    path = "/ledger",
    responses((status = 200, body = LedgerState)),
)]
pub(crate) async fn state(_: Caller, State(app): State<Arc<App>>) -> Json<LedgerState> {
    Json(app.receipts.state())
}

fn sees_all(app: &App, principal: &Principal) -> bool {
    app.guard.may_administer(principal).is_ok()
}

/// An entry that the principal may see; what is another's is not there at all.
async fn visible(app: &App, principal: &Principal, id: ReceiptId) -> Result<Filed, ApiError> {
    let found = app.receipts.find(id).await?;
    let theirs = |(tenant, who): (TenantId, Subject)| {
        tenant == principal.tenant && (who == principal.subject || sees_all(app, principal))
    };
    found.filter(|filed| theirs(filed.entry.whose())).ok_or(ApiError::NotFound("receipt"))
}
