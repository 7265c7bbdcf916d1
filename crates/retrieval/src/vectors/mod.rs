//! Search by meaning: vectors in the store by content, and in memory for an exact scan.

mod matrix;
mod table;

pub(crate) use matrix::{Matrix, Probe, Vector};
pub(crate) use table::Table;

/// The table of vectors; handed to the store when it opens.
///
/// `hash` is the begin of the SHA-256 of the text that was embedded, so that equal texts share a row and a text that
/// comes back finds its vector. `codes` are the vector's numbers divided by `scale`, one signed byte each.
pub const SCHEMA: store::Schema = store::Schema { owner: "retrieval", steps: &[FIRST] };

const FIRST: &str = "
CREATE TABLE vector (
    model TEXT NOT NULL,
    hash BLOB NOT NULL,
    scale REAL NOT NULL,
    codes BLOB NOT NULL,
    PRIMARY KEY (model, hash)
) STRICT, WITHOUT ROWID;
";
