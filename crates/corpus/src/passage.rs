//! Passages: spans of the stored text, sized for the embedder.
//!
//! What must stay true: passages are in order, do not overlap, lie on character borders, stand under one heading, and
//! hold everything between the headings that is not white space. A passage has at most [`TOKENS_MAX`] estimated
//! tokens with its heading path, so that a window of 512 cuts nothing off.

use std::ops::Range;

use crate::extract::{Extracted, Heading};
use crate::sentence;
use crate::tokens::cost;

/// Tokens that a passage and its heading path may have, as estimated.
pub const TOKENS_MAX: usize = 420;
/// Tokens that a heading path takes at most from its passage's share.
const PATH_MAX: usize = 120;

/// One passage of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassageSpan {
    /// Bytes of the text.
    pub span: Range<usize>,
    /// The number of the heading that it stands under.
    pub heading: Option<usize>,
}

/// A piece that passages are made of. Costs are in hundredths of a token.
#[derive(Debug, Clone)]
struct Piece {
    span: Range<usize>,
    cost: usize,
    /// How good a place for a cut lies before it: 2 a paragraph, 1 a line, 0 a sentence or less.
    border: u8,
}

/// Splits a text into passages.
pub fn passages(extracted: &Extracted) -> Vec<PassageSpan> {
    let text = extracted.text.as_str();
    let headings = &extracted.headings;
    let title = extracted.title.as_deref().map_or(0, text_cost);
    let mut found = Vec::new();
    let first = headings.first().map_or(text.len(), |heading| heading.span.start);
    section(extracted, 0..first, None, title, &mut found);
    let mut open: Vec<(u8, usize)> = Vec::new();
    for (number, heading) in headings.iter().enumerate() {
        open.retain(|(level, _)| *level < heading.level);
        open.push((heading.level, text_cost(&heading.title)));
        let path = title + open.iter().map(|(_, cost)| cost).sum::<usize>();
        let next = headings.get(number + 1);
        let stop = next.map_or(text.len(), |next| next.span.start).max(heading.span.end);
        let before = found.len();
        section(extracted, heading.span.end..stop, Some(number), path, &mut found);
        if found.len() == before && is_leaf(heading, next) {
            // A heading with nothing below it says all that there is.
            section(extracted, heading.span.clone(), Some(number), path, &mut found);
        }
    }
    found
}

fn is_leaf(heading: &Heading, next: Option<&Heading>) -> bool {
    next.is_none_or(|next| next.level <= heading.level)
}

/// What stands under one heading, cut where the record itself says so.
fn section(
    extracted: &Extracted,
    span: Range<usize>,
    heading: Option<usize>,
    path: usize,
    found: &mut Vec<PassageSpan>,
) {
    let budget = TOKENS_MAX * 100 - path.min(PATH_MAX * 100);
    let breaks = &extracted.breaks;
    let mut start = span.start;
    let mut next = breaks.partition_point(|place| *place <= span.start);
    loop {
        let stop = breaks.get(next).copied().unwrap_or(span.end).min(span.end);
        for span in split(&extracted.text, start..stop, budget) {
            found.push(PassageSpan { span, heading });
        }
        if stop >= span.end {
            return;
        }
        start = stop;
        next += 1;
    }
}

fn split(text: &str, span: Range<usize>, budget: usize) -> Vec<Range<usize>> {
    let span = trimmed(text, span);
    if span.is_empty() {
        return Vec::new();
    }
    let whole = text_cost(&text[span.clone()]);
    if whole <= budget {
        return vec![span];
    }
    let pieces = pieces(text, span, budget);
    // Passages of about the same size, rather than full ones and a crumb.
    let target = whole / whole.div_ceil(budget);
    let mut found = Vec::new();
    let mut left = whole;
    let mut open: Option<(Range<usize>, usize)> = None;
    for piece in pieces {
        open = Some(match open.take() {
            Some((range, size)) if !cut_before(&piece, size, left, budget, target) => {
                (range.start..piece.span.end, size + piece.cost)
            }
            Some((range, _)) => {
                found.push(range);
                (piece.span.clone(), piece.cost)
            }
            None => (piece.span.clone(), piece.cost),
        });
        left = left.saturating_sub(piece.cost);
    }
    found.extend(open.map(|(range, _)| range));
    found
}

