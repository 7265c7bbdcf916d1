//! The OpenAI API: chats, responses, completions, embeddings, models, files, vector stores.

mod chat;
mod choices;
mod completions;
mod embeddings;
mod files;
mod list;
mod models;
mod responses;
mod sampling;
mod shape;
mod vector_stores;
mod wire;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

pub(crate) use chat::address;
pub(crate) use wire::{Body, Short, Unknown, unknown};

use crate::App;

pub(crate) fn doors(upload_bytes_max: usize) -> OpenApiRouter<Arc<App>> {
    let upload = DefaultBodyLimit::max(upload_bytes_max);
    OpenApiRouter::default()
        .routes(routes!(models::list))
        .routes(routes!(models::show))
        .routes(routes!(chat::complete))
        .routes(routes!(completions::complete))
        .routes(routes!(embeddings::embed))
        .routes(routes!(responses::create))
        .routes(routes!(responses::show, responses::remove))
        .routes(routes!(responses::cancel))
        .routes(routes!(responses::input_items))
        .routes(routes!(files::list))
        .routes(routes!(files::create).layer(upload))
        .routes(routes!(files::show, files::remove))
        .routes(routes!(files::content))
        .routes(routes!(vector_stores::list, vector_stores::create))
        .routes(routes!(vector_stores::show, vector_stores::change, vector_stores::remove))
        .routes(routes!(vector_stores::search))
        .routes(routes!(vector_stores::list_files, vector_stores::add_file))
        .routes(routes!(vector_stores::show_file, vector_stores::remove_file))
}
