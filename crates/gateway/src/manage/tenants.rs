//! Tenants, groups, people, keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use base::Class;
use serde::{Deserialize, Serialize};
use tenancy::{Group, KeyInfo, NewKey, NewKeyOwner, Person, Tenant};

use crate::App;
use crate::caller::Operator;
use crate::error::ApiError;
use crate::openai::Body;

type Answer<T> = Result<Json<T>, ApiError>;

#[derive(Debug, Deserialize)]
pub(crate) struct NewTenant {
    name: String,
    #[serde(default)]
    quota_tokens: Option<u64>,
}

pub(crate) async fn list(_: Operator, State(app): State<Arc<App>>) -> Json<Vec<Tenant>> {
    Json(app.tenancy.tenants())
}

pub(crate) async fn create(_: Operator, State(app): State<Arc<App>>, Body(new): Body<NewTenant>) -> Answer<Tenant> {
    Ok(Json(app.tenancy.create_tenant(&new.name, new.quota_tokens).await?))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Quota {
    quota_tokens: Option<u64>,
}

pub(crate) async fn set_quota(
    _: Operator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Body(quota): Body<Quota>,
) -> Answer<Tenant> {
    Ok(Json(app.tenancy.set_quota(&name, quota.quota_tokens).await?))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    name: String,
    #[serde(default)]
    groups: Vec<String>,
}

pub(crate) async fn list_groups(Operator(principal): Operator, State(app): State<Arc<App>>) -> Json<Vec<Group>> {
    Json(app.tenancy.groups(principal.tenant))
}

pub(crate) async fn create_group(
    Operator(principal): Operator,
    State(app): State<Arc<App>>,
    Body(new): Body<Named>,
) -> Answer<Group> {
    Ok(Json(app.tenancy.create_group(principal.tenant, &new.name).await?))
}

pub(crate) async fn list_people(Operator(principal): Operator, State(app): State<Arc<App>>) -> Json<Vec<Person>> {
    Json(app.tenancy.people(principal.tenant))
}

pub(crate) async fn create_person(
    Operator(principal): Operator,
    State(app): State<Arc<App>>,
    Body(new): Body<Named>,
) -> Answer<Person> {
    Ok(Json(app.tenancy.create_person(principal.tenant, &new.name, &new.groups).await?))
}

#[derive(Debug, Deserialize)]
pub(crate) struct KeyRequest {
    name: String,
    #[serde(default)]
    person: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default = "open")]
    input_class: Class,
    #[serde(default = "open")]
    read_class: Class,
}

fn open() -> Class {
    Class::Open
}

/// A new key, with its secret: the only time that it is told.
#[derive(Debug, Serialize)]
pub(crate) struct KeyMade {
    key: String,
    #[serde(flatten)]
    info: KeyInfo,
}

pub(crate) async fn list_keys(Operator(principal): Operator, State(app): State<Arc<App>>) -> Json<Vec<KeyInfo>> {
    Json(app.tenancy.keys(principal.tenant))
}

pub(crate) async fn create_key(
    Operator(principal): Operator,
    State(app): State<Arc<App>>,
    Body(new): Body<KeyRequest>,
) -> Answer<KeyMade> {
    let owner = match new.person {
        Some(_) if !new.groups.is_empty() => {
            return Err(ApiError::invalid("a person's key has the person's groups; name a person or groups, not both"));
        }
        Some(person) => NewKeyOwner::Person(person),
        None => NewKeyOwner::Service(new.groups),
    };
    let new = NewKey { name: new.name, owner, input_class: new.input_class, read_class_max: new.read_class };
    let (info, secret) = app.tenancy.create_key(principal.tenant, new).await?;
    Ok(Json(KeyMade { key: secret.reveal(), info }))
}

pub(crate) async fn revoke_key(
    Operator(principal): Operator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Answer<KeyInfo> {
    Ok(Json(app.tenancy.revoke_key(principal.tenant, &name).await?))
}
