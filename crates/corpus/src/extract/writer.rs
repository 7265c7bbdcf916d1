//! Builds an extracted text line by line, for formats whose text is not their source.

use super::{Extracted, Heading, Limits, Warning, WarningKind, short};
use crate::clean::clean_str;

/// A text in the making. Each line is cleaned by itself: a line end is a border that no letter joins across.
#[derive(Debug)]
pub(super) struct Writer {
    pub extracted: Extracted,
    limits: Limits,
    full: bool,
}

impl Writer {
    pub fn new(limits: &Limits) -> Self {
        Self { extracted: Extracted::default(), limits: *limits, full: false }
    }

    /// Whether the bound was reached: what comes now is left out.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Bytes of text that there may be.
    pub fn bytes_max(&self) -> usize {
        self.limits.text_bytes_max
    }

    /// Adds a line, without its line end.
    pub fn line(&mut self, line: &str) {
        if self.full {
            return;
        }
        let line = clean_str(line.trim_end());
        if self.extracted.text.len() + line.len() >= self.limits.text_bytes_max {
            self.full = true;
            return;
        }
        self.extracted.text.push_str(&line);
        self.extracted.text.push('\n');
    }

    /// Adds an empty line unless there is one.
    pub fn gap(&mut self) {
        let text = &self.extracted.text;
        if !text.is_empty() && !text.ends_with("\n\n") {
            self.line("");
        }
    }

    /// Says that a passage of its own begins here.
    pub fn begin_passage(&mut self) {
        if self.extracted.breaks.len() <= self.limits.breaks_max {
            self.extracted.breaks.push(self.extracted.text.len());
        }
    }

    /// Adds a heading on its own line.
    pub fn heading(&mut self, level: u8, title: &str) {
        let title = short(&clean_str(title));
        if title.is_empty() {
            return;
        }
        self.gap();
        let start = self.extracted.text.len();
        self.line(&title);
        let stop = self.extracted.text.trim_end().len();
        if stop > start && self.extracted.headings.len() <= self.limits.headings_max {
            self.extracted.headings.push(Heading { level, title, span: start..stop });
        }
    }

    pub fn finish(self, warnings: &mut Vec<Warning>) -> Extracted {
        if self.full {
            let detail = format!("only the first {} bytes of text were kept", self.limits.text_bytes_max);
            warnings.push(Warning::new(WarningKind::Shortened, detail));
        }
        self.extracted
    }
}
