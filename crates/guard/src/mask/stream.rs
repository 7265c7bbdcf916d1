//! Masks whole texts, and texts that come in pieces.
//!
//! Invariant: a stream masked in any pieces equals the whole masked at once, because both are masked atom by atom and
//! atoms are cut from left to right. A text is masked whole or not at all: where a bound is reached, nothing more
//! comes out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::atom::{Atom, Cutter};
use super::find::{BEFORE_BYTES, Checked, Finding, Hit, Masker, Memory, joined};
use super::stand_in::{LITERAL, Shape, Shapes, StandIns};

/// Why a text was not masked. It may not go on then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// It is longer than the bound.
    #[error("the text has more than `{bytes_max}` bytes, which is what masking takes")]
    TooLong {
        /// The bound.
        bytes_max: usize,
    },
    /// Masking took longer than it may.
    #[error("masking did not end within `{time_max_ms}` ms")]
    TooLate {
        /// The bound.
        time_max_ms: u64,
    },
    /// The conversation has as many stand-ins as it may.
    #[error("this conversation holds more personal data than it may")]
    Full,
}

/// How much masking may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The longest text, in bytes.
    pub bytes_max: usize,
    /// The longest time that masking one text may work.
    pub time_max: Duration,
}

impl Default for Bounds {
    /// 16 MiB and 10 s: twenty times what such a text takes.
    fn default() -> Self {
        Self { bytes_max: 16 << 20, time_max: Duration::from_secs(10) }
    }
}

/// A masked text.
#[derive(Debug, Clone, PartialEq)]
pub struct Masked {
    /// With stand-ins.
    pub text: String,
    /// What was hidden, and where it stood in the source.
    pub findings: Vec<Finding>,
}

impl Masker {
    /// Replaces what is found by stand-ins, within the default [`Bounds`].
    ///
    /// # Errors
    /// [`MaskError`]: then nothing of the text may go on.
    pub fn mask(&self, text: &str, stand_ins: &mut StandIns) -> Result<Masked, MaskError> {
        self.mask_within(text, stand_ins, Bounds::default())
    }

    /// Replaces what is found by stand-ins.
    ///
    /// # Errors
    /// [`MaskError`]: then nothing of the text may go on.
    pub fn mask_within(&self, text: &str, stand_ins: &mut StandIns, bounds: Bounds) -> Result<Masked, MaskError> {
        let mut work = Work::new(self, stand_ins, bounds);
        work.take(text.len())?;
        let mut out = String::with_capacity(text.len());
        work.settle(self, text, true, stand_ins, &mut out)?;
        Ok(Masked { text: out, findings: work.findings })
    }
}

/// Masks a text that comes in pieces. After an error it gives nothing any more.
///
/// It holds back the atom that is not yet whole: a few words, a sentence at the most where every word could be a name,
/// and never more than 16 KiB.
#[derive(Debug)]
pub struct StreamMasker {
    masker: Arc<Masker>,
    work: Work,
    held: String,
    failed: Option<MaskError>,
}

impl StreamMasker {
    /// For one text of the conversation that `stand_ins` belong to.
    pub fn new(masker: Arc<Masker>, stand_ins: &StandIns, bounds: Bounds) -> Self {
        let work = Work::new(&masker, stand_ins, bounds);
        Self { masker, work, held: String::new(), failed: None }
    }

    /// Takes the next piece and gives what is settled, masked.
    ///
    /// # Errors
    /// [`MaskError`]: what was held back must not be shown.
    pub fn push(&mut self, piece: &str, stand_ins: &mut StandIns) -> Result<String, MaskError> {
        self.held.push_str(piece);
        self.settle(piece.len(), false, stand_ins)
    }

    /// Gives the rest, masked.
    ///
    /// # Errors
    /// [`MaskError`]: what was held back must not be shown.
    pub fn finish(&mut self, stand_ins: &mut StandIns) -> Result<String, MaskError> {
        self.settle(0, true, stand_ins)
    }

    /// What was hidden so far, and where it stood in the whole source.
    pub fn findings(&self) -> &[Finding] {
        &self.work.findings
    }

