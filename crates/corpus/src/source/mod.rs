//! Where records come from: files, folders, archives.
//!
//! What must stay true: nothing here writes; no symbolic link leads out of what was named; a name that comes from a
//! folder or an archive is a label, and is never joined to a path; one thread looks, and holds a share of a bounded
//! budget for each record that it hands on.

mod archive;
mod budget;
mod folder;
mod name;
mod section;

use std::collections::HashSet;
use std::fs::Metadata;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub(crate) use budget::{Budget, Hold};
pub(crate) use folder::{read_beneath, read_bounded};
pub(crate) use name::{display, of_bytes};
pub(crate) use section::Section;

use crate::{FailureReason, Limits, SourceWarning};

/// Bytes of records that are in the program at one time.
pub(crate) const IN_FLIGHT_MAX: u64 = 64 << 20;

/// A record that was found.
#[derive(Debug)]
pub(crate) struct Record {
    /// What people call it.
    pub path: String,
    /// Where it lies; its identity in the corpus.
    pub source: String,
    /// The number of the system's group that owns its file, or the archive that it is in.
    pub group: Option<u32>,
    pub content: Content,
    /// Its share of the budget.
    pub hold: Hold,
}

#[derive(Debug)]
pub(crate) enum Content {
    /// A file, opened only when it is its turn.
    File(Beneath),
    /// A file that was uploaded: it has no name on the disk.
    Section(Section),
    /// An archive's entry.
    Bytes(Vec<u8>),
    Failed(FailureReason),
}

/// A file inside a folder that stays open, so that no link put in its way leads elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct Beneath {
    pub root: Arc<OwnedFd>,
    pub relative: PathBuf,
}

/// What a look through everything that was named found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Sources of all records that are there.
    pub seen: HashSet<String>,
    /// Beginnings of sources that were looked through to the end: what is known below them and was not seen is gone.
    pub complete: Vec<String>,
    /// Beginnings of sources that could not be looked through: what is known below them stays.
    pub unknown: Vec<String>,
    pub warnings: Vec<SourceWarning>,
    pub warnings_count: u64,
    pub too_many: bool,
}

/// How far the look is, for whoever shows progress.
#[derive(Debug, Default)]
pub(crate) struct Looking {
    pub seen: AtomicU64,
    pub ended: AtomicBool,
}

/// Hands a record on; `false` when nobody wants more.
type Send<'a> = dyn FnMut(Record) -> bool + 'a;

/// One look through what was named.
pub(crate) struct Look<'a> {
    limits: Limits,
    budget: Arc<Budget>,
    looking: Arc<Looking>,
    found: Found,
    send: &'a mut Send<'a>,
    stopped: bool,
    /// The group that owns the file that is looked at.
    group: Option<u32>,
    /// Whether this looks at what was uploaded, which lies nowhere: such a record's source is its path.
    uploaded: bool,
}

/// What is to be looked through.
#[derive(Debug)]
pub(crate) enum Named {
    /// Files, folders and archives on this machine.
    Paths(Vec<PathBuf>),
    /// Files and archives that were uploaded.
    Uploads(Vec<Uploaded>),
}

/// A file that was uploaded.
#[derive(Debug)]
pub(crate) struct Uploaded {
    /// What people call it.
    pub path: String,
    pub content: Section,
}

/// Whether a file of this name is an archive.
pub(crate) fn is_archive(name: &str) -> bool {
    archive::Kind::of_name(name).is_some()
}

/// What stands before the path in the source of an uploaded record. No path of this machine begins so.
pub(crate) const UPLOAD: &str = "upload:";

/// Looks through what was named and hands every record to `send`.
pub(crate) fn look<'a>(
    named: Named,
    limits: Limits,
    budget: Arc<Budget>,
    looking: Arc<Looking>,
    send: &'a mut Send<'a>,
) -> Found {
    let uploaded = matches!(named, Named::Uploads(_));
    let mut look =
        Look { limits, budget, looking, found: Found::default(), send, stopped: false, group: None, uploaded };
    match named {
        Named::Paths(paths) => {
            for path in paths {
                if look.stopped {
                    break;
                }
                look.named(&path);
            }
        }
        Named::Uploads(files) => {
            for file in files {
                if look.stopped {
                    break;
                }
                look.upload(file);
            }
        }
    }
    look.looking.ended.store(true, Ordering::Relaxed);
    look.found
}

