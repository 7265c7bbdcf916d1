//! The date that a record bears, where it can be had cheaply: a named line in its head, or its file's name.

use jiff::civil::Date;

/// Bytes of the head that are looked at.
const HEAD: usize = 2_000;
/// Words before a date that make it the record's own, the strongest first.
const WORDS: [&str; 14] = [
    "시행일",
    "시행",
    "공고일",
    "고시일",
    "작성일",
    "보고일",
    "회의일시",
    "일시",
    "발행일",
    "배포일",
    "개정일",
    "공포일",
    "date",
    "updated",
];

/// The date on a line of the head that names it, such as `- 시행일: 20230915`.
pub(crate) fn in_head(text: &str) -> Option<Date> {
    let head = &text[..text.floor_char_boundary(HEAD)];
    let mut best: Option<(usize, Date)> = None;
    for line in head.lines() {
        let Some((name, value)) = line.split_once([':', '：']) else { continue };
        let name = name.trim_matches(|letter: char| !letter.is_alphanumeric()).to_lowercase().replace(' ', "");
        let Some(rank) = WORDS.iter().position(|word| name == *word) else { continue };
        if best.is_none_or(|(other, _)| rank < other)
            && let Some(date) = parse(value)
        {
            best = Some((rank, date));
        }
    }
    best.map(|(_, date)| date)
}

/// A date inside a file's name, such as `회의록_2024-09-26.txt`.
pub(crate) fn in_name(path: &str) -> Option<Date> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let bytes = name.as_bytes();
    (0..bytes.len())
        .filter(|at| bytes[*at].is_ascii_digit() && (*at == 0 || !bytes[*at - 1].is_ascii_digit()))
        .find_map(|at| {
            let rest = &name[at..];
            let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
            // Eight digits may be any number; a date with separators is meant as one.
            if digits == 8 || digits == 4 && rest[4..].starts_with(['-', '.', '_']) { parse(rest) } else { None }
        })
}

/// A date at the beginning of `text`: `2024-03-05`, `2024. 3. 5.`, `2024년 3월 5일`, `20240305`.
pub(crate) fn parse(text: &str) -> Option<Date> {
    let text = text.trim_start();
    let mut numbers = [0_i16; 3];
    let mut rest = text;
    for (place, number) in numbers.iter_mut().enumerate() {
        let (digits_min, digits_max) = if place == 0 { (4, 4) } else { (1, 2) };
        let digits = rest.bytes().take(digits_max).take_while(u8::is_ascii_digit).count();
        if digits < digits_min {
            return None;
        }
        *number = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        if place < 2 {
            let separated = rest.trim_start_matches(' ').trim_start_matches(['-', '.', '/', '_', '년', '월']);
            let apart = separated.len() < rest.trim_start_matches(' ').len();
            // Digits in one run must be two and two.
            if apart {
                rest = separated.trim_start_matches(' ');
            } else if !(rest.starts_with(|letter: char| letter.is_ascii_digit())
                && text.bytes().take(8).all(|byte| byte.is_ascii_digit()))
            {
                return None;
            }
        }
    }
    if rest.starts_with(|letter: char| letter.is_ascii_digit()) {
        return None;
    }
    let [year, month, day] = numbers;
    if !(1800..=2200).contains(&year) {
        return None;
    }
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn dates_are_read_in_the_usual_spellings() {
        for text in
            ["2024-03-05", "2024. 3. 5.", "2024년 3월 5일(화) 19:00", "20240305", " 2024/3/5", "2024.03.05 10:00"]
        {
            assert_eq!(parse(text), Some(date(2024, 3, 5)), "{text}");
        }
        for text in
            ["", "2024", "2024-13-05", "20241305", "202403051", "99999999", "제2024-3호", "2024 3 5x9", "0101-01-01"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_strongest_word_of_the_head_wins() {
        let head = "# 법\n\n- 공포일: 20230314\n- 시행일: 20230915\n\n일시: 2020-01-01\n";
        assert_eq!(in_head(head), Some(date(2023, 9, 15)));
        assert_eq!(in_head("시행일은 2020-01-01이다"), None);
        assert_eq!(in_head("일시 : 2025년 4월 15일"), Some(date(2025, 4, 15)));
    }

    #[test]
    fn a_files_name_may_bear_the_date() {
        assert_eq!(in_name("회의록/2024-09-26-위원회.md"), Some(date(2024, 9, 26)));
        assert_eq!(in_name("보고_20240719.txt"), Some(date(2024, 7, 19)));
        assert_eq!(in_name("2024-제12호.md"), None);
        assert_eq!(in_name("000006_여권법.md"), None);
    }
}
