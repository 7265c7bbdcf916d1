//! Turns what a model writes into events, a sentence at a time: each sentence is checked, its marks are set right,
//! and what no passage supports is flagged or held back.
//!
//! Nothing that is checked shows a text of which fewer than half of the sentences are supported: sentences are held
//! back until the half is there again, and what is still held at the end is dropped.

use std::collections::VecDeque;
use std::sync::Arc;

use super::cite::Cited;
use super::support::Claim;
use super::{marks, sentence};
use crate::{ReplyEvent, Unsupported};

/// Checks a generated answer while it is written.
#[derive(Debug)]
pub(crate) struct Writer {
    cited: Arc<Cited>,
    /// Whether sentences are held back until at least half of what is shown is supported.
    holds: bool,
    pending: String,
    held: Vec<Checked>,
    judged: u32,
    supported: u32,
    /// Characters that went out.
    shown_chars: usize,
    shown: u32,
    silent: bool,
    unsupported: Vec<Unsupported>,
}

#[derive(Debug)]
struct Checked {
    text: String,
    space: String,
    marks: Vec<(u32, std::ops::Range<usize>)>,
    reason: Option<&'static str>,
    judged: bool,
}

/// What a generated answer came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Written {
    /// Sentences that were shown and could be judged.
    pub shown: u32,
    /// Sentences that were held back and dropped.
    pub withheld: u32,
    /// Sentences that a passage supports.
    pub supported: u32,
    /// Whether the model said that the records do not say.
    pub silent: bool,
    pub unsupported: Vec<Unsupported>,
}

impl Writer {
    pub fn new(cited: Arc<Cited>, holds: bool) -> Self {
        Self {
            cited,
            holds,
            pending: String::new(),
            held: Vec::new(),
            judged: 0,
            supported: 0,
            shown_chars: 0,
            shown: 0,
            silent: false,
            unsupported: Vec::new(),
        }
    }

    /// Takes in what the model wrote next.
    pub fn push(&mut self, text: &str, out: &mut VecDeque<ReplyEvent>) {
        self.pending.push_str(text);
        while let Some(end) = sentence::first_end(&self.pending) {
            let rest = self.pending.split_off(end);
            let whole = std::mem::replace(&mut self.pending, rest);
            self.judge(&whole, out);
        }
    }

    /// Takes in the end.
    pub fn finish(&mut self, out: &mut VecDeque<ReplyEvent>) -> Written {
        let last = std::mem::take(&mut self.pending);
        if !last.is_empty() {
            self.judge(&last, out);
        }
        let withheld = self.held.iter().filter(|sentence| sentence.judged).count() as u32;
        // Empty lines and the like at the end are not worth showing once something was shown.
        self.held.clear();
        Written {
            shown: self.shown,
            withheld,
            supported: self.supported,
            silent: self.silent,
            unsupported: std::mem::take(&mut self.unsupported),
        }
    }

    fn judge(&mut self, whole: &str, out: &mut VecDeque<ReplyEvent>) {
        let (clean, named) = marks::strip(whole);
        // A model that copies a passage copies the bar before its lines, too.
        let clean = clean.strip_prefix("| ").unwrap_or(&clean);
        // Many a model begins with the space that its tokens carry.
        let first = self.shown_chars == 0 && self.held.is_empty();
        let clean = if first { clean.trim_start() } else { clean };
        let text = clean.trim_end();
        let space = clean[text.len()..].to_owned();
        let claim = Claim::of(text);
        let mut checked =
            Checked { text: text.to_owned(), space, marks: Vec::new(), reason: None, judged: !claim.is_empty() };
        if claim.is_silent() {
            self.silent = true;
            checked.judged = false;
            // Shown only where nothing is held back: what the house says of silence is said once, at the end.
            if self.holds {
                return;
            }
        }
        if checked.judged {
            for number in named {
                if let Ok((_, span)) = self.cited.check(&claim, number) {
                    checked.marks.push((number, span));
                }
            }
            if checked.marks.is_empty() {
                match self.cited.find(&claim) {
                    Ok(found) => checked.marks.push(found),
                    Err(why) => checked.reason = Some(why.reason()),
                }
            }
            self.judged += 1;
            self.supported += u32::from(checked.reason.is_none());
        }
        self.held.push(checked);
        if !self.holds || self.supported > 0 && 2 * self.supported >= self.judged {
            for checked in std::mem::take(&mut self.held) {
                self.show(checked, out);
            }
        }
    }

