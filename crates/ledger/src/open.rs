//! Opening a log to write to it: who owns it, what it holds, and whether it is still the log that was signed before.
//!
//! Invariant: nothing is signed by a folder whose history is not the continuation of the folder's own checkpoint and of the
//! highest one that is remembered elsewhere.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::ContentHash;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::disk::{self, Disk, DiskError};
use crate::journal::{Journal, JournalError, Recovered};
use crate::ledger::Options;
use crate::log::{CHECKPOINT, Log, ReadError};
use crate::memory::{Memory, MemoryError};
use crate::note::{KeyKind, NOTE_BYTES_MAX, NoteError, VerifierKey};
use crate::objects;
use crate::paths::Subtrees;
use crate::publisher::{PublishError, Publisher};
use crate::signer::Signer;
use crate::tile::push_entry;
use crate::tree::{Edge, LEVELS_MAX, TILE_HEIGHT, TILE_WIDTH, leaf_hash};

const LOCK: &str = "lock";
const JOURNAL: &str = "journal";

/// Why a log was not opened. Nothing was signed, and no entry was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the log in `{}` is in use by another process", dir.display())]
    InUse {
        /// The log's folder.
        dir: PathBuf,
    },
    /// The log's name is none, or the signer's key is none.
    #[error(transparent)]
    Name(#[from] NoteError),
    /// The remembered checkpoint is not one that this log signed.
    #[error("the remembered checkpoint: {0}")]
    Remembered(#[source] CheckpointError),
    /// Tiles or the checkpoint are not what was signed; or the log was forked or rolled back in itself.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The journal is not what was written.
    #[error("{what}")]
    Journal {
        /// What is wrong with it.
        what: String,
    },
    /// A higher checkpoint was signed than the folder knows of.
    #[error("the log was rolled back: {remembered} entries were signed, and it has {size}")]
    RolledBack {
        /// Entries at the remembered checkpoint.
        remembered: u64,
        /// Entries in the folder.
        size: u64,
    },
    /// The remembered checkpoint is of another history.
    #[error("the log was forked: its first {remembered} entries are others than those that were signed")]
    Forked {
        /// Entries at the remembered checkpoint.
        remembered: u64,
    },
    /// The log is not new, but no checkpoint of it is remembered.
    #[error(
        "no checkpoint of this log is remembered, though it has some; if no newer copy of it is anywhere, it must be accepted"
    )]
    Forgotten,
    /// The second place says no.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The disk says no.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// What the journal held could not be published.
    #[error("cannot publish: {reason}")]
    Publish {
        /// Why.
        reason: String,
    },
}

impl From<JournalError> for OpenError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Disk(error) => Self::Disk(error),
            damaged => Self::Journal { what: damaged.to_string() },
        }
    }
}

impl From<PublishError> for OpenError {
    fn from(error: PublishError) -> Self {
        Self::Publish { reason: error.to_string() }
    }
}

/// A log that is owned, right, and published up to its last entry.
pub(crate) struct Opened {
    pub lock: File,
    pub journal: Journal,
    pub publisher: Publisher,
    pub checkpoint: Checkpoint,
}

pub(crate) fn open(
    disk: Arc<dyn Disk>,
    dir: &Path,
    origin: &str,
    signer: Box<dyn Signer>,
    memory: Box<dyn Memory>,
    options: &Options,
) -> Result<Opened, OpenError> {
    let key = VerifierKey::new(origin, KeyKind::Ed25519, &signer.public_key())?;
    if !dir.is_dir() {
        disk.make_dir(dir)?;
        disk.sync_dir(disk::folder_of(dir))?;
    }
    let lock = lock(dir)?;
    objects::prepare(&*disk, dir)?;
    let remembered = memory.recall()?.map(|text| Checkpoint::open(text.as_bytes(), &key)).transpose();
    let remembered = remembered.map_err(OpenError::Remembered)?;
    let log = match disk::read(&dir.join(CHECKPOINT), NOTE_BYTES_MAX)? {
        Some(bytes) => Some(Log::at(dir, &key, &bytes)?),
        None => None,
    };
    let journal_dir = dir.join(JOURNAL);
    let recovered = recover(&disk, dir, &journal_dir, log.is_some())?;
    let is_new = log.is_none() && recovered.entries.is_empty();
    if remembered.is_none() && !is_new && !options.accept_forgotten {
        return Err(OpenError::Forgotten);
    }
    let (edge, bundle) = match &log {
        Some(log) => right_edge(log)?,
        None => (Edge::default(), Vec::new()),
    };
    let leaves = unpublished(log.as_ref(), &recovered, edge.size())?;
    if let Some(remembered) = &remembered {
        check_extends(remembered, log.as_ref(), &edge, &leaves)?;
    }
    let mut publisher =
        Publisher { disk: Arc::clone(&disk), dir: dir.to_owned(), journal_dir, key, signer, memory, edge, bundle };
    let checkpoint = match log {
        Some(log)
            if leaves.is_empty()
                && remembered.as_ref().is_some_and(|known| known.size() == log.checkpoint().size()) =>
        {
            log.checkpoint().clone()
        }
        _ => publisher.publish(leaves.into_iter())?,
    };
    // Pages of the old segment may be in the kernel's memory alone and held for written, after an error of the disk. It is
    // not gone on with.
    let mut journal = recovered.journal;
    journal.roll()?;
    crate::journal::prune(&*disk, &publisher.journal_dir, checkpoint.size())?;
    Ok(Opened { lock, journal, publisher, checkpoint })
}

