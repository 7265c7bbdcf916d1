//! An answer on its way from an upstream: events go on as they come, and only a whole answer ends cleanly.
//!
//! Whole is an answer whose upstream said why it ended, and then that nothing follows. Each answer is read by a task of its own, a few
//! events ahead: a client that reads slowly pauses its upstream, one that stops reading loses it after a bound, and one
//! that leaves closes the connection, which is how an upstream learns that nobody listens any more.

use std::sync::Arc;
use std::time::Duration;

use base::Usage;
use futures::stream;
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::breaker::Pass;
use super::client::{Sending, Upstream, Wanted};
use super::reading::{Blame, Break, Read, Reader, reader};
use super::refusal::RETRY_WAIT;
use super::sse::Events;
use super::{Api, STREAM};
use crate::estimate;
use crate::{ChatRequest, EngineError, Event, EventStream, Finish};

/// Events that are read ahead of whoever reads the answer.
const AHEAD_MAX: usize = 32;

/// What may come after the end, and for how long it is waited for.
const REST_BYTES_MAX: usize = 4 << 10;
const REST_WAIT_MAX: Duration = Duration::from_secs(1);

/// An answer on its way.
pub(super) struct Answer {
    pub upstream: Arc<Upstream>,
    pub api: Api,
    /// What was sent: it is sent again where the upstream takes its word back before it has said anything. None once it
    /// has.
    pub sending: Option<Sending>,
    /// None once the upstream was judged by this answer.
    pub pass: Option<Pass>,
    /// None once the answer has ended, one way or the other.
    pub body: Option<Incoming>,
    pub events: Events,
    pub reader: Box<dyn Reader>,
    pub read: Read,
    /// Why it broke off, once it has; what came before goes on first.
    pub broke: Option<Break>,
    pub bounds: Bounds,
    /// What is answered: its tokens are estimated if the upstream does not count them.
    pub request: ChatRequest,
    /// The place that this answer takes among those at the same time.
    pub _place: OwnedSemaphorePermit,
}

/// What is left for an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// When the next event must be there.
    pub next: Instant,
    /// When the first one must.
    pub first: Instant,
    /// Bytes of one event.
    pub event_bytes_max: usize,
    /// From one event to the next.
    pub event_wait_max: Duration,
    /// How long an event waits for whoever reads the answer.
    pub read_wait_max: Duration,
    /// When the answer must have ended.
    pub end: Instant,
    /// Bytes that may still come.
    pub bytes_left: usize,
    /// Tokens of the window.
    pub context_tokens: u32,
}

type Item = Result<Event, EngineError>;

impl Answer {
    /// The answer as a stream. Dropped, it ends the upstream's work.
    pub fn stream(self, model: &str) -> EventStream {
        let (sender, receiver) = mpsc::channel(AHEAD_MAX);
        let task = AbortOnDropHandle::new(tokio::spawn(self.send_to(sender)));
        let stalled = EngineError::Stalled { model: model.to_owned() };
        Box::pin(stream::unfold(Some((receiver, task, stalled)), async |reader| {
            let (mut receiver, task, stalled) = reader?;
            match receiver.recv().await {
                Some(Ok(Event::Done { finish, usage })) => Some((Ok(Event::Done { finish, usage }), None)),
                Some(Err(error)) => Some((Err(error), None)),
                Some(Ok(event)) => Some((Ok(event), Some((receiver, task, stalled)))),
                // The task leaves without an end only if nobody took the events that it had.
                None => Some((Err(stalled), None)),
            }
        }))
    }

    async fn send_to(mut self, sender: mpsc::Sender<Item>) {
        let read_wait_max = self.bounds.read_wait_max;
        while let Some(event) = self.next().await {
            if !matches!(timeout(read_wait_max, sender.send(event)).await, Ok(Ok(()))) {
                return;
            }
        }
    }

