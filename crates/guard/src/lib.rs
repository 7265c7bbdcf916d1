//! Says what may happen, and hands out the proofs that it was asked.
//!
//! A [`SearchPermit`], an [`EgressPermit`] and a [`Cleared`] text can be made only here. A function that asks
//! for one therefore cannot be called unchecked. Whatever the rule does not allow is refused.

pub mod mask;
mod permit;
mod refusal;
mod rule;

pub use permit::{Cleared, CorpusTerms, DocumentTerms, EgressPermit, EngineTerms, SearchPermit};
pub use refusal::Refusal;
pub use rule::Guard;
