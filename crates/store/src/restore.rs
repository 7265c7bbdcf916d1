//! From a backup to a data folder.
//!
//! What must stay true: a folder is either restored whole, from a backup of which every byte was compared with its
//! manifest, or it is not there at all; what is interrupted can be repeated; nothing that was there is written over.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base::ContentHash;
use seal::{Encryption, KeyProvider};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::sqlite::SqlitePoolOptions;

use crate::backup::{BackupProgress, Tell, sync_parent};
use crate::database::connect;
use crate::manifest::{DATABASE, FILES, MANIFEST, MANIFEST_BYTES_MAX, POLICY, SMALL_FILES};
use crate::steps;
use crate::{BackupError, DataLock, Manifest, ManifestFile, Schema, StoreError};

/// Where a backup is unpacked and checked. As long as it is there without a database beside it, the folder is not
/// restored: the database is what takes its place last.
const RESTORING: &str = "restoring";
const LOCK: &str = "dure.lock";
/// What a decoder may hold in memory at most: 2^27 bytes, more than our backups ask for.
const WINDOW_LOG_MAX: u32 = 27;
/// What may follow the last file: the archive's own end, padded.
const TAIL_BYTES_MAX: u64 = 1 << 20;

/// A backup that was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoreReport {
    /// The folder.
    pub dir: PathBuf,
    /// The version that wrote the backup.
    pub program: String,
    /// When that was.
    pub created: String,
    /// Its files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Whether the models' files were in it.
    pub models: bool,
}

/// Restores the backup `archive` into the empty folder `dir`, for a program that knows `schemas`. One of an encrypted
/// folder needs the `provider` that wrapped its key.
///
/// # Errors
/// [`BackupError`]; then the folder is as empty as it was, but for what the next try clears away.
pub async fn restore(
    archive: &Path,
    dir: &Path,
    schemas: &[Schema],
    provider: Option<&dyn KeyProvider>,
    tell: Tell,
) -> Result<RestoreReport, BackupError> {
    refuse_unless_empty(dir)?;
    let lock = DataLock::take(dir)?;
    // Somebody may have been quicker.
    refuse_unless_empty(dir)?;
    clear(dir)?;
    let unpacked = dir.join(RESTORING);
    let manifest = {
        let (archive, unpacked) = (archive.to_owned(), unpacked.clone());
        let work = move || unpack(&archive, &unpacked, &tell);
        tokio::task::spawn_blocking(work).await.map_err(|_| BackupError::Stopped)?
    };
    let manifest = match manifest {
        Ok(manifest) => manifest,
        Err(error) => {
            clear(dir)?;
            return Err(error);
        }
    };
    if let Err(error) = check_database(&unpacked, schemas, provider).await {
        clear(dir)?;
        return Err(error);
    }
    put_in_place(dir, &manifest)?;
    drop(lock);
    Ok(RestoreReport {
        dir: dir.to_owned(),
        files: manifest.files.len(),
        bytes: manifest.bytes().unwrap_or(u64::MAX),
        program: manifest.program,
        created: manifest.created,
        models: manifest.models,
    })
}

/// Whether a restore into this folder was interrupted, so that it must be repeated before anything else.
pub(crate) fn is_unfinished(dir: &Path) -> bool {
    dir.join(RESTORING).exists() && !dir.join(DATABASE).exists()
}

/// Takes away the empty shelves that a restore leaves if it is killed right after its end.
pub(crate) fn clear_finished(dir: &Path) {
    if dir.join(DATABASE).exists() {
        let _ = fs::remove_dir_all(dir.join(RESTORING));
    }
}

/// What an interrupted restore may have left, apart from what is still being unpacked.
fn leftovers() -> impl Iterator<Item = &'static str> {
    SMALL_FILES.iter().copied().chain(["blobs", FILES, POLICY])
}

