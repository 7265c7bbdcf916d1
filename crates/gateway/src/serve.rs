//! The listener.
//!
//! What must stay true: nothing that a peer does, and no lack of descriptors, ends the loop that accepts; no peer
//! alone can take all connections; after the end nothing runs any longer that could still use a quota.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::App;
use crate::app::{router, router_apart};
use crate::patience::{Answering, Patient, Rounds, Waits};
use crate::stage::{Stage, reached};
use crate::tls::{Proof, Tls};
use crate::trail::Peer;

const HEAD_BYTES_MAX: usize = 64 << 10;
const HEADERS_MAX: usize = 100;
/// How long last words may take to reach their readers.
const LAST_WORDS: Duration = Duration::from_millis(1_500);
/// How long to wait for descriptors before the next try.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Why serving ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener is gone.
    #[error("the listener failed: {0}")]
    Listener(#[from] io::Error),
}

/// Serves until the app's stage is `Stopping`, then lets what runs end for at most `drain`, then ends it.
///
/// # Errors
/// When the listener cannot be used; running out of descriptors is no such case, then it waits and goes on.
pub async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    tls: Option<Arc<Tls>>,
    drain: Duration,
) -> Result<(), ServeError> {
    let router = router(Arc::clone(&app));
    let connections = TaskTracker::new();
    tokio::select! {
        () = accept(&listener, &app, tls.as_ref(), (&router, Stage::Stopping), &connections) => {}
        () = reached(Stage::Stopping, app.stage.subscribe()) => {}
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(drain, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "the time to end has passed; what still runs is ended");
        app.stage.send_replace(Stage::Ending);
        let _ = tokio::time::timeout(LAST_WORDS, connections.wait()).await;
    }
    app.stage.send_replace(Stage::Ended);
    connections.wait().await;
    Ok(())
}

/// Serves what an address of its own answers that is only for watching, up to the very end.
pub async fn serve_apart(listener: TcpListener, app: Arc<App>) {
    let (router, connections) = (router_apart(Arc::clone(&app)), TaskTracker::new());
    tokio::select! {
        () = accept(&listener, &app, None, (&router, Stage::Ended), &connections) => {}
        () = reached(Stage::Ended, app.stage.subscribe()) => {}
    }
}

/// Accepts connections; each takes requests until the stage is `until`.
async fn accept(
    listener: &TcpListener,
    app: &Arc<App>,
    tls: Option<&Arc<Tls>>,
    (router, until): (&Router, Stage),
    connections: &TaskTracker,
) {
    let places = Arc::new(Semaphore::new(app.bounds.connections_max));
    let peers = Arc::new(Peers { open: Mutex::default(), each_max: app.bounds.connections_per_peer_max });
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, or a peer that left in the queue: neither ends the server.
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        let Some(seat) = Peers::seat(&peers, address) else {
            tracing::debug!(peer = %address.ip(), "a peer has as many connections as one may have");
            continue;
        };
        let _ = stream.set_nodelay(true);
        // From this machine, whatever address it was reached under.
        let peer = address.ip().to_canonical();
        let local = peer.is_loopback() || stream.local_addr().is_ok_and(|own| own.ip().to_canonical() == peer);
        let rounds = Rounds::default();
        let stream = Patient::new(stream, Waits::default(), rounds.clone());
        let (router, stage, held) = (router.clone(), (app.stage.subscribe(), until), (place, seat));
        match tls.cloned() {
            None => connections.spawn(connection(stream, (Peer(peer), Proof::Given), rounds, router, stage, held)),
            Some(tls) => connections.spawn(async move {
                let accepted = tokio::select! {
                    accepted = tls.accept(stream, local) => accepted,
                    () = reached(until, stage.0.clone()) => return,
                };
                match accepted {
                    Ok((stream, proof)) => connection(stream, (Peer(peer), proof), rounds, router, stage, held).await,
                    Err(error) => tracing::debug!(%error, "a peer did not come to speak TLS"),
                }
            }),
        };
    }
}

async fn connection<S>(
    stream: S,
    (peer, proof): (Peer, Proof),
    rounds: Rounds,
    router: Router,
    (stage, until): (watch::Receiver<Stage>, Stage),
    held: (OwnedSemaphorePermit, Seat),
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(proof);
        let round = rounds.begin();
        let answer = router.clone().oneshot(request.map(Body::new));
        async move { answer.await.map(|response| response.map(|body| Answering { body, _round: round })) }
    });
    // `patience` bounds all waits, and says why each is as long as it is.
    let connection = http1::Builder::new()
        .header_read_timeout(None::<Duration>)
        // The buffer's bound alone lets a larger head through that comes in one piece.
        .max_buf_size(HEAD_BYTES_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = reached(until, stage.clone()) => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = reached(Stage::Ended, stage) => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
    drop(held);
}

/// How many connections each peer has open.
#[derive(Debug)]
struct Peers {
    open: Mutex<HashMap<IpAddr, usize>>,
    each_max: usize,
}

/// One of a peer's connections.
#[derive(Debug)]
struct Seat {
    peers: Arc<Peers>,
    peer: IpAddr,
}

impl Peers {
    fn seat(peers: &Arc<Self>, address: SocketAddr) -> Option<Seat> {
        let peer = network(address.ip());
        let mut open = peers.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(peer).or_default();
        if *count >= peers.each_max {
            return None;
        }
        *count += 1;
        Some(Seat { peers: Arc::clone(peers), peer })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.peers.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

/// Who counts as one peer: an address, but of IPv6 a /64, which is what one machine is given.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_has_only_so_many_connections_and_another_has_its_own() {
        let peers = Arc::new(Peers { open: Mutex::default(), each_max: 2 });
        let seat = |address: &str| Peers::seat(&peers, SocketAddr::new(address.parse().unwrap(), 1));
        let (first, _second) = (seat("10.0.0.1"), seat("::ffff:10.0.0.1"));
        assert!(first.is_some() && seat("10.0.0.1").is_none());
        let (_one, _two) = (seat("2001:db8::1"), seat("2001:db8::2"));
        assert!(seat("2001:db8::3").is_none(), "a /64 is one peer");
        assert!(seat("2001:db8:0:1::3").is_some());
        drop(first);
        assert!(seat("10.0.0.1").is_some());
        assert_eq!(peers.open.lock().unwrap().len(), 2, "who has left is forgotten");
    }
}
