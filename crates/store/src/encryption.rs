//! From a folder and a provider to the folder's keys.
//!
//! What must stay true: a folder is opened as what it is. One that is encrypted is not opened without its key, and one that
//! is not is never taken for one that is, whatever the settings say.

use std::path::Path;

use seal::{Encryption, KeyProvider, Keys, NotOpened};

use crate::database::connect;
use crate::manifest::DATABASE;
use crate::{DataLock, StoreError, restore, turn};

/// The keys of the folder that `lock` owns; `None` if it is not encrypted. A folder without a database that is given a
/// provider becomes an encrypted one, `now`.
///
/// # Errors
/// [`StoreError::Encrypted`], [`StoreError::NotEncrypted`]; [`StoreError::Encryption`] if the key is not to be had. Then
/// nothing was changed.
pub fn unlock(
    dir: &Path,
    _lock: &DataLock,
    provider: Option<&dyn KeyProvider>,
    now: String,
) -> Result<Option<Keys>, StoreError> {
    if restore::is_unfinished(dir) {
        return Err(StoreError::Unfinished { dir: dir.to_owned() });
    }
    turn::finish(dir)?;
    match (Encryption::read(dir)?, provider) {
        (None, None) => Ok(None),
        (Some(encryption), None) => Err(StoreError::Encrypted { provider: encryption.key.provider }),
        (Some(encryption), Some(provider)) => Ok(Some(encryption.unlock(provider)?.keys())),
        (None, Some(_)) if dir.join(DATABASE).exists() => {
            // What is neither empty nor plain says so, rather than that it should be encrypted.
            connect(&dir.join(DATABASE), None)?;
            Err(StoreError::NotEncrypted)
        }
        (None, Some(provider)) => {
            let (encryption, key) = Encryption::begin(provider, now)?;
            encryption.write(dir)?;
            Ok(Some(key.keys()))
        }
    }
}

/// The kind of provider that a folder names, for an error.
pub(crate) fn provider(dir: &Path) -> String {
    Encryption::read(dir).ok().flatten().map_or_else(|| "?".to_owned(), |encryption| encryption.key.provider)
}

/// A small secret as it lies in the file `name`.
///
/// # Errors
/// When the operating system has no random bytes.
pub fn seal_secret(keys: Option<&Keys>, name: &str, text: &str) -> std::io::Result<Vec<u8>> {
    match keys {
        Some(keys) => keys.secrets.seal(name.as_bytes(), text.as_bytes()),
        None => Ok(text.as_bytes().to_vec()),
    }
}

/// The small secret that lies in the file `name` as these bytes.
///
/// # Errors
/// [`NotOpened`] if it was changed, or is of another folder or file.
pub fn open_secret(keys: Option<&Keys>, name: &str, bytes: &[u8]) -> Result<String, NotOpened> {
    let bytes = match keys {
        Some(keys) => keys.secrets.open(name.as_bytes(), bytes)?,
        None => bytes.to_vec(),
    };
    String::from_utf8(bytes).map_err(|_| NotOpened)
}