/// Takes the log for this process, and gives it up when the file is closed.
pub(crate) fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(LOCK);
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(DiskError::at("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { dir: dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(DiskError::at("lock", &path)(error).into()),
    }
}

/// The journal's folder of a log.
pub(crate) fn journal_dir(dir: &Path) -> PathBuf {
    dir.join(JOURNAL)
}

/// The journal with what it holds. Only a folder without a log gets a new one.
fn recover(disk: &Arc<dyn Disk>, dir: &Path, journal_dir: &Path, has_checkpoint: bool) -> Result<Recovered, OpenError> {
    if let Some(recovered) = Journal::recover(Arc::clone(disk), journal_dir)? {
        return Ok(recovered);
    }
    if has_checkpoint || dir.join("tile").exists() {
        return Err(OpenError::Journal { what: format!("the journal `{}` is gone", journal_dir.display()) });
    }
    let journal = Journal::create(Arc::clone(disk), journal_dir)?;
    Ok(Recovered { journal, first: 0, entries: Vec::new() })
}

/// The right edge at the log's checkpoint and the bytes of its partial bundle, which lead to the signed root.
fn right_edge(log: &Log) -> Result<(Edge, Vec<u8>), ReadError> {
    let size = log.checkpoint().size();
    let mut levels = Vec::new();
    let mut tiles = log.tiles();
    for level in 0..LEVELS_MAX {
        let units = size >> (TILE_HEIGHT * u32::from(level));
        match units % TILE_WIDTH as u64 {
            _ if units == 0 => break,
            0 => levels.push(Vec::new()),
            _ => levels.push(tiles.hashes(level, units / TILE_WIDTH as u64)?.to_vec()),
        }
    }
    let edge = Edge::new(size, levels);
    if edge.root() != log.checkpoint().root() {
        return Err(ReadError::Damaged {
            path: "tile".to_owned(),
            what: "its right edge does not lead to the signed root",
        });
    }
    let mut bundle = Vec::new();
    if !size.is_multiple_of(TILE_WIDTH as u64) {
        log.bundle(size / TILE_WIDTH as u64)?.iter().for_each(|entry| push_entry(&mut bundle, entry));
    }
    Ok((edge, bundle))
}

/// The journal's entries from the checkpoint's size on. Those before it must be the ones that were signed.
fn unpublished<'a>(
    log: Option<&Log>,
    recovered: &'a Recovered,
    size: u64,
) -> Result<Vec<(&'a [u8], ContentHash)>, OpenError> {
    let end = recovered.first + recovered.entries.len() as u64;
    if recovered.first > size || end < size {
        let what = format!("the journal has the entries {} to {end}, and {size} are published", recovered.first);
        return Err(OpenError::Journal { what });
    }
    let (published, rest) = recovered.entries.split_at((size - recovered.first) as usize);
    let mut tiles = log.map(Log::tiles);
    for (entry, index) in published.iter().zip(recovered.first..) {
        let signed = match &mut tiles {
            Some(tiles) => Some(tiles.subtree(0, index)?),
            None => None,
        };
        if signed != Some(leaf_hash(entry)) {
            let what = format!("entry {index} of the journal is not the one that was signed");
            return Err(OpenError::Journal { what });
        }
    }
    Ok(rest.iter().map(|entry| (entry.as_slice(), leaf_hash(entry))).collect())
}

/// Succeeds if the history of `remembered` is the beginning of this one.
fn check_extends(
    remembered: &Checkpoint,
    log: Option<&Log>,
    edge: &Edge,
    leaves: &[(&[u8], ContentHash)],
) -> Result<(), OpenError> {
    let size = edge.size() + leaves.len() as u64;
    if remembered.size() > size {
        return Err(OpenError::RolledBack { remembered: remembered.size(), size });
    }
    let root = match log {
        Some(log) if remembered.size() < edge.size() => log.root_at(remembered.size())?,
        _ => {
            let mut edge = edge.clone();
            let more = remembered.size() - edge.size();
            leaves.iter().take(more as usize).for_each(|(_, leaf)| edge.push(*leaf, |_| {}));
            edge.root()
        }
    };
    if root == remembered.root() { Ok(()) } else { Err(OpenError::Forked { remembered: remembered.size() }) }
}
