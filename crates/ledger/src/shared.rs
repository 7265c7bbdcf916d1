//! What the ledger's two threads and its callers share: the groups that are durable and not yet published, and whether the
//! ledger stopped.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base::ContentHash;

use crate::checkpoint::Checkpoint;
use crate::waiting::{Stopped, Teller};

/// An entry and its leaf hash.
pub(crate) type Leaf = (Vec<u8>, ContentHash);

#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    backlog_bytes_max: usize,
}

#[derive(Debug)]
struct State {
    /// Durable, and not yet given to the publisher.
    backlog: VecDeque<Vec<Leaf>>,
    /// Bytes of the backlog and of what the publisher is at.
    backlog_bytes: usize,
    /// Durable entries.
    size: u64,
    checkpoint: Checkpoint,
    tellers: Vec<Teller<Checkpoint>>,
    closing: bool,
    stopped: Option<Stopped>,
}

/// What the publisher is to do next.
#[derive(Debug)]
pub(crate) struct Work {
    pub groups: VecDeque<Vec<Leaf>>,
    pub tellers: Vec<Teller<Checkpoint>>,
}

impl Shared {
    pub(crate) fn new(checkpoint: Checkpoint, backlog_bytes_max: usize) -> Self {
        let state = State {
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            size: checkpoint.size(),
            checkpoint,
            tellers: Vec::new(),
            closing: false,
            stopped: None,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), backlog_bytes_max }
    }

    pub(crate) fn size(&self) -> u64 {
        self.lock().size
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        self.lock().checkpoint.clone()
    }

    pub(crate) fn stopped(&self) -> Option<Stopped> {
        self.lock().stopped.clone()
    }

    /// Stops the ledger. The first reason stays.
    pub(crate) fn stop(&self, reason: String) -> Stopped {
        let mut state = self.lock();
        let stopped = state.stopped.get_or_insert_with(|| {
            tracing::error!(reason, "the ledger stopped");
            Stopped::new(reason)
        });
        let stopped = stopped.clone();
        for teller in state.tellers.drain(..) {
            let _ = teller.send(Err(stopped.clone()));
        }
        self.changed.notify_all();
        stopped
    }

    /// Says that the threads have ended. Gives the last checkpoint, unless the ledger had stopped or ended before.
    pub(crate) fn end(&self) -> Result<Checkpoint, Stopped> {
        let mut state = self.lock();
        if let Some(stopped) = &state.stopped {
            return Err(stopped.clone());
        }
        let closed = Stopped::closed();
        state.stopped = Some(closed.clone());
        for teller in state.tellers.drain(..) {
            let _ = teller.send(Err(closed.clone()));
        }
        Ok(state.checkpoint.clone())
    }

    /// Waits until the backlog has room.
    pub(crate) fn room(&self) -> Result<(), Stopped> {
        let mut state = self.lock();
        loop {
            match &state.stopped {
                Some(stopped) => return Err(stopped.clone()),
                None if state.backlog_bytes < self.backlog_bytes_max => return Ok(()),
                None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Takes a group that is durable.
    pub(crate) fn add(&self, group: Vec<Leaf>) {
        let mut state = self.lock();
        state.size += group.len() as u64;
        state.backlog_bytes += bytes(&group);
        state.backlog.push_back(group);
        self.changed.notify_all();
    }

    /// Has `teller` told as soon as all that is durable now is published.
    pub(crate) fn ask(&self, teller: Teller<Checkpoint>) {
        let mut state = self.lock();
        match &state.stopped {
            Some(stopped) => {
                let _ = teller.send(Err(stopped.clone()));
            }
            None => state.tellers.push(teller),
        }
        self.changed.notify_all();
    }

    /// No group will be added any more.
    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.changed.notify_all();
    }

    /// What is to be published, at `due` or as soon as somebody asks or half the backlog is used. `None` if there will be
    /// nothing more.
    pub(crate) fn work(&self, due: Instant) -> Option<Work> {
        let mut state = self.lock();
        loop {
            if state.stopped.is_some() {
                return None;
            }
            let now = Instant::now();
            let pressed =
                state.closing || !state.tellers.is_empty() || state.backlog_bytes > self.backlog_bytes_max / 2;
            let late = !state.backlog.is_empty() && (pressed || now >= due);
            if late || !state.tellers.is_empty() {
                let tellers = std::mem::take(&mut state.tellers);
                return Some(Work { groups: std::mem::take(&mut state.backlog), tellers });
            }
            if state.closing {
                return None;
            }
            // Without a backlog there is nothing to be late with.
            let wait = if state.backlog.is_empty() { Duration::MAX } else { due.saturating_duration_since(now) };
            state = match wait {
                Duration::MAX => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                wait => self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    /// Says that work is done.
    pub(crate) fn done(&self, work: Work, checkpoint: &Checkpoint) {
        let mut state = self.lock();
        state.backlog_bytes -= work.groups.iter().map(|group| bytes(group)).sum::<usize>();
        state.checkpoint = checkpoint.clone();
        self.changed.notify_all();
        drop(state);
        for teller in work.tellers {
            let _ = teller.send(Ok(checkpoint.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stops the ledger if the thread that holds it panics, so that nobody waits for ever.
pub(crate) struct Watch<'a>(pub &'a Shared);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop("one of its threads panicked".to_owned());
        }
    }
}

fn bytes(group: &[Leaf]) -> usize {
    group.iter().map(|(entry, _)| entry.len() + size_of::<Leaf>()).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::note::{KeyKind, VerifierKey};
    use crate::signer::{Ed25519Signer, Signer as _};
    use crate::tree::{empty_root, leaf_hash};

    #[test]
    fn a_full_backlog_lets_nothing_in_until_work_is_done() {
        let signer = Ed25519Signer::from_secret(&[3; 32]);
        let key = VerifierKey::new("ledger.example/test", KeyKind::Ed25519, &signer.public_key()).unwrap();
        let checkpoint = Checkpoint::sign(0, empty_root(), &key, &signer).unwrap();
        let shared = Shared::new(checkpoint.clone(), 100);
        shared.room().unwrap();
        shared.add(vec![(vec![1; 200], leaf_hash(&[1; 200]))]);
        let work = shared.work(Instant::now()).unwrap();
        let (sender, order) = channel();
        std::thread::scope(|scope| {
            let (shared, begun) = (&shared, sender.clone());
            scope.spawn(move || {
                begun.send("begun").unwrap();
                shared.room().unwrap();
                begun.send("room").unwrap();
            });
            assert_eq!(order.recv(), Ok("begun"));
            for _ in 0..1_000 {
                std::thread::yield_now();
            }
            sender.send("done").unwrap();
            shared.done(work, &checkpoint);
            assert_eq!((order.recv(), order.recv()), (Ok("done"), Ok("room")));
        });
    }
}
