//! A person's approval of one thing that somebody else asked for.
//!
//! Invariant: an [`Approval`] is made only by [`Guard::approve`](crate::Guard::approve), by a person of the named
//! group who is not the asker and who may read what is approved; it is good for that one question, until its time.

use std::collections::BTreeSet;

use base::{ContentHash, GroupId, Principal, Subject, TenantId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Refusal;
use crate::policy::{Question, Who};

/// Days that an approval is good for, at most.
const DAYS_MAX: i64 = 30;
/// Characters of a reason, at most.
const REASON_CHARS_MAX: usize = 500;

/// A group that may approve: its name, as the policies write it, and which one that is in the tenant.
#[derive(Debug, Clone, Copy)]
pub struct Approvers<'a> {
    /// The name in `@approval("...")`.
    pub name: &'a str,
    /// The group of that name.
    pub group: GroupId,
}

/// That a person approved one question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Approval {
    question: ContentHash,
    tenant: TenantId,
    group: String,
    approver: String,
    reason: String,
    at: Timestamp,
    until: Timestamp,
}

impl Approval {
    pub(crate) fn make(
        approver: &Principal,
        approvers: Approvers<'_>,
        question: &Question,
        reason: &str,
        at: Timestamp,
        until: Timestamp,
    ) -> Result<Self, Refusal> {
        let refused = |reason| Err(Refusal::Approval { reason });
        if !matches!(approver.subject, Subject::Person(_)) {
            return refused("only a person approves");
        }
        if question.who.tenant != Some(approver.tenant) {
            return refused("the approver is of another tenant");
        }
        if Who::of(approver).is(&question.who) {
            return refused("nobody approves what is their own request");
        }
        if !approver.groups.contains(&approvers.group) {
            return refused("the approver is not in the group");
        }
        if question.text.class > approver.read_class_max {
            return refused("the approver may not read this class");
        }
        let latest = at.checked_add(SignedDuration::from_hours(24 * DAYS_MAX)).unwrap_or(Timestamp::MAX);
        if until <= at || until > latest {
            return refused("it is good for at most 30 days, and at least for a moment");
        }
        Ok(Self {
            question: question.hash(),
            tenant: approver.tenant,
            group: approvers.name.to_owned(),
            approver: approver.subject.to_string(),
            reason: sentence(reason)
                .ok_or(Refusal::Approval { reason: "it needs a reason of at most 500 characters" })?,
            at,
            until,
        })
    }

    /// Reads approvals that were kept as JSON. What this program wrote is believed; the store is its own.
    pub(crate) fn kept(json: &str) -> Result<Vec<Self>, serde_json::Error> {
        #[derive(Deserialize)]
        struct Kept {
            question: ContentHash,
            tenant: TenantId,
            group: String,
            approver: String,
            reason: String,
            at: Timestamp,
            until: Timestamp,
        }
        let kept: Vec<Kept> = serde_json::from_str(json)?;
        let approval = |Kept { question, tenant, group, approver, reason, at, until }| Self {
            question,
            tenant,
            group,
            approver,
            reason,
            at,
            until,
        };
        Ok(kept.into_iter().map(approval).collect())
    }

    /// Who gave it, by id.
    pub fn approver(&self) -> &str {
        &self.approver
    }

    /// Until when it is good.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// The group in whose name it was given.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Whether it is an approval of `question` by one of `groups`, and still good.
    ///
    /// # Errors
    /// [`Refusal::Approval`].
    pub(crate) fn counts_for(
        &self,
        question: &Question,
        groups: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let refused = |reason| Err(Refusal::Approval { reason });
        if self.question != question.hash() {
            return refused("it is for something else");
        }
        if !groups.is_empty() && !groups.contains(&self.group) {
            return refused("it is of a group that was not asked");
        }
        if now > self.until || now < self.at {
            return refused("its time is over");
        }
        Ok(())
    }
}

/// A reason that says something: one to 500 characters.
pub(crate) fn sentence(reason: &str) -> Option<String> {
    let reason = reason.trim();
    (1..=REASON_CHARS_MAX).contains(&reason.chars().count()).then(|| reason.to_owned())
}
