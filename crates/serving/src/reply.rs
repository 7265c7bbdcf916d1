//! What comes back: a stream of events, and the same gathered into one value.

use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use base::{DocumentId, PassageId, ReceiptId, Usage};
use engine::{Finish, ToolCall, ToolCallPart, Written};
use futures::{Stream, StreamExt};
use guard::policy::{Marking, Notice, Obligations};
use guard::{Flow, Salt};
use serde::{Deserialize, Serialize};

use crate::ChatError;

/// Whose words a reply is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerKind {
    /// A chat without records.
    Chat,
    /// The model's words, checked against the passages.
    Generated,
    /// Sentences of the records, quoted.
    Extractive,
    /// The records do not say.
    Abstained,
}

/// A passage that a reply may cite, under the number that marks name it by.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Source {
    /// The number, from 1.
    pub number: u32,
    /// The passage.
    pub passage: PassageId,
    /// The document.
    pub document: DocumentId,
    /// The document's path inside its corpus.
    pub path: String,
    /// The document's title.
    pub title: String,
    /// The headings over the passage, outermost first.
    pub headings: Vec<String>,
    /// Where the passage stands in the document's text, in bytes.
    #[schema(value_type = base::shape::Span)]
    pub span: Range<u64>,
    /// The document's date, if it has one.
    pub dated: Option<String>,
    /// Whether a newer document among the sources says that it replaces this one.
    pub replaced: bool,
    /// The part of the passage that speaks most to the question.
    pub excerpt: String,
}

/// The exact words of a record that stand behind a sentence of a reply.
///
/// Invariant: `quote` is the document's text at `span`. A citation that cannot be checked is not built.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Citation {
    /// The number of its source.
    pub number: u32,
    /// The passage that the quote stands in.
    pub passage: PassageId,
    /// The document.
    pub document: DocumentId,
    /// The document's path inside its corpus.
    pub path: String,
    /// The document's title.
    pub title: String,
    /// The headings over the passage, outermost first.
    pub headings: Vec<String>,
    /// Where the quote stands in the document's text, in bytes.
    #[schema(value_type = base::shape::Span)]
    pub span: Range<u64>,
    /// The quote.
    pub quote: String,
    /// Where the mark stands in the reply's text, in characters.
    #[schema(value_type = base::shape::Span)]
    pub mark: Range<usize>,
}

/// A sentence of a reply that no passage supports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Unsupported {
    /// Where it stands in the reply's text, in characters.
    #[schema(value_type = base::shape::Span)]
    pub span: Range<usize>,
    /// Why, in words for people.
    pub reason: &'static str,
}

/// The end of a reply.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Done {
    /// Why it ended.
    pub finish: Finish,
    /// What it used.
    pub usage: Usage,
    /// Whose words it is made of.
    pub kind: AnswerKind,
    /// Whether the reply says that the records do not say.
    pub abstained: bool,
    /// Its sentences that no passage supports.
    pub unsupported: Vec<Unsupported>,
    /// Sentences that the model wrote and that were not shown, since no passage supports them.
    pub withheld: u32,
}

/// One step of a reply.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum ReplyEvent {
    /// The passages that may be cited, or, where the records do not say, the nearest ones. At most once, first.
    Sources(Vec<Source>),
    /// The best sentences of the records themselves, offered beside a generated answer. Their marks are empty.
    Extract(Vec<Citation>),
    /// More text: whole characters. A mark `[n]` is never split.
    Text(String),
    /// More of a tool's call.
    ToolCall(ToolCallPart),
    /// The tokens of the text, where they were asked for. They may come before their text.
    Tokens(Vec<Written>),
    /// What the mark that just went out stands for.
    Citation(Citation),
    /// A sentence that just went out and that no passage supports.
    Unsupported(Unsupported),
    /// The end; nothing follows.
    Done(Done),
}

/// A reply as it is written. It ends with [`ReplyEvent::Done`] or an error. Dropping it stops the engine, frees its
/// slot, settles the quota with what was used so far, and closes its flow.
pub struct ReplyStream {
    stamp: Stamp,
    events: Pin<Box<dyn Stream<Item = Result<ReplyEvent, ChatError>> + Send>>,
}

