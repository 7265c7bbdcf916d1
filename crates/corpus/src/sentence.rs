//! Where sentences begin and end, in Korean and in European languages.
//!
//! What must stay true: the spans are in order, do not overlap, lie on character borders, and hold every character
//! that is not white space. A cut too few is better than a cut inside a number, a date or a quotation.

use std::ops::Range;

/// Bytes that brackets or quotation marks may hold together.
const TOGETHER_MAX: usize = 600;
/// Characters from which a line counts as wrapped, so that the next line goes on with its sentence.
const WRAPPED_MIN: usize = 30;

/// Bytes of a word that are looked back at.
const WORD_MAX: usize = 120;

/// Abbreviations that a sentence never ends with.
const NEVER: [&str; 30] = [
    "mr", "mrs", "ms", "dr", "prof", "st", "no", "nos", "fig", "figs", "eq", "art", "arts", "sec", "vol", "pp", "ch",
    "vs", "cf", "e.g", "i.e", "approx", "dept", "est", "gen", "gov", "rev", "para", "reg", "tel",
];
/// Abbreviations that a sentence may end with, if a capital follows.
const SELDOM: [&str; 22] = [
    "etc", "inc", "ltd", "co", "corp", "al", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct",
    "nov", "dec", "a.m", "p.m", "u.s", "u.k",
];

/// The sentences of `text`, in order, without the white space between them.
pub fn spans(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    for block in blocks(text) {
        sentences_of(text, block, &mut spans);
    }
    spans
}

/// Runs of lines that belong together: a wrapped paragraph, one item of a list, one row.
fn blocks(text: &str) -> Vec<Range<usize>> {
    let mut blocks: Vec<Range<usize>> = Vec::new();
    let mut above = "";
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let body = line.trim();
        if !body.is_empty() {
            let start = at + (line.len() - line.trim_start().len());
            let stop = start + body.len();
            match blocks.last_mut() {
                Some(last) if goes_on(above, body) => last.end = stop,
                _ => blocks.push(start..stop),
            }
        }
        above = body;
        at += line.len();
    }
    blocks
}

/// Whether a line goes on with the sentence of the line above it.
fn goes_on(above: &str, line: &str) -> bool {
    let wrapped = above.chars().nth(WRAPPED_MIN - 1).is_some() && !above.contains(" · ") && !is_row(above);
    let ended = above.trim_end_matches(is_closer).ends_with(is_end) || above.ends_with([':', '>', ';']);
    wrapped && !ended && !is_row(line) && !begins_item(line) && !line.contains(" · ") && !is_field(line)
}

fn is_row(line: &str) -> bool {
    line.starts_with(['|', '#', '>', '=', '`', '~']) || line.contains(" | ")
}

/// `1. `, `1) `, `가. `, `- `, `① `, `(1) `, `제3조`: a line that begins something new.
pub(crate) fn begins_item(line: &str) -> bool {
    let mut letters = line.chars();
    let Some(first) = letters.next() else { return false };
    match first {
        '①'..='⑳'
        | '㉑'..='㉟'
        | '㉮'..='㉻'
        | 'Ⅰ'..='Ⅻ'
        | '□'
        | '■'
        | '○'
        | '●'
        | '◦'
        | '▪'
        | '•'
        | '※'
        | '◆'
        | '◇'
        | '▶'
        | 'ㆍ' => true,
        '-' | '*' | '+' | '–' | '—' => letters.next().is_some_and(char::is_whitespace),
        '(' | '[' | '【' | '<' | '「' | '『' => first != '「' && first != '『',
        '0'..='9' => {
            let rest = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
            let rest = rest
                .strip_prefix('의')
                .map_or(rest, |more| more.trim_start_matches(|letter: char| letter.is_ascii_digit()));
            rest.starts_with(['.', ')'])
        }
        '가'..='하' if is_item_letter(first) => letters.next().is_some_and(|next| next == '.' || next == ')'),
        '제' => {
            let rest = line['제'.len_utf8()..].trim_start_matches(|letter: char| letter.is_ascii_digit());
            rest.len() + '제'.len_utf8() < line.len() && rest.starts_with(['편', '장', '절', '관', '조'])
        }
        _ => false,
    }
}

/// `부서: 요금과`.
fn is_field(line: &str) -> bool {
    line.split_once(": ")
        .is_some_and(|(name, _)| !name.is_empty() && name.chars().count() <= 20 && !name.contains(['.', ',']))
}

fn is_item_letter(letter: char) -> bool {
    "가나다라마바사아자차카타파하거너더러머버서어저처커터퍼허".contains(letter)
}

fn is_end(letter: char) -> bool {
    matches!(letter, '.' | '?' | '!' | '。' | '？' | '！' | '…' | '．')
}

fn is_closer(letter: char) -> bool {
    matches!(letter, '"' | '\'' | '”' | '’' | ')' | ']' | '}' | '」' | '』' | '》' | '〉' | '】' | '）' | '*' | '_')
}

