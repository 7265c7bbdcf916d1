//! A bound on the bytes that are in the program at one time.

use std::sync::{Arc, Condvar, Mutex};

/// Bytes that may be held together. Only one thread asks, so shares are given in the order of asking.
#[derive(Debug)]
pub(crate) struct Budget {
    total: u64,
    free: Mutex<u64>,
    given_back: Condvar,
}

/// A share of a budget, given back when dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    pub fn new(total: u64) -> Arc<Self> {
        Arc::new(Self { total, free: Mutex::new(total), given_back: Condvar::new() })
    }

    /// Waits until `bytes` are free and takes them; what is larger than the whole takes the whole.
    pub fn hold(self: &Arc<Self>, bytes: u64) -> Hold {
        let bytes = bytes.min(self.total);
        let mut free = self.free.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        while *free < bytes {
            free = self.given_back.wait(free).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        *free -= bytes;
        Hold { budget: self.clone(), bytes }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        *self.budget.free.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) += self.bytes;
        self.budget.given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_comes_back() {
        let budget = Budget::new(10);
        let first = budget.hold(6);
        let waiting = std::thread::spawn({
            let budget = budget.clone();
            move || drop(budget.hold(100))
        });
        drop(first);
        waiting.join().unwrap();
        assert_eq!(*budget.free.lock().unwrap(), 10);
    }
}
