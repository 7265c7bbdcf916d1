//! Keeping the data safe, as the doors see it: copied away, and checked.
//!
//! Whoever does it knows the store and everything in it, which no door does; so the wiring hands it in.

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;

/// What a backup should hold.
#[derive(Debug, Clone)]
pub struct BackupWish {
    /// The file, or the folder that gets one; an absolute path on this machine.
    pub path: PathBuf,
    /// Whether the models' files go along.
    pub models: bool,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeeperProgress {
    /// What it is about now.
    pub phase: &'static str,
    /// How much is done, of `total`: bytes, or documents.
    pub done: u64,
    /// How much there is.
    pub total: u64,
}

/// Is told how far it is.
pub type Tell = Arc<dyn Fn(KeeperProgress) + Send + Sync>;

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// What was asked for cannot be done as it was asked.
    #[error("{0}")]
    Refused(String),
    /// It went wrong.
    #[error("{0}")]
    Failed(String),
    /// The disk is full.
    #[error("the disk is full")]
    Full,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// What is wrong, in words; empty if all is well.
    pub findings: Vec<String>,
    /// What was looked at.
    pub looked_at: Vec<&'static str>,
}

/// Copies the data folder away and checks it, while it is in use.
pub trait Keeper: Send + Sync + std::fmt::Debug {
    /// Writes a backup and says what is in it.
    fn backup(&self, wish: BackupWish, tell: Tell) -> BoxFuture<'_, Result<Value, KeeperError>>;

    /// Compares what is stored with what was written.
    fn check(&self, tell: Tell) -> BoxFuture<'_, Result<Checked, KeeperError>>;
}