fn cut_before(piece: &Piece, size: usize, left: usize, budget: usize, target: usize) -> bool {
    if size + piece.cost > budget {
        return true;
    }
    // What is left and fits goes in.
    if size + left <= budget {
        return false;
    }
    match piece.border {
        2 => size * 10 >= target * 7,
        1 => size * 10 >= target * 9,
        _ => size >= target,
    }
}

/// Lines; sentences of lines that are too long; clauses of sentences that are too long; at last bare cuts.
fn pieces(text: &str, span: Range<usize>, budget: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut blank = false;
    let mut at = span.start;
    for line in text[span].split_inclusive('\n') {
        let range = trimmed(text, at..at + line.len());
        at += line.len();
        if range.is_empty() {
            blank = true;
            continue;
        }
        let body = &text[range.clone()];
        let paragraph = std::mem::take(&mut blank) || body.starts_with(|letter| ('①'..='⑳').contains(&letter));
        let border = if paragraph { 2 } else { 1 };
        let cost = text_cost(body);
        if cost <= budget {
            pieces.push(Piece { span: range, cost, border });
            continue;
        }
        for (place, sentence) in sentence::spans(body).into_iter().enumerate() {
            let sentence = range.start + sentence.start..range.start + sentence.end;
            let border = if place == 0 { border } else { 0 };
            let cost = text_cost(&text[sentence.clone()]);
            if cost <= budget {
                pieces.push(Piece { span: sentence, cost, border });
            } else {
                cut_sentence(text, sentence, border, budget, &mut pieces);
            }
        }
    }
    pieces
}

/// Cuts a sentence that is too long: behind a clause, else between words, else between characters.
fn cut_sentence(text: &str, span: Range<usize>, mut border: u8, budget: usize, pieces: &mut Vec<Piece>) {
    let mut start = span.start;
    while start < span.end {
        let mut size = 0;
        let (mut clause, mut word, mut stop) = (None, None, span.end);
        for (at, letter) in text[start..span.end].char_indices() {
            let behind = start + at + letter.len_utf8();
            size += cost(letter);
            if size > budget && at > 0 {
                stop = clause.or(word).unwrap_or(start + at);
                break;
            }
            // A clause in the first half would leave a crumb.
            if matches!(letter, ',' | ';' | '·' | 'ㆍ' | '，' | '、' | ')') && size * 2 >= budget {
                clause = Some(behind);
            } else if letter.is_whitespace() {
                word = Some(behind);
            }
        }
        let range = trimmed(text, start..stop);
        if !range.is_empty() {
            let cost = text_cost(&text[range.clone()]);
            pieces.push(Piece { span: range, cost, border });
        }
        border = 0;
        start = stop;
    }
}

fn trimmed(text: &str, span: Range<usize>) -> Range<usize> {
    let piece = &text[span.clone()];
    let start = span.start + (piece.len() - piece.trim_start().len());
    start..start + piece.trim().len()
}

