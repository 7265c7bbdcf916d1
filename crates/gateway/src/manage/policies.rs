//! The policies that count now: their state, their text, and what they would answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base::ContentHash;
use guard::policy::{Explanation, Question};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::App;
use crate::caller::Administrator;
use crate::error::ApiError;
use crate::input::Path;
use crate::openai::Short;

/// Groups that a question may give to whoever asks.
const GROUPS_MAX: usize = 1_000;

/// The policies that count now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PolicyState {
    /// The version: receipts name it.
    version: ContentHash,
    /// Whether these are the starting policies, since the folder has none.
    starting: bool,
    /// Cases that stand beside them.
    cases: usize,
    /// Those cases that do not hold.
    failing: Vec<String>,
    /// What is wrong with the folder, where it has changed and cannot be used; then the version from before counts.
    problems: Vec<String>,
    /// The files that this version was read from: policies first, then cases.
    files: Vec<String>,
}

/// A file of policies or cases, as it was read.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PolicyFile {
    name: String,
    text: String,
}

/// The policies that count now, and what is wrong with their folder if it cannot be used.
#[utoipa::path(
    get,
    path = "/policies",
    responses((status = 200, body = PolicyState)),
)]
pub(crate) async fn state(_: Administrator, State(app): State<Arc<App>>) -> Json<PolicyState> {
    let policies = app.guard.policies();
    let results = guard::policy::test(&policies, policies.cases());
    let failing = results.iter().filter(|result| !result.wrong.is_empty()).map(ToString::to_string).collect();
    Json(PolicyState {
        version: policies.version(),
        starting: policies.is_starting(),
        cases: results.len(),
        failing,
        problems: app.guard.problems().iter().map(ToString::to_string).collect(),
        files: policies.files().map(|(name, _)| name.to_owned()).collect(),
    })
}

/// One file of the policies that count now.
#[utoipa::path(
    get,
    path = "/policies/files/{name}",
    params(("name" = String, Path, description = "The file's name")),
    responses((status = 200, body = PolicyFile)),
)]
pub(crate) async fn file(
    _: Administrator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<PolicyFile>, ApiError> {
    // Looked up among what was read: no name leads to a file of the machine.
    let policies = app.guard.policies();
    let text = policies.files().find(|(known, _)| *known == name).map(|(_, text)| text.to_owned());
    text.map(|text| Json(PolicyFile { name, text })).ok_or(ApiError::NotFound("policy file"))
}

/// What the policies would answer to a question, and why. Nothing is permitted by it, and nothing recorded.
///
/// All but `who.kind` and `act` may be left out. The asker is then one of the caller's tenant, and `home` is the country
/// that this house stands in.
#[utoipa::path(
    post,
    path = "/policies/explain",
    request_body = Question,
    responses((status = 200, body = Explanation)),
)]
pub(crate) async fn explain(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Short(mut asked): Short<Map<String, Value>>,
) -> Result<Json<Explanation>, ApiError> {
    asked.entry("home").or_insert_with(|| json!(app.guard.home()));
    if let Some(Value::Object(who)) = asked.get_mut("who") {
        who.entry("tenant").or_insert_with(|| json!(principal.tenant));
    }
    let question: Question = serde_json::from_value(Value::Object(asked)).map_err(|error| {
        let text: String = error.to_string().chars().take(200).collect();
        ApiError::invalid(format!("this is no question to the policies: {text}"))
    })?;
    if question.who.groups.len() > GROUPS_MAX {
        return Err(ApiError::field("who.groups", format_args!("names at most {GROUPS_MAX} groups")));
    }
    let policies = app.guard.policies();
    let explain = move || policies.explain(&question);
    let explained = tokio::task::spawn_blocking(explain).await.map_err(|error| ApiError::internal(&error))?;
    Ok(Json(explained))
}
