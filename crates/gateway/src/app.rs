//! What the doors know, and which doors there are.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use base::ContentHash;
use subtle::ConstantTimeEq;
use tower_http::catch_panic::CatchPanicLayer;

use crate::error::ApiError;
use crate::{Console, console, health, host, manage, openai};

/// Bounds of the door.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Bytes of one request's body.
    pub body_bytes_max: usize,
    /// Requests answered at the same time; more are told to come again.
    pub requests_max: usize,
    /// Host names that requests may be addressed to beside loopback's own.
    pub hosts: Vec<String>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { body_bytes_max: 8 << 20, requests_max: 512, hosts: Vec::new() }
    }
}

/// The secret of whoever can read the data folder: the command line on this machine.
#[derive(Clone)]
pub struct OperatorKey(ContentHash);

impl OperatorKey {
    /// Takes the secret as it stands in the data folder.
    pub fn new(secret: &str) -> Self {
        Self(ContentHash::of(secret))
    }

    /// Compares in a time that does not depend on where the secrets differ.
    pub(crate) fn matches(&self, shown: &str) -> bool {
        self.0.as_bytes().ct_eq(ContentHash::of(shown).as_bytes()).into()
    }
}

impl std::fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OperatorKey(...)")
    }
}

/// Every capability that a door can reach.
#[derive(Debug)]
pub struct App {
    /// Who may ask.
    pub tenancy: Arc<tenancy::Tenancy>,
    /// What may happen.
    pub guard: guard::Guard,
    /// The records.
    pub corpora: Arc<corpus::Corpora>,
    /// Finding in them.
    pub search: Arc<retrieval::Search>,
    /// The catalogue of models.
    pub models: Arc<models::Models>,
    /// The one road to a model.
    pub serving: Arc<serving::Serving>,
    /// Told after a model was installed or removed, so that engines follow.
    pub models_changed: tokio::sync::watch::Sender<u64>,
    /// The command line's secret.
    pub operator: OperatorKey,
    /// Bounds.
    pub bounds: Bounds,
    /// The page at `/`.
    pub console: Console,
}

/// All doors.
pub fn router(app: Arc<App>) -> Router {
    let places = Arc::new(tokio::sync::Semaphore::new(app.bounds.requests_max));
    Router::new()
        .merge(openai::routes())
        .nest("/api/v1", manage::routes())
        .merge(health::routes())
        .merge(console::routes())
        .fallback(|| async { ApiError::NoRoute })
        .method_not_allowed_fallback(|| async { ApiError::Method })
        .layer(DefaultBodyLimit::max(app.bounds.body_bytes_max))
        .layer(axum::middleware::from_fn(move |request, next: axum::middleware::Next| {
            let places = Arc::clone(&places);
            async move {
                // The place is held until the head is out; a stream's own bounds are the engine's slots and queue.
                match places.try_acquire_owned() {
                    Ok(_place) => next.run(request).await,
                    Err(_) => ApiError::Crowded.into_response(),
                }
            }
        }))
        .layer(from_fn_with_state(Arc::clone(&app), host::check))
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(app)
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a request panicked");
    (StatusCode::INTERNAL_SERVER_ERROR, ApiError::Internal.body()).into_response()
}
