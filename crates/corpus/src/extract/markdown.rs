//! Markdown: the text stays as it is written; headings are found in it.
//!
//! A hand-written line scanner, because spans must point into the source and nothing else of the syntax matters here.
//! Follows CommonMark 0.31 for headings (4.2, 4.3) and fences (4.5).

use super::{Extracted, Heading, Limits, short};
use crate::dated;

const FRONT_MATTER_MAX: usize = 64 << 10;

pub(super) fn extract(text: String, limits: &Limits) -> Extracted {
    let text = without_comments(text);
    let (front, text) = split_front_matter(text);
    let mut extracted = Extracted { title: front_value(&front, "title"), ..Extracted::default() };
    extracted.dated = front_value(&front, "date").as_deref().and_then(dated::parse).or_else(|| dated::in_head(&front));
    let mut fence: Option<(u8, usize)> = None;
    // The paragraph line above, if a row of `=` or `-` would make it a heading.
    let mut above: Option<(usize, usize)> = None;
    let mut after_blank = true;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let (start, stop) = (at, at + line.trim_end().len());
        at += line.len();
        let body = &text[start..stop];
        let indent = body.len() - body.trim_start_matches(' ').len();
        let inner = &body[indent..];
        if let Some((mark, count)) = fence {
            if indent <= 3 && run(inner, mark) >= count && inner.bytes().all(|byte| byte == mark) {
                fence = None;
            }
            continue;
        }
        let paragraph_above = above.take();
        let first_line_of_paragraph = std::mem::replace(&mut after_blank, inner.is_empty());
        if inner.is_empty() || indent > 3 || body.starts_with('\t') {
            continue;
        }
        if let Some(opened) = opens_fence(inner) {
            fence = Some(opened);
        } else if let Some((level, title)) = atx(inner) {
            push(&mut extracted.headings, level, title, start..stop, limits);
            after_blank = true;
        } else if let (Some((begin, end)), Some(level)) = (paragraph_above, setext(inner)) {
            push(&mut extracted.headings, level, &text[begin..end], begin..stop, limits);
            after_blank = true;
        } else if first_line_of_paragraph && is_paragraph(inner) {
            above = Some((start, stop));
        }
    }
    let first = extracted.headings.first().filter(|first| first.level == 1).map(|first| first.title.clone());
    extracted.title = extracted.title.or(first);
    extracted.text = text;
    extracted
}

fn push(headings: &mut Vec<Heading>, level: u8, title: &str, span: std::ops::Range<usize>, limits: &Limits) {
    let title = short(&plain(title));
    if !title.is_empty() && headings.len() <= limits.headings_max {
        headings.push(Heading { level, title, span });
    }
}

fn atx(line: &str) -> Option<(u8, &str)> {
    let level = run(line, b'#');
    let rest = &line[level..];
    if !(1..=6).contains(&level) || !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return None;
    }
    let title = rest.trim();
    let closed = title.trim_end_matches('#');
    let title = if closed.is_empty() || closed.ends_with([' ', '\t']) { closed.trim_end() } else { title };
    Some((level as u8, title))
}

fn setext(line: &str) -> Option<u8> {
    match line.as_bytes().first() {
        Some(b'=') if line.bytes().all(|byte| byte == b'=') => Some(1),
        Some(b'-') if line.bytes().all(|byte| byte == b'-') => Some(2),
        _ => None,
    }
}

fn opens_fence(line: &str) -> Option<(u8, usize)> {
    let mark = *line.as_bytes().first()?;
    let count = run(line, mark);
    let fits = matches!(mark, b'`' | b'~') && count >= 3 && !(mark == b'`' && line[count..].contains('`'));
    fits.then_some((mark, count))
}

/// Whether a line is plain words: no list item, quotation, table row or rule.
fn is_paragraph(line: &str) -> bool {
    let item = line.starts_with(['-', '*', '+', '>', '|', '<', '='])
        || line.trim_start_matches(|letter: char| letter.is_ascii_digit()).starts_with(['.', ')'])
            && line.starts_with(|letter: char| letter.is_ascii_digit());
    !item
}

fn run(line: &str, mark: u8) -> usize {
    line.bytes().take_while(|byte| *byte == mark).count()
}

/// A heading's words without the marks for emphasis, code and links.
fn plain(title: &str) -> String {
    let mut out = String::with_capacity(title.len());
    let mut rest = title;
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        rest = match letter {
            '*' | '`' => after,
            '\\' if after.starts_with(|next: char| next.is_ascii_punctuation()) => {
                out.extend(after.chars().next());
                &after[1..]
            }
            '[' => match link(after) {
                Some((words, behind)) => {
                    out.push_str(words);
                    behind
                }
                None => {
                    out.push(letter);
                    after
                }
            },
            '{' if after.starts_with('#') && title.ends_with('}') => break,
            _ => {
                out.push(letter);
                after
            }
        };
    }
    out
}

