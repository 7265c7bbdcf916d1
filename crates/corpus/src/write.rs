//! What one batch writes, in one transaction: documents, revisions, texts, passages, counters.

use base::{Class, ContentHash, CorpusId, DocumentId};
use jiff::Timestamp;
use sqlx::Row;
use store::{StoreError, Write};

use crate::corpora::{hex, to_json};
use crate::extract::EXTRACTOR;
use crate::passage::PassageSpan;
use crate::{AddError, Flag, Kind, Warning};

/// A record that was read, packed for the disk.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub hash: ContentHash,
    pub source_bytes: u64,
    pub kind: Kind,
    pub title: String,
    pub dated: Option<jiff::civil::Date>,
    pub class: Class,
    /// The readers, as stored.
    pub readers: String,
    pub text_bytes: u64,
    pub characters: u64,
    pub text: Vec<u8>,
    pub outline: Vec<u8>,
    pub passages: Vec<PassageSpan>,
    pub warnings: Vec<Warning>,
    pub flags: Vec<Flag>,
}

/// A new content of a document, or a new document.
#[derive(Debug)]
pub(crate) struct NewRevision {
    pub document: DocumentId,
    pub path: String,
    pub source: String,
    /// The content that it replaces.
    pub replaces: Option<i64>,
    pub gathered: Gathered,
}

#[derive(Debug)]
struct Counters {
    change: i64,
    passage: i64,
    revision: i64,
}

/// Begins a new corpus version in this transaction, or goes on with the one that this `add` began.
async fn version(write: &mut Write, corpus: CorpusId, begun: Option<i64>) -> Result<i64, AddError> {
    let newest: Option<i64> = sqlx::query_scalar("SELECT version FROM corpus WHERE id = ?")
        .bind(corpus.as_bytes().as_slice())
        .fetch_optional(&mut **write)
        .await?;
    let newest = newest.ok_or(AddError::NoCorpus)?;
    if let Some(begun) = begun {
        return Ok(begun);
    }
    sqlx::query("UPDATE corpus SET version = ?, changed_at = ? WHERE id = ?")
        .bind(newest + 1)
        .bind(Timestamp::now().to_string())
        .bind(corpus.as_bytes().as_slice())
        .execute(&mut **write)
        .await?;
    Ok(newest + 1)
}

/// Writes a batch and gives the corpus version that it belongs to.
pub(crate) async fn write_batch(
    write: &mut Write,
    corpus: CorpusId,
    begun: Option<i64>,
    batch: &[NewRevision],
) -> Result<i64, AddError> {
    let version = version(write, corpus, begun).await?;
    let mut counters = Counters::read(write).await?;
    let now = Timestamp::now().to_string();
    let mut closed = Vec::new();
    let mut passages = Vec::new();
    let mut warnings = Vec::new();
    let mut flags = Vec::new();
    for new in batch {
        if let Some(old) = new.replaces {
            counters.change += 1;
            closed.push((old, counters.change));
        }
        counters.change += 1;
        counters.revision += 1;
        let revision = counters.revision;
        let first = counters.passage + 1;
        counters.passage += new.gathered.passages.len() as i64;
        if counters.passage >= i64::from(u32::MAX) {
            return Err(AddError::LogFull);
        }
        for (number, passage) in (first..).zip(&new.gathered.passages) {
            passages.push((number, revision, passage.span.start, passage.span.end, passage.heading));
        }
        for (number, warning) in new.gathered.warnings.iter().enumerate() {
            warnings.push((revision, number, warning.kind, warning.detail.as_str()));
        }
        for (number, flag) in new.gathered.flags.iter().enumerate() {
            flags.push((revision, number, flag.kind, flag.rule.as_str(), flag.span.start, flag.span.end));
        }
        insert(write, corpus, new, revision, counters.change, first, version, &now).await?;
    }
    close(write, version, &closed).await?;
    sqlx::query(
        "INSERT INTO passage (id, revision, start, stop, heading)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?)",
    )
    .bind(to_json(&passages)?)
    .execute(&mut **write)
    .await?;
    sqlx::query(
        "INSERT INTO document_warning (revision, number, kind, detail)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)",
    )
    .bind(to_json(&warnings)?)
    .execute(&mut **write)
    .await?;
    sqlx::query(
        "INSERT INTO document_flag (revision, number, kind, rule, span_start, span_stop)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?)",
    )
    .bind(to_json(&flags)?)
    .execute(&mut **write)
    .await?;
    counters.write(write).await?;
    Ok(version)
}

