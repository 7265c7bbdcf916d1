//! Stand-ins: what a text carries in place of personal data, and what they stand for.
//!
//! Invariants: one value has one stand-in in a conversation, however it is written; what looks like a stand-in in
//! somebody's own text is itself replaced by one, so nobody can write his way to another's data; the whole is bounded;
//! no value is ever shown by `Debug`.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::MaskError;

/// Stand-ins that one conversation may have.
pub const STAND_INS_MAX: usize = 10_000;
/// Bytes that all their values may have together.
pub const STAND_IN_BYTES_MAX: usize = 1 << 20;
/// The label of what only looked like a stand-in.
pub(super) const LITERAL: &str = "literal";
const NUMBER_MAX: u32 = 999_999;

/// The stand-ins of one conversation. Serialised, it holds personal data: it belongs into the encrypted vault.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "Kept", into = "Kept")]
pub struct StandIns {
    entries: Vec<Entry>,
    by_value: HashMap<(String, String), usize>,
    by_name: HashMap<(String, u32), usize>,
    last: HashMap<String, u32>,
    bytes: usize,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kind: String,
    label: String,
    number: u32,
    key: String,
    value: String,
    /// Whether it is somebody's name, which is then hidden wherever it stands.
    #[serde(default)]
    name: bool,
}

/// The form in which stand-ins are kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    entries: Vec<Entry>,
}

impl From<StandIns> for Kept {
    fn from(stand_ins: StandIns) -> Self {
        Self { version: 1, entries: stand_ins.entries }
    }
}

impl TryFrom<Kept> for StandIns {
    type Error = String;

    fn try_from(kept: Kept) -> Result<Self, String> {
        if kept.version != 1 {
            return Err("these stand-ins are of another version".to_owned());
        }
        let mut stand_ins = Self::default();
        for entry in kept.entries {
            let fits = (1..=NUMBER_MAX).contains(&entry.number) && !entry.label.is_empty() && entry.label.len() <= 60;
            let known = stand_ins.by_name.contains_key(&(entry.label.clone(), entry.number))
                || stand_ins.by_value.contains_key(&(entry.kind.clone(), entry.key.clone()));
            if !fits || known || !stand_ins.insert(entry) {
                return Err("these stand-ins do not fit together".to_owned());
            }
        }
        Ok(stand_ins)
    }
}

impl fmt::Debug for StandIns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StandIns")
            .field("count", &self.entries.len())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl StandIns {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The stand-in for a value: the one that it has, or a new one.
    pub(super) fn stand_in(
        &mut self,
        kind: &str,
        label: &str,
        key: &str,
        value: &str,
        name: bool,
    ) -> Result<String, MaskError> {
        // No stand-in is worth a copy of what is looked up, but a map of pairs needs one.
        let wanted = (kind.to_owned(), key.to_owned());
        if let Some(place) = self.by_value.get(&wanted) {
            let entry = &self.entries[*place];
            return Ok(written(&entry.label, entry.number));
        }
        let number = self.last.get(label).copied().unwrap_or(0) + 1;
        let entry =
            Entry { kind: wanted.0, label: label.to_owned(), number, key: wanted.1, value: value.to_owned(), name };
        if number > NUMBER_MAX || !self.insert(entry) {
            return Err(MaskError::Full);
        }
        Ok(written(label, number))
    }

    /// The value behind a label and a number.
    pub(super) fn value(&self, label: &str, number: u32) -> Option<&str> {
        let place = self.by_name.get(&(label.to_owned(), number))?;
        Some(&self.entries[*place].value)
    }

    /// Which stand-in this is, in the order in which they were made.
    pub(super) fn place(&self, stand_in: &str) -> Option<usize> {
        let (label, number) = stand_in.strip_prefix('[')?.strip_suffix(']')?.rsplit_once('-')?;
        self.by_name.get(&(label.to_owned(), number.parse().ok()?)).copied()
    }

    /// The names of people among the values, without spaces.
    pub(super) fn names(&self) -> HashSet<String> {
        self.entries.iter().filter(|entry| entry.name).map(|entry| entry.key.clone()).collect()
    }

    /// The labels that are in use.
    pub(super) fn labels(&self) -> impl Iterator<Item = &str> {
        self.last.keys().map(String::as_str)
    }

    fn insert(&mut self, entry: Entry) -> bool {
        let bytes = self.bytes + entry.key.len() + entry.value.len();
        if self.entries.len() == STAND_INS_MAX || bytes > STAND_IN_BYTES_MAX {
            return false;
        }
        let place = self.entries.len();
        self.bytes = bytes;
        self.by_value.insert((entry.kind.clone(), entry.key.clone()), place);
        self.by_name.insert((entry.label.clone(), entry.number), place);
        let last = self.last.entry(entry.label.clone()).or_default();
        *last = (*last).max(entry.number);
        self.entries.push(entry);
        true
    }
}

fn written(label: &str, number: u32) -> String {
    format!("[{label}-{number}]")
}

