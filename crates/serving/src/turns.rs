//! Fair turns in front of an engine.
//!
//! What must stay true: whoever has one request waiting is not kept waiting by another's five hundred; what waits has
//! a bound for each principal and for all together; a turn that was given is given back however its work ends, and
//! one that nobody waits for any longer goes to the next.
//!
//! Principals take turns by deficit round robin (Shreedhar and Varghese, 1995): each in its turn may spend a share of
//! tokens, and what it does not spend it keeps until its line is empty. So a principal that asks for long answers
//! gets as many tokens as one that asks for short ones, not as many answers.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base::{Principal, Subject, TenantId};
use engine::EventStream;
use futures::StreamExt;
use tokio::sync::{OnceCell, oneshot};

use crate::ChatError;

/// Tokens that a principal may spend in its turn.
const SHARE: u64 = 4_096;
/// A request counts for no more than this, so that finding the next one takes few steps.
const COST_MAX: u64 = 8 * SHARE;
/// How long a turn is thought to take before one was seen.
const SECONDS_FIRST: f64 = 2.0;

/// How many may wait.
#[derive(Debug, Clone, Copy)]
pub struct TurnBounds {
    /// Requests that wait for one engine.
    pub waiting_max: usize,
    /// Of those, requests of one principal.
    pub waiting_each_max: usize,
}

impl Default for TurnBounds {
    fn default() -> Self {
        Self { waiting_max: 256, waiting_each_max: 64 }
    }
}

/// The lines in front of all engines.
#[derive(Debug)]
pub(crate) struct Turns {
    bounds: TurnBounds,
    queues: Mutex<HashMap<String, Arc<Queue>>>,
}

/// A principal, as far as fairness tells them apart.
type Whose = (TenantId, Subject);

#[derive(Debug)]
struct Queue {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    at_once: usize,
    running: usize,
    waiting: usize,
    /// Who waits, in the order of their turns.
    ring: VecDeque<Whose>,
    lines: HashMap<Whose, Line>,
    next_id: u64,
    /// How long a turn takes, as far as the last ones tell.
    seconds: f64,
}

#[derive(Debug)]
struct Line {
    credit: u64,
    waiting: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    cost: u64,
    call: oneshot::Sender<()>,
}

/// The right to use an engine now. Dropped, it goes to the next.
#[derive(Debug)]
pub(crate) struct Turn {
    queue: Arc<Queue>,
    begun: Instant,
}

/// Requests of one client that begin together, and so take one turn at an engine together: if each waited for its own,
/// some could hold theirs and not be read while the others wait.
#[derive(Debug)]
pub(crate) struct Party {
    requests: u64,
    turns: Mutex<BTreeMap<String, Arc<OnceCell<Arc<Turn>>>>>,
}

impl Party {
    pub fn of(requests: usize) -> Self {
        Self { requests: requests as u64, turns: Mutex::default() }
    }

    /// The turn of all at the engine of this name, taken by the first.
    pub async fn turn(
        &self,
        turns: &Turns,
        principal: &Principal,
        name: &str,
        at_once: usize,
        cost: u64,
    ) -> Result<Arc<Turn>, ChatError> {
        let cost = cost.saturating_mul(self.requests);
        let take = async || turns.take(principal, name, at_once, cost).await.map(Arc::new);
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(name.to_owned()).or_default())
        };
        turn.get_or_try_init(take).await.cloned()
    }
}

impl Turns {
    pub fn new(bounds: TurnBounds) -> Self {
        Self { bounds, queues: Mutex::default() }
    }

    /// Waits for a turn at `name`, which does `at_once` things at the same time. `cost` is about how many tokens it
    /// will take.
    ///
    /// # Errors
    /// [`ChatError::Waiting`] if too many wait already.
    pub async fn take(&self, principal: &Principal, name: &str, at_once: usize, cost: u64) -> Result<Turn, ChatError> {
        let queue = self.queue(name);
        let whose = (principal.tenant, principal.subject);
        let mut place = match queue.join(whose, at_once, cost, self.bounds) {
            Ok(None) => return Ok(Turn::of(queue)),
            Ok(Some(place)) => place,
            Err(full) => return Err(full.error(name)),
        };
        // The sender is dropped only with the line, which lives as long as this place in it.
        let _ = (&mut place.called).await;
        Ok(place.taken())
    }

    fn queue(&self, name: &str) -> Arc<Queue> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(name) {
            return Arc::clone(queue);
        }
        let queue = Arc::new(Queue { state: Mutex::new(State::new()) });
        queues.insert(name.to_owned(), Arc::clone(&queue));
        queue
    }
}

/// Why there is no place in the line.
#[derive(Debug)]
struct Full {
    waiting: usize,
    whose: &'static str,
    seconds: f64,
}

