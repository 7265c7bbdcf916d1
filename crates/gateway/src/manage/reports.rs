//! Reports: what the ledger comes to over a period, in the form that a law asks for.
//!
//! Whoever is given one leaves an act that names the SHA-256 of its bytes, on disk before the first of them goes out.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use base::{Principal, Subject};
use models::Kind;
use report::{Facts, Format, Given, Language, Listed, Model, Period, Report, Whom, Wish, moment};
use serde::Deserialize;

use super::page::List;
use crate::App;
use crate::caller::Administrator;
use crate::error::ApiError;
use crate::input::{Path, Query};
use crate::trail::Peer;

const RECEIPT: HeaderName = HeaderName::from_static("x-dure-receipt");
const SHA256: HeaderName = HeaderName::from_static("x-dure-report-sha256");
/// A report runs nothing and fetches nothing, wherever it is shown.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox";

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Spoken {
    /// `ko` or `en`; Korean where nothing is said.
    language: Option<String>,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// The first day, `2026-11-01`.
    #[param(required = true)]
    from: Option<String>,
    /// The last day, which is in it. Ten years at most.
    #[param(required = true)]
    to: Option<String>,
    /// `json`, `html` or `csv`; JSON where nothing is said.
    format: Option<String>,
    /// `ko` or `en`; Korean where nothing is said.
    language: Option<String>,
    /// A person's name or id: for `breach` and `automated-decisions`.
    person: Option<String>,
    /// A key's name or id: for `breach` and `automated-decisions`.
    key: Option<String>,
    /// A document's id: for `breach` and `automated-decisions`.
    document: Option<String>,
    /// An upstream's name: for `breach` and `automated-decisions`.
    upstream: Option<String>,
    /// When the breach was known, `2026-11-30T09:00`: for `breach`.
    known_at: Option<String>,
    /// When the explanation was asked for: for `automated-decisions`.
    requested_at: Option<String>,
}

/// The reports that there are, with the law's texts that their forms follow.
#[utoipa::path(
    get,
    path = "/reports",
    params(Spoken),
    responses((status = 200, body = List<Listed>)),
)]
pub(crate) async fn list(
    _: Administrator,
    State(app): State<Arc<App>>,
    Query(spoken): Query<Spoken>,
) -> Result<Json<List<Listed>>, ApiError> {
    let language = language(spoken.language.as_deref())?;
    Ok(Json(List { data: app.reports.list(language), next: None }))
}

