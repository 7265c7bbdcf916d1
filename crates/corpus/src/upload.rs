//! Uploads: records that come over the wire and lie nowhere.
//!
//! What must stay true: what arrives is written to one file that has no name, inside the data folder, so a hostile name
//! can reach nothing and a crash leaves nothing behind; in an encrypted folder it is sealed under a key that ends with this
//! process, so that the blocks of that file say nothing either; an upload adds or replaces the documents that it brings, and
//! removes none.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use seal::{ReadAt, SealedFile, SealedWriter, Sealer};
use store::StoreError;
use tokio::io::AsyncWriteExt;

use crate::source::{Named, Section, Uploaded, display, of_bytes};
use crate::{AddError, AddOptions, AddReport, Corpora, Corpus, Progress};

/// Records on their way in. Dropped, nothing is left of them.
#[derive(Debug)]
pub struct Upload {
    folder: PathBuf,
    file: tokio::fs::File,
    /// What seals it, in an encrypted folder; gives what is to be written.
    sealed: Option<(Sealer, SealedWriter<Vec<u8>>)>,
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
        let written = match &mut self.sealed {
            None => self.file.write_all(part).await,
            Some((_, sealed)) => match sealed.write_all(part) {
                Ok(()) => self.file.write_all(&std::mem::take(sealed.target_mut())).await,
                Err(error) => Err(error),
            },
        };
        written.map_err(StoreError::io(&self.folder))?;
        self.bytes += part.len() as u64;
        Ok(())
    }

    /// How many records were begun.
    pub fn records(&self) -> usize {
        self.records.len()
    }

    pub(crate) async fn end(self) -> Result<Vec<Uploaded>, StoreError> {
        let file = Self::whole(self.file, self.sealed).await.map_err(StoreError::io(&self.folder))?;
        let ends = self.records.iter().skip(1).map(|(_, start)| *start).chain([self.bytes]).collect::<Vec<_>>();
        let records = self.records.into_iter().zip(ends);
        Ok(records
            .map(|((path, start), end)| Uploaded { path, content: Section::new(file.clone(), start, end - start) })
            .collect())
    }

    /// All that arrived, to be read.
    async fn whole(
        mut file: tokio::fs::File,
        sealed: Option<(Sealer, SealedWriter<Vec<u8>>)>,
    ) -> io::Result<Arc<dyn ReadAt>> {
        let Some((sealer, sealed)) = sealed else {
            file.flush().await?;
            return Ok(Arc::new(file.into_std().await));
        };
        file.write_all(&sealed.finish()?).await?;
        file.flush().await?;
        Ok(Arc::new(SealedFile::open(file.into_std().await, sealer, PLACE)?))
    }
}

/// What an upload on its way in is sealed for.
const PLACE: &[u8] = b"upload";

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
        let sealer = self.store.files().passing().cloned();
        let sealed = sealer.map(|sealer| SealedWriter::new(Vec::new(), sealer.clone(), PLACE).map(|to| (sealer, to)));
        let sealed = sealed.transpose().map_err(StoreError::io(&folder))?;
        Ok(Upload { folder, file, sealed, bytes: 0, records: Vec::new() })
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
