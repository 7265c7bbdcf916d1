//! Finds personal data in a text.
//!
//! Invariant: findings are sorted, disjoint, not empty, and begin and end between characters. Where two rules see the
//! same place, all that either saw is one finding: what is hidden is never less than what was found.

use std::collections::HashSet;
use std::ops::Range;

use super::atom::{Atom, Cutter};
use super::check::Verdict;
use super::lexicon::{Lexicon, figure};
use super::name::names;
use super::normal::{Normal, View, read};
use super::number::{DIGITS_MAX, Fit, Form, OPENINGS, Unit, digits, may_begin, opening, runs};
use super::pack::{PackError, Packs};
use super::rules::{Kind, Needs, Patterns, Place, Rule, RuleWords, compile, places};

/// How sure a finding must be to be reported.
const ENOUGH: f32 = 0.5;
/// What it adds that somebody wrote a number in digits set apart.
const APART: f32 = 0.15;
/// Bytes of source before an atom in which context words count.
pub(super) const BEFORE_BYTES: usize = 160;
/// How sure a name must be to be hidden wherever it stands again.
const SURE: f32 = 0.68;
/// Names that one text remembers.
const NAMES_MAX: usize = 2_000;
/// How much is hidden on each side of a cut that went through something.
const CUT_CHARACTERS: usize = 64;

/// Which kinds are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kinds(Option<Vec<String>>);

impl Kinds {
    /// Every kind of every pack that is looked for by default.
    pub fn all() -> Self {
        Self(None)
    }

    /// These kinds, and the default kinds of these packs.
    pub fn named<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self(Some(names.into_iter().map(Into::into).collect()))
    }
}

/// What the check of a kind said of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Checked {
    /// Its check digits are right.
    Right,
    /// They are wrong, or cannot be trusted for this kind.
    Wrong,
    /// This kind has none, or some digits are missing.
    None,
}

/// Personal data at one place of a text. It carries no value.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Finding {
    /// The kind's name, as in its pack.
    pub kind: String,
    /// Where it stands, in bytes of the source.
    pub span: Range<usize>,
    /// From .5 to 1.
    pub confidence: f32,
    /// What its check said.
    pub check: Checked,
}

/// Finds and hides personal data of chosen kinds. Made once, used by many threads.
#[derive(Debug)]
pub struct Masker {
    pub(super) kinds: Vec<Kind>,
    lexicon: Lexicon,
    needs: Needs,
    triggers: RuleWords,
    contexts: RuleWords,
    rules: usize,
    /// The kind that names of people are.
    names: Option<usize>,
    /// The rules with expressions.
    texts: Vec<Place>,
    /// For each two first digits, the rules with templates that begin so, and which of their templates.
    numbers: Vec<Vec<(Place, Vec<usize>)>>,
    /// The widest window of any rule.
    window_max: usize,
}

/// A finding on its way: the kind by its place, and the value in the form in which equal values are equal.
#[derive(Debug, Clone)]
pub(super) struct Hit {
    pub(super) kind: usize,
    pub(super) span: Range<usize>,
    pub(super) confidence: f32,
    pub(super) check: Checked,
    pub(super) key: String,
}

/// What finding remembers from atom to atom, and its reused buffers.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Names that were found, without spaces.
    pub(super) known: HashSet<String>,
    /// The kind of what the last atom was hiding when it was cut.
    carried: Option<usize>,
    normal: Normal,
    left: Normal,
    units: Vec<Unit>,
    marks: Vec<bool>,
    nearby: Vec<Option<bool>>,
    around: Vec<bool>,
}

