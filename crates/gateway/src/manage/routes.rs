//! Routes: the names that clients call.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base::{Name, Principal};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serving::{AnswerMode, Candidates, NewRoute};

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
    /// The chat model that answers, where there is one.
    model: Option<String>,
    /// The chat models that may answer, where there are several.
    models: Option<Candidates>,
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
    /// The chat model that is listed first.
    model: String,
    /// The chat models that may answer.
    models: Candidates,
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
            model: route.models.first().to_owned(),
            models: route.models,
            corpora: route.corpora,
            instructions: route.instructions,
            passages: route.passages_max,
            temperature: route.temperature,
            mode: route.mode,
            created: route.created,
        }
    }
}

impl RouteRequest {
    /// The route, if all that it names is there: one that names what is not is most often a slip of the hand.
    async fn checked(self, app: &App, principal: &Principal) -> Result<NewRoute, ApiError> {
        for name in &self.corpora {
            super::corpora::visible(app, principal, name).await?;
        }
        let models = match (self.model, self.models) {
            (Some(model), None) => Candidates::one(&model),
            (None, Some(models)) => models,
            // A route that is read, changed and put back has both.
            (Some(model), Some(models)) if model == models.first() => models,
            (Some(_), Some(_)) => return Err(ApiError::invalid("`model` is not the first of `models`")),
            (None, None) => return Err(ApiError::invalid("a route needs `model` or `models`")),
        };
        let served = app.serving.models(principal).await?;
        let chats = |name: &str| served.iter().any(|model| model.chats && !model.route && model.name == name);
        if let Some(missing) = models.list().iter().find(|candidate| !chats(&candidate.engine)) {
            return Err(ApiError::ModelNotFound(missing.engine.clone()));
        }
        Ok(NewRoute {
            name: self.name,
            models,
            corpora: self.corpora,
            instructions: self.instructions,
            passages_max: self.passages,
            temperature: self.temperature,
            mode: self.mode,
        })
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
    let route = request.checked(&app, &principal).await?;
    Ok(Json(app.serving.routes().create(&principal, route).await?.into()))
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
    let route = request.checked(&app, &principal).await?;
    Ok(Json(app.serving.routes().update(&principal, route).await?.into()))
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