fn refuse_unless_empty(dir: &Path) -> Result<(), BackupError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreError::io(dir)(error).into()),
    };
    let unfinished = is_unfinished(dir);
    for entry in entries {
        let name = entry.map_err(StoreError::io(dir))?.file_name();
        let ours = name == LOCK || unfinished && (name == RESTORING || leftovers().any(|left| name == left));
        if !ours {
            let found = name.to_string_lossy().into_owned();
            return Err(BackupError::NotEmpty { dir: dir.to_owned(), found });
        }
    }
    Ok(())
}

/// Takes away what an interrupted restore left.
fn clear(dir: &Path) -> Result<(), StoreError> {
    if !is_unfinished(dir) {
        return Ok(());
    }
    for name in leftovers().chain([RESTORING]) {
        let path = dir.join(name);
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(StoreError::io(&path)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Unpacks a backup, comparing every byte with its manifest.
fn unpack(archive: &Path, into: &Path, tell: &Tell) -> Result<Manifest, BackupError> {
    make_dir(into)?;
    let file = File::open(archive).map_err(StoreError::io(archive))?;
    let mut decoder = zstd::Decoder::new(BufReader::new(file)).map_err(StoreError::io(archive))?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(StoreError::io(archive))?;
    let mut tar = tar::Archive::new(decoder);
    // Raw: an entry that is only a long name or an attribute for the next one is not one of ours.
    let mut entries = tar.entries().map_err(damaged)?.raw(true);
    let manifest = read_manifest(entries.next())?;
    let total = manifest.bytes().unwrap_or(u64::MAX);
    refuse_without_room(into, total)?;
    let mut done = 0;
    for file in &manifest.files {
        let entry = entries.next().ok_or_else(|| BackupError::Damaged(format!("`{}` is missing", file.path)))?;
        let mut entry = expected(entry, &file.path, file.bytes)?;
        copy(&mut entry, file, into, |bytes| {
            done += bytes;
            tell(BackupProgress { phase: "files", bytes_done: done, bytes_total: total });
        })?;
    }
    match entries.next() {
        None => {}
        Some(Ok(_)) => return Err(BackupError::Damaged("it holds more than its manifest names".to_owned())),
        Some(Err(error)) => return Err(damaged(error)),
    }
    // The archive's end is padding; reading it through is what compares the last block with its checksum.
    let mut tail = tar.into_inner().take(TAIL_BYTES_MAX + 1);
    if io::copy(&mut tail, &mut io::sink()).map_err(damaged)? > TAIL_BYTES_MAX {
        return Err(BackupError::Damaged("it goes on after its end".to_owned()));
    }
    Ok(manifest)
}

fn damaged(error: io::Error) -> BackupError {
    BackupError::Damaged(match error.kind() {
        io::ErrorKind::UnexpectedEof => "it breaks off".to_owned(),
        _ => error.to_string(),
    })
}

/// An entry, if it is the plain file of this name and size.
fn expected<'a, R: Read>(
    entry: io::Result<tar::Entry<'a, R>>,
    path: &str,
    bytes: u64,
) -> Result<tar::Entry<'a, R>, BackupError> {
    let entry = entry.map_err(damaged)?;
    let header = entry.header();
    let same = header.entry_type() == tar::EntryType::Regular
        && *entry.path_bytes() == *path.as_bytes()
        && header.entry_size().is_ok_and(|size| size == bytes);
    if same { Ok(entry) } else { Err(BackupError::Damaged(format!("something else stands where `{path}` should be"))) }
}

fn read_manifest<R: Read>(entry: Option<io::Result<tar::Entry<'_, R>>>) -> Result<Manifest, BackupError> {
    let entry = entry.ok_or_else(|| BackupError::Damaged("it is empty".to_owned()))?;
    let size = match &entry {
        Ok(entry) => entry.header().entry_size().map_err(damaged)?,
        Err(_) => 0,
    };
    let entry = expected(entry, MANIFEST, size)?;
    if size > MANIFEST_BYTES_MAX {
        return Err(BackupError::Damaged("its manifest is too large".to_owned()));
    }
    let mut json = Vec::new();
    entry.take(size).read_to_end(&mut json).map_err(damaged)?;
    Manifest::read(&json)
}

/// Bytes that the disk of a folder has free.
pub(crate) fn room(dir: &Path) -> Result<u64, StoreError> {
    let disk = rustix::fs::statvfs(dir).map_err(|error| StoreError::io(dir)(error.into()))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn refuse_without_room(dir: &Path, bytes: u64) -> Result<(), BackupError> {
    let room = room(dir)?;
    if bytes > room { Err(BackupError::NoRoom { bytes, room }) } else { Ok(()) }
}

fn copy(
    source: &mut impl Read,
    file: &ManifestFile,
    into: &Path,
    mut told: impl FnMut(u64),
) -> Result<(), BackupError> {
    let path = into.join(&file.path);
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    let target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let mut target = BufWriter::new(target.map_err(StoreError::io(&path))?);
    let mut digest = Sha256::new();
    let mut left = file.bytes;
    let mut buffer = vec![0; 1 << 20];
    while left > 0 {
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = source.read(&mut buffer[..wanted]).map_err(damaged)?;
        if count == 0 {
            return Err(BackupError::Damaged("it breaks off".to_owned()));
        }
        digest.update(&buffer[..count]);
        target.write_all(&buffer[..count]).map_err(StoreError::io(&path))?;
        left -= count as u64;
        told(count as u64);
    }
    if ContentHash::from_bytes(digest.finalize().into()) != file.sha256 {
        return Err(BackupError::Damaged(format!("`{}` has other bytes than its manifest says", file.path)));
    }
    let target = target.into_inner().map_err(|error| StoreError::io(&path)(error.into_error()))?;
    Ok(target.sync_all().map_err(StoreError::io(&path))?)
}

fn make_dir(path: &Path) -> Result<(), StoreError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(StoreError::io(path))
}

/// Whether the database is whole, and one that this program can use.
async fn check_database(
    unpacked: &Path,
    schemas: &[Schema],
    provider: Option<&dyn KeyProvider>,
) -> Result<(), BackupError> {
    let encryption = Encryption::read(unpacked).map_err(StoreError::from)?;
    let keys = match (encryption, provider) {
        (None, _) => None,
        (Some(encryption), None) => return Err(StoreError::Encrypted { provider: encryption.key.provider }.into()),
        (Some(encryption), Some(provider)) => Some(encryption.unlock(provider).map_err(StoreError::from)?.keys()),
    };
    let options = match connect(&unpacked.join(DATABASE), keys.as_ref()) {
        Err(StoreError::KeyGone) => return Err(BackupError::Damaged("its database is none".to_owned())),
        options => options?.read_only(true),
    };
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    let found: Result<Vec<String>, sqlx::Error> = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_all(&pool).await;
    let checked = match found {
        Ok(found) if found == ["ok"] => steps::check(&pool, schemas).await.map(drop).map_err(BackupError::from),
        Ok(found) => Err(BackupError::Damaged(format!("its database: {}", found.join(", ")))),
        Err(error) => Err(BackupError::Damaged(format!("its database: {error}"))),
    };
    pool.close().await;
    checked
}

/// Moves what was checked to its place; the database last, since where it is, the folder counts as restored.
fn put_in_place(dir: &Path, manifest: &Manifest) -> Result<(), StoreError> {
    let unpacked = dir.join(RESTORING);
    for name in leftovers().filter(|name| unpacked.join(name).exists()).chain([DATABASE]) {
        fs::rename(unpacked.join(name), dir.join(name)).map_err(StoreError::io(dir))?;
    }
    // A folder of its own for each blob, each to be made durable.
    for file in &manifest.files {
        sync_parent(&dir.join(&file.path))?;
    }
    fs::remove_dir_all(&unpacked).map_err(StoreError::io(&unpacked))?;
    sync_parent(&unpacked)
}
