//! Adding records: one thread looks for them, several read them, one task commits them in batches.
//!
//! What must stay true: each batch is one transaction that holds documents, passages and counters together, so an
//! `add` that is killed, dropped or out of disk leaves whole documents, and the next one goes on from there.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base::{Class, ContentHash, CorpusId, DocumentId};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cache::pack;
use crate::corpora::{from_json, id, to_json};
use crate::extract::{self, EXTRACTOR, Kind, Warning, WarningKind};
use crate::report::{AddOptions, AddReport, Failure, FailureReason, Flagged, Progress, SourceWarning};
use crate::source::{self, Budget, Content, Found, Hold, IN_FLIGHT_MAX, Looking, Named, Record, UPLOAD};
use crate::write::{self, Gathered, NewRevision};
use crate::{AddError, Corpora, Corpus, FlagRules, dated, flags, passage};

/// Bytes of text after which a batch is committed.
const BATCH_BYTES: u64 = 8 << 20;
/// Documents after which a batch is committed.
const BATCH_DOCUMENTS: usize = 1_024;
/// A batch is committed when nothing came for this long, so that what it holds can go on.
const BATCH_WAIT: Duration = Duration::from_millis(250);
/// Records that wait to be read, and read ones that wait to be committed.
const QUEUE: usize = 16;
const READERS_MAX: usize = 8;

/// What the corpus knows of a record.
#[derive(Debug, Clone)]
struct Known {
    document: DocumentId,
    path: String,
    /// Where its record lay.
    source: String,
    /// Its present content; `None` for a document that was removed.
    revision: Option<i64>,
    hash: Vec<u8>,
    extractor: u32,
    class: Class,
    readers: String,
}

/// What reading a record gave.
#[derive(Debug)]
enum Outcome {
    Unchanged,
    Read(Box<Gathered>),
    Failed(FailureReason),
}

#[derive(Debug)]
struct Done {
    path: String,
    source: String,
    bytes: u64,
    outcome: Outcome,
    hold: Hold,
}

/// What readers share.
#[derive(Debug)]
struct Reading {
    options: AddOptions,
    corpus_class: Class,
    readers: String,
    known: HashMap<String, Known>,
    rules: FlagRules,
}

