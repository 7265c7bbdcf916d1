//! What people are asked to approve, and what they said.
//!
//! Where a policy wants somebody's approval first, the question waits here. It holds no text: it says who asks, what is
//! to happen, and the label of the text. An approval counts from the moment at which it is on disk.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use base::{ApprovalId, ContentHash, DocumentId, GroupId, Principal, TenantId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use store::{Store, StoreError};

use crate::approval::{self, Approval, Approvers};
use crate::policy::{Act, Question, Who};
use crate::{Guard, Refusal};

/// Questions of one tenant that wait at the same time.
const OPEN_MAX: i64 = 1_000;
/// Of those, questions of one principal.
const OPEN_EACH_MAX: i64 = 50;
/// Days that a question waits.
const OPEN_DAYS: i64 = 30;

/// Approvals by the question that they are for.
pub(crate) type Known = Arc<RwLock<HashMap<ContentHash, Vec<Approval>>>>;

/// Where a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// Somebody's approval is missing.
    Open,
    /// All whom the policies name have approved.
    Approved,
    /// Somebody said no.
    Declined,
    /// Nobody said anything for thirty days.
    Expired,
}

impl ApprovalState {
    /// The word for this state.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Expired => "expired",
        }
    }

    fn read(word: &str) -> Result<Self, StoreError> {
        [Self::Open, Self::Approved, Self::Declined, Self::Expired]
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or_else(|| StoreError::Broken("an approval's state".to_owned()))
    }
}

/// That somebody said no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Declined {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A question that needs approval.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ApprovalRequest {
    /// Its id.
    pub id: ApprovalId,
    /// Whose.
    pub tenant: TenantId,
    /// What is to happen, who asks, and the label of the text. No text.
    #[schema(value_type = Object)]
    pub question: Question,
    /// The groups of each of which one person must approve.
    pub groups: BTreeSet<String>,
    /// When it was asked first.
    pub asked: Timestamp,
    /// Where it stands.
    pub state: ApprovalState,
    /// The approvals so far.
    #[schema(value_type = Vec<Object>)]
    pub approvals: Vec<Approval>,
    /// Who said no, if somebody did.
    pub declined: Option<Declined>,
}

impl ApprovalRequest {
    /// Whether this principal asked.
    pub fn is_of(&self, principal: &Principal) -> bool {
        Who::of(principal).is(&self.question.who)
    }

    /// The document whose class is to be lowered, if it is about one.
    pub fn document(&self) -> Option<DocumentId> {
        match &self.question.act {
            Act::Declassify(step) => step.document,
            _ => None,
        }
    }

    /// The ids of all who are named in it: who asked, who approved, who declined.
    pub fn named(&self) -> BTreeSet<&str> {
        let approvers = self.approvals.iter().map(Approval::approver);
        let declined = self.declined.iter().map(|declined| &*declined.by);
        approvers.chain(declined).chain([&*self.question.who.id]).collect()
    }
}

/// What an approver says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes, until then.
    Approve {
        /// At most thirty days away.
        until: Timestamp,
    },
    /// No.
    Decline,
}

/// Why a question was not filed or answered.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalsError {
    /// There is none of that id in this tenant.
    #[error("approval request `{0}` does not exist")]
    NotFound(ApprovalId),
    /// It was answered before, or its time is over.
    #[error("this request is {}", .0.as_str())]
    Closed(ApprovalState),
    /// Too many wait already.
    #[error("too many requests wait for an approval already")]
    Full,
    /// It may not be answered so by this principal.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ApprovalsError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// The questions of all tenants that need approval.
#[derive(Debug)]
pub struct Approvals {
    store: Arc<Store>,
    guard: Guard,
}

