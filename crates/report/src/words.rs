//! The words around what is counted, in both languages. What a country's law says is not here: that is its pack's.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::form::Told;

/// A language that reports are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Korean.
    #[default]
    Ko,
    /// English.
    En,
}

impl Language {
    /// Its code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ko => "ko",
            Self::En => "en",
        }
    }
}

impl FromStr for Language {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "ko" => Ok(Self::Ko),
            "en" => Ok(Self::En),
            _ => Err(()),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
struct Both {
    say: HashMap<String, Told>,
    code: HashMap<String, Told>,
}

static WORDS: LazyLock<Both> = LazyLock::new(|| toml::from_str(include_str!("words.toml")).unwrap_or_default());

/// One language's words, and the time that its clocks show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'a> {
    pub language: Language,
    pub zone: &'a TimeZone,
}

impl Words<'_> {
    /// The words for a place of a report; a key that has none is shown as it is, and a test finds it.
    pub fn say(&self, key: &str) -> String {
        WORDS.say.get(key).map_or_else(|| key.to_owned(), |told| told.to(self.language).to_owned())
    }

    /// The word for a code of the program's. Of many codes, as kinds of personal data, the pack's own word is the best.
    pub fn code(&self, code: &str) -> String {
        WORDS.code.get(code).map_or_else(|| code.to_owned(), |told| told.to(self.language).to_owned())
    }

    /// A moment as clocks there show it.
    pub fn time(&self, time: Timestamp) -> String {
        time.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_read_and_there_in_both_languages() {
        assert!(WORDS.say.len() > 50 && WORDS.code.len() > 10);
        for (key, told) in WORDS.say.iter().chain(&WORDS.code) {
            assert!(!told.ko.is_empty() && !told.en.is_empty(), "{key}");
        }
    }

    /// Every key that the code says is one, and none stands there for nothing.
    #[test]
    fn every_key_has_words() {
        let mut code = String::new();
        let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|kind| kind == "rs" || kind == "html") {
                    code.push_str(&std::fs::read_to_string(&path).unwrap());
                }
            }
        }
        let quoted: std::collections::HashSet<&str> = code.split('"').collect();
        for key in WORDS.say.keys() {
            let name = key.split_once('.').map_or(key.as_str(), |(_, name)| name);
            assert!(quoted.contains(key.as_str()) || quoted.contains(name), "`{key}` is said nowhere");
        }
    }
}
