//! The text as the rules read it, with the way back to the source.
//!
//! Digits of every script are ASCII, dashes are `-`, spaces are a space, what cannot be seen is gone, entities, percent
//! escapes and JSON escapes are read, Hangul is composed. Invariant: each byte of the result knows the span of source
//! bytes that it came from, and these spans begin and end between characters. A text that has none of this is
//! borrowed as it is.

use std::ops::Range;

use unicode_normalization::char::{compose, decompose_compatible};

/// A normalised text over one piece of source.
#[derive(Debug, Default)]
pub(crate) struct Normal {
    text: String,
    starts: Vec<u32>,
    ends: Vec<u32>,
}

/// A piece of source, borrowed where nothing had to be changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    /// What the rules read.
    pub(crate) text: &'a str,
    map: Option<&'a Normal>,
}

impl<'a> View<'a> {
    /// A piece that is known to have nothing to normalise.
    pub(crate) fn plain(text: &'a str) -> Self {
        Self { text, map: None }
    }

    /// The span of the source for a span of the normalised text that is not empty.
    pub(crate) fn source(&self, span: Range<usize>) -> Range<usize> {
        match self.map {
            Some(map) => map.starts[span.start] as usize..map.ends[span.end - 1] as usize,
            None => span,
        }
    }

    /// The span of the normalised text that came from a span of the source that [`View::source`] gave.
    pub(crate) fn normalised(&self, span: &Range<usize>) -> Range<usize> {
        let Some(map) = self.map else { return span.clone() };
        let start = map.starts.partition_point(|start| (*start as usize) < span.start);
        let end = map.ends.partition_point(|end| (*end as usize) <= span.end);
        start..end.max(start)
    }
}

/// Reads `source`, which is shorter than 4 GiB, into `room` where it has to be changed.
pub(crate) fn read<'a>(source: &'a str, room: &'a mut Normal) -> View<'a> {
    if !is_odd(source) {
        return View { text: source, map: None };
    }
    room.fill(source);
    View { text: &room.text, map: Some(room) }
}

/// Whether a text may have something to normalise. Cheap, and true too often rather than too seldom.
pub(crate) fn is_odd(source: &str) -> bool {
    let bytes = source.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte < 0x80 {
            if matches!(byte, b'&' | b'%' | b'\\') {
                return true;
            }
            at += 1;
            continue;
        }
        match byte {
            // Hanja and Hangul syllables.
            0xE4..=0xED => at += 3,
            // The middle dots and the brackets of Korean prose, and Hanja below U+4000.
            0xE3 if bytes[at + 1] == 0x80
                && bytes[at + 2] != 0x80
                && bytes[at + 2] < 0x96
                && !matches!(bytes[at + 2], 0x82 | 0x87) =>
            {
                at += 3
            }
            0xE3 if bytes[at + 1] == 0x86 && bytes[at + 2] == 0x8D => at += 3,
            // Quotation marks.
            0xE2 if bytes[at + 1] == 0x80 && matches!(bytes[at + 2], 0x98..=0x9D) => at += 3,
            0xC2 if bytes[at + 1] == 0xB7 => at += 2,
            _ => return true,
        }
    }
    false
}

impl Normal {
    fn fill(&mut self, source: &str) {
        self.text.clear();
        self.starts.clear();
        self.ends.clear();
        self.text.reserve(source.len());
        self.starts.reserve(source.len());
        self.ends.reserve(source.len());
        let mut at = 0;
        loop {
            at = self.fill_plain(source, at);
            let Some(next) = source[at..].chars().next() else { break };
            let (c, length) = match next {
                '&' => entity(&source[at..]),
                '%' => percent(&source[at..]),
                '\\' => escape(&source[at..]),
                _ => None,
            }
            .unwrap_or((next, next.len_utf8()));
            self.push(c, at, at + length);
            at += length;
        }
    }

    /// Takes the Hangul and the ASCII from `at` on that stay as they are; where they end.
    fn fill_plain(&mut self, source: &str, from: usize) -> usize {
        let bytes = source.as_bytes();
        let mut at = from;
        loop {
            let end = match bytes[at..] {
                [b'&' | b'%' | b'\\', ..] => break,
                [..0x80, ..] => at + 1,
                [0xEB | 0xEC, _, _, ..] | [0xEA, 0xB0..=0xFF, _, ..] => at + 3,
                _ => break,
            };
            let (starts, ends) = ([at as u32; 3], [end as u32; 3]);
            self.starts.extend_from_slice(&starts[..end - at]);
            self.ends.extend_from_slice(&ends[..end - at]);
            at = end;
        }
        self.text.push_str(&source[from..at]);
        at
    }

