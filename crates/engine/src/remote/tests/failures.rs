//! Upstreams that fail: what is sent again, when one is left alone, and what is never accepted.

use std::time::Duration;

use futures::StreamExt;
use hyper::body::Bytes;
use tokio::time::Instant;

use super::server::{
    DONE, EVENTS, HELLO, Reply, STOP, Server, begun, chunked, gather, good, read, reason, request, status, stream_of,
};
use crate::remote::client::{Sending, Upstream};
use crate::remote::{Api, Config, Key, Limits, Remote};
use crate::{Abilities, Circuit, Engine, EngineError, Event, IMAGES_MAX, Offer, Tool};

const FILTERED: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"content_filter"}]}"#;

fn failing(rest_wait: Duration) -> Limits {
    Limits { failures_max: 3, rest_wait, retries_max: 0, ..Limits::default() }
}

fn status_of(line: &str) -> Reply {
    Reply::Whole(status(line, "", ""))
}

/// Asks once, to the answer's end.
async fn ask(engine: &Remote) -> Result<String, EngineError> {
    Ok(gather(engine.chat(request()).await?).await?.0)
}

#[tokio::test]
async fn an_upstream_that_fails_again_and_again_is_left_alone_and_says_so() {
    for failure in [
        || status_of("500 Internal Server Error"),
        || status_of("401 Unauthorized"),
        || Reply::Cut(String::new()),
        || Reply::Cut(begun(&[HELLO])),
        || Reply::Whole(stream_of(&[HELLO, "{"])),
        || Reply::Whole(status("200 OK", "content-type: text/html\r\n", "<h1>Welcome</h1>")),
    ] {
        let server = Server::answering([failure(), failure(), failure(), good()]).await;
        let limits = failing(Duration::from_secs(60));
        let engine = Remote::new(Config { limits, ..server.config() }).unwrap();
        for _ in 0..3 {
            assert_eq!(engine.state(), Circuit::Closed);
            ask(&engine).await.unwrap_err();
        }
        let Err(EngineError::LeftAlone { model, retry_after }) = ask(&engine).await else { panic!() };
        assert!(model == "far" && retry_after <= Duration::from_secs(60) && retry_after > Duration::from_secs(50));
        assert!(matches!(engine.state(), Circuit::Open { .. }) && engine.load().down);
        assert_eq!(server.requests().len(), 3);
    }
}

#[tokio::test]
async fn one_request_tries_whether_it_is_well_again() {
    let away = || status_of("500 Internal Server Error");
    let mut server = Server::answering([away(), away(), away(), Reply::Open(String::new()), good()]).await;
    let limits = failing(Duration::ZERO);
    let engine = std::sync::Arc::new(Remote::new(Config { limits, ..server.config() }).unwrap());
    for _ in 0..3 {
        ask(&engine).await.unwrap_err();
    }
    assert_eq!(engine.state(), Circuit::HalfOpen { probing: false });
    let probing = std::sync::Arc::clone(&engine);
    let probe = tokio::spawn(async move { probing.chat(request()).await.map(|_| ()) });
    while server.requests().len() < 4 {
        tokio::task::yield_now().await;
    }
    assert_eq!(engine.state(), Circuit::HalfOpen { probing: true });
    assert!(matches!(ask(&engine).await, Err(EngineError::LeftAlone { .. })));
    // Whoever hangs up leaves room for the next.
    probe.abort();
    server.left.recv().await.unwrap();
    assert!(probe.await.is_err());
    assert_eq!(engine.state(), Circuit::HalfOpen { probing: false });
    assert_eq!(ask(&engine).await.as_deref(), Ok("안녕"));
    assert_eq!(engine.state(), Circuit::Closed);
}

#[tokio::test]
async fn what_is_not_its_own_fault_does_not_count() {
    for reply in [
        || status_of("400 Bad Request"),
        || status_of("429 Too Many Requests"),
        || Reply::Whole(stream_of(&[HELLO, FILTERED])),
    ] {
        let server = Server::answering((0..10).map(|_| reply())).await;
        let engine = Remote::new(Config { limits: failing(Duration::from_secs(60)), ..server.config() }).unwrap();
        for _ in 0..10 {
            ask(&engine).await.unwrap_err();
        }
        assert_eq!(engine.state(), Circuit::Closed);
    }
    // Nor does a client that hangs up.
    let mut server = Server::answering((0..5).map(|_| Reply::Open(begun(&[HELLO])))).await;
    let engine = Remote::new(Config { limits: failing(Duration::from_secs(60)), ..server.config() }).unwrap();
    for _ in 0..5 {
        let mut events = engine.chat(request()).await.unwrap();
        events.next().await.unwrap().unwrap();
        drop(events);
        server.left.recv().await.unwrap();
    }
    assert_eq!(engine.state(), Circuit::Closed);
}

