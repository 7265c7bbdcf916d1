//! `/v1/models`: what can be called by name.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use serving::ListedModel;

use super::shape::{ModelCard, ModelCards};
use crate::App;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::input::Path;

/// The routes and models that this key may call.
#[utoipa::path(
    get,
    path = "/v1/models",
    responses((status = 200, body = ModelCards)),
)]
pub(crate) async fn list(Caller(principal): Caller, State(app): State<Arc<App>>) -> Result<Json<Value>, ApiError> {
    let models: Vec<Value> = app.serving.models(&principal).await?.iter().map(wire).collect();
    Ok(Json(json!({ "object": "list", "data": models })))
}

/// One route or model.
#[utoipa::path(
    get,
    path = "/v1/models/{model}",
    params(("model" = String, Path, description = "Its name")),
    responses((status = 200, body = ModelCard)),
)]
pub(crate) async fn show(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let models = app.serving.models(&principal).await?;
    let model = models.iter().find(|model| model.name == name);
    model.map(|model| Json(wire(model))).ok_or(ApiError::ModelNotFound(name))
}

fn wire(model: &ListedModel) -> Value {
    json!({
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": if model.route { "route" } else { "model" },
        "abilities": { "chat": model.chats, "embed": model.embeds },
    })
}
