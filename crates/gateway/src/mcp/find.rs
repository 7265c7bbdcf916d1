//! `corpora` and `search`.

use base::{Class, DocumentId, PassageId, Principal, Purpose};
use corpus::Corpus;
use jiff::civil::Date;
use retrieval::{Mode, Query};
use serde::{Deserialize, Serialize};

use super::told::{TEXT_BYTES_MAX, Told, address, cut};
use crate::App;
use crate::error::ApiError;
use crate::manage::{recorded_search, visible};

const TOP_USUAL: usize = 5;
const TOP_MAX: usize = 20;
/// Bytes of one passage that are shown; `read` shows the rest.
const PASSAGE_BYTES_MAX: usize = 4 << 10;

const NOTHING: &str = "There are no records that this key may read.";

#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    title: String,
    class: Class,
    documents: u64,
    passages: u64,
}

pub(super) async fn corpora(app: &App, principal: &Principal) -> Result<Told, ApiError> {
    let mut listed = Vec::new();
    for corpus in readable(app, principal, None).await? {
        let status = app.corpora.status(corpus.id).await?;
        listed.push(Listed {
            name: corpus.name,
            title: corpus.title,
            class: corpus.label.class,
            documents: status.documents,
            passages: status.passages,
        });
    }
    let mut text = String::new();
    for Listed { name, title, class, documents, .. } in &listed {
        text.push_str(&format!("{name}: {title} ({documents} documents, class {class})\n"));
    }
    if listed.is_empty() {
        text.push_str(NOTHING);
    }
    Ok(Told::new(text, &serde_json::json!({ "corpora": listed })))
}

/// The corpora that a tool works on: the one that is named, or all that this principal may search.
pub(super) async fn readable(app: &App, principal: &Principal, name: Option<&str>) -> Result<Vec<Corpus>, ApiError> {
    if let Some(name) = name {
        return Ok(vec![visible(app, principal, name).await?]);
    }
    let purpose = purpose()?;
    let mut corpora = app.corpora.list(principal.tenant).await?;
    corpora.retain(|corpus| app.guard.may_search(principal, &[app.corpora.terms(corpus)], &purpose).is_ok());
    Ok(corpora)
}

pub(super) fn purpose() -> Result<Purpose, ApiError> {
    "answering".parse().map_err(|_| ApiError::Internal)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    question: String,
    #[serde(default)]
    corpus: Option<String>,
    #[serde(default)]
    top: Option<usize>,
    #[serde(default)]
    mode: Mode,
}

/// A passage with all that is needed to cite it.
#[derive(Debug, Serialize)]
struct Passage {
    corpus: String,
    document: DocumentId,
    path: String,
    title: String,
    headings: Vec<String>,
    passage: PassageId,
    span: std::ops::Range<u64>,
    class: Class,
    dated: Option<Date>,
    address: String,
    text: String,
    /// Whether more stands in the passage than is shown.
    cut: bool,
}

pub(super) async fn search(app: &App, principal: &Principal, search: Search) -> Result<Told, ApiError> {
    let top = search.top.unwrap_or(TOP_USUAL);
    if !(1..=TOP_MAX).contains(&top) {
        return Err(ApiError::invalid(format!("`top`: is 1 to {TOP_MAX}")));
    }
    let corpora = readable(app, principal, search.corpus.as_deref()).await?;
    if corpora.is_empty() {
        return Ok(Told::new(NOTHING.to_owned(), &serde_json::json!({ "passages": [], "left_out": 0 })));
    }
    let terms: Vec<_> = corpora.iter().map(|corpus| app.corpora.terms(corpus)).collect();
    let query = Query { mode: search.mode, top, ..Query::new(search.question) };
    let found = recorded_search(app, principal, search.corpus.as_deref().unwrap_or_default(), &terms, &query).await?;

    let (mut passages, mut text, mut left) = (Vec::new(), String::new(), TEXT_BYTES_MAX);
    let count = found.hits.len();
    for hit in found.hits {
        let shown = cut(&hit.text, PASSAGE_BYTES_MAX.min(left));
        if shown.is_empty() {
            break;
        }
        left -= shown.len();
        let corpus = corpora.iter().find(|corpus| corpus.id == hit.corpus);
        let passage = Passage {
            corpus: corpus.map(|corpus| corpus.name.clone()).unwrap_or_default(),
            document: hit.document,
            path: hit.path,
            title: hit.title,
            address: address(hit.document, hit.span.start, hit.span.end),
            headings: hit.headings,
            passage: hit.passage,
            span: hit.span,
            class: hit.class,
            dated: hit.dated,
            cut: shown.len() < hit.text.len(),
            text: shown.to_owned(),
        };
        text.push_str(&format!(
            "[{}] {} ({}, class {})\n{}\n{}\n\n",
            passages.len() + 1,
            passage.headings.join(" > "),
            passage.path,
            passage.class,
            passage.address,
            passage.text,
        ));
        passages.push(passage);
    }
    if passages.is_empty() {
        text.push_str("No passage was found.");
    }
    let value = serde_json::json!({
        "passages": passages,
        "left_out": count - passages.len(),
        "searched": found.searched,
        "without_meaning": found.without_meaning,
    });
    Ok(Told::new(text, &value))
}
