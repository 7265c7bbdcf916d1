//! Chats: what goes in, what comes out.

use std::pin::Pin;

use base::Usage;
use futures::Stream;
use serde::{Deserialize, Serialize};

use crate::{EngineError, Image};

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
    /// What is shown with it, before its text.
    pub images: Vec<Image>,
    /// The tools that this message of the model calls.
    pub tool_calls: Vec<ToolCall>,
    /// The call that this message of a tool answers.
    pub tool_call_id: Option<String>,
}

impl Message {
    /// A message that says something and calls nothing.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        let (images, tool_calls) = (Vec::new(), Vec::new());
        Self { role, content: content.into(), images, tool_calls, tool_call_id: None }
    }

    /// Bytes of all that it carries.
    pub fn bytes(&self) -> usize {
        let calls = self.tool_calls.iter().map(|call| call.id.len() + call.name.len() + call.arguments.len());
        let images = self.images.iter().map(|image| image.base64().len());
        let id = self.tool_call_id.as_ref().map_or(0, String::len);
        self.content.len() + images.sum::<usize>() + id + calls.sum::<usize>()
    }
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ToolCall {
    /// Names this call; the tool's result carries it too.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its arguments, as the JSON that the model wrote. A model may write what is no JSON.
    pub arguments: String,
}

/// A tool that the model may call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does, for the model.
    pub description: Option<String>,
    /// A JSON schema of its arguments; none takes any object.
    pub parameters: Option<serde_json::Value>,
}

/// Whether a tool is called.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// None is.
    None,
    /// At least one is, whichever.
    Required,
    /// This one is.
    Named(String),
}

/// The tools of a chat.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Tools {
    /// What may be called.
    pub offered: Vec<Tool>,
    /// Whether one is.
    pub choice: ToolChoice,
    /// Whether one answer may call several.
    pub parallel: bool,
}

impl Tools {
    /// The tools that this answer may call.
    pub fn callable(&self) -> &[Tool] {
        match &self.choice {
            ToolChoice::None => &[],
            ToolChoice::Auto | ToolChoice::Required => &self.offered,
            ToolChoice::Named(name) => {
                self.offered.iter().position(|tool| tool.name == *name).map_or(&[], |at| &self.offered[at..=at])
            }
        }
    }

    /// Whether the answer is a call in any case.
    pub fn forced(&self) -> bool {
        matches!(self.choice, ToolChoice::Required | ToolChoice::Named(_))
    }
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
    /// What is added to the logits of single tokens, by the token's number in the model's vocabulary.
    pub logit_bias: Vec<(u32, f32)>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_p: 1.0,
            top_k: 0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            seed: None,
            logit_bias: Vec::new(),
        }
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
    /// A text to continue as it stands, without a chat template; then there are no messages.
    pub text: Option<String>,
    /// Tools; without any the model calls none.
    pub tools: Tools,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Tokens to write at most.
    pub tokens_max: u32,
    /// The answer ends before the first of these.
    pub stop: Vec<String>,
    /// A JSON schema that the answer follows, enforced token by token. A call of a tool may stand in its place.
    pub schema: Option<serde_json::Value>,
    /// Whether to tell how likely each token was, and beside it so many of the likeliest ones.
    pub logprobs: Option<u32>,
    /// Who may share the cached prefix of this prompt.
    pub salt: CacheSalt,
}

impl ChatRequest {
    /// A chat that is continued in the plainest way: the likeliest tokens, up to 256 of them.
    pub fn new(messages: Vec<Message>, salt: CacheSalt) -> Self {
        Self {
            messages,
            text: None,
            tools: Tools::default(),
            sampling: Sampling::default(),
            tokens_max: 256,
            stop: Vec::new(),
            schema: None,
            logprobs: None,
            salt,
        }
    }

    /// Whether anything is shown in it.
    pub fn shows_images(&self) -> bool {
        self.messages.iter().any(|message| !message.images.is_empty())
    }

    /// Bytes of all that becomes the prompt but the tools.
    pub fn bytes(&self) -> usize {
        self.text.as_ref().map_or(0, String::len) + self.messages.iter().map(Message::bytes).sum::<usize>()
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model ended it, or a stop string did.
    Stop,
    /// `tokens_max` or the window ended it.
    Length,
    /// It calls tools and waits for their results.
    ToolCalls,
}

/// A token and how likely it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Likelihood {
    /// Its bytes. They may be a part of a character.
    #[schema(value_type = Vec<u32>)]
    pub bytes: Vec<u8>,
    /// The logarithm of its probability, before temperature and whatever else narrows the choice.
    pub logprob: f32,
}

/// A token that was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Written {
    /// The token.
    pub token: Likelihood,
    /// The likeliest ones at its place, the likeliest first.
    pub top: Vec<Likelihood>,
}

/// A part of a tool's call. The first part of a call carries its id and name, all carry more of its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ToolCallPart {
    /// Which call of the answer, from 0.
    pub index: u32,
    /// The call's id, in its first part.
    pub id: Option<String>,
    /// The tool, in the first part.
    pub name: Option<String>,
    /// More of the arguments' JSON.
    pub arguments: String,
}

/// One step of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// More text: whole characters, never a part of one.
    Text(String),
    /// More of a tool's call.
    ToolCall(ToolCallPart),
    /// The tokens of the text, where they were asked for. They may come before their text.
    Tokens(Vec<Written>),
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
