//! Searching, and how far the indexes are.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use base::{Class, Principal};
use guard::{CorpusTerms, FlowKind, Outcome};
use jiff::civil::Date;
use retrieval::{Filter, Found, Mode, Query, Status};
use serde::Deserialize;

use super::corpora::visible;
use crate::App;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::input::Path;
use crate::openai::Body;

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct SearchRequest {
    question: String,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    top: Option<usize>,
    /// Only documents whose path begins so.
    #[serde(default)]
    path: Option<String>,
    /// Only documents dated from this day on.
    #[serde(default)]
    from: Option<Date>,
    /// Only documents dated up to this day.
    #[serde(default)]
    to: Option<Date>,
    /// Only documents of this class or a lower one.
    #[serde(default)]
    class: Option<Class>,
    /// Milliseconds that may be spent on making missing vectors of the best candidates.
    #[serde(default)]
    patience_ms: u64,
}

const PATIENCE_MAX_MS: u64 = 10_000;

/// Finds passages by words, by meaning, or by both: each hit has its rank and score on every side.
#[utoipa::path(
    post,
    path = "/corpora/{name}/search",
    params(("name" = String, Path, description = "The name")),
    request_body = SearchRequest,
    responses((status = 200, body = Found)),
)]
pub(crate) async fn search(
    Caller(principal): Caller,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Body(request): Body<SearchRequest>,
) -> Result<Json<Found>, ApiError> {
    let corpus = visible(&app, &principal, &name).await?;
    let terms = app.corpora.terms(&corpus);
    let filter = Filter {
        corpora: None,
        path_prefix: request.path,
        dated_from: request.from,
        dated_to: request.to,
        class_max: request.class,
    };
    let query = Query {
        mode: request.mode,
        top: request.top.unwrap_or(10),
        filter,
        patience: Duration::from_millis(request.patience_ms.min(PATIENCE_MAX_MS)),
        ..Query::new(request.question)
    };
    Ok(Json(recorded_search(&app, &principal, &name, &[terms], &query).await?))
}

/// Asks whether these corpora may be searched, searches, and leaves a receipt of either. `asked` is what the caller named.
pub(crate) async fn recorded_search(
    app: &App,
    principal: &Principal,
    asked: &str,
    terms: &[CorpusTerms],
    query: &Query,
) -> Result<Found, ApiError> {
    let purpose = "answering".parse().map_err(|_| ApiError::Internal)?;
    let flow = app.receipts.begin(principal, FlowKind::Search, asked)?;
    let question = flow.salt().commit(&query.text);
    flow.note(|receipt| receipt.question = Some(question));
    let permit = match flow.may_search(&app.guard, principal, terms, &purpose, "") {
        Ok(permit) => permit,
        Err(refusal) => {
            flow.close(Outcome::Refused { why: refusal.word().to_owned() }).acknowledged().await?;
            return Err(refusal.into());
        }
    };
    let found = app.search.search(&permit, query).await;
    flow.note(|receipt| {
        let hits = found.iter().flat_map(|found| &found.hits);
        receipt.made_of(permit.corpora().iter().copied(), hits.map(|hit| hit.document));
    });
    let outcome = match &found {
        Ok(_) => Outcome::Served,
        Err(_) => Outcome::Failed { why: "search".to_owned() },
    };
    flow.close(outcome).acknowledged().await?;
    Ok(found?)
}

/// How far words and vectors are, over everything that is gathered here.
#[utoipa::path(
    get,
    path = "/index",
    responses((status = 200, body = Status)),
)]
pub(crate) async fn index(_: Caller, State(app): State<Arc<App>>) -> Json<Status> {
    Json(app.search.status())
}
