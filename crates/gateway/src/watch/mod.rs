//! Watching: health, metrics, and the watch that goes along with each request.
//!
//! What must stay true: nothing here tells of a text, a path, a key or a tenant; and the metrics, which tell how busy
//! the house is, are for those who keep it, or for whoever reaches the address that the settings set apart.

mod exposition;
mod health;
mod metrics;
mod request;
mod trace;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::routing::get;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio::sync::watch::Receiver;

pub use health::Readiness;
pub(crate) use request::{ErrorCode, along};

use self::metrics::Metrics;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;

/// Errors that are remembered for whoever looks.
const ERRORS_MAX: usize = 32;

/// What is known of the house from watching it.
#[derive(Debug)]
pub struct Watch {
    registry: Registry,
    metrics: Metrics,
    ready: Receiver<Readiness>,
    errors: Mutex<VecDeque<RecentError>>,
    since: Timestamp,
    /// Whether spans are kept somewhere.
    traced: bool,
}

/// A request that was answered with an error. Which one, not what stood in it.
#[derive(Debug, Clone, Serialize)]
struct RecentError {
    at: Timestamp,
    method: &'static str,
    route: String,
    status: u16,
    code: &'static str,
}

impl Watch {
    /// Watches a house whose parts show their metrics in `registry`, and whose wiring tells in `ready` what keeps it
    /// from working. `traced` says whether spans of requests are kept
    /// somewhere.
    pub fn new(mut registry: Registry, ready: Receiver<Readiness>, traced: bool) -> Self {
        let metrics = Metrics::registered(&mut registry);
        Self { registry, metrics, ready, errors: Mutex::default(), since: Timestamp::now(), traced }
    }

    fn readiness(&self) -> Readiness {
        self.ready.borrow().clone()
    }

    fn remember(&self, error: RecentError) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        if errors.len() == ERRORS_MAX {
            errors.pop_front();
        }
        errors.push_back(error);
    }

    fn recent_errors(&self) -> Vec<RecentError> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// What the main address answers.
pub(crate) fn doors() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(exposition::metrics_for_stewards))
        .routes(routes!(exposition::metrics_as_json))
}

/// What the address answers that the settings set apart for watching.
pub(crate) fn routes_apart() -> Router<Arc<App>> {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(exposition::metrics))
}
