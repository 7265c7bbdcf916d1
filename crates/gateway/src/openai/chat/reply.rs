//! What `/v1/chat/completions` answers: whole, or as chunks.

use futures::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use serving::{Citation, Likelihood, Reply, ReplyEvent, ReplyStream, Source, ToolCallPart, Written};

use crate::error::ApiError;
use crate::openai::choices::{self, Head, finish, usage};

const CHUNK: &str = "chat.completion.chunk";

/// The lowest logarithm that is told; JSON has no word for the one of nothing at all.
const LOGPROB_MIN: f32 = -9999.0;

/// All choices at once.
pub(super) fn whole(head: &Head, replies: &[Reply]) -> Value {
    let choices = replies.iter().enumerate().map(|(index, reply)| {
        let mut message = json!({
            "role": "assistant",
            "content": if reply.text.is_empty() && !reply.tool_calls.is_empty() { Value::Null } else { json!(reply.text) },
            "refusal": null,
            "annotations": reply.citations.iter().map(annotation).collect::<Vec<_>>(),
        });
        if !reply.tool_calls.is_empty() {
            let calls = reply.tool_calls.iter().map(|call| {
                let function = json!({ "name": call.name, "arguments": call.arguments });
                json!({ "id": call.id, "type": "function", "function": function })
            });
            message["tool_calls"] = calls.collect();
        }
        json!({
            "index": index,
            "message": message,
            "finish_reason": finish(reply.done.finish),
            "logprobs": logprobs(&reply.tokens),
        })
    });
    // What stands beside `choices` is of the first: a route with records answers them all alike.
    let mut value = head.value("chat.completion", choices.collect());
    value["usage"] = usage(replies.iter().map(|reply| reply.done.usage).sum());
    if let Some(reply) = replies.first().filter(|reply| !reply.sources.is_empty()) {
        value["dure"] = extension(&reply.sources, &reply.extract, &reply.done);
    }
    value
}

/// Events become chunks one by one; a choice's last chunk carries its annotations, as in OpenAI's own streams.
pub(super) fn chunks(
    head: Head,
    replies: Vec<ReplyStream>,
    usage_wanted: bool,
) -> impl Stream<Item = Result<Value, ApiError>> + Send {
    let mut going: Vec<Choice> = (0..replies.len()).map(|index| Choice { index, ..Choice::default() }).collect();
    let first = json!({ "role": "assistant", "content": "" });
    let first = going.iter().map(|choice| choice.part(first.clone(), None, Value::Null));
    let first: Vec<_> = first.map(|choice| Ok(head.value(CHUNK, json!([choice])))).collect();
    let rest = choices::chunks(head, CHUNK, replies, usage_wanted, move |index, event| going[index].take(event));
    stream::iter(first).chain(rest)
}

/// One choice on its way.
#[derive(Default)]
struct Choice {
    index: usize,
    sources: Vec<Source>,
    extract: Vec<Citation>,
    citations: Vec<Citation>,
    /// Tokens whose text did not go out yet.
    tokens: Vec<Written>,
}

impl Choice {
    fn part(&self, delta: Value, finish: Option<&str>, logprobs: Value) -> Value {
        json!({ "index": self.index, "delta": delta, "finish_reason": finish, "logprobs": logprobs })
    }

    fn take(&mut self, event: ReplyEvent) -> Option<Value> {
        match event {
            ReplyEvent::Sources(found) => self.sources = found,
            ReplyEvent::Extract(found) => self.extract = found,
            ReplyEvent::Citation(citation) => self.citations.push(citation),
            ReplyEvent::Unsupported(_) => {}
            ReplyEvent::Tokens(tokens) => self.tokens.extend(tokens),
            ReplyEvent::Text(text) => {
                let tokens = std::mem::take(&mut self.tokens);
                return Some(self.part(json!({ "content": text }), None, logprobs(&tokens)));
            }
            ReplyEvent::ToolCall(part) => {
                return Some(self.part(json!({ "tool_calls": [called(&part)] }), None, Value::Null));
            }
            ReplyEvent::Done(done) => {
                let annotations: Vec<Value> = self.citations.iter().map(annotation).collect();
                let delta = if annotations.is_empty() { json!({}) } else { json!({ "annotations": annotations }) };
                let mut last = self.part(delta, Some(finish(done.finish)), logprobs(&self.tokens));
                if !self.sources.is_empty() {
                    last["dure"] = extension(&self.sources, &self.extract, &done);
                }
                return Some(last);
            }
        }
        None
    }
}

fn called(part: &ToolCallPart) -> Value {
    let mut value = json!({ "index": part.index });
    if let Some(id) = &part.id {
        value["id"] = json!(id);
        value["type"] = json!("function");
    }
    value["function"] = match &part.name {
        Some(name) => json!({ "name": name, "arguments": part.arguments }),
        None => json!({ "arguments": part.arguments }),
    };
    value
}

fn logprobs(tokens: &[Written]) -> Value {
    if tokens.is_empty() {
        return Value::Null;
    }
    let content = tokens.iter().map(|written| {
        let mut token = likelihood(&written.token);
        token["top_logprobs"] = written.top.iter().map(likelihood).collect();
        token
    });
    json!({ "content": content.collect::<Vec<_>>(), "refusal": null })
}

fn likelihood(likelihood: &Likelihood) -> Value {
    json!({
        "token": String::from_utf8_lossy(&likelihood.bytes),
        "logprob": logprob(likelihood),
        "bytes": likelihood.bytes,
    })
}

/// A number that JSON can write.
pub(crate) fn logprob(likelihood: &Likelihood) -> f32 {
    likelihood.logprob.max(LOGPROB_MIN)
}

pub(crate) fn annotation(citation: &Citation) -> Value {
    json!({
        "type": "url_citation",
        "url_citation": {
            "start_index": citation.mark.start,
            "end_index": citation.mark.end,
            "title": citation.title,
            "url": address(citation),
        },
        "citation": citation,
    })
}

/// Where the quote can be read in its place.
pub(crate) fn address(citation: &Citation) -> String {
    format!("/api/v1/documents/{}?from={}&to={}", citation.document, citation.span.start, citation.span.end)
}

pub(crate) fn extension(sources: &[Source], extract: &[Citation], done: &serving::Done) -> Value {
    json!({
        "kind": done.kind,
        "abstained": done.abstained,
        "sources": sources,
        "extract": extract,
        "unsupported": done.unsupported,
        "withheld": done.withheld,
    })
}