/// Splits `words](target)rest`, for short targets only, so that many brackets cost no more than their length.
fn link(text: &str) -> Option<(&str, &str)> {
    const LINK_MAX: usize = 2_000;
    let window = &text[..text.floor_char_boundary(LINK_MAX)];
    let (words, _) = window.split_once("](")?;
    let close = window[words.len()..].find(')')? + words.len();
    (!words.contains(['[', ']'])).then_some((words, &text[close + 1..]))
}

fn without_comments(text: String) -> String {
    if !text.contains("<!--") {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(start) = rest.find("<!--") {
        out.push_str(&rest[..start]);
        match rest[start..].find("-->") {
            Some(length) => rest = &rest[start + length + 3..],
            None => {
                // Never closed: then it is no comment but text.
                out.push_str(&rest[start..]);
                return out;
            }
        }
    }
    out.push_str(rest);
    out
}

/// YAML between `---` lines at the very top, and the text after it.
fn split_front_matter(text: String) -> (String, String) {
    if !text.starts_with("---\n") {
        return (String::new(), text);
    }
    let head = &text[..text.floor_char_boundary(FRONT_MATTER_MAX)];
    let mut at = 4;
    for line in head[4..].split_inclusive('\n') {
        if matches!(line.trim_end(), "---" | "...") {
            let front = head[4..at].to_owned();
            // A rule, some words and another rule are no front matter.
            if !front.lines().any(|line| line.contains(':')) {
                break;
            }
            return (front, text[at + line.len()..].to_owned());
        }
        at += line.len();
    }
    (String::new(), text)
}

fn front_value(front: &str, key: &str) -> Option<String> {
    front.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let value = value.trim().trim_matches(['"', '\'']);
        (name.trim().eq_ignore_ascii_case(key) && !value.is_empty()).then(|| value.to_owned())
    })
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
    fn headings_of_both_kinds_are_found() {
        let extracted = check(
            "# 개인정보 보호법\n\n- 시행일: 20230915\n\n## 제1조 목적 ##\n\n본문\n\n큰 제목\n===\n작은 제목\n---\n",
            &[(1, "개인정보 보호법"), (2, "제1조 목적"), (1, "큰 제목"), (2, "작은 제목")],
        );
        assert_eq!(extracted.title.as_deref(), Some("개인정보 보호법"));
        assert_eq!(extracted.dated, None);
        assert_eq!(&extracted.text[extracted.headings[1].span.clone()], "## 제1조 목적 ##");
        assert_eq!(&extracted.text[extracted.headings[2].span.clone()], "큰 제목\n===");
    }

    #[test]
    fn what_only_looks_like_a_heading_is_none() {
        check("```sh\n# comment\n```\n#태그\n    # code\n- item\n---\n| a |\n---\n", &[]);
        check("~~~\n```\n# a\n~~~\n# b\n", &[(1, "b")]);
        check("```\n# never closed\n", &[]);
        check("첫 줄\n둘째 줄\n---\n", &[]);
        check("####### seven\n", &[]);
    }

    #[test]
    fn a_heading_is_read_without_its_marks() {
        check("# **굵은** `코드` [링크](http://x) {#id}\n", &[(1, "굵은 코드 링크")]);
        check("# C\\# 언어\n# [열린\n", &[(1, "C# 언어"), (1, "[열린")]);
    }

    #[test]
    fn front_matter_is_metadata() {
        let extracted = check("---\ntitle: \"급수 조례\"\ndate: 2024-03-05\n---\n# 제목\n본문\n", &[(1, "제목")]);
        assert_eq!(extracted.title.as_deref(), Some("급수 조례"));
        assert_eq!(extracted.dated, Some(jiff::civil::date(2024, 3, 5)));
        assert!(!extracted.text.contains("title"));
        assert!(extract("---\n글\n---\n".into(), &Limits::default()).text.contains('글'));
    }

    #[test]
    fn comments_are_not_text() {
        let extracted = check("앞 <!-- ignore all rules\n# no -->뒤 <!-- 열린", &[]);
        assert_eq!(extracted.text, "앞 뒤 <!-- 열린");
    }

    #[test]
    fn hostile_markdown_takes_no_longer_than_it_is_long() {
        for piece in ["# [", "<!--", "```\n", "---\n", "# ](\n", "[[[[", "a\n=\n", "# \\"] {
            let began = std::time::Instant::now();
            extract(piece.repeat(2_000_000 / piece.len()), &Limits::default());
            assert!(began.elapsed().as_secs() < 20, "{piece:?}");
        }
    }
}
