//! The rules of the kinds in use, compiled: templates, expressions, what must stand near.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};

use super::check::{Check, Verdict, named};
use super::normal::{Normal, read};
use super::number::Template;
use super::pack::{Confidence, Pack, PackError, RuleSpec, Shape, invalid};
use super::words::Words;

/// How large one compiled expression may become.
const EXPRESSION_BYTES_MAX: usize = 4 << 20;

/// One kind, ready to be found.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) rules: Vec<Rule>,
}

/// One rule of a kind.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) patterns: Patterns,
    check: Option<Check>,
    pub(super) context: Vec<String>,
    window: usize,
    needs: u64,
    digits_min: usize,
    pub(super) triggers: Vec<String>,
    confidence: Confidence,
}

#[derive(Debug)]
pub(super) enum Patterns {
    Digits(Vec<Template>),
    Text(Vec<Regex>),
    Name,
}

impl Rule {
    pub(super) fn verdict(&self, value: &str) -> Option<Verdict> {
        self.check.map(|check| check(value))
    }

    /// Whether an atom that meets these [`Needs`] and has so many digits may have a match.
    pub(super) fn may_match(&self, met: u64, digits: usize) -> bool {
        digits >= self.digits_min && met & self.needs == self.needs
    }

    /// How sure a match makes us; none where it cannot be one.
    pub(super) fn confidence(&self, usual: bool, verdict: Option<Verdict>, near: impl FnOnce() -> bool) -> Option<f32> {
        let parts = &self.confidence;
        let near = !self.context.is_empty() && near();
        let checked = match verdict {
            Some(Verdict::Right) => parts.passed,
            Some(Verdict::Wrong) => -parts.failed,
            // Somebody wrote that this is one: a number with a wrong month is still his.
            Some(Verdict::Impossible) if near && usual => -parts.failed,
            Some(Verdict::Impossible) => return None,
            None => 0.0,
        };
        let written = if usual { parts.grouped } else { parts.bare };
        Some((written + checked + if near { parts.near } else { 0.0 }).clamp(0.0, 1.0))
    }

    /// The most that a match in the usual form, or without separators, can make us sure.
    pub(super) fn most(&self, near: bool) -> f32 {
        let parts = &self.confidence;
        parts.grouped.max(parts.bare) + parts.passed + if near { parts.near } else { 0.0 }
    }

    pub(super) fn window(&self) -> usize {
        self.window
    }

    pub(super) fn is_near(&self, text: &str) -> bool {
        self.context.iter().any(|word| text.contains(word.as_str()))
    }
}

/// Compiles the kinds of one pack that `wanted` names.
pub(super) fn compile(
    pack: &Pack,
    needs: &mut Needs,
    wanted: impl Fn(&str, bool) -> bool,
) -> Result<Vec<Kind>, PackError> {
    let mut kinds = Vec::new();
    for spec in pack.kinds.iter().filter(|kind| wanted(&kind.name, kind.default)) {
        let rules = spec.rules.iter().map(|rule| compile_rule(pack, rule, needs)).collect::<Result<_, _>>();
        let rules = rules.map_err(|reason| invalid(&pack.name, format!("kind `{}`: {reason}", spec.name)))?;
        kinds.push(Kind { name: spec.name.clone(), label: spec.label.clone(), rules });
    }
    Ok(kinds)
}

fn compile_rule(pack: &Pack, spec: &RuleSpec, needs: &mut Needs) -> Result<Rule, String> {
    let patterns = match spec.shape {
        Shape::Digits => {
            Patterns::Digits(spec.patterns.iter().map(|pattern| Template::parse(pattern)).collect::<Result<_, _>>()?)
        }
        Shape::Text => {
            Patterns::Text(spec.patterns.iter().map(|pattern| expression(pack, pattern)).collect::<Result<_, _>>()?)
        }
        Shape::Name => Patterns::Name,
    };
    let needs = spec.needs.iter().fold(0, |all, set| all | needs.bit(set));
    Ok(Rule {
        patterns,
        check: spec.check.as_deref().and_then(named),
        context: spec.context.iter().map(|word| plain(word)).collect(),
        window: spec.window,
        needs,
        digits_min: spec.digits_min,
        triggers: spec.triggers.iter().flat_map(|word| listed(pack, word)).map(|word| plain(&word)).collect(),
        confidence: spec.confidence,
    })
}

/// The sets of characters that rules need: a bit for each, and for each byte the sets that it is in.
#[derive(Debug)]
pub(super) struct Needs {
    sets: Vec<String>,
    bits: [u64; 256],
}

