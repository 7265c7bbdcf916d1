//! A question to the guard: who wants to do what, with which text, where, what for.
//!
//! It is plain data. Receipts record it, files of cases spell it, and the same question to the same policies always
//! gets the same answer. A question read from a file proves nothing: permits are made only by [`Guard`](crate::Guard).

use std::collections::BTreeSet;
use std::fmt;

use base::{
    Class, ContentHash, CorpusId, Country, GroupId, Label, Name, Principal, Purpose, Residency, Subject, TenantId,
};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{Declassification, EngineTerms};

/// A question to the guard. In a file, all but `who.kind` and `act` may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = PolicyQuestion)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Who asks.
    pub who: Who,
    /// What is to happen.
    pub act: Act,
    /// The label of all the text that it happens to.
    #[serde(default = "open_text", deserialize_with = "label")]
    pub text: Label,
    /// What for.
    #[serde(default = "answering")]
    pub purpose: Purpose,
    /// The name that was called; empty where none was.
    #[serde(default)]
    pub route: String,
    /// The country that this house stands in.
    #[serde(default = "korea")]
    pub home: Country,
}

/// Who asks, as far as a policy may know.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = PolicyAsker)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// What kind of principal it is.
    pub kind: Kind,
    /// Which one; empty where it does not matter.
    #[serde(default)]
    pub id: String,
    /// Where it belongs; none stands for "any one tenant".
    #[serde(default)]
    pub tenant: Option<TenantId>,
    /// Its groups.
    #[serde(default)]
    pub groups: BTreeSet<GroupId>,
    /// Whether it may change what its tenant has.
    #[serde(default)]
    pub administrator: bool,
    /// The class that its text takes at least.
    #[serde(default = "open")]
    pub input_class: Class,
    /// The highest class that it may read.
    #[serde(default = "classified")]
    pub read_class_max: Class,
}

/// What kind of principal asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PolicyAskerKind)]
pub enum Kind {
    /// Whoever can read the data folder.
    Operator,
    /// A person.
    Person,
    /// A program with a key of its own.
    Service,
    /// A model that acts.
    Agent,
    /// Another installation.
    Peer,
}

/// What is to happen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PolicyAct)]
pub enum Act {
    /// Look into a corpus.
    Search(CorpusFacts),
    /// Send text to an engine.
    Send(EngineTerms),
    /// Hand text to a tool.
    UseTool(EngineTerms),
    /// Take text out as a file.
    Export(EngineTerms),
    /// Give text a lower class.
    Declassify(Declassification),
}

/// A corpus that is to be searched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorpusFacts {
    /// Which one; none stands for "any one".
    #[serde(default)]
    pub corpus: Option<CorpusId>,
    /// Whose it is; none stands for the asker's own tenant.
    #[serde(default)]
    pub tenant: Option<TenantId>,
    /// Groups that may read it; empty means everybody of the tenant.
    #[serde(default)]
    pub readers: BTreeSet<GroupId>,
}

impl Question {
    /// The class that counts: what goes out takes at least the asker's input class.
    pub fn class(&self) -> Class {
        match self.act.outlet() {
            Some(_) => self.text.class.max(self.who.input_class),
            None => self.text.class,
        }
    }

    /// A hash that names this question, for an approval that is good for it alone.
    pub fn hash(&self) -> ContentHash {
        // A question has no map with keys that are not text, so it always has a JSON form; if it ever had none, two
        // such questions must not share a name.
        match serde_json::to_vec(self) {
            Ok(bytes) => ContentHash::of(bytes),
            Err(error) => ContentHash::of(format!("{error} {self:?}")),
        }
    }
}

impl Who {
    /// What a policy may know of `principal`.
    pub fn of(principal: &Principal) -> Self {
        let (kind, id) = match principal.subject {
            Subject::Operator => (Kind::Operator, String::new()),
            Subject::Person(id) => (Kind::Person, id.to_string()),
            Subject::Service(id) => (Kind::Service, id.to_string()),
        };
        Self {
            kind,
            id,
            tenant: Some(principal.tenant),
            groups: principal.groups.clone(),
            administrator: principal.administrator,
            input_class: principal.input_class,
            read_class_max: principal.read_class_max,
        }
    }

    /// Whether two askers are one and the same. Who is not named is like nobody.
    pub fn is(&self, other: &Who) -> bool {
        let named = !self.id.is_empty() || self.kind == Kind::Operator;
        named && self.kind == other.kind && self.id == other.id
    }
}

