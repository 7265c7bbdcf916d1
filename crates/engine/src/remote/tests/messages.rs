//! Upstreams that speak Anthropic's Messages, well and badly.

use futures::StreamExt;

use super::server::{EVENTS, Reply, Server, begun, chunked, config, gather, read, reason, request, status, stream_of};
use crate::remote::{Api, Config, Key, Limits, Remote};
use crate::{Circuit, Engine, EngineError, Event, Finish, Message, Role, Tool};

const BEGIN: &str = r#"{"type":"message_start","message":{"usage":{"input_tokens":9,"output_tokens":1}}}"#;
const BLOCK: &str = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
const HELLO: &str = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"안녕"}}"#;
const CLOSE: &str = r#"{"type":"content_block_stop","index":0}"#;
const END: &str = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;
const ALL: [&str; 6] = [BEGIN, BLOCK, HELLO, CLOSE, END, STOP];
const OVERLOADED: &str = r#"{"type":"error","error":{"type":"overloaded_error","message":"the secret question"}}"#;

fn speaking(server: &Server) -> Config {
    Config { api: Api::Anthropic, ..server.config() }
}

fn good() -> Reply {
    Reply::Whole(stream_of(&ALL))
}

#[tokio::test]
async fn a_chat_is_streamed_and_its_key_has_a_header_of_its_own() {
    let server = Server::answering([good(), good()]).await;
    let key = Some(Key::new("upstreams-key").unwrap());
    let engine = Remote::new(Config { key, ..speaking(&server) }).unwrap();
    for _ in 0..2 {
        let (text, finish, usage) = gather(engine.chat(request()).await.unwrap()).await.unwrap();
        assert_eq!((text.as_str(), finish), ("안녕", Finish::Stop));
        assert_eq!((usage.prompt_tokens, usage.completion_tokens), (9, 2));
    }
    for seen in server.requests() {
        assert!(seen.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{seen}");
        assert!(seen.contains("x-api-key: upstreams-key\r\n"), "{seen}");
        assert!(seen.contains("anthropic-version: 2023-06-01\r\n"), "{seen}");
        assert!(!seen.to_lowercase().contains("authorization"), "{seen}");
    }
}

#[tokio::test]
async fn events_with_names_torn_anywhere_are_the_same_answer() {
    let named: String = ALL
        .iter()
        .map(|data| {
            let kind: serde_json::Value = serde_json::from_str(data).unwrap();
            format!(
                "event: {}\ndata: {data}\n\nevent: ping\ndata: {{\"type\": \"ping\"}}\n\n",
                kind["type"].as_str().unwrap()
            )
        })
        .collect();
    // Each byte is a chunk of its own.
    let mut torn = EVENTS.as_bytes().to_vec();
    for byte in named.bytes() {
        torn.extend(b"1\r\n");
        torn.push(byte);
        torn.extend(b"\r\n");
    }
    torn.extend(b"0\r\n\r\n");
    let server = Server::answering([Reply::Bytes(torn)]).await;
    assert_eq!(read(speaking(&server)).await.unwrap().0, "안녕");
}

#[tokio::test]
async fn only_a_whole_answer_ends_cleanly() {
    let failed = r#"{"type":"error","error":{"type":"api_error","message":"the secret question"}}"#;
    for (reply, expected) in [
        (Reply::Cut(begun(&ALL[..3])), "its upstream ended the connection"),
        (Reply::Whole(stream_of(&ALL[..3])), "its upstream ended the connection"),
        (Reply::Whole(stream_of(&ALL[..5])), "its upstream ended the connection"),
        (Reply::Whole(stream_of(&[BEGIN, STOP])), "its upstream did not say why it ended"),
        (Reply::Whole(stream_of(&[BEGIN, "{", STOP])), "an event of it cannot be read"),
        (Reply::Whole(stream_of(&["[DONE]"])), "an event of it cannot be read"),
        (Reply::Whole(stream_of(&[BEGIN, BLOCK, HELLO, failed])), "the upstream says that it failed"),
        (Reply::Whole(stream_of(&[BEGIN, BLOCK, HELLO, OVERLOADED])), "the upstream has too much to do"),
        (Reply::Cut(String::new()), "its upstream ended the connection"),
    ] {
        let server = Server::answering([reply]).await;
        assert_eq!(reason(read(speaking(&server)).await.unwrap_err()), expected);
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_tells_what_it_used() {
    let server = Server::answering([Reply::Cut(begun(&[BEGIN, BLOCK, HELLO, HELLO]))]).await;
    let engine = Remote::new(speaking(&server)).unwrap();
    let mut events = engine.chat(request()).await.unwrap();
    // What came before goes on first.
    for _ in 0..2 {
        assert_eq!(events.next().await, Some(Ok(Event::Text("안녕".into()))));
    }
    let Some(Err(EngineError::Broken { used: Some(used), .. })) = events.next().await else { panic!() };
    assert_eq!((used.prompt_tokens, used.completion_tokens), (9, 6));
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn an_upstream_with_too_much_to_do_is_asked_again_before_its_first_word() {
    let late = || Reply::Whole(stream_of(&[BEGIN, OVERLOADED]));
    let full = || Reply::Whole(status("529 Overloaded", "", OVERLOADED));
    let server = Server::answering([full(), late(), good()]).await;
    assert_eq!(read(speaking(&server)).await.unwrap().0, "안녕");
    assert_eq!(server.requests().len(), 3);

    for replies in [[full(), full(), full()], [late(), late(), late()]] {
        let server = Server::answering(replies).await;
        let error = read(speaking(&server)).await.unwrap_err();
        assert!(matches!(error, EngineError::Busy { .. }) && !error.to_string().contains("secret"), "{error}");
        assert_eq!(server.requests().len(), 3);
    }
}

#[tokio::test]
async fn a_ping_keeps_no_answer_alive() {
    let wait = std::time::Duration::from_millis(20);
    let limits = Limits { event_wait_max: wait, first_wait_max: wait, ..Limits::default() };
    let pings = begun(&[BEGIN]) + &chunked("event: ping\ndata: {\"type\":\"ping\"}\n\n");
    let server = Server::answering([Reply::Open(pings)]).await;
    let error = read(Config { limits, ..speaking(&server) }).await.unwrap_err();
    assert_eq!(reason(error), "nothing more of it came in time");
}

#[tokio::test]
async fn refusals_are_told_apart_and_quote_nothing() {
    let error =
        |kind: &str, message: &str| format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}}}}"#);
    let long = error("invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum");
    let quoted = error("invalid_request_error", "messages.0: the secret question");
    for (line, headers, body, expected) in [
        ("400 Bad Request", "", &long, "the prompt has 1001 tokens, and `far` has room for 1000"),
        ("400 Bad Request", "", &quoted, "the upstream of `far` does not take this request"),
        ("413 Payload Too Large", "", &quoted, "the upstream of `far` does not take this request"),
        ("401 Unauthorized", "", &quoted, "does not take our key"),
        ("403 Forbidden", "", &quoted, "does not take our key"),
        ("404 Not Found", "", &quoted, "no such model"),
        ("429 Too Many Requests", "retry-after: 9\r\n", &quoted, "is busy"),
        ("500 Internal Server Error", "", &quoted, "answers 500"),
        ("529 Overloaded", "retry-after: 9\r\n", &quoted, "is busy"),
        ("200 OK", "content-type: application/json\r\n", &quoted, "does not answer in the form"),
    ] {
        let server = Server::answering([Reply::Whole(status(line, headers, body))]).await;
        let error = read(speaking(&server)).await.unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("secret"), "{line}: {error}");
        assert_eq!(server.requests().len(), 1, "{line}");
    }
}

