//! `/v1/completions`: a text continued as it stands, without a chat template, whole or streamed. The way to base models.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::future::try_join_all;
use futures::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use serving::{ChatCall, Reply, ReplyEvent, ReplyStream, Written};

use super::chat::{StreamOptions, logprob};
use super::choices::{self, Answer, CHOICES_MAX, Head, begin, finish, seed_of, usage};
use super::sampling::WireSampling;
use super::shape::{TextCompletion, TextRequest};
use super::wire::{Body, OneOrMany, unknown};
use crate::App;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::stamped::Stamped;
use crate::stream::server_sent_events;

/// Tokens that are written where nobody says, as in OpenAI's API.
const TOKENS: u64 = 16;
const OBJECT: &str = "text_completion";

#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    model: String,
    prompt: OneOrMany,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(flatten)]
    sampling: WireSampling,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    stop: Option<OneOrMany>,
    #[serde(default)]
    n: Option<u64>,
    #[serde(default)]
    best_of: Option<u64>,
    #[serde(default)]
    echo: Option<bool>,
    #[serde(default)]
    suffix: Option<String>,
    #[serde(default)]
    logprobs: Option<u32>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// A text continued as it stands, without a chat template.
#[utoipa::path(
    post,
    path = "/v1/completions",
    request_body = TextRequest,
    responses((status = 200, content((TextCompletion = "application/json"), (String = "text/event-stream")))),
)]
pub(crate) async fn complete(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Body(request): Body<Request>,
) -> Result<Response, ApiError> {
    let head = Head::new("cmpl", &request.model);
    let streamed = request.stream.unwrap_or(false);
    let usage_wanted = request.stream_options.as_ref().is_some_and(|options| options.include_usage);
    let echo = request.echo.unwrap_or(false);
    let unknown = unknown(&request.rest)?;
    let calls = request.read()?;
    let echoes: Vec<String> = calls.iter().map(|call| call.text.clone().filter(|_| echo).unwrap_or_default()).collect();
    let streams = begin(&app, &principal, calls).await?;
    let stamped = Stamped::of(&streams);
    if streamed {
        let events = server_sent_events(chunks(head, echoes, streams, usage_wanted));
        return Ok((stamped, unknown, events).into_response());
    }
    let replies = try_join_all(streams.into_iter().map(Reply::gather)).await?;
    let used = replies.iter().map(|reply| reply.done.usage).sum();
    let choices = replies.iter().zip(echoes).enumerate().map(|(index, (reply, echo))| {
        let offset = echo.chars().count();
        Part {
            finish_reason: Some(finish(reply.done.finish)),
            logprobs: logprobs(&reply.tokens, offset),
            ..Part::of(index, format!("{echo}{}", reply.text))
        }
    });
    let mut answer = head.with(OBJECT, choices.collect());
    answer.usage = Some(usage(used));
    Ok((stamped, unknown, Json(answer)).into_response())
}

impl Request {
    /// One call for each choice of each prompt.
    fn read(self) -> Result<Vec<ChatCall>, ApiError> {
        let n = choices::choices(self.n)?;
        if self.best_of.is_some_and(|best| best != n as u64) {
            return Err(ApiError::field("best_of", "is `n` here: no choice is written that is not shown"));
        }
        if self.suffix.is_some_and(|suffix| !suffix.is_empty()) {
            return Err(ApiError::field("suffix", "is not taken: texts are continued at their end"));
        }
        if self.echo == Some(true) && self.logprobs.is_some() {
            return Err(ApiError::field("logprobs", "cannot be told of a text that was sent"));
        }
        let prompts = self.prompt.into_vec();
        if prompts.is_empty() || prompts.len() * n > CHOICES_MAX {
            return Err(ApiError::field("prompt", format!("1 to {CHOICES_MAX} texts are taken, times `n`")));
        }
        let sampling = self.sampling.read()?;
        let tokens_max = u32::try_from(self.max_tokens.unwrap_or(TOKENS)).unwrap_or(u32::MAX);
        let stop = self.stop.map(OneOrMany::into_vec).unwrap_or_default();
        let calls = prompts.into_iter().flat_map(|text| std::iter::repeat_n(text, n)).enumerate().map(|(at, text)| {
            let mut sampling = sampling.clone();
            sampling.seed = seed_of(sampling.seed, at % n);
            ChatCall {
                model: self.model.clone(),
                text: Some(text),
                sampling,
                tokens_max: Some(tokens_max),
                stop: stop.clone(),
                logprobs: self.logprobs,
                ..ChatCall::default()
            }
        });
        Ok(calls.collect())
    }
}

/// A choice, or a part of one.
#[derive(Debug, Serialize)]
struct Part {
    index: usize,
    text: String,
    finish_reason: Option<&'static str>,
    logprobs: Option<Value>,
}

impl Part {
    fn of(index: usize, text: String) -> Self {
        Self { index, text, finish_reason: None, logprobs: None }
    }
}

/// One choice on its way: characters that went out, and tokens whose text did not.
#[derive(Default)]
struct Choice {
    chars: usize,
    tokens: Vec<Written>,
}

impl Choice {
    fn take(&mut self, index: usize, event: ReplyEvent) -> Option<Part> {
        match event {
            ReplyEvent::Tokens(tokens) => self.tokens.extend(tokens),
            ReplyEvent::Text(text) => {
                let logprobs = logprobs(&std::mem::take(&mut self.tokens), self.chars);
                self.chars += text.chars().count();
                return Some(Part { logprobs, ..Part::of(index, text) });
            }
            ReplyEvent::Done(done) => {
                return Some(Part { finish_reason: Some(finish(done.finish)), ..Part::of(index, String::new()) });
            }
            // Nothing else comes of a text that is continued.
            _ => {}
        }
        None
    }
}

fn chunks(
    head: Head,
    echoes: Vec<String>,
    replies: Vec<ReplyStream>,
    usage_wanted: bool,
) -> impl Stream<Item = Result<Answer<Part>, ApiError>> + Send {
    let mut going: Vec<Choice> = echoes.iter().map(|_| Choice::default()).collect();
    let spoken = echoes.into_iter().enumerate().filter(|(_, echo)| !echo.is_empty());
    let first: Vec<_> = spoken.map(|(index, echo)| Ok(head.with(OBJECT, vec![Part::of(index, echo)]))).collect();
    let rest =
        choices::chunks(head, OBJECT, replies, usage_wanted, move |index, event| going[index].take(index, event));
    stream::iter(first).chain(rest)
}

/// The older shape: columns of tokens, with the characters that stand before each.
fn logprobs(tokens: &[Written], chars: usize) -> Option<Value> {
    if tokens.is_empty() {
        return None;
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (mut offset, mut offsets) = (chars, Vec::with_capacity(tokens.len()));
    for written in tokens {
        offsets.push(offset);
        offset += text(&written.token.bytes).chars().count();
    }
    let top = tokens.iter().map(|written| {
        written.top.iter().map(|token| (text(&token.bytes), json!(logprob(token)))).collect::<Map<_, _>>()
    });
    Some(json!({
        "tokens": tokens.iter().map(|written| text(&written.token.bytes)).collect::<Vec<_>>(),
        "token_logprobs": tokens.iter().map(|written| logprob(&written.token)).collect::<Vec<_>>(),
        "top_logprobs": top.collect::<Vec<_>>(),
        "text_offset": offsets,
    }))
}
