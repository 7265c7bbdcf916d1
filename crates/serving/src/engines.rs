//! The engines that the wiring hands in.

use std::fmt;
use std::sync::Arc;

use base::ContentHash;
use guard::Used;

/// An engine, and what governs its use.
#[derive(Debug, Clone)]
pub struct ServedEngine {
    /// The engine.
    pub engine: Arc<dyn engine::Engine>,
    /// Where it runs and what it may see.
    pub terms: guard::EngineTerms,
    /// Requests that it is given at the same time; more wait for their turn.
    pub at_once: usize,
    /// The SHA-256 of its model's file; none for one that another server runs.
    pub file: Option<ContentHash>,
}

impl ServedEngine {
    /// The engine as receipts name it.
    pub(crate) fn used(&self) -> Used {
        Used {
            name: self.terms.name.clone(),
            file: self.file,
            country: self.terms.country,
            outside: self.terms.owner.is_some(),
        }
    }
}

/// A model that can be called here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedModel {
    /// Its name in the catalogue.
    pub name: String,
    /// Whether it continues chats.
    pub chats: bool,
    /// Length of its embeddings, if it embeds.
    pub dimensions: Option<u32>,
    /// Tokens that a prompt and its answer may have together.
    pub context_tokens: u32,
    /// When it was installed, in seconds since 1970.
    pub installed: i64,
}

/// Where engines come from. The wiring knows which are embedded and which are remote; nobody else does.
pub trait EngineSource: Send + Sync {
    /// The engine of a chat model, by the model's name.
    fn chat(&self, model: &str) -> Option<ServedEngine>;
    /// The engine that embeds records and questions for the search, if one is installed. It runs in this house:
    /// records are embedded without a permit for each.
    fn embedder(&self) -> Option<ServedEngine>;
    /// The engine of an embedding model, by the model's name.
    fn embedding(&self, model: &str) -> Option<ServedEngine> {
        self.embedder().filter(|served| served.engine.describe().model == model)
    }
    /// What is installed, in the order in which it is listed. The first chat model is the default one.
    fn models(&self) -> Vec<ServedModel>;
}

impl fmt::Debug for dyn EngineSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EngineSource")
    }
}
