//! The passage log: what indexes follow.
//!
//! A follower keeps one number, the last `change` that it has taken in, and asks for what came after it. Each
//! revision appears under its newest change only, so a follower that is late sees where things stand, not each step.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use base::{Class, CorpusId, DocumentId, GroupId, PassageId};
use jiff::civil::Date;
use serde::Serialize;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use store::StoreError;

use crate::cache::Content;
use crate::corpora::{from_json, id, to_json, unsigned};
use crate::{Corpora, CorpusError, Heading};

/// Passages that one call gives at most.
const PASSAGES_MAX: usize = 65_536;

/// One content of one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RevisionRow {
    /// Its number, from 1 upward.
    pub revision: i64,
    /// The document that it is a content of.
    pub document: DocumentId,
    /// The corpus that the document stands in.
    pub corpus: CorpusId,
    /// The document's path; empty once forgotten.
    pub path: String,
    /// The document's title; empty once forgotten.
    pub title: String,
    /// Its class, the corpus's joined in.
    pub class: Class,
    /// Groups that may read it beyond what the corpus asks; empty means whoever may read the corpus.
    pub readers: BTreeSet<GroupId>,
    /// The date that the document bears.
    pub dated: Option<Date>,
    /// The first corpus version that has it.
    pub added_version: u64,
    /// The first corpus version that has it no more.
    pub removed_version: Option<u64>,
    /// The text is gone for good: indexes must drop its passages.
    pub forgotten: bool,
    /// The numbers of its passages ([`PassageId`]).
    pub passages: Range<u32>,
    /// Bytes of its text.
    pub text_bytes: u64,
    /// When it was last added, removed or forgotten, counted over the whole data folder.
    pub change: u64,
}

/// One passage, with the text that it is a span of.
///
/// Invariant: `span` is on character borders inside the stored text.
#[derive(Debug, Clone)]
pub struct PassageRow {
    /// Its number.
    pub id: PassageId,
    /// The revision that it belongs to.
    pub revision: i64,
    /// Bytes of the stored text.
    pub span: Range<u64>,
    /// The document's title and the headings above the passage, outermost first.
    pub headings: Arc<[String]>,
    whole: Arc<str>,
}

impl PassageRow {
    /// The passage's words.
    pub fn text(&self) -> &str {
        self.whole.get(self.span.start as usize..self.span.end as usize).unwrap_or("")
    }

    /// The whole stored text that the span points into.
    pub fn whole_text(&self) -> &Arc<str> {
        &self.whole
    }
}

impl RevisionRow {
    /// What the guard asks to know before anybody may see the document.
    pub fn terms(&self) -> guard::DocumentTerms {
        guard::DocumentTerms { corpus: self.corpus, class: self.class, readers: self.readers.clone() }
    }
}

