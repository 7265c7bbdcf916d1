//! From a record's bytes to text and structure; one file for each format.
//!
//! What must stay true: these functions are pure and bounded, whatever the bytes are. Damage shortens the text and
//! leaves a warning; an error means that nothing could be read. The text is in NFC with `\n` line ends and without
//! control characters, and it is what is stored: every span points into it.

mod csv;
mod decode;
mod html;
mod json;
mod markdown;
mod markup;
mod plain;
mod writer;

use std::ops::Range;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::flags::{Unseen, has_unseen, unseen};

/// Goes up when extraction or splitting changes, so that the next `add` reads every record anew.
pub const EXTRACTOR: u32 = 2;

const TITLE_MAX: usize = 200;

/// A format that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RecordKind)]
pub enum Kind {
    /// Markdown.
    Markdown,
    /// Plain text.
    Text,
    /// HTML.
    Html,
    /// One JSON value.
    Json,
    /// One JSON value a line.
    Jsonl,
    /// Rows with a delimiter.
    Csv,
}

/// Bounds of one extraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of text that come out at most.
    pub text_bytes_max: usize,
    /// Levels of nesting that are followed.
    pub depth_max: usize,
    /// Headings that are kept.
    pub headings_max: usize,
    /// Rows, lines and values that are kept as passages of their own.
    pub breaks_max: usize,
}

/// What a record holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extracted {
    /// The title that the record gives itself.
    pub title: Option<String>,
    /// The text.
    pub text: String,
    /// Headings, in the order of the text.
    pub headings: Vec<Heading>,
    /// Places where a new passage begins: rows and objects that stand for themselves.
    pub breaks: Vec<usize>,
    /// The date that the record bears.
    pub dated: Option<Date>,
    /// What its reader does not see.
    pub(crate) unseen: Vec<Unseen>,
}

/// A heading of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heading {
    /// Its depth; a heading stands under the last one before it of a lower level.
    pub level: u8,
    /// Its words.
    pub title: String,
    /// The heading's own line in the text; empty where the heading is also the beginning of what it heads.
    pub span: Range<usize>,
}

/// Something that extraction could not keep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Warning {
    /// What kind of thing.
    pub kind: WarningKind,
    /// For people.
    pub detail: String,
}

/// What kind of thing extraction could not keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// Bytes that are no character in the record's encoding.
    Encoding,
    /// The text ends before the record does.
    Shortened,
    /// Parts that break their format's rules were left out or read as they stood.
    Damaged,
    /// Nesting deeper than the bound was left out.
    TooDeep,
    /// The record has no text.
    Empty,
    /// Another document has this path; this one got another.
    PathTaken,
}

/// Why nothing could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    /// A format that is not read, known by its first bytes.
    #[error("a file of format `{format}`, which is not read")]
    Format {
        /// The format.
        format: &'static str,
    },
    /// Not text in any encoding known here.
    #[error("not text: binary, or in an unknown encoding")]
    Binary,
    /// Nothing in it could be read as its format.
    #[error("not readable as {format}: {reason}")]
    Damaged {
        /// The format.
        format: &'static str,
        /// Why.
        reason: String,
    },
}

impl Default for Limits {
    fn default() -> Self {
        Self { text_bytes_max: 128 << 20, depth_max: 64, headings_max: 100_000, breaks_max: 500_000 }
    }
}

impl Kind {
    /// The format that a name promises; `Text` for names that promise none.
    pub fn of_name(name: &str) -> Kind {
        let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        match extension.as_deref() {
            Some("md" | "markdown" | "mdown") => Kind::Markdown,
            Some("html" | "htm" | "xhtml") => Kind::Html,
            Some("json") => Kind::Json,
            Some("jsonl" | "ndjson") => Kind::Jsonl,
            Some("csv" | "tsv") => Kind::Csv,
            _ => Kind::Text,
        }
    }

    /// The word for this format.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Markdown => "markdown",
            Kind::Text => "text",
            Kind::Html => "html",
            Kind::Json => "json",
            Kind::Jsonl => "jsonl",
            Kind::Csv => "csv",
        }
    }
}

impl Warning {
    pub(crate) fn new(kind: WarningKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

/// Reads a record's bytes as `kind`.
///
/// # Errors
/// [`ExtractError`] if nothing can be read.
pub fn extract(bytes: &[u8], kind: Kind, limits: &Limits) -> Result<(Extracted, Vec<Warning>), ExtractError> {
    let mut warnings = Vec::new();
    let charset = if kind == Kind::Html { html::charset(bytes) } else { None };
    let text = decode::decode(bytes, charset, &mut warnings)?;
    let text = cut(text, limits.text_bytes_max, &mut warnings);
    // Cleaning takes away what is not seen, so it is looked for before.
    let raw = if has_unseen(&text) { Some(text.clone()) } else { None };
    let mut extracted = match kind {
        Kind::Markdown => markdown::extract(crate::clean::clean(text), limits),
        Kind::Text => plain::extract(crate::clean::clean(text), limits),
        Kind::Html => html::extract(&text, limits, &mut warnings),
        Kind::Json => json::extract(&text, limits, &mut warnings)?,
        Kind::Jsonl => json::extract_lines(&text, limits, &mut warnings)?,
        Kind::Csv => csv::extract(&text, limits, &mut warnings),
    };
    if extracted.headings.len() > limits.headings_max {
        extracted.headings.truncate(limits.headings_max);
        warnings.push(Warning::new(WarningKind::Shortened, format!("only {} headings kept", limits.headings_max)));
    }
    if extracted.breaks.len() > limits.breaks_max {
        extracted.breaks.truncate(limits.breaks_max);
        warnings.push(Warning::new(WarningKind::Shortened, "the last rows share passages"));
    }
    if extracted.text.trim().is_empty() {
        warnings.push(Warning::new(WarningKind::Empty, "no text"));
    }
    if let Some(raw) = raw {
        extracted.unseen.extend(unseen(&raw, &extracted.text));
    }
    extracted.title = extracted.title.map(|title| short(&title)).filter(|title| !title.is_empty());
    extracted.dated = extracted.dated.or_else(|| crate::dated::in_head(&extracted.text));
    Ok((extracted, warnings))
}

/// A title on one line, of bounded length.
pub(crate) fn short(title: &str) -> String {
    let line = title.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(TITLE_MAX).collect()
}

fn cut(mut text: String, bytes_max: usize, warnings: &mut Vec<Warning>) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        warnings.push(Warning::new(WarningKind::Shortened, format!("only the first {bytes_max} bytes were kept")));
    }
    text
}
