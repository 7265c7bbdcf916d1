//! Makes vectors while nobody asks, and for those who wait.
//!
//! Passages that were candidates of real questions come first, then all others in order. Each batch is kept in the
//! store before the next is begun, so the work can end at any moment and goes on where it was.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use base::PassageId;
use engine::{EmbedKind, EmbedRequest, Engine, EngineError, Priority};
use store::StoreError;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::follow::{embedded_text, hash};
use crate::passages::PassageSet;
use crate::search::Shared;
use crate::vectors::{Matrix, Probe, Table, Vector};
use crate::words::{TextHash, View};

/// Passages whose texts are read at a time.
const READ_MAX: usize = 32;
/// Texts that one request to the embedder has; a question never waits for more than these.
const REQUEST_MAX: usize = 8;
/// Candidates of questions that are remembered to come first.
const WANTED_MAX: usize = 4_096;
/// How often to look for passages without a vector when nobody says that there are new ones.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const RETRY_AFTER: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// The speed that is told is that of so much time.
const SPEED_OVER: Duration = Duration::from_secs(60);

/// All that search by meaning needs.
#[derive(Debug)]
pub(crate) struct Meaning {
    embedder: Arc<dyn Engine>,
    table: Table,
    matrix: RwLock<Matrix>,
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    wanted: VecDeque<u32>,
    waiting: PassageSet,
    /// Passages that the embedder refuses for what they are; not tried again until the next start.
    refused: PassageSet,
    next: u32,
    made: VecDeque<(Instant, usize)>,
    trouble: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum EmbedError {
    #[error(transparent)]
    Corpus(#[from] corpus::CorpusError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("model `{0}` gave no usable vector")]
    Unusable(String),
}

/// One passage whose vector is missing.
struct Missing {
    passage: u32,
    hash: TextHash,
    text: String,
}

impl Meaning {
    /// Takes an embedder; `None` if it does not embed, or into more numbers than can be scanned.
    pub fn new(embedder: Arc<dyn Engine>, store: Arc<store::Store>) -> Option<Self> {
        let description = embedder.describe();
        let dimensions = description.dimensions? as usize;
        if !(1..=Matrix::DIMENSIONS_MAX).contains(&dimensions) {
            return None;
        }
        let table = Table { store, model: description.model.clone(), dimensions };
        Some(Self {
            embedder,
            table,
            matrix: RwLock::new(Matrix::new(dimensions)),
            queue: Mutex::default(),
            wake: Notify::new(),
        })
    }

    /// Reads the stored vectors of the live passages that the word index knows.
    pub async fn load(&self, view: &View, live: &PassageSet) -> Result<(), StoreError> {
        let stored = self.table.all().await?;
        let mut known: Vec<(u32, TextHash)> = view.hashes().filter(|(passage, _)| live.contains(*passage)).collect();
        known.sort_unstable();
        self.insert(&known, &stored);
        Ok(())
    }

    /// Gives new passages the vectors of equal texts that were embedded before.
    pub async fn recall(&self, shared: &Shared, passages: &[(u32, TextHash)]) -> Result<(), StoreError> {
        let hashes: Vec<TextHash> = passages.iter().map(|(_, hash)| *hash).collect();
        let found = self.table.find(&hashes).await?;
        if !found.is_empty() {
            self.insert_live(shared, passages, &found);
        }
        self.wake.notify_one();
        Ok(())
    }

    /// Drops the vectors of passages that are no longer live from memory.
    pub fn drop_passages(&self, passages: Range<u32>) {
        let mut matrix = self.matrix.write().unwrap_or_else(PoisonError::into_inner);
        passages.for_each(|passage| matrix.remove(passage));
    }

    /// Reads the vectors in memory.
    pub fn with_matrix<T>(&self, read: impl FnOnce(&Matrix) -> T) -> T {
        read(&self.matrix.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Embeds a question.
    pub async fn probe(&self, question: &str) -> Result<Probe, EmbedError> {
        let request =
            EmbedRequest { texts: vec![question.to_owned()], kind: EmbedKind::Query, priority: Priority::Interactive };
        let vectors = self.embedder.embed(request).await?;
        let vector = vectors.first().and_then(|found| Probe::of(&found.vector, self.table.dimensions));
        vector.ok_or_else(|| EmbedError::Unusable(self.table.model.clone()))
    }

    /// Asks for the vectors of these passages before all others.
    pub fn want(&self, passages: impl Iterator<Item = u32>) {
        let present = self.with_matrix(|matrix| matrix.present().clone());
        let mut queue = self.queue();
        for passage in passages {
            if present.contains(passage) || queue.waiting.contains(passage) || queue.refused.contains(passage) {
                continue;
            }
            if queue.wanted.len() == WANTED_MAX
                && let Some(oldest) = queue.wanted.pop_front()
            {
                queue.waiting.remove(oldest);
            }
            queue.waiting.insert(passage);
            queue.wanted.push_back(passage);
        }
        drop(queue);
        self.wake.notify_one();
    }

    /// Vectors made in a second lately, and what stops more from being made.
    pub fn speed(&self) -> (f64, Option<String>) {
        let mut queue = self.queue();
        queue.forget_old();
        let made: usize = queue.made.iter().map(|(_, count)| count).sum();
        let since = queue.made.front().map_or(Duration::ZERO, |(first, _)| first.elapsed());
        let per_second = if since.is_zero() { 0.0 } else { made as f64 / since.as_secs_f64().max(0.1) };
        (per_second, queue.trouble.clone())
    }

    /// Makes the vectors of these passages that are missing, in the order given.
    pub async fn make(&self, shared: &Shared, passages: &[u32], priority: Priority) -> Result<(), EmbedError> {
        let ids: Vec<PassageId> = passages.iter().map(|&passage| PassageId(passage)).collect();
        let rows = shared.corpora.passages(&ids).await?;
        let texts = rows.iter().map(|row| (row.id.0, embedded_text(row)));
        let mut missing: Vec<Missing> =
            texts.map(|(passage, text)| Missing { passage, hash: hash(&text), text }).collect();
        let names: Vec<(u32, TextHash)> = missing.iter().map(|one| (one.passage, one.hash)).collect();
        self.recall_quietly(shared, &names).await?;
        let present = self.with_matrix(|matrix| matrix.present().clone());
        missing.retain(|one| !present.contains(one.passage));
        for part in missing.chunks(REQUEST_MAX) {
            match self.embed(shared, part, priority).await {
                Err(error) if part.len() > 1 && about_the_text(&error) => {
                    for one in part.chunks(1) {
                        self.embed_or_refuse(shared, one, priority).await?;
                    }
                }
                Err(error) if about_the_text(&error) => self.refuse(part),
                other => other?,
            }
        }
        Ok(())
    }

    async fn embed_or_refuse(&self, shared: &Shared, one: &[Missing], priority: Priority) -> Result<(), EmbedError> {
        match self.embed(shared, one, priority).await {
            Err(error) if about_the_text(&error) => {
                self.refuse(one);
                Ok(())
            }
            other => other,
        }
    }

    async fn embed(&self, shared: &Shared, part: &[Missing], priority: Priority) -> Result<(), EmbedError> {
        let texts = part.iter().map(|one| one.text.clone()).collect();
        let found = self.embedder.embed(EmbedRequest { texts, kind: EmbedKind::Passage, priority }).await?;
        let vectors: Vec<(TextHash, Vector)> = part
            .iter()
            .zip(&found)
            .filter_map(|(one, found)| Some((one.hash, Vector::of(&found.vector, self.table.dimensions)?)))
            .collect();
        if vectors.len() < part.len() {
            return Err(EmbedError::Unusable(self.table.model.clone()));
        }
        self.table.keep(&vectors).await?;
        let names: Vec<(u32, TextHash)> = part.iter().map(|one| (one.passage, one.hash)).collect();
        self.insert_live(shared, &names, &vectors.into_iter().collect());
        let mut queue = self.queue();
        queue.forget_old();
        queue.made.push_back((Instant::now(), part.len()));
        Ok(())
    }

    async fn recall_quietly(&self, shared: &Shared, names: &[(u32, TextHash)]) -> Result<(), StoreError> {
        let hashes: Vec<TextHash> = names.iter().map(|(_, hash)| *hash).collect();
        let found = self.table.find(&hashes).await?;
        self.insert_live(shared, names, &found);
        Ok(())
    }

    /// Inserts under the catalogue's lock, so that what is removed meanwhile does not come back.
    fn insert_live(&self, shared: &Shared, passages: &[(u32, TextHash)], vectors: &HashMap<TextHash, Vector>) {
        let catalogue = shared.catalogue.read().unwrap_or_else(PoisonError::into_inner);
        let live: Vec<(u32, TextHash)> =
            passages.iter().copied().filter(|(passage, _)| catalogue.passages().contains(*passage)).collect();
        self.insert(&live, vectors);
    }

    fn insert(&self, passages: &[(u32, TextHash)], vectors: &HashMap<TextHash, Vector>) {
        let mut matrix = self.matrix.write().unwrap_or_else(PoisonError::into_inner);
        for (passage, hash) in passages {
            if let Some(vector) = vectors.get(hash) {
                matrix.insert(*passage, vector);
            }
        }
    }

    fn refuse(&self, part: &[Missing]) {
        let mut queue = self.queue();
        part.iter().for_each(|one| queue.refused.insert(one.passage));
    }

    /// What to embed next: what was wanted, then what comes next in order.
    fn next(&self, live: &PassageSet) -> Vec<u32> {
        let present = self.with_matrix(|matrix| matrix.present().clone());
        let mut queue = self.queue();
        let mut batch = Vec::with_capacity(READ_MAX);
        while batch.len() < READ_MAX
            && let Some(passage) = queue.wanted.pop_front()
        {
            queue.waiting.remove(passage);
            if live.contains(passage) && !present.contains(passage) {
                batch.push(passage);
            }
        }
        if !batch.is_empty() {
            return batch;
        }
        let mut from = queue.next;
        let mut wrapped = from == 0;
        while batch.len() < READ_MAX {
            match live.first_outside(&present, from) {
                Some(passage) => {
                    from = passage + 1;
                    if !queue.refused.contains(passage) {
                        batch.push(passage);
                    }
                }
                None if !wrapped && batch.is_empty() => (from, wrapped) = (0, true),
                None => break,
            }
        }
        queue.next = from;
        batch
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn forget_old(&mut self) {
        while self.made.front().is_some_and(|(made, _)| made.elapsed() > SPEED_OVER) {
            self.made.pop_front();
        }
    }
}

/// Whether trying the same text again is of no use.
fn about_the_text(error: &EmbedError) -> bool {
    matches!(
        error,
        EmbedError::Unusable(_)
            | EmbedError::Engine(
                EngineError::Invalid(_) | EngineError::TooLong { .. } | EngineError::Quarantined { .. }
            )
    )
}

/// Makes vectors until the task is aborted.
pub(crate) async fn run(shared: Arc<Shared>, meaning: Arc<Meaning>) {
    let mut retry_after = RETRY_AFTER;
    loop {
        let live = shared.catalogue.read().unwrap_or_else(PoisonError::into_inner).passages().clone();
        let batch = meaning.next(&live);
        if batch.is_empty() {
            drop(timeout(LOOK_EVERY, meaning.wake.notified()).await);
            continue;
        }
        match meaning.make(&shared, &batch, Priority::Background).await {
            Ok(()) => {
                retry_after = RETRY_AFTER;
                meaning.queue().trouble = None;
            }
            Err(error) => {
                tracing::warn!(%error, "vectors are not being made");
                meaning.queue().trouble = Some(error.to_string());
                // What was wanted and not made is wanted still; what came in order comes again.
                meaning.want(batch.into_iter());
                tokio::time::sleep(retry_after).await;
                retry_after = (retry_after * 2).min(RETRY_AFTER_MAX);
            }
        }
    }
}
