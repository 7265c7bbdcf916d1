//! An append-only, signed Merkle log that tools nobody here wrote can verify.
//!
//! It stores bytes; what they mean, when they were, and who sees them is its owner's business. On the disk it has the form
//! that C2SP `tlog-tiles` and `tlog-checkpoint` give to such logs, so Go's checksum database code and others' verifiers read
//! it as it is. An entry that was acknowledged is on the disk; an index is given once; a checkpoint is signed only if it
//! extends the last one. Whatever write or sync fails stops the ledger: it is never tried again.
//!
//! [`Ledger`] appends, [`Log`] reads, [`verify`] and [`fsck`] check a folder, [`Proof`] is what others keep, [`Witness`]
//! asks for cosignatures. No socket is opened here and no key is read from a file.

mod checkpoint;
mod disk;
mod journal;
mod ledger;
mod log;
mod memory;
mod note;
mod objects;
mod open;
mod paths;
mod proof;
mod publisher;
mod sequencer;
mod shared;
mod signer;
mod tile;
mod tree;
mod verify;
mod waiting;
mod witness;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use disk::DiskError;
pub use ledger::{AppendError, Ledger, Options};
pub use log::{Log, ReadError};
pub use memory::{FileMemory, Memory, MemoryError};
pub use note::{KeyKind, Note, NoteError, VerifierKey};
pub use open::OpenError;
pub use proof::{Proof, ProofError};
pub use signer::{Ed25519Signer, Signer, SignerError};
pub use tile::ENTRY_BYTES_MAX;
pub use tree::leaf_hash;
pub use verify::{Fsck, FsckError, fsck, verify};
pub use waiting::{Appended, Stopped, Waiting};
pub use witness::{Transport, Witness, WitnessError, WitnessReply};
