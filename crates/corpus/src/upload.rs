//! Uploads: records that come over the wire and lie nowhere.
//!
//! What must stay true: what arrives is written to one file that has no name, inside the data folder, so a hostile name
//! can reach nothing and a crash leaves nothing behind; an upload adds or replaces the documents that it brings, and
//! removes none.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use store::StoreError;
use tokio::io::AsyncWriteExt;

use crate::source::{Named, Section, Uploaded, display, of_bytes};
use crate::{AddError, AddOptions, AddReport, Corpora, Corpus, Progress};

/// Records on their way in. Dropped, nothing is left of them.
#[derive(Debug)]
pub struct Upload {
    folder: PathBuf,
    file: tokio::fs::File,
    bytes: u64,
    /// What each record is called, and where it begins.
    records: Vec<(String, u64)>,
}

impl Upload {
    /// Begins the next record. Its name is a label: steps upwards, a leading slash and what cannot be seen are left out
    /// of it.
    pub fn begin(&mut self, name: &str) {
        self.records.push((display(&of_bytes(name.as_bytes())), self.bytes));
    }

    /// Takes the next bytes of the record that was begun last.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn write(&mut self, part: &[u8]) -> Result<(), AddError> {
        self.file.write_all(part).await.map_err(StoreError::io(&self.folder))?;
        self.bytes += part.len() as u64;
        Ok(())
    }

    /// How many records were begun.
    pub fn records(&self) -> usize {
        self.records.len()
    }

    pub(crate) async fn end(mut self) -> Result<Vec<Uploaded>, StoreError> {
        self.file.flush().await.map_err(StoreError::io(&self.folder))?;
        let file = Arc::new(self.file.into_std().await);
        let ends = self.records.iter().skip(1).map(|(_, start)| *start).chain([self.bytes]).collect::<Vec<_>>();
        let records = self.records.into_iter().zip(ends);
        Ok(records
            .map(|((path, start), end)| Uploaded { path, content: Section::new(file.clone(), start, end - start) })
            .collect())
    }
}

impl Corpora {
    /// Begins to take records in.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn begin_upload(&self) -> Result<Upload, AddError> {
        let folder = self.store.dir().join("incoming");
        let place = folder.clone();
        let opened = tokio::task::spawn_blocking(move || -> io::Result<File> {
            std::fs::create_dir_all(&place)?;
            tempfile::tempfile_in(&place)
        });
        let opened = opened.await.map_err(|error| AddError::Stopped(error.to_string()))?;
        let file = tokio::fs::File::from_std(opened.map_err(StoreError::io(&folder))?);
        Ok(Upload { folder, file, bytes: 0, records: Vec::new() })
    }

    /// Adds what was uploaded: each record is the document of its name, new or in the place of the one that was there; an
    /// archive stands for its entries. No other document changes.
    ///
    /// # Errors
    /// As for [`Corpora::add`].
    pub async fn add_upload(
        &self,
        corpus: &Corpus,
        upload: Upload,
        options: &AddOptions,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<AddReport, AddError> {
        if upload.records.is_empty() {
            return Err(AddError::NothingNamed);
        }
        let uploaded = upload.end().await?;
        self.add_named(corpus, Named::Uploads(uploaded), options, progress).await
    }

    /// Adds one record that lies somewhere of its own.
    pub(crate) async fn add_section(
        &self,
        corpus: &Corpus,
        path: &str,
        content: Section,
        options: &AddOptions,
    ) -> Result<AddReport, AddError> {
        let uploaded = vec![Uploaded { path: path.to_owned(), content }];
        self.add_named(corpus, Named::Uploads(uploaded), options, &|_| {}).await
    }
}
