//! The database: one connection that writes, several that read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::ContentHash;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row, Sqlite, Transaction};

use crate::{Blobs, DataLock, StoreError};

const READERS_MAX: u32 = 8;
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The tables of one crate, as steps from an empty database to today's.
///
/// Step `n` (from 1) is applied once, in its own transaction, and never edited afterwards.
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
}

impl Store {
    /// Opens the data folder `dir` that `lock` owns, and brings each schema to its newest step.
    ///
    /// # Errors
    /// [`StoreError::Newer`] if a newer program wrote the folder; nothing is changed then.
    pub async fn open(dir: &Path, lock: DataLock, schemas: &[Schema]) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(dir.join("dure.db"))
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
        migrate(&writer, schemas).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .acquire_timeout(WAIT_MAX)
            .connect_with(options.create_if_missing(false).read_only(true))
            .await?;
        let blobs = Blobs::open(&dir.join("blobs"))?;
        Ok(Self { dir: dir.to_owned(), lock: std::sync::Mutex::new(lock), writer, readers, blobs })
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

async fn check_version(pool: &SqlitePool) -> Result<(), StoreError> {
    let found: String = sqlx::query("SELECT sqlite_version()").fetch_one(pool).await?.get(0);
    let mut numbers = found.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let version = [(); 3].map(|()| numbers.next().unwrap_or(0));
    if version < [3, 51, 3] { Err(StoreError::OldDatabase { found }) } else { Ok(()) }
}

async fn migrate(pool: &SqlitePool, schemas: &[Schema]) -> Result<(), StoreError> {
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS schema_step (
            owner TEXT NOT NULL, step INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (owner, step)
        ) STRICT",
    )
    .execute(pool)
    .await?;
    let applied: Vec<(String, u32, Vec<u8>)> =
        sqlx::query_as("SELECT owner, step, hash FROM schema_step ORDER BY owner, step").fetch_all(pool).await?;
    for schema in schemas {
        let known = schema.steps.len() as u32;
        for (_, step, hash) in applied.iter().filter(|(owner, ..)| owner == schema.owner) {
            let Some(sql) = schema.steps.get(*step as usize - 1) else {
                return Err(StoreError::Newer { owner: schema.owner.to_owned(), found: *step, known });
            };
            if hash.as_slice() != ContentHash::of(sql).as_bytes() {
                return Err(StoreError::Broken(format!("step {step} of `{}` was edited after it ran", schema.owner)));
            }
        }
    }
    for schema in schemas {
        let done = applied.iter().filter(|(owner, ..)| owner == schema.owner).count();
        for (index, sql) in schema.steps.iter().enumerate().skip(done) {
            let mut write = pool.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::raw_sql(*sql).execute(&mut *write).await?;
            sqlx::query("INSERT INTO schema_step (owner, step, hash) VALUES (?, ?, ?)")
                .bind(schema.owner)
                .bind(index as u32 + 1)
                .bind(ContentHash::of(sql).as_bytes().as_slice())
                .execute(&mut *write)
                .await?;
            write.commit().await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT";
    const TWO: &str = "ALTER TABLE note ADD COLUMN author TEXT";

    async fn open(dir: &Path, steps: &'static [&'static str]) -> Result<Store, StoreError> {
        Store::open(dir, DataLock::take(dir)?, &[Schema { owner: "notes", steps }]).await
    }

    #[tokio::test]
    async fn a_folder_grows_with_the_program_and_keeps_its_rows() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), &[ONE]).await.unwrap();
        let mut write = store.write().await.unwrap();
        sqlx::query("INSERT INTO note (text) VALUES ('kept')").execute(&mut *write).await.unwrap();
        write.commit().await.unwrap();
        store.close().await;
        drop(store);

        let store = open(dir.path(), &[ONE, TWO]).await.unwrap();
        let text: String =
            sqlx::query("SELECT text FROM note WHERE author IS NULL").fetch_one(store.read()).await.unwrap().get(0);
        assert_eq!(text, "kept");
        store.close().await;
        drop(store);

        let error = open(dir.path(), &[ONE]).await.unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 2, known: 1, .. }), "{error}");
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
    async fn an_edited_step_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path(), &[ONE]).await.unwrap().close().await;
        let error = open(dir.path(), &[TWO]).await.unwrap_err();
        assert!(matches!(error, StoreError::Broken(_)), "{error}");
    }
}
