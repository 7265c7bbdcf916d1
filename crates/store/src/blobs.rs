//! Large files by content: model weights first of all.
//!
//! A blob appears under its hash whole or not at all: it is written beside, hashed, made durable, renamed. What
//! was interrupted stays beside under the hash that is expected of it, and can be gone on with.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use base::ContentHash;
use sha2::{Digest, Sha256};

use crate::StoreError;

/// A folder of files named by their SHA-256.
#[derive(Debug, Clone)]
pub struct Blobs {
    dir: PathBuf,
}

/// A blob on its way in. Dropped unfinished, what arrived stays and is gone on with next time.
#[derive(Debug)]
pub struct PartialBlob {
    blobs: Blobs,
    expected: ContentHash,
    path: PathBuf,
    file: File,
    digest: Sha256,
    length: u64,
}

impl Blobs {
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(dir.join("incoming")).map_err(StoreError::io(dir))?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// The path of the blob with this hash, if it is here.
    pub fn path(&self, hash: &ContentHash) -> Option<PathBuf> {
        let path = self.place(hash);
        path.is_file().then_some(path)
    }

    /// Goes on with the blob that is to have this hash, or begins it.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn resume(&self, expected: ContentHash) -> Result<PartialBlob, StoreError> {
        let path = self.incoming(&expected);
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(StoreError::io(&path))?;
        let mut digest = Sha256::new();
        let length = hash_rest(&mut file, &mut digest).map_err(StoreError::io(&path))?;
        Ok(PartialBlob { blobs: self.clone(), expected, path, file, digest, length })
    }

    /// Copies a file in, whatever its hash is, and gives the hash.
    ///
    /// # Errors
    /// When the file cannot be read or the disk says no.
    pub fn import(&self, source: &Path) -> Result<ContentHash, StoreError> {
        let mut reader = File::open(source).map_err(StoreError::io(source))?;
        self.take_in(&mut reader, source)
    }

    /// Copies what a reader gives in, from its beginning, and gives the hash. `place` is what errors name.
    ///
    /// # Errors
    /// When it cannot be read or the disk says no.
    pub fn take_in(&self, reader: &mut (impl Read + Seek), place: &Path) -> Result<ContentHash, StoreError> {
        let mut digest = Sha256::new();
        reader.rewind().map_err(StoreError::io(place))?;
        hash_rest(reader, &mut digest).map_err(StoreError::io(place))?;
        let hash = ContentHash::from_bytes(digest.finalize().into());
        if self.path(&hash).is_some() {
            return Ok(hash);
        }
        let mut partial = self.resume(hash)?;
        partial.restart()?;
        reader.rewind().map_err(StoreError::io(place))?;
        io::copy(reader, &mut partial).map_err(StoreError::io(place))?;
        partial.finish()?;
        Ok(hash)
    }

    /// Every blob that is here, by its hash. Files of other names are no blobs.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn list(&self) -> Result<Vec<ContentHash>, StoreError> {
        let mut found = Vec::new();
        for shelf in fs::read_dir(&self.dir).map_err(StoreError::io(&self.dir))? {
            let shelf = shelf.map_err(StoreError::io(&self.dir))?;
            if shelf.file_name().len() != 2 {
                continue;
            }
            for file in fs::read_dir(shelf.path()).map_err(StoreError::io(shelf.path()))? {
                let name = file.map_err(StoreError::io(shelf.path()))?.file_name();
                let hash = name.to_str().and_then(|name| name.parse::<ContentHash>().ok());
                found.extend(hash.filter(|hash| self.path(hash).is_some()));
            }
        }
        found.sort();
        Ok(found)
    }

    /// Opens every blob that is here and not yet among `opened`.
    pub(crate) fn open_all(&self, opened: &mut Vec<(ContentHash, File)>) -> Result<(), StoreError> {
        for hash in self.list()? {
            if opened.iter().any(|(known, _)| *known == hash) {
                continue;
            }
            match File::open(self.place(&hash)) {
                Ok(file) => opened.push((hash, file)),
                // Removed since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StoreError::io(self.place(&hash))(error)),
            }
        }
        Ok(())
    }

    /// Removes a blob. One that is not here is no error.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn remove(&self, hash: &ContentHash) -> Result<(), StoreError> {
        for path in [self.place(hash), self.incoming(hash)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(StoreError::io(&path)(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Where what is on its way in is written.
    pub(crate) fn incoming(&self, name: &ContentHash) -> PathBuf {
        self.dir.join("incoming").join(name.to_string())
    }

    /// Makes a whole file durable and gives it its name.
    pub(crate) fn put(&self, file: &File, from: &Path, name: &ContentHash) -> Result<PathBuf, StoreError> {
        file.sync_all().map_err(StoreError::io(from))?;
        let place = self.place(name);
        let parent = self.dir.join(&name.to_string()[..2]);
        fs::create_dir_all(&parent).map_err(StoreError::io(&parent))?;
        fs::rename(from, &place).map_err(StoreError::io(&place))?;
        for dir in [&parent, &self.dir] {
            File::open(dir).and_then(|dir| dir.sync_all()).map_err(StoreError::io(dir))?;
        }
        Ok(place)
    }

    fn place(&self, hash: &ContentHash) -> PathBuf {
        let name = hash.to_string();
        self.dir.join(&name[..2]).join(name)
    }
}

pub(crate) fn hash_rest(reader: &mut impl Read, digest: &mut Sha256) -> io::Result<u64> {
    let mut buffer = vec![0; 1 << 20];
    let mut length = 0;
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(length),
            count => {
                digest.update(&buffer[..count]);
                length += count as u64;
            }
        }
    }
}

