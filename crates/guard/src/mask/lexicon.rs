//! The word lists of all packs in use, made ready: which syllables a name may have, which words stand beside one, and
//! which tokens may be part of something that must be hidden.

use std::collections::{BTreeMap, BTreeSet};

use super::pack::Pack;
use super::words::{Bits, NOTHING, Start, WordSet, Words, character};

/// A syllable that family names have.
pub(super) const SURNAME: u8 = 1;
/// A syllable that given names have.
pub(super) const GIVEN: u8 = 2;
/// The first syllable of a family name of two.
pub(super) const DOUBLE: u8 = 8;
/// A syllable that is the name of a digit.
pub(super) const FIGURE: u8 = 4;
/// A syllable with which an honorific begins.
pub(super) const HONORIFIC: u8 = 16;

const SYLLABLES: usize = 11_172;

/// What a word beside a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// 성명, 담당자: what follows is a name.
    Label,
    /// 과장, 교수: stands before or after a name.
    Title,
    /// 전결: may stand between a title and a name.
    Filler,
    /// 서울특별시: an address may begin.
    Region,
    /// 사번: a word that some rule looks for; no sign of a name.
    Trigger,
}

/// How a token bears on the cut of a text into atoms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Heat {
    /// It may be something to hide, or a part of it.
    pub(super) hot: bool,
    /// So many tokens after it must be looked at together with it.
    pub(super) reach: u8,
    /// It may be a name, or announce one.
    pub(super) named: bool,
    /// A word that stands beside names is in it, or may begin in it.
    pub(super) listed: bool,
    /// It may be part of a number written in words.
    pub(super) worded: bool,
}

/// The word lists, ready to be asked.
#[derive(Debug)]
pub(super) struct Lexicon {
    syllables: Vec<u8>,
    doubles: Vec<String>,
    words: Words,
    classes: Vec<Class>,
    /// What stands before the first space of the words that have one, and the last characters of these parts.
    parts: Vec<String>,
    part_ends: Bits,
    honorifics: WordSet,
    particles: WordSet,
    not_names: WordSet,
    relations: WordSet,
    departments: Vec<String>,
}

