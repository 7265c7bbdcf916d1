//! Vectors of sentences that were compared before: the same sentences come up for many questions.
//!
//! Only in memory, bounded, and apart for each tenant, so that nobody can tell by the time of an answer what another
//! tenant asked. [`Vectors::clear`] empties it when something must be forgotten.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::{ContentHash, TenantId};

/// Vectors that are kept; with 384 dimensions about 12 MiB.
const VECTORS_MAX: usize = 8_192;

type Key = (TenantId, ContentHash);

/// Vectors of sentences.
#[derive(Debug, Default)]
pub(crate) struct Vectors {
    kept: Mutex<HashMap<Key, Arc<[f32]>>>,
}

impl Vectors {
    pub fn get(&self, tenant: TenantId, text: &str) -> Option<Arc<[f32]>> {
        self.lock().get(&(tenant, ContentHash::of(text))).cloned()
    }

    pub fn keep(&self, tenant: TenantId, text: &str, vector: Arc<[f32]>) {
        let mut kept = self.lock();
        // Emptied as a whole when full: what is asked about now is back after a few questions.
        if kept.len() >= VECTORS_MAX {
            kept.clear();
        }
        kept.insert((tenant, ContentHash::of(text)), vector);
    }

    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<[f32]>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_kept_apart_by_tenant_and_never_without_a_bound() {
        let (vectors, ours, theirs) = (Vectors::default(), TenantId::new(), TenantId::new());
        vectors.keep(ours, "a", Arc::from([1.0]));
        assert!(vectors.get(ours, "a").is_some() && vectors.get(theirs, "a").is_none());
        for number in 0..2 * VECTORS_MAX {
            vectors.keep(ours, &number.to_string(), Arc::from([1.0]));
        }
        assert!(vectors.lock().len() <= VECTORS_MAX);
        vectors.clear();
        assert!(vectors.get(ours, "1").is_none());
    }
}