impl Full {
    fn error(self, name: &str) -> ChatError {
        let retry_after = Duration::from_secs_f64(self.seconds.clamp(1.0, 120.0));
        ChatError::Waiting { name: name.to_owned(), waiting: self.waiting, whose: self.whose, retry_after }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn at once, a place in the line, or neither.
    fn join(
        self: &Arc<Self>,
        whose: Whose,
        at_once: usize,
        cost: u64,
        bounds: TurnBounds,
    ) -> Result<Option<Place>, Full> {
        let mut state = self.lock();
        state.at_once = at_once.max(1);
        if state.running < state.at_once && state.waiting == 0 {
            state.running += 1;
            return Ok(None);
        }
        let own = state.lines.get(&whose).map_or(0, |line| line.waiting.len());
        // What waits already has been served after about so many seconds.
        if own >= bounds.waiting_each_max {
            let seconds = state.seconds * (own * state.lines.len()).min(state.waiting) as f64 / state.at_once as f64;
            return Err(Full { waiting: own, whose: " of this caller", seconds });
        }
        if state.waiting >= bounds.waiting_max {
            let seconds = state.seconds * state.waiting as f64 / state.at_once as f64;
            return Err(Full { waiting: state.waiting, whose: "", seconds });
        }
        let (call, called) = oneshot::channel();
        let id = state.push(whose, cost.clamp(1, COST_MAX), call);
        state.call_next();
        Ok(Some(Place { queue: Arc::clone(self), whose, id, called, taken: false }))
    }
}

impl State {
    fn new() -> Self {
        Self {
            at_once: 1,
            running: 0,
            waiting: 0,
            ring: VecDeque::new(),
            lines: HashMap::new(),
            next_id: 0,
            seconds: SECONDS_FIRST,
        }
    }

    fn push(&mut self, whose: Whose, cost: u64, call: oneshot::Sender<()>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let line = self.lines.entry(whose).or_insert_with(|| {
            self.ring.push_back(whose);
            Line { credit: SHARE, waiting: VecDeque::new() }
        });
        line.waiting.push_back(Waiter { id, cost, call });
        self.waiting += 1;
        id
    }

    /// Hands turns on while there are any.
    fn call_next(&mut self) {
        while self.running < self.at_once
            && let Some(waiter) = self.pop()
        {
            // Whoever stopped waiting has left the line before.
            if waiter.call.send(()).is_ok() {
                self.running += 1;
            }
        }
    }

    fn pop(&mut self) -> Option<Waiter> {
        loop {
            let whose = *self.ring.front()?;
            let line = self.lines.get_mut(&whose)?;
            let cost = line.waiting.front()?.cost;
            if cost <= line.credit {
                line.credit -= cost;
                let waiter = line.waiting.pop_front();
                if line.waiting.is_empty() {
                    self.lines.remove(&whose);
                    self.ring.pop_front();
                }
                self.waiting -= 1;
                return waiter;
            }
            line.credit += SHARE;
            self.ring.rotate_left(1);
        }
    }

    fn leave(&mut self, whose: &Whose, id: u64) {
        let Some(line) = self.lines.get_mut(whose) else { return };
        let before = line.waiting.len();
        line.waiting.retain(|waiter| waiter.id != id);
        self.waiting -= before - line.waiting.len();
        if line.waiting.is_empty() {
            self.lines.remove(whose);
            self.ring.retain(|one| one != whose);
        }
    }
}

/// A place in the line, left when dropped.
#[derive(Debug)]
struct Place {
    queue: Arc<Queue>,
    whose: Whose,
    id: u64,
    called: oneshot::Receiver<()>,
    taken: bool,
}

impl Place {
    fn taken(mut self) -> Turn {
        self.taken = true;
        Turn::of(Arc::clone(&self.queue))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        // Turns are handed on under this lock, so there is no moment between looking and leaving.
        let mut state = self.queue.lock();
        if self.called.try_recv().is_ok() {
            state.running -= 1;
            state.call_next();
        } else {
            state.leave(&self.whose, self.id);
        }
    }
}

impl Turn {
    fn of(queue: Arc<Queue>) -> Self {
        Self { queue, begun: Instant::now() }
    }

    /// Holds the turn for as long as the engine's stream lives.
    pub fn over(self: Arc<Self>, events: EventStream) -> EventStream {
        Box::pin(events.map(move |event| {
            let _held = &self;
            event
        }))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.seconds = 0.8 * state.seconds + 0.2 * self.begun.elapsed().as_secs_f64();
        state.running -= 1;
        state.call_next();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use base::{Class, KeyId};
    use futures::FutureExt;
    use futures::future::BoxFuture;

    use super::*;

    fn somebody() -> Principal {
        Principal {
            tenant: TenantId::new(),
            subject: Subject::Service(KeyId::new()),
            groups: BTreeSet::new(),
            input_class: Class::Open,
            read_class_max: Class::Open,
            administrator: false,
        }
    }

    fn turns(waiting_max: usize, waiting_each_max: usize) -> Arc<Turns> {
        Arc::new(Turns::new(TurnBounds { waiting_max, waiting_each_max }))
    }

    fn waits(turns: &Arc<Turns>, who: &Principal, cost: u64) -> BoxFuture<'static, Result<Turn, ChatError>> {
        let (turns, who) = (Arc::clone(turns), who.clone());
        let mut waits = async move { turns.take(&who, "model", 1, cost).await }.boxed();
        match (&mut waits).now_or_never() {
            None => waits,
            Some(taken) => std::future::ready(taken).boxed(),
        }
    }

