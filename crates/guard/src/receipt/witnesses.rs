//! Witnesses of the log (C2SP `tlog-witness`): servers of others who cosign its checkpoints if it only grew. With a
//! cosignature nobody can be shown another log, and a rolled-back one is found out.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use ledger::{Checkpoint, Ledger, Log, Transport, VerifierKey, Witness, WitnessError};
use tokio::task::JoinHandle;

use super::entry::now;
use super::office::blocking;

/// A witness, and the way to it.
pub struct WitnessLine {
    /// Its key, as signed notes write it.
    pub key: VerifierKey,
    /// Carries requests to it.
    pub transport: Box<dyn Transport + Send>,
}

impl std::fmt::Debug for WitnessLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WitnessLine").field("key", &self.key).finish_non_exhaustive()
    }
}

/// How a witness stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct WitnessState {
    /// Its name.
    pub name: String,
    /// Entries that it cosigned last.
    pub cosigned: u64,
    /// When it was asked last.
    pub asked: Option<Timestamp>,
    /// Why it did not cosign then, if it did not.
    pub problem: Option<String>,
}

/// What the witnesses said last.
#[derive(Debug, Default)]
pub(super) struct Witnessed {
    seen: Mutex<Seen>,
    /// Why the log must not go on: a witness knows another history of it, or a longer one.
    against: OnceLock<String>,
}

#[derive(Debug, Default, Clone)]
struct Seen {
    checkpoint: Option<Checkpoint>,
    witnesses: Vec<WitnessState>,
}

impl Witnessed {
    /// The largest checkpoint that a witness cosigned, with the cosignatures.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.lock().checkpoint.clone()
    }

    pub fn witnesses(&self) -> Vec<WitnessState> {
        self.lock().witnesses.clone()
    }

    /// Why the log must not go on, if it must not.
    pub fn against(&self) -> Option<&str> {
        self.against.get().map(String::as_str)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct One {
    witness: Witness,
    transport: Box<dyn Transport + Send>,
    state: WitnessState,
}

/// Has the log's checkpoints cosigned every so often, until the task is ended. What was cosigned is kept in `kept`.
pub(super) fn watch(
    ledger: Arc<Ledger>,
    witnessed: Arc<Witnessed>,
    lines: Vec<WitnessLine>,
    every: Duration,
    kept: PathBuf,
) -> JoinHandle<()> {
    let before = read(&kept, ledger.key());
    let mut ones: Vec<One> = lines.into_iter().filter_map(|line| one(line, before.as_ref())).collect();
    *witnessed.lock() = Seen { checkpoint: before, witnesses: ones.iter().map(|one| one.state.clone()).collect() };
    tokio::spawn(async move {
        loop {
            let (ledger, witnessed, kept) = (Arc::clone(&ledger), Arc::clone(&witnessed), kept.clone());
            let round = blocking(move || {
                round(&ledger.log(), &witnessed, &mut ones, &kept);
                Ok(ones)
            });
            match round.await {
                Ok(back) => ones = back,
                Err(error) => {
                    tracing::error!(%error, "the log is no longer shown to its witnesses");
                    return;
                }
            }
            tokio::time::sleep(every).await;
        }
    })
}

fn one(line: WitnessLine, before: Option<&Checkpoint>) -> Option<One> {
    let name = line.key.name().to_owned();
    let cosigned = before.filter(|checkpoint| matches!(checkpoint.note().verify(&line.key), Ok(Some(_))));
    let cosigned = cosigned.map_or(0, Checkpoint::size);
    match Witness::new(line.key, cosigned) {
        Ok(witness) => {
            let state = WitnessState { name, cosigned, asked: None, problem: None };
            Some(One { witness, transport: line.transport, state })
        }
        Err(error) => {
            tracing::error!(%error, name, "a witness's key cannot be used");
            None
        }
    }
}

/// Asks each witness that has not cosigned the log as it stands. Each is shown the cosignatures of those before it.
fn round(log: &Log, witnessed: &Witnessed, ones: &mut [One], kept: &Path) {
    let (mut log, size) = (log.clone(), log.checkpoint().size());
    if ones.iter().all(|one| one.state.cosigned == size) {
        return;
    }
    let mut cosigned = false;
    for One { witness, transport, state } in ones.iter_mut() {
        let answer = witness.cosign(&log, &mut **transport);
        state.asked = Some(now());
        state.cosigned = witness.cosigned();
        state.problem = answer.as_ref().err().map(ToString::to_string);
        match answer {
            Ok(checkpoint) => {
                log = log.cosigned(checkpoint);
                cosigned = true;
            }
            Err(error @ (WitnessError::RolledBack { .. } | WitnessError::Forked { .. })) => {
                tracing::error!(%error, "the log must not go on; nothing more flows");
                let _ = witnessed.against.set(error.to_string());
            }
            Err(error) => tracing::warn!(%error, "a witness did not cosign"),
        }
    }
    let checkpoint = cosigned.then(|| log.checkpoint().clone());
    if let Some(checkpoint) = &checkpoint
        && let Err(error) = write(kept, checkpoint)
    {
        tracing::warn!(%error, "what the witnesses cosigned could not be kept");
    }
    let mut seen = witnessed.lock();
    seen.checkpoint = checkpoint.or_else(|| seen.checkpoint.take());
    seen.witnesses = ones.iter().map(|one| one.state.clone()).collect();
}

/// What was kept, if it is of this log.
fn read(kept: &Path, key: &VerifierKey) -> Option<Checkpoint> {
    let bytes = std::fs::read(kept).ok()?;
    Checkpoint::open(&bytes, key).inspect_err(|error| tracing::warn!(%error, "what was cosigned cannot be read")).ok()
}

fn write(kept: &Path, checkpoint: &Checkpoint) -> std::io::Result<()> {
    let staged = kept.with_extension("new");
    let mut file = std::fs::File::create(&staged)?;
    file.write_all(checkpoint.to_string().as_bytes())?;
    file.sync_all()?;
    std::fs::rename(staged, kept)
}
