//! The word index: Tantivy as a store of postings, one document a passage.
//!
//! Invariant: `next` passages are in it, counted from the passage log's begin, and the number is committed together
//! with them; so after any end of the process the follower goes on exactly behind what is there. An index that cannot
//! be opened, is of another format, or is ahead of the passage log is thrown away and built again.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use seal::Sealer;
use serde::{Deserialize, Serialize};
use tantivy::directory::{Directory, MmapDirectory};
use tantivy::index::SegmentId;
use tantivy::indexer::IndexWriterOptions;
use tantivy::schema::{FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::TextAnalyzer;
use tantivy::{Index, IndexReader, IndexWriter, InvertedIndexReader, ReloadPolicy, TantivyDocument, Term};

use super::score::Norms;
use super::sealed::SealedDirectory;
use super::tokenizer::WordTokenizer;

/// Raised when the analyzer or the fields change: an index of another format is built again.
const FORMAT: u32 = 1;
const TOKENIZER: &str = "words";
/// Segments that are left as they are. Each costs a look into its dictionary for each word of a question.
const SEGMENTS_MAX: usize = 3;
const IN_USE_TRIES_MAX: u32 = 600;
const IN_USE_WAIT: Duration = Duration::from_millis(50);
/// How many bytes of the embedded text's SHA-256 name its vector.
pub(crate) const HASH_BYTES: usize = 16;

/// Names a vector: the first bytes of the embedded text's SHA-256.
pub(crate) type TextHash = [u8; HASH_BYTES];

/// Why the index did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IndexError {
    /// It is in use, by a search that was dropped and has not ended yet.
    #[error("it is still in use")]
    InUse,
    #[error("{0}")]
    Unusable(String),
}

impl<E: Into<tantivy::TantivyError>> From<E> for IndexError {
    fn from(error: E) -> Self {
        match error.into() {
            tantivy::TantivyError::LockFailure(..) => Self::InUse,
            error => Self::Unusable(error.to_string()),
        }
    }
}

impl IndexError {
    /// The work on the index ended without a result.
    pub fn stopped(error: &tokio::task::JoinError) -> Self {
        Self::Unusable(if error.is_panic() { "reading it failed" } else { "the work was stopped" }.to_owned())
    }
}

/// One passage to index.
pub(crate) struct Entry {
    pub passage: u32,
    pub revision: i64,
    pub headings: String,
    pub text: String,
    pub hash: TextHash,
}

/// An open word index.
pub(crate) struct Words {
    folder: Folder,
    open: Mutex<Open>,
    view: RwLock<Arc<View>>,
}

/// Where the index lies, and how.
struct Folder {
    dir: PathBuf,
    sealer: Option<Sealer>,
}

impl Folder {
    fn open(&self) -> Result<Box<dyn Directory>, IndexError> {
        let files = MmapDirectory::open(&self.dir).map_err(tantivy::TantivyError::from)?;
        Ok(match &self.sealer {
            Some(sealer) => Box::new(SealedDirectory::new(files, sealer.clone())),
            None => Box::new(files),
        })
    }
}

struct Open {
    index: Index,
    /// Absent only while the index is begun anew, or after that failed.
    writer: Option<IndexWriter>,
    reader: IndexReader,
    fields: Fields,
    next: u32,
}

#[derive(Clone, Copy)]
struct Fields {
    text: Field,
    passage: Field,
    revision: Field,
    hash: [Field; 2],
}

/// The index as one search sees it.
#[derive(Default)]
pub(crate) struct View {
    pub(super) segments: Vec<Segment>,
    pub(super) text: Option<Field>,
    next: u32,
    /// Those of the last search.
    pub(super) norms: Mutex<Option<Arc<Norms>>>,
}

#[derive(Clone)]
pub(super) struct Segment {
    id: SegmentId,
    pub postings: Arc<InvertedIndexReader>,
    pub columns: Arc<Columns>,
}

/// What is known of a segment's documents, by their place in it.
pub(super) struct Columns {
    pub passages: Vec<u32>,
    pub lengths: Vec<u32>,
    hashes: Vec<TextHash>,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    format: u32,
    next: u32,
}

impl Words {
    /// Opens the index in `dir`, or begins a new one if there is none that fits a log that ends before `end`. With a
    /// `sealer` its files are encrypted.
    pub fn open(
        dir: &Path,
        sealer: Option<Sealer>,
        end: u32,
        threads: usize,
        memory_bytes: usize,
    ) -> Result<Self, IndexError> {
        let folder = Folder { dir: dir.to_owned(), sealer };
        let mut tried = Open::existing(&folder, end, threads, memory_bytes);
        // Work of a search that was just dropped may still be ending on another thread.
        for _ in 0..IN_USE_TRIES_MAX {
            if !matches!(tried, Err(IndexError::InUse)) {
                break;
            }
            std::thread::sleep(IN_USE_WAIT);
            tried = Open::existing(&folder, end, threads, memory_bytes);
        }
        let open = match tried {
            Ok(open) => open,
            Err(IndexError::InUse) => return Err(IndexError::InUse),
            Err(error) => {
                if dir.join("meta.json").exists() {
                    tracing::warn!(reason = %error, "the word index is built again");
                }
                Open::new(&folder, threads, memory_bytes)?
            }
        };
        let view = open.view(&View::default())?;
        Ok(Self { folder, open: Mutex::new(open), view: RwLock::new(Arc::new(view)) })
    }

