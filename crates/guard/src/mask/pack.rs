//! Packs: what personal data looks like in one country, as data in a folder.
//!
//! A folder holds `pack.toml` (kinds and their rules) and word lists beside it. Two packs are inside the program; an
//! operator's own are read from a folder. A pack cannot run code: checks are named, patterns are matched in linear time.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::{Kinds, Masker};

/// Files are read up to this size.
const FILE_BYTES_MAX: u64 = 1 << 20;
const KINDS_MAX: usize = 100;
const RULES_MAX: usize = 50;
const PATTERNS_MAX: usize = 100;
const PATTERN_BYTES_MAX: usize = 8 << 10;
const WINDOW_MAX: usize = 160;

/// Why packs were not taken.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file could not be read.
    #[error("pack file `{file}` cannot be read: {reason}")]
    Unreadable {
        /// The file's name.
        file: String,
        /// What the system said.
        reason: String,
    },
    /// The file is not what a pack's file should be.
    #[error("pack `{pack}`: {reason}")]
    Invalid {
        /// The pack's name, or its folder's.
        pack: String,
        /// What is wrong, with the name of the kind.
        reason: String,
    },
    /// A name stands for no pack and no kind.
    #[error("no pack and no kind of personal data is called `{name}`")]
    Unknown {
        /// The name that was asked for.
        name: String,
    },
}

/// The packs of one program, in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub struct Packs {
    pub(super) packs: Vec<Pack>,
}

#[derive(Debug, Clone)]
pub(super) struct Pack {
    pub(super) name: String,
    pub(super) kinds: Vec<KindSpec>,
    pub(super) words: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PackFile {
    name: String,
    #[serde(rename = "title")]
    _title: String,
    #[serde(default)]
    words: BTreeMap<String, Vec<String>>,
    #[serde(rename = "kind")]
    kinds: Vec<KindSpec>,
}

/// One kind of personal data.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KindSpec {
    pub(super) name: String,
    /// What its stand-ins are called.
    pub(super) label: String,
    /// Whether it is looked for where nobody named it.
    #[serde(default = "yes")]
    pub(super) default: bool,
    #[serde(rename = "rule", default)]
    pub(super) rules: Vec<RuleSpec>,
}

/// One way in which a kind is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleSpec {
    pub(super) shape: Shape,
    #[serde(default)]
    pub(super) patterns: Vec<String>,
    pub(super) check: Option<String>,
    #[serde(default)]
    pub(super) context: Vec<String>,
    /// Bytes of normalised text before a match in which a context word counts.
    #[serde(default = "window")]
    pub(super) window: usize,
    /// Of each of these strings, at least one character must stand near a match of a text rule.
    #[serde(default)]
    pub(super) needs: Vec<String>,
    /// The fewest digits that must stand near a match of a text rule.
    #[serde(default)]
    pub(super) digits_min: usize,
    /// One of these words must stand near a match of a text rule; `{region}` means all words of that list.
    #[serde(default)]
    pub(super) triggers: Vec<String>,
    #[serde(default)]
    pub(super) confidence: Confidence,
}

/// What a rule's patterns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Shape {
    /// Templates over the digits of a number, however it is separated.
    Digits,
    /// Regular expressions over the normalised text; `v`, if there is such a group, is the value.
    Text,
    /// Names of people, from word lists.
    Name,
}

/// How sure a match makes us: from 0 to 1, in parts that are added. What stays under one half is not reported.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Confidence {
    /// Written in one of its usual groups.
    pub(super) grouped: f32,
    /// Written otherwise.
    pub(super) bare: f32,
    /// Added where the check is right.
    pub(super) passed: f32,
    /// Taken away where it is wrong.
    pub(super) failed: f32,
    /// Added where a context word stands near.
    pub(super) near: f32,
}

impl Default for Confidence {
    fn default() -> Self {
        Self { grouped: 0.9, bare: 0.0, passed: 0.0, failed: 0.0, near: 0.0 }
    }
}

fn yes() -> bool {
    true
}

fn window() -> usize {
    60
}

