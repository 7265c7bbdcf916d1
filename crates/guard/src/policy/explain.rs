//! Why an answer is what it is: which policies decided, and which nearly did.

use std::fmt;

use base::ContentHash;
use cedar_policy::{Authorizer, Decision as Verdict, Effect, Policy, PolicySet};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::facts::{self, Asked};
use super::policies::Clause;
use super::{Answer, Obligations, Policies, Question};

/// Parts of a policy that may be untrue for it to count as near.
const NEAR_MAX: usize = 2;

/// An answer with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = PolicyExplanation)]
pub struct Explanation {
    /// The question.
    pub question: Question,
    /// The policies that were asked.
    pub version: ContentHash,
    /// Whether the answer is yes.
    pub permitted: bool,
    /// Whether the built-in rule alone said no; then no policy was asked.
    pub by_built_in_rule: bool,
    /// Why not, in English; empty where the answer is yes.
    pub reason_en: String,
    /// Why not, in Korean.
    pub reason_ko: String,
    /// What a yes asks for.
    pub obligations: Obligations,
    /// The policies that decided.
    pub decided: Vec<Voice>,
    /// Policies that nearly applied, the nearest first.
    pub near: Vec<Near>,
}

/// A policy, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = PolicyVoice)]
pub struct Voice {
    /// Its id.
    pub id: String,
    /// `permit` or `forbid`.
    pub effect: String,
    /// Its file.
    pub file: String,
    /// Its line.
    pub line: u32,
}

/// A policy that nearly applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = PolicyNear)]
pub struct Near {
    /// Which.
    pub policy: Voice,
    /// What is not true of the question, as the policy says it. Empty for a permit that applied and was overruled.
    pub untrue: Vec<String>,
}

impl Policies {
    /// Explains the answer to a question.
    pub fn explain(&self, question: &Question) -> Explanation {
        let decision = self.judge(question);
        let (obligations, reason) = match &decision.answer {
            Answer::Permit(obligations) => (Obligations::clone(obligations), None),
            Answer::Deny(refusal) => (Obligations::default(), Some(refusal)),
        };
        let by_built_in_rule = super::floor::decide(question).is_err();
        let asked = facts::asked(question).ok().filter(|_| !by_built_in_rule);
        Explanation {
            question: question.clone(),
            version: decision.version,
            permitted: decision.permits(),
            by_built_in_rule,
            reason_en: reason.map(ToString::to_string).unwrap_or_default(),
            reason_ko: reason.map(crate::Refusal::ko).unwrap_or_default(),
            obligations,
            decided: decision.policies.iter().filter_map(|id| self.clauses.get(id)).map(Voice::of).collect(),
            near: asked.map(|asked| self.near(&asked, &decision.policies)).unwrap_or_default(),
        }
    }

    fn near(&self, asked: &Asked, decided: &[String]) -> Vec<Near> {
        let others = self.clauses.values().filter(|clause| !decided.contains(&clause.said.id));
        let mut near: Vec<Near> = others
            .filter_map(|clause| untrue(clause, asked).map(|untrue| Near { policy: Voice::of(clause), untrue }))
            .filter(|near| near.untrue.len() <= NEAR_MAX)
            .collect();
        near.sort_by_key(|near| near.untrue.len());
        near
    }
}

impl Voice {
    fn of(clause: &Clause) -> Self {
        let effect = if clause.policy.effect() == Effect::Permit { "permit" } else { "forbid" };
        Self { id: clause.said.id.clone(), effect: effect.to_owned(), file: clause.file.clone(), line: clause.line }
    }
}

