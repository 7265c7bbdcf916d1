//! What is certainly code: fenced blocks that begin at the left, and spans of code within one line.
//!
//! A block inside a list or a quotation is contained like prose, since where it ends depends on columns that readers
//! count differently. So is a span of code in a paragraph in which something else could be open: an unmatched backtick,
//! a formula, a backslash.

use super::container::{Container, Step, Window, any};

/// Where in the lines of a text we are.
#[derive(Debug)]
pub(super) struct Lines {
    /// The code block that we are in: its mark, and how many of it end it.
    fence: Option<(char, usize)>,
    /// Nothing of this line was read.
    begins: bool,
    /// Nothing but blanks of this line was read.
    blank: bool,
    /// So was the line before.
    blank_before: bool,
    /// A letter of this line was read, so no definition begins on it.
    pub lettered: bool,
    /// A list or a quotation may be open.
    nested: bool,
    /// From here on nothing counts as code.
    lost: bool,
    first: bool,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            fence: None,
            begins: true,
            blank: true,
            blank_before: true,
            lettered: false,
            nested: false,
            lost: false,
            first: true,
        }
    }
}

impl Lines {
    /// Ends a line; says whether a paragraph ends, too.
    pub fn ends(&mut self) -> bool {
        let paragraph = self.blank;
        self.blank_before = self.blank;
        (self.begins, self.blank, self.lettered, self.first) = (true, true, false, false);
        paragraph
    }

    /// Readers could disagree from here on.
    pub fn lose(&mut self) {
        self.lost = true;
        self.fence = None;
    }

    /// A text breaks off, and another begins.
    pub fn next_paragraph(&mut self) {
        self.ends();
        self.ends();
    }

    /// Something of the line was read.
    pub fn read(&mut self, text: &str) {
        self.begins = false;
        self.blank = self.blank && text.chars().all(char::is_whitespace);
        // What was made inert begins no definition either.
        self.lettered |= text.chars().any(|c| c.is_alphabetic() || c == '⟨');
    }
}

fn is_newline(c: char) -> bool {
    c == '\n'
}

fn ends_span(c: char) -> bool {
    matches!(c, '`' | '\n')
}

