//! Installing, listing and removing models.
//!
//! A file is first whole among the blobs and checked, and only then has its row; a row is gone before its blob. So
//! whatever is interrupted, no name leads to a file that is not there in full, and what is left over is used by the
//! next pull.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::ContentHash;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::FromRow;
use store::{Schema, Store, StoreError};

use crate::catalogue::{Catalogue, EmbeddingDetails, Entry, Kind, Licence};
use crate::fetch::{self, Job};
use crate::installed::{Installed, Metadata};
use crate::progress::Progress;
use crate::{ModelsError, PullError};

/// The table of installed models.
pub const SCHEMA: Schema = Schema {
    owner: "models",
    steps: &["CREATE TABLE model (
        name TEXT PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('chat', 'embedding')),
        title TEXT NOT NULL,
        blob BLOB NOT NULL CHECK (length(blob) = 32),
        licence TEXT NOT NULL,
        accepted_at_ms INTEGER,
        installed_at_ms INTEGER NOT NULL,
        source TEXT NOT NULL,
        embedding TEXT,
        metadata TEXT NOT NULL
    ) STRICT;
    CREATE INDEX model_blob ON model (blob)"],
};

/// How models are fetched.
#[derive(Debug, Clone)]
pub struct Config {
    /// A catalogue that adds to the built-in one; the data folder's `models.toml` unless set.
    pub catalogue: Option<PathBuf>,
    /// The models that are used where nobody names one.
    pub defaults: Vec<String>,
    /// The Python that runs `pip download`.
    pub python: PathBuf,
    /// Where Hugging Face is, or a mirror of it.
    pub hugging_face: String,
    /// How long a connection may take to come about.
    pub connect_wait_max: Duration,
    /// How long a source may stay silent: a download's next bytes, or one whole `pip download`'s next output.
    pub silence_max: Duration,
    /// How long one package's `pip download` may take in all.
    pub pip_wait_max: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            catalogue: None,
            defaults: Vec::new(),
            python: PathBuf::from("python3"),
            hugging_face: "https://huggingface.co".to_owned(),
            connect_wait_max: Duration::from_secs(15),
            silence_max: Duration::from_secs(60),
            pip_wait_max: Duration::from_secs(1800),
        }
    }
}

/// What a person said when asking for a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PullOptions {
    /// Whether the licence is accepted.
    pub accept_licence: bool,
}

/// A model of the catalogue, an installed one, or both.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = Model)]
pub struct Listed {
    /// The name that people type.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// Its name in full.
    pub title: String,
    /// On which terms.
    pub licence: Licence,
    /// Bytes of its file.
    pub size: u64,
    /// Whether it is used where nobody names a model.
    pub default: bool,
    /// The catalogue's entry, if it has one.
    #[schema(value_type = Option<Object>)]
    pub entry: Option<Entry>,
    /// What is here, if it is.
    pub installed: Option<Installed>,
}

/// The models of one data folder.
#[derive(Debug)]
pub struct Models {
    pub(crate) store: Arc<Store>,
    pub(crate) catalogue: Catalogue,
    config: Config,
    /// What is being fetched now, by the hash of what arrives.
    fetching: Arc<Mutex<HashSet<ContentHash>>>,
    /// Held while a row and its blob change together.
    changing: tokio::sync::Mutex<()>,
}

impl Models {
    /// Opens the models of `store`'s data folder.
    ///
    /// # Errors
    /// [`ModelsError::Catalogue`] if the data folder's `models.toml` has a mistake.
    pub fn open(store: Arc<Store>, config: Config) -> Result<Self, ModelsError> {
        let file = config.catalogue.clone().unwrap_or_else(|| store.dir().join("models.toml"));
        let catalogue = Catalogue::with_file(&file)?;
        fetch::clear_leftovers(store.dir())?;
        Ok(Self { store, catalogue, config, fetching: Arc::default(), changing: tokio::sync::Mutex::new(()) })
    }

