//! Word lists that are looked for in a text all at once.
//!
//! A word is looked up only where its first two characters stand, which one bit says; so most of a text costs a few
//! instructions a character, and thousands of words take some hundred kilobytes. The work is linear in the text: what
//! is compared at one place is bounded by the lists.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

/// What stands behind the last character.
pub(super) const NOTHING: u32 = u32::MAX;

/// A set of words that is only asked, never filled from outside.
pub(super) type WordSet = HashSet<String, BuildHasherDefault<Mixer>>;

/// Words, each with its place in the list that they came from.
#[derive(Debug)]
pub(super) struct Words {
    /// Characters that are a word.
    singles: Bits,
    any_single: bool,
    pairs: Bits,
    /// For each pair of first characters its words: a range of `words`.
    ranges: HashMap<u64, Range<usize>, BuildHasherDefault<Mixer>>,
    /// In each range the longest first.
    words: Vec<(String, usize)>,
}

impl Words {
    pub(super) fn new<'w>(list: impl IntoIterator<Item = &'w str>) -> Self {
        let mut words: Vec<_> = list.into_iter().enumerate().map(|(place, word)| (word.to_owned(), place)).collect();
        words.retain(|(word, _)| !word.is_empty());
        words.sort_by_key(|(word, _)| (opening(word), std::cmp::Reverse(word.len())));
        let mut found = Self {
            singles: Bits::default(),
            any_single: false,
            pairs: Bits::default(),
            ranges: HashMap::default(),
            words,
        };
        for (place, (word, _)) in found.words.iter().enumerate() {
            let (first, second) = opening(word);
            match second {
                NOTHING => {
                    found.singles.set(first);
                    found.any_single = true;
                }
                second => found.pairs.set(mixed(first, second)),
            }
            found.ranges.entry(key(first, second)).or_insert(place..place).end = place + 1;
        }
        found
    }

    /// The words in `text`, left to right, at each place the longest, none inside another: start, end and place.
    pub(super) fn longest<'t>(&'t self, text: &'t str) -> impl Iterator<Item = (usize, usize, usize)> + 't {
        let mut at = 0;
        std::iter::from_fn(move || {
            while let Some(start) = self.next(text, at) {
                if let Some((length, place)) = self.at(text, start).next() {
                    at = start.at + length;
                    return Some((start.at, at, place));
                }
                at = start.behind;
            }
            at = text.len();
            None
        })
    }

    /// The places of all words in `text`, also those inside others.
    pub(super) fn all<'t>(&'t self, text: &'t str) -> impl Iterator<Item = usize> + 't {
        let mut at = 0;
        let starts = std::iter::from_fn(move || {
            let start = self.next(text, at)?;
            at = start.behind;
            Some(start)
        });
        starts.flat_map(move |start| self.at(text, start)).map(|(_, place)| place)
    }

    /// Whether words may begin with these characters. Said too often rather than too seldom.
    #[inline(always)]
    pub(super) fn may_begin(&self, first: u32, second: u32) -> bool {
        self.pairs.has(mixed(first, second)) || (self.any_single && self.singles.has(first))
    }

    /// Where from `at` on a word may begin.
    fn next(&self, text: &str, mut at: usize) -> Option<Start> {
        let bytes = text.as_bytes();
        if at == bytes.len() {
            return None;
        }
        let (mut first, mut length) = character(bytes, at);
        loop {
            let behind = at + length;
            let (second, next) = if behind < bytes.len() { character(bytes, behind) } else { (NOTHING, 0) };
            if self.may_begin(first, second) {
                return Some(Start { at, behind, two: length + next, first, second });
            }
            if next == 0 {
                return None;
            }
            (at, first, length) = (behind, second, next);
        }
    }

    /// The words that begin at a place, the longest first: their lengths and places in the list.
    pub(super) fn at<'t>(&'t self, text: &'t str, start: Start) -> impl Iterator<Item = (usize, usize)> + 't {
        let rest = &text.as_bytes()[start.at..];
        let single = self.any_single && self.singles.has(start.first) && start.second != NOTHING;
        let keys = [Some(start.second), single.then_some(NOTHING)];
        let ranges = keys.into_iter().flatten().filter_map(move |second| self.ranges.get(&key(start.first, second)));
        let words = ranges.flat_map(|range| &self.words[range.clone()]);
        // Nothing more has to be compared of a word of two characters.
        let is_here = move |word: &String| word.len() <= start.two || rest.starts_with(word.as_bytes());
        words.filter(move |(word, _)| is_here(word)).map(|(word, place)| (word.len(), *place))
    }
}

