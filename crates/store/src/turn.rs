//! Turning encryption on and off, for a folder that holds something.
//!
//! Everything that is to change is first made anew beside, in a folder of its own; until that is whole, nothing of the old
//! has changed and what was made is thrown away. It becomes whole by one renaming, and from then on whoever opens the data
//! folder first puts it in place. So a folder that is killed at any moment is what it was or becomes what it should be.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use seal::{Encryption, KeyProvider, Keys};
use serde::Serialize;
use sqlx::sqlite::SqlitePoolOptions;

use crate::backup::{SNAPSHOTS, sync_parent};
use crate::database::connect;
use crate::manifest::{DATABASE, FILES};
use crate::{DataLock, Files, StoreError, encryption, restore, sealed};

/// Where what is to come is made.
const MAKING: &str = "turning.new";
/// The same when it is whole.
const TURNING: &str = "turning";
/// What says in it whether it is for an encrypted folder.
const TO: &str = "to";
/// The small secrets of a folder, each of them in a file of its own.
const SECRETS: &[&str] = &["operator.key", "ledger.key"];
/// What is derived or passing, and is made anew.
const DERIVED: &[&str] = &["index", "incoming", SNAPSHOTS];

/// What was turned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Turned {
    /// Bytes of the database.
    pub database_bytes: u64,
    /// Uploaded files.
    pub files: usize,
}

/// Encrypts the folder that `lock` owns under a new data key that `provider` wraps.
///
/// # Errors
/// [`StoreError`]; the folder is then as it was, or is finished by whoever opens it next.
pub async fn turn_on(
    dir: &Path,
    _lock: &DataLock,
    provider: &dyn KeyProvider,
    now: String,
) -> Result<Turned, StoreError> {
    finish(dir)?;
    if Encryption::read(dir)?.is_some() {
        return Err(StoreError::AlreadyEncrypted);
    }
    begin(dir, None).await?;
    let (encryption, key) = Encryption::begin(provider, now)?;
    let keys = key.keys();
    let making = dir.join(MAKING);
    let (from, to) = (dir.join(DATABASE), making.join(DATABASE));
    sealed::encrypt(&from, &to, &keys.database).map_err(StoreError::io(&to))?;
    let files = turn_files(&Files::open(&dir.join(FILES), None)?, &making.join(FILES), Some(&keys))?;
    turn_secrets(dir, &making, None, Some(&keys))?;
    encryption.write(&making)?;
    commit(dir, true)?;
    Ok(Turned { database_bytes: length(&dir.join(DATABASE))?, files })
}

/// Takes the encryption from the folder that `lock` owns.
///
/// # Errors
/// As [`turn_on`].
pub async fn turn_off(dir: &Path, _lock: &DataLock, provider: &dyn KeyProvider) -> Result<Turned, StoreError> {
    finish(dir)?;
    let Some(encryption) = Encryption::read(dir)? else {
        return Err(StoreError::AlreadyPlain);
    };
    let keys = encryption.unlock(provider)?.keys();
    begin(dir, Some(&keys)).await?;
    let making = dir.join(MAKING);
    let (from, to) = (dir.join(DATABASE), making.join(DATABASE));
    sealed::decrypt(&from, &to, &keys.database).map_err(StoreError::io(&to))?;
    let files = turn_files(&Files::open(&dir.join(FILES), Some(keys.clone()))?, &making.join(FILES), None)?;
    turn_secrets(dir, &making, Some(&keys), None)?;
    commit(dir, false)?;
    Ok(Turned { database_bytes: length(&dir.join(DATABASE))?, files })
}

/// Puts in place what was made whole, and throws away what was not. Nothing is done where neither is there.
pub(crate) fn finish(dir: &Path) -> Result<(), StoreError> {
    let making = dir.join(MAKING);
    remove(&making)?;
    let turning = dir.join(TURNING);
    if !turning.is_dir() {
        return Ok(());
    }
    // Without the word, everything is in its place already.
    if let Ok(to) = fs::read(turning.join(TO)) {
        // The log was folded in before, so nothing is in it; its pages are of the old form.
        for name in DERIVED.iter().copied().chain(["dure.db-wal", "dure.db-shm"]) {
            remove(&dir.join(name))?;
        }
        for name in SECRETS.iter().copied().chain([DATABASE, FILES]) {
            let (from, to) = (turning.join(name), dir.join(name));
            if from.exists() {
                // A file is replaced at once; a folder makes room first.
                if from.is_dir() {
                    remove(&to)?;
                }
                fs::rename(&from, &to).map_err(StoreError::io(&to))?;
            }
        }
        let (from, at) = (turning.join(seal::FILE), dir.join(seal::FILE));
        match to == b"encrypted" {
            true if from.exists() => fs::rename(&from, &at).map_err(StoreError::io(&at))?,
            true => {}
            false => remove(&at)?,
        }
        sync_parent(&at)?;
        fs::remove_file(turning.join(TO)).map_err(StoreError::io(&turning))?;
        File::open(&turning).and_then(|dir| dir.sync_all()).map_err(StoreError::io(&turning))?;
    }
    remove(&turning)?;
    sync_parent(&turning)
}

