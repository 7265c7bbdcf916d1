//! Marks: `[1]`, `[1, 2]`, `【1】` in what a model writes.

/// A mark longer than this is text.
const MARK_BYTES_MAX: usize = 24;

/// What stands at an opening bracket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// A mark, with the numbers that it names and its length in bytes.
    Mark { numbers: Vec<u32>, length: usize },
    /// Something that may still become a mark.
    Unfinished,
    /// Text.
    NoMark,
}

/// Reads the mark that `text` begins with.
pub(crate) fn read(text: &str) -> Read {
    let (open, close) = match text.chars().next() {
        Some('[') => ('[', ']'),
        Some('【') => ('【', '】'),
        _ => return Read::NoMark,
    };
    let (mut numbers, mut digits) = (Vec::new(), String::new());
    for (at, letter) in text.char_indices().skip(1) {
        if at > MARK_BYTES_MAX {
            return Read::NoMark;
        }
        match letter {
            '0'..='9' => digits.push(letter),
            ',' | ' ' | '、' => numbers.extend(std::mem::take(&mut digits).parse::<u32>().ok()),
            letter if letter == close => {
                let last = std::mem::take(&mut digits);
                if !last.is_empty() {
                    // A number too large for any passage still is a mark, and names nothing.
                    numbers.push(last.parse().unwrap_or(u32::MAX));
                }
                let length = at + close.len_utf8();
                return if numbers.is_empty() { Read::NoMark } else { Read::Mark { numbers, length } };
            }
            _ => return Read::NoMark,
        }
    }
    debug_assert!(text.starts_with(open));
    Read::Unfinished
}

/// A sentence without its marks, and the numbers that they name, each once, in order.
pub(crate) fn strip(sentence: &str) -> (String, Vec<u32>) {
    let (mut text, mut named) = (String::with_capacity(sentence.len()), Vec::new());
    let mut at = 0;
    while let Some(letter) = sentence[at..].chars().next() {
        if let Read::Mark { numbers, length } = read(&sentence[at..]) {
            for number in numbers {
                if !named.contains(&number) {
                    named.push(number);
                }
            }
            at += length;
            // `7일 [1].` becomes `7일.`
            if sentence[at..].starts_with(['.', '!', '?', '。', ',']) {
                text.truncate(text.trim_end_matches(' ').len());
            }
            continue;
        }
        text.push(letter);
        at += letter.len_utf8();
    }
    (text, named)
}

/// The same text with nothing in it that reads as a mark: what a passage spells is never a mark of the house.
pub(crate) fn disarm(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        match read(&text[at..]) {
            Read::Mark { length, .. } => {
                let inside = text[at..at + length].trim_matches(['[', ']', '【', '】']);
                safe.push('(');
                safe.push_str(inside);
                safe.push(')');
                at += length;
            }
            _ => {
                safe.push(letter);
                at += letter.len_utf8();
            }
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_told_from_text() {
        for (text, expected) in [
            ("[1]", Read::Mark { numbers: vec![1], length: 3 }),
            ("[1, 2] x", Read::Mark { numbers: vec![1, 2], length: 6 }),
            ("【3】", Read::Mark { numbers: vec![3], length: 7 }),
            ("[99999999999]", Read::Mark { numbers: vec![u32::MAX], length: 13 }),
            ("[", Read::Unfinished),
            ("[1", Read::Unfinished),
            ("[]", Read::NoMark),
            ("[제1항]", Read::NoMark),
            ("[x](1)", Read::NoMark),
            ("[1111111111111111111111111111111111111111", Read::NoMark),
            ("1]", Read::NoMark),
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_sentence_and_its_marks_come_apart() {
        assert_eq!(strip("7일 [1]."), ("7일.".to_owned(), vec![1]));
        assert_eq!(strip("7일[2][1] 이내[2]"), ("7일 이내".to_owned(), vec![2, 1]));
        assert_eq!(strip("[1]: https://a.example"), (": https://a.example".to_owned(), vec![1]));
    }

    #[test]
    fn what_a_passage_spells_is_no_mark() {
        assert_eq!(disarm("가[1] 나 [2, 3] [x]"), "가(1) 나 (2, 3) [x]");
    }
}
