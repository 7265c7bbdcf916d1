//! Encryption at rest: one data key for a data folder, its keeper outside of it, and what is sealed under it.
//!
//! What must stay true: the data key is never written but wrapped by a [`KeyProvider`]; what was sealed opens only under
//! the same key, for the same purpose and in the same place; what was changed, cut short or moved is an error, never
//! other content. Nothing here decides what is to be sealed: that is up to whoever writes it.

mod house;
mod key;
mod piece;
pub mod provider;
mod read_at;
mod stream;

pub use house::{Encryption, EncryptionError, FILE};
pub use key::{DataKey, Keys};
pub use piece::{NotOpened, OVERHEAD, Sealer};
pub use provider::{KeyError, KeyProvider, WrappedKey};
pub use read_at::ReadAt;
pub use stream::{SealedFile, SealedWriter};