/// What stands in an answer's head: by what its receipt is found and opened, and what whoever asked is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The receipt.
    pub receipt: ReceiptId,
    /// What stands before a text when it is committed to. Kept nowhere in the house.
    pub salt: Salt,
    /// What the policies want whoever asked to be told.
    pub notices: Vec<Notice>,
    /// How the answer is marked as made by a model.
    pub marking: Option<Marking>,
}

impl Stamp {
    pub(crate) fn of(flow: &Flow, obligations: &Obligations) -> Self {
        Self {
            receipt: flow.id(),
            salt: flow.salt(),
            notices: obligations.notices.iter().cloned().collect(),
            marking: obligations.label,
        }
    }
}

impl ReplyStream {
    pub(crate) fn new(
        stamp: Stamp,
        events: impl Stream<Item = Result<ReplyEvent, ChatError>> + Send + 'static,
    ) -> Self {
        Self { stamp, events: Box::pin(events) }
    }

    /// The reply's receipt.
    pub fn stamp(&self) -> &Stamp {
        &self.stamp
    }
}

impl fmt::Debug for ReplyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyStream").field("receipt", &self.stamp.receipt).finish_non_exhaustive()
    }
}

impl Stream for ReplyStream {
    type Item = Result<ReplyEvent, ChatError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.as_mut().poll_next(context)
    }
}

/// A whole reply.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Reply {
    /// The text, with its marks.
    pub text: String,
    /// The tools that it calls.
    pub tool_calls: Vec<ToolCall>,
    /// Its tokens, where they were asked for.
    pub tokens: Vec<Written>,
    /// The passages that may be cited.
    pub sources: Vec<Source>,
    /// The best sentences of the records themselves.
    pub extract: Vec<Citation>,
    /// What the marks stand for, in the order of the text.
    pub citations: Vec<Citation>,
    /// How it ended.
    pub done: Done,
}

impl Reply {
    /// Reads a stream to its end.
    ///
    /// # Errors
    /// The stream's error, if it ends with one.
    pub async fn gather(mut stream: ReplyStream) -> Result<Reply, ChatError> {
        let (mut text, mut tool_calls, mut tokens) = (String::new(), Vec::new(), Vec::new());
        let (mut sources, mut extract, mut citations) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(event) = stream.next().await {
            match event? {
                ReplyEvent::Sources(found) => sources = found,
                ReplyEvent::Extract(found) => extract = found,
                ReplyEvent::Text(more) => text.push_str(&more),
                ReplyEvent::ToolCall(part) => add(&mut tool_calls, part),
                ReplyEvent::Tokens(more) => tokens.extend(more),
                ReplyEvent::Citation(citation) => citations.push(citation),
                ReplyEvent::Unsupported(_) => {}
                ReplyEvent::Done(done) => {
                    return Ok(Reply { text, tool_calls, tokens, sources, extract, citations, done });
                }
            }
        }
        Err(ChatError::Unavailable { model: String::new(), reason: "the reply ended without its end".to_owned() })
    }
}

/// Puts a part of a call to its call.
fn add(calls: &mut Vec<ToolCall>, part: ToolCallPart) {
    if let (Some(id), Some(name)) = (part.id, part.name) {
        calls.push(ToolCall { id, name, arguments: part.arguments });
    } else if let Some(call) = calls.get_mut(part.index as usize) {
        call.arguments.push_str(&part.arguments);
    }
}

/// A model or route as a client lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedModel {
    /// The name to call it by.
    pub name: String,
    /// Whether it is a route with records, and not a bare model.
    pub route: bool,
    /// Whether it chats.
    pub chats: bool,
    /// Whether it embeds.
    pub embeds: bool,
    /// When it was made or installed, in seconds since 1970.
    pub created: i64,
}

/// Embedded texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// The model that embedded.
    pub model: String,
    /// One vector of unit length for each text, in the same order.
    pub vectors: Vec<Vec<f32>>,
    /// Its receipt.
    pub stamp: Stamp,
    /// What it used.
    pub usage: Usage,
}
