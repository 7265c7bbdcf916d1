//! The only crate that opens the database and the blobs by content.
//!
//! One process owns a data folder (see [`DataLock`]). Inside it, one connection writes and several read;
//! a table's SQL lives in the crate that owns the table, which hands its [`Schema`] in when the store opens.

mod blobs;
mod database;
mod error;
mod lock;

pub use blobs::{Blobs, PartialBlob};
pub use database::{Schema, Store, Write};
pub use error::StoreError;
pub use lock::{DataLock, Owner};
