//! Chat turns in a conversation that is kept: what was said before goes along, and the turn is kept.

use std::sync::Arc;
use std::time::Instant;

use base::{ConversationId, Principal};
use engine::Role;

use crate::history::{Opening, keep};
use crate::turns::Party;
use crate::way::Said;
use crate::{ChatCall, ChatError, ReplyStream, Serving};

/// Where in a conversation a turn stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The conversation.
    pub conversation: ConversationId,
    /// The turn that it follows, 0 for the beginning; later turns are replaced. None for the last one.
    pub after: Option<u32>,
}

/// A turn of a conversation.
pub struct Turned {
    /// Its number, from 1.
    pub number: u32,
    /// The reply.
    pub stream: ReplyStream,
}

impl std::fmt::Debug for Turned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turned").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Serving {
    /// Takes a chat turn in a conversation. `call` has only what is new: what was said before goes to the model along
    /// with it, and its labels are joined in. The turn is kept on every way out.
    ///
    /// # Errors
    /// As for [`Serving::chat`], and [`ChatError::History`]; then the conversation is as it was.
    pub async fn converse(&self, principal: &Principal, place: Place, mut call: ChatCall) -> Result<Turned, ChatError> {
        let begun = Instant::now();
        let asked = call.messages.iter().rev().find(|message| message.role == Role::User);
        let Some(asked) = asked.map(|message| message.content.clone()) else {
            return Err(ChatError::invalid("messages", "nobody asks anything"));
        };
        if call.messages.iter().any(|message| !message.images.is_empty()) {
            return Err(ChatError::invalid("messages", "images are not taken in a conversation that is kept"));
        }
        if !call.tools.offered.is_empty() {
            return Err(ChatError::invalid("tools", "are not taken in a conversation that is kept"));
        }
        let mut opening = Opening {
            conversation: place.conversation,
            after: place.after,
            asked,
            model: call.model.clone(),
            label: self.input_label(principal),
            made_of: Default::default(),
        };
        self.history.may_begin(principal, &opening).await?;
        let earlier = self.history.earlier(principal, place.conversation, place.after).await?;
        if let Some(label) = &earlier.label {
            opening.label = opening.label.join(label);
        }
        opening.made_of.extend(&earlier.made_of);
        let earlier = earlier.put_before(&mut call.messages);
        let from_records = !opening.made_of.is_empty();
        let said = Said { call, earlier, label: opening.label.clone(), records: None, from_records };
        let made = self.say(&Party::of(1), principal, said).await?;
        opening.label = made.label;
        opening.made_of.extend(&made.made_of);
        let turn = self.history.begin(principal, &opening).await?;
        let stream = keep(Arc::clone(&self.history), turn, begun, made.stream);
        Ok(Turned { number: turn.number, stream })
    }
}
