//! The log as it stood at one signed checkpoint, read in its order: what reports are made of.
//!
//! A reading is bounded by the checkpoint, not by when it is done: what is recorded meanwhile is not in it, and every
//! proof that it gives leads to the one checkpoint that it names.

use std::sync::Arc;

use base::{ContentHash, TenantId};
use jiff::Timestamp;
use ledger::Log;

use super::office::{Receipts, blocking};
use super::{Entry, Filed, ReceiptError};

/// Entries that are in memory at the same time.
const BATCH: usize = 1_024;
/// Entries that are read over, rather than beginning anew behind them.
const READ_OVER: u64 = 512;

/// Whose entries of which time are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Whose.
    pub tenant: TenantId,
    /// Not before.
    pub from: Timestamp,
    /// Before.
    pub to: Timestamp,
}

/// A log at one checkpoint.
#[derive(Debug, Clone)]
pub struct Reading {
    receipts: Arc<Receipts>,
    log: Log,
}

/// The checkpoint of a reading, as a report names it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Stand {
    /// The log's name.
    pub origin: String,
    /// The log's name and public key, as signed notes write a verifier's key.
    pub key: String,
    /// Entries at the checkpoint.
    pub size: u64,
    /// The SHA-256 root over all of them.
    pub root: ContentHash,
    /// The signed note.
    pub checkpoint: String,
}

impl Receipts {
    /// Takes the log as it stands, with all that was recorded before this call.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn reading(self: &Arc<Self>) -> Result<Reading, ReceiptError> {
        self.catch_up().await?;
        Ok(Reading { receipts: Arc::clone(self), log: self.log() })
    }
}

impl Reading {
    /// The checkpoint.
    pub fn stand(&self) -> Stand {
        let checkpoint = self.log.checkpoint();
        let key = self.receipts.key();
        Stand {
            origin: key.split('+').next().unwrap_or_default().to_owned(),
            key,
            size: checkpoint.size(),
            root: checkpoint.root(),
            checkpoint: checkpoint.note().to_string(),
        }
    }

    /// Hands on each receipt and each act of the span, in the log's order, some at a time: a year fits in a small memory.
    /// Intents are left out; the receipt of the same id says more. Gives how many there were.
    ///
    /// # Errors
    /// When the disk says no, or an entry is not the one that was signed.
    pub async fn each(&self, span: Span, mut each: impl FnMut(&Filed)) -> Result<u64, ReceiptError> {
        let size = self.log.checkpoint().size();
        let (mut next, mut seen) = (0, 0);
        loop {
            let leaves = self.receipts.leaves_of(&span, next..size, BATCH).await?;
            let Some(last) = leaves.last() else { return Ok(seen) };
            next = last + 1;
            seen += leaves.len() as u64;
            let log = self.log.clone();
            let entries = blocking(move || read(&log, &leaves)).await?;
            for (leaf, bytes) in entries {
                let entry = Entry::read(&bytes).ok_or(ReceiptError::Foreign { leaf })?;
                each(&Filed { leaf, entry });
            }
        }
    }

    /// The proofs that these leaves, the lowest first, stand in the log: a `c2sp.org/tlog-proof@v1` file each, with its
    /// entry in it.
    ///
    /// # Errors
    /// As for [`Receipts::prove`].
    pub async fn prove(&self, leaves: Vec<u64>) -> Result<Vec<String>, ReceiptError> {
        let log = self.log.clone();
        blocking(move || {
            let entries = read(&log, &leaves)?;
            entries.into_iter().map(|(leaf, entry)| Ok(log.prove(leaf)?.with_extra(entry).to_string())).collect()
        })
        .await
    }
}

/// The bytes of these leaves, the lowest first.
fn read(log: &Log, leaves: &[u64]) -> Result<Vec<(u64, Vec<u8>)>, ReceiptError> {
    let mut found = Vec::with_capacity(leaves.len());
    let mut wanted = leaves.iter().copied().peekable();
    while let Some(first) = wanted.peek().copied() {
        let before = found.len();
        for entry in log.entries_from(first) {
            let (leaf, bytes) = entry?;
            match wanted.peek() {
                Some(next) if *next == leaf => {
                    found.push((leaf, bytes));
                    wanted.next();
                }
                Some(next) if *next <= leaf + READ_OVER => {}
                _ => break,
            }
        }
        if found.len() == before {
            return Err(ReceiptError::Foreign { leaf: first });
        }
    }
    Ok(found)
}
