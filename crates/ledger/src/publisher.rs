//! From durable entries to tiles and a signed checkpoint.
//!
//! The order is what matters: tiles are on the disk before a checkpoint that needs them is signed; the second place
//! remembers the checkpoint before anybody sees it; what a new file makes needless goes last.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::ContentHash;

use crate::checkpoint::Checkpoint;
use crate::disk::{self, Disk, DiskError};
use crate::journal;
use crate::log::CHECKPOINT;
use crate::memory::{Memory, MemoryError};
use crate::note::VerifierKey;
use crate::objects::{self, ObjectError};
use crate::shared::{Shared, Watch};
use crate::signer::{Signer, SignerError};
use crate::tile::{Kind, Tile, hashes_bytes, push_entry};
use crate::tree::{Edge, TILE_WIDTH};

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error(transparent)]
    Signer(#[from] SignerError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

pub(crate) struct Publisher {
    pub disk: Arc<dyn Disk>,
    pub dir: PathBuf,
    pub journal_dir: PathBuf,
    pub key: VerifierKey,
    pub signer: Box<dyn Signer>,
    pub memory: Box<dyn Memory>,
    pub edge: Edge,
    /// The bytes of the last bundle while it is partial.
    pub bundle: Vec<u8>,
}

impl Publisher {
    /// Publishes what others made durable until there will be nothing more.
    pub(crate) fn run(mut self, shared: &Shared, every: Duration) {
        let _watch = Watch(shared);
        let mut due = Instant::now() + every;
        while let Some(work) = shared.work(due) {
            due = Instant::now() + every;
            let leaves = work.groups.iter().flatten().map(|(entry, leaf)| (entry.as_slice(), *leaf));
            let published = match self.edge.size() == shared.checkpoint().size() && work.groups.is_empty() {
                true => Ok(shared.checkpoint()),
                false => self.publish(leaves),
            };
            match published {
                Ok(checkpoint) => shared.done(work, &checkpoint),
                Err(error) => {
                    let stopped = shared.stop(error.to_string());
                    for teller in work.tellers {
                        let _ = teller.send(Err(stopped.clone()));
                    }
                }
            }
        }
    }

    /// Publishes all entries up to the last of these, which follow those that were given before. After an error the
    /// publisher must not be used again.
    pub(crate) fn publish<'a>(
        &mut self,
        leaves: impl Iterator<Item = (&'a [u8], ContentHash)>,
    ) -> Result<Checkpoint, PublishError> {
        let mut tiles = Vec::new();
        for (entry, leaf) in leaves {
            push_entry(&mut self.bundle, entry);
            let filled = |(level, number, hashes): (u8, u64, &[ContentHash])| {
                tiles.push((Tile::full(Kind::Hashes(level), number), hashes_bytes(hashes)));
            };
            self.edge.push(leaf, filled);
            if self.edge.size().is_multiple_of(TILE_WIDTH as u64) {
                let number = self.edge.size() / TILE_WIDTH as u64 - 1;
                tiles.push((Tile::full(Kind::Entries, number), std::mem::take(&mut self.bundle)));
            }
        }
        let full = tiles.iter().map(|(tile, _)| *tile).collect::<Vec<_>>();
        for (level, number, hashes) in self.edge.partials() {
            let tile = Tile { kind: Kind::Hashes(level), number, width: hashes.len() };
            tiles.push((tile, hashes_bytes(hashes)));
        }
        if let Some(tile) = Tile::in_tree(Kind::Entries, self.edge.size() / TILE_WIDTH as u64, self.edge.size()) {
            tiles.push((tile, self.bundle.clone()));
        }
        objects::put(&*self.disk, &self.dir, &tiles)?;
        let checkpoint = Checkpoint::sign(self.edge.size(), self.edge.root(), &self.key, &*self.signer)?;
        let text = checkpoint.to_string();
        self.memory.remember(&text)?;
        let beside = objects::incoming(&self.dir, CHECKPOINT);
        disk::replace(&*self.disk, &self.dir.join(CHECKPOINT), &beside, text.as_bytes())?;
        for tile in &full {
            objects::remove_partials(&*self.disk, &self.dir, tile)?;
        }
        journal::prune(&*self.disk, &self.journal_dir, checkpoint.size())?;
        Ok(checkpoint)
    }
}
