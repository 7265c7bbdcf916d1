//! Documents as people look at them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use base::{Class, CorpusId, DocumentId, GroupId};
use guard::{Declassified, SearchPermit};
use jiff::civil::Date;
use serde::Serialize;
use store::StoreError;
use unicode_normalization::UnicodeNormalization;

use crate::corpora::{from_json, to_json};
use crate::{AddError, Corpora, CorpusError, Flag, Heading, Kind, PassageRow, RevisionRow, Warning};

const PAGE_MAX: u32 = 1000;

/// Which documents of a corpus to list, in the order of their paths.
#[derive(Debug, Clone, Default)]
pub struct DocumentPage {
    /// The last path of the page before; `None` for the first page.
    pub after: Option<String>,
    /// How many; 1,000 at most, and 0 means as many.
    pub limit: u32,
    /// Only documents whose path begins so.
    pub path_prefix: Option<String>,
    /// Only documents that have this in their path or title; the case of Latin letters does not count.
    pub containing: Option<String>,
    /// Only documents of this class.
    pub class: Option<Class>,
    /// Only documents whose extraction left warnings.
    pub warned: bool,
}

/// A page of documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentList {
    /// The documents, by path.
    pub documents: Vec<DocumentSummary>,
    /// Documents on all pages.
    pub total: u64,
    /// Whether another page follows.
    pub more: bool,
}

/// One document in the newest version of its corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DocumentSummary {
    /// Its id.
    pub id: DocumentId,
    /// What people call it, unique in its corpus.
    pub path: String,
    /// Its title.
    pub title: String,
    /// The format that it came in.
    pub kind: Kind,
    /// Its class, the corpus's joined in.
    pub class: Class,
    /// Groups that may read it beyond what the corpus asks; empty means whoever may read the corpus.
    pub readers: BTreeSet<GroupId>,
    /// The date that it bears.
    pub dated: Option<Date>,
    /// The number of its present content.
    pub revision: i64,
    /// The corpus version that brought this content.
    pub added_version: u64,
    /// Bytes of its text.
    pub text_bytes: u64,
    /// Its passages.
    pub passages: u32,
    /// Warnings that extraction left.
    pub warnings: u32,
    /// Flags: places that speak to a model instead of to a reader, or that a reader does not see.
    pub flags: u32,
}

/// One document with all that is stored of its present content.
#[derive(Debug, Clone)]
pub struct Document {
    /// What it is.
    pub summary: DocumentSummary,
    /// The stored text, into which all spans point.
    pub text: Arc<str>,
    /// Its headings, in order.
    pub headings: Vec<Heading>,
    /// Its passages, in order.
    pub passages: Vec<PassageRow>,
    /// What extraction could not keep.
    pub warnings: Vec<Warning>,
    /// What in it a person should look at, in the order of the text.
    pub flags: Vec<Flag>,
}

// Both queries choose the same rows; the numbered parameters are corpus, classes, groups, prefix, text, warned.
const COUNT: &str = "SELECT count(*) FROM document d JOIN revision r ON r.number = d.revision
     WHERE d.corpus = ?1 AND r.class IN (SELECT value FROM json_each(?2))
       AND (?3 IS NULL OR r.readers = '[]'
            OR EXISTS (SELECT 1 FROM json_each(r.readers) has JOIN json_each(?3) mine ON has.value = mine.value))
       AND (?4 IS NULL OR substr(d.path, 1, length(?4)) = ?4)
       AND (?5 IS NULL OR instr(lower(d.path), lower(?5)) > 0 OR instr(lower(r.title), lower(?5)) > 0)
       AND (NOT ?6 OR EXISTS (SELECT 1 FROM document_warning w WHERE w.revision = r.number))";
const LIST: &str = "SELECT d.id, d.path, r.title, r.kind, r.class, r.readers, r.dated, r.number, r.added_version,
        r.text_bytes, r.passages, (SELECT count(*) FROM document_warning w WHERE w.revision = r.number),
        (SELECT count(*) FROM document_flag f WHERE f.revision = r.number)
     FROM document d JOIN revision r ON r.number = d.revision
     WHERE d.corpus = ?1 AND r.class IN (SELECT value FROM json_each(?2))
       AND (?3 IS NULL OR r.readers = '[]'
            OR EXISTS (SELECT 1 FROM json_each(r.readers) has JOIN json_each(?3) mine ON has.value = mine.value))
       AND (?4 IS NULL OR substr(d.path, 1, length(?4)) = ?4)
       AND (?5 IS NULL OR instr(lower(d.path), lower(?5)) > 0 OR instr(lower(r.title), lower(?5)) > 0)
       AND (NOT ?6 OR EXISTS (SELECT 1 FROM document_warning w WHERE w.revision = r.number))
       AND d.path > ?7 ORDER BY d.path LIMIT ?8";

