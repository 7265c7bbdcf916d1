//! Servers that a test writes byte by byte, and what reads their answers.

use std::sync::{Arc, Mutex};

use base::Usage;
use futures::StreamExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::remote::{Address, Api, Config, Limits, Remote};
use crate::{Abilities, CacheSalt, ChatRequest, Engine, EngineError, Event, EventStream, Finish, Message, Offer, Role};

pub(in crate::remote) fn config(address: &str) -> Config {
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
pub(super) enum Reply {
    /// Writes this, and serves on.
    Whole(String),
    /// Writes this and says nothing more, until the client leaves.
    Open(String),
    /// Writes this and closes the connection.
    Cut(String),
    /// Writes this, as far as the client takes it, and closes the connection.
    Bytes(Vec<u8>),
}

/// A server that answers its requests one after the other as told, and then closes its door.
pub(super) struct Server {
    pub address: String,
    seen: Arc<Mutex<Vec<String>>>,
    /// Told of each connection on which a client left an answer that had not ended.
    pub left: tokio::sync::mpsc::UnboundedReceiver<()>,
}

impl Server {
    pub async fn answering(replies: impl IntoIterator<Item = Reply>) -> Self {
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
                        Reply::Bytes(bytes) => {
                            let _ = stream.write_all(&bytes).await;
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

    pub fn config(&self) -> Config {
        config(&self.address)
    }

    pub fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

pub(super) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
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

pub(super) const EVENTS: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";

pub(super) fn chunked(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// A stream of these events in chunks of their own, with the end of the body.
pub(super) fn stream_of(events: &[&str]) -> String {
    let chunks: String = events.iter().map(|event| chunked(&format!("data: {event}\n\n"))).collect();
    format!("{EVENTS}{chunks}0\r\n\r\n")
}

pub(super) fn begun(events: &[&str]) -> String {
    stream_of(events).trim_end_matches("0\r\n\r\n").to_owned()
}

pub(super) fn status(line: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {line}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

pub(super) const HELLO: &str = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"안녕"}}]}"#;
pub(super) const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
pub(super) const COUNT: &str = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}"#;
pub(super) const DONE: &str = "[DONE]";

pub(super) fn good() -> Reply {
    Reply::Whole(stream_of(&[HELLO, STOP, COUNT, DONE]))
}

pub(super) fn request() -> ChatRequest {
    ChatRequest::new(vec![Message::new(Role::User, "the secret question")], CacheSalt([1; 16]))
}

pub(super) async fn read(config: Config) -> Result<(String, Finish, Usage), EngineError> {
    let engine = Remote::new(config).unwrap();
    gather(engine.chat(request()).await?).await
}

pub(super) async fn gather(mut events: EventStream) -> Result<(String, Finish, Usage), EngineError> {
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

pub(super) fn reason(error: EngineError) -> &'static str {
    assert!(!error.to_string().contains("secret"), "{error}");
    match error {
        EngineError::Broken { reason, .. } => reason,
        other => panic!("{other}"),
    }
}
