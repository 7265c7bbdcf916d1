//! Numbers, however they are written: runs of digits with separators between them, and the templates that know a kind.
//!
//! A run is found once; then each kind's templates are laid over it at each place where a group begins. A run's length
//! is bounded and so is a template's, so the work is linear in the text.

use super::lexicon::figure;

/// The most digits of one run. A longer one is read in parts that overlap by the longest number.
const UNITS_MAX: usize = 96;
/// The ways in which a number's first two digits may be.
pub(super) const OPENINGS: usize = 100;
/// The longest number that a template may describe.
pub(super) const DIGITS_MAX: usize = 24;

/// One digit of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit {
    value: u8,
    pub(super) start: usize,
    pub(super) end: usize,
    /// What stands before it: 0 nothing, or the class of a separator.
    gap: u8,
    word: bool,
    star: bool,
}

impl Unit {
    /// Whether it is written as a word.
    pub(super) fn is_word(&self) -> bool {
        self.word
    }
}

const LINE: u8 = b'\n';
const TAG: u8 = b't';

/// What a number of one kind looks like: the digits that each place allows, and where it is usually cut.
#[derive(Debug)]
pub(super) struct Template {
    places: Vec<u16>,
    cuts: u32,
}

/// How a number that fits a template is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// In its usual groups.
    Usual,
    /// Without separators, or with some of the usual ones.
    Bare,
    /// Each digit alone, or the usual groups cut again.
    Apart,
    /// In other groups: believed only with a right check.
    Odd,
}

/// A template that fits.
#[derive(Debug)]
pub(super) struct Fit {
    /// How many digits it has.
    pub(super) length: usize,
    pub(super) form: Form,
    /// Some last digits are starred out, so that no check is possible.
    pub(super) starred: bool,
}

impl Template {
    /// Reads `01[016789]-####-####`: a digit, `#` for any, `[..]` for one of some, `-` for a usual cut.
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        let (mut places, mut cuts) = (Vec::new(), 0);
        let mut rest = pattern.bytes();
        while let Some(byte) = rest.next() {
            match byte {
                b'#' => places.push(0x3FF),
                b'0'..=b'9' => places.push(1 << (byte - b'0')),
                b'-' if !places.is_empty() && places.len() < DIGITS_MAX => cuts |= 1 << places.len(),
                b'[' => {
                    places.push(class(&mut rest).ok_or_else(|| format!("`{pattern}` has a class that is not digits"))?)
                }
                _ => return Err(format!("`{pattern}` is no template: digits, `#`, `[..]` and `-`")),
            }
        }
        match places.len() {
            6..=DIGITS_MAX => Ok(Self { places, cuts }),
            _ => Err(format!("`{pattern}`: a number has 6 to {DIGITS_MAX} digits")),
        }
    }

    /// Whether what fits may begin with these two digits, read as one number.
    pub(super) fn opens(&self, opening: usize) -> bool {
        self.places[0] & (1 << (opening / 10)) != 0 && self.places[1] & (1 << (opening % 10)) != 0
    }

    /// Lays the template over a run from its digit `from` on.
    pub(super) fn fit(&self, run: &[Unit], from: usize) -> Option<Fit> {
        let length = self.places.len();
        let units = run.get(from..from + length)?;
        // Stars behind a whole number are no digits of it: they close what Markdown sets in bold.
        if let Some(after) = run.get(from + length)
            && after.gap == 0
            && !after.word
            && !after.star
        {
            return None;
        }
        if units.iter().zip(&self.places).any(|(unit, place)| place & (1 << unit.value) == 0) {
            return None;
        }
        let form = self.form(units)?;
        Some(Fit { length, form, starred: units[length - 1].star })
    }

    fn form(&self, units: &[Unit]) -> Option<Form> {
        let (mut cuts, mut noise) = (0_u32, 0_u32);
        let (mut usual, mut extra) = (0_u8, 0_u8);
        let mut weak = None;
        for (place, unit) in units.iter().enumerate().skip(1) {
            let bit = 1 << place;
            match unit.gap {
                0 => continue,
                LINE | TAG => {
                    noise |= bit;
                    continue;
                }
                gap if self.cuts & bit != 0 => usual = gap,
                gap => {
                    if extra != 0 && extra != gap {
                        return None;
                    }
                    extra = gap;
                }
            }
            cuts |= bit;
            if !matches!(unit.gap, b' ' | b'-' | b'.' | b'(') {
                // Commas, slashes and the like separate the parts of one number only if all its separators are the same.
                if weak.is_some_and(|weak| weak != unit.gap) {
                    return None;
                }
                weak = Some(unit.gap);
            }
        }
        if weak.is_some() && usual != 0 && extra != 0 && usual != extra {
            return None;
        }
        let singles = cuts.count_ones() as usize + noise.count_ones() as usize == units.len() - 1;
        if singles && cuts != 0 {
            return Some(Form::Apart);
        }
        if extra == 0 {
            let broken = noise & !self.cuts == 0;
            let all = (cuts | noise) & self.cuts == self.cuts && self.cuts != 0 && cuts != 0 && broken;
            return match weak {
                Some(_) if !all => None,
                _ if all => Some(Form::Usual),
                _ if noise != 0 && cuts == 0 && !broken => Some(Form::Odd),
                _ if cuts & self.cuts == self.cuts && self.cuts != 0 => Some(Form::Usual),
                _ => Some(Form::Bare),
            };
        }
        if self.cuts != 0 && cuts & self.cuts == self.cuts && usual != extra {
            return Some(Form::Apart);
        }
        if weak.is_some() { None } else { Some(Form::Odd) }
    }
}

