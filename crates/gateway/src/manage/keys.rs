//! Keys of people and services.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base::{Class, GroupId, KeyId, TenantId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tenancy::{KeyInfo, NewKey, NewKeyOwner};

use super::page::{List, Page};
use crate::App;
use crate::caller::Administrator;
use crate::error::ApiError;
use crate::input::{Path, Query};
use crate::openai::Body;

/// What may be told of a key.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Key {
    id: KeyId,
    name: String,
    /// The person that it stands for; null for a service.
    person: Option<String>,
    /// Groups whose corpora a service's key reads; a person's key has the person's.
    groups: Vec<String>,
    /// The class that text sent with it takes at least.
    input_class: Class,
    /// The highest class that it reads.
    read_class: Class,
    /// Whether it may change what the tenant has.
    administrator: bool,
    created: Timestamp,
    /// Since when it is no longer accepted.
    revoked: Option<Timestamp>,
}

/// A new key, with its secret: the only time that it is told.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct KeyMade {
    key: String,
    #[serde(flatten)]
    info: Key,
}

fn told(app: &App, info: KeyInfo) -> Key {
    let people = app.tenancy.people(info.tenant);
    let person = info.person.and_then(|id| people.into_iter().find(|person| person.id == id));
    Key {
        id: info.id,
        person: person.map(|person| person.name),
        groups: group_names(app, info.tenant, &info.groups),
        name: info.name,
        input_class: info.input_class,
        read_class: info.read_class_max,
        administrator: info.administrator,
        created: info.created,
        revoked: info.revoked,
    }
}

/// The names of groups, in the order of the alphabet. One that is gone is left out.
pub(crate) fn group_names(app: &App, tenant: TenantId, ids: &BTreeSet<GroupId>) -> Vec<String> {
    let groups = app.tenancy.groups(tenant).into_iter();
    let mut names: Vec<String> = groups.filter(|group| ids.contains(&group.id)).map(|group| group.name).collect();
    names.sort();
    names
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only keys that are accepted (`false`) or no longer are (`true`).
    revoked: Option<bool>,
}

/// The keys, by name; revoked ones too. No secret is told.
#[utoipa::path(
    get,
    path = "/keys",
    params(Page, Which),
    responses((status = 200, body = List<Key>)),
)]
pub(crate) async fn list(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
    Query(which): Query<Which>,
) -> Result<Json<List<Key>>, ApiError> {
    let mut keys = app.tenancy.keys(principal.tenant);
    keys.retain(|key| which.revoked.is_none_or(|revoked| key.revoked.is_some() == revoked));
    Ok(Json(page.of(keys, |key| &key.name)?.map(|key| told(&app, key))))
}

/// One key, by name or id.
#[utoipa::path(
    get,
    path = "/keys/{name}",
    params(("name" = String, Path, description = "The name")),
    responses((status = 200, body = Key)),
)]
pub(crate) async fn show(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Key>, ApiError> {
    Ok(Json(told(&app, app.tenancy.key(principal.tenant, &name)?)))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = NewKey)]
pub(crate) struct KeyRequest {
    name: String,
    /// The person that it is to stand for; absent for a service.
    #[serde(default)]
    person: Option<String>,
    /// Groups whose corpora a service's key may read.
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default = "open")]
    input_class: Class,
    #[serde(default = "open")]
    read_class: Class,
    /// Whether it may change what the tenant has.
    #[serde(default)]
    administrator: bool,
}

fn open() -> Class {
    Class::Open
}

/// Makes a key. Its secret is in this answer and nowhere else.
#[utoipa::path(
    post,
    path = "/keys",
    request_body = KeyRequest,
    responses((status = 200, body = KeyMade)),
)]
pub(crate) async fn create(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Body(new): Body<KeyRequest>,
) -> Result<Json<KeyMade>, ApiError> {
    app.guard.may_grant(&principal, new.input_class, new.read_class)?;
    let owner = match new.person {
        Some(_) if !new.groups.is_empty() => {
            return Err(ApiError::invalid("a person's key has the person's groups; name a person or groups, not both"));
        }
        Some(person) => NewKeyOwner::Person(person),
        None => NewKeyOwner::Service(new.groups),
    };
    let new = NewKey {
        name: new.name,
        owner,
        input_class: new.input_class,
        read_class_max: new.read_class,
        administrator: new.administrator,
    };
    let (info, secret) = app.tenancy.create_key(principal.tenant, new).await?;
    Ok(Json(KeyMade { key: secret.reveal(), info: told(&app, info) }))
}

/// Ends a key at once.
#[utoipa::path(
    delete,
    path = "/keys/{name}",
    params(("name" = String, Path, description = "The name")),
    responses((status = 200, body = Key)),
)]
pub(crate) async fn revoke(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Key>, ApiError> {
    Ok(Json(told(&app, app.tenancy.revoke_key(principal.tenant, &name).await?)))
}