/// One report of the tenant's, made of what the ledger holds now. `x-dure-receipt` names the act that records that it was
/// given out, `x-dure-report-sha256` the hash that stands there.
#[utoipa::path(
    get,
    path = "/reports/{name}",
    params(("name" = String, Path, description = "The name"), Wanted),
    responses((status = 200, content((Report = "application/json"), (String = "text/html; charset=utf-8"), (String = "text/csv; charset=utf-8")))),
)]
pub(crate) async fn show(
    Administrator(principal): Administrator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(wanted): Query<Wanted>,
    peer: Option<Extension<Peer>>,
) -> Result<Response, ApiError> {
    if !app.reports.has(&name) {
        return Err(ApiError::NotFound("report"));
    }
    let format = match wanted.format.as_deref() {
        None => Format::Json,
        Some(format) => format.parse().map_err(|()| ApiError::field("format", "is `json`, `html` or `csv`"))?,
    };
    let wish = wish(&app, &principal, name, wanted)?;
    app.receipts.may_record()?;
    let report = app.reports.make(wish, facts(&app, &principal).await?, format == Format::Json).await?;
    let zone = app.reports.zone().clone();
    let (report, printed) = tokio::task::spawn_blocking(move || {
        let printed = report.print(format, &zone);
        (report, printed)
    })
    .await
    .map_err(|error| ApiError::internal(&error))?;
    let printed = printed.map_err(|reason| {
        tracing::error!(%reason, "a report was not printed");
        ApiError::Internal
    })?;
    let from = peer.map(|Extension(Peer(address))| address.to_string());
    let given = Given { report: &report, format, hash: printed.hash };
    let receipt = app.reports.record(&principal, from, &given).await?;
    let file = format!("attachment; filename=\"{}_{}_{}.{}\"", report.report, report.from, report.to, format.as_str());
    let mut answer = printed.bytes.into_response();
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    for (name, text) in
        [(RECEIPT, receipt.to_string()), (SHA256, printed.hash.to_string()), (CONTENT_DISPOSITION, file)]
    {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
    Ok(answer)
}

fn language(named: Option<&str>) -> Result<Language, ApiError> {
    let Some(named) = named else { return Ok(Language::default()) };
    named.parse().map_err(|()| ApiError::field("language", "is `ko` or `en`"))
}

fn wish(app: &App, principal: &Principal, name: String, wanted: Wanted) -> Result<Wish, ApiError> {
    let day = |field: &str, day: Option<String>| day.ok_or_else(|| ApiError::field(field, "is missing"));
    let period = Period::parse(&day("from", wanted.from.clone())?, &day("to", wanted.to.clone())?)?;
    let zone = app.reports.zone();
    let moment = |field, text: &Option<String>| text.as_deref().map(|text| moment(field, text, zone)).transpose();
    Ok(Wish {
        name,
        period,
        language: language(wanted.language.as_deref())?,
        known: moment("known_at", &wanted.known_at)?,
        requested: moment("requested_at", &wanted.requested_at)?,
        whom: whom(app, principal, &wanted)?,
    })
}

/// What the report is narrowed to. Names are those of the tenant; another's are as if they were not there.
fn whom(app: &App, principal: &Principal, wanted: &Wanted) -> Result<Whom, ApiError> {
    let mut whom = Whom::default();
    match (&wanted.person, &wanted.key) {
        (Some(_), Some(_)) => return Err(ApiError::field("key", "name a person or a key, not both")),
        (Some(name), None) => {
            let people = app.tenancy.people(principal.tenant);
            let person = people.into_iter().find(|person| person.name == *name || person.id.to_string() == *name);
            whom.who = Some(Subject::Person(person.ok_or(ApiError::NotFound("person"))?.id));
        }
        (None, Some(name)) => {
            let key = app.tenancy.key(principal.tenant, name)?;
            whom.by_person = key.person.is_some();
            whom.who = Some(key.person.map_or(Subject::Service(key.id), Subject::Person));
        }
        (None, None) => {}
    }
    if let Some(document) = &wanted.document {
        let id = document.parse().map_err(|error| ApiError::field("document", error))?;
        whom.document = Some(id);
    }
    if let Some(upstream) = &wanted.upstream {
        if upstream.is_empty() || upstream.len() > 256 {
            return Err(ApiError::field("upstream", "has 1 to 256 bytes"));
        }
        whom.upstream = Some(upstream.clone());
    }
    Ok(whom)
}

/// What the house is, as far as receipts do not say it.
async fn facts(app: &App, principal: &Principal) -> Result<Facts, ApiError> {
    let tenant = app.tenancy.tenants().into_iter().find(|tenant| tenant.id == principal.tenant);
    let installed = app.models.list().await?.into_iter().filter_map(|model| model.installed);
    let model = |model: models::Installed| Model {
        name: model.name,
        title: model.title,
        kind: match model.kind {
            Kind::Chat => "chat",
            Kind::Embedding => "embedding",
        },
        file: model.sha256,
        licence: model.licence.name,
        licence_url: model.licence.url,
        source: model.source,
        made: format!("{}, {}", model.metadata.architecture, model.metadata.quantisation),
        parameters: model.metadata.parameters,
        installed: model.installed_at,
    };
    Ok(Facts {
        tenant: principal.tenant,
        institution: tenant.ok_or(ApiError::NotFound("tenant"))?.name,
        people: app.tenancy.people(principal.tenant).into_iter().map(|person| (person.id, person.name)).collect(),
        keys: app.tenancy.keys(principal.tenant).into_iter().map(|key| (key.id, key.name)).collect(),
        models: installed.map(model).collect(),
    })
}
