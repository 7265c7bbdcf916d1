//! Answers as Anthropic's API streams them, whole and broken.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{CacheSalt, Message, Role, Tool, Tools};

fn request() -> ChatRequest {
    ChatRequest::new(vec![Message::new(Role::User, "hello")], CacheSalt([0; 16]))
}

fn read_of(request: &ChatRequest, events: &[Value]) -> Result<Read, Break> {
    let (mut blocks, mut read) = (Blocks::of(request), Read::default());
    for event in events {
        blocks.take(event.to_string().as_bytes(), &mut read)?;
    }
    Ok(read)
}

fn read(events: &[Value]) -> Result<Read, Break> {
    read_of(&request(), events)
}

fn begins() -> Value {
    json!({ "type": "message_start", "message": { "id": "m", "role": "assistant", "content": [], "usage": {
        "input_tokens": 10, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 20, "output_tokens": 1 } } })
}

fn start(index: u64, block: Value) -> Value {
    json!({ "type": "content_block_start", "index": index, "content_block": block })
}

fn text(index: u64) -> Value {
    start(index, json!({ "type": "text", "text": "" }))
}

fn tool(index: u64, id: &str, name: &str) -> Value {
    start(index, json!({ "type": "tool_use", "id": id, "name": name, "input": {} }))
}

fn more(index: u64, text: &str) -> Value {
    json!({ "type": "content_block_delta", "index": index, "delta": { "type": "text_delta", "text": text } })
}

fn json_more(index: u64, json: &str) -> Value {
    json!({ "type": "content_block_delta", "index": index, "delta":
        { "type": "input_json_delta", "partial_json": json } })
}

fn stop(index: u64) -> Value {
    json!({ "type": "content_block_stop", "index": index })
}

fn end(reason: &str) -> Value {
    json!({ "type": "message_delta", "delta": { "stop_reason": reason, "stop_sequence": null },
        "usage": { "output_tokens": 9 } })
}

fn ended() -> Value {
    json!({ "type": "message_stop" })
}

#[test]
fn text_and_its_end_and_its_count() {
    let ping = json!({ "type": "ping" });
    let read = read(&[begins(), text(0), ping, more(0, "안"), more(0, "녕"), stop(0), end("end_turn"), ended()]);
    let read = read.unwrap();
    assert_eq!(read.ready, [Event::Text("안".into()), Event::Text("녕".into())]);
    assert_eq!((read.finish, read.ended), (Some(Finish::Stop), true));
    // What came from the cache, or went there, was read too.
    assert_eq!((read.prompt_tokens, read.cached_tokens, read.completion_tokens), (Some(35), 20, Some(9)));
}

#[test]
fn what_broke_off_is_counted_by_what_came() {
    let read = read(&[begins(), text(0), more(0, "한국어 한국어")]).unwrap();
    assert_eq!((read.prompt_tokens, read.completion_tokens), (Some(35), None));
    assert_eq!(read.tokens, u64::from(tokens_of("한국어 한국어")));
}

#[test]
fn a_ping_is_only_a_sign_of_life() {
    let mut blocks = Blocks::of(&request());
    for (event, more) in [(begins(), true), (json!({ "type": "ping" }), false), (json!({ "type": "new_one" }), false)] {
        assert_eq!(blocks.take(event.to_string().as_bytes(), &mut Read::default()), Ok(more));
    }
}

#[test]
fn thoughts_are_counted_and_not_handed_on() {
    let read = read(&[
        start(0, json!({ "type": "thinking", "thinking": "" })),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "thinking_delta", "thinking": "hmm" } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "signature_delta", "signature": "x" } }),
        stop(0),
        start(1, json!({ "type": "redacted_thinking", "data": "x" })),
        stop(1),
    ])
    .unwrap();
    assert!(read.ready.is_empty() && read.tokens == 1, "{read:?}");
}

#[test]
fn calls_are_numbered_among_calls_and_one_without_arguments_has_none() {
    let read = read(&[
        text(0),
        more(0, "I look."),
        stop(0),
        tool(1, "a", "weather"),
        json_more(1, ""),
        json_more(1, "{\"city\""),
        json_more(1, ":\"Seoul\"}"),
        stop(1),
        tool(2, "b", "time"),
        stop(2),
        start(3, json!({ "type": "tool_use", "id": "c", "name": "whole", "input": { "x": 1 } })),
        stop(3),
        end("tool_use"),
    ])
    .unwrap();
    let mut calls = [const { String::new() }; 3];
    for event in &read.ready {
        if let Event::ToolCall(part) = event {
            calls[part.index as usize] += &part.arguments;
        }
    }
    assert_eq!(calls, ["{\"city\":\"Seoul\"}", "{}", "{\"x\":1}"]);
    let begun = read.ready.iter().filter_map(|event| match event {
        Event::ToolCall(part) => part.id.as_deref().zip(part.name.as_deref()),
        _ => None,
    });
    assert_eq!(begun.collect::<Vec<_>>(), [("a", "weather"), ("b", "time"), ("c", "whole")]);
    assert_eq!(read.finish, Some(Finish::ToolCalls));
}

#[test]
fn each_reason_to_end_is_known_or_is_no_end() {
    for (reason, expected) in [
        ("end_turn", Ok(Finish::Stop)),
        ("stop_sequence", Ok(Finish::Stop)),
        ("max_tokens", Ok(Finish::Length)),
        ("model_context_window_exceeded", Ok(Finish::Length)),
        ("refusal", Err(Blame::Request)),
        ("pause_turn", Err(Blame::Upstream)),
        ("tool_use", Err(Blame::Upstream)),
        ("of_another_day", Err(Blame::Upstream)),
    ] {
        let found = read(&[begins(), end(reason)]);
        assert_eq!(found.map(|read| read.finish.unwrap()).map_err(|broke| broke.blame), expected, "{reason}");
    }
}

