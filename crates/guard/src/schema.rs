//! The tables of this crate.

use store::Schema;

/// Where receipts are found, and what waits for approval.
pub const SCHEMA: Schema = Schema {
    owner: "guard",
    steps: &[
        "-- expand
CREATE TABLE receipt (
    leaf    INTEGER PRIMARY KEY,
    id      BLOB NOT NULL,
    kind    TEXT NOT NULL,
    tenant  BLOB NOT NULL,
    at      INTEGER NOT NULL,
    subject TEXT NOT NULL,
    asked   TEXT NOT NULL,
    engine  TEXT,
    outside INTEGER NOT NULL,
    class   INTEGER,
    outcome TEXT
) STRICT;
CREATE TABLE receipt_log (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    key  TEXT NOT NULL
) STRICT;
CREATE INDEX receipt_by_id ON receipt (id);
CREATE INDEX receipt_by_tenant ON receipt (tenant, leaf);
CREATE INDEX receipt_open ON receipt (kind, leaf) WHERE kind = 'intent';
",
        "-- expand
CREATE TABLE approval_request (
    id        BLOB PRIMARY KEY,
    tenant    BLOB NOT NULL,
    who       TEXT NOT NULL,
    hash      BLOB NOT NULL,
    question  TEXT NOT NULL,
    wanted    TEXT NOT NULL,
    asked     INTEGER NOT NULL,
    state     TEXT NOT NULL,
    approvals TEXT NOT NULL,
    declined  TEXT
) STRICT;
CREATE INDEX approval_request_of ON approval_request (tenant, asked);
CREATE INDEX approval_request_open ON approval_request (hash) WHERE state = 'open';
",
        "-- expand
CREATE INDEX receipt_begun ON receipt (kind, leaf) WHERE kind = 'begun';
",
    ],
};
