//! The table beside the ledger, by which receipts are found.

use std::ops::Range;
use std::sync::Arc;

use base::{Class, ReceiptId, Subject, TenantId};
use jiff::Timestamp;
use ledger::Ledger;
use serde_json::{Value, json};
use sqlx::Row;
use store::Store;
use tokio::sync::Mutex;

use super::entry::Entry;
use super::office::blocking;
use super::{ReceiptError, Span};

/// Leaves that one transaction takes in.
const BATCH: usize = 2_048;

/// Which entries are wanted.
#[derive(Debug, Clone)]
pub struct ReceiptFilter {
    /// Whose.
    pub tenant: TenantId,
    /// Only those of this principal.
    pub who: Option<Subject>,
    /// Only `receipt`, `intent`, `act` or `begun`; without it all but what only says that an act began.
    pub kind: Option<String>,
    /// Only those that ended so: `served`, `refused`, `failed`, `hung_up`, `lost`.
    pub outcome: Option<String>,
    /// Only those that called this route or model, or did this.
    pub asked: Option<String>,
    /// Only those whose text left the house.
    pub outside: bool,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// Only leaves before this one.
    pub before: Option<u64>,
    /// How many.
    pub limit: usize,
}

#[derive(Debug)]
pub(super) struct Table {
    store: Arc<Store>,
    /// The next leaf to take in. Held while one is.
    next: Mutex<Option<u64>>,
}

impl Table {
    pub fn new(store: Arc<Store>) -> Self {
        Self { store, next: Mutex::new(None) }
    }

    /// Takes in what the ledger has and the table has not.
    pub async fn follow(&self, ledger: &Ledger) -> Result<(), ReceiptError> {
        let mut next = self.next.lock().await;
        let mut from = match *next {
            Some(next) => next,
            None => self.taken(&ledger.key().to_string()).await?,
        };
        loop {
            let log = ledger.log();
            if from >= log.checkpoint().size() {
                break;
            }
            let batch =
                blocking(move || Ok(log.entries_from(from).take(BATCH).collect::<Result<Vec<_>, _>>()?)).await?;
            // A leaf that is none of ours has no row, and is counted all the same.
            let entries = batch.iter().filter_map(|(leaf, bytes)| Some((*leaf, Entry::read(bytes)?)));
            let rows = serde_json::to_string(&entries.map(|(leaf, entry)| row(leaf, &entry)).collect::<Vec<_>>())
                .map_err(|_| ReceiptError::Ended)?;
            let mut write = self.store.write().await?;
            sqlx::query(TAKE_IN).bind(rows).execute(&mut *write).await?;
            write.commit().await?;
            from += batch.len() as u64;
            *next = Some(from);
        }
        *next = Some(from);
        Ok(())
    }

    /// How many leaves of the log with this key were taken in. Those of another log go.
    async fn taken(&self, key: &str) -> Result<u64, ReceiptError> {
        let mut write = self.store.write().await?;
        let known: Option<String> =
            sqlx::query_scalar("SELECT key FROM receipt_log").fetch_optional(&mut *write).await?;
        if known.as_deref() != Some(key) {
            sqlx::query("DELETE FROM receipt").execute(&mut *write).await?;
            sqlx::query("INSERT OR REPLACE INTO receipt_log (only, key) VALUES (1, ?)")
                .bind(key)
                .execute(&mut *write)
                .await?;
        }
        let last: Option<i64> = sqlx::query_scalar("SELECT max(leaf) FROM receipt").fetch_one(&mut *write).await?;
        write.commit().await?;
        Ok(last.map_or(0, |last| last.unsigned_abs() + 1))
    }

    /// The last leaf under an id: the receipt, or the intent while nothing closed it.
    pub async fn leaf_of(&self, id: ReceiptId) -> Result<Option<u64>, ReceiptError> {
        let row = sqlx::query("SELECT max(leaf) FROM receipt WHERE id = ?")
            .bind(id.as_bytes().as_slice())
            .fetch_one(self.store.read())
            .await?;
        Ok(row.try_get::<Option<i64>, _>(0)?.map(i64::unsigned_abs))
    }

