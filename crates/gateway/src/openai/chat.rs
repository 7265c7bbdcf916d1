//! `/v1/chat/completions`: a chat turn on a model or route, whole or streamed.
//!
//! Citations come as `annotations` of the message, of OpenAI's kind `url_citation`: the marks that they stand behind,
//! the document's title, and an address on this server where the quote can be read in its place. What OpenAI's kind
//! has no field for (headings, span, quote) stands beside. All else that the house knows of an answer is under `dure`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use serving::{ChatCall, Citation, Finish, Message, Reply, ReplyEvent, ReplyStream, Role, Sampling, Source};

use super::wire::{Body, OneOrMany, refuse_upstream};
use crate::App;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::stream::server_sent_events;

#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    model: String,
    messages: Vec<WireMessage>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    temperature: Option<f64>,
    #[serde(default)]
    top_p: Option<f64>,
    #[serde(default)]
    top_k: Option<u32>,
    #[serde(default)]
    frequency_penalty: Option<f64>,
    #[serde(default)]
    presence_penalty: Option<f64>,
    #[serde(default)]
    seed: Option<i64>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    max_completion_tokens: Option<u64>,
    #[serde(default)]
    stop: Option<OneOrMany>,
    #[serde(default)]
    n: Option<u64>,
    #[serde(default)]
    response_format: Option<ResponseFormat>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat {
    Text,
    JsonObject,
    JsonSchema { json_schema: JsonSchema },
}

#[derive(Debug, Deserialize)]
struct JsonSchema {
    #[serde(default)]
    schema: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct WireMessage {
    role: WireRole,
    #[serde(default)]
    content: Option<Content>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireRole {
    System,
    Developer,
    User,
    Assistant,
    Tool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part {
    Text { text: String },
}

pub(crate) async fn complete(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Body(request): Body<Request>,
) -> Result<Response, ApiError> {
    refuse_upstream(&request.rest)?;
    let streamed = request.stream.unwrap_or(false);
    let usage_wanted = request.stream_options.as_ref().is_some_and(|options| options.include_usage);
    let head = Head {
        id: format!("chatcmpl-{}", uuid::Uuid::now_v7().simple()),
        created: Timestamp::now().as_second(),
        model: request.model.clone(),
    };
    let stream = app.serving.chat(&principal, call(request)?).await?;
    if streamed {
        Ok(server_sent_events(chunks(head, stream, usage_wanted)))
    } else {
        let reply = Reply::gather(stream).await?;
        Ok(Json(whole(&head, &reply)).into_response())
    }
}

fn call(request: Request) -> Result<ChatCall, ApiError> {
    if request.n.is_some_and(|n| n != 1) {
        return Err(ApiError::Invalid { message: "`n`: is 1".to_owned(), field: Some("n".to_owned()) });
    }
    let tokens_max = request.max_completion_tokens.or(request.max_tokens);
    Ok(ChatCall {
        model: request.model,
        messages: request.messages.into_iter().map(message).collect(),
        sampling: Sampling {
            temperature: request.temperature,
            top_p: request.top_p,
            top_k: request.top_k,
            frequency_penalty: request.frequency_penalty,
            presence_penalty: request.presence_penalty,
            // Any number is a seed; folding it keeps equal seeds equal.
            seed: request.seed.map(|seed| (seed as u64 ^ (seed as u64 >> 32)) as u32),
        },
        tokens_max: tokens_max.map(|tokens| u32::try_from(tokens).unwrap_or(u32::MAX)),
        stop: request.stop.map(OneOrMany::into_vec).unwrap_or_default(),
        tools: None,
        schema: match request.response_format {
            None | Some(ResponseFormat::Text) => None,
            Some(ResponseFormat::JsonObject) => Some(json!({ "type": "object" })),
            Some(ResponseFormat::JsonSchema { json_schema }) => {
                Some(json_schema.schema.unwrap_or_else(|| json!({ "type": "object" })))
            }
        },
    })
}

fn message(message: WireMessage) -> Message {
    let content = match message.content {
        None => String::new(),
        Some(Content::Text(text)) => text,
        Some(Content::Parts(parts)) => {
            let texts: Vec<String> = parts.into_iter().map(|Part::Text { text }| text).collect();
            texts.join("\n")
        }
    };
    let role = match message.role {
        WireRole::System | WireRole::Developer => Role::System,
        WireRole::User => Role::User,
        WireRole::Assistant => Role::Assistant,
        WireRole::Tool => Role::Tool,
    };
    Message { role, content }
}

/// What all chunks of a reply have in common.
#[derive(Debug, Clone)]
struct Head {
    id: String,
    created: i64,
    model: String,
}

impl Head {
    fn value(&self, object: &str, choices: Value) -> Value {
        json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        })
    }

    fn chunk(&self, delta: Value, finish: Option<&str>) -> Value {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish, "logprobs": null });
        self.value("chat.completion.chunk", json!([choice]))
    }
}

