//! Ids in policies that can mean nothing: a country that is none, a group that is no id. Cedar takes any text there, and
//! a `forbid` on a group that does not exist would quietly never apply.

use base::{CorpusId, Country, DocumentId, GroupId, KeyId, Name, PersonId, TenantId};
use cedar_policy::{ActionConstraint, EntityUid, Policy};

use super::Obligations;

/// What is wrong with the ids of a policy, in plain words.
pub(crate) fn ids(policy: &Policy) -> Vec<String> {
    policy.entity_literals().iter().filter_map(mistake).collect()
}

fn mistake(literal: &EntityUid) -> Option<String> {
    let (kind, id) = (literal.type_name().to_string(), literal.id().unescaped());
    let wanted = match kind.as_str() {
        "Country" => id.parse::<Country>().err().map(|error| error.to_string()),
        "Purpose" | "Owner" | "Licence" => name(id),
        "Group" => id.parse::<GroupId>().err().map(|error| error.to_string()),
        "Tenant" => id.parse::<TenantId>().err().map(|error| error.to_string()),
        "Person" => id.parse::<PersonId>().err().map(|error| error.to_string()),
        "Service" => id.parse::<KeyId>().err().map(|error| error.to_string()),
        "Corpus" => id.parse::<CorpusId>().err().map(|error| error.to_string()),
        "Document" => id.parse::<DocumentId>().err().map(|error| error.to_string()),
        "Operator" if !id.is_empty() => Some("there is one operator; write `principal is Operator`".to_owned()),
        _ => None,
    };
    wanted.map(|wanted| format!("`{kind}::\"{}\"`: {wanted}", id.chars().take(64).collect::<String>()))
}

fn name(id: &str) -> Option<String> {
    match id.parse::<Name>() {
        Err(error) => Some(error.to_string()),
        Ok(name) if name.as_str() != id => Some(format!("is written in small letters: `{name}`")),
        Ok(_) => None,
    }
}

/// Obligations that nothing could keep: hits of a search are not masked, nobody approves a search, and only a search and
/// an engine are followed by an answer.
pub(crate) fn out_of_place(policy: &Policy, obligations: &Obligations) -> Option<&'static str> {
    let actions: Vec<String> = match policy.action_constraint() {
        ActionConstraint::Any => Vec::new(),
        ActionConstraint::Eq(action) => vec![action.id().unescaped().to_owned()],
        ActionConstraint::In(actions) => actions.iter().map(|action| action.id().unescaped().to_owned()).collect(),
    };
    let all = |known: &[&str]| !actions.is_empty() && actions.iter().all(|action| known.contains(&action.as_str()));
    if !obligations.mask.is_empty() && !all(&["send", "use_tool", "export"]) {
        return Some("`@mask` is for `send`, `use_tool` and `export`; say which in the policy's first line");
    }
    if !obligations.approval.is_empty() && !all(&["send", "use_tool", "export", "declassify"]) {
        return Some("`@approval` is for `send`, `use_tool`, `export` and `declassify`; say which in its first line");
    }
    if !obligations.mask_answer.is_empty() && !all(&["search", "send"]) {
        return Some("`@mask_answer` is for `search` and `send`; say which in the policy's first line");
    }
    if obligations.contain.is_some() && !all(&["search", "send"]) {
        return Some("`@contain` is for `search` and `send`; say which in the policy's first line");
    }
    None
}