impl Approvals {
    /// Opens the questions of a store that was opened with [`SCHEMA`](crate::SCHEMA). From then on `guard` knows the
    /// approvals that were given.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn open(store: Arc<Store>, guard: Guard) -> Result<Self, StoreError> {
        let rows =
            sqlx::query("SELECT * FROM approval_request WHERE state = 'approved'").fetch_all(store.read()).await?;
        let now = Timestamp::now();
        for row in &rows {
            let request = from_row(row)?;
            if request.approvals.iter().all(|approval| approval.until() > now) {
                learn(guard.known(), &request);
            }
        }
        Ok(Self { store, guard })
    }

    /// Files a question that needs the approval of each of `groups`. The same question is filed once while it is open.
    ///
    /// # Errors
    /// [`ApprovalsError::Full`].
    pub async fn ask(&self, question: &Question, groups: &BTreeSet<String>) -> Result<ApprovalId, ApprovalsError> {
        let tenant = question.who.tenant.ok_or(Refusal::Approval { reason: "nobody's question" })?;
        let (hash, now) = (question.hash(), Timestamp::now());
        let oldest = now.checked_sub(SignedDuration::from_hours(24 * OPEN_DAYS)).unwrap_or(Timestamp::MIN);
        let mut write = self.store.write().await?;
        sqlx::query("UPDATE approval_request SET state = 'expired' WHERE state = 'open' AND asked < ?")
            .bind(oldest.as_millisecond())
            .execute(&mut *write)
            .await?;
        let known: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT id FROM approval_request WHERE hash = ? AND state = 'open'")
                .bind(hash.as_bytes().as_slice())
                .fetch_optional(&mut *write)
                .await?;
        if let Some(id) = known {
            write.commit().await?;
            return ApprovalId::try_from(id.as_slice()).map_err(|_| broken("id").into());
        }
        let who = format!("{:?}:{}", question.who.kind, question.who.id);
        let (all, own): (i64, i64) = sqlx::query_as(
            "SELECT count(*), coalesce(sum(who = ?2), 0) FROM approval_request WHERE tenant = ?1 AND state = 'open'",
        )
        .bind(tenant.as_bytes().as_slice())
        .bind(&who)
        .fetch_one(&mut *write)
        .await?;
        if all >= OPEN_MAX || own >= OPEN_EACH_MAX {
            return Err(ApprovalsError::Full);
        }
        let id = ApprovalId::new();
        sqlx::query(
            "INSERT INTO approval_request (id, tenant, who, hash, question, wanted, asked, state, approvals, declined)
             VALUES (?, ?, ?, ?, ?, ?, ?, 'open', '[]', NULL)",
        )
        .bind(id.as_bytes().as_slice())
        .bind(tenant.as_bytes().as_slice())
        .bind(who)
        .bind(hash.as_bytes().as_slice())
        .bind(json(question)?)
        .bind(json(groups)?)
        .bind(now.as_millisecond())
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(id)
    }

    /// The questions of a tenant, the newest first, at most `limit`.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn list(&self, tenant: TenantId, limit: u32) -> Result<Vec<ApprovalRequest>, ApprovalsError> {
        let rows = sqlx::query("SELECT * FROM approval_request WHERE tenant = ? ORDER BY asked DESC, id LIMIT ?")
            .bind(tenant.as_bytes().as_slice())
            .bind(limit)
            .fetch_all(self.store.read())
            .await?;
        Ok(rows.iter().map(from_row).collect::<Result<_, _>>()?)
    }

    /// One question of a tenant.
    ///
    /// # Errors
    /// [`ApprovalsError::NotFound`].
    pub async fn find(&self, tenant: TenantId, id: ApprovalId) -> Result<ApprovalRequest, ApprovalsError> {
        let row = sqlx::query("SELECT * FROM approval_request WHERE tenant = ? AND id = ?")
            .bind(tenant.as_bytes().as_slice())
            .bind(id.as_bytes().as_slice())
            .fetch_optional(self.store.read())
            .await?;
        Ok(from_row(&row.ok_or(ApprovalsError::NotFound(id))?)?)
    }

    /// Takes what an approver says. `groups` are those of the tenant, by name; the approver speaks for each of the groups
    /// that were asked and that the approver is in.
    ///
    /// # Errors
    /// [`ApprovalsError::Closed`], and [`ApprovalsError::Refused`] where this principal may not say so.
    pub async fn answer(
        &self,
        approver: &Principal,
        groups: &HashMap<String, GroupId>,
        id: ApprovalId,
        verdict: Verdict,
        reason: &str,
    ) -> Result<ApprovalRequest, ApprovalsError> {
        let mut write = self.store.write().await?;
        let row = sqlx::query("SELECT * FROM approval_request WHERE tenant = ? AND id = ?")
            .bind(approver.tenant.as_bytes().as_slice())
            .bind(id.as_bytes().as_slice())
            .fetch_optional(&mut *write)
            .await?;
        let mut request = from_row(&row.ok_or(ApprovalsError::NotFound(id))?)?;
        if request.state != ApprovalState::Open {
            return Err(ApprovalsError::Closed(request.state));
        }
        let now = Timestamp::now();
        // A no is held to what a yes is held to; it is only not kept as one.
        let until = match verdict {
            Verdict::Approve { until } => until,
            Verdict::Decline => now.checked_add(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MAX),
        };
        let mut given = Vec::new();
        let mut refused = Refusal::Approval { reason: "the approver is not in the group" };
        for name in &request.groups {
            let Some(group) = groups.get(name).copied() else { continue };
            match self.guard.approve(approver, Approvers { name, group }, &request.question, reason, (now, until)) {
                Ok(approval) => given.push(approval),
                Err(refusal) => refused = refusal,
            }
        }
        if given.is_empty() {
            return Err(refused.into());
        }
        match verdict {
            Verdict::Decline => {
                let reason = approval::sentence(reason).unwrap_or_default();
                request.declined = Some(Declined { by: approver.subject.to_string(), reason, at: now });
                request.state = ApprovalState::Declined;
            }
            Verdict::Approve { .. } => {
                request.approvals.retain(|old| !given.iter().any(|new| new.group() == old.group()));
                request.approvals.extend(given);
                let approved: BTreeSet<&str> = request.approvals.iter().map(Approval::group).collect();
                if request.groups.iter().all(|group| approved.contains(&**group)) {
                    request.state = ApprovalState::Approved;
                }
            }
        }
        sqlx::query("UPDATE approval_request SET state = ?, approvals = ?, declined = ? WHERE id = ?")
            .bind(request.state.as_str())
            .bind(json(&request.approvals)?)
            .bind(request.declined.as_ref().map(json).transpose()?)
            .bind(id.as_bytes().as_slice())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        if request.state == ApprovalState::Approved {
            learn(self.guard.known(), &request);
        }
        Ok(request)
    }
}