impl Lexicon {
    pub(super) fn new<'k>(packs: &[&Pack], triggers: impl Iterator<Item = &'k str>) -> Self {
        let of = |role: &str| -> BTreeSet<String> {
            packs.iter().filter_map(|pack| pack.words.get(role)).flatten().cloned().collect()
        };
        let mut syllables = vec![0; SYLLABLES];
        let mut doubles = Vec::new();
        for surname in of("surname") {
            match syllable(&surname) {
                Some((index, length)) if length == surname.len() => syllables[index] |= SURNAME,
                Some((index, _)) => {
                    syllables[index] |= DOUBLE;
                    doubles.push(surname);
                }
                None => {}
            }
        }
        for given in of("given") {
            if let Some((index, _)) = syllable(&given) {
                syllables[index] |= GIVEN;
            }
        }
        for honorific in of("honorific") {
            if let Some((index, _)) = syllable(&honorific) {
                syllables[index] |= HONORIFIC;
            }
        }
        for c in ('가'..='힣').filter(|c| figure(*c).is_some()) {
            syllables[c as usize - '가' as usize] |= FIGURE;
        }
        let mut words: BTreeMap<String, Class> = BTreeMap::new();
        let roles =
            [("label", Class::Label), ("title", Class::Title), ("filler", Class::Filler), ("region", Class::Region)];
        for (role, class) in roles {
            for word in of(role) {
                words.entry(word).or_insert(class);
            }
        }
        for trigger in triggers.filter(|word| word.chars().count() > 1 && !word.contains(' ')) {
            words.entry(trigger.to_owned()).or_insert(Class::Trigger);
        }
        let parts: BTreeSet<&str> =
            words.keys().filter_map(|word| word.split_once(' ')).map(|(part, _)| part).collect();
        let parts: Vec<String> = parts.into_iter().map(str::to_owned).collect();
        let mut part_ends = Bits::default();
        parts.iter().filter_map(|part| part.chars().next_back()).for_each(|c| part_ends.set(c.into()));
        let (words, classes) = (Words::new(words.keys().map(String::as_str)), words.into_values().collect());
        let (honorifics, particles) = (of("honorific"), of("particle"));
        Self {
            syllables,
            doubles,
            words,
            classes,
            parts,
            part_ends,
            honorifics: honorifics.into_iter().collect(),
            particles: particles.into_iter().collect(),
            not_names: of("not_a_name").into_iter().collect(),
            relations: of("relation").into_iter().collect(),
            departments: of("department").into_iter().collect(),
        }
    }

    /// The words beside names in `text`, left to right: where they are and what they are.
    pub(super) fn words<'t>(&'t self, text: &'t str) -> impl Iterator<Item = (usize, usize, Class)> + 't {
        let all = self.words.longest(text).map(|(start, end, place)| (start, end, self.classes[place]));
        all.filter(|(_, _, class)| *class != Class::Trigger)
    }

    /// The flags of the Hangul syllable at the start of `text`, and its length in bytes; none for anything else.
    pub(super) fn flags(&self, text: &str) -> Option<(u8, usize)> {
        syllable(text).map(|(index, length)| (self.syllables[index], length))
    }

    /// The flags of a character, if it is a Hangul syllable.
    #[inline]
    pub(super) fn flags_of(&self, code: u32) -> Option<u8> {
        code.checked_sub('가' as u32).and_then(|index| self.syllables.get(index as usize)).copied()
    }

    /// The length in bytes of a family name of two syllables at the start of `text`.
    pub(super) fn double(&self, text: &str) -> Option<usize> {
        self.doubles.iter().find(|double| text.starts_with(double.as_str())).map(String::len)
    }

    pub(super) fn is_honorific(&self, text: &str) -> bool {
        self.honorifics.contains(text)
    }

    pub(super) fn is_particle(&self, text: &str) -> bool {
        self.particles.contains(text)
    }

    pub(super) fn is_no_name(&self, text: &str) -> bool {
        self.not_names.contains(text)
    }

    /// Whether a word stands right before the name of somebody who is meant (동생, 저는).
    pub(super) fn is_relation(&self, text: &str) -> bool {
        self.relations.contains(text)
    }

    /// Whether a word is a department's name.
    pub(super) fn is_department(&self, text: &str) -> bool {
        self.departments.iter().any(|end| text.len() > end.len() && text.ends_with(end.as_str()))
    }

    /// How a token (normalised, without the white space behind it) bears on the cut; `odd`: it was changed.
    pub(super) fn heat(&self, token: &str, odd: bool) -> Heat {
        let bytes = token.as_bytes();
        let mut heat = Heat::default();
        let (mut at, mut run, mut before, mut figures) = (0, 0_usize, 0_u8, 0_u8);
        // The last character, and where the next word may begin: none begins inside another.
        let (mut last, mut last_at, mut free) = (NOTHING, 0, 0);
        while at < bytes.len() {
            let (code, length) = character(bytes, at);
            if last_at >= free && self.words.may_begin(last, code) {
                free = self.word_at(
                    token,
                    Start { at: last_at, behind: at, two: at + length - last_at, first: last, second: code },
                    &mut heat,
                );
            }
            (last, last_at) = (code, at);
            at += length;
            let Some(flags) = self.flags_of(code) else {
                heat.add(code, figures > 0);
                (run, before, figures) = (0, 0, 0);
                continue;
            };
            if run > 0 && before & SURNAME != 0 && flags & GIVEN != 0 {
                heat.raise(2);
                heat.named = true;
            }
            figures = if flags & FIGURE == 0 { 0 } else { figures.saturating_add(1) };
            if figures >= 3 {
                heat.raise(2);
                heat.worded = true;
            }
            (run, before) = (run + 1, flags);
        }
        if last_at >= free && self.words.may_begin(last, NOTHING) {
            self.word_at(
                token,
                Start { at: last_at, behind: at, two: at - last_at, first: last, second: NOTHING },
                &mut heat,
            );
        }
        // One syllable alone may be part of a name or a number written apart; 테헤란로 may be followed by a number.
        if run == 1 {
            heat.raise(1);
            heat.named |= before & SURNAME != 0;
            heat.worded |= before & FIGURE != 0;
        } else if last == u32::from('로') || last == u32::from('길') {
            heat.raise(1);
        }
        // A listed word that has a space in it (성 명) may begin here and end in the next token.
        heat.listed |= odd && token.contains(' ');
        if self.part_ends.has(last) {
            for part in self.parts.iter().filter(|part| token.ends_with(part.as_str())) {
                heat.listed = true;
                if part.len() == run * 3 {
                    heat.raise(4);
                    heat.named = true;
                }
            }
        }
        heat
    }

    /// What a listed word at `start`, if there is one, does; where the next may begin.
    fn word_at(&self, token: &str, start: Start, heat: &mut Heat) -> usize {
        let Some((length, place)) = self.words.at(token, start).next() else { return start.behind };
        let class = self.classes[place];
        heat.raise(match class {
            Class::Label | Class::Region => 4,
            Class::Trigger => 3,
            Class::Title => 2,
            Class::Filler => 1,
        });
        heat.named |= class == Class::Label;
        heat.listed |= class != Class::Trigger;
        start.at + length
    }
}

impl Heat {
    /// Adds a character that is no Hangul syllable; `worded`: names of digits stand right before it.
    fn add(&mut self, code: u32, worded: bool) {
        match char::from_u32(code).unwrap_or_default() {
            '0'..='9' => {
                self.raise(3);
                self.worded |= worded;
            }
            'A'..='Z' | 'a'..='z' | '@' | '_' | '-' | '(' => self.raise(1),
            '[' | '【' | '〔' => self.raise(2),
            c if !c.is_ascii() && figure(c).is_some() => {
                self.raise(2);
                self.worded = true;
            }
            _ => {}
        }
    }

    fn raise(&mut self, reach: u8) {
        self.hot = true;
        self.reach = self.reach.max(reach);
    }
}

/// The number of a Hangul syllable (from 가, 0) at the start of `text`, and its length.
fn syllable(text: &str) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    if bytes.len() < 3 || !(0xEA..=0xED).contains(&bytes[0]) {
        return None;
    }
    let code =
        (usize::from(bytes[0] & 0x0F) << 12) | (usize::from(bytes[1] & 0x3F) << 6) | usize::from(bytes[2] & 0x3F);
    let index = code.checked_sub('가' as usize)?;
    (index < SYLLABLES).then_some((index, 3))
}

/// The digit that a Korean number word or a Chinese character stands for.
pub(super) fn figure(c: char) -> Option<u8> {
    Some(match c {
        '공' | '영' | '령' | '빵' | '〇' | '零' => 0,
        '일' | '一' | '壹' | '壱' => 1,
        '이' | '二' | '貳' | '弐' | '贰' => 2,
        '삼' | '三' | '參' | '参' | '叁' => 3,
        '사' | '四' | '肆' => 4,
        '오' | '五' | '伍' => 5,
        '육' | '륙' | '六' | '陸' | '陆' => 6,
        '칠' | '七' | '柒' => 7,
        '팔' | '八' | '捌' => 8,
        '구' | '九' | '玖' => 9,
        _ => return None,
    })
}
