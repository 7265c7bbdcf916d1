//! Policies of one version: read from a folder, held to the schema, asked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use base::ContentHash;
use cedar_policy::{
    AuthorizationError, Authorizer, Decision as Verdict, Effect, Policy, PolicyId, PolicySet, ValidationMode, Validator,
};
use miette::Diagnostic;
use quick_cache::sync::Cache;

use super::obligations::{Annotations, annotations};
use super::source::{DEPTH_MAX, Folder, POLICY_BYTES_MAX, Piece, Problem, Source, folder, line_at, pieces};
use super::{Answer, Cases, Decision, Obligations, Question, facts, floor, lint};
use crate::Refusal;
use crate::mask::Packs;

/// What a policy may speak of, in Cedar's own notation.
pub const SCHEMA: &str = include_str!("../../policies/dure.cedarschema");

/// The starting policies, by file.
const STARTING: [(&str, &str); 5] = [
    ("10-search.cedar", include_str!("../../policies/10-search.cedar")),
    ("20-send.cedar", include_str!("../../policies/20-send.cedar")),
    ("30-export.cedar", include_str!("../../policies/30-export.cedar")),
    ("40-tools.cedar", include_str!("../../policies/40-tools.cedar")),
    ("50-declassify.cedar", include_str!("../../policies/50-declassify.cedar")),
];
const STARTING_CASES: (&str, &str) = ("cases.toml", include_str!("../../policies/cases.toml"));

/// How much a folder of policies may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Files in the folder.
    pub files_max: usize,
    /// Bytes of one file.
    pub file_bytes_max: usize,
    /// Policies in all files together.
    pub policies_max: usize,
    /// Answers that are remembered.
    pub answers_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { files_max: 64, file_bytes_max: 256 << 10, policies_max: 512, answers_max: 8_192 }
    }
}

/// One policy, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Clause {
    pub policy: Policy,
    pub file: String,
    pub line: u32,
    pub said: Annotations,
    /// Its text, comments before it included, and the line of the text's first byte.
    text: String,
    begins: u32,
}

/// Policies by id.
pub(crate) type Clauses = BTreeMap<String, Clause>;

/// The policies of one version. They do not change; a changed folder is read as another version.
#[derive(Debug)]
pub struct Policies {
    version: ContentHash,
    set: PolicySet,
    pub(crate) clauses: Clauses,
    pub(crate) cases: Cases,
    files: Vec<Source>,
    is_starting: bool,
    answers: Cache<Question, Arc<Decision>>,
}

static BUILTIN: LazyLock<Arc<Policies>> = LazyLock::new(|| {
    let own = |(name, text): &(&str, &str)| Source { name: (*name).to_owned(), text: (*text).to_owned() };
    let folder = Folder { policies: STARTING.iter().map(own).collect(), cases: vec![own(&STARTING_CASES)] };
    // A test holds that they can be read. If they ever could not, nothing is permitted.
    let packs = Packs::builtin().unwrap_or_default();
    Arc::new(read(folder, true, &packs, &Bounds::default()).unwrap_or_else(|_| Policies::closed()))
});

impl Policies {
    /// The starting policies: for an ordinary public body in Korea.
    pub fn builtin() -> Arc<Policies> {
        Arc::clone(&BUILTIN)
    }

    /// Reads the policies of a folder, whose masks name what is in `packs`. Where it holds none, or is not there, the
    /// starting policies count.
    ///
    /// # Errors
    /// Everything that is wrong, file by file; then nothing is taken.
    pub fn load(dir: &Path, packs: &Packs) -> Result<Arc<Policies>, Vec<Problem>> {
        Self::load_within(dir, packs, &Bounds::default())
    }

    /// Reads a folder within other bounds.
    ///
    /// # Errors
    /// As [`Policies::load`].
    pub fn load_within(dir: &Path, packs: &Packs, bounds: &Bounds) -> Result<Arc<Policies>, Vec<Problem>> {
        let found = folder(dir, bounds)?;
        if found.policies.is_empty() {
            if found.cases.is_empty() {
                return Ok(Self::builtin());
            }
            let text = "there are cases, but no policies for them; copy the starting policies beside them";
            return Err(vec![Problem::new(&dir.display().to_string(), 0, text)]);
        }
        read(found, false, packs, bounds).map(Arc::new)
    }

    /// The files of the starting policies, the schema and the cases among them, to be copied and changed.
    pub fn starting_files() -> impl Iterator<Item = (&'static str, &'static str)> {
        STARTING.into_iter().chain([STARTING_CASES, ("dure.cedarschema", SCHEMA)])
    }

