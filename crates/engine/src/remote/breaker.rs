//! The circuit breaker of one upstream: what failed again and again is left alone for a while, then tried with one request.
//!
//! Invariant: however many ask, an open circuit lets nothing through, and a half-open one at most one request at a time. A
//! request that ends otherwise than in a judgement, since its client hung up, holds nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Circuit;

/// Half of the time over which the share of failures is looked at.
const HALF: Duration = Duration::from_secs(30);
/// Requests in that time from which on their share means something.
const SHARED_LEAST: u32 = 20;
/// For how long an upstream is left alone at most, however often it failed.
const REST_MAX: Duration = Duration::from_secs(300);
/// When those come again that a probe keeps out.
const PROBE_WAIT: Duration = Duration::from_secs(1);

/// One upstream's breaker. Time is told to it.
#[derive(Debug)]
pub(super) struct Breaker {
    /// Failures in a row that open it; 0 means that it never opens.
    failures_max: u32,
    /// For how long it stays open the first time; each time in a row it is twice as long.
    rest: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    phase: Phase,
    /// Failures in a row.
    failures: u32,
    /// Times in a row that it opened.
    trips: u32,
    /// Grows whenever it opens: what was let through before says nothing about after.
    generation: u64,
    /// What ended in this half and in the one before.
    halves: [Counts; 2],
    half_since: Instant,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Closed,
    Open { until: Instant },
    HalfOpen { probing: bool },
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    all: u32,
    failed: u32,
}

/// A request that was let through.
#[derive(Debug)]
pub(super) struct Pass {
    breaker: Arc<Breaker>,
    generation: u64,
    /// Whether it is the one that a half-open circuit lets through.
    probe: bool,
    judged: bool,
}

impl Breaker {
    /// A closed one.
    pub fn new(failures_max: u32, rest: Duration, now: Instant) -> Self {
        let inner = Inner {
            phase: Phase::Closed,
            failures: 0,
            trips: 0,
            generation: 0,
            halves: [Counts::default(); 2],
            half_since: now,
        };
        Self { failures_max, rest, inner: Mutex::new(inner) }
    }

    /// Lets a request through, or says when to come again.
    pub fn enter(self: &Arc<Self>, now: Instant) -> Result<Pass, Duration> {
        let mut inner = self.inner();
        let probe = match inner.phase {
            Phase::Closed => false,
            Phase::Open { until } if now < until => return Err(until - now),
            Phase::HalfOpen { probing: true } => return Err(PROBE_WAIT),
            Phase::Open { .. } | Phase::HalfOpen { probing: false } => {
                inner.phase = Phase::HalfOpen { probing: true };
                true
            }
        };
        Ok(Pass { breaker: Arc::clone(self), generation: inner.generation, probe, judged: false })
    }

