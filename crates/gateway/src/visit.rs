//! A request's visit, from its head to the head of its answer: its id, who asked, the place that it takes.
//!
//! What must stay true: every answer carries an `x-request-id`, refusals and panics too; a request whose body is
//! still on its way holds no place, so that slow writers hold up nobody; the bodies that lie in memory have one bound
//! for all of them together.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use base::{KeyId, TenantId};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::App;
use crate::error::ApiError;
use crate::stage::ended_by;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LIMIT_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-limit-tokens");
const REMAINING_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-tokens");
const ID_CHARS_MAX: usize = 64;
/// How long a body may take whatever its size, and how many bytes buy it a second more: what a bad line still does,
/// and what nobody does who only wants to hold something up.
const BODY_WAIT: Duration = Duration::from_secs(15);
const BODY_BYTES_A_SECOND: usize = 16 << 10;
/// Bodies of the greatest size that may lie in memory at once; smaller ones accordingly more.
const BODIES_MAX: usize = 32;

/// What all visits share.
#[derive(Debug)]
pub(crate) struct Hall {
    app: Arc<App>,
    places: Arc<Semaphore>,
    body_bytes: AtomicUsize,
}

impl Hall {
    pub(crate) fn new(app: Arc<App>) -> Self {
        let places = Arc::new(Semaphore::new(app.bounds.requests_max));
        Self { app, places, body_bytes: AtomicUsize::new(0) }
    }
}

/// One request's visit, found among the request's extensions.
#[derive(Debug, Clone)]
pub(crate) struct Visit(Arc<Stay>);

#[derive(Debug)]
struct Stay {
    id: String,
    /// Bytes that the body has, if the head says so.
    declared: Option<u64>,
    tenant: OnceLock<TenantId>,
    key: OnceLock<KeyId>,
    hall: Arc<Hall>,
    place: Mutex<Option<OwnedSemaphorePermit>>,
    body_bytes: AtomicUsize,
}

/// Receives a request, and sends its answer off with the headers that every answer has.
pub(crate) async fn receive<F>(hall: &Arc<Hall>, mut request: Request, next: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let visit = Visit::new(request.headers(), Arc::clone(hall));
    request.extensions_mut().insert(visit.clone());
    let mut response = match visit.take_place() {
        // The place is held until the head is out; a stream's own bounds are the engine's turns.
        Ok(()) => visit.bound_to_its_key(next(request).await),
        Err(error) => error.into_response(),
    };
    visit.leave(response.headers_mut());
    response
}