    /// What can be installed.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The catalogue's models and then the imported ones, each with what is here of it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self) -> Result<Vec<Listed>, ModelsError> {
        let rows: Vec<Row> = sqlx::query_as("SELECT * FROM model ORDER BY name")
            .fetch_all(self.store.read())
            .await
            .map_err(StoreError::from)?;
        let mut here = Vec::new();
        for row in rows {
            let installed = row.read()?;
            if self.store.blobs().path(&installed.sha256).is_some() {
                here.push(installed);
            }
        }
        let mut listed = Vec::new();
        for entry in self.catalogue.entries() {
            let found = here.iter().position(|installed| installed.name == entry.name);
            listed.push(self.of_entry(entry, found.map(|index| here.remove(index))));
        }
        listed.extend(here.into_iter().map(|installed| self.of_installed(installed)));
        Ok(listed)
    }

    /// One model.
    ///
    /// # Errors
    /// [`ModelsError::Unknown`] if neither the catalogue nor this data folder has it.
    pub async fn show(&self, name: &str) -> Result<Listed, ModelsError> {
        let installed = self.installed(name).await?;
        match (self.catalogue.get(name), installed) {
            (Some(entry), installed) => Ok(self.of_entry(entry, installed)),
            (None, Some(installed)) => Ok(self.of_installed(installed)),
            (None, None) => Err(ModelsError::Unknown { name: name.to_owned() }),
        }
    }

    fn of_entry(&self, entry: &Entry, installed: Option<Installed>) -> Listed {
        Listed {
            name: entry.name.clone(),
            kind: entry.kind,
            title: entry.title.clone(),
            licence: entry.licence.clone(),
            size: entry.size,
            default: self.config.defaults.contains(&entry.name),
            entry: Some(entry.clone()),
            installed,
        }
    }

    fn of_installed(&self, installed: Installed) -> Listed {
        Listed {
            name: installed.name.clone(),
            kind: installed.kind,
            title: installed.title.clone(),
            licence: installed.licence.clone(),
            size: installed.metadata.file_size,
            default: self.config.defaults.contains(&installed.name),
            entry: None,
            installed: Some(installed),
        }
    }

    /// What is installed under this name. A row whose file has gone counts as nothing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn installed(&self, name: &str) -> Result<Option<Installed>, ModelsError> {
        let row: Option<Row> = sqlx::query_as("SELECT * FROM model WHERE name = ?")
            .bind(name)
            .fetch_optional(self.store.read())
            .await
            .map_err(StoreError::from)?;
        let installed = row.map(Row::read).transpose()?;
        Ok(installed.filter(|installed| self.store.blobs().path(&installed.sha256).is_some()))
    }

    /// The file of the model that is installed under this name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn path(&self, name: &str) -> Result<Option<PathBuf>, ModelsError> {
        Ok(self.installed(name).await?.and_then(|installed| self.store.blobs().path(&installed.sha256)))
    }

    /// Installs a model of the catalogue from the first of its sources that gives it.
    ///
    /// Dropping the future stops the work; what arrived stays and is gone on with next time.
    ///
    /// # Errors
    /// [`PullError`]. Without the right bytes nothing is installed.
    pub async fn pull(
        &self,
        name: &str,
        options: &PullOptions,
        progress: Arc<dyn Progress>,
    ) -> Result<Installed, PullError> {
        let entry = self.catalogue.get(name).ok_or_else(|| PullError::Unknown { name: name.to_owned() })?;
        if let Some(installed) = self.installed(name).await.map_err(as_store_error)?
            && installed.sha256 == entry.sha256
        {
            return Ok(installed);
        }
        if entry.licence.accept && !options.accept_licence {
            let Licence { name: licence, url, .. } = entry.licence.clone();
            return Err(PullError::LicenceNotAccepted { name: name.to_owned(), licence, url });
        }
        let busy = || PullError::Busy { name: name.to_owned() };
        let turn = Turn::take(&self.fetching, entry.fetched().1).ok_or_else(busy)?;
        let stop = StopOnDrop(Arc::new(AtomicBool::new(false)));
        let job = Job {
            entry: entry.clone(),
            config: self.config.clone(),
            blobs: self.store.blobs().clone(),
            dir: self.store.dir().to_owned(),
            stopped: Arc::clone(&stop.0),
            progress,
        };
        let work = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            job.obtain()
        });
        let (gguf, source) = work.await.map_err(|_| PullError::Stopped)??;
        let now = Timestamp::now();
        let installed = Installed {
            name: entry.name.clone(),
            kind: entry.kind,
            title: entry.title.clone(),
            sha256: entry.sha256,
            licence: entry.licence.clone(),
            accepted_at: entry.licence.accept.then_some(now),
            installed_at: now,
            source,
            embedding: entry.embedding.clone(),
            metadata: Metadata::of(&gguf),
        };
        self.record(&installed).await?;
        Ok(installed)
    }

    /// Removes an installed model, and its file if no other name leads to it.
    ///
    /// # Errors
    /// [`ModelsError::NotInstalled`] or [`ModelsError::Unknown`] if there is nothing to remove.
    pub async fn remove(&self, name: &str) -> Result<(), ModelsError> {
        let _changing = self.changing.lock().await;
        let known = self.catalogue.get(name);
        let mut write = self.store.write().await?;
        let row: Option<(Vec<u8>,)> = sqlx::query_as("DELETE FROM model WHERE name = ? RETURNING blob")
            .bind(name)
            .fetch_optional(&mut *write)
            .await
            .map_err(StoreError::from)?;
        let hash = match (&row, known) {
            (Some((blob,)), _) => read_hash(blob)?,
            // A crash may have left the file without its row.
            (None, Some(entry)) if self.store.blobs().path(&entry.sha256).is_some() => entry.sha256,
            (None, Some(_)) => return Err(ModelsError::NotInstalled { name: name.to_owned() }),
            (None, None) => return Err(ModelsError::Unknown { name: name.to_owned() }),
        };
        let shared: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM model WHERE blob = ?)")
            .bind(hash.as_bytes().as_slice())
            .fetch_one(&mut *write)
            .await
            .map_err(StoreError::from)?;
        write.commit().await.map_err(StoreError::from)?;
        match (shared, row.is_some()) {
            (true, false) => Err(ModelsError::NotInstalled { name: name.to_owned() }),
            (true, true) => Ok(()),
            (false, _) => Ok(self.store.blobs().remove(&hash)?),
        }
    }

    /// Writes a model's row once its file is in place. A file that an older row of this name led to goes if no other
    /// name leads to it.
    pub(crate) async fn record(&self, installed: &Installed) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        if self.store.blobs().path(&installed.sha256).is_none() {
            return Err(StoreError::Broken(format!("the file of `{}` was removed meanwhile", installed.name)));
        }
        let mut write = self.store.write().await?;
        let before: Option<(Vec<u8>,)> = sqlx::query_as("SELECT blob FROM model WHERE name = ?")
            .bind(&installed.name)
            .fetch_optional(&mut *write)
            .await?;
        sqlx::query(
            "INSERT OR REPLACE INTO model
                (name, kind, title, blob, licence, accepted_at_ms, installed_at_ms, source, embedding, metadata)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&installed.name)
        .bind(match installed.kind {
            Kind::Chat => "chat",
            Kind::Embedding => "embedding",
        })
        .bind(&installed.title)
        .bind(installed.sha256.as_bytes().as_slice())
        .bind(to_json(&installed.licence)?)
        .bind(installed.accepted_at.map(|at| at.as_millisecond()))
        .bind(installed.installed_at.as_millisecond())
        .bind(&installed.source)
        .bind(installed.embedding.as_ref().map(to_json).transpose()?)
        .bind(to_json(&installed.metadata)?)
        .execute(&mut *write)
        .await?;
        let mut left_over = None;
        if let Some((blob,)) = before {
            let shared: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM model WHERE blob = ?)")
                .bind(&blob)
                .fetch_one(&mut *write)
                .await?;
            left_over = (!shared).then(|| read_hash(&blob)).transpose()?;
        }
        write.commit().await?;
        left_over.map_or(Ok(()), |hash| self.store.blobs().remove(&hash))
    }
}

