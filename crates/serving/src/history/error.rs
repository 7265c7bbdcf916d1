//! Why history was not read or written.

use crate::ChatError;

/// Why history was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The operator has switched it off.
    #[error("conversations are not kept here")]
    Off,
    /// Nothing of that id is there for this principal.
    #[error("no such {what}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
    },
    /// A bound is reached; something has to be deleted first.
    #[error("{reason}")]
    Full {
        /// Which one.
        reason: String,
    },
    /// A part of what was asked cannot be used.
    #[error("`{field}`: {reason}")]
    Invalid {
        /// The field, as the API names it.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// What may still be shown could not be found out.
    #[error(transparent)]
    Search(#[from] retrieval::SearchError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::StoreError),
}

impl HistoryError {
    pub(crate) fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid { field, reason: reason.into() }
    }
}

impl From<sqlx::Error> for HistoryError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<HistoryError> for ChatError {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Invalid { field, reason } => Self::Invalid { field, reason },
            HistoryError::Search(error) => Self::Search(error),
            HistoryError::Store(error) => Self::Store(error),
            other => Self::History(other),
        }
    }
}
