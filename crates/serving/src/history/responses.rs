//! Responses that are kept, so that the next one can go on from them: items in, items out, as the API wrote them.
//!
//! What is kept here goes by itself: beyond its bounds the oldest goes first, since its owner is a program that asks on
//! and on, and nobody who could tidy up.

use base::{Label, Principal, ResponseId};
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use store::StoreError;

use super::recall::stands;
use super::table::{self, rank};
use super::turn::MadeOf;
use super::{History, HistoryError, class_of, now, owner};

/// Responses that one can go on from, one after another.
const CHAIN_MAX: u32 = 256;

/// What a response is made of. Only serving writes into it, so that nothing goes into a prompt without its label.
#[derive(Debug, Clone, Default)]
pub struct Basis {
    pub(crate) label: Option<Label>,
    pub(crate) made_of: MadeOf,
}

/// A response to be kept.
#[derive(Debug)]
pub struct NewResponse {
    /// Its id.
    pub id: ResponseId,
    /// The one that it went on from.
    pub previous: Option<ResponseId>,
    /// The items that went in.
    pub input: Vec<Value>,
    /// The response, with the items that came out.
    pub body: Value,
}

/// A response that was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptResponse {
    /// Its id.
    pub id: ResponseId,
    /// The items that went in.
    pub input: Vec<Value>,
    /// The response, with the items that came out.
    pub body: Value,
}

struct ResponseRow {
    kept: KeptResponse,
    previous: Option<ResponseId>,
    label: Label,
    made_of: MadeOf,
}

impl Basis {
    pub(crate) fn join(&mut self, label: &Label, made_of: &MadeOf) {
        self.label = Some(self.label.take().map_or_else(|| label.clone(), |own| own.join(label)));
        self.made_of.extend(made_of);
    }
}