fn sentences_of(text: &str, block: Range<usize>, spans: &mut Vec<Range<usize>>) {
    let body = &text[block.clone()];
    let together = together(body);
    let mut held = together.iter().peekable();
    let mut start = 0;
    let mut letters = body.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if !is_end(letter) {
            continue;
        }
        // `…다."`, `?!`, `...`: the end and what closes with it are one.
        let mut stop = at + letter.len_utf8();
        while let Some(&(next_at, next)) = letters.peek()
            && (is_end(next) || is_closer(next))
        {
            stop = next_at + next.len_utf8();
            letters.next();
        }
        while held.next_if(|range| range.end < stop).is_some() {}
        let inside = held.peek().is_some_and(|range| range.start <= at && stop < range.end);
        if inside || !is_sentence_end(&body[start..at], letter, &body[at + letter.len_utf8()..stop], &body[stop..]) {
            continue;
        }
        stop += annotation(&body[stop..]);
        while letters.next_if(|(next, _)| *next < stop).is_some() {}
        push(text, block.start + start..block.start + stop, spans);
        start = stop;
    }
    push(text, block.start + start..block.end, spans);
}

fn push(text: &str, span: Range<usize>, spans: &mut Vec<Range<usize>>) {
    let piece = &text[span.clone()];
    let start = span.start + (piece.len() - piece.trim_start().len());
    let stop = start + piece.trim().len();
    if stop > start {
        spans.push(start..stop);
    }
}

/// A law's note such as ` <개정 2014.3.24>` belongs to the sentence before it.
fn annotation(after: &str) -> usize {
    let inner = after.trim_start_matches([' ', '\u{a0}']);
    let Some(note) = inner.strip_prefix(['<', '[']) else { return 0 };
    if !["개정", "신설", "삭제", "전문개정", "본조신설", "종전", "제목개정", "시행일"]
        .iter()
        .any(|word| note.starts_with(word))
    {
        return 0;
    }
    let window = &inner[..inner.floor_char_boundary(TOGETHER_MAX)];
    window
        .find(['>', ']'])
        .filter(|end| !window[..*end].contains('\n'))
        .map_or(0, |end| after.len() - inner.len() + end + 1)
}

fn is_sentence_end(before: &str, mark: char, more: &str, after: &str) -> bool {
    if after.is_empty() {
        return true;
    }
    if matches!(mark, '。' | '？' | '！') {
        return true;
    }
    let follows = after.chars().next().unwrap_or(' ');
    let near = &before[before.ceil_char_boundary(before.len().saturating_sub(WORD_MAX))..];
    let word = near.rsplit(|letter: char| letter.is_whitespace()).next().unwrap_or(near);
    if !follows.is_whitespace() {
        // `…한다.다만`: a statute's missing space.
        let korean_end = mark == '.' && more.is_empty() && word.ends_with('다') && word.chars().count() > 2;
        return korean_end
            && ('가'..='힣').contains(&follows)
            && word.chars().rev().nth(1).is_some_and(|letter| ('가'..='힣').contains(&letter));
    }
    if mark != '.' && mark != '．' && mark != '…' {
        return true;
    }
    let next = after.trim_start().chars().next().unwrap_or(' ');
    if mark == '…' || more.starts_with('.') {
        return !next.is_lowercase();
    }
    if more.chars().any(is_closer) {
        return !next.is_lowercase();
    }
    let first = before.trim_start().len() == word.len();
    let word = word.trim_start_matches(|letter: char| !letter.is_alphanumeric());
    if word.is_empty() {
        return false;
    }
    if word.chars().all(|letter| letter.is_ascii_digit() || letter == '.' || letter == '의') {
        // `1. `, `2024. 3. 5. `; but `… in 2024. The …`.
        return !first && next.is_ascii_uppercase() && word.len() > 2;
    }
    let mut letters = word.chars();
    if let (Some(only), None) = (letters.next(), letters.next()) {
        return !(only.is_ascii_alphabetic() || first && is_item_letter(only));
    }
    if word.is_ascii() {
        let lower = word.to_ascii_lowercase();
        if NEVER.contains(&lower.as_str()) {
            return false;
        }
        if SELDOM.contains(&lower.as_str()) {
            return next.is_uppercase();
        }
    }
    !next.is_lowercase()
}

