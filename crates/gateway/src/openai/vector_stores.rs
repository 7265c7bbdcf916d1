//! `/v1/vector_stores`: corpora, as clients of the OpenAI API make, fill and search them.
//!
//! A vector store is a corpus, by its id or its name; nothing here can do more than the management API. One that is made
//! here takes the label that can be known: the key's input class, this house's country, `answering`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base::{CorpusId, FileId, Label, Principal, Residency};
use corpus::{Corpus, CorpusChange, CorpusError, CorpusFile, NewCorpus};
use retrieval::Query as Search;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::files::{self, Deleted};
use super::list::{List, Page};
use super::wire::{Body, OneOrMany};
use crate::App;
use crate::caller::{Administrator, Caller};
use crate::error::ApiError;
use crate::input::{Path, Query};
use crate::manage::{may_read, recorded_search, visible};

/// Files that a store may be made with.
const FILES_MAX: usize = 100;
const HITS_USUAL: usize = 10;
const HITS_MAX: usize = 50;

/// A corpus as OpenAI's API shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct VectorStore {
    id: String,
    object: &'static str,
    created_at: i64,
    name: String,
    usage_bytes: u64,
    file_counts: FileCounts,
    status: &'static str,
    #[schema(value_type = Option<Object>)]
    expires_after: Option<Value>,
    expires_at: Option<i64>,
    last_active_at: i64,
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
}

/// Files of a store, by what became of them.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(crate) struct FileCounts {
    in_progress: u64,
    completed: u64,
    failed: u64,
    cancelled: u64,
    total: u64,
}

/// A file of a store.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct StoreFile {
    id: String,
    object: &'static str,
    created_at: i64,
    vector_store_id: String,
    usage_bytes: u64,
    status: &'static str,
    last_error: Option<LastError>,
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
}

/// Why a file became no document.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct LastError {
    code: &'static str,
    message: String,
}

fn store_file(corpus: CorpusId, put: CorpusFile) -> StoreFile {
    StoreFile {
        id: put.file.to_string(),
        object: "vector_store.file",
        created_at: put.created.as_second(),
        vector_store_id: corpus.to_string(),
        usage_bytes: put.bytes,
        status: if put.failure.is_some() { "failed" } else { "completed" },
        last_error: put.failure.map(|message| LastError { code: "unsupported_file", message }),
        attributes: Map::new(),
    }
}

async fn store(app: &App, corpus: Corpus) -> Result<VectorStore, ApiError> {
    let status = app.corpora.status(corpus.id).await?;
    let failed = app.files.of_corpus(corpus.id).await?.iter().filter(|put| put.failure.is_some()).count() as u64;
    Ok(VectorStore {
        id: corpus.id.to_string(),
        object: "vector_store",
        created_at: corpus.created.as_second(),
        name: corpus.title,
        usage_bytes: status.text_bytes,
        file_counts: FileCounts {
            completed: status.documents,
            failed,
            total: status.documents + failed,
            ..FileCounts::default()
        },
        status: if status.adding { "in_progress" } else { "completed" },
        expires_after: None,
        expires_at: None,
        last_active_at: corpus.changed.as_second(),
        metadata: Map::new(),
    })
}

/// The corpus of this id or name, if this principal may know of it.
async fn find(app: &App, principal: &Principal, id: &str) -> Result<Corpus, ApiError> {
    let gone = || ApiError::NotFound("vector store");
    let Ok(id) = id.parse::<CorpusId>() else {
        return visible(app, principal, id).await.map_err(|error| match error {
            ApiError::NotFound(_) => gone(),
            other => other,
        });
    };
    let corpus = app.corpora.get(id).await?.ok_or_else(gone)?;
    app.guard.may_see(principal, &app.corpora.terms(&corpus)).map_err(|_| gone())?;
    Ok(corpus)
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct NewStore {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    file_ids: Vec<String>,
}

/// Makes a vector store: a corpus of the key's input class, for this house's country, to answer from.
#[utoipa::path(
    post,
    path = "/v1/vector_stores",
    request_body = NewStore,
    responses((status = 200, body = VectorStore)),
)]
pub(crate) async fn create(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Body(new): Body<NewStore>,
) -> Result<Json<VectorStore>, ApiError> {
    if new.file_ids.len() > FILES_MAX {
        return Err(ApiError::Invalid {
            message: format!("`file_ids`: at most {FILES_MAX}"),
            field: Some("file_ids".to_owned()),
        });
    }
    let mut files = Vec::new();
    for id in &new.file_ids {
        files.push(files::visible(&app, &principal, id).await?);
    }
    let corpus = make(&app, &principal, new.name.unwrap_or_default()).await?;
    for file in &files {
        app.files.put(&corpus, file).await?;
    }
    if !files.is_empty() {
        app.search.catch_up().await?;
    }
    Ok(Json(store(&app, corpus).await?))
}

