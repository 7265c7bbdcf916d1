//! The management API, as the command line and the console use it: what is installed, who may ask, searching, answering.

mod answers;
mod conversations;
mod corpora;
mod documents;
mod jobs;
mod keeping;
mod keys;
mod me;
mod models;
mod page;
mod people;
mod routes;
mod search;
mod tenants;
mod uploads;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post, put};

pub(crate) use corpora::visible;
pub(crate) use documents::by_id as document_by_id;

use crate::App;

pub(crate) fn routes(upload_bytes_max: usize) -> Router<Arc<App>> {
    Router::new()
        .route("/me", get(me::me))
        .route("/tenants", get(tenants::list).post(tenants::create))
        .route("/tenants/{name}", get(tenants::show))
        .route("/tenants/{name}/quota", put(tenants::set_quota))
        .route("/groups", get(people::list_groups).post(people::create_group))
        .route("/groups/{name}", get(people::show_group).delete(people::remove_group))
        .route("/people", get(people::list).post(people::create))
        .route("/people/{name}", get(people::show).patch(people::change))
        .route("/keys", get(keys::list).post(keys::create))
        .route("/keys/{name}", get(keys::show).delete(keys::revoke))
        .route("/corpora", get(corpora::list).post(corpora::create))
        .route("/corpora/{name}", get(corpora::status).patch(corpora::change).delete(corpora::remove))
        .route("/corpora/{name}/add", post(corpora::add))
        .route("/corpora/{name}/files", post(uploads::upload).layer(DefaultBodyLimit::max(upload_bytes_max)))
        .route("/corpora/{name}/documents", get(documents::list))
        .route("/corpora/{name}/document", get(documents::show).delete(documents::remove))
        .route("/corpora/{name}/search", post(search::search))
        .route("/corpora/{name}/answers", post(answers::answer))
        .route("/documents/{id}", get(documents::excerpt))
        .route("/conversations", get(conversations::list).post(conversations::create).delete(conversations::remove_all))
        .route(
            "/conversations/{id}",
            get(conversations::show).patch(conversations::rename).delete(conversations::remove),
        )
        .route("/conversations/{id}/export", get(conversations::export))
        .route("/index", get(search::index))
        .route("/backup", post(keeping::backup))
        .route("/check", post(keeping::check))
        .route("/jobs", get(jobs::list))
        .route("/jobs/{id}", get(jobs::show).delete(jobs::cancel))
        .route("/models", get(models::list))
        .route("/models/import", post(models::import))
        .route("/models/{name}", get(models::show).delete(models::remove))
        .route("/models/{name}/pull", post(models::pull))
        .route("/routes", get(routes::list).post(routes::create))
        .route("/routes/{name}", get(routes::show).put(routes::update).delete(routes::remove))
}
