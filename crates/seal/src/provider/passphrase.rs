//! A master key from a passphrase that people know: Argon2id (RFC 9106) makes guessing dear.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::file::open;
use super::{KeyError, KeyProvider, WrappedKey, place};
use crate::{DataKey, Sealer};

/// RFC 9106's second recommendation: three passes over 64 MiB. It takes a moment, once at each start.
const MEMORY_KIB: u32 = 64 << 10;
const PASSES: u32 = 3;
const LANES: u32 = 4;
const SALT: usize = 16;
/// What fewer characters can hold is guessed, whatever the function.
const CHARACTERS_MIN: usize = 12;

/// The master key of a passphrase.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes a passphrase. A line break at its end is an editor's and not part of it, and Hangul is the same however a
    /// keyboard puts it together (NFC).
    ///
    /// # Errors
    /// [`KeyError::Unusable`] if it is shorter than 12 characters.
    pub fn new(text: Zeroizing<String>) -> Result<Self, KeyError> {
        let text = Zeroizing::new(text.trim_end_matches(['\r', '\n']).nfc().collect::<String>());
        if text.chars().count() < CHARACTERS_MIN {
            return Err(KeyError::Unusable(format!("the passphrase is shorter than {CHARACTERS_MIN} characters")));
        }
        Ok(Self(text))
    }

    fn sealer(&self, salt: &[u8]) -> Result<Sealer, KeyError> {
        let failed = |error: argon2::Error| KeyError::Unusable(format!("Argon2: {error}"));
        let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).map_err(failed)?;
        let mut key = Zeroizing::new([0; 32]);
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon.hash_password_into(self.0.as_bytes(), salt, &mut *key).map_err(failed)?;
        Ok(Sealer::new(&key))
    }
}

impl KeyProvider for Passphrase {
    fn kind(&self) -> &'static str {
        "passphrase"
    }

    fn wrap(&self, key: &DataKey) -> Result<WrappedKey, KeyError> {
        let mut salt = [0; SALT];
        let failed = |error: String| KeyError::Unusable(error);
        getrandom::fill(&mut salt).map_err(|error| failed(error.to_string()))?;
        let key_id = format!("argon2id-{MEMORY_KIB}-{PASSES}-{LANES}:{}", BASE64.encode(salt));
        let sealed = self.sealer(&salt)?.seal(&place(self.kind(), &key_id), key.as_bytes());
        let sealed = sealed.map_err(|error| failed(error.to_string()))?;
        Ok(WrappedKey { provider: self.kind().to_owned(), key_id, wrapped: BASE64.encode(sealed) })
    }

    fn unwrap(&self, wrapped: &WrappedKey) -> Result<DataKey, KeyError> {
        let salt = wrapped.key_id.strip_prefix(&format!("argon2id-{MEMORY_KIB}-{PASSES}-{LANES}:"));
        let salt = salt.and_then(|salt| BASE64.decode(salt).ok()).filter(|salt| salt.len() == SALT);
        let salt = salt.ok_or(KeyError::NotUnwrapped("it was made in another way"))?;
        open(&self.sealer(&salt)?, &place(self.kind(), &wrapped.key_id), &wrapped.wrapped, "the passphrase is another")
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Result<Passphrase, KeyError> {
        Passphrase::new(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn only_the_same_passphrase_unwraps() {
        let mine = passphrase("두레박으로 물을 긷는 새벽\n").unwrap();
        let key = DataKey::random().unwrap();
        let wrapped = mine.wrap(&key).unwrap();
        let again = passphrase("두레박으로 물을 긷는 새벽").unwrap();
        assert_eq!(again.unwrap(&wrapped).unwrap().as_bytes(), key.as_bytes());
        assert_ne!(mine.wrap(&key).unwrap(), wrapped);
        let other = passphrase("두레박으로 물을 긷는 저녁").unwrap();
        assert!(matches!(other.unwrap(&wrapped), Err(KeyError::NotUnwrapped(_))));
        let weaker = WrappedKey { key_id: wrapped.key_id.replace("65536-3-4", "8-1-1"), ..wrapped };
        assert!(matches!(mine.unwrap(&weaker), Err(KeyError::NotUnwrapped(_))), "the cost is not the file's to choose");
    }

    #[test]
    fn hangul_is_the_same_in_both_of_its_forms() {
        let text = "두레박으로 물을 긷는 새벽";
        let apart = passphrase(&text.nfd().collect::<String>()).unwrap();
        assert_ne!(text.nfd().collect::<String>(), text);
        assert_eq!(*apart.0, *passphrase(text).unwrap().0);
    }

    #[test]
    fn a_short_one_is_refused() {
        assert!(passphrase("short\n\n\n\n\n\n\n\n").is_err());
        assert!(!format!("{:?}", passphrase("a secret of words").unwrap()).contains("secret"));
    }
}
