//! The one table from the house's errors to HTTP.
//!
//! The shape is OpenAI's: `{"error": {"message", "type", "param", "code"}}`. What a caller may not know of answers 404,
//! never 403. Nothing of the machine (paths, SQL, stack) goes out for errors that are ours.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base::ApprovalId;
use serde_json::{Value, json};

use crate::watch::ErrorCode;

/// Names the question that waits for an approval.
const APPROVAL: &str = "x-dure-approval";

/// Why a request was not answered with what it asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("a valid key is needed: `Authorization: Bearer KEY`")]
    Unauthenticated,
    #[error("a client's certificate is needed here")]
    NoCertificate,
    #[error("this server does not answer to that host or origin")]
    Host,
    #[error("no such {0}")]
    NotFound(&'static str),
    #[error("no such model `{0}`")]
    ModelNotFound(String),
    #[error("there is nothing at this address")]
    NoRoute,
    #[error("this address does not take that method")]
    Method,
    #[error("{message}")]
    Invalid { message: String, field: Option<String> },
    #[error("the request's body is larger than this server takes")]
    BodyTooLarge,
    #[error("the request's body came too slowly")]
    BodyTooSlow,
    #[error("{0}")]
    TooLong(String),
    #[error("{0}")]
    Refused(String),
    #[error("{message}")]
    ApprovalNeeded { message: String, request: ApprovalId },
    #[error("{0}")]
    Conflict(String),
    #[error("this has changed since it was looked at")]
    Changed,
    #[error("{0}")]
    Quota(String),
    #[error("{message}")]
    Busy { message: String, retry_after: Duration },
    #[error("this server is answering as many requests as it can")]
    Crowded,
    #[error("this server is being stopped")]
    Stopping,
    #[error("the request under this idempotency key still runs")]
    KeyRunning,
    #[error("this idempotency key was used for another request")]
    KeyReused,
    #[error("{0}")]
    Unavailable(String),
    #[error("{message}")]
    Resting { message: String, retry_after: Duration },
    #[error("{0}")]
    Failed(String),
    #[error("the database is busy with other work; ask again")]
    DatabaseBusy,
    #[error("the disk that holds the data folder is full")]
    DiskFull,
    #[error("something went wrong inside; the server's log says more")]
    Internal,
}

