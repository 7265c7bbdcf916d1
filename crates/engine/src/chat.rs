//! Chats: what goes in, what comes out.

use std::pin::Pin;

use base::Usage;
use futures::Stream;
use serde::{Deserialize, Serialize};

use crate::EngineError;

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The house's instructions.
    System,
    /// The person who asks.
    User,
    /// The model.
    Assistant,
    /// A tool's result.
    Tool,
}

/// One message of a chat. Its content is data: whatever it spells, it never becomes a token that the chat template
/// keeps for itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// How the next token is chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0 takes the likeliest token always.
    pub temperature: f32,
    /// The share of probability that is drawn from, over 0 and at most 1.
    pub top_p: f32,
    /// How many of the likeliest tokens are drawn from; 0 means all.
    pub top_k: u32,
    /// What repetition costs, -2 to 2, as in OpenAI's API.
    pub frequency_penalty: f32,
    /// What having occurred costs, -2 to 2, as in OpenAI's API.
    pub presence_penalty: f32,
    /// The same seed draws the same tokens; none draws anew.
    pub seed: Option<u32>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.0, top_p: 1.0, top_k: 0, frequency_penalty: 0.0, presence_penalty: 0.0, seed: None }
    }
}

/// What separates one owner's cached prompt prefixes from another's: a prefix is shared only under an equal salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CacheSalt(pub [u8; 16]);

/// A chat to continue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatRequest {
    /// What was said so far.
    pub messages: Vec<Message>,
    /// Tools as the chat template takes them (OpenAI's JSON), if the model may call any.
    pub tools: Option<serde_json::Value>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Tokens to write at most.
    pub tokens_max: u32,
    /// The answer ends before the first of these.
    pub stop: Vec<String>,
    /// A JSON schema that the answer follows, enforced token by token.
    pub schema: Option<serde_json::Value>,
    /// Who may share the cached prefix of this prompt.
    pub salt: CacheSalt,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model ended it, or a stop string did.
    Stop,
    /// `tokens_max` or the window ended it.
    Length,
}

/// One step of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// More text: whole characters, never a part of one.
    Text(String),
    /// The end; nothing follows.
    Done {
        /// Why it ended.
        finish: Finish,
        /// What it used.
        usage: Usage,
    },
}

/// An answer as it is written. Ends with [`Event::Done`] or an error. A reader who stops reading pauses the
/// sequence; one who drops the stream ends it.
pub type EventStream = Pin<Box<dyn Stream<Item = Result<Event, EngineError>> + Send>>;
