//! The rules of the kinds in use, compiled: templates, expressions, what must stand near.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::{Regex, RegexBuilder};

use super::check::{Check, Verdict, named};
use super::normal::{Normal, read};
use super::number::Template;
use super::pack::{Confidence, Pack, PackError, RuleSpec, Shape, invalid};

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
    context: Vec<String>,
    window: usize,
    needs: Vec<u128>,
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

    /// Whether an atom with these ASCII characters and so many digits may have a match.
    pub(super) fn may_match(&self, characters: u128, digits: usize) -> bool {
        digits >= self.digits_min && self.needs.iter().all(|set| characters & set != 0)
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

    /// The most that any match can make us sure.
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
pub(super) fn compile(pack: &Pack, wanted: impl Fn(&str, bool) -> bool) -> Result<Vec<Kind>, PackError> {
    let mut kinds = Vec::new();
    for spec in pack.kinds.iter().filter(|kind| wanted(&kind.name, kind.default)) {
        let rules = spec.rules.iter().map(|rule| compile_rule(pack, rule)).collect::<Result<_, _>>();
        let rules = rules.map_err(|reason| invalid(&pack.name, format!("kind `{}`: {reason}", spec.name)))?;
        kinds.push(Kind { name: spec.name.clone(), label: spec.label.clone(), rules });
    }
    Ok(kinds)
}

fn compile_rule(pack: &Pack, spec: &RuleSpec) -> Result<Rule, String> {
    let patterns = match spec.shape {
        Shape::Digits => {
            Patterns::Digits(spec.patterns.iter().map(|pattern| Template::parse(pattern)).collect::<Result<_, _>>()?)
        }
        Shape::Text => {
            Patterns::Text(spec.patterns.iter().map(|pattern| expression(pack, pattern)).collect::<Result<_, _>>()?)
        }
        Shape::Name => Patterns::Name,
    };
    let needs = spec.needs.iter().map(|set| characters(set)).collect();
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

/// The ASCII characters of a text, as bits.
pub(super) fn characters(text: &str) -> u128 {
    text.bytes().filter(u8::is_ascii).fold(0, |set, byte| set | 1 << byte)
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

/// Knows which rules have one of their triggers in a text.
#[derive(Debug)]
pub(super) struct Triggers {
    matcher: Option<AhoCorasick>,
    rules: Vec<Vec<usize>>,
}

impl Triggers {
    pub(super) fn new(kinds: &[Kind]) -> Result<Self, PackError> {
        let mut words: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, rule) in kinds.iter().flat_map(|kind| &kind.rules).enumerate() {
            for word in &rule.triggers {
                words.entry(word).or_default().push(place);
            }
        }
        let matcher = (!words.is_empty()).then(|| {
            AhoCorasick::builder().match_kind(MatchKind::Standard).kind(Some(AhoCorasickKind::DFA)).build(words.keys())
        });
        let matcher = matcher.transpose().map_err(|error| invalid("triggers", error.to_string()))?;
        Ok(Self { matcher, rules: words.into_values().collect() })
    }

    /// Marks the rules (by their place among all rules of all kinds) that are triggered.
    pub(super) fn mark(&self, text: &str, marks: &mut [bool]) {
        for found in self.matcher.iter().flat_map(|matcher| matcher.find_overlapping_iter(text)) {
            for rule in &self.rules[found.pattern().as_usize()] {
                marks[*rule] = true;
            }
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
