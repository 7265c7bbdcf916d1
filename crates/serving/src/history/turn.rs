//! One turn: what was asked, what was said, and what that was made of.

use std::collections::BTreeSet;
use std::ops::Range;

use base::{ConversationId, CorpusId, DocumentId, Label, Usage};
use engine::Message;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::AnswerKind;

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnEnd {
    /// It is being written.
    Writing,
    /// The reply is complete.
    Complete,
    /// The bound on its length ended the reply.
    Length,
    /// Its reader hung up before the end.
    Stopped,
    /// It ended with an error.
    Failed,
    /// The server ended while it was written; nothing of the reply is kept.
    Broken,
}

/// What is kept of a reply beside its text, so that it can be shown again as it was.
///
/// What it stands on is kept as it was sent (see [`Source`](crate::Source), [`Citation`](crate::Citation) and
/// [`Unsupported`](crate::Unsupported)), so that what a later program adds to these shapes leaves old turns readable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Told {
    /// Whose words it is made of; none before the end.
    pub kind: Option<AnswerKind>,
    /// Whether it says that the records do not say.
    pub abstained: bool,
    /// The passages that it could cite.
    pub sources: Vec<Value>,
    /// The best sentences of the records themselves.
    pub extract: Vec<Value>,
    /// What its marks stand for.
    pub citations: Vec<Value>,
    /// Its sentences that no passage supports.
    pub unsupported: Vec<Value>,
    /// Sentences that were not shown.
    pub withheld: u32,
    /// What it used; none if nobody counted to the end.
    pub usage: Option<Usage>,
    /// Milliseconds to the first text.
    pub first_ms: Option<u64>,
    /// Milliseconds to the end.
    pub ms: u64,
    /// What went wrong, if it failed.
    pub error: Option<String>,
}

/// A turn as it is shown again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Turn {
    /// Its number in the conversation, from 1.
    pub number: u32,
    /// When it began.
    pub created: Timestamp,
    /// How it ended.
    pub ended: TurnEnd,
    /// The route or model that was called.
    pub model: String,
    /// What was asked.
    pub asked: String,
    /// What was said.
    pub text: String,
    /// The joined label of all that it was made of.
    pub label: Label,
    /// What the reply stands on.
    #[serde(flatten)]
    pub told: Told,
}

/// A turn that is there and not shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hidden {
    /// Its number in the conversation, from 1.
    pub number: u32,
    /// When it began.
    pub created: Timestamp,
    /// Why it is not shown.
    pub hidden: String,
}

/// A turn, as far as this principal may see it now.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Shown {
    /// It may be seen.
    Turn(Box<Turn>),
    /// It may not.
    Hidden(Hidden),
}

/// The records that a turn was made of. It is shown only as long as all of them may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub(crate) struct MadeOf {
    pub corpora: BTreeSet<CorpusId>,
    pub documents: BTreeSet<DocumentId>,
}

impl MadeOf {
    pub fn is_empty(&self) -> bool {
        self.corpora.is_empty() && self.documents.is_empty()
    }

    pub fn extend(&mut self, other: &MadeOf) {
        self.corpora.extend(&other.corpora);
        self.documents.extend(&other.documents);
    }
}

/// A turn about to be written.
#[derive(Debug)]
pub(crate) struct Opening {
    pub conversation: ConversationId,
    /// The turn that it follows; those after it are replaced. None for the last one.
    pub after: Option<u32>,
    pub asked: String,
    pub model: String,
    pub label: Label,
    pub made_of: MadeOf,
}

/// A turn that is being written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenTurn {
    /// The row: numbers are used again when a turn is replaced, rows are not.
    pub row: i64,
    pub number: u32,
}

/// What was said before, for the model.
#[derive(Debug, Default)]
pub(crate) struct Earlier {
    pub messages: Vec<Message>,
    /// The labels of all of it joined.
    pub label: Option<Label>,
    pub made_of: MadeOf,
}

impl Earlier {
    /// Puts what was said before between the instructions that `messages` begin with and the rest of them. Says where
    /// it stands now.
    pub fn put_before(self, messages: &mut Vec<Message>) -> Range<usize> {
        let at = messages.iter().take_while(|message| message.role == engine::Role::System).count();
        let range = at..at + self.messages.len();
        messages.splice(at..at, self.messages);
        range
    }
}
