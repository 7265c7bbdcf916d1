//! Documents: listed, shown, quoted, removed.

use std::ops::Range;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base::{Class, DocumentId, Label, PassageId, Principal};
use corpus::{Corpus, Document, DocumentList, DocumentPage, DocumentSummary, Warning};
use guard::{Declassification, DocumentTerms, Refusal, SearchPermit};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::corpora::visible;
use super::page::{Page, Removed};
use crate::App;
use crate::caller::{Administrator, Caller};
use crate::error::ApiError;
use crate::input::{Path, Query};
use crate::openai::Body;

/// Bytes of text that are shown around a quote.
const AROUND_BYTES: usize = 2_000;

pub(crate) fn may_read(app: &App, principal: &Principal, corpus: &Corpus) -> Result<SearchPermit, ApiError> {
    let purpose = "answering".parse().map_err(|_| ApiError::Internal)?;
    Ok(app.guard.may_search(principal, &[app.corpora.terms(corpus)], &purpose)?)
}

fn terms(corpus: &Corpus, summary: &DocumentSummary) -> DocumentTerms {
    DocumentTerms { corpus: corpus.id, class: summary.class, readers: summary.readers.clone() }
}

/// Which documents are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Only documents whose path begins so.
    path: Option<String>,
    /// Only documents that have this in their path or title.
    q: Option<String>,
    /// Only documents of this class.
    #[param(inline)]
    class: Option<Class>,
    /// Only documents whose extraction left warnings.
    #[serde(default)]
    warnings: bool,
}

/// A page of documents.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Documents {
    data: Vec<DocumentSummary>,
    /// What to ask `after` for the next page; null on the last one.
    next: Option<String>,
    /// Documents on all pages.
    total: u64,
}

/// The documents of a corpus that this key may read, by path.
#[utoipa::path(
    get,
    path = "/corpora/{name}/documents",
    params(("name" = String, Path, description = "The name"), Page, Wanted),
    responses((status = 200, body = Documents)),
)]
pub(crate) async fn list(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(page): Query<Page>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Documents>, ApiError> {
    let corpus = visible(&app, &principal, &name).await?;
    let permit = may_read(&app, &principal, &corpus)?;
    let page = DocumentPage {
        limit: page.limit()? as u32,
        after: page.after,
        path_prefix: wanted.path,
        containing: wanted.q,
        class: wanted.class,
        warned: wanted.warnings,
    };
    let DocumentList { documents, total, more } = app.corpora.documents(corpus.id, &permit, &page).await?;
    let next = documents.last().filter(|_| more).map(|last| last.path.clone());
    Ok(Json(Documents { data: documents, next, total }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// The document's path in its corpus, or its id.
    document: String,
}

/// A document with all that is stored of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Shown {
    document: DocumentSummary,
    /// The text that all spans point into.
    text: String,
    passages: Vec<Passage>,
    /// What extraction could not keep.
    warnings: Vec<Warning>,
    /// What in it a person should look at: places that speak to a model, or that a reader does not see.
    flags: Vec<corpus::Flag>,
}

/// A passage of a document's text.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Passage {
    id: PassageId,
    /// Bytes of the text.
    #[schema(value_type = base::shape::Span)]
    span: Range<u64>,
    /// The document's title and the headings above it, outermost first.
    headings: Vec<String>,
}

/// A quote in its place.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Excerpt {
    document: DocumentSummary,
    /// The corpus's name.
    corpus: String,
    quote: String,
    /// Bytes of the document's text.
    #[schema(value_type = base::shape::Span)]
    span: Range<usize>,
    around: Around,
}

/// The text around a quote.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Around {
    start: usize,
    end: usize,
    text: String,
}

/// The document, if this principal may read it; otherwise it is as if it were not there.
async fn readable(app: &App, principal: &Principal, corpus: &Corpus, which: &str) -> Result<Document, ApiError> {
    let permit = may_read(app, principal, corpus)?;
    let document = app.corpora.show(corpus.id, which).await?;
    if permit.allows(&terms(corpus, &document.summary)) { Ok(document) } else { Err(ApiError::NotFound("document")) }
}

