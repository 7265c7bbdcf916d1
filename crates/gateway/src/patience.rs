//! How long a connection may keep the server waiting.
//!
//! What must stay true: a peer that sends nothing, sends its head drop by drop, or does not read what it asked for
//! loses its connection and costs nobody else anything. While a request is being answered the peer owes nothing but
//! to read; how long its body may take is `visit`'s to say.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long connections may keep the server waiting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    /// From the first byte of a request, or from connecting, to the end of its head.
    pub(crate) head: Duration,
    /// Between an answer and the next request.
    pub(crate) idle: Duration,
    /// For room to write the next byte.
    pub(crate) write: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        // Browsers and clients' pools let go of an idle connection after a minute or so; they should come first.
        Self { head: Duration::from_secs(10), idle: Duration::from_secs(90), write: Duration::from_secs(30) }
    }
}

/// Whether a connection has a request to answer: it counts beginnings and ends, so it is odd while it has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rounds(Arc<AtomicU32>);

/// A request that is being answered, until its answer's last byte is handed over.
#[derive(Debug)]
pub(crate) struct Round(Rounds);

impl Rounds {
    pub(crate) fn begin(&self) -> Round {
        self.0.fetch_add(1, Ordering::AcqRel);
        Round(self.clone())
    }

    fn count(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// An answer's body, which ends its round when it ends.
#[derive(Debug)]
pub(crate) struct Answering<B> {
    pub(crate) body: B,
    pub(crate) _round: Round,
}

impl<B: Body + Unpin> Body for Answering<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection whose peer is waited for only so long.
#[derive(Debug)]
pub(crate) struct Patient<S> {
    stream: S,
    waits: Waits,
    rounds: Rounds,
    /// The count of rounds that `owed` was made for.
    seen: u32,
    /// When the next byte of a request, or the rest of its head, is due.
    owed: Instant,
    /// Whether part of a head has come, as far as bytes tell.
    in_head: bool,
    /// Since when there is no room to write.
    full_since: Option<Instant>,
    read_alarm: Alarm,
    write_alarm: Alarm,
}

impl<S> Patient<S> {
    pub(crate) fn new(stream: S, waits: Waits, rounds: Rounds) -> Self {
        let owed = Instant::now() + waits.head;
        Self {
            stream,
            waits,
            rounds,
            seen: 0,
            owed,
            in_head: true,
            full_since: None,
            read_alarm: Alarm(None),
            write_alarm: Alarm(None),
        }
    }

    /// Whether the peer owes a request, and since another round than before.
    fn look(&mut self) -> bool {
        let count = self.rounds.count();
        if count != self.seen {
            self.seen = count;
            self.in_head = false;
            self.owed = Instant::now() + self.waits.idle;
        }
        count.is_multiple_of(2)
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let since = *self.full_since.get_or_insert_with(Instant::now);
        self.write_alarm.poll(since + self.waits.write, cx).map(|()| late("nobody reads"))
    }
}

fn late(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let owes = this.look();
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Ready(read) => {
                if owes && !this.in_head {
                    this.in_head = true;
                    this.owed = Instant::now() + this.waits.head;
                }
                Poll::Ready(read)
            }
            Poll::Pending if owes => {
                ready!(this.read_alarm.poll(this.owed, cx));
                Poll::Ready(Err(late("no request came")))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write(cx, bytes) {
            self.full_since = None;
            return Poll::Ready(written);
        }
        self.poll_room(cx).map(Err)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write_vectored(cx, slices) {
            self.full_since = None;
            return Poll::Ready(written);
        }
        self.poll_room(cx).map(Err)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A timer that is made at the first wait, and set anew only when it rings too early or would ring too late: most
/// requests come whole, and move no timer.
#[derive(Debug)]
struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    fn poll(&mut self, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if due < sleep.deadline() {
            sleep.as_mut().reset(due);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= due {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);
    const SHORT: Duration = Duration::from_millis(20);
    const NO_HURRY: Waits = Waits { head: LONG, idle: LONG, write: LONG };

    fn connected(waits: Waits) -> (DuplexStream, Patient<DuplexStream>, Rounds) {
        let (peer, stream) = duplex(64);
        let rounds = Rounds::default();
        (peer, Patient::new(stream, waits, rounds.clone()), rounds)
    }

    /// Reads until the connection is given up. A wait that is not kept makes the test wait for ever.
    async fn given_up(connection: &mut Patient<DuplexStream>) {
        let mut byte = [0];
        loop {
            match connection.read(&mut byte).await {
                Ok(count) => assert_ne!(count, 0, "the peer left"),
                Err(error) => return assert_eq!(error.kind(), io::ErrorKind::TimedOut),
            }
        }
    }

    #[tokio::test]
    async fn a_peer_that_connects_and_says_nothing_is_let_go() {
        let (_peer, mut connection, _) = connected(Waits { head: SHORT, ..NO_HURRY });
        given_up(&mut connection).await;
    }

    #[tokio::test]
    async fn a_head_that_comes_drop_by_drop_has_no_more_time_than_another() {
        let (mut peer, mut connection, _) = connected(Waits { head: SHORT, ..NO_HURRY });
        let drip = tokio::spawn(async move {
            while peer.write_all(b"G").await.is_ok() {
                tokio::task::yield_now().await;
            }
        });
        given_up(&mut connection).await;
        drop(connection);
        drip.await.unwrap();
    }

    #[tokio::test]
    async fn between_requests_a_peer_may_rest_but_not_in_the_middle_of_one() {
        let (_peer, mut resting, rounds) = connected(Waits { idle: SHORT, ..NO_HURRY });
        drop(rounds.begin());
        given_up(&mut resting).await;
        let (mut peer, mut connection, rounds) = connected(Waits { head: SHORT, ..NO_HURRY });
        drop(rounds.begin());
        peer.write_all(b"G").await.unwrap();
        given_up(&mut connection).await;
    }

    #[tokio::test]
    async fn nothing_is_owed_while_an_answer_is_being_made() {
        let short = Waits { head: SHORT, idle: SHORT, write: SHORT };
        let (_peer, mut answering, rounds) = connected(short);
        let round = rounds.begin();
        let (_other, mut silent, _) = connected(short);
        assert!(answering.read_u8().now_or_never().is_none());
        // Long enough for the one that is owed a request; the other is still there.
        given_up(&mut silent).await;
        assert!(answering.read_u8().now_or_never().is_none());
        drop(round);
        given_up(&mut answering).await;
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_let_go_and_one_that_reads_is_not() {
        let (mut peer, mut connection, _) = connected(Waits { write: SHORT, ..NO_HURRY });
        let reading = tokio::spawn(async move {
            let mut bytes = [0; 1_000];
            peer.read_exact(&mut bytes).await.unwrap();
            peer
        });
        connection.write_all(&[0; 1_000]).await.unwrap();
        let _peer = reading.await.unwrap();
        let error = connection.write_all(&[0; 1_000]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
