//! The tables of this crate.

use store::Schema;

/// Routes, the installation's secret for cache salts, conversations, responses.
pub const SCHEMA: Schema = Schema {
    owner: "serving",
    steps: &[
        "CREATE TABLE route (
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
        ) STRICT;",
        "-- expand
        CREATE TABLE conversation (
            id BLOB PRIMARY KEY,
            tenant BLOB NOT NULL,
            owner TEXT NOT NULL,
            class INTEGER NOT NULL,
            title TEXT NOT NULL,
            model TEXT NOT NULL,
            bytes INTEGER NOT NULL,
            created INTEGER NOT NULL,
            updated INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX conversation_of ON conversation (tenant, owner, updated, id);
        CREATE INDEX conversation_updated ON conversation (updated);
        CREATE TABLE conversation_turn (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            conversation BLOB NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            ended TEXT NOT NULL,
            label TEXT NOT NULL,
            made_of TEXT NOT NULL,
            model TEXT NOT NULL,
            asked TEXT NOT NULL,
            said TEXT NOT NULL,
            told TEXT NOT NULL,
            created INTEGER NOT NULL,
            UNIQUE (conversation, number)
        ) STRICT;",
        "-- expand
        CREATE TABLE response (
            id BLOB PRIMARY KEY,
            tenant BLOB NOT NULL,
            owner TEXT NOT NULL,
            created INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            class INTEGER NOT NULL,
            previous BLOB,
            label TEXT NOT NULL,
            made_of TEXT NOT NULL,
            input TEXT NOT NULL,
            body TEXT NOT NULL
        ) STRICT;
        CREATE INDEX response_of ON response (tenant, owner, created, id, bytes);
        CREATE INDEX response_created ON response (created);",
        "-- expand
        CREATE TABLE route_models (
            tenant BLOB NOT NULL,
            name TEXT NOT NULL,
            models TEXT NOT NULL,
            PRIMARY KEY (tenant, name),
            FOREIGN KEY (tenant, name) REFERENCES route (tenant, name) ON DELETE CASCADE
        ) STRICT;",
    ],
};
