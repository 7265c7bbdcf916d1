//! Corpora: made, listed, added to, removed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use base::{Class, Country, Label, Name, Principal, Purpose, Residency};
use corpus::{AddOptions, Corpus, NewCorpus, Status};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::App;
use crate::caller::{Caller, Operator};
use crate::error::ApiError;
use crate::openai::Body;
use crate::stream::working;

#[derive(Debug, Deserialize)]
pub(crate) struct CorpusRequest {
    name: String,
    #[serde(default)]
    title: String,
    class: Class,
    /// Countries; absent means that no border is drawn.
    #[serde(default)]
    residency: Option<BTreeSet<Country>>,
    #[serde(default)]
    licences: BTreeSet<Name>,
    purposes: BTreeSet<Purpose>,
    #[serde(default)]
    readers: Vec<String>,
}

/// A corpus and what it holds.
#[derive(Debug, Serialize)]
pub(crate) struct Described {
    #[serde(flatten)]
    corpus: Corpus,
    status: Status,
}

/// The corpus of this name, if this principal may know of it.
pub(crate) async fn visible(app: &App, principal: &Principal, name: &str) -> Result<Corpus, ApiError> {
    let corpus = app.corpora.find(principal.tenant, name).await?.ok_or(ApiError::NotFound("corpus"))?;
    app.guard.may_see(principal, &app.corpora.terms(&corpus))?;
    Ok(corpus)
}

async fn described(app: &App, corpus: Corpus) -> Result<Described, ApiError> {
    let status = app.corpora.status(corpus.id).await?;
    Ok(Described { corpus, status })
}

pub(crate) async fn list(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
) -> Result<Json<Vec<Described>>, ApiError> {
    let mut all = Vec::new();
    for corpus in app.corpora.list(principal.tenant).await? {
        if app.guard.may_see(&principal, &app.corpora.terms(&corpus)).is_ok() {
            all.push(described(&app, corpus).await?);
        }
    }
    Ok(Json(all))
}

pub(crate) async fn create(
    Operator(principal): Operator,
    State(app): State<Arc<App>>,
    Body(new): Body<CorpusRequest>,
) -> Result<Json<Described>, ApiError> {
    let readers = group_ids(&app, &principal, &new.readers)?;
    let label = Label {
        class: new.class,
        residency: new.residency.map_or(Residency::Anywhere, Residency::Only),
        purposes: new.purposes,
        licences: new.licences,
    };
    let new = NewCorpus { name: new.name, title: new.title, label, readers };
    let corpus = app.corpora.create(principal.tenant, new).await?;
    Ok(Json(described(&app, corpus).await?))
}

pub(crate) async fn status(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Described>, ApiError> {
    let corpus = visible(&app, &principal, &name).await?;
    Ok(Json(described(&app, corpus).await?))
}

pub(crate) async fn remove(
    Operator(principal): Operator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let corpus = visible(&app, &principal, &name).await?;
    app.corpora.remove(corpus.id).await?;
    Ok(Json(json!({ "removed": name })))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Readers {
    readers: Vec<String>,
}

pub(crate) async fn set_readers(
    Operator(principal): Operator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Body(request): Body<Readers>,
) -> Result<Json<Described>, ApiError> {
    let corpus = visible(&app, &principal, &name).await?;
    let readers = group_ids(&app, &principal, &request.readers)?;
    app.corpora.set_readers(corpus.id, &readers).await?;
    let corpus = visible(&app, &principal, &name).await?;
    Ok(Json(described(&app, corpus).await?))
}

fn group_ids(app: &App, principal: &Principal, names: &[String]) -> Result<BTreeSet<base::GroupId>, ApiError> {
    names.iter().map(|name| Ok(app.tenancy.group(principal.tenant, name)?.id)).collect()
}

#[derive(Debug, Deserialize)]
pub(crate) struct Add {
    /// Files, folders and archives on this machine, as absolute paths. Only the operator may name any.
    paths: Vec<PathBuf>,
    #[serde(default)]
    class: Option<Class>,
    #[serde(default)]
    readers: Vec<String>,
}

pub(crate) async fn add(
    Operator(principal): Operator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Body(request): Body<Add>,
) -> Result<Response, ApiError> {
    let corpus = visible(&app, &principal, &name).await?;
    if let Some(path) = request.paths.iter().find(|path| !path.is_absolute()) {
        return Err(ApiError::invalid(format!("`{}` is not an absolute path", path.display())));
    }
    let options = AddOptions {
        class: request.class,
        readers: group_ids(&app, &principal, &request.readers)?,
        ..AddOptions::default()
    };
    Ok(working(move |sender| async move {
        let tell = move |progress| {
            // A reader that is slower than the work misses steps, never the result.
            let _ = sender.try_send(progress);
        };
        let report = app.corpora.add(&corpus, &request.paths, &options, &tell).await?;
        // Whoever is told that the records are in can find them.
        app.search.catch_up().await?;
        Ok(report)
    }))
}
