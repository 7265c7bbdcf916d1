//! Signed notes (C2SP `signed-note`) and cosignatures (C2SP `tlog-cosignature` v1): a text and who stands for it.
//!
//! Invariant: a note counts as signed by a key only if a signature of that name and id is there and every one of them is
//! right. Signatures of unknown keys say nothing.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::VerifyingKey;
use sha2::{Digest, Sha256};

use crate::signer::{Signer, SignerError};

/// The most bytes of a note that are read.
pub(crate) const NOTE_BYTES_MAX: usize = 64 * 1024;
/// The most signatures of a note that are read; the specification asks for at least 16.
const SIGNATURES_MAX: usize = 64;
/// The most bytes of a key's name.
const NAME_BYTES_MAX: usize = 255;

const ED25519: u8 = 1;
const COSIGNATURE_V1: u8 = 4;

/// Why a text is no note, no key, or not signed as it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It does not have the form of a signed note.
    #[error("no signed note: {0}")]
    Malformed(&'static str),
    /// It does not have the form of a verifier key.
    #[error("no verifier key: {0}")]
    MalformedKey(&'static str),
    /// No signature is by this key.
    #[error("not signed by `{name}`")]
    Unsigned {
        /// The key's name.
        name: String,
    },
    /// A signature claims to be by this key and is not.
    #[error("a signature of `{name}` is wrong")]
    WrongSignature {
        /// The key's name.
        name: String,
    },
}

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// A log's key: Ed25519 over the note's text.
    Ed25519,
    /// A witness's key: Ed25519 over the time and the note's text.
    Cosignature,
}

/// A public key with its name, written `name+id+key` as signed notes write it.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    kind: KeyKind,
    key: VerifyingKey,
}

impl VerifierKey {
    /// The key of a log that signs as `name`.
    ///
    /// # Errors
    /// [`NoteError::MalformedKey`] if the name is none, or the 32 bytes are no Ed25519 key.
    pub fn new(name: &str, kind: KeyKind, public_key: &[u8; 32]) -> Result<Self, NoteError> {
        if !is_name(name) {
            return Err(NoteError::MalformedKey(
                "a name has no space, no `+`, no control character, and 255 bytes at most",
            ));
        }
        let key = VerifyingKey::from_bytes(public_key).map_err(|_| NoteError::MalformedKey("no Ed25519 key"))?;
        let id = key_id(name, kind, public_key);
        Ok(Self { name: name.to_owned(), id, kind, key })
    }

    /// The name that stands in signature lines.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the key signs.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    fn verify(&self, text: &str, signature: &[u8]) -> Option<Option<u64>> {
        let (message, signature, time) = match self.kind {
            KeyKind::Ed25519 => (text.to_owned(), signature, None),
            KeyKind::Cosignature => {
                let (time, signature) = signature.split_first_chunk::<8>()?;
                let time = u64::from_be_bytes(*time);
                (cosigned_message(time, text), signature, Some(time))
            }
        };
        let signature = ed25519_dalek::Signature::from_slice(signature).ok()?;
        self.key.verify_strict(message.as_bytes(), &signature).ok().map(|()| time)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![algorithm(self.kind)];
        key.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{:08x}+{}", self.name, self.id, STANDARD.encode(key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::MalformedKey("it is written `name+id+key`"));
        };
        let key = STANDARD.decode(key).map_err(|_| NoteError::MalformedKey("the key is no base64"))?;
        let (kind, key) = match key.split_first() {
            Some((&ED25519, key)) => (KeyKind::Ed25519, key),
            Some((&COSIGNATURE_V1, key)) => (KeyKind::Cosignature, key),
            _ => return Err(NoteError::MalformedKey("only Ed25519 keys (types 1 and 4) are known here")),
        };
        let key: &[u8; 32] = key.try_into().map_err(|_| NoteError::MalformedKey("an Ed25519 key has 32 bytes"))?;
        let key = Self::new(name, kind, key)?;
        if id != format!("{:08x}", key.id) {
            return Err(NoteError::MalformedKey("the id is not the key's"));
        }
        Ok(key)
    }
}

/// A text with signature lines. Nothing is known about them before [`Note::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<SignatureLine>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct SignatureLine {
    name: String,
    id: u32,
    signature: Vec<u8>,
}

