//! From a record to clean passages that remember where they came from.
//!
//! What must stay true: a passage is a span of the stored text, on character borders; a document, its passages and
//! the counters are committed together or not at all; the same record again changes nothing; no name that a record
//! or an archive carries is ever made into a path that is written to.

mod access;
mod add;
mod cache;
mod check;
mod clean;
mod corpora;
mod dated;
mod document;
mod error;
pub mod extract;
mod files;
mod flags;
mod log;
pub mod passage;
mod report;
mod schema;
pub mod sentence;
mod source;
mod tokens;
mod upload;
mod write;

pub use access::{Access, AccessError, AccessRule};
pub use corpora::{Corpora, Corpus, CorpusChange, NewCorpus, Status};
pub use document::{Document, DocumentList, DocumentPage, DocumentSummary};
pub use error::{AddError, CorpusError};
pub use extract::{Heading, Kind, Warning, WarningKind};
pub use files::{CorpusFile, Files, NewFile, StoredFile};
pub use flags::{Flag, FlagKind, FlagRules, RuleError};
pub use log::{PassageRow, RevisionRow};
pub use report::{AddOptions, AddReport, Failure, FailureReason, Flagged, Limits, Progress, SourceWarning};
pub use schema::SCHEMA;
pub use tokens::estimate as estimate_tokens;
pub use upload::Upload;
