//! Where receipts are written and looked up.
//!
//! The ledger is the truth. A table beside it, derived from it leaf by leaf, finds a receipt by its id and lists those
//! of a tenant; deleted, it is built again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base::{ContentHash, Principal, ReceiptId};
use ledger::{
    AppendError, Appended, Ed25519Signer, FileMemory, KeyKind, Ledger, NoteError, OpenError, Options, Signer,
    VerifierKey, Waiting,
};
use store::Store;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::entry::{Act, Entry, FlowKind, Outcome, PassedOver, Receipt};
use super::flow::Flow;
use super::table::Table;
use super::witnesses::{self, WitnessLine, WitnessState, Witnessed};
use super::{Filed, ReceiptError, ReceiptFilter, Span};
use crate::Refusal;

const FOLLOW_EVERY: Duration = Duration::from_secs(1);
const QUEUE_MAX: usize = 16_384;

/// Whether an answer's end waits for its receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// It does not. A crash of the machine may lose the receipts of the last moment; a crash of the program none that
    /// was handed to the system.
    #[default]
    Relaxed,
    /// The last event of an answer goes out when its receipt is on disk.
    Strict,
}

/// Where the ledger lies, and what signs it.
#[derive(Clone)]
pub struct LedgerPlace {
    /// Its folder.
    pub dir: PathBuf,
    /// The file that remembers the highest checkpoint that was signed, best on another disk.
    pub memory: PathBuf,
    /// Its name in checkpoints.
    pub origin: String,
    key: [u8; 32],
}

impl std::fmt::Debug for LedgerPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LedgerPlace").field("dir", &self.dir).field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl LedgerPlace {
    /// The usual places in a data folder, and a name that is derived from the key.
    pub fn new(data: &Path, key: [u8; 32]) -> Self {
        let named = ContentHash::of(key).to_string();
        let origin = format!("dure.invalid/{}", &named[..16]);
        Self { dir: data.join("ledger"), memory: data.join("ledger.memory"), origin, key }
    }

    /// The key by which others verify the log.
    ///
    /// # Errors
    /// When its name is none.
    pub fn verifier_key(&self) -> Result<VerifierKey, NoteError> {
        let signer = Ed25519Signer::from_secret(&self.key);
        VerifierKey::new(&self.origin, KeyKind::Ed25519, &signer.public_key())
    }

    fn open(&self) -> Result<Ledger, OpenError> {
        let signer = Ed25519Signer::from_secret(&self.key);
        let memory = FileMemory::open(&self.memory)?;
        let options = Options { queue_max: QUEUE_MAX, ..Options::default() };
        Ledger::open(&self.dir, &self.origin, Box::new(signer), Box::new(memory), options)
    }
}

/// The log as a whole.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct LedgerState {
    /// Its name and public key, as signed notes write a verifier's key.
    pub key: String,
    /// Entries that are on disk.
    pub size: u64,
    /// The last signed checkpoint.
    pub checkpoint: String,
    /// Why it takes no more entries, if it does not: then nothing is answered until a restart.
    pub stopped: Option<String>,
    /// Others who cosign its checkpoints, if there are any.
    pub witnesses: Vec<WitnessState>,
    /// The largest checkpoint that one of them cosigned, with the cosignatures.
    pub witnessed: Option<String>,
}

/// Writes receipts, and finds them again.
#[derive(Debug)]
pub struct Receipts {
    ledger: Arc<Ledger>,
    table: Table,
    durability: Durability,
    /// Entries that the ledger has or was handed.
    handed: AtomicU64,
    witnessed: Arc<Witnessed>,
}

/// An entry on its way to the disk.
#[derive(Debug)]
#[must_use = "an answer's end waits for its receipt where the house is strict"]
pub struct Recorded {
    on_its_way: OnItsWay,
    strict: bool,
}

#[derive(Debug)]
enum OnItsWay {
    /// It was recorded before.
    Done,
    Taken(Waiting<Appended>),
    /// The ledger has a queue, and it is full.
    Queued(JoinHandle<Result<Appended, AppendError>>),
    Refused,
}

impl Recorded {
    /// It was recorded before.
    pub(super) fn before() -> Self {
        Self { on_its_way: OnItsWay::Done, strict: false }
    }

    /// Waits until it is on disk, if the house is strict.
    ///
    /// # Errors
    /// [`Refusal::Unrecorded`] if the house is strict and the disk said no.
    pub async fn acknowledged(self) -> Result<(), Refusal> {
        if self.strict { self.durable().await } else { Ok(()) }
    }

