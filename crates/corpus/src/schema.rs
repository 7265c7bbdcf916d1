//! The tables of this crate.
//!
//! Passages are append-only: a passage's number is given once and never again, whatever is removed later. A
//! revision is one content of one document; it is valid for the corpus versions `added <= v < removed`. Each time
//! that a revision is added, removed or forgotten it takes a new, higher `change` number, which is what indexes follow.

/// The tables of corpora, documents and passages; handed to the store when it opens.
pub const SCHEMA: store::Schema = store::Schema { owner: "corpus", steps: &[FIRST, FILES, FLAGS] };

// `document.source` is where the record lies (an absolute path; an archive's path, `//` and the entry's name) and
// is its identity; `document.path` is what people call it, unique in the corpus.
const FIRST: &str = "
CREATE TABLE corpus (
    id BLOB PRIMARY KEY,
    tenant BLOB NOT NULL,
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    label TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    UNIQUE (tenant, name)
) STRICT;

CREATE TABLE corpus_reader (
    corpus BLOB NOT NULL REFERENCES corpus (id) ON DELETE CASCADE,
    reader BLOB NOT NULL,
    PRIMARY KEY (corpus, reader)
) STRICT, WITHOUT ROWID;

CREATE TABLE corpus_counter (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO corpus_counter (name, value) VALUES ('change', 0), ('passage', 0), ('revision', 0);

CREATE TABLE document (
    id BLOB PRIMARY KEY,
    corpus BLOB NOT NULL REFERENCES corpus (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    source TEXT NOT NULL,
    revision INTEGER,
    UNIQUE (corpus, path),
    UNIQUE (corpus, source)
) STRICT;

CREATE TABLE revision (
    number INTEGER PRIMARY KEY,
    change INTEGER NOT NULL UNIQUE,
    document BLOB NOT NULL,
    corpus BLOB NOT NULL,
    path TEXT NOT NULL,
    title TEXT NOT NULL,
    kind TEXT NOT NULL,
    class TEXT NOT NULL,
    readers TEXT NOT NULL,
    dated TEXT,
    source_hash BLOB NOT NULL,
    source_bytes INTEGER NOT NULL,
    extractor INTEGER NOT NULL,
    text_bytes INTEGER NOT NULL,
    characters INTEGER NOT NULL,
    first_passage INTEGER NOT NULL,
    passages INTEGER NOT NULL,
    added_version INTEGER NOT NULL,
    removed_version INTEGER,
    forgotten INTEGER NOT NULL DEFAULT 0,
    added_at TEXT NOT NULL
) STRICT;
CREATE INDEX revision_of_document ON revision (document);
CREATE INDEX revision_of_corpus ON revision (corpus, removed_version);

CREATE TABLE document_text (
    revision INTEGER PRIMARY KEY REFERENCES revision (number),
    text BLOB NOT NULL,
    outline BLOB NOT NULL
) STRICT;

CREATE TABLE passage (
    id INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    heading INTEGER
) STRICT;

CREATE TABLE document_warning (
    revision INTEGER NOT NULL,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (revision, number)
) STRICT, WITHOUT ROWID;
";

// `corpus_file` says which document of a corpus an uploaded file became, or why it became none.
const FILES: &str = "-- expand
CREATE TABLE file (
    id BLOB PRIMARY KEY,
    tenant BLOB NOT NULL,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    purpose TEXT NOT NULL,
    class TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    blob BLOB NOT NULL CHECK (length(blob) = 32),
    created INTEGER NOT NULL
) STRICT;
CREATE INDEX file_of_tenant ON file (tenant, id);
CREATE INDEX file_blob ON file (blob);

CREATE TABLE corpus_file (
    corpus BLOB NOT NULL REFERENCES corpus (id) ON DELETE CASCADE,
    file BLOB NOT NULL REFERENCES file (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    failure TEXT,
    bytes INTEGER NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (corpus, file)
) STRICT, WITHOUT ROWID;
";

// `span_start` and `span_stop` are bytes of the stored text. A program that does not know the table leaves it alone; what it
// adds has no flags until it is gathered again.
const FLAGS: &str = "-- expand
CREATE TABLE document_flag (
    revision INTEGER NOT NULL,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    rule TEXT NOT NULL,
    span_start INTEGER NOT NULL,
    span_stop INTEGER NOT NULL,
    PRIMARY KEY (revision, number)
) STRICT, WITHOUT ROWID;
";
