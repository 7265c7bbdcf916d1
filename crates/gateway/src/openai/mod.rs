//! The OpenAI API: chats, completions, embeddings, models.

mod chat;
mod choices;
mod completions;
mod embeddings;
mod models;
mod sampling;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

pub(crate) use wire::Body;

use crate::App;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/models", get(models::list))
        .route("/v1/models/{model}", get(models::show))
        .route("/v1/chat/completions", post(chat::complete))
        .route("/v1/completions", post(completions::complete))
        .route("/v1/embeddings", post(embeddings::embed))
}
