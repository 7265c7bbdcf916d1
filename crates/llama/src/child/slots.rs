//! Which sequence takes a new prompt, so that what is computed already is computed no more.
//!
//! Invariant: a prefix is taken up only under an equal [`CacheKey`], so that nobody can tell from a quick answer what
//! another owner asked.

use crate::wire::CacheKey;

/// One sequence of the context.
#[derive(Debug, Clone, Default)]
pub struct Slot {
    /// The tokens whose state the context holds for this sequence.
    pub tokens: Vec<i32>,
    /// Whose they are.
    pub key: Option<CacheKey>,
    /// Whether a chat is being written in it.
    pub busy: bool,
    /// When it was used last, as a count.
    pub used: u64,
}

/// Where a prompt goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The slot that takes it.
    pub slot: usize,
    /// The slot that its first tokens are copied from, if it is another one.
    pub donor: Option<usize>,
    /// How many of its tokens need no computing.
    pub kept: usize,
}

/// Finds the place for a prompt, or none while every slot is busy.
pub fn place(slots: &[Slot], key: CacheKey, prompt: &[i32]) -> Option<Place> {
    // The last token is always computed: its outcome is what the answer starts from.
    let prompt = &prompt[..prompt.len().saturating_sub(1)];
    let shared = |slot: &Slot| {
        let same = slot.key == Some(key);
        if same { slot.tokens.iter().zip(prompt).take_while(|(a, b)| a == b).count() } else { 0 }
    };
    let oldest = |except: Option<usize>| {
        let idle = slots.iter().enumerate().filter(|(at, slot)| !slot.busy && Some(*at) != except);
        idle.min_by_key(|(_, slot)| (!slot.tokens.is_empty(), slot.used)).map(|(at, _)| at)
    };
    let (donor, kept) = slots.iter().map(shared).enumerate().max_by_key(|&(at, kept)| (kept, !slots[at].busy))?;
    if kept == 0 {
        return Some(Place { slot: oldest(None)?, donor: None, kept: 0 });
    }
    // A history that goes on is continued in place. One that merely begins alike is worth keeping for its own next
    // question, so the new prompt takes a copy of the beginning, which costs no memory.
    let goes_on = kept * 2 >= slots[donor].tokens.len();
    if !slots[donor].busy && goes_on {
        return Some(Place { slot: donor, donor: None, kept });
    }
    match oldest(Some(donor)) {
        Some(slot) => Some(Place { slot, donor: Some(donor), kept }),
        None if !slots[donor].busy => Some(Place { slot: donor, donor: None, kept }),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: CacheKey = CacheKey { salt: [1; 16], adapter: 0 };
    const B: CacheKey = CacheKey { salt: [2; 16], adapter: 0 };
    const A_ADAPTED: CacheKey = CacheKey { salt: [1; 16], adapter: 1 };

    fn slot(key: CacheKey, tokens: &[i32], busy: bool, used: u64) -> Slot {
        Slot { tokens: tokens.to_vec(), key: Some(key), busy, used }
    }

    #[test]
    fn the_longest_shared_beginning_is_taken_up() {
        let slots = [slot(A, &[1, 2, 9, 9], false, 5), slot(A, &[1, 2, 3, 4], false, 1), Slot::default()];
        assert_eq!(place(&slots, A, &[1, 2, 3, 4, 5]), Some(Place { slot: 1, donor: None, kept: 4 }));
    }

    #[test]
    fn another_owner_or_adapter_shares_nothing() {
        let slots = [slot(A, &[1, 2, 3, 4], false, 1), slot(A, &[1, 2, 3, 4], true, 2)];
        for key in [B, A_ADAPTED] {
            assert_eq!(place(&slots, key, &[1, 2, 3, 4, 5]), Some(Place { slot: 0, donor: None, kept: 0 }));
        }
    }

    #[test]
    fn a_busy_donor_is_copied_from() {
        let slots = [slot(A, &[1, 2, 3, 4], true, 9), slot(B, &[7], false, 3), slot(B, &[8], false, 2)];
        assert_eq!(place(&slots, A, &[1, 2, 3, 5]), Some(Place { slot: 2, donor: Some(0), kept: 3 }));
    }

    #[test]
    fn a_long_history_is_not_thrown_away_for_a_short_greeting() {
        let long: Vec<i32> = (0..100).collect();
        let slots = [slot(A, &long, false, 1), slot(B, &[5], false, 7)];
        assert_eq!(place(&slots, A, &[0, 1, 2, 777]), Some(Place { slot: 1, donor: Some(0), kept: 3 }));
        assert_eq!(place(&slots[..1], A, &[0, 1, 2, 777]), Some(Place { slot: 0, donor: None, kept: 3 }));
    }

    #[test]
    fn the_last_token_is_always_computed() {
        let slots = [slot(A, &[1, 2, 3], false, 1)];
        assert_eq!(place(&slots, A, &[1, 2, 3]), Some(Place { slot: 0, donor: None, kept: 2 }));
        assert_eq!(place(&slots, A, &[1]), Some(Place { slot: 0, donor: None, kept: 0 }));
    }

    #[test]
    fn the_slot_unused_for_longest_goes_first_and_empty_ones_before_it() {
        let slots = [slot(A, &[1], false, 5), slot(A, &[2], false, 3)];
        assert_eq!(place(&slots, B, &[9, 9]).unwrap().slot, 1);
        let slots = [slot(A, &[1], false, 5), slot(A, &[2], false, 3), Slot::default()];
        assert_eq!(place(&slots, B, &[9, 9]).unwrap().slot, 2);
    }

    #[test]
    fn no_place_while_all_are_busy() {
        let slots = [slot(A, &[1, 2], true, 1), slot(B, &[1], true, 1)];
        assert_eq!(place(&slots, A, &[1, 2, 3]), None);
        assert_eq!(place(&slots, B, &[9, 9]), None);
    }
}
