//! The secret of a key.
//!
//! A key is `dure_`, the key's id and 32 random bytes, each in URL-safe base64. It is shown once. What is kept is
//! the SHA-256 of the random bytes: 256 bits cannot be guessed, so a slow hash would only slow the server down.

use std::fmt;

use base::{ContentHash, KeyId};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use crate::AuthError;

const PREFIX: &str = "dure_";
const ID_DIGITS: usize = 22;
const SECRET_DIGITS: usize = 43;

/// A key as its holder has it. Its `Debug` form shows no secret.
pub struct KeySecret {
    id: KeyId,
    secret: [u8; 32],
}

/// What is kept of a key's secret.
#[derive(Clone, Copy)]
pub(crate) struct KeyHash(pub(crate) [u8; 32]);

impl KeySecret {
    /// Makes a new secret for the key `id`.
    ///
    /// # Errors
    /// When the operating system has no random bytes.
    pub(crate) fn generate(id: KeyId) -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self { id, secret })
    }

    /// Reads a key as a client sends it.
    ///
    /// # Errors
    /// [`AuthError`] for anything that no key of ours looks like.
    pub(crate) fn parse(text: &str) -> Result<Self, AuthError> {
        let digits = text.strip_prefix(PREFIX).ok_or(AuthError)?;
        if digits.len() != ID_DIGITS + SECRET_DIGITS || !digits.is_ascii() {
            return Err(AuthError);
        }
        let (id, secret) = digits.split_at(ID_DIGITS);
        let id = URL_SAFE_NO_PAD.decode(id).map_err(|_| AuthError)?;
        let secret = URL_SAFE_NO_PAD.decode(secret).map_err(|_| AuthError)?;
        Ok(Self {
            id: KeyId::try_from(id.as_slice()).map_err(|_| AuthError)?,
            secret: secret.try_into().map_err(|_| AuthError)?,
        })
    }

    /// The key's id, which is no secret.
    pub fn id(&self) -> KeyId {
        self.id
    }

    pub(crate) fn hash(&self) -> KeyHash {
        KeyHash(*ContentHash::of(self.secret).as_bytes())
    }

    /// The text to hand to the key's holder, once.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}{}", URL_SAFE_NO_PAD.encode(self.id.as_bytes()), URL_SAFE_NO_PAD.encode(self.secret))
    }
}

/// The id that a key shows, which is no secret; whether the key is right is not looked at.
pub fn key_id(key: &str) -> Option<KeyId> {
    KeySecret::parse(key).ok().map(|shown| shown.id())
}

impl KeyHash {
    /// Compares in a time that does not depend on where the hashes differ.
    pub(crate) fn matches(&self, other: &KeyHash) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySecret({}, ...)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_as_shown() {
        let key = KeySecret::generate(KeyId::new()).unwrap();
        let read = KeySecret::parse(&key.reveal()).unwrap();
        assert_eq!(read.id(), key.id());
        assert!(read.hash().matches(&key.hash()));
        assert!(!format!("{key:?}").contains(&key.reveal()[27..]));
    }

    #[test]
    fn nothing_else_reads_as_a_key() {
        let good = KeySecret::generate(KeyId::new()).unwrap().reveal();
        let longer = format!("{good}A");
        let huge = "A".repeat(1 << 20);
        for text in [
            "",
            "dure_",
            "' UNION SELECT * FROM key --",
            "\0",
            &good[..good.len() - 1],
            &good[1..],
            &longer,
            &huge,
            &good.replace("dure_", "DURE_"),
            "dure_한국어한국어한국어한국어한국어한국어한국어한국어한국어한국어한국어",
        ] {
            assert!(KeySecret::parse(text).is_err(), "{text:.80?}");
        }
    }
}