impl Corpora {
    /// Adds files, folders and archives to a corpus; what is there already and did not change stays as it is.
    ///
    /// A folder's documents are named by their paths inside it, a file by its name, an archive's entries by theirs; if
    /// another document has that name, the newcomer gets the folder's name before it. Where each record lies is
    /// remembered: a file that is gone from a folder is removed at the next `add` of it. A record that cannot be read
    /// any more keeps what was known of it. Dropping the future stops; batches that were committed stay, and the next
    /// `add` goes on from there.
    ///
    /// # Errors
    /// [`AddError`]; a single file that cannot be read is no error but stands in the report.
    pub async fn add(
        &self,
        corpus: &Corpus,
        paths: &[PathBuf],
        options: &AddOptions,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<AddReport, AddError> {
        if paths.is_empty() {
            return Err(AddError::NothingNamed);
        }
        self.add_named(corpus, Named::Paths(paths.to_vec()), options, progress).await
    }

    pub(crate) async fn add_named(
        &self,
        corpus: &Corpus,
        named: Named,
        options: &AddOptions,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<AddReport, AddError> {
        let began = Instant::now();
        let _changing = self.begin_change(corpus.id).ok_or(AddError::Busy)?;
        let mut known = self.known(corpus.id).await?;
        if matches!(named, Named::Uploads(_)) {
            // An upload says nothing of where a record lies: the document of the same path is the one that is meant.
            known = known.into_values().map(|known| (format!("{UPLOAD}{}", known.path), known)).collect();
        }
        let mut adding = Adding::new(self, corpus, options, &known);
        let reading = Arc::new(Reading {
            options: options.clone(),
            corpus_class: corpus.label.class,
            readers: to_json(&options.readers)?,
            known,
            rules: self.rules.clone(),
        });
        let looking = Arc::new(Looking::default());
        let (mut done, look, readers) = start(named, &reading, looking.clone());
        loop {
            match tokio::time::timeout(BATCH_WAIT, done.recv()).await {
                Ok(Some(one)) => {
                    let current = one.path.clone();
                    adding.take(one, &reading.known).await?;
                    progress(adding.progress(&looking, current));
                }
                Ok(None) => break,
                Err(_) => adding.commit().await?,
            }
        }
        adding.commit().await?;
        let found = look.await.map_err(|error| AddError::Stopped(error.to_string()))?;
        for reader in readers {
            reader.await.map_err(|error| AddError::Stopped(error.to_string()))?;
        }
        adding.remove_gone(&found, &reading.known).await?;
        if found.too_many {
            return Err(AddError::TooManyFiles { files_max: options.limits.files_max });
        }
        let report = adding.finish(found, began).await?;
        tracing::info!(
            corpus = %corpus.id, added = report.added, changed = report.changed, unchanged = report.unchanged,
            removed = report.removed, failed = report.failed_count, elapsed_ms = report.elapsed_ms, "records added"
        );
        Ok(report)
    }

    async fn known(&self, corpus: CorpusId) -> Result<HashMap<String, Known>, AddError> {
        type Row = (Vec<u8>, String, String, Option<i64>, Option<Vec<u8>>, Option<u32>, Option<String>, Option<String>);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT d.id, d.path, d.source, d.revision, r.source_hash, r.extractor, r.class, r.readers
             FROM document d LEFT JOIN revision r
                ON r.number = coalesce(d.revision, (SELECT max(number) FROM revision WHERE document = d.id))
             WHERE d.corpus = ?",
        )
        .bind(corpus.as_bytes().as_slice())
        .fetch_all(self.store.read())
        .await?;
        rows.into_iter()
            .map(|(document, path, source, revision, hash, extractor, class, readers)| {
                let known = Known {
                    document: id(&document)?,
                    path,
                    source: source.clone(),
                    revision,
                    hash: hash.unwrap_or_default(),
                    extractor: extractor.unwrap_or(0),
                    class: class.map_or(Ok(Class::Open), |class| from_json(&format!("\"{class}\"")))?,
                    readers: readers.unwrap_or_else(|| "[]".to_owned()),
                };
                Ok((source, known))
            })
            .collect()
    }
}

type Started = (mpsc::Receiver<Done>, JoinHandle<Found>, Vec<JoinHandle<()>>);

/// Starts one thread that looks and several that read. All end when the receiver is dropped.
fn start(named: Named, reading: &Arc<Reading>, looking: Arc<Looking>) -> Started {
    let (records, to_read): (SyncSender<Record>, Receiver<Record>) = sync_channel(QUEUE);
    let (read, done) = mpsc::channel(QUEUE);
    let limits = reading.options.limits;
    let look = tokio::task::spawn_blocking(move || {
        let mut send = |record: Record| records.send(record).is_ok();
        source::look(named, limits, Budget::new(IN_FLIGHT_MAX), looking, &mut send)
    });
    let to_read = Arc::new(Mutex::new(to_read));
    let count = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, READERS_MAX);
    let readers = (0..count)
        .map(|_| {
            let (to_read, read, reading) = (to_read.clone(), read.clone(), reading.clone());
            tokio::task::spawn_blocking(move || {
                loop {
                    let next = to_read.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv();
                    let Ok(record) = next else { return };
                    if read.blocking_send(read_record(record, &reading)).is_err() {
                        return;
                    }
                }
            })
        })
        .collect();
    (done, look, readers)
}

