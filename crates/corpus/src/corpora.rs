//! Corpora: named sets of documents with one label.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex};

use base::{CorpusId, GroupId, Label, TenantId};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use store::{Store, StoreError};
use unicode_normalization::UnicodeNormalization;

use crate::cache::Cache;
use crate::{CorpusError, FlagRules};

const NAME_MAX: usize = 64;
/// Characters of a title that are kept.
const TITLE_MAX: usize = 200;

/// A corpus that is to be made.
#[derive(Debug, Clone)]
pub struct NewCorpus {
    /// Its name, unique in the tenant: letters of any script, digits, `-_.`.
    pub name: String,
    /// What people read; empty means the name.
    pub title: String,
    /// The label that its documents take at least.
    pub label: Label,
    /// Groups that may read it; empty means everybody of the tenant.
    pub readers: BTreeSet<GroupId>,
}

/// What is to change of a corpus; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct CorpusChange {
    /// What people read; an empty one changes nothing.
    pub title: Option<String>,
    /// Groups that may read it; an empty set means everybody of the tenant.
    pub readers: Option<BTreeSet<GroupId>>,
}

/// A named set of documents with one label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Corpus {
    /// Its id.
    pub id: CorpusId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name, unique in the tenant.
    pub name: String,
    /// What people read.
    pub title: String,
    /// The label that its documents take at least.
    pub label: Label,
    /// Groups that may read it; empty means everybody of the tenant.
    pub readers: BTreeSet<GroupId>,
    /// The number of its newest version; 0 while it is empty.
    pub version: u64,
    /// When it was made.
    pub created: Timestamp,
    /// When its newest version came.
    pub changed: Timestamp,
}

/// What a corpus holds now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = CorpusStatus)]
pub struct Status {
    /// Documents in the newest version.
    pub documents: u64,
    /// Their passages.
    pub passages: u64,
    /// Characters of their texts.
    pub characters: u64,
    /// Bytes of their texts (UTF-8).
    pub text_bytes: u64,
    /// Warnings that their extraction left.
    pub warnings: u64,
    /// Flags: places that speak to a model instead of to a reader, or that a reader does not see.
    pub flags: u64,
    /// The newest version.
    pub version: u64,
    /// When it came.
    pub changed: Timestamp,
    /// Whether records are being added right now.
    pub adding: bool,
}

/// All corpora of one data folder.
#[derive(Debug, Clone)]
pub struct Corpora {
    pub(crate) store: Arc<Store>,
    pub(crate) cache: Arc<Cache>,
    adding: Arc<Mutex<HashSet<CorpusId>>>,
    pub(crate) rules: FlagRules,
}

/// The right to change what a corpus holds; one at a time for each corpus.
#[derive(Debug)]
pub(crate) struct Changing {
    corpus: CorpusId,
    adding: Arc<Mutex<HashSet<CorpusId>>>,
}

impl Drop for Changing {
    fn drop(&mut self) {
        self.adding.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).remove(&self.corpus);
    }
}

impl Corpora {
    /// Takes a store that was opened with [`SCHEMA`](crate::SCHEMA).
    pub fn new(store: Arc<Store>) -> Self {
        // Without rules nothing could be flagged; the tests hold that they can be read.
        let rules = FlagRules::builtin().unwrap_or_default();
        Self { store, cache: Arc::default(), adding: Arc::default(), rules }
    }

    /// Makes a corpus.
    ///
    /// # Errors
    /// [`CorpusError::BadName`], [`CorpusError::NameTaken`].
    pub async fn create(&self, tenant: TenantId, new: NewCorpus) -> Result<Corpus, CorpusError> {
        let name = check_name(&new.name)?;
        let title =
            if new.title.trim().is_empty() { name.clone() } else { new.title.trim().nfc().take(TITLE_MAX).collect() };
        let now = Timestamp::now();
        let corpus = Corpus {
            id: CorpusId::new(),
            tenant,
            name,
            title,
            label: new.label,
            readers: new.readers,
            version: 0,
            created: now,
            changed: now,
        };
        let mut write = self.store.write().await?;
        let made = sqlx::query(
            "INSERT INTO corpus (id, tenant, name, title, label, version, created_at, changed_at)
             VALUES (?, ?, ?, ?, ?, 0, ?, ?) ON CONFLICT (tenant, name) DO NOTHING",
        )
        .bind(corpus.id.as_bytes().as_slice())
        .bind(tenant.as_bytes().as_slice())
        .bind(&corpus.name)
        .bind(&corpus.title)
        .bind(to_json(&corpus.label)?)
        .bind(now.to_string())
        .bind(now.to_string())
        .execute(&mut *write)
        .await?;
        if made.rows_affected() == 0 {
            return Err(CorpusError::NameTaken(corpus.name));
        }
        write_readers(&mut write, corpus.id, &corpus.readers).await?;
        write.commit().await?;
        Ok(corpus)
    }

