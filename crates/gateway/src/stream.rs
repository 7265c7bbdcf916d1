//! Replies that come in pieces: server-sent events for clients of the OpenAI API, JSON lines for the command line.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;
use futures::{Stream, StreamExt};
use serde::Serialize;
use serde_json::Value;

use crate::error::ApiError;

/// One JSON value a line. An error is the last line, as `{"error": ...}`.
pub(crate) fn json_lines<T, S>(items: S) -> Response
where
    T: Serialize,
    S: Stream<Item = Result<T, ApiError>> + Send + 'static,
{
    let lines = items.map(|item| {
        let mut line = match item {
            Ok(item) => serde_json::to_string(&item).unwrap_or_else(|_| ApiError::Internal.text()),
            Err(error) => error.text(),
        };
        line.push('\n');
        Ok::<_, Infallible>(line)
    });
    respond("application/x-ndjson", Body::from_stream(lines))
}

/// One `data:` event for each value, and `data: [DONE]` after a clean end. An error is the last event: a stream that
/// broke never looks like one that ended.
pub(crate) fn server_sent_events<T, S>(items: S) -> Response
where
    T: Serialize + Send + 'static,
    S: Stream<Item = Result<T, ApiError>> + Send + 'static,
{
    let events = items.map(Some).chain(futures::stream::iter([None])).scan(false, |failed, item| {
        let event = match item {
            Some(Ok(item)) => serde_json::to_string(&item).unwrap_or_else(|_| ApiError::Internal.text()),
            Some(Err(error)) => {
                *failed = true;
                error.text()
            }
            None if *failed => return std::future::ready(None),
            None => "[DONE]".to_owned(),
        };
        std::future::ready(Some(Ok::<_, Infallible>(format!("data: {event}\n\n"))))
    });
    respond("text/event-stream", Body::from_stream(events))
}

/// One event for each value, named by the value's own `type`, as `/v1/responses` streams. The last one says how it ended.
pub(crate) fn named_events(events: impl Stream<Item = Value> + Send + 'static) -> Response {
    let events = events.map(|event| {
        let name = event["type"].as_str().unwrap_or("error");
        Ok::<_, Infallible>(format!("event: {name}\ndata: {event}\n\n"))
    });
    respond("text/event-stream", Body::from_stream(events))
}

/// A line of the answer to a request for long work.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step<P, R> {
    /// How far it is. Steps that a slow reader has no room for are left out.
    Progress(P),
    /// What it did; the last line.
    Result(R),
}

fn respond(kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn text(response: Response) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_stream_that_broke_never_looks_like_one_that_ended() {
        let whole = server_sent_events(futures::stream::iter([Ok(1), Ok(2)]));
        assert_eq!(text(whole).await, "data: 1\n\ndata: 2\n\ndata: [DONE]\n\n");
        let broken = text(server_sent_events(futures::stream::iter([Ok(1), Err(ApiError::Internal)]))).await;
        assert!(broken.starts_with("data: 1\n\ndata: {\"error\":"), "{broken}");
        assert!(!broken.contains("[DONE]"), "{broken}");
    }
}