macro_rules! built_in {
    ($pack:literal: $($file:literal),*) => {
        ($pack, include_str!(concat!("../../../../packs/", $pack, "/pack.toml")),
            &[$(($file, include_str!(concat!("../../../../packs/", $pack, "/", $file)))),*])
    };
}

type BuiltIn = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const BUILT_IN: [BuiltIn; 2] = [
    built_in!("kr": "surname.txt", "given.txt", "title.txt", "honorific.txt", "label.txt", "particle.txt", "filler.txt",
        "not-a-name.txt", "not-a-name-acts.txt", "region.txt", "relation.txt", "department.txt"),
    built_in!("general":),
];

impl Packs {
    /// The packs inside the program: `kr` and `general`.
    ///
    /// # Errors
    /// [`PackError`] if one of them is broken, which the tests rule out.
    pub fn builtin() -> Result<Self, PackError> {
        let mut packs = Self::default();
        for (name, file, words) in BUILT_IN {
            packs.add(name, file, |wanted| {
                let found = words.iter().find(|(name, _)| *name == wanted);
                found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| unreadable(wanted, "it is not there"))
            })?;
        }
        Ok(packs)
    }

    /// The pack in the folder `dir`, alone. [`Packs::with`] puts packs together.
    ///
    /// # Errors
    /// [`PackError`]: a file that cannot be read, or what is wrong in it.
    pub fn load(dir: &Path) -> Result<Self, PackError> {
        let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut packs = Self::default();
        packs.add(&name, &read(&dir.join("pack.toml"))?, |file| read(&dir.join(file)))?;
        Ok(packs)
    }

    /// The packs inside the program, and behind them those of the folders in `dir` that hold a `pack.toml`, by name of the
    /// folder. Where there is no such folder, nothing is added.
    ///
    /// # Errors
    /// [`PackError`]: what is wrong in one of them; then none is taken.
    pub fn of_house(dir: &Path) -> Result<Self, PackError> {
        // One that cannot be looked at may be the one that takes the place of the program's own.
        let refused = |error: std::io::Error| unreadable(&dir.display().to_string(), &error.to_string());
        let mut folders = Vec::new();
        match std::fs::read_dir(dir) {
            Ok(entries) => {
                for entry in entries {
                    let folder = entry.map_err(refused)?.path();
                    if !folder.is_file() && folder.join("pack.toml").try_exists().map_err(refused)? {
                        folders.push(folder);
                    }
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(refused(error)),
        }
        folders.sort();
        let packs = folders
            .iter()
            .try_fold(Self::builtin()?, |packs, folder| Ok::<_, PackError>(packs.with(Self::load(folder)?)))?;
        if !folders.is_empty() {
            // What cannot be compiled is to be known now, and not when somebody waits.
            Masker::new(&packs, &Kinds::named(packs.kinds().map(|(kind, ..)| kind.to_owned())))?;
        }
        Ok(packs)
    }

    /// These packs and others. A pack of the same name takes the place of the one that is there.
    #[must_use]
    pub fn with(mut self, others: Self) -> Self {
        for other in others.packs {
            self.packs.retain(|pack| pack.name != other.name);
            self.packs.push(other);
        }
        self
    }

    /// Whether a pack or a kind is called so.
    pub fn knows(&self, name: &str) -> bool {
        self.kinds().any(|(kind, _, pack, _)| kind == name || pack == name)
    }

    /// The names of the packs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.packs.iter().map(|pack| pack.name.as_str())
    }

    /// The kinds that are looked for: name, label, pack, and whether it is looked for where nobody named it.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, &str, &str, bool)> {
        self.packs.iter().flat_map(|pack| {
            pack.kinds.iter().map(|kind| (kind.name.as_str(), kind.label.as_str(), pack.name.as_str(), kind.default))
        })
    }

    fn add(
        &mut self,
        folder: &str,
        file: &str,
        open: impl Fn(&str) -> Result<String, PackError>,
    ) -> Result<(), PackError> {
        let parsed: PackFile = toml::from_str(file)
            .map_err(|error| invalid(folder, error.message().lines().next().unwrap_or("not a pack").to_owned()))?;
        check(&parsed).map_err(|reason| invalid(folder, reason))?;
        let mut words = BTreeMap::new();
        for (role, files) in parsed.words {
            let mut all = Vec::new();
            for file in files {
                all.extend(list(&open(&file)?));
            }
            words.insert(role, all);
        }
        self.packs.push(Pack { name: parsed.name, kinds: parsed.kinds, words });
        Ok(())
    }
}

