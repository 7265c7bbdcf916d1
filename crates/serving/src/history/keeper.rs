//! Keeping a turn: begun before the first word goes out, written on every way out.
//!
//! The row is there from the beginning, so that a process that dies loses the reply and not the question. Whoever hangs
//! up has what was said until then kept; a turn or conversation that was deleted meanwhile stays deleted.

use std::sync::Arc;
use std::time::Instant;

use base::Principal;
use futures::{StreamExt, stream};
use serde_json::Value;
use sqlx::Row;
use store::StoreError;

use super::conversations::{TITLE_CHARS_MAX, owner_bytes};
use super::table::{self, rank};
use super::turn::{OpenTurn, Opening};
use super::{History, HistoryError, Told, TurnEnd, now};
use crate::{ChatError, Finish, ReplyEvent, ReplyStream};

const DERIVED_TITLE_CHARS: usize = 60;

impl History {
    /// Whether a turn could begin: asked before anything costs. What is there may change until it does.
    pub(crate) async fn may_begin(&self, principal: &Principal, opening: &Opening) -> Result<(), HistoryError> {
        let mut read = self.store.read().acquire().await?;
        self.check(&mut read, principal, opening).await.map(drop)
    }

    /// Begins a turn: those after its place go, and it stands there without a reply.
    pub(crate) async fn begin(&self, principal: &Principal, opening: &Opening) -> Result<OpenTurn, HistoryError> {
        let mut write = self.store.write().await?;
        let number = self.check(&mut write, principal, opening).await?;
        let id = opening.conversation.as_bytes().as_slice();
        let replaced = sqlx::query("DELETE FROM conversation_turn WHERE conversation = ? AND number >= ?")
            .bind(id)
            .bind(number)
            .execute(&mut *write)
            .await?
            .rows_affected();
        let now = now();
        let row = sqlx::query(
            "INSERT INTO conversation_turn (conversation, number, ended, label, made_of, model, asked, said, told, created)
             VALUES (?, ?, 'writing', ?, ?, ?, ?, '', ?, ?)",
        )
        .bind(id)
        .bind(number)
        .bind(table::written(&opening.label)?)
        .bind(table::written(&opening.made_of)?)
        .bind(&opening.model)
        .bind(&opening.asked)
        .bind(table::empty_told()?)
        .bind(now)
        .execute(&mut *write)
        .await?
        .last_insert_rowid();
        sqlx::query(
            "UPDATE conversation SET model = ?, updated = ?, class = max(class, ?),
                title = CASE WHEN title = '' THEN ? ELSE title END WHERE id = ?",
        )
        .bind(&opening.model)
        .bind(now)
        .bind(rank(principal.input_class))
        .bind(derived_title(&opening.asked))
        .bind(id)
        .execute(&mut *write)
        .await?;
        table::count_bytes(&mut write, opening.conversation).await?;
        write.commit().await?;
        if replaced > 0 {
            self.store.scrub().await?;
        }
        Ok(OpenTurn { row, number })
    }

    /// The number that the turn will have, if it may begin.
    async fn check(
        &self,
        connection: &mut sqlx::SqliteConnection,
        principal: &Principal,
        opening: &Opening,
    ) -> Result<u32, HistoryError> {
        if !self.config.enabled {
            return Err(HistoryError::Off);
        }
        let row = self.row(&mut *connection, principal, opening.conversation).await?;
        let last: u32 = sqlx::query("SELECT coalesce(max(number), 0) FROM conversation_turn WHERE conversation = ?")
            .bind(opening.conversation.as_bytes().as_slice())
            .fetch_one(&mut *connection)
            .await?
            .try_get(0)?;
        let after = opening.after.unwrap_or(last);
        if after > last {
            return Err(HistoryError::invalid("after", format!("the conversation has {last} turns")));
        }
        if after >= self.config.turns_max {
            let reason = format!("a conversation has at most {} turns; begin another", self.config.turns_max);
            return Err(HistoryError::Full { reason });
        }
        if row.conversation.bytes + opening.asked.len() as u64 > self.config.conversation_bytes_max {
            let most = self.config.conversation_bytes_max;
            let reason = format!("a conversation has at most {most} bytes; begin another");
            return Err(HistoryError::Full { reason });
        }
        let bytes = owner_bytes(connection, principal).await?;
        self.check_owner_bytes(bytes)?;
        Ok(after + 1)
    }

