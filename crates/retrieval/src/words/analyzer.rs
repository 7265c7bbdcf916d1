//! From text to the words that are indexed and looked for.
//!
//! Hangul, Hanja and kana become pairs of neighbouring characters, which needs no dictionary and finds a noun whatever
//! particle follows it. Latin words and numbers stay whole. A reference to an article of a statute becomes one word
//! however it is spaced, so that `제 15 조 1항` finds `제15조제1항`.
//!
//! Invariant: the same text gives the same words, in indexing and in asking, on every machine.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Words longer than this many bytes are cut: nobody asks for them whole.
const WORD_BYTES_MAX: usize = 64;

/// Hands each word of `text` to `emit`, in the order of the text.
pub fn words(text: &str, emit: &mut dyn FnMut(&str)) {
    let mut chars = Vec::with_capacity(text.len() / 2);
    fold(text, &mut chars);
    Scan { chars: &chars, at: 0, word: String::new(), emit }.run();
}

/// Folds what readers take for the same: composed and decomposed Hangul, full width and half width, upper and lower case.
fn fold(text: &str, out: &mut Vec<char>) {
    let composed: Cow<'_, str> = match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        _ => Cow::Owned(text.nfc().collect()),
    };
    for char in composed.chars() {
        match char {
            'a'..='z' | '0'..='9' | '\u{ac00}'..='\u{d7a3}' | ' ' => out.push(char),
            'A'..='Z' => out.push(char.to_ascii_lowercase()),
            '\0'..='\u{7f}' => out.push(char),
            // Middle dots, also the one of Korean statutes (U+318D), stand between words of a list.
            '\u{b7}' | '\u{318d}' | '\u{30fb}' | '\u{2027}' | '\u{ff65}' => out.push(' '),
            // Circled numbers begin paragraphs; they say nothing of what stands there.
            '\u{2460}'..='\u{24ff}' | '\u{2776}'..='\u{2793}' | '\u{3251}'..='\u{32bf}' => out.push(' '),
            // Soft hyphens, zero-width characters and marks of direction are not seen by a reader.
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {}
            '\u{4e00}'..='\u{9fff}' => out.push(char),
            _ => out.extend(std::iter::once(char).nfkc().flat_map(char::to_lowercase)),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Written without spaces between words, or with particles joined on: cut into pairs.
    Paired,
    Letter,
    Digit,
    Mark,
    Other,
}

fn kind(char: char) -> Kind {
    match char {
        '\u{ac00}'..='\u{d7a3}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{3040}'..='\u{30ff}'
        | '\u{1100}'..='\u{11ff}'
        | '\u{3131}'..='\u{318e}'
        | '\u{20000}'..='\u{323af}' => Kind::Paired,
        'a'..='z' => Kind::Letter,
        '0'..='9' => Kind::Digit,
        '\0'..='\u{7f}' => Kind::Other,
        _ if char.is_numeric() => Kind::Digit,
        _ if char.is_alphabetic() => Kind::Letter,
        // A mark belongs to the letter before it, as in Devanagari or in decomposed Latin.
        _ if unicode_normalization::char::is_combining_mark(char) => Kind::Mark,
        _ => Kind::Other,
    }
}

struct Scan<'a> {
    chars: &'a [char],
    at: usize,
    word: String,
    emit: &'a mut dyn FnMut(&str),
}

