//! The data key of a folder, and the keys for each purpose that come from it.

use ring::hmac;
use zeroize::Zeroizing;

use crate::Sealer;

/// The one key that a data folder is encrypted with: 32 random bytes that leave memory only wrapped.
pub struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    /// A new key.
    ///
    /// # Errors
    /// When the operating system has no random bytes.
    pub fn random() -> std::io::Result<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Self(bytes))
    }

    /// The key of these bytes; `None` if they are not 32.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// Its bytes, to be wrapped.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What tells this key from others without telling it.
    pub fn check(&self) -> [u8; 32] {
        self.derive("check")
    }

    /// The keys for each purpose.
    pub fn keys(&self) -> Keys {
        Keys {
            database: Sealer::new(&self.derive("database")),
            files: Sealer::new(&self.derive("files")),
            index: Sealer::new(&self.derive("index")),
            secrets: Sealer::new(&self.derive("secrets")),
            names: hmac::Key::new(hmac::HMAC_SHA256, &self.derive("names")),
        }
    }

    fn derive(&self, purpose: &str) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*self.0);
        let mut out = [0; 32];
        out.copy_from_slice(hmac::sign(&key, format!("dure at rest 1 {purpose}").as_bytes()).as_ref());
        out
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey")
    }
}

/// The keys of an open folder, one for each purpose.
#[derive(Clone)]
pub struct Keys {
    /// Pages of the database and of its log.
    pub database: Sealer,
    /// Uploaded files.
    pub files: Sealer,
    /// The word index.
    pub index: Sealer,
    /// Small secrets: what signs the ledger, what the operator is known by.
    pub secrets: Sealer,
    names: hmac::Key,
}

impl Keys {
    /// The name under which content with this hash lies. Without the key nobody can tell whether a known file is here.
    pub fn name(&self, hash: &[u8; 32]) -> [u8; 32] {
        let mut name = [0; 32];
        name.copy_from_slice(hmac::sign(&self.names, hash).as_ref());
        name
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_purpose_and_each_key_has_its_own() {
        let [one, other] = [1, 2].map(|byte| DataKey::from_slice(&[byte; 32]).unwrap());
        let sealed = one.keys().database.seal(b"place", b"text").unwrap();
        assert_eq!(one.keys().database.open(b"place", &sealed).unwrap(), b"text");
        assert!(one.keys().files.open(b"place", &sealed).is_err());
        assert!(other.keys().database.open(b"place", &sealed).is_err());
        assert_ne!(one.keys().name(&[7; 32]), other.keys().name(&[7; 32]));
        assert_ne!(one.check(), other.check());
    }

    #[test]
    fn a_key_never_shows_itself() {
        let key = DataKey::from_slice(&[0x41; 32]).unwrap();
        assert_eq!(format!("{key:?} {:?} {:?}", key.keys(), key.keys().database), "DataKey Keys Sealer");
        assert!(DataKey::from_slice(&[0; 31]).is_none());
    }
}
