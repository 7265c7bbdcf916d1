//! A fake upstream: a server without a model, which answers at once, at a given pace, or wrongly. It speaks OpenAI's API,
//! and at `/v1/messages` Anthropic's, streamed.
//!
//! Run: `fake-upstream --listen 127.0.0.1:0` prints `listening on ADDRESS`.
//!
//! What it does is the request's `model`: words with commas between them.
//!
//! | word | what it does |
//! |---|---|
//! | `instant` | nothing more: answers at once |
//! | `tokens=N` | writes N tokens (4) |
//! | `pace=MS` | writes one token each so many milliseconds; each is the time at which it was written, in nanoseconds |
//! | `silent` | never begins |
//! | `late=MS` | begins after so many milliseconds |
//! | `dies=N` | closes the connection after N tokens |
//! | `stalls=N` | says nothing more after N tokens |
//! | `garbage`, `huge` | writes an event that is no JSON, or one of 4 MB |
//! | `no-done`, `no-finish` | leaves out what ends a stream |
//! | `overloaded` | begins, and then says that it has too much to do |
//! | `lies` | counts 10^15 tokens |
//! | `status=N`, `retry-after=S` | refuses with this status |
//! | `twice=N` | refuses with this status the first two times |
//! | `to=HOST` | redirects there |
//! | `dimensions=N` | how long its embeddings are (8) |
//!
//! `GET /seen` tells what it has seen: requests, hang-ups, and the last request.

mod http;
mod speech;

use std::io::{self, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use http::Reader;
use serde_json::{Value, json};
use speech::Speech;

#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
}

static SEEN: Mutex<Seen> = Mutex::new(Seen { requests: 0, hung_up: 0, refused: 0, last: None });

struct Seen {
    requests: u64,
    /// Connections that a client closed before its answer had ended.
    hung_up: u64,
    /// Requests that `twice` refused.
    refused: u64,
    last: Option<(String, Vec<u8>)>,
}

fn seen<T>(look: impl FnOnce(&mut Seen) -> T) -> T {
    look(&mut SEEN.lock().unwrap_or_else(PoisonError::into_inner))
}

fn main() -> anyhow::Result<()> {
    let listener = TcpListener::bind(Arguments::parse().listen)?;
    println!("listening on {}", listener.local_addr()?);
    io::stdout().flush()?;
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        // Thousands of connections: a small stack each.
        thread::Builder::new().stack_size(128 << 10).spawn(move || {
            let _ = serve(stream);
        })?;
    }
    Ok(())
}

fn serve(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = Reader::new(stream);
    while let Some(head) = reader.head()? {
        let body = reader.body(&head)?;
        if head.starts_with("GET /seen ") {
            whole(&reader.stream, "200 OK", "", &told())?;
            continue;
        }
        let model = model_of(&body);
        let words = Words(&model);
        let embeds = head.starts_with("POST ") && head.contains("/embeddings ");
        let speech = Speech::of(&head);
        let streamed = contains(&body, b"\"stream\":true") || contains(&body, b"\"stream\": true");
        seen(|seen| {
            seen.requests += 1;
            seen.last = Some((head, if words.has("instant") { Vec::new() } else { body.clone() }));
        });
        let goes_on = if let Some(refusal) = words.refusal() {
            whole(&reader.stream, &refusal.0, &refusal.1, &json!({ "error": { "message": "refused" } }))?;
            true
        } else if embeds {
            whole(&reader.stream, "200 OK", "", &vectors(&body, words.number("dimensions").unwrap_or(8) as usize))?;
            true
        } else if streamed {
            let answered = stream_out(&reader.stream, &words, speech);
            if answered.is_err() {
                seen(|seen| seen.hung_up += 1);
            }
            answered?
        } else {
            whole(&reader.stream, "200 OK", "", &completion(words.number("tokens").unwrap_or(4)))?;
            true
        };
        if !goes_on {
            return Ok(());
        }
    }
    Ok(())
}

fn told() -> Value {
    seen(|seen| {
        let (head, body) = seen.last.clone().unwrap_or_default();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        json!({ "requests": seen.requests, "hung_up": seen.hung_up, "head": head, "body": body })
    })
}

/// What a model's name asks for.
struct Words<'a>(&'a str);

