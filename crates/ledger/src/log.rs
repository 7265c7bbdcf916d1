//! A log's folder as anybody reads it who has the public key: entries, proofs, nothing on trust.
//!
//! Invariant: what is given out leads to the root that the log's key signed. Damaged tiles give an error that names them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use base::ContentHash;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::disk::{self, DiskError};
use crate::note::{NOTE_BYTES_MAX, VerifierKey};
use crate::paths::{self, Subtrees};
use crate::proof::Proof;
use crate::tile::{BUNDLE_BYTES_MAX, Kind, Tile, read_entries, read_hashes};
use crate::tree::{TILE_HEIGHT, TILE_WIDTH, fold, leaf_hash};

/// The checkpoint's file below the log's folder.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// Why something was not read from a log's folder.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The folder holds no checkpoint.
    #[error("no log is in `{}`", dir.display())]
    NoLog {
        /// The folder.
        dir: PathBuf,
    },
    /// The checkpoint is not one that this log signed.
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The log has no such entry, as far as it is published.
    #[error("the log has {size} entries, and no entry {index}")]
    NotThere {
        /// What was asked for.
        index: u64,
        /// Entries at the checkpoint.
        size: u64,
    },
    /// A file is missing or is not what the signed root says.
    #[error("`{path}` is damaged: {what}")]
    Damaged {
        /// The file, below the log's folder.
        path: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// An older checkpoint has more entries than the log: it was put back from a copy.
    #[error("the log was rolled back: it had {older} entries before, and has {size} now")]
    RolledBack {
        /// Entries at the older checkpoint.
        older: u64,
        /// Entries now.
        size: u64,
    },
    /// An older checkpoint is not of this history.
    #[error("the log was forked: its first {older} entries are others than those that were signed before")]
    Forked {
        /// Entries at the older checkpoint.
        older: u64,
    },
    /// The disk did not do what was asked.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// A log's folder at one signed checkpoint. The log may grow meanwhile.
#[derive(Debug, Clone)]
pub struct Log {
    pub(crate) dir: PathBuf,
    checkpoint: Checkpoint,
}

impl Log {
    /// Reads the folder's checkpoint.
    ///
    /// # Errors
    /// [`ReadError::NoLog`], [`ReadError::Checkpoint`], or the disk's.
    pub fn open(dir: &Path, key: &VerifierKey) -> Result<Self, ReadError> {
        let bytes = disk::read(&dir.join(CHECKPOINT), NOTE_BYTES_MAX)?;
        Self::at(dir, key, &bytes.ok_or_else(|| ReadError::NoLog { dir: dir.to_owned() })?)
    }

    /// Takes a checkpoint from elsewhere: an older one of this log, or one with cosignatures.
    ///
    /// # Errors
    /// [`ReadError::Checkpoint`].
    pub fn at(dir: &Path, key: &VerifierKey, checkpoint: &[u8]) -> Result<Self, ReadError> {
        Ok(Self::with(dir, Checkpoint::open(checkpoint, key)?))
    }

    pub(crate) fn with(dir: &Path, checkpoint: Checkpoint) -> Self {
        Self { dir: dir.to_owned(), checkpoint }
    }

    /// The same log at a checkpoint of its own that has cosignatures.
    pub fn cosigned(&self, checkpoint: Checkpoint) -> Self {
        Self::with(&self.dir, checkpoint)
    }

    /// The checkpoint that all answers are for.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The bytes of an entry.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, ReadError> {
        self.check_index(index)?;
        let mut entries = self.bundle(index / TILE_WIDTH as u64)?;
        Ok(entries.swap_remove(index as usize % TILE_WIDTH))
    }

    /// The entries from `index` on to the checkpoint, each with its index.
    pub fn entries_from(&self, index: u64) -> impl Iterator<Item = Result<(u64, Vec<u8>), ReadError>> + use<'_> {
        let size = self.checkpoint.size();
        let width = TILE_WIDTH as u64;
        // A bundle that is damaged is the last thing that is told.
        let mut broken = false;
        let bundles = (index.min(size) / width..size.div_ceil(width)).map(move |number| (number, self.bundle(number)));
        let bundles = bundles.take_while(move |(_, bundle)| !std::mem::replace(&mut broken, bundle.is_err()));
        let numbered = bundles.flat_map(move |(number, bundle)| match bundle {
            Ok(entries) => (number * width..).zip(entries).map(Ok).collect(),
            Err(error) => vec![Err(error)],
        });
        numbered.filter(move |found| !matches!(found, Ok((at, _)) if *at < index))
    }

    /// The proof that an entry is in the log, as a file that needs nothing else (C2SP `tlog-proof`).
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn prove(&self, index: u64) -> Result<Proof, ReadError> {
        self.check_index(index)?;
        let hashes = paths::inclusion(&mut self.tiles(), index, self.checkpoint.size())?;
        let leaf = self.tiles().subtree(0, index)?;
        if paths::included_root(leaf, index, self.checkpoint.size(), &hashes) != Some(self.checkpoint.root()) {
            return Err(self.unrooted(index / TILE_WIDTH as u64));
        }
        Ok(Proof::new(index, hashes, self.checkpoint.to_string()))
    }

    /// The proof that the log only grew since it had `older` entries (RFC 6962, section 2.1.2).
    ///
    /// # Errors
    /// [`ReadError::RolledBack`] if it has fewer now; otherwise as the tiles are.
    pub fn consistency(&self, older: u64) -> Result<Vec<ContentHash>, ReadError> {
        let root = self.root_at(older)?;
        let (size, new_root) = (self.checkpoint.size(), self.checkpoint.root());
        let proof = paths::consistency(&mut self.tiles(), older, size)?;
        if !paths::is_consistent((older, root), (size, new_root), &proof) {
            return Err(self.unrooted(older.saturating_sub(1) / TILE_WIDTH as u64));
        }
        Ok(proof)
    }

    /// Succeeds if the log of `older` is what this log was before it grew.
    ///
    /// # Errors
    /// [`ReadError::RolledBack`], [`ReadError::Forked`], or as the tiles are.
    pub fn extends(&self, older: &Checkpoint) -> Result<(), ReadError> {
        self.consistency(older.size())?;
        match self.root_at(older.size())? == older.root() {
            true => Ok(()),
            false => Err(ReadError::Forked { older: older.size() }),
        }
    }

    /// What the tiles say of the root when the log had `older` entries.
    pub(crate) fn root_at(&self, older: u64) -> Result<ContentHash, ReadError> {
        if older > self.checkpoint.size() {
            return Err(ReadError::RolledBack { older, size: self.checkpoint.size() });
        }
        paths::range(&mut self.tiles(), 0, older)
    }

    /// The entries of a bundle, each the one that the signed root says.
    pub(crate) fn bundle(&self, number: u64) -> Result<Vec<Vec<u8>>, ReadError> {
        let leaves = self.leaves(number)?;
        let entries = self.raw_bundle(number)?;
        if entries.iter().map(|entry| leaf_hash(entry)).ne(leaves) {
            return Err(damaged(&self.tile(Kind::Entries, number), "an entry is not the one that was signed"));
        }
        Ok(entries)
    }

    /// The entries of a bundle as they are.
    pub(crate) fn raw_bundle(&self, number: u64) -> Result<Vec<Vec<u8>>, ReadError> {
        let tile = self.tile(Kind::Entries, number);
        let (bytes, width) = read(&self.dir, &tile)?;
        let entries = read_entries(&bytes, width).ok_or_else(|| damaged(&tile, "it is not so many entries"))?;
        Ok(entries[..tile.width].iter().map(|entry| entry.to_vec()).collect())
    }

    /// The leaf hashes of a tile, which lead to the signed root.
    fn leaves(&self, number: u64) -> Result<Vec<ContentHash>, ReadError> {
        let mut tiles = self.tiles();
        let leaves = tiles.hashes(0, number)?.to_vec();
        let (first, size) = (number * TILE_WIDTH as u64, self.checkpoint.size());
        // The first leaf's proof is made of all the others in its tile.
        let proof = paths::inclusion(&mut tiles, first, size)?;
        match paths::included_root(leaves[0], first, size, &proof) == Some(self.checkpoint.root()) {
            true => Ok(leaves),
            false => Err(self.unrooted(number)),
        }
    }

    fn check_index(&self, index: u64) -> Result<(), ReadError> {
        let size = self.checkpoint.size();
        if index < size { Ok(()) } else { Err(ReadError::NotThere { index, size }) }
    }

    fn unrooted(&self, number: u64) -> ReadError {
        damaged(&self.tile(Kind::Hashes(0), number), "it, or a tile above it, does not lead to the signed root")
    }

    fn tile(&self, kind: Kind, number: u64) -> Tile {
        Tile::in_tree(kind, number, self.checkpoint.size()).unwrap_or(Tile::full(kind, number))
    }

    pub(crate) fn tiles(&self) -> Tiles<'_> {
        Tiles { log: self, read: HashMap::new() }
    }
}