impl Scan<'_> {
    fn run(&mut self) {
        while let Some(&char) = self.chars.get(self.at) {
            match kind(char) {
                Kind::Paired if char == '제' && self.reference() => {}
                Kind::Paired => self.pairs(),
                Kind::Digit if self.reference() => {}
                Kind::Digit | Kind::Letter => self.chain(),
                Kind::Mark | Kind::Other => self.at += 1,
            }
        }
    }

    fn peek(&self, at: usize) -> Option<char> {
        self.chars.get(at).copied()
    }

    /// Emits the neighbouring pairs of a run, or its only character.
    fn pairs(&mut self) {
        let start = self.at;
        while self.peek(self.at).is_some_and(|char| kind(char) == Kind::Paired) {
            // A reference may follow without a space, as in `법제15조`.
            if self.at > start && self.chars[self.at] == '제' && self.read_reference(self.at).is_some() {
                break;
            }
            self.at += 1;
        }
        let chars = self.chars;
        let run = &chars[start..self.at];
        if let &[only] = run {
            self.emit_chars(&[only]);
        }
        for pair in run.windows(2) {
            self.emit_chars(pair);
        }
    }

    /// Emits the parts of a chain such as `p-101a`, `3.14` or `covid19`, and the chain itself if it has several parts.
    fn chain(&mut self) {
        let mut whole = String::new();
        let mut parts = 0;
        loop {
            let start = self.at;
            let first = kind(self.chars[start]);
            while self.peek(self.at).is_some_and(|char| kind(char) == first || kind(char) == Kind::Mark) {
                self.at += 1;
            }
            let mut end = self.at;
            if first == Kind::Digit {
                end = self.thousands(&mut whole, start);
            } else {
                let chars = self.chars;
                whole.extend(&chars[start..end]);
                self.emit_chars(&chars[start..end]);
            }
            parts += 1;
            self.at = end;
            let alphanumeric = |char| matches!(kind(char), Kind::Letter | Kind::Digit);
            match (self.peek(end), self.peek(end + 1)) {
                (Some(next), _) if alphanumeric(next) => {}
                (Some('.'), Some(next)) if kind(next) == Kind::Digit && first == Kind::Digit => {
                    whole.push('.');
                    self.at += 1;
                }
                (Some('-' | '_' | '/'), Some(next)) if alphanumeric(next) => self.at += 1,
                _ => break,
            }
        }
        if parts > 1 {
            cut(&mut whole);
            (self.emit)(&whole);
        }
        // A counter belongs to its number: `5년`, `30일`. Its single character alone would say little.
        let counter = self.peek(self.at).filter(|&char| kind(char) == Kind::Paired);
        if let Some(counter) = counter.filter(|_| kind(self.chars[self.at - 1]) == Kind::Digit) {
            whole.push(counter);
            cut(&mut whole);
            (self.emit)(&whole);
            if self.peek(self.at + 1).is_none_or(|char| kind(char) != Kind::Paired) {
                self.at += 1;
            }
        }
    }

    /// Emits a number without the commas between its thousands and gives its end.
    fn thousands(&mut self, whole: &mut String, start: usize) -> usize {
        let mut end = self.at;
        let digits =
            |from: usize| (from..from + 3).all(|at| self.peek(at).is_some_and(|char| kind(char) == Kind::Digit));
        while end - start <= WORD_BYTES_MAX
            && self.peek(end) == Some(',')
            && digits(end + 1)
            && self.peek(end + 4).is_none_or(|char| kind(char) != Kind::Digit)
        {
            end += 4;
        }
        let chars = self.chars;
        let number: Vec<char> = chars[start..end].iter().copied().filter(|&char| char != ',').collect();
        whole.extend(&number);
        self.emit_chars(&number);
        end
    }

    /// Emits a reference's words, if one stands here, and goes on behind it.
    fn reference(&mut self) -> bool {
        let Some(reference) = self.read_reference(self.at) else { return false };
        self.at = reference.end;
        let mut word = std::mem::take(&mut self.word);
        let mut emit = |parts: std::fmt::Arguments<'_>| {
            word.clear();
            let _ = word.write_fmt(parts);
            (self.emit)(&word);
        };
        let Reference { number, unit, branch, paragraph, item, .. } = reference;
        match branch {
            Some(branch) => emit(format_args!("제{number}{unit}의{branch}")),
            None => emit(format_args!("제{number}{unit}")),
        }
        if let Some(paragraph) = paragraph {
            match branch {
                Some(branch) => emit(format_args!("제{number}{unit}의{branch}제{paragraph}항")),
                None => emit(format_args!("제{number}{unit}제{paragraph}항")),
            }
            emit(format_args!("제{paragraph}항"));
        }
        if let Some(item) = item {
            emit(format_args!("제{item}호"));
        }
        self.word = word;
        true
    }

    /// Reads `제15조의2제1항제3호` and its looser spellings.
    fn read_reference(&self, at: usize) -> Option<Reference> {
        let (mut at, formal) = if self.peek(at) == Some('제') { (self.space(at + 1), true) } else { (at, false) };
        let number = self.number(&mut at)?;
        at = self.space(at);
        let unit = self.peek(at)?;
        let known = match unit {
            '조' => true,
            '항' | '호' | '편' | '장' | '절' | '관' => formal,
            _ => false,
        };
        if !known {
            return None;
        }
        at += 1;
        // `15조 원` is money.
        let behind = self.peek(self.space(at));
        if !formal && matches!(behind, Some('원' | '달')) {
            return None;
        }
        let mut reference = Reference { number, unit, branch: None, paragraph: None, item: None, end: at };
        let mut next = self.space(at);
        if self.peek(next) == Some('의') {
            next = self.space(next + 1);
            if let Some(branch) = self.number(&mut next)
                && !matches!(self.peek(self.space(next)), Some('항' | '호'))
            {
                reference.branch = Some(branch);
                reference.end = next;
            }
        }
        if unit == '조' {
            reference.paragraph = self.tail(&mut reference.end, '항');
        }
        if matches!(unit, '조' | '항') {
            reference.item = self.tail(&mut reference.end, '호');
        }
        Some(reference)
    }

    /// Reads `제1항` or `1항` behind `end`, and moves `end` behind it.
    fn tail(&self, end: &mut usize, unit: char) -> Option<u32> {
        let mut at = self.space(*end);
        if self.peek(at) == Some('제') {
            at = self.space(at + 1);
        }
        let number = self.number(&mut at)?;
        at = self.space(at);
        (self.peek(at) == Some(unit)).then(|| {
            *end = at + 1;
            number
        })
    }

    /// Skips at most one space.
    fn space(&self, at: usize) -> usize {
        if self.peek(at) == Some(' ') { at + 1 } else { at }
    }

    /// Reads one to six plain digits that no digit, point or comma joins on to.
    fn number(&self, at: &mut usize) -> Option<u32> {
        let mut value = 0;
        let mut end = *at;
        while let Some(digit) = self.peek(end).and_then(|char| char.to_digit(10)) {
            if end - *at == 6 {
                return None;
            }
            value = value * 10 + digit;
            end += 1;
        }
        if end == *at {
            return None;
        }
        *at = end;
        Some(value)
    }

    fn emit_chars(&mut self, chars: &[char]) {
        self.word.clear();
        self.word.extend(chars);
        cut(&mut self.word);
        (self.emit)(&self.word);
    }
}

