//! Tenants: the institutions on this installation, and how much each may use. The operator's alone.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use tenancy::Tenant;

use super::page::{List, Page};
use crate::App;
use crate::caller::Operator;
use crate::error::ApiError;
use crate::input::{Path, Query};
use crate::openai::Body;

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct NewTenant {
    name: String,
    #[serde(default)]
    quota_tokens: Option<u64>,
}

/// The tenants, by name. The operator's alone.
#[utoipa::path(
    get,
    path = "/tenants",
    params(Page),
    responses((status = 200, body = List<Tenant>)),
)]
pub(crate) async fn list(
    _: Operator,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<Json<List<Tenant>>, ApiError> {
    Ok(Json(page.of(app.tenancy.tenants(), |tenant| &tenant.name)?))
}

/// One tenant.
#[utoipa::path(
    get,
    path = "/tenants/{name}",
    params(("name" = String, Path, description = "The name")),
    responses((status = 200, body = Tenant)),
)]
pub(crate) async fn show(
    _: Operator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Tenant>, ApiError> {
    Ok(Json(app.tenancy.tenant(&name)?))
}

/// Makes a tenant.
#[utoipa::path(
    post,
    path = "/tenants",
    request_body = NewTenant,
    responses((status = 200, body = Tenant)),
)]
pub(crate) async fn create(
    _: Operator,
    State(app): State<Arc<App>>,
    Body(new): Body<NewTenant>,
) -> Result<Json<Tenant>, ApiError> {
    Ok(Json(app.tenancy.create_tenant(&new.name, new.quota_tokens).await?))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = NewQuota)]
pub(crate) struct Quota {
    /// Tokens that the tenant may use in all; null for no bound.
    quota_tokens: Option<u64>,
}

/// Says how many tokens a tenant may use in all.
#[utoipa::path(
    put,
    path = "/tenants/{name}/quota",
    params(("name" = String, Path, description = "The name")),
    request_body = Quota,
    responses((status = 200, body = Tenant)),
)]
pub(crate) async fn set_quota(
    _: Operator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Body(quota): Body<Quota>,
) -> Result<Json<Tenant>, ApiError> {
    Ok(Json(app.tenancy.set_quota(&name, quota.quota_tokens).await?))
}