impl Words<'_> {
    fn has(&self, word: &str) -> bool {
        self.0.split(',').any(|one| one == word)
    }

    fn value(&self, word: &str) -> Option<&str> {
        self.0.split(',').find_map(|one| one.strip_prefix(word)?.strip_prefix('='))
    }

    fn number(&self, word: &str) -> Option<u64> {
        self.value(word)?.parse().ok()
    }

    /// The status and the headers of a refusal.
    fn refusal(&self) -> Option<(String, String)> {
        if let Some(place) = self.value("to") {
            let to = format!("location: http://{place}/v1/chat/completions\r\n");
            return Some(("307 Temporary Redirect".to_owned(), to));
        }
        let first_two = || seen(|seen| (seen.refused < 2).then(|| seen.refused += 1).is_some());
        let status = match self.value("status") {
            Some(status) => Some(status),
            None => self.value("twice").filter(|_| first_two()),
        };
        let after = self.value("retry-after").map(|seconds| format!("retry-after: {seconds}\r\n"));
        status.map(|status| (format!("{status} Refused"), after.unwrap_or_default()))
    }
}

fn model_of(body: &[u8]) -> String {
    // The whole body is not read for the sake of speed: the name stands in front in what clients send.
    let Some(place) = find(body, b"\"model\"") else { return String::new() };
    let mut rest = body[place + 7..].splitn(3, |byte| *byte == b'"');
    let _colon = rest.next();
    rest.next().map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default()
}

/// Writes the events of an answer; whether the connection goes on.
fn stream_out(mut out: &TcpStream, words: &Words<'_>, speech: Speech) -> io::Result<bool> {
    if words.has("silent") {
        return wait_for_the_end(out);
    }
    if let Some(late) = words.number("late") {
        thread::sleep(Duration::from_millis(late));
    }
    let mut ready =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let tokens = words.number("tokens").unwrap_or(4);
    let prompt = 250;
    speech.begin(&mut ready, prompt);
    if words.has("overloaded") {
        speech.overloaded(&mut ready);
        ready.extend_from_slice(b"0\r\n\r\n");
        out.write_all(&ready)?;
        return Ok(true);
    }
    let pace = words.number("pace").map(Duration::from_millis);
    let begun = Instant::now();
    for token in 0..tokens {
        if words.number("dies") == Some(token) {
            out.write_all(&ready)?;
            out.shutdown(Shutdown::Both)?;
            return Ok(false);
        }
        if words.number("stalls") == Some(token) {
            out.write_all(&ready)?;
            return wait_for_the_end(out);
        }
        let text = match pace {
            None => format!("token{token} "),
            Some(pace) => {
                out.write_all(&std::mem::take(&mut ready))?;
                thread::sleep((begun + pace * token as u32).saturating_duration_since(Instant::now()));
                format!("{} ", nanoseconds())
            }
        };
        speech.piece(&mut ready, &text);
    }
    if words.has("garbage") {
        speech::event(&mut ready, "{\"choices\": nonsense");
    }
    if words.has("huge") {
        speech.piece(&mut ready, &"x".repeat(4 << 20));
    }
    let counted = if words.has("lies") { 1_000_000_000_000_000 } else { tokens };
    speech.end(&mut ready, !words.has("no-finish"), prompt, counted);
    if !words.has("no-done") {
        speech.done(&mut ready);
    }
    ready.extend_from_slice(b"0\r\n\r\n");
    out.write_all(&ready)?;
    Ok(true)
}

/// Says nothing until the client leaves.
fn wait_for_the_end(mut stream: &TcpStream) -> io::Result<bool> {
    match io::Read::read(&mut stream, &mut [0]) {
        Ok(count) if count > 0 => Ok(false),
        _ => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

fn whole(mut out: &TcpStream, status: &str, headers: &str, body: &Value) -> io::Result<()> {
    let body = body.to_string();
    let length = body.len();
    out.write_all(
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}"
        )
        .as_bytes(),
    )
}

fn completion(tokens: u64) -> Value {
    let text: String = (0..tokens).map(|token| format!("token{token} ")).collect();
    json!({
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 250, "completion_tokens": tokens, "total_tokens": 250 + tokens },
    })
}

fn vectors(body: &[u8], dimensions: usize) -> Value {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let texts = body["input"].as_array().map_or(1, Vec::len);
    let data: Vec<Value> = (0..texts)
        .map(|index| json!({ "object": "embedding", "index": index, "embedding": vec![1.0; dimensions] }))
        .collect();
    json!({ "object": "list", "data": data, "model": "m", "usage": { "prompt_tokens": 3 * texts } })
}

fn nanoseconds() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos())
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    find(bytes, part).is_some()
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
