//! A search, from the question to the hits.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use base::PassageId;
use corpus::Corpora;
use engine::{Engine, Priority};
use guard::SearchPermit;
use store::Store;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};
use tokio::task::JoinHandle;
use tokio::time::{timeout, timeout_at};

use crate::background::{self, Meaning};
use crate::catalogue::Catalogue;
use crate::follow::{self, Progress};
use crate::fuse::{self, CANDIDATES_MAX, Ranked};
use crate::metrics::Metrics;
use crate::passages::PassageSet;
use crate::vectors::Probe;
use crate::words::{self, IndexError, WordScores, Words};
use crate::{Elapsed, Found, Hit, Mode, Query, SearchError, Status, WithoutMeaning};

/// Candidates of each question whose vectors are made before all others.
const WANTED_MAX: usize = 50;
/// Vectors that are made at a time while somebody waits; the time is looked at in between.
const PATIENT_BATCH: usize = 4;

/// How a search works.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the word index lies. The folder can be deleted while nothing runs.
    pub dir: PathBuf,
    /// Threads that index.
    pub threads: usize,
    /// Memory that they have together; at least 15 MiB each.
    pub memory_bytes: usize,
    /// Searches that run at the same time.
    pub searches_max: usize,
    /// Searches that may wait for their turn.
    pub waiting_max: usize,
    /// How long a search waits for its turn, and for the index to reach what was committed.
    pub wait_max: Duration,
    /// Whether vectors are made in the background.
    pub background: bool,
}

impl Config {
    /// The usual way, with the word index in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            threads: 2,
            memory_bytes: 64 << 20,
            searches_max: 4,
            waiting_max: 256,
            wait_max: Duration::from_secs(10),
            background: true,
        }
    }
}

/// Search over all corpora of a data folder. Dropped, its background work ends; nothing is lost.
pub struct Search {
    pub(crate) shared: Arc<Shared>,
    running: Semaphore,
    waiting: Semaphore,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    pub(crate) metrics: Metrics,
}

/// What searches and background work share.
pub(crate) struct Shared {
    pub store: Arc<Store>,
    pub corpora: Arc<Corpora>,
    pub config: Config,
    pub words: Arc<Words>,
    pub catalogue: RwLock<Catalogue>,
    pub progress: watch::Sender<Progress>,
    pub poke: Notify,
    /// Set by a search that could not read the word index; the follower then builds it again.
    pub broken: AtomicBool,
    pub meaning: Option<Arc<Meaning>>,
}

/// What words say.
struct Scored {
    scores: WordScores,
    best: Vec<(u32, f32)>,
    behind: u64,
}

impl std::fmt::Debug for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Search").field("dir", &self.shared.config.dir).finish_non_exhaustive()
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        for task in self.tasks.get_mut().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }
}

impl Search {
    /// Opens the word index, or begins it anew, and starts to follow the passage log and to make vectors.
    ///
    /// `store` must have been opened with [`SCHEMA`](crate::SCHEMA) and the corpus's. Without an embedder, searches go
    /// by words and say so.
    ///
    /// # Errors
    /// [`SearchError::Index`] if the index can neither be opened nor be made anew.
    pub async fn open(
        store: Arc<Store>,
        corpora: Arc<Corpora>,
        embedder: Option<Arc<dyn Engine>>,
        mut config: Config,
    ) -> Result<Arc<Self>, SearchError> {
        config.threads = config.threads.clamp(1, 8);
        config.memory_bytes = config.memory_bytes.max(config.threads * (16 << 20));
        let mut catalogue = Catalogue::default();
        loop {
            let rows = corpora.changes_after(catalogue.change(), 1_000).await?;
            if rows.is_empty() {
                break;
            }
            rows.into_iter().for_each(|row| catalogue.take_in(row));
        }
        let index = config.clone();
        let end = catalogue.end();
        let sealer = store.keys().map(|keys| keys.index.clone());
        let open = move || Words::open(&index.dir, sealer, end, index.threads, index.memory_bytes);
        let opened = tokio::task::spawn_blocking(open).await;
        let broken = |error: IndexError| SearchError::Index { dir: config.dir.clone(), reason: error.to_string() };
        let words = opened.unwrap_or_else(|error| Err(IndexError::stopped(&error))).map_err(broken)?;
        let meaning = embedder.and_then(|embedder| Meaning::new(embedder, store.clone())).map(Arc::new);
        if let Some(meaning) = &meaning {
            meaning.load(&words.view(), catalogue.passages()).await?;
        }
        let progress = Progress { change: catalogue.change(), end, next: words.next(), ..Progress::default() };
        let shared = Arc::new(Shared {
            store,
            corpora,
            words: Arc::new(words),
            catalogue: RwLock::new(catalogue),
            progress: watch::Sender::new(progress),
            poke: Notify::new(),
            broken: AtomicBool::new(false),
            meaning,
            config,
        });
        let mut tasks = vec![tokio::spawn(follow::run(shared.clone()))];
        if let Some(meaning) = shared.meaning.clone().filter(|_| shared.config.background) {
            tasks.push(tokio::spawn(background::run(shared.clone(), meaning)));
        }
        Ok(Arc::new(Self {
            running: Semaphore::new(shared.config.searches_max.max(1)),
            waiting: Semaphore::new(shared.config.waiting_max.max(1)),
            tasks: Mutex::new(tasks),
            metrics: Metrics::default(),
            shared,
        }))
    }

