//! Why something was not served.

use std::time::Duration;

use base::{ApprovalId, Name};
use engine::EngineError;
use guard::Outcome;

/// Why a chat turn, an answer or an embedding did not start, or ended early.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// No route and no model of that name is there for this principal.
    #[error("model `{model}` is not served here")]
    ModelNotFound {
        /// What was asked for.
        model: String,
    },
    /// No corpus of that name is there for this principal.
    #[error("corpus `{corpus}` does not exist")]
    CorpusNotFound {
        /// What was asked for.
        corpus: String,
    },
    /// A part of the call cannot be used.
    #[error("`{field}`: {reason}")]
    Invalid {
        /// The field, as the API names it.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// What was sent does not fit the model's window.
    #[error("this has {tokens} tokens, and `{model}` has room for {tokens_max}")]
    TooLong {
        /// The model.
        model: String,
        /// Tokens of what was sent.
        tokens: u64,
        /// Tokens that fit.
        tokens_max: u64,
    },
    /// The guard said no.
    #[error(transparent)]
    Refused(#[from] guard::Refusal),
    /// Somebody must approve first; the question waits for an answer.
    #[error("somebody of `{group}` must approve this first; the request is `{request}`")]
    ApprovalNeeded {
        /// The question, as approvers see it.
        request: ApprovalId,
        /// The group that approves.
        group: String,
    },
    /// The tenant's quota, or the admission as a whole, said no.
    #[error(transparent)]
    Quota(#[from] tenancy::AdmissionError),
    /// The model has no free slot and no room to wait.
    #[error("model `{model}` is busy")]
    Busy {
        /// The model.
        model: String,
        /// When to ask again.
        retry_after: Duration,
    },
    /// Too many wait for their turn.
    #[error("{waiting} requests{whose} wait for `{name}` already")]
    Waiting {
        /// What they wait for: a model, or the search.
        name: String,
        /// How many.
        waiting: usize,
        /// Empty if all of them count, or whose they are.
        whose: &'static str,
        /// When those will have been served.
        retry_after: Duration,
    },
    /// The engine stopped while it worked on this. It is started again.
    #[error("the engine of `{model}` stopped while it was working on this")]
    Died {
        /// The model.
        model: String,
    },
    /// What a model elsewhere answers broke off.
    #[error("the answer of `{model}` broke off: {reason}")]
    Broken {
        /// The model.
        model: String,
        /// What was seen.
        reason: &'static str,
    },
    /// A model elsewhere failed again and again, and is left alone for a while.
    #[error("model `{model}` failed too often and is left alone for a while")]
    LeftAlone {
        /// The model.
        model: String,
        /// When to ask again.
        retry_after: Duration,
    },
    /// Nobody read the reply for too long, and its slot was given to others.
    #[error("the reply of `{model}` was not read for too long")]
    Stalled {
        /// The model.
        model: String,
    },
    /// The engine cannot be used at all.
    #[error("model `{model}` cannot be used: {reason}")]
    Unavailable {
        /// The model.
        model: String,
        /// What was seen.
        reason: String,
    },
    /// This input has stopped the engine before.
    #[error("this input has stopped the engine of `{model}` before and is not tried again")]
    Quarantined {
        /// The model.
        model: String,
    },
    /// The turn cannot be kept in the conversation that it names.
    #[error(transparent)]
    History(crate::HistoryError),
    /// The search was not answered.
    #[error(transparent)]
    Search(#[from] retrieval::SearchError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::StoreError),
}

/// Why a route was not made, changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// There is one of that name already.
    #[error("route `{name}` exists already")]
    Exists {
        /// The name.
        name: Name,
    },
    /// There is none of that name.
    #[error("route `{name}` does not exist")]
    NotFound {
        /// The name.
        name: String,
    },
    /// A part of it cannot be used.
    #[error("`{field}`: {reason}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The tenant has as many routes as it may have.
    #[error("a tenant has at most {routes_max} routes")]
    Full {
        /// How many it may have.
        routes_max: usize,
    },
    /// The guard said no.
    #[error(transparent)]
    Refused(#[from] guard::Refusal),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::StoreError),
}

impl From<sqlx::Error> for RouteError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl ChatError {
    /// How a flow ended that ended with this.
    pub(crate) fn outcome(&self) -> Outcome {
        let refused = |why: &str| Outcome::Refused { why: why.to_owned() };
        let failed = |why: &str| Outcome::Failed { why: why.to_owned() };
        match self {
            Self::ModelNotFound { .. } => refused("no_such_model"),
            Self::CorpusNotFound { .. } => refused("no_such_corpus"),
            Self::Invalid { .. } => refused("invalid"),
            Self::TooLong { .. } => refused("too_long"),
            Self::Refused(refusal) => refused(refusal.word()),
            Self::ApprovalNeeded { .. } => refused("approval"),
            Self::Quota(_) => refused("quota"),
            Self::Busy { .. } | Self::Waiting { .. } => refused("busy"),
            Self::LeftAlone { .. } => refused("left_alone"),
            Self::History(_) => refused("history"),
            Self::Quarantined { .. } => refused("quarantined"),
            Self::Died { .. } => failed("engine_died"),
            Self::Broken { .. } => failed("broke_off"),
            Self::Stalled { .. } => failed("not_read"),
            Self::Unavailable { .. } => failed("unavailable"),
            Self::Search(_) => failed("search"),
            Self::Store(_) => failed("store"),
        }
    }

    pub(crate) fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid { field, reason: reason.into() }
    }

    /// What an engine's error means to whoever asked `model`.
    pub(crate) fn of_engine(error: EngineError) -> Self {
        match error {
            EngineError::Unable { model, ability } => {
                Self::Invalid { field: "model", reason: format!("`{model}` cannot {ability}") }
            }
            EngineError::TooLong { model, tokens, tokens_max } => {
                Self::TooLong { model, tokens: tokens.into(), tokens_max: tokens_max.into() }
            }
            EngineError::Invalid(reason) => Self::Invalid { field: "messages", reason },
            EngineError::Busy { model, retry_after } => Self::Busy { model, retry_after },
            EngineError::Died { model } => Self::Died { model },
            EngineError::Broken { model, reason, .. } => Self::Broken { model, reason },
            EngineError::LeftAlone { model, retry_after } => Self::LeftAlone { model, retry_after },
            EngineError::Stalled { model } => Self::Stalled { model },
            EngineError::Quarantined { model } => Self::Quarantined { model },
            EngineError::Unavailable { model, reason } => Self::Unavailable { model, reason },
        }
    }
}

impl From<RouteError> for ChatError {
    fn from(error: RouteError) -> Self {
        match error {
            RouteError::NotFound { name } => Self::ModelNotFound { model: name },
            RouteError::Exists { name } => Self::invalid("name", format!("route `{name}` exists already")),
            RouteError::Invalid { field, reason } => Self::Invalid { field, reason },
            RouteError::Full { routes_max } => {
                Self::invalid("name", format!("a tenant has at most {routes_max} routes"))
            }
            RouteError::Refused(refusal) => Self::Refused(refusal),
            RouteError::Store(error) => Self::Store(error),
        }
    }
}
