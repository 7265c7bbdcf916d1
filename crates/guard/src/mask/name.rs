//! Names of people: a family name and one or two syllables of a given name, believed where something beside it says so.
//!
//! A Korean name looks like many a word (이용자, 정보, 주소), so its shape alone is never enough: a label (성명:), a title
//! (과장), an honorific (님), an identifier right beside it, a cell of its own, or the same name seen before.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use super::lexicon::{Class, DOUBLE, GIVEN, HONORIFIC, Lexicon, SURNAME};
use super::words::character;

/// How sure a name must be.
const ENOUGH: f32 = 0.5;
/// A name of three syllables that names have looks so much like one.
const WHOLE: f32 = 0.35;
/// One of which only some syllables are what names have.
const HALF: f32 = 0.15;

/// A name that was found, in the normalised text.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) span: Range<usize>,
    pub(super) confidence: f32,
}

/// A stretch of Hangul that may be a name.
struct Candidate {
    span: Range<usize>,
    /// From 0 to .35: how much it looks like a name.
    looks: f32,
    rest: Range<usize>,
    spaced: bool,
}

/// Finds names in a normalised text. `listed` says whether a listed word may stand in it; `beside` are the identifiers that
/// were found in it, in order; `known` the names that were found before, without spaces.
pub(super) fn names(
    lexicon: &Lexicon,
    text: &str,
    listed: bool,
    beside: &[Range<usize>],
    known: &HashSet<String>,
) -> Vec<Name> {
    let words: Vec<_> = if listed { lexicon.words(text).collect() } else { Vec::new() };
    let scene = Scene { lexicon, text, words: &words, beside, known };
    let mut found: Vec<Name> = Vec::new();
    let mut word = 0;
    let mut at = 0;
    let mut inside = false;
    while at < text.len() {
        let (code, length) = character(text.as_bytes(), at);
        let Some(flags) = lexicon.flags_of(code) else {
            (at, inside) = (at + length, false);
            continue;
        };
        // A name begins where a run of Hangul does, or behind a word inside it.
        if flags & (SURNAME | DOUBLE) != 0 && !(inside && words.is_empty()) {
            while word < words.len() && words[word].1 <= at {
                word += 1;
            }
            let after_word = word > 0 && words[word - 1].1 == at && words[word - 1].2 != Class::Region;
            if (!inside || after_word)
                && let Some(name) = name_at(&scene, at, word, inside)
            {
                (at, inside) = (name.span.end, true);
                found.push(name);
                continue;
            }
        }
        (at, inside) = (at + length, true);
    }
    found
}

type Word = (usize, usize, Class);

/// What names are looked for in, and what is known about it.
struct Scene<'a> {
    lexicon: &'a Lexicon,
    text: &'a str,
    words: &'a [Word],
    beside: &'a [Range<usize>],
    known: &'a HashSet<String>,
}

