//! Who keeps the master key: the one door through which a data key is wrapped and unwrapped.
//!
//! What must stay true: a provider that cannot say for certain that a key is the right one gives none. An institution's
//! own module (a validated one, an HSM, a key service) stands behind [`Command`].

mod command;
mod file;
mod passphrase;

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use command::Command;
pub use file::KeyFile;
pub use passphrase::Passphrase;

use crate::DataKey;

/// Wraps the data key under a master key that lies elsewhere, and unwraps it.
pub trait KeyProvider: Send + Sync + std::fmt::Debug {
    /// The kind, as settings and wrapped keys name it.
    fn kind(&self) -> &'static str;

    /// Wraps a data key under the master key that is in use now.
    ///
    /// # Errors
    /// [`KeyError`].
    fn wrap(&self, key: &DataKey) -> Result<WrappedKey, KeyError>;

    /// Unwraps what this kind of provider wrapped.
    ///
    /// # Errors
    /// [`KeyError`]; never a wrong key in the place of an error.
    fn unwrap(&self, wrapped: &WrappedKey) -> Result<DataKey, KeyError>;
}

/// A data key as it may be written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrappedKey {
    /// The kind of the provider that wrapped it.
    pub provider: String,
    /// Which of the provider's master keys it is wrapped under.
    pub key_id: String,
    /// The wrapped key, in Base64; what is in it is the provider's own affair.
    pub wrapped: String,
}

/// Why a key was not wrapped or unwrapped.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The settings name another kind of provider than the one that wrapped the key.
    #[error("the data key is wrapped by a provider of the kind `{wrapped}`, and the settings name `{named}`")]
    OtherProvider {
        /// The kind that wrapped it.
        wrapped: String,
        /// The kind that was asked.
        named: &'static str,
    },
    /// The provider has another master key.
    #[error("the data key is wrapped under the master key `{wrapped}`, and the one that was given is `{given}`")]
    OtherKey {
        /// The one that is needed.
        wrapped: String,
        /// The one that there is.
        given: String,
    },
    /// The master key does not open it.
    #[error("the wrapped data key does not open: it was changed, or {0}")]
    NotUnwrapped(&'static str),
    /// There is no master key where it should be.
    #[error("the master key in `{}` cannot be read: {source}", path.display())]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is there is no master key that can be used.
    #[error("{0}")]
    Unusable(String),
    /// The operator's program did not do its part.
    #[error("the key program `{program}` {what}")]
    Command {
        /// The program.
        program: String,
        /// What it did.
        what: String,
    },
}

/// The words that bind a wrapping to its purpose and its master key.
fn place(kind: &str, key_id: &str) -> Vec<u8> {
    format!("dure data key 1 {kind} {key_id}").into_bytes()
}

/// The first bytes of what a master key says of itself: enough to tell keys apart, too little to learn from.
fn short_id(check: &[u8; 32]) -> String {
    hex::encode(&check[..8])
}