impl Visit {
    fn new(headers: &HeaderMap, hall: Arc<Hall>) -> Self {
        Self(Arc::new(Stay {
            id: request_id(headers),
            declared: headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()),
            tenant: OnceLock::new(),
            key: OnceLock::new(),
            hall,
            place: Mutex::new(None),
            body_bytes: AtomicUsize::new(0),
        }))
    }

    /// Notes whose request this is, and the key that it came with.
    pub(crate) fn belongs_to(&self, tenant: TenantId, key: Option<KeyId>) {
        let _ = self.0.tenant.set(tenant);
        if let Some(key) = key {
            let _ = self.0.key.set(key);
        }
    }

    /// A stream goes on no longer than its key is accepted.
    fn bound_to_its_key(&self, response: Response) -> Response {
        let Some(key) = self.0.key.get() else { return response };
        let tenancy = &self.0.hall.app.tenancy;
        ended_by(response, ApiError::Unauthenticated, || Box::pin(tenancy.departure(*key)))
    }

    /// Takes a body in: all of it, in time, or not at all.
    ///
    /// # Errors
    /// When it is too large, comes too slowly, breaks off, or finds no room among the others' bodies.
    pub(crate) async fn take_in(&self, mut body: Body, bytes_max: usize) -> Result<Bytes, ApiError> {
        // A body that is a little too large is read up to the bound, so that its sender comes to hear the answer; for
        // one that is much too large nothing of it is.
        if self.0.declared.is_some_and(|bytes| bytes / 4 > bytes_max as u64) {
            return Err(ApiError::BodyTooLarge);
        }
        drop(self.place().take());
        let begun = Instant::now();
        let mut taken = Vec::new();
        loop {
            let more = Duration::from_secs((taken.len() / BODY_BYTES_A_SECOND) as u64);
            let frame = timeout_at(begun + BODY_WAIT + more, body.frame()).await.map_err(|_| ApiError::BodyTooSlow)?;
            let Some(frame) = frame else { break };
            let Ok(bytes) = frame.map_err(|_| ApiError::invalid("the body did not arrive whole"))?.into_data() else {
                continue;
            };
            if taken.len() + bytes.len() > bytes_max {
                return Err(ApiError::BodyTooLarge);
            }
            self.make_room(bytes.len())?;
            taken.extend_from_slice(&bytes);
        }
        self.take_place()?;
        Ok(taken.into())
    }

    fn place(&self) -> std::sync::MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.0.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_place(&self) -> Result<(), ApiError> {
        let place = Arc::clone(&self.0.hall.places).try_acquire_owned().map_err(|_| ApiError::Crowded)?;
        *self.place() = Some(place);
        Ok(())
    }

    fn make_room(&self, bytes: usize) -> Result<(), ApiError> {
        let hall = &self.0.hall;
        let bytes_max = hall.app.bounds.body_bytes_max.saturating_mul(BODIES_MAX);
        let before = hall.body_bytes.fetch_add(bytes, Ordering::AcqRel);
        self.0.body_bytes.fetch_add(bytes, Ordering::AcqRel);
        if before.saturating_add(bytes) > bytes_max { Err(ApiError::Crowded) } else { Ok(()) }
    }

    /// Gives back what the visit held, and writes the headers that every answer has.
    fn leave(&self, headers: &mut HeaderMap) {
        self.0.give_back();
        if let Ok(id) = HeaderValue::from_str(&self.0.id) {
            headers.insert(REQUEST_ID, id);
        }
        let quota = self.0.tenant.get().and_then(|tenant| self.0.hall.app.tenancy.tokens_left(*tenant));
        if let Some((limit, left)) = quota {
            headers.insert(LIMIT_TOKENS, limit.into());
            headers.insert(REMAINING_TOKENS, left.into());
        }
    }
}

impl Stay {
    fn give_back(&self) {
        drop(self.place.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.hall.body_bytes.fetch_sub(self.body_bytes.swap(0, Ordering::AcqRel), Ordering::AcqRel);
    }
}

// A client that hangs up ends its visit in mid-way, and nobody says goodbye.
impl Drop for Stay {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// The client's own id if it is short and plain, since it goes into logs and back out; otherwise a new one.
fn request_id(headers: &HeaderMap) -> String {
    let plain = |id: &&str| {
        (1..=ID_CHARS_MAX).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    let mut shown = headers.get_all(REQUEST_ID).iter();
    match (shown.next().and_then(|id| id.to_str().ok()).filter(plain), shown.next()) {
        (Some(id), None) => id.to_owned(),
        _ => format!("req_{}", uuid::Uuid::now_v7().simple()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(shown: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for id in shown {
            headers.append(REQUEST_ID, HeaderValue::from_bytes(id).unwrap());
        }
        request_id(&headers)
    }

    #[test]
    fn a_clients_id_is_taken_only_if_it_is_short_and_plain() {
        assert_eq!(id_for(&[b"trace-7.a_B"]), "trace-7.a_B");
        let long = "a".repeat(ID_CHARS_MAX + 1);
        let many: [&[&[u8]]; 9] = [
            &[],
            &[b""],
            &[long.as_bytes()],
            &[b"a b"],
            &[b"a\tb"],
            &[b"<script>"],
            &["\u{b450}\u{b808}".as_bytes()],
            &[b"\xff"],
            &[b"one", b"two"],
        ];
        for shown in many {
            let id = id_for(shown);
            assert!(id.starts_with("req_") && id.len() == 36, "{shown:?} gave {id}");
        }
        assert_ne!(id_for(&[]), id_for(&[]));
    }
}
