//! What the doors know, and which doors there are.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use base::ContentHash;
use futures::FutureExt;
use subtle::ConstantTimeEq;
use utoipa_axum::router::OpenApiRouter;

use crate::about::About;
use crate::error::ApiError;
use crate::etag::{self, Looker};
use crate::jobs::Jobs;
use crate::keeper::Keeper;
use crate::stage::{self, Stage};
use crate::visit::{self, Hall};
use crate::watch::{self, Watch};
use crate::{Console, console, contract, host, idempotency, manage, mcp, messages, openai, trail};

/// Bounds of the door.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Bytes of one request's body.
    pub body_bytes_max: usize,
    /// Bytes of one upload.
    pub upload_bytes_max: usize,
    /// Requests answered at the same time; more are told to come again.
    pub requests_max: usize,
    /// Connections that are open at the same time; more wait to be accepted.
    pub connections_max: usize,
    /// Of those, how many one peer may have, so that no machine alone can take them all.
    pub connections_per_peer_max: usize,
    /// Host names that requests may be addressed to beside loopback's own.
    pub hosts: Vec<String>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            body_bytes_max: 8 << 20,
            upload_bytes_max: 256 << 20,
            requests_max: 512,
            connections_max: 4_096,
            connections_per_peer_max: 3_072,
            hosts: Vec::new(),
        }
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
    /// What waits for somebody's approval.
    pub approvals: Arc<guard::Approvals>,
    /// The records.
    pub corpora: Arc<corpus::Corpora>,
    /// Files that are uploaded first and become records later.
    pub files: Arc<corpus::Files>,
    /// Finding in them.
    pub search: Arc<retrieval::Search>,
    /// The catalogue of models.
    pub models: Arc<models::Models>,
    /// The one road to a model.
    pub serving: Arc<serving::Serving>,
    /// What happened.
    pub receipts: Arc<guard::Receipts>,
    /// What happened, in the forms that laws ask for.
    pub reports: report::Reports,
    /// Told after a model was installed or removed, so that engines follow.
    pub models_changed: tokio::sync::watch::Sender<u64>,
    /// Answers by idempotency key.
    pub idempotency: tenancy::Idempotency,
    /// Keeps the data safe.
    pub keeper: Arc<dyn Keeper>,
    /// Long work that runs, and that has ended lately.
    pub jobs: Jobs,
    /// What the wiring knows.
    pub about: About,
    /// The command line's secret.
    pub operator: OperatorKey,
    /// Where the server is on its way to its end.
    pub stage: tokio::sync::watch::Sender<Stage>,
    /// Bounds.
    pub bounds: Bounds,
    /// The page at `/`.
    pub console: Console,
    /// Health, metrics, the last errors.
    pub watch: Watch,
}

impl App {
    /// Drops what is kept of a tenant's records outside the records, after some of them were removed.
    pub(crate) async fn forget_kept(&self, tenant: base::TenantId) -> Result<(), ApiError> {
        self.serving.forget_kept();
        self.forget_answers(tenant).await
    }

    /// Drops the answers that are kept for a tenant's idempotency keys, after something was deleted that they may hold.
    pub(crate) async fn forget_answers(&self, tenant: base::TenantId) -> Result<(), ApiError> {
        self.idempotency.forget(tenant).await.map_err(|error| ApiError::internal(&error))
    }
}

/// Every door with its description: a door that is not here is not described, so it is not there.
pub(crate) fn doors(bounds: &Bounds) -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .merge(openai::doors(bounds.upload_bytes_max))
        .merge(messages::doors())
        .nest("/api/v1", manage::doors(bounds.upload_bytes_max))
        .merge(watch::doors())
}

/// All doors.
pub fn router(app: Arc<App>) -> Router {
    let (doors, _) = doors(&app.bounds).split_for_parts();
    let looker = Looker::new(doors.clone().with_state(Arc::clone(&app)));
    let entry = Entry { app: Arc::clone(&app), hall: Arc::new(Hall::new(Arc::clone(&app))), looker };
    doors
        .merge(contract::routes())
        .merge(console::routes())
        .merge(mcp::routes(&app))
        .fallback(|| async { ApiError::NoRoute })
        .method_not_allowed_fallback(|| async { ApiError::Method })
        .layer(DefaultBodyLimit::max(app.bounds.body_bytes_max))
        .layer(from_fn_with_state(Arc::new(entry), enter))
        .with_state(app)
}

/// What the way in shares.
struct Entry {
    app: Arc<App>,
    hall: Arc<Hall>,
    looker: Looker,
}

/// What every request goes through on its way to its door, the outermost first. One layer does it all: each layer
/// copies the layers inside it for each request, which for six of them took a fifth of a request's time.
async fn enter(State(entry): State<Arc<Entry>>, request: Request, next: Next) -> Response {
    let Entry { app, hall, .. } = &*entry;
    let door = Arc::clone(&entry);
    let told = async move |request| {
        trail::along(&door.app, request, |request| etag::answer(&door.looker, request, next)).await
    };
    let judged = async |request: Request| {
        if !host::is_addressed_to(&request, &app.bounds.hosts) {
            return ApiError::Host.into_response();
        }
        idempotency::answer(app, request, told).await
    };
    let received = |request| visit::receive(hall, request, |request| alive(stage::answer(app, judged(request))));
    watch::along(app, request, received).await
}

/// A panic in one request ends that request.
async fn alive(answering: impl Future<Output = Response>) -> Response {
    AssertUnwindSafe(answering).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!("a request panicked");
        ApiError::Internal.into_response()
    })
}

/// What an address of its own answers that is only for watching: health, and metrics without a key. Host names are
/// held to what is ours there, too.
pub(crate) fn router_apart(app: Arc<App>) -> Router {
    watch::routes_apart()
        .fallback(|| async { ApiError::NoRoute })
        .method_not_allowed_fallback(|| async { ApiError::Method })
        .layer(from_fn_with_state(Arc::clone(&app), host::check))
        .with_state(app)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn panics() -> &'static str {
        panic!("not even this text goes out")
    }

    #[tokio::test]
    async fn a_panic_in_one_request_ends_only_that_request() {
        let doors = Router::new().route("/panics", get(panics)).route("/lives", get(async || "alive"));
        let doors: Router = doors.layer(from_fn(async |request: Request, next: Next| alive(next.run(request)).await));
        for (path, status, said) in [("/panics", 500, "something went wrong inside"), ("/lives", 200, "alive")] {
            let request = axum::http::Request::get(path).body(Body::empty()).unwrap();
            let answer = doors.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), status);
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let text = String::from_utf8_lossy(&body);
            assert!(text.contains(said) && !text.contains("not even"), "{path}: {text}");
        }
    }
}
