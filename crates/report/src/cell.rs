//! One value of a report, as machines read it and as people do.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::words::Words;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A text as it was recorded.
    Text(String),
    /// A code of the program's, which is translated for people: `served`, `open`.
    Word(&'static str),
    /// A count.
    Number(u64),
    /// A moment.
    Time(Timestamp),
    /// Whether it is so.
    Yes(bool),
    /// Several texts.
    List(Vec<String>),
    /// Codes or texts with a count each: `phone 3`.
    Counts(Vec<(String, u64)>),
    /// Codes with what belongs to them: `mask: kr`.
    Pairs(Vec<(&'static str, String)>),
    /// A number that may be below nothing: hours that are left.
    Signed(i64),
    /// Somebody or something with a name and an id.
    Named {
        /// The name, as people know it.
        name: String,
        /// The id, as the ledger has it.
        id: String,
    },
    /// There is none.
    None,
    /// What only a person knows, to be filled in by hand.
    Blank,
}

impl Cell {
    /// A text, or none.
    pub fn text(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::None, |text| Self::Text(text.into()))
    }

    /// A moment, or none.
    pub fn time(time: Option<Timestamp>) -> Self {
        time.map_or(Self::None, Self::Time)
    }

    /// As people read it.
    pub(crate) fn shown(&self, words: &Words<'_>) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Word(word) => words.code(word),
            Self::Number(number) => grouped(*number),
            Self::Time(time) => words.time(*time),
            Self::Yes(yes) => words.code(if *yes { "yes" } else { "no" }),
            Self::List(items) if items.is_empty() => "-".to_owned(),
            Self::List(items) => items.join(", "),
            Self::Counts(counts) if counts.is_empty() => "-".to_owned(),
            Self::Counts(counts) => {
                let each = counts.iter().map(|(what, count)| format!("{} {}", words.code(what), grouped(*count)));
                each.collect::<Vec<_>>().join(", ")
            }
            Self::Pairs(pairs) if pairs.is_empty() => "-".to_owned(),
            Self::Pairs(pairs) => {
                let each = pairs.iter().map(|(code, what)| joined(&words.code(code), what));
                each.collect::<Vec<_>>().join("; ")
            }
            Self::Signed(number) => number.to_string(),
            Self::Named { name, .. } => name.clone(),
            Self::None => "-".to_owned(),
            Self::Blank => String::new(),
        }
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => to.serialize_str(text),
            Self::Word(word) => to.serialize_str(word),
            Self::Number(number) => to.serialize_u64(*number),
            Self::Time(time) => time.serialize(to),
            Self::Yes(yes) => to.serialize_bool(*yes),
            Self::List(items) => items.serialize(to),
            Self::Counts(counts) => to.collect_map(counts.iter().map(|(what, count)| (what, count))),
            Self::Pairs(pairs) => to.collect_seq(pairs.iter().map(|(code, what)| joined(code, what))),
            Self::Signed(number) => to.serialize_i64(*number),
            Self::Named { name, id } => to.collect_map([("name", name), ("id", id)]),
            Self::None | Self::Blank => to.serialize_none(),
        }
    }
}

fn joined(code: &str, what: &str) -> String {
    if what.is_empty() { code.to_owned() } else { format!("{code}: {what}") }
}

/// A number with its thousands apart: `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn machines_get_values_and_not_words() {
        let named = Cell::Named { name: "민지".into(), id: "person_1".into() };
        let cells = [Cell::Number(3), Cell::Word("served"), Cell::Yes(true), Cell::Blank, named];
        let json = serde_json::to_string(&cells).unwrap();
        assert_eq!(json, r#"[3,"served",true,null,{"name":"민지","id":"person_1"}]"#);
    }
}