fn class(rest: &mut std::str::Bytes<'_>) -> Option<u16> {
    let (mut mask, mut last) = (0_u16, None);
    loop {
        match rest.next()? {
            b']' => return (mask != 0).then_some(mask),
            b'-' => {
                let (from, to) = (last?, rest.next()?);
                if !to.is_ascii_digit() || to < from {
                    return None;
                }
                (from..=to).for_each(|digit| mask |= 1 << (digit - b'0'));
            }
            digit @ b'0'..=b'9' => {
                mask |= 1 << (digit - b'0');
                last = Some(digit);
            }
            _ => return None,
        }
    }
}

/// Whether a number may begin at this digit of the run.
pub(super) fn may_begin(run: &[Unit], at: usize) -> bool {
    at == 0 || run[at].gap != 0
}

/// The first two digits from `at` on, as one number.
pub(super) fn opening(run: &[Unit], at: usize) -> Option<usize> {
    let [first, second, ..] = run.get(at..)? else { return None };
    Some(usize::from(first.value) * 10 + usize::from(second.value))
}

/// Writes the digits of a number that fitted a template into `room`, which is long enough for any.
pub(super) fn digits<'a>(units: &[Unit], room: &'a mut [u8; DIGITS_MAX]) -> &'a str {
    for (place, unit) in room.iter_mut().zip(units) {
        *place = b'0' + unit.value;
    }
    std::str::from_utf8(&room[..units.len().min(DIGITS_MAX)]).unwrap_or_default()
}

/// Finds the runs of at least six digits in a normalised text; with `words`, number words count as digits.
pub(super) fn runs(text: &str, words: bool, room: &mut Vec<Unit>, mut found: impl FnMut(&[Unit])) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !words {
            // Only a digit begins a run.
            at += bytes[at..].iter().take_while(|byte| !byte.is_ascii_digit()).count();
            if at == bytes.len() {
                break;
            }
        }
        let Some((value, length, word)) = strong(text, at, words) else {
            at += 1;
            continue;
        };
        room.clear();
        if !word {
            before(bytes, at, room);
        }
        let gap = room.last().filter(|last| last.end < at).map_or(0, |_| b'-');
        room.push(Unit { value, start: at, end: at + length, gap, word, star: false });
        at += length;
        while room.len() < UNITS_MAX
            && let Some(unit) = following(text, at, words, room)
        {
            at = unit.end;
            room.push(unit);
        }
        if room.len() == UNITS_MAX {
            at = room[UNITS_MAX - DIGITS_MAX].start;
        } else {
            stars(text, at, room);
        }
        if room.len() >= 6 {
            found(room);
        }
    }
}

/// A digit, or a word for one.
fn strong(text: &str, at: usize, words: bool) -> Option<(u8, usize, bool)> {
    let byte = text.as_bytes()[at];
    if byte.is_ascii_digit() {
        return Some((byte - b'0', 1, false));
    }
    if !words || byte < 0xE3 {
        return None;
    }
    let c = text.get(at..)?.chars().next()?;
    figure(c).map(|value| (value, c.len_utf8(), true))
}

/// The digit that a letter is often written for.
fn soft(byte: u8) -> Option<u8> {
    match byte {
        b'O' | b'o' => Some(0),
        b'l' | b'I' | b'i' => Some(1),
        _ => None,
    }
}

