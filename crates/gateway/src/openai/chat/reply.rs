//! What `/v1/chat/completions` answers: whole, or as chunks.

use futures::{Stream, StreamExt, stream};
use serde::Serialize;
use serde_json::{Value, json};
use serving::{Citation, Likelihood, Reply, ReplyEvent, ReplyStream, Source, ToolCallPart, Written};

use crate::error::ApiError;
use crate::openai::choices::{self, Answer, Head, finish, usage};

const CHUNK: &str = "chat.completion.chunk";

/// The lowest logarithm that is told; JSON has no word for the one of nothing at all.
const LOGPROB_MIN: f32 = -9999.0;

/// A choice that is whole.
#[derive(Debug, Serialize)]
pub(super) struct Whole<'a> {
    index: usize,
    message: Message<'a>,
    finish_reason: &'static str,
    logprobs: Option<Value>,
}

#[derive(Debug, Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<&'a str>,
    refusal: Option<&'a str>,
    annotations: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Value>,
}

/// All choices at once.
pub(super) fn whole<'a>(head: &Head, replies: &'a [Reply]) -> Answer<Whole<'a>> {
    let choices = replies.iter().enumerate().map(|(index, reply)| {
        let calls = reply.tool_calls.iter().map(|call| {
            let function = json!({ "name": call.name, "arguments": call.arguments });
            json!({ "id": call.id, "type": "function", "function": function })
        });
        Whole {
            index,
            message: Message {
                role: "assistant",
                content: Some(reply.text.as_str()).filter(|text| !text.is_empty() || reply.tool_calls.is_empty()),
                refusal: None,
                annotations: reply.citations.iter().map(annotation).collect(),
                tool_calls: calls.collect(),
            },
            finish_reason: finish(reply.done.finish),
            logprobs: logprobs(&reply.tokens),
        }
    });
    let mut answer = head.with("chat.completion", choices.collect());
    answer.usage = Some(usage(replies.iter().map(|reply| reply.done.usage).sum()));
    // What stands beside `choices` is of the first: a route with records answers them all alike.
    let first = replies.first().filter(|reply| !reply.sources.is_empty());
    answer.dure = first.map(|reply| extension(&reply.sources, &reply.extract, &reply.done));
    answer
}

/// A part of a choice.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    index: usize,
    delta: Delta,
    finish_reason: Option<&'static str>,
    logprobs: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dure: Option<Value>,
}

/// What a part adds to its choice's message.
#[derive(Debug, Default, Serialize)]
struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<Value>,
}

/// Events become chunks one by one; a choice's last chunk carries its annotations, as in OpenAI's own streams.
pub(super) fn chunks(
    head: Head,
    replies: Vec<ReplyStream>,
    usage_wanted: bool,
) -> impl Stream<Item = Result<Answer<Part>, ApiError>> + Send {
    let mut going: Vec<Choice> = (0..replies.len()).map(|index| Choice { index, ..Choice::default() }).collect();
    let begun = || Delta { role: Some("assistant"), content: Some(String::new()), ..Delta::default() };
    let first = going.iter().map(|choice| Ok(head.with(CHUNK, vec![choice.part(begun())])));
    let first: Vec<_> = first.collect();
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
    fn part(&self, delta: Delta) -> Part {
        Part { index: self.index, delta, finish_reason: None, logprobs: None, dure: None }
    }

    fn take(&mut self, event: ReplyEvent) -> Option<Part> {
        match event {
            ReplyEvent::Sources(found) => self.sources = found,
            ReplyEvent::Extract(found) => self.extract = found,
            ReplyEvent::Citation(citation) => self.citations.push(citation),
            ReplyEvent::Unsupported(_) => {}
            ReplyEvent::Tokens(tokens) => self.tokens.extend(tokens),
            ReplyEvent::Text(text) => {
                let logprobs = logprobs(&std::mem::take(&mut self.tokens));
                let delta = Delta { content: Some(text), ..Delta::default() };
                return Some(Part { logprobs, ..self.part(delta) });
            }
            ReplyEvent::ToolCall(part) => {
                return Some(self.part(Delta { tool_calls: vec![called(&part)], ..Delta::default() }));
            }
            ReplyEvent::Done(done) => {
                let annotations = self.citations.iter().map(annotation).collect();
                let sourced = !self.sources.is_empty();
                return Some(Part {
                    finish_reason: Some(finish(done.finish)),
                    logprobs: logprobs(&self.tokens),
                    dure: sourced.then(|| extension(&self.sources, &self.extract, &done)),
                    ..self.part(Delta { annotations, ..Delta::default() })
                });
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

fn logprobs(tokens: &[Written]) -> Option<Value> {
    if tokens.is_empty() {
        return None;
    }
    let content = tokens.iter().map(|written| {
        let mut token = likelihood(&written.token);
        token["top_logprobs"] = written.top.iter().map(likelihood).collect();
        token
    });
    Some(json!({ "content": content.collect::<Vec<_>>(), "refusal": null }))
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