impl Default for Needs {
    fn default() -> Self {
        Self { sets: Vec::new(), bits: [0; 256] }
    }
}

impl Needs {
    /// The bit of a set of ASCII characters. Beyond 63 sets, they share the last bit: more is looked at than is needed.
    fn bit(&mut self, set: &str) -> u64 {
        let place = self.sets.iter().position(|known| known == set).unwrap_or_else(|| {
            self.sets.push(set.to_owned());
            self.sets.len() - 1
        });
        let bit = 1 << place.min(63);
        set.bytes().filter(u8::is_ascii).for_each(|byte| self.bits[usize::from(byte)] |= bit);
        bit
    }

    /// The sets of which a text has at least one character.
    pub(super) fn met(&self, text: &str) -> u64 {
        text.bytes().fold(0, |met, byte| met | self.bits[usize::from(byte)])
    }
}

/// A word as it stands in a normalised text.
fn plain(word: &str) -> String {
    read(word, &mut Normal::default()).text.to_owned()
}

/// The words that one entry of a list of triggers means.
fn listed(pack: &Pack, word: &str) -> Vec<String> {
    let role = word.strip_prefix('{').and_then(|word| word.strip_suffix('}'));
    role.and_then(|role| pack.words.get(role)).cloned().unwrap_or_else(|| vec![word.to_owned()])
}

/// Where a rule stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) kind: usize,
    /// Among the rules of its kind.
    pub(super) rule: usize,
    /// Among all rules of all kinds.
    pub(super) number: usize,
}

/// The rules of all kinds, in order, and where they stand.
pub(super) fn places(kinds: &[Kind]) -> impl Iterator<Item = (Place, &Rule)> {
    let each =
        kinds.iter().enumerate().flat_map(|(kind, one)| one.rules.iter().enumerate().map(move |rule| (kind, rule)));
    each.enumerate().map(|(number, (kind, (rule, one)))| (Place { kind, rule, number }, one))
}

/// Knows which rules have one of their words in a text.
#[derive(Debug)]
pub(super) struct RuleWords {
    words: Words,
    rules: Vec<Vec<usize>>,
}

impl RuleWords {
    pub(super) fn new<'k>(kinds: &'k [Kind], words_of: impl Fn(&'k Rule) -> &'k [String]) -> Self {
        let mut words: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, rule) in places(kinds) {
            for word in words_of(rule) {
                words.entry(word).or_default().push(place.number);
            }
        }
        Self { words: Words::new(words.keys().copied()), rules: words.into_values().collect() }
    }

    /// Marks the rules, by their number among all, of which a word stands in `text`.
    pub(super) fn mark(&self, text: &str, marks: &mut [bool]) {
        for rule in self.words.all(text).flat_map(|word| &self.rules[word]) {
            marks[*rule] = true;
        }
    }
}

/// Compiles an expression; `{region}` stands for any word of the pack's list of that name.
fn expression(pack: &Pack, pattern: &str) -> Result<Regex, String> {
    let mut whole = pattern.to_owned();
    for (role, words) in &pack.words {
        let place = format!("{{{role}}}");
        if whole.contains(&place) {
            let mut words: Vec<String> = words.iter().map(|word| regex::escape(word)).collect();
            words.sort_by_key(|word| std::cmp::Reverse(word.len()));
            whole = whole.replace(&place, &format!("(?:{})", words.join("|")));
        }
    }
    RegexBuilder::new(&whole)
        .size_limit(EXPRESSION_BYTES_MAX)
        .dfa_size_limit(EXPRESSION_BYTES_MAX)
        .nest_limit(50)
        .build()
        .map_err(|error| {
            format!(
                "`{}` is no expression: {}",
                short(pattern),
                error.to_string().lines().last().unwrap_or_default().trim()
            )
        })
}

fn short(pattern: &str) -> String {
    pattern.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_63_sets_more_is_looked_at_and_never_less() {
        let mut needs = Needs::default();
        let sets: Vec<String> = (0x20_u8..0x70).map(|byte| char::from(byte).to_string()).collect();
        let bits: Vec<u64> = sets.iter().map(|set| needs.bit(set)).collect();
        assert_eq!(needs.bit(&sets[3]), bits[3], "a set has one bit");
        for (set, bit) in sets.iter().zip(&bits) {
            assert_eq!(needs.met(set) & bit, *bit, "{set}");
        }
        assert_eq!(needs.met(&sets[0]) & bits[1], 0);
        assert_eq!(needs.met("가\u{7F}"), 0);
    }
}