fn check(pack: &PackFile) -> Result<(), String> {
    let plain = |name: &str| {
        (1..=40).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
    };
    if !plain(&pack.name) {
        return Err(format!("`{}` is no name for a pack: lower-case letters, digits, `-`, `_`", pack.name));
    }
    if pack.kinds.len() > KINDS_MAX {
        return Err(format!("more than {KINDS_MAX} kinds"));
    }
    for file in pack.words.values().flatten() {
        if file.contains(['/', '\\']) || file.starts_with('.') || !file.ends_with(".txt") {
            return Err(format!("`{file}` is no word list: a `.txt` file beside `pack.toml`"));
        }
    }
    for kind in &pack.kinds {
        if !plain(&kind.name) {
            return Err(format!("`{}` is no name for a kind", kind.name));
        }
        // A label is read back out of a model's answer, so nothing in it may be part of a stand-in's own form.
        let label = kind.label.chars().count();
        if !(2..=12).contains(&label) || !kind.label.chars().all(|c| c.is_alphabetic() && !c.is_uppercase()) {
            return Err(format!("kind `{}`: a label has 2 to 12 letters, none upper-case", kind.name));
        }
        if kind.rules.is_empty() || kind.rules.len() > RULES_MAX {
            return Err(format!("kind `{}`: 1 to {RULES_MAX} rules", kind.name));
        }
        for rule in &kind.rules {
            check_rule(rule).map_err(|reason| format!("kind `{}`: {reason}", kind.name))?;
        }
    }
    Ok(())
}

fn check_rule(rule: &RuleSpec) -> Result<(), String> {
    if rule.patterns.len() > PATTERNS_MAX || rule.context.len() > PATTERNS_MAX {
        return Err(format!("more than {PATTERNS_MAX} patterns or context words"));
    }
    if rule.patterns.is_empty() != (rule.shape == Shape::Name) {
        return Err("`digits` and `text` have patterns, `name` has none".to_owned());
    }
    if rule.patterns.iter().any(|pattern| pattern.len() > PATTERN_BYTES_MAX) {
        return Err(format!("a pattern is longer than {PATTERN_BYTES_MAX} bytes"));
    }
    if rule.window > WINDOW_MAX {
        return Err(format!("a window has at most {WINDOW_MAX} bytes"));
    }
    if rule.context.iter().chain(&rule.triggers).any(|word| word.trim().is_empty()) {
        return Err("an empty word".to_owned());
    }
    let parts = rule.confidence;
    if [parts.grouped, parts.bare, parts.passed, parts.failed, parts.near]
        .iter()
        .any(|part| !(0.0..=1.0).contains(part))
    {
        return Err("confidences are from 0 to 1".to_owned());
    }
    match &rule.check {
        Some(name) if super::check::named(name).is_none() => {
            Err(format!("no check is called `{name}`; there are {}", super::check::NAMES.join(", ")))
        }
        _ => Ok(()),
    }
}

/// The words of a list, between white space; `_` is a space inside a word, `#` begins a remark.
fn list(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines.flat_map(str::split_whitespace).map(|word| word.replace('_', " ")).collect()
}

fn read(path: &Path) -> Result<String, PackError> {
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let size = std::fs::metadata(path).map_err(|error| unreadable(&file, &error.to_string()))?.len();
    if size > FILE_BYTES_MAX {
        return Err(unreadable(&file, "it is larger than 1 MiB"));
    }
    std::fs::read_to_string(path).map_err(|error| unreadable(&file, &error.to_string()))
}

fn unreadable(file: &str, reason: &str) -> PackError {
    PackError::Unreadable { file: file.to_owned(), reason: reason.to_owned() }
}

pub(super) fn invalid(pack: &str, reason: String) -> PackError {
    PackError::Invalid { pack: pack.to_owned(), reason }
}