type SummaryRow = (Vec<u8>, String, String, String, String, String, Option<String>, i64, i64, i64, i64, i64, i64);

impl Corpora {
    /// The documents in the newest version of the corpus that the permit's holder may read, by path.
    ///
    /// What may not be read is left out by the query itself: it neither shortens a page nor counts.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn documents(
        &self,
        corpus: CorpusId,
        permit: &SearchPermit,
        page: &DocumentPage,
    ) -> Result<DocumentList, CorpusError> {
        if !permit.corpora().contains(&corpus) {
            return Ok(DocumentList { documents: Vec::new(), total: 0, more: false });
        }
        let limit = if page.limit == 0 { PAGE_MAX } else { page.limit.min(PAGE_MAX) };
        let classes: Vec<&str> = [Class::Open, Class::Sensitive, Class::Classified]
            .into_iter()
            .filter(|class| *class <= permit.class_max() && page.class.is_none_or(|wanted| wanted == *class))
            .map(|class| class.as_str())
            .collect();
        let text = |text: &Option<String>| text.as_deref().map(|text| text.nfc().collect::<String>());
        let (classes, groups) = (to_json(&classes)?, permit.groups().map(to_json).transpose()?);
        let (prefix, containing) = (text(&page.path_prefix), text(&page.containing));
        let total: i64 = sqlx::query_scalar(COUNT)
            .bind(corpus.as_bytes().as_slice())
            .bind(&classes)
            .bind(&groups)
            .bind(&prefix)
            .bind(&containing)
            .bind(page.warned)
            .fetch_one(self.store.read())
            .await?;
        let rows: Vec<SummaryRow> = sqlx::query_as(LIST)
            .bind(corpus.as_bytes().as_slice())
            .bind(&classes)
            .bind(&groups)
            .bind(&prefix)
            .bind(&containing)
            .bind(page.warned)
            .bind(page.after.as_deref().unwrap_or(""))
            .bind(limit + 1)
            .fetch_all(self.store.read())
            .await?;
        let more = rows.len() > limit as usize;
        let documents = rows.into_iter().take(limit as usize).map(summary).collect::<Result<Vec<_>, _>>()?;
        Ok(DocumentList { documents, total: total.max(0) as u64, more })
    }

    /// One document with its text, headings, passages and warnings.
    ///
    /// # Errors
    /// [`CorpusError::NoDocument`] if the corpus has no document of this path or id now.
    pub async fn show(&self, corpus: CorpusId, path_or_id: &str) -> Result<Document, CorpusError> {
        let id = path_or_id.parse::<DocumentId>().ok();
        let row: Option<SummaryRow> = sqlx::query_as(
            "SELECT d.id, d.path, r.title, r.kind, r.class, r.readers, r.dated, r.number, r.added_version,
                    r.text_bytes, r.passages, (SELECT count(*) FROM document_warning w WHERE w.revision = r.number),
                    (SELECT count(*) FROM document_flag f WHERE f.revision = r.number)
             FROM document d JOIN revision r ON r.number = d.revision
             WHERE d.corpus = ? AND (d.path = ? OR d.id = ?) LIMIT 1",
        )
        .bind(corpus.as_bytes().as_slice())
        .bind(path_or_id)
        .bind(id.as_ref().map(|id| id.as_bytes().as_slice()))
        .fetch_optional(self.store.read())
        .await?;
        let Some(row) = row else { return Err(CorpusError::NoDocument(path_or_id.chars().take(200).collect())) };
        let summary = summary(row)?;
        let (text, headings, passages) = self.content_of(summary.revision, &summary.title).await?;
        let warnings: Vec<(String, String)> =
            sqlx::query_as("SELECT kind, detail FROM document_warning WHERE revision = ? ORDER BY number")
                .bind(summary.revision)
                .fetch_all(self.store.read())
                .await?;
        let warnings = warnings
            .into_iter()
            .map(|(kind, detail)| Ok(Warning { kind: from_json(&format!("\"{kind}\""))?, detail }))
            .collect::<Result<_, CorpusError>>()?;
        let flags = self.flags_of(&[summary.revision]).await?.remove(&summary.revision).unwrap_or_default();
        Ok(Document { summary, text, headings, passages, warnings, flags })
    }

    /// The flags of revisions, in the order of their texts; revisions without any are left out.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn flags_of(&self, revisions: &[i64]) -> Result<HashMap<i64, Vec<Flag>>, CorpusError> {
        let rows: Vec<(i64, String, String, i64, i64)> = sqlx::query_as(
            "SELECT revision, kind, rule, span_start, span_stop FROM document_flag
             WHERE revision IN (SELECT value FROM json_each(?)) ORDER BY revision, number",
        )
        .bind(to_json(revisions)?)
        .fetch_all(self.store.read())
        .await?;
        let mut flags: HashMap<i64, Vec<Flag>> = HashMap::new();
        for (revision, kind, rule, start, stop) in rows {
            let flag = Flag { kind: from_json(&format!("\"{kind}\""))?, rule, span: start as u64..stop as u64 };
            flags.entry(revision).or_default().push(flag);
        }
        Ok(flags)
    }

    /// Takes a document out of the newest version. Older versions keep it.
    ///
    /// The record itself is not touched; if it still lies where it was, the next `add` brings it back.
    ///
    /// # Errors
    /// [`CorpusError::NoDocument`]; [`CorpusError::Busy`] while records are being added.
    pub async fn remove_document(&self, corpus: CorpusId, document: DocumentId) -> Result<(), CorpusError> {
        let _changing = self.begin_change(corpus).ok_or(CorpusError::Busy)?;
        let mut write = self.store.write().await?;
        let removed = crate::write::remove_documents(&mut write, corpus, None, &[document]).await;
        if matches!(removed, Ok((0, _)) | Err(AddError::NoCorpus)) {
            return Err(CorpusError::NoDocument(document.to_string()));
        }
        if let Err(AddError::Store(error)) = removed {
            return Err(error.into());
        }
        write.commit().await?;
        Ok(())
    }

    /// Gives a document the lower class that was declassified, in a new version of its corpus. Older versions keep the class
    /// from before. Adding the record again with a higher class raises it again.
    ///
    /// # Errors
    /// [`CorpusError::NoDocument`], also for one that has changed since it was judged; [`CorpusError::Busy`] while records are
    /// being added.
    pub async fn declassify(&self, judged: &DocumentSummary, lower: &Declassified) -> Result<(), CorpusError> {
        let gone = || CorpusError::NoDocument(judged.path.clone());
        let revision = self.revisions_of(judged.id).await?.pop().ok_or_else(gone)?;
        let _changing = self.begin_change(revision.corpus).ok_or(CorpusError::Busy)?;
        let mut write = self.store.write().await?;
        let class = lower.label_at(jiff::Timestamp::now()).class;
        match crate::write::lower_class(&mut write, revision.corpus, judged.revision, class).await {
            Ok(true) => write.commit().await.map_err(Into::into),
            Ok(false) | Err(AddError::NoCorpus) => Err(gone()),
            Err(AddError::Store(error)) => Err(error.into()),
            // Nothing else comes of lowering a class but that there is no number left for its passages.
            Err(error) => Err(StoreError::Broken(error.to_string()).into()),
        }
    }

    /// The revisions that a document had, oldest first.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn revisions(&self, document: DocumentId) -> Result<Vec<RevisionRow>, CorpusError> {
        self.revisions_of(document).await
    }
}

fn summary(row: SummaryRow) -> Result<DocumentSummary, CorpusError> {
    let (id, path, title, kind, class, readers, dated, revision, added_version, text_bytes, passages, warnings, flags) =
        row;
    Ok(DocumentSummary {
        id: crate::corpora::id(&id)?,
        path,
        title,
        kind: from_json(&format!("\"{kind}\""))?,
        class: from_json(&format!("\"{class}\""))?,
        readers: from_json(&readers)?,
        dated: dated.and_then(|dated| dated.parse().ok()),
        revision,
        added_version: added_version as u64,
        text_bytes: text_bytes as u64,
        passages: passages as u32,
        warnings: warnings as u32,
        flags: flags as u32,
    })
}
