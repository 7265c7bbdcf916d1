//! Flags: what in a record speaks to a model instead of to its reader, or is hidden from its reader.
//!
//! A flag removes nothing. It says what kind of thing was seen, by which rule, and where in the stored text, so that a
//! person can look. Patterns are data, in `packs/*/injection.toml`; what is hidden is seen by the code here.

mod hidden;
mod rules;

use std::ops::Range;

use serde::{Deserialize, Serialize};

pub(crate) use hidden::{Unseen, has_unseen, unseen};
pub use rules::{FlagRules, RuleError};

/// Flags of one document that are kept.
const FLAGS_MAX: usize = 100;

/// Something in a record that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Flag {
    /// What kind of thing.
    pub kind: FlagKind,
    /// The rule that saw it: its pack and its name.
    pub rule: String,
    /// Where in the stored text, in bytes; empty where something stood that is not kept.
    #[schema(value_type = base::shape::Span)]
    pub span: Range<u64>,
}

impl Flag {
    /// Whether it stands in this span of the text, or at its border.
    pub fn touches(&self, span: &Range<u64>) -> bool {
        self.span.start <= span.end && self.span.end >= span.start
    }
}

/// What kind of thing was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlagKind {
    /// It tells a model what to do.
    Instruction,
    /// Its reader does not see it.
    HiddenText,
    /// It leads out what a model has read.
    Exfiltration,
    /// It is written as if somebody else began to speak.
    RoleMarker,
}

impl FlagKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instruction => "instruction",
            Self::HiddenText => "hidden_text",
            Self::Exfiltration => "exfiltration",
            Self::RoleMarker => "role_marker",
        }
    }
}

impl std::str::FromStr for FlagKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Instruction, Self::HiddenText, Self::Exfiltration, Self::RoleMarker]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no kind of flag"))
    }
}

/// The flags of a text: what its rules find, and what its reader did not see.
pub(crate) fn flags(rules: &FlagRules, text: &str, unseen: &[Unseen]) -> Vec<Flag> {
    let mut flags = rules.find(text);
    for one in unseen {
        let at = text.floor_char_boundary(one.span.start.min(text.len()));
        let end = text.ceil_char_boundary(one.span.end.clamp(at, text.len()));
        // Hidden words are told apart by what they say; how they are hidden alone may have its reasons.
        let said = rules.find(&one.words).into_iter().next().map(|flag| flag.rule);
        let rule = match (said, one.always) {
            (Some(said), _) => format!("{}: {said}", one.how),
            (None, true) => one.how.to_owned(),
            (None, false) => continue,
        };
        flags.push(Flag { kind: FlagKind::HiddenText, rule, span: at as u64..end as u64 });
    }
    flags.sort_by(|a, b| (a.span.start, a.kind, &a.rule).cmp(&(b.span.start, b.kind, &b.rule)));
    flags.dedup();
    flags.truncate(FLAGS_MAX);
    flags
}
