//! Says what may happen, hands out the proofs that it was asked, and records what did happen.
//!
//! A [`SearchPermit`], an [`EgressPermit`] and a [`Cleared`] text can be made only here. A function that asks
//! for one therefore cannot be called unchecked. Whatever rule and policy do not allow is refused.

mod approval;
mod approvals;
pub mod contain;
mod declassify;
mod edits;
pub mod mask;
mod permit;
pub mod policy;
mod receipt;
mod refusal;
mod rule;
mod schema;

pub use approval::{Approval, Approvers};
pub use approvals::{ApprovalRequest, ApprovalState, Approvals, ApprovalsError, Declined, Verdict};
pub use declassify::{Declassification, DeclassificationRecord, Declassified};
pub use permit::{Cleared, CorpusTerms, DocumentTerms, EgressPermit, EngineTerms, Masked, SearchPermit};
pub use receipt::{
    Act, Commitment, Committing, Durability, Entry, Filed, Flow, FlowKind, Intent, LedgerPlace, LedgerState, Outcome,
    PassedOver, Reading, Receipt, ReceiptError, ReceiptFilter, Receipts, Recorded, Salt, Span, Stand, Used,
    WitnessLine, WitnessState,
};
pub use refusal::Refusal;
pub use rule::Guard;
pub use schema::SCHEMA;
