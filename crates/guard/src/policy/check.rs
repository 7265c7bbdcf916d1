//! Whether a folder of policies is sound, and what it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use base::{ContentHash, Country};
use cedar_policy::{Authorizer, Effect, PolicySet};
use serde::{Deserialize, Serialize};

use super::boxes;
use super::facts;
use super::grid::{CELLS_MAX, Grid, Values};
use super::policies::Clauses;
use crate::mask::Packs;

use super::{Answer, CaseResult, Obligations, Policies, Problem, test};

/// Lines about one kind of change, at most.
const LINES_MAX: usize = 200;

/// What was found in a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What keeps the folder from being taken. If there is anything, the rest is empty.
    pub problems: Vec<Problem>,
    /// The version.
    pub version: Option<ContentHash>,
    /// Whether the folder has no policies, so that the starting policies count.
    pub is_starting: bool,
    /// Policies in it.
    pub policies: usize,
    /// Combinations of facts that were asked.
    pub combinations: usize,
    /// Whether the policies speak of more than could be asked.
    pub truncated: bool,
    /// Policies that apply to no combination.
    pub never: Vec<String>,
    /// Permits that a `forbid` overrules wherever they apply.
    pub closed: Vec<Closed>,
    /// Policies whose absence would change no answer. A `forbid` among them may be a safety net.
    pub idle: Vec<String>,
    /// The cases beside the policies that do not hold.
    pub failed: Vec<CaseResult>,
    /// Cases that hold.
    pub held: usize,
    /// What is other than in the version compared with.
    pub changes: Option<Changes>,
}

/// A permit that permits nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// The permit.
    pub permit: String,
    /// What overrules it.
    pub forbids: BTreeSet<String>,
}

/// What one version answers otherwise than another, in words, over the grid of facts that either speaks of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Combinations that were asked.
    pub combinations: usize,
    /// Whether there were more.
    pub truncated: bool,
    /// What was refused and is permitted.
    pub opened: Vec<String>,
    /// What was permitted and is refused.
    pub closed: Vec<String>,
    /// What is permitted with other obligations.
    pub obliged: Vec<String>,
}

impl Report {
    /// Whether the folder can be taken: it has no problems, and its cases hold.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty() && self.failed.is_empty()
    }
}

/// Checks a folder: syntax, schema, names of masks, cases, policies without effect; and what it changes from `present`.
pub fn check(dir: &Path, packs: &Packs, present: Option<&Policies>, home: Country) -> Report {
    let policies = match Policies::load(dir, packs) {
        Ok(policies) => policies,
        Err(problems) => return Report { problems, ..Report::default() },
    };
    let mut report = Report {
        version: Some(policies.version()),
        is_starting: policies.is_starting(),
        policies: policies.clauses.len(),
        ..Report::default()
    };
    effects(&policies, home, &mut report);
    let (held, failed): (Vec<_>, Vec<_>) =
        test(&policies, policies.cases()).into_iter().partition(|result| result.wrong.is_empty());
    (report.held, report.failed) = (held.len(), failed);
    report.changes = present.map(|present| compare(present, &policies, home));
    report
}

/// Where two versions answer otherwise.
pub fn compare(before: &Policies, after: &Policies, home: Country) -> Changes {
    let values = Values::of(&[before, after], home);
    let mut changes = Changes { truncated: values.truncated, ..Changes::default() };
    for grid in values.grids() {
        changes.truncated |= grid.size() > CELLS_MAX;
        let (mut opened, mut closed) = (Vec::new(), Vec::new());
        let mut obliged: BTreeMap<[Arc<Obligations>; 2], Vec<Vec<usize>>> = BTreeMap::new();
        for cell in grid.cells() {
            changes.combinations += 1;
            let question = grid.question(&cell);
            match (before.judge(&question).answer, after.judge(&question).answer) {
                (Answer::Deny(_), Answer::Permit(_)) => opened.push(cell),
                (Answer::Permit(_), Answer::Deny(_)) => closed.push(cell),
                (Answer::Permit(old), Answer::Permit(new)) if old != new => {
                    obliged.entry([old, new]).or_default().push(cell);
                }
                _ => (),
            }
        }
        changes.opened.extend(lines(&grid, opened));
        changes.closed.extend(lines(&grid, closed));
        for ([old, new], cells) in obliged {
            changes.obliged.extend(lines(&grid, cells).into_iter().map(|line| format!("{line}: {old} -> {new}")));
        }
    }
    for lines in [&mut changes.opened, &mut changes.closed, &mut changes.obliged] {
        changes.truncated |= lines.len() > LINES_MAX;
        lines.truncate(LINES_MAX);
    }
    changes
}

fn lines(grid: &Grid<'_>, cells: Vec<Vec<usize>>) -> Vec<String> {
    boxes::join(cells).iter().map(|found| grid.words(found)).collect()
}

