//! Turns stand-ins back into what they stand for, in whole texts and in streams.
//!
//! Only what is certain is turned back: a known label with a known number, in brackets of any kind, or bare and alone.
//! What was put in is not read again, so a value that looks like a stand-in stays what it is.

use super::stand_in::{Shape, Shapes, StandIns};

impl StandIns {
    /// Turns back a whole text.
    pub fn unmask(&self, text: &str) -> String {
        let mut unmasker = Unmasker::new(self);
        let mut whole = unmasker.push(text);
        whole.push_str(&unmasker.finish());
        whole
    }
}

/// Turns back a text that comes in pieces. It holds back only what may be the beginning of a stand-in: at most some
/// hundred bytes.
#[derive(Debug)]
pub struct Unmasker {
    stand_ins: StandIns,
    shapes: Shapes,
    held: String,
    before: Option<char>,
}

impl Unmasker {
    /// For the stand-ins as they are now.
    pub fn new(stand_ins: &StandIns) -> Self {
        let shapes = Shapes::new(stand_ins.labels());
        Self { stand_ins: stand_ins.clone(), shapes, held: String::new(), before: None }
    }

    /// Takes the next piece and gives what is settled.
    pub fn push(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        self.settle(false)
    }

    /// Gives the rest. Afterwards a new text may begin.
    pub fn finish(&mut self) -> String {
        let rest = self.settle(true);
        self.before = None;
        rest
    }

    fn settle(&mut self, end: bool) -> String {
        let text = std::mem::take(&mut self.held);
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            if self.shapes.may_begin(c) {
                match self.shapes.at(&text[at..], self.before, end) {
                    Shape::Found { length, label, number } => {
                        if let Some(value) = self.stand_ins.value(&label, number) {
                            out.push_str(value);
                            self.before = text[..at + length].chars().next_back();
                            at += length;
                            continue;
                        }
                    }
                    Shape::Partial => {
                        self.held = text[at..].to_owned();
                        return out;
                    }
                    Shape::None => {}
                }
            }
            out.push(c);
            self.before = Some(c);
            at += c.len_utf8();
        }
        out
    }
}