fn learn(known: &Known, request: &ApprovalRequest) {
    let now = Timestamp::now();
    let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
    known.retain(|_, approvals| approvals.iter().all(|approval| approval.until() > now));
    known.insert(request.question.hash(), request.approvals.clone());
}

fn from_row(row: &SqliteRow) -> Result<ApprovalRequest, StoreError> {
    let id: Vec<u8> = row.try_get("id")?;
    let tenant: Vec<u8> = row.try_get("tenant")?;
    let (question, groups): (String, String) = (row.try_get("question")?, row.try_get("wanted")?);
    let (state, approvals): (String, String) = (row.try_get("state")?, row.try_get("approvals")?);
    let declined: Option<String> = row.try_get("declined")?;
    Ok(ApprovalRequest {
        id: ApprovalId::try_from(id.as_slice()).map_err(|_| broken("id"))?,
        tenant: TenantId::try_from(tenant.as_slice()).map_err(|_| broken("tenant"))?,
        question: serde_json::from_str(&question).map_err(|_| broken("question"))?,
        groups: serde_json::from_str(&groups).map_err(|_| broken("groups"))?,
        asked: Timestamp::from_millisecond(row.try_get("asked")?).map_err(|_| broken("time"))?,
        state: ApprovalState::read(&state)?,
        approvals: Approval::kept(&approvals).map_err(|_| broken("approvals"))?,
        declined: declined.map(|text| serde_json::from_str(&text)).transpose().map_err(|_| broken("no"))?,
    })
}

fn broken(what: &str) -> StoreError {
    StoreError::Broken(format!("an approval request's {what}"))
}

fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Broken(error.to_string()))
}