    async fn end(&self, turn: OpenTurn, end: TurnEnd, kept: &Kept) -> Result<(), StoreError> {
        let mut write = self.store.write().await?;
        let row = sqlx::query(
            "UPDATE conversation_turn SET ended = ?, said = ?, told = ? WHERE id = ? RETURNING conversation",
        )
        .bind(table::word(end))
        .bind(&kept.text)
        .bind(table::written(&kept.told)?)
        .bind(turn.row)
        .fetch_optional(&mut *write)
        .await?;
        let Some(row) = row else { return Ok(()) };
        let conversation: Vec<u8> = row.try_get(0)?;
        let conversation = base::ConversationId::try_from(conversation.as_slice())
            .map_err(|_| StoreError::Broken("a turn's conversation".to_owned()))?;
        table::count_bytes(&mut write, conversation).await?;
        Ok(write.commit().await?)
    }
}

/// What a turn has told so far.
#[derive(Debug, Default)]
struct Kept {
    text: String,
    told: Told,
}

impl Kept {
    fn note(&mut self, event: &ReplyEvent, begun: Instant) {
        match event {
            ReplyEvent::Sources(sources) => self.told.sources = values(sources),
            ReplyEvent::Extract(extract) => self.told.extract = values(extract),
            ReplyEvent::Text(text) => {
                self.told.first_ms.get_or_insert_with(|| milliseconds(begun));
                self.text.push_str(text);
            }
            // No conversation calls tools or asks how likely its words were.
            ReplyEvent::ToolCall(_) | ReplyEvent::Tokens(_) => {}
            ReplyEvent::Citation(citation) => self.told.citations.extend(values([citation])),
            ReplyEvent::Unsupported(unsupported) => self.told.unsupported.extend(values([unsupported])),
            ReplyEvent::Done(done) => {
                self.told.kind = Some(done.kind);
                self.told.abstained = done.abstained;
                self.told.unsupported = values(&done.unsupported);
                self.told.withheld = done.withheld;
                self.told.usage = Some(done.usage);
            }
        }
    }
}

/// A reply that is kept while it is read.
struct Keeper {
    history: Arc<History>,
    turn: OpenTurn,
    begun: Instant,
    kept: Kept,
    inner: ReplyStream,
    /// How it ended, once it has.
    end: Option<TurnEnd>,
    written: bool,
}

impl Keeper {
    async fn next(&mut self) -> Option<Result<ReplyEvent, ChatError>> {
        let event = self.inner.next().await?;
        let end = match &event {
            Ok(event) => {
                self.kept.note(event, self.begun);
                match event {
                    ReplyEvent::Done(done) if done.finish == Finish::Length => Some(TurnEnd::Length),
                    ReplyEvent::Done(_) => Some(TurnEnd::Complete),
                    _ => None,
                }
            }
            Err(error) => {
                self.kept.told.error = Some(error.to_string());
                Some(TurnEnd::Failed)
            }
        };
        if let Some(end) = end {
            self.kept.told.ms = milliseconds(self.begun);
            self.end = Some(end);
            // Kept before the client learns of the end, so that what it asks next sees this.
            if let Err(error) = self.history.end(self.turn, end, &self.kept).await {
                tracing::error!(%error, "a turn was not kept");
            }
            self.written = true;
        }
        Some(event)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if self.written {
            return;
        }
        let (history, turn, mut kept) = (Arc::clone(&self.history), self.turn, std::mem::take(&mut self.kept));
        // Whoever leaves while the end is being written leaves a reply that has ended.
        let end = self.end.unwrap_or(TurnEnd::Stopped);
        kept.told.ms = milliseconds(self.begun);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let write = async move {
                if let Err(error) = history.end(turn, end, &kept).await {
                    tracing::error!(%error, "a turn was not kept");
                }
            };
            self.history.writing.spawn_on(write, &runtime);
        }
    }
}

/// A reply that is kept as the turn that was begun.
pub(crate) fn keep(history: Arc<History>, turn: OpenTurn, begun: Instant, inner: ReplyStream) -> ReplyStream {
    let stamp = inner.stamp().clone();
    let keeper = Keeper { history, turn, begun, kept: Kept::default(), inner, end: None, written: false };
    let events = stream::unfold(keeper, |mut keeper| async move { keeper.next().await.map(|event| (event, keeper)) });
    ReplyStream::new(stamp, events)
}

fn values<T: serde::Serialize>(items: impl IntoIterator<Item = T>) -> Vec<Value> {
    // None of these shapes can fail to be written: their keys are texts.
    items.into_iter().filter_map(|item| serde_json::to_value(item).ok()).collect()
}

fn milliseconds(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The beginning of the first question, as one line.
fn derived_title(asked: &str) -> String {
    const { assert!(DERIVED_TITLE_CHARS < TITLE_CHARS_MAX) };
    let line = asked.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("…");
    let mut title: String = line.chars().filter(|letter| !letter.is_control()).take(DERIVED_TITLE_CHARS).collect();
    if title.len() < line.len() {
        title.push('…');
    }
    title
}
