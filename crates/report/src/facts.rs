//! What the house is, as far as receipts do not say it: who has which id, which upstreams the settings name, which models
//! are here. Whoever asks for a report hands it in.

use std::collections::HashMap;

use base::{Class, ContentHash, Country, KeyId, PersonId, Subject, TenantId};
use jiff::Timestamp;

use crate::cell::Cell;

/// What the house is.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The institution whose report it is.
    pub tenant: TenantId,
    /// Its name.
    pub institution: String,
    /// People by id.
    pub people: HashMap<PersonId, String>,
    /// Keys by id, those that were ended too.
    pub keys: HashMap<KeyId, String>,
    /// Models that are here.
    pub models: Vec<Model>,
}

/// A model that another server serves, as the settings have it.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// The name that receipts have.
    pub name: String,
    /// The model there.
    pub model: String,
    /// Host and port of its address, without anything that is secret.
    pub host: String,
    /// Where it runs.
    pub country: Country,
    /// Whose it is, in words for people.
    pub owner: Option<String>,
    /// Whether the house itself runs it.
    pub own: bool,
    /// The highest class that it may see.
    pub class_max: Class,
    /// What happens to texts there, in words for people.
    pub retention: Option<String>,
    /// Days after which they are gone.
    pub retention_days: Option<u32>,
}

/// A model in this house.
#[derive(Debug, Clone)]
pub struct Model {
    /// The name that people type.
    pub name: String,
    /// Its name in full.
    pub title: String,
    /// `chat` or `embedding`.
    pub kind: &'static str,
    /// The file's SHA-256.
    pub file: ContentHash,
    /// Its licence.
    pub licence: String,
    /// Where the licence's text is.
    pub licence_url: String,
    /// Where the file came from.
    pub source: String,
    /// `qwen2`, and how its weights are written: `Q4_K`.
    pub made: String,
    /// Weights in all.
    pub parameters: u64,
    /// Since when it is here.
    pub installed: Timestamp,
}

impl Facts {
    /// Who that is, with the name that the house knows.
    pub(crate) fn who(&self, who: Subject) -> Cell {
        let name = match who {
            Subject::Operator => None,
            Subject::Person(id) => self.people.get(&id),
            Subject::Service(id) => self.keys.get(&id),
        };
        match (name, who) {
            (_, Subject::Operator) => Cell::Word("operator"),
            (Some(name), _) => Cell::Named { name: name.clone(), id: who.to_string() },
            (None, _) => Cell::Text(who.to_string()),
        }
    }
}
