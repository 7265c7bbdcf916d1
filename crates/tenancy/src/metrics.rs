//! What can be watched of tenancy. Nothing here names a tenant: what one used is told in its own list alone.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use crate::Tenancy;

/// What tenancy counts.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Requests that a quota refused.
    pub refused: Counter,
}

impl Tenancy {
    /// Lets `registry` show what tenancy counts.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "dure_quota_refusals",
            "Requests refused because a quota was spent",
            self.metrics.refused.clone(),
        );
    }
}
