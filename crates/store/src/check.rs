//! Whether what the disk holds is what was written.

use std::fs::File;
use std::io;
use std::path::Path;

use base::ContentHash;
use sha2::{Digest, Sha256};
use sqlx::Row;

use crate::backup::{BackupProgress, Tell};
use crate::blobs::hash_rest;
use crate::{Blobs, Store, StoreError};

/// Findings of each kind that are told; more of one kind say nothing new.
const FINDINGS_MAX: i64 = 20;

impl Store {
    /// Compares the database with its own structure, and each model's and each uploaded file with its name. Gives what is
    /// wrong, in words.
    ///
    /// # Errors
    /// When the disk cannot be read at all.
    pub async fn check(&self, tell: Tell) -> Result<Vec<String>, StoreError> {
        tell(BackupProgress { phase: "database", bytes_done: 0, bytes_total: 0 });
        let mut wrong = match self.check_database().await {
            Err(altered @ StoreError::Altered) => vec![format!("the database: {altered}")],
            found => found?,
        };
        let (blobs, files) = (self.blobs().clone(), self.files().clone());
        let work = move || -> Result<Vec<String>, StoreError> {
            let (models, uploads) = (blobs.list()?, files.blobs().list()?);
            let total = bytes(&blobs, &models) + bytes(files.blobs(), &uploads);
            let mut done = 0;
            let mut wrong = Vec::new();
            let looks = models
                .iter()
                .filter_map(|hash| Some((hash, is_whole(&blobs.path(hash)?, hash))))
                .chain(uploads.iter().map(|name| (name, files.is_whole(name))));
            for (name, looked) in looks {
                match looked {
                    Ok((true, bytes)) => done += bytes,
                    Ok((false, _)) => wrong.push(format!("the file `{name}` has other bytes than its name says")),
                    Err(error) => wrong.push(format!("the file `{name}` cannot be read: {error}")),
                }
                tell(BackupProgress { phase: "files", bytes_done: done, bytes_total: total });
            }
            Ok(wrong)
        };
        let blobs = tokio::task::spawn_blocking(work).await;
        wrong.extend(blobs.map_err(|error| StoreError::Broken(error.to_string()))??);
        Ok(wrong)
    }

    async fn check_database(&self) -> Result<Vec<String>, StoreError> {
        let mut wrong = Vec::new();
        let rows: Vec<String> = sqlx::query_scalar("SELECT integrity_check FROM pragma_integrity_check LIMIT ?")
            .bind(FINDINGS_MAX)
            .fetch_all(self.read())
            .await?;
        wrong.extend(rows.into_iter().filter(|row| row != "ok").map(|row| format!("the database: {row}")));
        let rows =
            sqlx::query("SELECT \"table\", \"parent\", count(*) FROM pragma_foreign_key_check GROUP BY 1, 2 LIMIT ?")
                .bind(FINDINGS_MAX)
                .fetch_all(self.read())
                .await?;
        for row in rows {
            let (table, parent, count): (String, String, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            wrong.push(format!("the database: {count} rows of `{table}` point to a `{parent}` that is not there"));
        }
        Ok(wrong)
    }
}

/// Whether a model's file has the content that its name says; gives its bytes as well.
fn is_whole(path: &Path, hash: &ContentHash) -> io::Result<(bool, u64)> {
    let mut digest = Sha256::new();
    let bytes = hash_rest(&mut File::open(path)?, &mut digest)?;
    Ok((ContentHash::from_bytes(digest.finalize().into()) == *hash, bytes))
}

fn bytes(blobs: &Blobs, names: &[ContentHash]) -> u64 {
    names.iter().filter_map(|name| Some(blobs.path(name)?.metadata().ok()?.len())).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{DataLock, Schema};

    const NOTES: Schema = Schema {
        owner: "notes",
        steps: &["CREATE TABLE note (id INTEGER PRIMARY KEY) STRICT;
            CREATE TABLE tag (note INTEGER NOT NULL REFERENCES note (id)) STRICT"],
    };

    #[tokio::test]
    async fn what_was_changed_behind_our_back_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), DataLock::take(dir.path()).unwrap(), &[NOTES]).await.unwrap();
        let file = dir.path().join("weights");
        std::fs::write(&file, b"weights").unwrap();
        let hash = store.blobs().import(&file).unwrap();
        assert_eq!(store.check(Arc::new(|_| {})).await.unwrap(), Vec::<String>::new());

        std::fs::write(store.blobs().path(&hash).unwrap(), b"Weights").unwrap();
        let wrong = store.check(Arc::new(|_| {})).await.unwrap();
        assert_eq!(wrong, [format!("the file `{hash}` has other bytes than its name says")]);
    }
}