/// One document: its text, passages and warnings.
#[utoipa::path(
    get,
    path = "/corpora/{name}/document",
    params(("name" = String, Path, description = "The name"), Which),
    responses((status = 200, body = Shown)),
)]
pub(crate) async fn show(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(which): Query<Which>,
) -> Result<Json<Shown>, ApiError> {
    let corpus = visible(&app, &principal, &name).await?;
    let document = readable(&app, &principal, &corpus, &which.document).await?;
    let passages = document.passages.iter().map(|passage| Passage {
        id: passage.id,
        span: passage.span.clone(),
        headings: passage.headings.to_vec(),
    });
    Ok(Json(Shown {
        passages: passages.collect(),
        document: document.summary,
        text: document.text.to_string(),
        warnings: document.warnings,
        flags: document.flags,
    }))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LowerClass {
    /// The class that the document is to have, not below its corpus's.
    to: Class,
    /// Why, in 1 to 500 characters. Whoever approves reads it.
    reason: String,
}

/// Gives one document a lower class, once somebody has approved whom the policies name. Until then this is refused with the
/// id of a request (`approval_needed`); afterwards the same is asked again.
#[utoipa::path(
    post,
    path = "/corpora/{name}/document/class",
    params(("name" = String, Path, description = "The name"), Which),
    request_body = LowerClass,
    responses((status = 200, body = DocumentSummary)),
)]
pub(crate) async fn lower_class(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(which): Query<Which>,
    Body(lower): Body<LowerClass>,
) -> Result<Json<DocumentSummary>, ApiError> {
    let corpus = visible(&app, &principal, &name).await?;
    let document = readable(&app, &principal, &corpus, &which.document).await?.summary;
    if lower.to < corpus.label.class {
        let class = corpus.label.class;
        return Err(ApiError::field("to", format!("is not below `{class}`, the class of the corpus")));
    }
    let label = Label { class: document.class, ..corpus.label.clone() };
    let step = Declassification { document: Some(document.id), to: lower.to, reason: lower.reason, until: None };
    let question = app.guard.declassification(&principal, &label, &step);
    let approvals = app.guard.approvals_of(&question);
    match app.guard.declassify(&principal, &label, &step, &approvals, Timestamp::now()) {
        Ok(lowered) => app.corpora.declassify(&document, &lowered).await?,
        Err(Refusal::ApprovalFirst { group }) => {
            let groups = app.guard.policies().decide(&question).obligations()?.approval.clone();
            let request = app.approvals.ask(&question, &groups).await?;
            return Err(ApiError::approval_needed(request, &group));
        }
        Err(refusal) => return Err(refusal.into()),
    }
    // Answers that were kept were made for the class from before.
    app.forget_kept(principal.tenant).await?;
    Ok(Json(app.corpora.show(corpus.id, &document.id.to_string()).await?.summary))
}

/// Removes one document from the newest version.
#[utoipa::path(
    delete,
    path = "/corpora/{name}/document",
    params(("name" = String, Path, description = "The name"), Which),
    responses((status = 200, body = Removed)),
)]
pub(crate) async fn remove(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(which): Query<Which>,
) -> Result<Json<Removed>, ApiError> {
    let corpus = visible(&app, &principal, &name).await?;
    let document = app.corpora.show(corpus.id, &which.document).await?;
    app.corpora.remove_document(corpus.id, document.summary.id).await?;
    app.forget_kept(principal.tenant).await?;
    Ok(Json(Removed { removed: document.summary.path }))
}

/// The document of this id with its corpus, if this principal may read it; otherwise it is as if it were not there.
pub(crate) async fn by_id(app: &App, principal: &Principal, id: &str) -> Result<(Corpus, Document), ApiError> {
    let gone = || ApiError::NotFound("document");
    let id: DocumentId = id.parse().map_err(|_| gone())?;
    let revision = app.corpora.revisions(id).await?.pop().ok_or_else(gone)?;
    let corpus = app.corpora.get(revision.corpus).await?.ok_or_else(gone)?;
    app.guard.may_see(principal, &app.corpora.terms(&corpus)).map_err(|_| gone())?;
    // That a document is there which the key may not read is not told either.
    let document = readable(app, principal, &corpus, &id.to_string()).await.map_err(|error| match error {
        ApiError::Refused(_) => gone(),
        other => other,
    })?;
    Ok((corpus, document))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Span {
    /// The byte that it begins at.
    from: usize,
    /// The byte that it ends before.
    to: usize,
}

/// A quote in its place: what a citation's address leads to.
#[utoipa::path(
    get,
    path = "/documents/{id}",
    params(("id" = String, Path, description = "The id"), Span),
    responses((status = 200, body = Excerpt)),
)]
pub(crate) async fn excerpt(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(span): Query<Span>,
) -> Result<Json<Excerpt>, ApiError> {
    let (corpus, document) = by_id(&app, &principal, &id).await?;
    let text = document.text.as_ref();
    let quote = text.get(span.from..span.to).ok_or_else(|| ApiError::invalid("no text stands at this span"))?;
    let around: Range<usize> = text.floor_char_boundary(span.from.saturating_sub(AROUND_BYTES))
        ..text.ceil_char_boundary(span.to.saturating_add(AROUND_BYTES).min(text.len()));
    let around = Around { start: around.start, end: around.end, text: text[around].to_owned() };
    Ok(Json(Excerpt {
        quote: quote.to_owned(),
        span: span.from..span.to,
        around,
        document: document.summary,
        corpus: corpus.name,
    }))
}
