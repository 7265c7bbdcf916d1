//! Contains a text that comes in pieces.

use std::sync::Arc;

use super::code::Lines;
use super::{HELD_BYTES_MAX, Hosts};
use crate::edits::Edits;

/// The longest text, in bytes.
const BYTES_MAX: usize = 16 << 20;

/// Why a text was not contained. It may not go on then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContainError {
    /// It is longer than the bound.
    #[error("the text has more than `{BYTES_MAX}` bytes, which is what containing takes")]
    TooLong,
}

/// Contains one text. After an error it gives nothing any more.
#[derive(Debug)]
pub struct Container {
    pub(super) hosts: Arc<Hosts>,
    held: String,
    /// What a letter must be for something to be settled, where the text ends that is held.
    waits: Option<fn(char) -> bool>,
    pub(super) lines: Lines,
    pub(super) inline: Inline,
    edits: Edits,
    bytes: usize,
    made_inert: u32,
    broken_off: bool,
    failed: bool,
}

/// What is open in the paragraph.
#[derive(Debug, Default)]
pub(super) struct Inline {
    /// Whether readers could disagree about what is code.
    pub doubtful: bool,
    /// Whether a definition's label may be open.
    pub label: bool,
    /// Brackets that are open since an image may have begun.
    pub image: Option<u32>,
    /// What was given last.
    pub before: Option<char>,
    /// Something was just made inert, and what follows is the rest of it.
    pub broken: bool,
}

/// What is looked at: the text from where nothing is settled yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window<'a> {
    pub text: &'a str,
    /// Nothing follows.
    pub end: bool,
    /// As much as may be held.
    pub full: bool,
}

impl Window<'_> {
    /// Whether nothing more is to be waited for.
    pub fn over(&self) -> bool {
        self.end || self.full
    }

    /// Waits for a letter that settles something; where there is nothing to wait for, something else.
    pub fn wait(&self, settles: fn(char) -> bool, or: Step) -> Step {
        if self.over() { or } else { Step::Wait(settles) }
    }
}

/// What becomes of the beginning of a window.
#[derive(Debug)]
pub(super) enum Step {
    /// So many bytes stay.
    Keep(usize),
    /// So many bytes are replaced. It counts unless it is the rest of what was counted.
    Write { length: usize, text: String, breaks: bool },
    /// A blank after so many bytes, so that what stands beside each other does not run together. It counts not.
    Part(usize),
    /// Nothing, until a letter comes for which this is true.
    Wait(fn(char) -> bool),
}

/// Every letter settles something.
pub(super) fn any(_: char) -> bool {
    true
}

impl Container {
    /// For one text.
    pub fn new(hosts: Arc<Hosts>) -> Self {
        Self {
            hosts,
            held: String::new(),
            waits: None,
            lines: Lines::default(),
            inline: Inline::default(),
            edits: Edits::default(),
            bytes: 0,
            made_inert: 0,
            broken_off: false,
            failed: false,
        }
    }

    /// Contains a whole text.
    ///
    /// # Errors
    /// [`ContainError`]: then nothing of the text may go on.
    pub fn whole(hosts: &Arc<Hosts>, text: &str) -> Result<String, ContainError> {
        let mut container = Self::new(Arc::clone(hosts));
        let mut whole = container.push(text)?;
        whole.push_str(&container.finish()?);
        Ok(whole)
    }

    /// Takes the next piece and gives what is settled.
    ///
    /// # Errors
    /// [`ContainError`]: what was held back must not be shown.
    pub fn push(&mut self, piece: &str) -> Result<String, ContainError> {
        self.bytes = self.bytes.saturating_add(piece.len());
        self.failed |= self.bytes > BYTES_MAX;
        if self.failed {
            self.held.clear();
            return Err(ContainError::TooLong);
        }
        let mut out = String::new();
        if self.broken_off && !piece.is_empty() {
            self.broken_off = false;
            self.parted(&mut out);
        }
        let settles = self.waits.is_none_or(|settles| piece.chars().any(settles));
        self.held.push_str(piece);
        if settles || self.held.len() > HELD_BYTES_MAX {
            self.settle(false, &mut out);
        }
        Ok(out)
    }

