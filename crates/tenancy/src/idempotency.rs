//! Idempotency keys: a request that is sent again gets the answer that it had, and is charged once.
//!
//! What must stay true: under one key of one principal only one request runs at a time; an answer that was kept is
//! given to the same request only; answers are kept for a day, within a bound for each tenant, and survive a restart.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::{ContentHash, Principal, Subject, TenantId};
use jiff::{SignedDuration, Timestamp};
use sqlx::Row;
use store::{Store, StoreError};

/// How long an answer is kept.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(24);
/// Bytes that an answer may have to be kept.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// What is kept at most for one tenant; the oldest answers go first.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    bytes: i64,
    answers: i64,
}

const TENANT_MAX: Bounds = Bounds { bytes: 64 << 20, answers: 4_096 };

/// An answer as it went out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Its HTTP status.
    pub status: u16,
    /// Its content type.
    pub kind: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// What is known of a request under an idempotency key.
#[derive(Debug)]
pub enum Begun {
    /// It is new: it may run, and nobody else under this key until the claim is dropped.
    First(Claim),
    /// It was answered.
    Answered(KeptAnswer),
    /// It runs now.
    Running,
    /// The key was used for another request.
    OtherRequest,
}

/// Answers by idempotency key.
#[derive(Debug)]
pub struct Idempotency {
    store: Arc<Store>,
    running: Arc<Running>,
    bounds: Bounds,
}

/// Whose key it is. Of the key only its hash is kept, so that it has a bound and tells nothing.
type Name = (TenantId, Subject, ContentHash);

#[derive(Debug, Default)]
struct Running(Mutex<HashMap<Name, ContentHash>>);

/// The right to run the one request under a key. Dropped, the key is free again.
#[derive(Debug)]
pub struct Claim {
    running: Arc<Running>,
    name: Name,
    request: ContentHash,
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, HashMap<Name, ContentHash>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.running.lock().remove(&self.name);
    }
}

impl Idempotency {
    /// The answers that are kept in `store`.
    pub fn new(store: Arc<Store>) -> Self {
        Self { store, running: Arc::default(), bounds: TENANT_MAX }
    }

    /// Says what is known of the request with the hash `request` under `key`.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn begin(&self, principal: &Principal, key: &str, request: ContentHash) -> Result<Begun, StoreError> {
        let name = (principal.tenant, principal.subject, ContentHash::of(key));
        let claim = {
            let mut running = self.running.lock();
            match running.get(&name) {
                Some(other) if *other == request => return Ok(Begun::Running),
                Some(_) => return Ok(Begun::OtherRequest),
                None => running.insert(name, request),
            };
            Claim { running: Arc::clone(&self.running), name, request }
        };
        let row = sqlx::query(
            "SELECT request, status, kind, body FROM kept_answer
             WHERE tenant = ? AND subject = ? AND name = ? AND made > ?",
        )
        .bind(name.0.as_bytes().as_slice())
        .bind(subject(&name.1)?)
        .bind(name.2.as_bytes().as_slice())
        .bind((Timestamp::now() - KEPT_FOR).as_millisecond())
        .fetch_optional(self.store.read())
        .await?;
        let Some(row) = row else { return Ok(Begun::First(claim)) };
        if row.try_get::<Vec<u8>, _>("request")? != request.as_bytes() {
            return Ok(Begun::OtherRequest);
        }
        let status: u16 = row.try_get("status")?;
        Ok(Begun::Answered(KeptAnswer { status, kind: row.try_get("kind")?, body: row.try_get("body")? }))
    }

    /// Keeps the answer of a request that ran. Gives `false` if it is too large for that.
    ///
    /// # Errors
    /// When the disk says no; then the answer is not kept.
    pub async fn keep(&self, claim: Claim, answer: &KeptAnswer) -> Result<bool, StoreError> {
        if answer.body.len() > ANSWER_BYTES_MAX {
            return Ok(false);
        }
        let now = Timestamp::now();
        let (tenant, whose, name) = &claim.name;
        let mut write = self.store.write().await?;
        sqlx::query("DELETE FROM kept_answer WHERE made <= ?")
            .bind((now - KEPT_FOR).as_millisecond())
            .execute(&mut *write)
            .await?;
        sqlx::query(
            "INSERT OR REPLACE INTO kept_answer (tenant, subject, name, request, status, kind, body, made)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(tenant.as_bytes().as_slice())
        .bind(subject(whose)?)
        .bind(name.as_bytes().as_slice())
        .bind(claim.request.as_bytes().as_slice())
        .bind(answer.status)
        .bind(&answer.kind)
        .bind(&answer.body)
        .bind(now.as_millisecond())
        .execute(&mut *write)
        .await?;
        sqlx::query(
            "DELETE FROM kept_answer WHERE rowid IN (
                SELECT rowid FROM (
                    SELECT rowid, sum(length(body)) OVER newest AS bytes, row_number() OVER newest AS place
                    FROM kept_answer WHERE tenant = ? WINDOW newest AS (ORDER BY made DESC, rowid DESC)
                ) WHERE bytes > ? OR place > ?)",
        )
        .bind(tenant.as_bytes().as_slice())
        .bind(self.bounds.bytes)
        .bind(self.bounds.answers)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(true)
    }

    /// Drops all answers that are kept for a tenant. To be called when something was forgotten that they may quote.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn forget(&self, tenant: TenantId) -> Result<(), StoreError> {
        let mut write = self.store.write().await?;
        sqlx::query("DELETE FROM kept_answer WHERE tenant = ?")
            .bind(tenant.as_bytes().as_slice())
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }
}