impl Corpora {
    /// The newest change, 0 if there was none.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn head(&self) -> Result<u64, CorpusError> {
        let row =
            sqlx::query("SELECT value FROM corpus_counter WHERE name = 'change'").fetch_one(self.store.read()).await?;
        Ok(unsigned(&row, 0)?)
    }

    /// What changed after `change`, oldest change first, at most `limit` revisions.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn changes_after(&self, change: u64, limit: u32) -> Result<Vec<RevisionRow>, CorpusError> {
        let rows = sqlx::query("SELECT * FROM revision WHERE change > ? ORDER BY change LIMIT ?")
            .bind(change as i64)
            .bind(limit)
            .fetch_all(self.store.read())
            .await?;
        Ok(rows.iter().map(revision).collect::<Result<_, _>>()?)
    }

    /// Revisions by number; those that do not exist are left out.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn revisions_by_number(&self, numbers: &[i64]) -> Result<Vec<RevisionRow>, CorpusError> {
        let rows =
            sqlx::query("SELECT * FROM revision WHERE number IN (SELECT value FROM json_each(?)) ORDER BY number")
                .bind(to_json(numbers)?)
                .fetch_all(self.store.read())
                .await?;
        Ok(rows.iter().map(revision).collect::<Result<_, _>>()?)
    }

    pub(crate) async fn revisions_of(&self, document: DocumentId) -> Result<Vec<RevisionRow>, CorpusError> {
        let rows = sqlx::query("SELECT * FROM revision WHERE document = ? ORDER BY number")
            .bind(document.as_bytes().as_slice())
            .fetch_all(self.store.read())
            .await?;
        Ok(rows.iter().map(revision).collect::<Result<_, _>>()?)
    }

    /// The passages with numbers in `range`, in order, at most 65,536 of them. Forgotten ones are left out.
    ///
    /// Made for followers that read everything once: two queries whatever the range, and nothing stays in the cache.
    /// A range over several revisions holds all their texts in memory; see [`RevisionRow::text_bytes`].
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn passages_of(&self, range: Range<u32>) -> Result<Vec<PassageRow>, CorpusError> {
        let rows: Vec<StoredPassage> = sqlx::query_as(
            "SELECT id, revision, start, stop, heading FROM passage WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
        )
        .bind(range.start)
        .bind(range.end)
        .bind(PASSAGES_MAX as i64)
        .fetch_all(self.store.read())
        .await?;
        self.assemble(rows, false).await
    }

    /// Single passages, in the order asked for; those that do not exist are left out.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn passages(&self, ids: &[PassageId]) -> Result<Vec<PassageRow>, CorpusError> {
        let rows: Vec<StoredPassage> = sqlx::query_as(
            "SELECT p.id, p.revision, p.start, p.stop, p.heading
             FROM json_each(?) wanted JOIN passage p ON p.id = wanted.value ORDER BY wanted.key LIMIT ?",
        )
        .bind(to_json(ids)?)
        .bind(PASSAGES_MAX as i64)
        .fetch_all(self.store.read())
        .await?;
        self.assemble(rows, true).await
    }

    /// The stored text of a revision; `None` if there is no such revision or it is forgotten.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn text(&self, revision: i64) -> Result<Option<Arc<str>>, CorpusError> {
        Ok(self.contents(&[revision], true).await?.remove(&revision).map(|content| content.text.clone()))
    }

    pub(crate) async fn content_of(
        &self,
        revision: i64,
        _title: &str,
    ) -> Result<(Arc<str>, Vec<Heading>, Vec<PassageRow>), CorpusError> {
        let content = self
            .contents(&[revision], true)
            .await?
            .remove(&revision)
            .ok_or_else(|| StoreError::Broken(format!("revision {revision} has no text")))?;
        let rows: Vec<StoredPassage> = sqlx::query_as(
            "SELECT p.id, p.revision, p.start, p.stop, p.heading FROM revision r
             JOIN passage p ON p.id >= r.first_passage AND p.id < r.first_passage + r.passages
             WHERE r.number = ? ORDER BY p.id",
        )
        .bind(revision)
        .fetch_all(self.store.read())
        .await?;
        let passages = self.assemble(rows, true).await?;
        Ok((content.text.clone(), content.headings.clone(), passages))
    }

    async fn assemble(&self, rows: Vec<StoredPassage>, keep: bool) -> Result<Vec<PassageRow>, CorpusError> {
        let mut wanted: Vec<i64> = rows.iter().map(|row| row.1).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let contents = self.contents(&wanted, keep).await?;
        rows.into_iter()
            .filter_map(|(number, revision, start, stop, heading)| {
                let content = contents.get(&revision)?;
                let span = start as u64..stop as u64;
                if content.text.get(start as usize..stop as usize).is_none() {
                    let broken = StoreError::Broken(format!("passage {number} lies outside its text"));
                    return Some(Err(broken.into()));
                }
                Some(Ok(PassageRow {
                    id: PassageId(number),
                    revision,
                    span,
                    headings: content.path(heading.map(|heading| heading as usize)),
                    whole: content.text.clone(),
                }))
            })
            .collect()
    }

    async fn contents(&self, wanted: &[i64], keep: bool) -> Result<HashMap<i64, Arc<Content>>, CorpusError> {
        let mut found = HashMap::with_capacity(wanted.len());
        let mut missing = Vec::new();
        for &revision in wanted {
            match self.cache.get(revision) {
                Some(content) => drop(found.insert(revision, content)),
                None => missing.push(revision),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let rows: Vec<(i64, String, Vec<u8>, Vec<u8>)> = sqlx::query_as(
            "SELECT t.revision, r.title, t.text, t.outline FROM json_each(?) wanted
             JOIN document_text t ON t.revision = wanted.value JOIN revision r ON r.number = t.revision",
        )
        .bind(to_json(&missing)?)
        .fetch_all(self.store.read())
        .await?;
        let unpacked = tokio::task::spawn_blocking(move || {
            rows.into_iter()
                .map(|(revision, title, text, outline)| Ok((revision, Content::unpack(title, &text, &outline)?)))
                .collect::<Result<Vec<_>, StoreError>>()
        })
        .await
        .map_err(|error| StoreError::Broken(error.to_string()))??;
        for (revision, content) in unpacked {
            let content = Arc::new(content);
            if keep {
                self.cache.put(revision, content.clone());
            }
            found.insert(revision, content);
        }
        Ok(found)
    }
}

type StoredPassage = (u32, i64, i64, i64, Option<i64>);

fn revision(row: &SqliteRow) -> Result<RevisionRow, StoreError> {
    let first: u32 = row.try_get("first_passage")?;
    let count: u32 = row.try_get("passages")?;
    let class: &str = row.try_get("class")?;
    let dated: Option<&str> = row.try_get("dated")?;
    let removed: Option<i64> = row.try_get("removed_version")?;
    Ok(RevisionRow {
        revision: row.try_get("number")?,
        document: id(row.try_get("document")?)?,
        corpus: id(row.try_get("corpus")?)?,
        path: row.try_get("path")?,
        title: row.try_get("title")?,
        class: class.parse().map_err(|error: base::LabelError| StoreError::Broken(error.to_string()))?,
        readers: from_json(row.try_get("readers")?)?,
        dated: dated.and_then(|dated| dated.parse().ok()),
        added_version: unsigned(row, "added_version")?,
        removed_version: removed.map(|version| version as u64),
        forgotten: row.try_get("forgotten")?,
        passages: first..first.saturating_add(count),
        text_bytes: unsigned(row, "text_bytes")?,
        change: unsigned(row, "change")?,
    })
}
