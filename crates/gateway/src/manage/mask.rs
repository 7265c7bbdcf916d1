//! What masking would hide in a text: for whoever wants to see it before a policy asks for it.
//!
//! What must stay true: the text is logged nowhere and kept nowhere; looking takes nothing away from those whose texts
//! are masked on their way out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use guard::mask::{Checked, Finding, Kinds, MaskError, Masker, StandIns};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::page::List;
use crate::App;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::openai::Short;

/// Previews that work at the same time: each makes its own rules ready, which takes one core for about 50 ms.
const PREVIEWS_MAX: usize = 2;
/// Kinds and packs that one preview may name, and bytes of each name.
const NAMES_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 64;

static PREVIEWS: Semaphore = Semaphore::const_new(PREVIEWS_MAX);

/// A text to be looked at.
#[derive(Deserialize, utoipa::ToSchema)]
pub(crate) struct MaskRequest {
    /// The text; it is forgotten with the answer.
    text: String,
    /// Kinds and packs, as policies name them; every pack's usual kinds where nothing is named.
    #[serde(default)]
    mask: BTreeSet<String>,
}

/// What would go in the text's place, and what is hidden in it.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct MaskPreview {
    /// The text with stand-ins.
    text: String,
    /// What is hidden, in the order of the text.
    findings: Vec<Hidden>,
}

/// Something that is hidden.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = MaskFinding)]
struct Hidden {
    /// The kind's name; `literal` for what only looks like a stand-in.
    kind: String,
    /// Where it stands.
    span: Place,
    /// From 0.5 to 1.
    confidence: f32,
    /// What its check digits say.
    check: Check,
}

/// A place in the text that was handed in, in bytes of UTF-8.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = MaskSpan)]
struct Place {
    start: usize,
    end: usize,
}

#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = MaskCheck)]
enum Check {
    /// They are right.
    Right,
    /// They are wrong, or cannot be trusted for this kind.
    Wrong,
    /// It has none, or some are missing.
    None,
}

/// A kind of personal data that can be hidden.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = MaskKind)]
pub(crate) struct Known {
    kind: String,
    /// What its stand-ins are called.
    label: String,
    pack: String,
    /// Whether its pack hides it where the kind is not named.
    default: bool,
}

/// The kinds of personal data that can be hidden here, pack by pack.
#[utoipa::path(
    get,
    path = "/mask",
    responses((status = 200, body = List<Known>)),
)]
pub(crate) async fn kinds(_: Caller, State(app): State<Arc<App>>) -> Json<List<Known>> {
    let all = app.guard.maskers().packs().kinds();
    let data = all.map(|(kind, label, pack, default)| Known {
        kind: kind.to_owned(),
        label: label.to_owned(),
        pack: pack.to_owned(),
        default,
    });
    Json(List { data: data.collect(), next: None })
}

/// What would be hidden in a text. Nothing of it is kept or logged, and no entry in the ledger tells of it.
#[utoipa::path(
    post,
    path = "/mask",
    request_body = MaskRequest,
    responses((status = 200, body = MaskPreview)),
)]
pub(crate) async fn preview(
    _: Caller,
    State(app): State<Arc<App>>,
    Short(request): Short<MaskRequest>,
) -> Result<Json<MaskPreview>, ApiError> {
    let MaskRequest { text, mask } = request;
    if mask.len() > NAMES_MAX || mask.iter().any(|name| name.len() > NAME_BYTES_MAX) {
        let bound = format_args!("names at most {NAMES_MAX} kinds and packs, in {NAME_BYTES_MAX} bytes each");
        return Err(ApiError::field("mask", bound));
    }
    let place = PREVIEWS.try_acquire().map_err(|_| ApiError::Busy {
        message: "other texts are being looked at; ask again".to_owned(),
        retry_after: Duration::from_secs(1),
    })?;
    let guard = app.guard.clone();
    let look = move || {
        // Held here, since whoever hangs up does not end the work.
        let _place = place;
        let kinds = if mask.is_empty() { Kinds::all() } else { Kinds::named(mask) };
        // Made anew for each look: whoever tries many sets drives out none of those that policies need.
        let masker = Masker::new(guard.maskers().packs(), &kinds).map_err(|error| ApiError::field("mask", error))?;
        masker.mask(&text, &mut StandIns::default()).map_err(|error| match error {
            MaskError::TooLate { .. } => ApiError::Unavailable(error.to_string()),
            MaskError::TooLong { .. } | MaskError::Full => ApiError::field("text", error),
        })
    };
    let masked = tokio::task::spawn_blocking(look).await.map_err(|error| ApiError::internal(&error))??;
    Ok(Json(MaskPreview { text: masked.text, findings: masked.findings.into_iter().map(Hidden::from).collect() }))
}

impl From<Finding> for Hidden {
    fn from(finding: Finding) -> Self {
        Self {
            kind: finding.kind,
            span: Place { start: finding.span.start, end: finding.span.end },
            confidence: finding.confidence,
            check: match finding.check {
                Checked::Right => Check::Right,
                Checked::Wrong => Check::Wrong,
                Checked::None => Check::None,
            },
        }
    }
}