impl Masker {
    /// Compiles the kinds that `kinds` names.
    ///
    /// # Errors
    /// [`PackError`]: a pattern that is none, or a name that stands for nothing.
    pub fn new(packs: &Packs, kinds: &Kinds) -> Result<Self, PackError> {
        if let Some(name) = kinds.0.iter().flatten().find(|name| !packs.knows(name)) {
            return Err(PackError::Unknown { name: name.clone() });
        }
        let (mut compiled, mut needs) = (Vec::new(), Needs::default());
        for pack in &packs.packs {
            let wanted = |kind: &str, default: bool| match &kinds.0 {
                None => default,
                Some(names) => names.iter().any(|name| name == kind || (name == &pack.name && default)),
            };
            compiled.extend(compile(pack, &mut needs, wanted)?);
        }
        let triggers = compiled.iter().flat_map(|kind| &kind.rules).flat_map(|rule| &rule.triggers).map(String::as_str);
        let lexicon = Lexicon::new(&packs.packs.iter().collect::<Vec<_>>(), triggers);
        let texts = places(&compiled).filter(|(_, rule)| matches!(rule.patterns, Patterns::Text(_)));
        let texts = texts.map(|(place, _)| place).collect();
        let is_name = |kind: &Kind| kind.rules.iter().any(|rule| matches!(rule.patterns, Patterns::Name));
        let names = compiled.iter().position(is_name);
        Ok(Self {
            lexicon,
            needs,
            triggers: RuleWords::new(&compiled, |rule| &rule.triggers),
            contexts: RuleWords::new(&compiled, |rule| &rule.context),
            rules: places(&compiled).count(),
            names,
            texts,
            numbers: numbers(&compiled),
            window_max: places(&compiled).map(|(_, rule)| rule.window()).max().unwrap_or(0),
            kinds: compiled,
        })
    }

    /// Everything that would be hidden, in the order of the text. Takes time linear in the text's length.
    pub fn find(&self, text: &str) -> Vec<Finding> {
        let mut memory = Memory::default();
        let mut cutter = Cutter::default();
        let mut hits = Vec::new();
        while let Some(atom) = cutter.next(&self.lexicon, text, true) {
            self.search(text, &atom, &mut memory, &mut hits);
        }
        hits.into_iter().map(|hit| self.finding(hit)).collect()
    }

    pub(super) fn finding(&self, hit: Hit) -> Finding {
        Finding {
            kind: self.kinds[hit.kind].name.clone(),
            span: hit.span,
            confidence: hit.confidence,
            check: hit.check,
        }
    }

    fn rule(&self, place: Place) -> &Rule {
        &self.kinds[place.kind].rules[place.rule]
    }

    pub(super) fn lexicon(&self) -> &Lexicon {
        &self.lexicon
    }

    /// Finds what is in one atom of `text` and appends it.
    pub(super) fn search(&self, text: &str, atom: &Atom, memory: &mut Memory, hits: &mut Vec<Hit>) {
        let carried = memory.carried.take();
        if !atom.hot && carried.is_none() {
            return;
        }
        let source = &text[atom.span.clone()];
        let left = text.floor_char_boundary(atom.span.start.saturating_sub(BEFORE_BYTES));
        let mut search = Search {
            masker: self,
            left: &text[left..atom.span.start],
            left_room: &mut memory.left,
            nearby: &mut memory.nearby,
            around: &mut memory.around,
            hits: Vec::new(),
        };
        search.around.clear();
        let view = if atom.odd { read(source, &mut memory.normal) } else { View::plain(source) };
        let digits = view.text.bytes().filter(u8::is_ascii_digit).count();
        search.numbers(view, digits, atom.worded, &mut memory.units);
        search.expressions(view, digits, &mut memory.marks);
        if atom.named {
            search.names(view, atom.listed, &memory.known);
        }
        let mut found = search.hits;
        if atom.cut || carried.is_some() {
            self.hide_at_cuts(source, atom.cut, carried, &mut found);
        }
        let mut found = joined(source, found);
        for hit in &mut found {
            let sure = hit.confidence >= SURE && hit.key.chars().count() > 2;
            if sure && memory.known.len() < NAMES_MAX && self.is_name(hit.kind) {
                memory.known.insert(hit.key.clone());
            }
            hit.span = hit.span.start + atom.span.start..hit.span.end + atom.span.start;
        }
        if atom.cut
            && let Some(last) = found.last().filter(|last| last.span.end == atom.span.end)
        {
            memory.carried = Some(last.kind);
        }
        hits.append(&mut found);
    }

