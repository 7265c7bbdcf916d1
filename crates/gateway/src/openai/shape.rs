//! What the answers of the OpenAI API look like, for the OpenAPI document alone.
//!
//! The doors build these answers as JSON, since clients of that API expect its shape to the letter; the tests with
//! OpenAI's own clients hold them to it, and the contract's tests hold the doors to what is written here.
#![allow(dead_code, reason = "only the OpenAPI document is made of these")]

use serde_json::Value;
use utoipa::ToSchema;

/// What can be called by name.
#[derive(ToSchema)]
pub(crate) struct ModelCard {
    id: String,
    object: String,
    created: i64,
    /// `route` or `model`.
    owned_by: String,
    abilities: Abilities,
}

#[derive(ToSchema)]
pub(crate) struct Abilities {
    chat: bool,
    embed: bool,
}

#[derive(ToSchema)]
pub(crate) struct ModelCards {
    object: String,
    data: Vec<ModelCard>,
}

/// A chat turn. Fields of OpenAI's API that are not named here are described in the guide.
#[derive(ToSchema)]
pub(crate) struct ChatRequest {
    /// A route, or a model.
    model: String,
    messages: Vec<ChatMessage>,
    stream: Option<bool>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    max_completion_tokens: Option<u64>,
    seed: Option<i64>,
}

#[derive(ToSchema)]
pub(crate) struct ChatMessage {
    role: ChatRole,
    content: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum ChatRole {
    System,
    Developer,
    User,
    Assistant,
    Tool,
}

#[derive(ToSchema)]
pub(crate) struct ChatCompletion {
    id: String,
    object: String,
    created: i64,
    model: String,
    #[schema(value_type = Vec<Object>)]
    choices: Vec<Value>,
    usage: ChatUsage,
}

/// A text to be continued. Fields of OpenAI's API that are not named here are described in the guide.
#[derive(ToSchema)]
pub(crate) struct TextRequest {
    /// A model.
    model: String,
    prompt: super::wire::OneOrMany,
    stream: Option<bool>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    max_tokens: Option<u64>,
    seed: Option<i64>,
}

#[derive(ToSchema)]
pub(crate) struct TextCompletion {
    id: String,
    object: String,
    created: i64,
    model: String,
    #[schema(value_type = Vec<Object>)]
    choices: Vec<Value>,
    usage: ChatUsage,
}

#[derive(ToSchema)]
pub(crate) struct ChatUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

#[derive(ToSchema)]
pub(crate) struct EmbeddingRequest {
    /// A model that embeds.
    model: String,
    input: super::wire::OneOrMany,
    /// `float` or `base64`.
    encoding_format: Option<EncodingFormat>,
    /// `query` or `passage`, for models that tell them apart.
    input_type: Option<EmbeddingInput>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum EncodingFormat {
    Float,
    Base64,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum EmbeddingInput {
    Query,
    Passage,
}

#[derive(ToSchema)]
pub(crate) struct Embeddings {
    object: String,
    model: String,
    #[schema(value_type = Vec<Object>)]
    data: Vec<Value>,
    #[schema(value_type = Object)]
    usage: Value,
}
