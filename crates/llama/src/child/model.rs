//! What the child needs of a model. llama.cpp is one; the echo, with which everything around the model is tested, is
//! the other.

use engine::Written;
use engine::template::Piece;

use crate::wire::{ChatJob, Hello};

/// One token of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The token.
    pub token: i32,
    /// Its place in its sequence.
    pub position: usize,
    /// Its sequence.
    pub sequence: usize,
    /// Whether the next token is drawn from what comes out.
    pub wanted: bool,
}

/// What was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drawn {
    /// A token.
    Token(i32),
    /// The model ended the answer.
    End,
}

/// Why a step was not computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepError {
    /// The context has no room left.
    NoRoom,
    /// The engine itself failed, with its own code.
    Failed(i32),
}

/// A loaded model with its context.
pub trait Model {
    /// Draws the tokens of one answer.
    type Sampler;

    /// What the model turned out to be.
    fn hello(&self) -> Hello;

    /// The chat template in the file, with the texts of the first and the last token.
    fn template(&self) -> Option<(String, String, String)>;

    /// The tokens of a prompt. Data never becomes a token that the template keeps for itself.
    fn tokens(&self, pieces: &[Piece]) -> Vec<i32>;

    /// A token's bytes; none for tokens that are no text.
    fn bytes(&self, token: i32) -> Vec<u8>;

    /// Prepares to draw one answer.
    ///
    /// # Errors
    /// What is wrong with the job's schema.
    fn sampler(&self, job: &ChatJob) -> Result<Self::Sampler, String>;

    /// Forgets all of a sequence but its first tokens, and returns how many are left: none where this kind of model
    /// cannot forget in part.
    fn truncate(&mut self, sequence: usize, kept: usize) -> usize;

    /// Replaces a sequence by the first tokens of another, and returns how many it has now.
    fn copy(&mut self, from: usize, to: usize, kept: usize) -> usize;

    /// Computes one step.
    ///
    /// # Errors
    /// [`StepError`]; then no sequence has changed.
    fn step(&mut self, entries: &[Entry]) -> Result<(), StepError>;

    /// Draws from the outcome of the last step's entry `at`.
    ///
    /// # Errors
    /// Why nothing can be drawn.
    fn draw(&mut self, sampler: &mut Self::Sampler, at: usize) -> Result<Drawn, String>;

    /// How likely a token was that was just drawn from entry `at`, and the `top` likeliest ones there.
    fn written(&self, at: usize, token: i32, top: usize) -> Written;

    /// Embeds one text, with its tokens before any cut.
    ///
    /// # Errors
    /// Why it cannot be embedded.
    fn embed(&mut self, text: &str) -> Result<(Vec<f32>, u32), String>;
}