/// The right to fetch one content, given back when dropped.
struct Turn {
    fetching: Arc<Mutex<HashSet<ContentHash>>>,
    hash: ContentHash,
}

impl Turn {
    fn take(fetching: &Arc<Mutex<HashSet<ContentHash>>>, hash: ContentHash) -> Option<Self> {
        let mut held = fetching.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        held.insert(hash).then(|| Self { fetching: Arc::clone(fetching), hash })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.fetching.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).remove(&self.hash);
    }
}

/// Tells the blocking work to stop when nobody waits for it any more.
pub(crate) struct StopOnDrop(pub(crate) Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(FromRow)]
struct Row {
    name: String,
    kind: String,
    title: String,
    blob: Vec<u8>,
    licence: String,
    accepted_at_ms: Option<i64>,
    installed_at_ms: i64,
    source: String,
    embedding: Option<String>,
    metadata: String,
}

impl Row {
    fn read(self) -> Result<Installed, StoreError> {
        let time = |ms| Timestamp::from_millisecond(ms).map_err(|error| StoreError::Broken(error.to_string()));
        Ok(Installed {
            kind: match self.kind.as_str() {
                "embedding" => Kind::Embedding,
                _ => Kind::Chat,
            },
            sha256: read_hash(&self.blob)?,
            licence: from_json(&self.licence)?,
            accepted_at: self.accepted_at_ms.map(time).transpose()?,
            installed_at: time(self.installed_at_ms)?,
            source: self.source,
            embedding: self.embedding.as_deref().map(from_json::<EmbeddingDetails>).transpose()?,
            metadata: from_json::<Metadata>(&self.metadata)?,
            title: self.title,
            name: self.name,
        })
    }
}

fn read_hash(bytes: &[u8]) -> Result<ContentHash, StoreError> {
    ContentHash::try_from(bytes).map_err(|error| StoreError::Broken(error.to_string()))
}

fn to_json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Broken(error.to_string()))
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Broken(error.to_string()))
}

fn as_store_error(error: ModelsError) -> StoreError {
    match error {
        ModelsError::Store(error) => error,
        other => StoreError::Broken(other.to_string()),
    }
}
