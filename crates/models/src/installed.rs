//! The models that are here, as rows.

use base::ContentHash;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalogue::{EmbeddingDetails, Kind, Licence};
use crate::gguf::Gguf;

/// What a model's file says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = ModelMetadata)]
pub struct Metadata {
    /// llama.cpp's name of the architecture, `qwen2` or `bert`.
    pub architecture: String,
    /// The name inside the file.
    pub name: Option<String>,
    /// Tokens of the window that it was trained with.
    pub context_tokens: u32,
    /// Width of the model: for an embedder, the length of its vectors.
    pub dimensions: u32,
    /// Layers.
    pub layers: u32,
    /// The type that most of its weights have, `Q4_K`.
    pub quantisation: String,
    /// Weights in all.
    pub parameters: u64,
    /// Bytes of the file.
    pub file_size: u64,
    /// Whether it carries a chat template.
    pub has_chat_template: bool,
}

impl Metadata {
    /// What a checked file says of itself.
    pub fn of(gguf: &Gguf) -> Self {
        Self {
            architecture: gguf.architecture().to_owned(),
            name: gguf.text("general.name").map(str::to_owned),
            context_tokens: gguf.architecture_number("context_length"),
            dimensions: gguf.architecture_number("embedding_length"),
            layers: gguf.architecture_number("block_count"),
            quantisation: gguf.main_type().name.to_owned(),
            parameters: gguf.parameters(),
            file_size: gguf.file_size(),
            has_chat_template: gguf.text("tokenizer.chat_template").is_some(),
        }
    }
}

/// A model that is here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = InstalledModel)]
pub struct Installed {
    /// The name that people type.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// Its name in full.
    pub title: String,
    /// The file's SHA-256.
    pub sha256: ContentHash,
    /// On which terms it may be used.
    pub licence: Licence,
    /// When a person accepted them, where that was asked for.
    pub accepted_at: Option<Timestamp>,
    /// When it was installed.
    pub installed_at: Timestamp,
    /// Where it came from, as a person would name it.
    pub source: String,
    /// What a caller must know if it embeds.
    pub embedding: Option<EmbeddingDetails>,
    /// What its file says of itself.
    pub metadata: Metadata,
}