    /// The tenant's corpus of this name.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn find(&self, tenant: TenantId, name: &str) -> Result<Option<Corpus>, CorpusError> {
        let name: String = name.nfc().take(NAME_MAX + 1).collect();
        let row = sqlx::query("SELECT * FROM corpus WHERE tenant = ? AND name = ?")
            .bind(tenant.as_bytes().as_slice())
            .bind(name)
            .fetch_optional(self.store.read())
            .await?;
        match row {
            Some(row) => {
                let mut corpora = self.with_readers(vec![row]).await?;
                Ok(corpora.pop())
            }
            None => Ok(None),
        }
    }

    /// The corpus with this id, whosever it is.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn get(&self, corpus: CorpusId) -> Result<Option<Corpus>, CorpusError> {
        let row = sqlx::query("SELECT * FROM corpus WHERE id = ?")
            .bind(corpus.as_bytes().as_slice())
            .fetch_all(self.store.read())
            .await?;
        Ok(self.with_readers(row).await?.pop())
    }

    /// The tenant's corpora, by name.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn list(&self, tenant: TenantId) -> Result<Vec<Corpus>, CorpusError> {
        let rows = sqlx::query("SELECT * FROM corpus WHERE tenant = ? ORDER BY name")
            .bind(tenant.as_bytes().as_slice())
            .fetch_all(self.store.read())
            .await?;
        self.with_readers(rows).await
    }

    /// Changes a corpus's title, and who may read it.
    ///
    /// # Errors
    /// [`CorpusError::NoCorpus`].
    pub async fn change(&self, corpus: CorpusId, change: CorpusChange) -> Result<(), CorpusError> {
        let title: Option<String> = change.title.map(|title| title.trim().nfc().take(TITLE_MAX).collect());
        let mut write = self.store.write().await?;
        let there = sqlx::query("UPDATE corpus SET title = coalesce(nullif(?, ''), title) WHERE id = ?")
            .bind(title)
            .bind(corpus.as_bytes().as_slice())
            .execute(&mut *write)
            .await?;
        if there.rows_affected() == 0 {
            return Err(CorpusError::NoCorpus);
        }
        if let Some(readers) = &change.readers {
            write_readers(&mut write, corpus, readers).await?;
        }
        write.commit().await?;
        Ok(())
    }

    /// What the corpus holds now.
    ///
    /// # Errors
    /// [`CorpusError::NoCorpus`].
    pub async fn status(&self, corpus: CorpusId) -> Result<Status, CorpusError> {
        let row = sqlx::query(
            "SELECT c.version, c.changed_at, count(r.number), coalesce(sum(r.passages), 0),
                    coalesce(sum(r.characters), 0), coalesce(sum(r.text_bytes), 0),
                    (SELECT count(*) FROM revision r JOIN document_warning w ON w.revision = r.number
                      WHERE r.corpus = c.id AND r.removed_version IS NULL),
                    (SELECT count(*) FROM revision r JOIN document_flag f ON f.revision = r.number
                      WHERE r.corpus = c.id AND r.removed_version IS NULL)
             FROM corpus c LEFT JOIN revision r ON r.corpus = c.id AND r.removed_version IS NULL
             WHERE c.id = ? GROUP BY c.id",
        )
        .bind(corpus.as_bytes().as_slice())
        .fetch_optional(self.store.read())
        .await?
        .ok_or(CorpusError::NoCorpus)?;
        Ok(Status {
            version: unsigned(&row, 0)?,
            changed: timestamp(row.try_get(1)?)?,
            documents: unsigned(&row, 2)?,
            passages: unsigned(&row, 3)?,
            characters: unsigned(&row, 4)?,
            text_bytes: unsigned(&row, 5)?,
            warnings: unsigned(&row, 6)?,
            flags: unsigned(&row, 7)?,
            adding: self.adding().contains(&corpus),
        })
    }

    /// Removes a corpus with all its documents and versions. Indexes learn of it by the passage log.
    ///
    /// # Errors
    /// [`CorpusError::NoCorpus`]; [`CorpusError::Busy`] while records are being added.
    pub async fn remove(&self, corpus: CorpusId) -> Result<(), CorpusError> {
        let _changing = self.begin_change(corpus).ok_or(CorpusError::Busy)?;
        let mut write = self.store.write().await?;
        if !crate::write::forget_corpus(&mut write, corpus).await? {
            return Err(CorpusError::NoCorpus);
        }
        write.commit().await?;
        self.cache.clear();
        Ok(())
    }

    /// What the guard asks to know before anybody may search this corpus.
    pub fn terms(&self, corpus: &Corpus) -> guard::CorpusTerms {
        guard::CorpusTerms {
            corpus: corpus.id,
            tenant: corpus.tenant,
            readers: corpus.readers.clone(),
            label: corpus.label.clone(),
        }
    }

    pub(crate) fn begin_change(&self, corpus: CorpusId) -> Option<Changing> {
        self.adding().insert(corpus).then(|| Changing { corpus, adding: self.adding.clone() })
    }

    fn adding(&self) -> std::sync::MutexGuard<'_, HashSet<CorpusId>> {
        self.adding.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    async fn with_readers(&self, rows: Vec<SqliteRow>) -> Result<Vec<Corpus>, CorpusError> {
        let mut corpora = rows.iter().map(from_row).collect::<Result<Vec<_>, StoreError>>()?;
        let ids: Vec<String> = corpora.iter().map(|corpus| hex(corpus.id.as_bytes())).collect();
        let readers: Vec<(Vec<u8>, Vec<u8>)> = sqlx::query_as(
            "SELECT corpus, reader FROM corpus_reader WHERE corpus IN (SELECT unhex(value) FROM json_each(?))",
        )
        .bind(to_json(&ids)?)
        .fetch_all(self.store.read())
        .await?;
        let mut by_corpus: BTreeMap<CorpusId, BTreeSet<GroupId>> = BTreeMap::new();
        for (corpus, reader) in &readers {
            by_corpus.entry(id(corpus)?).or_default().insert(id(reader)?);
        }
        for corpus in &mut corpora {
            corpus.readers = by_corpus.remove(&corpus.id).unwrap_or_default();
        }
        Ok(corpora)
    }
}

