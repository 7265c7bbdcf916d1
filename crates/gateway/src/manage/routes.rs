//! Routes: the names that clients call.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};
use serving::{AnswerMode, NewRoute, Route};

use crate::App;
use crate::caller::Operator;
use crate::error::ApiError;
use crate::openai::Body;

#[derive(Debug, Deserialize)]
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

pub(crate) async fn list(
    Operator(principal): Operator,
    State(app): State<Arc<App>>,
) -> Result<Json<Vec<Route>>, ApiError> {
    Ok(Json(app.serving.routes().list(principal.tenant).await?))
}

pub(crate) async fn show(
    Operator(principal): Operator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Route>, ApiError> {
    Ok(Json(app.serving.routes().find(principal.tenant, &name).await?))
}

pub(crate) async fn create(
    Operator(principal): Operator,
    State(app): State<Arc<App>>,
    Body(request): Body<RouteRequest>,
) -> Result<Json<Route>, ApiError> {
    check_parts(&app, &principal, &request).await?;
    Ok(Json(app.serving.routes().create(&principal, request.into()).await?))
}

pub(crate) async fn update(
    Operator(principal): Operator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Body(request): Body<RouteRequest>,
) -> Result<Json<Route>, ApiError> {
    if request.name != name {
        return Err(ApiError::invalid("the name in the body is not the name in the address"));
    }
    check_parts(&app, &principal, &request).await?;
    Ok(Json(app.serving.routes().update(&principal, request.into()).await?))
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

pub(crate) async fn remove(
    Operator(principal): Operator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    app.serving.routes().remove(&principal, &name).await?;
    Ok(Json(json!({ "removed": name })))
}
