//! A report on paper and in files: HTML that prints by itself, JSON with every proof, CSV of its main table.

mod csv;
mod html;
#[cfg(test)]
mod tests;

use std::str::FromStr;

use base::ContentHash;

use crate::sheet::Report;

/// A format that reports are given out in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// All of it, with proofs.
    Json,
    /// One page that needs nothing else, for A4.
    Html,
    /// The main table alone.
    Csv,
}

impl Format {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Html => "html",
            Self::Csv => "csv",
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Html => "text/html; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }
}

impl FromStr for Format {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let known = [Self::Json, Self::Html, Self::Csv].into_iter().find(|format| format.as_str() == text);
        known.ok_or(())
    }
}

/// A report as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Their SHA-256.
    pub hash: ContentHash,
}

impl Report {
    /// Prints it. Long tables are cut in HTML, which says how much is left out.
    ///
    /// # Errors
    /// Where it has no such form, which the tests rule out; the text is for a log.
    pub fn print(&self, format: Format, zone: &jiff::tz::TimeZone) -> Result<Printed, String> {
        let bytes = match format {
            Format::Json => serde_json::to_vec_pretty(self).map_err(|error| error.to_string())?,
            Format::Html => html::print(self, zone)?.into_bytes(),
            Format::Csv => csv::print(self, zone)?,
        };
        let hash = ContentHash::of(&bytes);
        Ok(Printed { bytes, hash })
    }
}
