//! Numbers with their units, dates and identifiers, read so that different spellings of one value are equal.
//!
//! `4만2천원` is `42,000원`, `20%` is `20퍼센트`, `15mm` is `15밀리미터`, `2021-08-03` is `2021년 8월 3일`; `P-104` is an
//! identifier and equal to nothing but itself.

/// A number, and the unit behind it in one spelling.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Number {
    pub value: f64,
    pub unit: Option<&'static str>,
}

impl Number {
    /// Whether both say the same: equal values, and equal units. A number without a unit is equal to one with, since
    /// a table has the unit in the head of its column; but `7` alone is no month and no article.
    pub fn same(&self, other: &Number) -> bool {
        let near = (self.value - other.value).abs() <= 1e-9 * self.value.abs().max(1.0);
        let bare = |unit: Option<&str>| {
            self.value >= 1900.0 || !matches!(unit, Some("년" | "월" | "일" | "시" | "조" | "항" | "호" | "급"))
        };
        near && match (self.unit, other.unit) {
            (Some(own), Some(others)) => own == others,
            (unit, None) | (None, unit) => bare(unit),
        }
    }
}

/// Units: each row is one unit, its first spelling the one that it is kept under. Longer spellings come first where
/// one begins another.
const UNITS: &[&[&str]] = &[
    &["세제곱미터", "입방미터", "톤", "㎥", "m3", "m³"],
    &["제곱미터", "㎡", "m2", "m²", "평방미터"],
    &["밀리미터", "밀리", "mm"],
    &["센티미터", "cm"],
    &["킬로미터", "km", "킬로"],
    &["킬로그램", "kg"],
    &["밀리그램", "mg"],
    &["나노그램", "ng"],
    &["킬로와트", "kw"],
    &["킬로파스칼", "kpa"],
    &["메가파스칼", "mpa"],
    &["메가옴", "mω"],
    &["kva"],
    &["ntu"],
    &["ppm"],
    &["퍼센트", "프로", "%", "percent"],
    &["미터", "metres", "meters", "metre", "meter", "m"],
    &["리터", "litres", "liters", "l"],
    &["그램", "grams", "g"],
    &["시간", "hours", "hour"],
    &["분기"],
    &["분", "minutes", "minute"],
    &["초", "seconds", "second"],
    &["개월", "달", "months", "month"],
    &["주일", "주", "weeks", "week"],
    &["일", "days", "day"],
    &["년", "해", "years", "year"],
    &["월"],
    &["시"],
    &["세대", "가구", "households"],
    &["원", "won", "krw"],
    &["명", "사람", "인", "people", "persons", "members", "visitors"],
    &["회전", "바퀴"],
    &["회", "번", "차례", "times"],
    &["건"],
    &["권", "books"],
    &["대", "units"],
    &["개", "pieces"],
    &["곳", "군데", "개소"],
    &["면"],
    &["호"],
    &["조"],
    &["항"],
    &["급"],
    &["배"],
    &["세", "살"],
    &["℃", "도", "°c"],
    &["종"],
    &["장"],
    &["병"],
];

