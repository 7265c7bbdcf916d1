//! The remote engine against servers that a test writes byte by byte, over real sockets.

use std::sync::Mutex;

use base::Usage;
use futures::StreamExt;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::{Abilities, CacheSalt, Event, Finish, Message, Priority, Role};

pub(super) fn config(address: &str) -> Config {
    Config {
        name: "far".to_owned(),
        model: "upstreams-own-name".to_owned(),
        api: Api::OpenAi,
        address: Address::parse(address).unwrap(),
        authority: None,
        key: None,
        chats: true,
        dimensions: None,
        context_tokens: 1_000,
        query_prefix: String::new(),
        passage_prefix: String::new(),
        cache_salt: true,
        sampling: true,
        offer: Offer { abilities: Abilities { tools: true, ..Abilities::default() }, ..Offer::default() },
        limits: Limits::default(),
    }
}

/// What a server does with a request that it has read.
enum Reply {
    /// Writes this, and serves on.
    Whole(String),
    /// Writes this and says nothing more, until the client leaves.
    Open(String),
    /// Writes this and closes the connection.
    Cut(String),
}

/// A server that answers its requests one after the other as told, and then closes its door.
struct Server {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
    /// Told of each connection on which a client left an answer that had not ended.
    left: tokio::sync::mpsc::UnboundedReceiver<()>,
}

impl Server {
    async fn answering(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/v1", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (leaves, left) = tokio::sync::mpsc::unbounded_channel();
        let mut replies: std::collections::VecDeque<Reply> = replies.into_iter().collect();
        let requests = Arc::clone(&seen);
        tokio::spawn(async move {
            while !replies.is_empty() {
                let (mut stream, _) = listener.accept().await.unwrap();
                while let Some(request) = read_request(&mut stream).await {
                    requests.lock().unwrap().push(request);
                    match replies.pop_front().expect("a request too many") {
                        Reply::Whole(text) => stream.write_all(text.as_bytes()).await.unwrap(),
                        Reply::Cut(text) => {
                            stream.write_all(text.as_bytes()).await.unwrap();
                            break;
                        }
                        Reply::Open(text) => {
                            stream.write_all(text.as_bytes()).await.unwrap();
                            let _ = stream.read(&mut [0; 1]).await;
                            let _ = leaves.send(());
                            break;
                        }
                    }
                }
            }
        });
        Self { address, seen, left }
    }

    fn config(&self) -> Config {
        config(&self.address)
    }

    fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
}

const EVENTS: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";

fn chunked(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// A stream of these events in chunks of their own, with the end of the body.
fn stream_of(events: &[&str]) -> String {
    let chunks: String = events.iter().map(|event| chunked(&format!("data: {event}\n\n"))).collect();
    format!("{EVENTS}{chunks}0\r\n\r\n")
}

fn begun(events: &[&str]) -> String {
    stream_of(events).trim_end_matches("0\r\n\r\n").to_owned()
}

fn status(line: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {line}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

const HELLO: &str = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"안녕"}}]}"#;
const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const COUNT: &str = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}"#;
const DONE: &str = "[DONE]";

fn good() -> Reply {
    Reply::Whole(stream_of(&[HELLO, STOP, COUNT, DONE]))
}

fn request() -> ChatRequest {
    ChatRequest::new(vec![Message::new(Role::User, "the secret question")], CacheSalt([1; 16]))
}

async fn read(config: Config) -> Result<(String, Finish, Usage), EngineError> {
    let engine = Remote::new(config).unwrap();
    gather(engine.chat(request()).await?).await
}

async fn gather(mut events: EventStream) -> Result<(String, Finish, Usage), EngineError> {
    let mut text = String::new();
    while let Some(event) = events.next().await {
        match event? {
            Event::Text(more) => text += &more,
            Event::Done { finish, usage } => {
                assert!(events.next().await.is_none());
                return Ok((text, finish, usage));
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("a stream ended without an end");
}

fn reason(error: EngineError) -> &'static str {
    assert!(!error.to_string().contains("secret"), "{error}");
    match error {
        EngineError::Broken { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

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
