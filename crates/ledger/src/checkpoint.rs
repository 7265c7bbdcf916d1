//! Checkpoints (C2SP `tlog-checkpoint`): a log's name, size and root, signed.
//!
//! Invariant: a [`Checkpoint`] was signed by the log's key, or it was not built.

use std::fmt;

use base::ContentHash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::note::{Note, NoteError, VerifierKey};
use crate::signer::{Signer, SignerError};

/// Why a text is no checkpoint of this log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It is no note, or the log's key did not sign it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// What was signed is no checkpoint.
    #[error("no checkpoint: {0}")]
    Malformed(&'static str),
    /// It is another log's.
    #[error("this is the checkpoint of `{found}`, not of `{expected}`")]
    OtherLog {
        /// The log that was asked for.
        expected: String,
        /// The log whose checkpoint this is.
        found: String,
    },
}

/// A signed statement: the log had this size and this root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    size: u64,
    root: ContentHash,
    note: Note,
}

impl Checkpoint {
    /// Reads a checkpoint and the log's signature on it. The log's name is the key's.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open(bytes: &[u8], key: &VerifierKey) -> Result<Self, CheckpointError> {
        let note = Note::parse(bytes)?;
        note.verify(key)?;
        let (origin, size, root) = parse(note.text())?;
        if origin != key.name() {
            return Err(CheckpointError::OtherLog { expected: key.name().to_owned(), found: origin.to_owned() });
        }
        Ok(Self { size, root, note })
    }

    pub(crate) fn sign(
        size: u64,
        root: ContentHash,
        key: &VerifierKey,
        signer: &dyn Signer,
    ) -> Result<Self, SignerError> {
        let text = format!("{}\n{size}\n{}\n", key.name(), write_hash(&root));
        Ok(Self { size, root, note: Note::sign(text, key, signer)? })
    }

    /// How many entries the log had.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of RFC 6962's tree over them.
    pub fn root(&self) -> ContentHash {
        self.root
    }

    /// The signed note.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// How many of these witnesses cosigned it.
    ///
    /// # Errors
    /// [`NoteError::WrongSignature`] if a cosignature that claims to be by one of them is not.
    pub fn cosigners(&self, witnesses: &[VerifierKey]) -> Result<usize, NoteError> {
        let mut count = 0;
        for (at, witness) in witnesses.iter().enumerate() {
            match self.note.verify(witness) {
                Ok(_) if witnesses[..at].contains(witness) => {}
                Ok(_) => count += 1,
                Err(NoteError::Unsigned { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    /// Adds a witness's reply, as [`Note::add_cosignature`] does.
    ///
    /// # Errors
    /// As there.
    pub fn add_cosignature(&mut self, lines: &[u8], key: &VerifierKey) -> Result<Option<u64>, NoteError> {
        self.note.add_cosignature(lines, key)
    }
}

/// The text of the note, with all its signatures.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

fn parse(text: &str) -> Result<(&str, u64, ContentHash), CheckpointError> {
    let malformed = CheckpointError::Malformed;
    let text = text.strip_suffix('\n').ok_or(malformed("no newline at its end"))?;
    let mut lines = text.split('\n');
    let origin = lines.next().filter(|origin| !origin.is_empty()).ok_or(malformed("no origin"))?;
    let size = lines.next().and_then(parse_decimal).ok_or(malformed("no size"))?;
    let root = lines.next().and_then(parse_hash).ok_or(malformed("no root"))?;
    // Lines of others' extensions are signed, but not read.
    if lines.any(str::is_empty) {
        return Err(malformed("an empty line"));
    }
    Ok((origin, size, root))
}

/// A number without sign and leading zeros.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

/// A hash in base64.
pub(crate) fn parse_hash(text: &str) -> Option<ContentHash> {
    let bytes = STANDARD.decode(text).ok()?;
    ContentHash::try_from(bytes.as_slice()).ok()
}

/// A hash in base64.
pub(crate) fn write_hash(hash: &ContentHash) -> String {
    STANDARD.encode(hash.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::KeyKind;
    use crate::signer::Ed25519Signer;
    use crate::tree::empty_root;

    fn key(name: &str) -> (VerifierKey, Ed25519Signer) {
        let signer = Ed25519Signer::from_secret(&[3; 32]);
        (VerifierKey::new(name, KeyKind::Ed25519, &signer.public_key()).unwrap(), signer)
    }

    #[test]
    fn a_checkpoint_reads_back_as_signed() {
        let (key, signer) = key("example.com/log");
        let checkpoint = Checkpoint::sign(70_000, empty_root(), &key, &signer).unwrap();
        assert_eq!(Checkpoint::open(checkpoint.to_string().as_bytes(), &key), Ok(checkpoint.clone()));
        assert!(checkpoint.to_string().starts_with("example.com/log\n70000\n47DEQpj8"));
    }

    #[test]
    fn a_signed_text_of_another_form_is_no_checkpoint() {
        let (key, signer) = key("example.com/log");
        let root = write_hash(&empty_root());
        let check = |text: String, right: bool| {
            let note = Note::sign(text.clone(), &key, &signer).unwrap();
            assert_eq!(Checkpoint::open(note.to_string().as_bytes(), &key).is_ok(), right, "{text}");
        };
        check(format!("example.com/log\n7\n{root}\n"), true);
        check(format!("example.com/log\n7\n{root}\nextension\n"), true);
        for text in [
            format!("example.com/log\n07\n{root}\n"),
            format!("example.com/log\n+7\n{root}\n"),
            format!("example.com/log\n-7\n{root}\n"),
            format!("example.com/log\n18446744073709551616\n{root}\n"),
            format!("example.com/log\n7\n{}\n", &root[4..]),
            format!("example.com/log\n7\n{root} \n"),
            "example.com/log\n7\n".to_owned(),
            format!("7\n{root}\n"),
            format!("example.com/other\n7\n{root}\n"),
            format!("\n7\n{root}\n"),
            format!("example.com/log\n7\n{root}\n\nmore\n"),
        ] {
            check(text, false);
        }
    }

    #[test]
    fn a_key_that_another_signs_for_signs_nothing() {
        let (key, _) = key("example.com/log");
        let other = Ed25519Signer::from_secret(&[4; 32]);
        assert!(Checkpoint::sign(1, empty_root(), &key, &other).is_err());
    }
}
