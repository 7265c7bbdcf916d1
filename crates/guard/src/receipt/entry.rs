//! What a leaf of the ledger says: JSON, one object, no text of anybody's.

use std::collections::BTreeMap;

use base::{ContentHash, CorpusId, Country, DocumentId, Label, Principal, ReceiptId, Subject, TenantId, Usage};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::EgressPermit;
use crate::policy::{Obligations, Question};

/// Bytes of a leaf (C2SP tlog-tiles writes its length in 16 bits).
pub(crate) const LEAF_BYTES_MAX: usize = 65_535;

const NAME_CHARS_MAX: usize = 128;
const DOCUMENTS_MAX: usize = 256;

/// One leaf of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// Text is about to leave the house. On disk before the first byte goes; the receipt of the same id closes it.
    Intent(Intent),
    /// A flow is over.
    Receipt(Box<Receipt>),
    /// Somebody is about to change something. On disk before it changes; the act of the same id says how it ended.
    Begun(Act),
    /// Somebody changed something, or looked at records.
    Act(Act),
}

impl Entry {
    /// Its id. An intent has that of its receipt.
    pub fn id(&self) -> ReceiptId {
        match self {
            Self::Intent(intent) => intent.id,
            Self::Receipt(receipt) => receipt.id,
            Self::Begun(act) | Self::Act(act) => act.id,
        }
    }

    /// Whose tenant it is of, and who it tells of.
    pub fn whose(&self) -> (TenantId, Subject) {
        match self {
            Self::Intent(intent) => (intent.tenant, intent.who),
            Self::Receipt(receipt) => (receipt.tenant, receipt.who),
            Self::Begun(act) | Self::Act(act) => (act.tenant, act.who),
        }
    }

    /// The bytes of its leaf. A receipt that is too long for one goes without what the policies were asked, which has all
    /// groups of whoever asked, and without the list of documents.
    pub(crate) fn leaf(&self) -> Option<Vec<u8>> {
        let fits = |entry: &Self| serde_json::to_vec(entry).ok().filter(|leaf| leaf.len() <= LEAF_BYTES_MAX);
        fits(self).or_else(|| {
            let Self::Receipt(receipt) = self else { return None };
            fits(&Self::Receipt(Box::new(Receipt { ask: None, documents: Vec::new(), ..(**receipt).clone() })))
        })
    }

    /// Reads a leaf. None for one that this program did not write.
    pub fn read(leaf: &[u8]) -> Option<Self> {
        if leaf.len() > LEAF_BYTES_MAX { None } else { serde_json::from_slice(leaf).ok() }
    }
}

/// Text is about to leave the house.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// The receipt that will close it.
    pub id: ReceiptId,
    /// When.
    pub at: Timestamp,
    /// Whose flow.
    pub tenant: TenantId,
    /// Who asks.
    pub who: Subject,
    /// What kind of flow.
    pub kind: FlowKind,
    /// The route or model that was called.
    pub asked: String,
    /// Where to.
    pub engine: Used,
    /// The label of all that goes.
    pub label: Label,
}

/// What kind of flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlowKind {
    /// A chat turn.
    Chat,
    /// A question to records.
    Answer,
    /// Texts that are embedded.
    Embedding,
    /// A search in records.
    Search,
}

/// How a flow ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Outcome {
    /// All of it went out.
    Served,
    /// The guard, a quota or a bound said no.
    Refused {
        /// Why, as one word.
        why: String,
    },
    /// Something broke.
    Failed {
        /// What, as one word.
        why: String,
    },
    /// Whoever asked hung up.
    HungUp,
    /// The process died; found open and closed at the next start.
    Lost,
}

impl Outcome {
    /// The outcome as one word, for lists and filters.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Refused { .. } => "refused",
            Self::Failed { .. } => "failed",
            Self::HungUp => "hung_up",
            Self::Lost => "lost",
        }
    }

    /// Why it ended so, as one word; where nothing more is known, the outcome itself.
    pub fn why(&self) -> &str {
        match self {
            Self::Refused { why } | Self::Failed { why } => why,
            _ => self.word(),
        }
    }
}