fn whole(head: &Head, reply: &Reply) -> Value {
    let message = json!({
        "role": "assistant",
        "content": reply.text,
        "refusal": null,
        "annotations": reply.citations.iter().map(annotation).collect::<Vec<_>>(),
    });
    let choice = json!({
        "index": 0,
        "message": message,
        "finish_reason": finish(reply.done.finish),
        "logprobs": null,
    });
    let mut value = head.value("chat.completion", json!([choice]));
    value["usage"] = usage(&reply.done);
    if !reply.sources.is_empty() {
        value["dure"] = extension(&reply.sources, &reply.extract, &reply.done);
    }
    value
}

/// Events become chunks one by one; the last chunk of the choice carries the annotations, as in OpenAI's own streams.
fn chunks(
    head: Head,
    stream: ReplyStream,
    usage_wanted: bool,
) -> impl futures::Stream<Item = Result<Value, ApiError>> + Send {
    let first = head.chunk(json!({ "role": "assistant", "content": "" }), None);
    let mut state = (Vec::<Source>::new(), Vec::<Citation>::new(), Vec::<Citation>::new());
    let rest = stream.flat_map(move |event| {
        let (sources, extract, citations) = &mut state;
        let mut out = Vec::new();
        match event {
            Err(error) => out.push(Err(ApiError::from(error))),
            Ok(ReplyEvent::Sources(found)) => *sources = found,
            Ok(ReplyEvent::Extract(found)) => *extract = found,
            Ok(ReplyEvent::Citation(citation)) => citations.push(citation),
            Ok(ReplyEvent::Unsupported(_)) => {}
            Ok(ReplyEvent::Text(text)) => out.push(Ok(head.chunk(json!({ "content": text }), None))),
            Ok(ReplyEvent::Done(done)) => {
                let annotations: Vec<Value> = citations.iter().map(annotation).collect();
                let delta = if annotations.is_empty() { json!({}) } else { json!({ "annotations": annotations }) };
                let mut last = head.chunk(delta, Some(finish(done.finish)));
                if !sources.is_empty() {
                    last["dure"] = extension(sources, extract, &done);
                }
                out.push(Ok(last));
                if usage_wanted {
                    let mut counted = head.value("chat.completion.chunk", json!([]));
                    counted["usage"] = usage(&done);
                    out.push(Ok(counted));
                }
            }
        }
        futures::stream::iter(out)
    });
    futures::stream::iter([Ok(first)]).chain(rest)
}

fn finish(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
    }
}

fn usage(done: &serving::Done) -> Value {
    json!({
        "prompt_tokens": done.usage.prompt_tokens,
        "completion_tokens": done.usage.completion_tokens,
        "total_tokens": done.usage.total_tokens(),
        "prompt_tokens_details": { "cached_tokens": done.usage.cached_tokens },
    })
}

fn annotation(citation: &Citation) -> Value {
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
fn address(citation: &Citation) -> String {
    format!("/api/v1/documents/{}?from={}&to={}", citation.document, citation.span.start, citation.span.end)
}

fn extension(sources: &[Source], extract: &[Citation], done: &serving::Done) -> Value {
    json!({
        "kind": done.kind,
        "abstained": done.abstained,
        "sources": sources,
        "extract": extract,
        "unsupported": done.unsupported,
        "withheld": done.withheld,
    })
}
