//! What a permit asks for in return. Policies say it in annotations; of several policies that permit the same, all
//! obligations hold together, the strictest of each kind.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Words in one `@mask`, at most.
const MASKS_MAX: usize = 16;
/// Characters of a notice or a reason, at most.
const TEXT_CHARS_MAX: usize = 500;
/// Years that may be asked for, at most.
const YEARS_MAX: u16 = 100;

/// What must be done where something is permitted. Nothing of it may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Obligations {
    /// Kinds or packs of personal data that are masked before the text goes: `kr`, `general`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub mask: BTreeSet<String>,
    /// Kinds or packs of personal data that are hidden in what comes back, before whoever asked sees it.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub mask_answer: BTreeSet<String>,
    /// Groups of each of which one person must approve.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub approval: BTreeSet<String>,
    /// What the user is told.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub notices: BTreeSet<Notice>,
    /// How the output is marked as made by a model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<Marking>,
    /// Of which answers links and images are made inert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contain: Option<Containing>,
    /// Years that the record of it is kept, at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_years: Option<u16>,
}

/// A text for the user, in both languages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// Korean.
    pub ko: String,
    /// English.
    pub en: String,
}

/// How output is marked as made by a model; the later is the stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Marking {
    /// For machines: metadata.
    Metadata,
    /// So that a reader sees it.
    Visible,
}

impl fmt::Display for Marking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata => "metadata",
            Self::Visible => "visible",
        })
    }
}

/// Of which answers links and images are made inert; the later is the stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Containing {
    /// Of those for which a model read what others wrote: records, and tools' results.
    Records,
    /// Of all.
    Always,
}

impl fmt::Display for Containing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Records => "records",
            Self::Always => "always",
        })
    }
}

impl Obligations {
    /// Whether answers are contained, `foreign` saying whether others' words are part of what they are made of.
    pub fn contains(&self, foreign: bool) -> bool {
        match self.contain {
            Some(Containing::Always) => true,
            Some(Containing::Records) => foreign,
            None => false,
        }
    }

    /// The kinds and packs of personal data that it names.
    pub fn masks(&self) -> impl Iterator<Item = &str> {
        self.mask.iter().chain(&self.mask_answer).map(String::as_str)
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes on another policy's obligations, too.
    pub fn join(&mut self, other: &Obligations) {
        self.mask.extend(other.mask.iter().cloned());
        self.mask_answer.extend(other.mask_answer.iter().cloned());
        self.approval.extend(other.approval.iter().cloned());
        self.notices.extend(other.notices.iter().cloned());
        self.label = self.label.max(other.label);
        self.contain = self.contain.max(other.contain);
        self.keep_years = self.keep_years.max(other.keep_years);
    }

    /// Whether all that `other` asks for is asked for here, too.
    pub fn covers(&self, other: &Obligations) -> bool {
        let mut joined = self.clone();
        joined.join(other);
        joined == *self
    }
}

impl fmt::Display for Obligations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(", ");
        let mut parts = Vec::new();
        if !self.mask.is_empty() {
            parts.push(format!("mask {}", words(&self.mask)));
        }
        if !self.mask_answer.is_empty() {
            parts.push(format!("mask {} in the answer", words(&self.mask_answer)));
        }
        if !self.approval.is_empty() {
            parts.push(format!("approval by {}", words(&self.approval)));
        }
        if !self.notices.is_empty() {
            parts.push("tell the user".to_owned());
        }
        match self.label {
            Some(Marking::Visible) => parts.push("mark the output visibly".to_owned()),
            Some(Marking::Metadata) => parts.push("mark the output in its metadata".to_owned()),
            None => (),
        }
        match self.contain {
            Some(Containing::Always) => parts.push("make links and images of the answer inert".to_owned()),
            Some(Containing::Records) => {
                parts.push("make links and images inert in answers from records or tools".to_owned());
            }
            None => (),
        }
        if let Some(years) = self.keep_years {
            parts.push(format!("keep the record {years} years"));
        }
        if parts.is_empty() { f.write_str("no obligations") } else { f.write_str(&parts.join("; ")) }
    }
}

/// What the annotations of one policy say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Annotations {
    pub id: String,
    pub obligations: Obligations,
    pub reason: Option<Notice>,
}