#[allow(clippy::too_many_arguments)]
async fn insert(
    write: &mut Write,
    corpus: CorpusId,
    new: &NewRevision,
    revision: i64,
    change: i64,
    first: i64,
    version: i64,
    now: &str,
) -> Result<(), StoreError> {
    let gathered = &new.gathered;
    sqlx::query(
        "INSERT INTO document (id, corpus, path, source, revision) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET path = excluded.path, source = excluded.source, revision = excluded.revision",
    )
    .bind(new.document.as_bytes().as_slice())
    .bind(corpus.as_bytes().as_slice())
    .bind(&new.path)
    .bind(&new.source)
    .bind(revision)
    .execute(&mut **write)
    .await?;
    sqlx::query(
        "INSERT INTO revision (number, change, document, corpus, path, title, kind, class, readers, dated, source_hash,
            source_bytes, extractor, text_bytes, characters, first_passage, passages, added_version, added_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(revision)
    .bind(change)
    .bind(new.document.as_bytes().as_slice())
    .bind(corpus.as_bytes().as_slice())
    .bind(&new.path)
    .bind(&gathered.title)
    .bind(gathered.kind.as_str())
    .bind(gathered.class.as_str())
    .bind(&gathered.readers)
    .bind(gathered.dated.map(|date| date.to_string()))
    .bind(gathered.hash.as_bytes().as_slice())
    .bind(gathered.source_bytes as i64)
    .bind(EXTRACTOR)
    .bind(gathered.text_bytes as i64)
    .bind(gathered.characters as i64)
    .bind(first)
    .bind(gathered.passages.len() as i64)
    .bind(version)
    .bind(now)
    .execute(&mut **write)
    .await?;
    sqlx::query("INSERT INTO document_text (revision, text, outline) VALUES (?, ?, ?)")
        .bind(revision)
        .bind(&gathered.text)
        .bind(&gathered.outline)
        .execute(&mut **write)
        .await?;
    Ok(())
}

/// Ends revisions with a version; each takes its new change number.
async fn close(write: &mut Write, version: i64, closed: &[(i64, i64)]) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE revision SET removed_version = ?, change = ended.change
         FROM (SELECT value ->> 0 AS number, value ->> 1 AS change FROM json_each(?)) AS ended
         WHERE revision.number = ended.number AND revision.removed_version IS NULL",
    )
    .bind(version)
    .bind(to_json(closed)?)
    .execute(&mut **write)
    .await?;
    Ok(())
}

/// Takes documents out of the newest version; gives how many there were, and the version.
pub(crate) async fn remove_documents(
    write: &mut Write,
    corpus: CorpusId,
    begun: Option<i64>,
    documents: &[DocumentId],
) -> Result<(u64, Option<i64>), AddError> {
    let ids: Vec<String> = documents.iter().map(|document| hex(document.as_bytes())).collect();
    let ids = to_json(&ids)?;
    let revisions: Vec<i64> = sqlx::query_scalar(
        "SELECT revision FROM document
         WHERE corpus = ? AND revision IS NOT NULL AND id IN (SELECT unhex(value) FROM json_each(?))",
    )
    .bind(corpus.as_bytes().as_slice())
    .bind(&ids)
    .fetch_all(&mut **write)
    .await?;
    if revisions.is_empty() {
        return Ok((0, begun));
    }
    let version = version(write, corpus, begun).await?;
    let mut counters = Counters::read(write).await?;
    let closed: Vec<(i64, i64)> = revisions
        .iter()
        .map(|revision| {
            counters.change += 1;
            (*revision, counters.change)
        })
        .collect();
    close(write, version, &closed).await?;
    sqlx::query(
        "UPDATE document SET revision = NULL WHERE corpus = ? AND id IN (SELECT unhex(value) FROM json_each(?))",
    )
    .bind(corpus.as_bytes().as_slice())
    .bind(&ids)
    .execute(&mut **write)
    .await?;
    counters.write(write).await?;
    Ok((closed.len() as u64, Some(version)))
}