impl Look<'_> {
    /// Looks at one path that the caller named; a link is followed here, because the caller named it.
    fn named(&mut self, path: &Path) {
        let label = name::of_path(path);
        let place = match path.canonicalize() {
            Ok(place) => place,
            Err(error) => return self.fail(label.clone(), label, FailureReason::Unreadable(error.to_string())),
        };
        let source = name::of_path(&place);
        match place.metadata() {
            Ok(metadata) if metadata.is_dir() => self.folder(&place, &source),
            Ok(metadata) if metadata.is_file() => self.single(&place, &source, &metadata),
            Ok(_) => self.fail(label, source, FailureReason::Unreadable("not a file or folder".to_owned())),
            Err(error) => self.fail(label, source, FailureReason::Unreadable(error.to_string())),
        }
    }

    fn single(&mut self, place: &Path, source: &str, metadata: &Metadata) {
        let Some((folder, file)) = place.parent().zip(place.file_name()) else { return };
        let label = name::display(&name::of_path(Path::new(file)));
        match folder::open_folder(folder) {
            Ok(root) => {
                let beneath = Beneath { root: Arc::new(root), relative: PathBuf::from(file) };
                self.file(beneath, label, source.to_owned(), metadata, true);
            }
            Err(error) => self.fail(label, source.to_owned(), FailureReason::Unreadable(error.to_string())),
        }
    }

    /// A file: an archive to be opened, or a record.
    fn file(&mut self, beneath: Beneath, path: String, source: String, metadata: &Metadata, named: bool) {
        let size = metadata.len();
        self.group = Some(metadata.gid());
        if let Some(kind) = archive::Kind::of_name(&source) {
            // An archive that was named lends its entries no prefix; one in a folder is like a folder there.
            let prefix = if named { String::new() } else { format!("{path}/") };
            return self.archive(
                kind,
                folder::open_beneath(&beneath).and_then(Section::of_file),
                &prefix,
                &path,
                &source,
            );
        }
        if size > self.limits.file_bytes_max {
            return self.fail(path, source, FailureReason::TooLarge { bytes_max: self.limits.file_bytes_max });
        }
        self.record(path, source, Content::File(beneath), size);
    }

    /// An uploaded file: an archive to be opened, or a record.
    fn upload(&mut self, Uploaded { path, content }: Uploaded) {
        let (source, bytes) = (format!("{UPLOAD}{path}"), content.length());
        if let Some(kind) = archive::Kind::of_name(&path) {
            return self.archive(kind, Ok(content), "", &path, &source);
        }
        if bytes > self.limits.file_bytes_max {
            return self.fail(path, source, FailureReason::TooLarge { bytes_max: self.limits.file_bytes_max });
        }
        self.record(path, source, Content::Section(content), bytes);
    }

    fn record(&mut self, path: String, source: String, content: Content, size: u64) {
        if self.stopped {
            return;
        }
        if self.found.seen.contains(&source) {
            if self.uploaded {
                self.warn(&path, "came more than once in this upload; the first one is kept");
            }
            return;
        }
        if self.looking.seen.fetch_add(1, Ordering::Relaxed) >= self.limits.files_max {
            self.found.too_many = true;
            self.stopped = true;
            return;
        }
        self.found.seen.insert(source.clone());
        let hold = self.budget.hold(size);
        self.stopped = !(self.send)(Record { path, source, group: self.group, content, hold });
    }

    fn fail(&mut self, path: String, source: String, reason: FailureReason) {
        self.record(path, source, Content::Failed(reason), 0);
    }

    fn warn(&mut self, path: &str, detail: impl Into<String>) {
        self.found.warnings_count += 1;
        if self.found.warnings.len() < self.limits.report_max {
            self.found.warnings.push(SourceWarning { path: path.to_owned(), detail: detail.into() });
        }
    }
}
