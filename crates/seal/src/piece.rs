//! One piece at a time: AES-256-GCM under a key of its own for each piece.
//!
//! A random nonce of 24 bytes stands before each piece. Its first half goes with the sealer's key into HMAC-SHA-256 and
//! gives the key for this piece, its second half is the nonce of AES-GCM. AES-GCM's own 12 bytes are too few to be drawn
//! at random as often as a database writes its pages (NIST SP 800-38D, 8.3, allows 2^32 times); 24 are enough for ever.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};
use ring::hmac;

const NONCE: usize = 24;
const TAG: usize = 16;
/// Bytes that a sealed piece has more than what is in it.
pub const OVERHEAD: usize = NONCE + TAG;

/// What does not open: it was sealed under another key or for another place, or it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it was changed, or encrypted under another key")]
pub struct NotOpened;

/// Seals pieces under one key.
#[derive(Clone)]
pub struct Sealer(hmac::Key);

impl Sealer {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// A sealer whose key is nowhere else and goes with it: for what nobody reads after this process.
    ///
    /// # Errors
    /// When the operating system has no random bytes.
    pub fn of_this_process() -> std::io::Result<Self> {
        let mut key = zeroize::Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Self::new(&key))
    }

    /// Seals `text` for `place`: it opens there and nowhere else.
    ///
    /// # Errors
    /// When the operating system has no random bytes.
    pub fn seal(&self, place: &[u8], text: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut sealed = vec![0; text.len() + OVERHEAD];
        self.seal_into(place, text, &mut sealed)?;
        Ok(sealed)
    }

    /// As [`Sealer::seal`], into a buffer that is [`OVERHEAD`] longer than the text.
    ///
    /// # Errors
    /// When the operating system has no random bytes, or the buffer has another length.
    pub fn seal_into(&self, place: &[u8], text: &[u8], sealed: &mut [u8]) -> std::io::Result<()> {
        if sealed.len() != text.len() + OVERHEAD {
            return Err(std::io::ErrorKind::InvalidInput.into());
        }
        let (nonce, rest) = sealed.split_at_mut(NONCE);
        let (body, tag) = rest.split_at_mut(text.len());
        getrandom::fill(nonce).map_err(|error| std::io::Error::other(error.to_string()))?;
        body.copy_from_slice(text);
        let (key, nonce) = self.piece_key(nonce)?;
        let made = key.seal_in_place_separate_tag(nonce, Aad::from(place), body);
        tag.copy_from_slice(made.map_err(|_| std::io::ErrorKind::InvalidInput)?.as_ref());
        Ok(())
    }

    /// Opens what was sealed for `place`.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, NotOpened> {
        let mut text = vec![0; sealed.len().checked_sub(OVERHEAD).ok_or(NotOpened)?];
        self.open_into(place, sealed, &mut text)?;
        Ok(text)
    }

    /// As [`Sealer::open`], into a buffer that is [`OVERHEAD`] shorter than what was sealed.
    ///
    /// # Errors
    /// [`NotOpened`]; then the buffer holds nothing of use.
    pub fn open_into(&self, place: &[u8], sealed: &[u8], text: &mut [u8]) -> Result<(), NotOpened> {
        if sealed.len() != text.len() + OVERHEAD {
            return Err(NotOpened);
        }
        let (nonce, rest) = sealed.split_at(NONCE);
        let (body, tag) = rest.split_at(text.len());
        text.copy_from_slice(body);
        let (key, nonce) = self.piece_key(nonce).map_err(|_| NotOpened)?;
        let tag = Tag::try_from(tag).map_err(|_| NotOpened)?;
        key.open_in_place_separate_tag(nonce, Aad::from(place), tag, text, 0..).map_err(|_| NotOpened)?;
        Ok(())
    }

    fn piece_key(&self, nonce: &[u8]) -> std::io::Result<(LessSafeKey, Nonce)> {
        let (salt, nonce) = nonce.split_at(NONCE / 2);
        let key = hmac::sign(&self.0, salt);
        let broken = |_| std::io::Error::from(std::io::ErrorKind::InvalidInput);
        let key = UnboundKey::new(&AES_256_GCM, key.as_ref()).map_err(broken)?;
        Ok((LessSafeKey::new(key), Nonce::try_assume_unique_for_key(nonce).map_err(broken)?))
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_moved_or_cut_short_does_not_open() {
        let sealer = Sealer::new(&[1; 32]);
        let sealed = sealer.seal(b"here", b"text").unwrap();
        assert_eq!(sealer.open(b"here", &sealed).unwrap(), b"text");
        assert_ne!(sealer.seal(b"here", b"text").unwrap(), sealed, "the same text is never the same bytes");
        assert_eq!(sealer.open(b"there", &sealed), Err(NotOpened));
        assert_eq!(Sealer::new(&[2; 32]).open(b"here", &sealed), Err(NotOpened));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(sealer.open(b"here", &changed), Err(NotOpened), "byte {at}");
            assert_eq!(sealer.open(b"here", &sealed[..at]), Err(NotOpened), "cut at {at}");
        }
        assert_eq!(sealer.open(b"", &sealer.seal(b"", b"").unwrap()).unwrap(), b"");
    }
}