    /// What names this version: a hash of all its files and of the schema.
    pub fn version(&self) -> ContentHash {
        self.version
    }

    /// Whether these are the starting policies, because a folder had none.
    pub fn is_starting(&self) -> bool {
        self.is_starting
    }

    /// The files as they were read, policies first, then cases: name and text.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|file| (&*file.name, &*file.text))
    }

    /// The cases that stand beside the policies.
    pub fn cases(&self) -> &Cases {
        &self.cases
    }

    /// Answers a question, the built-in rule first. What was answered before is remembered.
    pub fn decide(&self, question: &Question) -> Arc<Decision> {
        if let Some(known) = self.answers.get(question) {
            return known;
        }
        let decision = Arc::new(self.judge(question));
        self.answers.insert(question.clone(), Arc::clone(&decision));
        decision
    }

    /// Answers a question anew.
    pub(crate) fn judge(&self, question: &Question) -> Decision {
        let (answer, policies) = match floor::decide(question) {
            Err(refusal) => (Answer::Deny(refusal), Vec::new()),
            Ok(()) => self.ask(question),
        };
        Decision { version: self.version, policies, answer }
    }

    fn ask(&self, question: &Question) -> (Answer, Vec<String>) {
        let Ok(asked) = facts::asked(question) else {
            return (Answer::Deny(Refusal::Undecided), Vec::new());
        };
        let response = Authorizer::new().is_authorized(&asked.request, &self.set, &asked.entities);
        let diagnostics = response.diagnostics();
        let failed: BTreeSet<String> = diagnostics
            .errors()
            .map(|AuthorizationError::PolicyEvaluationError(error)| error.policy_id().to_string())
            .collect();
        if !failed.is_empty() {
            // Cedar left these policies out of its answer. One of them may have been the one that forbids.
            return (Answer::Deny(Refusal::Undecided), failed.into_iter().collect());
        }
        let decided: BTreeSet<String> = diagnostics.reason().map(ToString::to_string).collect();
        let clauses = || decided.iter().filter_map(|id| self.clauses.get(id));
        let answer = match response.decision() {
            Verdict::Allow => {
                let mut obligations = Obligations::default();
                clauses().for_each(|clause| obligations.join(&clause.said.obligations));
                Answer::Permit(Arc::new(obligations))
            }
            Verdict::Deny if decided.is_empty() => Answer::Deny(Refusal::NoPolicy),
            Verdict::Deny => {
                let reasons: BTreeSet<_> = clauses().filter_map(|clause| clause.said.reason.as_ref()).collect();
                let joined = |one: fn(&super::Notice) -> &str| {
                    reasons.iter().map(|reason| one(reason)).collect::<Vec<_>>().join("; ")
                };
                let (ko, en) = (joined(|reason| &reason.ko), joined(|reason| &reason.en));
                Answer::Deny(Refusal::Policy { policies: decided.iter().cloned().collect(), ko, en })
            }
        };
        (answer, decided.into_iter().collect())
    }

    /// Policies that permit nothing, for where the program's own could not be read.
    fn closed() -> Self {
        Self {
            version: ContentHash::of(""),
            set: PolicySet::new(),
            clauses: Clauses::new(),
            cases: Cases::default(),
            files: Vec::new(),
            is_starting: true,
            answers: Cache::new(1),
        }
    }
}

fn read(folder: Folder, is_starting: bool, packs: &Packs, bounds: &Bounds) -> Result<Policies, Vec<Problem>> {
    let (clauses, mut problems) = clauses(&folder.policies, packs, bounds)?;
    if clauses.is_empty() && problems.is_empty() {
        let name = folder.policies.first().map_or("policies", |file| &file.name);
        problems.push(Problem::new(name, 0, "there is no policy in any file, so nothing would be permitted"));
    }
    let set = PolicySet::from_policies(clauses.values().map(|clause| clause.policy.clone()))
        .map_err(|error| vec![Problem::new("policies", 0, error.to_string())])?;
    problems.extend(misfits(&set, &clauses)?);
    let cases = Cases::read(&folder.cases).unwrap_or_else(|found| {
        problems.extend(found);
        Cases::default()
    });
    if !problems.is_empty() {
        problems.sort();
        problems.dedup();
        return Err(problems);
    }
    let (version, answers) = (version(&folder.policies), Cache::new(bounds.answers_max));
    let files = folder.policies.into_iter().chain(folder.cases).collect();
    Ok(Policies { version, set, clauses, cases, files, is_starting, answers })
}

