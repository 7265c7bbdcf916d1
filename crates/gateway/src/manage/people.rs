//! Groups and people of a tenant.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base::{GroupId, PersonId, Principal, TenantId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tenancy::PersonChange;

use super::keys::group_names;
use super::page::{List, Page, Removed};
use crate::App;
use crate::caller::Administrator;
use crate::error::ApiError;
use crate::input::{Path, Query};
use crate::openai::Body;

/// A set of people and keys that can be named as readers.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Group {
    id: GroupId,
    name: String,
    created: Timestamp,
}

impl From<tenancy::Group> for Group {
    fn from(group: tenancy::Group) -> Self {
        Self { id: group.id, name: group.name, created: group.created }
    }
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct NewGroup {
    name: String,
}

/// The groups, by name.
#[utoipa::path(
    get,
    path = "/groups",
    params(Page),
    responses((status = 200, body = List<Group>)),
)]
pub(crate) async fn list_groups(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<Json<List<Group>>, ApiError> {
    let groups = page.of(app.tenancy.groups(principal.tenant), |group| &group.name)?;
    Ok(Json(groups.map(Group::from)))
}

/// Makes a group.
#[utoipa::path(
    post,
    path = "/groups",
    request_body = NewGroup,
    responses((status = 200, body = Group)),
)]
pub(crate) async fn create_group(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Body(new): Body<NewGroup>,
) -> Result<Json<Group>, ApiError> {
    Ok(Json(app.tenancy.create_group(principal.tenant, &new.name).await?.into()))
}

/// One group.
#[utoipa::path(
    get,
    path = "/groups/{name}",
    params(("name" = String, Path, description = "The name")),
    responses((status = 200, body = Group)),
)]
pub(crate) async fn show_group(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Group>, ApiError> {
    Ok(Json(app.tenancy.group(principal.tenant, &name)?.into()))
}

/// Removes a group that is no corpus's reader.
#[utoipa::path(
    delete,
    path = "/groups/{name}",
    params(("name" = String, Path, description = "The name")),
    responses((status = 200, body = Removed)),
)]
pub(crate) async fn remove_group(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Removed>, ApiError> {
    let group = app.tenancy.group(principal.tenant, &name)?;
    // Nobody could read such a corpus any more, which is most often not what was meant.
    let corpora = app.corpora.list(principal.tenant).await?;
    if let Some(corpus) = corpora.iter().find(|corpus| corpus.readers.contains(&group.id)) {
        return Err(ApiError::Conflict(format!("`{name}` is a reader of the corpus `{}`", corpus.name)));
    }
    app.tenancy.remove_group(principal.tenant, &name).await?;
    Ok(Json(Removed { removed: group.name }))
}

/// A person of the tenant.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Person {
    id: PersonId,
    name: String,
    /// The groups that the person is in, by name.
    groups: Vec<String>,
    created: Timestamp,
    /// Since when none of the person's keys is accepted.
    suspended: Option<Timestamp>,
}

fn person(app: &App, tenant: TenantId, person: tenancy::Person) -> Person {
    Person {
        id: person.id,
        groups: group_names(app, tenant, &person.groups),
        name: person.name,
        created: person.created,
        suspended: person.suspended,
    }
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct NewPerson {
    name: String,
    #[serde(default)]
    groups: Vec<String>,
}

/// The people, by name.
#[utoipa::path(
    get,
    path = "/people",
    params(Page),
    responses((status = 200, body = List<Person>)),
)]
pub(crate) async fn list(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<Json<List<Person>>, ApiError> {
    let people = page.of(app.tenancy.people(principal.tenant), |person| &person.name)?;
    Ok(Json(people.map(|one| person(&app, principal.tenant, one))))
}

/// Makes a person.
#[utoipa::path(
    post,
    path = "/people",
    request_body = NewPerson,
    responses((status = 200, body = Person)),
)]
pub(crate) async fn create(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Body(new): Body<NewPerson>,
) -> Result<Json<Person>, ApiError> {
    let made = app.tenancy.create_person(principal.tenant, &new.name, &new.groups).await?;
    Ok(Json(person(&app, principal.tenant, made)))
}

/// One person, by name or id.
#[utoipa::path(
    get,
    path = "/people/{name}",
    params(("name" = String, Path, description = "The name")),
    responses((status = 200, body = Person)),
)]
pub(crate) async fn show(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Person>, ApiError> {
    let found = app.tenancy.person(principal.tenant, &name)?;
    Ok(Json(person(&app, principal.tenant, found)))
}

/// What is to change; what is absent stays.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = PersonChange)]
pub(crate) struct Change {
    #[serde(default)]
    groups: Option<Vec<String>>,
    #[serde(default)]
    suspended: Option<bool>,
}

/// Changes a person's groups, or suspends the person: then none of the keys is accepted.
#[utoipa::path(
    patch,
    path = "/people/{name}",
    params(("name" = String, Path, description = "The name")),
    request_body = Change,
    responses((status = 200, body = Person)),
)]
pub(crate) async fn change(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Body(change): Body<Change>,
) -> Result<Json<Person>, ApiError> {
    let change = PersonChange { groups: change.groups, suspended: change.suspended };
    let changed = app.tenancy.change_person(principal.tenant, &name, change).await?;
    Ok(Json(person(&app, principal.tenant, changed)))
}

/// The ids of groups, by name.
pub(crate) fn group_ids(
    app: &App,
    principal: &Principal,
    names: &[String],
) -> Result<std::collections::BTreeSet<GroupId>, ApiError> {
    names.iter().map(|name| Ok(app.tenancy.group(principal.tenant, name)?.id)).collect()
}