impl PartialBlob {
    /// Bytes that are here already.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Throws away what is here and begins again.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn restart(&mut self) -> Result<(), StoreError> {
        self.file.set_len(0).map_err(StoreError::io(&self.path))?;
        self.digest = Sha256::new();
        self.length = 0;
        Ok(())
    }

    /// Puts the blob in its place if it is what was expected; otherwise what arrived is thrown away.
    ///
    /// # Errors
    /// [`StoreError::WrongContent`] if the hash is another.
    pub fn finish(mut self) -> Result<PathBuf, StoreError> {
        let found = ContentHash::from_bytes(std::mem::take(&mut self.digest).finalize().into());
        if found != self.expected {
            self.restart()?;
            return Err(StoreError::WrongContent { expected: self.expected, found });
        }
        self.blobs.put(&self.file, &self.path, &self.expected)
    }
}

impl Write for PartialBlob {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.digest.update(&bytes[..count]);
        self.length += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_blob_is_gone_on_with() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path()).unwrap();
        let hash = ContentHash::of(b"first second");
        let mut partial = blobs.resume(hash).unwrap();
        partial.write_all(b"first ").unwrap();
        drop(partial);
        assert_eq!(blobs.path(&hash), None);
        let mut partial = blobs.resume(hash).unwrap();
        assert_eq!(partial.length(), 6);
        partial.write_all(b"second").unwrap();
        let path = partial.finish().unwrap();
        assert_eq!(fs::read(path).unwrap(), b"first second");
        assert!(blobs.path(&hash).is_some());
    }

    #[test]
    fn other_bytes_than_expected_never_get_the_name() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path()).unwrap();
        let hash = ContentHash::of(b"right");
        let mut partial = blobs.resume(hash).unwrap();
        partial.write_all(b"wrong").unwrap();
        assert!(matches!(partial.finish(), Err(StoreError::WrongContent { .. })));
        assert_eq!(blobs.path(&hash), None);
        assert_eq!(blobs.resume(hash).unwrap().length(), 0);
    }

    #[test]
    fn a_file_taken_in_twice_is_kept_once_and_can_be_removed() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path()).unwrap();
        let file = dir.path().join("model.gguf");
        fs::write(&file, b"weights").unwrap();
        let hash = blobs.import(&file).unwrap();
        assert_eq!(blobs.import(&file).unwrap(), hash);
        blobs.remove(&hash).unwrap();
        blobs.remove(&hash).unwrap();
        assert_eq!(blobs.path(&hash), None);
    }
}
