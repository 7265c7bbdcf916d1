//! Uploaded files by content.
//!
//! What must stay true: content that is the same lies once. In an encrypted folder a file lies under a keyed hash of its
//! content, so that nobody without the key can tell whether a file that he knows is here, and opens under that name only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use base::ContentHash;
use seal::{Keys, ReadAt, SealedFile, SealedWriter, Sealer};
use sha2::{Digest, Sha256};

use crate::blobs::hash_rest;
use crate::{Blobs, StoreError};

/// A folder of uploaded files.
#[derive(Debug, Clone)]
pub struct Files {
    blobs: Blobs,
    keys: Option<Keys>,
    /// What uploads on their way in are sealed with. They have no name and end with this process, and so does the key.
    passing: Option<Sealer>,
}

impl Files {
    pub(crate) fn open(dir: &Path, keys: Option<Keys>) -> Result<Self, StoreError> {
        let passing = keys.as_ref().map(|_| Sealer::of_this_process()).transpose().map_err(StoreError::io(dir))?;
        Ok(Self { blobs: Blobs::open(dir)?, keys, passing })
    }

    /// Copies what a reader gives in, from its beginning, and gives its hash. `place` is what errors name.
    ///
    /// # Errors
    /// When it cannot be read or the disk says no.
    pub fn take_in(&self, reader: &mut (impl Read + Seek), place: &Path) -> Result<ContentHash, StoreError> {
        let Some(keys) = &self.keys else { return self.blobs.take_in(reader, place) };
        let mut digest = Sha256::new();
        reader.rewind().map_err(StoreError::io(place))?;
        hash_rest(reader, &mut digest).map_err(StoreError::io(place))?;
        let hash = ContentHash::from_bytes(digest.finalize().into());
        let name = self.name(&hash);
        if self.blobs.path(&name).is_some() {
            return Ok(hash);
        }
        reader.rewind().map_err(StoreError::io(place))?;
        let beside = self.blobs.incoming(&name);
        let file = seal_file(reader, &beside, keys, &name).map_err(StoreError::io(&beside))?;
        self.blobs.put(&file, &beside, &name)?;
        Ok(hash)
    }

    /// Opens the file with this hash, if it is here.
    ///
    /// # Errors
    /// When it was changed or is not whole, where it is encrypted; when the disk says no.
    pub fn read(&self, hash: &ContentHash) -> Result<Option<Arc<dyn ReadAt>>, StoreError> {
        match self.blobs.path(&self.name(hash)) {
            Some(path) => self.open_named(&path, &self.name(hash)).map(Some).map_err(StoreError::io(&path)),
            None => Ok(None),
        }
    }

    /// Removes a file. One that is not here is no error.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn remove(&self, hash: &ContentHash) -> Result<(), StoreError> {
        self.blobs.remove(&self.name(hash))
    }

    /// What an upload on its way in is sealed with; `None` where nothing is encrypted.
    pub fn passing(&self) -> Option<&Sealer> {
        self.passing.as_ref()
    }

    /// Every file that is here, as it lies on the disk, by its name there, which tells nothing to whoever has no key.
    pub(crate) fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Whether a file has the content that its name says; gives its bytes as well.
    pub(crate) fn is_whole(&self, name: &ContentHash) -> io::Result<(bool, u64)> {
        let path = self.blobs.path(name).ok_or(io::ErrorKind::NotFound)?;
        let mut digest = Sha256::new();
        let bytes = hash_rest(&mut Whole(self.open_named(&path, name)?, 0), &mut digest)?;
        let hash = ContentHash::from_bytes(digest.finalize().into());
        Ok((self.name(&hash) == *name, bytes))
    }

    /// The file of this name.
    pub(crate) fn by_name(&self, name: &ContentHash) -> Result<Whole, StoreError> {
        let path = self.blobs.path(name).ok_or_else(|| StoreError::Broken(format!("the file `{name}` is gone")))?;
        Ok(Whole(self.open_named(&path, name).map_err(StoreError::io(&path))?, 0))
    }

    fn open_named(&self, path: &Path, name: &ContentHash) -> io::Result<Arc<dyn ReadAt>> {
        let file = File::open(path)?;
        Ok(match &self.keys {
            Some(keys) => Arc::new(SealedFile::open(file, keys.files.clone(), name.as_bytes())?),
            None => Arc::new(file),
        })
    }

    fn name(&self, hash: &ContentHash) -> ContentHash {
        self.keys.as_ref().map_or(*hash, |keys| ContentHash::from_bytes(keys.name(hash.as_bytes())))
    }
}

/// Seals what is left of a reader into a new file, and gives that.
fn seal_file(reader: &mut impl Read, path: &Path, keys: &Keys, name: &ContentHash) -> io::Result<File> {
    // What an interrupted upload left opens nowhere.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut sealed = SealedWriter::new(file, keys.files.clone(), name.as_bytes())?;
    io::copy(reader, &mut sealed)?;
    sealed.finish()
}

/// A file from its beginning to its end.
pub(crate) struct Whole(pub Arc<dyn ReadAt>, pub u64);

impl Read for Whole {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read_at(buffer, self.1)?;
        self.1 += count as u64;
        Ok(count)
    }
}

impl Seek for Whole {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.0.length()?.checked_add_signed(by),
            SeekFrom::Current(by) => self.1.checked_add_signed(by),
        };
        self.1 = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.1)
    }
}
