//! A master key in a file: 32 random bytes, readable by their owner alone, outside of the data folder.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use super::{KeyError, KeyProvider, WrappedKey, place, short_id};
use crate::{DataKey, Sealer};

const BYTES: usize = 32;

/// The master key of a file.
pub struct KeyFile {
    sealer: Sealer,
    id: String,
}

impl KeyFile {
    /// Reads the key in `path`, which may not lie in `data`: who takes the folder away must not have the key as well.
    ///
    /// # Errors
    /// [`KeyError::Unreadable`]; [`KeyError::Unusable`] if it is no such key, or others may read it.
    pub fn read(path: &Path, data: &Path) -> Result<Self, KeyError> {
        let unreadable = |source| KeyError::Unreadable { path: path.to_owned(), source };
        let unusable = |what: &str| Err(KeyError::Unusable(format!("the master key in `{}` {what}", path.display())));
        let place = path.canonicalize().map_err(unreadable)?;
        if data.canonicalize().is_ok_and(|data| place.starts_with(data)) {
            return unusable("lies in the data folder that it is to protect");
        }
        let file = File::open(&place).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return unusable("is no file");
        }
        let mode = metadata.permissions().mode();
        if mode & 0o077 != 0 {
            return unusable("may be read by others than its owner: chmod 600");
        }
        let me = rustix::process::geteuid().as_raw();
        if metadata.uid() != me && metadata.uid() != 0 {
            return unusable("belongs to another user");
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES + 1));
        file.take(BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.iter().all(|byte| Some(byte) == bytes.first()) {
            return unusable("is not random");
        }
        // 32 random bytes, as a data key is, with the same way to say which they are.
        let Some(master) = DataKey::from_slice(&bytes) else { return unusable("is not exactly 32 bytes long") };
        Ok(Self { sealer: Sealer::new(master.as_bytes()), id: short_id(&master.check()) })
    }
}

impl KeyProvider for KeyFile {
    fn kind(&self) -> &'static str {
        "file"
    }

    fn wrap(&self, key: &DataKey) -> Result<WrappedKey, KeyError> {
        let sealed = self.sealer.seal(&place(self.kind(), &self.id), key.as_bytes());
        let sealed = sealed.map_err(|error| KeyError::Unusable(error.to_string()))?;
        Ok(WrappedKey { provider: self.kind().to_owned(), key_id: self.id.clone(), wrapped: BASE64.encode(sealed) })
    }

    fn unwrap(&self, wrapped: &WrappedKey) -> Result<DataKey, KeyError> {
        if wrapped.key_id != self.id {
            return Err(KeyError::OtherKey { wrapped: wrapped.key_id.clone(), given: self.id.clone() });
        }
        open(&self.sealer, &place(self.kind(), &self.id), &wrapped.wrapped, "by another master key")
    }
}

/// Opens a data key that was sealed as one piece.
pub(super) fn open(sealer: &Sealer, place: &[u8], sealed: &str, or: &'static str) -> Result<DataKey, KeyError> {
    let opened = BASE64.decode(sealed).ok().and_then(|sealed| sealer.open(place, &sealed).ok()).map(Zeroizing::new);
    opened.and_then(|bytes| DataKey::from_slice(&bytes)).ok_or(KeyError::NotUnwrapped(or))
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyFile").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(dir: &Path, name: &str, bytes: &[u8], mode: u32) -> std::path::PathBuf {
        let path = dir.join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn key(first: u8) -> Vec<u8> {
        (first..first + 32).collect()
    }

    #[test]
    fn a_key_comes_back_and_another_master_key_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let mine = KeyFile::read(&write(dir.path(), "mine", &key(1), 0o600), &data).unwrap();
        let other = KeyFile::read(&write(dir.path(), "other", &key(2), 0o400), &data).unwrap();
        let data_key = DataKey::random().unwrap();
        let wrapped = mine.wrap(&data_key).unwrap();
        assert_eq!(mine.unwrap(&wrapped).unwrap().as_bytes(), data_key.as_bytes());
        assert!(matches!(other.unwrap(&wrapped), Err(KeyError::OtherKey { .. })));
        let claimed = WrappedKey { key_id: other.id.clone(), ..wrapped.clone() };
        assert!(matches!(other.unwrap(&claimed), Err(KeyError::NotUnwrapped(_))));
        let broken = WrappedKey { wrapped: "no base64!".to_owned(), ..wrapped };
        assert!(matches!(mine.unwrap(&broken), Err(KeyError::NotUnwrapped(_))));
    }

    #[test]
    fn what_is_no_key_or_no_secret_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        for (name, path) in [
            ("others may read", write(dir.path(), "open", &key(1), 0o644)),
            ("its group may read", write(dir.path(), "group", &key(1), 0o640)),
            ("short", write(dir.path(), "short", &key(1)[1..], 0o600)),
            ("long", write(dir.path(), "long", &[key(1), key(1)].concat(), 0o600)),
            ("not random", write(dir.path(), "zero", &[0; 32], 0o600)),
            ("in the data folder", write(&data, "inside", &key(1), 0o600)),
            ("a folder", dir.path().to_owned()),
        ] {
            assert!(matches!(KeyFile::read(&path, &data), Err(KeyError::Unusable(_))), "{name}");
        }
        std::os::unix::fs::symlink(data.join("inside"), dir.path().join("link")).unwrap();
        assert!(KeyFile::read(&dir.path().join("link"), &data).is_err(), "a link into the data folder");
        assert!(matches!(KeyFile::read(&dir.path().join("none"), &data), Err(KeyError::Unreadable { .. })));
    }
}
