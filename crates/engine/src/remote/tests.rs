//! The remote engine against servers that a test writes byte by byte, over real sockets.

mod failures;
mod messages;
mod server;
mod tls;

use futures::StreamExt;
use serde_json::Value;
pub(super) use server::config;
use server::{
    COUNT, DONE, EVENTS, HELLO, Reply, STOP, Server, begun, chunked, gather, good, read, reason, request, status,
    stream_of,
};
use tokio::net::TcpListener;

use super::*;
use crate::{Event, Finish, Priority};

#[tokio::test]
async fn a_chat_is_streamed_and_its_connection_used_again() {
    let server = Server::answering([good(), good()]).await;
    let key = Some(Key::new("upstreams-key").unwrap());
    let engine = Remote::new(Config { key, ..server.config() }).unwrap();
    for _ in 0..2 {
        let (text, finish, usage) = gather(engine.chat(request()).await.unwrap()).await.unwrap();
        assert_eq!((text.as_str(), finish), ("안녕", Finish::Stop));
        assert_eq!((usage.prompt_tokens, usage.completion_tokens), (9, 2));
    }
    for seen in server.requests() {
        assert!(seen.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{seen}");
        assert!(seen.contains("authorization: Bearer upstreams-key\r\n"), "{seen}");
    }
}

#[tokio::test]
async fn text_goes_on_before_the_answer_has_ended() {
    let mut server = Server::answering([Reply::Open(begun(&[HELLO]))]).await;
    let engine = Remote::new(server.config()).unwrap();
    let mut events = engine.chat(request()).await.unwrap();
    assert_eq!(events.next().await, Some(Ok(Event::Text("안녕".into()))));
    // Whoever hangs up ends the upstream's work.
    drop(events);
    server.left.recv().await.unwrap();
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    let mut server = Server::answering([Reply::Open(begun(&[HELLO; 100]))]).await;
    let limits = Limits { read_wait_max: Duration::from_millis(20), ..Limits::default() };
    let engine = Remote::new(Config { limits, ..server.config() }).unwrap();
    let events = engine.chat(request()).await.unwrap();
    server.left.recv().await.unwrap();
    let events: Vec<_> = events.collect().await;
    assert_eq!(events.last(), Some(&Err(EngineError::Stalled { model: "far".into() })));
    assert!(events.len() < 100, "{}", events.len());
}

#[tokio::test]
async fn hanging_up_before_the_first_byte_closes_the_connection() {
    let mut server = Server::answering([Reply::Open(String::new())]).await;
    let engine = Arc::new(Remote::new(server.config()).unwrap());
    let asking = Arc::clone(&engine);
    let waiting = tokio::spawn(async move { asking.chat(request()).await.map(|_| ()) });
    while server.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    waiting.abort();
    server.left.recv().await.unwrap();
}

#[tokio::test]
async fn only_a_whole_answer_ends_cleanly() {
    for (reply, expected) in [
        (Reply::Cut(begun(&[HELLO])), "its upstream ended the connection"),
        (Reply::Whole(stream_of(&[HELLO])), "its upstream ended the connection"),
        (Reply::Whole(stream_of(&[HELLO, STOP, COUNT])), "its upstream ended the connection"),
        (Reply::Whole(stream_of(&[HELLO, DONE])), "its upstream did not say why it ended"),
        (Reply::Whole(stream_of(&[HELLO, "{", DONE])), "an event of it cannot be read"),
        (
            Reply::Whole(stream_of(&[HELLO, r#"{"error":{"message":"the secret question"}}"#, DONE])),
            "the upstream says that it failed",
        ),
        (Reply::Cut(format!("{EVENTS}nonsense")), "its upstream ended the connection"),
        (Reply::Cut("nonsense".to_owned()), "its upstream ended the connection"),
        (Reply::Cut(String::new()), "its upstream ended the connection"),
    ] {
        let server = Server::answering([reply]).await;
        assert_eq!(reason(read(server.config()).await.unwrap_err()), expected);
    }
}

#[tokio::test]
async fn nothing_grows_or_waits_without_end() {
    let large = format!(r#"{{"choices":[{{"delta":{{"content":"{}"}}}}]}}"#, "x".repeat(2_000));
    let short = Limits { event_bytes_max: 1_000, ..Limits::default() };
    let small = Limits { answer_bytes_max: 1_000, ..Limits::default() };
    let wait = Duration::from_millis(20);
    let first = Limits { first_wait_max: wait, ..Limits::default() };
    let event = Limits { event_wait_max: wait, ..Limits::default() };
    let total = Limits { total_wait_max: wait, ..Limits::default() };
    let pings = begun(&[]) + &chunked(": ping\n\n");
    for (reply, limits, expected) in [
        (Reply::Whole(stream_of(&[&large])), short, "an event of it is too large"),
        (Reply::Whole(stream_of(&[&large])), small, "it is too large"),
        (Reply::Open(String::new()), first, "its upstream did not begin in time"),
        (Reply::Open(pings), first, "nothing more of it came in time"),
        (Reply::Open(begun(&[HELLO])), event, "nothing more of it came in time"),
        (Reply::Open(begun(&[HELLO])), total, "it took too long in all"),
    ] {
        let server = Server::answering([reply]).await;
        assert_eq!(reason(read(Config { limits, ..server.config() }).await.unwrap_err()), expected);
    }
    let head = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "x".repeat(300 << 10));
    let server = Server::answering([Reply::Open(head)]).await;
    assert_eq!(reason(read(server.config()).await.unwrap_err()), "its upstream ended the connection");
}

#[tokio::test]
async fn a_request_that_brought_nothing_is_sent_again_and_no_other() {
    let away = || Reply::Whole(status("503 Service Unavailable", "", ""));
    let server = Server::answering([away(), away(), good()]).await;
    assert!(read(server.config()).await.is_ok());
    assert_eq!(server.requests().len(), 3);

    let server = Server::answering([away(), away(), away(), good()]).await;
    assert!(matches!(read(server.config()).await, Err(EngineError::Unavailable { .. })));
    assert_eq!(server.requests().len(), 3);

    for final_ in [
        Reply::Whole(status("500 Internal Server Error", "", "")),
        Reply::Whole(status("400 Bad Request", "", "")),
        Reply::Cut(begun(&[HELLO])),
        Reply::Cut(String::new()),
    ] {
        let server = Server::answering([final_, good()]).await;
        assert!(read(server.config()).await.is_err());
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn where_nobody_listens_the_model_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    assert!(matches!(read(config(&address)).await, Err(EngineError::Unavailable { .. })));
}

#[tokio::test]
async fn refusals_are_told_apart_and_quote_nothing() {
    let quoted = r#"{"error":{"message":"bad input: the secret question","code":400}}"#;
    let long = r#"{"error":{"code":400,"type":"exceed_context_size_error","n_prompt_tokens":5000}}"#;
    for (line, headers, body, expected) in [
        ("429 Too Many Requests", "retry-after: 7\r\n", "", "busy 7"),
        ("429 Too Many Requests", "", "", "busy 1"),
        ("400 Bad Request", "", quoted, "the upstream of `far` does not take this request"),
        ("400 Bad Request", "", long, "the prompt has 5000 tokens, and `far` has room for 1000"),
        ("401 Unauthorized", "www-authenticate: Bearer realm=\"http://127.0.0.1:1\"\r\n", "", "does not take our key"),
        ("404 Not Found", "", quoted, "no such model"),
        ("418 I'm a teapot", "", quoted, "answers 418"),
        ("200 OK", "content-type: application/json\r\n", quoted, "does not answer in the form"),
        ("200 OK", "content-type: text/event-stream\r\ncontent-encoding: gzip\r\n", "", "does not answer in the form"),
    ] {
        let server = Server::answering([Reply::Whole(status(line, headers, body))]).await;
        let error = read(server.config()).await.unwrap_err();
        let said = match &error {
            EngineError::Busy { retry_after, .. } => format!("busy {}", retry_after.as_secs()),
            other => other.to_string(),
        };
        assert!(said.contains(expected) && !said.contains("secret"), "{line}: {said}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let trap = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for code in [301, 302, 307, 308] {
        let to = format!("location: http://{}/v1/chat/completions\r\n", trap.local_addr().unwrap());
        let server = Server::answering([Reply::Whole(status(&format!("{code} Elsewhere"), &to, ""))]).await;
        let key = Some(Key::new("upstreams-key").unwrap());
        let error = read(Config { key, ..server.config() }).await.unwrap_err();
        assert!(error.to_string().contains("points elsewhere"), "{error}");
    }
    assert!(futures::poll!(Box::pin(trap.accept())).is_pending());
}

#[tokio::test]
async fn so_many_at_once_and_no_more() {
    let server = Server::answering([Reply::Open(begun(&[HELLO]))]).await;
    let limits = Limits { requests_max: 1, ..Limits::default() };
    let engine = Remote::new(Config { limits, ..server.config() }).unwrap();
    let first = engine.chat(request()).await.unwrap();
    assert!(matches!(engine.chat(request()).await.err(), Some(EngineError::Busy { .. })));
    drop(first);
    // The task that reads the answer ends a moment after its stream.
    let _place = engine.places.acquire().await.unwrap();
}

#[tokio::test]
async fn a_count_is_believed_as_far_as_it_can_be_true() {
    let lie = r#"{"choices":[],"usage":{"prompt_tokens":18446744073709551615,"completion_tokens":1000000}}"#;
    let server = Server::answering([Reply::Whole(stream_of(&[HELLO, STOP, lie, DONE]))]).await;
    let (_, _, usage) = read(server.config()).await.unwrap();
    assert_eq!((usage.prompt_tokens, usage.completion_tokens), (1_000, 256));
    // None is told, so our own stands.
    let server = Server::answering([Reply::Whole(stream_of(&[HELLO, HELLO, STOP, DONE]))]).await;
    let (_, _, usage) = read(server.config()).await.unwrap();
    assert_eq!((usage.prompt_tokens, usage.completion_tokens), (estimate::prompt_tokens(&request()).into(), 2));
}

#[tokio::test]
async fn texts_are_embedded_in_batches_with_their_prefix() {
    let batch = |texts: usize| {
        let data: Vec<Value> =
            (0..texts).map(|index| serde_json::json!({ "index": index, "embedding": [0.0, 2.0] })).collect();
        let body = serde_json::json!({ "data": data, "usage": { "prompt_tokens": 10 * texts } }).to_string();
        Reply::Whole(status("200 OK", "content-type: application/json\r\n", &body))
    };
    let server = Server::answering([batch(BATCH_MAX), batch(1)]).await;
    let config = Config { chats: false, dimensions: Some(2), query_prefix: "query: ".into(), ..server.config() };
    let engine = Remote::new(config).unwrap();
    let mut texts = vec!["text".to_owned(); BATCH_MAX];
    texts.push("long ".repeat(5_000));
    let request = EmbedRequest { texts, kind: EmbedKind::Query, priority: Priority::Interactive };
    let embedded = engine.embed(request).await.unwrap();
    assert_eq!(embedded.len(), BATCH_MAX + 1);
    assert!(embedded.iter().all(|one| one.vector == [0.0, 1.0] && one.tokens == 10));
    let seen = server.requests();
    assert!(seen[0].starts_with("POST /v1/embeddings ") && seen[0].contains("\"query: text\""), "{}", seen[0]);
    // A text that is longer than the window is cut at it.
    assert!(seen[1].len() < 10_000, "{}", seen[1].len());
    assert!(matches!(engine.chat(super::tests::request()).await.err(), Some(EngineError::Unable { .. })));
}

#[test]
fn shares_sum_up() {
    assert_eq!(shares(10, &[1, 1, 1]).iter().sum::<u32>(), 10);
    assert_eq!(shares(0, &[5, 7]), [0, 0]);
    assert_eq!(shares(7, &[0, 0]), [0, 0]);
    assert_eq!(shares(12, &[1, 2]), [4, 8]);
}
