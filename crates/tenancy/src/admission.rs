//! An admission: tokens set aside for one request.

use std::sync::Arc;

use base::{TenantId, Usage};

use crate::directory::State;

/// Tokens set aside for one request. Settled with what was really used; dropped unsettled, all of them go back.
///
/// Only [`Tenancy::admit`](crate::Tenancy::admit) makes one, so a function that asks for an admission cannot be
/// reached without a quota having been asked.
#[derive(Debug)]
pub struct Admission {
    pub(crate) state: Arc<State>,
    pub(crate) tenant: TenantId,
    pub(crate) tokens: u64,
}

impl Admission {
    /// Tokens that this request may use.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Counts what was really used and gives the rest back.
    pub fn settle(mut self, used: Usage) {
        let reserved = std::mem::take(&mut self.tokens);
        self.state.settle(self.tenant, reserved, used.total_tokens());
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if self.tokens > 0 {
            self.state.settle(self.tenant, self.tokens, 0);
        }
    }
}
