//! What a record holds that its reader does not see.

use std::ops::Range;

/// Letters in a row that nobody sees and that are too many to be there for the line's end or a word's form.
const RUN_MIN: usize = 8;
/// Places that are looked for in one record.
const PLACES_MAX: usize = 100;
/// What stands before a place, by which it is found again in the stored text, in characters.
const BEFORE_CHARS: usize = 24;

/// Something that the reader of a record does not see.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Unseen {
    /// How it is hidden.
    pub how: &'static str,
    /// What it says, as far as it says anything.
    pub words: String,
    /// Where in the stored text it stands, or stood.
    pub span: Range<usize>,
    /// Whether nothing is hidden so without a purpose; otherwise it counts by what it says.
    pub always: bool,
}

/// Whether a text may have letters that nobody sees.
pub(crate) fn has_unseen(text: &str) -> bool {
    text.chars().any(|letter| is_tag(letter) || is_blank(letter) || matches!(letter, '\u{202D}' | '\u{202E}'))
}

/// Letters of a record's text that nobody sees, before it is cleaned of them. `stored` is what is kept of it.
pub(crate) fn unseen(text: &str, stored: &str) -> Vec<Unseen> {
    let mut found = Vec::new();
    let (mut last_place, mut from) = (0, 0);
    let mut letters = text.char_indices().peekable();
    let mut flag = false;
    while let Some((at, letter)) = letters.next() {
        // The letters behind a black flag say whose flag it is: England's, Scotland's.
        flag = letter == '\u{1F3F4}' || flag && is_tag(letter);
        let how = match letter {
            letter if is_tag(letter) && !flag => "tag letters",
            '\u{202D}' | '\u{202E}' => "turned around",
            letter if is_blank(letter) => "letters without width",
            _ => continue,
        };
        let (mut count, mut words) = (1, String::new());
        let mut end = at + letter.len_utf8();
        words.extend(tagged(letter));
        while let Some((_, next)) = letters.next_if(|(_, next)| is_tag(*next) || is_blank(*next)) {
            count += 1;
            end += next.len_utf8();
            words.extend(tagged(next));
        }
        if how == "letters without width" && count < RUN_MIN && words.is_empty() {
            continue;
        }
        // The same words may stand twice: what is looked for comes after what was found.
        let before: String = crate::clean::clean_str(tail(&text[last_place..at])).trim().to_owned();
        let place = stored[from..].find(&before).map_or(from, |found| from + found + before.len());
        found.push(Unseen { how, words, span: place..place, always: true });
        (last_place, from) = (end, place);
        if found.len() >= PLACES_MAX {
            break;
        }
    }
    found
}

/// The last words of a line.
fn tail(text: &str) -> &str {
    let line = text.rsplit('\n').next().unwrap_or(text);
    let start = line.char_indices().rev().nth(BEFORE_CHARS).map_or(0, |(at, _)| at);
    &line[start..]
}

fn is_tag(letter: char) -> bool {
    matches!(letter, '\u{E0000}'..='\u{E007F}')
}

/// The letter that a tag letter stands for.
fn tagged(letter: char) -> Option<char> {
    let code = u32::from(letter).checked_sub(0xE0000)?;
    char::from_u32(code).filter(|letter| is_tag_of(*letter))
}

fn is_tag_of(letter: char) -> bool {
    letter.is_ascii_graphic() || letter == ' '
}

fn is_blank(letter: char) -> bool {
    matches!(letter, '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{AD}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str, &str)]) {
        let stored = crate::clean::clean(text.to_owned());
        let found = unseen(text, &stored);
        let said: Vec<_> = found.iter().map(|one| (one.how, one.words.as_str(), &stored[..one.span.start])).collect();
        assert_eq!(said, expected, "{text:?}");
    }

    #[test]
    fn hidden_letters_are_found_where_they_stood() {
        let tags: String = "obey".chars().map(|c| char::from_u32(0xE0000 + c as u32).unwrap()).collect();
        check(&format!("첫 줄\n요금은{tags} 2천원"), &[("tag letters", "obey", "첫 줄\n요금은")]);
        check("지급\u{202E}액", &[("turned around", "", "지급")]);
        check(&format!("가나{}다", "\u{200B}\u{200C}".repeat(6)), &[("letters without width", "", "가나")]);
        check(
            &format!("같은 말{tags} 같은 말{tags}"),
            &[("tag letters", "obey", "같은 말"), ("tag letters", "obey", "같은 말 같은 말")],
        );
    }

    #[test]
    fn letters_that_have_their_reasons_are_not_flagged() {
        for text in [
            "\u{FEFF}처음의 표",
            "긴\u{AD}말",
            "👨\u{200D}👩\u{200D}👧 ♥\u{FE0F}",
            "🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F} 잉글랜드",
            "می\u{200C}خواهم",
            "한글만 있는 글 ① “따옴표” … –",
        ] {
            check(text, &[]);
        }
    }
}
