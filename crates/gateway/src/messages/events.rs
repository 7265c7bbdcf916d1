//! What `/v1/messages` answers: whole, or as events.

use futures::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use serving::{Citation, Done, Finish, Reply, ReplyEvent, ReplyStream, ToolCallPart};

use super::told;
use crate::error::ApiError;
use crate::openai::address;

/// A message that is whole.
pub(super) fn whole(model: &str, reply: &Reply) -> Value {
    let mut content = Vec::new();
    if !reply.text.is_empty() || reply.tool_calls.is_empty() {
        let mut text = json!({ "type": "text", "text": reply.text });
        if !reply.citations.is_empty() {
            text["citations"] = reply.citations.iter().map(citation).collect();
        }
        content.push(text);
    }
    for call in &reply.tool_calls {
        // A model may write what is no JSON; these clients take an object only.
        let input: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
        content.push(json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input }));
    }
    let mut message = begun(model);
    message["content"] = Value::Array(content);
    message["stop_reason"] = json!(stop_reason(reply.done.finish));
    message["usage"] = usage(&reply.done);
    message
}

/// A message as it is written. The last event is `message_stop`, or an error.
pub(super) fn of(model: String, replies: ReplyStream) -> impl Stream<Item = Value> + Send {
    let start = json!({ "type": "message_start", "message": begun(&model) });
    let events = replies.scan(Writing::default(), |writing, event| {
        let events = match event {
            _ if writing.ended => return std::future::ready(None),
            Ok(event) => writing.take(event),
            Err(error) => {
                writing.ended = true;
                vec![told(&ApiError::from(error))]
            }
        };
        std::future::ready(Some(stream::iter(events)))
    });
    stream::iter([start]).chain(events.flatten())
}

fn begun(model: &str) -> Value {
    json!({
        "id": format!("msg_{}", uuid::Uuid::now_v7().simple()),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": { "input_tokens": 0, "output_tokens": 0 },
    })
}

/// The blocks of a message on their way; one is open at a time.
#[derive(Default)]
struct Writing {
    blocks: usize,
    open: Option<Open>,
    ended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    Tool(u32),
}

impl Writing {
    fn take(&mut self, event: ReplyEvent) -> Vec<Value> {
        let mut out = Vec::new();
        match event {
            ReplyEvent::Text(text) => {
                self.open(Open::Text, || json!({ "type": "text", "text": "" }), &mut out);
                out.push(self.delta(json!({ "type": "text_delta", "text": text })));
            }
            ReplyEvent::Citation(cited) => {
                self.open(Open::Text, || json!({ "type": "text", "text": "" }), &mut out);
                out.push(self.delta(json!({ "type": "citations_delta", "citation": citation(&cited) })));
            }
            ReplyEvent::ToolCall(ToolCallPart { index, id, name, arguments }) => {
                let head = || json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
                self.open(Open::Tool(index), head, &mut out);
                if !arguments.is_empty() {
                    out.push(self.delta(json!({ "type": "input_json_delta", "partial_json": arguments })));
                }
            }
            ReplyEvent::Done(done) => {
                if self.blocks == 0 {
                    // Also a message without a word has a block.
                    self.open(Open::Text, || json!({ "type": "text", "text": "" }), &mut out);
                }
                self.close(&mut out);
                let delta = json!({ "stop_reason": stop_reason(done.finish), "stop_sequence": null });
                out.push(json!({ "type": "message_delta", "delta": delta, "usage": usage(&done) }));
                out.push(json!({ "type": "message_stop" }));
                self.ended = true;
            }
            ReplyEvent::Sources(_) | ReplyEvent::Extract(_) | ReplyEvent::Tokens(_) | ReplyEvent::Unsupported(_) => {}
        }
        out
    }

    fn open(&mut self, wanted: Open, block: impl FnOnce() -> Value, out: &mut Vec<Value>) {
        if self.open == Some(wanted) {
            return;
        }
        self.close(out);
        self.open = Some(wanted);
        out.push(json!({ "type": "content_block_start", "index": self.blocks, "content_block": block() }));
        self.blocks += 1;
    }

    fn close(&mut self, out: &mut Vec<Value>) {
        if self.open.take().is_some() {
            out.push(json!({ "type": "content_block_stop", "index": self.blocks - 1 }));
        }
    }

    fn delta(&self, delta: Value) -> Value {
        json!({ "type": "content_block_delta", "index": self.blocks - 1, "delta": delta })
    }
}

/// The kind of citation that those clients have for results of a search.
fn citation(citation: &Citation) -> Value {
    json!({
        "type": "search_result_location",
        "source": address(citation),
        "title": citation.title,
        "cited_text": citation.quote,
        "search_result_index": citation.number.saturating_sub(1),
        "start_block_index": 0,
        "end_block_index": 1,
    })
}

fn stop_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
    }
}

/// That API counts tokens that came from the cache apart.
fn usage(done: &Done) -> Value {
    json!({
        "input_tokens": done.usage.prompt_tokens.saturating_sub(done.usage.cached_tokens),
        "cache_read_input_tokens": done.usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "output_tokens": done.usage.completion_tokens,
    })
}

#[cfg(test)]
mod tests {
    use base::Usage;
    use serving::AnswerKind;

    use super::*;

    fn done() -> ReplyEvent {
        ReplyEvent::Done(Done {
            finish: Finish::ToolCalls,
            usage: Usage { prompt_tokens: 10, cached_tokens: 4, completion_tokens: 3 },
            kind: AnswerKind::Chat,
            abstained: false,
            unsupported: Vec::new(),
            withheld: 0,
        })
    }

    #[test]
    fn blocks_open_and_close_one_after_another() {
        let mut writing = Writing::default();
        let call = |index, id: Option<&str>, arguments: &str| {
            ReplyEvent::ToolCall(ToolCallPart {
                index,
                id: id.map(str::to_owned),
                name: id.map(|_| "now".to_owned()),
                arguments: arguments.to_owned(),
            })
        };
        let events = [
            ReplyEvent::Text("a".into()),
            ReplyEvent::Text("b".into()),
            call(0, Some("t0"), ""),
            call(0, None, "{}"),
            call(1, Some("t1"), "{}"),
            done(),
        ];
        let out: Vec<Value> = events.into_iter().flat_map(|event| writing.take(event)).collect();
        let told: Vec<String> =
            out.iter().map(|event| format!("{} {}", event["type"].as_str().unwrap(), event["index"])).collect();
        assert_eq!(
            told,
            [
                "content_block_start 0",
                "content_block_delta 0",
                "content_block_delta 0",
                "content_block_stop 0",
                "content_block_start 1",
                "content_block_delta 1",
                "content_block_stop 1",
                "content_block_start 2",
                "content_block_delta 2",
                "content_block_stop 2",
                "message_delta null",
                "message_stop null",
            ]
        );
        assert_eq!(out[10]["usage"]["input_tokens"], 6);
        assert_eq!(out[10]["delta"]["stop_reason"], "tool_use");
    }

    #[test]
    fn a_message_without_a_word_has_a_block() {
        let out = Writing::default().take(done());
        let kinds: Vec<_> = out.iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["content_block_start", "content_block_stop", "message_delta", "message_stop"]);
    }
}
