//! The ledger as its owner uses it: append, wait, publish, close.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::checkpoint::Checkpoint;
use crate::disk::{Disk, DiskError, RealDisk};
use crate::log::Log;
use crate::memory::Memory;
use crate::note::VerifierKey;
use crate::open::{self, OpenError, Opened};
use crate::sequencer::{self, Request};
use crate::shared::Shared;
use crate::signer::Signer;
use crate::tile::ENTRY_BYTES_MAX;
use crate::tree::leaf_hash;
use crate::waiting::{Appended, Stopped, Teller, Waiting};

/// A day, so that a time that far ahead can be named.
const PUBLISH_MS_MAX: u64 = 86_400_000;

/// The bounds of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Entries that may wait to be written; at least 1.
    pub queue_max: usize,
    /// How long an entry may be durable before its publishing begins, behind the one that is going on; a day at most.
    pub publish_ms: u64,
    /// Bytes of entries that may be durable and not yet published. Appending waits where more would be.
    pub backlog_bytes_max: usize,
    /// Opens a log though no checkpoint of it is remembered, and remembers the one that it has. Only for who has
    /// satisfied himself that the folder is the newest there is.
    pub accept_forgotten: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { queue_max: 1024, publish_ms: 1000, backlog_bytes_max: 64 << 20, accept_forgotten: false }
    }
}

/// Why an entry was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// An entry has at most [`ENTRY_BYTES_MAX`] bytes.
    #[error("an entry of {bytes} bytes is longer than 65535")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The queue is full. Nothing was taken.
    #[error("the ledger's queue is full")]
    Full,
    /// The ledger takes nothing any more.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// A log that this process owns and appends to. Dropping it closes it.
pub struct Ledger {
    dir: PathBuf,
    key: VerifierKey,
    shared: Arc<Shared>,
    /// Gone once the ledger is closed.
    queue: Mutex<Option<mpsc::Sender<Request>>>,
    running: Mutex<Option<Running>>,
}

/// What ends with the ledger. The lock goes after the threads, so nobody else writes while they may.
struct Running {
    threads: [JoinHandle<()>; 2],
    lock: File,
}

