//! What one embedded engine is: which file, which role, which bounds.

use std::path::PathBuf;
use std::time::Duration;

/// What a model is run for. One child has one role, since llama.cpp's contexts are made for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It continues chats.
    Chat,
    /// It embeds texts.
    Embed,
}

/// Settings of one embedded engine.
#[derive(Debug, Clone)]
pub struct Config {
    /// The program that is run as the child: normally this very binary. It must hand the arguments that follow its
    /// hidden command `engine` to [`crate::child::main`].
    pub program: PathBuf,
    /// The GGUF file.
    pub model_path: PathBuf,
    /// The model's name in the catalogue.
    pub model: String,
    /// What the model is run for.
    pub role: Role,
    /// Tokens that a prompt and its answer may have together, or, for [`Role::Embed`], that a text may have. The
    /// model's own window is the upper bound: [`engine::Engine::describe`] tells the outcome once the child runs.
    pub context_tokens: u32,
    /// Length of the embeddings if it is known before the child runs.
    pub dimensions: Option<u32>,
    /// What [`engine::Description::unrelated_cosine`] tells.
    pub unrelated_cosine: Option<f32>,
    /// Chats that are written at the same time.
    pub slots: u32,
    /// Threads to compute with; 0 takes one for each physical core.
    pub threads: u32,
    /// Turns that a thread spins at a barrier before it sleeps.
    ///
    /// With 0 each of the hundreds of barriers of a token costs a wake-up: 20 tokens a second on two cores where 34 are
    /// possible. From 3,000 on two engines on the same cores stop each other: 31 tokens a second together with 1,000,
    /// 5 with 20,000 (`bench/engine`).
    pub spins: u32,
    /// Prompt tokens that are computed in one step when nobody else is writing.
    pub batch_tokens: u32,
    /// Prompt tokens that are computed in one step while other chats are being written.
    pub shared_batch_tokens: u32,
    /// Requests that may wait for a slot; one more is [`engine::EngineError::Busy`].
    pub queue_max: usize,
    /// Pieces of text that are written ahead of a reader; then its sequence pauses.
    pub ahead_max: u32,
    /// How long a reader may leave its sequence paused before it loses its slot.
    pub stalled_max: Duration,
    /// How long the child may take to load its model.
    pub start_max: Duration,
    /// Replaces the chat template inside the file.
    pub chat_template: Option<String>,
    /// Goes before each text that is looked for (`query: ` for the e5 family).
    pub query_prefix: String,
    /// Goes before each text that is found (`passage: ` for the e5 family).
    pub passage_prefix: String,
    /// Runs the child's echo instead of a model: for tests of everything but the model.
    pub selftest: bool,
}

impl Config {
    /// A chat engine with the usual bounds.
    pub fn chat(program: impl Into<PathBuf>, model: impl Into<String>, model_path: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            model_path: model_path.into(),
            model: model.into(),
            role: Role::Chat,
            context_tokens: 8192,
            dimensions: None,
            unrelated_cosine: None,
            slots: 4,
            threads: 0,
            spins: 1_000,
            batch_tokens: 256,
            shared_batch_tokens: 64,
            queue_max: 64,
            ahead_max: 64,
            stalled_max: Duration::from_secs(60),
            start_max: Duration::from_secs(120),
            chat_template: None,
            query_prefix: String::new(),
            passage_prefix: String::new(),
            selftest: false,
        }
    }

    /// An embedding engine of the e5 family with the usual bounds.
    pub fn embed(program: impl Into<PathBuf>, model: impl Into<String>, model_path: impl Into<PathBuf>) -> Self {
        Self {
            role: Role::Embed,
            context_tokens: 512,
            batch_tokens: 512,
            query_prefix: "query: ".into(),
            passage_prefix: "passage: ".into(),
            ..Self::chat(program, model, model_path)
        }
    }

    /// What in these settings cannot work, if anything.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let rules = [
            (!self.model.is_empty(), "a model has a name"),
            ((8..=1 << 20).contains(&self.context_tokens), "a window has 8 to 1,048,576 tokens"),
            ((1..=64).contains(&self.slots), "an engine has 1 to 64 slots"),
            (self.threads <= 1024, "an engine has at most 1,024 threads"),
            ((1..=8192).contains(&self.batch_tokens), "a step has 1 to 8,192 tokens"),
            ((1..=8192).contains(&self.shared_batch_tokens), "a shared step has 1 to 8,192 tokens"),
            ((1..=65_536).contains(&self.ahead_max), "1 to 65,536 pieces of text may be ahead of a reader"),
            ((1..=65_536).contains(&self.queue_max), "1 to 65,536 requests may wait"),
        ];
        rules.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, rule)| Err(rule))
    }
}