fn read_record(record: Record, reading: &Reading) -> Done {
    let Record { path, source, group, content, hold } = record;
    let limits = &reading.options.limits;
    let bytes = match content {
        Content::File(beneath) => source::read_beneath(&beneath, limits.file_bytes_max),
        Content::Section(section) => {
            let length = section.length();
            source::read_bounded(section, length, limits.file_bytes_max)
        }
        Content::Bytes(bytes) => Ok(bytes),
        Content::Failed(reason) => Err(reason),
    };
    let size = bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
    let outcome = match bytes {
        // A defect in reading one record must not cost the others.
        Ok(bytes) => catch_unwind(AssertUnwindSafe(|| gather(&path, &source, group, &bytes, reading)))
            .unwrap_or(Outcome::Failed(FailureReason::Crashed)),
        Err(reason) => Outcome::Failed(reason),
    };
    Done { path, source, bytes: size, outcome, hold }
}

fn gather(path: &str, source: &str, group: Option<u32>, bytes: &[u8], reading: &Reading) -> Outcome {
    let access = &reading.options.access;
    let rule = access.of(path, group);
    if rule.is_none() && !access.is_empty() {
        return Outcome::Failed(FailureReason::NoAccess);
    }
    let hash = ContentHash::of(bytes);
    let known = reading.known.get(source);
    // A class is never lowered by adding again, and readers stay unless others are named.
    let asked = [reading.options.class, rule.and_then(|rule| rule.class), known.map(|known| known.class)];
    let class = asked.into_iter().flatten().fold(reading.corpus_class, Class::max);
    let readers = match (rule.and_then(|rule| rule.readers.as_ref()).map(to_json), known) {
        (Some(Ok(readers)), _) => readers,
        (Some(Err(error)), _) => return Outcome::Failed(FailureReason::NotReadable(error.to_string())),
        (None, Some(known)) if reading.options.readers.is_empty() => known.readers.clone(),
        (None, _) => reading.readers.clone(),
    };
    if known.is_some_and(|known| {
        known.revision.is_some()
            && known.source == source
            && known.hash == hash.as_bytes()
            && known.extractor == EXTRACTOR
            && known.class == class
            && known.readers == readers
    }) {
        return Outcome::Unchanged;
    }
    let kind = Kind::of_name(path);
    let (mut extracted, warnings) = match extract::extract(bytes, kind, &reading.options.limits.extract) {
        Ok(read) => read,
        Err(error) => return Outcome::Failed(FailureReason::NotReadable(error.to_string())),
    };
    let title = extracted.title.take().unwrap_or_else(|| stem(path));
    extracted.title = Some(title.clone());
    let passages = passage::passages(&extracted);
    let flags = flags::flags(&reading.rules, &extracted.text, &extracted.unseen);
    let outline = serde_json::to_vec(&extracted.headings).map_err(|error| error.to_string());
    let packed = outline.and_then(|outline| {
        let text = pack(extracted.text.as_bytes()).map_err(|error| error.to_string())?;
        Ok((text, pack(&outline).map_err(|error| error.to_string())?))
    });
    let (text, outline) = match packed {
        Ok(packed) => packed,
        Err(reason) => return Outcome::Failed(FailureReason::NotReadable(reason)),
    };
    Outcome::Read(Box::new(Gathered {
        hash,
        source_bytes: bytes.len() as u64,
        kind,
        title,
        dated: extracted.dated.or_else(|| dated::in_name(path)),
        class,
        readers,
        text_bytes: extracted.text.len() as u64,
        characters: extracted.text.chars().count() as u64,
        text,
        outline,
        passages,
        warnings,
        flags,
    }))
}

fn stem(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    extract::short(if stem.is_empty() { name } else { stem })
}

/// The writing side of one `add`.
struct Adding<'a> {
    corpora: &'a Corpora,
    corpus: &'a Corpus,
    report: AddReport,
    report_max: usize,
    /// The corpus version that this `add` makes, once it changed something.
    version: Option<i64>,
    batch: Vec<NewRevision>,
    holds: Vec<Hold>,
    batch_bytes: u64,
    moved: Vec<(DocumentId, String)>,
    /// Which source has which path.
    paths: HashMap<String, String>,
    /// Documents whose record lies elsewhere now.
    kept: HashSet<DocumentId>,
    files_done: u64,
}

