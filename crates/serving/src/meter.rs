//! The meter of one request: whatever happens, it settles once with what was really used.

use base::Usage;
use tenancy::Admission;

/// An admission and what was used of it so far. Dropped, it settles: at the end, on an error, on a hang-up.
///
/// While nothing has reached an engine the usage is zero, so that the whole reservation goes back.
#[derive(Debug)]
pub(crate) struct Meter {
    admission: Option<Admission>,
    used: Usage,
}

impl Meter {
    pub fn new(admission: Admission) -> Self {
        Self { admission: Some(admission), used: Usage::default() }
    }

    /// The engine has the prompt.
    pub fn began(&mut self, prompt_tokens: u64) {
        self.used.prompt_tokens = prompt_tokens;
    }

    /// The engine wrote a piece of text. A piece has at least one token; the engine's own count replaces this one
    /// if the answer comes to its end.
    pub fn wrote(&mut self) {
        self.used.completion_tokens = self.used.completion_tokens.saturating_add(1);
    }

    /// The engine's own count.
    pub fn ended(&mut self, used: Usage) {
        self.used = used;
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(admission) = self.admission.take() {
            admission.settle(self.used);
        }
    }
}