    fn settle(&mut self, bytes: usize, end: bool, stand_ins: &mut StandIns) -> Result<String, MaskError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut out = String::new();
        let worked =
            self.work.take(bytes).and_then(|()| self.work.settle(&self.masker, &self.held, end, stand_ins, &mut out));
        if let Err(error) = worked {
            self.held.clear();
            self.failed = Some(error.clone());
            return Err(error);
        }
        // What is settled stays as long as it may be context for what comes.
        let gone = self.held.floor_char_boundary(self.work.cutter.start().saturating_sub(BEFORE_BYTES));
        if gone > BEFORE_BYTES {
            self.held.drain(..gone);
            self.work.forget(gone);
        }
        Ok(out)
    }
}

/// The state of masking one text.
#[derive(Debug)]
struct Work {
    bounds: Bounds,
    bytes: usize,
    worked: Duration,
    cutter: Cutter,
    memory: Memory,
    shapes: Shapes,
    findings: Vec<Finding>,
    gone: usize,
}

impl Work {
    fn new(masker: &Masker, stand_ins: &StandIns, bounds: Bounds) -> Self {
        let labels = masker.kinds.iter().map(|kind| kind.label.as_str());
        let shapes = Shapes::new(labels.chain(stand_ins.labels()).chain([LITERAL]));
        let mut memory = Memory::default();
        memory.known = stand_ins.names();
        Self {
            bounds,
            bytes: 0,
            worked: Duration::ZERO,
            cutter: Cutter::default(),
            memory,
            shapes,
            findings: Vec::new(),
            gone: 0,
        }
    }

    fn take(&mut self, bytes: usize) -> Result<(), MaskError> {
        self.bytes += bytes;
        if self.bytes > self.bounds.bytes_max {
            return Err(MaskError::TooLong { bytes_max: self.bounds.bytes_max });
        }
        Ok(())
    }

    fn settle(
        &mut self,
        masker: &Masker,
        text: &str,
        end: bool,
        stand_ins: &mut StandIns,
        out: &mut String,
    ) -> Result<(), MaskError> {
        let begun = Instant::now();
        while let Some(atom) = self.cutter.next(masker.lexicon(), text, end) {
            if self.worked + begun.elapsed() >= self.bounds.time_max {
                return Err(MaskError::TooLate { time_max_ms: self.bounds.time_max.as_millis() as u64 });
            }
            self.replace(masker, text, &atom, stand_ins, out)?;
        }
        self.worked += begun.elapsed();
        Ok(())
    }

    /// Writes one atom with stand-ins in place of what is found.
    fn replace(
        &mut self,
        masker: &Masker,
        text: &str,
        atom: &Atom,
        stand_ins: &mut StandIns,
        out: &mut String,
    ) -> Result<(), MaskError> {
        let mut hits = Vec::new();
        masker.search(text, atom, &mut self.memory, &mut hits);
        if atom.hot && self.literals(masker, text, atom, &mut hits) {
            hits = joined(text, hits);
        }
        let mut at = atom.span.start;
        for hit in hits {
            let value = &text[hit.span.clone()];
            let (kind, label, name) = match masker.kinds.get(hit.kind) {
                Some(kind) => (kind.name.as_str(), kind.label.as_str(), masker.is_name(hit.kind)),
                None => (LITERAL, LITERAL, false),
            };
            out.push_str(&text[at..hit.span.start]);
            out.push_str(&stand_ins.stand_in(kind, label, &hit.key, value, name)?);
            at = hit.span.end;
            let span = hit.span.start + self.gone..hit.span.end + self.gone;
            self.findings.push(Finding { kind: kind.to_owned(), span, confidence: hit.confidence, check: hit.check });
        }
        out.push_str(&text[at..atom.span.end]);
        Ok(())
    }

    /// Finds what looks like a stand-in but was written by somebody; says whether there is any.
    fn literals(&self, masker: &Masker, text: &str, atom: &Atom, hits: &mut Vec<Hit>) -> bool {
        let before = hits.len();
        let mut at = atom.span.start;
        let mut last = text[..at].chars().next_back();
        while let Some(c) = text[at..atom.span.end].chars().next() {
            let mut next = at + c.len_utf8();
            if self.shapes.may_begin(c)
                && let Shape::Found { length, .. } = self.shapes.at(&text[at..atom.span.end], last, true)
            {
                next = at + length;
                let key = text[at..next].to_owned();
                hits.push(Hit { kind: masker.kinds.len(), span: at..next, confidence: 1.0, check: Checked::None, key });
            }
            last = text[at..next].chars().next_back();
            at = next;
        }
        hits.len() > before
    }

    /// Says that the first `bytes` of the text are gone.
    fn forget(&mut self, bytes: usize) {
        self.gone += bytes;
        self.cutter.forget(bytes);
    }
}
