//! Hides personal data in an answer before the one who asked sees it. What he wrote himself is not hidden from him.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::stand_in::LITERAL;
use super::{Bounds, MaskError, Masker, StandIns, StreamMasker};
use crate::edits::Edits;

/// Hides what is in the texts of one answer. One value has one stand-in in all of them.
#[derive(Debug)]
pub struct AnswerMasker {
    masker: Arc<Masker>,
    stand_ins: StandIns,
    /// How many of the stand-ins stand for what the asker wrote.
    own: usize,
    counts: BTreeMap<String, u32>,
}

/// One text of an answer, on its way. After an error it gives nothing any more.
#[derive(Debug)]
pub struct AnswerText {
    stream: StreamMasker,
    /// The text from where nothing is settled yet, and the bytes before it.
    held: String,
    before: usize,
    /// Findings that were dealt with.
    seen: usize,
    edits: Edits,
    /// The beginning of what may become a mark such as `[1]`, which is never split.
    mark: String,
}

impl AnswerMasker {
    /// For an answer to somebody who wrote these texts himself.
    ///
    /// # Errors
    /// [`MaskError`]: then there is no answer.
    pub fn new<'a>(masker: Arc<Masker>, written: impl IntoIterator<Item = &'a str>) -> Result<Self, MaskError> {
        let mut stand_ins = StandIns::default();
        for text in written {
            masker.mask(text, &mut stand_ins)?;
        }
        let own = stand_ins.len();
        Ok(Self { masker, stand_ins, own, counts: BTreeMap::new() })
    }

    /// How often each kind was hidden so far.
    pub fn counts(&self) -> &BTreeMap<String, u32> {
        &self.counts
    }

    /// A text that comes in pieces. The names that were found before it are known in it.
    pub fn text(&self) -> AnswerText {
        AnswerText {
            stream: StreamMasker::new(Arc::clone(&self.masker), &self.stand_ins, Bounds::default()),
            held: String::new(),
            before: 0,
            seen: 0,
            edits: Edits::default(),
            mark: String::new(),
        }
    }

    /// Hides what is in a whole text.
    ///
    /// # Errors
    /// [`MaskError`]: then the text may not be shown.
    pub fn whole(&mut self, text: &str) -> Result<String, MaskError> {
        let mut stream = self.text();
        let mut whole = stream.push(self, text)?;
        whole.push_str(&stream.finish(self)?);
        Ok(whole)
    }

    fn count(&mut self, kind: String) {
        let count = self.counts.entry(kind).or_default();
        *count = count.saturating_add(1);
    }
}

impl AnswerText {
    /// Takes the next piece and gives what is settled.
    ///
    /// # Errors
    /// [`MaskError`]: what was held back must not be shown.
    pub fn push(&mut self, answer: &mut AnswerMasker, piece: &str) -> Result<String, MaskError> {
        self.held.push_str(piece);
        let masked = self.stream.push(piece, &mut answer.stand_ins)?;
        let mut shown = self.shown(answer, &masked);
        let whole = shown.len() - opened(&shown);
        self.mark = shown.split_off(whole);
        Ok(shown)
    }

    /// Gives the rest.
    ///
    /// # Errors
    /// [`MaskError`]: what was held back must not be shown.
    pub fn finish(&mut self, answer: &mut AnswerMasker) -> Result<String, MaskError> {
        let masked = self.stream.finish(&mut answer.stand_ins)?;
        Ok(self.shown(answer, &masked))
    }

    /// How many characters of the text are settled and given.
    pub fn settled_chars(&self) -> usize {
        // What is held for a mark stays as it is.
        self.edits.taken() - self.mark.chars().count()
    }

    /// Where a place of the text, in characters, is in what was given.
    pub fn place(&self, taken: usize) -> usize {
        self.edits.place(taken)
    }

    /// The settled text, with the stand-ins that stay.
    fn shown(&mut self, answer: &mut AnswerMasker, masked: &str) -> String {
        let mut shown = std::mem::take(&mut self.mark);
        let (mut rest, mut at) = (masked, 0);
        for finding in &self.stream.findings()[self.seen..] {
            let (begin, end) = (finding.span.start - self.before, finding.span.end - self.before);
            let (plain, behind) = rest.split_at(begin - at);
            let (stand_in, behind) = behind.split_at(behind.find(']').map_or(behind.len(), |close| close + 1));
            let written = &self.held[begin..end];
            self.edits.keep(plain.chars().count());
            shown.push_str(plain);
            if finding.kind == LITERAL || answer.stand_ins.place(stand_in).is_some_and(|place| place < answer.own) {
                self.edits.keep(written.chars().count());
                shown.push_str(written);
            } else {
                self.edits.replace(written.chars().count(), stand_in.chars().count());
                shown.push_str(stand_in);
                answer.count(finding.kind.clone());
            }
            (rest, at) = (behind, end);
        }
        self.seen = self.stream.findings().len();
        self.edits.keep(rest.chars().count());
        shown.push_str(rest);
        at += rest.len();
        self.held.drain(..at);
        self.before += at;
        shown
    }
}

/// Bytes at the end of a text that may become a mark.
fn opened(text: &str) -> usize {
    const MARK_BYTES_MAX: usize = 8;
    let digits = text.bytes().rev().take(MARK_BYTES_MAX).take_while(u8::is_ascii_digit).count();
    if text[..text.len() - digits].ends_with('[') { digits + 1 } else { 0 }
}
