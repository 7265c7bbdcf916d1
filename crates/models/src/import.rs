//! Installing a file that is here already: checked where it lies, copied by content, and the copy checked again.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base::ContentHash;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use store::{Blobs, StoreError};

use crate::catalogue::{EmbeddingDetails, Entry, Kind, Licence, is_model_name};
use crate::gguf::{Gguf, GgufError};
use crate::installed::{Installed, Metadata};
use crate::models::{Models, StopOnDrop};
use crate::progress::{Phase, Progress, Update};
use crate::{ImportError, ModelsError};

const CHUNK: usize = 1 << 20;

/// What a person said when handing in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// The name to install it under; made from the catalogue or the file's own name if absent.
    pub name: Option<String>,
    /// Whether the licence is accepted, if the catalogue knows the content and asks for it.
    pub accept_licence: bool,
}

impl Models {
    /// Installs the GGUF file at `path`, copied by content. A file whose content the catalogue knows takes kind,
    /// licence and prefixes from there.
    ///
    /// # Errors
    /// [`ImportError`]; then nothing was installed.
    pub async fn import(
        &self,
        path: &Path,
        options: &ImportOptions,
        progress: Arc<dyn Progress>,
    ) -> Result<Installed, ImportError> {
        if let Some(name) = options.name.as_ref().filter(|name| !is_model_name(name)) {
            return Err(ImportError::Name { name: name.escape_debug().to_string() });
        }
        let stop = StopOnDrop(Arc::new(AtomicBool::new(false)));
        let copy = Copy { blobs: self.store.blobs().clone(), stopped: Arc::clone(&stop.0), progress };
        let (copy, size, hash) = blocking({
            let path = path.to_owned();
            move || {
                let (size, hash) = copy.examine(&path)?;
                Ok((copy, size, hash))
            }
        })
        .await?;
        let known = self.catalogue.entries().find(|entry| entry.sha256 == hash);
        let name = match (&options.name, known) {
            (Some(name), _) => name.clone(),
            (None, Some(entry)) => entry.name.clone(),
            (None, None) => name_of(path),
        };
        self.check_name(&name, hash).await?;
        if let Some(entry) = known.filter(|entry| entry.licence.accept && !options.accept_licence) {
            let Licence { name: licence, url, .. } = entry.licence.clone();
            return Err(ImportError::LicenceNotAccepted { name, licence, url });
        }
        let gguf = blocking({
            let path = path.to_owned();
            move || copy.take_in(&path, size, hash)
        })
        .await?;
        let installed = describe(name, hash, &gguf, known, path);
        self.record(&installed).await?;
        Ok(installed)
    }

    async fn check_name(&self, name: &str, hash: ContentHash) -> Result<(), ImportError> {
        if let Some(entry) = self.catalogue.get(name).filter(|entry| entry.sha256 != hash) {
            return Err(ImportError::NotTheCatalogues { name: name.to_owned(), expected: entry.sha256, found: hash });
        }
        let installed = self.installed(name).await.map_err(|error| match error {
            ModelsError::Store(error) => error,
            other => StoreError::Broken(other.to_string()),
        })?;
        match installed {
            Some(other) if other.sha256 != hash => Err(ImportError::Taken { name: name.to_owned() }),
            _ => Ok(()),
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImportError> + Send + 'static,
) -> Result<T, ImportError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ImportError::Stopped)?
}

