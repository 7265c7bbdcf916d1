//! Who keeps the data safe: copies the whole folder away, and compares it with what was written.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use corpus::Corpora;
use futures::FutureExt;
use futures::future::BoxFuture;
use gateway::{BackupWish, Checked, KeeperError, KeeperProgress, Tell};
use jiff::Timestamp;
use models::Models;
use serde_json::Value;
use store::{BackupError, BackupProgress, Store, StoreError};

/// The keeper of an open data folder.
#[derive(Debug)]
pub struct Keeper {
    pub store: Arc<Store>,
    pub corpora: Arc<Corpora>,
    pub models: Arc<Models>,
}

impl gateway::Keeper for Keeper {
    fn backup(&self, wish: BackupWish, tell: Tell) -> BoxFuture<'_, Result<Value, KeeperError>> {
        async move {
            let now = Timestamp::now();
            let wish = store::BackupWish {
                file: file(&wish.path, now),
                models: wish.models,
                program: env!("CARGO_PKG_VERSION").to_owned(),
                created: now.to_string(),
            };
            let report = self.store.backup(wish, bytes(tell)).await.map_err(backup_error)?;
            serde_json::to_value(report).map_err(|error| KeeperError::Failed(error.to_string()))
        }
        .boxed()
    }

    fn check(&self, tell: Tell) -> BoxFuture<'_, Result<Checked, KeeperError>> {
        async move {
            let mut findings = self.store.check(bytes(Arc::clone(&tell))).await.map_err(store_error)?;
            let documents = move |done, total| tell(KeeperProgress { phase: "documents", done, total });
            let wrong = self.corpora.check(&documents).await;
            findings.extend(wrong.map_err(|error| KeeperError::Failed(error.to_string()))?);
            findings.extend(self.missing_models().await?);
            Ok(Checked {
                findings,
                looked_at: vec!["the database", "models' and uploaded files", "documents and their passages"],
            })
        }
        .boxed()
    }
}

impl Keeper {
    /// Models that have a row and no file: a backup without models was restored, or the file was taken away.
    async fn missing_models(&self) -> Result<Vec<String>, KeeperError> {
        let failed = |error: models::ModelsError| KeeperError::Failed(error.to_string());
        let mut missing = Vec::new();
        for listed in self.models.list().await.map_err(failed)? {
            let Some(installed) = listed.installed else { continue };
            if self.store.blobs().path(&installed.sha256).is_none() {
                let name = installed.name;
                missing.push(format!("the file of the model `{name}` is not there: dure model pull {name}"));
            }
        }
        Ok(missing)
    }
}

/// Where a backup goes: into a folder under a name that says when, or where a file was named.
fn file(path: &Path, now: Timestamp) -> PathBuf {
    if path.is_dir() { path.join(format!("dure-{}.tar.zst", now.strftime("%Y%m%d-%H%M%S"))) } else { path.to_owned() }
}

fn bytes(tell: Tell) -> store::Tell {
    Arc::new(move |BackupProgress { phase, bytes_done, bytes_total }| {
        tell(KeeperProgress { phase, done: bytes_done, total: bytes_total });
    })
}

fn backup_error(error: BackupError) -> KeeperError {
    match error {
        BackupError::Store(error) => store_error(error),
        BackupError::Exists(_) => KeeperError::Refused(error.to_string()),
        other => KeeperError::Failed(other.to_string()),
    }
}

fn store_error(error: StoreError) -> KeeperError {
    match error {
        StoreError::Full => KeeperError::Full,
        // A place that was named and cannot be written is the operator's to mend, and only the operator asks.
        StoreError::Io { .. } => KeeperError::Refused(error.to_string()),
        other => KeeperError::Failed(other.to_string()),
    }
}
