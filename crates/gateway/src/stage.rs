//! How the server comes to its end: first nothing new comes in, then what still runs gets its last words.
//!
//! What must stay true: a stream that is ended by the server's end says so in a last whole event, and is never cut
//! inside one; what it used is settled, since its body is dropped before the last event goes out.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use tokio::sync::watch;

use crate::App;
use crate::error::ApiError;

/// Where the server is on its way to its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It serves.
    #[default]
    Serving,
    /// It takes nothing new; what runs may come to its own end.
    Stopping,
    /// The time for that has passed: what still runs says its last words.
    Ending,
    /// Who has not heard them by now never will.
    Ended,
}

/// Returns once the server is at `stage` or further, or nobody is left who could say so.
pub(crate) async fn reached(stage: Stage, mut told: watch::Receiver<Stage>) {
    let _ = told.wait_for(|now| *now >= stage).await;
}

/// Answers, unless the server ends first.
pub(crate) async fn answer(app: &App, answering: impl Future<Output = Response>) -> Response {
    let ending = reached(Stage::Ending, app.stage.subscribe());
    let mut ending = Box::pin(ending);
    let response = tokio::select! {
        response = answering => response,
        () = &mut ending => return ApiError::Stopping.into_response(),
    };
    ended_by(response, ApiError::Stopping, || ending)
}

/// An answer that, if it is a stream, says why and ends when `ending` comes before its own end.
pub(crate) fn ended_by<F>(response: Response, why: ApiError, ending: impl FnOnce() -> Pin<Box<F>>) -> Response
where
    F: Future<Output = ()> + Send + 'static,
{
    let last = match response.headers().get(CONTENT_TYPE).map(|kind| kind.as_bytes()) {
        Some(kind) if kind.starts_with(b"text/event-stream") => format!("data: {}\n\n", why.text()),
        Some(kind) if kind.starts_with(b"application/x-ndjson") => format!("{}\n", why.text()),
        _ => return response,
    };
    response.map(|body| Body::new(Stream { body: Some(body), ending: ending(), last: Some(last.into()) }))
}

/// A stream of whole events that may have to end before its time.
struct Stream<F> {
    body: Option<Body>,
    ending: Pin<Box<F>>,
    last: Option<Bytes>,
}

impl<F: Future<Output = ()>> hyper::body::Body for Stream<F> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        // An event that is ready goes out first. Whoever makes events without end has to wait for something now and
        // then, and is ended there.
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        if self.ending.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.body = None;
        Poll::Ready(self.last.take().map(|last| Ok(Frame::data(last))))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::{StreamExt, stream};
    use http_body_util::BodyExt;

    use super::*;

    fn stream_of(events: &[&'static str], idle: bool, told: &watch::Sender<Stage>) -> Body {
        let events = stream::iter(events.to_vec()).map(Ok::<_, Infallible>);
        let body = if idle { Body::from_stream(events.chain(stream::pending())) } else { Body::from_stream(events) };
        let ending = Box::pin(reached(Stage::Ending, told.subscribe()));
        Body::new(Stream { body: Some(body), ending, last: Some(Bytes::from_static(b"last")) })
    }

    async fn text(body: Body) -> String {
        String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_stream_that_comes_to_its_own_end_has_no_other() {
        let (told, _kept) = watch::channel(Stage::Stopping);
        assert_eq!(text(stream_of(&["one ", "two"], false, &told)).await, "one two");
    }

    #[tokio::test]
    async fn an_idle_stream_says_its_last_words_after_what_it_had_to_say() {
        let (told, _kept) = watch::channel(Stage::Serving);
        let body = tokio::spawn(text(stream_of(&["one ", "two "], true, &told)));
        told.send_replace(Stage::Stopping);
        told.send_replace(Stage::Ending);
        assert_eq!(body.await.unwrap(), "one two last");
    }
}
