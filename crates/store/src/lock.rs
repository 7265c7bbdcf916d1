//! Who owns the data folder.
//!
//! The lock is the operating system's own (`flock`), so it goes with the process however that ends. The file's
//! text is only for readers: it says which process owns the folder, and where its API listens if it does.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::StoreError;

const FILE: &str = "dure.lock";

/// What a lock file says of its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The owner's process id.
    pub pid: u32,
    /// Where its API listens; absent while it does not.
    pub address: Option<SocketAddr>,
}

/// The ownership of one data folder, given up when dropped.
#[derive(Debug)]
pub struct DataLock {
    file: File,
    path: PathBuf,
}

impl DataLock {
    /// Takes the folder, making it (readable by its owner alone) if it is not there.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another process has it.
    pub fn take(dir: &Path) -> Result<Self, StoreError> {
        make_private_dir(dir)?;
        let path = dir.join(FILE);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(StoreError::io(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = read_owner(&path).map_or(0, |owner| owner.pid);
                return Err(StoreError::InUse { dir: dir.to_owned(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io(&path)(error)),
        }
        let mut lock = Self { file, path };
        lock.announce(None)?;
        Ok(lock)
    }

    /// Writes down where this process's API listens.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn announce(&mut self, address: Option<SocketAddr>) -> Result<(), StoreError> {
        let owner = Owner { pid: std::process::id(), address };
        let text = serde_json::to_string(&owner).map_err(|error| StoreError::Broken(error.to_string()))?;
        let write = |file: &mut File| -> std::io::Result<()> {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(text.as_bytes())
        };
        write(&mut self.file).map_err(StoreError::io(&self.path))
    }

    /// The process that owns `dir` now, if one does.
    ///
    /// # Errors
    /// When the lock file is there but cannot be opened.
    pub fn owner(dir: &Path) -> Result<Option<Owner>, StoreError> {
        let path = dir.join(FILE);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io(&path)(error)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(read_owner(&path).unwrap_or(Owner { pid: 0, address: None }))),
            Err(TryLockError::Error(error)) => Err(StoreError::io(&path)(error)),
        }
    }
}

fn read_owner(path: &Path) -> Option<Owner> {
    let mut text = String::new();
    File::open(path).ok()?.take(4096).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn make_private_dir(dir: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(StoreError::io(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_refused_and_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut lock = DataLock::take(dir.path()).unwrap();
        let address = "127.0.0.1:7400".parse().unwrap();
        lock.announce(Some(address)).unwrap();
        let owner = DataLock::owner(dir.path()).unwrap().unwrap();
        assert_eq!(owner, Owner { pid: std::process::id(), address: Some(address) });
        assert!(matches!(DataLock::take(dir.path()), Err(StoreError::InUse { pid, .. }) if pid == owner.pid));
        drop(lock);
        assert_eq!(DataLock::owner(dir.path()).unwrap(), None);
        DataLock::take(dir.path()).unwrap();
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_owner() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(DataLock::owner(&dir.path().join("none")).unwrap(), None);
    }
}
