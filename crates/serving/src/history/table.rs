//! The rows of history.

use base::{Class, ConversationId};
use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use store::{Store, StoreError, Write};

use super::turn::{MadeOf, TurnEnd};
use super::{Conversation, Told, Turn};

/// A conversation's row.
pub(super) struct ConversationRow {
    pub conversation: Conversation,
    pub class: Class,
}

/// A turn's row.
pub(super) struct TurnRow {
    pub turn: Turn,
    pub made_of: MadeOf,
}

/// A class as a number that grows with it, so that SQL can compare.
pub(super) fn rank(class: Class) -> i64 {
    match class {
        Class::Open => 0,
        Class::Sensitive => 1,
        Class::Classified => 2,
    }
}

pub(super) fn conversation(row: &SqliteRow) -> Result<ConversationRow, StoreError> {
    let id: Vec<u8> = row.try_get("id")?;
    let class = match row.try_get::<i64, _>("class")? {
        0 => Class::Open,
        1 => Class::Sensitive,
        // A class that nobody knows is the highest.
        _ => Class::Classified,
    };
    Ok(ConversationRow {
        conversation: Conversation {
            id: ConversationId::try_from(id.as_slice()).map_err(|_| broken("a conversation's id"))?,
            title: row.try_get("title")?,
            model: row.try_get("model")?,
            turns: row.try_get("turns")?,
            bytes: row.try_get::<i64, _>("bytes")?.max(0) as u64,
            created: time(row.try_get("created")?)?,
            updated: time(row.try_get("updated")?)?,
        },
        class,
    })
}

pub(super) fn turn(row: &SqliteRow) -> Result<TurnRow, StoreError> {
    Ok(TurnRow {
        turn: Turn {
            number: row.try_get("number")?,
            created: time(row.try_get("created")?)?,
            ended: read(&format!("\"{}\"", row.try_get::<String, _>("ended")?), "a turn's end")?,
            model: row.try_get("model")?,
            asked: row.try_get("asked")?,
            text: row.try_get("said")?,
            label: read(&row.try_get::<String, _>("label")?, "a turn's label")?,
            told: read(&row.try_get::<String, _>("told")?, "what a turn told")?,
        },
        made_of: read(&row.try_get::<String, _>("made_of")?, "what a turn was made of")?,
    })
}

/// The word of an end, as the table keeps it.
pub(super) fn word(end: TurnEnd) -> &'static str {
    match end {
        TurnEnd::Writing => "writing",
        TurnEnd::Complete => "complete",
        TurnEnd::Length => "length",
        TurnEnd::Stopped => "stopped",
        TurnEnd::Failed => "failed",
        TurnEnd::Broken => "broken",
    }
}

pub(super) fn written<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Broken(error.to_string()))
}

pub(super) fn empty_told() -> Result<String, StoreError> {
    written(&Told::default())
}

pub(super) async fn mark_broken_off(store: &Store) -> Result<(), StoreError> {
    let mut write = store.write().await?;
    sqlx::query("UPDATE conversation_turn SET ended = 'broken' WHERE ended = 'writing'").execute(&mut *write).await?;
    Ok(write.commit().await?)
}

/// Deletes what was last touched before `cut`.
pub(super) async fn delete_older(store: &Store, cut: i64) -> Result<u64, StoreError> {
    let mut write = store.write().await?;
    let conversations =
        sqlx::query("DELETE FROM conversation WHERE updated < ?").bind(cut).execute(&mut *write).await?;
    let responses = sqlx::query("DELETE FROM response WHERE created < ?").bind(cut).execute(&mut *write).await?;
    write.commit().await?;
    Ok(conversations.rows_affected() + responses.rows_affected())
}

/// Counts a conversation's bytes anew.
pub(super) async fn count_bytes(write: &mut Write, conversation: ConversationId) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE conversation SET bytes = (
            SELECT coalesce(sum(octet_length(asked) + octet_length(said) + octet_length(told)), 0)
            FROM conversation_turn WHERE conversation = ?1
        ) WHERE id = ?1",
    )
    .bind(conversation.as_bytes().as_slice())
    .execute(&mut **write)
    .await?;
    Ok(())
}

fn time(milliseconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(milliseconds).map_err(|_| broken("a time"))
}

pub(super) fn read<T: serde::de::DeserializeOwned>(text: &str, what: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| broken(what))
}

fn broken(what: &str) -> StoreError {
    StoreError::Broken(what.to_owned())
}