    fn show(&mut self, checked: Checked, out: &mut VecDeque<ReplyEvent>) {
        let start = self.shown_chars;
        let leading = checked.text.chars().take_while(|c| c.is_whitespace()).count();
        self.text(checked.text, out);
        let end = self.shown_chars;
        for (number, sentence) in checked.marks {
            let at = self.shown_chars + 1;
            let mark = format!("[{number}]");
            let length = mark.chars().count();
            if let Some(citation) = self.cited.cite(number, sentence, at..at + length) {
                self.text(format!(" {mark}"), out);
                out.push_back(ReplyEvent::Citation(citation));
            }
        }
        if let Some(reason) = checked.reason {
            let unsupported = Unsupported { span: start + leading..end, reason };
            self.unsupported.push(unsupported.clone());
            out.push_back(ReplyEvent::Unsupported(unsupported));
        }
        self.shown += u32::from(checked.judged);
        self.text(checked.space, out);
    }

    fn text(&mut self, text: String, out: &mut VecDeque<ReplyEvent>) {
        if !text.is_empty() {
            self.shown_chars += text.chars().count();
            out.push_back(ReplyEvent::Text(text));
        }
    }
}

#[cfg(test)]
mod tests {
    use base::{Class, CorpusId, DocumentId, PassageId};
    use retrieval::Hit;

    use super::*;
    use crate::answer::{Question, Weighed, choose};

    const TEXT: &str =
        "③ 계량기가 동파된 경우 교체비 4만2천원을 부담한다.\n④ 영하 15도 아래인 날에는 교체비를 받지 아니한다.";

    fn write(answer: &str, piece: usize) -> (String, Vec<(String, String)>, Written) {
        let hit = Hit {
            passage: PassageId(1),
            document: DocumentId::new(),
            corpus: CorpusId::new(),
            path: "a.md".into(),
            title: "조례".into(),
            headings: vec![],
            span: 100..100 + TEXT.len() as u64,
            text: TEXT.into(),
            class: Class::Open,
            dated: None,
            rank: 1,
            score: 1.0,
            words_rank: Some(1),
            words_score: Some(1.0),
            meaning_rank: None,
            meaning_score: None,
            flags: Vec::new(),
        };
        let question = Question::of("교체비는 얼마인가요?");
        let weighed = Weighed::of(vec![hit], &question);
        let cited = Arc::new(Cited::of(&weighed, &choose(&weighed, 4)));
        let mut writer = Writer::new(cited, true);
        let mut out = VecDeque::new();
        let letters: Vec<char> = answer.chars().collect();
        for piece in letters.chunks(piece) {
            writer.push(&piece.iter().collect::<String>(), &mut out);
        }
        let written = writer.finish(&mut out);
        let (mut text, mut citations) = (String::new(), Vec::new());
        for event in out {
            match event {
                ReplyEvent::Text(more) => text.push_str(&more),
                ReplyEvent::Citation(citation) => {
                    let mark = text.chars().skip(citation.mark.start).take(citation.mark.len()).collect();
                    citations.push((mark, citation.quote));
                }
                _ => {}
            }
        }
        (text, citations, written)
    }

    #[test]
    fn however_a_text_is_cut_into_tokens_its_marks_are_the_same() {
        let answer = "교체비 42,000원을 부담합니다 [1]. 영하 15도 아래인 날에는 교체비를 받지 않습니다.[1][9]\n끝으로 [참고]하십시오.";
        let whole = write(answer, 10_000);
        assert_eq!(whole.1.len(), 2, "{whole:?}");
        assert!(whole.1.iter().all(|(mark, _)| mark == "[1]"));
        assert!(whole.1[0].1.starts_with('③') && whole.1[1].1.starts_with('④'), "{whole:?}");
        for piece in 1..12 {
            assert_eq!(write(answer, piece), whole, "pieces of {piece}");
            assert_eq!(write(&format!(" {answer}"), piece), whole, "a space before pieces of {piece}");
        }
    }

    #[test]
    fn a_mark_cannot_become_a_link() {
        let (text, citations, _) =
            write("교체비 4만2천원을 부담합니다 [1](https://evil.example).\n[1]: https://evil.example\n", 3);
        assert!(!text.contains("](") && !text.contains("]:"), "{text}");
        assert!(citations.len() <= 1);
    }

    #[test]
    fn an_answer_that_only_says_that_it_found_nothing_shows_nothing() {
        let (text, citations, written) = write("기록에 없습니다.", 2);
        assert_eq!((text.as_str(), citations.len(), written.shown, written.silent), ("", 0, 0, true));
    }
}