fn from_row(row: &SqliteRow) -> Result<Corpus, StoreError> {
    Ok(Corpus {
        id: id(row.try_get("id")?)?,
        tenant: id(row.try_get("tenant")?)?,
        name: row.try_get("name")?,
        title: row.try_get("title")?,
        label: from_json(row.try_get("label")?)?,
        readers: BTreeSet::new(),
        version: unsigned(row, "version")?,
        created: timestamp(row.try_get("created_at")?)?,
        changed: timestamp(row.try_get("changed_at")?)?,
    })
}

async fn write_readers(
    write: &mut store::Write,
    corpus: CorpusId,
    readers: &BTreeSet<GroupId>,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM corpus_reader WHERE corpus = ?")
        .bind(corpus.as_bytes().as_slice())
        .execute(&mut **write)
        .await?;
    for reader in readers {
        sqlx::query("INSERT INTO corpus_reader (corpus, reader) VALUES (?, ?)")
            .bind(corpus.as_bytes().as_slice())
            .bind(reader.as_bytes().as_slice())
            .execute(&mut **write)
            .await?;
    }
    Ok(())
}

fn check_name(name: &str) -> Result<String, CorpusError> {
    let normal: String = name.nfc().take(NAME_MAX + 1).collect();
    let length = normal.chars().count();
    let fits = (1..=NAME_MAX).contains(&length)
        && normal.starts_with(char::is_alphanumeric)
        && normal.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.'));
    if fits { Ok(normal) } else { Err(CorpusError::BadName(normal.chars().filter(|c| !c.is_control()).collect())) }
}

pub(crate) fn id<T>(bytes: &[u8]) -> Result<T, StoreError>
where
    T: for<'a> TryFrom<&'a [u8], Error = base::IdError>,
{
    T::try_from(bytes).map_err(|error| StoreError::Broken(error.to_string()))
}

pub(crate) fn unsigned<I>(row: &SqliteRow, column: I) -> Result<u64, StoreError>
where
    I: sqlx::ColumnIndex<SqliteRow>,
{
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|_| StoreError::Broken(format!("a count is `{value}`")))
}

pub(crate) fn timestamp(text: &str) -> Result<Timestamp, StoreError> {
    text.parse().map_err(|_| StoreError::Broken(format!("a time is `{text}`")))
}

pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Broken(error.to_string()))
}

pub(crate) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Broken(error.to_string()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