    pub(super) fn is_name(&self, kind: usize) -> bool {
        self.kinds[kind].rules.iter().any(|rule| matches!(rule.patterns, Patterns::Name))
    }

    /// At a cut through something that has no end, what touches the cut is hidden rather than let through.
    fn hide_at_cuts(&self, source: &str, cut: bool, carried: Option<usize>, found: &mut Vec<Hit>) {
        let mut hide = |kind: usize, span: Range<usize>| {
            let key = source[span.clone()].to_owned();
            found.push(Hit { kind, span, confidence: ENOUGH, check: Checked::None, key });
        };
        if let Some(kind) = carried {
            let length = touching(source.chars());
            if length > 0 {
                hide(kind, 0..length);
            }
        }
        let length = touching(source.chars().rev());
        if cut && length >= 4 && !self.kinds.is_empty() {
            hide(0, source.len() - length..source.len());
        }
    }
}

/// For each two first digits, the rules with templates that begin so, and which of their templates.
fn numbers(kinds: &[Kind]) -> Vec<Vec<(Place, Vec<usize>)>> {
    let mut numbers = vec![Vec::new(); OPENINGS];
    for (place, rule) in places(kinds) {
        let Patterns::Digits(templates) = &rule.patterns else { continue };
        for (opening, rules) in numbers.iter_mut().enumerate() {
            let fitting = (0..templates.len()).filter(|template| templates[*template].opens(opening));
            let fitting: Vec<usize> = fitting.collect();
            if !fitting.is_empty() {
                rules.push((place, fitting));
            }
        }
    }
    numbers
}

/// The bytes of the letters and digits, or of the digits and separators, with which a text begins: at most
/// [`CUT_CHARACTERS`] of them.
fn touching(text: impl Iterator<Item = char> + Clone) -> usize {
    let bytes = |fits: &dyn Fn(char) -> bool| -> usize {
        text.clone().take(CUT_CHARACTERS).take_while(|c| fits(*c)).map(char::len_utf8).sum()
    };
    let digits = bytes(&|c| c.is_numeric() || figure(c).is_some() || matches!(c, ' ' | '-' | '.' | '\n'));
    digits.max(bytes(&|c| c.is_ascii_graphic() || c.is_numeric()))
}

/// The search in one atom.
struct Search<'a> {
    masker: &'a Masker,
    left: &'a str,
    left_room: &'a mut Normal,
    /// For each rule, whether one of its words stands near the run that is being read.
    nearby: &'a mut Vec<Option<bool>>,
    /// For each rule, whether one of its words stands in the atom or before it; empty until somebody asks.
    around: &'a mut Vec<bool>,
    hits: Vec<Hit>,
}

