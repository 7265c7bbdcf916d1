//! The word index of an encrypted folder: Tantivy's files, each sealed as one piece.
//!
//! A file is opened whole and stays in memory for as long as it is used. Files are written once, by segment, so each is
//! opened once; what the index then takes in memory is its own size.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use seal::Sealer;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, FileSlice, Lock, MmapDirectory, TerminatingWrite,
    WatchCallback, WatchHandle, WritePtr,
};

/// A folder of sealed files.
#[derive(Debug, Clone)]
pub(super) struct SealedDirectory {
    files: MmapDirectory,
    sealer: Sealer,
}

impl SealedDirectory {
    pub fn new(files: MmapDirectory, sealer: Sealer) -> Self {
        Self { files, sealer }
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let sealed = self.files.atomic_read(path)?;
        self.sealer.open(&place(path), &sealed).map_err(|error| OpenReadError::IoError {
            io_error: Arc::new(io::Error::new(io::ErrorKind::InvalidData, error)),
            filepath: path.to_owned(),
        })
    }
}

/// What a file is sealed for: its name in the folder.
fn place(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_vec()
}

impl Directory for SealedDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        Ok(Arc::new(FileSlice::from(self.read(path)?)))
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.files.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.files.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let target = self.files.open_write(path)?;
        let (path, sealer) = (path.to_owned(), self.sealer.clone());
        Ok(BufWriter::new(Box::new(Sealing { path, sealer, text: Vec::new(), target: Some(target) })))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.read(path)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        self.files.atomic_write(path, &self.sealer.seal(&place(path), data)?)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.files.sync_directory()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.files.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.files.watch(callback)
    }
}

/// A file that is sealed when it is whole.
struct Sealing {
    path: PathBuf,
    sealer: Sealer,
    text: Vec<u8>,
    target: Option<WritePtr>,
}

impl Write for Sealing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TerminatingWrite for Sealing {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        let sealed = self.sealer.seal(&place(&self.path), &std::mem::take(&mut self.text))?;
        let mut target = self.target.take().ok_or(io::ErrorKind::NotConnected)?;
        target.write_all(&sealed)?;
        target.terminate()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::words::{Entry, Words};

    fn open(dir: &Path, sealer: &Sealer) -> Words {
        Words::open(dir, Some(sealer.clone()), 1_000, 1, 16 << 20).unwrap()
    }

    #[test]
    fn an_encrypted_index_is_found_again_and_shows_no_word() {
        let dir = tempfile::tempdir().unwrap();
        let sealer = Sealer::of_this_process().unwrap();
        let words = open(dir.path(), &sealer);
        let text = "geheimnis geheimnis".to_owned();
        words.add(vec![Entry { passage: 1, revision: 1, headings: String::new(), text, hash: [1; 16] }]).unwrap();
        words.commit(2).unwrap();
        drop(words);
        let mut files = 0;
        for entry in fs::read_dir(dir.path()).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            files += 1;
            for word in ["geheimnis", "segments", "hash_high"] {
                assert!(!bytes.windows(word.len()).any(|part| part == word.as_bytes()), "{word}");
            }
        }
        assert!(files > 5, "{files}");
        assert_eq!(open(dir.path(), &sealer).next(), 2);
        let other = Sealer::of_this_process().unwrap();
        assert_eq!(open(dir.path(), &other).next(), 1, "one that does not open is built again");
    }
}
