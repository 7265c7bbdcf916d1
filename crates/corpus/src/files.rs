//! Files that are uploaded first and put into a corpus later, as clients of the OpenAI API do.
//!
//! What must stay true: a file belongs to one tenant and to whoever uploaded it; its content lies under its hash, never
//! under its name; a file that is gone takes the documents that it became along with it only where that is asked for.

use std::sync::Arc;

use base::{Class, ContentHash, CorpusId, FileId, TenantId};
use jiff::Timestamp;
use seal::ReadAt;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use store::{Store, StoreError};

use crate::corpora::{from_json, id, unsigned};
use crate::source::{Section, is_archive};
use crate::upload::Upload;
use crate::{AddError, AddOptions, AddReport, Corpora, Corpus, CorpusError};

/// Files that one tenant may have.
const FILES_MAX: i64 = 100_000;
/// Bytes that they may have together.
const BYTES_MAX: u64 = 16 << 30;

/// A file that was uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Its id.
    pub id: FileId,
    /// Whose.
    pub tenant: TenantId,
    /// Who uploaded it.
    pub owner: String,
    /// Its name, as a label.
    pub name: String,
    /// What it was uploaded for.
    pub purpose: String,
    /// The class that it takes at least.
    pub class: Class,
    /// Its length.
    pub bytes: u64,
    /// When it came.
    pub created: Timestamp,
    blob: ContentHash,
}

/// A file to be kept.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// Whose.
    pub tenant: TenantId,
    /// Who uploads it.
    pub owner: String,
    /// What for.
    pub purpose: String,
    /// The class that it takes at least.
    pub class: Class,
}

/// What became of a file in a corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorpusFile {
    /// The file.
    pub file: FileId,
    /// The document's path.
    pub path: String,
    /// Why it became no document.
    pub failure: Option<String>,
    /// Bytes of the document's text.
    pub bytes: u64,
    /// When it was put there.
    pub created: Timestamp,
}

/// All uploaded files of a data folder.
#[derive(Debug)]
pub struct Files {
    store: Arc<Store>,
    corpora: Arc<Corpora>,
    /// Held while a row and its content change together.
    changing: tokio::sync::Mutex<()>,
    /// Held while a file is put into a corpus, so that clients that send many at a time wait for each other.
    adding: tokio::sync::Mutex<()>,
}

impl Files {
    /// Takes the store of `corpora`.
    pub fn new(store: Arc<Store>, corpora: Arc<Corpora>) -> Self {
        Self { store, corpora, changing: tokio::sync::Mutex::default(), adding: tokio::sync::Mutex::default() }
    }

    /// Keeps the one record of an upload as a file.
    ///
    /// # Errors
    /// [`CorpusError::TooManyFiles`]; when the disk says no.
    pub async fn keep(&self, upload: Upload, new: NewFile) -> Result<StoredFile, CorpusError> {
        let mut records = upload.end().await?;
        let record = records.pop().filter(|_| records.is_empty()).ok_or(CorpusError::OneFile)?;
        let (name, mut content) = (record.path, record.content);
        let bytes = content.length();
        let _changing = self.changing.lock().await;
        let (files, all): (i64, i64) =
            sqlx::query_as("SELECT count(*), coalesce(sum(bytes), 0) FROM file WHERE tenant = ?")
                .bind(new.tenant.as_bytes().as_slice())
                .fetch_one(self.store.read())
                .await?;
        if files >= FILES_MAX || (all as u64).saturating_add(bytes) > BYTES_MAX {
            return Err(CorpusError::TooManyFiles { files_max: FILES_MAX as u64, bytes_max: BYTES_MAX });
        }
        let store = Arc::clone(&self.store);
        let taken = tokio::task::spawn_blocking(move || store.files().take_in(&mut content, store.dir()));
        let blob = taken.await.map_err(|error| StoreError::Broken(error.to_string()))??;
        let file = StoredFile {
            id: FileId::new(),
            tenant: new.tenant,
            owner: new.owner,
            name,
            purpose: new.purpose,
            class: new.class,
            bytes,
            created: seconds(Timestamp::now().as_second()),
            blob,
        };
        let mut write = self.store.write().await?;
        sqlx::query(
            "INSERT INTO file (id, tenant, owner, name, purpose, class, bytes, blob, created)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(file.id.as_bytes().as_slice())
        .bind(file.tenant.as_bytes().as_slice())
        .bind(&file.owner)
        .bind(&file.name)
        .bind(&file.purpose)
        .bind(file.class.as_str())
        .bind(file.bytes as i64)
        .bind(file.blob.as_bytes().as_slice())
        .bind(file.created.as_second())
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(file)
    }

    /// One of the tenant's files.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn find(&self, tenant: TenantId, file: FileId) -> Result<Option<StoredFile>, CorpusError> {
        let row = sqlx::query("SELECT * FROM file WHERE tenant = ? AND id = ?")
            .bind(tenant.as_bytes().as_slice())
            .bind(file.as_bytes().as_slice())
            .fetch_optional(self.store.read())
            .await?;
        Ok(row.as_ref().map(read).transpose()?)
    }

