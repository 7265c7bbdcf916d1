//! Who signs: a small door, so that a validated module or a device can stand in for the key in memory.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey};

/// Why a signature was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot sign: {reason}")]
pub struct SignerError {
    reason: String,
}

impl SignerError {
    /// With the reason in the signer's words, which must hold nothing secret.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

/// Something that makes Ed25519 signatures (RFC 8032).
///
/// A signature that does not verify under [`Signer::public_key`] is never written down.
pub trait Signer: Send {
    /// The 32 bytes of the public key.
    fn public_key(&self) -> [u8; 32];

    /// Signs a message.
    ///
    /// # Errors
    /// When no signature can be made now. The ledger stops then.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError>;
}

/// A key in memory. Its secret is overwritten when it is dropped.
pub struct Ed25519Signer(SigningKey);

impl Ed25519Signer {
    /// The key that RFC 8032 derives from 32 secret bytes, which must come from a cryptographic source of chance.
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }
}

impl Signer for Ed25519Signer {
    fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        Ok(self.0.sign(message).to_bytes())
    }
}

impl fmt::Debug for Ed25519Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ed25519Signer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_vector_of_rfc_8032() {
        let secret = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let signer = Ed25519Signer::from_secret(&secret.try_into().unwrap());
        assert_eq!(
            signer.public_key().to_vec(),
            hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        );
        assert_eq!(signer.sign(b"").unwrap()[..8], hex("e5564300c360ac72")[..]);
        assert!(!format!("{signer:?}").contains("9d"));
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }
}
