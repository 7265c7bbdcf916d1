//! Whether the house can do its work, looked at every few seconds, so that a stranger who asks costs nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gateway::Readiness;
use serving::EngineSource;
use store::Store;
use tokio::sync::watch::{Receiver, Sender};

use super::machine;
use crate::engines::Engines;

const EVERY: Duration = Duration::from_secs(5);
/// How long a write may wait for those before it.
const WRITE_WAIT_MAX: Duration = Duration::from_secs(5);
/// Below this the database cannot be trusted to end what it begins.
const DISK_BYTES_MIN: u64 = 256 << 20;

/// Looks at the database, the default model's engine and the disk.
#[derive(Debug)]
pub struct Probe {
    pub store: Arc<Store>,
    pub engines: Arc<Engines>,
    pub data: PathBuf,
}

impl Probe {
    /// Looks once at all, and then every few seconds for as long as somebody listens.
    pub async fn start(self) -> (Receiver<Readiness>, tokio::task::JoinHandle<()>) {
        let (sender, receiver) = tokio::sync::watch::channel(self.look().await);
        (receiver, tokio::spawn(self.go_on(sender)))
    }

    async fn go_on(self, sender: Sender<Readiness>) {
        let mut clock = tokio::time::interval(EVERY);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !sender.is_closed() {
            clock.tick().await;
            let now = self.look().await;
            sender.send_if_modified(|before| {
                let changed = *before != now;
                if changed {
                    tracing::info!(reasons = ?now.values().flatten().collect::<Vec<_>>(), "readiness changed");
                    *before = now;
                }
                changed
            });
        }
    }

    async fn look(&self) -> Readiness {
        Readiness::from([("database", self.database().await), ("disk", self.disk()), ("model", self.model())])
    }

    async fn database(&self) -> Option<&'static str> {
        match tokio::time::timeout(WRITE_WAIT_MAX, self.store.write()).await {
            // Dropped without a commit, it changes nothing.
            Ok(Ok(_write)) => None,
            Ok(Err(_)) => Some("the database cannot be written"),
            Err(_) => Some("the database is busy with a long write"),
        }
    }

    fn disk(&self) -> Option<&'static str> {
        match machine::free_bytes(&self.data) {
            Some(bytes) if bytes < DISK_BYTES_MIN => Some("the disk that holds the data folder is nearly full"),
            Some(_) => None,
            None => Some("the disk that holds the data folder cannot be looked at"),
        }
    }

    fn model(&self) -> Option<&'static str> {
        let first = self.engines.models().into_iter().find(|model| model.chats);
        match first.and_then(|model| self.engines.chat(&model.name)) {
            None => Some("no chat model is installed"),
            Some(served) if served.engine.load().down => Some("the default model's engine does not start"),
            Some(_) => None,
        }
    }
}
