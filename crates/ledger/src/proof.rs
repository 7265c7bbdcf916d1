//! The proof that a citizen, a patient or an auditor keeps: one text that needs no log any more (C2SP `tlog-proof`).

use std::fmt;

use base::ContentHash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{Checkpoint, CheckpointError, parse_decimal, parse_hash, write_hash};
use crate::note::{NOTE_BYTES_MAX, VerifierKey};
use crate::paths::{PROOF_MAX, included_root};
use crate::tree::leaf_hash;

const HEAD: &str = "c2sp.org/tlog-proof@v1";
/// The most bytes of a proof that are read.
const PROOF_BYTES_MAX: usize = 2 * NOTE_BYTES_MAX;

/// Why a text proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It does not have the form of a proof.
    #[error("no proof: {0}")]
    Malformed(&'static str),
    /// Its checkpoint is not one that the log signed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// It does not lead from this entry to the signed root.
    #[error("the proof is not of this entry")]
    Wrong,
}

/// That an entry is in a log at a signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    index: u64,
    hashes: Vec<ContentHash>,
    checkpoint: String,
    extra: Option<Vec<u8>>,
}

impl Proof {
    pub(crate) fn new(index: u64, hashes: Vec<ContentHash>, checkpoint: String) -> Self {
        Self { index, hashes, checkpoint, extra: None }
    }

    /// With bytes of the application's beside it. Nothing proves them.
    pub fn with_extra(self, extra: Vec<u8>) -> Self {
        Self { extra: Some(extra), ..self }
    }

    /// Reads a proof's text, of 128 KiB at most. It is not verified by that.
    ///
    /// # Errors
    /// [`ProofError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofError> {
        let malformed = ProofError::Malformed;
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(malformed("more than 128 KiB"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("no UTF-8"))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(malformed("no empty line before the checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEAD) {
            return Err(malformed("the first line is `c2sp.org/tlog-proof@v1`"));
        }
        let extra = lines.next_if(|line| line.starts_with("extra ")).map(|line| STANDARD.decode(&line[6..]));
        let extra = extra.transpose().map_err(|_| malformed("`extra` is no base64"))?;
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(parse_decimal);
        let index = index.ok_or(malformed("no `index` with a number"))?;
        let hashes: Option<Vec<_>> = lines.map(parse_hash).collect();
        let hashes = hashes.filter(|hashes| hashes.len() <= PROOF_MAX).ok_or(malformed("its hashes are none"))?;
        Ok(Self { index, hashes, checkpoint: checkpoint.to_owned(), extra })
    }

    /// The entry's index.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The application's bytes beside the proof, which nothing proves.
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// Succeeds if the log whose key this is has `entry` at the proof's index; gives the checkpoint that says so, on which
    /// [`Checkpoint::cosigners`] tells of witnesses.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(&self, entry: &[u8], key: &VerifierKey) -> Result<Checkpoint, ProofError> {
        self.verify_leaf(leaf_hash(entry), key)
    }

    /// The same for who has only the entry's leaf hash, because the entry is a secret.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify_leaf(&self, leaf: ContentHash, key: &VerifierKey) -> Result<Checkpoint, ProofError> {
        let checkpoint = Checkpoint::open(self.checkpoint.as_bytes(), key)?;
        match included_root(leaf, self.index, checkpoint.size(), &self.hashes) {
            Some(root) if root == checkpoint.root() => Ok(checkpoint),
            _ => Err(ProofError::Wrong),
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", write_hash(hash))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::note::KeyKind;
    use crate::signer::{Ed25519Signer, Signer as _};
    use crate::tree::node_hash;

    fn two_entries() -> (Proof, VerifierKey) {
        let signer = Ed25519Signer::from_secret(&[3; 32]);
        let key = VerifierKey::new("example.com/log", KeyKind::Ed25519, &signer.public_key()).unwrap();
        let root = node_hash(&leaf_hash(b"a"), &leaf_hash(b"b"));
        let checkpoint = Checkpoint::sign(2, root, &key, &signer).unwrap();
        (Proof::new(1, vec![leaf_hash(b"a")], checkpoint.to_string()), key)
    }

    #[test]
    fn a_proof_reads_back_and_proves_its_entry_alone() {
        let (proof, key) = two_entries();
        for proof in [proof.clone(), proof.with_extra(b"more".to_vec())] {
            let read = Proof::parse(proof.to_string().as_bytes()).unwrap();
            assert_eq!(read, proof);
            assert_eq!(read.verify(b"b", &key).unwrap().size(), 2);
            assert_eq!(read.verify(b"a", &key), Err(ProofError::Wrong));
        }
    }

    #[test]
    fn a_changed_proof_proves_nothing() {
        let (proof, key) = two_entries();
        let text = proof.to_string();
        for changed in [
            text.replace("index 1", "index 0"),
            text.replace("index 1", "index 01"),
            text.replace("index 1", "index 18446744073709551615"),
            text.replace("\n2\n", "\n3\n"),
            text.replace("@v1", "@v2"),
            text.replace("\n\nexample", "\nexample"),
            text.replacen('\n', "\r\n", 1),
            text.replacen("index", "extra !\nindex", 1),
            text.replacen("\n\n", &format!("\n{}\n\n", write_hash(&leaf_hash(b"a"))), 1),
            text.replacen("\n\n", &format!("{}\n\n", format!("\n{}", write_hash(&leaf_hash(b"a"))).repeat(64)), 1),
            "x".repeat(PROOF_BYTES_MAX + 1),
            String::new(),
        ] {
            let verified = Proof::parse(changed.as_bytes()).and_then(|proof| proof.verify(b"b", &key));
            assert!(verified.is_err(), "{changed}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,60}") {
            let _ = Proof::parse(&bytes);
            let _ = Proof::parse(format!("{HEAD}\nindex 7\n{text}\n\n{text}").as_bytes());
        }
    }
}