/// The surest name at `at`, before which `word` of the words stand; `inside`: it is not the start of its run of Hangul.
fn name_at(scene: &Scene<'_>, at: usize, word: usize, inside: bool) -> Option<Name> {
    let Scene { lexicon, text, words, beside, known } = *scene;
    let announced = before(text, at, words, word);
    // With nothing before it and nothing known, half a name is believed only with an honorific.
    let alone = announced.is_none() && beside.is_empty() && known.is_empty();
    let mut best: Option<Name> = None;
    for candidate in candidates(lexicon, text, at) {
        // Inside a word, only a whole name right behind a title (팀장김도현).
        if inside && (candidate.spaced || candidate.looks < WHOLE || !opens(lexicon, text, words, word)) {
            continue;
        }
        if alone && candidate.looks <= HALF && !is_honoured(lexicon, text, &candidate) {
            continue;
        }
        let tail = tail(lexicon, text, &candidate, words);
        if tail == Tail::Other {
            continue;
        }
        let as_written = &text[candidate.span.clone()];
        let written =
            if candidate.spaced { Cow::Owned(as_written.replace(' ', "")) } else { Cow::Borrowed(as_written) };
        let is_known = !known.is_empty() && known.contains(written.as_ref());
        if lexicon.is_no_name(&written) && !is_known {
            continue;
        }
        let whole = candidate.looks >= WHOLE;
        let beside_it = touches(text, candidate.span.start..candidate.rest.end, beside, whole);
        if inside && !(beside_it || is_known || tail == Tail::Honorific) {
            continue;
        }
        let labelled = matches!(announced, Some((Class::Label, true)));
        // 소금의: a word of two syllables and a particle.
        if whole && !labelled && !is_known && is_word_and_particle(lexicon, &written) {
            continue;
        }
        if candidate.spaced
            && !labelled
            && !matches!(announced, Some((Class::Label, _)) if text[candidate.span.clone()].len() > 10)
        {
            continue;
        }
        let mut sure = candidate.looks;
        sure += match announced {
            Some((Class::Label, true)) => 0.6,
            Some((Class::Label, false)) if !candidate.spaced => 0.3,
            Some((Class::Title, _)) if candidate.looks > 0.1 => 0.3,
            _ if whole => hinted(lexicon, text, at, candidate.rest.end),
            _ => 0.0,
        };
        let span = candidate.span.start..candidate.rest.end;
        sure += match tail {
            Tail::Honorific => 0.35,
            Tail::Title => 0.3,
            Tail::Glued => 0.14,
            Tail::Naming if whole => 0.2,
            Tail::End if whole && titled_in_brackets(lexicon, text, span.end, words) => 0.3,
            Tail::End if announced.is_some_and(|(class, _)| class == Class::Title) => 0.05,
            // 민원인 김영수의: the whole shape behind a label.
            Tail::Particle if whole && matches!(announced, Some((Class::Label, _))) => 0.0,
            // Without a sign, 감시인은 is more often a word than a name.
            Tail::Particle if announced.is_some() && !labelled && !is_personal(&text[candidate.rest.clone()]) => -0.25,
            Tail::Particle => 0.05,
            Tail::End | Tail::Naming | Tail::Other => 0.0,
        };
        if beside_it {
            sure += 0.3;
        }
        if whole {
            sure += in_cell(text, span);
        }
        if is_known {
            sure += 0.6;
        }
        if candidate.spaced {
            sure -= 0.1;
        }
        if sure >= ENOUGH && best.as_ref().is_none_or(|best| sure > best.confidence) {
            best = Some(Name { span: candidate.span, confidence: sure.min(0.99) });
        }
    }
    best
}

/// Whether the word before the place stands at the start of its run of Hangul.
fn opens(lexicon: &Lexicon, text: &str, words: &[Word], word: usize) -> bool {
    word.checked_sub(1).is_some_and(|last| {
        let start = words[last].0;
        start == 0 || lexicon.flags(&text[text.floor_char_boundary(start - 1)..]).is_none()
    })
}

fn is_word_and_particle(lexicon: &Lexicon, written: &str) -> bool {
    written
        .char_indices()
        .nth(2)
        .is_some_and(|(place, _)| lexicon.is_no_name(&written[..place]) && lexicon.is_particle(&written[place..]))
}

/// The ways in which a name may stand at `at`: three syllables, two, four with a family name of two; also written apart.
fn candidates<'a>(lexicon: &'a Lexicon, text: &'a str, at: usize) -> impl Iterator<Item = Candidate> + 'a {
    let rest = &text[at..];
    let run = (0..rest.len()).step_by(3).find(|place| lexicon.flags(&rest[*place..]).is_none()).unwrap_or(rest.len());
    let given = |place: usize| lexicon.flags(&rest[place..]).is_some_and(|(flags, _)| flags & GIVEN != 0);
    let (flags, _) = lexicon.flags(rest).unwrap_or((0, 3));
    // How many syllables, and how much they look like a name.
    let mut shapes = [(usize::MAX, 0.0); 4];
    if flags & DOUBLE != 0
        && let Some(double) = lexicon.double(rest)
    {
        let looks = if run > double && given(double) { 0.3 } else { 0.0 };
        shapes[0] = (double / 3 + 2, looks);
        shapes[1] = (double / 3 + 1, looks - 0.1);
    }
    if flags & SURNAME != 0 && run >= 6 {
        let looks = match (given(3), given(6)) {
            (true, true) => WHOLE,
            (true, false) | (false, true) => HALF,
            (false, false) => 0.0,
        };
        shapes[2] = (3, looks);
        shapes[3] = (2, if given(3) { HALF } else { 0.0 });
    }
    let spaced = if flags & SURNAME != 0 && run == 3 { apart(lexicon, text, at) } else { None };
    let glued =
        shapes.into_iter().filter(move |(syllables, _)| *syllables <= run / 3).map(move |(syllables, looks)| {
            let end = at + syllables * 3;
            Candidate { span: at..end, looks, rest: end..at + run, spaced: false }
        });
    glued.chain(spaced)
}

