//! From one release's tables to the next's, and one release back.
//!
//! What must stay true: a step runs once, whole or not at all, and is never edited afterwards; a program that does
//! not know a step uses the folder only if that step says that it may, and otherwise changes nothing and says which
//! version is needed. The plan behind this is docs/design/migrations.md.

use base::ContentHash;
use sqlx::{Row, SqlitePool};

use crate::{Schema, StoreError};

/// The first line of a step that the release before need not know of.
const EXPAND: &str = "-- expand";
const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// A step that a folder went through.
#[derive(Debug)]
pub(crate) struct Applied {
    owner: String,
    step: u32,
    hash: Vec<u8>,
    expands: bool,
    program: String,
}

/// Whether a program with these schemas can use the database as it is; gives the steps that it went through.
///
/// # Errors
/// [`StoreError::Newer`]; [`StoreError::Broken`] if a step was edited after it ran.
pub(crate) async fn check(pool: &SqlitePool, schemas: &[Schema]) -> Result<Vec<Applied>, StoreError> {
    let applied = applied(pool).await?;
    for step in &applied {
        let schema = schemas.iter().find(|schema| schema.owner == step.owner);
        let index = (step.step as usize).checked_sub(1);
        match schema.zip(index).and_then(|(schema, index)| schema.steps.get(index)) {
            Some(sql) if step.hash == ContentHash::of(sql).as_bytes() => {}
            Some(_) => {
                return Err(StoreError::Broken(format!(
                    "step {} of `{}` was edited after it ran",
                    step.step, step.owner
                )));
            }
            None if step.expands => {
                tracing::info!(owner = step.owner, step = step.step, "a newer program added what is left alone here");
            }
            None => {
                return Err(StoreError::Newer {
                    owner: step.owner.clone(),
                    found: step.step,
                    known: schema.map_or(0, |schema| schema.steps.len() as u32),
                    program: step.program.clone(),
                });
            }
        }
    }
    Ok(applied)
}

/// Brings each schema to its newest step.
///
/// # Errors
/// As [`check`], and when the disk says no. Steps that ran stay, and the next try goes on after them.
pub(crate) async fn migrate(pool: &SqlitePool, schemas: &[Schema]) -> Result<(), StoreError> {
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS schema_step (
            owner TEXT NOT NULL, step INTEGER NOT NULL, hash BLOB NOT NULL,
            expands INTEGER NOT NULL DEFAULT 0, program TEXT NOT NULL DEFAULT '0.1.0', PRIMARY KEY (owner, step)
        ) STRICT",
    )
    .execute(pool)
    .await?;
    let applied = check(pool, schemas).await?;
    add_columns(pool).await?;
    for schema in schemas {
        let done = applied.iter().filter(|step| step.owner == schema.owner).count();
        for (index, sql) in schema.steps.iter().enumerate().skip(done) {
            let expands = sql.trim_start().starts_with(EXPAND);
            if expands && let Some(statement) = more_than_expands(sql) {
                let (owner, step) = (schema.owner, index + 1);
                return Err(StoreError::Broken(format!("step {step} of `{owner}` does not only expand: {statement}")));
            }
            let mut write = pool.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::raw_sql(*sql).execute(&mut *write).await?;
            sqlx::query("INSERT INTO schema_step (owner, step, hash, expands, program) VALUES (?, ?, ?, ?, ?)")
                .bind(schema.owner)
                .bind(index as u32 + 1)
                .bind(ContentHash::of(sql).as_bytes().as_slice())
                .bind(expands)
                .bind(PROGRAM)
                .execute(&mut *write)
                .await?;
            write.commit().await?;
        }
    }
    Ok(())
}

async fn applied(pool: &SqlitePool) -> Result<Vec<Applied>, StoreError> {
    let rows = sqlx::query("SELECT * FROM schema_step ORDER BY owner, step").fetch_all(pool).await?;
    rows.iter()
        .map(|row| {
            Ok(Applied {
                owner: row.try_get("owner")?,
                step: row.try_get("step")?,
                hash: row.try_get("hash")?,
                // The first release wrote neither.
                expands: row.try_get("expands").unwrap_or(false),
                program: row.try_get("program").unwrap_or_default(),
            })
        })
        .collect()
}

/// What the first release's table of steps did not have.
async fn add_columns(pool: &SqlitePool) -> Result<(), StoreError> {
    let columns: Vec<String> =
        sqlx::query_scalar("SELECT name FROM pragma_table_info('schema_step')").fetch_all(pool).await?;
    if !columns.iter().any(|column| column == "expands") {
        sqlx::query("ALTER TABLE schema_step ADD COLUMN expands INTEGER NOT NULL DEFAULT 0").execute(pool).await?;
        sqlx::query("ALTER TABLE schema_step ADD COLUMN program TEXT NOT NULL DEFAULT '0.1.0'").execute(pool).await?;
    }
    Ok(())
}