/// The parts of a policy that are not true; none where it speaks of another action.
fn untrue(clause: &Clause, asked: &Asked) -> Option<Vec<String>> {
    let written = clause.policy.to_json().ok()?;
    let all = |key: &str| if written[key].is_null() { json!({ "op": "All" }) } else { written[key].clone() };
    let alone = |principal: Value, action: Value, resource: Value, conditions: Value| {
        let part = json!({
            "effect": "permit", "principal": principal, "action": action, "resource": resource,
            "conditions": conditions,
        });
        Policy::from_json(None, part).ok()
    };
    let any = || json!({ "op": "All" });
    let action = alone(any(), all("action"), any(), json!([]))?;
    if !is_true(&action, asked) {
        return None;
    }
    let mut untrue = Vec::new();
    for (part, said) in [
        (alone(all("principal"), any(), any(), json!([]))?, scope("principal", &written["principal"])),
        (alone(any(), any(), all("resource"), json!([]))?, scope("resource", &written["resource"])),
    ] {
        if !is_true(&part, asked) {
            untrue.push(said);
        }
    }
    for condition in written["conditions"].as_array().into_iter().flatten() {
        let kind = condition["kind"].as_str().unwrap_or("when");
        let joint = if kind == "unless" { "||" } else { "&&" };
        let mut parts = Vec::new();
        split(&condition["body"], joint, &mut parts);
        for body in parts {
            let part = alone(any(), any(), any(), json!([{ "kind": kind, "body": body }]))?;
            if !is_true(&part, asked) {
                untrue.push(words(&part, kind));
            }
        }
    }
    Some(untrue)
}

/// Takes `a && b` apart, since each must be true; and `a || b` of an `unless`, since neither may be.
fn split<'a>(body: &'a Value, joint: &str, parts: &mut Vec<&'a Value>) {
    match body.get(joint) {
        Some(both) => {
            split(&both["left"], joint, parts);
            split(&both["right"], joint, parts);
        }
        None => parts.push(body),
    }
}

fn is_true(part: &Policy, asked: &Asked) -> bool {
    let Ok(set) = PolicySet::from_policies([part.clone()]) else { return false };
    Authorizer::new().is_authorized(&asked.request, &set, &asked.entities).decision() == Verdict::Allow
}

/// A policy's first line in its own words: `principal is Person`.
fn scope(variable: &str, written: &Value) -> String {
    let entity = |value: &Value| {
        let [kind, id] = ["type", "id"].map(|key| value[key].as_str().unwrap_or_default());
        format!("{kind}::\"{id}\"")
    };
    match written["op"].as_str() {
        Some("is") if written["in"].is_null() => {
            format!("{variable} is {}", written["entity_type"].as_str().unwrap_or_default())
        }
        Some("is") => {
            let kind = written["entity_type"].as_str().unwrap_or_default();
            format!("{variable} is {kind} in {}", entity(&written["in"]["entity"]))
        }
        Some(op) => format!("{variable} {op} {}", entity(&written["entity"])),
        None => variable.to_owned(),
    }
}

fn words(part: &Policy, kind: &str) -> String {
    let text = part.to_cedar().unwrap_or_default();
    let body = text.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(body, _)| body);
    let body = body.split_whitespace().collect::<Vec<_>>().join(" ");
    if kind == "unless" { format!("unless {body}") } else { body }
}

impl fmt::Display for Voice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}` ({}:{})", self.effect, self.id, self.file, self.line)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.question)?;
        if self.permitted {
            writeln!(f, "permitted, with {}", self.obligations)?;
            for notice in &self.obligations.notices {
                writeln!(f, "  tell: {} / {}", notice.ko, notice.en)?;
            }
        } else {
            writeln!(f, "refused: {}\n거절: {}", self.reason_en, self.reason_ko)?;
        }
        if self.by_built_in_rule {
            writeln!(f, "decided by the built-in rule, which no policy opens")?;
        }
        self.decided.iter().try_for_each(|voice| writeln!(f, "decided by {voice}"))?;
        for near in &self.near {
            let why = match near.untrue.is_empty() {
                true => "it applies, but a `forbid` does, too".to_owned(),
                false => format!("not true: {}", near.untrue.join(" and ")),
            };
            writeln!(f, "near: {}, {why}", near.policy)?;
        }
        write!(f, "policies {}", &self.version.to_string()[..12])
    }
}
