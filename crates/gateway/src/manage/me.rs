//! Who is asking.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base::{Class, KeyId, Subject, TenantId};
use serde::Serialize;

use super::keys::group_names;
use crate::App;
use crate::caller::Caller;
use crate::error::ApiError;

/// What the holder of a key may do, and how much is left.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Me {
    tenant: MyTenant,
    kind: Kind,
    /// The person's or the key's name; none for the operator.
    name: Option<String>,
    groups: Vec<String>,
    /// Corpora, routes, groups, people, keys and uploads of the tenant.
    may_administer: bool,
    /// Pulling and removing models.
    may_change_models: bool,
    /// Other tenants, files of the machine, settings.
    may_operate: bool,
    /// The class that text sent with this key takes at least.
    input_class: Class,
    /// The highest class that it reads.
    read_class: Class,
    quota: Quota,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct MyTenant {
    id: TenantId,
    name: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = HolderKind)]
enum Kind {
    Operator,
    Person,
    Service,
}

/// Tokens of the whole tenant.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = MyQuota)]
struct Quota {
    /// What may be used in all; null for no bound.
    limit_tokens: Option<u64>,
    used_tokens: u64,
    /// What is left; null for no bound.
    left_tokens: Option<u64>,
}

/// Who asks: what this key may do, and how many tokens are left.
#[utoipa::path(
    get,
    path = "/me",
    responses((status = 200, body = Me)),
)]
pub(crate) async fn me(Caller(principal): Caller, State(app): State<Arc<App>>) -> Result<Json<Me>, ApiError> {
    let tenant = app.tenancy.tenants().into_iter().find(|tenant| tenant.id == principal.tenant);
    let tenant = tenant.ok_or(ApiError::NotFound("tenant"))?;
    let (kind, name) = match principal.subject {
        Subject::Operator => (Kind::Operator, None),
        Subject::Person(id) => {
            let people = app.tenancy.people(principal.tenant);
            (Kind::Person, people.into_iter().find(|person| person.id == id).map(|person| person.name))
        }
        Subject::Service(id) => (Kind::Service, key_name(&app, principal.tenant, id)),
    };
    let house = app.tenancy.house();
    Ok(Json(Me {
        kind,
        name,
        groups: group_names(&app, principal.tenant, &principal.groups),
        may_administer: app.guard.may_administer(&principal).is_ok(),
        may_change_models: house.is_some_and(|house| app.guard.may_change_models(&principal, house).is_ok()),
        may_operate: app.guard.may_operate(&principal).is_ok(),
        input_class: principal.input_class,
        read_class: principal.read_class_max,
        quota: Quota {
            limit_tokens: tenant.quota_tokens,
            used_tokens: tenant.used_tokens,
            left_tokens: tenant.quota_tokens.map(|limit| limit.saturating_sub(tenant.used_tokens)),
        },
        tenant: MyTenant { id: tenant.id, name: tenant.name },
    }))
}

fn key_name(app: &App, tenant: TenantId, id: KeyId) -> Option<String> {
    app.tenancy.keys(tenant).into_iter().find(|key| key.id == id).map(|key| key.name)
}
