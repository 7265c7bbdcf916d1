//! What a report's form says: data of a country's pack, `packs/kr/reports.toml`.
//!
//! A country's form names the law's text that it follows with its date and number, and how that text is known. The forms of two
//! packs are in the program; an operator's own stand in `packs/COUNTRY/reports.toml` of the data folder and come first. What
//! a pack has no form for has the general one's, which follows no law.

use std::fmt::Display;
use std::path::Path;

use base::Country;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::collect::{NAMES, PLACES};
use crate::words::Language;

const FILE_BYTES_MAX: u64 = 1 << 20;
const KR: &str = include_str!("../../../packs/kr/reports.toml");
const GENERAL: &str = include_str!("../../../packs/general/reports.toml");

/// Why forms were not taken.
#[derive(Debug, thiserror::Error)]
pub enum FormError {
    /// The file could not be read.
    #[error("`{file}` cannot be read: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        reason: String,
    },
    /// The file is not what a pack's forms should be.
    #[error("`{file}`: {reason}")]
    Invalid {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
}

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Korean.
    pub ko: String,
    /// English.
    pub en: String,
}

impl Told {
    /// The text in this language.
    pub fn to(&self, language: Language) -> &str {
        match language {
            Language::Ko => &self.ko,
            Language::En => &self.en,
        }
    }
}

/// How the writers of a form know what a law says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Read {
    /// They read the text itself.
    Text,
    /// They read a digest that quotes the text.
    Digest,
    /// They read of it in somebody else's words.
    SecondHand,
    /// They did not read it.
    NotRead,
}

/// A law as a form cites it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Law {
    /// Its name and articles.
    pub name: String,
    /// Its number and date.
    pub version: String,
    /// What of it this report is for.
    pub says: String,
    /// How that is known.
    pub read: Read,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LawSpec {
    name: Told,
    version: Told,
    says: Told,
    read: Read,
}

impl LawSpec {
    pub fn to(&self, language: Language) -> Law {
        let [name, version, says] = [&self.name, &self.version, &self.says].map(|told| told.to(language).to_owned());
        Law { name, version, says, read: self.read }
    }
}

/// One report's form.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    pub name: String,
    pub title: Told,
    pub about: Told,
    #[serde(default)]
    pub law: Vec<LawSpec>,
    /// What a reader must know.
    #[serde(default)]
    pub note: Vec<Told>,
    /// Who signs.
    #[serde(default)]
    pub signature: Vec<Told>,
    /// Hours that the law leaves from when something is known or asked for.
    pub clock_hours: Option<u32>,
    /// Letters that the figures are filled into.
    #[serde(default)]
    pub draft: Vec<DraftSpec>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DraftSpec {
    pub key: String,
    pub title: Told,
    pub item: Vec<ItemSpec>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ItemSpec {
    pub title: Told,
    /// What is known of it; without it a person fills it in.
    pub text: Option<Told>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FormsFile {
    country: Option<Country>,
    /// As POSIX writes it, `KST-9`, so that no table of the world's times is needed.
    timezone: String,
    hours: Hours,
    unusual: Unusual,
    #[serde(rename = "report", default)]
    reports: Vec<Form>,
}

/// When people work.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hours {
    pub from: Time,
    pub to: Time,
    #[serde(deserialize_with = "weekdays")]
    pub days: Vec<Weekday>,
}

impl Hours {
    /// Whether people work then.
    pub fn are(&self, day: Weekday, time: Time) -> bool {
        self.days.contains(&day) && (self.from..self.to).contains(&time)
    }
}

fn weekdays<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Weekday>, D::Error> {
    const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let names = Vec::<String>::deserialize(from)?;
    let day = |name: &String| NAMES.iter().position(|known| known == name).and_then(|at| i8::try_from(at).ok());
    let days = names.iter().map(|name| day(name).and_then(|at| Weekday::from_monday_zero_offset(at).ok()));
    days.collect::<Option<_>>().ok_or_else(|| serde::de::Error::custom("days are `mon`, `tue`, …"))
}

/// From how many on something is unusual.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unusual {
    /// Refusals of one account.
    pub refusals: u64,
    /// Different documents of one account.
    pub documents: u64,
    /// Exports of one account.
    pub exports: u64,
}

/// The forms of one country.
#[derive(Debug, Clone)]
pub struct Forms {
    pub(crate) country: Option<Country>,
    pub(crate) zone: TimeZone,
    pub(crate) timezone: String,
    pub(crate) hours: Hours,
    pub(crate) unusual: Unusual,
    reports: Vec<Form>,
}

impl Forms {
    /// The forms for a country: those in the folder of packs, if there are any, else the program's.
    ///
    /// # Errors
    /// [`FormError`] with what is wrong in the file.
    pub fn of(country: Country, packs: &Path) -> Result<Self, FormError> {
        let code = country.as_str().to_ascii_lowercase();
        let path = packs.join(&code).join("reports.toml");
        let mut forms = match small(&path)? {
            Some(text) => Self::parse(&path.display().to_string(), &text)?,
            None if code == "kr" => Self::parse("kr", KR)?,
            None => Self::parse("general", GENERAL)?,
        };
        let general = Self::parse("general", GENERAL)?;
        let missing = general.reports.into_iter().filter(|form| forms.get(&form.name).is_none());
        let missing: Vec<Form> = missing.collect();
        forms.reports.extend(missing);
        forms.reports.sort_by_key(|form| NAMES.iter().position(|name| *name == form.name));
        Ok(forms)
    }