impl<'a> Adding<'a> {
    fn new(corpora: &'a Corpora, corpus: &'a Corpus, options: &AddOptions, known: &HashMap<String, Known>) -> Self {
        Self {
            corpora,
            corpus,
            report: AddReport { version: corpus.version, ..AddReport::default() },
            report_max: options.limits.report_max,
            version: None,
            batch: Vec::new(),
            holds: Vec::new(),
            batch_bytes: 0,
            moved: Vec::new(),
            paths: known.iter().map(|(source, known)| (known.path.clone(), source.clone())).collect(),
            kept: HashSet::new(),
            files_done: 0,
        }
    }

    async fn take(&mut self, done: Done, known: &HashMap<String, Known>) -> Result<(), AddError> {
        self.files_done += 1;
        self.report.bytes += done.bytes;
        match done.outcome {
            Outcome::Unchanged => self.report.unchanged += 1,
            Outcome::Failed(reason) => self.fail(done.path, reason),
            Outcome::Read(gathered) => self.read(done.path, done.source, *gathered, done.hold, known),
        }
        if self.batch_bytes >= BATCH_BYTES || self.batch.len() >= BATCH_DOCUMENTS || self.moved.len() >= BATCH_DOCUMENTS
        {
            self.commit().await?;
        }
        Ok(())
    }

    fn read(
        &mut self,
        path: String,
        source: String,
        mut gathered: Gathered,
        hold: Hold,
        known: &HashMap<String, Known>,
    ) {
        let (document, path, replaces) = match known.get(&source) {
            Some(known) => (Some(known.document), known.path.clone(), known.revision),
            None => match self.name(path, &source, known, &mut gathered) {
                (path, None) => (None, path, None),
                (path, Some(moved)) => {
                    self.kept.insert(moved.document);
                    gathered.class = gathered.class.max(moved.class);
                    if gathered.readers == "[]" {
                        gathered.readers.clone_from(&moved.readers);
                    }
                    let same = moved.revision.is_some()
                        && moved.hash == gathered.hash.as_bytes()
                        && moved.extractor == EXTRACTOR
                        && moved.class == gathered.class
                        && moved.readers == gathered.readers;
                    if same {
                        self.moved.push((moved.document, source));
                        self.report.unchanged += 1;
                        return;
                    }
                    (Some(moved.document), path, moved.revision)
                }
            },
        };
        for warning in &gathered.warnings {
            self.report.warnings_count += 1;
            if self.report.warnings.len() < self.report_max {
                let detail = warning.detail.clone();
                self.report.warnings.push(SourceWarning { path: path.clone(), detail });
            }
        }
        if !gathered.flags.is_empty() {
            self.report.flags_count += gathered.flags.len() as u64;
            if self.report.flagged.len() < self.report_max {
                self.report.flagged.push(Flagged { path: path.clone(), flags: gathered.flags.clone() });
            }
        }
        match replaces {
            Some(_) => self.report.changed += 1,
            None => self.report.added += 1,
        }
        self.report.passages += gathered.passages.len() as u64;
        self.batch_bytes += gathered.text_bytes;
        let document = document.unwrap_or_else(DocumentId::new);
        self.batch.push(NewRevision { document, path, source, replaces, gathered });
        self.holds.push(hold);
    }

    /// The path of a record that was not known: its own, unless another document has it. If that one's record is
    /// gone, the record has moved, and the document goes on.
    fn name(
        &mut self,
        path: String,
        source: &str,
        known: &HashMap<String, Known>,
        gathered: &mut Gathered,
    ) -> (String, Option<Known>) {
        let Some(holder) = self.paths.get(&path) else {
            self.paths.insert(path.clone(), source.to_owned());
            return (path, None);
        };
        if let Some(old) = known.get(holder)
            && !self.kept.contains(&old.document)
            && (old.revision.is_none() || !lies_there(holder))
        {
            self.paths.insert(path.clone(), source.to_owned());
            return (path, Some(old.clone()));
        }
        let parent = source.strip_suffix(&path).unwrap_or(source).trim_end_matches('/');
        let parent = parent.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("other");
        let mut apart = format!("{parent}/{path}");
        let mut number = 2;
        while self.paths.contains_key(&apart) {
            apart = format!("{parent}~{number}/{path}");
            number += 1;
        }
        let detail = format!("another document is called `{path}`; this one is called `{apart}`");
        gathered.warnings.push(Warning { kind: WarningKind::PathTaken, detail });
        self.paths.insert(apart.clone(), source.to_owned());
        (apart, None)
    }