    /// How it stands.
    pub fn state(&self, now: Instant) -> Circuit {
        match self.inner().phase {
            Phase::Closed => Circuit::Closed,
            Phase::Open { until } if now < until => Circuit::Open { retry_after: until - now },
            Phase::Open { .. } => Circuit::HalfOpen { probing: false },
            Phase::HalfOpen { probing } => Circuit::HalfOpen { probing },
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// The answer has begun. A probe closes the circuit with it, so that one long answer does not keep all others out; until
    /// an answer is whole, one more failure opens it again.
    pub fn begun(&mut self) {
        if !std::mem::take(&mut self.probe) {
            return;
        }
        let failures = self.breaker.failures_max.saturating_sub(1);
        let mut inner = self.breaker.inner();
        if inner.generation == self.generation {
            inner.phase = Phase::Closed;
            inner.failures = failures;
            inner.halves = [Counts::default(); 2];
        }
    }

    /// The upstream did what it is for, or refused for a reason that is not its own.
    pub fn served(mut self, now: Instant) {
        self.begun();
        self.judged = true;
        let mut inner = self.breaker.inner();
        if inner.generation == self.generation {
            inner.failures = 0;
            inner.trips = 0;
            inner.count(now, false);
        }
    }

    /// The upstream failed; whether that opened the circuit.
    pub fn failed(mut self, now: Instant) -> bool {
        self.judged = true;
        let (failures_max, rest) = (self.breaker.failures_max, self.breaker.rest);
        let mut inner = self.breaker.inner();
        if failures_max == 0 || inner.generation != self.generation {
            return false;
        }
        inner.failures = inner.failures.saturating_add(1);
        inner.count(now, true);
        let opens = self.probe || inner.failures >= failures_max || inner.mostly_failed();
        if opens {
            let rest = rest.saturating_mul(1 << inner.trips.min(16)).min(REST_MAX.max(rest));
            inner.phase = Phase::Open { until: now + rest };
            inner.trips = inner.trips.saturating_add(1);
            inner.generation += 1;
            inner.failures = 0;
            inner.halves = [Counts::default(); 2];
        }
        opens
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.judged || !self.probe {
            return;
        }
        let mut inner = self.breaker.inner();
        if inner.generation == self.generation && matches!(inner.phase, Phase::HalfOpen { .. }) {
            inner.phase = Phase::HalfOpen { probing: false };
        }
    }
}

impl Inner {
    fn count(&mut self, now: Instant, failed: bool) {
        let halves = now.saturating_duration_since(self.half_since).as_secs() / HALF.as_secs();
        if halves > 0 {
            self.halves = [Counts::default(), if halves == 1 { self.halves[0] } else { Counts::default() }];
            self.half_since = now;
        }
        let counts = &mut self.halves[0];
        counts.all = counts.all.saturating_add(1);
        counts.failed = counts.failed.saturating_add(u32::from(failed));
    }

    fn mostly_failed(&self) -> bool {
        let all = self.halves[0].all.saturating_add(self.halves[1].all);
        let failed = self.halves[0].failed.saturating_add(self.halves[1].failed);
        all >= SHARED_LEAST && failed.saturating_mul(2) >= all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_secs(10);

    fn breaker() -> (Arc<Breaker>, Instant) {
        let now = Instant::now();
        (Arc::new(Breaker::new(3, REST, now)), now)
    }

    /// Opens it at `now`.
    fn open(breaker: &Arc<Breaker>, now: Instant) {
        assert!((0..3).any(|_| breaker.enter(now).unwrap().failed(now)));
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_does_not() {
        let (breaker, now) = breaker();
        for fails in [true, true, false, true, true] {
            let pass = breaker.enter(now).unwrap();
            if fails {
                assert!(!pass.failed(now));
            } else {
                pass.served(now);
            }
        }
        assert_eq!(breaker.state(now), Circuit::Closed);
        assert!(breaker.enter(now).unwrap().failed(now));
        assert_eq!(breaker.state(now), Circuit::Open { retry_after: REST });
        assert_eq!(breaker.enter(now + REST / 2).err(), Some(REST / 2));
    }

    #[test]
    fn half_of_all_opens_it_where_there_are_enough() {
        let (breaker, now) = breaker();
        for turn in 0..19 {
            let pass = breaker.enter(now).unwrap();
            if turn % 2 == 0 { assert!(!pass.failed(now)) } else { pass.served(now) }
        }
        // A minute later the same ones are no longer looked at.
        let later = now + 2 * HALF;
        assert!(!breaker.enter(later).unwrap().failed(later));
        let (breaker, now) = self::breaker();
        for turn in 0..19 {
            let pass = breaker.enter(now).unwrap();
            if turn % 2 == 0 { assert!(!pass.failed(now)) } else { pass.served(now) }
        }
        assert!(breaker.enter(now + HALF).unwrap().failed(now + HALF));
    }

    #[test]
    fn one_probe_at_a_time_and_its_outcome_counts() {
        let (breaker, mut now) = breaker();
        open(&breaker, now);
        now += REST;
        assert_eq!(breaker.state(now), Circuit::HalfOpen { probing: false });
        let probe = breaker.enter(now).unwrap();
        assert_eq!(breaker.state(now), Circuit::HalfOpen { probing: true });
        assert_eq!(breaker.enter(now).err(), Some(PROBE_WAIT));
        // One that ends without a judgement makes room for the next.
        drop(probe);
        assert_eq!(breaker.state(now), Circuit::HalfOpen { probing: false });
        assert!(breaker.enter(now).unwrap().failed(now));
        assert_eq!(breaker.state(now), Circuit::Open { retry_after: 2 * REST });
        now += 2 * REST;
        breaker.enter(now).unwrap().served(now);
        assert_eq!(breaker.state(now), Circuit::Closed);
        // Well again, it begins with the short rest.
        open(&breaker, now);
        assert_eq!(breaker.state(now), Circuit::Open { retry_after: REST });
    }

    #[test]
    fn a_probe_that_has_begun_lets_others_in_and_its_death_opens_again() {
        let (breaker, mut now) = breaker();
        open(&breaker, now);
        now += REST;
        let mut probe = breaker.enter(now).unwrap();
        probe.begun();
        assert_eq!(breaker.state(now), Circuit::Closed);
        let other = breaker.enter(now).unwrap();
        assert!(probe.failed(now));
        // What was let through before it opened no longer counts.
        assert!(!other.failed(now));
        assert_eq!(breaker.state(now), Circuit::Open { retry_after: 2 * REST });
    }

    #[test]
    fn it_rests_five_minutes_at_most() {
        let (breaker, mut now) = breaker();
        open(&breaker, now);
        for _ in 0..100 {
            now += REST_MAX;
            assert!(breaker.enter(now).unwrap().failed(now));
        }
        assert_eq!(breaker.state(now), Circuit::Open { retry_after: REST_MAX });
    }

    #[test]
    fn where_it_is_turned_off_it_never_opens() {
        let now = Instant::now();
        let breaker = Arc::new(Breaker::new(0, REST, now));
        assert!((0..100).all(|_| !breaker.enter(now).unwrap().failed(now)));
        assert_eq!(breaker.state(now), Circuit::Closed);
    }
}