/// Folds the log into the database, looks whether there is room, and makes the folder beside.
async fn begin(dir: &Path, keys: Option<&Keys>) -> Result<(), StoreError> {
    if restore::is_unfinished(dir) {
        return Err(StoreError::Unfinished { dir: dir.to_owned() });
    }
    let database = dir.join(DATABASE);
    if !database.exists() {
        return Err(StoreError::Broken(format!("`{}` holds no data yet", dir.display())));
    }
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(connect(&database, keys)?).await?;
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&pool).await?;
    pool.close().await;
    let log = dir.join("dure.db-wal");
    if log.metadata().is_ok_and(|log| log.len() > 0) {
        return Err(StoreError::Broken("the database's log could not be folded in".to_owned()));
    }
    let needed = length(&database)? + folder_bytes(&dir.join(FILES))?;
    let room = restore::room(dir)?;
    if needed.saturating_add(needed / 50) > room {
        return Err(StoreError::Full);
    }
    let making = dir.join(MAKING);
    DirBuilder::new().mode(0o700).create(&making).map_err(StoreError::io(&making))
}

/// Copies every file that is in `from` into the folder `to`, encrypted with `keys` or not.
fn turn_files(from: &Files, to: &Path, keys: Option<&Keys>) -> Result<usize, StoreError> {
    let target = Files::open(to, keys.cloned())?;
    let names = from.blobs().list()?;
    for name in &names {
        let mut source = from.by_name(name)?;
        target.take_in(&mut source, to)?;
    }
    Ok(names.len())
}

fn turn_secrets(dir: &Path, to: &Path, old: Option<&Keys>, new: Option<&Keys>) -> Result<(), StoreError> {
    for name in SECRETS {
        let from = dir.join(name);
        let bytes = match fs::read(&from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            read => read.map_err(StoreError::io(&from))?,
        };
        let text = encryption::open_secret(old, name, &bytes);
        let text = text.map_err(|error| StoreError::Broken(format!("`{name}`: {error}")))?;
        let to = to.join(name);
        let write = || -> io::Result<()> {
            let mut file = sealed::create(&to)?;
            file.write_all(&encryption::seal_secret(new, name, &text)?)?;
            file.sync_all()
        };
        write().map_err(StoreError::io(&to))?;
    }
    Ok(())
}

/// Makes what was made the folder's future.
fn commit(dir: &Path, on: bool) -> Result<(), StoreError> {
    let making = dir.join(MAKING);
    let write = || -> io::Result<()> {
        let mut file = sealed::create(&making.join(TO))?;
        file.write_all(if on { b"encrypted" } else { b"plain" })?;
        file.sync_all()?;
        File::open(&making)?.sync_all()
    };
    write().map_err(StoreError::io(&making))?;
    let turning = dir.join(TURNING);
    fs::rename(&making, &turning).map_err(StoreError::io(&turning))?;
    sync_parent(&turning)?;
    finish(dir)
}

fn remove(path: &Path) -> Result<(), StoreError> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io(path)(error)),
        _ => Ok(()),
    }
}

fn length(path: &Path) -> Result<u64, StoreError> {
    Ok(path.metadata().map_err(StoreError::io(path))?.len())
}

fn folder_bytes(dir: &Path) -> Result<u64, StoreError> {
    let mut folders: Vec<PathBuf> = vec![dir.to_owned()];
    let mut bytes = 0;
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(StoreError::io(&folder))?,
        };
        for entry in entries {
            let entry = entry.map_err(StoreError::io(&folder))?;
            let metadata = entry.metadata().map_err(StoreError::io(entry.path()))?;
            if metadata.is_dir() { folders.push(entry.path()) } else { bytes += metadata.len() }
        }
    }
    Ok(bytes)
}
