//! Keeps the catalogue and the word index behind the passage log, at a short distance.
//!
//! One task does it, so that a search that is dropped while it waits never leaves half a step behind. A search wakes
//! the task and waits until it has reached what was committed when the search began.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use base::{ContentHash, PassageId};
use corpus::{PassageRow, RevisionRow};
use tokio::time::timeout;

use crate::SearchError;
use crate::search::Shared;
use crate::vectors::Table;
use crate::words::{Entry, HASH_BYTES, IndexError, TextHash, Words};

/// How often the log is looked at when nobody asks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What is new waits so long for more to come, so that a long addition is not committed in crumbs.
const GATHER_MAX: Duration = Duration::from_secs(1);
const GATHER_PASSAGES: u32 = 16_384;
/// Passages that are read at a time.
const READ_MAX: u32 = 2_048;
/// Bytes of text that are committed at a time.
const COMMIT_BYTES: usize = 32 << 20;
const ROWS_MAX: u32 = 1_000;
/// When nothing new has come for so long, segments are joined.
const TIDY_AFTER: Duration = Duration::from_secs(2);
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How far the follower is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// The newest change in the catalogue.
    pub change: u64,
    /// The number after the last passage that there is.
    pub end: u32,
    /// The number of the first passage that cannot be found by words yet.
    pub next: u32,
    /// How often the word index was begun anew.
    pub restarts: u32,
    /// Why the last step failed, if it did.
    pub failure: Option<String>,
}

#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Corpus(#[from] corpus::CorpusError),
    #[error(transparent)]
    Store(#[from] store::StoreError),
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// Follows until the task is aborted.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut waiting_since: Option<Instant> = None;
    let mut untidy_since: Option<Instant> = Some(Instant::now());
    let mut tidying = tokio::task::spawn_blocking(|| {});
    loop {
        let asked = timeout(LOOK_EVERY, shared.poke.notified()).await.is_ok();
        if shared.broken.swap(false, Ordering::SeqCst) {
            restart(&shared).await;
        }
        let result = async {
            read_log(&shared).await?;
            let Progress { end, next, .. } = shared.progress.borrow().clone();
            if next >= end {
                waiting_since = None;
                if tidying.is_finished() && untidy_since.is_some_and(|since| since.elapsed() >= TIDY_AFTER) {
                    untidy_since = None;
                    let words = shared.words.clone();
                    // Beside the follower, which must stay free for what is committed meanwhile.
                    tidying = tokio::task::spawn_blocking(move || {
                        if let Err(error) = words.tidy() {
                            tracing::warn!(%error, "segments of the word index were not joined");
                        }
                    });
                }
                return Ok(());
            }
            let since = *waiting_since.get_or_insert_with(Instant::now);
            if asked || end - next >= GATHER_PASSAGES || since.elapsed() >= GATHER_MAX {
                waiting_since = None;
                index(&shared, next, end).await?;
                untidy_since = Some(Instant::now());
            }
            Ok(())
        };
        let result: Result<(), StepError> = result.await;
        let failed = result.as_ref().err().map(StepError::to_string);
        shared.progress.send_if_modified(|progress| std::mem::replace(&mut progress.failure, failed.clone()) != failed);
        if let Err(error) = result {
            tracing::error!(%error, "the word index could not follow");
            if matches!(error, StepError::Index(_)) {
                restart(&shared).await;
            } else {
                drop(blocking(&shared, |words| words.roll_back()).await);
            }
            tokio::time::sleep(RETRY_AFTER).await;
            // Whoever asked while the step failed is still waiting.
            shared.poke.notify_one();
        }
    }
}

/// Waits until all that was committed when this was called can be found. `Ok(false)` if words were not there in time.
pub(crate) async fn reach_head(shared: &Shared, wait_max: Option<Duration>) -> Result<bool, SearchError> {
    let head = shared.corpora.head().await?;
    let ready = |progress: &Progress| progress.change >= head && progress.next >= progress.end;
    let mut progress = shared.progress.subscribe();
    if ready(&progress.borrow()) {
        return Ok(true);
    }
    shared.poke.notify_one();
    let mut end = None;
    let wait = progress.wait_for(|progress| {
        if progress.change >= head && end.is_none() {
            end = Some(progress.end);
        }
        progress.failure.is_some() || end.is_some_and(|end| progress.next >= end)
    });
    let stopped = |_| SearchError::Stopped;
    let failure = match wait_max {
        None => wait.await.map_err(stopped)?.failure.clone(),
        Some(wait_max) => match timeout(wait_max, wait).await {
            Ok(progress) => progress.map_err(stopped)?.failure.clone(),
            Err(_) => None,
        },
    };
    let now = shared.progress.borrow().clone();
    match failure {
        // Without the newest rows of the log, something that was removed could be found.
        _ if now.change < head => Err(SearchError::Index {
            dir: shared.config.dir.clone(),
            reason: now.failure.unwrap_or_else(|| "the passage log is not read yet".to_owned()),
        }),
        Some(reason) if wait_max.is_none() => Err(SearchError::Index { dir: shared.config.dir.clone(), reason }),
        _ => Ok(end.is_some_and(|end| now.next >= end)),
    }
}

