//! Routes: the names that clients call, each standing for a model, corpora and instructions.
//!
//! Each request asks for a route, so all of them are kept in memory. What is kept is what is on the disk: one process
//! owns the data folder, and only this file changes the table.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use base::{Name, Principal, TenantId};
use engine::choice::Candidates;
use guard::Guard;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use store::{Store, StoreError};

use crate::{AnswerMode, RouteError};

const ROUTES_MAX: usize = 1_000;
const CORPORA_MAX: usize = 16;
const PASSAGES_MAX: u32 = 16;
const INSTRUCTIONS_BYTES_MAX: usize = 16 << 10;
const PASSAGES_USUAL: u32 = 5;

/// A named model with corpora and instructions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Route {
    /// The name that clients call it by, unique in the tenant.
    pub name: Name,
    /// Whose it is.
    pub tenant: TenantId,
    /// The chat models that may answer.
    pub models: Candidates,
    /// The corpora's names; none makes it a plain chat.
    pub corpora: Vec<String>,
    /// Instructions that stand before every chat.
    pub instructions: String,
    /// Passages that an answer may be made of.
    pub passages_max: u32,
    /// The temperature where the caller says nothing.
    pub temperature: Option<f64>,
    /// How answers are made.
    pub mode: AnswerMode,
    /// When it was made.
    pub created: Timestamp,
}

/// A route to be made, or to stand in another's place.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRoute {
    /// The name that clients call it by: 1 to 64 lower-case letters, digits or `-._+`.
    pub name: String,
    /// The chat models that may answer, each with its conditions.
    pub models: Candidates,
    /// The corpora's names.
    pub corpora: Vec<String>,
    /// Instructions that stand before every chat.
    pub instructions: String,
    /// Passages that an answer may be made of, 1 to 16; none for the usual number.
    pub passages_max: Option<u32>,
    /// The temperature where the caller says nothing, 0 to 2.
    pub temperature: Option<f64>,
    /// How answers are made.
    pub mode: AnswerMode,
}

/// All routes of one installation.
#[derive(Debug)]
pub struct Routes {
    store: Arc<Store>,
    guard: Guard,
    kept: RwLock<HashMap<TenantId, BTreeMap<String, Route>>>,
    /// Held while a change goes to the disk and then to memory, so that the two agree.
    changing: tokio::sync::Mutex<()>,
}

impl Routes {
    /// Reads the routes of a store that was opened with [`SCHEMA`](crate::SCHEMA).
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn open(store: Arc<Store>, guard: Guard) -> Result<Self, StoreError> {
        let mut kept: HashMap<_, BTreeMap<_, _>> = HashMap::new();
        let rows =
            sqlx::query("SELECT route.*, route_models.models FROM route LEFT JOIN route_models USING (tenant, name)");
        for row in rows.fetch_all(store.read()).await? {
            let route = from_row(&row)?;
            kept.entry(route.tenant).or_default().insert(route.name.to_string(), route);
        }
        Ok(Self { store, guard, kept: RwLock::new(kept), changing: tokio::sync::Mutex::default() })
    }

    /// Makes a route of the principal's tenant.
    ///
    /// # Errors
    /// [`RouteError::Exists`], [`RouteError::Invalid`], [`RouteError::Full`]; only the operator may do it.
    pub async fn create(&self, principal: &Principal, new: NewRoute) -> Result<Route, RouteError> {
        self.guard.may_administer(principal)?;
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
        let route = check(principal.tenant, new, now)?;
        let _changing = self.changing.lock().await;
        let mut write = self.store.write().await?;
        let there: i64 = sqlx::query_scalar("SELECT count(*) FROM route WHERE tenant = ?")
            .bind(route.tenant.as_bytes().as_slice())
            .fetch_one(&mut *write)
            .await?;
        if there >= ROUTES_MAX as i64 {
            return Err(RouteError::Full { routes_max: ROUTES_MAX });
        }
        let made = insert(&mut write, &route, "INSERT OR IGNORE INTO route VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)").await?;
        if made == 0 {
            return Err(RouteError::Exists { name: route.name });
        }
        write.commit().await?;
        self.keep(route.clone());
        Ok(route)
    }

    /// Puts new contents in the place of the route of that name.
    ///
    /// # Errors
    /// [`RouteError::NotFound`], [`RouteError::Invalid`]; only the operator may do it.
    pub async fn update(&self, principal: &Principal, new: NewRoute) -> Result<Route, RouteError> {
        self.guard.may_administer(principal)?;
        let _changing = self.changing.lock().await;
        let old = self.find(principal.tenant, &new.name).await?;
        let route = check(principal.tenant, new, old.created)?;
        let mut write = self.store.write().await?;
        insert(&mut write, &route, "INSERT OR REPLACE INTO route VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)").await?;
        write.commit().await?;
        self.keep(route.clone());
        Ok(route)
    }

    /// Removes a route.
    ///
    /// # Errors
    /// [`RouteError::NotFound`]; only the operator may do it.
    pub async fn remove(&self, principal: &Principal, name: &str) -> Result<(), RouteError> {
        self.guard.may_administer(principal)?;
        let _changing = self.changing.lock().await;
        let mut write = self.store.write().await?;
        let gone = sqlx::query("DELETE FROM route WHERE tenant = ? AND name = ?")
            .bind(principal.tenant.as_bytes().as_slice())
            .bind(name)
            .execute(&mut *write)
            .await?;
        if gone.rows_affected() == 0 {
            return Err(RouteError::NotFound { name: name.to_owned() });
        }
        write.commit().await?;
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.entry(principal.tenant).or_default().remove(name);
        Ok(())
    }