    /// Waits until it is on disk.
    ///
    /// # Errors
    /// [`Refusal::Unrecorded`] if the disk said no.
    pub async fn durable(self) -> Result<(), Refusal> {
        let durable = match self.on_its_way {
            OnItsWay::Done => true,
            OnItsWay::Taken(waiting) => waiting.await.is_ok(),
            OnItsWay::Queued(queued) => matches!(queued.await, Ok(Ok(_))),
            OnItsWay::Refused => false,
        };
        if durable { Ok(()) } else { Err(Refusal::Unrecorded) }
    }
}

impl Receipts {
    /// Opens the ledger and the office: brings the table up to the ledger, and closes flows and acts that a crash left open.
    ///
    /// # Errors
    /// When the ledger is in use, damaged or older than what was signed of it, or the disk says no.
    pub async fn open(
        place: &LedgerPlace,
        store: Arc<Store>,
        durability: Durability,
    ) -> Result<Arc<Self>, ReceiptError> {
        let opening = place.clone();
        let ledger = Arc::new(blocking(move || Ok(opening.open()?)).await?);
        let handed = AtomicU64::new(ledger.size());
        let witnessed = Arc::default();
        let receipts = Arc::new(Self { table: Table::new(store), ledger, durability, handed, witnessed });
        receipts.table.follow(&receipts.ledger).await?;
        receipts.close_lost().await?;
        Ok(receipts)
    }