impl Note {
    /// Reads a signed note of at most 64 KiB and 64 signatures.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::Malformed("more than 64 KiB"));
        }
        let note = std::str::from_utf8(bytes).map_err(|_| NoteError::Malformed("no UTF-8"))?;
        if note.bytes().any(|byte| byte < b' ' && byte != b'\n') {
            return Err(NoteError::Malformed("a control character"));
        }
        let at = note.rfind("\n\n").ok_or(NoteError::Malformed("no empty line before the signatures"))?;
        let (text, lines) = (&note[..=at], &note[at + 2..]);
        Ok(Self { text: text.to_owned(), signatures: parse_signature_lines(lines)? })
    }

    /// Signs `text`, which ends with a newline, as `key`'s name.
    ///
    /// # Errors
    /// When the signer cannot sign, or signs with another key.
    pub(crate) fn sign(text: String, key: &VerifierKey, signer: &dyn Signer) -> Result<Self, SignerError> {
        let signature = signer.sign(text.as_bytes())?;
        if key.verify(&text, &signature).is_none() {
            return Err(SignerError::new("the signature is not by the log's key"));
        }
        let signature = SignatureLine { name: key.name.clone(), id: key.id, signature: signature.to_vec() };
        Ok(Self { text, signatures: vec![signature] })
    }

    /// The text that is signed, with its last newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Succeeds if `key` signed this text. Of a cosignature, gives its time in seconds since 1970; the latest, if there
    /// are several.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`]; [`NoteError::WrongSignature`] if any signature that claims to be by the key is not.
    pub fn verify(&self, key: &VerifierKey) -> Result<Option<u64>, NoteError> {
        let mut found = None;
        for line in self.signatures.iter().filter(|line| line.name == key.name && line.id == key.id) {
            let time = key
                .verify(&self.text, &line.signature)
                .ok_or_else(|| NoteError::WrongSignature { name: key.name.clone() })?;
            found = found.max(Some(time));
        }
        found.ok_or_else(|| NoteError::Unsigned { name: key.name.clone() })
    }

    /// Takes from `lines`, a witness's reply, the signatures that `key` really made over this text; others are left out.
    /// Gives the latest cosignature's time.
    ///
    /// # Errors
    /// When the lines have another form, and as [`Note::verify`].
    pub fn add_cosignature(&mut self, lines: &[u8], key: &VerifierKey) -> Result<Option<u64>, NoteError> {
        if lines.len() > NOTE_BYTES_MAX {
            return Err(NoteError::Malformed("more than 64 KiB"));
        }
        let lines = std::str::from_utf8(lines).map_err(|_| NoteError::Malformed("no UTF-8"))?;
        let mut reply = Self { text: self.text.clone(), signatures: parse_signature_lines(lines)? };
        let time = reply.verify(key)?;
        reply.signatures.retain(|line| line.name == key.name && line.id == key.id);
        self.signatures.retain(|line| line.name != key.name || line.id != key.id);
        if self.signatures.len() + reply.signatures.len() > SIGNATURES_MAX {
            return Err(NoteError::Malformed("too many signatures"));
        }
        self.signatures.append(&mut reply.signatures);
        Ok(time)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for line in &self.signatures {
            let mut bytes = line.id.to_be_bytes().to_vec();
            bytes.extend_from_slice(&line.signature);
            writeln!(f, "— {} {}", line.name, STANDARD.encode(bytes))?;
        }
        Ok(())
    }
}

fn parse_signature_lines(lines: &str) -> Result<Vec<SignatureLine>, NoteError> {
    let lines = lines.strip_suffix('\n').ok_or(NoteError::Malformed("no signature, or no newline after the last"))?;
    let mut signatures = Vec::new();
    for line in lines.split('\n') {
        let malformed = || NoteError::Malformed("a signature line is written `— name base64`");
        let (name, signature) = line.strip_prefix("— ").and_then(|line| line.split_once(' ')).ok_or_else(malformed)?;
        let bytes = STANDARD.decode(signature).map_err(|_| malformed())?;
        let (id, signature) = bytes.split_first_chunk::<4>().ok_or_else(malformed)?;
        if !is_name(name) || signature.is_empty() {
            return Err(malformed());
        }
        if signatures.len() == SIGNATURES_MAX {
            return Err(NoteError::Malformed("too many signatures"));
        }
        let id = u32::from_be_bytes(*id);
        signatures.push(SignatureLine { name: name.to_owned(), id, signature: signature.to_vec() });
    }
    Ok(signatures)
}

