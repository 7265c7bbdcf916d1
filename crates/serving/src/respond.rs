//! Chat turns that may go on from responses that were kept.

use std::ops::Range;

use base::Principal;

use crate::history::Basis;
use crate::turns::Party;
use crate::way::Said;
use crate::{ChatCall, ChatError, ReplyStream, Serving};

/// Records that a call names by itself, as a tool that searches them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// The corpora's names.
    pub corpora: Vec<String>,
    /// Passages that the answer may be made of, 1 to 16; none for the usual number.
    pub passages_max: Option<u32>,
}

impl Serving {
    /// Takes a chat turn, or answers from `records`, where some messages come from responses that were kept. `basis` has taken in what those were
    /// made of, and takes in what this one is. The messages of `droppable` go, the oldest first, where the window is too
    /// small for all.
    ///
    /// # Errors
    /// As for [`Serving::chat`].
    pub async fn respond(
        &self,
        principal: &Principal,
        call: ChatCall,
        droppable: Range<usize>,
        records: Option<Records>,
        basis: &mut Basis,
    ) -> Result<ReplyStream, ChatError> {
        let mut label = self.input_label(principal);
        if let Some(based) = &basis.label {
            label = label.join(based);
        }
        let from_records = !basis.made_of.is_empty();
        let said = Said { call, earlier: droppable, label, records, from_records };
        let made = self.say(&Party::of(1), principal, said).await?;
        basis.join(&made.label, &made.made_of);
        Ok(made.stream)
    }
}