    /// The passage that is to be indexed next.
    pub fn next(&self) -> u32 {
        self.view().next
    }

    /// Takes passages in; they are found after [`Words::commit`].
    pub fn add(&self, entries: Vec<Entry>) -> Result<(), IndexError> {
        let open = self.lock();
        let Fields { text, passage, revision, hash } = open.fields;
        let writer = open.writer()?;
        for entry in entries {
            let mut document = TantivyDocument::new();
            document.add_u64(passage, u64::from(entry.passage));
            document.add_u64(revision, entry.revision as u64);
            let (high, low) = halves(&entry.hash);
            document.add_u64(hash[0], high);
            document.add_u64(hash[1], low);
            // What stands over a passage says in few words what it is about, so it counts twice: 1 point of nDCG on court issues.
            document.add_text(text, &entry.headings);
            document.add_text(text, &entry.headings);
            document.add_text(text, &entry.text);
            writer.add_document(document)?;
        }
        Ok(())
    }

    /// Makes what was added durable and searchable, together with the number to go on from.
    pub fn commit(&self, next: u32) -> Result<(), IndexError> {
        let mut open = self.lock();
        open.commit(next)?;
        self.publish(&open)
    }

    /// Removes the passages of forgotten revisions for good: their postings are rewritten.
    pub fn forget(&self, revisions: &[i64]) -> Result<(), IndexError> {
        let mut open = self.lock();
        for &revision in revisions {
            open.writer()?.delete_term(Term::from_field_u64(open.fields.revision, revision as u64));
        }
        let next = open.next;
        open.commit(next)?;
        let stale: Vec<SegmentId> = open
            .index
            .searchable_segment_metas()?
            .iter()
            .filter(|segment| segment.num_deleted_docs() > 0)
            .map(tantivy::SegmentMeta::id)
            .collect();
        if !stale.is_empty() {
            open.writer_mut()?.merge(&stale).wait()?;
        }
        self.publish(&open)?;
        open.writer()?.garbage_collect_files().wait()?;
        Ok(())
    }

    /// Joins the segments into one if there are more than a question should look into. Commits go on meanwhile.
    pub fn tidy(&self) -> Result<(), IndexError> {
        let joining = {
            let mut open = self.lock();
            let segments = open.index.searchable_segment_ids()?;
            if segments.len() <= SEGMENTS_MAX {
                return Ok(());
            }
            open.writer_mut()?.merge(&segments)
        };
        // A merge that the writer began by itself may hold some of them; the next time will do.
        if joining.wait().is_ok() {
            let open = self.lock();
            self.publish(&open)?;
            open.writer()?.garbage_collect_files().wait()?;
        }
        Ok(())
    }

    /// Throws the index away and begins a new one.
    pub fn restart(&self, threads: usize, memory_bytes: usize) -> Result<(), IndexError> {
        let mut open = self.lock();
        // The old writer holds the folder's lock and its threads write there, so it goes first.
        open.writer = None;
        *open = Open::new(&self.folder, threads, memory_bytes)?;
        self.publish(&open)
    }

    /// Throws away what was added and not committed.
    pub fn roll_back(&self) -> Result<(), IndexError> {
        self.lock().writer_mut()?.rollback()?;
        Ok(())
    }

    /// Waits for whoever works on the index now.
    pub fn settle(&self) {
        drop(self.lock());
    }

