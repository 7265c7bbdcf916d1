//! What has been read of an answer, whatever the API that it came in.

use std::collections::VecDeque;

use super::{Api, anthropic, openai};
use crate::{ChatRequest, Event, Finish};

/// Tools that one answer may call.
pub(super) const CALLS_MAX: u32 = 128;

/// Reads an answer event by event.
pub(super) trait Reader: Send {
    /// Reads one event's data. Whether it was more than a sign of life.
    ///
    /// # Errors
    /// Why nothing more of this answer is to be believed.
    fn take(&mut self, data: &[u8], read: &mut Read) -> Result<bool, Break>;
}

/// What has been read so far.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Events that nobody has taken yet.
    pub ready: VecDeque<Event>,
    /// Why it ended, once the upstream has said so.
    pub finish: Option<Finish>,
    /// Whether the upstream has said that nothing follows.
    pub ended: bool,
    /// The upstream's own count of the prompt, and how much of that it had kept, once it has said it.
    pub prompt_tokens: Option<u64>,
    pub cached_tokens: u64,
    /// The upstream's own count of the whole answer, once it has said it.
    pub completion_tokens: Option<u64>,
    /// Tokens of what was written so far, as far as can be told from it.
    pub tokens: u64,
}

/// Why an answer broke off, and who is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Break {
    pub reason: &'static str,
    pub blame: Blame,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// The upstream failed.
    Upstream,
    /// The upstream has too much to do; that passes.
    Load,
    /// The upstream is well: it is what was asked, or the bounds that are set here.
    Request,
}

impl From<&'static str> for Break {
    fn from(reason: &'static str) -> Self {
        Self { reason, blame: Blame::Upstream }
    }
}

impl Break {
    /// One that says nothing about the upstream's health.
    pub fn of_request(reason: &'static str) -> Self {
        Self { reason, blame: Blame::Request }
    }
}

/// What reads the answer to `request`.
pub(super) fn reader(api: Api, request: &ChatRequest) -> Box<dyn Reader> {
    match api {
        Api::OpenAi => Box::<openai::Chunks>::default(),
        Api::Anthropic => Box::new(anthropic::Blocks::of(request)),
    }
}
