//! Cuts a text, left to right, into atoms: pieces that nothing to be hidden crosses.
//!
//! Invariant: where an atom ends depends only on the text from its start to the next token. A text that comes in
//! pieces is therefore cut where the whole text is cut, and masking a stream equals masking the whole. An atom is
//! at most [`ATOM_BYTES_MAX`] long; one that would be longer is cut, and says so.

use std::ops::Range;

use super::lexicon::{Heat, Lexicon};
use super::normal::{Normal, is_odd, read};

/// The longest atom, and therefore the most that a stream holds back.
pub(super) const ATOM_BYTES_MAX: usize = 4 << 10;
/// How far back a better place for a cut is looked for.
const CUT_CHARACTERS: usize = 200;
/// The longest private key between its first and its last line.
const KEY_BYTES_MAX: usize = 16 << 10;

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Atom {
    /// Where it stands.
    pub(super) span: Range<usize>,
    /// Whether anything in it may have to be hidden.
    pub(super) hot: bool,
    /// Whether there may be a name in it.
    pub(super) named: bool,
    /// Whether there may be a word in it that stands beside names.
    pub(super) listed: bool,
    /// Whether there may be a number written in words in it.
    pub(super) worded: bool,
    /// Whether there may be something to normalise in it.
    pub(super) odd: bool,
    /// Whether it was cut because it became too long.
    pub(super) cut: bool,
}

/// Where the cutting of one text stands.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    start: usize,
    at: usize,
    seen: usize,
    hot: bool,
    named: bool,
    listed: bool,
    worded: bool,
    odd: bool,
    reach: u8,
    key: bool,
    room: Normal,
}

impl Cutter {
    /// The next atom of `text`; none where the text's end (`end`: nothing will follow) does not settle one.
    pub(super) fn next(&mut self, lexicon: &Lexicon, text: &str, end: bool) -> Option<Atom> {
        loop {
            // Never looked at twice: at most one atom's length beyond what is settled.
            let limit = text.len().min(self.start + self.bytes_max() + 1);
            let bytes = &text.as_bytes()[..limit];
            let token_end = run_end(bytes, self.seen.max(self.at), |byte| !is_space(byte));
            let next = run_end(bytes, token_end, is_space);
            if next - self.start > self.bytes_max() {
                return Some(self.force(text));
            }
            if next == text.len() && !end {
                self.seen = token_end;
                return None;
            }
            if self.at == text.len() {
                return (self.start < self.at).then(|| self.finish(false));
            }
            let token = &text[self.at..token_end];
            let gap = &text[token_end..next];
            let heat = self.heat(lexicon, token);
            (self.at, self.seen) = (next, next);
            if self.ends_after(token, gap, heat) {
                return Some(self.finish(false));
            }
        }
    }

    /// Where the piece that is not yet an atom begins.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Says that the first `bytes` of the text, all of them before the start, are gone.
    pub(super) fn forget(&mut self, bytes: usize) {
        self.start -= bytes;
        self.at -= bytes;
        self.seen -= bytes;
    }

    fn bytes_max(&self) -> usize {
        if self.key { KEY_BYTES_MAX } else { ATOM_BYTES_MAX }
    }

    fn heat(&mut self, lexicon: &Lexicon, token: &str) -> Heat {
        if token.len() > 9 && (token.contains("-----BEGIN") || token.contains("-----END")) {
            self.key = !token.contains("-----END");
        }
        let odd = is_odd(token);
        let heat = lexicon.heat(if odd { read(token, &mut self.room).text } else { token }, odd);
        self.odd |= odd;
        self.named |= heat.named;
        self.listed |= heat.listed;
        self.worded |= heat.worded;
        if heat.hot {
            self.hot = true;
            self.reach = self.reach.saturating_sub(1).max(heat.reach);
        } else {
            self.reach = self.reach.saturating_sub(1);
        }
        heat
    }

    fn ends_after(&self, token: &str, gap: &str, heat: Heat) -> bool {
        if self.key {
            return false;
        }
        let lines = gap.bytes().filter(|byte| *byte == b'\n').count();
        (self.reach == 0 && !heat.hot) || lines > 1 || (!gap.is_empty() && ends_sentence(token))
    }

