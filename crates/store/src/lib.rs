//! The only crate that opens the database and the blobs by content.
//!
//! One process owns a data folder (see [`DataLock`]). Inside it, one connection writes and several read;
//! a table's SQL lives in the crate that owns the table, which hands its [`Schema`] in when the store opens.

mod backup;
mod blobs;
mod check;
mod database;
mod encryption;
mod error;
mod files;
mod lock;
mod manifest;
mod restore;
mod sealed;
mod steps;
mod turn;

pub use backup::{BackupError, BackupProgress, BackupReport, BackupWish, Tell};
pub use blobs::{Blobs, PartialBlob};
pub use database::{Schema, Store, Write};
pub use encryption::{open_secret, seal_secret, unlock};
pub use error::StoreError;
pub use files::Files;
pub use lock::{DataLock, Owner};
pub use manifest::{Manifest, ManifestFile};
pub use restore::{RestoreReport, restore};
pub use turn::{Turned, turn_off, turn_on};