    fn push(&mut self, c: char, start: usize, end: usize) {
        if c.is_ascii() || ('가'..='힣').contains(&c) {
            return self.append(c, start, end);
        }
        if is_unseen(c) {
            return;
        }
        if is_jamo(c)
            && let Some(last) = self.text.chars().next_back()
            && let Some(whole) = compose(last, c)
        {
            let first = self.starts[self.text.len() - last.len_utf8()] as usize;
            self.shorten(last.len_utf8());
            return self.append(whole, first, end);
        }
        // A mark over a digit or a separator (struck out, a key's cap) does not change it.
        let is_plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b' ');
        if is_mark(c) && self.text.bytes().next_back().is_some_and(is_plain) {
            return;
        }
        self.append(plain(c), start, end);
    }

    fn append(&mut self, c: char, start: usize, end: usize) {
        self.text.push(c);
        let (start, end, whole) = ([start as u32; 4], [end as u32; 4], self.text.len());
        self.starts.extend_from_slice(&start[..whole - self.starts.len()]);
        self.ends.extend_from_slice(&end[..whole - self.ends.len()]);
    }

    fn shorten(&mut self, bytes: usize) {
        let length = self.text.len() - bytes;
        self.text.truncate(length);
        self.starts.truncate(length);
        self.ends.truncate(length);
    }
}

/// The plain character that another is a form of; itself where there is none.
fn plain(c: char) -> char {
    if let Some(digit) = digit(c) {
        return digit;
    }
    match c {
        '\u{A0}'
        | '\u{85}'
        | '\u{1680}'
        | '\u{2000}'..='\u{200A}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{202F}'
        | '\u{205F}'
        | '\u{3000}' => ' ',
        '\u{2010}'..='\u{2015}'
        | '\u{2212}'
        | '\u{2043}'
        | '\u{2E3A}'
        | '\u{2E3B}'
        | '\u{30FC}'
        | '\u{FF70}'
        | '\u{3161}'
        | '\u{2500}'
        | '\u{2501}'
        | '\u{2D7}'
        | '\u{58A}'
        | '\u{1806}'
        | '\u{FE58}'
        | '\u{FE63}'
        | '\u{2796}' => '-',
        '\u{2024}' | '\u{3002}' | '\u{FF61}' | '\u{FE52}' | '\u{2027}' => '.',
        '\u{30FB}' | '\u{FF65}' | '\u{2022}' | '\u{2219}' | '\u{22C5}' => '·',
        '\u{2215}' | '\u{2044}' => '/',
        '\u{FE6B}' => '@',
        '\u{25CF}' | '\u{25CB}' | '\u{2217}' | '\u{204E}' | '\u{2731}' => '*',
        'О' | 'о' | 'Ο' | 'ο' => 'O',
        'І' | 'і' | 'Ι' | 'ι' | 'ǀ' | 'Ӏ' => 'l',
        '\u{FF00}'..='\u{FFEF}' | '\u{2100}'..='\u{214F}' | '\u{1D400}'..='\u{1D7FF}' | '\u{24B6}'..='\u{24E9}' => {
            let mut first = c;
            decompose_compatible(c, |part| {
                if first == c {
                    first = part;
                }
            });
            first
        }
        _ => c,
    }
}

/// The decimal digit of any script, or inside a circle, brackets or a dot, as ASCII.
fn digit(c: char) -> Option<char> {
    let code = c as u32;
    let value = match code {
        0xB2 | 0xB3 => code - 0xB0,
        0xB9 => 1,
        0x2070 | 0x2074..=0x2079 => code - 0x2070,
        0x2080..=0x2089 => code - 0x2080,
        0x2460..=0x2468 => code - 0x2460 + 1,
        0x2474..=0x247C => code - 0x2474 + 1,
        0x2488..=0x2490 => code - 0x2488 + 1,
        0x24EA | 0x24FF => 0,
        0x24F5..=0x24FD => code - 0x24F5 + 1,
        0x2776..=0x277E => code - 0x2776 + 1,
        0x2780..=0x2788 => code - 0x2780 + 1,
        0x278A..=0x2792 => code - 0x278A + 1,
        0x1F100 => 0,
        0x1F101..=0x1F10A => code - 0x1F101,
        _ => {
            let row = ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?;
            code - ZEROS[row]
        }
    };
    char::from_digit(value, 10)
}

