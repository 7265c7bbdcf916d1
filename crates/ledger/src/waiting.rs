//! What somebody waits for: an entry's durability, a checkpoint. And why it may never come.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use base::ContentHash;
use tokio::sync::oneshot;

/// The ledger stopped, and takes nothing any more until it is opened again.
///
/// What was not acknowledged by then may be in the log after the next opening, or not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the ledger stopped: {reason}")]
pub struct Stopped {
    reason: Arc<str>,
}

impl Stopped {
    pub(crate) fn new(reason: impl Into<Arc<str>>) -> Self {
        Self { reason: reason.into() }
    }

    pub(crate) fn closed() -> Self {
        Self::new("it was closed")
    }

    /// The first thing that went wrong.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// An entry that is on the disk, under an index that no other entry has or will have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its place in the log, from 0.
    pub index: u64,
    /// Its leaf hash (RFC 6962).
    pub leaf: ContentHash,
}

/// Something that the ledger will tell once it is so. A future for async code; [`Waiting::wait`] for a thread. Dropping
/// it takes nothing back.
#[derive(Debug)]
#[must_use = "nothing is known to be durable before this was waited for"]
pub struct Waiting<T>(oneshot::Receiver<Result<T, Stopped>>);

/// Who tells it.
pub(crate) type Teller<T> = oneshot::Sender<Result<T, Stopped>>;

impl<T> Waiting<T> {
    pub(crate) fn new() -> (Teller<T>, Self) {
        let (teller, receiver) = oneshot::channel();
        (teller, Self(receiver))
    }

    /// Blocks this thread until it is so. Not for async code, where it panics.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn wait(self) -> Result<T, Stopped> {
        self.0.blocking_recv().unwrap_or_else(|_| Err(lost()))
    }
}

impl<T> Future for Waiting<T> {
    type Output = Result<T, Stopped>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|told| told.unwrap_or_else(|_| Err(lost())))
    }
}

/// A thread that ends in a panic tells nobody.
fn lost() -> Stopped {
    Stopped::new("one of its threads ended")
}
