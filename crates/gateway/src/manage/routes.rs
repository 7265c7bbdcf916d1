//! Routes: the names that clients call.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base::Name;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serving::{AnswerMode, NewRoute};

use super::page::{List, Page, Removed};
use crate::App;
use crate::caller::Administrator;
use crate::error::ApiError;
use crate::input::{Path, Query};
use crate::openai::Body;

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = NewRoute)]
pub(crate) struct RouteRequest {
    name: String,
    model: String,
    #[serde(default)]
    corpora: Vec<String>,
    #[serde(default)]
    instructions: String,
    #[serde(default)]
    passages: Option<u32>,
    #[serde(default)]
    temperature: Option<f64>,
    #[serde(default)]
    mode: AnswerMode,
}

/// The name that clients call, and what it stands for.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Route {
    name: Name,
    model: String,
    /// Corpora that it answers from; none makes it a plain chat.
    corpora: Vec<String>,
    /// Instructions that stand before every chat.
    instructions: String,
    /// Passages that an answer may be made of.
    passages: u32,
    /// The temperature where the caller says nothing.
    temperature: Option<f64>,
    mode: AnswerMode,
    created: Timestamp,
}

impl From<serving::Route> for Route {
    fn from(route: serving::Route) -> Self {
        Self {
            name: route.name,
            model: route.model,
            corpora: route.corpora,
            instructions: route.instructions,
            passages: route.passages_max,
            temperature: route.temperature,
            mode: route.mode,
            created: route.created,
        }
    }
}

impl From<RouteRequest> for NewRoute {
    fn from(request: RouteRequest) -> Self {
        NewRoute {
            name: request.name,
            model: request.model,
            corpora: request.corpora,
            instructions: request.instructions,
            passages_max: request.passages,
            temperature: request.temperature,
            mode: request.mode,
        }
    }
}

/// The routes, by name.
#[utoipa::path(
    get,
    path = "/routes",
    params(Page),
    responses((status = 200, body = List<Route>)),
)]
pub(crate) async fn list(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<Json<List<Route>>, ApiError> {
    let routes = app.serving.routes().list(principal.tenant).await?;
    Ok(Json(page.of(routes, |route| route.name.as_str())?.map(Route::from)))
}

/// One route.
#[utoipa::path(
    get,
    path = "/routes/{name}",
    params(("name" = String, Path, description = "The name")),
    responses((status = 200, body = Route)),
)]
pub(crate) async fn show(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Route>, ApiError> {
    Ok(Json(app.serving.routes().find(principal.tenant, &name).await?.into()))
}

/// Makes a route.
#[utoipa::path(
    post,
    path = "/routes",
    request_body = RouteRequest,
    responses((status = 200, body = Route)),
)]
pub(crate) async fn create(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Body(request): Body<RouteRequest>,
) -> Result<Json<Route>, ApiError> {
    check_parts(&app, &principal, &request).await?;
    Ok(Json(app.serving.routes().create(&principal, request.into()).await?.into()))
}

/// Puts new contents in a route's place.
#[utoipa::path(
    put,
    path = "/routes/{name}",
    params(("name" = String, Path, description = "The name")),
    request_body = RouteRequest,
    responses((status = 200, body = Route)),
)]
pub(crate) async fn update(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Body(request): Body<RouteRequest>,
) -> Result<Json<Route>, ApiError> {
    if request.name != name {
        return Err(ApiError::invalid("the name in the body is not the name in the address"));
    }
    check_parts(&app, &principal, &request).await?;
    Ok(Json(app.serving.routes().update(&principal, request.into()).await?.into()))
}

/// A route that names what is not there is most often a slip of the hand, so it is refused when it is made.
async fn check_parts(app: &App, principal: &base::Principal, request: &RouteRequest) -> Result<(), ApiError> {
    for name in &request.corpora {
        super::corpora::visible(app, principal, name).await?;
    }
    let models = app.serving.models(principal).await?;
    let served = models.iter().any(|model| model.chats && !model.route && model.name == request.model);
    if served { Ok(()) } else { Err(ApiError::ModelNotFound(request.model.clone())) }
}

/// Removes a route.
#[utoipa::path(
    delete,
    path = "/routes/{name}",
    params(("name" = String, Path, description = "The name")),
    responses((status = 200, body = Removed)),
)]
pub(crate) async fn remove(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Removed>, ApiError> {
    app.serving.routes().remove(&principal, &name).await?;
    Ok(Json(Removed { removed: name }))
}