/// Brings the catalogue to the head of the log.
async fn read_log(shared: &Shared) -> Result<(), StepError> {
    loop {
        let change = shared.catalogue.read().unwrap_or_else(PoisonError::into_inner).change();
        let rows = shared.corpora.changes_after(change, ROWS_MAX).await?;
        let last = rows.len() < ROWS_MAX as usize;
        if !rows.is_empty() {
            take_in(shared, rows);
        }
        if last {
            break;
        }
    }
    let forgotten = shared.catalogue.write().unwrap_or_else(PoisonError::into_inner).take_forgotten();
    if !forgotten.is_empty() {
        forget(shared, &forgotten).await?;
    }
    Ok(())
}

pub(crate) fn take_in(shared: &Shared, rows: Vec<RevisionRow>) {
    let mut catalogue = shared.catalogue.write().unwrap_or_else(PoisonError::into_inner);
    for row in rows {
        if row.removed_version.is_some()
            && let Some(meaning) = &shared.meaning
        {
            meaning.drop_passages(row.passages.clone());
        }
        catalogue.take_in(row);
    }
    let (change, end) = (catalogue.change(), catalogue.end());
    drop(catalogue);
    shared.progress.send_modify(|progress| (progress.change, progress.end) = (change, end));
}

/// Removes what was made of forgotten texts. Vectors go first: the index knows which they are.
async fn forget(shared: &Shared, forgotten: &[RevisionRow]) -> Result<(), StepError> {
    let view = shared.words.view();
    let gone = |passage: u32| forgotten.iter().any(|row| row.passages.contains(&passage));
    let mut hashes: std::collections::HashSet<TextHash> =
        view.hashes().filter(|(passage, _)| gone(*passage)).map(|(_, hash)| hash).collect();
    if hashes.is_empty() {
        return Ok(());
    }
    for (passage, hash) in view.hashes() {
        if !gone(passage) {
            hashes.remove(&hash);
        }
    }
    drop(view);
    let hashes: Vec<TextHash> = hashes.into_iter().collect();
    Table::forget(&shared.store, &hashes).await?;
    let revisions: Vec<i64> = forgotten.iter().map(|row| row.revision).collect();
    blocking(shared, move |words| words.forget(&revisions)).await?;
    Ok(())
}

/// Indexes the passages from `next` to `end`.
async fn index(shared: &Shared, mut next: u32, end: u32) -> Result<(), StepError> {
    let mut bytes = 0;
    while next < end {
        let stop = end.min(next.saturating_add(READ_MAX));
        let rows = shared.corpora.passages_of(next..stop).await?;
        bytes += rows.iter().map(|row| row.text().len()).sum::<usize>();
        let hashes = blocking(shared, move |words| {
            let entries: Vec<Entry> = rows.into_iter().map(entry).collect();
            let hashes: Vec<(u32, TextHash)> = entries.iter().map(|entry| (entry.passage, entry.hash)).collect();
            words.add(entries)?;
            Ok(hashes)
        })
        .await?;
        if let Some(meaning) = &shared.meaning {
            meaning.recall(shared, &hashes).await?;
        }
        next = stop;
        if bytes >= COMMIT_BYTES || next == end {
            bytes = 0;
            blocking(shared, move |words| words.commit(next)).await?;
            shared.progress.send_modify(|progress| progress.next = next);
        }
    }
    Ok(())
}

async fn restart(shared: &Shared) {
    let (threads, memory_bytes) = (shared.config.threads, shared.config.memory_bytes);
    match blocking(shared, move |words| words.restart(threads, memory_bytes)).await {
        Ok(()) => shared.progress.send_modify(|progress| {
            progress.next = 1;
            progress.restarts += 1;
        }),
        Err(error) => tracing::error!(%error, "the word index could not be begun anew"),
    }
}

async fn blocking<T: Send + 'static>(
    shared: &Shared,
    work: impl FnOnce(&Words) -> Result<T, IndexError> + Send + 'static,
) -> Result<T, IndexError> {
    let words = shared.words.clone();
    // A damaged index can make the code that reads it panic; that is a failure of the index, not of the process.
    tokio::task::spawn_blocking(move || work(&words)).await.unwrap_or_else(|error| Err(IndexError::stopped(&error)))
}

fn entry(row: PassageRow) -> Entry {
    let PassageId(passage) = row.id;
    Entry {
        passage,
        revision: row.revision,
        headings: row.headings.join("\n"),
        text: row.text().to_owned(),
        hash: hash(&embedded_text(&row)),
    }
}

/// What is embedded for a passage: the headings over it, which say what it is about, and its words.
pub(crate) fn embedded_text(row: &PassageRow) -> String {
    let mut text = row.headings.join(" > ");
    text.push('\n');
    text.push_str(row.text());
    text
}

/// The name of a text's vector.
pub(crate) fn hash(text: &str) -> TextHash {
    let mut name = [0; HASH_BYTES];
    name.copy_from_slice(&ContentHash::of(text).as_bytes()[..HASH_BYTES]);
    name
}
