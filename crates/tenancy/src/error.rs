//! What can go wrong with tenants, keys and quotas.

use store::StoreError;

/// Why a key was not accepted. The same for every reason: a caller learns nothing about keys that exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such key")]
pub struct AuthError;

/// Why tokens were not set aside.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// The quota has not enough left.
    #[error("the quota has {left} tokens left, and this asks for up to {asked}")]
    Exhausted {
        /// Tokens that are neither used nor set aside.
        left: u64,
        /// Tokens that were asked for.
        asked: u64,
    },
    /// The tenant is gone.
    #[error("no such tenant")]
    NoTenant,
    /// The disk said no, so nothing was promised.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a tenant, group, person or key was not changed.
#[derive(Debug, thiserror::Error)]
pub enum TenancyError {
    /// Nothing of this name or id is here.
    #[error("no such {what} `{name}`")]
    NotFound {
        /// `tenant`, `group`, `person` or `key`.
        what: &'static str,
        /// What was asked for.
        name: String,
    },
    /// The name is taken.
    #[error("{what} `{name}` exists already")]
    Exists {
        /// `tenant`, `group`, `person` or `key`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Not a name.
    #[error("a name has 1 to 64 letters, digits or `-._`, not `{0}`")]
    Name(String),
    /// The disk said no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for TenancyError {
    fn from(error: sqlx::Error) -> Self {
        TenancyError::Store(error.into())
    }
}

impl From<sqlx::Error> for AdmissionError {
    fn from(error: sqlx::Error) -> Self {
        AdmissionError::Store(error.into())
    }
}