/// Where the ten digits of a script begin (Unicode 15, general category `Nd`).
const ZEROS: [u32; 65] = [
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0, 0xF20,
    0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0,
    0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0,
    0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x16A60, 0x16AC0,
    0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E950, 0x1FBF0,
];

pub(crate) fn is_unseen(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180E}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}')
}

fn is_jamo(c: char) -> bool {
    matches!(c, '\u{1161}'..='\u{11FF}')
}

/// An HTML entity at the start of `rest`: its character and its length in bytes. `&amp;#48;` counts as one.
fn entity(rest: &str) -> Option<(char, usize)> {
    let mut body = &rest[1..];
    for _ in 0..2 {
        body = body.strip_prefix("amp;").unwrap_or(body);
    }
    let window = body.get(..body.len().min(12)).unwrap_or_else(|| &body[..body.floor_char_boundary(12)]);
    let close = window.find(';');
    let length = |used: usize| rest.len() - body.len() + used;
    if let Some(number) = window.strip_prefix('#') {
        let (radix, skip) = if number.starts_with(['x', 'X']) { (16, 1) } else { (10, 0) };
        let figures = number[skip..].bytes().take_while(|byte| (*byte as char).is_digit(radix)).count();
        let code = u32::from_str_radix(number.get(skip..skip + figures.min(8))?, radix).ok()?;
        let closed = usize::from(number[skip + figures..].starts_with(';'));
        return Some((char::from_u32(code)?, length(1 + skip + figures + closed)));
    }
    let c = match &window[..close?] {
        "nbsp" | "ensp" | "emsp" | "thinsp" | "numsp" | "puncsp" | "Tab" | "NewLine" => ' ',
        "ndash" | "mdash" | "hyphen" | "dash" | "minus" | "horbar" => '-',
        "shy" | "zwnj" | "zwj" | "lrm" | "rlm" | "ZeroWidthSpace" | "NoBreak" => '\u{200B}',
        "period" => '.',
        "commat" => '@',
        "colon" => ':',
        "sol" => '/',
        "lpar" => '(',
        "rpar" => ')',
        "lowbar" => '_',
        "middot" | "centerdot" => '·',
        "quot" => '"',
        "apos" => '\'',
        "lt" => '<',
        "gt" => '>',
        _ => return None,
    };
    Some((c, length(close? + 1)))
}

/// A percent escape (one UTF-8 character, up to four of them; `%2530` too).
fn percent(rest: &str) -> Option<(char, usize)> {
    let bytes = rest.as_bytes();
    let mut room = [0_u8; 4];
    let mut at = 0;
    for filled in 1..=4 {
        if bytes.get(at) != Some(&b'%') {
            return None;
        }
        at += 1;
        while bytes[at..].starts_with(b"25") && bytes.get(at + 2).is_some_and(u8::is_ascii_hexdigit) {
            at += 2;
        }
        room[filled - 1] = hex(bytes.get(at..at + 2)?)? as u8;
        at += 2;
        if let Ok(text) = std::str::from_utf8(&room[..filled]) {
            return Some((text.chars().next()?, at));
        }
    }
    None
}

