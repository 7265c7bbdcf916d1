//! Conversations: begun, listed, searched, shown, renamed, deleted.

use base::{ConversationId, Principal};
use serde::Serialize;
use sqlx::Row;

use super::table::{self, ConversationRow, rank};
use super::{Conversation, History, HistoryError, Shown, class_of, now, owner};

const PAGE_USUAL: u32 = 50;
const PAGE_MAX: u32 = 200;
const QUERY_CHARS_MAX: usize = 200;
pub(super) const TITLE_CHARS_MAX: usize = 200;
/// Characters that are shown around what was searched for.
const AROUND_CHARS: usize = 60;

/// Which conversations are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Only those that have these words in a title, a question or a reply. The case of Latin letters does not count.
    pub query: Option<String>,
    /// Those after this place, as the page before named it.
    pub after: Option<String>,
    /// How many at most, 1 to 200; none for 50.
    pub limit: Option<u32>,
}

/// A page of conversations, the one that was touched last first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conversations {
    /// The conversations.
    #[serde(rename = "data")]
    pub conversations: Vec<Found>,
    /// Where the next page begins; none at the end. A page of a search may be short and still have a next one.
    pub next: Option<String>,
    /// Whether anything new is kept.
    pub enabled: bool,
}

/// A conversation that was listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The conversation.
    #[serde(flatten)]
    pub conversation: Conversation,
    /// The words that were searched for, with what stands around them; none where the title has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

impl History {
    /// Begins a conversation without turns.
    ///
    /// # Errors
    /// [`HistoryError::Off`], [`HistoryError::Full`], [`HistoryError::Invalid`].
    pub async fn create(&self, principal: &Principal, title: &str) -> Result<Conversation, HistoryError> {
        if !self.config.enabled {
            return Err(HistoryError::Off);
        }
        let title = checked_title(title)?;
        let now = now();
        let id = ConversationId::new();
        let mut write = self.store.write().await?;
        sqlx::query("DELETE FROM conversation WHERE updated < ?").bind(self.cut()).execute(&mut *write).await?;
        let (there, bytes): (i64, i64) =
            sqlx::query_as("SELECT count(*), coalesce(sum(bytes), 0) FROM conversation WHERE tenant = ? AND owner = ?")
                .bind(principal.tenant.as_bytes().as_slice())
                .bind(owner(principal))
                .fetch_one(&mut *write)
                .await?;
        if there >= i64::from(self.config.conversations_max) {
            let most = self.config.conversations_max;
            return Err(HistoryError::Full { reason: format!("at most {most} conversations are kept; delete some") });
        }
        self.check_owner_bytes(bytes)?;
        sqlx::query(
            "INSERT INTO conversation (id, tenant, owner, class, title, model, bytes, created, updated)
             VALUES (?, ?, ?, ?, ?, '', 0, ?, ?)",
        )
        .bind(id.as_bytes().as_slice())
        .bind(principal.tenant.as_bytes().as_slice())
        .bind(owner(principal))
        .bind(rank(principal.input_class))
        .bind(title)
        .bind(now)
        .bind(now)
        .execute(&mut *write)
        .await?;
        let made = self.row(&mut write, principal, id).await?;
        write.commit().await?;
        Ok(made.conversation)
    }

