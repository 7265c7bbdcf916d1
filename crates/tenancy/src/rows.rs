//! The tables of tenants, groups, people and keys, and their SQL.

use std::collections::BTreeSet;

use base::{Class, GroupId, KeyId, PersonId, TenantId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use store::{Schema, Store, StoreError};

use crate::key::KeyHash;

/// The tables of this crate.
pub const SCHEMA: Schema = Schema {
    owner: "tenancy",
    steps: &[
        "
CREATE TABLE tenant (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    quota_limit INTEGER,
    quota_used INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL
) STRICT;
CREATE TABLE reader_group (
    id BLOB PRIMARY KEY,
    tenant BLOB NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    UNIQUE (tenant, name)
) STRICT;
CREATE TABLE person (
    id BLOB PRIMARY KEY,
    tenant BLOB NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    UNIQUE (tenant, name)
) STRICT;
CREATE TABLE person_group (
    person BLOB NOT NULL REFERENCES person (id),
    reader_group BLOB NOT NULL REFERENCES reader_group (id),
    PRIMARY KEY (person, reader_group)
) STRICT;
CREATE TABLE access_key (
    id BLOB PRIMARY KEY,
    tenant BLOB NOT NULL REFERENCES tenant (id),
    person BLOB REFERENCES person (id),
    name TEXT NOT NULL,
    hash BLOB NOT NULL,
    input_class TEXT NOT NULL,
    read_class_max TEXT NOT NULL,
    created INTEGER NOT NULL,
    revoked INTEGER,
    UNIQUE (tenant, name)
) STRICT;
CREATE TABLE key_group (
    access_key BLOB NOT NULL REFERENCES access_key (id),
    reader_group BLOB NOT NULL REFERENCES reader_group (id),
    PRIMARY KEY (access_key, reader_group)
) STRICT;
",
        "-- expand
CREATE TABLE kept_answer (
    tenant BLOB NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    name BLOB NOT NULL,
    request BLOB NOT NULL,
    status INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body BLOB NOT NULL,
    made INTEGER NOT NULL,
    PRIMARY KEY (tenant, subject, name)
) STRICT;
CREATE INDEX kept_answer_made ON kept_answer (made);
",
        // Not an expanding step: a program that does not know of suspension would let the suspended in.
        "
ALTER TABLE access_key ADD COLUMN administrator INTEGER NOT NULL DEFAULT 0 CHECK (administrator IN (0, 1));
ALTER TABLE person ADD COLUMN suspended INTEGER;
",
    ],
};

pub(crate) struct TenantRow {
    pub(crate) id: TenantId,
    pub(crate) name: String,
    pub(crate) limit: Option<u64>,
    pub(crate) used: u64,
    pub(crate) created: i64,
}

pub(crate) struct KeyRow {
    pub(crate) id: KeyId,
    pub(crate) tenant: TenantId,
    pub(crate) person: Option<PersonId>,
    pub(crate) name: String,
    pub(crate) hash: KeyHash,
    pub(crate) input_class: Class,
    pub(crate) read_class_max: Class,
    pub(crate) created: i64,
    pub(crate) revoked: Option<i64>,
    pub(crate) administrator: bool,
    pub(crate) groups: BTreeSet<GroupId>,
}

pub(crate) async fn tenants(store: &Store) -> Result<Vec<TenantRow>, StoreError> {
    let rows = sqlx::query("SELECT id, name, quota_limit, quota_used, created FROM tenant ORDER BY id")
        .fetch_all(store.read())
        .await?;
    rows.iter()
        .map(|row| {
            Ok(TenantRow {
                id: id(row, "id")?,
                name: row.try_get("name")?,
                limit: row.try_get::<Option<i64>, _>("quota_limit")?.map(|limit| limit.max(0) as u64),
                used: row.try_get::<i64, _>("quota_used")?.max(0) as u64,
                created: row.try_get("created")?,
            })
        })
        .collect()
}

/// Groups (`reader_group`) or people (`person`) as (id, tenant, name, created).
pub(crate) async fn named<I>(store: &Store, table: Table) -> Result<Vec<(I, TenantId, String, i64)>, StoreError>
where
    I: for<'a> TryFrom<&'a [u8]>,
{
    let sql = match table {
        Table::Group => "SELECT id, tenant, name, created FROM reader_group ORDER BY id",
        Table::Person => "SELECT id, tenant, name, created FROM person ORDER BY id",
    };
    let rows = sqlx::query(sql).fetch_all(store.read()).await?;
    rows.iter()
        .map(|row| Ok((id(row, "id")?, id(row, "tenant")?, row.try_get("name")?, row.try_get("created")?)))
        .collect()
}

#[derive(Clone, Copy)]
pub(crate) enum Table {
    Group,
    Person,
}

pub(crate) async fn memberships(store: &Store) -> Result<Vec<(PersonId, GroupId)>, StoreError> {
    let rows = sqlx::query("SELECT person, reader_group FROM person_group").fetch_all(store.read()).await?;
    rows.iter().map(|row| Ok((id(row, "person")?, id(row, "reader_group")?))).collect()
}

/// People who may not ask, and since when.
pub(crate) async fn suspended(store: &Store) -> Result<Vec<(PersonId, i64)>, StoreError> {
    let rows =
        sqlx::query("SELECT id, suspended FROM person WHERE suspended IS NOT NULL").fetch_all(store.read()).await?;
    rows.iter().map(|row| Ok((id(row, "id")?, row.try_get("suspended")?))).collect()
}

pub(crate) async fn keys(store: &Store) -> Result<Vec<KeyRow>, StoreError> {
    let grouped = sqlx::query("SELECT access_key, reader_group FROM key_group").fetch_all(store.read()).await?;
    let mut groups = std::collections::HashMap::<KeyId, BTreeSet<GroupId>>::new();
    for row in &grouped {
        groups.entry(id(row, "access_key")?).or_default().insert(id(row, "reader_group")?);
    }
    let rows = sqlx::query(
        "SELECT id, tenant, person, name, hash, input_class, read_class_max, created, revoked,
                administrator
         FROM access_key ORDER BY id",
    )
    .fetch_all(store.read())
    .await?;
    rows.iter()
        .map(|row| {
            let id: KeyId = id(row, "id")?;
            let person: Option<Vec<u8>> = row.try_get("person")?;
            let hash: Vec<u8> = row.try_get("hash")?;
            Ok(KeyRow {
                id,
                tenant: self::id(row, "tenant")?,
                person: person.map(|bytes| PersonId::try_from(bytes.as_slice())).transpose().map_err(broken)?,
                name: row.try_get("name")?,
                hash: KeyHash(hash.try_into().map_err(|_| broken("a key's hash"))?),
                input_class: row.try_get::<String, _>("input_class")?.parse().map_err(broken)?,
                read_class_max: row.try_get::<String, _>("read_class_max")?.parse().map_err(broken)?,
                created: row.try_get("created")?,
                revoked: row.try_get("revoked")?,
                administrator: row.try_get("administrator")?,
                groups: groups.remove(&id).unwrap_or_default(),
            })
        })
        .collect()
}

fn id<I>(row: &SqliteRow, column: &str) -> Result<I, StoreError>
where
    I: for<'a> TryFrom<&'a [u8]>,
{
    let bytes: Vec<u8> = row.try_get(column)?;
    I::try_from(&bytes).map_err(|_| broken(column))
}

fn broken(what: impl std::fmt::Display) -> StoreError {
    StoreError::Broken(what.to_string())
}