/// A JSON or C escape: `\u0030`, `\x30`, `\u{30}`, `\n`; the backslash may itself be escaped.
fn escape(rest: &str) -> Option<(char, usize)> {
    let bytes = rest.as_bytes();
    let slashes = bytes.iter().take(4).take_while(|byte| **byte == b'\\').count();
    let figures = |from: usize, count: usize| hex(bytes.get(from..from + count)?);
    let at = slashes + 1;
    match bytes.get(slashes)? {
        b'u' if bytes.get(at) == Some(&b'{') => {
            let count = bytes[at + 1..].iter().take(6).take_while(|byte| byte.is_ascii_hexdigit()).count();
            let code = figures(at + 1, count)?;
            (bytes.get(at + 1 + count) == Some(&b'}')).then_some(())?;
            Some((char::from_u32(code)?, at + count + 2))
        }
        b'u' => {
            let high = figures(at, 4)?;
            if !(0xD800..0xDC00).contains(&high) {
                return Some((char::from_u32(high)?, at + 4));
            }
            let second = at + 4 + bytes[at + 4..].iter().take(4).take_while(|byte| **byte == b'\\').count();
            (bytes.get(second) == Some(&b'u')).then_some(())?;
            let low = figures(second + 1, 4)?.checked_sub(0xDC00).filter(|low| *low < 0x400)?;
            Some((char::from_u32(0x10000 + ((high - 0xD800) << 10) + low)?, second + 5))
        }
        b'x' => Some((char::from_u32(figures(at, 2)?)?, at + 2)),
        b'n' | b'r' | b't' => Some((' ', at)),
        b'"' => Some(('"', at)),
        b'/' => Some(('/', at)),
        _ => None,
    }
}

fn hex(figures: &[u8]) -> Option<u32> {
    if figures.is_empty() {
        return None;
    }
    figures.iter().try_fold(0, |sum, byte| Some(sum * 16 + (*byte as char).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &str) {
        let mut room = Normal::default();
        let view = read(source, &mut room);
        assert_eq!(view.text, expected, "{source}");
        for at in 0..view.text.len() {
            let span = view.source(at..at + 1);
            assert!(source.get(span.clone()).is_some(), "{source}: {span:?} is not between characters");
        }
    }

    #[test]
    fn digits_of_every_script_are_ascii() {
        check("٠١٢٣", "0123");
        check("०१२", "012");
        check("０１０－１２３４", "010-1234");
        check("𝟎𝟏𝟘𝟙", "0101");
        check("①②⓪❸⑷⒌", "120345");
        check("¹²³₄", "1234");
        check("1️⃣0️⃣", "10");
        check("1̶2̶-̶3̶", "12-3");
    }

    #[test]
    fn spaces_dashes_and_what_cannot_be_seen() {
        check("010–1234—5678−9", "010-1234-5678-9");
        check("010\u{A0}1\u{200B}2\u{3000}3\u{FEFF}", "010 12 3");
        check("010ー1234", "010-1234");
    }

    #[test]
    fn escapes_are_read() {
        check("&#48;&#x31;&amp;#50;&ndash;&nbsp;3", "012- 3");
        check("%30%31%2D%2530%EF%BC%91", "01-01");
        check(r"\u0030\x31\\u0032\u{33}\ud835\udfce", "01230");
        check(r#"{\"a\":1}"#, r#"{"a":1}"#);
    }

    #[test]
    fn hangul_is_composed() {
        check("\u{1100}\u{1175}\u{11B7}\u{1103}\u{1169}", "김도");
        check("\u{AE30}\u{11B7}", "김");
    }

    #[test]
    fn broken_escapes_stay_as_they_are() {
        for text in [
            "&",
            "&#",
            "&#;",
            "&#x;",
            "&#99999999999;",
            "%",
            "%3",
            "%zz",
            "%FF%FF",
            "\\",
            "\\u",
            "\\u00",
            "\\ud800",
            "\\ud800x",
            "\\u{110000}",
            "&#가;",
            "&가나다라마",
            "%가",
        ] {
            let mut room = Normal::default();
            assert_eq!(read(text, &mut room).text, text);
        }
    }

    #[test]
    fn every_byte_knows_where_it_came_from() {
        let mut room = Normal::default();
        let view = read("① 가&amp;\u{200B}나a", &mut room);
        assert_eq!(view.text, "1 가&amp;나a");
        let sources: Vec<_> = (0..view.text.len()).map(|at| view.source(at..at + 1)).collect();
        let characters =
            [0..3, 3..4, 4..7, 4..7, 4..7, 7..8, 8..9, 9..10, 10..11, 11..12, 15..18, 15..18, 15..18, 18..19];
        assert_eq!(sources, characters);
    }

    #[test]
    fn plain_text_is_borrowed() {
        assert!(!is_odd("서울특별시 종로구 세종대로 209, 「도로법」 제3조ㆍ제4조(道路)·끝."));
        assert!(!is_odd("“가” ‘나’"));
        assert!(is_odd("가\u{3000}나"));
        assert!(is_odd("٠"));
        assert!(is_odd("〇일"));
    }
}
