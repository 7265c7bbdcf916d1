//! What a client has already is not sent again, and nothing is changed that is no longer what the client saw (RFC 9110,
//! section 13).
//!
//! One step for all resources of the management API: a tag is the hash of the answer's bytes, so no handler can forget
//! to change it. Answers that are large or have no length yet have none.

use axum::Router;
use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base::ContentHash;
use tokio::sync::Mutex;
use tower::ServiceExt;

use crate::error::ApiError;

/// Where the resources are that have tags.
const RESOURCES: &str = "/api/v1/";
/// Bytes of an answer that is hashed; a larger one goes out without a tag.
const HASHED_BYTES_MAX: u64 = 1 << 20;

/// Looks at what a change is about.
#[derive(Debug)]
pub(crate) struct Looker {
    /// The doors as they are. What follows a step stands for one method of one door, and would answer a look with the
    /// change itself.
    doors: Router,
    /// Held while a change with a condition looks and then acts, so that of two clients who saw the same, one succeeds.
    turns: Mutex<()>,
}

impl Looker {
    pub(crate) fn new(doors: Router) -> Self {
        Self { doors, turns: Mutex::default() }
    }

    async fn look(&self, request: Request) -> Response {
        let looked = self.doors.clone().oneshot(request).await;
        looked.unwrap_or_else(|never| match never {})
    }
}

/// Answers a request to a resource with its tag in mind, and any other as it is.
pub(crate) async fn answer(looker: &Looker, request: Request, next: Next) -> Response {
    if request.uri().path().starts_with(RESOURCES) {
        Box::pin(tell(looker, request, next)).await
    } else {
        next.run(request).await
    }
}

async fn tell(looker: &Looker, request: Request, next: Next) -> Response {
    match *request.method() {
        Method::GET => {
            let known = condition(request.headers(), &IF_NONE_MATCH);
            let (response, tag) = tagged(next.run(request).await).await;
            match (known, tag) {
                (Some(known), Some(tag)) if matches(&known, &tag) => unchanged(&tag),
                _ => response,
            }
        }
        Method::PUT | Method::PATCH | Method::DELETE => match condition(request.headers(), &IF_MATCH) {
            Some(wanted) => {
                let _turn = looker.turns.lock().await;
                let (now, tag) = tagged(looker.look(as_look(&request)).await).await;
                match (now.status(), tag) {
                    (StatusCode::OK, Some(tag)) if matches(&wanted, &tag) => next.run(request).await,
                    (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND, _) => now,
                    _ => ApiError::Changed.into_response(),
                }
            }
            None => next.run(request).await,
        },
        _ => next.run(request).await,
    }
}

/// The same request, as one that only looks. What was learnt of the request on its way here stays behind: the doors
/// learn it anew.
fn as_look(request: &Request) -> Request {
    let mut looking = Request::new(Body::empty());
    *looking.method_mut() = Method::GET;
    *looking.uri_mut() = request.uri().clone();
    *looking.headers_mut() = request.headers().clone();
    for name in [CONTENT_LENGTH, CONTENT_TYPE, IF_MATCH] {
        looking.headers_mut().remove(name);
    }
    looking
}

/// Puts a tag on an answer that can have one.
async fn tagged(response: Response) -> (Response, Option<String>) {
    let json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    let bounded = response.body().size_hint().exact().is_some_and(|bytes| bytes <= HASHED_BYTES_MAX);
    if response.status() != StatusCode::OK || !json || !bounded {
        return (response, None);
    }
    let (mut head, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, HASHED_BYTES_MAX as usize).await else {
        return (ApiError::Internal.into_response(), None);
    };
    let tag = format!("\"{}\"", &ContentHash::of(&bytes).to_string()[..32]);
    if let Ok(value) = HeaderValue::try_from(&tag) {
        head.headers.insert(ETAG, value);
    }
    // What a key may read is not for a browser's disk; whoever keeps an answer does so knowingly.
    head.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    (Response::from_parts(head, Body::from(bytes)), Some(tag))
}

fn unchanged(tag: &str) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    if let Ok(value) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(ETAG, value);
    }
    response
}

fn condition(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("\0")).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// Whether a list of tags has this one. A proxy may have made it a weak one; the bytes that it names are the same.
fn matches(list: &str, tag: &str) -> bool {
    list.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use axum::routing::get;

    use super::*;

    /// A counter that can be read and set to 0.
    fn router(count: Arc<AtomicU32>) -> Router {
        let (read, zeroed) = (Arc::clone(&count), count);
        let show = move || async move { axum::Json(read.load(Ordering::SeqCst)) };
        let clear = move || async move {
            zeroed.store(0, Ordering::SeqCst);
            axum::Json("cleared")
        };
        let doors = Router::new().route("/api/v1/count/{name}", get(show).delete(clear));
        let looker = Arc::new(Looker::new(doors.clone()));
        doors.layer(axum::middleware::from_fn(move |request, next| {
            let looker = Arc::clone(&looker);
            async move { answer(&looker, request, next).await }
        }))
    }

    async fn ask(router: &Router, method: Method, header: Option<(HeaderName, &str)>) -> Response {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = axum::http::Uri::from_static("/api/v1/count/visits");
        if let Some((name, value)) = header {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        router.clone().oneshot(request).await.unwrap()
    }

    fn tag(response: &Response) -> String {
        response.headers()[ETAG].to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn what_did_not_change_is_not_sent_again() {
        let count = Arc::new(AtomicU32::new(1));
        let router = router(Arc::clone(&count));
        let first = tag(&ask(&router, Method::GET, None).await);
        for list in [first.clone(), format!("\"x\", {first}"), format!("W/{first}"), "*".to_owned()] {
            let again = ask(&router, Method::GET, Some((IF_NONE_MATCH, &list))).await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{list}");
            assert_eq!(again.body().size_hint().exact(), Some(0));
        }
        count.store(2, Ordering::SeqCst);
        let changed = ask(&router, Method::GET, Some((IF_NONE_MATCH, &first))).await;
        assert_eq!(changed.status(), StatusCode::OK);
        assert_ne!(tag(&changed), first);
    }

    #[tokio::test]
    async fn what_has_changed_meanwhile_is_left_alone() {
        let count = Arc::new(AtomicU32::new(1));
        let router = router(Arc::clone(&count));
        let seen = tag(&ask(&router, Method::GET, None).await);
        count.store(2, Ordering::SeqCst);
        let refused = ask(&router, Method::DELETE, Some((IF_MATCH, &seen))).await;
        assert_eq!((refused.status(), count.load(Ordering::SeqCst)), (StatusCode::PRECONDITION_FAILED, 2));
        let seen = tag(&ask(&router, Method::GET, None).await);
        let done = ask(&router, Method::DELETE, Some((IF_MATCH, &seen))).await;
        assert_eq!((done.status(), count.load(Ordering::SeqCst)), (StatusCode::OK, 0));
        assert_eq!(ask(&router, Method::DELETE, None).await.status(), StatusCode::OK);
    }
}