/// Where a word may begin, and the two characters there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) at: usize,
    /// Where the second character stands.
    pub(super) behind: usize,
    /// How many bytes the two have.
    pub(super) two: usize,
    pub(super) first: u32,
    pub(super) second: u32,
}

/// The first two characters of a word.
fn opening(word: &str) -> (u32, u32) {
    let mut characters = word.chars().map(u32::from);
    (characters.next().unwrap_or(NOTHING), characters.next().unwrap_or(NOTHING))
}

fn key(first: u32, second: u32) -> u64 {
    u64::from(first) << 32 | u64::from(second)
}

fn mixed(first: u32, second: u32) -> u32 {
    (first.wrapping_mul(0x9E37_79B1) ^ second.wrapping_mul(0x85EB_CA77)) >> 16
}

/// The character at a place of a text, and its length in bytes.
#[inline(always)]
pub(super) fn character(bytes: &[u8], at: usize) -> (u32, usize) {
    let more = |byte: u8| u32::from(byte & 0x3F);
    match bytes[at..] {
        [first @ 0xE0..0xF0, second, third, ..] => (u32::from(first & 0x0F) << 12 | more(second) << 6 | more(third), 3),
        [first @ ..0x80, ..] => (first.into(), 1),
        [first @ ..0xE0, second, ..] => (u32::from(first & 0x1F) << 6 | more(second), 2),
        [first, second, third, fourth, ..] => {
            (u32::from(first & 0x07) << 18 | more(second) << 12 | more(third) << 6 | more(fourth), 4)
        }
        // Not in a text.
        _ => (NOTHING, 1),
    }
}

/// A set of numbers, of which those share a bit whose last 16 bits are the same.
#[derive(Debug)]
pub(super) struct Bits(Box<[u64; 1 << 10]>);

impl Default for Bits {
    fn default() -> Self {
        Self(Box::new([0; 1 << 10]))
    }
}

impl Bits {
    pub(super) fn set(&mut self, number: u32) {
        self.0[usize::from(number as u16 >> 6)] |= 1 << (number & 63);
    }

    #[inline(always)]
    pub(super) fn has(&self, number: u32) -> bool {
        self.0[usize::from(number as u16 >> 6)] & 1 << (number & 63) != 0
    }
}

/// A quick hasher for what nobody outside can fill.
#[derive(Debug, Default)]
pub(super) struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((part, more)) = rest.split_first_chunk() {
            self.write_u64(u64::from_le_bytes(*part));
            rest = more;
        }
        if !rest.is_empty() {
            self.write_u64(rest.iter().fold(0, |part, byte| part << 8 | u64::from(*byte)));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(byte.into());
    }

    fn write_u64(&mut self, part: u64) {
        self.0 = (self.0.rotate_left(5) ^ part).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: [&str; 9] = ["장", "부장", "부장판사", "판사", "로 1", "at", "사과", "과장", "𝟎𝟏"];

    fn longest(text: &str) -> Vec<&str> {
        Words::new(LIST).longest(text).map(|(start, end, _)| &text[start..end]).collect()
    }

    #[test]
    fn the_longest_word_is_found_at_the_first_place() {
        assert_eq!(longest("부장판사와 부장 판사"), ["부장판사", "부장", "판사"]);
        assert_eq!(longest("사과장"), ["사과", "장"], "from the left, and not again inside");
        assert_eq!(longest("시장at로 1𝟎𝟏"), ["장", "at", "로 1", "𝟎𝟏"]);
        assert_eq!(longest("부 판 로1 a"), [""; 0]);
    }

    #[test]
    fn all_words_are_found_also_inside_others() {
        let words = Words::new(LIST);
        let all = |text: &str| words.all(text).map(|place| LIST[place]).collect::<Vec<_>>();
        assert_eq!(all("부장판사"), ["부장판사", "부장", "장", "판사"]);
        assert_eq!(all("사과장"), ["사과", "과장", "장"]);
        assert!(all("").is_empty() && Words::new([]).all("가나다").next().is_none());
    }

    #[test]
    fn every_word_of_a_long_list_is_found_as_it_is_by_looking_for_it() {
        let list: Vec<String> = ('가'..'나').zip('다'..'라').map(|(one, other)| format!("{one}{other}")).collect();
        let words = Words::new(list.iter().map(String::as_str));
        let text = list.concat();
        let found: Vec<&str> = words.longest(&text).map(|(start, end, _)| &text[start..end]).collect();
        assert!(found == list, "{} of {}", found.len(), list.len());
    }
}