    fn parse(file: &str, text: &str) -> Result<Self, FormError> {
        let invalid = |reason: &dyn Display| FormError::Invalid { file: file.to_owned(), reason: reason.to_string() };
        let read: FormsFile = toml::from_str(text).map_err(|error| invalid(&error))?;
        let zone = TimeZone::posix(&read.timezone).map_err(|error| invalid(&error))?;
        for form in &read.reports {
            if !NAMES.contains(&form.name.as_str()) {
                return Err(invalid(&format!("no report is called `{}`", form.name)));
            }
            let texts = form.draft.iter().flat_map(|draft| &draft.item).filter_map(|item| item.text.as_ref());
            for place in texts.flat_map(|text| [&text.ko, &text.en]).flat_map(|text| places(text)) {
                if !PLACES.contains(&place) {
                    return Err(invalid(&format!("nothing is filled in for `{{{place}}}`")));
                }
            }
        }
        let FormsFile { country, timezone, hours, unusual, reports, .. } = read;
        Ok(Self { country, zone, timezone, hours, unusual, reports })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Form> {
        self.reports.iter().find(|form| form.name == name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Form> {
        self.reports.iter()
    }

    /// The time of the country.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

/// The names in braces of a text.
fn places(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(place, _)| place))
}

fn small(path: &Path) -> Result<Option<String>, FormError> {
    let unreadable = |reason: String| FormError::Unreadable { file: path.display().to_string(), reason };
    match std::fs::metadata(path) {
        Ok(file) if file.len() > FILE_BYTES_MAX => Err(unreadable(format!("it has more than {FILE_BYTES_MAX} bytes"))),
        Ok(_) => std::fs::read_to_string(path).map(Some).map_err(|error| unreadable(error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(country: &str, packs: &Path) -> Result<Forms, FormError> {
        Forms::of(country.parse().unwrap(), packs)
    }

    #[test]
    fn every_report_has_a_form_and_korea_cites_its_law() {
        let forms = of("KR", Path::new("/nowhere")).unwrap();
        assert_eq!(forms.iter().map(|form| form.name.as_str()).collect::<Vec<_>>(), NAMES);
        for form in forms.iter() {
            assert!(!form.law.is_empty(), "{}", form.name);
            let law = form.law[0].to(Language::Ko);
            assert!(law.name.contains('제') && law.version.chars().any(|c| c.is_ascii_digit()), "{law:?}");
        }
        let elsewhere = of("FR", Path::new("/nowhere")).unwrap();
        assert!(elsewhere.iter().all(|form| form.law.is_empty()));
        assert_eq!(elsewhere.iter().count(), NAMES.len());
    }

    #[test]
    fn a_country_is_added_by_a_file_and_a_broken_one_says_what_is_wrong() {
        let packs = std::env::temp_dir().join(format!("dure-forms-{}", std::process::id()));
        std::fs::create_dir_all(packs.join("fr")).unwrap();
        let file = packs.join("fr/reports.toml");
        let head = "timezone = \"CET-1CEST,M3.5.0,M10.5.0/3\"\nhours = { from = \"08:00\", to = \"19:00\", days = [\"mon\"] }\n\
                    unusual = { refusals = 1, documents = 1, exports = 1 }\n";
        let about = "about = { ko = \"a\", en = \"a\" }\ntitle = { ko = \"b\", en = \"b\" }\n";
        let check = |text: String| {
            std::fs::write(&file, text).unwrap();
            of("FR", &packs)
                .map(|forms| forms.get("breach").unwrap().title.en.clone())
                .map_err(|error| error.to_string())
        };
        assert_eq!(check(format!("{head}[[report]]\nname = \"breach\"\n{about}")).unwrap(), "b");
        assert_ne!(check(head.to_owned()).unwrap(), "b");
        assert!(check(format!("{head}[[report]]\nname = \"other\"\n{about}")).unwrap_err().contains("`other`"));
        let draft = "[[report.draft]]\nkey = \"d\"\ntitle = { ko = \"d\", en = \"d\" }\n[[report.draft.item]]\n\
                     title = { ko = \"t\", en = \"t\" }\ntext = { ko = \"{secret}\", en = \"x\" }\n";
        let wrong = check(format!("{head}[[report]]\nname = \"breach\"\n{about}{draft}"));
        assert!(wrong.unwrap_err().contains("{secret}"));
        assert!(check(head.replace("CET-1CEST", "nowhere at all")).is_err());
        assert!(check("x".repeat(2 << 20)).unwrap_err().contains("bytes"));
        std::fs::remove_dir_all(&packs).unwrap();
    }

    #[test]
    fn hours_are_those_of_working_days() {
        let hours = of("KR", Path::new("/nowhere")).unwrap().hours;
        let at = |hour| Time::constant(hour, 0, 0, 0);
        assert!(hours.are(Weekday::Monday, at(9)));
        assert!(!hours.are(Weekday::Monday, at(18)));
        assert!(!hours.are(Weekday::Sunday, at(12)));
    }
}
