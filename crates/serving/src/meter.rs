//! The meter of one request: whatever happens, it settles once with what was really used, and leaves one receipt.

use base::Usage;
use guard::{Committing, Flow, Outcome, Recorded};
use tenancy::Admission;

/// An admission, and what was used and said so far. Dropped, it settles and closes its flow: at the end, on an error, on
/// a hang-up.
///
/// While nothing has reached an engine the usage is zero, so that the whole reservation goes back.
#[derive(Debug)]
pub(crate) struct Meter {
    admission: Option<Admission>,
    used: Usage,
    flow: Flow,
    said: Committing,
    closes: bool,
}

impl Meter {
    pub fn new(admission: Admission, flow: Flow) -> Self {
        let mut meter = Self::free(flow);
        meter.admission = Some(admission);
        meter
    }

    /// For a flow that reaches no engine.
    pub fn free(flow: Flow) -> Self {
        Self { admission: None, used: Usage::default(), said: flow.salt().begin(), flow, closes: true }
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

    /// Text goes out.
    pub fn said(&mut self, text: &str) {
        self.said.push(text);
    }

    /// The engine's own count. Settles.
    pub fn ended(&mut self, used: Usage) {
        self.used = used;
        self.settle();
    }

    /// The same, of an engine that may not be the one that answers: dropped, it settles and leaves the flow open.
    pub fn of_one(mut self) -> Self {
        self.closes = false;
        self
    }

    /// It is this one's answer.
    pub fn answers(&mut self) {
        self.closes = true;
    }

    /// Settles, and closes the flow.
    pub fn close(mut self, outcome: Outcome) -> Recorded {
        self.end(outcome)
    }

    fn settle(&mut self) {
        if let Some(admission) = self.admission.take() {
            admission.settle(self.used);
        }
    }

    fn end(&mut self, outcome: Outcome) -> Recorded {
        self.settle();
        let answer = self.said.clone().end();
        self.flow.note(|receipt| {
            receipt.usage.add(self.used);
            receipt.answer = Some(answer);
        });
        self.flow.close(outcome)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.closes {
            let _ = self.end(Outcome::HungUp);
        } else {
            self.settle();
            self.flow.note(|receipt| receipt.usage.add(self.used));
        }
    }
}
