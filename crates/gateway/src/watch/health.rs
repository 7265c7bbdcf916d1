//! Whether the server lives, and whether it can do its work. Both are told without a key, so they name nothing:
//! no path, no model, no tenant, no error's text.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use crate::App;
use crate::stage::Stage;

/// What the wiring saw when it looked last, by the name of what was looked at; none where all is well, and otherwise
/// the reason, which strangers may read.
pub type Readiness = BTreeMap<&'static str, Option<&'static str>>;

#[derive(Debug, Serialize)]
struct Check {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// Whether the server lives. Needs no key.
#[utoipa::path(
    get,
    path = "/healthz",
    responses((status = 200, body = Value)),
    security(()),
)]
pub(crate) async fn healthz() -> Json<Value> {
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

/// 200 if work may be sent here, 503 with the reasons if not. It looks at nothing itself: strangers may ask as often
/// as they like.
#[utoipa::path(
    get,
    path = "/readyz",
    responses((status = 200, body = Value), (status = 503, description = "Not ready, with the reasons", body = Value)),
    security(()),
)]
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, Json<Value>) {
    let mut readiness = app.watch.readiness();
    let stopping = *app.stage.borrow() >= Stage::Stopping;
    readiness.insert("server", stopping.then_some("the server is stopping"));
    let recording = app.receipts.may_record().is_ok();
    readiness.insert("ledger", (!recording).then_some("the ledger takes no entries"));
    let ready = readiness.values().all(Option::is_none);
    let checks: BTreeMap<_, _> =
        readiness.into_iter().map(|(name, reason)| (name, Check { ok: reason.is_none(), reason })).collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "status": if ready { "ready" } else { "not ready" }, "checks": checks })))
}
