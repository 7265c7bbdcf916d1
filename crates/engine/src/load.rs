//! How busy an engine is: what holds right now, and counts that only grow.

use std::time::Duration;

/// Upper bounds, in seconds, of the classes that waits are counted in. One class more has no bound.
pub const WAIT_BOUNDS_S: [f64; 10] = [0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0];

/// How long chats waited for a slot.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Waits {
    /// Waits by class: up to each of [`WAIT_BOUNDS_S`], and longer.
    pub counts: [u64; WAIT_BOUNDS_S.len() + 1],
    /// All waits together.
    pub seconds: f64,
}

impl Waits {
    /// Counts one wait.
    pub fn add(&mut self, waited: Duration) {
        let seconds = waited.as_secs_f64();
        let class = WAIT_BOUNDS_S.iter().position(|bound| seconds <= *bound).unwrap_or(WAIT_BOUNDS_S.len());
        self.counts[class] += 1;
        self.seconds += seconds;
    }
}

/// How busy an engine is. What an engine does not know of itself is none or zero.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Load {
    /// Chats that it writes at the same time.
    pub slots: Option<u32>,
    /// Pieces of work that it has; of chats, those that have a slot.
    pub busy: u32,
    /// Pieces of work that wait.
    pub waiting: u32,
    /// How long chats waited before they had a slot.
    pub waits: Waits,
    /// Chats that came to their end.
    pub chats: u64,
    /// Of those, chats that began as an earlier one did and were not computed anew.
    pub cache_hits: u64,
    /// Tokens of their prompts.
    pub prompt_tokens: u64,
    /// Of those, tokens that were not computed anew.
    pub cached_tokens: u64,
    /// Times that its process was lost while it ran.
    pub losses: u64,
    /// Whether its process could not be started when that was tried last; of an engine elsewhere, whether it is left alone.
    pub down: bool,
    /// Its process, while it has one of its own.
    pub pid: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_counted_in_the_smallest_class_that_holds_it() {
        let mut waits = Waits::default();
        for millis in [0, 1, 2, 60_000, 60_001] {
            waits.add(Duration::from_millis(millis));
        }
        assert_eq!(waits.counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert!((waits.seconds - 120.004).abs() < 1e-9);
    }
}