/// The first statement of a step that a program which does not know of it could trip over.
///
/// New tables, columns and indexes are left alone by whoever does not know them. A reference without `ON DELETE` would
/// keep the older program from deleting, and a unique index from inserting.
fn more_than_expands(sql: &str) -> Option<String> {
    let code: Vec<&str> = sql.lines().map(|line| line.split("--").next().unwrap_or("")).collect();
    code.join(" ").split(';').find_map(|statement| {
        let words: Vec<String> = statement.split_whitespace().map(str::to_uppercase).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let adds = matches!(
            words.as_slice(),
            [] | ["CREATE", "TABLE" | "INDEX", ..] | ["ALTER", "TABLE", _, "ADD", "COLUMN", ..]
        );
        let text = words.join(" ");
        let references = text.matches("REFERENCES").count();
        let free = references <= text.matches("ON DELETE CASCADE").count() + text.matches("ON DELETE SET NULL").count();
        (!adds || !free).then(|| statement.trim().chars().take(80).collect())
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{DataLock, Store};

    const ONE: &str = "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT";
    const TWO: &str = "ALTER TABLE note ADD COLUMN author TEXT";
    const EXPANDS: &str = "-- expand\nALTER TABLE note ADD COLUMN author TEXT NOT NULL DEFAULT '';
        CREATE TABLE tag (note INTEGER NOT NULL REFERENCES note (id) ON DELETE CASCADE, word TEXT NOT NULL) STRICT;";

    async fn open(dir: &Path, steps: &'static [&'static str]) -> Result<Store, StoreError> {
        Store::open(dir, DataLock::take(dir)?, &[Schema { owner: "notes", steps }]).await
    }

    async fn write(store: &Store, sql: &'static str) {
        let mut write = store.write().await.unwrap();
        sqlx::query(sql).execute(&mut *write).await.unwrap();
        write.commit().await.unwrap();
    }

    async fn texts(store: &Store) -> Vec<String> {
        sqlx::query_scalar("SELECT text FROM note ORDER BY id").fetch_all(store.read()).await.unwrap()
    }

    #[tokio::test]
    async fn a_folder_grows_with_the_program_and_keeps_its_rows() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), &[ONE]).await.unwrap();
        write(&store, "INSERT INTO note (text) VALUES ('kept')").await;
        store.close().await;
        drop(store);
        let store = open(dir.path(), &[ONE, TWO]).await.unwrap();
        write(&store, "UPDATE note SET author = 'somebody'").await;
        assert_eq!(texts(&store).await, ["kept"]);
    }

    #[tokio::test]
    async fn what_a_newer_program_changed_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path(), &[ONE, TWO]).await.unwrap().close().await;
        let error = open(dir.path(), &[ONE]).await.unwrap_err();
        let StoreError::Newer { found: 2, known: 1, program, .. } = &error else { panic!("{error}") };
        assert_eq!(program, PROGRAM);
        assert!(error.to_string().contains(PROGRAM), "it says which version is needed: {error}");
        // A crate that the older program has never heard of may rely on things that it would not do.
        let other = Schema { owner: "others", steps: &[ONE] };
        let lock = DataLock::take(dir.path()).unwrap();
        assert!(matches!(Store::open(dir.path(), lock, &[other]).await, Err(StoreError::Newer { known: 0, .. })));
        open(dir.path(), &[ONE, TWO]).await.unwrap();
    }

    #[tokio::test]
    async fn what_a_newer_program_only_added_does_not_stop_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let newer = open(dir.path(), &[ONE, EXPANDS]).await.unwrap();
        write(&newer, "INSERT INTO note (text, author) VALUES ('new', 'somebody')").await;
        write(&newer, "INSERT INTO tag (note, word) VALUES (1, 'a')").await;
        newer.close().await;
        drop(newer);
        let older = open(dir.path(), &[ONE]).await.unwrap();
        write(&older, "INSERT INTO note (text) VALUES ('old')").await;
        assert_eq!(texts(&older).await, ["new", "old"]);
        write(&older, "DELETE FROM note WHERE id = 1").await;
        older.close().await;
        drop(older);
        let newer = open(dir.path(), &[ONE, EXPANDS]).await.unwrap();
        assert_eq!(texts(&newer).await, ["old"]);
    }

    #[tokio::test]
    async fn a_folder_of_the_first_release_learns_who_made_its_steps() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), &[ONE]).await.unwrap();
        write(&store, "ALTER TABLE schema_step DROP COLUMN expands").await;
        write(&store, "ALTER TABLE schema_step DROP COLUMN program").await;
        store.close().await;
        drop(store);
        let store = open(dir.path(), &[ONE, EXPANDS]).await.unwrap();
        let steps: Vec<(bool, String)> = sqlx::query_as("SELECT expands, program FROM schema_step ORDER BY step")
            .fetch_all(store.read())
            .await
            .unwrap();
        assert_eq!(steps, [(false, "0.1.0".to_owned()), (true, PROGRAM.to_owned())]);
    }

    #[tokio::test]
    async fn an_edited_step_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path(), &[ONE]).await.unwrap().close().await;
        let error = open(dir.path(), &[TWO]).await.unwrap_err();
        assert!(matches!(error, StoreError::Broken(_)), "{error}");
    }

    #[tokio::test]
    async fn a_step_that_fails_leaves_nothing_and_is_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        assert!(open(dir.path(), &[ONE, "CREATE TABLE other (a) STRICT; nonsense"]).await.is_err());
        let store = open(dir.path(), &[ONE, TWO]).await.unwrap();
        write(&store, "INSERT INTO note (text, author) VALUES ('kept', 'somebody')").await;
    }

    #[test]
    fn a_step_that_does_more_than_add_cannot_say_that_it_only_adds() {
        for good in [EXPANDS, "-- expand\nCREATE INDEX a ON note (text)", "-- expand\n\n"] {
            assert_eq!(more_than_expands(good), None, "{good}");
        }
        for bad in [
            "DROP TABLE note",
            "ALTER TABLE note DROP COLUMN text",
            "ALTER TABLE note RENAME COLUMN text TO words",
            "CREATE UNIQUE INDEX a ON note (text)",
            "CREATE TRIGGER t AFTER INSERT ON note BEGIN SELECT 1; END",
            "UPDATE note SET text = ''",
            "CREATE TABLE tag (note INTEGER REFERENCES note (id))",
        ] {
            assert!(more_than_expands(&format!("-- expand\n{EXPANDS} {bad}")).is_some(), "{bad}");
        }
    }
}
