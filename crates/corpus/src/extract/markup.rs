//! The letters of HTML: tags, attributes and character references, each byte looked at once.

use encoding_rs::WINDOWS_1252;
use html5ever::data::NAMED_ENTITIES;

/// Longest name of a character.
const ENTITY_MAX: usize = 32;

/// Splits a tag into its name, its attributes and what follows. `>` inside quotes does not end it.
pub(super) fn tag(text: &str) -> (&str, &str, &str) {
    let name =
        text.find(|letter: char| letter.is_ascii_whitespace() || matches!(letter, '>' | '/')).unwrap_or(text.len());
    let mut quote = None;
    let mut after_equals = false;
    for (at, byte) in text.bytes().enumerate().skip(name) {
        match (quote, byte) {
            (Some(open), byte) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'>') => return (&text[..name], &text[name..at], &text[at + 1..]),
            (None, b'"' | b'\'') if after_equals => quote = Some(byte),
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            after_equals = byte == b'=';
        }
    }
    (&text[..name], "", "")
}

/// How an element's words are kept from the reader of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hiding {
    /// They are there.
    Not,
    /// The page does not show them now: menus, and what opens when somebody asks.
    Hidden,
    /// They have no size, which nothing needs that somebody is to read.
    NoSize,
    /// They are white, on what is white as far as the element says.
    White,
}

/// How a reader of the page sees the element.
pub(super) fn hiding(attributes: &str) -> Hiding {
    let mut white = Hiding::Not;
    if attributes.is_empty() {
        return white;
    }
    let mut rest = attributes;
    while let Some(start) = rest.find(|letter: char| !letter.is_ascii_whitespace() && letter != '/') {
        rest = &rest[start..];
        let name_end =
            rest.find(|letter: char| letter.is_ascii_whitespace() || matches!(letter, '=' | '/')).unwrap_or(rest.len());
        let name = &rest[..name_end];
        rest = rest[name_end..].trim_ascii_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_ascii_start();
            (value, rest) = match after.bytes().next() {
                Some(quote @ (b'"' | b'\'')) => after[1..].split_once(char::from(quote)).unwrap_or((&after[1..], "")),
                _ => after.split_at(after.find(|letter: char| letter.is_ascii_whitespace()).unwrap_or(after.len())),
            };
        } else if name_end == 0 {
            rest = &rest[1.min(rest.len())..];
        }
        if name.eq_ignore_ascii_case("hidden")
            || name.eq_ignore_ascii_case("aria-hidden") && value.eq_ignore_ascii_case("true")
        {
            return Hiding::Hidden;
        }
        if name.eq_ignore_ascii_case("style") {
            match style_hides(value) {
                Hiding::Not => {}
                Hiding::White => white = Hiding::White,
                hides => return hides,
            }
        }
    }
    white
}

fn style_hides(style: &str) -> Hiding {
    let (mut white, mut painted) = (false, false);
    for rule in style.split(';') {
        let rule: String = rule.chars().filter(|letter| !letter.is_whitespace()).take(64).collect();
        let rule = rule.to_ascii_lowercase();
        match rule.trim_end_matches("!important") {
            "display:none" | "visibility:hidden" | "opacity:0" => return Hiding::Hidden,
            "font-size:0" | "font-size:0px" | "font-size:0pt" | "font-size:0em" | "font-size:0rem" | "font-size:0%" => {
                return Hiding::NoSize;
            }
            "color:white" | "color:#fff" | "color:#ffffff" | "color:rgb(255,255,255)" => white = true,
            rule => painted |= rule.starts_with("background"),
        }
    }
    if white && !painted { Hiding::White } else { Hiding::Not }
}

/// Where the end tag of `name` begins.
pub(super) fn find_end(text: &str, name: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = text[from..].find("</") {
        let at = from + found;
        let tail = &text.as_bytes()[at + 2..];
        if tail.len() >= name.len() && tail[..name.len()].eq_ignore_ascii_case(name.as_bytes()) {
            return Some(at);
        }
        from = at + 2;
    }
    None
}

/// What follows the element `name`, whose inside is no markup.
pub(super) fn behind_raw<'a>(text: &'a str, name: &str) -> &'a str {
    let Some(end) = find_end(text, name) else { return "" };
    text[end..].find('>').map_or("", |close| &text[end + close + 1..])
}

/// A text with its character references read.
pub(super) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let (letters, after) = reference(&rest[at + 1..]);
        out.extend(letters.into_iter().flatten());
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Reads a character reference behind its `&`; what is none stands for itself.
pub(super) fn reference(text: &str) -> ([Option<char>; 2], &str) {
    let itself = ([Some('&'), None], text);
    if let Some(number) = text.strip_prefix('#') {
        let (digits, radix) = match number.strip_prefix(['x', 'X']) {
            Some(digits) => (digits, 16),
            None => (number, 10),
        };
        let length = digits.bytes().take_while(|byte| char::from(*byte).is_digit(radix)).count();
        if length == 0 {
            return itself;
        }
        let code = u32::from_str_radix(&digits[..length], radix).unwrap_or(u32::MAX);
        let after = digits[length..].strip_prefix(';').unwrap_or(&digits[length..]);
        let letter = match u8::try_from(code) {
            Ok(byte @ 0x80..=0x9f) => WINDOWS_1252.decode_without_bom_handling(&[byte]).0.chars().next(),
            _ => char::from_u32(code),
        };
        return ([Some(letter.unwrap_or('\u{fffd}')), None], after);
    }
    let length = text.bytes().take(ENTITY_MAX).take_while(u8::is_ascii_alphanumeric).count();
    let longest = length + usize::from(text[length..].starts_with(';'));
    for length in (2..=longest).rev() {
        if let Some(&(first, second)) = NAMED_ENTITIES.get(&text[..length])
            && first != 0
        {
            let second = if second == 0 { None } else { char::from_u32(second) };
            return ([char::from_u32(first), second], &text[length..]);
        }
    }
    itself
}
