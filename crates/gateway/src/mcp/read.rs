//! `read`, and documents as resources.

use base::Principal;
use guard::Act;
use rmcp::model::{ReadResourceResult, ResourceContents, ResourceTemplate};
use serde::Deserialize;

use super::told::{TEXT_BYTES_MAX, Told, address, cut};
use crate::App;
use crate::error::ApiError;
use crate::manage::document_by_id;

/// Bytes that are read where nobody says how many.
const BYTES_USUAL: usize = 16 << 10;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Read {
    document: String,
    #[serde(default)]
    from: usize,
    #[serde(default)]
    to: Option<usize>,
}

pub(super) async fn read(app: &App, principal: &Principal, read: Read) -> Result<Told, ApiError> {
    let (corpus, document) = document_by_id(app, principal, &read.document).await?;
    looked(app, principal, &read.document).await?;
    let text: &str = &document.text;
    if read.from > text.len() || read.to.is_some_and(|to| to < read.from) {
        return Err(ApiError::invalid(format!("no text stands there: the document has {} bytes", text.len())));
    }
    // Spans of passages stand between letters; a number that somebody made up may not.
    let from = text.floor_char_boundary(read.from);
    let wanted = read.to.map_or(BYTES_USUAL, |to| to - from).min(TEXT_BYTES_MAX);
    let shown = cut(&text[from..], wanted);
    let to = from + shown.len();
    let next = (to < text.len()).then_some(to);
    let summary = &document.summary;
    let here = address(summary.id, from as u64, to as u64);
    let more = next.map(|next| format!("\n\n(goes on at byte {next} of {})", text.len())).unwrap_or_default();
    let told = format!("{} ({}, class {})\n{here}\n\n{shown}{more}", summary.title, summary.path, summary.class);
    let value = serde_json::json!({
        "corpus": corpus.name,
        "document": summary.id,
        "path": summary.path,
        "title": summary.title,
        "class": summary.class,
        "dated": summary.dated,
        "span": { "start": from, "end": to },
        "bytes": text.len(),
        "next": next,
        "address": here,
        "text": shown,
    });
    Ok(Told::new(told, &value))
}

/// A look into a record leaves an act, as at the other doors.
async fn looked(app: &App, principal: &Principal, document: &str) -> Result<(), ApiError> {
    let act = Act::done(principal, None, "MCP read", &[document.to_owned()]);
    Ok(app.receipts.act(act).acknowledged().await?)
}

pub(super) fn template() -> ResourceTemplate {
    ResourceTemplate::new("dure://documents/{document}{?from,to}", "document")
        .with_title("A document's text")
        .with_description("The text of a document, whole or from one byte to another, as `search` gives its address")
        .with_mime_type("text/plain")
}

pub(super) async fn resource(app: &App, principal: &Principal, uri: &str) -> Result<ReadResourceResult, ApiError> {
    let named = named(uri).ok_or(ApiError::NotFound("resource"))?;
    let (_, document) = document_by_id(app, principal, named.document).await?;
    looked(app, principal, named.document).await?;
    let text: &str = &document.text;
    let (from, to) = (named.from.min(text.len()), named.to.unwrap_or(text.len()).min(text.len()));
    let from = text.floor_char_boundary(from);
    let shown = cut(&text[from..], to.saturating_sub(from).min(TEXT_BYTES_MAX));
    let contents = ResourceContents::text(shown, uri).with_mime_type("text/plain");
    Ok(ReadResourceResult::new(vec![contents]))
}

#[derive(Debug, PartialEq)]
struct Named<'a> {
    document: &'a str,
    from: usize,
    to: Option<usize>,
}

fn named(uri: &str) -> Option<Named<'_>> {
    let rest = uri.strip_prefix("dure://documents/")?;
    let (document, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut named = Named { document, from: 0, to: None };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=')? {
            ("from", number) => named.from = number.parse().ok()?,
            ("to", number) => named.to = Some(number.parse().ok()?),
            _ => return None,
        }
    }
    Some(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_document_and_a_span() {
        let known = |uri| named(uri).map(|named| (named.document, named.from, named.to));
        assert_eq!(known("dure://documents/d"), Some(("d", 0, None)));
        assert_eq!(known("dure://documents/d?from=2&to=9"), Some(("d", 2, Some(9))));
        for uri in [
            "",
            "file:///etc/passwd",
            "dure://documents",
            "dure://keys/d",
            "dure://documents/d?from=-1",
            "dure://documents/d?from=99999999999999999999",
            "dure://documents/d?path=/etc",
            "dure://documents/d?from",
        ] {
            assert_eq!(known(uri), None, "{uri}");
        }
    }
}