/// A new corpus. A name that cannot be a corpus's, or is taken, becomes its title.
async fn make(app: &App, principal: &Principal, title: String) -> Result<Corpus, ApiError> {
    let label = Label {
        class: principal.input_class,
        residency: Residency::Only([app.about.country].into()),
        purposes: ["answering".parse::<base::Purpose>().map_err(|_| ApiError::Internal)?].into(),
        licences: [].into(),
    };
    let new = |name: String| NewCorpus { name, title: title.clone(), label: label.clone(), readers: [].into() };
    match app.corpora.create(principal.tenant, new(title.clone())).await {
        Err(CorpusError::BadName(_) | CorpusError::NameTaken(_)) => {
            let name = format!("store-{}", uuid::Uuid::now_v7().simple());
            Ok(app.corpora.create(principal.tenant, new(name)).await?)
        }
        made => Ok(made?),
    }
}

/// The vector stores that this key may know of.
#[utoipa::path(
    get,
    path = "/v1/vector_stores",
    params(Page),
    responses((status = 200, body = List<VectorStore>)),
)]
pub(crate) async fn list(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<Json<List<VectorStore>>, ApiError> {
    let mut corpora = app.corpora.list(principal.tenant).await?;
    corpora.retain(|corpus| app.guard.may_see(&principal, &app.corpora.terms(corpus)).is_ok());
    corpora.sort_by_key(|corpus| corpus.id);
    let mut stores = Vec::with_capacity(corpora.len());
    for corpus in corpora {
        stores.push(store(&app, corpus).await?);
    }
    Ok(Json(page.of(stores, 20, |store| &store.id)?))
}

/// One vector store.
#[utoipa::path(
    get,
    path = "/v1/vector_stores/{store}",
    params(("store" = String, Path, description = "The vector store's id, or the corpus's name")),
    responses((status = 200, body = VectorStore)),
)]
pub(crate) async fn show(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<VectorStore>, ApiError> {
    let corpus = find(&app, &principal, &id).await?;
    Ok(Json(store(&app, corpus).await?))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct ChangedStore {
    #[serde(default)]
    name: Option<String>,
}

/// Renames a vector store.
#[utoipa::path(
    post,
    path = "/v1/vector_stores/{store}",
    params(("store" = String, Path, description = "The vector store's id, or the corpus's name")),
    request_body = ChangedStore,
    responses((status = 200, body = VectorStore)),
)]
pub(crate) async fn change(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Body(change): Body<ChangedStore>,
) -> Result<Json<VectorStore>, ApiError> {
    let corpus = find(&app, &principal, &id).await?;
    app.corpora.change(corpus.id, CorpusChange { title: change.name, readers: None }).await?;
    let corpus = find(&app, &principal, &corpus.id.to_string()).await?;
    Ok(Json(store(&app, corpus).await?))
}

/// Removes a vector store with its documents; files stay.
#[utoipa::path(
    delete,
    path = "/v1/vector_stores/{store}",
    params(("store" = String, Path, description = "The vector store's id, or the corpus's name")),
    responses((status = 200, body = Deleted)),
)]
pub(crate) async fn remove(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Deleted>, ApiError> {
    let corpus = find(&app, &principal, &id).await?;
    app.corpora.remove(corpus.id).await?;
    Ok(Json(Deleted { id: corpus.id.to_string(), object: "vector_store.deleted", deleted: true }))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct NewStoreFile {
    file_id: String,
}

/// Puts a file into the store. It is read before the answer comes, so its status is final.
#[utoipa::path(
    post,
    path = "/v1/vector_stores/{store}/files",
    params(("store" = String, Path, description = "The vector store's id, or the corpus's name")),
    request_body = NewStoreFile,
    responses((status = 200, body = StoreFile)),
)]
pub(crate) async fn add_file(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Body(new): Body<NewStoreFile>,
) -> Result<Json<StoreFile>, ApiError> {
    let corpus = find(&app, &principal, &id).await?;
    let file = files::visible(&app, &principal, &new.file_id).await?;
    let put = app.files.put(&corpus, &file).await?;
    app.search.catch_up().await?;
    Ok(Json(store_file(corpus.id, put)))
}

/// The files of a vector store.
#[utoipa::path(
    get,
    path = "/v1/vector_stores/{store}/files",
    params(("store" = String, Path, description = "The vector store's id, or the corpus's name"), Page),
    responses((status = 200, body = List<StoreFile>)),
)]
pub(crate) async fn list_files(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<List<StoreFile>>, ApiError> {
    let corpus = find(&app, &principal, &id).await?;
    may_read(&app, &principal, &corpus)?;
    let files = app.files.of_corpus(corpus.id).await?;
    let files = files.into_iter().map(|put| store_file(corpus.id, put)).collect();
    Ok(Json(page.of(files, 20, |file: &StoreFile| &file.id)?))
}

/// One file of a vector store.
#[utoipa::path(
    get,
    path = "/v1/vector_stores/{store}/files/{file}",
    params(("store" = String, Path, description = "The vector store's id, or the corpus's name"), ("file" = String, Path, description = "The file's id")),
    responses((status = 200, body = StoreFile)),
)]
pub(crate) async fn show_file(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path((id, file)): Path<(String, String)>,
) -> Result<Json<StoreFile>, ApiError> {
    let corpus = find(&app, &principal, &id).await?;
    may_read(&app, &principal, &corpus)?;
    Ok(Json(store_file(corpus.id, put(&app, corpus.id, &file).await?)))
}

