//! A tenant's tokens: how many are used, set aside, left.
//!
//! Invariant: `used + reserved <= limit`, and `used + reserved <= leased`, where `leased` is on disk before anything
//! below it is promised. After a crash everything leased counts as used: at most one lease is lost to the tenant,
//! and nothing is ever spent twice.

use std::time::{Duration, Instant};

/// Tokens leased at a time beyond what is asked for, so that most requests need no write: at least so many, and for a
/// tenant who uses more as many as last for about a second.
const LEASE_MIN: u64 = 16_384;
const LEASE_MAX: u64 = 1 << 24;
const LEASE_LASTS: Duration = Duration::from_secs(1);

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
    /// How many tokens the last lease had beyond what was asked for, and when it was taken.
    pub(crate) lease: u64,
    pub(crate) since: Option<Instant>,
    /// Whether somebody has been told to renew the lease.
    pub(crate) renewing: bool,
}

/// What [`Quota::reserve`] says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reserve {
    /// The tokens are set aside.
    Done,
    /// They are, and the lease is to be renewed aside, so that nobody has to wait for the disk. Said once.
    Soon,
    /// The disk has to count [`Quota::next_lease`] first; then ask again.
    Lease,
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
            return Reserve::Lease;
        }
        self.reserved = self.reserved.saturating_add(tokens);
        let nearly_used_up = self.leased.saturating_sub(wanted) < self.lease / 2;
        if self.limit.is_some() && self.leased < limit && nearly_used_up && !self.renewing {
            self.renewing = true;
            return Reserve::Soon;
        }
        Reserve::Done
    }

    /// What the disk has to count before `tokens` more are set aside. A lease that was used up within a second was too
    /// small, and one that lasted longer was larger than it need be.
    pub(crate) fn next_lease(&mut self, tokens: u64, now: Instant) -> u64 {
        let brief = self.since.is_some_and(|since| now.saturating_duration_since(since) < LEASE_LASTS);
        let lease = if brief { self.lease.saturating_mul(2) } else { self.lease / 2 };
        self.lease = lease.clamp(LEASE_MIN, LEASE_MAX);
        self.since = Some(now);
        let wanted = self.used.saturating_add(self.reserved).saturating_add(tokens);
        wanted.saturating_add(self.lease).min(self.limit.unwrap_or(u64::MAX)).max(self.leased)
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
            let (mut open, now) = (Vec::new(), Instant::now());
            for (ask, use_, close) in steps {
                match quota.reserve(ask) {
                    Reserve::Done => open.push(ask),
                    Reserve::Soon => {
                        open.push(ask);
                        // Sooner or later, or, if the disk said no, not at all.
                        if close {
                            quota.leased = quota.next_lease(0, now);
                            quota.renewing = false;
                        }
                    }
                    Reserve::Lease => {
                        quota.leased = quota.next_lease(ask, now);
                        prop_assert!(quota.leased <= limit);
                        prop_assert!(matches!(quota.reserve(ask), Reserve::Done | Reserve::Soon));
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
    fn a_lease_grows_with_what_a_tenant_uses_and_shrinks_again() {
        let mut quota = Quota { limit: Some(u64::MAX), ..Quota::default() };
        let mut now = Instant::now();
        let mut leases = |quota: &mut Quota, pause: Duration| {
            now += pause;
            quota.leased = quota.next_lease(0, now);
            quota.used = quota.leased;
            quota.lease
        };
        let busy: Vec<u64> = (0..12).map(|_| leases(&mut quota, LEASE_LASTS / 2)).collect();
        assert_eq!((busy[0], busy[1], busy[11]), (LEASE_MIN, 2 * LEASE_MIN, LEASE_MAX));
        let calm: Vec<u64> = (0..12).map(|_| leases(&mut quota, LEASE_LASTS)).collect();
        assert_eq!((calm[0], calm[11]), (LEASE_MAX / 2, LEASE_MIN));
    }

    #[test]
    fn a_lease_is_renewed_before_anybody_waits_for_it() {
        let mut quota = Quota { limit: Some(1_000_000), ..Quota::default() };
        assert_eq!(quota.reserve(10), Reserve::Lease);
        quota.leased = quota.next_lease(10, Instant::now());
        assert_eq!(quota.reserve(10), Reserve::Done);
        assert_eq!(quota.reserve(LEASE_MIN / 2 + 1), Reserve::Soon);
        assert_eq!(quota.reserve(10), Reserve::Done);
        // At its limit a tenant has nothing to renew.
        let mut full = Quota { limit: Some(100), leased: 100, lease: LEASE_MIN, ..Quota::default() };
        assert_eq!(full.reserve(100), Reserve::Done);
    }

    #[test]
    fn a_tenant_without_a_limit_needs_no_lease() {
        let mut quota = Quota::default();
        assert_eq!(quota.reserve(1_000_000), Reserve::Done);
        quota.settle(1_000_000, 10);
        assert_eq!(quota, Quota { used: 10, ..Quota::default() });
    }
}
