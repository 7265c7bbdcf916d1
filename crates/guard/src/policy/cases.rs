//! Cases: questions with the answer that is expected, in TOML beside the policies. Whoever changes a policy runs them and
//! sees what else has changed.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::source::{Problem, Source};
use super::{Answer, Containing, Marking, Policies, Question};

/// Cases in one folder, at most.
const CASES_MAX: usize = 2_000;

/// The cases of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cases {
    /// Each with the file that it stands in.
    pub cases: Vec<(String, Case)>,
}

/// One question with its expected answer. What is not written is not compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows, in a sentence.
    pub name: String,
    /// The question.
    pub ask: Question,
    /// The answer.
    pub answer: Expected,
    /// The policies that decide; none of them written means any.
    #[serde(default)]
    pub policies: Option<BTreeSet<String>>,
    /// What is masked.
    #[serde(default)]
    pub mask: Option<BTreeSet<String>>,
    /// What is masked in the answer.
    #[serde(default)]
    pub mask_answer: Option<BTreeSet<String>>,
    /// Who approves.
    #[serde(default)]
    pub approval: Option<BTreeSet<String>>,
    /// How the output is marked.
    #[serde(default)]
    pub label: Option<Marking>,
    /// Of which answers links and images are made inert.
    #[serde(default)]
    pub contain: Option<Containing>,
    /// How long the record is kept.
    #[serde(default)]
    pub keep_years: Option<u16>,
    /// Whether the user is told something.
    #[serde(default)]
    pub notice: Option<bool>,
}

/// The expected answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expected {
    /// Yes.
    Permit,
    /// No.
    Deny,
}

/// What came of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseResult {
    /// The file that it stands in.
    pub file: String,
    /// Its name.
    pub name: String,
    /// What is other than expected; empty where it holds.
    pub wrong: Vec<String>,
}

impl fmt::Display for CaseResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.wrong.is_empty() { "holds" } else { "FAILS" };
        write!(f, "{sign}  {}: {}", self.file, self.name)?;
        self.wrong.iter().try_for_each(|wrong| write!(f, "\n       {wrong}"))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    case: Vec<Case>,
}

impl Cases {
    /// Reads cases from the text of one file.
    ///
    /// # Errors
    /// What is wrong, with its line.
    pub fn parse(name: &str, text: &str) -> Result<Self, Vec<Problem>> {
        Self::read(&[Source { name: name.to_owned(), text: text.to_owned() }])
    }

    pub(crate) fn read(files: &[Source]) -> Result<Self, Vec<Problem>> {
        let (mut cases, mut problems) = (Vec::new(), Vec::new());
        for source in files {
            match toml::from_str::<File>(&source.text) {
                Ok(file) => cases.extend(file.case.into_iter().map(|case| (source.name.clone(), case))),
                Err(error) => {
                    let start = error.span().map_or(0, |span| span.start.min(source.text.len()));
                    let line = source.text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
                    problems.push(Problem::new(&source.name, u32::try_from(line).unwrap_or(0), error.message()));
                }
            }
        }
        if cases.len() > CASES_MAX {
            problems.push(Problem::new("cases", 0, format!("more than {CASES_MAX} cases")));
        }
        if problems.is_empty() { Ok(Self { cases }) } else { Err(problems) }
    }
}

/// Asks every case and says where the answer is other than expected.
pub fn test(policies: &Policies, cases: &Cases) -> Vec<CaseResult> {
    cases.cases.iter().map(|(file, case)| try_one(policies, file, case)).collect()
}

fn try_one(policies: &Policies, file: &str, case: &Case) -> CaseResult {
    let decision = policies.judge(&case.ask);
    let mut wrong = Vec::new();
    match (&decision.answer, case.answer) {
        (Answer::Deny(refusal), Expected::Permit) => wrong.push(format!("is refused: {refusal}")),
        (Answer::Permit(obligations), Expected::Deny) => wrong.push(format!("is permitted, with {obligations}")),
        _ => (),
    }
    if let Answer::Permit(given) = &decision.answer {
        compare("mask", case.mask.as_ref(), &given.mask, &mut wrong);
        compare("mask_answer", case.mask_answer.as_ref(), &given.mask_answer, &mut wrong);
        compare("approval", case.approval.as_ref(), &given.approval, &mut wrong);
        compare("label", case.label.map(Some).as_ref(), &given.label, &mut wrong);
        compare("contain", case.contain.map(Some).as_ref(), &given.contain, &mut wrong);
        compare("keep_years", case.keep_years.map(Some).as_ref(), &given.keep_years, &mut wrong);
        compare("notice", case.notice.as_ref(), &!given.notices.is_empty(), &mut wrong);
    }
    compare("policies", case.policies.as_ref(), &decision.policies.iter().cloned().collect(), &mut wrong);
    CaseResult { file: file.to_owned(), name: case.name.clone(), wrong }
}

fn compare<T: PartialEq + fmt::Debug>(what: &str, expected: Option<&T>, given: &T, wrong: &mut Vec<String>) {
    if expected.is_some_and(|expected| expected != given) {
        wrong.push(format!("`{what}` is {given:?}"));
    }
}
