//! Witnesses (C2SP `tlog-witness`): others who remember the largest checkpoint, and say so with a cosignature.
//!
//! Here is the protocol alone. Whoever calls brings the transport, so no socket is opened here.

use crate::checkpoint::{Checkpoint, parse_decimal, write_hash};
use crate::log::{Log, ReadError};
use crate::note::{KeyKind, NoteError, VerifierKey};

/// Carries one request to a witness.
pub trait Transport {
    /// Posts `body` to the witness's `add-checkpoint`, follows no redirect, and gives the reply, of 64 KiB at most.
    ///
    /// # Errors
    /// The reason, where no reply came.
    fn add_checkpoint(&mut self, body: &[u8]) -> Result<WitnessReply, String>;
}

/// What a witness answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessReply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no cosignature.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// No reply came.
    #[error("the witness `{witness}` was not reached: {reason}")]
    Unreachable {
        /// The witness's name.
        witness: String,
        /// The transport's words.
        reason: String,
    },
    /// The witness cosigned more than this log has: the log was rolled back, and must not go on.
    #[error("the log was rolled back: the witness `{witness}` cosigned {cosigned} entries, and it has {size}")]
    RolledBack {
        /// The witness's name.
        witness: String,
        /// Entries that it cosigned.
        cosigned: u64,
        /// Entries here.
        size: u64,
    },
    /// The witness cosigned another history of this log (its reply was 409 or 422).
    #[error("the log was forked: the witness `{witness}` cosigned another history of it")]
    Forked {
        /// The witness's name.
        witness: String,
    },
    /// The witness does not know this log (404), or not its key (403).
    #[error("the witness `{witness}` does not know this log or its key (status {status})")]
    Unknown {
        /// The witness's name.
        witness: String,
        /// 403 or 404.
        status: u16,
    },
    /// Another log used the witness meanwhile, or the reply was one that the protocol does not have.
    #[error("the witness `{witness}` answered with status {status}, which helps nobody here")]
    Reply {
        /// The witness's name.
        witness: String,
        /// The HTTP status.
        status: u16,
    },
    /// The cosignature is not the witness's.
    #[error("the witness `{witness}`: {error}")]
    Cosignature {
        /// The witness's name.
        witness: String,
        /// What is wrong with it.
        #[source]
        error: NoteError,
    },
    /// The consistency proof could not be made.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A witness and how much of the log it cosigned, as far as is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    key: VerifierKey,
    cosigned: u64,
}

impl Witness {
    /// A witness by its key. `cosigned` is what it cosigned last; 0 if that is not known.
    ///
    /// # Errors
    /// [`NoteError::MalformedKey`] if the key is not one for cosignatures.
    pub fn new(key: VerifierKey, cosigned: u64) -> Result<Self, NoteError> {
        match key.kind() {
            KeyKind::Cosignature => Ok(Self { key, cosigned }),
            KeyKind::Ed25519 => Err(NoteError::MalformedKey("a witness's key is of type 4")),
        }
    }

    /// Entries that it cosigned last, as far as is known.
    pub fn cosigned(&self) -> u64 {
        self.cosigned
    }

    /// Asks the witness to cosign the log's checkpoint; gives the checkpoint with its cosignature. A witness that says that
    /// it knows another size is asked once more, from there.
    ///
    /// # Errors
    /// [`WitnessError`]. After `RolledBack` or `Forked` the log must not be gone on with.
    pub fn cosign(&mut self, log: &Log, transport: &mut dyn Transport) -> Result<Checkpoint, WitnessError> {
        let size = log.checkpoint().size();
        let mut old = self.cosigned.min(size);
        for asked_again in [false, true] {
            let reply = transport.add_checkpoint(request(log, old)?.as_bytes());
            let reply = reply.map_err(|reason| WitnessError::Unreachable { witness: self.name(), reason })?;
            match reply.status {
                200 => return self.take(log.checkpoint().clone(), &reply.body),
                409 => match conflicting_size(&reply.body) {
                    Some(cosigned) if cosigned > size => {
                        return Err(WitnessError::RolledBack { witness: self.name(), cosigned, size });
                    }
                    // The same size, and still a conflict: another root.
                    Some(cosigned) if cosigned == old && old == size => {
                        return Err(WitnessError::Forked { witness: self.name() });
                    }
                    Some(cosigned) if !asked_again => old = cosigned,
                    _ => break,
                },
                422 => return Err(WitnessError::Forked { witness: self.name() }),
                status @ (403 | 404) => return Err(WitnessError::Unknown { witness: self.name(), status }),
                status => return Err(WitnessError::Reply { witness: self.name(), status }),
            }
        }
        Err(WitnessError::Reply { witness: self.name(), status: 409 })
    }

    fn take(&mut self, mut checkpoint: Checkpoint, lines: &[u8]) -> Result<Checkpoint, WitnessError> {
        let added = checkpoint.add_cosignature(lines, &self.key);
        added.map_err(|error| WitnessError::Cosignature { witness: self.name(), error })?;
        self.cosigned = checkpoint.size();
        Ok(checkpoint)
    }

    fn name(&self) -> String {
        self.key.name().to_owned()
    }
}

/// The body of `add-checkpoint` for a witness that cosigned `old` entries.
fn request(log: &Log, old: u64) -> Result<String, ReadError> {
    let mut body = format!("old {old}\n");
    for hash in log.consistency(old)? {
        body.push_str(&write_hash(&hash));
        body.push('\n');
    }
    Ok(format!("{body}\n{}", log.checkpoint()))
}

/// The size in the body of a 409.
fn conflicting_size(body: &[u8]) -> Option<u64> {
    parse_decimal(std::str::from_utf8(body).ok()?.strip_suffix('\n')?)
}
