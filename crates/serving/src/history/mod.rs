//! What is kept of conversations: who asked what, what was said, and what it was made of.
//!
//! What must stay true: a conversation is its owner's alone, and for everybody else it does not exist; a turn is kept on
//! every way out, also when its reader hung up; a turn carries the joined label of all that it was made of, and is shown
//! again only to whom those records would be shown now; what is deleted stands in no file any more.

mod conversations;
mod error;
mod export;
mod keeper;
mod recall;
mod responses;
mod table;
mod turn;

use std::sync::Arc;

use base::{Class, ConversationId, Principal, Purpose, Subject};
use guard::Guard;
use jiff::Timestamp;
use retrieval::Search;
use serde::Serialize;
use store::{Store, StoreError};
use tokio_util::task::TaskTracker;

pub use conversations::{Conversations, Found, Page};
pub use error::HistoryError;
pub(crate) use keeper::keep;
pub use responses::{Basis, KeptResponse, NewResponse};
pub use turn::{Hidden, Shown, Told, Turn, TurnEnd};
pub(crate) use turn::{MadeOf, Opening};

/// What is kept, how much of it, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryConfig {
    /// Whether anything new is kept at all. What was kept before can still be read and deleted.
    pub enabled: bool,
    /// Days after which what nobody went on with is deleted; 0 keeps it until its owner deletes it.
    pub keep_days: u32,
    /// Conversations of one owner.
    pub conversations_max: u32,
    /// Turns of one conversation.
    pub turns_max: u32,
    /// Bytes of one conversation.
    pub conversation_bytes_max: u64,
    /// Bytes of all conversations of one owner; and, apart from those, of all responses.
    pub owner_bytes_max: u64,
    /// Responses of one owner; beyond, the oldest goes.
    pub responses_max: u32,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            keep_days: 365,
            conversations_max: 1_000,
            turns_max: 500,
            conversation_bytes_max: 4 << 20,
            owner_bytes_max: 64 << 20,
            responses_max: 1_000,
        }
    }
}

/// A conversation, without its turns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// Its title; the first question's words, if nobody gave it one.
    pub title: String,
    /// The route or model that was called last.
    pub model: String,
    /// How many turns it has.
    pub turns: u32,
    /// Bytes that are kept of it.
    pub bytes: u64,
    /// When it was begun.
    pub created: Timestamp,
    /// When its last turn began, or it was renamed.
    pub updated: Timestamp,
}

/// All that is kept of one installation's conversations.
#[derive(Debug)]
pub struct History {
    pub(crate) store: Arc<Store>,
    search: Arc<Search>,
    guard: Guard,
    purpose: Purpose,
    config: HistoryConfig,
    writing: TaskTracker,
}

impl History {
    /// Opens what is kept. A turn that the last process was writing when it died is marked as broken off.
    pub(crate) async fn open(
        store: Arc<Store>,
        search: Arc<Search>,
        guard: Guard,
        purpose: Purpose,
        config: HistoryConfig,
    ) -> Result<Self, StoreError> {
        let history = Self { store, search, guard, purpose, config, writing: TaskTracker::new() };
        table::mark_broken_off(&history.store).await?;
        history.sweep().await?;
        Ok(history)
    }

    /// Whether anything new is kept.
    pub fn is_enabled(&self) -> bool {
        self.config.enabled
    }

    /// Deletes what is older than it is kept. To be called now and then; what is too old is not shown in any case.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        let gone = table::delete_older(&self.store, self.cut()).await?;
        if gone > 0 {
            self.store.scrub().await?;
        }
        Ok(gone)
    }

    /// Waits until the turns whose readers hung up are written.
    pub async fn close(&self) {
        self.writing.close();
        self.writing.wait().await;
    }

    /// What was touched before this, in milliseconds, is no longer kept.
    fn cut(&self) -> i64 {
        match self.config.keep_days {
            0 => i64::MIN,
            days => now() - i64::from(days) * 86_400_000,
        }
    }
}

/// Whose history it is: a person's under each of the person's keys, a service's under its own.
fn owner(principal: &Principal) -> String {
    match principal.subject {
        Subject::Operator => "operator".to_owned(),
        Subject::Person(person) => person.to_string(),
        Subject::Service(key) => key.to_string(),
    }
}

/// The highest class of text that this principal handles: what it may read, and what it sends.
fn class_of(principal: &Principal) -> Class {
    principal.read_class_max.max(principal.input_class)
}

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}