    /// The principal's conversations.
    ///
    /// # Errors
    /// [`HistoryError::Invalid`] for a page that nobody named.
    pub async fn list(&self, principal: &Principal, page: &Page) -> Result<Conversations, HistoryError> {
        let limit = page.limit.unwrap_or(PAGE_USUAL);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(HistoryError::invalid("limit", format!("is 1 to {PAGE_MAX}")));
        }
        let (before, below) = match &page.after {
            None => (i64::MAX, Vec::new()),
            Some(after) => place(after)?,
        };
        let query = page.query.as_deref().map(str::trim).filter(|query| !query.is_empty());
        if query.is_some_and(|query| query.chars().count() > QUERY_CHARS_MAX) {
            return Err(HistoryError::invalid("q", format!("has at most {QUERY_CHARS_MAX} characters")));
        }
        let pattern = query.map(pattern);
        let rows = sqlx::query(
            "SELECT *, (SELECT count(*) FROM conversation_turn WHERE conversation = c.id) AS turns FROM conversation AS c
             WHERE tenant = ?1 AND owner = ?2 AND class <= ?3 AND updated >= ?4
                AND (updated < ?5 OR (updated = ?5 AND id < ?6))
                AND (?7 IS NULL OR title LIKE ?7 ESCAPE '\\' OR EXISTS (
                    SELECT 1 FROM conversation_turn
                    WHERE conversation = c.id AND (asked LIKE ?7 ESCAPE '\\' OR said LIKE ?7 ESCAPE '\\')
                ))
             ORDER BY updated DESC, id DESC LIMIT ?8",
        )
        .bind(principal.tenant.as_bytes().as_slice())
        .bind(owner(principal))
        .bind(rank(class_of(principal)))
        .bind(self.cut())
        .bind(before)
        .bind(below)
        .bind(&pattern)
        .bind(limit)
        .fetch_all(self.store.read())
        .await?;
        let rows: Vec<ConversationRow> = rows.iter().map(table::conversation).collect::<Result<_, _>>()?;
        let last = rows.last().filter(|_| rows.len() == limit as usize).map(|row| &row.conversation);
        let next = last.map(|last| format!("{}-{}", last.updated.as_millisecond(), last.id));
        let mut conversations = Vec::with_capacity(rows.len());
        for ConversationRow { conversation, .. } in rows {
            let found = match (query, &pattern) {
                (Some(query), Some(pattern)) if around(&conversation.title, query).is_none() => {
                    match self.words_found(principal, conversation.id, query, pattern).await? {
                        // What matched is nothing that may be shown, so it does not match.
                        None => continue,
                        found => found,
                    }
                }
                _ => None,
            };
            conversations.push(Found { conversation, found });
        }
        Ok(Conversations { conversations, next, enabled: self.config.enabled })
    }

    /// A conversation with its turns, as far as they may be shown now.
    ///
    /// # Errors
    /// [`HistoryError::NotFound`].
    pub async fn show(
        &self,
        principal: &Principal,
        id: ConversationId,
    ) -> Result<(Conversation, Vec<Shown>), HistoryError> {
        let mut read = self.store.read().begin().await?;
        let row = self.row(&mut read, principal, id).await?;
        let turns = sqlx::query("SELECT * FROM conversation_turn WHERE conversation = ? ORDER BY number")
            .bind(id.as_bytes().as_slice())
            .fetch_all(&mut *read)
            .await?;
        drop(read);
        let turns = turns.iter().map(table::turn).collect::<Result<_, _>>()?;
        Ok((row.conversation, self.recall(principal, turns).await?))
    }

    /// Gives a conversation another title.
    ///
    /// # Errors
    /// [`HistoryError::NotFound`], [`HistoryError::Invalid`].
    pub async fn rename(
        &self,
        principal: &Principal,
        id: ConversationId,
        title: &str,
    ) -> Result<Conversation, HistoryError> {
        let title = checked_title(title)?;
        let mut write = self.store.write().await?;
        let row = self.row(&mut write, principal, id).await?;
        sqlx::query("UPDATE conversation SET title = ?, class = ?, updated = ? WHERE id = ?")
            .bind(title)
            .bind(rank(row.class.max(principal.input_class)))
            .bind(now())
            .bind(id.as_bytes().as_slice())
            .execute(&mut *write)
            .await?;
        let row = self.row(&mut write, principal, id).await?;
        write.commit().await?;
        Ok(row.conversation)
    }

    /// Deletes a conversation and all that was said in it. A turn that is still being written is not kept.
    ///
    /// # Errors
    /// [`HistoryError::NotFound`].
    pub async fn delete(&self, principal: &Principal, id: ConversationId) -> Result<(), HistoryError> {
        let mut write = self.store.write().await?;
        self.row(&mut write, principal, id).await?;
        sqlx::query("DELETE FROM conversation WHERE id = ?")
            .bind(id.as_bytes().as_slice())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        self.store.scrub().await?;
        Ok(())
    }

    /// Deletes all that is kept of the principal, responses too, and says how many conversations there were.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn delete_all(&self, principal: &Principal) -> Result<u64, HistoryError> {
        let mut write = self.store.write().await?;
        let gone = sqlx::query("DELETE FROM conversation WHERE tenant = ? AND owner = ?")
            .bind(principal.tenant.as_bytes().as_slice())
            .bind(owner(principal))
            .execute(&mut *write)
            .await?
            .rows_affected();
        sqlx::query("DELETE FROM response WHERE tenant = ? AND owner = ?")
            .bind(principal.tenant.as_bytes().as_slice())
            .bind(owner(principal))
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        self.store.scrub().await?;
        Ok(gone)
    }

    /// The principal's conversation of this id. Another's is as if it were not there.
    pub(super) async fn row(
        &self,
        connection: &mut sqlx::SqliteConnection,
        principal: &Principal,
        id: ConversationId,
    ) -> Result<ConversationRow, HistoryError> {
        let row = sqlx::query(
            "SELECT *, (SELECT count(*) FROM conversation_turn WHERE conversation = c.id) AS turns FROM conversation AS c
             WHERE id = ? AND tenant = ? AND owner = ? AND class <= ? AND updated >= ?",
        )
        .bind(id.as_bytes().as_slice())
        .bind(principal.tenant.as_bytes().as_slice())
        .bind(owner(principal))
        .bind(rank(class_of(principal)))
        .bind(self.cut())
        .fetch_optional(connection)
        .await?;
        match row {
            Some(row) => Ok(table::conversation(&row)?),
            None => Err(HistoryError::NotFound { what: "conversation" }),
        }
    }

    pub(super) fn check_owner_bytes(&self, bytes: i64) -> Result<(), HistoryError> {
        if bytes.max(0) as u64 >= self.config.owner_bytes_max {
            let most = self.config.owner_bytes_max;
            return Err(HistoryError::Full {
                reason: format!("at most {most} bytes of conversations are kept; delete some"),
            });
        }
        Ok(())
    }

    /// What stands around the words in the first turn that has them and may be shown.
    async fn words_found(
        &self,
        principal: &Principal,
        id: ConversationId,
        query: &str,
        pattern: &str,
    ) -> Result<Option<String>, HistoryError> {
        let turns = sqlx::query(
            "SELECT * FROM conversation_turn
             WHERE conversation = ?1 AND (asked LIKE ?2 ESCAPE '\\' OR said LIKE ?2 ESCAPE '\\') ORDER BY number",
        )
        .bind(id.as_bytes().as_slice())
        .bind(pattern)
        .fetch_all(self.store.read())
        .await?;
        let turns = turns.iter().map(table::turn).collect::<Result<_, _>>()?;
        let shown = self.recall(principal, turns).await?;
        Ok(shown.into_iter().find_map(|turn| match turn {
            Shown::Turn(turn) => around(&turn.asked, query).or_else(|| around(&turn.text, query)),
            Shown::Hidden(_) => None,
        }))
    }
}

