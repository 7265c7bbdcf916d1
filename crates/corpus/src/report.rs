//! What goes into an `add`, and what comes out of it.

use std::collections::BTreeSet;

use base::{Class, GroupId};
use serde::Serialize;

/// How records are added.
#[derive(Debug, Clone, Default)]
pub struct AddOptions {
    /// A class stricter than the corpus's, for these documents. A class is never lowered by adding again.
    pub class: Option<Class>,
    /// Groups that may read these documents beyond what the corpus asks; empty leaves it as it is.
    pub readers: BTreeSet<GroupId>,
    /// What single records take on beyond that, by where they lie.
    pub access: crate::Access,
    /// Bounds.
    pub limits: Limits,
}

/// Bounds of one `add`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files and archive entries in all.
    pub files_max: u64,
    /// Bytes of one file or archive entry.
    pub file_bytes_max: u64,
    /// Bytes that one archive may unpack to.
    pub archive_bytes_max: u64,
    /// How many times its own size an archive may unpack to.
    pub archive_ratio_max: u64,
    /// Folders inside folders.
    pub folder_depth_max: usize,
    /// Failures and warnings that the report names; more are only counted.
    pub report_max: usize,
    /// Bounds of each extraction.
    pub extract: crate::extract::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files_max: 1_000_000,
            file_bytes_max: 64 << 20,
            archive_bytes_max: 16 << 30,
            archive_ratio_max: 1_000,
            folder_depth_max: 64,
            report_max: 10_000,
            extract: crate::extract::Limits::default(),
        }
    }
}

/// How far an `add` is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = AddProgress)]
pub struct Progress {
    /// Files and entries found so far.
    pub files_seen: u64,
    /// Whether more may be found.
    pub looking: bool,
    /// Files and entries dealt with.
    pub files_done: u64,
    /// Bytes of what was dealt with.
    pub bytes_done: u64,
    /// Passages made.
    pub passages: u64,
    /// The file dealt with last.
    pub current: String,
}

/// What an `add` did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default, utoipa::ToSchema)]
pub struct AddReport {
    /// New documents.
    pub added: u64,
    /// Documents with a new content.
    pub changed: u64,
    /// Documents that are as they were.
    pub unchanged: u64,
    /// Documents whose record is gone.
    pub removed: u64,
    /// Files that could not be read, up to a bound; what was known of them before is kept.
    pub failed: Vec<Failure>,
    /// How many could not be read.
    pub failed_count: u64,
    /// What was left out or shortened, up to a bound.
    pub warnings: Vec<SourceWarning>,
    /// How many warnings there were.
    pub warnings_count: u64,
    /// New and changed documents that are flagged, up to a bound.
    pub flagged: Vec<Flagged>,
    /// How many flags there were.
    pub flags_count: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Passages made.
    pub passages: u64,
    /// The corpus's newest version.
    pub version: u64,
    /// How long it took.
    pub elapsed_ms: u64,
}

/// A file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Failure {
    /// Which.
    pub path: String,
    /// Why.
    pub reason: FailureReason,
}

/// Why a file could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind", content = "detail")]
pub enum FailureReason {
    /// The file system said no.
    #[error("{0}")]
    Unreadable(String),
    /// Larger than one file may be.
    #[error("larger than {bytes_max} bytes")]
    TooLarge {
        /// The bound.
        bytes_max: u64,
    },
    /// Not in a format that is read, or damaged beyond reading.
    #[error("{0}")]
    NotReadable(String),
    /// The archive is damaged, encrypted or beyond its bounds.
    #[error("{0}")]
    Archive(String),
    /// There are rules of access, and none is for it.
    #[error("no rule of access is for it, so nobody knows who may read it")]
    NoAccess,
    /// The program failed on it.
    #[error("reading it failed unexpectedly")]
    Crashed,
}

/// Something that was left out or shortened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SourceWarning {
    /// Where.
    pub path: String,
    /// What.
    pub detail: String,
}

/// A document in which a person should look at something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Flagged {
    /// Which.
    pub path: String,
    /// What, in the order of its text.
    pub flags: Vec<crate::Flag>,
}