/// Reads the annotations of a policy that permits, or forbids.
///
/// # Errors
/// Everything that is wrong with them, in plain words.
pub(crate) fn annotations<'a>(
    permits: bool,
    written: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<Annotations, Vec<String>> {
    let (mut read, mut mistakes) = (Annotations::default(), Vec::new());
    let (mut notice, mut reason) = ([None, None], [None, None]);
    for (key, value) in written {
        let for_permits = matches!(
            key,
            "mask" | "mask_answer" | "approval" | "notice_ko" | "notice_en" | "label" | "contain" | "keep_years"
        );
        let for_forbids = matches!(key, "reason_ko" | "reason_en");
        let result = match key {
            _ if for_permits && !permits => Err("is an obligation, and a `forbid` asks for none".to_owned()),
            _ if for_forbids && permits => Err("belongs to a `forbid`".to_owned()),
            "id" => id(value).map(|value| read.id = value),
            "mask" => mask(value).map(|value| read.obligations.mask = value),
            "mask_answer" => mask(value).map(|value| read.obligations.mask_answer = value),
            "approval" => group(value).map(|value| read.obligations.approval = [value].into()),
            "keep_years" => years(value).map(|value| read.obligations.keep_years = Some(value)),
            "label" => marking(value).map(|value| read.obligations.label = Some(value)),
            "contain" => containing(value).map(|value| read.obligations.contain = Some(value)),
            "notice_ko" => sentence(value).map(|value| notice[0] = Some(value)),
            "notice_en" => sentence(value).map(|value| notice[1] = Some(value)),
            "reason_ko" => sentence(value).map(|value| reason[0] = Some(value)),
            "reason_en" => sentence(value).map(|value| reason[1] = Some(value)),
            _ => Err("is not known; known are `@id`, `@mask`, `@mask_answer`, `@approval`, `@notice_ko`, `@notice_en`, `@label`, \
                     `@contain`, `@keep_years`, `@reason_ko`, `@reason_en`"
                .to_owned()),
        };
        if let Err(mistake) = result {
            mistakes.push(format!("`@{key}` {mistake}"));
        }
    }
    if read.id.is_empty() && mistakes.iter().all(|mistake| !mistake.starts_with("`@id`")) {
        mistakes.push("the policy has no `@id(\"...\")`".to_owned());
    }
    if mistakes.is_empty() {
        match both(notice) {
            Ok(notice) => read.obligations.notices.extend(notice),
            Err(()) => mistakes.push("`@notice_ko` and `@notice_en` come together".to_owned()),
        }
        match both(reason) {
            Ok(None) if !permits => mistakes.push("a `forbid` says why: `@reason_ko` and `@reason_en`".to_owned()),
            Ok(reason) => read.reason = reason,
            Err(()) => mistakes.push("`@reason_ko` and `@reason_en` come together".to_owned()),
        }
    }
    if mistakes.is_empty() { Ok(read) } else { Err(mistakes) }
}

fn both([ko, en]: [Option<String>; 2]) -> Result<Option<Notice>, ()> {
    match (ko, en) {
        (Some(ko), Some(en)) => Ok(Some(Notice { ko, en })),
        (None, None) => Ok(None),
        _ => Err(()),
    }
}

fn id(value: &str) -> Result<String, String> {
    let fits = (1..=64).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if fits { Ok(value.to_owned()) } else { Err("has 1 to 64 small letters, digits or `-`".to_owned()) }
}

fn mask(value: &str) -> Result<BTreeSet<String>, String> {
    let words: Vec<&str> = value.split(',').map(str::trim).collect();
    let fits = |word: &&str| {
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._/".contains(&byte);
        (1..=64).contains(&word.len()) && word.bytes().all(known)
    };
    if words.len() <= MASKS_MAX && words.iter().all(fits) {
        Ok(words.into_iter().map(str::to_owned).collect())
    } else {
        Err(format!("names 1 to {MASKS_MAX} kinds or packs with commas between, such as \"kr,general\""))
    }
}

fn group(value: &str) -> Result<String, String> {
    let fits = (1..=64).contains(&value.chars().count()) && value.trim() == value && is_plain(value);
    if fits { Ok(value.to_owned()) } else { Err("names one group, in 1 to 64 characters".to_owned()) }
}

fn years(value: &str) -> Result<u16, String> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    value
        .parse()
        .ok()
        .filter(|years| digits && (1..=YEARS_MAX).contains(years))
        .ok_or_else(|| format!("is a number of years from 1 to {YEARS_MAX}, such as \"5\""))
}

fn marking(value: &str) -> Result<Marking, String> {
    match value {
        "visible" => Ok(Marking::Visible),
        "metadata" => Ok(Marking::Metadata),
        _ => Err("is \"visible\" or \"metadata\"".to_owned()),
    }
}

fn containing(value: &str) -> Result<Containing, String> {
    match value {
        "records" => Ok(Containing::Records),
        "always" => Ok(Containing::Always),
        _ => Err("is \"records\" or \"always\"".to_owned()),
    }
}

