//! Documents as people look at them.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::{Class, CorpusId, DocumentId, GroupId};
use jiff::civil::Date;
use serde::Serialize;

use crate::corpora::from_json;
use crate::{AddError, Corpora, CorpusError, Heading, Kind, PassageRow, RevisionRow, Warning};

const PAGE_MAX: u32 = 1000;

/// Which documents of a corpus to list, in the order of their paths.
#[derive(Debug, Clone, Default)]
pub struct DocumentPage {
    /// The last path of the page before; `None` for the first page.
    pub after: Option<String>,
    /// How many; 1,000 at most, and 0 means as many.
    pub limit: u32,
}

/// One document in the newest version of its corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
}

type SummaryRow = (Vec<u8>, String, String, String, String, String, Option<String>, i64, i64, i64, i64, i64);

impl Corpora {
    /// The documents in the newest version of the corpus, by path.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn documents(&self, corpus: CorpusId, page: &DocumentPage) -> Result<Vec<DocumentSummary>, CorpusError> {
        let limit = if page.limit == 0 { PAGE_MAX } else { page.limit.min(PAGE_MAX) };
        let rows: Vec<SummaryRow> = sqlx::query_as(
            "SELECT d.id, d.path, r.title, r.kind, r.class, r.readers, r.dated, r.number, r.added_version,
                    r.text_bytes, r.passages, (SELECT count(*) FROM document_warning w WHERE w.revision = r.number)
             FROM document d JOIN revision r ON r.number = d.revision
             WHERE d.corpus = ? AND d.path > ? ORDER BY d.path LIMIT ?",
        )
        .bind(corpus.as_bytes().as_slice())
        .bind(page.after.as_deref().unwrap_or(""))
        .bind(limit)
        .fetch_all(self.store.read())
        .await?;
        rows.into_iter().map(summary).collect()
    }

    /// One document with its text, headings, passages and warnings.
    ///
    /// # Errors
    /// [`CorpusError::NoDocument`] if the corpus has no document of this path or id now.
    pub async fn show(&self, corpus: CorpusId, path_or_id: &str) -> Result<Document, CorpusError> {
        let id = path_or_id.parse::<DocumentId>().ok();
        let row: Option<SummaryRow> = sqlx::query_as(
            "SELECT d.id, d.path, r.title, r.kind, r.class, r.readers, r.dated, r.number, r.added_version,
                    r.text_bytes, r.passages, (SELECT count(*) FROM document_warning w WHERE w.revision = r.number)
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
        Ok(Document { summary, text, headings, passages, warnings })
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

    /// The revisions that a document had, oldest first.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn revisions(&self, document: DocumentId) -> Result<Vec<RevisionRow>, CorpusError> {
        self.revisions_of(document).await
    }
}

fn summary(row: SummaryRow) -> Result<DocumentSummary, CorpusError> {
    let (id, path, title, kind, class, readers, dated, revision, added_version, text_bytes, passages, warnings) = row;
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
    })
}