    /// The index as it is now.
    pub fn view(&self) -> Arc<View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn publish(&self, open: &Open) -> Result<(), IndexError> {
        let view = open.view(&self.view())?;
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn existing(folder: &Folder, end: u32, threads: usize, memory_bytes: usize) -> Result<Self, IndexError> {
        let index = Index::open(folder.open()?)?;
        let payload: Option<Payload> =
            index.load_metas()?.payload.and_then(|payload| serde_json::from_str(&payload).ok());
        let next = match payload {
            Some(Payload { format: FORMAT, next }) if next <= end.max(1) => next,
            _ => return Err(IndexError::Unusable("it is of another format, or of other records".to_owned())),
        };
        if index.schema() != schema().0 {
            return Err(IndexError::Unusable("it has other fields".to_owned()));
        }
        let damaged = index.validate_checksum()?;
        if let Some(file) = damaged.iter().next() {
            return Err(IndexError::Unusable(format!("file `{}` is damaged", file.display())));
        }
        Self::start(index, next, threads, memory_bytes)
    }

    fn new(folder: &Folder, threads: usize, memory_bytes: usize) -> Result<Self, IndexError> {
        let failed = |error: std::io::Error| IndexError::Unusable(error.to_string());
        match fs::remove_dir_all(&folder.dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => fs::create_dir_all(&folder.dir).map_err(failed)?,
        }
        let index = Index::open_or_create(folder.open()?, schema().0)?;
        let mut open = Self::start(index, 1, threads, memory_bytes)?;
        open.commit(1)?;
        Ok(open)
    }

    fn start(index: Index, next: u32, threads: usize, memory_bytes: usize) -> Result<Self, IndexError> {
        index.tokenizers().register(TOKENIZER, TextAnalyzer::from(WordTokenizer::default()));
        let options = IndexWriterOptions::builder()
            .num_worker_threads(threads)
            .memory_budget_per_thread(memory_bytes / threads)
            .num_merge_threads(1)
            .build();
        let writer = index.writer_with_options(options)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self { index, writer: Some(writer), reader, fields: schema().1, next })
    }

    fn writer(&self) -> Result<&IndexWriter, IndexError> {
        self.writer.as_ref().ok_or_else(|| IndexError::Unusable("it could not be begun anew".to_owned()))
    }

    fn writer_mut(&mut self) -> Result<&mut IndexWriter, IndexError> {
        self.writer.as_mut().ok_or_else(|| IndexError::Unusable("it could not be begun anew".to_owned()))
    }

    fn commit(&mut self, next: u32) -> Result<(), IndexError> {
        let payload = serde_json::to_string(&Payload { format: FORMAT, next })
            .map_err(|error| IndexError::Unusable(error.to_string()))?;
        let mut commit = self.writer_mut()?.prepare_commit()?;
        commit.set_payload(&payload);
        commit.commit()?;
        self.next = next;
        Ok(())
    }

    /// Reads what is committed; columns of segments that `before` had are not read again.
    fn view(&self, before: &View) -> Result<View, IndexError> {
        self.reader.reload()?;
        let known: HashMap<SegmentId, &Segment> = before.segments.iter().map(|segment| (segment.id, segment)).collect();
        let mut segments = Vec::new();
        for reader in self.reader.searcher().segment_readers() {
            let id = reader.segment_id();
            let columns = match known.get(&id) {
                Some(segment) => segment.columns.clone(),
                None => Arc::new(self.columns(reader)?),
            };
            segments.push(Segment { id, postings: reader.inverted_index(self.fields.text)?, columns });
        }
        Ok(View { segments, text: Some(self.fields.text), next: self.next, norms: Mutex::default() })
    }

    fn columns(&self, reader: &tantivy::SegmentReader) -> Result<Columns, IndexError> {
        let fast = reader.fast_fields();
        let column = |field: Field| fast.u64(self.index.schema().get_field_name(field));
        let passages = column(self.fields.passage)?.first_or_default_col(0);
        let (high, low) = (column(self.fields.hash[0])?, column(self.fields.hash[1])?);
        let (high, low) = (high.first_or_default_col(0), low.first_or_default_col(0));
        let norms = reader.get_fieldnorms_reader(self.fields.text)?;
        let documents = 0..reader.max_doc();
        Ok(Columns {
            passages: documents.clone().map(|document| passages.get_val(document) as u32).collect(),
            lengths: documents.clone().map(|document| norms.fieldnorm(document)).collect(),
            hashes: documents.map(|document| join(high.get_val(document), low.get_val(document))).collect(),
        })
    }
}

impl View {
    /// The number after the last passage that was taken in.
    pub fn next(&self) -> u32 {
        self.next
    }

    /// Each passage with the name of its vector.
    pub fn hashes(&self) -> impl Iterator<Item = (u32, TextHash)> + '_ {
        self.segments
            .iter()
            .flat_map(|segment| segment.columns.passages.iter().copied().zip(segment.columns.hashes.iter().copied()))
    }
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let words = TextFieldIndexing::default().set_tokenizer(TOKENIZER).set_index_option(IndexRecordOption::WithFreqs);
    let text = schema.add_text_field("text", TextOptions::default().set_indexing_options(words));
    let passage = schema.add_u64_field("passage", FAST);
    let revision = schema.add_u64_field("revision", INDEXED);
    let hash = [schema.add_u64_field("hash_high", FAST), schema.add_u64_field("hash_low", FAST)];
    (schema.build(), Fields { text, passage, revision, hash })
}

fn halves(hash: &TextHash) -> (u64, u64) {
    let whole = u128::from_be_bytes(*hash);
    ((whole >> 64) as u64, whole as u64)
}

fn join(high: u64, low: u64) -> TextHash {
    (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
}