/// Spans of brackets and quotation marks that are short enough to stay in one piece.
fn together(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut open: Vec<(char, usize)> = Vec::new();
    let mut quote: Option<usize> = None;
    for (at, letter) in text.char_indices() {
        let closes = match letter {
            '(' | '[' | '「' | '『' | '《' | '“' | '‘' | '（' => {
                open.push((letter, at));
                continue;
            }
            ')' => '(',
            ']' => '[',
            '」' => '「',
            '』' => '『',
            '》' => '《',
            '”' => '“',
            '’' => '‘',
            '）' => '（',
            '"' => {
                match quote.take() {
                    Some(start) if at - start <= TOGETHER_MAX => found.push(start..at + 1),
                    _ => quote = Some(at),
                }
                continue;
            }
            _ => continue,
        };
        if open.last().is_some_and(|(mark, _)| *mark == closes)
            && let Some((_, start)) = open.pop()
            && at - start <= TOGETHER_MAX
        {
            found.push(start..at + letter.len_utf8());
        }
    }
    found.sort_unstable_by_key(|range| (range.start, range.end));
    // Spans inside or across others become one, so that they can be walked in order.
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(found.len());
    for range in found {
        match merged.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> = spans(text).into_iter().map(|span| &text[span]).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn korean_sentences_end_where_they_end() {
        check(
            "물을 공급한다. 요금은 매월 낸다. 얼마인가요? 네!",
            &["물을 공급한다.", "요금은 매월 낸다.", "얼마인가요?", "네!"],
        );
        check("한다. 다만, 할 것. 그러하다.", &["한다.", "다만, 할 것.", "그러하다."]);
        check("신청한다.다만 예외가 있다.", &["신청한다.", "다만 예외가 있다."]);
        check("여과지는 8개로 함\n사업비는 187억원임", &["여과지는 8개로 함", "사업비는 187억원임"]);
    }

    #[test]
    fn numbers_dates_and_articles_are_not_cut() {
        check(
            "탁도는 3.5 이하이고 2024. 3. 5. 시행한다. 끝났다.",
            &["탁도는 3.5 이하이고 2024. 3. 5. 시행한다.", "끝났다."],
        );
        check("「물법」 제3조제1항제2호. 및 1.2.3을 본다", &["「물법」 제3조제1항제2호.", "및 1.2.3을 본다"]);
        check("1. 일반여권\n2. 관용여권", &["1. 일반여권", "2. 관용여권"]);
        check(
            "가. 성명과 주소\n나. 그 밖의 정보. 이 경우 비용을 본다.",
            &["가. 성명과 주소", "나. 그 밖의 정보.", "이 경우 비용을 본다."],
        );
        check("개정한다. <개정 2014.3.24, 2020.2.4>\n② 둘째", &["개정한다. <개정 2014.3.24, 2020.2.4>", "② 둘째"]);
    }

    #[test]
    fn english_sentences_end_where_they_end() {
        check(
            "Dr. Kim met J. Smith at 3.5 p.m. today. It cost $4.20. See Fig. 3, e.g. below.",
            &["Dr. Kim met J. Smith at 3.5 p.m. today.", "It cost $4.20.", "See Fig. 3, e.g. below."],
        );
        check("It opened in 2024. The plant is big.", &["It opened in 2024.", "The plant is big."]);
        check(
            "This line is wrapped by the editor at\neighty columns. Next.",
            &["This line is wrapped by the editor at\neighty columns.", "Next."],
        );
        check("Wait... what? \"No.\" He left.", &["Wait... what?", "\"No.\"", "He left."]);
    }

    #[test]
    fn what_stands_in_brackets_or_quotation_marks_stays_whole() {
        check("시장(부시장을 말한다. 이하 같다)은 정한다. 끝.", &["시장(부시장을 말한다. 이하 같다)은 정한다.", "끝."]);
        check("그는 \"간다. 곧 온다.\"라고 했다. 갔다.", &["그는 \"간다. 곧 온다.\"라고 했다.", "갔다."]);
        check("열린 (괄호. 다음 문장이다. 끝.", &["열린 (괄호.", "다음 문장이다.", "끝."]);
    }

    #[test]
    fn rows_and_fields_are_sentences() {
        check(
            "설비번호: P-101 · 비고: 교체함. 정상\n설비번호: P-102 · 비고: 없음",
            &["설비번호: P-101 · 비고: 교체함.", "정상", "설비번호: P-102 · 비고: 없음"],
        );
        check(
            "질문: 이사할 때 수도요금은 어떻게 정산하나요, 그리고 언제까지 내야 하나요\n부서: 요금과",
            &["질문: 이사할 때 수도요금은 어떻게 정산하나요, 그리고 언제까지 내야 하나요", "부서: 요금과"],
        );
    }

    proptest! {
        #[test]
        fn every_visible_character_is_in_one_sentence(text in "[가-하a-zA-Z0-9 .?!()\"'\n|·:①-③「」<>제조다-]{0,200}|\\PC{0,100}") {
            let mut at = 0;
            for span in spans(&text) {
                prop_assert!(span.start >= at && span.start < span.end && span.end <= text.len());
                prop_assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end));
                prop_assert!(text[at..span.start].trim().is_empty());
                prop_assert_eq!(text[span.clone()].trim(), &text[span.clone()]);
                at = span.end;
            }
            prop_assert!(text[at..].trim().is_empty());
        }
    }

    #[test]
    fn long_texts_take_no_longer_than_they_are_long() {
        for piece in ["(", "가.", "\"", "a. ", "<개정 ", "1. ", "다.가", "\n", "「", ")"] {
            let began = std::time::Instant::now();
            spans(&piece.repeat(1_000_000 / piece.len()));
            assert!(began.elapsed().as_secs() < 20, "{piece:?}");
        }
    }
}
