//! Which inputs end the child, told by hash.
//!
//! All inputs that were in flight when the child died are suspects. A suspect may run again only alone, so that a
//! second death proves it guilty, and a good end clears it: companions of a poisonous input are never condemned with
//! it.

use std::collections::VecDeque;

use base::ContentHash;

const SUSPECTS_MAX: usize = 1024;
const GUILTY_MAX: usize = 1024;

/// What is known of inputs.
#[derive(Debug, Default)]
pub struct Suspicion {
    suspects: VecDeque<ContentHash>,
    guilty: VecDeque<ContentHash>,
}

impl Suspicion {
    /// The child died while it worked on these.
    pub fn died(&mut self, in_flight: &[ContentHash]) {
        for &input in in_flight {
            if !self.is_suspect(&input) {
                push(&mut self.suspects, input, SUSPECTS_MAX);
                continue;
            }
            self.suspects.retain(|suspect| *suspect != input);
            push(&mut self.guilty, input, GUILTY_MAX);
        }
    }

    /// The child came through with this input.
    pub fn survived(&mut self, input: &ContentHash) {
        self.suspects.retain(|suspect| suspect != input);
    }

    /// Whether this input must run alone.
    pub fn is_suspect(&self, input: &ContentHash) -> bool {
        self.suspects.contains(input)
    }

    /// Whether this input is not tried again.
    pub fn is_guilty(&self, input: &ContentHash) -> bool {
        self.guilty.contains(input)
    }
}

fn push(list: &mut VecDeque<ContentHash>, input: ContentHash, max: usize) {
    if list.contains(&input) {
        return;
    }
    if list.len() == max {
        list.pop_front();
    }
    list.push_back(input);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_input_that_kills_alone_is_guilty() {
        let [poison, good, bystander] = ["poison", "good", "bystander"].map(ContentHash::of);
        let mut suspicion = Suspicion::default();
        suspicion.died(&[poison, good, bystander]);
        assert!([poison, good, bystander].iter().all(|input| suspicion.is_suspect(input)));
        suspicion.survived(&good);
        suspicion.died(&[poison]);
        assert!(suspicion.is_guilty(&poison) && !suspicion.is_suspect(&poison));
        assert!(!suspicion.is_guilty(&good) && !suspicion.is_suspect(&good));
        assert!(!suspicion.is_guilty(&bystander));
    }

    #[test]
    fn the_lists_have_an_end() {
        let mut suspicion = Suspicion::default();
        for n in 0..3000 {
            let input = ContentHash::of(format!("{n}"));
            suspicion.died(&[input]);
            suspicion.died(&[input]);
            suspicion.died(&[ContentHash::of(format!("other {n}"))]);
        }
        assert_eq!((suspicion.suspects.len(), suspicion.guilty.len()), (SUSPECTS_MAX, GUILTY_MAX));
        assert!(suspicion.is_guilty(&ContentHash::of("2999")) && !suspicion.is_guilty(&ContentHash::of("0")));
    }
}