/// Bytes that an owner's conversations have.
pub(super) async fn owner_bytes(
    connection: &mut sqlx::SqliteConnection,
    principal: &Principal,
) -> Result<i64, HistoryError> {
    let row = sqlx::query("SELECT coalesce(sum(bytes), 0) FROM conversation WHERE tenant = ? AND owner = ?")
        .bind(principal.tenant.as_bytes().as_slice())
        .bind(owner(principal))
        .fetch_one(connection)
        .await?;
    Ok(row.try_get(0)?)
}

fn checked_title(title: &str) -> Result<&str, HistoryError> {
    let title = title.trim();
    if title.chars().count() > TITLE_CHARS_MAX || title.chars().any(char::is_control) {
        return Err(HistoryError::invalid("title", format!("is one line of at most {TITLE_CHARS_MAX} characters")));
    }
    Ok(title)
}

/// A place in the list, as [`Conversations::next`] names it.
fn place(after: &str) -> Result<(i64, Vec<u8>), HistoryError> {
    let read = || {
        let (updated, id) = after.split_once('-')?;
        Some((updated.parse().ok()?, id.parse::<ConversationId>().ok()?.as_bytes().to_vec()))
    };
    read().ok_or_else(|| HistoryError::invalid("after", "is no place that a page named"))
}

/// The words as a pattern of SQL's LIKE that finds them as they are.
fn pattern(query: &str) -> String {
    let mut pattern = String::from("%");
    for letter in query.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

/// What stands around the first place of the words in a text, as LIKE compares.
fn around(text: &str, query: &str) -> Option<String> {
    let at = text.to_ascii_lowercase().find(&query.to_ascii_lowercase())?;
    let end = at + query.len();
    let start = text[..at].char_indices().rev().take(AROUND_CHARS).last().map_or(at, |(start, _)| start);
    let until = text[end..].char_indices().nth(AROUND_CHARS).map_or(text.len(), |(until, _)| end + until);
    let (before, after) = (if start > 0 { "…" } else { "" }, if until < text.len() { "…" } else { "" });
    Some(format!("{before}{}{after}", text[start..until].replace('\n', " ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_as_they_are() {
        assert_eq!(pattern("100%_\\"), "%100\\%\\_\\\\%");
        assert_eq!(around("The Pump stops", "pump").as_deref(), Some("The Pump stops"));
        assert_eq!(around("가".repeat(200).as_str(), "나"), None);
        let long = format!("{}찾는 말{}", "가".repeat(100), "나".repeat(100));
        assert_eq!(around(&long, "찾는 말").unwrap(), format!("…{}찾는 말{}…", "가".repeat(60), "나".repeat(60)));
    }

    #[test]
    fn a_place_is_one_that_was_named() {
        let id = ConversationId::new();
        assert_eq!(place(&format!("12-{id}")).unwrap(), (12, id.as_bytes().to_vec()));
        for broken in ["", "12", "x-conv_", "12-doc_00000000000000000000000000000000", "99999999999999999999-x"] {
            assert!(place(broken).is_err(), "{broken}");
        }
    }
}
