//! How many requests may be sent again: a tenth of those of the last seconds, so that an upstream that fails is not buried
//! under what it failed at.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The time that is looked back at, second by second.
const SECONDS: usize = 10;
/// One is sent again for so many that are made.
const SHARE: u32 = 10;
/// So many in that time however few are made, so that a quiet house can repeat one, too.
const LEAST: u32 = 3;

/// One upstream's budget. Time is told to it.
#[derive(Debug)]
pub(super) struct Budget {
    since: Instant,
    slots: Mutex<[Slot; SECONDS]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// The second, counted from the beginning, that this slot was used for last.
    second: u64,
    made: u32,
    repeated: u32,
}

impl Budget {
    /// A full one.
    pub fn new(now: Instant) -> Self {
        Self { since: now, slots: Mutex::default() }
    }

    /// A request is made.
    pub fn made(&self, now: Instant) {
        self.with(now, |slots, at| slots[at].made = slots[at].made.saturating_add(1));
    }

    /// Whether a request may be sent again. If so, it is counted.
    pub fn repeat(&self, now: Instant) -> bool {
        self.with(now, |slots, at| {
            let made: u32 = slots.iter().fold(0, |sum, slot| sum.saturating_add(slot.made));
            let repeated: u32 = slots.iter().fold(0, |sum, slot| sum.saturating_add(slot.repeated));
            let may = repeated < (made / SHARE).max(LEAST);
            slots[at].repeated += u32::from(may);
            may
        })
    }

    fn with<T>(&self, now: Instant, use_it: impl FnOnce(&mut [Slot; SECONDS], usize) -> T) -> T {
        let second = now.saturating_duration_since(self.since).as_secs();
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        for slot in slots.iter_mut().filter(|slot| slot.second + SECONDS as u64 <= second) {
            *slot = Slot::default();
        }
        let at = (second % SECONDS as u64) as usize;
        slots[at].second = second;
        use_it(&mut slots, at)
    }
}

/// How long to wait before a request is sent again: as long as the upstream says, if it does, and otherwise a little longer
/// each time; never the same for many that failed together.
pub(super) fn pause(tries: u32, told: Option<Duration>, random: f64) -> Duration {
    const FIRST: Duration = Duration::from_millis(50);
    let jitter = random.clamp(0.0, 1.0);
    match told {
        // Never earlier than it was told.
        Some(told) => told.mul_f64(1.0 + jitter / 4.0),
        None => FIRST.saturating_mul(1 << tries.min(5)).mul_f64(0.5 + jitter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_is_sent_again_and_a_few_always() {
        let now = Instant::now();
        let budget = Budget::new(now);
        let repeats = |now| (0..1_000).filter(|_| budget.repeat(now)).count();
        assert_eq!(repeats(now), 3);
        (0..100).for_each(|_| budget.made(now));
        assert_eq!(repeats(now), 7);
        (0..100).for_each(|_| budget.made(now + Duration::from_secs(5)));
        assert_eq!(repeats(now + Duration::from_secs(9)), 10);
        // The first second is out of sight, with what was made and repeated in it.
        assert_eq!(repeats(now + Duration::from_secs(10)), 0);
        assert_eq!(repeats(now + Duration::from_secs(15)), 0);
        assert_eq!(repeats(now + Duration::from_secs(19)), 3);
        assert_eq!(repeats(now + Duration::from_secs(100_000)), 3);
    }

    #[test]
    fn a_pause_grows_and_is_never_shorter_than_was_told() {
        let ms = Duration::from_millis;
        assert_eq!(pause(0, None, 0.0), ms(25));
        assert_eq!(pause(0, None, 1.0), ms(75));
        assert_eq!(pause(3, None, 0.5), ms(400));
        assert_eq!(pause(u32::MAX, None, 0.5), ms(1_600));
        assert_eq!(pause(5, Some(ms(2_000)), 0.0), ms(2_000));
        assert_eq!(pause(0, Some(ms(2_000)), 1.0), ms(2_500));
    }
}
