//! The catalogue: models by content, their licences, where they come from, what they can do.
//!
//! A model is installed when its file lies among the blobs under its SHA-256, was checked from its first byte to its
//! last tensor, and has a row here. Whatever the source said, the hash decides. Nothing calls out but
//! [`Models::pull`], and that only to the sources that the catalogue names.

mod catalogue;
pub mod e5;
mod error;
mod fetch;
pub mod gguf;
mod import;
mod installed;
mod models;
mod progress;
mod source;

pub use catalogue::{Catalogue, CatalogueError, Conversion, ConversionKind, EmbeddingDetails, Entry, Kind, Licence};
pub use error::{ImportError, ModelsError, PullError, SourceFailure};
pub use import::ImportOptions;
pub use installed::{Installed, Metadata};
pub use models::{Config, Listed, Models, PullOptions, SCHEMA};
pub use progress::{NoProgress, Phase, Progress, Update};
pub use source::{Files, Source};
