//! Permits: the proof that the rule was asked and said yes.

use std::collections::BTreeSet;

use base::{Class, CorpusId, Country, GroupId, Label, Principal, Purpose, TenantId};

use crate::Refusal;

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

/// What governs the use of one engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineTerms {
    /// Its name, as in messages and receipts.
    pub name: String,
    /// Where it runs.
    pub country: Country,
    /// The highest class that it may see.
    pub class_max: Class,
    /// Whether text leaves the house to get there.
    pub outside: bool,
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

    /// Whether a document may be found. Asked once when a search's filter is built, and again of each hit.
    pub fn allows(&self, document: &DocumentTerms) -> bool {
        self.corpora.contains(&document.corpus)
            && document.class <= self.class_max
            && (self.operator || document.readers.is_empty() || !document.readers.is_disjoint(&self.groups))
    }
}

/// The proof that text of this label may go to this engine for this purpose.
#[derive(Debug, Clone)]
pub struct EgressPermit {
    pub(crate) engine: EngineTerms,
    pub(crate) label: Label,
    pub(crate) purpose: Purpose,
}

impl EgressPermit {
    /// The engine that the text may go to.
    pub fn engine(&self) -> &EngineTerms {
        &self.engine
    }

    /// The label of all that may go.
    pub fn label(&self) -> &Label {
        &self.label
    }

    /// What for.
    pub fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    /// Clears `text` of the given label for the way to this permit's engine.
    ///
    /// # Errors
    /// [`Refusal::OutsidePermit`] if the label is stricter than the one the permit was given for.
    pub fn clear<T>(&self, text: T, label: &Label) -> Result<Cleared<T>, Refusal> {
        if !self.label.is_at_least(label) {
            return Err(Refusal::OutsidePermit);
        }
        Ok(Cleared { text, engine: self.engine.name.clone() })
    }
}

/// A text that has been reviewed for one engine. Engines are handed nothing else.
#[derive(Debug, Clone)]
pub struct Cleared<T> {
    text: T,
    engine: String,
}

impl<T> Cleared<T> {
    /// Gives the text out for the engine that it was cleared for.
    ///
    /// # Errors
    /// [`Refusal::OutsidePermit`] for any other engine.
    pub fn release(self, engine: &str) -> Result<T, Refusal> {
        if self.engine == engine { Ok(self.text) } else { Err(Refusal::OutsidePermit) }
    }
}

pub(crate) fn administers(principal: &Principal) -> bool {
    principal.is_operator() || principal.administrator
}

pub(crate) fn reads_corpus(principal: &Principal, corpus: &CorpusTerms) -> bool {
    principal.tenant == corpus.tenant
        && (principal.is_operator() || corpus.readers.is_empty() || !corpus.readers.is_disjoint(&principal.groups))
}