fn sentence(value: &str) -> Result<String, String> {
    let value = value.trim();
    let fits = (1..=TEXT_CHARS_MAX).contains(&value.chars().count()) && is_plain(value);
    if fits { Ok(value.to_owned()) } else { Err(format!("is one line of 1 to {TEXT_CHARS_MAX} characters")) }
}

/// Whether a text has no characters that are not seen: controls, and marks that turn the reading direction.
fn is_plain(value: &str) -> bool {
    !value.chars().any(|char| {
        char.is_control()
            || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(permits: bool, written: &[(&str, &str)]) -> Result<Annotations, Vec<String>> {
        annotations(permits, written.iter().copied())
    }

    #[test]
    fn what_several_policies_ask_for_holds_together() {
        let ask = |written: &[(&str, &str)]| read(true, &[&[("id", "a")], written].concat()).unwrap().obligations;
        let mut joined = ask(&[("mask", "kr, general"), ("label", "metadata"), ("keep_years", "3")]);
        let other = ask(&[
            ("mask", "id"),
            ("label", "visible"),
            ("keep_years", "1"),
            ("approval", "보안"),
            ("contain", "records"),
            ("mask_answer", "phone"),
        ]);
        let strict = ask(&[("contain", "always")]);
        assert!(strict.contains(false) && other.contains(true) && !other.contains(false) && !joined.contains(true));
        joined.join(&other);
        assert_eq!(
            joined.to_string(),
            "mask general, id, kr; mask phone in the answer; approval by 보안; mark the output visibly; \
             make links and images inert in answers from records or tools; keep the record 3 years"
        );
        assert!(joined.covers(&other) && !other.covers(&joined) && !joined.covers(&strict));
        joined.join(&strict);
        assert!(joined.covers(&strict));
        assert!(other.covers(&Obligations::default()) && Obligations::default().is_empty());
    }

    #[test]
    fn malformed_annotations_are_named() {
        let long = "가".repeat(501);
        for (permits, written, part) in [
            (true, vec![], "has no `@id"),
            (true, vec![("id", "Ünö")], "small letters"),
            (true, vec![("id", "a"), ("masks", "kr")], "`@masks` is not known"),
            (true, vec![("id", "a"), ("mask", "")], "`@mask` names"),
            (true, vec![("id", "a"), ("mask", "kr,,general")], "`@mask` names"),
            (true, vec![("id", "a"), ("mask", "KR")], "`@mask` names"),
            (true, vec![("id", "a"), ("mask_answer", "KR")], "`@mask_answer` names"),
            (true, vec![("id", "a"), ("keep_years", "0")], "from 1 to 100"),
            (true, vec![("id", "a"), ("keep_years", "+5")], "from 1 to 100"),
            (true, vec![("id", "a"), ("keep_years", "five")], "from 1 to 100"),
            (true, vec![("id", "a"), ("keep_years", "99999999999999999999")], "from 1 to 100"),
            (true, vec![("id", "a"), ("label", "hidden")], "\"visible\" or \"metadata\""),
            (true, vec![("id", "a"), ("contain", "")], "\"records\" or \"always\""),
            (true, vec![("id", "a"), ("contain", "Always")], "\"records\" or \"always\""),
            (true, vec![("id", "a"), ("contains", "always")], "`@contains` is not known"),
            (true, vec![("id", "a"), ("approval", " ")], "names one group"),
            (true, vec![("id", "a"), ("notice_ko", "말")], "come together"),
            (true, vec![("id", "a"), ("notice_ko", &long), ("notice_en", "x")], "one line of 1 to 500"),
            (true, vec![("id", "a"), ("notice_ko", "a\nb"), ("notice_en", "x")], "one line"),
            (true, vec![("id", "a"), ("notice_ko", "a\u{202e}b"), ("notice_en", "x")], "one line"),
            (true, vec![("id", "a"), ("reason_ko", "말"), ("reason_en", "x")], "belongs to a `forbid`"),
            (false, vec![("id", "a")], "says why"),
            (false, vec![("id", "a"), ("reason_en", "x")], "come together"),
            (false, vec![("id", "a"), ("reason_ko", "말"), ("reason_en", "x"), ("mask", "kr")], "asks for none"),
            (false, vec![("id", "a"), ("reason_ko", "말"), ("reason_en", "x"), ("contain", "always")], "asks for none"),
        ] {
            let mistakes = read(permits, &written).unwrap_err();
            assert!(mistakes.iter().any(|mistake| mistake.contains(part)), "{written:?}: {mistakes:?}");
        }
    }
}