/// Recognises stand-ins in a text, also in the ways in which small models write them.
#[derive(Debug, Clone, Default)]
pub(super) struct Shapes {
    /// The longest first.
    labels: Vec<String>,
    firsts: Vec<char>,
}

/// What stands at a place of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// No stand-in.
    None,
    /// The beginning of one, and the text ends.
    Partial,
    /// One, so many bytes long.
    Found { length: usize, label: String, number: u32 },
}

const OPEN: [char; 4] = ['[', '［', '【', '〔'];
const CLOSE: [char; 4] = [']', '］', '】', '〕'];
const DASHES: [char; 9] = ['-', '‐', '‑', '‒', '–', '—', '−', '－', '_'];

impl Shapes {
    pub(super) fn new<'a>(labels: impl IntoIterator<Item = &'a str>) -> Self {
        let mut labels: Vec<String> = labels.into_iter().map(str::to_owned).collect();
        labels.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        labels.dedup();
        let mut firsts: Vec<char> = OPEN.to_vec();
        firsts.push('\\');
        for first in labels.iter().filter_map(|label| label.chars().next()) {
            firsts.extend([first, first.to_ascii_uppercase()]);
        }
        firsts.sort_unstable();
        firsts.dedup();
        Self { labels, firsts }
    }

    /// Whether a stand-in may begin with this character.
    pub(super) fn may_begin(&self, c: char) -> bool {
        self.firsts.binary_search(&c).is_ok()
    }

    /// What begins `text`; `before` is the character before it, `end` says that nothing follows the text.
    pub(super) fn at(&self, text: &str, before: Option<char>, end: bool) -> Shape {
        let mut rest = Reader { text, at: 0 };
        let escaped = rest.take(|c| c == '\\', 1) == 1;
        let open = rest.take(|c| OPEN.contains(&c), 1) == 1;
        if !open && (escaped || before.is_some_and(is_word)) {
            return if escaped && rest.is_done() && !end { Shape::Partial } else { Shape::None };
        }
        if open {
            rest.take(|c| c == ' ', 2);
        }
        let left = rest.left();
        if !end && (left.is_empty() || self.labels.iter().any(|label| label.len() > left.len() && begins(label, left)))
        {
            return Shape::Partial;
        }
        let Some(label) = self.labels.iter().find(|label| begins(left, label)) else { return Shape::None };
        rest.at += label.len();
        if open {
            rest.take(|c| c == ' ', 2);
        }
        let dash = rest.take(|c| DASHES.contains(&c), 1);
        if open {
            rest.take(|c| c == ' ', 2);
        } else if dash == 0 {
            return if rest.is_done() && !end { Shape::Partial } else { Shape::None };
        }
        let mut number = 0;
        let figures = rest.take(
            |c| match figure(c) {
                Some(value) => {
                    number = number * 10 + value;
                    true
                }
                None => false,
            },
            6,
        );
        if rest.is_done() && !end {
            return Shape::Partial;
        }
        if figures == 0 || rest.peek().is_some_and(|c| figure(c).is_some()) {
            return Shape::None;
        }
        let closed = if open { self.close(&mut rest, escaped, end) } else { bare_end(&rest, end) };
        match closed {
            Some(true) => Shape::Found { length: rest.at, label: label.clone(), number },
            Some(false) => Shape::None,
            None => Shape::Partial,
        }
    }

    fn close(&self, rest: &mut Reader<'_>, escaped: bool, end: bool) -> Option<bool> {
        rest.take(|c| c == ' ', 2);
        if rest.is_done() && !end {
            return None;
        }
        if escaped && rest.take(|c| c == '\\', 1) == 0 {
            return Some(false);
        }
        if rest.is_done() && !end {
            return None;
        }
        Some(rest.take(|c| CLOSE.contains(&c), 1) == 1)
    }
}

/// Without brackets: certain only where neither a word nor another number goes on behind it.
fn bare_end(rest: &Reader<'_>, end: bool) -> Option<bool> {
    let mut behind = rest.left().chars();
    match behind.next() {
        None => end.then_some(true),
        Some(c) if c.is_ascii_alphanumeric() || CLOSE.contains(&c) => Some(false),
        Some('.' | '-' | ',' | '/') => match behind.next() {
            None => end.then_some(true),
            Some(c) => Some(figure(c).is_none()),
        },
        Some(_) => Some(true),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn left(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.left().chars().next()
    }

    fn is_done(&self) -> bool {
        self.at == self.text.len()
    }

    fn take(&mut self, mut fits: impl FnMut(char) -> bool, most: usize) -> usize {
        let mut count = 0;
        while count < most
            && let Some(c) = self.peek()
            && fits(c)
        {
            self.at += c.len_utf8();
            count += 1;
        }
        count
    }
}

/// Whether `text` begins with `label`, in any case of ASCII letters.
fn begins(text: &str, label: &str) -> bool {
    text.get(..label.len()).is_some_and(|start| start.eq_ignore_ascii_case(label))
}

fn figure(c: char) -> Option<u32> {
    match c {
        '０'..='９' => Some(c as u32 - '０' as u32),
        _ => c.to_digit(10),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-')
}
