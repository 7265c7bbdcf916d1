//! Sends spans to their receiver, in bundles, from a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::otlp;
use super::spans::Span;
use crate::outward;

/// Spans that wait to be sent; what comes on top is lost.
const WAITING_MAX: usize = 4_096;
const BUNDLE_MAX: usize = 512;
/// How long a bundle waits to be filled.
const BUNDLE_WAIT_MAX: Duration = Duration::from_secs(1);
const SEND_WAIT_MAX: Duration = Duration::from_secs(5);

enum Message {
    Span(Box<Span>),
    End,
}

/// Where spans are handed over. It never waits.
#[derive(Clone)]
pub struct Line {
    sender: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

impl Line {
    /// Hands a span over, or counts it as lost.
    pub fn send(&self, span: Span) {
        if self.sender.try_send(Message::Span(Box::new(span))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The thread that sends.
pub struct Sender {
    line: Line,
    thread: JoinHandle<()>,
}

impl Sender {
    /// Sends to the receiver at this address.
    ///
    /// # Errors
    /// When it is no address.
    pub fn start(endpoint: &str) -> anyhow::Result<Self> {
        if !matches!(endpoint.split_once("://"), Some(("http" | "https", host)) if !host.is_empty()) {
            bail!("`otel.endpoint`: `{endpoint}` is no `http://` or `https://` address");
        }
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let line = Line { sender, lost: Arc::default() };
        let work = Work {
            agent: outward::agent(SEND_WAIT_MAX),
            address: format!("{}/v1/traces", endpoint.trim_end_matches('/')),
            lost: Arc::clone(&line.lost),
            failing: false,
        };
        let thread = std::thread::Builder::new().name("traces".into()).spawn(move || work.run(&receiver))?;
        Ok(Self { line, thread })
    }

    /// Where spans are handed over.
    pub fn line(&self) -> Line {
        self.line.clone()
    }

    /// Sends what is left and ends; a receiver that does not answer is waited for once.
    pub fn end(self) {
        if self.line.sender.send(Message::End).is_ok() {
            let _ = self.thread.join();
        }
    }
}

struct Work {
    agent: ureq::Agent,
    address: String,
    lost: Arc<AtomicU64>,
    failing: bool,
}

impl Work {
    fn run(mut self, receiver: &Receiver<Message>) {
        let mut going_on = true;
        while going_on {
            let (bundle, more) = next(receiver);
            going_on = more;
            if !bundle.is_empty() {
                self.send(&bundle);
            }
        }
    }

    fn send(&mut self, bundle: &[Span]) {
        let body = otlp::request(bundle);
        let request = self.agent.post(&self.address).header("content-type", "application/x-protobuf");
        let failed = match request.send(&body[..]) {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("it answered {}", response.status())),
            Err(error) => Some(error.to_string()),
        };
        if failed.is_some() {
            self.lost.fetch_add(bundle.len() as u64, Ordering::Relaxed);
        }
        // Told once when it begins to fail, and once when it works again.
        let failing = failed.is_some();
        if failing != self.failing {
            match failed {
                Some(reason) => tracing::warn!(reason, "traces do not reach their receiver"),
                None => {
                    let lost = self.lost.swap(0, Ordering::Relaxed);
                    tracing::info!(lost, "traces reach their receiver again");
                }
            }
        }
        self.failing = failing;
    }
}

/// The next bundle, full or after a while, and whether more may come.
fn next(receiver: &Receiver<Message>) -> (Vec<Span>, bool) {
    let mut bundle = Vec::new();
    let mut until = None;
    loop {
        let message = match until {
            None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(until) => receiver.recv_timeout(Instant::saturating_duration_since(&until, Instant::now())),
        };
        match message {
            Ok(Message::Span(span)) => {
                bundle.push(*span);
                until.get_or_insert_with(|| Instant::now() + BUNDLE_WAIT_MAX);
                if bundle.len() == BUNDLE_MAX {
                    return (bundle, true);
                }
            }
            Err(RecvTimeoutError::Timeout) => return (bundle, true),
            Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => return (bundle, false),
        }
    }
}