/// The engine that a flow used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Used {
    /// Its name.
    pub name: String,
    /// The SHA-256 of the model's file, for one in this house.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<ContentHash>,
    /// The country that it runs in.
    #[schema(value_type = String)]
    pub country: Country,
    /// Whether text leaves the house to get there.
    pub outside: bool,
}

/// An engine of a route that did not answer, before another was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PassedOver {
    /// Which.
    pub engine: Used,
    /// Whether it had been sent the text.
    pub sent: bool,
    /// Why it was passed over, as one word.
    pub why: String,
}

/// The SHA-256 of a salt and a text: whoever has both can show what the text was, and nobody else can guess it.
pub type Commitment = ContentHash;

/// What one flow leaves behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Receipt {
    /// Its id; the answer carried it.
    pub id: ReceiptId,
    /// What kind of flow.
    pub kind: FlowKind,
    /// When it began.
    pub began: Timestamp,
    /// When it was over.
    pub ended: Timestamp,
    /// Whose.
    pub tenant: TenantId,
    /// Who asked.
    #[schema(value_type = Object)]
    pub who: Subject,
    /// The route or model that was called.
    pub asked: String,
    /// The engine, if one was reached.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub engine: Option<Used>,
    /// The engines that did not answer, in the order in which they were tried.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub passed_over: Vec<PassedOver>,
    /// The label of all that went in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label: Option<Label>,
    /// The corpora that were looked into.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub corpora: Vec<CorpusId>,
    /// The documents that were used, the first 256 of them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub documents: Vec<DocumentId>,
    /// What the policies were asked, so that others can be asked the same.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<Object>)]
    pub ask: Option<Question>,
    /// The version of the policy that decided.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub policy: Option<ContentHash>,
    /// The policies that said yes or no.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub decided_by: Vec<String>,
    /// The obligations that came with the permit.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<Object>)]
    pub obligations: Option<Obligations>,
    /// How often each kind of personal data was masked.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub masked: BTreeMap<String, u32>,
    /// How often each kind of personal data was hidden in the answer; none where nothing obliged to look.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub masked_answer: Option<BTreeMap<String, u32>>,
    /// How many links, images and tags of the answer were made inert; none where nothing obliged to look.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub made_inert: Option<u32>,
    /// Tokens that were used.
    pub usage: Usage,
    /// Commits to what was asked last: the SHA-256 of the salt's 16 bytes and the text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub question: Option<Commitment>,
    /// Commits to the text of the answer, as it went out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub answer: Option<Commitment>,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Receipt {
    pub(crate) fn begun(id: ReceiptId, tenant: TenantId, who: Subject, kind: FlowKind, asked: &str) -> Self {
        let now = now();
        Self {
            id,
            kind,
            began: now,
            ended: now,
            tenant,
            who,
            asked: asked.chars().take(NAME_CHARS_MAX).collect(),
            engine: None,
            passed_over: Vec::new(),
            label: None,
            corpora: Vec::new(),
            documents: Vec::new(),
            ask: None,
            policy: None,
            decided_by: Vec::new(),
            obligations: None,
            masked: BTreeMap::new(),
            masked_answer: None,
            made_inert: None,
            usage: Usage::default(),
            question: None,
            answer: None,
            outcome: Outcome::HungUp,
        }
    }

    /// Writes down where the text goes. Another engine that has it already is passed over from now on.
    pub(super) fn goes_to(&mut self, permit: &EgressPermit, engine: &Used, masked: &BTreeMap<String, u32>) {
        if let Some(other) = self.engine.replace(engine.clone()).filter(|other| other != engine) {
            self.passed_over.push(PassedOver { engine: other, sent: true, why: "slower".to_owned() });
        }
        self.label = Some(permit.label().clone());
        self.ask = Some(permit.question().clone());
        self.policy = Some(permit.policy_version());
        self.decided_by = permit.policies().to_vec();
        self.obligations = Some(permit.obligations().clone()).filter(|obligations| !obligations.is_empty());
        self.masked.clone_from(masked);
        (self.masked_answer, self.made_inert) = (None, None);
    }

    /// Takes an engine out of the receipt, if it was sent the text. Says whether it was.
    pub(super) fn take_engine(&mut self, engine: &Used) -> bool {
        if self.engine.take_if(|used| used == engine).is_some() {
            return true;
        }
        let slower = |one: &PassedOver| one.engine == *engine && one.why == "slower";
        let place = self.passed_over.iter().position(slower);
        place.map(|place| self.passed_over.remove(place)).is_some()
    }

    /// Whether text left the house, to the engine that answered or to one that did not.
    pub fn left_the_house(&self) -> bool {
        let answered = self.engine.as_ref().is_some_and(|engine| engine.outside);
        answered || self.passed_over.iter().any(|passed| passed.sent && passed.engine.outside)
    }

    /// Names what an answer is made of.
    pub fn made_of(&mut self, corpora: impl Iterator<Item = CorpusId>, documents: impl Iterator<Item = DocumentId>) {
        self.corpora = corpora.take(DOCUMENTS_MAX).collect();
        self.documents = documents.take(DOCUMENTS_MAX).collect();
    }
}