    async fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(event) = self.read.ready.pop_front() {
                if self.sending.take().is_some()
                    && let Some(pass) = &mut self.pass
                {
                    pass.begun();
                }
                return Some(Ok(event));
            }
            if let Some(broke) = self.broke.take()
                && let Err(error) = self.again(broke).await
            {
                return Some(Err(error));
            }
            let body = self.body.as_mut()?;
            match step(body, &mut self.events, &mut *self.reader, &mut self.read, &mut self.bounds).await {
                Ok(Step::More) => {}
                Ok(Step::End(finish)) => {
                    if let Some(body) = self.body.take() {
                        read_rest(body);
                    }
                    if let Some(pass) = self.pass.take() {
                        pass.served(Instant::now());
                    }
                    self.read.ready.push_back(Event::Done { finish, usage: self.usage() });
                }
                Err(broke) => {
                    self.body = None;
                    self.broke = Some(broke);
                }
            }
        }
    }

    /// Asks once more, if the upstream only has too much to do and has written nothing yet.
    async fn again(&mut self, broke: Break) -> Result<(), EngineError> {
        let passes = broke.blame == Blame::Load && self.sending.is_some();
        if passes
            && let Some(sending) = &mut self.sending
            && self.upstream.again(sending, None, self.bounds.first).await
        {
            let wanted = Wanted { kind: STREAM, until: self.bounds.first };
            match self.upstream.post(sending, wanted).await {
                Ok(response) => {
                    self.body = Some(response.into_body());
                    self.events = Events::new(self.bounds.event_bytes_max);
                    self.reader = reader(self.api, &self.request);
                    self.read = Read::default();
                    self.bounds.next = self.bounds.first;
                    return Ok(());
                }
                Err(error) => {
                    if let Some(pass) = self.pass.take() {
                        self.upstream.judge(pass, &error);
                    }
                    return Err(error);
                }
            }
        }
        let pass = self.pass.take();
        match (broke.blame, pass) {
            (Blame::Upstream, Some(pass)) => self.upstream.failed(pass),
            (Blame::Request, Some(pass)) => pass.served(Instant::now()),
            _ => {}
        }
        if passes {
            return Err(self.upstream.busy(RETRY_WAIT));
        }
        Err(self.upstream.broken(broke.reason, Some(self.usage())))
    }

    /// The upstream's count, as far as it can be true: it was given no more than the window to read and no more than
    /// was asked for to write. Where it says nothing, our own estimate stands; where it broke off, what came is counted.
    fn usage(&self) -> Usage {
        let read = &self.read;
        let estimate = || estimate::prompt_tokens(&self.request).into();
        let prompt_tokens = read.prompt_tokens.unwrap_or_else(estimate).min(self.bounds.context_tokens.into());
        Usage {
            prompt_tokens,
            cached_tokens: read.cached_tokens.min(prompt_tokens),
            completion_tokens: read.completion_tokens.unwrap_or(read.tokens).min(self.request.tokens_max.into()),
        }
    }
}

enum Step {
    More,
    End(Finish),
}

/// Reads what is here, and waits for more if that is nothing.
async fn step(
    body: &mut Incoming,
    events: &mut Events,
    reader: &mut dyn Reader,
    read: &mut Read,
    bounds: &mut Bounds,
) -> Result<Step, Break> {
    while let Some(data) = events.next().map_err(|_| "an event of it is too large")? {
        if reader.take(data, read)? {
            bounds.next = Instant::now() + bounds.event_wait_max;
        }
        if read.ended {
            return Ok(read.finish.map(Step::End).ok_or("its upstream did not say why it ended")?);
        }
    }
    if !read.ready.is_empty() {
        return Ok(Step::More);
    }
    let frame = match timeout_at(bounds.next.min(bounds.end), body.frame()).await {
        Err(_) if bounds.end <= bounds.next => return Err(Break::of_request("it took too long in all")),
        Err(_) => return Err("nothing more of it came in time".into()),
        Ok(None | Some(Err(_))) => return Err("its upstream ended the connection".into()),
        Ok(Some(Ok(frame))) => frame,
    };
    if let Ok(bytes) = frame.into_data() {
        let left = bounds.bytes_left.checked_sub(bytes.len());
        bounds.bytes_left = left.ok_or(Break::of_request("it is too large"))?;
        events.push(&bytes);
    }
    Ok(Step::More)
}

/// Reads the few bytes that end a body, so that its connection can be used again. It is done aside, since the answer
/// has ended for whoever reads it.
fn read_rest(mut body: Incoming) {
    use futures::FutureExt;
    // Most often they are here already.
    if let Some(None | Some(Err(_))) = body.frame().now_or_never() {
        return;
    }
    tokio::spawn(async move {
        let rest = http_body_util::Limited::new(body, REST_BYTES_MAX);
        let _ = tokio::time::timeout(REST_WAIT_MAX, rest.collect()).await;
    });
}

/// Reads a whole body within a bound.
pub(super) async fn read_whole(body: Incoming, bytes_max: usize, until: Instant) -> Result<Bytes, &'static str> {
    match timeout_at(until, http_body_util::Limited::new(body, bytes_max).collect()).await {
        Err(_) => Err("it took too long in all"),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err("it is too large"),
        Ok(Err(_)) => Err("its upstream ended the connection"),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}