#[tokio::test]
async fn what_cannot_be_said_there_is_refused_and_nothing_is_sent() {
    let server = Server::answering([good()]).await;
    let engine = Remote::new(Config { dimensions: Some(8), ..speaking(&server) }).unwrap();
    let mut seeded = request();
    seeded.sampling.seed = Some(1);
    let error = engine.chat(seeded).await.err().unwrap();
    assert_eq!(error, EngineError::Invalid("the API of `far` has no `seed`".into()));
    assert!(server.requests().is_empty());
    assert_eq!((engine.state(), engine.describe().dimensions), (Circuit::Closed, None));
}

#[tokio::test]
async fn a_tool_is_called_and_its_result_goes_back() {
    let start = r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"rain","input":{}}}"#;
    let part = r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"in\":\"Seoul\"}"}}"#;
    let end = END.replace("end_turn", "tool_use");
    let called = Reply::Whole(stream_of(&[BEGIN, start, part, CLOSE, &end, STOP]));
    let server = Server::answering([called, good()]).await;
    let engine = Remote::new(speaking(&server)).unwrap();
    let mut request = request();
    request.tools.offered.push(Tool { name: "rain".into(), description: None, parameters: None });
    let events: Vec<_> = engine.chat(request.clone()).await.unwrap().collect().await;
    let mut call = crate::ToolCall { id: String::new(), name: String::new(), arguments: String::new() };
    for event in events {
        match event.unwrap() {
            Event::ToolCall(part) => {
                call.id += &part.id.unwrap_or_default();
                call.name += &part.name.unwrap_or_default();
                call.arguments += &part.arguments;
            }
            Event::Done { finish, .. } => assert_eq!(finish, Finish::ToolCalls),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        (call.id.as_str(), call.name.as_str(), call.arguments.as_str()),
        ("toolu_1", "rain", "{\"in\":\"Seoul\"}")
    );
    request.messages.push(Message { tool_calls: vec![call], ..Message::new(Role::Assistant, "") });
    request.messages.push(Message { tool_call_id: Some("toolu_1".into()), ..Message::new(Role::Tool, "yes") });
    assert_eq!(gather(engine.chat(request).await.unwrap()).await.unwrap().0, "안녕");
    let sent = server.requests().pop().unwrap();
    assert!(sent.contains(r#""type":"tool_result","tool_use_id":"toolu_1""#), "{sent}");
}

#[tokio::test]
async fn a_server_of_the_other_kind_is_not_understood() {
    let openai = || super::server::good();
    let server = Server::answering([openai(), good()]).await;
    assert_eq!(reason(read(speaking(&server)).await.unwrap_err()), "an event of it cannot be read");
    let error = read(config(&server.address)).await.unwrap_err();
    assert!(matches!(error, EngineError::Broken { .. }), "{error}");
}