impl ApiError {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid { message: message.into(), field: None }
    }

    /// A field that cannot be used, and what it should be.
    pub(crate) fn field(field: &str, reason: impl std::fmt::Display) -> Self {
        Self::Invalid { message: format!("`{field}`: {reason}"), field: Some(field.to_owned()) }
    }

    /// Somebody of the group must approve first.
    pub(crate) fn approval_needed(request: ApprovalId, group: &str) -> Self {
        let message = format!(
            "somebody of `{group}` must approve this first; the request is `{request}` (먼저 `{group}`의 승인이 필요합니다. \
             요청 번호는 `{request}`입니다)"
        );
        Self::ApprovalNeeded { message, request }
    }

    /// Logs what must not go out and stands in its place.
    pub(crate) fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = %chain(error), "a request failed inside");
        Self::Internal
    }

    /// Status, `type` and `code`, as OpenAI's API names them where it has a name.
    fn row(&self) -> (StatusCode, &'static str, &'static str) {
        const INVALID: &str = "invalid_request_error";
        match self {
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "authentication_error", "invalid_api_key"),
            Self::NoCertificate => (StatusCode::FORBIDDEN, "authentication_error", "certificate_required"),
            Self::Host => (StatusCode::FORBIDDEN, INVALID, "host_not_allowed"),
            Self::NotFound(_) | Self::NoRoute => (StatusCode::NOT_FOUND, INVALID, "not_found"),
            Self::ModelNotFound(_) => (StatusCode::NOT_FOUND, INVALID, "model_not_found"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, INVALID, "method_not_allowed"),
            Self::Invalid { .. } => (StatusCode::BAD_REQUEST, INVALID, "invalid_value"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, INVALID, "body_too_large"),
            Self::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, INVALID, "body_too_slow"),
            Self::TooLong(_) => (StatusCode::BAD_REQUEST, INVALID, "context_length_exceeded"),
            Self::Refused(_) => (StatusCode::FORBIDDEN, "permission_error", "refused_by_policy"),
            Self::ApprovalNeeded { .. } => (StatusCode::FORBIDDEN, "permission_error", "approval_needed"),
            Self::Conflict(_) => (StatusCode::CONFLICT, INVALID, "conflict"),
            Self::Changed => (StatusCode::PRECONDITION_FAILED, INVALID, "precondition_failed"),
            Self::Quota(_) => (StatusCode::TOO_MANY_REQUESTS, "insufficient_quota", "insufficient_quota"),
            Self::Busy { .. } | Self::Crowded => {
                (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "rate_limit_exceeded")
            }
            Self::KeyRunning => (StatusCode::CONFLICT, INVALID, "idempotency_key_running"),
            Self::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, INVALID, "idempotency_key_reused"),
            Self::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "server_error", "server_stopping"),
            Self::Unavailable(_) | Self::Resting { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "server_error", "unavailable")
            }
            Self::Failed(_) => (StatusCode::BAD_GATEWAY, "server_error", "failed"),
            Self::DatabaseBusy => (StatusCode::SERVICE_UNAVAILABLE, "server_error", "database_busy"),
            Self::DiskFull => (StatusCode::INSUFFICIENT_STORAGE, "server_error", "disk_full"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "server_error", "internal"),
        }
    }

    /// Every status and code that an error may have, for the contract.
    pub(crate) fn codes() -> Vec<(u16, &'static str)> {
        let text = String::new;
        let all = [
            Self::Unauthenticated,
            Self::NoCertificate,
            Self::Host,
            Self::NotFound(""),
            Self::ModelNotFound(text()),
            Self::Method,
            Self::invalid(""),
            Self::BodyTooLarge,
            Self::BodyTooSlow,
            Self::TooLong(text()),
            Self::Refused(text()),
            Self::ApprovalNeeded { message: text(), request: ApprovalId::new() },
            Self::Conflict(text()),
            Self::Changed,
            Self::Quota(text()),
            Self::Crowded,
            Self::Stopping,
            Self::KeyRunning,
            Self::KeyReused,
            Self::Unavailable(text()),
            Self::Failed(text()),
            Self::DatabaseBusy,
            Self::DiskFull,
            Self::Internal,
        ];
        all.iter().map(Self::row).map(|(status, _, code)| (status.as_u16(), code)).collect()
    }

    /// The code that a response which failed on its way gives, as OpenAI's `/v1/responses` names it.
    pub(crate) fn response_code(&self) -> &'static str {
        match self.row().0 {
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_exceeded",
            status if status.is_client_error() => "invalid_prompt",
            _ => "server_error",
        }
    }

    pub(crate) fn value(&self) -> Value {
        let (_, kind, code) = self.row();
        let param = if let Self::Invalid { field: Some(field), .. } = self { json!(field) } else { Value::Null };
        json!({ "error": { "message": self.to_string(), "type": kind, "param": param, "code": code } })
    }

    pub(crate) fn text(&self) -> String {
        self.value().to_string()
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } | Self::Resting { retry_after, .. } => Some(*retry_after),
            Self::Crowded | Self::KeyRunning => Some(Duration::from_secs(1)),
            // About as long as a restart takes.
            Self::Stopping | Self::DatabaseBusy => Some(Duration::from_secs(5)),
            _ => None,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, _, code) = self.row();
        let mut response = (status, self.text()).into_response();
        response.extensions_mut().insert(ErrorCode(code));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Self::ApprovalNeeded { request, .. } = &self
            && let Ok(request) = HeaderValue::from_str(&request.to_string())
        {
            headers.insert(APPROVAL, request);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after() {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}

impl From<guard::Refusal> for ApiError {
    fn from(refusal: guard::Refusal) -> Self {
        match refusal {
            guard::Refusal::NotVisible => Self::NotFound("corpus"),
            guard::Refusal::NothingNamed | guard::Refusal::Declassification { .. } => {
                Self::invalid(refusal.to_string())
            }
            guard::Refusal::Unrecorded | guard::Refusal::Uncontained | guard::Refusal::Unhidden => {
                Self::Unavailable(refusal.to_string())
            }
            // Whoever is refused is told in both languages.
            guard::Refusal::Policy { .. }
            | guard::Refusal::NoPolicy
            | guard::Refusal::MaskFirst { .. }
            | guard::Refusal::ApprovalFirst { .. } => Self::Refused(format!("{refusal} ({})", refusal.ko())),
            other => Self::Refused(other.to_string()),
        }
    }
}

// The store is not this crate's to name: its errors arrive inside others', and only say whether the disk is full, or the
// database busy.
fn inside((full, busy): (bool, bool), error: &dyn std::error::Error) -> ApiError {
    match (full, busy) {
        (true, _) => ApiError::DiskFull,
        (_, true) => ApiError::DatabaseBusy,
        _ => ApiError::internal(error),
    }
}

impl From<tenancy::TenancyError> for ApiError {
    fn from(error: tenancy::TenancyError) -> Self {
        use tenancy::TenancyError as E;
        match error {
            E::NotFound { what, .. } => Self::NotFound(what),
            E::Exists { .. } => Self::Conflict(error.to_string()),
            E::Name(_) => Self::invalid(error.to_string()),
            E::Store(error) => inside((error.is_full(), error.is_busy()), &error),
        }
    }
}

impl From<tenancy::AdmissionError> for ApiError {
    fn from(error: tenancy::AdmissionError) -> Self {
        use tenancy::AdmissionError as E;
        match error {
            E::Exhausted { .. } => Self::Quota(error.to_string()),
            E::NoTenant => Self::NotFound("tenant"),
            E::Store(error) => inside((error.is_full(), error.is_busy()), &error),
        }
    }
}

impl From<corpus::CorpusError> for ApiError {
    fn from(error: corpus::CorpusError) -> Self {
        use corpus::CorpusError as E;
        match error {
            E::NoCorpus => Self::NotFound("corpus"),
            E::NoDocument(_) => Self::NotFound("document"),
            E::BadName(_) | E::OneFile => Self::invalid(error.to_string()),
            E::NameTaken(_) | E::Busy | E::TooManyFiles { .. } => Self::Conflict(error.to_string()),
            E::Store(error) => inside((error.is_full(), error.is_busy()), &error),
        }
    }
}

impl From<guard::ApprovalsError> for ApiError {
    fn from(error: guard::ApprovalsError) -> Self {
        use guard::ApprovalsError as E;
        match error {
            E::NotFound(_) => Self::NotFound("approval request"),
            E::Closed(_) | E::Full => Self::Conflict(error.to_string()),
            E::Refused(refusal) => refusal.into(),
            E::Store(error) => inside((error.is_full(), error.is_busy()), &error),
        }
    }
}

impl From<guard::ReceiptError> for ApiError {
    fn from(error: guard::ReceiptError) -> Self {
        match error {
            guard::ReceiptError::Store(error) => inside((error.is_full(), error.is_busy()), &error),
            other => Self::internal(&other),
        }
    }
}

impl From<report::PeriodError> for ApiError {
    fn from(error: report::PeriodError) -> Self {
        Self::field(error.field, error.reason)
    }
}

impl From<report::ReportError> for ApiError {
    fn from(error: report::ReportError) -> Self {
        use report::ReportError as E;
        match error {
            E::NotFound => Self::NotFound("report"),
            E::Wish(error) => error.into(),
            E::Busy => Self::Busy { message: error.to_string(), retry_after: Duration::from_secs(2) },
            E::Ledger(error) => error.into(),
        }
    }
}

impl From<corpus::AddError> for ApiError {
    fn from(error: corpus::AddError) -> Self {
        use corpus::AddError as E;
        match error {
            E::NoCorpus => Self::NotFound("corpus"),
            E::NothingNamed | E::TooManyFiles { .. } => Self::invalid(error.to_string()),
            E::Busy => Self::Conflict(error.to_string()),
            E::LogFull | E::Stopped(_) => Self::Failed(error.to_string()),
            E::Store(error) => inside((error.is_full(), error.is_busy()), &error),
        }
    }
}

impl From<retrieval::SearchError> for ApiError {
    fn from(error: retrieval::SearchError) -> Self {
        use retrieval::SearchError as E;
        match error {
            E::QueryTooLong { .. } | E::Top { .. } => Self::invalid(error.to_string()),
            E::Busy => Self::Busy { message: error.to_string(), retry_after: Duration::from_secs(1) },
            E::NoEmbedder | E::Embedder(_) => Self::Unavailable(error.to_string()),
            E::Index { .. } | E::Stopped => Self::internal(&error),
            E::Store(error) => inside((error.is_full(), error.is_busy()), &error),
            E::Corpus(error) => error.into(),
        }
    }
}

impl From<crate::keeper::KeeperError> for ApiError {
    fn from(error: crate::keeper::KeeperError) -> Self {
        use crate::keeper::KeeperError as E;
        match error {
            E::Refused(message) => Self::Conflict(message),
            E::Failed(message) => Self::Failed(message),
            E::Full => Self::DiskFull,
        }
    }
}

impl From<models::ModelsError> for ApiError {
    fn from(error: models::ModelsError) -> Self {
        use models::ModelsError as E;
        match error {
            E::Unknown { name } | E::NotInstalled { name } => Self::ModelNotFound(name),
            E::Catalogue(error) => Self::Failed(error.to_string()),
            E::Store(error) => inside((error.is_full(), error.is_busy()), &error),
        }
    }
}

impl From<models::PullError> for ApiError {
    fn from(error: models::PullError) -> Self {
        use models::PullError as E;
        match error {
            E::Unknown { name } => Self::ModelNotFound(name),
            E::LicenceNotAccepted { .. } | E::Busy { .. } => Self::Conflict(error.to_string()),
            E::NoSource { .. } | E::NotConverted { .. } | E::Unsafe { .. } | E::Stopped => {
                Self::Failed(error.to_string())
            }
            E::Store(error) => inside((error.is_full(), error.is_busy()), &error),
        }
    }
}

impl From<models::ImportError> for ApiError {
    fn from(error: models::ImportError) -> Self {
        use models::ImportError as E;
        match error {
            E::Store(error) => inside((error.is_full(), error.is_busy()), &error),
            E::Taken { .. } | E::LicenceNotAccepted { .. } => Self::Conflict(error.to_string()),
            other => Self::invalid(other.to_string()),
        }
    }
}

impl From<serving::RouteError> for ApiError {
    fn from(error: serving::RouteError) -> Self {
        use serving::RouteError as E;
        match error {
            E::NotFound { .. } => Self::NotFound("route"),
            E::Exists { .. } | E::Full { .. } => Self::Conflict(error.to_string()),
            E::Invalid { field, .. } => Self::Invalid { message: error.to_string(), field: Some(field.to_owned()) },
            E::Refused(refusal) => refusal.into(),
            E::Store(error) => inside((error.is_full(), error.is_busy()), &error),
        }
    }
}

impl From<serving::ChatError> for ApiError {
    fn from(error: serving::ChatError) -> Self {
        use serving::ChatError as E;
        match error {
            E::ModelNotFound { model } => Self::ModelNotFound(model),
            E::CorpusNotFound { .. } => Self::NotFound("corpus"),
            E::Invalid { field, .. } => Self::Invalid { message: error.to_string(), field: Some(field.to_owned()) },
            E::TooLong { .. } => Self::TooLong(error.to_string()),
            E::Refused(refusal) => refusal.into(),
            E::ApprovalNeeded { request, group } => Self::approval_needed(request, &group),
            E::Quota(error) => error.into(),
            E::Busy { retry_after, .. } => Self::Busy { message: error.to_string(), retry_after },
            E::LeftAlone { retry_after, .. } => Self::Resting { message: error.to_string(), retry_after },
            E::Waiting { retry_after, .. } => Self::Busy { message: error.to_string(), retry_after },
            E::Died { .. } | E::Broken { .. } | E::Stalled { .. } => Self::Failed(error.to_string()),
            E::Quarantined { .. } => Self::invalid(error.to_string()),
            E::Unavailable { .. } => Self::Unavailable(error.to_string()),
            E::History(error) => error.into(),
            E::Search(error) => error.into(),
            E::Store(error) => inside((error.is_full(), error.is_busy()), &error),
        }
    }
}

impl From<serving::HistoryError> for ApiError {
    fn from(error: serving::HistoryError) -> Self {
        use serving::HistoryError as E;
        match error {
            E::Off => Self::Refused(error.to_string()),
            E::NotFound { what } => Self::NotFound(what),
            E::Full { .. } => Self::Conflict(error.to_string()),
            E::Invalid { field, .. } => Self::Invalid { message: error.to_string(), field: Some(field.to_owned()) },
            E::Search(error) => error.into(),
            E::Store(error) => inside((error.is_full(), error.is_busy()), &error),
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
