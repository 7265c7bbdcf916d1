//! Whether an engine is asked at all: one that failed again and again is left alone for a while.

use std::time::Duration;

/// What state the circuit to an engine is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Circuit {
    /// Requests go through.
    #[default]
    Closed,
    /// The engine failed too often; nothing goes through.
    Open {
        /// When it is tried again.
        retry_after: Duration,
    },
    /// One request is let through to see whether the engine is well again.
    HalfOpen {
        /// Whether that request is on its way; then no other goes through.
        probing: bool,
    },
}

impl Circuit {
    /// Whether a request that comes now goes through.
    pub fn lets_through(self) -> bool {
        matches!(self, Self::Closed | Self::HalfOpen { probing: false })
    }
}
