//! Checks of identifiers, under the fixed names that packs use.
//!
//! A check never clears a number by itself: it says how sure its digits make us. Only what cannot exist (a month 13)
//! is [`Verdict::Impossible`], and even that is hidden where a word beside it names the kind.

/// What a check says of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The check digits are right.
    Right,
    /// They are wrong, or there are none to be trusted.
    Wrong,
    /// No value of this kind looks so.
    Impossible,
}

use Verdict::{Impossible, Right, Wrong};

/// A check: takes the digits (or, for text, the written value) and judges them.
pub(super) type Check = fn(&str) -> Verdict;

/// Digits that are looked at.
const DIGITS_MAX: usize = 40;

/// The names that a pack may ask for.
pub(super) const NAMES: [&str; 11] =
    ["rrn", "frn", "brn", "corporate", "luhn", "iban", "date", "ipv4", "ipv6", "dial", "mixed"];

/// The check of this name.
pub(super) fn named(name: &str) -> Option<Check> {
    Some(match name {
        "rrn" => |value| resident(&digits(value), false),
        "frn" => |value| resident(&digits(value), true),
        "brn" => |value| business(&digits(value)),
        "corporate" => |value| corporate(&digits(value)),
        "luhn" => |value| luhn(&digits(value)),
        "iban" => iban,
        "date" => |value| date(&digits(value)),
        "ipv4" => ipv4,
        "ipv6" => ipv6,
        "dial" => |value| dial(&digits(value)),
        "mixed" => mixed,
        _ => return None,
    })
}

/// The digits of a value. No identifier has more than these.
struct Digits {
    values: [u32; DIGITS_MAX],
    count: usize,
}

impl std::ops::Deref for Digits {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        &self.values[..self.count]
    }
}

fn digits(value: &str) -> Digits {
    let mut digits = Digits { values: [0; DIGITS_MAX], count: 0 };
    for (place, digit) in digits.values.iter_mut().zip(value.bytes().filter(u8::is_ascii_digit)) {
        *place = u32::from(digit - b'0');
        digits.count += 1;
    }
    digits
}

fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

fn number(digits: &[u32]) -> u32 {
    digits.iter().fold(0, |sum, digit| sum * 10 + digit)
}

fn is_date(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// Resident numbers: birth date, century and sex, six more digits. Those issued since 2020-10-05 have random last
/// digits, so a wrong check digit lowers the confidence and clears nobody. The numbers of foreigners add two.
fn resident(digits: &[u32], foreign: bool) -> Verdict {
    let [y1, y2, m1, m2, d1, d2, century, ..] = *digits else { return Impossible };
    if digits.len() != 13 {
        return Impossible;
    }
    let base = match century {
        1 | 2 | 5 | 6 => 1900,
        3 | 4 | 7 | 8 => 2000,
        _ => 1800,
    };
    if !is_date(base + y1 * 10 + y2, m1 * 10 + m2, d1 * 10 + d2) || (5..=8).contains(&century) != foreign {
        return Impossible;
    }
    let sum = weighted(digits, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
    let expected = (11 - sum % 11) % 10;
    let expected = if foreign { (expected + 2) % 10 } else { expected };
    if expected == digits[12] { Right } else { Wrong }
}

fn business(digits: &[u32]) -> Verdict {
    if digits.len() != 10 || number(&digits[..3]) < 100 || digits[3..5] == [0, 0] {
        return Impossible;
    }
    let sum = weighted(digits, &[1, 3, 7, 1, 3, 7, 1, 3, 5]) + digits[8] * 5 / 10;
    if (10 - sum % 10) % 10 == digits[9] { Right } else { Wrong }
}

fn corporate(digits: &[u32]) -> Verdict {
    if digits.len() != 13 {
        return Impossible;
    }
    let sum = weighted(digits, &[1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2]);
    if (10 - sum % 10) % 10 == digits[12] { Right } else { Wrong }
}

fn luhn(digits: &[u32]) -> Verdict {
    if digits.len() < 12 || digits.iter().all(|digit| *digit == digits[0]) {
        return Impossible;
    }
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, *digit) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    if sum.is_multiple_of(10) { Right } else { Wrong }
}

/// ISO 13616: the first four letters go to the end, letters count from 10, and the rest modulo 97 is 1.
fn iban(value: &str) -> Verdict {
    let plain: Vec<u8> = value.bytes().filter(u8::is_ascii_alphanumeric).collect();
    if !(15..=34).contains(&plain.len()) {
        return Impossible;
    }
    let remainder = plain[4..].iter().chain(&plain[..4]).fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        letter => (rest * 100 + u32::from(letter.to_ascii_uppercase() - b'A') + 10) % 97,
    });
    if remainder == 1 { Right } else { Wrong }
}