impl Search<'_> {
    fn numbers(&mut self, view: View<'_>, digits: usize, worded: bool, units: &mut Vec<Unit>) {
        if digits >= 3 {
            runs(view.text, false, units, |run| self.run(view, run));
        }
        if worded {
            runs(view.text, true, units, |run| {
                if run.iter().filter(|unit| unit.is_word()).count() >= 2 {
                    self.run(view, run);
                }
            });
        }
    }

    fn run(&mut self, view: View<'_>, run: &[Unit]) {
        let masker = self.masker;
        let earlier = self.hits.len();
        let whole = run[0].start..run[run.len() - 1].end;
        self.nearby.clear();
        self.nearby.resize(masker.rules, None);
        for from in (0..run.len()).filter(|from| may_begin(run, *from)) {
            let Some(opening) = opening(run, from) else { break };
            for (place, fitting) in &masker.numbers[opening] {
                let rule = masker.rule(*place);
                let Patterns::Digits(templates) = &rule.patterns else { continue };
                if rule.most(false) + APART < ENOUGH
                    && (self.nearby[place.number] == Some(false) || !self.is_around(view.text, *place))
                {
                    continue;
                }
                for template in fitting.iter().map(|template| &templates[*template]) {
                    let Some(fit) = template.fit(run, from) else { continue };
                    // What stands near a run is near each of its numbers, and is looked for once.
                    let near = self.nearby[place.number].unwrap_or_else(|| self.near(view.text, &whole, *place));
                    self.nearby[place.number] = Some(near);
                    if rule.most(near) + APART < ENOUGH {
                        break;
                    }
                    self.number(view, place.kind, rule, &run[from..from + fit.length], &fit, near);
                }
            }
        }
        let readings = self.hits.split_off(earlier);
        self.hits.extend(best(readings));
    }

    fn number(&mut self, view: View<'_>, kind: usize, rule: &Rule, units: &[Unit], fit: &Fit, near: bool) {
        let mut room = [0; DIGITS_MAX];
        let key = digits(units, &mut room);
        let span = units[0].start..units[units.len() - 1].end;
        let verdict = if fit.starred { None } else { rule.verdict(key) };
        let usual = fit.form == Form::Usual;
        let Some(mut confidence) = rule.confidence(usual, verdict, || near) else { return };
        let bytes = view.text.as_bytes();
        if span.start > 0 && (bytes[span.start - 1].is_ascii_alphabetic() || bytes[span.start - 1] == b'_') {
            confidence -= 0.3;
        }
        match fit.form {
            Form::Usual => {}
            Form::Apart => confidence += APART,
            Form::Odd if verdict != Some(Verdict::Right) => return,
            Form::Odd => confidence -= 0.1,
            Form::Bare if is_amount(&view.text[span.end..]) => confidence -= 0.5,
            Form::Bare => {}
        }
        if confidence >= ENOUGH {
            let check = match verdict {
                Some(Verdict::Right) => Checked::Right,
                Some(_) => Checked::Wrong,
                None => Checked::None,
            };
            let confidence = confidence.min(1.0);
            self.hits.push(Hit { kind, span: view.source(span), confidence, check, key: key.to_owned() });
        }
    }

    fn expressions(&mut self, view: View<'_>, digits: usize, marks: &mut Vec<bool>) {
        let masker = self.masker;
        let met = masker.needs.met(view.text);
        marks.clear();
        for place in &masker.texts {
            let rule = masker.rule(*place);
            let Patterns::Text(expressions) = &rule.patterns else { continue };
            if !rule.may_match(met, digits) {
                continue;
            }
            if !rule.triggers.is_empty() && marks.is_empty() {
                marks.resize(masker.rules, false);
                masker.triggers.mark(view.text, marks);
            }
            let triggered = rule.triggers.is_empty() || marks[place.number];
            if !triggered || (rule.most(false) < ENOUGH && !self.is_around(view.text, *place)) {
                continue;
            }
            for expression in expressions.iter().filter(|expression| expression.is_match(view.text)) {
                for captures in expression.captures_iter(view.text) {
                    if let Some(found) = captures.name("v").or_else(|| captures.get(0)) {
                        self.expression(view, *place, rule, found.range());
                    }
                }
            }
        }
    }

    fn expression(&mut self, view: View<'_>, place: Place, rule: &Rule, span: Range<usize>) {
        if span.is_empty() {
            return;
        }
        let value = &view.text[span.clone()];
        let verdict = rule.verdict(value);
        let Some(confidence) = rule.confidence(true, verdict, || self.near(view.text, &span, place)) else { return };
        if confidence < ENOUGH {
            return;
        }
        let check = match verdict {
            Some(Verdict::Right) => Checked::Right,
            Some(_) => Checked::Wrong,
            None => Checked::None,
        };
        let (kind, key) = (place.kind, key(value));
        self.hits.push(Hit { kind, span: view.source(span), confidence, check, key });
    }

    fn names(&mut self, view: View<'_>, listed: bool, known: &HashSet<String>) {
        let Some(kind) = self.masker.names else { return };
        // What was found is in bytes of the source; names are looked for in the normalised text.
        let mut beside: Vec<Range<usize>> = Vec::new();
        if !self.hits.is_empty() {
            let ranges = self.hits.iter().filter(|hit| hit.kind != kind).map(|hit| view.normalised(&hit.span));
            beside.extend(ranges);
            beside.sort_by_key(|span| span.start);
        }
        for name in names(&self.masker.lexicon, view.text, listed, &beside, known) {
            let key = key(&view.text[name.span.clone()]);
            let span = view.source(name.span);
            self.hits.push(Hit { kind, span, confidence: name.confidence, check: Checked::None, key });
        }
    }

    /// Whether a context word stands before (in this atom, or in the text before it) or right behind.
    fn near(&mut self, text: &str, span: &Range<usize>, place: Place) -> bool {
        if !self.is_around(text, place) {
            return false;
        }
        let rule = self.masker.rule(place);
        let from = text.floor_char_boundary(span.start.saturating_sub(rule.window()));
        let to = text.floor_char_boundary((span.end + 24).min(text.len()));
        if rule.is_near(&text[from..span.start]) || rule.is_near(&text[span.end..to]) {
            return true;
        }
        let Some(more) = rule.window().checked_sub(span.start).filter(|more| *more > 0) else { return false };
        let left = read(self.left, self.left_room).text;
        rule.is_near(&left[left.floor_char_boundary(left.len().saturating_sub(more))..])
    }

    /// Whether a context word of a rule stands anywhere in this atom, or in the text before it.
    fn is_around(&mut self, text: &str, place: Place) -> bool {
        if self.around.is_empty() {
            self.around.resize(self.masker.rules, false);
            self.masker.contexts.mark(text, self.around);
            let left = read(self.left, self.left_room).text;
            let window = left.floor_char_boundary(left.len().saturating_sub(self.masker.window_max));
            self.masker.contexts.mark(&left[window..], self.around);
        }
        self.around[place.number]
    }
}

