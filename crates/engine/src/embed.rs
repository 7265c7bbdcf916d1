//! Texts to vectors.

/// What a text is to the embedder: models of the e5 family put another word before each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EmbedKind {
    /// Something that is looked for.
    Query,
    /// Something that is found.
    Passage,
    /// Neither: the text goes in as it is.
    Plain,
}

/// Who waits for the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Nobody: work that fills the time between questions.
    Background,
    /// Somebody: goes before all background work that has not begun.
    Interactive,
}

/// Texts to embed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedRequest {
    /// The texts, without any prefix.
    pub texts: Vec<String>,
    /// What they are.
    pub kind: EmbedKind,
    /// Who waits.
    pub priority: Priority,
}

/// One text's vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// The vector, of unit length.
    pub vector: Vec<f32>,
    /// Tokens of the text, prefix included, before any cut.
    pub tokens: u32,
}
