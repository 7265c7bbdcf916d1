//! The OpenAI API: chats, responses, completions, embeddings, models.

mod chat;
mod choices;
mod completions;
mod embeddings;
mod models;
mod responses;
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
        .route("/v1/responses", post(responses::create))
        .route("/v1/responses/{id}", get(responses::show).delete(responses::remove))
        .route("/v1/responses/{id}/cancel", post(responses::cancel))
        .route("/v1/responses/{id}/input_items", get(responses::input_items))
}