/// Takes a file's document out of the store; the file itself stays.
#[utoipa::path(
    delete,
    path = "/v1/vector_stores/{store}/files/{file}",
    params(("store" = String, Path, description = "The vector store's id, or the corpus's name"), ("file" = String, Path, description = "The file's id")),
    responses((status = 200, body = Deleted)),
)]
pub(crate) async fn remove_file(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path((id, file)): Path<(String, String)>,
) -> Result<Json<Deleted>, ApiError> {
    let corpus = find(&app, &principal, &id).await?;
    let put = put(&app, corpus.id, &file).await?;
    app.files.take_out(corpus.id, &put).await?;
    Ok(Json(Deleted { id: put.file.to_string(), object: "vector_store.file.deleted", deleted: true }))
}

async fn put(app: &App, corpus: CorpusId, file: &str) -> Result<CorpusFile, ApiError> {
    let gone = || ApiError::NotFound("file");
    let id: FileId = file.parse().map_err(|_| gone())?;
    app.files.of_corpus(corpus).await?.into_iter().find(|put| put.file == id).ok_or_else(gone)
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = StoreSearch)]
pub(crate) struct SearchRequest {
    query: OneOrMany,
    #[serde(default)]
    max_num_results: Option<usize>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    filters: Option<Value>,
    #[serde(default)]
    ranking_options: Option<RankingOptions>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct RankingOptions {
    #[serde(default)]
    score_threshold: Option<f32>,
}

/// What was found.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = StoreResults)]
pub(crate) struct Results {
    object: &'static str,
    search_query: Vec<String>,
    data: Vec<Found>,
    has_more: bool,
    next_page: Option<String>,
}

/// A passage of a file.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = StoreResult)]
struct Found {
    /// The file's id; the document's, where it came as no file.
    file_id: String,
    filename: String,
    /// 0 to 1; comparable inside one answer only.
    score: f32,
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
    content: Vec<Text>,
}

/// A part of a passage.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = StoreText)]
struct Text {
    #[serde(rename = "type")]
    kind: &'static str,
    text: String,
}

/// Finds passages in a vector store.
#[utoipa::path(
    post,
    path = "/v1/vector_stores/{store}/search",
    params(("store" = String, Path, description = "The vector store's id, or the corpus's name")),
    request_body = SearchRequest,
    responses((status = 200, body = Results)),
)]
pub(crate) async fn search(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Body(request): Body<SearchRequest>,
) -> Result<Json<Results>, ApiError> {
    let refused = |field: &str, why: String| ApiError::Invalid {
        message: format!("`{field}`: {why}"),
        field: Some(field.to_owned()),
    };
    if request.filters.is_some() {
        return Err(refused("filters", "files have no attributes here to be filtered by".to_owned()));
    }
    let top = request.max_num_results.unwrap_or(HITS_USUAL);
    if !(1..=HITS_MAX).contains(&top) {
        return Err(refused("max_num_results", format!("is 1 to {HITS_MAX}")));
    }
    let corpus = find(&app, &principal, &id).await?;
    let terms = [app.corpora.terms(&corpus)];
    let queries = request.query.into_vec();
    let query = Search { top, ..Search::new(queries.join("\n")) };
    let found = recorded_search(&app, &principal, &corpus.name, &terms, &query).await?;
    let files: HashMap<String, FileId> =
        app.files.of_corpus(corpus.id).await?.into_iter().map(|put| (put.path, put.file)).collect();
    let least = request.ranking_options.and_then(|options| options.score_threshold).unwrap_or(0.0);
    let results = found.hits.into_iter().map(|hit| Found {
        file_id: files.get(&hit.path).map_or_else(|| hit.document.to_string(), FileId::to_string),
        filename: hit.path,
        score: chance(hit.score),
        attributes: Map::new(),
        content: vec![Text { kind: "text", text: hit.text }],
    });
    Ok(Json(Results {
        object: "vector_store.search_results.page",
        search_query: queries,
        data: results.filter(|result| result.score >= least).collect(),
        has_more: false,
        next_page: None,
    }))
}

/// A fused score has no bounds; clients of this API expect 0 to 1. The order stays.
fn chance(score: f32) -> f32 {
    1.0 / (1.0 + (-score).exp())
}
