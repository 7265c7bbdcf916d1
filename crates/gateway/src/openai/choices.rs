//! Several replies to one request: how many there may be, and how they come together into one answer.

use base::Usage;
use futures::{Stream, StreamExt, stream};
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

    pub fn value(&self, object: &str, choices: Value) -> Value {
        json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        })
    }
}

/// The chunks of all choices as they come: `each` makes an event of a choice into the choice's part of a chunk. With
/// the last end comes, if it is wanted, what all used together. After an error nothing follows, whichever choice had it.
pub(crate) fn chunks(
    head: Head,
    object: &'static str,
    replies: Vec<ReplyStream>,
    usage_wanted: bool,
    mut each: impl FnMut(usize, ReplyEvent) -> Option<Value> + Send,
) -> impl Stream<Item = Result<Value, ApiError>> + Send {
    let (mut open, mut used, mut failed) = (replies.len(), Usage::default(), false);
    let events = replies.into_iter().enumerate().map(|(index, reply)| reply.map(move |event| (index, event)));
    stream::select_all(events).flat_map(move |(index, event)| {
        let mut out = Vec::new();
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
                out.extend(each(index, event).map(|choice| Ok(head.value(object, json!([choice])))));
                if open == 0 && usage_wanted {
                    let mut counted = head.value(object, json!([]));
                    counted["usage"] = usage(used);
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
