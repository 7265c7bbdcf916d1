//! Declassification: the one way by which a class becomes lower, and what is left on record of it.

use base::{Class, ContentHash, DocumentId, Label, Principal};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::approval::sentence;
use crate::policy::{Act, Question, Who};
use crate::{Approval, Guard, Refusal};

/// A lower class that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Declassification {
    /// Which document; none for a text that is no document.
    #[serde(default)]
    pub document: Option<DocumentId>,
    /// The class that it is to have.
    pub to: Class,
    /// Why.
    pub reason: String,
    /// Until when; none means for good.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

impl Declassification {
    /// Whether it lowers a text of class `from`, and says why.
    pub(crate) fn holds(&self, from: Class) -> Result<(), Refusal> {
        if self.to >= from {
            return Err(Refusal::Declassification { reason: "the class would not be lower" });
        }
        if sentence(&self.reason).is_none() {
            return Err(Refusal::Declassification { reason: "it needs a reason of at most 500 characters" });
        }
        Ok(())
    }
}

/// A label with a lower class.
///
/// Invariant: made only by [`Guard::declassify`], and never without its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declassified {
    before: Label,
    after: Label,
    record: DeclassificationRecord,
}

/// What is left on record of a declassification: who asked for what, who approved, and by which policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeclassificationRecord {
    /// What was asked: who, the label before, the class after, why, until when.
    pub question: Question,
    /// Who approved, why, and when.
    pub approvals: Vec<Approval>,
    /// The policies that permitted it, by id.
    pub policies: Vec<String>,
    /// Their version.
    pub policy_version: ContentHash,
    /// Years that this record is kept, at least.
    pub keep_years: Option<u16>,
    /// When.
    pub at: Timestamp,
}

impl Declassified {
    /// The label that counts at a moment: the lower one until its time is over.
    pub fn label_at(&self, now: Timestamp) -> &Label {
        let Act::Declassify(step) = &self.record.question.act else { return &self.before };
        if step.until.is_none_or(|until| now < until) { &self.after } else { &self.before }
    }

    /// What is left on record.
    pub fn record(&self) -> &DeclassificationRecord {
        &self.record
    }
}

impl Guard {
    /// The question that a declassification is, for whoever is to approve it.
    pub fn declassification(&self, principal: &Principal, label: &Label, step: &Declassification) -> Question {
        Question {
            who: Who::of(principal),
            act: Act::Declassify(step.clone()),
            text: label.clone(),
            purpose: crate::policy::word("declassifying"),
            route: String::new(),
            home: self.home(),
        }
    }

    /// Lowers the class of `label`, if the policies permit it and everybody whom they name has approved. Where they name
    /// nobody, it still takes one approval.
    ///
    /// # Errors
    /// The first [`Refusal`].
    pub fn declassify(
        &self,
        principal: &Principal,
        label: &Label,
        step: &Declassification,
        approvals: &[Approval],
        now: Timestamp,
    ) -> Result<Declassified, Refusal> {
        let question = self.declassification(principal, label, step);
        let decision = self.policies().decide(&question);
        let obligations = decision.obligations()?;
        if step.until.is_some_and(|until| until <= now) {
            return Err(Refusal::Declassification { reason: "its time is over" });
        }
        for approval in approvals {
            approval.counts_for(&question, &obligations.approval, now)?;
        }
        let has_approved = |group: &str| approvals.iter().any(|approval| approval.group() == group);
        if let Some(group) = obligations.approval.iter().find(|group| !has_approved(group)) {
            return Err(Refusal::ApprovalFirst { group: group.clone() });
        }
        if approvals.is_empty() {
            return Err(Refusal::Approval { reason: "there is none" });
        }
        let record = DeclassificationRecord {
            question,
            approvals: approvals.to_vec(),
            policies: decision.policies.clone(),
            policy_version: decision.version,
            keep_years: obligations.keep_years,
            at: now,
        };
        Ok(Declassified { before: label.clone(), after: Label { class: step.to, ..label.clone() }, record })
    }
}