/// Letters for digits that stand right before a digit, or before the dash before it (`O1O-`, `OO-1`).
fn before(bytes: &[u8], at: usize, room: &mut Vec<Unit>) {
    let end = if at > 2 && bytes[at - 1] == b'-' { at - 1 } else { at };
    let mut start = end;
    while start > 0 && end - start < 4 && soft(bytes[start - 1]).is_some() {
        start -= 1;
    }
    if start > 0 && bytes[start - 1].is_ascii_alphanumeric() {
        return;
    }
    for (place, value) in (start..end).zip(bytes[start..end].iter().filter_map(|byte| soft(*byte))) {
        room.push(Unit { value, start: place, end: place + 1, gap: 0, word: false, star: false });
    }
}

/// The next digit of a run, behind at most a few separators.
fn following(text: &str, at: usize, words: bool, run: &[Unit]) -> Option<Unit> {
    let bytes = text.as_bytes();
    let (gap, next) = separators(text, at, words && run.last().is_some_and(|unit| unit.word))?;
    if next >= bytes.len() {
        return None;
    }
    if let Some((value, length, word)) = strong(text, next, words) {
        // A word that only ends in 이 or 사 is not part of the number before it.
        if word && gap != 0 && !run.last().is_some_and(|unit| unit.word) && !stands_alone(text, next) {
            return None;
        }
        return Some(Unit { value, start: next, end: next + length, gap, word, star: false });
    }
    let value = soft(bytes[next])?;
    let mut end = next;
    while end < bytes.len() && end - next < 8 && (soft(bytes[end]).is_some() || bytes[end].is_ascii_digit()) {
        end += 1;
    }
    let more = bytes.get(end).is_some_and(u8::is_ascii_alphabetic);
    let figures = bytes[next..end].iter().any(u8::is_ascii_digit);
    if more && !figures {
        return None;
    }
    Some(Unit { value, start: next, end: next + 1, gap, word: false, star: false })
}

/// Whether the number words at `at` are followed by another digit, so that they are meant as digits.
fn stands_alone(text: &str, at: usize) -> bool {
    text[at..].chars().take_while(|c| figure(*c).is_some() || c.is_ascii_digit()).take(2).count() == 2
}

/// The class and the end of the separators at `at`; class 0 where there are none.
fn separators(text: &str, at: usize, words: bool) -> Option<(u8, usize)> {
    let bytes = text.as_bytes();
    let (mut class, mut next, mut count, mut tags) = (0_u8, at, 0, 0);
    while next < bytes.len() && count < 8 {
        let byte = bytes[next];
        let (this, length) = match byte {
            b' ' | b'\t' => (b' ', 1),
            b'\n' | b'\r' => (LINE, 1),
            b'-' | b'.' => (byte, 1),
            b'(' | b')' => (b'(', 1),
            b',' | b'/' | b'_' | b'|' | b':' | b'~' | b'*' | b'\'' | b'"' | b'`' | b'+' | b'=' | b'#' | b';'
            | b'\\' => (byte, 1),
            b'<' if tags < 2 => {
                let length = bytes[next..].iter().take(40).position(|byte| *byte == b'>')? + 1;
                tags += 1;
                (TAG, length)
            }
            0xC2 if bytes[next + 1] == 0xB7 => (b'.', 2),
            0xE3 if bytes[next..].starts_with("ㆍ".as_bytes()) => (b'.', 3),
            _ if words && text[next..].starts_with("다시") => (b'-', 6),
            _ if words && text[next..].starts_with(['에', '의', '국']) => (b'-', 3),
            _ => break,
        };
        class = heavier(class, this);
        next += length;
        count += 1;
    }
    (count < 8).then_some((class, next))
}

/// Of the separators of one gap, the one that says most.
fn heavier(one: u8, other: u8) -> u8 {
    let weight = |class: u8| match class {
        0 => 0,
        b' ' => 1,
        TAG => 2,
        LINE => 3,
        b'.' | b'(' => 4,
        b'-' => 5,
        _ => 6,
    };
    if weight(other) > weight(one) { other } else { one }
}

/// One to three stars right behind a run: its last digits, hidden by somebody who left the rest.
fn stars(text: &str, at: usize, run: &mut Vec<Unit>) {
    let rest = &text.as_bytes()[at..];
    let stars = rest.iter().take(4).take_while(|byte| matches!(byte, b'*' | b'X' | b'x')).count();
    if (1..=3).contains(&stars) && !rest.get(stars).is_some_and(u8::is_ascii_alphanumeric) {
        for place in at..at + stars {
            run.push(Unit { value: 0, start: place, end: place + 1, gap: 0, word: false, star: true });
        }
    }
}