    /// Takes turns until nobody is left, and says whose each was. Not inside a runtime, which would make a task that
    /// asks so often wait.
    fn order(mut now: Turn, mut waiting: Vec<(usize, BoxFuture<'static, Result<Turn, ChatError>>)>) -> Vec<usize> {
        let mut order = Vec::new();
        while !waiting.is_empty() {
            drop(now);
            let called = waiting.iter_mut().enumerate().find_map(|(place, (whose, waits))| {
                let turn = waits.now_or_never()?.unwrap();
                Some((place, *whose, turn))
            });
            let (place, whose, turn) = called.expect("a turn was given back and nobody was called");
            drop(waiting.remove(place));
            order.push(whose);
            now = turn;
        }
        order
    }

    #[test]
    fn one_request_is_not_kept_waiting_by_anothers_five_hundred() {
        let turns = turns(1_000, 1_000);
        let (many, one) = (somebody(), somebody());
        let first = turns.take(&many, "model", 1, 2_000).now_or_never().unwrap().unwrap();
        let mut waiting: Vec<_> = (0..500).map(|_| (0, waits(&turns, &many, 2_000))).collect();
        waiting.push((1, waits(&turns, &one, 2_000)));
        let order = order(first, waiting);
        let place = order.iter().position(|whose| *whose == 1).unwrap();
        assert!(place <= 2, "its turn was the {place}th");
        assert_eq!(order.len(), 501);
    }

    #[test]
    fn long_answers_get_as_many_tokens_as_short_ones() {
        let turns = turns(1_000, 1_000);
        let (long, short) = (somebody(), somebody());
        let first = turns.take(&long, "model", 1, 1).now_or_never().unwrap().unwrap();
        let mut waiting: Vec<_> = (0..100).map(|_| (0, waits(&turns, &long, 8_192))).collect();
        waiting.extend((0..400).map(|_| (1, waits(&turns, &short, 512))));
        let order = order(first, waiting);
        // Twenty of the long ones have as many tokens as 320 of the short ones.
        let tokens = |whose: usize, cost: u64| order[..340].iter().filter(|one| **one == whose).count() as u64 * cost;
        let (a, b) = (tokens(0, 8_192), tokens(1, 512));
        assert!(a.abs_diff(b) <= 3 * 8_192, "{a} and {b} tokens");
    }

    #[tokio::test]
    async fn what_waits_has_a_bound_for_each_and_for_all() {
        let turns = turns(3, 2);
        let (a, b, c) = (somebody(), somebody(), somebody());
        let _running = turns.take(&a, "model", 1, 1).await.unwrap();
        let _waiting = [waits(&turns, &a, 1), waits(&turns, &a, 1)];
        let refused = turns.take(&a, "model", 1, 1).await.unwrap_err();
        assert_eq!(refused.to_string(), "2 requests of this caller wait for `model` already");
        let _other = waits(&turns, &b, 1);
        let refused = turns.take(&c, "model", 1, 1).await.unwrap_err();
        assert!(matches!(refused, ChatError::Waiting { waiting: 3, retry_after, .. } if retry_after.as_secs() >= 1));
        // Another engine's line is another line.
        turns.take(&a, "other", 1, 1).await.unwrap();
    }

    #[tokio::test]
    async fn who_stops_waiting_leaves_nothing_behind() {
        let turns = turns(10, 10);
        let (a, b) = (somebody(), somebody());
        let running = turns.take(&a, "model", 1, 1).await.unwrap();
        let mut gone = waits(&turns, &a, 1);
        let called_and_gone = waits(&turns, &b, 1);
        let last = waits(&turns, &b, 1);
        assert!((&mut gone).now_or_never().is_none());
        drop(gone);
        drop(running);
        // It was called, and left without having heard.
        drop(called_and_gone);
        drop(last.now_or_never().expect("the turn went on to the last").unwrap());
        let queue = turns.queue("model");
        let state = queue.lock();
        assert_eq!((state.running, state.waiting, state.lines.len(), state.ring.len()), (0, 0, 0, 0));
    }

    #[tokio::test]
    async fn who_comes_together_takes_one_turn_together() {
        let turns = turns(10, 10);
        let (a, b) = (somebody(), somebody());
        let party = Party::of(3);
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.push(party.turn(&turns, &a, "model", 1, 1).await.unwrap());
        }
        drop(party);
        let mut next = turns.take(&b, "model", 1, 1).boxed();
        for turn in taken {
            assert!((&mut next).now_or_never().is_none());
            drop(turn);
        }
        next.now_or_never().expect("the last of them gave it back").unwrap();
    }

    #[tokio::test]
    async fn as_many_work_at_once_as_the_engine_has_slots() {
        let turns = turns(10, 10);
        let a = somebody();
        let two = [turns.take(&a, "model", 2, 1).await.unwrap(), turns.take(&a, "model", 2, 1).await.unwrap()];
        let mut third = turns.take(&a, "model", 2, 1).boxed();
        assert!((&mut third).now_or_never().is_none());
        drop(two);
        third.await.unwrap();
    }
}
