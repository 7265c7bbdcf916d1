//! `/v1/models`: what can be called by name.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use serving::ListedModel;

use crate::App;
use crate::caller::Caller;
use crate::error::ApiError;

pub(crate) async fn list(Caller(principal): Caller, State(app): State<Arc<App>>) -> Result<Json<Value>, ApiError> {
    let models: Vec<Value> = app.serving.models(&principal).await?.iter().map(wire).collect();
    Ok(Json(json!({ "object": "list", "data": models })))
}

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