    /// Gives the rest. What comes after it, if anything does, is a paragraph of its own.
    ///
    /// # Errors
    /// [`ContainError`]: what was held back must not be shown.
    pub fn finish(&mut self) -> Result<String, ContainError> {
        if self.failed {
            return Err(ContainError::TooLong);
        }
        let mut out = String::new();
        self.settle(true, &mut out);
        self.broken_off = self.edits.taken() > 0;
        Ok(out)
    }

    /// How often something was made inert.
    pub fn made_inert(&self) -> u32 {
        self.made_inert
    }

    /// How many characters of the text are settled.
    pub fn settled_chars(&self) -> usize {
        self.edits.taken()
    }

    /// Where a place of the text, in characters, is in what was given.
    pub fn place(&self, taken: usize) -> usize {
        self.edits.place(taken)
    }

    /// Two texts that were written apart do not run together.
    fn parted(&mut self, out: &mut String) {
        const BETWEEN: &str = "\n\n";
        self.edits.replace(0, BETWEEN.len());
        out.push_str(BETWEEN);
        self.lines.next_paragraph();
        self.inline = Inline { before: Some('\n'), ..Inline::default() };
    }

    fn settle(&mut self, end: bool, out: &mut String) {
        let held = std::mem::take(&mut self.held);
        self.waits = None;
        let mut at = 0;
        while at < held.len() {
            let rest = &held[at..];
            let full = rest.len() > HELD_BYTES_MAX;
            let text = if full { &rest[..rest.floor_char_boundary(HELD_BYTES_MAX)] } else { rest };
            match self.step(Window { text, end: end && !full, full }) {
                Step::Keep(length) => {
                    self.give(&text[..length], None, out);
                    at += length;
                }
                Step::Part(length) => {
                    self.give(&text[..length], Some(&format!("{} ", &text[..length])), out);
                    at += length;
                }
                Step::Write { length, text: written, breaks } => {
                    self.made_inert = self.made_inert.saturating_add(u32::from(!self.inline.broken));
                    self.give(&text[..length], Some(&written), out);
                    self.inline.broken = breaks;
                    at += length;
                }
                Step::Wait(settles) => {
                    self.waits = Some(settles);
                    break;
                }
            }
        }
        self.held = held[at..].to_owned();
    }

    fn give(&mut self, taken: &str, written: Option<&str>, out: &mut String) {
        let given = written.unwrap_or(taken);
        match written {
            None => self.edits.keep(taken.chars().count()),
            Some(written) => self.edits.replace(taken.chars().count(), written.chars().count()),
        }
        if !taken.chars().all(char::is_whitespace) {
            self.inline.broken = false;
        }
        self.inline.before = given.chars().next_back().or(self.inline.before);
        out.push_str(given);
    }

    fn step(&mut self, window: Window<'_>) -> Step {
        if let Some(step) = self.line(window) {
            return step;
        }
        match window.text.chars().next() {
            Some('\n') => {
                if self.lines.ends() {
                    self.inline = Inline { broken: self.inline.broken, ..Inline::default() };
                }
                Step::Keep(1)
            }
            Some('\r') => match window.text.as_bytes().get(1) {
                None => window.wait(any, Step::Keep(1)),
                Some(b'\n') => Step::Keep(1),
                // Some readers end a line here, and some do not.
                Some(_) => {
                    self.lines.lose();
                    self.lines.ends();
                    Step::Keep(1)
                }
            },
            Some('`') => self.backticks(window),
            Some('[') => self.opening(window),
            Some(']') => self.closing(window, 0),
            Some('<') => self.angle(window),
            _ => self.word(window),
        }
    }
}
