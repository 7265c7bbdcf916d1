//! What people and programs do here beside asking models: each change, and each look into a record, leaves an act in
//! the ledger. That a change begins is on the disk before anything changes, so that none is without a trace, whenever the
//! program dies.
//!
//! Flows (chats, answers, embeddings, searches) leave receipts of their own and are none of these.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use base::Principal;
use guard::{Act, Receipts, Recorded, Refusal};

use crate::App;
use crate::error::ApiError;

/// What is being done, for whoever finds out who does it. Copies are one.
#[derive(Debug, Clone)]
pub(crate) struct Asker(Arc<Doing>);

#[derive(Debug)]
struct Doing {
    receipts: Arc<Receipts>,
    from: Option<String>,
    action: String,
    on: Vec<String>,
    /// Whether it may change something.
    changes: bool,
    /// Who does it, once that is known.
    act: OnceLock<Act>,
}

impl Asker {
    /// It is this principal who asks. Where something may be changed, comes back when it is on the disk that he begins.
    ///
    /// # Errors
    /// [`Refusal::Unrecorded`]: then nothing may be changed.
    pub async fn is(&self, principal: &Principal) -> Result<(), Refusal> {
        let Doing { receipts, from, action, on, changes, act } = &*self.0;
        let begun = Act::now(principal, from.clone(), action, on);
        if act.set(begun.clone()).is_err() || !changes {
            return Ok(());
        }
        receipts.begin_act(&begun).await
    }
}

/// The address that a request came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Doors whose answers are flows, and leave receipts.
const FLOWS: [&str; 9] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1/embeddings",
    "/api/v1/corpora/{name}/answers",
    "/api/v1/corpora/{name}/search",
    "/v1/vector_stores/{store}/search",
    "/mcp",
];

/// Doors that answer what would be. They change nothing, show no record, and what is handed to them is forgotten.
const QUESTIONS: [&str; 2] = ["/api/v1/mask", "/api/v1/policies/explain"];

/// Doors that show what stands in records or conversations.
const LOOKS: [&str; 5] = [
    "/api/v1/corpora/{name}/document",
    "/api/v1/documents/{id}",
    "/api/v1/conversations/{id}",
    "/api/v1/conversations/{id}/export",
    "/v1/files/{file}/content",
];

fn is_act(method: &Method, route: &str) -> bool {
    match *method {
        Method::GET | Method::HEAD => LOOKS.contains(&route),
        Method::OPTIONS => false,
        _ => !FLOWS.contains(&route) && !QUESTIONS.contains(&route),
    }
}

/// Lets a request through, and writes down what it did. What could not be written down is not begun.
pub(crate) async fn along<F>(app: &App, mut request: Request, next: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let Some(route) = route.filter(|route| is_act(request.method(), route)) else { return next(request).await };
    if let Err(refusal) = app.receipts.may_record() {
        return ApiError::from(refusal).into_response();
    }
    let asker = Asker(Arc::new(Doing {
        receipts: Arc::clone(&app.receipts),
        from: request.extensions().get::<Peer>().map(|Peer(address)| address.to_string()),
        action: format!("{} {route}", request.method()),
        on: named(&route, request.uri().path()),
        changes: !matches!(*request.method(), Method::GET | Method::HEAD),
        act: OnceLock::new(),
    }));
    request.extensions_mut().insert(asker.clone());
    let mut trail = Trail(Some(asker));
    let response = next(request).await;
    match trail.end(response.status().as_u16()) {
        Some(recorded) => match recorded.acknowledged().await {
            Ok(()) => response,
            Err(refusal) => ApiError::from(refusal).into_response(),
        },
        None => response,
    }
}

/// What is being done. Dropped before its answer, as when whoever asked hangs up, it is written down all the same, since
/// nobody knows how far it came.
struct Trail(Option<Asker>);

impl Trail {
    /// Whoever showed no key did nothing here.
    fn end(&mut self, status: u16) -> Option<Recorded> {
        let Asker(doing) = self.0.take()?;
        let act = doing.act.get()?.clone();
        Some(doing.receipts.act(Act { status, ..act }))
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        // Nobody is left who could wait for it.
        let _ = self.end(Act::UNKNOWN);
    }
}

/// What a path names where its route has a parameter.
fn named(route: &str, path: &str) -> Vec<String> {
    let pairs = route.split('/').zip(path.split('/'));
    pairs.filter(|(of_route, _)| of_route.starts_with('{')).map(|(_, of_path)| of_path.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_and_looks_are_acts_and_flows_are_not() {
        assert!(is_act(&Method::DELETE, "/api/v1/keys/{name}"));
        assert!(is_act(&Method::GET, "/api/v1/documents/{id}"));
        assert!(!is_act(&Method::GET, "/api/v1/keys"));
        assert!(!is_act(&Method::POST, "/v1/chat/completions"));
        assert!(!is_act(&Method::POST, "/api/v1/mask"));
        assert_eq!(named("/api/v1/keys/{name}", "/api/v1/keys/first"), ["first"]);
    }
}
