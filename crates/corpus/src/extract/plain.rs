//! Plain text. Headings are lines that Korean records use as such: parts and articles of rules, numbered titles,
//! titles in brackets.

use super::{Extracted, Heading, Limits};

/// Characters that a line may have to be a heading.
const HEADING_MAX: usize = 60;

pub(super) fn extract(text: String, limits: &Limits) -> Extracted {
    let mut headings = Vec::new();
    let mut above = "";
    let mut at = 0;
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let body = line.trim_end();
        let below = lines.peek().map_or("", |line| line.trim_end());
        let indent = body.len() - body.trim_start().len();
        let found =
            of_rules(body.trim_start()).or_else(|| numbered(body, above, below)).or_else(|| bracketed(body, below));
        if let Some((level, title, own_line)) = found
            && headings.len() <= limits.headings_max
        {
            let start = at + indent;
            let stop = if own_line { at + body.len() } else { start };
            headings.push(Heading { level, title, span: start..stop });
        }
        above = body;
        at += line.len();
    }
    let title = title(&text);
    Extracted { title, text, headings, ..Extracted::default() }
}

/// Level, title, and whether the line is nothing but the heading.
type Found = (u8, String, bool);

/// `제2장 급수`, `제15조(개인정보의 수집ㆍ이용) 개인정보처리자는 …`, `제5조의2 삭제`.
fn of_rules(line: &str) -> Option<Found> {
    let rest = line.strip_prefix('제')?;
    let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    if !(1..=4).contains(&digits) {
        return None;
    }
    let rest = &rest[digits..];
    let unit = rest.chars().next()?;
    let level = match unit {
        '편' => 1,
        '장' => 2,
        '절' => 3,
        '관' => 4,
        '조' => 5,
        _ => return None,
    };
    let mut rest = &rest[unit.len_utf8()..];
    if let Some(branch) = rest.strip_prefix('의') {
        let digits = branch.len() - branch.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        if digits == 0 {
            return None;
        }
        rest = &branch[digits..];
    }
    let number = &line[..line.len() - rest.len()];
    let words = rest.trim_start();
    if let Some(inside) = words.strip_prefix('(') {
        let (title, after) = inside.split_once(')')?;
        let fits = title.chars().count() <= HEADING_MAX && !title.is_empty();
        return fits.then(|| (level, format!("{number} {}", title.trim()), after.trim().is_empty() && level < 5));
    }
    let separated = rest.starts_with([' ', '\u{3000}', '\t']) || rest.is_empty();
    let short = words.chars().count() <= HEADING_MAX && !ends_sentence(words);
    let fits = separated && short && (level < 5 || words.is_empty() || words.starts_with("삭제"));
    fits.then(|| (level, line.trim().to_owned(), level < 5 || words.is_empty()))
}

/// `2. 사업비` after an empty line, with something below it that is not the next number.
fn numbered(line: &str, above: &str, below: &str) -> Option<Found> {
    let digits = line.len() - line.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    let roman = line.chars().next().filter(|letter| ('Ⅰ'..='Ⅻ').contains(letter)).map_or(0, char::len_utf8);
    let words = line[digits.max(roman)..].strip_prefix('.')?.strip_prefix(' ')?.trim();
    let alone = above.is_empty() && (roman > 0 || !below.is_empty() && number_of(below).is_none());
    let fits = (digits > 0 && digits <= 2 || roman > 0)
        && alone
        && !words.is_empty()
        && words.chars().count() <= HEADING_MAX
        && !ends_sentence(words);
    fits.then(|| (if roman > 0 { 5 } else { 6 }, line.trim().to_owned(), true))
}

fn number_of(line: &str) -> Option<&str> {
    let digits = line.len() - line.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    (digits > 0).then(|| line[digits..].strip_prefix('.')).flatten()
}

/// `[결정 사항]`, `【별표】`.
fn bracketed(line: &str, below: &str) -> Option<Found> {
    let inside = line
        .strip_prefix('[')
        .and_then(|line| line.strip_suffix(']'))
        .or_else(|| line.strip_prefix('【').and_then(|line| line.strip_suffix('】')))?
        .trim();
    let fits = !inside.is_empty()
        && !below.is_empty()
        && inside.chars().count() <= HEADING_MAX
        && inside.chars().any(char::is_alphabetic)
        && !inside.contains(['[', ']']);
    fits.then(|| (4, inside.to_owned(), true))
}

fn ends_sentence(words: &str) -> bool {
    words.ends_with(['.', '?', '!', ':', ';', ',', '。'])
        || words.ends_with('다')
        || words.ends_with('함')
        || words.ends_with('음')
}

/// The first line, if it stands alone and is short.
fn title(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim).skip_while(|line| line.is_empty());
    let first = lines.next()?;
    let alone = lines.next().is_none_or(str::is_empty);
    let fits = alone && (2..=HEADING_MAX).contains(&first.chars().count()) && !ends_sentence(first);
    fits.then(|| first.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(u8, &str)]) -> Extracted {
        let extracted = extract(text.to_owned(), &Limits::default());
        let found: Vec<_> = extracted.headings.iter().map(|heading| (heading.level, heading.title.as_str())).collect();
        assert_eq!(found, expected, "{text:?}");
        extracted
    }

    #[test]
    fn parts_and_articles_of_rules_are_headings() {
        let extracted = check(
            "해솔시 수도 급수 조례\n\n제1장 총칙\n제1조(목적) 이 조례는 급수를 정한다.\n제2조의2(정의)\n① 뜻은 같다.\n\
             제3조 삭제 <2020.1.1>\n제2장 급수\n제4조에 따라 신청한다.\n제5조(급수)는 같다\n",
            &[
                (2, "제1장 총칙"),
                (5, "제1조 목적"),
                (5, "제2조의2 정의"),
                (5, "제3조 삭제 <2020.1.1>"),
                (2, "제2장 급수"),
                (5, "제5조 급수"),
            ],
        );
        assert_eq!(extracted.title.as_deref(), Some("해솔시 수도 급수 조례"));
        assert_eq!(&extracted.text[extracted.headings[0].span.clone()], "제1장 총칙");
        assert!(extracted.headings[1].span.is_empty(), "an article's first line is its text too");
    }

    #[test]
    fn titles_of_minutes_are_headings_and_lists_are_not() {
        check(
            "회의 결과\n\n1. 증설 규모\n - 늘린다.\n\n2. 사업비\n - 정한다.\n\n[결정 사항]\n1. 뽑았다.\n2. 하였다.\n",
            &[(6, "1. 증설 규모"), (6, "2. 사업비"), (4, "결정 사항")],
        );
        check("[1]\n[참고]\n", &[]);
        check("제출한 서류\n제3자에게\n제 1 장\n", &[]);
    }
}
