//! Asking a second engine beside one that does not begin, where a route wants it.
//!
//! What must stay true: the second is asked only as another that stands in would be; at most one turn in twenty asks
//! twice; whoever begins first answers, and the other is stopped at once and charged for what it was sent.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use guard::Used;

use crate::way::Way;
use crate::ways::Ways;
use crate::{ChatError, ReplyStream, Serving};

/// One turn in so many may ask twice.
const ONE_IN: u64 = 20;

/// How often a second engine was asked.
#[derive(Debug, Default)]
pub(crate) struct Hedges {
    turns: AtomicU64,
    hedged: AtomicU64,
}

impl Hedges {
    /// Another turn, which may ask twice.
    fn turn(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a second engine may be asked now. Counts it.
    fn take(&self) -> bool {
        let turns = self.turns.load(Ordering::Relaxed);
        let more = |hedged: u64| (hedged.saturating_mul(ONE_IN) < turns).then_some(hedged + 1);
        self.hedged.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}

impl Serving {
    /// Has the engines of a route begin to answer, one after the other until one does. Where one does not within `after`,
    /// the next is asked beside it. `begin` is told whether another engine may be asked if this one fails.
    pub(crate) async fn first_to_begin<F>(
        &self,
        ways: &mut Ways<'_>,
        after: Option<Duration>,
        mut begin: impl FnMut(Way, bool) -> F,
    ) -> Result<ReplyStream, ChatError>
    where
        F: Future<Output = Result<ReplyStream, ChatError>>,
    {
        if after.is_some() {
            self.hedges.turn();
        }
        loop {
            let way = ways.next().await?;
            let began = match after {
                Some(after) if ways.more() => self.hedged(way, after, ways, &mut begin).await,
                _ => {
                    let engine = way.served.used();
                    begin(way, ways.more()).await.map_err(|error| (engine, error))
                }
            };
            match began {
                Ok(stream) => return Ok(stream),
                Err((engine, error)) => ways.failed(engine, error)?,
            }
        }
    }

    /// The answer of whichever of two engines begins first, or the failure of the last.
    async fn hedged<F>(
        &self,
        way: Way,
        after: Duration,
        ways: &mut Ways<'_>,
        begin: &mut impl FnMut(Way, bool) -> F,
    ) -> Result<ReplyStream, (Used, ChatError)>
    where
        F: Future<Output = Result<ReplyStream, ChatError>>,
    {
        let one = way.served.used();
        let mut first = pin!(begin(way, true));
        if let Ok(began) = tokio::time::timeout(after, &mut first).await {
            return began.map_err(|error| (one, error));
        }
        let next = if self.hedges.take() { ways.next().await.ok() } else { None };
        let Some(way) = next else { return first.await.map_err(|error| (one, error)) };
        let other = way.served.used();
        let mut second = pin!(begin(way, true));
        let (engine, last) = tokio::select! {
            biased;
            began = &mut first => match began {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    ways.gave_up(one, error);
                    (other, second)
                }
            },
            began = &mut second => match began {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    ways.gave_up(other, error);
                    (one, first)
                }
            },
        };
        last.await.map_err(|error| (engine, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_turn_in_twenty_asks_twice() {
        let hedges = Hedges::default();
        assert!(!hedges.take(), "no turn, no second engine");
        let mut asked = Vec::new();
        for turn in 1..=61 {
            hedges.turn();
            asked.extend(hedges.take().then_some(turn));
        }
        assert_eq!(asked, [1, 21, 41, 61]);
    }
}
