//! Corpora: made, listed, changed, removed; records of this machine added.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use base::{Class, CorpusId, Country, Label, Name, Principal, Purpose, Residency};
use corpus::{Access, AccessRule, AddOptions, AddReport, Corpus, CorpusChange, NewCorpus, Progress, Status};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::group_names;
use super::page::{List, Page, Removed};
use super::people::group_ids;
use crate::App;
use crate::caller::{Administrator, Caller, Operator};
use crate::error::ApiError;
use crate::input::{Path, Query};
use crate::jobs::{self, Job};
use crate::openai::Body;
use crate::stream::Step;

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = NewCorpus)]
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
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Corpus)]
pub(crate) struct Described {
    id: CorpusId,
    name: String,
    title: String,
    /// The label that its documents take at least.
    label: Label,
    /// Groups that may read it, by name; none means everybody of the tenant.
    readers: Vec<String>,
    /// The number of its newest version; 0 while it is empty.
    version: u64,
    created: Timestamp,
    changed: Timestamp,
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
    Ok(Described {
        id: corpus.id,
        readers: group_names(app, corpus.tenant, &corpus.readers),
        name: corpus.name,
        title: corpus.title,
        label: corpus.label,
        version: corpus.version,
        created: corpus.created,
        changed: corpus.changed,
        status,
    })
}

/// The corpora that this key may know of, by name.
#[utoipa::path(
    get,
    path = "/corpora",
    params(Page),
    responses((status = 200, body = List<Described>)),
)]
pub(crate) async fn list(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<Json<List<Described>>, ApiError> {
    let mut corpora = app.corpora.list(principal.tenant).await?;
    corpora.retain(|corpus| app.guard.may_see(&principal, &app.corpora.terms(corpus)).is_ok());
    let List { data, next } = page.of(corpora, |corpus| &corpus.name)?;
    let mut all = Vec::with_capacity(data.len());
    for corpus in data {
        all.push(described(&app, corpus).await?);
    }
    Ok(Json(List { data: all, next }))
}

/// Makes a corpus with its label.
#[utoipa::path(
    post,
    path = "/corpora",
    request_body = CorpusRequest,
    responses((status = 200, body = Described)),
)]
pub(crate) async fn create(
    Administrator(principal): Administrator,
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

/// One corpus and what it holds.
#[utoipa::path(
    get,
    path = "/corpora/{name}",
    params(("name" = String, Path, description = "The name")),
    responses((status = 200, body = Described)),
)]
pub(crate) async fn status(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Described>, ApiError> {
    let corpus = visible(&app, &principal, &name).await?;
    Ok(Json(described(&app, corpus).await?))
}

/// Removes a corpus with all its documents.
#[utoipa::path(
    delete,
    path = "/corpora/{name}",
    params(("name" = String, Path, description = "The name")),
    responses((status = 200, body = Removed)),
)]
pub(crate) async fn remove(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Removed>, ApiError> {
    let corpus = visible(&app, &principal, &name).await?;
    app.corpora.remove(corpus.id).await?;
    app.forget_kept(principal.tenant).await?;
    Ok(Json(Removed { removed: name }))
}

/// What is to change; what is absent stays. A label is never changed by a call: nothing may lower a class.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = CorpusChange)]
pub(crate) struct Change {
    #[serde(default)]
    title: Option<String>,
    /// Groups that may read it, by name; an empty list opens it to everybody of the tenant.
    #[serde(default)]
    readers: Option<Vec<String>>,
}

/// Changes a corpus's title, and who may read it.
#[utoipa::path(
    patch,
    path = "/corpora/{name}",
    params(("name" = String, Path, description = "The name")),
    request_body = Change,
    responses((status = 200, body = Described)),
)]
pub(crate) async fn change(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Body(request): Body<Change>,
) -> Result<Json<Described>, ApiError> {
    let corpus = visible(&app, &principal, &name).await?;
    let readers = request.readers.map(|names| group_ids(&app, &principal, &names)).transpose()?;
    app.corpora.change(corpus.id, CorpusChange { title: request.title, readers }).await?;
    let corpus = visible(&app, &principal, &name).await?;
    Ok(Json(described(&app, corpus).await?))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = AddRequest)]
pub(crate) struct Add {
    /// Files, folders and archives on this machine, as absolute paths. Only the operator may name any.
    #[schema(value_type = Vec<String>)]
    paths: Vec<PathBuf>,
    #[serde(default)]
    class: Option<Class>,
    #[serde(default)]
    readers: Vec<String>,
    /// What single records take on beyond that: the first rule that is for a record counts. Where there are any, a record
    /// that none is for is not added.
    #[serde(default)]
    access: Vec<AccessOf>,
}

/// Who may read the records of some paths, or those whose files some group of the machine owns.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AccessRule)]
struct AccessOf {
    /// Patterns of paths inside what is added: `*` is within one folder, `**` any folders. None means every path.
    #[serde(default)]
    paths: Vec<String>,
    /// The number of the group that owns the file.
    system_group: Option<u32>,
    /// A class stricter than the corpus's.
    #[schema(inline)]
    class: Option<Class>,
    /// Groups that may read them beyond what the corpus asks; left out leaves it as it is.
    readers: Option<Vec<String>>,
}

impl AccessOf {
    fn rule(self, app: &App, principal: &Principal) -> Result<AccessRule, ApiError> {
        let readers = self.readers.map(|names| group_ids(app, principal, &names)).transpose()?;
        Ok(AccessRule { paths: self.paths, system_group: self.system_group, class: self.class, readers })
    }
}

/// Adds files, folders and archives of the server's machine. The operator's alone.
#[utoipa::path(
    post,
    path = "/corpora/{name}/add",
    params(("name" = String, Path, description = "The name")),
    request_body = Add,
    responses((status = 200, description = "A line for each step, and the result as the last one", content_type = "application/x-ndjson", body = Step<Progress, AddReport>), (status = 202, description = "With `Prefer: respond-async`: the work goes on by itself", body = Job)),
)]
pub(crate) async fn add(
    Operator(principal): Operator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(request): Body<Add>,
) -> Result<Response, ApiError> {
    let corpus = visible(&app, &principal, &name).await?;
    if let Some(path) = request.paths.iter().find(|path| !path.is_absolute()) {
        return Err(ApiError::invalid(format!("`{}` is not an absolute path", path.display())));
    }
    let rules: Vec<_> = request.access.into_iter().map(|rule| rule.rule(&app, &principal)).collect::<Result<_, _>>()?;
    let options = AddOptions {
        class: request.class,
        readers: group_ids(&app, &principal, &request.readers)?,
        access: Access::new(rules).map_err(|error| ApiError::invalid(error.to_string()))?,
        ..AddOptions::default()
    };
    let jobs = app.jobs.clone();
    jobs.run(&principal, &headers, (jobs::Kind::Add, &name), move |teller| async move {
        let report = app.corpora.add(&corpus, &request.paths, &options, &|step| teller.tell(step)).await?;
        // Whoever is told that the records are in can find them.
        app.search.catch_up().await?;
        Ok(report)
    })
}
