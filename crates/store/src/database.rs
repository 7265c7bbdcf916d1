//! The database: one connection that writes, several that read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use seal::Keys;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row, Sqlite, Transaction};

use crate::backup::SNAPSHOTS;
use crate::manifest::{DATABASE, FILES};
use crate::{Blobs, DataLock, Files, StoreError, encryption, restore, sealed, steps, turn};

const READERS_MAX: u32 = 8;
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The tables of one crate, as steps from an empty database to today's.
///
/// Step `n` (from 1) is applied once, in its own transaction, and never edited afterwards. A step that begins with the
/// line `-- expand` only adds what a program that does not know of it can leave alone, so the release before goes on
/// using the folder; see docs/design/migrations.md.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// The crate that owns the tables.
    pub owner: &'static str,
    /// SQL, oldest first.
    pub steps: &'static [&'static str],
}

/// A transaction on the writing connection. Dropped without a commit, it changes nothing.
pub type Write = Transaction<'static, Sqlite>;

/// An open data folder: its lock, its database, its blobs.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    lock: std::sync::Mutex<DataLock>,
    writer: SqlitePool,
    readers: SqlitePool,
    blobs: Blobs,
    files: Files,
    keys: Option<Keys>,
}

impl Store {
    /// Opens the data folder `dir` that `lock` owns, and brings each schema to its newest step.
    ///
    /// # Errors
    /// [`StoreError::Newer`] if a newer program wrote the folder in a way that this one cannot use, and
    /// [`StoreError::Unfinished`] if a restore into it was interrupted; nothing is changed then.
    pub async fn open(dir: &Path, lock: DataLock, schemas: &[Schema]) -> Result<Self, StoreError> {
        Self::open_as(dir, lock, schemas, None).await
    }

    /// Opens the encrypted data folder `dir`, whose keys these are; a folder without a database becomes one.
    ///
    /// # Errors
    /// As [`Store::open`]; [`StoreError::OtherKeys`] if they are another folder's. Nothing is changed then.
    pub async fn open_encrypted(
        dir: &Path,
        lock: DataLock,
        schemas: &[Schema],
        keys: Keys,
    ) -> Result<Self, StoreError> {
        Self::open_as(dir, lock, schemas, Some(keys)).await
    }

    async fn open_as(dir: &Path, lock: DataLock, schemas: &[Schema], keys: Option<Keys>) -> Result<Self, StoreError> {
        if restore::is_unfinished(dir) {
            return Err(StoreError::Unfinished { dir: dir.to_owned() });
        }
        restore::clear_finished(dir);
        turn::finish(dir)?;
        if keys.is_none() && dir.join(seal::FILE).exists() {
            return Err(StoreError::Encrypted { provider: encryption::provider(dir) });
        }
        let _ = std::fs::remove_dir_all(dir.join(SNAPSHOTS));
        let database = dir.join(DATABASE);
        let options = connect(&database, keys.as_ref())?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(WAIT_MAX)
            .pragma("secure_delete", "on")
            .pragma("mmap_size", "0")
            .pragma("cache_size", "-16384");
        let writer =
            SqlitePoolOptions::new().max_connections(1).acquire_timeout(WAIT_MAX).connect_with(options.clone()).await?;
        check_version(&writer).await?;
        steps::migrate(&writer, schemas).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .acquire_timeout(WAIT_MAX)
            .connect_with(options.create_if_missing(false).read_only(true))
            .await?;
        let blobs = Blobs::open(&dir.join("blobs"))?;
        let files = Files::open(&dir.join(FILES), keys.clone())?;
        Ok(Self { dir: dir.to_owned(), lock: std::sync::Mutex::new(lock), writer, readers, blobs, files, keys })
    }

    /// The connections that read. Each sees the last commit.
    pub fn read(&self) -> &SqlitePool {
        &self.readers
    }

    /// Begins to write; waits for whoever writes now.
    ///
    /// # Errors
    /// When the database does not answer in 30 seconds.
    pub async fn write(&self) -> Result<Write, StoreError> {
        match self.writer.begin_with("BEGIN IMMEDIATE").await {
            // A full disk makes SQLite end the transaction by itself, which the driver does not notice: it counts one
            // that is open, and this connection could never begin again.
            Err(sqlx::Error::InvalidSavePointStatement) => {
                self.writer.acquire().await?.close().await?;
                Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
            }
            begun => Ok(begun?),
        }
    }