    /// Cuts an atom that is too long: at the last token, or, where one token is too long, inside it.
    fn force(&mut self, text: &str) -> Atom {
        if self.at == self.start {
            self.at = gentle_cut(text, text.floor_char_boundary(self.start + self.bytes_max()));
            (self.hot, self.named, self.listed, self.worded, self.odd) = (true, true, true, true, true);
        }
        self.seen = self.at;
        self.finish(true)
    }

    fn finish(&mut self, cut: bool) -> Atom {
        let atom = Atom {
            span: self.start..self.at,
            hot: self.hot,
            named: self.named,
            listed: self.listed,
            worded: self.worded,
            odd: self.odd,
            cut,
        };
        (self.start, self.hot, self.named, self.listed) = (self.at, false, false, false);
        (self.worded, self.odd, self.reach, self.key) = (false, false, 0, false);
        atom
    }
}

/// Where a token that is too long is cut: behind one of its last letters that no number and no key has, if there is one.
fn gentle_cut(text: &str, most: usize) -> usize {
    let behind = text[..most].char_indices().rev().take(CUT_CHARACTERS);
    let letter = |c: char| c.is_alphabetic() && !c.is_ascii() && super::lexicon::figure(c).is_none();
    let mut letters = behind.filter(|(_, c)| letter(*c));
    letters.next().map_or(most, |(at, c)| at + c.len_utf8())
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// Where the bytes from `from` on that fit end.
fn run_end(bytes: &[u8], from: usize, fits: impl Fn(u8) -> bool) -> usize {
    bytes[from..].iter().position(|byte| !fits(*byte)).map_or(bytes.len(), |length| from + length)
}

/// A full stop behind a letter, and no digit in the token: the rest of a number, or of an address, does not follow.
fn ends_sentence(token: &str) -> bool {
    let bytes = token.as_bytes();
    let [.., before, b'.' | b'?' | b'!'] = bytes else { return false };
    (before.is_ascii_lowercase() || *before >= 0x80)
        && !bytes.iter().any(u8::is_ascii_digit)
        && !is_odd(token)
        && !token.chars().any(|c| super::lexicon::figure(c).is_some() && token.len() <= 4)
}

#[cfg(test)]
mod tests {
    use super::super::{Kinds, Masker, Packs};
    use super::*;

    fn atoms(text: &str) -> Vec<Atom> {
        let masker = Masker::new(&Packs::builtin().unwrap(), &Kinds::all()).unwrap();
        let mut cutter = Cutter::default();
        std::iter::from_fn(|| cutter.next(masker.lexicon(), text, true)).collect()
    }

    fn pieces(text: &str) -> Vec<&str> {
        atoms(text).into_iter().map(|atom| &text[atom.span]).collect()
    }

    #[test]
    fn atoms_cover_the_text_and_stay_within_their_bound() {
        let long = "가나다".repeat(3_000);
        let numbers = "12 ".repeat(5_000);
        for text in ["", " ", "가", "전화 010-1234-5678", &long, &numbers, "\n\n\n", "a\u{301}".repeat(5_000).as_str()]
        {
            let atoms = atoms(text);
            let mut at = 0;
            for atom in &atoms {
                assert_eq!(atom.span.start, at);
                assert!(atom.span.len() <= ATOM_BYTES_MAX && !atom.span.is_empty());
                at = atom.span.end;
            }
            assert_eq!(at, text.len());
        }
    }

    #[test]
    fn what_is_cold_is_let_go_token_by_token_and_a_number_is_kept_whole() {
        let text = "그런 것은 없습니다. 번호는 010-\n1234-5678 그런 것은 없습니다. 끝.";
        let pieces = pieces(text);
        assert_eq!(pieces.concat(), text);
        assert!(pieces.iter().any(|piece| piece.contains("010-\n1234-5678")));
        assert!(pieces.len() > 3, "{pieces:?}");
    }
}
