//! An answer, and which policies gave it.

use std::sync::Arc;

use base::ContentHash;

use super::Obligations;
use crate::Refusal;

/// What the guard answers to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Yes, with these obligations.
    Permit(Arc<Obligations>),
    /// No.
    Deny(Refusal),
}

/// An answer, and what it rests on. The same question to the same version is always answered the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The policies that were asked: a hash of their files and of the schema.
    pub version: ContentHash,
    /// The policies that decided, by id, sorted. None where the built-in rule said no, or no policy said yes.
    pub policies: Vec<String>,
    /// The answer.
    pub answer: Answer,
}

impl Decision {
    /// The obligations, if the answer is yes.
    ///
    /// # Errors
    /// The [`Refusal`], if it is no.
    pub fn obligations(&self) -> Result<&Arc<Obligations>, Refusal> {
        match &self.answer {
            Answer::Permit(obligations) => Ok(obligations),
            Answer::Deny(refusal) => Err(refusal.clone()),
        }
    }

    /// Whether the answer is yes.
    pub fn permits(&self) -> bool {
        matches!(self.answer, Answer::Permit(_))
    }
}