impl History {
    /// Keeps a response that was made of `basis`, unless nothing is kept.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn keep_response(
        &self,
        principal: &Principal,
        new: &NewResponse,
        basis: &Basis,
    ) -> Result<(), HistoryError> {
        let Some(label) = basis.label.as_ref().filter(|_| self.config.enabled) else { return Ok(()) };
        let (input, body) = (table::written(&new.input)?, table::written(&new.body)?);
        let mut write = self.store.write().await?;
        sqlx::query(
            "INSERT INTO response (id, tenant, owner, created, bytes, class, previous, label, made_of, input, body)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(new.id.as_bytes().as_slice())
        .bind(principal.tenant.as_bytes().as_slice())
        .bind(owner(principal))
        .bind(now())
        .bind((input.len() + body.len()) as i64)
        .bind(rank(label.class))
        .bind(new.previous.as_ref().map(|id| id.as_bytes().as_slice()))
        .bind(table::written(label)?)
        .bind(table::written(&basis.made_of)?)
        .bind(input)
        .bind(body)
        .execute(&mut *write)
        .await?;
        sqlx::query(
            "DELETE FROM response WHERE id IN (
                SELECT id FROM (
                    SELECT id, row_number() OVER newest AS place, sum(bytes) OVER newest AS total
                    FROM response WHERE tenant = ?1 AND owner = ?2
                    WINDOW newest AS (ORDER BY created DESC, id DESC)
                ) WHERE place > ?3 OR (total > ?4 AND place > 1)
            )",
        )
        .bind(principal.tenant.as_bytes().as_slice())
        .bind(owner(principal))
        .bind(self.config.responses_max)
        .bind(i64::try_from(self.config.owner_bytes_max).unwrap_or(i64::MAX))
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// The principal's response of this id, if it may be shown now. `basis` takes in what it was made of.
    ///
    /// # Errors
    /// [`HistoryError::NotFound`].
    pub async fn response(
        &self,
        principal: &Principal,
        id: ResponseId,
        basis: &mut Basis,
    ) -> Result<KeptResponse, HistoryError> {
        let row = sqlx::query("SELECT * FROM response WHERE id = ? AND tenant = ? AND owner = ? AND created >= ?")
            .bind(id.as_bytes().as_slice())
            .bind(principal.tenant.as_bytes().as_slice())
            .bind(owner(principal))
            .bind(self.cut())
            .fetch_optional(self.store.read())
            .await?;
        let rows = row.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        self.shown(principal, rows, basis).await?.pop().ok_or(HistoryError::NotFound { what: "response" })
    }

    /// A response and all that it went on from, the oldest first. `basis` takes in what they were made of.
    ///
    /// # Errors
    /// [`HistoryError::NotFound`] if one of them is not there or may not be shown now; [`HistoryError::Invalid`] for more
    /// than 256.
    pub async fn chain(
        &self,
        principal: &Principal,
        id: ResponseId,
        basis: &mut Basis,
    ) -> Result<Vec<KeptResponse>, HistoryError> {
        let rows = sqlx::query(
            "WITH RECURSIVE chain (step, one) AS (
                SELECT 1, ?1
                UNION ALL
                SELECT step + 1, previous FROM chain JOIN response ON response.id = one
                WHERE previous IS NOT NULL AND step <= ?5
            )
            SELECT response.* FROM chain JOIN response ON response.id = one
            WHERE tenant = ?2 AND owner = ?3 AND created >= ?4 ORDER BY step DESC",
        )
        .bind(id.as_bytes().as_slice())
        .bind(principal.tenant.as_bytes().as_slice())
        .bind(owner(principal))
        .bind(self.cut())
        .bind(CHAIN_MAX)
        .fetch_all(self.store.read())
        .await?;
        let rows = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if rows.len() > CHAIN_MAX as usize {
            let reason = format!("goes on from more than {CHAIN_MAX} responses; send the items instead");
            return Err(HistoryError::invalid("previous_response_id", reason));
        }
        let (count, whole) = (rows.len(), rows.first().is_some_and(|oldest| oldest.previous.is_none()));
        let shown = self.shown(principal, rows, basis).await?;
        if whole && shown.len() == count { Ok(shown) } else { Err(HistoryError::NotFound { what: "response" }) }
    }

    /// Deletes a response. Those that went on from it cannot be gone on from any more.
    ///
    /// # Errors
    /// [`HistoryError::NotFound`].
    pub async fn delete_response(&self, principal: &Principal, id: ResponseId) -> Result<(), HistoryError> {
        let mut write = self.store.write().await?;
        let gone = sqlx::query("DELETE FROM response WHERE id = ? AND tenant = ? AND owner = ? AND class <= ?")
            .bind(id.as_bytes().as_slice())
            .bind(principal.tenant.as_bytes().as_slice())
            .bind(owner(principal))
            .bind(rank(class_of(principal)))
            .execute(&mut *write)
            .await?
            .rows_affected();
        write.commit().await?;
        if gone == 0 {
            return Err(HistoryError::NotFound { what: "response" });
        }
        self.store.scrub().await?;
        Ok(())
    }

    /// Those that the principal may see now; what they were made of is joined.
    async fn shown(
        &self,
        principal: &Principal,
        rows: Vec<ResponseRow>,
        basis: &mut Basis,
    ) -> Result<Vec<KeptResponse>, HistoryError> {
        let standing = self.standing(principal, rows.iter().map(|row| &row.made_of)).await?;
        let mut shown = Vec::with_capacity(rows.len());
        for row in rows {
            if row.label.class <= class_of(principal) && stands(&standing, &row.made_of) {
                basis.join(&row.label, &row.made_of);
                shown.push(row.kept);
            }
        }
        Ok(shown)
    }
}

fn read(row: &SqliteRow) -> Result<ResponseRow, StoreError> {
    let id = |bytes: Vec<u8>| {
        ResponseId::try_from(bytes.as_slice()).map_err(|_| StoreError::Broken("a response's id".to_owned()))
    };
    Ok(ResponseRow {
        kept: KeptResponse {
            id: id(row.try_get("id")?)?,
            input: table::read(&row.try_get::<String, _>("input")?, "a response's input")?,
            body: table::read(&row.try_get::<String, _>("body")?, "a response")?,
        },
        previous: row.try_get::<Option<Vec<u8>>, _>("previous")?.map(id).transpose()?,
        label: table::read(&row.try_get::<String, _>("label")?, "a response's label")?,
        made_of: table::read(&row.try_get::<String, _>("made_of")?, "what a response was made of")?,
    })
}
