//! OpenAI's API, as vLLM, SGLang, llama-server, Ollama and other gateways speak it.

mod chunk;
mod vectors;
mod wire;

pub(super) use chunk::Chunks;
pub(super) use vectors::Embedded;
pub(super) use wire::{Chat, Embed, Text};