fn describe(name: String, sha256: ContentHash, gguf: &Gguf, known: Option<&Entry>, path: &Path) -> Installed {
    let now = Timestamp::now();
    let metadata = Metadata::of(gguf);
    let embeds = gguf.number(&format!("{}.pooling_type", gguf.architecture())).is_some_and(|pooling| pooling > 0);
    let kind = known.map_or(if embeds { Kind::Embedding } else { Kind::Chat }, |entry| entry.kind);
    let details = EmbeddingDetails {
        dimensions: metadata.dimensions,
        query_prefix: String::new(),
        passage_prefix: String::new(),
        unrelated_cosine: None,
    };
    let licence = Licence {
        name: gguf.text("general.license").unwrap_or("unknown").to_owned(),
        url: gguf.text("general.license.link").unwrap_or_default().to_owned(),
        accept: false,
    };
    let title = metadata.name.clone().unwrap_or_else(|| name.clone());
    Installed {
        kind,
        title: known.map_or(title, |entry| entry.title.clone()),
        sha256,
        accepted_at: known.is_some_and(|entry| entry.licence.accept).then_some(now),
        licence: known.map_or(licence, |entry| entry.licence.clone()),
        installed_at: now,
        source: format!("file `{}`", path.display()),
        embedding: match known {
            Some(entry) => entry.embedding.clone(),
            None => (kind == Kind::Embedding).then_some(details),
        },
        metadata,
        name,
    }
}

/// A model name made of a file's name; `model` where nothing of it can be used.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let plain = stem.replace(|letter: char| !letter.is_ascii_alphanumeric() && !"._".contains(letter), "-");
    let name: String = plain.trim_matches(['-', '.', '_']).chars().take(64).collect();
    if is_model_name(&name) { name } else { "model".to_owned() }
}

/// One file on its way in.
struct Copy {
    blobs: Blobs,
    stopped: Arc<AtomicBool>,
    progress: Arc<dyn Progress>,
}

impl Copy {
    /// Checks the file where it lies and gives its size and hash, so that a hostile one is refused before a byte is
    /// copied.
    fn examine(&self, path: &Path) -> Result<(u64, ContentHash), ImportError> {
        let file = open(path)?;
        check(path)?;
        let size = file.metadata().map_err(unreadable(path))?.len();
        let mut digest = Sha256::new();
        self.each_chunk(file, path, (Phase::Verifying, size), &mut |chunk| {
            digest.update(chunk);
            Ok(())
        })?;
        Ok((size, ContentHash::from_bytes(digest.finalize().into())))
    }

    /// Copies the file in and checks the copy: the file may have changed in between.
    fn take_in(&self, path: &Path, size: u64, hash: ContentHash) -> Result<Gguf, ImportError> {
        let copied = match self.blobs.path(&hash) {
            Some(here) => here,
            None => {
                let mut partial = self.blobs.resume(hash)?;
                partial.restart()?;
                let place = path.to_owned();
                self.each_chunk(open(path)?, path, (Phase::Copying, size), &mut |chunk| {
                    partial.write_all(chunk).map_err(StoreError::io(&place)).map_err(ImportError::from)
                })?;
                partial.finish()?
            }
        };
        check(&copied)
    }

    fn each_chunk(
        &self,
        file: File,
        path: &Path,
        (phase, size): (Phase, u64),
        take: &mut dyn FnMut(&[u8]) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        let mut update =
            Update { phase, source: format!("file `{}`", path.display()), bytes_done: 0, bytes_total: size };
        let mut reader = file.take(size);
        let mut buffer = vec![0; CHUNK];
        loop {
            if self.stopped.load(Ordering::Relaxed) {
                return Err(ImportError::Stopped);
            }
            let count = reader.read(&mut buffer).map_err(unreadable(path))?;
            if count == 0 {
                return Ok(());
            }
            take(&buffer[..count])?;
            update.bytes_done += count as u64;
            self.progress.update(&update);
        }
    }
}

fn open(path: &Path) -> Result<File, ImportError> {
    // Opening a pipe or a device could wait for ever, or read for ever.
    let metadata = std::fs::metadata(path).map_err(unreadable(path))?;
    if !metadata.is_file() {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no file");
        return Err(unreadable(path)(source));
    }
    File::open(path).map_err(unreadable(path))
}

fn check(path: &Path) -> Result<Gguf, ImportError> {
    let refuse = |reason: GgufError| ImportError::Unsafe { path: path.to_owned(), reason };
    let gguf = Gguf::open(path).map_err(refuse)?;
    gguf.check_model().map_err(refuse)?;
    Ok(gguf)
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> ImportError {
    let path = path.to_owned();
    move |source| ImportError::Unreadable { path, source }
}
