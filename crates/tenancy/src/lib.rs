//! Tenants, groups, people, keys; quotas that cannot be overspent.
//!
//! One process owns the data folder, so what is asked on every request (is this key good? is there room in the
//! quota?) is answered from memory; the database keeps it, and is written before memory says yes to anything that
//! must survive.

mod admission;
mod directory;
mod error;
mod idempotency;
mod key;
mod metrics;
mod quota;
mod rows;

pub use admission::Admission;
pub use directory::{Group, KeyInfo, NewKey, NewKeyOwner, Person, PersonChange, Tenancy, Tenant};
pub use error::{AdmissionError, AuthError, TenancyError};
pub use idempotency::{Begun, Claim, Idempotency, KeptAnswer};
pub use key::{KeySecret, key_id};
pub use rows::SCHEMA;