fn subject(subject: &Subject) -> Result<String, StoreError> {
    serde_json::to_string(subject).map_err(|error| StoreError::Broken(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use base::{Class, KeyId};
    use store::DataLock;

    use super::*;
    use crate::{SCHEMA, Tenancy};

    struct House {
        idempotency: Idempotency,
        somebody: Principal,
        store: Arc<Store>,
    }

    async fn house(dir: &Path) -> House {
        let store = Arc::new(Store::open(dir, DataLock::take(dir).unwrap(), &[SCHEMA]).await.unwrap());
        let tenancy = Tenancy::open(Arc::clone(&store)).await.unwrap();
        let tenant = match tenancy.tenant("haesol") {
            Ok(tenant) => tenant.id,
            Err(_) => tenancy.create_tenant("haesol", None).await.unwrap().id,
        };
        let somebody = Principal {
            tenant,
            subject: Subject::Service(KeyId::new()),
            groups: BTreeSet::new(),
            input_class: Class::Open,
            read_class_max: Class::Open,
            administrator: false,
        };
        House { idempotency: Idempotency::new(Arc::clone(&store)), somebody, store }
    }

    fn answer(text: &str) -> KeptAnswer {
        KeptAnswer { status: 200, kind: "application/json".to_owned(), body: text.into() }
    }

    impl House {
        async fn begin(&self, who: &Principal, key: &str, request: &str) -> Begun {
            self.idempotency.begin(who, key, ContentHash::of(request)).await.unwrap()
        }

        async fn run(&self, who: &Principal, key: &str, text: &str) {
            let Begun::First(claim) = self.begin(who, key, text).await else { panic!("{key} is not new") };
            assert!(self.idempotency.keep(claim, &answer(text)).await.unwrap());
        }

        async fn is_new(&self, who: &Principal, key: &str, request: &str) -> bool {
            matches!(self.begin(who, key, request).await, Begun::First(_))
        }
    }

    #[tokio::test]
    async fn a_request_that_comes_again_gets_the_answer_that_it_had() {
        let dir = tempfile::tempdir().unwrap();
        let (mut house, mut who) = (house(dir.path()).await, None);
        for restarts in 0..2 {
            let somebody = who.get_or_insert_with(|| house.somebody.clone()).clone();
            if restarts == 0 {
                house.run(&somebody, "key", "hello").await;
            }
            let again = house.begin(&somebody, "key", "hello").await;
            assert!(matches!(again, Begun::Answered(kept) if kept == answer("hello")), "restarts: {restarts}");
            assert!(matches!(house.begin(&somebody, "key", "another").await, Begun::OtherRequest));
            house.store.close().await;
            drop(house);
            house = self::house(dir.path()).await;
        }
    }

    #[tokio::test]
    async fn one_runs_at_a_time_and_a_claim_that_is_dropped_frees_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let house = house(dir.path()).await;
        let who = &house.somebody;
        let first = house.begin(who, "key", "hello").await;
        assert!(matches!(house.begin(who, "key", "hello").await, Begun::Running));
        assert!(matches!(house.begin(who, "key", "another").await, Begun::OtherRequest));
        drop(first);
        assert!(house.is_new(who, "key", "another").await);
    }

    #[tokio::test]
    async fn anothers_key_of_the_same_name_is_another_key() {
        let dir = tempfile::tempdir().unwrap();
        let house = house(dir.path()).await;
        let colleague = Principal { subject: Subject::Service(KeyId::new()), ..house.somebody.clone() };
        let stranger = Principal { tenant: TenantId::new(), ..house.somebody.clone() };
        house.run(&house.somebody, "key", "hello").await;
        assert!(house.is_new(&colleague, "key", "hello").await && house.is_new(&stranger, "key", "hello").await);
    }

    #[tokio::test]
    async fn what_is_kept_has_bounds_and_the_oldest_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        let mut house = house(dir.path()).await;
        house.idempotency.bounds = Bounds { bytes: 10, answers: 3 };
        let who = house.somebody.clone();
        for key in ["a", "b", "c", "d"] {
            house.run(&who, key, key).await;
        }
        assert!(house.is_new(&who, "a", "a").await && !house.is_new(&who, "b", "b").await);
        house.run(&who, "e", "ninebytes").await;
        assert!(house.is_new(&who, "c", "c").await && !house.is_new(&who, "d", "d").await);
        let Begun::First(claim) = house.begin(&who, "huge", "huge").await else { panic!() };
        assert!(!house.idempotency.keep(claim, &answer(&"x".repeat(ANSWER_BYTES_MAX + 1))).await.unwrap());
        assert!(house.is_new(&who, "huge", "huge").await);
    }

    #[tokio::test]
    async fn a_day_later_or_when_something_is_forgotten_nothing_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let house = house(dir.path()).await;
        let who = &house.somebody;
        house.run(who, "old", "old").await;
        let mut write = house.store.write().await.unwrap();
        sqlx::query("UPDATE kept_answer SET made = made - 86400001").execute(&mut *write).await.unwrap();
        write.commit().await.unwrap();
        assert!(house.is_new(who, "old", "other").await);
        house.run(who, "new", "new").await;
        let rows: i64 =
            sqlx::query_scalar("SELECT count(*) FROM kept_answer").fetch_one(house.store.read()).await.unwrap();
        assert_eq!(rows, 1, "what is too old is gone from the disk");
        house.idempotency.forget(who.tenant).await.unwrap();
        assert!(house.is_new(who, "new", "new").await);
    }
}