fn text_cost(text: &str) -> usize {
    text.chars().map(cost).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::extract::{Kind, Limits, extract};

    fn read(text: &str, kind: Kind) -> (Extracted, Vec<PassageSpan>) {
        let (extracted, _) = extract(text.as_bytes(), kind, &Limits::default()).unwrap();
        let found = passages(&extracted);
        (extracted, found)
    }

    fn check(text: &str, kind: Kind, expected: &[&str]) {
        let (extracted, found) = read(text, kind);
        let found: Vec<&str> = found.iter().map(|passage| &extracted.text[passage.span.clone()]).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_article_is_one_passage_under_its_heading() {
        check(
            "# 여권법\n\n- 시행일: 20240814\n\n## 제1조 목적\n\n제1조(목적) 목적이다.\n\n## 제2조 소지\n\n소지한다.\n\n지닌다.\n",
            Kind::Markdown,
            &["- 시행일: 20240814", "제1조(목적) 목적이다.", "소지한다.\n\n지닌다."],
        );
        check("# 제목뿐\n\n## 제1장\n\n### 제1조 삭제\n## 제2장\n글", Kind::Markdown, &["### 제1조 삭제", "글"]);
        check(
            "제1조(목적) 목적이다.\n제2조(뜻)\n① 뜻이다.\n",
            Kind::Text,
            &["제1조(목적) 목적이다.", "제2조(뜻)\n① 뜻이다."],
        );
    }

    #[test]
    fn rows_and_objects_are_passages_of_their_own() {
        check("가,나\n1,2\n3,4\n", Kind::Csv, &["가: 1 · 나: 2", "가: 3 · 나: 4"]);
        check("{\"a\":\"하나\",\"b\":1}\n{\"a\":\"둘\"}\n", Kind::Jsonl, &["a: 하나\nb: 1", "a: 둘"]);
    }

    #[test]
    fn a_long_article_is_cut_between_paragraphs_into_even_parts() {
        let paragraph =
            |number: char| format!("{number} {}\n", "시장은 급수를 신청한 자에게 물을 공급하여야 한다. ".repeat(8));
        let text = format!("## 제1조 급수\n\n{}", ('①'..='⑧').map(paragraph).collect::<String>());
        let (extracted, found) = read(&text, Kind::Markdown);
        assert!(found.len() > 1);
        let sizes: Vec<usize> =
            found.iter().map(|passage| crate::estimate_tokens(&extracted.text[passage.span.clone()])).collect();
        assert!(sizes.iter().all(|size| (120..=TOKENS_MAX).contains(size)), "{sizes:?}");
        for passage in &found {
            let words = &extracted.text[passage.span.clone()];
            assert!(words.starts_with(|letter| ('①'..='⑧').contains(&letter)) && words.ends_with("한다."), "{words}");
        }
    }

    #[test]
    fn a_line_without_any_end_is_cut_all_the_same() {
        for text in ["가".repeat(5_000), "가나다 ".repeat(2_000), "가, ".repeat(3_000), "x".repeat(9_000)] {
            let (extracted, found) = read(&text, Kind::Text);
            assert!(found.len() > 1);
            holds_everything(&extracted, &found).unwrap();
        }
    }

    fn holds_everything(extracted: &Extracted, found: &[PassageSpan]) -> Result<(), TestCaseError> {
        let text = &extracted.text;
        let mut uncovered: Vec<(usize, char)> =
            text.char_indices().filter(|(_, letter)| !letter.is_whitespace()).collect();
        let mut at = 0;
        for passage in found {
            let span = passage.span.clone();
            prop_assert!(span.start >= at && span.start < span.end && span.end <= text.len());
            prop_assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end));
            prop_assert!(crate::estimate_tokens(&text[span.clone()]) <= TOKENS_MAX);
            at = span.end;
        }
        let covered = |place: usize| {
            let next = found.partition_point(|passage| passage.span.end <= place);
            let heading = extracted.headings.partition_point(|heading| heading.span.end <= place);
            found.get(next).is_some_and(|passage| passage.span.contains(&place))
                || extracted.headings.get(heading).is_some_and(|heading| heading.span.contains(&place))
        };
        uncovered.retain(|(place, _)| !covered(*place));
        prop_assert!(uncovered.is_empty(), "left out: {:?}", uncovered);
        Ok(())
    }

    proptest! {
        #[test]
        fn passages_hold_everything_between_the_headings(
            text in "([가-하a-z0-9.,?()\"{}:;<>/&①② |=-]{0,40}(\n|\n\n# |\n## |\n제1조\\(가\\)|\n\n1. ))|(\\PC{0,300}\n)|([가-하]{300,900})",
            times in 1..6_usize,
            kind in prop_oneof![Just(Kind::Markdown), Just(Kind::Text), Just(Kind::Html), Just(Kind::Csv), Just(Kind::Json), Just(Kind::Jsonl)],
        ) {
            if let Ok((extracted, _)) = extract(text.repeat(times).as_bytes(), kind, &Limits::default()) {
                prop_assert!(unicode_normalization::is_nfc(&extracted.text));
                for heading in &extracted.headings {
                    prop_assert!(extracted.text.get(heading.span.clone()).is_some());
                }
                let found = passages(&extracted);
                holds_everything(&extracted, &found)?;
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            for kind in [Kind::Markdown, Kind::Text, Kind::Html, Kind::Csv, Kind::Json, Kind::Jsonl] {
                if let Ok((extracted, _)) = extract(&bytes, kind, &Limits::default()) {
                    holds_everything(&extracted, &passages(&extracted))?;
                }
            }
        }
    }
}