/// A name with a space between its syllables (김 도 현), or behind the family name (김 도현).
fn apart(lexicon: &Lexicon, text: &str, at: usize) -> Option<Candidate> {
    let mut end = at + 3;
    let mut syllables = 1;
    let mut given = true;
    while syllables < 3 {
        let gap = text[end..].bytes().take(3).take_while(|byte| *byte == b' ').count();
        if gap > 2 || (gap == 0 && syllables == 1) {
            break;
        }
        let Some((flags, length)) = lexicon.flags(text.get(end + gap..)?) else { break };
        given &= flags & GIVEN != 0;
        end += gap + length;
        syllables += 1;
    }
    let more = text.get(end..).is_some_and(|rest| lexicon.flags(rest).is_some());
    (syllables == 3 && given && !more).then_some(Candidate {
        span: at..end,
        looks: WHOLE,
        rest: end..end,
        spaced: true,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    End,
    Particle,
    Honorific,
    Title,
    /// A title in the same word, which may just as well be the end of a longer word.
    Glued,
    /// 이라는: a name was just said.
    Naming,
    Other,
}

/// What stands behind a name: the rest of its word, or the next word.
fn tail(lexicon: &Lexicon, text: &str, candidate: &Candidate, words: &[Word]) -> Tail {
    let rest = &text[candidate.rest.clone()];
    let end = candidate.rest.end;
    if !rest.is_empty() {
        if starts_word(words, candidate.rest.start) {
            return Tail::Glued;
        }
        if honours(lexicon, rest) {
            return Tail::Honorific;
        }
        return match rest {
            "이라는" | "라는" | "이라고" | "라고" | "이라는데" | "이에요" | "예요" | "입니다" | "이요" | "이고요" => {
                Tail::Naming
            }
            _ if lexicon.is_particle(rest) => Tail::Particle,
            _ => Tail::Other,
        };
    }
    let gap = gap(&text[end..]);
    if gap > 0 && starts_word(words, end + gap) {
        return Tail::Title;
    }
    if is_honoured(lexicon, text, candidate) { Tail::Honorific } else { Tail::End }
}

/// The bytes between a name and a word that belongs to it.
fn gap(behind: &str) -> usize {
    behind.bytes().take(4).take_while(|byte| matches!(byte, b' ' | b'(' | b'/' | b',' | b'\n')).count()
}

/// Whether an honorific stands behind a name: as the rest of its word, or as the next.
fn is_honoured(lexicon: &Lexicon, text: &str, candidate: &Candidate) -> bool {
    if !candidate.rest.is_empty() {
        return honours(lexicon, &text[candidate.rest.clone()]);
    }
    let behind = &text[candidate.rest.end..];
    let gap = gap(behind);
    let next = &behind[gap..];
    let length = (0..5).map(|place| place * 3).find(|place| lexicon.flags(&next[*place..]).is_none()).unwrap_or(15);
    (1..4).contains(&gap) && honours(lexicon, &next[..length])
}

/// Whether a word is an honorific, also with a particle behind it.
fn honours(lexicon: &Lexicon, word: &str) -> bool {
    lexicon.flags(word).is_some_and(|(flags, _)| flags & HONORIFIC != 0)
        && (lexicon.is_honorific(word) || honorific_and_particle(lexicon, word))
}

/// Whether a particle stands behind persons only.
fn is_personal(particle: &str) -> bool {
    matches!(particle, "에게" | "에게서" | "께" | "께서" | "한테")
}

fn honorific_and_particle(lexicon: &Lexicon, rest: &str) -> bool {
    rest.char_indices()
        .skip(1)
        .take(6)
        .any(|(place, _)| lexicon.is_honorific(&rest[..place]) && lexicon.is_particle(&rest[place..]))
}

fn starts_word(words: &[Word], at: usize) -> bool {
    let place = words.partition_point(|word| word.0 < at);
    words.get(place).is_some_and(|word| word.0 == at && word.2 == Class::Title)
}

/// The label or the title that stands right before, and whether a sign (`:`, `(`) between them makes it sure.
fn before(text: &str, at: usize, words: &[Word], word: usize) -> Option<(Class, bool)> {
    let mut place = word;
    let mut end = at;
    loop {
        place = place.checked_sub(1)?;
        let (start, word_end, class) = words[place];
        let between = without_brackets(text.get(word_end..end)?);
        let joins = |c: &str| matches!(c, "은" | "는" | "인" | "은:" | "는:" | "명" | "명:" | "자" | "자:" | "인:");
        if between.len() > 14 || !between.chars().all(is_between) && !joins(between.trim()) {
            return None;
        }
        if class == Class::Filler {
            end = start;
            continue;
        }
        if class == Class::Region {
            return None;
        }
        let sign = between.contains([':', '=', '|', '\t', '>', '"']);
        let line = between.bytes().filter(|byte| *byte == b'\n').count();
        if line > 1 || (class == Class::Title && (line == 1 || between.contains([',', '·', '/', '.']))) {
            return None;
        }
        return Some((class, sign || (class == Class::Label && between.contains('('))));
    }
}

/// What is left of 성명(한글): between the word and the name.
fn without_brackets(between: &str) -> &str {
    match (between.find('('), between.rfind(')')) {
        (Some(open), Some(close)) if open < close && between[..open].trim().is_empty() && close - open < 40 => {
            &between[close + 1..]
        }
        _ => between,
    }
}

/// What weaker signs before a name of three syllables say: a colon, a word for a relation, a department.
fn hinted(lexicon: &Lexicon, text: &str, at: usize, end: usize) -> f32 {
    let left = text[text.floor_char_boundary(at.saturating_sub(40))..at].trim_end_matches([' ', '(']);
    if at > 0 && left.ends_with(':') {
        return 0.2;
    }
    let start = left.rfind(|c: char| !c.is_alphanumeric()).map_or(0, |place| left.ceil_char_boundary(place + 1));
    let word = &left[start..];
    if lexicon.is_relation(word) && left.len() < at {
        return 0.25;
    }
    let behind = text[end..].trim_start_matches(' ').chars().next();
    let ends = behind.is_none_or(|c| matches!(c, '\n' | '\r' | '(' | ')' | ',' | '/' | '|' | '.' | ';'));
    if ends && text[..at].ends_with(' ') && lexicon.is_department(word) { 0.2 } else { 0.0 }
}

/// Whether brackets right behind end in a title: 김도윤(전략기획실 차장).
fn titled_in_brackets(lexicon: &Lexicon, text: &str, end: usize, words: &[Word]) -> bool {
    let Some(inside) = text[end..].strip_prefix('(') else { return false };
    let Some(close) = inside.find(')').filter(|close| *close <= 60) else { return false };
    let last = end + 1 + close;
    let place = words.partition_point(|word| word.1 < last);
    words.get(place).is_some_and(|word| word.1 == last && word.2 == Class::Title)
        || lexicon.is_department(&inside[..close])
}

fn is_between(c: char) -> bool {
    matches!(
        c,
        ' ' | '\t'
            | '\n'
            | ':'
            | '('
            | ')'
            | '['
            | ']'
            | '/'
            | '|'
            | '-'
            | '='
            | '"'
            | '\''
            | '*'
            | '>'
            | '·'
            | ','
            | '.'
            | '_'
            | '㈜'
    )
}

/// Whether an identifier stands right beside.
fn touches(text: &str, span: Range<usize>, beside: &[Range<usize>], whole: bool) -> bool {
    let near = |between: Option<&str>| {
        between.is_some_and(|between| {
            between.len() <= 6 && between.chars().all(|c| is_between(c) && !matches!(c, '\n' | '.'))
        })
    };
    let place = beside.partition_point(|other| other.start < span.end);
    beside.get(place).is_some_and(|next| near(text.get(span.end..next.start)))
        || place.checked_sub(1).is_some_and(|last| {
            let between = text.get(beside[last].end..span.start);
            near(between) && (whole || between.is_some_and(|between| between.contains([',', '/', '|', '(', '\t'])))
        })
}

/// What it says that a name is alone in a cell of a table, or, less, in a line or an item of a list.
fn in_cell(text: &str, span: Range<usize>) -> f32 {
    let (left, right) = (&text[..span.start], &text[span.end..]);
    let border = |c: char| matches!(c, '|' | '\t');
    let mark = |c: char| border(c) || matches!(c, '\n' | ',' | '(' | ')' | '-' | '·' | '/' | '"' | '○' | '•');
    let (before, after) = (left.trim_end_matches(' '), right.trim_start_matches(' '));
    let cell_before = left.ends_with("  ") || before.ends_with(border);
    let cell_after = right.starts_with("  ") || after.starts_with(border);
    let before = cell_before || before.is_empty() || before.ends_with(mark);
    let after = cell_after || after.is_empty() || after.starts_with(mark);
    match (before && after, cell_before || cell_after) {
        (true, true) => 0.16,
        (true, false) => 0.12,
        (false, _) => 0.0,
    }
}
