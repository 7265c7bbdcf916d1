//! What is asked of a search, and what it answers.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use base::{Class, CorpusId, DocumentId, PassageId};
use serde::{Deserialize, Serialize};

/// How passages are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SearchMode)]
pub enum Mode {
    /// By the words that question and passage share.
    Words,
    /// By the nearness of what they mean.
    Meaning,
    /// By both.
    #[default]
    Fused,
}

/// What is looked for, where, and how much is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The question, of at most [`Query::CHARS_MAX`] characters.
    pub text: String,
    /// How passages are looked for.
    pub mode: Mode,
    /// How many hits are wanted, 1 to [`Query::TOP_MAX`].
    pub top: usize,
    /// What the asker narrows the search to. It can only take away from what the permit allows.
    pub filter: Filter,
    /// How long the search may take to make missing vectors of its best candidates. Zero makes none.
    pub patience: Duration,
}

/// What a search is narrowed to. The default narrows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Only these of the permit's corpora.
    pub corpora: Option<BTreeSet<CorpusId>>,
    /// Only documents whose path begins so.
    pub path_prefix: Option<String>,
    /// Only documents dated this day or later. A document without a date is then not found.
    pub dated_from: Option<jiff::civil::Date>,
    /// Only documents dated this day or earlier. A document without a date is then not found.
    pub dated_to: Option<jiff::civil::Date>,
    /// Only documents of this class or a lower one.
    pub class_max: Option<Class>,
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Hit {
    /// The passage.
    pub passage: PassageId,
    /// The document that it stands in.
    pub document: DocumentId,
    /// The corpus that the document stands in.
    pub corpus: CorpusId,
    /// The document's path inside the corpus.
    pub path: String,
    /// The document's title.
    pub title: String,
    /// The document's title and the headings over the passage, outermost first.
    pub headings: Vec<String>,
    /// Where the passage stands in the document's text, in bytes.
    #[schema(value_type = base::shape::Span)]
    pub span: Range<u64>,
    /// The passage's text: the document's text at `span`.
    pub text: String,
    /// The document's class, the corpus's joined in.
    pub class: Class,
    /// The document's date, if it has one.
    pub dated: Option<jiff::civil::Date>,
    /// Its place in this answer, from 1.
    pub rank: u32,
    /// What it was ranked by: comparable inside one answer only.
    pub score: f32,
    /// Its place by words alone, from 1, if it was among the candidates.
    pub words_rank: Option<u32>,
    /// Its score by words alone (BM25), where words were asked for.
    pub words_score: Option<f32>,
    /// Its place by meaning alone, from 1, if it was among the candidates.
    pub meaning_rank: Option<u32>,
    /// The cosine of its vector and the question's, where meaning was asked for and its vector is made.
    pub meaning_score: Option<f32>,
    /// What a person should look at in the passage: places that speak to a model, or that a reader does not see.
    pub flags: Vec<corpus::Flag>,
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Found {
    /// The hits, best first; equal scores in the order of passage ids.
    pub hits: Vec<Hit>,
    /// Passages that were searched: those that permit and filter leave.
    pub searched: u64,
    /// Those of them whose vector was there.
    pub embedded: u64,
    /// Passages of the corpora that the word index had not reached when the wait for it ended; usually 0.
    pub behind: u64,
    /// Why meaning was left out, where it was asked for.
    pub without_meaning: Option<WithoutMeaning>,
    /// Where the time went.
    pub elapsed: Elapsed,
}

/// Why a search went by words alone although meaning was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WithoutMeaning {
    /// No embedder is installed.
    NoEmbedder,
    /// The embedder did not embed the question.
    EmbedderFailed,
    /// No passage that was searched has a vector yet.
    NoVectors,
}

/// Where a search's time went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, utoipa::ToSchema)]
#[schema(as = SearchTimes)]
pub struct Elapsed {
    /// Waiting for the index to reach what was committed, and for a free place.
    #[schema(value_type = base::shape::Time)]
    pub wait: Duration,
    /// Embedding the question and, with patience, its candidates.
    #[schema(value_type = base::shape::Time)]
    pub embed: Duration,
    /// Compiling the filter and scoring by words.
    #[schema(value_type = base::shape::Time)]
    pub words: Duration,
    /// Scanning vectors.
    #[schema(value_type = base::shape::Time)]
    pub meaning: Duration,
    /// Reading the hits' texts.
    #[schema(value_type = base::shape::Time)]
    pub texts: Duration,
}

/// Why a search was not answered.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The question is too long.
    #[error("a question has at most {chars_max} characters, and this one has more")]
    QueryTooLong {
        /// Characters that it may have.
        chars_max: usize,
    },
    /// More or fewer hits are asked for than a search gives.
    #[error("a search gives 1 to {top_max} hits, not {top}")]
    Top {
        /// What was asked for.
        top: usize,
        /// What may be asked for.
        top_max: usize,
    },
    /// Too many searches wait already.
    #[error("too many searches are waiting")]
    Busy,
    /// The word index cannot be used, and building it again failed too.
    #[error("the word index at `{dir}` cannot be used: {reason}")]
    Index {
        /// Where it is.
        dir: std::path::PathBuf,
        /// What was seen.
        reason: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// The corpus could not be read.
    #[error(transparent)]
    Corpus(#[from] corpus::CorpusError),
    /// Vectors were asked for, and no embedder is installed.
    #[error("no embedder is installed")]
    NoEmbedder,
    /// The embedder failed.
    #[error("the embedder failed: {0}")]
    Embedder(String),
    /// A part of the search ended before its answer.
    #[error("the search was stopped")]
    Stopped,
}

/// How far the background work is.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = IndexStatus)]
pub struct Status {
    /// Passages of live documents.
    pub passages: u64,
    /// Passages that can be found by words.
    pub indexed: u64,
    /// Live passages whose vector is there.
    pub embedded: u64,
    /// Vectors made in a second, lately; 0 while none are made.
    pub per_second: f64,
    /// Time until every passage has its vector at that speed.
    #[schema(value_type = Option<base::shape::Time>)]
    pub eta: Option<Duration>,
    /// Why vectors are not being made, if something stops them.
    pub trouble: Option<String>,
}

impl Query {
    /// Characters that a question may have.
    pub const CHARS_MAX: usize = 8_192;
    /// Hits that may be asked for.
    pub const TOP_MAX: usize = 1_000;

    /// Looks for `text` by words and meaning, for the ten best passages.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), mode: Mode::Fused, top: 10, filter: Filter::default(), patience: Duration::ZERO }
    }

    pub(crate) fn check(&self) -> Result<(), SearchError> {
        // Bytes first, so that counting characters is bounded too.
        if self.text.len() > 4 * Self::CHARS_MAX || self.text.chars().count() > Self::CHARS_MAX {
            return Err(SearchError::QueryTooLong { chars_max: Self::CHARS_MAX });
        }
        if !(1..=Self::TOP_MAX).contains(&self.top) {
            return Err(SearchError::Top { top: self.top, top_max: Self::TOP_MAX });
        }
        Ok(())
    }
}
