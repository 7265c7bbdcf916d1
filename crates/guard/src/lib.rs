//! Says what may happen, and hands out the proofs that it was asked.
//!
//! A [`SearchPermit`], an [`EgressPermit`] and a [`Cleared`] text can be made only here. A function that asks
//! for one therefore cannot be called unchecked. Whatever rule and policy do not allow is refused.

mod approval;
mod declassify;
mod permit;
pub mod policy;
mod refusal;
mod rule;

pub use approval::{Approval, Approvers};
pub use declassify::{Declassification, DeclassificationRecord, Declassified};
pub use permit::{Cleared, CorpusTerms, DocumentTerms, EgressPermit, EngineTerms, Masked, SearchPermit};
pub use refusal::Refusal;
pub use rule::Guard;
