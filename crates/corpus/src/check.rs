//! Whether what is stored of documents still holds together: what every citation stands on.

use store::StoreError;

use crate::cache::Content;
use crate::corpora::from_json;
use crate::{Corpora, CorpusError};

/// Revisions that are looked at in one go.
const AT_ONCE: i64 = 32;
/// Findings that are told; more of them say nothing new.
const FINDINGS_MAX: usize = 100;

type StoredRow = (i64, String, i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, String);

impl Corpora {
    /// Reads every document that was not forgotten and says, in words, where its text is not what it was, or a
    /// passage is no part of it. `tell` is told how many of how many were read.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn check(&self, tell: &(dyn Fn(u64, u64) + Send + Sync)) -> Result<Vec<String>, CorpusError> {
        let total: i64 = sqlx::query_scalar("SELECT count(*) FROM revision WHERE forgotten = 0")
            .fetch_one(self.store.read())
            .await
            .map_err(StoreError::from)?;
        let (mut last, mut read, mut wrong) = (0, 0, Vec::new());
        loop {
            let rows: Vec<StoredRow> = sqlx::query_as(
                "SELECT r.number, r.path, r.text_bytes, r.passages, t.text, t.outline,
                        (SELECT json_group_array(json_array(p.start, p.stop)) FROM passage p
                         WHERE p.id >= r.first_passage AND p.id < r.first_passage + r.passages
                           AND p.revision = r.number)
                 FROM revision r LEFT JOIN document_text t ON t.revision = r.number
                 WHERE r.forgotten = 0 AND r.number > ? ORDER BY r.number LIMIT ?",
            )
            .bind(last)
            .bind(AT_ONCE)
            .fetch_all(self.store.read())
            .await
            .map_err(StoreError::from)?;
            let Some((newest, ..)) = rows.last() else { break };
            last = *newest;
            read += rows.len() as u64;
            let found = tokio::task::spawn_blocking(move || rows.iter().filter_map(broken).collect::<Vec<_>>()).await;
            wrong.extend(found.map_err(|error| StoreError::Broken(error.to_string()))?);
            wrong.truncate(FINDINGS_MAX);
            tell(read, total.unsigned_abs());
        }
        Ok(wrong)
    }
}

/// What is wrong with a revision, if anything is.
fn broken((number, path, bytes, passages, text, outline, spans): &StoredRow) -> Option<String> {
    let say = |what: String| Some(format!("document `{path}` (revision {number}): {what}"));
    let (Some(text), Some(outline)) = (text, outline) else { return say("its text is not there".to_owned()) };
    let content = match Content::unpack(String::new(), text, outline) {
        Ok(content) => content,
        Err(error) => return say(error.to_string()),
    };
    if content.text.len() as i64 != *bytes {
        return say(format!("its text has {} bytes, and should have {bytes}", content.text.len()));
    }
    let spans: Vec<(usize, usize)> = match from_json(spans) {
        Ok(spans) => spans,
        Err(error) => return say(error.to_string()),
    };
    if spans.len() as i64 != *passages {
        return say(format!("it has {} passages, and should have {passages}", spans.len()));
    }
    let outside = spans.iter().find(|(start, stop)| content.text.get(*start..*stop).is_none_or(str::is_empty));
    outside.and_then(|(start, stop)| say(format!("its passage at {start} to {stop} is no part of its text")))
}
