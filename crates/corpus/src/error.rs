//! Why a corpus did not do what was asked.

use store::StoreError;

/// Why a corpus was not made, found, read or changed.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// The name cannot be one.
    #[error("a corpus's name has 1 to 64 letters, digits or `-_.` and begins with a letter or digit, not `{0}`")]
    BadName(String),
    /// The tenant has a corpus of this name.
    #[error("there is a corpus `{0}` already")]
    NameTaken(String),
    /// No such corpus.
    #[error("no such corpus")]
    NoCorpus,
    /// No such document in the corpus.
    #[error("no document `{0}` in this corpus")]
    NoDocument(String),
    /// The tenant has as many files as it may have.
    #[error("a tenant has at most {files_max} files of {bytes_max} bytes together; delete some first")]
    TooManyFiles {
        /// Files that it may have.
        files_max: u64,
        /// Bytes that they may have together.
        bytes_max: u64,
    },
    /// A file was to be kept, and none or several came.
    #[error("exactly one file is taken here")]
    OneFile,
    /// Records are being added to the corpus right now.
    #[error("records are being added to this corpus; try again when that has ended")]
    Busy,
    /// The disk said no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why records were not added. What was committed before stays, and the next `add` goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// Nothing was named.
    #[error("name at least one file or folder to add")]
    NothingNamed,
    /// No such corpus any more.
    #[error("no such corpus")]
    NoCorpus,
    /// Somebody else adds to this corpus right now.
    #[error("records are being added to this corpus already")]
    Busy,
    /// The folder has more files than one `add` takes.
    #[error("more than {files_max} files; add fewer folders at a time")]
    TooManyFiles {
        /// The bound.
        files_max: u64,
    },
    /// Every number that a passage can have is used up.
    #[error("the passage log is full")]
    LogFull,
    /// The program itself failed while reading; what was committed before is safe.
    #[error("reading stopped unexpectedly: {0}")]
    Stopped(String),
    /// The disk said no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for CorpusError {
    fn from(error: sqlx::Error) -> Self {
        CorpusError::Store(error.into())
    }
}

impl From<sqlx::Error> for AddError {
    fn from(error: sqlx::Error) -> Self {
        AddError::Store(error.into())
    }
}
