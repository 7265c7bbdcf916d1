//! The management API, as the command line uses it: what is installed, who may ask, searching, answering.

mod answers;
mod corpora;
mod documents;
mod models;
mod routes;
mod search;
mod tenants;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post, put};

use crate::App;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/tenants", get(tenants::list).post(tenants::create))
        .route("/tenants/{name}/quota", put(tenants::set_quota))
        .route("/groups", get(tenants::list_groups).post(tenants::create_group))
        .route("/people", get(tenants::list_people).post(tenants::create_person))
        .route("/keys", get(tenants::list_keys).post(tenants::create_key))
        .route("/keys/{name}/revoke", post(tenants::revoke_key))
        .route("/corpora", get(corpora::list).post(corpora::create))
        .route("/corpora/{name}", get(corpora::status).delete(corpora::remove))
        .route("/corpora/{name}/readers", put(corpora::set_readers))
        .route("/corpora/{name}/add", post(corpora::add))
        .route("/corpora/{name}/documents", get(documents::list))
        .route("/corpora/{name}/document", get(documents::show).delete(documents::remove))
        .route("/corpora/{name}/search", post(search::search))
        .route("/corpora/{name}/answers", post(answers::answer))
        .route("/documents/{id}", get(documents::excerpt))
        .route("/index", get(search::index))
        .route("/models", get(models::list))
        .route("/models/import", post(models::import))
        .route("/models/{name}", get(models::show).delete(models::remove))
        .route("/models/{name}/pull", post(models::pull))
        .route("/routes", get(routes::list).post(routes::create))
        .route("/routes/{name}", get(routes::show).put(routes::update).delete(routes::remove))
}
