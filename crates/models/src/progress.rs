//! What a pull tells while it runs, for a bar on a terminal or an event to a browser.

use serde::Serialize;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = PullPhase)]
pub enum Phase {
    /// Bytes are on their way.
    Downloading,
    /// The SHA-256 or the file's structure is checked.
    Verifying,
    /// The file is turned into the form that the engine loads.
    Converting,
    /// The file is copied in.
    Copying,
}

/// How far the work is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = PullProgress)]
pub struct Update {
    /// What is being done.
    pub phase: Phase,
    /// Where the bytes come from, as a person would name it.
    pub source: String,
    /// Bytes done, those of earlier attempts included.
    pub bytes_done: u64,
    /// Bytes in all.
    pub bytes_total: u64,
}

/// Who wants to know. Called from a blocking thread, at most once for each MiB; it must not wait.
pub trait Progress: Send + Sync {
    /// The work is now here.
    fn update(&self, update: &Update);

    /// A source failed and the next one, if there is one, is tried.
    fn source_failed(&self, source: &str, reason: &str) {
        let _ = (source, reason);
    }
}

/// Nobody wants to know.
#[derive(Debug, Clone, Copy)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn update(&self, _: &Update) {}
}
