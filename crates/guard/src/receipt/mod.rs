//! Receipts: each flow leaves exactly one, in a log that others can verify.
//!
//! A flow is begun before anything is looked at and closed on every way out. Before text leaves the house an intent is
//! on disk; at the next start, an intent that nothing closed is closed as lost. Where the log cannot be written, nothing
//! flows.

mod entry;
mod flow;
mod office;
mod reading;
mod table;
mod witnesses;

pub use entry::{Act, Commitment, Entry, FlowKind, Intent, Outcome, PassedOver, Receipt, Used};
pub use flow::{Committing, Flow, Salt};
pub use office::{Durability, LedgerPlace, LedgerState, Receipts, Recorded};
pub use reading::{Reading, Span, Stand};
pub use table::ReceiptFilter;
pub use witnesses::{WitnessLine, WitnessState};

/// An entry with its place in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Filed {
    /// Its leaf's index.
    pub leaf: u64,
    /// What it says.
    pub entry: Entry,
}

/// Why a receipt was not found or not proved.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// The log was not opened.
    #[error(transparent)]
    Open(#[from] ledger::OpenError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ledger::ReadError),
    /// The log took no entry.
    #[error(transparent)]
    Append(#[from] ledger::AppendError),
    /// The log stopped.
    #[error(transparent)]
    Stopped(#[from] ledger::Stopped),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// A leaf is none of this program's.
    #[error("leaf {leaf} of the ledger is no entry of Dure's")]
    Foreign {
        /// Its index.
        leaf: u64,
    },
    /// The work was ended before it was done.
    #[error("the program is being stopped")]
    Ended,
}

impl From<sqlx::Error> for ReceiptError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