    /// The tenant's files that `owner` uploaded, or all of them, the oldest first.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn list(&self, tenant: TenantId, owner: Option<&str>) -> Result<Vec<StoredFile>, CorpusError> {
        let rows = sqlx::query("SELECT * FROM file WHERE tenant = ?1 AND (?2 IS NULL OR owner = ?2) ORDER BY id")
            .bind(tenant.as_bytes().as_slice())
            .bind(owner)
            .fetch_all(self.store.read())
            .await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// A file's content, if it is there.
    ///
    /// # Errors
    /// When the disk says no, or the content was changed where it is encrypted.
    pub async fn read(&self, file: &StoredFile) -> Result<Option<Arc<dyn ReadAt>>, CorpusError> {
        Ok(self.content(file).await?)
    }

    /// Removes a file. The documents that it became stay.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn remove(&self, file: &StoredFile) -> Result<(), CorpusError> {
        let _changing = self.changing.lock().await;
        let mut write = self.store.write().await?;
        sqlx::query("DELETE FROM file WHERE id = ?").bind(file.id.as_bytes().as_slice()).execute(&mut *write).await?;
        let shared: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM file WHERE blob = ?)")
            .bind(file.blob.as_bytes().as_slice())
            .fetch_one(&mut *write)
            .await?;
        write.commit().await?;
        if !shared {
            self.store.files().remove(&file.blob)?;
        }
        Ok(())
    }

    /// Puts a file into a corpus as one document. A file that cannot be read becomes none, and the reason is kept.
    ///
    /// # Errors
    /// As for [`Corpora::add`].
    pub async fn put(&self, corpus: &Corpus, file: &StoredFile) -> Result<CorpusFile, AddError> {
        let _adding = self.adding.lock().await;
        let path = self.document_path(corpus.id, file).await?;
        let failure = match self.content(file).await? {
            _ if is_archive(&file.name) => Some("an archive is no single document".to_owned()),
            None => Some("its content is gone".to_owned()),
            Some(content) => self.add(corpus, &path, content, file.class).await?,
        };
        let bytes = match &failure {
            None => self.corpora.show(corpus.id, &path).await.map_or(0, |shown| shown.summary.text_bytes),
            Some(_) => 0,
        };
        let put = CorpusFile {
            file: file.id,
            path,
            failure,
            bytes,
            created: milliseconds(Timestamp::now().as_millisecond()),
        };
        let mut write = self.store.write().await?;
        sqlx::query(
            "INSERT OR REPLACE INTO corpus_file (corpus, file, path, failure, bytes, created) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(corpus.id.as_bytes().as_slice())
        .bind(put.file.as_bytes().as_slice())
        .bind(&put.path)
        .bind(&put.failure)
        .bind(put.bytes as i64)
        .bind(put.created.as_millisecond())
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(put)
    }

    /// What became of the files that were put into a corpus, the oldest first.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn of_corpus(&self, corpus: CorpusId) -> Result<Vec<CorpusFile>, CorpusError> {
        let rows = sqlx::query("SELECT * FROM corpus_file WHERE corpus = ? ORDER BY created, file")
            .bind(corpus.as_bytes().as_slice())
            .fetch_all(self.store.read())
            .await?;
        Ok(rows.iter().map(read_put).collect::<Result<_, _>>()?)
    }

    /// Takes what a file became out of a corpus; the file itself stays.
    ///
    /// # Errors
    /// [`CorpusError::Busy`] while records are being added.
    pub async fn take_out(&self, corpus: CorpusId, put: &CorpusFile) -> Result<(), CorpusError> {
        match self.corpora.show(corpus, &put.path).await {
            Ok(shown) if put.failure.is_none() => self.corpora.remove_document(corpus, shown.summary.id).await?,
            Ok(_) | Err(CorpusError::NoDocument(_)) => {}
            Err(error) => return Err(error),
        }
        let mut write = self.store.write().await?;
        sqlx::query("DELETE FROM corpus_file WHERE corpus = ? AND file = ?")
            .bind(corpus.as_bytes().as_slice())
            .bind(put.file.as_bytes().as_slice())
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    async fn content(&self, file: &StoredFile) -> Result<Option<Arc<dyn ReadAt>>, StoreError> {
        let (store, blob) = (Arc::clone(&self.store), file.blob);
        let read = tokio::task::spawn_blocking(move || store.files().read(&blob)).await;
        read.map_err(|error| StoreError::Broken(error.to_string()))?
    }

    /// The path of the document that a file is to be: its name, unless another document has it.
    async fn document_path(&self, corpus: CorpusId, file: &StoredFile) -> Result<String, AddError> {
        let mine: Option<String> = sqlx::query_scalar("SELECT path FROM corpus_file WHERE corpus = ? AND file = ?")
            .bind(corpus.as_bytes().as_slice())
            .bind(file.id.as_bytes().as_slice())
            .fetch_optional(self.store.read())
            .await?;
        if let Some(path) = mine {
            return Ok(path);
        }
        let taken: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM document WHERE corpus = ?1 AND path = ?2 AND revision IS NOT NULL)
                 OR EXISTS (SELECT 1 FROM corpus_file WHERE corpus = ?1 AND path = ?2)",
        )
        .bind(corpus.as_bytes().as_slice())
        .bind(&file.name)
        .fetch_one(self.store.read())
        .await?;
        Ok(if taken { format!("{}/{}", file.id, file.name) } else { file.name.clone() })
    }

    /// Adds one file; gives why it was not read, if it was not.
    async fn add(
        &self,
        corpus: &Corpus,
        path: &str,
        content: Arc<dyn ReadAt>,
        class: Class,
    ) -> Result<Option<String>, AddError> {
        let content = Section::whole(content).map_err(StoreError::io(self.store.dir()))?;
        let options = AddOptions { class: Some(class), ..AddOptions::default() };
        let report: AddReport = self.corpora.add_section(corpus, path, content, &options).await?;
        Ok(report.failed.first().map(|failure| failure.reason.to_string()))
    }
}

fn read(row: &SqliteRow) -> Result<StoredFile, StoreError> {
    let blob: Vec<u8> = row.try_get("blob")?;
    let class: String = row.try_get("class")?;
    Ok(StoredFile {
        id: id(row.try_get("id")?)?,
        tenant: id(row.try_get("tenant")?)?,
        owner: row.try_get("owner")?,
        name: row.try_get("name")?,
        purpose: row.try_get("purpose")?,
        class: from_json(&format!("\"{class}\""))?,
        bytes: unsigned(row, "bytes")?,
        created: seconds(row.try_get("created")?),
        blob: ContentHash::try_from(blob.as_slice()).map_err(|error| StoreError::Broken(error.to_string()))?,
    })
}

fn read_put(row: &SqliteRow) -> Result<CorpusFile, StoreError> {
    Ok(CorpusFile {
        file: id(row.try_get("file")?)?,
        path: row.try_get("path")?,
        failure: row.try_get("failure")?,
        bytes: unsigned(row, "bytes")?,
        created: milliseconds(row.try_get("created")?),
    })
}

fn seconds(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn milliseconds(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}