/// The hashes in a log's tiles, each tile read once. They are not checked against the root.
pub(crate) struct Tiles<'a> {
    log: &'a Log,
    read: HashMap<Tile, Vec<ContentHash>>,
}

impl Tiles<'_> {
    pub(crate) fn hashes(&mut self, level: u8, number: u64) -> Result<&[ContentHash], ReadError> {
        let tile = self.log.tile(Kind::Hashes(level), number);
        if !self.read.contains_key(&tile) {
            let (bytes, width) = read(&self.log.dir, &tile)?;
            let mut hashes = read_hashes(&bytes, width).ok_or_else(|| damaged(&tile, "it is not so many hashes"))?;
            hashes.truncate(tile.width);
            self.read.insert(tile, hashes);
        }
        Ok(&self.read[&tile])
    }
}

impl Subtrees for Tiles<'_> {
    type Error = ReadError;

    fn subtree(&mut self, height: u32, number: u64) -> Result<ContentHash, ReadError> {
        let (level, within) = ((height / TILE_HEIGHT) as u8, height % TILE_HEIGHT);
        let first = number << within;
        let tile = first / TILE_WIDTH as u64;
        let at = first as usize % TILE_WIDTH;
        let found = self.hashes(level, tile)?.get(at..at + (1 << within)).and_then(fold);
        found.ok_or_else(|| damaged(&self.log.tile(Kind::Hashes(level), tile), "it has too few hashes"))
    }
}

/// The bytes of a tile, and the width that they have: a full tile stands in for a partial one that is gone.
pub(crate) fn read(dir: &Path, tile: &Tile) -> Result<(Vec<u8>, usize), ReadError> {
    if let Some(bytes) = disk::read(&dir.join(tile.path()), BUNDLE_BYTES_MAX)? {
        return Ok((bytes, tile.width));
    }
    let full = Tile::full(tile.kind, tile.number);
    let bytes = disk::read(&dir.join(full.path()), BUNDLE_BYTES_MAX)?;
    bytes.map(|bytes| (bytes, full.width)).ok_or_else(|| damaged(tile, "it is missing"))
}

pub(crate) fn damaged(tile: &Tile, what: &'static str) -> ReadError {
    ReadError::Damaged { path: tile.path(), what }
}
