//! What a model can do: continue a chat, embed a text.
//!
//! Everything that answers or embeds stands behind [`Engine`]: the embedded one (crate `llama`), a remote one, a
//! peer, the [`fake`] for tests. Callers never learn which.

mod chat;
pub mod choice;
mod circuit;
mod embed;
mod error;
pub mod estimate;
pub mod fake;
mod image;
mod load;
mod offer;
pub mod remote;
pub mod template;
pub mod tools;
mod trace;

use async_trait::async_trait;
pub use chat::{
    CacheSalt, ChatRequest, Event, EventStream, Finish, Likelihood, Message, Role, Sampling, Tool, ToolCall,
    ToolCallPart, ToolChoice, Tools, Written,
};
pub use circuit::Circuit;
pub use embed::{EmbedKind, EmbedRequest, Embedding, Priority};
pub use error::EngineError;
pub use image::{IMAGE_BYTES_MAX, IMAGES_MAX, Image, ImageError};
pub use load::{Load, WAIT_BOUNDS_S, Waits};
pub use offer::{Abilities, Currency, Money, Offer, Price};
use serde::Serialize;
pub use trace::{traceparent, within_trace};

/// What an engine says of itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    /// The model's name in the catalogue.
    pub model: String,
    /// Whether it continues chats.
    pub chats: bool,
    /// Length of its embeddings, if it embeds.
    pub dimensions: Option<u32>,
    /// The cosine, 0 to 1, that its vectors of two texts with nothing in common have. Where nobody measured it, its
    /// cosines rank texts but say of none whether it is near enough.
    pub unrelated_cosine: Option<f32>,
    /// Tokens that a prompt and its answer may have together; for embeddings, tokens that a text may have.
    pub context_tokens: u32,
    /// What it offers, and on what terms.
    pub offer: Offer,
}

/// Something that continues or embeds text.
///
/// Dropping what a method returned, the future or the stream, stops the work within one token step and frees its
/// slot. No method blocks a thread.
#[async_trait]
pub trait Engine: Send + Sync + std::fmt::Debug {
    /// What this engine is.
    fn describe(&self) -> &Description;

    /// Continues a chat.
    ///
    /// # Errors
    /// [`EngineError`] before the first event; what goes wrong later comes as the stream's last item.
    async fn chat(&self, request: ChatRequest) -> Result<EventStream, EngineError>;

    /// How many tokens the request's prompt has once rendered.
    ///
    /// # Errors
    /// As for [`Engine::chat`].
    async fn count_tokens(&self, request: &ChatRequest) -> Result<u32, EngineError>;

    /// Embeds texts: one vector of unit length for each text, in the same order.
    ///
    /// A text longer than the model's window is cut at it.
    ///
    /// # Errors
    /// [`EngineError`]; then no text was embedded.
    async fn embed(&self, request: EmbedRequest) -> Result<Vec<Embedding>, EngineError>;

    /// How busy it is, as far as it knows.
    fn load(&self) -> Load {
        Load::default()
    }

    /// Whether it is asked at all just now.
    fn state(&self) -> Circuit {
        Circuit::Closed
    }
}