    /// Folds the write-ahead log into the database and empties it, so that what was deleted stands in neither of them.
    /// The database's own pages are overwritten as rows go (`secure_delete`); the log is not. False if somebody still
    /// reads an older state; then it has to be asked for again.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn scrub(&self) -> Result<bool, StoreError> {
        let mut writer = self.writer.acquire().await?;
        // Nobody may write meanwhile, so a long reader is not waited for as long as a writer would be.
        sqlx::query("PRAGMA busy_timeout = 2000").execute(&mut *writer).await?;
        let scrubbed = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *writer).await;
        sqlx::query("PRAGMA busy_timeout = 10000").execute(&mut *writer).await?;
        Ok(scrubbed?.try_get::<i64, _>(0)? == 0)
    }

    /// Files that were uploaded, by content. They lie apart from the models, so that whoever removes the last name of one
    /// can never take the other.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The keys of the folder, if it is encrypted.
    pub fn keys(&self) -> Option<&Keys> {
        self.keys.as_ref()
    }

    /// The blobs, by content.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// The data folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes down where this process's API listens, for commands that look for it.
    ///
    /// # Errors
    /// When the lock file cannot be written.
    pub fn announce(&self, address: Option<std::net::SocketAddr>) -> Result<(), StoreError> {
        self.lock.lock().map_err(|_| StoreError::Broken("the lock was poisoned".to_owned()))?.announce(address)
    }

    /// Ends all connections, folding the write-ahead log into the database.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// How a database is opened: encrypted where there are keys, and never as what it is not.
pub(crate) fn connect(database: &Path, keys: Option<&Keys>) -> Result<SqliteConnectOptions, StoreError> {
    let plain = sealed::is_plain(database).map_err(StoreError::io(database))?;
    let options = SqliteConnectOptions::new().filename(database);
    let Some(keys) = keys else {
        let there = database.metadata().is_ok_and(|database| database.len() > 0);
        return if plain || !there { Ok(options) } else { Err(StoreError::KeyGone) };
    };
    if plain {
        return Err(StoreError::NotEncrypted);
    }
    if !sealed::fits(database, &keys.database).map_err(StoreError::io(database))? {
        return Err(StoreError::OtherKeys);
    }
    // What SQLite sorts or sets aside for a while stays in memory.
    Ok(options.vfs(sealed::register(keys.database.clone())?).pragma("temp_store", "memory"))
}

async fn check_version(pool: &SqlitePool) -> Result<(), StoreError> {
    let found: String = sqlx::query("SELECT sqlite_version()").fetch_one(pool).await?.get(0);
    let mut numbers = found.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let version = [(); 3].map(|()| numbers.next().unwrap_or(0));
    if version < [3, 51, 3] { Err(StoreError::OldDatabase { found }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT";

    async fn open(dir: &Path, steps: &'static [&'static str]) -> Result<Store, StoreError> {
        Store::open(dir, DataLock::take(dir)?, &[Schema { owner: "notes", steps }]).await
    }

    #[tokio::test]
    async fn a_dropped_write_changes_nothing_and_readers_cannot_write() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), &[ONE]).await.unwrap();
        let mut write = store.write().await.unwrap();
        sqlx::query("INSERT INTO note (text) VALUES ('lost')").execute(&mut *write).await.unwrap();
        drop(write);
        let mut write = store.write().await.unwrap();
        let count: i64 = sqlx::query("SELECT count(*) FROM note").fetch_one(&mut *write).await.unwrap().get(0);
        assert_eq!(count, 0);
        assert!(sqlx::query("DELETE FROM note").execute(store.read()).await.is_err());
    }

    #[tokio::test]
    async fn what_was_deleted_stands_in_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), &[ONE]).await.unwrap();
        let secret = "a secret of some length ".repeat(500);
        let stands = || {
            let files =
                std::fs::read_dir(dir.path()).unwrap().filter_map(|entry| std::fs::read(entry.ok()?.path()).ok());
            files.into_iter().any(|bytes| bytes.windows(24).any(|part| part == &secret.as_bytes()[..24]))
        };
        let mut write = store.write().await.unwrap();
        sqlx::query("INSERT INTO note (text) VALUES (?)").bind(&secret).execute(&mut *write).await.unwrap();
        write.commit().await.unwrap();
        let mut write = store.write().await.unwrap();
        sqlx::query("DELETE FROM note").execute(&mut *write).await.unwrap();
        write.commit().await.unwrap();
        assert!(stands(), "the log still has it, or this test shows nothing");
        assert!(store.scrub().await.unwrap());
        assert!(!stands());
    }
}
