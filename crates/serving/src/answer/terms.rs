//! A text as what can be compared: words, identifiers, and numbers with their units.
//!
//! Words are compared loosely (Korean endings come off, bigrams make up for the rest); numbers, units, dates and
//! identifiers are compared exactly, since a small change there changes what is said.

use std::collections::HashSet;

use super::language::{KOREAN_ENDINGS, KOREAN_WHOLE, is_empty_word, is_hangul};
use super::number::{self, Number};
use super::plain::meanings;

/// A text, taken apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text {
    words: Vec<String>,
    roots: HashSet<String>,
    meanings: HashSet<u8>,
    bigrams: HashSet<(char, char)>,
    pub numbers: Vec<Number>,
    pub identifiers: Vec<String>,
    letters: u32,
    hangul: u32,
}

/// A word that is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Term {
    /// The word without its ending.
    pub stem: String,
    /// The stem in the one form that all forms of a verb share.
    root: String,
    meanings: Vec<u8>,
    hangul: bool,
}

impl Term {
    /// Whether both are one word, or mean the same.
    pub fn same(&self, other: &Term) -> bool {
        self.root == other.root || self.meanings.iter().any(|meaning| other.meanings.contains(meaning))
    }

    /// A verb of one or two letters, such as `내다` or `알리다`: Korean says most things with one of many.
    pub fn is_short(&self) -> bool {
        self.hangul && self.stem.chars().count() <= 2
    }
}

enum Run {
    Word(String, bool),
    Number(Number),
    Identifier(String),
}

impl Text {
    pub fn of(text: &str) -> Self {
        let mut found = Self::default();
        let (mut hangul, mut letters) = (0_u32, 0_u32);
        for run in runs(text) {
            match run {
                Run::Word(word, is_hangul) => {
                    let chars: Vec<char> = word.chars().collect();
                    letters += chars.len() as u32;
                    if is_hangul {
                        hangul += chars.len() as u32;
                        found.bigrams.extend(chars.windows(2).map(|pair| (pair[0], pair[1])));
                        found.roots.insert(root(stem_hangul(&word)));
                        found.meanings.extend(meanings(&word));
                        found.words.push(word);
                    } else {
                        let stem = stem_latin(&word);
                        found.meanings.extend(meanings(&stem));
                        found.words.push(stem);
                    }
                }
                Run::Number(number) => found.numbers.push(number),
                Run::Identifier(identifier) => found.identifiers.push(identifier),
            }
        }
        (found.letters, found.hangul) = (letters, hangul);
        found
    }

    /// Joins another text's content to this one.
    pub fn extend(&mut self, other: &Text) {
        self.words.extend(other.words.iter().cloned());
        self.roots.extend(other.roots.iter().cloned());
        self.meanings.extend(&other.meanings);
        self.bigrams.extend(&other.bigrams);
        self.numbers.extend(other.numbers.iter().cloned());
        self.identifiers.extend(other.identifiers.iter().cloned());
    }

    /// Whether one is Korean and the other is not; a text with hardly any words is of every language.
    pub fn is_foreign_to(&self, other: &Text) -> bool {
        let korean = |text: &Text| 3 * text.hangul > text.letters;
        self.letters >= 4 && other.letters >= 4 && korean(self) != korean(other)
    }

    /// How much of a word is here, 0 to 1.
    pub fn holds(&self, term: &Term) -> f32 {
        if term.meanings.iter().any(|meaning| self.meanings.contains(meaning)) || self.roots.contains(&term.root) {
            return 1.0;
        }
        if !term.hangul {
            return f32::from(u8::from(self.words.contains(&term.stem)));
        }
        let chars: Vec<char> = term.stem.chars().collect();
        if chars.len() < 2 {
            // A single letter begins many words, so it is here only as a word of its own.
            return 0.0;
        }
        if self.words.iter().any(|word| word.contains(&term.stem)) {
            return 1.0;
        }
        let pairs = chars.windows(2).filter(|pair| self.bigrams.contains(&(pair[0], pair[1]))).count();
        let share = pairs as f32 / (chars.len() - 1) as f32;
        // A word of two letters is its one bigram, which may then stand anywhere; half a long word is a weak sign.
        if share >= 0.5 { share * 0.9 } else { share * 0.3 }
    }
}

/// The words of a text that say what it is about, each once, in the order of the text.
pub(crate) fn terms(text: &str) -> Vec<Term> {
    let mut found = Vec::new();
    for run in runs(text) {
        let term = match run {
            Run::Word(word, true) => {
                let stem = stem_hangul(&word);
                if is_empty_word(&word) || is_empty_word(stem) {
                    continue;
                }
                Term { stem: stem.to_owned(), root: root(stem), meanings: meanings(&word).collect(), hangul: true }
            }
            Run::Word(word, false) => {
                let stem = stem_latin(&word);
                if is_empty_word(&word) || is_empty_word(&stem) || stem.chars().count() < 2 {
                    continue;
                }
                Term { meanings: meanings(&stem).collect(), root: stem.clone(), stem, hangul: false }
            }
            _ => continue,
        };
        if !found.contains(&term) {
            found.push(term);
        }
    }
    found
}

