//! The one thread that gives indexes: it takes what waits, makes it durable as one group, and tells whoever waits.

use tokio::sync::mpsc;

use crate::journal::{GROUP_ENTRIES_MAX, Journal};
use crate::shared::{Leaf, Shared, Watch};
use crate::waiting::{Appended, Stopped, Teller};

/// An entry on its way into the log; without a teller nobody waits for it.
#[derive(Debug)]
pub(crate) struct Request {
    pub leaf: Leaf,
    pub teller: Option<Teller<Appended>>,
}

/// Runs until nobody can append any more, or something fails.
pub(crate) fn run(mut journal: Journal, mut queue: mpsc::Receiver<Request>, shared: &Shared) {
    let _watch = Watch(shared);
    let mut group = Vec::with_capacity(GROUP_ENTRIES_MAX);
    while queue.blocking_recv_many(&mut group, GROUP_ENTRIES_MAX) > 0 {
        let first = journal.next();
        let committed = shared.room().and_then(|()| {
            let entries = group.iter().map(|request: &Request| request.leaf.0.as_slice());
            journal.commit(entries).map_err(|error| shared.stop(error.to_string()))
        });
        if let Err(stopped) = committed {
            return refuse_all(&mut group, &mut queue, &stopped);
        }
        // The publisher has the group before anybody knows of it, so that whoever then asks for a checkpoint gets one
        // that covers it.
        let mut tellers = Vec::with_capacity(group.len());
        let leaves = group.drain(..).map(|request| {
            tellers.push((request.teller, request.leaf.1));
            request.leaf
        });
        let leaves = leaves.collect();
        shared.add(leaves);
        for ((teller, leaf), index) in tellers.into_iter().zip(first..) {
            if let Some(teller) = teller {
                let _ = teller.send(Ok(Appended { index, leaf }));
            }
        }
    }
    shared.close();
}

fn refuse_all(group: &mut Vec<Request>, queue: &mut mpsc::Receiver<Request>, stopped: &Stopped) {
    queue.close();
    let waiting = std::iter::from_fn(|| queue.blocking_recv());
    for teller in group.drain(..).chain(waiting).filter_map(|request| request.teller) {
        let _ = teller.send(Err(stopped.clone()));
    }
}
