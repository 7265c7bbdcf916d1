//! The second place: the highest checkpoint that was signed, kept apart from the log's folder.
//!
//! A folder that was put back from an older copy looks right by itself. Only who remembers more can tell.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{self, Disk, DiskError, RealDisk};
use crate::note::NOTE_BYTES_MAX;

/// Why the second place did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("the memory of the highest checkpoint: {reason}")]
pub struct MemoryError {
    reason: String,
}

impl MemoryError {
    /// With the reason in the memory's words.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl From<DiskError> for MemoryError {
    fn from(error: DiskError) -> Self {
        Self::new(error.to_string())
    }
}

/// Remembers one text: the last checkpoint that was signed.
pub trait Memory: Send {
    /// The checkpoint that was remembered last, if any was.
    ///
    /// # Errors
    /// When that cannot be told. The ledger does not open then.
    fn recall(&self) -> Result<Option<String>, MemoryError>;

    /// Remembers a checkpoint in the place of the one before, durably. It is asked before anybody else sees it.
    ///
    /// # Errors
    /// When that did not succeed. The ledger stops then, and does not show the checkpoint.
    fn remember(&mut self, checkpoint: &str) -> Result<(), MemoryError>;
}

/// A file as memory: best on another disk than the log, and not in its backup.
#[derive(Debug)]
pub struct FileMemory {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    /// Two copies of a log that share a memory must not both run.
    _lock: File,
}

impl FileMemory {
    /// Opens the memory at `path`, whose folder is there, for this process alone. A file `path` with `.lock` behind its
    /// name lies beside it.
    ///
    /// # Errors
    /// When another process has it, or the disk says no.
    pub fn open(path: &Path) -> Result<Self, MemoryError> {
        Self::open_on(path, Arc::new(RealDisk))
    }

    pub(crate) fn open_on(path: &Path, disk: Arc<dyn Disk>) -> Result<Self, MemoryError> {
        let lock = beside(path, "lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&lock);
        let file = file.map_err(DiskError::at("open", &lock))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), disk, _lock: file }),
            Err(TryLockError::WouldBlock) => {
                Err(MemoryError::new(format!("`{}` is in use by another process", path.display())))
            }
            Err(TryLockError::Error(error)) => Err(DiskError::at("lock", &lock)(error).into()),
        }
    }
}

impl Memory for FileMemory {
    fn recall(&self) -> Result<Option<String>, MemoryError> {
        let Some(bytes) = disk::read(&self.path, NOTE_BYTES_MAX)? else { return Ok(None) };
        let text = String::from_utf8(bytes);
        text.map(Some).map_err(|_| MemoryError::new(format!("`{}` is no text", self.path.display())))
    }

    fn remember(&mut self, checkpoint: &str) -> Result<(), MemoryError> {
        disk::replace(&*self.disk, &self.path, &beside(&self.path, "new"), checkpoint.as_bytes())?;
        Ok(())
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("highest");
        let mut memory = FileMemory::open(&path).unwrap();
        assert_eq!(memory.recall().unwrap(), None);
        memory.remember("first").unwrap();
        memory.remember("second").unwrap();
        assert!(FileMemory::open(&path).unwrap_err().to_string().contains("in use"));
        drop(memory);
        assert_eq!(FileMemory::open(&path).unwrap().recall().unwrap().as_deref(), Some("second"));
    }

    #[test]
    fn what_is_no_text_is_no_memory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("highest");
        std::fs::write(&path, [0xff; 10]).unwrap();
        FileMemory::open(&path).unwrap().recall().unwrap_err();
        std::fs::write(&path, vec![b'x'; NOTE_BYTES_MAX + 1]).unwrap();
        FileMemory::open(&path).unwrap().recall().unwrap_err();
    }
}
