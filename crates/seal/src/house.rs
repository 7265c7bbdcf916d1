//! What a folder says of its encryption: one small file with the wrapped data key.
//!
//! What must stay true: the file is there if and only if the folder is encrypted; it is replaced whole or not at all, and
//! only by one whose key was unwrapped again before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{DataKey, KeyError, KeyProvider, WrappedKey};

/// The file's name, in the data folder and in a backup.
pub const FILE: &str = "encryption.json";
const FORMAT: u32 = 1;
const BYTES_MAX: u64 = 64 << 10;

/// How a folder is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encryption {
    format: u32,
    /// When it was turned on.
    pub since: String,
    /// When its key was wrapped as it is now.
    pub wrapped_at: String,
    /// The wrapped data key.
    pub key: WrappedKey,
    /// What the right data key says of itself.
    check: String,
}

/// Why a folder's encryption cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EncryptionError {
    /// The file is there and is none.
    #[error("`{FILE}` cannot be used: {0}")]
    Broken(String),
    /// The provider gave no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The provider gave a key, and it is not this folder's.
    #[error("the provider gave a data key that is not this folder's")]
    OtherDataKey,
    /// The disk said no.
    #[error("`{FILE}`: {0}")]
    Io(#[from] io::Error),
}

impl Encryption {
    /// Reads what the folder says; `None` if it is not encrypted.
    ///
    /// # Errors
    /// [`EncryptionError::Broken`]; when the disk says no.
    pub fn read(dir: &Path) -> Result<Option<Self>, EncryptionError> {
        let mut text = String::new();
        match File::open(dir.join(FILE)) {
            Ok(file) => file.take(BYTES_MAX).read_to_string(&mut text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let read: Self = serde_json::from_str(&text).map_err(|error| EncryptionError::Broken(error.to_string()))?;
        if read.format != FORMAT {
            return Err(EncryptionError::Broken("a newer program wrote it".to_owned()));
        }
        Ok(Some(read))
    }

    /// Makes a new data key and wraps it. Nothing is written.
    ///
    /// # Errors
    /// As [`KeyProvider::wrap`] and [`KeyProvider::unwrap`].
    pub fn begin(provider: &dyn KeyProvider, now: String) -> Result<(Self, DataKey), EncryptionError> {
        let key = DataKey::random()?;
        Ok((Self::wrap(&key, provider, now.clone(), now)?, key))
    }

    /// The data key.
    ///
    /// # Errors
    /// As [`KeyProvider::unwrap`]; [`EncryptionError::OtherDataKey`].
    pub fn unlock(&self, provider: &dyn KeyProvider) -> Result<DataKey, EncryptionError> {
        if self.key.provider != provider.kind() {
            let wrapped = self.key.provider.clone();
            return Err(KeyError::OtherProvider { wrapped, named: provider.kind() }.into());
        }
        let key = provider.unwrap(&self.key)?;
        if hex::encode(key.check()) != self.check {
            return Err(EncryptionError::OtherDataKey);
        }
        Ok(key)
    }

    /// The same data key, wrapped by `new`. Nothing is written.
    ///
    /// # Errors
    /// As [`Encryption::unlock`] and [`Encryption::begin`].
    pub fn rewrap(&self, old: &dyn KeyProvider, new: &dyn KeyProvider, now: String) -> Result<Self, EncryptionError> {
        Self::wrap(&self.unlock(old)?, new, self.since.clone(), now)
    }

    /// Puts it in the place of what the folder said before.
    ///
    /// # Errors
    /// When the disk says no; then what was said before still holds.
    pub fn write(&self, dir: &Path) -> Result<(), EncryptionError> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| EncryptionError::Broken(error.to_string()))?;
        let beside = dir.join(format!("{FILE}.new"));
        let _ = fs::remove_file(&beside);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&beside, dir.join(FILE))?;
        Ok(File::open(dir)?.sync_all()?)
    }

    fn wrap(key: &DataKey, provider: &dyn KeyProvider, since: String, now: String) -> Result<Self, EncryptionError> {
        let check = hex::encode(key.check());
        let made = Self { format: FORMAT, since, wrapped_at: now, key: provider.wrap(key)?, check };
        // A key that cannot be unwrapped again would be lost with the folder that it encrypts.
        made.unlock(provider)?;
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says that it wraps, and gives another key back.
    #[derive(Debug)]
    struct Forgetful;

    impl KeyProvider for Forgetful {
        fn kind(&self) -> &'static str {
            "forgetful"
        }

        fn wrap(&self, _: &DataKey) -> Result<WrappedKey, KeyError> {
            Ok(WrappedKey { provider: "forgetful".to_owned(), key_id: "1".to_owned(), wrapped: "1".to_owned() })
        }

        fn unwrap(&self, _: &WrappedKey) -> Result<DataKey, KeyError> {
            Ok(DataKey::from_slice(&[9; 32]).unwrap())
        }
    }

    fn passphrase(text: &str) -> crate::provider::Passphrase {
        crate::provider::Passphrase::new(text.to_owned().into()).unwrap()
    }

    #[test]
    fn a_folder_keeps_its_key_when_the_master_key_changes() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Encryption::read(dir.path()).unwrap(), None);
        let (old, new) = (passphrase("the passphrase of before"), passphrase("the passphrase from now on"));
        let (made, key) = Encryption::begin(&old, "now".to_owned()).unwrap();
        made.write(dir.path()).unwrap();
        let read = Encryption::read(dir.path()).unwrap().unwrap();
        assert_eq!(read, made);
        read.rewrap(&old, &new, "later".to_owned()).unwrap().write(dir.path()).unwrap();
        let read = Encryption::read(dir.path()).unwrap().unwrap();
        assert_eq!(read.unlock(&new).unwrap().as_bytes(), key.as_bytes());
        assert!(read.unlock(&old).is_err());
        assert_eq!((read.since.as_str(), read.wrapped_at.as_str()), ("now", "later"));
    }

    #[test]
    fn a_key_that_does_not_come_back_is_never_used() {
        assert!(matches!(Encryption::begin(&Forgetful, String::new()), Err(EncryptionError::OtherDataKey)));
        let (made, _) = Encryption::begin(&passphrase("a passphrase of words"), String::new()).unwrap();
        let other = made.unlock(&Forgetful).unwrap_err();
        assert!(matches!(other, EncryptionError::Key(KeyError::OtherProvider { .. })), "{other}");
    }

    #[test]
    fn what_is_broken_is_not_taken_for_a_plain_folder() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "{}", "{\"format\":1", &"x".repeat(100_000)] {
            fs::write(dir.path().join(FILE), text).unwrap();
            assert!(matches!(Encryption::read(dir.path()), Err(EncryptionError::Broken(_))), "{text:.20}");
        }
        let (mut made, _) = Encryption::begin(&passphrase("a passphrase of words"), String::new()).unwrap();
        made.format = 2;
        made.write(dir.path()).unwrap();
        assert!(matches!(Encryption::read(dir.path()), Err(EncryptionError::Broken(_))));
    }
}
