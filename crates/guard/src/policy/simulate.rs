//! What other policies would have answered to questions that were really asked.

use std::fmt;

use base::ContentHash;
use serde::{Deserialize, Serialize};

use super::{Answer, Decision, Policies, Question};

/// Differences that are kept, at most; all are counted.
const DIFFERENCES_MAX: usize = 10_000;

/// One question that would be answered otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The question.
    pub question: Question,
    /// The answer of the present policies, in words.
    pub before: String,
    /// The answer of the new ones.
    pub after: String,
    /// Whether it was a no and would be a yes.
    pub is_opened: bool,
}

/// What new policies would have changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Simulation {
    /// The present policies.
    pub before: ContentHash,
    /// The new ones.
    pub after: ContentHash,
    /// Questions that were asked again.
    pub questions: u64,
    /// Those that were refused and would be permitted.
    pub opened: u64,
    /// Those that were permitted and would be refused.
    pub closed: u64,
    /// Those that are permitted both times, with other obligations.
    pub obliged: u64,
    /// The first differences.
    pub differences: Vec<Difference>,
}

/// Asks recorded questions again, of the present policies and of new ones.
pub fn simulate(questions: impl IntoIterator<Item = Question>, present: &Policies, new: &Policies) -> Simulation {
    let mut found = Simulation {
        before: present.version(),
        after: new.version(),
        questions: 0,
        opened: 0,
        closed: 0,
        obliged: 0,
        differences: Vec::new(),
    };
    for question in questions {
        found.questions += 1;
        let (before, after) = (present.decide(&question), new.decide(&question));
        match (before.permits(), after.permits()) {
            (false, true) => found.opened += 1,
            (true, false) => found.closed += 1,
            (true, true) if before.answer != after.answer => found.obliged += 1,
            _ => continue,
        }
        if found.differences.len() < DIFFERENCES_MAX {
            let is_opened = !before.permits();
            found.differences.push(Difference { question, before: words(&before), after: words(&after), is_opened });
        }
    }
    found
}

fn words(decision: &Decision) -> String {
    match &decision.answer {
        Answer::Permit(obligations) if obligations.is_empty() => "permitted".to_owned(),
        Answer::Permit(obligations) => format!("permitted, with {obligations}"),
        Answer::Deny(refusal) => format!("refused: {refusal}"),
    }
}

impl fmt::Display for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { questions, opened, closed, obliged, .. } = self;
        writeln!(
            f,
            "{questions} questions: {opened} newly permitted, {closed} newly refused, {obliged} with other obligations"
        )?;
        for Difference { question, before, after, .. } in &self.differences {
            writeln!(f, "{question}\n  before: {before}\n  after:  {after}")?;
        }
        let shown = self.differences.len() as u64;
        if opened + closed + obliged > shown { writeln!(f, "only the first {shown} are shown") } else { Ok(()) }
    }
}