/// What is seen of one policy over the grid.
#[derive(Default)]
struct Seen {
    applies: usize,
    /// Where it decides something that no other policy would.
    matters: bool,
    /// Where it applies and is not overruled.
    is_free: bool,
    overruled_by: BTreeSet<String>,
}

fn effects(policies: &Policies, home: Country, report: &mut Report) {
    let values = Values::of(&[policies], home);
    report.truncated = values.truncated;
    let of = |effect: Effect| {
        let clauses = policies.clauses.values().filter(move |clause| clause.policy.effect() == effect);
        PolicySet::from_policies(clauses.map(|clause| clause.policy.clone())).unwrap_or_default()
    };
    let (permits, forbids) = (of(Effect::Permit), of(Effect::Forbid));
    let mut seen: BTreeMap<&str, Seen> = policies.clauses.keys().map(|id| (id.as_str(), Seen::default())).collect();
    for grid in values.grids() {
        report.truncated |= grid.size() > CELLS_MAX;
        for cell in grid.cells() {
            report.combinations += 1;
            let question = grid.question(&cell);
            if super::floor::decide(&question).is_err() {
                continue;
            }
            let Ok(asked) = facts::asked(&question) else { continue };
            // Each side alone: beside a `forbid` that applies, Cedar does not say which permits would.
            let applying = |set: &PolicySet| -> BTreeSet<String> {
                let response = Authorizer::new().is_authorized(&asked.request, set, &asked.entities);
                response.diagnostics().reason().map(ToString::to_string).collect()
            };
            note(&policies.clauses, &applying(&permits), &applying(&forbids), &mut seen);
        }
    }
    for (id, seen) in seen {
        let is_permit = policies.clauses.get(id).is_some_and(|clause| clause.policy.effect() == Effect::Permit);
        if seen.applies == 0 {
            report.never.push(id.to_owned());
        } else if is_permit && !seen.is_free {
            report.closed.push(Closed { permit: id.to_owned(), forbids: seen.overruled_by });
        } else if !seen.matters {
            report.idle.push(id.to_owned());
        }
    }
}

fn note(clauses: &Clauses, permits: &BTreeSet<String>, forbids: &BTreeSet<String>, seen: &mut BTreeMap<&str, Seen>) {
    let said = |id: &String| clauses.get(id).map(|clause| clause.said.obligations.clone()).unwrap_or_default();
    for id in permits {
        let Some(one) = seen.get_mut(id.as_str()) else { continue };
        one.applies += 1;
        if forbids.is_empty() {
            one.is_free = true;
            let mut others = Obligations::default();
            permits.iter().filter(|other| *other != id).for_each(|other| others.join(&said(other)));
            one.matters |= permits.len() == 1 || !others.covers(&said(id));
        } else {
            one.overruled_by.extend(forbids.iter().cloned());
        }
    }
    for id in forbids {
        let Some(one) = seen.get_mut(id.as_str()) else { continue };
        one.applies += 1;
        one.matters |= forbids.len() == 1 && !permits.is_empty();
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.problems.is_empty() {
            writeln!(f, "{} problems; this folder is not taken:", self.problems.len())?;
            return self.problems.iter().try_for_each(|problem| writeln!(f, "  {problem}"));
        }
        let version = self.version.map(|version| version.to_string()).unwrap_or_default();
        let which = if self.is_starting { "the starting policies, since the folder has none" } else { "policies" };
        writeln!(f, "{} {which}, version {}", self.policies, version.get(..12).unwrap_or_default())?;
        writeln!(f, "{} combinations of facts asked{}", self.combinations, more(self.truncated))?;
        for id in &self.never {
            writeln!(f, "never applies: {id}")?;
        }
        for Closed { permit, forbids } in &self.closed {
            let forbids = forbids.iter().cloned().collect::<Vec<_>>().join(", ");
            writeln!(f, "permits nothing: {permit}, overruled by {forbids} wherever it applies")?;
        }
        for id in &self.idle {
            writeln!(f, "changes no answer by itself (a safety net, or not needed): {id}")?;
        }
        writeln!(f, "{} cases hold, {} do not", self.held, self.failed.len())?;
        self.failed.iter().try_for_each(|failed| writeln!(f, "{failed}"))?;
        self.changes.iter().try_for_each(|changes| write!(f, "{changes}"))
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "compared over {} combinations{}", self.combinations, more(self.truncated))?;
        for (what, lines) in [
            ("newly permitted", &self.opened),
            ("newly refused", &self.closed),
            ("permitted with other obligations", &self.obliged),
        ] {
            writeln!(f, "{what}:{}", if lines.is_empty() { " nothing" } else { "" })?;
            lines.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        }
        Ok(())
    }
}

fn more(truncated: bool) -> &'static str {
    if truncated { "; there are more than could be asked or shown" } else { "" }
}
