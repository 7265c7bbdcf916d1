//! Questions that need somebody's approval, and the answers to them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base::{ApprovalId, DocumentId, GroupId, Principal};
use guard::{ApprovalRequest, ApprovalState, Verdict};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::page::{List, Page};
use crate::App;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::input::{Path, Query};
use crate::openai::Body;

/// Questions that are looked through for one list, the newest ones.
const LOOKED_MAX: u32 = 10_000;
/// Days that an approval is good for where nobody says.
const DAYS_USUAL: u32 = 7;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only those that stand so.
    state: Option<ApprovalState>,
}

/// A question that needs approval, as this caller sees it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Approval {
    #[serde(flatten)]
    request: ApprovalRequest,
    /// Whether it waits for this caller's answer.
    yours_to_answer: bool,
    /// What those who are named in it are called, by their ids.
    names: BTreeMap<String, String>,
    /// The document that it is about, for a caller who may read text of its class.
    about: Option<About>,
}

/// A document, by its place.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AboutDocument)]
struct About {
    corpus: String,
    path: String,
}

#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Word {
    Approve,
    Decline,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    answer: Word,
    /// Why, in 1 to 500 characters.
    reason: String,
    /// Days that an approval is good for, 1 to 30; 7 where nothing is said.
    #[serde(default)]
    days: Option<u32>,
}

/// What waits for somebody's approval, and what was answered, the newest first: all of the tenant for administrators, for
/// others what they asked for themselves and what is theirs to answer.
#[utoipa::path(
    get,
    path = "/approvals",
    params(Page, Which),
    responses((status = 200, body = List<Approval>)),
)]
pub(crate) async fn list(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
    Query(which): Query<Which>,
) -> Result<Json<List<Approval>>, ApiError> {
    let groups = groups(&app, &principal);
    let mut found = app.approvals.list(principal.tenant, LOOKED_MAX).await?;
    found.retain(|request| {
        which.state.is_none_or(|state| request.state == state) && sees(&app, &principal, &groups, request)
    });
    let List { data, next } = page.newest(found, |request| request.id.to_string())?;
    let mut told = Vec::with_capacity(data.len());
    for request in data {
        told.push(tell(&app, &principal, &groups, request).await?);
    }
    Ok(Json(List { data: told, next }))
}

/// One question that needs approval.
#[utoipa::path(
    get,
    path = "/approvals/{id}",
    params(("id" = String, Path, description = "The id")),
    responses((status = 200, body = Approval)),
)]
pub(crate) async fn show(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(id): Path<ApprovalId>,
) -> Result<Json<Approval>, ApiError> {
    let groups = groups(&app, &principal);
    let request = visible(&app, &principal, &groups, id).await?;
    Ok(Json(tell(&app, &principal, &groups, request).await?))
}

/// Approves or declines what somebody else asked for. Only a person of the group that the policy names may, who may read
/// text of that class.
#[utoipa::path(
    post,
    path = "/approvals/{id}",
    params(("id" = String, Path, description = "The id")),
    request_body = Answer,
    responses((status = 200, body = Approval)),
)]
pub(crate) async fn answer(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(id): Path<ApprovalId>,
    Body(answer): Body<Answer>,
) -> Result<Json<Approval>, ApiError> {
    let groups = groups(&app, &principal);
    visible(&app, &principal, &groups, id).await?;
    let verdict = match answer.answer {
        Word::Decline => Verdict::Decline,
        Word::Approve => {
            let days = answer.days.unwrap_or(DAYS_USUAL);
            if !(1..=30).contains(&days) {
                return Err(ApiError::field("days", "is 1 to 30"));
            }
            let until = Timestamp::now().checked_add(SignedDuration::from_hours(24 * i64::from(days)));
            Verdict::Approve { until: until.map_err(|error| ApiError::internal(&error))? }
        }
    };
    let request = app.approvals.answer(&principal, &groups, id, verdict, &answer.reason).await?;
    Ok(Json(tell(&app, &principal, &groups, request).await?))
}

async fn visible(
    app: &App,
    principal: &Principal,
    groups: &HashMap<String, GroupId>,
    id: ApprovalId,
) -> Result<ApprovalRequest, ApiError> {
    let request = app.approvals.find(principal.tenant, id).await?;
    if sees(app, principal, groups, &request) { Ok(request) } else { Err(ApiError::NotFound("approval request")) }
}

/// The groups of the tenant, by the names that policies use.
fn groups(app: &App, principal: &Principal) -> HashMap<String, GroupId> {
    app.tenancy.groups(principal.tenant).into_iter().map(|group| (group.name, group.id)).collect()
}

fn sees(app: &App, principal: &Principal, groups: &HashMap<String, GroupId>, request: &ApprovalRequest) -> bool {
    app.guard.may_administer(principal).is_ok() || request.is_of(principal) || may_answer(principal, groups, request)
}

fn may_answer(principal: &Principal, groups: &HashMap<String, GroupId>, request: &ApprovalRequest) -> bool {
    request.groups.iter().filter_map(|name| groups.get(name)).any(|group| principal.groups.contains(group))
}

async fn tell(
    app: &App,
    principal: &Principal,
    groups: &HashMap<String, GroupId>,
    request: ApprovalRequest,
) -> Result<Approval, ApiError> {
    let open = request.state == ApprovalState::Open && !request.is_of(principal);
    let about = match request.document().filter(|_| request.question.text.class <= principal.read_class_max) {
        Some(document) => about(app, document).await?,
        None => None,
    };
    Ok(Approval {
        yours_to_answer: open && may_answer(principal, groups, &request),
        names: names(app, &request),
        about,
        request,
    })
}

/// Where a document lies, if it is there still.
async fn about(app: &App, document: DocumentId) -> Result<Option<About>, ApiError> {
    let Some(revision) = app.corpora.revisions(document).await?.pop() else { return Ok(None) };
    let corpus = app.corpora.get(revision.corpus).await?;
    Ok(corpus.map(|corpus| About { corpus: corpus.name, path: revision.path }))
}

/// The names of all people and keys that a request names.
fn names(app: &App, request: &ApprovalRequest) -> BTreeMap<String, String> {
    let people = app.tenancy.people(request.tenant).into_iter().map(|person| (person.id.to_string(), person.name));
    let keys = app.tenancy.keys(request.tenant).into_iter().map(|key| (key.id.to_string(), key.name));
    let named = request.named();
    people.chain(keys).filter(|(id, _)| named.contains(id.as_str())).collect()
}
