//! Why a model was not installed, shown or removed.

use std::fmt;
use std::path::PathBuf;

use base::ContentHash;
use store::StoreError;

use crate::catalogue::CatalogueError;
use crate::gguf::GgufError;

/// Why the models could not be opened, listed or removed.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// The catalogue cannot be used.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// No model has this name, in the catalogue or installed.
    #[error("no model is named `{name}`")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The model is known but not installed.
    #[error("model `{name}` is not installed")]
    NotInstalled {
        /// The name.
        name: String,
    },
    /// The disk said no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One source of a model that did not give it, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SourceFailure {
    /// The source, as a person would name it.
    pub source: String,
    /// What went wrong.
    pub reason: String,
}

/// Why a model of the catalogue was not installed.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The catalogue has no such model.
    #[error("the catalogue has no model `{name}`")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The licence asks to be accepted, and was not.
    #[error("the licence of `{name}` ({licence}) must be accepted first; read it at `{url}`")]
    LicenceNotAccepted {
        /// The model.
        name: String,
        /// The licence's name.
        licence: String,
        /// Where to read it.
        url: String,
    },
    /// Another pull of the same model runs.
    #[error("model `{name}` is being pulled already")]
    Busy {
        /// The model.
        name: String,
    },
    /// No source gave the file.
    #[error("no source of `{name}` could be used: {}", List(failures))]
    NoSource {
        /// The model.
        name: String,
        /// Each source with its reason, in the order tried.
        failures: Vec<SourceFailure>,
    },
    /// What was fetched has the right hash, yet cannot be turned into what the engine loads.
    #[error("`{name}` could not be converted: {reason}")]
    NotConverted {
        /// The model.
        name: String,
        /// What was wrong with it.
        reason: String,
    },
    /// What was fetched has the hash of the catalogue, but is no sound GGUF file.
    #[error("the file of `{name}` is not safe to load: {reason}")]
    Unsafe {
        /// The model.
        name: String,
        /// What is wrong with it.
        reason: GgufError,
    },
    /// The caller lost interest. What arrived stays, and is gone on with next time.
    #[error("the pull was stopped")]
    Stopped,
    /// The disk said no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a file was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("`{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no GGUF, or one that must not be loaded.
    #[error("`{}` is not safe to load: {reason}", path.display())]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: GgufError,
    },
    /// The name breaks the rule for names.
    #[error("`{name}` is no model name: use lower-case letters, digits, `.`, `-` and `_`, at most 64")]
    Name {
        /// The name.
        name: String,
    },
    /// Another model has this name.
    #[error("another model is installed as `{name}`; remove it first or choose another name")]
    Taken {
        /// The name.
        name: String,
    },
    /// A model of the catalogue has this name and other content.
    #[error("`{name}` is a model of the catalogue with the SHA-256 `{expected}`, and this file has `{found}`")]
    NotTheCatalogues {
        /// The name.
        name: String,
        /// What the catalogue says.
        expected: ContentHash,
        /// What the file has.
        found: ContentHash,
    },
    /// The licence asks to be accepted, and was not.
    #[error("the licence of `{name}` ({licence}) must be accepted first; read it at `{url}`")]
    LicenceNotAccepted {
        /// The model.
        name: String,
        /// The licence's name.
        licence: String,
        /// Where to read it.
        url: String,
    },
    /// The caller lost interest.
    #[error("the import was stopped")]
    Stopped,
    /// The disk said no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

struct List<'a>(&'a [SourceFailure]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, failure) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "; " };
            write!(f, "{comma}{}: {}", failure.source, failure.reason)?;
        }
        if self.0.is_empty() { f.write_str("the catalogue names none") } else { Ok(()) }
    }
}