    fn fail(&mut self, path: String, reason: FailureReason) {
        self.report.failed_count += 1;
        if self.report.failed.len() < self.report_max {
            self.report.failed.push(Failure { path, reason });
        }
    }

    async fn commit(&mut self) -> Result<(), AddError> {
        if self.batch.is_empty() && self.moved.is_empty() {
            return Ok(());
        }
        let mut transaction = self.corpora.store.write().await?;
        // Records that moved first: a later one may take the place that they left.
        write::move_sources(&mut transaction, &self.moved).await?;
        let mut version = self.version;
        if !self.batch.is_empty() {
            version = Some(write::write_batch(&mut transaction, self.corpus.id, version, &self.batch).await?);
        }
        transaction.commit().await?;
        self.version = version;
        self.batch.clear();
        self.moved.clear();
        self.holds.clear();
        self.batch_bytes = 0;
        Ok(())
    }

    /// Removes what lay below a place that was looked through to the end, and lies there no more.
    async fn remove_gone(&mut self, found: &Found, known: &HashMap<String, Known>) -> Result<(), AddError> {
        if found.complete.is_empty() {
            return Ok(());
        }
        let below = |places: &[String], source: &str| places.iter().any(|place| source.starts_with(place));
        let mut gone: Vec<DocumentId> = known
            .iter()
            .filter(|(source, known)| {
                known.revision.is_some()
                    && !found.seen.contains(*source)
                    && !self.kept.contains(&known.document)
                    && below(&found.complete, source)
                    && !below(&found.unknown, source)
            })
            .map(|(_, known)| known.document)
            .collect();
        gone.sort_unstable();
        for some in gone.chunks(BATCH_DOCUMENTS) {
            let mut transaction = self.corpora.store.write().await?;
            let (count, version) =
                write::remove_documents(&mut transaction, self.corpus.id, self.version, some).await?;
            transaction.commit().await?;
            self.version = version;
            self.report.removed += count;
        }
        Ok(())
    }

    fn progress(&self, looking: &Looking, current: String) -> Progress {
        Progress {
            files_seen: looking.seen.load(Ordering::Relaxed),
            looking: !looking.ended.load(Ordering::Relaxed),
            files_done: self.files_done,
            bytes_done: self.report.bytes,
            passages: self.report.passages,
            current,
        }
    }

    async fn finish(mut self, found: Found, began: Instant) -> Result<AddReport, AddError> {
        self.report.warnings_count += found.warnings_count;
        let room = self.report_max.saturating_sub(self.report.warnings.len());
        self.report.warnings.extend(found.warnings.into_iter().take(room));
        // Reading is parallel; a report is read by people.
        self.report.warnings.sort_by(|a, b| a.path.cmp(&b.path));
        self.report.failed.sort_by(|a, b| a.path.cmp(&b.path));
        let newest = self.corpora.get(self.corpus.id).await.map_err(|error| match error {
            crate::CorpusError::Store(error) => AddError::Store(error),
            _ => AddError::NoCorpus,
        })?;
        self.report.version = newest.ok_or(AddError::NoCorpus)?.version;
        self.report.elapsed_ms = began.elapsed().as_millis() as u64;
        Ok(self.report)
    }
}

/// Whether a record is still where it was; an archive stands for its entries. What was uploaded stays until it is removed.
fn lies_there(source: &str) -> bool {
    if source.starts_with(UPLOAD) {
        return true;
    }
    let file = source.split_once("//").map_or(source, |(archive, _)| archive);
    Path::new(file).symlink_metadata().is_ok()
}
