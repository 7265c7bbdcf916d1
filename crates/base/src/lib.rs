//! The words that every crate shares: ids, labels and their algebra, principals, usage.
//!
//! This crate does no I/O and knows no other crate of the house. What is written here is said the same way
//! in the code, on the command line, in the API and in the docs.

mod hash;
mod id;
mod label;
mod principal;
pub mod shape;
mod usage;

pub use hash::{ContentHash, HashError};
pub use id::{
    ApprovalId, CallId, ConversationId, CorpusId, DocumentId, FileId, GroupId, IdError, KeyId, PassageId, PersonId,
    ReceiptId, ResponseId, TenantId,
};
pub use label::{Class, Country, Label, LabelError, Name, Purpose, Residency};
pub use principal::{Principal, Subject};
pub use usage::Usage;