impl Ledger {
    /// Opens the log in `dir`, which is made if it is not there (the folder above it must be). `origin` is the log's name,
    /// best an address without `https://`: it stands in every checkpoint for ever.
    ///
    /// What the journal holds is published before this returns, so a log that was killed comes back with every entry that
    /// was acknowledged, and with a checkpoint that covers them.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        dir: &Path,
        origin: &str,
        signer: Box<dyn Signer>,
        memory: Box<dyn Memory>,
        options: Options,
    ) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(RealDisk), dir, origin, signer, memory, options)
    }

    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        origin: &str,
        signer: Box<dyn Signer>,
        memory: Box<dyn Memory>,
        options: Options,
    ) -> Result<Self, OpenError> {
        let Opened { lock, journal, publisher, checkpoint } = open::open(disk, dir, origin, signer, memory, &options)?;
        let key = publisher.key.clone();
        let shared = Arc::new(Shared::new(checkpoint, options.backlog_bytes_max));
        let (sender, queue) = mpsc::channel(options.queue_max.max(1));
        let every = Duration::from_millis(options.publish_ms.min(PUBLISH_MS_MAX));
        let (for_sequencer, for_publisher) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = [
            spawn("ledger journal", dir, move || sequencer::run(journal, queue, &for_sequencer))?,
            spawn("ledger tiles", dir, move || publisher.run(&for_publisher, every))?,
        ];
        let (queue, running) = (Mutex::new(Some(sender)), Mutex::new(Some(Running { threads, lock })));
        Ok(Self { dir: dir.to_owned(), key, shared, queue, running })
    }

    /// Takes an entry; what is given back tells its index once it is on the disk. Does not block.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn append(&self, entry: Vec<u8>) -> Result<Waiting<Appended>, AppendError> {
        let (teller, waiting) = Waiting::new();
        self.try_send(entry, Some(teller))?;
        Ok(waiting)
    }

    /// Takes an entry for which nobody waits. If the ledger stops or the machine dies at once, it may be lost.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn append_relaxed(&self, entry: Vec<u8>) -> Result<(), AppendError> {
        self.try_send(entry, None)
    }

    /// Takes an entry as soon as the queue has room, for what must not be lost to a full queue.
    ///
    /// # Errors
    /// [`AppendError`], but not [`AppendError::Full`].
    pub async fn append_when_room(&self, entry: Vec<u8>) -> Result<Waiting<Appended>, AppendError> {
        let (teller, waiting) = Waiting::new();
        let request = self.request(entry, Some(teller))?;
        self.queue()?.send(request).await.map_err(|_| self.why_stopped())?;
        Ok(waiting)
    }

    /// Appends an entry and blocks this thread until it is on the disk. Not for async code, where it panics.
    ///
    /// # Errors
    /// [`AppendError`], but not [`AppendError::Full`].
    pub fn append_blocking(&self, entry: Vec<u8>) -> Result<Appended, AppendError> {
        let (teller, waiting) = Waiting::new();
        let request = self.request(entry, Some(teller))?;
        self.queue()?.blocking_send(request).map_err(|_| self.why_stopped())?;
        Ok(waiting.wait()?)
    }

    /// Tells a checkpoint that covers all that was acknowledged before this call, without waiting for the next turn.
    pub fn publish(&self) -> Waiting<Checkpoint> {
        let (teller, waiting) = Waiting::new();
        self.shared.ask(teller);
        waiting
    }

    /// The log as it is published now.
    pub fn log(&self) -> Log {
        Log::with(&self.dir, self.shared.checkpoint())
    }

    /// The key by which others verify this log.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// Entries that are on the disk. Those from [`Ledger::log`]'s size on are not published yet.
    pub fn size(&self) -> u64 {
        self.shared.size()
    }

    /// Why the ledger takes nothing any more, if it does not.
    pub fn stopped(&self) -> Option<Stopped> {
        self.shared.stopped()
    }

    /// Makes durable and publishes all that was taken, and gives the folder up. Blocks.
    ///
    /// # Errors
    /// [`Stopped`] if the ledger had stopped or was closed before, or stopped now.
    pub fn close(&self) -> Result<Checkpoint, Stopped> {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Running { threads, lock }) = running.take() {
            for thread in threads {
                // A panic has stopped the ledger already.
                let _ = thread.join();
            }
            drop(lock);
        }
        self.shared.end()
    }

    fn try_send(&self, entry: Vec<u8>, teller: Option<Teller<Appended>>) -> Result<(), AppendError> {
        let request = self.request(entry, teller)?;
        self.queue()?.try_send(request).map_err(|error| match error {
            TrySendError::Full(_) => AppendError::Full,
            TrySendError::Closed(_) => self.why_stopped().into(),
        })
    }

    fn request(&self, entry: Vec<u8>, teller: Option<Teller<Appended>>) -> Result<Request, AppendError> {
        if entry.len() > ENTRY_BYTES_MAX {
            return Err(AppendError::TooLarge { bytes: entry.len() });
        }
        if let Some(stopped) = self.stopped() {
            return Err(stopped.into());
        }
        let leaf = leaf_hash(&entry);
        Ok(Request { leaf: (entry, leaf), teller })
    }

    fn queue(&self) -> Result<mpsc::Sender<Request>, Stopped> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        queue.ok_or_else(|| self.why_stopped())
    }

    fn why_stopped(&self) -> Stopped {
        self.stopped().unwrap_or_else(Stopped::closed)
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("dir", &self.dir).field("key", &self.key).finish_non_exhaustive()
    }
}

fn spawn(name: &str, dir: &Path, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    Ok(thread.map_err(DiskError::at("start a thread for", dir))?)
}

#[cfg(test)]
mod tests;