fn is_newline_or_return(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

impl Container {
    /// Looks at what begins a line, and at code blocks. None where the line goes on as prose.
    pub(super) fn line(&mut self, window: Window<'_>) -> Option<Step> {
        if self.lines.fence.is_some() {
            return Some(self.fenced(window));
        }
        if !self.lines.begins {
            return None;
        }
        let text = window.text;
        let blanks = text.bytes().take_while(|byte| *byte == b' ').count();
        let rest = &text[blanks..];
        let Some(first) = rest.chars().next() else {
            return Some(window.wait(any, Step::Keep(blanks)));
        };
        if matches!(first, '`' | '~') {
            return self.fence(window, blanks, first);
        }
        let unfinished = |length: usize| rest.len() <= length && !window.over();
        let figures = rest.bytes().take_while(u8::is_ascii_digit).count();
        let marker = match first {
            '-' | '*' | '+' | ':' if unfinished(1) => return Some(Step::Wait(any)),
            '-' | '*' | '+' | ':' => rest[1..].starts_with(char::is_whitespace),
            '>' => true,
            '0'..='9' if figures <= 9 && unfinished(figures) => return Some(Step::Wait(any)),
            '0'..='9' => rest[figures..].starts_with(['.', ')']),
            '[' | '$' | '\\' if unfinished(1) => return Some(Step::Wait(any)),
            '[' => rest[1..].starts_with('^'),
            // A formula may go over lines, and what is a fence to some is a part of it to others.
            '$' | '\\' => {
                if rest[1..].starts_with(['$', '[']) {
                    self.lines.lose();
                }
                false
            }
            _ => false,
        };
        if self.lines.first && blanks == 0 && first == '-' {
            if rest.len() < 3 && "---".starts_with(rest) && !window.over() {
                return Some(Step::Wait(any));
            }
            // Some readers keep what stands between such lines for themselves.
            if rest.starts_with("---") {
                self.lines.lose();
            }
        }
        if marker {
            self.lines.nested = true;
        } else if blanks == 0 && self.lines.blank_before && !first.is_whitespace() {
            self.lines.nested = false;
        }
        self.lines.begins = false;
        (blanks > 0).then_some(Step::Keep(blanks))
    }

    /// A line that begins with backticks or tildes.
    fn fence(&mut self, window: Window<'_>, blanks: usize, mark: char) -> Option<Step> {
        let rest = &window.text[blanks..];
        let count = rest.bytes().take_while(|byte| *byte as char == mark).count();
        if count == rest.len() && !window.over() {
            return Some(Step::Wait(any));
        }
        let outside = blanks == 0 || blanks <= 3 && !self.lines.nested;
        if count < 3 || !outside || self.lines.lost {
            self.lines.begins = false;
            return (blanks > 0).then_some(Step::Keep(blanks));
        }
        let line = match rest.find('\n') {
            Some(end) => &rest[..=end],
            None if window.full => {
                self.lines.lose();
                return self.line(window);
            }
            None if window.end => rest,
            None => return Some(Step::Wait(is_newline)),
        };
        let words = line[count..].trim_end_matches(['\n', '\r']);
        if words.contains('\r') {
            self.lines.lose();
            return self.line(window);
        }
        if mark == '`' && words.contains('`') {
            self.lines.begins = false;
            return (blanks > 0).then_some(Step::Keep(blanks));
        }
        self.lines.fence = Some((mark, count));
        self.lines.nested = false;
        self.lines.ends();
        self.lines.begins = line.ends_with('\n');
        Some(Step::Keep(blanks + line.len()))
    }

    /// Inside a code block.
    fn fenced(&mut self, window: Window<'_>) -> Step {
        let (text, Some((mark, count))) = (window.text, self.lines.fence) else { return Step::Keep(0) };
        if self.lines.begins {
            let blanks = text.bytes().take_while(|byte| *byte == b' ').count();
            let marks = text[blanks..].bytes().take_while(|byte| *byte as char == mark).count();
            let rest = &text[blanks + marks..];
            let after = rest.trim_start_matches([' ', '\t', '\r']);
            let may_close = blanks <= 3 && (marks >= count || rest.is_empty());
            if may_close && after.is_empty() && !window.over() {
                return Step::Wait(any);
            }
            if may_close && after.is_empty() && window.full {
                // Whether it ends here is not to be seen.
                self.lines.lose();
                return Step::Keep(blanks + marks);
            }
            if blanks <= 3 && marks >= count && (after.is_empty() || after.starts_with('\n')) {
                self.lines.fence = None;
                self.lines.begins = false;
                self.lines.lettered = true;
                self.inline = super::container::Inline::default();
                return Step::Keep(text.len() - after.len());
            }
            self.lines.begins = false;
        }
        let Some(end) = text.find(is_newline_or_return) else { return Step::Keep(text.len()) };
        if text[end..].starts_with('\n') {
            self.lines.begins = true;
            return Step::Keep(end + 1);
        }
        match text.as_bytes().get(end + 1) {
            None if end > 0 => Step::Keep(end),
            None => window.wait(any, Step::Keep(1)),
            Some(b'\n') => {
                self.lines.begins = true;
                Step::Keep(end + 2)
            }
            Some(_) => {
                self.lines.lose();
                Step::Keep(end + 1)
            }
        }
    }

    /// A run of backticks in a line: a span of code stays as it is, if it is one to every reader.
    pub(super) fn backticks(&mut self, window: Window<'_>) -> Step {
        let text = window.text;
        let count = text.bytes().take_while(|byte| *byte == b'`').count();
        if count == text.len() && !window.over() {
            return Step::Wait(any);
        }
        self.lines.read("`");
        if self.inline.doubtful || self.lines.lost {
            return Step::Keep(count);
        }
        let mut at = count;
        while let Some(next) = text[at..].find(ends_span) {
            at += next;
            let run = text[at..].bytes().take_while(|byte| *byte == b'`').count();
            if run == 0 {
                break;
            }
            if at + run == text.len() && !window.over() {
                return Step::Wait(any);
            }
            at += run;
            if run == count {
                let span = &text[..at];
                // A table's cell ends at a bar, in code too; a line may end at a return.
                if span.contains(['|', '\r']) || at == text.len() && window.full {
                    break;
                }
                self.lines.lettered = true;
                return Step::Keep(at);
            }
        }
        if !text[at..].contains('\n') && !window.over() {
            return Step::Wait(ends_span);
        }
        self.inline.doubtful = true;
        Step::Keep(count)
    }
}
