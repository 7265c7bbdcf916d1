//! What a flow used, counted in tokens.

use std::iter::Sum;

use serde::{Deserialize, Serialize};

/// Tokens that one flow really used. Sums are checked: a count that does not fit stays at its largest value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Usage {
    /// Tokens read: instructions, passages, history, question.
    pub prompt_tokens: u64,
    /// Of those, tokens whose state was already in the engine.
    pub cached_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
}

impl Usage {
    /// Tokens read and written, which is what quotas count.
    pub fn total_tokens(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }

    /// Adds `other` to this.
    pub fn add(&mut self, other: Usage) {
        self.prompt_tokens = self.prompt_tokens.saturating_add(other.prompt_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(other.completion_tokens);
    }
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(flows: I) -> Self {
        flows.fold(Self::default(), |mut sum, flow| {
            sum.add(flow);
            sum
        })
    }
}