/// The spelling that a unit is kept under, if `text` begins with a unit; and how many characters it takes.
pub(crate) fn unit_at(chars: &[char]) -> Option<(&'static str, usize)> {
    let mut best: Option<(&'static str, usize)> = None;
    for row in UNITS {
        for spelling in *row {
            let length = spelling.chars().count();
            let fits = chars.len() >= length
                && spelling.chars().zip(chars).all(|(a, b)| a == b.to_ascii_lowercase())
                && (!spelling.is_ascii() || chars.get(length).is_none_or(|next| !next.is_ascii_alphabetic()));
            if fits && best.is_none_or(|(_, longest)| length > longest) {
                best = Some((row[0], length));
            }
        }
    }
    best
}

/// The characters of a text with full-width forms made plain.
pub(crate) fn normal(text: &str) -> Vec<char> {
    text.chars()
        .map(|letter| match letter {
            '！'..='～' => char::from_u32(letter as u32 - 0xfee0).unwrap_or(letter),
            '\u{3000}' | '\u{a0}' => ' ',
            '–' | '−' => '-',
            _ => letter,
        })
        .collect()
}

/// Reads an identifier such as `P-104` or `HS-정수-M01` that begins at `at`.
pub(crate) fn identifier(chars: &[char], at: usize) -> Option<(String, usize)> {
    if !chars[at].is_ascii_alphanumeric() || at > 0 && chars[at - 1].is_ascii_alphanumeric() {
        return None;
    }
    let mut end = at;
    while end < chars.len() && (chars[end].is_ascii_alphanumeric() || chars[end] == '-' && end > at) {
        end += 1;
    }
    while end > at && chars[end - 1] == '-' {
        end -= 1;
    }
    let run = &chars[at..end];
    let letter_first = run.iter().position(char::is_ascii_alphabetic)?;
    let digit_first = run.iter().position(char::is_ascii_digit)?;
    let hyphen = run.contains(&'-');
    // `700m` is a number with a unit, `P104`, `2-MIB` and `M01` are names.
    if letter_first < digit_first || hyphen && run[0].is_ascii_digit() && run.iter().any(|c| c.is_ascii_uppercase()) {
        return Some((run.iter().filter(|c| **c != '-').collect::<String>().to_lowercase(), end));
    }
    None
}

/// Reads the number, date or clock time that begins at `at`, and where it ends.
pub(crate) fn read(chars: &[char], at: usize) -> Option<(Vec<Number>, usize)> {
    if !chars[at].is_ascii_digit() {
        return word_number(chars, at);
    }
    if let Some(date) = date(chars, at) {
        return Some(date);
    }
    let (mut value, mut end) = plain(chars, at);
    // Korean groups: 2억 3,400만, 4만2천, 7천5백, 1천.
    if let Some(scale) = chars.get(end).and_then(scale) {
        let (mut large, mut small) = (0.0, value * scale);
        end += 1;
        if scale >= 1e4 {
            (large, small) = (small, 0.0);
        }
        loop {
            if let Some(next) = chars.get(end).and_then(self::scale).filter(|next| *next >= 1e4 && small > 0.0) {
                large += small * next;
                small = 0.0;
                end += 1;
                continue;
            }
            let gap = end + usize::from(chars.get(end) == Some(&' '));
            if !chars.get(gap).is_some_and(char::is_ascii_digit) {
                break;
            }
            let (more, after) = plain(chars, gap);
            match chars.get(after).and_then(self::scale) {
                Some(next) if next >= 1e4 => {
                    large += (small + more) * next;
                    small = 0.0;
                    end = after + 1;
                }
                Some(next) => {
                    small += more * next;
                    end = after + 1;
                }
                None if gap == end => {
                    small += more;
                    end = after;
                }
                None => break,
            }
        }
        value = large + small;
    }
    let gap = end + usize::from(chars.get(end) == Some(&' '));
    let unit = unit_at(&chars[end..]).map(|(unit, length)| (unit, end + length)).or_else(|| {
        // Behind a space only a whole word is a unit: `6 people`, `200 NTU`, not `3 조사`.
        let (unit, length) = unit_at(chars.get(gap..)?)?;
        let whole = chars.get(gap + length).is_none_or(|next| !next.is_alphabetic()) || length >= 2;
        whole.then_some((unit, gap + length))
    });
    let (unit, end) = match unit {
        Some((unit, end)) => (Some(unit), end),
        // `3단계` counts something that is no unit here; it is not any other 3 either.
        None => (chars.get(end).is_some_and(|next| next.is_alphabetic()).then_some("other"), end),
    };
    Some((vec![Number { value, unit }], end))
}

fn plain(chars: &[char], at: usize) -> (f64, usize) {
    let (mut digits, mut end) = (String::new(), at);
    while let Some(&letter) = chars.get(end) {
        let between = end > at && chars.get(end + 1).is_some_and(char::is_ascii_digit);
        match letter {
            '0'..='9' => digits.push(letter),
            ',' if between && chars.get(end + 2).is_some_and(char::is_ascii_digit) => {}
            '.' if between && !digits.contains('.') => digits.push('.'),
            _ => break,
        }
        end += 1;
    }
    (digits.parse().unwrap_or(f64::MAX), end)
}

fn scale(letter: &char) -> Option<f64> {
    match letter {
        '십' => Some(1e1),
        '백' => Some(1e2),
        '천' => Some(1e3),
        '만' => Some(1e4),
        '억' => Some(1e8),
        _ => None,
    }
}

fn date(chars: &[char], at: usize) -> Option<(Vec<Number>, usize)> {
    let (year, end) = digits(chars, at, 4)?;
    let mark = *chars.get(end).filter(|mark| matches!(mark, '-' | '.' | '/'))?;
    let (month, end) = digits(chars, end + 1, 2)?;
    if !(1900.0..2200.0).contains(&year) || !(1.0..=12.0).contains(&month) {
        return None;
    }
    let mut found = vec![Number { value: year, unit: Some("년") }, Number { value: month, unit: Some("월") }];
    match (chars.get(end) == Some(&mark)).then(|| digits(chars, end + 1, 2)).flatten() {
        Some((day, end)) if (1.0..=31.0).contains(&day) => {
            found.push(Number { value: day, unit: Some("일") });
            Some((found, end))
        }
        _ => Some((found, end)),
    }
}

fn digits(chars: &[char], at: usize, most: usize) -> Option<(f64, usize)> {
    let count = chars.get(at..)?.iter().take_while(|letter| letter.is_ascii_digit()).count();
    let fits = if most == 4 { count == 4 } else { (1..=most).contains(&count) };
    fits.then(|| (plain(&chars[..at + count], at).0, at + count))
}

/// A number that is a word: `두 시간`, `six persons`.
fn word_number(chars: &[char], at: usize) -> Option<(Vec<Number>, usize)> {
    if at > 0 && chars[at - 1].is_alphanumeric() {
        return None;
    }
    const ENGLISH: &[(&str, f64)] = &[
        ("one", 1.0),
        ("two", 2.0),
        ("three", 3.0),
        ("four", 4.0),
        ("five", 5.0),
        ("six", 6.0),
        ("seven", 7.0),
        ("eight", 8.0),
        ("nine", 9.0),
        ("ten", 10.0),
        ("eleven", 11.0),
        ("twelve", 12.0),
        ("fifteen", 15.0),
        ("twenty", 20.0),
        ("thirty", 30.0),
    ];
    const KOREAN: &[(&str, f64)] = &[
        ("한", 1.0),
        ("두", 2.0),
        ("세", 3.0),
        ("네", 4.0),
        ("다섯", 5.0),
        ("여섯", 6.0),
        ("일곱", 7.0),
        ("여덟", 8.0),
        ("아홉", 9.0),
        ("열", 10.0),
        ("천", 1000.0),
    ];
    let length = chars[at..].iter().take_while(|letter| letter.is_alphabetic()).count();
    if length == 0 || length > 7 {
        return None;
    }
    let word: String = chars[at..at + length].iter().collect::<String>().to_lowercase();
    let end = at + length;
    let gap = end + usize::from(chars.get(end) == Some(&' '));
    if let Some((_, value)) = ENGLISH.iter().find(|(spelling, _)| *spelling == word) {
        let unit = chars.get(gap..).and_then(unit_at);
        let (unit, end) = unit.map_or((None, end), |(unit, length)| (Some(unit), gap + length));
        // `one` alone is a pronoun as often as a number.
        return (*value > 1.0 || unit.is_some()).then(|| (vec![Number { value: *value, unit }], end));
    }
    // A Korean numeral counts only before a unit: `한` and `세` alone begin many words.
    let (_, value) = KOREAN.iter().find(|(spelling, _)| *spelling == word)?;
    if gap == end {
        return None;
    }
    let (unit, length) = unit_at(chars.get(gap..)?)?;
    Some((vec![Number { value: *value, unit: Some(unit) }], gap + length))
}

#[cfg(test)]
mod tests {
    use super::super::terms::Text;
    use super::*;

    fn numbers(text: &str) -> Vec<(f64, Option<&'static str>)> {
        Text::of(text).numbers.into_iter().map(|number| (number.value, number.unit)).collect()
    }

    #[test]
    fn one_value_has_one_reading() {
        for (text, expected) in [
            ("4만2천원", vec![(42_000.0, Some("원"))]),
            ("42,000원", vec![(42_000.0, Some("원"))]),
            ("7천5백원", vec![(7_500.0, Some("원"))]),
            ("2억 3,400만원", vec![(234_000_000.0, Some("원"))]),
            ("9,000만원", vec![(90_000_000.0, Some("원"))]),
            ("187억원", vec![(18_700_000_000.0, Some("원"))]),
            ("1천시간", vec![(1_000.0, Some("시간"))]),
            ("천 시간을", vec![(1_000.0, Some("시간"))]),
            ("두 시간 빌리면", vec![(2.0, Some("시간"))]),
            ("15mm", vec![(15.0, Some("밀리미터"))]),
            ("15밀리 계량기", vec![(15.0, Some("밀리미터"))]),
            ("20%", vec![(20.0, Some("퍼센트"))]),
            ("2021-08-03", vec![(2021.0, Some("년")), (8.0, Some("월")), (3.0, Some("일"))]),
            ("2021년 8월 3일", vec![(2021.0, Some("년")), (8.0, Some("월")), (3.0, Some("일"))]),
            ("3.5mg/L", vec![(3.5, Some("밀리그램"))]),
            ("six persons", vec![(6.0, Some("명"))]),
            ("0~10ppm", vec![(0.0, None), (10.0, Some("ppm"))]),
            ("3단계", vec![(3.0, Some("other"))]),
            ("사람이 셋", vec![]),
            ("한다", vec![]),
        ] {
            assert_eq!(numbers(text), expected, "{text}");
        }
    }

    #[test]
    fn a_hostile_number_is_a_number() {
        for text in [
            "9".repeat(5_000),
            "1.1.1.1".to_owned(),
            ",,,,1,,,".to_owned(),
            "1억억억만만천천".to_owned(),
            "2025-99-99".to_owned(),
        ] {
            Text::of(&text);
        }
    }

    #[test]
    fn identifiers_are_whole() {
        let text = Text::of("P-104와 P-10, T301 및 2-MIB의 700m");
        assert_eq!(text.identifiers, ["p104", "p10", "t301", "2mib"]);
        assert_eq!(text.numbers, [Number { value: 700.0, unit: Some("미터") }]);
    }
}
