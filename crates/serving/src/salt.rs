//! Cache salts: whose cached prompt prefixes may be shared with whom.

use base::TenantId;
use engine::CacheSalt;
use sha2::{Digest, Sha256};
use store::{Store, StoreError};

/// The installation's secret. It is made once and never leaves the data folder.
#[derive(Clone)]
pub(crate) struct Secret([u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// Reads the secret, or makes it.
    pub async fn of(store: &Store) -> Result<Self, StoreError> {
        let mut fresh = [0; 32];
        getrandom::fill(&mut fresh).map_err(|error| StoreError::Broken(format!("no random numbers: {error}")))?;
        let mut write = store.write().await?;
        sqlx::query("INSERT OR IGNORE INTO serving_secret (only, secret) VALUES (1, ?)")
            .bind(fresh.as_slice())
            .execute(&mut *write)
            .await?;
        let kept: Vec<u8> =
            sqlx::query_scalar("SELECT secret FROM serving_secret WHERE only = 1").fetch_one(&mut *write).await?;
        write.commit().await.map_err(StoreError::from)?;
        let kept = kept.try_into().map_err(|_| StoreError::Broken("the secret for cache salts".to_owned()))?;
        Ok(Self(kept))
    }

    /// The salt of one tenant's route. Nobody without the secret can make a prompt fall under it.
    pub fn salt(&self, tenant: TenantId, route: &str) -> CacheSalt {
        // One block of known length before the message keeps this from being extended (the digest is cut, too).
        let digest = Sha256::new()
            .chain_update(self.0)
            .chain_update(tenant.as_bytes())
            .chain_update((route.len() as u64).to_be_bytes())
            .chain_update(route)
            .chain_update(self.0)
            .finalize();
        let mut salt = [0; 16];
        salt.copy_from_slice(&digest[..16]);
        CacheSalt(salt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_and_routes_and_installations_share_no_salt() {
        let (here, there) = (Secret([1; 32]), Secret([2; 32]));
        let (ours, theirs) = (TenantId::new(), TenantId::new());
        assert_eq!(here.salt(ours, "law"), here.salt(ours, "law"));
        assert_ne!(here.salt(ours, "law"), here.salt(theirs, "law"));
        assert_ne!(here.salt(ours, "law"), here.salt(ours, "works"));
        assert_ne!(here.salt(ours, "law"), there.salt(ours, "law"));
    }
}