    /// Answers a query about the records that `permit` opens.
    ///
    /// All documents that were committed when it began can be found, if the index reaches them in time; what was
    /// removed by then is not found.
    ///
    /// # Errors
    /// [`SearchError::QueryTooLong`], [`SearchError::Top`], [`SearchError::Busy`]; the others if the disk says no.
    pub async fn search(&self, permit: &SearchPermit, query: &Query) -> Result<Found, SearchError> {
        query.check()?;
        let whole = Instant::now();
        let begun = whole;
        let _place = self.place().await?;
        follow::reach_head(&self.shared, Some(self.shared.config.wait_max)).await?;
        let mut elapsed = Elapsed { wait: begun.elapsed(), ..Elapsed::default() };

        let begun = Instant::now();
        let permitted = Arc::new(self.catalogue(|catalogue| catalogue.permitted(permit, &query.filter)));
        let depth = query.top.max(CANDIDATES_MAX);
        let (words, probe) =
            tokio::join!(async { (self.score(&query.text, &permitted, depth).await, begun.elapsed()) }, async {
                (self.probe(query, &permitted).await, begun.elapsed())
            },);
        let (Scored { scores, best, behind }, took) = (words.0?, words.1);
        elapsed.words = took;
        elapsed.embed = if query.mode == Mode::Words { Duration::ZERO } else { probe.1 };
        let (probe, mut without_meaning) = match probe.0 {
            Ok(probe) => (probe, None),
            Err(without) => (None, Some(without)),
        };

        let begun = Instant::now();
        if probe.is_some() {
            self.be_patient(query, &best).await;
            elapsed.embed += begun.elapsed();
        }
        let begun = Instant::now();
        let embedded = self
            .shared
            .meaning
            .as_ref()
            .map_or(0, |meaning| meaning.with_matrix(|matrix| permitted.intersection_len(matrix.present())));
        let ranked = match probe {
            Some(_) if embedded == 0 => {
                without_meaning = Some(WithoutMeaning::NoVectors);
                fuse::alone(&best, true)
            }
            Some(probe) => self.by_meaning(query.mode, probe, &permitted, scores, best.clone(), depth).await?,
            None => fuse::alone(&best, true),
        };
        elapsed.meaning = begun.elapsed();
        if query.mode != Mode::Words
            && let Some(meaning) = &self.shared.meaning
        {
            meaning.want(best.iter().take(WANTED_MAX).map(|(passage, _)| *passage));
        }

        let begun = Instant::now();
        let hits = self.hits(permit, &ranked[..ranked.len().min(query.top)]).await?;
        elapsed.texts = begun.elapsed();
        self.metrics.answered(query.mode, whole.elapsed());
        Ok(Found { hits, searched: permitted.len(), embedded, behind, without_meaning, elapsed })
    }

    /// Waits until all that was committed when this was called can be found by words.
    ///
    /// # Errors
    /// [`SearchError::Index`] if the index cannot follow.
    pub async fn catch_up(&self) -> Result<(), SearchError> {
        follow::reach_head(&self.shared, None).await.map(drop)
    }

    /// Waits until the vectors of these passages are made, as far as the embedder makes them.
    ///
    /// # Errors
    /// When there is no embedder, or it fails.
    pub async fn embed(&self, passages: &[PassageId]) -> Result<(), SearchError> {
        let Some(meaning) = &self.shared.meaning else { return Err(SearchError::NoEmbedder) };
        let passages: Vec<u32> = passages.iter().map(|passage| passage.0).collect();
        for part in passages.chunks(256) {
            meaning
                .make(&self.shared, part, Priority::Background)
                .await
                .map_err(|error| SearchError::Embedder(error.to_string()))?;
        }
        Ok(())
    }