fn is_name(name: &str) -> bool {
    let odd = |character: char| character.is_whitespace() || character.is_control() || character == '+';
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(odd)
}

fn algorithm(kind: KeyKind) -> u8 {
    match kind {
        KeyKind::Ed25519 => ED25519,
        KeyKind::Cosignature => COSIGNATURE_V1,
    }
}

/// The first four bytes of SHA-256 over the name, a newline, the type and the key.
fn key_id(name: &str, kind: KeyKind, public_key: &[u8; 32]) -> u32 {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', algorithm(kind)])
        .chain_update(public_key)
        .finalize()
        .into();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// What a witness signs at `time`, in seconds since 1970.
pub(crate) fn cosigned_message(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::signer::Ed25519Signer;

    /// The key and note of Go's documentation of `sumdb/note`, which others' code made.
    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem \
                        is.\n\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngot\
                        pRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn a_note_of_others_is_read_and_written_as_it_was() {
        let key: VerifierKey = KEY.parse().unwrap();
        assert_eq!(key.to_string(), KEY);
        let note = Note::parse(NOTE.as_bytes()).unwrap();
        assert_eq!(note.verify(&key), Ok(None));
        assert_eq!(note.to_string(), NOTE);
    }

    #[test]
    fn one_wrong_signature_of_a_known_key_spoils_the_note() {
        let key: VerifierKey = KEY.parse().unwrap();
        let wrong = NOTE.lines().last().unwrap().replace("x08go/Z", "x08go/Y");
        let note = Note::parse(format!("{NOTE}{wrong}\n").as_bytes()).unwrap();
        assert_eq!(note.verify(&key), Err(NoteError::WrongSignature { name: "PeterNeumann".to_owned() }));
        let changed = Note::parse(NOTE.replace("answer", "Answer").as_bytes()).unwrap();
        assert!(matches!(changed.verify(&key), Err(NoteError::WrongSignature { .. })));
    }

    #[test]
    fn signatures_of_unknown_keys_say_nothing() {
        let key: VerifierKey = KEY.parse().unwrap();
        let other =
            VerifierKey::new("PeterNeumann", KeyKind::Ed25519, &Ed25519Signer::from_secret(&[7; 32]).public_key());
        let note = Note::parse(NOTE.as_bytes()).unwrap();
        assert!(matches!(note.verify(&other.unwrap()), Err(NoteError::Unsigned { .. })));
        let more = Note::parse(format!("{NOTE}— someone AAAAAAAA\n").as_bytes()).unwrap();
        assert_eq!(more.verify(&key), Ok(None));
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let many = format!("{NOTE}{}", "— x AAAAAAAA\n".repeat(SIGNATURES_MAX));
        let long = format!("{}\n\n— x AAAAAAAA\n", "x".repeat(NOTE_BYTES_MAX));
        let cases: [&[u8]; 12] = [
            b"",
            b"\n\n",
            b"text\n",
            b"text\n\n",
            b"text\n\n\xe2\x80\x94 name AAAAAAAA",
            b"text\n\n- name AAAAAAAA\n",
            b"text\n\n\xe2\x80\x94 name AAAA\n",
            b"text\n\n\xe2\x80\x94 na+me AAAAAAAA\n",
            b"te\rxt\n\n\xe2\x80\x94 name AAAAAAAA\n",
            b"te\xffxt\n\n\xe2\x80\x94 name AAAAAAAA\n",
            many.as_bytes(),
            long.as_bytes(),
        ];
        for bytes in cases {
            assert!(matches!(Note::parse(bytes), Err(NoteError::Malformed(_))), "{}", String::from_utf8_lossy(bytes));
        }
        assert!(Note::parse(b"text\n\n\xe2\x80\x94 name AAAAAAAA\n").is_ok());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let text = KEY.replace("c74f20a3", "c74f20a4");
        for key in ["", "a", "a+b", "a+00000000+", &text, &KEY[..KEY.len() - 4], &KEY.replace("Peter", "Peter ")] {
            assert!(matches!(key.parse::<VerifierKey>(), Err(NoteError::MalformedKey(_))), "{key}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..400), text in ".{0,80}") {
            let _ = Note::parse(&bytes);
            let _ = Note::parse(format!("{text}\n\n— {text} {text}\n").as_bytes());
            let _ = text.parse::<VerifierKey>();
        }
    }
}
