//! The tables of this crate.

use store::Schema;

/// Routes, and the installation's secret for cache salts.
pub const SCHEMA: Schema = Schema {
    owner: "serving",
    steps: &["CREATE TABLE route (
            tenant BLOB NOT NULL,
            name TEXT NOT NULL,
            model TEXT NOT NULL,
            corpora TEXT NOT NULL,
            instructions TEXT NOT NULL,
            passages_max INTEGER NOT NULL,
            temperature REAL,
            mode TEXT NOT NULL,
            created INTEGER NOT NULL,
            PRIMARY KEY (tenant, name)
        ) STRICT;
        CREATE TABLE serving_secret (
            only INTEGER PRIMARY KEY CHECK (only = 1),
            secret BLOB NOT NULL
        ) STRICT;"],
};