    pub async fn leaves(&self, filter: &ReceiptFilter) -> Result<Vec<u64>, ReceiptError> {
        let rows = sqlx::query(
            "SELECT leaf FROM receipt WHERE tenant = ?1 AND leaf < ?2 AND at >= ?3 AND at < ?4
                AND (?5 IS NULL OR subject = ?5) AND kind = coalesce(?6, nullif(kind, 'begun')) AND (?7 IS NULL OR outcome = ?7)
                AND (?8 IS NULL OR asked = ?8) AND outside >= ?9
             ORDER BY leaf DESC LIMIT ?10",
        )
        .bind(filter.tenant.as_bytes().as_slice())
        .bind(filter.before.map_or(i64::MAX, signed))
        .bind(filter.from.map_or(i64::MIN, |from| from.as_millisecond()))
        .bind(filter.to.map_or(i64::MAX, |to| to.as_millisecond()))
        .bind(filter.who.as_ref().map(ToString::to_string))
        .bind(filter.kind.as_deref())
        .bind(filter.outcome.as_deref())
        .bind(filter.asked.as_deref())
        .bind(filter.outside)
        .bind(i64::try_from(filter.limit).unwrap_or(i64::MAX))
        .fetch_all(self.store.read())
        .await?;
        rows.iter().map(|row| Ok(row.try_get::<i64, _>(0)?.unsigned_abs())).collect()
    }

    /// Receipts and acts of a span among these leaves, the lowest first.
    pub async fn leaves_of(&self, span: &Span, among: Range<u64>, limit: usize) -> Result<Vec<u64>, ReceiptError> {
        let rows = sqlx::query(
            "SELECT leaf FROM receipt WHERE tenant = ?1 AND leaf >= ?2 AND leaf < ?3 AND at >= ?4 AND at < ?5
                AND kind NOT IN ('intent', 'begun') ORDER BY leaf LIMIT ?6",
        )
        .bind(span.tenant.as_bytes().as_slice())
        .bind(signed(among.start))
        .bind(signed(among.end))
        .bind(span.from.as_millisecond())
        .bind(span.to.as_millisecond())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(self.store.read())
        .await?;
        rows.iter().map(|row| Ok(row.try_get::<i64, _>(0)?.unsigned_abs())).collect()
    }

    /// Intents that no receipt closed, and acts that began and did not end.
    pub async fn open_intents(&self) -> Result<Vec<u64>, ReceiptError> {
        let rows = sqlx::query(
            "SELECT leaf FROM receipt AS intent WHERE kind = 'intent' AND NOT EXISTS
                (SELECT 1 FROM receipt WHERE receipt.id = intent.id AND receipt.kind = 'receipt')
             UNION ALL SELECT leaf FROM receipt AS begun WHERE kind = 'begun' AND NOT EXISTS
                (SELECT 1 FROM receipt WHERE receipt.id = begun.id AND receipt.kind = 'act')
             ORDER BY leaf",
        )
        .fetch_all(self.store.read())
        .await?;
        rows.iter().map(|row| Ok(row.try_get::<i64, _>(0)?.unsigned_abs())).collect()
    }
}

/// Takes many rows in at once: a statement for each would cost more than all else that a receipt does.
const TAKE_IN: &str = "
INSERT OR REPLACE INTO receipt (leaf, id, kind, tenant, at, subject, asked, engine, outside, class, outcome)
SELECT value->>0, unhex(value->>1), value->>2, unhex(value->>3), value->>4, value->>5, value->>6, value->>7, value->>8, value->>9,
       value->>10
FROM json_each(?)";

/// The row of an entry, in the order of the table's columns; bytes in hexadecimal.
fn row(leaf: u64, entry: &Entry) -> Value {
    let (kind, at) = match entry {
        Entry::Intent(intent) => ("intent", intent.at),
        Entry::Receipt(receipt) => ("receipt", receipt.began),
        Entry::Begun(act) => ("begun", act.at),
        Entry::Act(act) => ("act", act.at),
    };
    let (tenant, who) = entry.whose();
    let (asked, engine, label, outcome) = match entry {
        Entry::Intent(intent) => ("", Some(&intent.engine), Some(&intent.label), None),
        Entry::Receipt(receipt) => {
            (&*receipt.asked, receipt.engine.as_ref(), receipt.label.as_ref(), Some(receipt.outcome.word()))
        }
        Entry::Begun(act) | Entry::Act(act) => (&*act.action, None, None, None),
    };
    let outside = match entry {
        Entry::Intent(intent) => intent.engine.outside,
        Entry::Receipt(receipt) => receipt.left_the_house(),
        Entry::Begun(_) | Entry::Act(_) => false,
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    json!([
        signed(leaf),
        hex(entry.id().as_bytes()),
        kind,
        hex(tenant.as_bytes()),
        at.as_millisecond(),
        who.to_string(),
        asked,
        engine.map(|engine| &engine.name),
        i64::from(outside),
        label.map(|label| rank(label.class)),
        outcome,
    ])
}

fn rank(class: Class) -> i64 {
    match class {
        Class::Open => 0,
        Class::Sensitive => 1,
        Class::Classified => 2,
    }
}

fn signed(leaf: u64) -> i64 {
    i64::try_from(leaf).unwrap_or(i64::MAX)
}
