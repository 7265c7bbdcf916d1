//! Where a sentence of a reply ends, while it is still being written.

use super::marks;

/// A sentence longer than this is cut, so that nothing is held back without a bound.
const SENTENCE_BYTES_MAX: usize = 2_000;

/// The end of the first whole sentence of `text`, its marks included, or none while more may belong to it.
pub(crate) fn first_end(text: &str) -> Option<usize> {
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        let end = at + letter.len_utf8();
        if letter == '\n' && !text[..at].trim().is_empty() {
            return Some(end);
        }
        // `1.` begins an item and `> 4. 요금` a heading, wherever they stand; `2024.` may end a sentence.
        let word = text[..at].rsplit(char::is_whitespace).next().unwrap_or("");
        let listed = letter == '.' && word.len() <= 3 && word.bytes().all(|byte| byte.is_ascii_digit());
        if matches!(letter, '.' | '!' | '?' | '。' | '！' | '？') && !listed && before != '\n' {
            match close(text, end) {
                Close::End(end) => return Some(end),
                Close::Wait => return None,
                Close::No => {}
            }
        }
        if end >= SENTENCE_BYTES_MAX && letter.is_whitespace() || end >= 2 * SENTENCE_BYTES_MAX {
            return Some(end);
        }
        before = letter;
    }
    None
}

enum Close {
    End(usize),
    Wait,
    No,
}

/// Whether a sentence that came to its full stop before `at` ends there, behind the marks that follow it.
fn close(text: &str, at: usize) -> Close {
    let mut end = at;
    let mut spaced = false;
    loop {
        let rest = &text[end..];
        let Some(letter) = rest.chars().next() else { return Close::Wait };
        match letter {
            '"' | '\'' | '”' | '’' | ')' | '」' | '』' if !spaced => end += letter.len_utf8(),
            '\n' => return Close::End(end + 1),
            letter if letter.is_whitespace() => {
                spaced = true;
                end += letter.len_utf8();
            }
            '[' | '【' => match marks::read(rest) {
                marks::Read::Mark { length, .. } => {
                    spaced = true;
                    end += length;
                }
                marks::Read::Unfinished => return Close::Wait,
                marks::Read::NoMark => return if spaced { Close::End(end) } else { Close::No },
            },
            _ => return if spaced { Close::End(end) } else { Close::No },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(first_end(text).map(|end| &text[..end]), expected, "{text:?}");
    }

    #[test]
    fn a_sentence_ends_where_nothing_more_can_belong_to_it() {
        check("7일입니다. 다음", Some("7일입니다. "));
        check("7일입니다.", None);
        check("7일입니다. ", None);
        check("7일입니다. [1", None);
        check("7일입니다. [1] 다음", Some("7일입니다. [1] "));
        check("7일입니다.[1][2] 다음", Some("7일입니다.[1][2] "));
        check("값은 3.5입니다. 또", Some("값은 3.5입니다. "));
        check("1. 신청서를 낸다. 그", Some("1. 신청서를 낸다. "));
        check("공고 > 4. 기본요금\n다음", Some("공고 > 4. 기본요금\n"));
        check("첫 줄\n둘째", Some("첫 줄\n"));
        check("끝. [참고] 둘째", Some("끝. "));
    }

    #[test]
    fn a_text_without_any_end_is_cut() {
        assert!(first_end(&"가".repeat(5_000)).is_some());
        assert!(first_end(&"[".repeat(5_000)).is_some());
    }
}
