//! What a tool tells: the same for models, as text, and for programs, as a value; both bounded.

use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;
use serde_json::Value;

/// Bytes of a text that one result tells. Half as many again may go into its value's other fields.
pub(super) const TEXT_BYTES_MAX: usize = 48 << 10;

/// What a tool tells.
#[derive(Debug)]
pub(super) struct Told {
    text: String,
    value: Value,
}

impl Told {
    pub(super) fn new(text: String, value: &impl Serialize) -> Self {
        Self { text, value: serde_json::to_value(value).unwrap_or_default() }
    }

    pub(super) fn into_result(self) -> CallToolResult {
        let mut result = CallToolResult::structured(self.value);
        result.content = vec![ContentBlock::text(self.text)];
        result
    }
}

/// The beginning of a text that has at most so many bytes, cut between two letters.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// Where a span of a document can be read again.
pub(super) fn address(document: base::DocumentId, from: u64, to: u64) -> String {
    format!("dure://documents/{document}?from={from}&to={to}")
}