struct Reference {
    number: u32,
    unit: char,
    branch: Option<u32>,
    paragraph: Option<u32>,
    item: Option<u32>,
    end: usize,
}

fn cut(word: &mut String) {
    if word.len() > WORD_BYTES_MAX {
        word.truncate(word.floor_char_boundary(WORD_BYTES_MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let mut found = Vec::new();
        words(text, &mut |word| found.push(word.to_owned()));
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn hangul_and_hanja_become_pairs() {
        check("개인정보를", &["개인", "인정", "정보", "보를"]);
        check("개인 정보", &["개인", "정보"]);
        check("법", &["법"]);
        check("信用契業務", &["信用", "用契", "契業", "業務"]);
        check("신용계업무(信用)", &["신용", "용계", "계업", "업무", "信用"]);
        check("수집ㆍ이용", &["수집", "이용"]);
        check("불법·부실", &["불법", "부실"]);
    }

    #[test]
    fn decomposed_and_wide_spellings_are_the_same_words() {
        check("\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}", &["한글"]);
        check("ＡＢＣ　１２３", &["abc", "123"]);
        check("ﬁle №", &["file", "no"]);
        check("소\u{200b}방\u{ad}서", &["소방", "방서"]);
    }

    #[test]
    fn latin_words_and_numbers_stay_whole() {
        check("Open-Source Act", &["open", "source", "opensource", "act"]);
        check("PMP-03", &["pmp", "03", "pmp03"]);
        check("covid19", &["covid", "19", "covid19"]);
        check("1,234,567원", &["1234567", "1234567원"]);
        check("3.14", &["3", "14", "3.14"]);
        check("1,23", &["1", "23"]);
        check("naïve STRASSE Straße Ｎaïve", &["naïve", "strasse", "straße", "naïve"]);
        check("5년 이하의 징역", &["5", "5년", "이하", "하의", "징역"]);
        check("30일간", &["30", "30일", "일간"]);
    }

    #[test]
    fn a_reference_is_one_word_however_it_is_written() {
        let expected = ["제15조", "제15조제1항", "제1항"];
        check("제15조제1항", &expected);
        check("제 15 조 1항", &expected);
        check("15조 1항", &expected);
        check("제15조 제1항", &expected);
        check("제15조", &["제15조"]);
        check("15조", &["제15조"]);
        check("제015조", &["제15조"]);
        check("제15조의2", &["제15조의2"]);
        check("제15조의2제3항제4호", &["제15조의2", "제15조의2제3항", "제3항", "제4호"]);
        check("제2항제1호", &["제2항", "제1호"]);
        check("제3장", &["제3장"]);
        check("상법제15조에", &["상법", "제15조", "에"]);
        check("제15조의 규정", &["제15조", "의", "규정"]);
        check("15조원", &["15", "15조", "조원"]);
        check("15조 원", &["15", "15조", "원"]);
        check("제한", &["제한"]);
    }

    #[test]
    fn hostile_text_gives_bounded_words() {
        check("", &[]);
        check("\0\u{1}!?…—", &[]);
        check("\u{202e}법률\u{202c}", &["법률"]);
        check("مرحبا", &["مرحبا"]);
        for text in [
            "a".repeat(1 << 20),
            "9".repeat(1 << 20),
            "a-".repeat(1 << 19),
            "제1조".repeat(1 << 18),
            "1,".repeat(1 << 19),
        ] {
            words(&text, &mut |word| assert!(word.len() <= WORD_BYTES_MAX));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_has_words_and_the_same_each_time(text in "\\PC{0,80}|[제0-9조의항호 가,.]{0,40}") {
            let mut first = Vec::new();
            words(&text, &mut |word| first.push(word.to_owned()));
            let mut second = Vec::new();
            words(&text, &mut |word| second.push(word.to_owned()));
            proptest::prop_assert_eq!(&first, &second);
            proptest::prop_assert!(first.iter().all(|word| !word.is_empty() && word.len() <= WORD_BYTES_MAX));
        }
    }
}
