//! Who may read which of the records that are added, mapped from where they lie.

use std::collections::BTreeSet;

use base::{Class, GroupId};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Rules of one `add`.
const RULES_MAX: usize = 256;
/// Patterns of one rule.
const PATTERNS_MAX: usize = 64;
/// Bytes of one pattern.
const PATTERN_BYTES_MAX: usize = 256;

/// What the records of some paths, or of some group of the system that they lie on, take on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessRule {
    /// Patterns of paths inside what is added: `*` is within one folder, `**` any folders. None means every path.
    pub paths: Vec<String>,
    /// The number of the group that owns the file, where the rule is for one group's files alone.
    pub system_group: Option<u32>,
    /// A class stricter than the corpus's.
    pub class: Option<Class>,
    /// Groups that may read them beyond what the corpus asks; `None` leaves it as it is.
    pub readers: Option<BTreeSet<GroupId>>,
}

/// Rules, of which the first that is for a record counts. Where there are any, a record that none is for is not added.
#[derive(Debug, Clone, Default)]
pub struct Access {
    rules: Vec<(GlobSet, AccessRule)>,
}

/// Why rules are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Too many rules, or too much in one.
    #[error(
        "at most {RULES_MAX} rules, each with at most {PATTERNS_MAX} patterns of at most {PATTERN_BYTES_MAX} bytes"
    )]
    TooMuch,
    /// A pattern is none.
    #[error("`{pattern}` is no pattern of paths: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A rule is for everything, so that those behind it could never count.
    #[error("the rules behind number {0} never count, since that one is for every record")]
    Unreachable(usize),
}

impl Access {
    /// Takes rules, the first one first.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn new(rules: Vec<AccessRule>) -> Result<Self, AccessError> {
        if rules.len() > RULES_MAX {
            return Err(AccessError::TooMuch);
        }
        let last = rules.len().saturating_sub(1);
        let is_for_all = |rule: &AccessRule| rule.system_group.is_none() && rule.paths.is_empty();
        if let Some(place) = rules.iter().take(last).position(is_for_all) {
            return Err(AccessError::Unreachable(place + 1));
        }
        let rules = rules.into_iter().map(|rule| Ok((patterns(&rule.paths)?, rule))).collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rule for a record at `path`, whose file this group of the system owns.
    pub(crate) fn of(&self, path: &str, system_group: Option<u32>) -> Option<&AccessRule> {
        let is_for = |(patterns, rule): &&(GlobSet, AccessRule)| {
            (rule.paths.is_empty() || patterns.is_match(path))
                && (rule.system_group.is_none() || rule.system_group == system_group)
        };
        self.rules.iter().find(is_for).map(|(_, rule)| rule)
    }
}

fn patterns(written: &[String]) -> Result<GlobSet, AccessError> {
    if written.len() > PATTERNS_MAX || written.iter().any(|pattern| pattern.len() > PATTERN_BYTES_MAX) {
        return Err(AccessError::TooMuch);
    }
    let none = |pattern: &str, reason: String| AccessError::Pattern { pattern: pattern.to_owned(), reason };
    let mut set = GlobSetBuilder::new();
    for pattern in written {
        if pattern.is_empty() {
            return Err(none(pattern, "it is empty".to_owned()));
        }
        let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
        set.add(glob.map_err(|error| none(pattern, error.kind().to_string()))?);
    }
    set.build().map_err(|error| none(&written.join(" "), error.kind().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(paths: &[&str]) -> AccessRule {
        AccessRule { paths: paths.iter().map(|&path| path.to_owned()).collect(), ..AccessRule::default() }
    }

    #[test]
    fn the_first_rule_that_is_for_a_record_counts() {
        let group = AccessRule { system_group: Some(7), class: Some(Class::Sensitive), ..rule(&["의회/*"]) };
        let access = Access::new(vec![group, rule(&["의회/**", "*.hwp"]), rule(&["open/*/a.txt"])]).unwrap();
        let found = |path: &str, group| access.of(path, group).map(|rule| rule.paths[0].clone());
        assert_eq!(found("의회/회의록.md", Some(7)).as_deref(), Some("의회/*"));
        assert_eq!(found("의회/회의록.md", None).as_deref(), Some("의회/**"));
        assert_eq!(found("의회/2025/회의록.md", Some(7)).as_deref(), Some("의회/**"));
        assert_eq!(found("b.hwp", None).as_deref(), Some("의회/**"));
        assert_eq!(found("open/x/a.txt", None).as_deref(), Some("open/*/a.txt"));
        for nobodys in ["open/x/y/a.txt", "x/b.hwp", "의회", "", "../의회/a"] {
            assert_eq!(found(nobodys, Some(7)), None, "{nobodys}");
        }
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        let long = "x".repeat(257);
        for broken in ["", "[", "{a", &long] {
            assert!(Access::new(vec![rule(&[broken])]).is_err(), "{broken}");
        }
        assert!(matches!(Access::new(vec![rule(&["a"]), rule(&[]), rule(&["b"])]), Err(AccessError::Unreachable(2))));
        assert!(matches!(Access::new(vec![rule(&["a"]); 257]), Err(AccessError::TooMuch)));
        assert!(Access::new(vec![rule(&["a"]), rule(&[])]).unwrap().of("whatever", None).is_some());
        assert!(Access::default().is_empty());
    }
}
