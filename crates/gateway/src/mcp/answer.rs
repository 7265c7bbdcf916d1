//! `answer`: a cited answer, in the records' own words unless the caller asks for a model's.

use base::Principal;
use serde::{Deserialize, Serialize};
use serving::{AnswerCall, AnswerMode, Citation, Reply};

use super::find::readable;
use super::told::{Told, address, cut};
use crate::App;
use crate::error::ApiError;

/// Bytes of the answer, and of all quotes together.
const ANSWER_BYTES_MAX: usize = 24 << 10;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    question: String,
    #[serde(default)]
    corpus: Option<String>,
    #[serde(default)]
    mode: Mode,
}

/// Never `generated` alone: what nothing supports is not handed to other agents as if it were evidence.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Extractive,
    Both,
}

#[derive(Debug, Serialize)]
struct Cited<'a> {
    number: u32,
    document: base::DocumentId,
    path: &'a str,
    title: &'a str,
    headings: &'a [String],
    span: &'a std::ops::Range<u64>,
    address: String,
    quote: &'a str,
}

pub(super) async fn answer(app: &App, principal: &Principal, ask: Ask) -> Result<Told, ApiError> {
    let corpora = readable(app, principal, ask.corpus.as_deref()).await?;
    if corpora.is_empty() {
        return Err(ApiError::NotFound("corpus"));
    }
    let call = AnswerCall {
        corpora: corpora.into_iter().map(|corpus| corpus.name).collect(),
        question: ask.question,
        mode: match ask.mode {
            Mode::Extractive => AnswerMode::Extractive,
            Mode::Both => AnswerMode::Both,
        },
        ..AnswerCall::default()
    };
    let reply = Reply::gather(app.serving.answer(principal, call).await?).await?;
    let said = cut(&reply.text, ANSWER_BYTES_MAX);
    let citations = within(&reply.citations);
    let mut text = format!("{said}\n");
    for Cited { number, headings, address, quote, .. } in &citations {
        text.push_str(&format!("\n[{number}] {}\n{address}\n\"{quote}\"\n", headings.join(" > ")));
    }
    let value = serde_json::json!({
        "answer": said,
        "kind": reply.done.kind,
        "abstained": reply.done.abstained,
        "citations": citations,
        "left_out": reply.citations.len() - citations.len(),
        "unsupported": reply.done.unsupported,
    });
    Ok(Told::new(text, &value))
}

/// As many citations as fit, each whole: half a quote would be none.
fn within(citations: &[Citation]) -> Vec<Cited<'_>> {
    let mut left = ANSWER_BYTES_MAX;
    let mut shown = Vec::new();
    for citation in citations {
        let Some(rest) = left.checked_sub(citation.quote.len()) else { break };
        left = rest;
        shown.push(Cited {
            number: citation.number,
            document: citation.document,
            path: &citation.path,
            title: &citation.title,
            headings: &citation.headings,
            span: &citation.span,
            address: address(citation.document, citation.span.start, citation.span.end),
            quote: &citation.quote,
        });
    }
    shown
}
