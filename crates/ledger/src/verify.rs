//! A whole folder checked: from outside with the public key alone, and from inside with the journal.
//!
//! Everything is derived again from the entries, byte by byte, and compared with what is there.

use std::path::{Path, PathBuf};

use base::ContentHash;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::journal::{self, Scan};
use crate::log::{self, Log, ReadError, damaged};
use crate::note::VerifierKey;
use crate::objects;
use crate::open::{OpenError, journal_dir, lock};
use crate::tile::{Kind, Tile, hashes_bytes};
use crate::tree::{Edge, TILE_WIDTH, leaf_hash};

/// Checks every entry and every tile of the log in `dir` against its signed checkpoint, and that the log only grew since
/// `older`, a checkpoint seen before. The log may be in use. Gives the checkpoint.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify(dir: &Path, key: &VerifierKey, older: Option<&[u8]>) -> Result<Checkpoint, ReadError> {
    let log = Log::open(dir, key)?;
    let older = older.map(|bytes| Checkpoint::open(bytes, key)).transpose()?;
    let size = log.checkpoint().size();
    if let Some(older) = older.as_ref().filter(|older| older.size() > size) {
        return Err(ReadError::RolledBack { older: older.size(), size });
    }
    let check_older = |edge: &Edge| match &older {
        Some(older) if older.size() == edge.size() && older.root() != edge.root() => {
            Err(ReadError::Forked { older: older.size() })
        }
        _ => Ok(()),
    };
    let mut edge = Edge::default();
    check_older(&edge)?;
    for number in 0..size.div_ceil(TILE_WIDTH as u64) {
        for entry in log.raw_bundle(number)? {
            let mut wrong = None;
            edge.push(leaf_hash(&entry), |filled| wrong = wrong.take().or(check_tile(dir, size, filled).err()));
            wrong.map_or(Ok(()), Err)?;
            check_older(&edge)?;
        }
    }
    edge.partials().try_for_each(|partial| check_tile(dir, size, partial))?;
    if edge.root() != log.checkpoint().root() {
        return Err(ReadError::Damaged {
            path: log::CHECKPOINT.to_owned(),
            what: "it signs another root than the entries have",
        });
    }
    Ok(log.checkpoint().clone())
}

/// Compares a derived tile with the file that is there.
fn check_tile(dir: &Path, size: u64, (level, number, hashes): (u8, u64, &[ContentHash])) -> Result<(), ReadError> {
    let kind = Kind::Hashes(level);
    let tile = Tile::in_tree(kind, number, size).unwrap_or(Tile::full(kind, number));
    let (bytes, width) = log::read(dir, &tile)?;
    match bytes.len() == width * 32 && bytes.starts_with(&hashes_bytes(hashes)) {
        true => Ok(()),
        false => Err(damaged(&tile, "it is not what the entries below it lead to")),
    }
}

/// What [`fsck`] found in a log that holds together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fsck {
    /// The published state.
    pub checkpoint: Checkpoint,
    /// Entries in the journal that the next opening will publish.
    pub waiting: u64,
    /// Bytes of a last group whose writing was interrupted; nobody was told of it.
    pub torn_bytes: u64,
    /// Tiles behind the checkpoint: written, but not yet signed for.
    pub unsigned_tiles: u64,
    /// Files among the tiles that are none.
    pub strangers: Vec<PathBuf>,
}

/// Why [`fsck`] says that a log does not hold together.
#[derive(Debug, thiserror::Error)]
pub enum FsckError {
    /// A process owns the log, or the folder cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Something published is wrong.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<CheckpointError> for FsckError {
    fn from(error: CheckpointError) -> Self {
        Self::Read(error.into())
    }
}

/// Checks all of a log that nobody has open: what [`verify`] does, every partial tile that is still there, and the journal.
///
/// # Errors
/// The first thing that is wrong.
pub fn fsck(dir: &Path, key: &VerifierKey, remembered: Option<&[u8]>) -> Result<Fsck, FsckError> {
    let _lock = lock(dir)?;
    let checkpoint = verify(dir, key, None)?;
    let log = Log::with(dir, checkpoint.clone());
    let Scan { first, entries, torn_bytes, .. } =
        journal::scan(&journal_dir(dir)).map_err(OpenError::from)?.unwrap_or_default();
    let waiting =
        check_journal(&log, first, &entries, remembered.map(|bytes| Checkpoint::open(bytes, key)).transpose()?)?;
    let (tiles, strangers) = objects::list(dir).map_err(ReadError::from)?;
    let mut unsigned_tiles = 0;
    for tile in tiles {
        match Tile::in_tree(tile.kind, tile.number, checkpoint.size()) {
            Some(signed) if tile.width <= signed.width => check_prefix(&log, &tile)?,
            _ => unsigned_tiles += 1,
        }
    }
    Ok(Fsck { checkpoint, waiting, torn_bytes, unsigned_tiles, strangers })
}

/// The journal goes on where the tiles end, does not contradict them, and reaches what is remembered. Gives how many of its
/// entries are not published.
fn check_journal(log: &Log, first: u64, entries: &[Vec<u8>], remembered: Option<Checkpoint>) -> Result<u64, FsckError> {
    let size = log.checkpoint().size();
    let end = first + entries.len() as u64;
    if first > size || end < size {
        let what = format!("the journal has the entries {first} to {end}, and {size} are published");
        return Err(OpenError::Journal { what }.into());
    }
    let (published, waiting) = entries.split_at((size - first) as usize);
    for (signed, entry) in log.entries_from(first).zip(published) {
        let (index, signed) = signed?;
        if signed != *entry {
            let what = format!("entry {index} of the journal is not the one that was signed");
            return Err(OpenError::Journal { what }.into());
        }
    }
    let Some(remembered) = remembered else { return Ok(waiting.len() as u64) };
    if remembered.size() > end {
        return Err(OpenError::RolledBack { remembered: remembered.size(), size: end }.into());
    }
    let root = match remembered.size().checked_sub(size) {
        None | Some(0) => log.root_at(remembered.size())?,
        Some(more) => {
            let mut edge = Edge::default();
            for entry in log.entries_from(0) {
                edge.push(leaf_hash(&entry?.1), |_| {});
            }
            waiting.iter().take(more as usize).for_each(|entry| edge.push(leaf_hash(entry), |_| {}));
            edge.root()
        }
    };
    if root != remembered.root() {
        return Err(OpenError::Forked { remembered: remembered.size() }.into());
    }
    Ok(waiting.len() as u64)
}

/// A tile that is there, however small, is the beginning of the tile that was signed.
fn check_prefix(log: &Log, tile: &Tile) -> Result<(), ReadError> {
    let right = match tile.kind {
        Kind::Hashes(level) => {
            let right = hashes_bytes(log.tiles().hashes(level, tile.number)?);
            right.get(..tile.width * 32).map(<[u8]>::to_vec)
        }
        Kind::Entries => log.raw_bundle(tile.number)?.get(..tile.width).map(|entries| {
            let mut bytes = Vec::new();
            entries.iter().for_each(|entry| crate::tile::push_entry(&mut bytes, entry));
            bytes
        }),
    };
    match right == Some(log::read(&log.dir, tile)?.0) {
        true => Ok(()),
        false => Err(damaged(tile, "it is not the beginning of the tile that was signed")),
    }
}
