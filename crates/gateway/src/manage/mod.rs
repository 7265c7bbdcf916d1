//! The management API, as the command line and the console use it: what is installed, who may ask, searching, answering.

mod answers;
mod approvals;
mod conversations;
mod corpora;
mod documents;
mod jobs;
mod keeping;
mod keys;
mod mask;
mod me;
mod models;
mod page;
mod people;
mod policies;
mod receipts;
mod reports;
mod routes;
mod search;
mod status;
mod tenants;
mod uploads;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

pub(crate) use corpora::visible;
pub(crate) use documents::{by_id as document_by_id, may_read};
pub(crate) use search::recorded_search;

use crate::App;

pub(crate) fn doors(upload_bytes_max: usize) -> OpenApiRouter<Arc<App>> {
    let upload = DefaultBodyLimit::max(upload_bytes_max);
    OpenApiRouter::default()
        .routes(routes!(me::me))
        .routes(routes!(status::status))
        .routes(routes!(status::settings))
        .routes(routes!(tenants::list, tenants::create))
        .routes(routes!(tenants::show))
        .routes(routes!(tenants::set_quota))
        .routes(routes!(people::list_groups, people::create_group))
        .routes(routes!(people::show_group, people::remove_group))
        .routes(routes!(people::list, people::create))
        .routes(routes!(people::show, people::change))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::show, keys::revoke))
        .routes(routes!(corpora::list, corpora::create))
        .routes(routes!(corpora::status, corpora::change, corpora::remove))
        .routes(routes!(corpora::add))
        .routes(routes!(uploads::upload).layer(upload))
        .routes(routes!(documents::list))
        .routes(routes!(documents::show, documents::remove))
        .routes(routes!(documents::lower_class))
        .routes(routes!(search::search))
        .routes(routes!(answers::answer))
        .routes(routes!(documents::excerpt))
        .routes(routes!(conversations::list, conversations::create, conversations::remove_all))
        .routes(routes!(conversations::show, conversations::rename, conversations::remove))
        .routes(routes!(conversations::export))
        .routes(routes!(search::index))
        .routes(routes!(keeping::backup))
        .routes(routes!(keeping::check))
        .routes(routes!(policies::state))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::show, approvals::answer))
        .routes(routes!(policies::file))
        .routes(routes!(policies::explain))
        .routes(routes!(mask::kinds, mask::preview))
        .routes(routes!(receipts::list))
        .routes(routes!(receipts::show))
        .routes(routes!(receipts::proof))
        .routes(routes!(receipts::state))
        .routes(routes!(reports::list))
        .routes(routes!(reports::show))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::show, jobs::cancel))
        .routes(routes!(models::list))
        .routes(routes!(models::import))
        .routes(routes!(models::show, models::remove))
        .routes(routes!(models::pull))
        .routes(routes!(routes::list, routes::create))
        .routes(routes!(routes::show, routes::update, routes::remove))
}