/// Somebody changed something, or looked at records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Act {
    /// Its id.
    pub id: ReceiptId,
    /// When.
    pub at: Timestamp,
    /// Whose records.
    pub tenant: TenantId,
    /// Who.
    #[schema(value_type = Object)]
    pub who: Subject,
    /// From where: the peer's address.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<String>,
    /// What was done, as the API writes it: `DELETE /api/v1/keys/{id}`.
    pub action: String,
    /// To what: the ids in the path.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub on: Vec<String>,
    /// The HTTP status that answered it; [`Act::PROCESSING`] while it is not over, [`Act::UNKNOWN`] where nobody was
    /// answered.
    pub status: u16,
}

impl Act {
    /// It is not over.
    pub const PROCESSING: u16 = 102;
    /// Nobody was answered, so nobody knows how far it came: whoever asked hung up, or the program died. What proxies
    /// write where a client did not wait.
    pub const UNKNOWN: u16 = 499;

    /// An act that was just done.
    pub fn done(principal: &Principal, from: Option<String>, action: &str, on: &[String]) -> Self {
        Self { status: 200, ..Self::now(principal, from, action, on) }
    }

    /// An act that begins now.
    pub fn now(principal: &Principal, from: Option<String>, action: &str, on: &[String]) -> Self {
        let short = |text: &str| text.chars().take(NAME_CHARS_MAX).collect();
        Self {
            id: ReceiptId::new(),
            at: now(),
            tenant: principal.tenant,
            who: principal.subject,
            from,
            action: short(action),
            on: on.iter().take(8).map(|one| short(one)).collect(),
            status: Self::PROCESSING,
        }
    }
}

/// Now, in whole milliseconds: nobody needs more, and each leaf is shorter.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use base::{Class, GroupId, Residency};

    use super::*;
    use crate::EngineTerms;
    use crate::policy::{Act as Asked, Kind, Who};

    #[test]
    fn a_receipt_of_somebody_in_thousands_of_groups_is_recorded_all_the_same() {
        let tenant = TenantId::new();
        let mut receipt = Receipt::begun(ReceiptId::new(), tenant, Subject::Operator, FlowKind::Chat, "m");
        let who = Who {
            kind: Kind::Person,
            id: String::new(),
            tenant: Some(tenant),
            groups: (0..5_000).map(|_| GroupId::new()).collect(),
            administrator: false,
            input_class: Class::Open,
            read_class_max: Class::Open,
        };
        let label = Label {
            class: Class::Open,
            residency: Residency::Anywhere,
            purposes: ["answering".parse().unwrap()].into(),
            licences: Default::default(),
        };
        let engine = EngineTerms { name: "m".into(), country: Country::KR, class_max: Class::Open, owner: None };
        receipt.ask = Some(Question {
            who,
            act: Asked::Send(engine),
            text: label,
            purpose: "answering".parse().unwrap(),
            route: String::new(),
            home: Country::KR,
        });
        let id = receipt.id;
        let leaf = Entry::Receipt(Box::new(receipt)).leaf().unwrap();
        assert!(leaf.len() <= LEAF_BYTES_MAX);
        assert_eq!(Entry::read(&leaf).unwrap().id(), id);
    }
}