/// Puts the same content in a revision's place, with another class; says whether the revision was the newest of its document.
pub(crate) async fn lower_class(write: &mut Write, corpus: CorpusId, old: i64, class: Class) -> Result<bool, AddError> {
    let row = sqlx::query(
        "SELECT r.first_passage, r.passages FROM revision r JOIN document d ON d.id = r.document AND d.revision = r.number
         WHERE r.number = ? AND r.corpus = ?",
    )
    .bind(old)
    .bind(corpus.as_bytes().as_slice())
    .fetch_optional(&mut **write)
    .await?;
    let Some(row) = row else { return Ok(false) };
    let (first, passages): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let version = version(write, corpus, None).await?;
    let mut counters = Counters::read(write).await?;
    counters.change += 1;
    let closed = counters.change;
    counters.change += 1;
    counters.revision += 1;
    let (new, offset) = (counters.revision, counters.passage + 1 - first);
    counters.passage += passages;
    if counters.passage >= i64::from(u32::MAX) {
        return Err(AddError::LogFull);
    }
    sqlx::query(
        "INSERT INTO revision (number, change, document, corpus, path, title, kind, class, readers, dated, source_hash,
            source_bytes, extractor, text_bytes, characters, first_passage, passages, added_version, added_at)
         SELECT ?2, ?3, document, corpus, path, title, kind, ?4, readers, dated, source_hash, source_bytes, extractor,
            text_bytes, characters, first_passage + ?5, passages, ?6, ?7
         FROM revision WHERE number = ?1",
    )
    .bind(old)
    .bind(new)
    .bind(counters.change)
    .bind(class.as_str())
    .bind(offset)
    .bind(version)
    .bind(Timestamp::now().to_string())
    .execute(&mut **write)
    .await?;
    for copy in [
        "INSERT INTO document_text (revision, text, outline)
         SELECT ?2, text, outline FROM document_text WHERE revision = ?1",
        "INSERT INTO document_warning (revision, number, kind, detail)
         SELECT ?2, number, kind, detail FROM document_warning WHERE revision = ?1",
        "INSERT INTO document_flag (revision, number, kind, rule, span_start, span_stop)
         SELECT ?2, number, kind, rule, span_start, span_stop FROM document_flag WHERE revision = ?1",
    ] {
        sqlx::query(copy).bind(old).bind(new).execute(&mut **write).await?;
    }
    sqlx::query(
        "INSERT INTO passage (id, revision, start, stop, heading)
         SELECT id + ?3, ?2, start, stop, heading FROM passage WHERE revision = ?1",
    )
    .bind(old)
    .bind(new)
    .bind(offset)
    .execute(&mut **write)
    .await?;
    sqlx::query("UPDATE document SET revision = ? WHERE revision = ? AND corpus = ?")
        .bind(new)
        .bind(old)
        .bind(corpus.as_bytes().as_slice())
        .execute(&mut **write)
        .await?;
    close(write, version, &[(old, closed)]).await?;
    counters.write(write).await?;
    Ok(true)
}

/// Says where records lie now that have moved without a change.
pub(crate) async fn move_sources(write: &mut Write, moved: &[(DocumentId, String)]) -> Result<(), StoreError> {
    for (document, source) in moved {
        sqlx::query("UPDATE document SET source = ? WHERE id = ?")
            .bind(source)
            .bind(document.as_bytes().as_slice())
            .execute(&mut **write)
            .await?;
    }
    Ok(())
}

/// Deletes a corpus and its texts. Revisions stay without any words, so that indexes learn what to drop.
pub(crate) async fn forget_corpus(write: &mut Write, corpus: CorpusId) -> Result<bool, StoreError> {
    let id = corpus.as_bytes().as_slice();
    let newest: Option<i64> =
        sqlx::query_scalar("SELECT version FROM corpus WHERE id = ?").bind(id).fetch_optional(&mut **write).await?;
    let Some(newest) = newest else { return Ok(false) };
    for statement in [
        "DELETE FROM document_text WHERE revision IN (SELECT number FROM revision WHERE corpus = ?)",
        "DELETE FROM document_warning WHERE revision IN (SELECT number FROM revision WHERE corpus = ?)",
        "DELETE FROM document_flag WHERE revision IN (SELECT number FROM revision WHERE corpus = ?)",
        "DELETE FROM passage WHERE revision IN (SELECT number FROM revision WHERE corpus = ?)",
        "DELETE FROM corpus WHERE id = ?",
    ] {
        sqlx::query(statement).bind(id).execute(&mut **write).await?;
    }
    let mut counters = Counters::read(write).await?;
    let revisions = sqlx::query(
        "UPDATE revision SET forgotten = 1, path = '', title = '', dated = NULL, source_hash = x'', characters = 0,
            removed_version = coalesce(removed_version, ?2), change = ?3 + place
         FROM (SELECT number AS one, row_number() OVER (ORDER BY number) AS place FROM revision WHERE corpus = ?1)
         WHERE number = one",
    )
    .bind(id)
    .bind(newest + 1)
    .bind(counters.change)
    .execute(&mut **write)
    .await?
    .rows_affected();
    counters.change += revisions as i64;
    counters.write(write).await?;
    Ok(true)
}

impl Counters {
    async fn read(write: &mut Write) -> Result<Self, StoreError> {
        let rows = sqlx::query("SELECT name, value FROM corpus_counter").fetch_all(&mut **write).await?;
        let mut counters = Self { change: 0, passage: 0, revision: 0 };
        for row in &rows {
            let value = row.try_get(1)?;
            match row.try_get(0)? {
                "change" => counters.change = value,
                "passage" => counters.passage = value,
                "revision" => counters.revision = value,
                _ => {}
            }
        }
        Ok(counters)
    }

    async fn write(&self, write: &mut Write) -> Result<(), StoreError> {
        let values = [("change", self.change), ("passage", self.passage), ("revision", self.revision)];
        for (name, value) in values {
            sqlx::query("UPDATE corpus_counter SET value = ? WHERE name = ?")
                .bind(value)
                .bind(name)
                .execute(&mut **write)
                .await?;
        }
        Ok(())
    }
}
