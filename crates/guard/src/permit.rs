//! Permits: the proof that rule and policy were asked and said yes.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use base::{Class, ContentHash, CorpusId, Country, GroupId, Label, Name, Principal, Purpose, TenantId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::policy::{Decision, Obligations, Question};
use crate::{Approval, Refusal};

/// What governs access to one corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorpusTerms {
    /// The corpus.
    pub corpus: CorpusId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Groups that may read it; empty means everybody of the tenant.
    pub readers: BTreeSet<GroupId>,
    /// The label that its documents take at least.
    pub label: Label,
}

/// What governs access to one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentTerms {
    /// The corpus it stands in.
    pub corpus: CorpusId,
    /// Its class, the corpus's joined in.
    pub class: Class,
    /// Groups that may read it beyond what the corpus asks; empty means whoever may read the corpus.
    pub readers: BTreeSet<GroupId>,
}

/// What governs the use of one engine, or of whatever else text goes to: a tool, a place for exports.
///
/// In a file of questions, country and class may be left out: `KR`, and `classified`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EngineTerms {
    /// Its name, as in messages and receipts.
    pub name: String,
    /// Where it runs.
    #[serde(default = "korea")]
    pub country: Country,
    /// The highest class that it may see.
    #[serde(default = "classified")]
    pub class_max: Class,
    /// Who runs it; none where this institution does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Name>,
}

impl EngineTerms {
    /// Whether text that goes here instead of to `first` crosses a border that it would not have crossed there: out of
    /// the house, or, for a house in `home`, into another country.
    pub fn is_beyond(&self, first: &EngineTerms, home: Country) -> bool {
        let leaves = self.owner.is_some() && first.owner.is_none();
        leaves || (self.country != home && self.country != first.country)
    }
}

impl fmt::Display for EngineTerms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = self.owner.as_ref().map_or("the house", Name::as_str);
        write!(f, "`{}` in {} of {owner}", self.name, self.country)
    }
}

fn korea() -> Country {
    Country::KR
}

fn classified() -> Class {
    Class::Classified
}

/// The proof that a principal may search these corpora for this purpose.
#[derive(Debug, Clone)]
pub struct SearchPermit {
    pub(crate) tenant: TenantId,
    pub(crate) groups: BTreeSet<GroupId>,
    pub(crate) operator: bool,
    pub(crate) class_max: Class,
    pub(crate) purpose: Purpose,
    pub(crate) corpora: BTreeSet<CorpusId>,
    pub(crate) obligations: Obligations,
    pub(crate) version: ContentHash,
}

impl SearchPermit {
    /// The corpora that may be searched.
    pub fn corpora(&self) -> &BTreeSet<CorpusId> {
        &self.corpora
    }

    /// Whose records may be searched.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// What for.
    pub fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    /// The highest class that may be found.
    pub fn class_max(&self) -> Class {
        self.class_max
    }

    /// The groups whose documents may be found; none where those of all groups may.
    pub fn groups(&self) -> Option<&BTreeSet<GroupId>> {
        (!self.operator).then_some(&self.groups)
    }

    /// What the policies ask for in return, those of all corpora joined.
    pub fn obligations(&self) -> &Obligations {
        &self.obligations
    }

    /// The version of the policies that were asked.
    pub fn policy_version(&self) -> ContentHash {
        self.version
    }

    /// Whether a document may be found. Asked once when a search's filter is built, and again of each hit.
    pub fn allows(&self, document: &DocumentTerms) -> bool {
        self.corpora.contains(&document.corpus)
            && document.class <= self.class_max
            && (self.operator || document.readers.is_empty() || !document.readers.is_disjoint(&self.groups))
    }
}

/// What kind of thing a text goes to. A permit for one kind opens no other, whatever the names are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outlet {
    Engine,
    Tool,
    Place,
}

/// The proof that text of this label may go to this engine (tool, place) for this purpose, once its obligations are met.
#[derive(Debug, Clone)]
pub struct EgressPermit {
    pub(crate) outlet: Outlet,
    pub(crate) engine: EngineTerms,
    pub(crate) question: Question,
    pub(crate) decision: Arc<Decision>,
    pub(crate) obligations: Arc<Obligations>,
    pub(crate) approved: BTreeSet<String>,
}

impl EgressPermit {
    /// The engine, tool or place that the text may go to.
    pub fn engine(&self) -> &EngineTerms {
        &self.engine
    }

    /// The label of all that may go.
    pub fn label(&self) -> &Label {
        &self.question.text
    }

    /// What for.
    pub fn purpose(&self) -> &Purpose {
        &self.question.purpose
    }

    /// What was asked, for the receipt and for whoever approves.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// What the policies ask for in return.
    pub fn obligations(&self) -> &Obligations {
        &self.obligations
    }

    /// The version of the policies that were asked.
    pub fn policy_version(&self) -> ContentHash {
        self.decision.version
    }

    /// The policies that permitted it, by id.
    pub fn policies(&self) -> &[String] {
        &self.decision.policies
    }