/// Of the readings of one run, those that are surest. One that holds a surer one whole takes its place.
fn best(mut readings: Vec<Hit>) -> Vec<Hit> {
    readings
        .sort_by(|one, other| other.confidence.total_cmp(&one.confidence).then(other.span.len().cmp(&one.span.len())));
    let mut kept: Vec<Hit> = Vec::new();
    for reading in readings {
        let overlapping = |one: &&mut Hit| one.span.start < reading.span.end && reading.span.start < one.span.end;
        match kept.iter_mut().find(overlapping) {
            None => kept.push(reading),
            Some(one)
                if reading.span.start <= one.span.start
                    && one.span.end <= reading.span.end
                    && reading.span != one.span =>
            {
                *one = reading;
            }
            Some(_) => {}
        }
    }
    kept
}

/// A sum of money or a count is no identifier.
fn is_amount(behind: &str) -> bool {
    behind.starts_with(['원', '%', '명', '건', '개', '주', '톤', '달', '㎡', '억', '만'])
}

/// The form in which equal values are equal: no spaces, lower case.
fn key(value: &str) -> String {
    value.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

/// Sorted and disjoint: what overlaps becomes one hit, of the kind that is surest, over all that was seen.
pub(super) fn joined(source: &str, mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_by_key(|hit| (hit.span.start, std::cmp::Reverse(hit.span.end)));
    let mut joined: Vec<Hit> = Vec::with_capacity(hits.len());
    for hit in hits {
        match joined.last_mut() {
            Some(last) if hit.span.start < last.span.end => {
                let span = last.span.start..last.span.end.max(hit.span.end);
                if (hit.confidence, hit.span.len()) > (last.confidence, last.span.len()) {
                    *last = hit;
                }
                if last.span != span {
                    last.key = key(&source[span.clone()]);
                    last.span = span;
                }
            }
            _ => joined.push(hit),
        }
    }
    joined
}
