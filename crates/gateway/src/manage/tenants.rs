//! Tenants: the institutions on this installation, and how much each may use. The operator's alone.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use tenancy::Tenant;

use super::page::{List, Page, Query};
use crate::App;
use crate::caller::Operator;
use crate::error::ApiError;
use crate::openai::Body;

#[derive(Debug, Deserialize)]
pub(crate) struct NewTenant {
    name: String,
    #[serde(default)]
    quota_tokens: Option<u64>,
}

pub(crate) async fn list(
    _: Operator,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<Json<List<Tenant>>, ApiError> {
    Ok(Json(page.of(app.tenancy.tenants(), |tenant| &tenant.name)?))
}

pub(crate) async fn show(
    _: Operator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Tenant>, ApiError> {
    Ok(Json(app.tenancy.tenant(&name)?))
}

pub(crate) async fn create(
    _: Operator,
    State(app): State<Arc<App>>,
    Body(new): Body<NewTenant>,
) -> Result<Json<Tenant>, ApiError> {
    Ok(Json(app.tenancy.create_tenant(&new.name, new.quota_tokens).await?))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Quota {
    /// Tokens that the tenant may use in all; null for no bound.
    quota_tokens: Option<u64>,
}

pub(crate) async fn set_quota(
    _: Operator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Body(quota): Body<Quota>,
) -> Result<Json<Tenant>, ApiError> {
    Ok(Json(app.tenancy.set_quota(&name, quota.quota_tokens).await?))
}