fn runs(text: &str) -> Vec<Run> {
    let chars: Vec<char> = number::normal(text);
    let (mut found, mut at) = (Vec::new(), 0);
    while at < chars.len() {
        if let Some((identifier, end)) = number::identifier(&chars, at) {
            found.push(Run::Identifier(identifier));
            at = end + ending_at(&chars[end..]);
        } else if let Some((numbers, end)) = number::read(&chars, at) {
            found.extend(numbers.into_iter().map(Run::Number));
            at = end + ending_at(&chars[end..]);
        } else if chars[at].is_alphabetic() {
            let hangul = is_hangul(chars[at]) || is_han(chars[at]);
            let start = at;
            while at < chars.len() && chars[at].is_alphabetic() && (is_hangul(chars[at]) || is_han(chars[at])) == hangul
            {
                at += 1;
            }
            let word: String = chars[start..at].iter().collect();
            // `PC를` is one word with an ending.
            if hangul && start > 0 && chars[start - 1].is_ascii_alphabetic() && KOREAN_ENDINGS.contains(&word.as_str())
            {
                continue;
            }
            // `받지 아니한다` is `받` with a no behind it.
            if let Some(Run::Word(before, true)) = found.last_mut()
                && ["않", "아니하", "아니한", "아니합", "못하", "못한", "못합"].iter().any(|no| word.starts_with(no))
                && before.chars().count() >= 2
                && before.ends_with('지')
            {
                before.pop();
            }
            found.push(Run::Word(word, hangul));
        } else {
            at += 1;
        }
    }
    found
}

/// The length of a Korean ending that stands behind a number or a name: `을` in `4만2천원을` is no word.
fn ending_at(chars: &[char]) -> usize {
    let run: String = chars.iter().take(8).take_while(|letter| is_hangul(**letter)).collect();
    let ends =
        KOREAN_ENDINGS.contains(&run.as_str()) || matches!(run.as_str(), "씩" | "쯤" | "간" | "이다" | "임" | "짜리");
    if ends { run.chars().count() } else { 0 }
}

fn is_han(letter: char) -> bool {
    matches!(letter, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

fn stem_hangul(word: &str) -> &str {
    let letters = word.chars().count();
    if KOREAN_WHOLE.iter().any(|noun| word == *noun || letters >= 4 && word.ends_with(noun)) {
        return word;
    }
    for ending in KOREAN_ENDINGS {
        let left = letters.saturating_sub(ending.chars().count());
        if left >= 1
            && (left >= 2 || letters <= 3)
            && let Some(stem) = word.strip_suffix(ending)
        {
            // `확정되고` is `확정` with two endings.
            let noun = stem.strip_suffix(['하', '되']).filter(|noun| noun.chars().count() >= 2);
            return noun.unwrap_or(stem);
        }
    }
    word
}

/// A stem in the form that all forms of a verb share: `지운`, `지울`, `지웁`, `지워`, `지우어` are `지우`. The last syllable
/// loses the consonant that an ending put there, and a contracted vowel is opened. `접수일` is the day of `접수한`. Nouns
/// change in the same way on both sides, so they still equal themselves.
fn root(stem: &str) -> String {
    let mut letters: Vec<char> = stem.chars().collect();
    if letters.len() >= 3 && letters.last() == Some(&'일') {
        letters.pop();
        return letters.into_iter().collect();
    }
    if let [.., before, '어' | '아'] = letters.as_slice()
        && parts(*before).is_some_and(|(.., coda)| coda == 0)
    {
        letters.pop();
    }
    let Some((onset, vowel, coda)) = letters.last().and_then(|last| parts(*last)) else {
        return letters.into_iter().collect();
    };
    // ㄴ, ㄹ, ㅂ, ㅆ are the consonants of endings.
    let coda = if matches!(coda, 4 | 8 | 17 | 20) { 0 } else { coda };
    let vowel = match (vowel, coda) {
        (6, 0) => 20,  // ㅕ is ㅣ with ㅓ
        (14, 0) => 13, // ㅝ is ㅜ with ㅓ
        (9, 0) => 8,   // ㅘ is ㅗ with ㅏ
        (10, 0) => 11, // ㅙ is ㅚ with ㅓ
        (vowel, _) => vowel,
    };
    letters.pop();
    letters.extend(char::from_u32(SYLLABLES + onset * 588 + vowel * 28 + coda));
    letters.into_iter().collect()
}

/// Where Unicode's syllables begin: 19 onsets with 21 vowels with 28 codas, in this order.
const SYLLABLES: u32 = 0xac00;

/// The onset, vowel and coda of a syllable.
fn parts(letter: char) -> Option<(u32, u32, u32)> {
    let place = u32::from(letter).checked_sub(SYLLABLES).filter(|place| *place < 19 * 588)?;
    Some((place / 588, place % 588 / 28, place % 28))
}

fn stem_latin(word: &str) -> String {
    let word = word.to_lowercase();
    for ending in ["ings", "ing", "ies", "ed", "es", "s", "e", "y"] {
        if let Some(stem) = word.strip_suffix(ending)
            && stem.chars().count() >= 3
        {
            return stem.to_owned();
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stems(text: &str) -> Vec<String> {
        terms(text).into_iter().map(|term| term.stem).collect()
    }

    #[test]
    fn endings_and_empty_words_come_off() {
        assert_eq!(stems("수도요금심의위원회는 누가 위원장을 맡나요?"), ["수도요금심의위원회", "위원장", "맡"]);
        assert_eq!(stems("How many tours are cancelled?"), ["tour", "cancell"]);
        assert_eq!(stems("교체비 4만2천원을 부담합니다"), ["교체비", "부담"]);
    }

    #[test]
    fn a_word_is_found_under_another_ending_and_inside_a_compound() {
        let text = Text::of("② 부위원장은 위원장이 지명한 사람이 된다.");
        let holds = |word: &str| text.holds(&terms(word)[0]);
        assert_eq!(holds("위원장을"), 1.0);
        assert_eq!(holds("지명했나요"), 1.0);
        assert!(holds("수도요금위원회") < 0.5);
        assert_eq!(holds("자본금은"), 0.0);
    }
}
