//! `Idempotency-Key`: a client that lost the answer asks again, and gets it.
//!
//! The request under a key runs to its end even if its client hangs up, since that is the very case the key is for:
//! the client comes back and finds the answer. Meanwhile it is told when to come again. Only what succeeded is kept;
//! a request that failed may be tried again under the same key.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base::ContentHash;
use http_body_util::BodyExt;
use tenancy::{Begun, Claim, KeptAnswer};

use crate::App;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::stage::{Stage, reached};
use crate::visit::Visit;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const WARNING: HeaderName = HeaderName::from_static("x-dure-warning");
const KEY_CHARS_MAX: usize = 255;
/// Where keys count. `/api/v1/keys` is not among them: its answer holds a secret that is kept nowhere.
const PATHS: &[&str] = &[
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/api/v1/conversations",
    "/api/v1/corpora",
    "/api/v1/groups",
    "/api/v1/people",
    "/api/v1/routes",
    "/api/v1/tenants",
];

/// Answers a request, or finds the answer that it had.
pub(crate) async fn answer<N, F>(app: &Arc<App>, request: Request, next: N) -> Response
where
    N: FnOnce(Request) -> F + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let counts = request.method() == Method::POST && PATHS.contains(&request.uri().path());
    if !counts || !request.headers().contains_key(KEY) {
        return next(request).await;
    }
    // Boxed as what is rare: a request without a key carries no room for one.
    match Box::pin(keyed(app, request, next)).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn keyed<N, F>(app: &Arc<App>, request: Request, next: N) -> Result<Response, ApiError>
where
    N: FnOnce(Request) -> F + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let (mut parts, body) = request.into_parts();
    let Caller(principal) = Caller::from_request_parts(&mut parts, app).await?;
    let key = key(&parts.headers)?;
    let visit = parts.extensions.get::<Visit>().cloned().ok_or(ApiError::Internal)?;
    let body = visit.take_in(body, app.bounds.body_bytes_max).await?;
    let mut asked = format!("{}\n", parts.uri.path()).into_bytes();
    asked.extend_from_slice(&body);
    let (app, asked) = (Arc::clone(app), ContentHash::of(asked));
    let request = Request::from_parts(parts, Body::from(body));
    // From here on it is nobody's to end but the server's: whoever is told that it runs may count on that.
    let running = tokio::spawn(async move {
        match app.idempotency.begin(&principal, &key, asked).await {
            Ok(Begun::First(claim)) => Ok(run(&app, claim, next(request)).await),
            Ok(Begun::Answered(kept)) => Ok(replayed(kept)),
            Ok(Begun::Running) => Err(ApiError::KeyRunning),
            Ok(Begun::OtherRequest) => Err(ApiError::KeyReused),
            Err(error) => Err(ApiError::internal(&error)),
        }
    });
    running.await.map_err(|_| ApiError::Internal)?
}

fn key(headers: &HeaderMap) -> Result<String, ApiError> {
    let mut shown = headers.get_all(KEY).iter();
    let plain = |key: &HeaderValue| {
        let key = key.to_str().ok()?;
        ((1..=KEY_CHARS_MAX).contains(&key.len())).then(|| key.to_owned())
    };
    match (shown.next().and_then(plain), shown.next()) {
        (Some(key), None) => Ok(key),
        _ => Err(ApiError::invalid(format!("an idempotency key is one text of 1 to {KEY_CHARS_MAX} plain letters"))),
    }
}

/// Runs the request to its end, whoever waits for it; only the server's own end cuts it short.
async fn run(app: &App, claim: Claim, answering: impl Future<Output = Response>) -> Response {
    tokio::select! {
        response = answering => keep(app, claim, response).await,
        () = reached(Stage::Ending, app.stage.subscribe()) => ApiError::Stopping.into_response(),
    }
}

async fn keep(app: &App, claim: Claim, response: Response) -> Response {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    // A stream goes to the one who reads it, and is not there to be read again.
    if !response.status().is_success() || !kind.starts_with("application/json") {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = body.collect().await.map(|whole| whole.to_bytes()) else {
        return ApiError::Internal.into_response();
    };
    let answer = KeptAnswer { status: parts.status.as_u16(), kind, body: body.to_vec() };
    let trouble = match app.idempotency.keep(claim, &answer).await {
        Ok(true) => None,
        Ok(false) => Some("the answer is too large to be kept for its idempotency key"),
        Err(error) => {
            tracing::error!(%error, "an answer could not be kept for its idempotency key");
            Some("the answer could not be kept for its idempotency key")
        }
    };
    if let Some(trouble) = trouble {
        parts.headers.append(WARNING, HeaderValue::from_static(trouble));
    }
    Response::from_parts(parts, Body::from(body))
}

fn replayed(kept: KeptAnswer) -> Response {
    let mut response = Response::new(Body::from(kept.body));
    *response.status_mut() = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    if let Ok(kind) = HeaderValue::from_str(&kept.kind) {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}