    /// How far the background work is.
    pub fn status(&self) -> Status {
        let next = self.shared.words.next();
        let (passages, indexed, embedded) = self.catalogue(|catalogue| {
            let live = catalogue.passages();
            let mut reached = PassageSet::default();
            reached.insert_range(0..next);
            let embedded = self
                .shared
                .meaning
                .as_ref()
                .map_or(0, |meaning| meaning.with_matrix(|matrix| live.intersection_len(matrix.present())));
            (live.len(), live.intersection_len(&reached), embedded)
        });
        let (per_second, trouble) = match &self.shared.meaning {
            Some(meaning) => meaning.speed(),
            None => (0.0, Some("no embedder is installed".to_owned())),
        };
        let eta = (per_second > 0.0).then(|| Duration::from_secs_f64((passages - embedded) as f64 / per_second));
        Status { passages, indexed, embedded, per_second, eta, trouble }
    }

    /// Ends the background work and waits until it has ended, so that the index can be opened again at once.
    pub async fn close(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            task.abort();
            drop(task.await);
        }
        let words = self.shared.words.clone();
        drop(tokio::task::spawn_blocking(move || words.settle()).await);
    }

    async fn place(&self) -> Result<SemaphorePermit<'_>, SearchError> {
        if let Ok(place) = self.running.try_acquire() {
            return Ok(place);
        }
        let busy = || {
            self.metrics.refused();
            SearchError::Busy
        };
        let _waiting = self.waiting.try_acquire().map_err(|_| busy())?;
        match timeout(self.shared.config.wait_max, self.running.acquire()).await {
            Ok(place) => place.map_err(|_| SearchError::Stopped),
            Err(_) => Err(busy()),
        }
    }

    /// Scores by words; an index that cannot be read is built again once.
    async fn score(&self, text: &str, permitted: &Arc<PassageSet>, depth: usize) -> Result<Scored, SearchError> {
        let mut restarts = self.shared.progress.subscribe();
        let before = restarts.borrow_and_update().restarts;
        match self.score_once(text, permitted, depth).await {
            Ok(scores) => Ok(scores),
            Err(error) => {
                tracing::error!(%error, "the word index could not be read");
                let failed = |error: IndexError| SearchError::Index {
                    dir: self.shared.config.dir.clone(),
                    reason: error.to_string(),
                };
                self.shared.broken.store(true, Ordering::SeqCst);
                self.shared.poke.notify_one();
                let rebuilt = restarts.wait_for(|now| now.restarts > before && now.next >= now.end);
                if timeout(self.shared.config.wait_max, rebuilt).await.is_ok_and(|rebuilt| rebuilt.is_ok()) {
                    self.score_once(text, permitted, depth).await.map_err(failed)
                } else {
                    Err(failed(error))
                }
            }
        }
    }

    async fn score_once(&self, text: &str, permitted: &Arc<PassageSet>, depth: usize) -> Result<Scored, IndexError> {
        let (shared, permitted, text) = (self.shared.clone(), permitted.clone(), text.to_owned());
        let scored = tokio::task::spawn_blocking(move || {
            let view = shared.words.view();
            let mut scores = words::score(&view, &text, &permitted)?;
            let catalogue = shared.catalogue.read().unwrap_or_else(PoisonError::into_inner);
            scores.add_documents(|passage| catalogue.revision_of(passage).map(|row| row.passages.clone()));
            let best = scores.best(depth);
            Ok(Scored { scores, best, behind: permitted.len_from(view.next()) })
        });
        scored.await.unwrap_or_else(|error| Err(IndexError::stopped(&error)))
    }

    /// Embeds the question, if meaning is asked for and there is anything to compare with.
    async fn probe(&self, query: &Query, permitted: &PassageSet) -> Result<Option<Probe>, WithoutMeaning> {
        if query.mode == Mode::Words || query.text.trim().is_empty() {
            return Ok(None);
        }
        let meaning = self.shared.meaning.as_ref().ok_or(WithoutMeaning::NoEmbedder)?;
        let present = meaning.with_matrix(|matrix| permitted.intersection_len(matrix.present()));
        if present == 0 && query.patience.is_zero() {
            return Err(WithoutMeaning::NoVectors);
        }
        match timeout(self.shared.config.wait_max, meaning.probe(&query.text)).await {
            Ok(Ok(probe)) => Ok(Some(probe)),
            Ok(Err(error)) => {
                tracing::warn!(%error, "a question was not embedded");
                Err(WithoutMeaning::EmbedderFailed)
            }
            Err(_) => Err(WithoutMeaning::EmbedderFailed),
        }
    }

    /// Makes missing vectors of the best candidates by words, best first, while the asker's patience lasts.
    async fn be_patient(&self, query: &Query, best: &[(u32, f32)]) {
        let Some(meaning) = self.shared.meaning.as_ref().filter(|_| !query.patience.is_zero()) else { return };
        let missing: Vec<u32> = meaning.with_matrix(|matrix| {
            let candidates = best.iter().take(WANTED_MAX).map(|(passage, _)| *passage);
            candidates.filter(|passage| !matrix.present().contains(*passage)).collect()
        });
        let until = tokio::time::Instant::now() + query.patience.min(self.shared.config.wait_max);
        for part in missing.chunks(PATIENT_BATCH) {
            match timeout_at(until, meaning.make(&self.shared, part, Priority::Interactive)).await {
                Ok(Ok(())) => {}
                _ => break,
            }
        }
    }

    async fn by_meaning(
        &self,
        mode: Mode,
        probe: Probe,
        permitted: &Arc<PassageSet>,
        scores: WordScores,
        best: Vec<(u32, f32)>,
        depth: usize,
    ) -> Result<Vec<Ranked>, SearchError> {
        let Some(meaning) = self.shared.meaning.clone() else { return Ok(fuse::alone(&best, true)) };
        let permitted = permitted.clone();
        let searched = permitted.len() as usize;
        let scan = tokio::task::spawn_blocking(move || {
            meaning.with_matrix(|matrix| {
                let nearest = matrix.nearest(&probe, &permitted, depth);
                match mode {
                    Mode::Meaning => fuse::alone(&nearest, false),
                    _ => fuse::fused(
                        searched,
                        &best,
                        &nearest,
                        |passage| scores.of(passage),
                        |passage| matrix.nearness(&probe, passage),
                    ),
                }
            })
        });
        scan.await.map_err(|_| SearchError::Stopped)
    }

    /// Reads the texts of what was found, and asks the permit again for each.
    async fn hits(&self, permit: &SearchPermit, ranked: &[Ranked]) -> Result<Vec<Hit>, SearchError> {
        let ids: Vec<PassageId> = ranked.iter().map(|ranked| PassageId(ranked.passage)).collect();
        let rows = self.shared.corpora.passages(&ids).await?;
        let mut revisions: Vec<i64> = rows.iter().map(|row| row.revision).collect();
        revisions.sort_unstable();
        revisions.dedup();
        let flags = self.shared.corpora.flags_of(&revisions).await?;
        let mut rows = rows.into_iter().peekable();
        let mut hits = Vec::with_capacity(ranked.len());
        self.catalogue(|catalogue| {
            for ranked in ranked {
                // Rows come in the order asked for; one that was forgotten meanwhile is left out.
                let Some(row) = rows.next_if(|row| row.id.0 == ranked.passage) else { continue };
                let Some(revision) = catalogue.revision_of(ranked.passage) else { continue };
                if !permit.allows(&revision.terms()) {
                    continue;
                }
                hits.push(Hit {
                    passage: row.id,
                    document: revision.document,
                    corpus: revision.corpus,
                    path: revision.path.clone(),
                    title: revision.title.clone(),
                    headings: row.headings.to_vec(),
                    span: row.span.clone(),
                    text: row.text().to_owned(),
                    class: revision.class,
                    dated: revision.dated,
                    rank: hits.len() as u32 + 1,
                    score: ranked.score,
                    words_rank: ranked.words_rank,
                    words_score: ranked.words_score,
                    meaning_rank: ranked.meaning_rank,
                    meaning_score: ranked.meaning_score,
                    flags: flags.get(&row.revision).map_or(Vec::new(), |flags| {
                        flags.iter().filter(|flag| flag.touches(&row.span)).cloned().collect()
                    }),
                });
            }
        });
        Ok(hits)
    }

    pub(crate) fn catalogue<T>(&self, read: impl FnOnce(&Catalogue) -> T) -> T {
        read(&self.shared.catalogue.read().unwrap_or_else(PoisonError::into_inner))
    }
}