#[tokio::test]
async fn few_requests_are_sent_again_however_many_fail() {
    let server = Server::answering((0..23).map(|_| status_of("503 Service Unavailable"))).await;
    let limits = Limits { failures_max: 0, ..Limits::default() };
    let engine = Remote::new(Config { limits, ..server.config() }).unwrap();
    for _ in 0..20 {
        ask(&engine).await.unwrap_err();
    }
    assert_eq!(server.requests().len(), 23);
}

#[tokio::test]
async fn a_wait_that_is_too_long_is_left_to_whoever_asked() {
    for (line, seconds) in [("503 Service Unavailable", 3), ("429 Too Many Requests", 3), ("529 Overloaded", 3_600)] {
        let server =
            Server::answering([Reply::Whole(status(line, &format!("retry-after: {seconds}\r\n"), "")), good()]).await;
        match read(server.config()).await {
            Err(EngineError::Busy { retry_after, .. }) => assert_eq!(retry_after.as_secs(), seconds),
            other => panic!("{line}: {other:?}"),
        }
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_can_be_borne_is_waited_for_in_full() {
    let config = super::config("http://127.0.0.1:1/v1");
    let upstream = Upstream::new(&config).unwrap();
    let sending = || Sending::new(&"http://127.0.0.1:1/v1".parse().unwrap(), Bytes::new());
    let begun = Instant::now();
    let seconds = Duration::from_secs;
    assert!(upstream.again(&mut sending(), Some(seconds(2)), begun + seconds(60)).await);
    assert!((seconds(2)..seconds(3)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    let begun = Instant::now();
    assert!(!upstream.again(&mut sending(), Some(seconds(2)), begun + seconds(1)).await);
    assert!(!upstream.again(&mut sending(), Some(seconds(3)), begun + seconds(60)).await);
    let mut often = sending();
    often.tries = 2;
    assert!(!upstream.again(&mut often, None, begun + seconds(60)).await);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let mut sent = sending();
    assert!(upstream.again(&mut sent, None, begun + seconds(60)).await);
    assert_eq!(sent.tries, 1);
    assert!(begun.elapsed() < seconds(1));
}

#[tokio::test]
async fn nothing_that_is_packed_is_unpacked() {
    // A gzip head, and then what would become gigabytes of zeros.
    let mut bomb = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xec\xc1\x01\x01\0\0\0\x80\x90\xfe\xaf\xee\x08\x0a".to_vec();
    bomb.resize(8 << 20, 0);
    for api in [Api::OpenAi, Api::Anthropic] {
        for encoding in ["gzip", "br", "deflate", "zstd", "gzip, identity"] {
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: {encoding}\r\n\r\n");
            let server = Server::answering([Reply::Bytes([head.as_bytes(), &bomb].concat())]).await;
            let error = read(Config { api, ..server.config() }).await.unwrap_err();
            assert!(error.to_string().contains("does not answer in the form"), "{encoding}: {error}");
            assert!(server.requests()[0].contains("accept-encoding: identity\r\n"));
        }
        // One that does not say so is no text either, and ends at the bound.
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        let server = Server::answering([Reply::Bytes([head.as_bytes(), &bomb].concat())]).await;
        let error = read(Config { api, ..server.config() }).await.unwrap_err();
        assert_eq!(reason(error), "an event of it is too large");
    }
}

#[tokio::test]
async fn pages_for_people_are_no_answers() {
    let page = "<!doctype html><title>502</title>the secret question";
    let html = "content-type: text/html\r\n";
    for (line, again) in
        [("200 OK", false), ("403 Forbidden", false), ("404 Not Found", false), ("502 Bad Gateway", true)]
    {
        for api in [Api::OpenAi, Api::Anthropic] {
            let server = Server::answering((0..3).map(|_| Reply::Whole(status(line, html, page)))).await;
            let error = read(Config { api, ..server.config() }).await.unwrap_err();
            assert!(matches!(error, EngineError::Unavailable { .. }), "{line}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
            assert_eq!(server.requests().len(), if again { 3 } else { 1 });
        }
    }
}

#[tokio::test]
async fn a_key_is_in_no_error() {
    let key = "sk-the-upstreams-key";
    let quoted = format!(r#"{{"error":{{"message":"wrong key {key}","type":"{key}","code":"{key}"}}}}"#);
    let quoting =
        |head: &str| Reply::Whole(status(head, &format!("x-key: {key}\r\nlocation: http://{key}/\r\n"), &quoted));
    let event = format!(r#"{{"type":"error","error":{{"type":"{key}","message":"{key}"}}}}"#);
    let openai = format!(r#"{{"error":"{key}"}}"#);
    for api in [Api::OpenAi, Api::Anthropic] {
        for reply in [
            quoting("400 Bad Request"),
            quoting("401 Unauthorized"),
            quoting("307 Elsewhere"),
            quoting("429 Too Many"),
            quoting("500 Broken"),
            quoting("200 OK"),
            Reply::Cut(format!("HTTP/1.1 {key}\r\n\r\n")),
            Reply::Cut(key.to_owned()),
            Reply::Whole(stream_of(&[key])),
            Reply::Whole(stream_of(&[&event])),
            Reply::Whole(stream_of(&[&openai])),
        ] {
            let server = Server::answering([reply]).await;
            let config = Config { api, key: Some(Key::new(key).unwrap()), ..server.config() };
            let engine = Remote::new(config.clone()).unwrap();
            let error = ask(&engine).await.unwrap_err();
            let told = format!("{error} {error:?} {engine:?} {config:?}");
            assert!(!told.contains("sk-the"), "{told}");
        }
    }
}

#[tokio::test]
async fn what_came_before_a_break_goes_on_and_is_counted() {
    // All of it in one piece, so that it is read at once.
    let events = format!("data: {HELLO}\n\ndata: {HELLO}\n\ndata: {{\n\n");
    let server = Server::answering([Reply::Cut(format!("{EVENTS}{}", chunked(&events)))]).await;
    let engine = Remote::new(server.config()).unwrap();
    let events: Vec<_> = engine.chat(request()).await.unwrap().collect().await;
    assert_eq!(events[..2], [Ok(Event::Text("안녕".into())), Ok(Event::Text("안녕".into()))]);
    let [Err(EngineError::Broken { used: Some(used), .. })] = &events[2..] else { panic!("{events:?}") };
    assert_eq!(used.completion_tokens, 2);
    assert_eq!(used.prompt_tokens, u64::from(crate::estimate::prompt_tokens(&request())));
}

#[tokio::test]
async fn events_torn_anywhere_are_the_same_answer() {
    let whole: String = [HELLO, HELLO, STOP, DONE].iter().map(|data| format!("data: {data}\r\n\r\n")).collect();
    let mut torn = EVENTS.as_bytes().to_vec();
    for byte in whole.bytes() {
        torn.extend([b"1\r\n", &[byte][..], b"\r\n"].concat());
    }
    torn.extend(b"0\r\n\r\n");
    let server = Server::answering([Reply::Bytes(torn)]).await;
    assert_eq!(read(server.config()).await.unwrap().0, "안녕안녕");
}

#[tokio::test]
async fn an_upstream_is_asked_only_for_what_it_can() {
    let server = Server::answering([good(), good()]).await;
    let engine =
        |abilities| Remote::new(Config { offer: Offer { abilities, ..Offer::default() }, ..server.config() }).unwrap();
    let (mut shows, mut calls) = (request(), request());
    shows.messages[0].images.push(crate::image::tests::image());
    calls.tools.offered.push(Tool { name: "rain".into(), description: None, parameters: None });
    let plain = engine(Abilities::default());
    for (request, expected) in [(&shows, "model `far` cannot see images"), (&calls, "model `far` cannot call tools")] {
        assert_eq!(plain.count_tokens(request).await.unwrap_err().to_string(), expected);
        assert_eq!(plain.chat(request.clone()).await.err().unwrap().to_string(), expected);
    }
    assert!(server.requests().is_empty());
    let able = engine(Abilities { tools: true, vision: true, ..Abilities::default() });
    assert!(able.count_tokens(&shows).await.unwrap() > able.count_tokens(&request()).await.unwrap());
    gather(able.chat(shows.clone()).await.unwrap()).await.unwrap();
    gather(able.chat(calls).await.unwrap()).await.unwrap();
    assert!(server.requests()[0].contains("data:image/png;base64,"));
    let image = shows.messages[0].images[0].clone();
    shows.messages[0].images.resize(IMAGES_MAX + 1, image);
    assert!(matches!(able.chat(shows).await, Err(EngineError::Invalid(_))));
}

#[tokio::test]
async fn a_request_belongs_to_the_trace_of_whoever_asked() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let server = Server::answering([good(), good(), good()]).await;
    let engine = Remote::new(server.config()).unwrap();
    crate::within_trace(Some(trace.to_owned()), ask(&engine)).await.unwrap();
    ask(&engine).await.unwrap();
    crate::within_trace(Some("bad\r\nx-other: 1".to_owned()), ask(&engine)).await.unwrap();
    let seen = server.requests();
    assert!(seen[0].contains(&format!("traceparent: {trace}\r\n")), "{}", seen[0]);
    assert!(seen[1..].iter().all(|request| !request.contains("traceparent") && !request.contains("x-other")));
    // So does one that is sent again after it was answered.
    let late = r#"{"type":"error","error":{"type":"overloaded_error"}}"#;
    let server = Server::answering([0; 3].map(|_| Reply::Whole(stream_of(&[late])))).await;
    let engine = Remote::new(Config { api: Api::Anthropic, ..server.config() }).unwrap();
    crate::within_trace(Some(trace.to_owned()), ask(&engine)).await.unwrap_err();
    assert_eq!(server.requests().iter().filter(|request| request.contains(trace)).count(), 3);
}
