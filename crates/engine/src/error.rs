//! Why an engine did not do what was asked.

use std::time::Duration;

use base::Usage;

/// Why an engine did not do what was asked. Texts carry no prompt and no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The engine cannot do this at all: an embedder was asked to chat, a model without eyes to see.
    #[error("model `{model}` cannot {ability}")]
    Unable {
        /// The model.
        model: String,
        /// What was asked: `chat`, `embed`, `call tools`, `see images`.
        ability: &'static str,
    },
    /// The prompt and the answer do not fit the window.
    #[error("the prompt has {tokens} tokens, and `{model}` has room for {tokens_max}")]
    TooLong {
        /// The model.
        model: String,
        /// Tokens of the prompt.
        tokens: u32,
        /// Tokens that fit.
        tokens_max: u32,
    },
    /// Something in the request is not usable.
    #[error("{0}")]
    Invalid(String),
    /// Every slot is taken and the queue is full.
    #[error("model `{model}` is busy")]
    Busy {
        /// The model.
        model: String,
        /// When to ask again.
        retry_after: Duration,
    },
    /// The engine's process ended while it worked on this; it is being started again.
    #[error("the engine of `{model}` stopped while it was working on this")]
    Died {
        /// The model.
        model: String,
    },
    /// What an engine elsewhere answers broke off, or is no answer.
    #[error("the answer of `{model}` broke off: {reason}")]
    Broken {
        /// The model.
        model: String,
        /// What was seen.
        reason: &'static str,
        /// What it had used by then, as far as that can be known; none where it had not begun.
        used: Option<Usage>,
    },
    /// An engine elsewhere failed again and again and is left alone for a while.
    #[error("the engine of `{model}` failed too often and is left alone for {} s", retry_after.as_secs().max(1))]
    LeftAlone {
        /// The model.
        model: String,
        /// When it is tried again.
        retry_after: Duration,
    },
    /// This input ended the engine twice and is not tried again.
    #[error("this input has stopped the engine of `{model}` before and is not tried again")]
    Quarantined {
        /// The model.
        model: String,
    },
    /// Nobody read the answer for too long, and its slot was given to others.
    #[error("the answer of `{model}` was not read for too long")]
    Stalled {
        /// The model.
        model: String,
    },
    /// The engine cannot be started.
    #[error("the engine of `{model}` does not start: {reason}")]
    Unavailable {
        /// The model.
        model: String,
        /// What was seen.
        reason: String,
    },
}
