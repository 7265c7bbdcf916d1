//! Why the disk did not do what was asked.

use std::io;
use std::path::PathBuf;

use base::ContentHash;

const SQLITE_BUSY: u32 = 5;
const SQLITE_FULL: u32 = 13;
/// What the encrypted file system says of a page that does not open.
const SQLITE_IOERR_DATA: u32 = 10 | 32 << 8;

/// Why the disk did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process owns the data folder.
    #[error("the data folder `{}` is in use by process {pid}", dir.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// The owner, 0 if it did not say.
        pid: u32,
    },
    /// No room is left. What was committed before is safe.
    #[error("the disk that holds the data folder is full")]
    Full,
    /// Others keep the database busy. Nothing was changed, and it may be asked again.
    #[error("the database is busy with other work")]
    Busy,
    /// A newer program wrote this folder, and changed what this one would need as it was.
    #[error(
        "the data folder was changed by Dure {program} in a way that this program cannot use (`{owner}` is at step \
         {found}, known here are {known}); use that version or a newer one, or restore a backup from before"
    )]
    Newer {
        /// The crate whose tables are newer.
        owner: String,
        /// The step in the folder.
        found: u32,
        /// The newest step known here.
        known: u32,
        /// The version of the program that made the step.
        program: String,
    },
    /// A restore into this folder did not come to its end.
    #[error("a restore into the data folder `{}` was interrupted; run it again", dir.display())]
    Unfinished {
        /// The folder.
        dir: PathBuf,
    },
    /// Bytes do not have the hash they must have.
    #[error("expected SHA-256 `{expected}`, got `{found}`")]
    WrongContent {
        /// What was expected.
        expected: ContentHash,
        /// What arrived.
        found: ContentHash,
    },
    /// The folder is encrypted, and no provider of its key is named.
    #[error(
        "the data folder is encrypted, and the settings name no key provider (it was `{provider}`): see `[encryption]`"
    )]
    Encrypted {
        /// The kind of provider that wrapped its key.
        provider: String,
    },
    /// A provider is named, and the folder is not encrypted.
    #[error(
        "the settings ask for encryption, and the data folder is not encrypted: `dure encryption on` encrypts it, with \
         the server stopped"
    )]
    NotEncrypted,
    /// Encryption is to be turned on, and it is.
    #[error("the data folder is encrypted already")]
    AlreadyEncrypted,
    /// Encryption is to be changed or turned off, and there is none.
    #[error("the data folder is not encrypted")]
    AlreadyPlain,
    /// The database is no plain one, and what wraps its key is not there.
    #[error(
        "the database `dure.db` is encrypted or damaged, and `encryption.json`, which wraps its key, is not there; put it back"
    )]
    KeyGone,
    /// The data was encrypted under another key than the folder's `encryption.json` leads to.
    #[error("the data folder was encrypted under another key than its `encryption.json` holds; nothing was changed")]
    OtherKeys,
    /// A page of the encrypted database does not open.
    #[error("the encrypted database has a page that was damaged or altered; restore a backup")]
    Altered,
    /// The key of the folder is not to be had.
    #[error(transparent)]
    Encryption(#[from] seal::EncryptionError),
    /// SQLite is too old to be trusted with this.
    #[error("SQLite {found} is older than 3.51.3, whose predecessors can corrupt a database in WAL mode")]
    OldDatabase {
        /// The library's version.
        found: String,
    },
    /// A row holds what no program of ours wrote.
    #[error("the database holds a broken value: {0}")]
    Broken(String),
    /// The database said no.
    #[error("database: {0}")]
    Database(sqlx::Error),
    /// The file system said no.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl StoreError {
    /// Whether the disk is full: something that the operator can mend, and that loses nothing.
    pub fn is_full(&self) -> bool {
        matches!(self, StoreError::Full)
    }

    /// Whether it passes by itself, so that asking again helps.
    pub fn is_busy(&self) -> bool {
        matches!(self, StoreError::Busy)
    }

    /// Wraps an error of the file system with the path that it speaks of.
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
            _ => StoreError::Io { path, source },
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // Extended codes carry the primary one in their low byte.
        let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
        if code == Some(SQLITE_IOERR_DATA) {
            return StoreError::Altered;
        }
        match code.map(|code| code & 0xff) {
            Some(SQLITE_FULL) => StoreError::Full,
            Some(SQLITE_BUSY) => StoreError::Busy,
            _ if matches!(error, sqlx::Error::PoolTimedOut) => StoreError::Busy,
            _ => StoreError::Database(error),
        }
    }
}