    /// A group whose approval is missing. Until it is there, nothing is cleared.
    pub fn missing_approval(&self) -> Option<&str> {
        self.obligations.approval.difference(&self.approved).next().map(String::as_str)
    }

    /// Takes an approval that the policies ask for.
    ///
    /// # Errors
    /// [`Refusal::Approval`] if it is for something else, of another group, or too old.
    pub fn approve(&mut self, approval: &Approval, now: Timestamp) -> Result<(), Refusal> {
        approval.counts_for(&self.question, &self.obligations.approval, now)?;
        self.approved.insert(approval.group().to_owned());
        Ok(())
    }

    /// Clears `text` of the given label for the way to this permit's engine.
    ///
    /// # Errors
    /// [`Refusal::OutsidePermit`] if the label is stricter than the one the permit was given for,
    /// [`Refusal::ApprovalFirst`] where an approval is missing, [`Refusal::MaskFirst`] where personal data must be
    /// masked: see [`EgressPermit::clear_masked`].
    pub fn clear<T>(&self, text: T, label: &Label) -> Result<Cleared<T>, Refusal> {
        self.ready(label)?;
        if !self.obligations.mask.is_empty() {
            return Err(Refusal::MaskFirst { engine: self.engine.name.clone() });
        }
        Ok(self.cleared(text))
    }

    /// Clears a masked text of the given label for the way to this permit's engine.
    ///
    /// # Errors
    /// As [`EgressPermit::clear`]; [`Refusal::MaskFirst`] where it was not masked for all that the policies name.
    pub fn clear_masked<T>(&self, masked: Masked<T>, label: &Label) -> Result<Cleared<T>, Refusal> {
        self.ready(label)?;
        if !self.obligations.mask.is_subset(&masked.masks) {
            return Err(Refusal::MaskFirst { engine: self.engine.name.clone() });
        }
        Ok(self.cleared(masked.text))
    }

    fn ready(&self, label: &Label) -> Result<(), Refusal> {
        if !self.question.text.is_at_least(label) {
            return Err(Refusal::OutsidePermit);
        }
        match self.missing_approval() {
            Some(group) => Err(Refusal::ApprovalFirst { group: group.to_owned() }),
            None => Ok(()),
        }
    }

    fn cleared<T>(&self, text: T) -> Cleared<T> {
        Cleared { text, outlet: self.outlet, engine: self.engine.name.clone() }
    }
}

/// A text in which personal data were masked. Only this crate's masking makes one, after it looked
/// for everything that `masks` names, and after it masked all that it found.
#[derive(Debug, Clone)]
pub struct Masked<T> {
    text: T,
    masks: BTreeSet<String>,
}

impl<T> Masked<T> {
    /// The proof that `text` was masked for `masks`: the kinds and packs, as an `@mask` names them.
    pub(crate) fn by(text: T, masks: BTreeSet<String>) -> Self {
        Self { text, masks }
    }

    /// The same proof, for whoever only looks.
    pub fn as_ref(&self) -> Masked<&T> {
        Masked { text: &self.text, masks: self.masks.clone() }
    }

    /// Takes something out of it. What is put in here is not masked, so nothing may be.
    pub fn shorten(&mut self, shorten: impl FnOnce(&mut T)) {
        shorten(&mut self.text);
    }

    /// What it was masked for.
    pub fn masks(&self) -> &BTreeSet<String> {
        &self.masks
    }
}

/// A text that has been reviewed for one engine. Engines are handed nothing else.
#[derive(Debug, Clone)]
pub struct Cleared<T> {
    text: T,
    outlet: Outlet,
    engine: String,
}

impl<T> Cleared<T> {
    /// Gives the text out for the engine that it was cleared for.
    ///
    /// # Errors
    /// [`Refusal::OutsidePermit`] for any other engine.
    pub fn release(self, engine: &str) -> Result<T, Refusal> {
        self.release_to(Outlet::Engine, engine)
    }

    /// Gives the text out for the tool that it was cleared for.
    ///
    /// # Errors
    /// [`Refusal::OutsidePermit`] for anything else.
    pub fn release_to_tool(self, tool: &str) -> Result<T, Refusal> {
        self.release_to(Outlet::Tool, tool)
    }

    /// Gives the text out for the export that it was cleared for.
    ///
    /// # Errors
    /// [`Refusal::OutsidePermit`] for anything else.
    pub fn release_to_place(self, place: &str) -> Result<T, Refusal> {
        self.release_to(Outlet::Place, place)
    }

    fn release_to(self, outlet: Outlet, name: &str) -> Result<T, Refusal> {
        if self.outlet == outlet && self.engine == name { Ok(self.text) } else { Err(Refusal::OutsidePermit) }
    }
}

pub(crate) fn administers(principal: &Principal) -> bool {
    principal.is_operator() || principal.administrator
}

pub(crate) fn reads_corpus(principal: &Principal, corpus: &CorpusTerms) -> bool {
    principal.tenant == corpus.tenant
        && (principal.is_operator() || corpus.readers.is_empty() || !corpus.readers.is_disjoint(&principal.groups))
}

#[cfg(test)]
mod tests;