    /// The tenant's route of this name.
    ///
    /// # Errors
    /// [`RouteError::NotFound`].
    pub async fn find(&self, tenant: TenantId, name: &str) -> Result<Route, RouteError> {
        self.get(tenant, name).ok_or_else(|| RouteError::NotFound { name: name.to_owned() })
    }

    /// The tenant's routes, by name.
    ///
    /// # Errors
    /// None today; a list need not come from memory.
    pub async fn list(&self, tenant: TenantId) -> Result<Vec<Route>, RouteError> {
        Ok(self.of(tenant, |routes| routes.values().cloned().collect()).unwrap_or_default())
    }

    pub(crate) fn get(&self, tenant: TenantId, name: &str) -> Option<Route> {
        self.of(tenant, |routes| routes.get(name).cloned()).flatten()
    }

    fn of<T>(&self, tenant: TenantId, look: impl FnOnce(&BTreeMap<String, Route>) -> T) -> Option<T> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).get(&tenant).map(look)
    }

    fn keep(&self, route: Route) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.entry(route.tenant).or_default().insert(route.name.to_string(), route);
    }
}

fn check(tenant: TenantId, new: NewRoute, created: Timestamp) -> Result<Route, RouteError> {
    let invalid = |field, reason: &str| Err(RouteError::Invalid { field, reason: reason.to_owned() });
    let name = match new.name.parse::<Name>() {
        Ok(name) => name,
        Err(error) => return invalid("name", &error.to_string()),
    };
    let broken = |name: &str| name.is_empty() || name.len() > 256 || name.chars().any(char::is_control);
    if new.models.list().iter().any(|candidate| broken(&candidate.engine)) {
        return invalid("models", "a name has 1 to 256 bytes");
    }
    if new.corpora.len() > CORPORA_MAX || new.corpora.iter().any(|name| name.is_empty() || name.len() > 256) {
        return invalid("corpora", "at most 16 names of 1 to 256 bytes");
    }
    if new.instructions.len() > INSTRUCTIONS_BYTES_MAX {
        return invalid("instructions", "at most 16384 bytes");
    }
    let passages_max = new.passages_max.unwrap_or(PASSAGES_USUAL);
    if !(1..=PASSAGES_MAX).contains(&passages_max) {
        return invalid("passages_max", "is 1 to 16");
    }
    if new.temperature.is_some_and(|temperature| !(0.0..=2.0).contains(&temperature)) {
        return invalid("temperature", "is a number from 0 to 2");
    }
    Ok(Route {
        name,
        tenant,
        models: new.models,
        corpora: new.corpora,
        instructions: new.instructions,
        passages_max,
        temperature: new.temperature,
        mode: new.mode,
        created,
    })
}

async fn insert(write: &mut store::Write, route: &Route, sql: &'static str) -> Result<u64, StoreError> {
    let corpora = json(&route.corpora)?;
    let made = sqlx::query(sql)
        .bind(route.tenant.as_bytes().as_slice())
        .bind(route.name.as_str())
        .bind(route.models.first())
        .bind(corpora)
        .bind(&route.instructions)
        .bind(route.passages_max)
        .bind(route.temperature)
        .bind(route.mode.as_str())
        .bind(route.created.as_second())
        .execute(&mut **write)
        .await?;
    // What stood beside a route that another took the place of went with it.
    if made.rows_affected() > 0 && !route.models.is_plain() {
        sqlx::query("INSERT INTO route_models (tenant, name, models) VALUES (?, ?, ?)")
            .bind(route.tenant.as_bytes().as_slice())
            .bind(route.name.as_str())
            .bind(json(&route.models)?)
            .execute(&mut **write)
            .await?;
    }
    Ok(made.rows_affected())
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Broken(error.to_string()))
}

fn from_row(row: &SqliteRow) -> Result<Route, StoreError> {
    let broken = |what: &str| StoreError::Broken(format!("a route's {what}"));
    let tenant: Vec<u8> = row.try_get("tenant")?;
    let name: String = row.try_get("name")?;
    let corpora: String = row.try_get("corpora")?;
    let mode: String = row.try_get("mode")?;
    let models = match row.try_get::<Option<String>, _>("models")? {
        Some(models) => serde_json::from_str(&models).map_err(|_| broken("models"))?,
        None => Candidates::one(row.try_get("model")?),
    };
    Ok(Route {
        name: name.parse().map_err(|_| broken("name"))?,
        tenant: TenantId::try_from(tenant.as_slice()).map_err(|_| broken("tenant"))?,
        models,
        corpora: serde_json::from_str(&corpora).map_err(|_| broken("corpora"))?,
        instructions: row.try_get("instructions")?,
        passages_max: row.try_get("passages_max")?,
        temperature: row.try_get("temperature")?,
        mode: mode.parse().map_err(|_| broken("mode"))?,
        created: Timestamp::from_second(row.try_get("created")?).map_err(|_| broken("time"))?,
    })
}