fn date(digits: &[u32]) -> Verdict {
    let fits = match digits.len() {
        8 => {
            (1850..2100).contains(&number(&digits[..4]))
                && is_date(number(&digits[..4]), number(&digits[4..6]), number(&digits[6..]))
        }
        6 => is_date(2000, number(&digits[2..4]), number(&digits[4..])),
        _ => return Wrong,
    };
    if fits { Right } else { Impossible }
}

fn ipv4(value: &str) -> Verdict {
    match value.parse::<std::net::Ipv4Addr>() {
        Ok(address) if !address.is_unspecified() => Right,
        _ => Impossible,
    }
}

fn ipv6(value: &str) -> Verdict {
    match value.parse::<std::net::Ipv6Addr>() {
        Ok(address) if !address.is_unspecified() && !address.is_loopback() => Right,
        _ => Impossible,
    }
}

/// Short service numbers (1588-1234). Two years (1592-1598) are no number to call.
fn dial(digits: &[u32]) -> Verdict {
    if digits.len() != 8 {
        return Wrong;
    }
    if (1500..2100).contains(&number(&digits[4..])) { Impossible } else { Wrong }
}

/// Keys have letters and digits; a word, or a number, is no key.
fn mixed(value: &str) -> Verdict {
    let letters = value.bytes().any(|byte| byte.is_ascii_alphabetic());
    let numbers = value.bytes().any(|byte| byte.is_ascii_digit());
    if letters && numbers { Right } else { Impossible }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str) -> Verdict {
        named(name).unwrap()(value)
    }

    #[test]
    fn every_name_has_a_check() {
        assert!(NAMES.iter().all(|name| named(name).is_some()));
        assert!(named("eval").is_none());
    }

    #[test]
    fn resident_numbers_keep_their_date_and_their_sex() {
        assert_eq!(check("rrn", "900101-1234568"), Right);
        assert_eq!(check("rrn", "900101-1234567"), Wrong);
        assert_eq!(check("rrn", "210101-3456789"), Wrong, "random since October 2020: lower, never cleared");
        assert_eq!(check("rrn", "900230-1234567"), Impossible);
        assert_eq!(check("rrn", "000229-3234567"), Wrong, "2000 was a leap year");
        assert_eq!(check("rrn", "000229-1234567"), Impossible, "1900 was none");
        assert_eq!(check("rrn", "990101-9234567"), Wrong, "the 1800s");
        assert_eq!(check("rrn", "900101-5234567"), Impossible);
        assert_eq!(check("frn", "900101-5234563"), Wrong);
        assert_eq!(check("frn", "900101-1234568"), Impossible);
        assert_eq!(check("rrn", "90"), Impossible);
    }

    #[test]
    fn a_foreigners_check_digit_is_two_more() {
        let body = "920715623894";
        let right = (0..10).find(|last| check("frn", &format!("{body}{last}")) == Right).unwrap();
        let sum = weighted(&digits(body), &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
        assert_eq!(right, ((11 - sum % 11) % 10 + 2) % 10);
    }

    #[test]
    fn numbers_of_firms() {
        assert_eq!(check("brn", "124-81-00998"), Right);
        assert_eq!(check("brn", "124-81-00999"), Wrong);
        assert_eq!(check("brn", "012-81-00998"), Impossible);
        assert_eq!(check("corporate", "130111-0006246"), Right);
        assert_eq!(check("corporate", "130111-0006247"), Wrong);
    }

    #[test]
    fn cards_and_accounts_of_the_world() {
        assert_eq!(check("luhn", "4111 1111 1111 1111"), Right);
        assert_eq!(check("luhn", "4111 1111 1111 1112"), Wrong);
        assert_eq!(check("luhn", "0000 0000 0000 0000"), Impossible);
        assert_eq!(check("iban", "DE89 3704 0044 0532 0130 00"), Right);
        assert_eq!(check("iban", "GB82WEST12345698765432"), Right);
        assert_eq!(check("iban", "DE88 3704 0044 0532 0130 00"), Wrong);
        assert_eq!(check("iban", "DE8"), Impossible);
    }

    #[test]
    fn dates_addresses_and_keys() {
        assert_eq!(check("date", "1990.02.28"), Right);
        assert_eq!(check("date", "1990.02.30"), Impossible);
        assert_eq!(check("ipv4", "10.0.0.1"), Right);
        assert_eq!(check("ipv4", "10.0.0.256"), Impossible);
        assert_eq!(check("ipv6", "2001:db8::1"), Right);
        assert_eq!(check("ipv6", "::1"), Impossible);
        assert_eq!(check("dial", "1592-1598"), Impossible);
        assert_eq!(check("dial", "1588-1234"), Wrong);
        assert_eq!(check("mixed", "abcdef123"), Right);
        assert_eq!(check("mixed", "abcdef"), Impossible);
    }
}