/// The policies that can be read, by id, and what is wrong with the others.
fn clauses(files: &[Source], packs: &Packs, bounds: &Bounds) -> Result<(Clauses, Vec<Problem>), Vec<Problem>> {
    let (mut clauses, mut problems) = (Clauses::new(), Vec::new());
    for source in files {
        let pieces = match pieces(&source.text) {
            Ok(pieces) => pieces,
            Err(line) => {
                let text = "the policy that begins here does not end: a `;` or a `\"` is missing";
                problems.push(Problem::new(&source.name, line, text));
                continue;
            }
        };
        if clauses.len() + pieces.len() > bounds.policies_max {
            let text = format!("more than {} policies", bounds.policies_max);
            return Err(vec![Problem::new(&source.name, 0, text)]);
        }
        for piece in pieces {
            match clause(source, &piece, packs) {
                Err(found) => problems.extend(found),
                Ok(new) => match clauses.get(&new.said.id) {
                    Some(other) => {
                        let text = format!("`@id(\"{}\")` is also in {}:{}", new.said.id, other.file, other.line);
                        problems.push(Problem::new(&source.name, piece.line, text));
                    }
                    None => {
                        clauses.insert(new.said.id.clone(), new);
                    }
                },
            }
        }
    }
    Ok((clauses, problems))
}

/// Where policies do not fit the schema.
fn misfits(set: &PolicySet, clauses: &Clauses) -> Result<Vec<Problem>, Vec<Problem>> {
    let schema = facts::schema().map_err(|error| vec![Problem::new("dure.cedarschema", 0, error)])?;
    let result = Validator::new(schema.clone()).validate(set, ValidationMode::Strict);
    let errors = result.validation_errors().map(|error| (error.policy_id(), error as &dyn Diagnostic));
    // A warning is a policy that can never apply, or that reads differently than it looks. None is let pass.
    let warnings = result.validation_warnings().map(|warning| (warning.policy_id(), warning as &dyn Diagnostic));
    let placed = |(id, error): (&PolicyId, &dyn Diagnostic)| match clauses.get(AsRef::<str>::as_ref(id)) {
        Some(clause) => {
            let piece = Piece { text: &clause.text, line: clause.line, begins: clause.begins, is_too_much: false };
            problem(&clause.file, &piece, error)
        }
        None => Problem::new("policies", 0, error.to_string()),
    };
    Ok(errors.chain(warnings).map(placed).collect())
}

fn clause(source: &Source, piece: &Piece<'_>, packs: &Packs) -> Result<Clause, Vec<Problem>> {
    let here = |text: String| Problem::new(&source.name, piece.line, text);
    if piece.is_too_much {
        let text = format!(
            "a policy has at most {POLICY_BYTES_MAX} bytes, and {DEPTH_MAX} brackets in brackets; make it several"
        );
        return Err(vec![here(text)]);
    }
    let policy = Policy::parse(None, piece.text).map_err(|errors| {
        let each = errors.iter().map(|error| problem(&source.name, piece, error));
        each.collect::<Vec<_>>()
    })?;
    let permits = policy.effect() == Effect::Permit;
    let said = annotations(permits, policy.annotations());
    let mut mistakes = lint::ids(&policy);
    if let Ok(said) = &said {
        mistakes.extend(lint::out_of_place(&policy, &said.obligations).map(str::to_owned));
        let unknown = said.obligations.masks().filter(|name| !packs.knows(name));
        mistakes.extend(unknown.map(|name| format!("no pack and no kind of personal data is called `{name}`")));
    }
    match said {
        Ok(said) if mistakes.is_empty() => {
            let policy = policy.new_id(PolicyId::new(&said.id));
            let (file, text) = (source.name.clone(), piece.text.to_owned());
            Ok(Clause { policy, file, line: piece.line, said, text, begins: piece.begins })
        }
        Ok(_) => Err(mistakes.into_iter().map(here).collect()),
        Err(more) => Err(mistakes.into_iter().chain(more).map(here).collect()),
    }
}

/// What Cedar says is wrong, at its line.
fn problem(file: &str, piece: &Piece<'_>, error: &dyn Diagnostic) -> Problem {
    let offset = error.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
    let line = offset.map_or(piece.line, |offset| line_at(piece, offset).max(piece.line));
    let help = error.help().map(|help| format!(" ({help})")).unwrap_or_default();
    Problem::new(file, line, format!("{error}{help}"))
}

fn version(files: &[Source]) -> ContentHash {
    // Each text with its length before it, so that what moves from one file to the next changes the hash.
    let mut all = format!("{}\n{SCHEMA}", SCHEMA.len());
    for file in files {
        all.push_str(&format!("{}\n{}{}\n{}", file.name.len(), file.name, file.text.len(), file.text));
    }
    ContentHash::of(all)
}
