//! Showing again what was said: only to whom the same records would be shown now.
//!
//! A clearance may have been lowered since, a corpus closed to this reader, a document removed. What a turn was made of
//! is asked for again each time, and one part that may not be seen hides the whole turn.

use std::collections::{BTreeMap, BTreeSet};

use base::{ConversationId, CorpusId, DocumentId, Principal};
use engine::{Message, Role};

use super::table::{self, TurnRow};
use super::turn::{Earlier, MadeOf, TurnEnd};
use super::{Hidden, History, HistoryError, Shown, class_of};

/// What of a conversation goes along to the model: its last turns, within these bounds.
const EARLIER_TURNS_MAX: u32 = 64;
const EARLIER_BYTES_MAX: usize = 256 << 10;

impl History {
    /// Turns as far as the principal may see them now.
    pub(super) async fn recall(&self, principal: &Principal, turns: Vec<TurnRow>) -> Result<Vec<Shown>, HistoryError> {
        let standing = self.standing(principal, turns.iter().map(|row| &row.made_of)).await?;
        let shown = turns.into_iter().map(|row| {
            let class = row.turn.label.class;
            let hidden = if class > class_of(principal) {
                format!("this needs clearance for `{class}` records")
            } else if !stands(&standing, &row.made_of) {
                "the records that this was made of are not here for you any more".to_owned()
            } else {
                return Shown::Turn(Box::new(row.turn));
            };
            Shown::Hidden(Hidden { number: row.turn.number, created: row.turn.created, hidden })
        });
        Ok(shown.collect())
    }

    /// What was said in a conversation up to a turn (none for the last one), for the model that goes on with it. Turns
    /// that may not be shown to the principal do not go along.
    pub(crate) async fn earlier(
        &self,
        principal: &Principal,
        conversation: ConversationId,
        after: Option<u32>,
    ) -> Result<Earlier, HistoryError> {
        let mut read = self.store.read().begin().await?;
        self.row(&mut read, principal, conversation).await?;
        let rows = sqlx::query(
            "SELECT * FROM conversation_turn WHERE conversation = ? AND number <= ? ORDER BY number DESC LIMIT ?",
        )
        .bind(conversation.as_bytes().as_slice())
        .bind(after.unwrap_or(u32::MAX))
        .bind(EARLIER_TURNS_MAX)
        .fetch_all(&mut *read)
        .await?;
        drop(read);
        let rows: Vec<TurnRow> = rows.iter().map(table::turn).collect::<Result<_, _>>()?;
        let made_of: Vec<MadeOf> = rows.iter().map(|row| row.made_of.clone()).collect();
        let (mut earlier, mut bytes) = (Earlier::default(), 0);
        for (shown, made_of) in self.recall(principal, rows).await?.into_iter().zip(made_of) {
            let Shown::Turn(turn) = shown else { continue };
            if turn.text.is_empty() || matches!(turn.ended, TurnEnd::Writing | TurnEnd::Broken) {
                continue;
            }
            bytes += turn.asked.len() + turn.text.len();
            if bytes > EARLIER_BYTES_MAX {
                break;
            }
            earlier.messages.push(Message::new(Role::Assistant, turn.text));
            earlier.messages.push(Message::new(Role::User, turn.asked));
            earlier.label = Some(earlier.label.map_or_else(|| turn.label.clone(), |label| label.join(&turn.label)));
            earlier.made_of.extend(&made_of);
        }
        earlier.messages.reverse();
        Ok(earlier)
    }

    /// For each set of corpora, the documents in it that the principal could find now; none where it may not search.
    pub(super) async fn standing<'a>(
        &self,
        principal: &Principal,
        made_of: impl Iterator<Item = &'a MadeOf>,
    ) -> Result<Standing, HistoryError> {
        let mut asked: BTreeMap<&BTreeSet<CorpusId>, BTreeSet<DocumentId>> = BTreeMap::new();
        for made_of in made_of.filter(|made_of| !made_of.corpora.is_empty()) {
            asked.entry(&made_of.corpora).or_default().extend(&made_of.documents);
        }
        let mut standing = Standing::new();
        for (corpora, documents) in asked {
            let ids: Vec<CorpusId> = corpora.iter().copied().collect();
            let terms: Option<Vec<_>> = self.search.terms_of(&ids).await?.into_iter().collect();
            let permit = terms.and_then(|terms| self.guard.may_search(principal, &terms, &self.purpose).ok());
            let found = match permit {
                Some(permit) => Some(self.search.standing(&permit, &documents).await?),
                None => None,
            };
            standing.insert(corpora.clone(), found);
        }
        Ok(standing)
    }
}

pub(super) type Standing = BTreeMap<BTreeSet<CorpusId>, Option<BTreeSet<DocumentId>>>;

pub(super) fn stands(standing: &Standing, made_of: &MadeOf) -> bool {
    if made_of.corpora.is_empty() {
        return made_of.documents.is_empty();
    }
    matches!(standing.get(&made_of.corpora), Some(Some(found)) if made_of.documents.is_subset(found))
}
