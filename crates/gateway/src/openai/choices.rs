//! Several replies to one request: how many there may be, and how they come together into one answer.

use base::Usage;
use futures::{Stream, StreamExt, stream};
use serde::Serialize;
use serde_json::{Value, json};
use serving::{ChatCall, ChatError, Finish, ReplyEvent, ReplyStream};

use crate::App;
use crate::error::ApiError;

/// Replies that one request may ask for.
pub(crate) const CHOICES_MAX: usize = 8;

/// How many choices are asked for.
pub(crate) fn choices(n: Option<u64>) -> Result<usize, ApiError> {
    let n = usize::try_from(n.unwrap_or(1)).ok().filter(|n| (1..=CHOICES_MAX).contains(n));
    n.ok_or_else(|| ApiError::field("n", format!("is 1 to {CHOICES_MAX}")))
}

/// The seed of one of several choices: different ones, and the same ones again for the same seed.
pub(crate) fn seed_of(seed: Option<u32>, choice: usize) -> Option<u32> {
    seed.map(|seed| seed.wrapping_add(u32::try_from(choice).unwrap_or(0)))
}

/// Begins all choices, or none.
pub(crate) async fn begin(
    app: &App,
    principal: &base::Principal,
    calls: Vec<ChatCall>,
) -> Result<Vec<ReplyStream>, ChatError> {
    app.serving.chats(principal, calls).await
}

/// What all parts of an answer have in common.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    id: String,
    created: i64,
    model: String,
}

impl Head {
    /// A head whose id says what it is of.
    pub fn new(kind: &str, model: &str) -> Self {
        let id = format!("{kind}-{}", uuid::Uuid::now_v7().simple());
        Self { id, created: jiff::Timestamp::now().as_second(), model: model.to_owned() }
    }

    /// An answer with these choices, or a chunk of one.
    pub fn with<C>(&self, object: &'static str, choices: Vec<C>) -> Answer<C> {
        let Self { id, created, model } = self.clone();
        Answer { id, object, created, model, choices, usage: None, dure: None }
    }
}

/// An answer, or a chunk of one. Written as it stands, not by way of a JSON value: there is one for each token.
#[derive(Debug, Serialize)]
pub(crate) struct Answer<C> {
    id: String,
    object: &'static str,
    created: i64,
    model: String,
    choices: Vec<C>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dure: Option<Value>,
}

/// The chunks of all choices as they come: `each` makes an event of a choice into the choice's part of a chunk. With
/// the last end comes, if it is wanted, what all used together. After an error nothing follows, whichever choice had it.
pub(crate) fn chunks<C: Send>(
    head: Head,
    object: &'static str,
    replies: Vec<ReplyStream>,
    usage_wanted: bool,
    mut each: impl FnMut(usize, ReplyEvent) -> Option<C> + Send,
) -> impl Stream<Item = Result<Answer<C>, ApiError>> + Send {
    let (mut open, mut used, mut failed) = (replies.len(), Usage::default(), false);
    let mut events = replies.into_iter().enumerate().map(|(index, reply)| reply.map(move |event| (index, event)));
    // Most often there is one, which needs nobody to choose between several.
    let events = match (events.next(), open) {
        (Some(only), 1) => only.left_stream(),
        (first, _) => stream::select_all(first.into_iter().chain(events)).right_stream(),
    };
    events.flat_map(move |(index, event)| {
        let mut out = Vec::with_capacity(1);
        match event {
            _ if failed => {}
            Err(error) => {
                failed = true;
                out.push(Err(ApiError::from(error)));
            }
            Ok(event) => {
                if let ReplyEvent::Done(done) = &event {
                    open -= 1;
                    used.add(done.usage);
                }
                out.extend(each(index, event).map(|choice| Ok(head.with(object, vec![choice]))));
                if open == 0 && usage_wanted {
                    let mut counted = head.with(object, Vec::new());
                    counted.usage = Some(usage(used));
                    out.push(Ok(counted));
                }
            }
        }
        stream::iter(out)
    })
}

pub(crate) fn finish(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
    }
}

pub(crate) fn usage(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens(),
        "prompt_tokens_details": { "cached_tokens": usage.cached_tokens },
    })
}
