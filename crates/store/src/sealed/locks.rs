//! How the connections of one process keep out of each other's way.
//!
//! SQLite asks its file system for locks and for memory that connections share. One process owns a data folder, so both
//! are kept in this process: nothing of them is in a file.

use std::sync::atomic::{AtomicU64, Ordering};

use sqlite_plugin::flags::{LockLevel, ShmLockMode};

/// Bytes of one region of shared memory; SQLite asks for no other size.
pub(super) const REGION_BYTES: usize = 32 << 10;
/// Locks beside the shared memory.
const SLOTS: usize = 8;

/// A region of memory that connections share. It is written by SQLite, through a pointer.
pub(super) type Region = [AtomicU64; REGION_BYTES / 8];

/// The locks of one database, for all its connections.
#[derive(Default)]
pub(super) struct Locks {
    /// Connections that may read.
    readers: usize,
    /// The one connection that has more than that, and what it has.
    writer: Option<(u64, LockLevel)>,
    /// For each slot how many share it; -1 if one has it alone.
    slots: [i32; SLOTS],
    /// Connections that have mapped the shared memory.
    pub mapped: usize,
    pub regions: Vec<&'static Region>,
}

/// What one connection holds.
#[derive(Debug)]
pub(super) struct Held {
    connection: u64,
    pub level: LockLevel,
    shared: u32,
    alone: u32,
    pub mapped: bool,
}

/// Somebody else has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Busy;

impl Held {
    pub fn new(connection: u64) -> Self {
        Self { connection, level: LockLevel::Unlocked, shared: 0, alone: 0, mapped: false }
    }
}

impl Locks {
    /// Raises what `held` has of the database file.
    pub fn lock(&mut self, held: &mut Held, level: LockLevel) -> Result<(), Busy> {
        if held.level >= level {
            return Ok(());
        }
        let other = self.writer.filter(|(connection, _)| *connection != held.connection);
        if level == LockLevel::Shared {
            if other.is_some_and(|(_, level)| level >= LockLevel::Pending) {
                return Err(Busy);
            }
            self.readers += 1;
        } else {
            if other.is_some() {
                return Err(Busy);
            }
            // Whoever wants to be alone keeps new readers out while the ones from before end.
            let alone = level != LockLevel::Exclusive || self.readers <= 1;
            let got = if alone { level } else { LockLevel::Pending };
            self.writer = Some((held.connection, got));
            held.level = got;
            return if alone { Ok(()) } else { Err(Busy) };
        }
        held.level = level;
        Ok(())
    }

    /// Lowers what `held` has of the database file.
    pub fn unlock(&mut self, held: &mut Held, level: LockLevel) {
        if held.level <= level {
            return;
        }
        if self.writer.is_some_and(|(connection, _)| connection == held.connection) {
            self.writer = None;
        }
        if level == LockLevel::Unlocked {
            self.readers = self.readers.saturating_sub(1);
        }
        held.level = level;
    }

    /// Whether a connection is about to write.
    pub fn reserved(&self) -> bool {
        self.writer.is_some()
    }

    /// Takes or gives back slots `from..from + count`, all or none.
    pub fn slots(&mut self, held: &mut Held, from: u32, count: u32, mode: ShmLockMode) -> Result<(), Busy> {
        let slots = from as usize..(from + count) as usize;
        let mask = ((1 << count) - 1) << from;
        let Some(taken) = self.slots.get_mut(slots) else { return Err(Busy) };
        match mode {
            ShmLockMode::LockShared if held.shared & mask == 0 => {
                if taken.contains(&-1) {
                    return Err(Busy);
                }
                taken.iter_mut().for_each(|slot| *slot += 1);
                held.shared |= mask;
            }
            ShmLockMode::LockExclusive if held.alone & mask == 0 => {
                if taken.iter().any(|slot| *slot != 0) {
                    return Err(Busy);
                }
                taken.fill(-1);
                held.alone |= mask;
            }
            ShmLockMode::UnlockShared if held.shared & mask != 0 => {
                taken.iter_mut().for_each(|slot| *slot -= 1);
                held.shared &= !mask;
            }
            ShmLockMode::UnlockExclusive if held.alone & mask != 0 => {
                taken.fill(0);
                held.alone &= !mask;
            }
            _ => {}
        }
        Ok(())
    }

    /// Gives everything back that a connection still has.
    pub fn leave(&mut self, held: &mut Held) {
        self.unlock(held, LockLevel::Unlocked);
        for slot in 0..SLOTS as u32 {
            for mode in [ShmLockMode::UnlockShared, ShmLockMode::UnlockExclusive] {
                let _ = self.slots(held, slot, 1, mode);
            }
        }
    }
}

/// Memory for a region, which is never given back to the machine: it is used again.
pub(super) fn region() -> &'static Region {
    Box::leak(Box::new([const { AtomicU64::new(0) }; REGION_BYTES / 8]))
}

/// Makes a region that nobody uses any longer as it was.
pub(super) fn clear(region: &Region) {
    region.iter().for_each(|word| word.store(0, Ordering::Relaxed));
}

#[cfg(test)]
mod tests {
    use LockLevel::{Exclusive, Pending, Reserved, Shared, Unlocked};
    use ShmLockMode::{LockExclusive, LockShared, UnlockExclusive, UnlockShared};

    use super::*;

    #[test]
    fn one_writes_while_others_read_and_being_alone_waits_for_them() {
        let (mut locks, mut one, mut two) = (Locks::default(), Held::new(1), Held::new(2));
        locks.lock(&mut one, Shared).unwrap();
        locks.lock(&mut two, Shared).unwrap();
        locks.lock(&mut one, Reserved).unwrap();
        assert!(locks.reserved());
        assert_eq!(locks.lock(&mut two, Reserved), Err(Busy));
        assert_eq!(locks.lock(&mut one, Exclusive), Err(Busy));
        assert_eq!(one.level, Pending);
        let mut three = Held::new(3);
        assert_eq!(locks.lock(&mut three, Shared), Err(Busy), "no new reader");
        locks.unlock(&mut two, Unlocked);
        locks.lock(&mut one, Exclusive).unwrap();
        locks.unlock(&mut one, Shared);
        locks.lock(&mut three, Shared).unwrap();
        assert_eq!(locks.lock(&mut three, Exclusive), Err(Busy), "one reads still");
        locks.leave(&mut one);
        locks.lock(&mut three, Exclusive).unwrap();
    }

    #[test]
    fn slots_are_shared_or_ones_own_all_or_none() {
        let (mut locks, mut one, mut two) = (Locks::default(), Held::new(1), Held::new(2));
        locks.slots(&mut one, 3, 1, LockShared).unwrap();
        locks.slots(&mut two, 3, 1, LockShared).unwrap();
        assert_eq!(locks.slots(&mut one, 2, 3, LockExclusive), Err(Busy));
        locks.slots(&mut two, 3, 1, UnlockShared).unwrap();
        locks.slots(&mut one, 3, 1, UnlockShared).unwrap();
        locks.slots(&mut one, 2, 3, LockExclusive).unwrap();
        assert_eq!(locks.slots(&mut two, 4, 1, LockShared), Err(Busy));
        locks.slots(&mut one, 2, 3, UnlockExclusive).unwrap();
        locks.slots(&mut two, 4, 1, LockExclusive).unwrap();
        locks.leave(&mut two);
        assert_eq!(locks.slots, [0; SLOTS]);
        assert_eq!(locks.slots(&mut one, 7, 2, LockShared), Err(Busy), "there is no such slot");
    }
}