    /// Keeps the table up to the ledger until the task is ended.
    pub fn follow(self: &Arc<Self>) -> JoinHandle<()> {
        let receipts = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(FOLLOW_EVERY).await;
                if let Err(error) = receipts.table.follow(&receipts.ledger).await {
                    tracing::error!(%error, "the table of receipts does not follow the ledger");
                    tokio::time::sleep(FOLLOW_EVERY * 20).await;
                }
            }
        })
    }

    /// Has the log cosigned by its witnesses every so often, until the task is ended. Their cosignatures are kept in
    /// `kept`, and go with proofs.
    pub fn witness(&self, lines: Vec<WitnessLine>, every: Duration, kept: PathBuf) -> JoinHandle<()> {
        witnesses::watch(Arc::clone(&self.ledger), Arc::clone(&self.witnessed), lines, every, kept)
    }

    /// Why nothing more is recorded, if it is not.
    fn stopped(&self) -> Option<String> {
        let stopped = self.ledger.stopped().map(|stopped| stopped.reason().to_owned());
        stopped.or_else(|| self.witnessed.against().map(str::to_owned))
    }

    /// Begins a flow.
    ///
    /// # Errors
    /// [`Refusal::Unrecorded`] where nothing can be recorded: then nothing may flow.
    pub fn begin(self: &Arc<Self>, principal: &Principal, kind: FlowKind, asked: &str) -> Result<Flow, Refusal> {
        self.may_record()?;
        Flow::begin(Arc::clone(self), principal, kind, asked)
    }

    /// Whether what happens now can be recorded.
    ///
    /// # Errors
    /// [`Refusal::Unrecorded`].
    pub fn may_record(&self) -> Result<(), Refusal> {
        let stopped = self.ledger.stopped().is_some() || self.witnessed.against().is_some();
        if stopped { Err(Refusal::Unrecorded) } else { Ok(()) }
    }

    /// Records that somebody is about to change something, and waits until this is on disk.
    ///
    /// # Errors
    /// [`Refusal::Unrecorded`]: then nothing may be changed.
    pub async fn begin_act(&self, act: &Act) -> Result<(), Refusal> {
        self.record(&Entry::Begun(act.clone())).durable().await
    }

    /// Records what somebody did.
    pub fn act(&self, act: Act) -> Recorded {
        self.record(&Entry::Act(act))
    }

    pub(super) fn record(&self, entry: &Entry) -> Recorded {
        let strict = self.durability == Durability::Strict;
        let Some(leaf) = entry.leaf() else {
            tracing::error!(id = %entry.id(), "an entry is too long for the ledger");
            return Recorded { on_its_way: OnItsWay::Refused, strict };
        };
        let on_its_way = match (self.ledger.append(leaf.clone()), Handle::try_current()) {
            (Ok(waiting), _) => {
                self.handed.fetch_add(1, Ordering::Relaxed);
                OnItsWay::Taken(waiting)
            }
            (Err(AppendError::Full), Ok(runtime)) => {
                let ledger = Arc::clone(&self.ledger);
                self.handed.fetch_add(1, Ordering::Relaxed);
                OnItsWay::Queued(runtime.spawn(async move { Ok(ledger.append_when_room(leaf).await?.await?) }))
            }
            (Err(error), _) => {
                tracing::error!(id = %entry.id(), %error, "the ledger took no entry; nothing more flows");
                OnItsWay::Refused
            }
        };
        Recorded { on_its_way, strict }
    }

    /// What the ledger says under an id, to somebody who may see it. An intent is shown where nothing closed it yet.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn find(&self, id: ReceiptId) -> Result<Option<Filed>, ReceiptError> {
        self.catch_up().await?;
        match self.table.leaf_of(id).await? {
            Some(leaf) => self.read(leaf).map(Some),
            None => Ok(None),
        }
    }

    /// Entries of a tenant, the newest first.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn list(&self, filter: &ReceiptFilter) -> Result<Vec<Filed>, ReceiptError> {
        self.catch_up().await?;
        self.table.leaves(filter).await?.into_iter().map(|leaf| self.read(leaf)).collect()
    }

    /// The proof that a leaf is in the log, as a `c2sp.org/tlog-proof@v1` file: whoever has the log's public key can
    /// check it without asking anybody.
    ///
    /// # Errors
    /// When the leaf is not there, or the disk says no.
    pub async fn prove(self: &Arc<Self>, leaf: u64) -> Result<String, ReceiptError> {
        let mut log = self.ledger.log();
        // A proof with cosignatures says more, and one for an entry that is newer has none yet.
        if let Some(checkpoint) = self.witnessed.checkpoint().filter(|checkpoint| checkpoint.size() > leaf) {
            log = log.cosigned(checkpoint);
        }
        blocking(move || {
            let entry = log.entry(leaf)?;
            Ok(log.prove(leaf)?.with_extra(entry).to_string())
        })
        .await
    }

    /// The log as it stands: what others verify it with, and what was last signed.
    pub fn state(&self) -> LedgerState {
        LedgerState {
            key: self.ledger.key().to_string(),
            size: self.ledger.size(),
            checkpoint: self.ledger.log().checkpoint().note().to_string(),
            stopped: self.stopped(),
            witnesses: self.witnessed.witnesses(),
            witnessed: self.witnessed.checkpoint().map(|checkpoint| checkpoint.to_string()),
        }
    }

    /// Publishes what was taken, and gives the ledger up.
    ///
    /// # Errors
    /// When it had stopped.
    pub async fn close(&self) -> Result<(), ReceiptError> {
        let ledger = Arc::clone(&self.ledger);
        blocking(move || Ok(ledger.close()?)).await?;
        self.table.follow(&self.ledger).await
    }

    fn read(&self, leaf: u64) -> Result<Filed, ReceiptError> {
        let bytes = self.ledger.log().entry(leaf)?;
        let entry = Entry::read(&bytes).ok_or(ReceiptError::Foreign { leaf })?;
        Ok(Filed { leaf, entry })
    }

    /// So that what was just answered is found.
    pub(super) async fn catch_up(&self) -> Result<(), ReceiptError> {
        // What was handed over before this call is on the disk within a few milliseconds, or the ledger has stopped.
        let handed = self.handed.load(Ordering::Relaxed);
        while self.ledger.stopped().is_none() && self.ledger.size() < handed {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if self.ledger.stopped().is_none() {
            self.ledger.publish().await?;
        }
        self.table.follow(&self.ledger).await
    }

    /// The log at its last checkpoint.
    pub(super) fn log(&self) -> ledger::Log {
        self.ledger.log()
    }

    /// The log's name and public key.
    pub(super) fn key(&self) -> String {
        self.ledger.key().to_string()
    }

    /// Receipts and acts of a span, by their leaves, the lowest first.
    pub(super) async fn leaves_of(
        &self,
        span: &Span,
        leaves: std::ops::Range<u64>,
        limit: usize,
    ) -> Result<Vec<u64>, ReceiptError> {
        self.table.leaves_of(span, leaves, limit).await
    }

    async fn close_lost(&self) -> Result<(), ReceiptError> {
        // A flow that tried several engines has an intent for each of them, and is closed once.
        let mut lost: BTreeMap<ReceiptId, Receipt> = BTreeMap::new();
        for leaf in self.table.open_intents().await? {
            let intent = match self.read(leaf)?.entry {
                Entry::Intent(intent) => intent,
                Entry::Begun(act) => {
                    let ended = self.act(Act { status: Act::UNKNOWN, ..act });
                    ended.durable().await.map_err(|_| ReceiptError::Ended)?;
                    continue;
                }
                _ => continue,
            };
            let receipt = lost.entry(intent.id).or_insert_with(|| Receipt {
                began: intent.at,
                label: Some(intent.label),
                outcome: Outcome::Lost,
                ..Receipt::begun(intent.id, intent.tenant, intent.who, intent.kind, &intent.asked)
            });
            if let Some(before) = receipt.engine.replace(intent.engine) {
                receipt.passed_over.push(PassedOver { engine: before, sent: true, why: "unknown".to_owned() });
            }
        }
        for receipt in lost.into_values() {
            self.record(&Entry::Receipt(Box::new(receipt))).durable().await.map_err(|_| ReceiptError::Ended)?;
        }
        self.catch_up().await
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReceiptError> + Send + 'static,
) -> Result<T, ReceiptError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(ReceiptError::Ended))
}
