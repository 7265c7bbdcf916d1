//! Text as it is stored: NFC, `\n` line ends, nothing that a reader cannot see.
//!
//! Invisible characters go because they carry what a person who checks a citation would not find: control codes,
//! direction overrides, the tag block.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// Cleans a whole text.
pub(crate) fn clean(text: String) -> String {
    match clean_str(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(cleaned) => cleaned,
    }
}

/// Cleans a piece of text.
pub(crate) fn clean_str(text: &str) -> Cow<'_, str> {
    let (mut visible, mut settled) = (true, true);
    for letter in text.chars() {
        if !is_plain(letter) {
            visible &= !is_removed(letter) && !is_line_end(letter);
            settled = false;
        }
    }
    if settled {
        return Cow::Borrowed(text);
    }
    let kept = if visible { Cow::Borrowed(text) } else { Cow::Owned(strip(text)) };
    match unicode_normalization::is_nfc_quick(kept.chars()) {
        unicode_normalization::IsNormalized::Yes => kept,
        _ => Cow::Owned(kept.nfc().collect()),
    }
}

fn strip(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\r' {
            letters.next_if_eq(&'\n');
            out.push('\n');
        } else if is_line_end(letter) {
            out.push('\n');
        } else if !is_removed(letter) {
            out.push(letter);
        }
    }
    out
}

/// Characters that stay as they are whatever stands beside them: the common case, decided without a table.
fn is_plain(letter: char) -> bool {
    matches!(letter,
        '\n' | '\t' | ' '..='~' | '\u{a0}'..='\u{ac}' | '\u{ae}'..='\u{ff}' | '\u{2010}'..='\u{2027}'
        | '\u{2030}'..='\u{205e}' | '\u{2460}'..='\u{2775}' | '\u{25a0}'..='\u{27bf}' | '\u{3000}'..='\u{3029}'
        | '\u{3131}'..='\u{318e}' | '\u{3200}'..='\u{33ff}' | '\u{4e00}'..='\u{9fff}' | '가'..='힣')
}

fn is_line_end(letter: char) -> bool {
    matches!(letter, '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_removed(letter: char) -> bool {
    let direction = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let invisible = matches!(letter,
        '\u{ad}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    let control = letter.is_control() && !matches!(letter, '\n' | '\t') && !is_line_end(letter);
    direction || invisible || control
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(input: &str, expected: &str) {
        assert_eq!(clean(input.to_owned()), expected, "{input:?}");
    }

    #[test]
    fn what_cannot_be_seen_is_not_stored() {
        check("한\r\n줄\r또\u{2028}줄", "한\n줄\n또\n줄");
        check("a\0b\u{1b}[31mc\u{7f}", "ab[31mc");
        check("지급\u{202e}액\u{200b}\u{e0041}은\u{feff}", "지급액은");
        check("하나\t둘", "하나\t둘");
    }

    #[test]
    fn letters_in_pieces_are_put_together() {
        check("\u{1112}\u{1161}\u{11ab}", "한");
        check("cafe\u{301}", "café");
        // A compatibility ideograph is the same letter as the unified one.
        check("\u{f90a}", "金");
    }

    proptest! {
        #[test]
        fn cleaning_twice_is_cleaning_once(text: String) {
            let once = clean(text);
            prop_assert!(unicode_normalization::is_nfc(&once));
            prop_assert!(!once.chars().any(|letter| letter.is_control() && letter != '\n' && letter != '\t'));
            prop_assert_eq!(clean(once.clone()), once);
        }
    }
}