impl Kind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Operator => "operator",
            Kind::Person => "person",
            Kind::Service => "service",
            Kind::Agent => "agent",
            Kind::Peer => "peer",
        }
    }
}

impl Act {
    /// The word for it, as policies write it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Act::Search(_) => "search",
            Act::Send(_) => "send",
            Act::UseTool(_) => "use_tool",
            Act::Export(_) => "export",
            Act::Declassify(_) => "declassify",
        }
    }

    /// Where text would go, if it goes anywhere.
    pub fn outlet(&self) -> Option<&EngineTerms> {
        match self {
            Act::Send(terms) | Act::UseTool(terms) | Act::Export(terms) => Some(terms),
            Act::Search(_) | Act::Declassify(_) => None,
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match (self.who.kind, self.who.administrator) {
            (Kind::Operator, _) => "the operator".to_owned(),
            (kind, true) => format!("a {} that administers", kind.as_str()),
            (Kind::Agent, false) => "an agent".to_owned(),
            (kind, false) => format!("a {}", kind.as_str()),
        };
        let class = self.text.class;
        match &self.act {
            Act::Search(_) => write!(f, "{who} searches {class} records")?,
            Act::Send(to) => write!(f, "{who} sends {class} text to engine {to}")?,
            Act::UseTool(to) => write!(f, "{who} hands {class} text to tool {to}")?,
            Act::Export(to) => write!(f, "{who} exports {class} text to {to}")?,
            Act::Declassify(step) => write!(f, "{who} declassifies {class} text to {}", step.to)?,
        }
        write!(f, " for {}", self.purpose)?;
        if self.route.is_empty() { Ok(()) } else { write!(f, " through route `{}`", self.route) }
    }
}

fn open() -> Class {
    Class::Open
}

fn classified() -> Class {
    Class::Classified
}

fn korea() -> Country {
    Country::KR
}

pub(crate) fn answering() -> Purpose {
    word("answering")
}

/// A name that is known to be one. Nonsense would give the shortest name there is, never a panic.
pub(crate) fn word(text: &str) -> Name {
    text.parse().or_else(|_| "x".parse()).unwrap_or_else(|_| unreachable!("`x` is a name"))
}

fn open_text() -> Label {
    Label {
        class: Class::Open,
        residency: Residency::Anywhere,
        purposes: [answering()].into(),
        licences: BTreeSet::new(),
    }
}

/// A label of which a file says only what matters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default = "open")]
    class: Class,
    residency: Option<Residency>,
    purposes: Option<BTreeSet<Name>>,
    #[serde(default)]
    licences: BTreeSet<Name>,
}

fn label<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Label, D::Error> {
    let written = Written::deserialize(deserializer)?;
    let open = open_text();
    Ok(Label {
        class: written.class,
        residency: written.residency.unwrap_or(open.residency),
        purposes: written.purposes.unwrap_or(open.purposes),
        licences: written.licences,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_reads_back_as_written() {
        let text = r#"
            who = { kind = "person", groups = ["group_019a8c5d2f7b7cc29f0f3f1c6f0e4b11"] }
            act.send = { name = "far", country = "US", owner = "acme" }
            text = { class = "sensitive", residency = { only = ["KR"] }, purposes = ["answering", "training"] }
            route = "civil"
        "#;
        let question: Question = toml::from_str(text).unwrap();
        assert_eq!(
            question.to_string(),
            "a person sends sensitive text to engine `far` in US of acme for answering through route `civil`"
        );
        let json = serde_json::to_string(&question).unwrap();
        let again: Question = serde_json::from_str(&json).unwrap();
        assert_eq!(again, question);
        assert_eq!(again.hash(), question.hash());
    }

    #[test]
    fn a_misspelt_question_is_none() {
        for text in [
            "who.kind = 'person'",
            "who.kind = 'someone'\nact.search = {}",
            "who.kind = 'person'\nact.steal = {}",
            "who.kind = 'person'\nact.search = {}\ntxt.class = 'open'",
            "who.kind = 'person'\nact.search = {}\ntext.class = 'secret'",
            "who.kind = 'person'\nact.search = {}\nact.send = { name = 'a' }",
            "who.kind = 'person'\nact.send = { name = 'a', country = 'kr' }",
        ] {
            assert!(toml::from_str::<Question>(text).is_err(), "{text}");
        }
    }
}
