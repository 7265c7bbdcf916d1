//! When a key is no longer accepted: for what runs longer than the question whether it was.

use std::sync::Arc;

use base::KeyId;

use super::{State, Tenancy};

impl Tenancy {
    /// Comes when this key is no longer accepted: revoked, or its person suspended.
    pub fn departure(&self, key: KeyId) -> impl Future<Output = ()> + Send + 'static {
        let state = Arc::clone(&self.state);
        // Listened to from before the first look, so that nobody leaves in between.
        let mut told = state.departures.subscribe();
        async move { while state.accepts(key) && told.changed().await.is_ok() {} }
    }
}

impl State {
    fn accepts(&self, key: KeyId) -> bool {
        let inner = self.lock();
        let Some(info) = inner.keys.get(&key).map(|key| &key.info) else { return false };
        let person = info.person.map(|person| inner.people.get(&person));
        info.revoked.is_none() && person.is_none_or(|person| person.is_some_and(|person| person.suspended.is_none()))
    }
}
