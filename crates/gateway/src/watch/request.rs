//! The watch that goes along with each request, from its head to its answer's last byte.
//!
//! What must stay true: each request is counted once, also if its client hangs up or its handler panics.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use jiff::Timestamp;
use tracing::{Instrument, Span, field};

use super::RecentError;
use super::metrics::{Answered, ByCode};
use super::trace::Trace;
use crate::App;

/// An answer carries the code of its error here, so that it can be counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErrorCode(pub(crate) &'static str);

pub(crate) async fn along<F>(app: &Arc<App>, request: Request, next: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let method = word(request.method());
    let span = tracing::info_span!(
        "request",
        trace_id = field::Empty,
        span_id = field::Empty,
        parent_span_id = field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
        tenant = field::Empty,
        gen_ai.request.model = field::Empty,
        gen_ai.usage.input_tokens = field::Empty,
        gen_ai.usage.output_tokens = field::Empty,
        error.type = field::Empty,
        ms = field::Empty,
    );
    let (trace, traced) = (Trace::of(request.headers()), app.watch.traced);
    trace.record(&span, traced);
    let mut trip = Trip::begin(Arc::clone(app), method, route, span.clone());
    let app = Arc::clone(app);
    let request = request.map(|body| Body::new(Counted { body, app }));
    let response = serving::within_trace(trace.onwards(traced), next(request).instrument(span)).await;
    trip.answered(&response);
    response.map(|body| Body::new(Watched { body, trip }))
}

/// Methods are the client's words; only those of HTTP are told apart.
fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}

/// One request on its way. Its drop is the end of it.
struct Trip {
    app: Arc<App>,
    span: Span,
    begun: Instant,
    method: &'static str,
    route: String,
    /// None while nobody has answered: then the handler panicked, or the client hung up before.
    status: Option<StatusCode>,
    streams: bool,
}

impl Trip {
    fn begin(app: Arc<App>, method: &'static str, route: String, span: Span) -> Self {
        app.watch.metrics.active.inc();
        Self { app, span, begun: Instant::now(), method, route, status: None, streams: false }
    }

    fn answered(&mut self, response: &Response) {
        let status = response.status();
        self.status = Some(status);
        self.span.record("http.response.status_code", status.as_u16());

        let kind = response.headers().get(CONTENT_TYPE).map(|kind| kind.as_bytes());
        self.streams = matches!(kind, Some(b"text/event-stream" | b"application/x-ndjson"));
        if self.streams {
            self.app.watch.metrics.streams.inc();
        }
        if let Some(ErrorCode(code)) = response.extensions().get() {
            self.span.record("error.type", code);
            self.app.watch.metrics.errors.get_or_create(&ByCode { code }).inc();
            self.app.watch.remember(RecentError {
                at: Timestamp::now(),
                method: self.method,
                route: self.route.clone(),
                status: status.as_u16(),
                code,
            });
        }
    }
}

impl Drop for Trip {
    fn drop(&mut self) {
        let metrics = &self.app.watch.metrics;
        metrics.active.dec();
        if self.streams {
            metrics.streams.dec();
        }
        // 499 is what proxies write where a client did not wait for the head.
        let status = self.status.map_or(499, |status| status.as_u16());
        let took = self.begun.elapsed();
        self.span.record("ms", took.as_millis() as u64);
        let _inside = self.span.enter();
        tracing::debug!("answered");
        let labels = Answered {
            http_request_method: self.method,
            http_route: std::mem::take(&mut self.route),
            http_response_status_code: status,
        };
        metrics.duration.get_or_create(&labels).observe(took.as_secs_f64());
    }
}

/// A request's body, whose bytes are counted. Its size is told as it was, so that one that is too large is refused
/// unread.
struct Counted {
    body: Body,
    app: Arc<App>,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.app.watch.metrics.received.inc_by(bytes_in(&polled));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn bytes_in(polled: &Poll<Option<Result<Frame<Bytes>, axum::Error>>>) -> u64 {
    match polled {
        Poll::Ready(Some(Ok(frame))) => frame.data_ref().map_or(0, |data| data.len() as u64),
        _ => 0,
    }
}

/// An answer's body, with the trip that ends with it.
struct Watched {
    body: Body,
    trip: Trip,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        // What makes the answer's parts belongs to the request, too.
        let _inside = this.trip.span.enter();
        let polled = Pin::new(&mut this.body).poll_frame(context);
        this.trip.app.watch.metrics.sent.inc_by(bytes_in(&polled));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