#[test]
fn an_answer_by_a_schema_is_the_arguments_of_its_tool() {
    let mut request = ChatRequest { schema: Some(json!({ "type": "object" })), ..request() };
    let answer = [tool(0, "a", "reply"), json_more(0, "{\"a\""), json_more(0, ":1}"), stop(0), end("tool_use")];
    let read = read_of(&request, &answer).unwrap();
    assert_eq!(read.ready, [Event::Text("{\"a\"".into()), Event::Text(":1}".into())]);
    assert_eq!(read.finish, Some(Finish::Stop));
    let empty = read_of(&request, &[tool(0, "a", "reply"), stop(0), end("tool_use")]).unwrap();
    assert_eq!(empty.ready, [Event::Text("{}".into())]);
    for broken in [
        vec![text(0), more(0, "Here you are:")],
        vec![text(0), stop(0), end("end_turn")],
        vec![tool(0, "a", "reply"), stop(0), tool(1, "b", "reply")],
    ] {
        assert!(read_of(&request, &broken).is_err(), "{broken:?}");
    }
    // A call of another tool may stand in its place, and where one is forced it is the answer.
    let offered = vec![Tool { name: "weather".into(), description: None, parameters: None }];
    request.tools = Tools { offered, ..Tools::default() };
    let called = read_of(&request, &[tool(0, "a", "weather"), stop(0), end("tool_use")]).unwrap();
    assert_eq!(called.finish, Some(Finish::ToolCalls));
}

#[test]
fn what_is_no_answer_is_none() {
    for broken in [
        json!("text"),
        json!([1]),
        json!({}),
        json!({ "type": 5 }),
        more(0, "of no block"),
        stop(0),
        json!({ "type": "content_block_start", "index": -1, "content_block": { "type": "text" } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "tool_use", "id": 5, "name": "x" } }),
        json!({ "type": "error", "error": { "type": "api_error", "message": "the secret question" } }),
        json!({ "type": "error", "error": null }),
        json!({ "type": "error" }),
    ] {
        assert_eq!(
            read(std::slice::from_ref(&broken)).map_err(|broke| broke.blame).err(),
            Some(Blame::Upstream),
            "{broken}"
        );
    }
    for broken in [
        vec![text(0), text(1)],
        vec![text(0), more(1, "x")],
        vec![text(0), json_more(0, "{}")],
        vec![tool(0, "a", "b"), more(0, "x")],
        (0..=CALLS_MAX).flat_map(|n| [tool(n.into(), "a", "b"), stop(n.into())]).collect(),
    ] {
        assert!(read(&broken).is_err());
    }
    for broken in [&b"{\"type\":"[..], "[".repeat(100_000).as_bytes(), b"\xff\xfe", b"[DONE]", b""] {
        assert!(Blocks::of(&request()).take(broken, &mut Read::default()).is_err());
    }
}

#[test]
fn failures_are_told_apart() {
    for (kind, blame) in [
        ("overloaded_error", Blame::Load),
        ("rate_limit_error", Blame::Load),
        ("invalid_request_error", Blame::Request),
        ("api_error", Blame::Upstream),
        ("authentication_error", Blame::Upstream),
    ] {
        let error = json!({ "type": "error", "error": { "type": kind, "message": "the secret question" } });
        assert_eq!(read(&[error]).unwrap_err().blame, blame, "{kind}");
    }
}

#[test]
fn a_count_that_is_none_is_not_believed() {
    for usage in [
        json!(null),
        json!(5),
        json!({ "input_tokens": -1 }),
        json!({ "input_tokens": "7" }),
        json!({ "input_tokens": 1.5 }),
    ] {
        let read = read(&[json!({ "type": "message_start", "message": { "usage": usage } })]).unwrap();
        assert_eq!(read.prompt_tokens, None, "{usage}");
    }
    let most = u64::MAX;
    let usage = json!({ "input_tokens": most, "cache_read_input_tokens": most });
    let read = read(&[json!({ "type": "message_start", "message": { "usage": usage } })]).unwrap();
    assert_eq!(read.prompt_tokens, Some(most));
}

proptest! {
    /// Whatever comes in whatever order, it is read or refused, and nothing is handed on but what was said.
    #[test]
    fn any_order_of_events_is_read_or_refused(
        events in proptest::collection::vec((0_usize..9, 0_u64..3, "[a-z가-힣\"{}\\\\]{0,6}"), 0..24),
    ) {
        let (mut blocks, mut read) = (Blocks::of(&request()), Read::default());
        for (kind, index, said) in events {
            let event = match kind {
                0 => begins(),
                1 => text(index),
                2 => tool(index, &said, &said),
                3 => more(index, &said),
                4 => json_more(index, &said),
                5 => stop(index),
                6 => end(&said),
                7 => ended(),
                _ => json!({ "type": said }),
            };
            if blocks.take(event.to_string().as_bytes(), &mut read).is_err() {
                break;
            }
        }
        let parts = read.ready.iter().filter(|event| matches!(event, Event::ToolCall(part) if part.id.is_some()));
        prop_assert_eq!(parts.count() as u32, blocks.calls);
    }
}
