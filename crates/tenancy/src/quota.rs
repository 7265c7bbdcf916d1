//! A tenant's tokens: how many are used, set aside, left.
//!
//! Invariant: `used + reserved <= limit`, and `used + reserved <= leased`, where `leased` is on disk before anything
//! below it is promised. After a crash everything leased counts as used: at most one lease is lost to the tenant,
//! and nothing is ever spent twice.

/// Tokens leased at a time beyond what is asked for, so that most requests need no write.
const LEASE_TOKENS: u64 = 16_384;

/// One tenant's tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Tokens that may ever be used; none for no bound.
    pub(crate) limit: Option<u64>,
    /// Tokens used.
    pub(crate) used: u64,
    /// Tokens promised to requests that run now.
    pub(crate) reserved: u64,
    /// Tokens that the disk counts as used should the process die now.
    pub(crate) leased: u64,
}

/// What [`Quota::reserve`] says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reserve {
    /// The tokens are set aside.
    Done,
    /// The disk has to count up to this many first; then ask again.
    Lease(u64),
    /// Not enough left.
    Refused {
        /// Tokens left.
        left: u64,
    },
}

impl Quota {
    pub(crate) fn reserve(&mut self, tokens: u64) -> Reserve {
        let taken = self.used.saturating_add(self.reserved);
        let wanted = taken.saturating_add(tokens);
        let limit = self.limit.unwrap_or(u64::MAX);
        if wanted > limit {
            return Reserve::Refused { left: limit.saturating_sub(taken) };
        }
        if wanted > self.leased && self.limit.is_some() {
            return Reserve::Lease(wanted.saturating_add(LEASE_TOKENS).min(limit));
        }
        self.reserved = self.reserved.saturating_add(tokens);
        Reserve::Done
    }

    /// Counts what was really used of `reserved` tokens; never more than was set aside.
    pub(crate) fn settle(&mut self, reserved: u64, used: u64) {
        self.reserved = self.reserved.saturating_sub(reserved);
        self.used = self.used.saturating_add(used.min(reserved));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_order_of_reserving_and_settling_overspends(
            limit in 0_u64..50_000,
            steps in proptest::collection::vec((0_u64..20_000, 0_u64..40_000, any::<bool>()), 0..60),
        ) {
            let mut quota = Quota { limit: Some(limit), ..Quota::default() };
            let mut open = Vec::new();
            for (ask, use_, close) in steps {
                match quota.reserve(ask) {
                    Reserve::Done => open.push(ask),
                    Reserve::Lease(leased) => {
                        prop_assert!(leased <= limit);
                        quota.leased = leased;
                        prop_assert_eq!(quota.reserve(ask), Reserve::Done);
                        open.push(ask);
                    }
                    Reserve::Refused { left } => prop_assert!(ask > left),
                }
                if close && let Some(reserved) = open.pop() {
                    quota.settle(reserved, use_);
                }
                prop_assert!(quota.used + quota.reserved <= limit);
                prop_assert!(quota.used + quota.reserved <= quota.leased);
            }
        }
    }

    #[test]
    fn a_tenant_without_a_limit_needs_no_lease() {
        let mut quota = Quota::default();
        assert_eq!(quota.reserve(1_000_000), Reserve::Done);
        quota.settle(1_000_000, 10);
        assert_eq!(quota, Quota { used: 10, ..Quota::default() });
    }
}
