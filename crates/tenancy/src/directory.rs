//! Who is here: tenants, groups, people, keys; and the two questions asked of every request.

mod departure;
mod people;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use base::{Class, GroupId, KeyId, PersonId, Principal, Subject, TenantId};
use jiff::Timestamp;
use serde::Serialize;
use store::{Store, StoreError};
use tokio::sync::watch;

use crate::key::{KeyHash, KeySecret};
use crate::metrics::Metrics;
use crate::quota::{Quota, Reserve};
use crate::rows::{self, Table};
use crate::{Admission, AdmissionError, AuthError, TenancyError};

pub use people::PersonChange;

/// An institution on this installation.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name, unique here.
    pub name: String,
    /// Tokens that it may use; none for no bound.
    pub quota_tokens: Option<u64>,
    /// Tokens that it has used.
    pub used_tokens: u64,
    /// Since when.
    pub created: Timestamp,
}

/// A set of people and keys that can be named as readers.
#[derive(Debug, Clone, Serialize)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Whose.
    pub tenant: TenantId,
    /// Its name, unique in the tenant.
    pub name: String,
    /// Since when.
    pub created: Timestamp,
}

/// A person.
#[derive(Debug, Clone, Serialize)]
pub struct Person {
    /// The person's id.
    pub id: PersonId,
    /// Where the person belongs.
    pub tenant: TenantId,
    /// The person's name here, unique in the tenant.
    pub name: String,
    /// The groups that the person is in.
    pub groups: BTreeSet<GroupId>,
    /// Since when.
    pub created: Timestamp,
    /// Since when none of the person's keys is accepted.
    pub suspended: Option<Timestamp>,
}

/// What may be told of a key.
#[derive(Debug, Clone, Serialize)]
pub struct KeyInfo {
    /// Its id.
    pub id: KeyId,
    /// Whose.
    pub tenant: TenantId,
    /// Its name, unique in the tenant.
    pub name: String,
    /// The person that it stands for; none for a service.
    pub person: Option<PersonId>,
    /// Groups of a service's key; a person's key has the person's.
    pub groups: BTreeSet<GroupId>,
    /// The class that text sent with it takes at least.
    pub input_class: Class,
    /// The highest class that it may read.
    pub read_class_max: Class,
    /// Since when.
    pub created: Timestamp,
    /// Since when it is no longer accepted.
    pub revoked: Option<Timestamp>,
    /// Whether it may change what its tenant has.
    pub administrator: bool,
}

/// Whom a new key stands for.
#[derive(Debug, Clone)]
pub enum NewKeyOwner {
    /// A person, by name.
    Person(String),
    /// A program that may read what these groups, by name, may read.
    Service(Vec<String>),
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Its name.
    pub name: String,
    /// Whom it stands for.
    pub owner: NewKeyOwner,
    /// The class that text sent with it takes at least.
    pub input_class: Class,
    /// The highest class that it may read.
    pub read_class_max: Class,
    /// Whether it may change what its tenant has.
    pub administrator: bool,
}

/// Everybody who may ask, and how much.
#[derive(Debug)]
pub struct Tenancy {
    store: Arc<Store>,
    state: Arc<State>,
    /// Held while a change goes to the disk and then to memory, so that the two agree.
    changing: Arc<tokio::sync::Mutex<()>>,
    pub(crate) metrics: Metrics,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    inner: Mutex<Inner>,
    /// Told when a key or a person is no longer accepted.
    departures: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Inner {
    tenants: HashMap<TenantId, Tenant>,
    groups: HashMap<GroupId, Group>,
    people: HashMap<PersonId, Person>,
    keys: HashMap<KeyId, Key>,
    quotas: HashMap<TenantId, Quota>,
}

#[derive(Clone)]
struct Key {
    info: KeyInfo,
    hash: KeyHash,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.info.fmt(f)
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Each change to the maps is one insertion, so a panic elsewhere leaves them whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn settle(&self, tenant: TenantId, reserved: u64, used: u64) {
        if let Some(quota) = self.lock().quotas.get_mut(&tenant) {
            quota.settle(reserved, used);
        }
    }

    fn next_lease(&self, tenant: TenantId, tokens: u64) -> Option<u64> {
        self.lock().quotas.get_mut(&tenant).map(|quota| quota.next_lease(tokens, Instant::now()))
    }

    /// The disk counts so many, or, if it could not be told, what it counted before.
    fn leased(&self, tenant: TenantId, leased: Option<u64>) {
        if let Some(quota) = self.lock().quotas.get_mut(&tenant) {
            quota.leased = leased.unwrap_or(quota.leased);
            quota.renewing = false;
        }
    }
}

impl Tenancy {
    /// Reads who is here.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn open(store: Arc<Store>) -> Result<Self, StoreError> {
        let mut inner = Inner::default();
        for row in rows::tenants(&store).await? {
            // What the disk counts as used may be a lease that a crash left open: it stays used.
            inner
                .quotas
                .insert(row.id, Quota { limit: row.limit, used: row.used, leased: row.used, ..Quota::default() });
            let tenant = Tenant {
                id: row.id,
                name: row.name,
                quota_tokens: row.limit,
                used_tokens: row.used,
                created: time(row.created),
            };
            inner.tenants.insert(row.id, tenant);
        }
        for (id, tenant, name, created) in rows::named::<GroupId>(&store, Table::Group).await? {
            inner.groups.insert(id, Group { id, tenant, name, created: time(created) });
        }
        for (id, tenant, name, created) in rows::named::<PersonId>(&store, Table::Person).await? {
            inner.people.insert(
                id,
                Person { id, tenant, name, groups: BTreeSet::new(), created: time(created), suspended: None },
            );
        }
        for (person, since) in rows::suspended(&store).await? {
            if let Some(person) = inner.people.get_mut(&person) {
                person.suspended = Some(time(since));
            }
        }
        for (person, group) in rows::memberships(&store).await? {
            if let Some(person) = inner.people.get_mut(&person) {
                person.groups.insert(group);
            }
        }
        for row in rows::keys(&store).await? {
            let info = KeyInfo {
                id: row.id,
                tenant: row.tenant,
                name: row.name,
                person: row.person,
                groups: row.groups,
                input_class: row.input_class,
                read_class_max: row.read_class_max,
                created: time(row.created),
                revoked: row.revoked.map(time),
                administrator: row.administrator,
            };
            inner.keys.insert(row.id, Key { info, hash: row.hash });
        }
        let state = Arc::new(State { inner: Mutex::new(inner), departures: watch::Sender::default() });
        Ok(Self { store, state, changing: Arc::default(), metrics: Metrics::default() })
    }

    /// Finds out who sends `key`.
    ///
    /// # Errors
    /// [`AuthError`], the same whatever is wrong.
    pub fn authenticate(&self, key: &str) -> Result<Principal, AuthError> {
        let shown = KeySecret::parse(key)?;
        let inner = self.state.lock();
        let known = inner.keys.get(&shown.id());
        // A key that is not here is compared too, so that time tells nothing about which ids exist.
        let hash = known.map_or(KeyHash([0; 32]), |key| key.hash);
        let matches = hash.matches(&shown.hash());
        let info = known.map(|key| &key.info).filter(|info| matches && info.revoked.is_none()).ok_or(AuthError)?;
        let (subject, groups) = match info.person {
            Some(person) => {
                let person = inner.people.get(&person).filter(|person| person.suspended.is_none()).ok_or(AuthError)?;
                (Subject::Person(person.id), person.groups.clone())
            }
            None => (Subject::Service(info.id), info.groups.clone()),
        };
        Ok(Principal {
            tenant: info.tenant,
            subject,
            groups,
            input_class: info.input_class,
            read_class_max: info.read_class_max,
            administrator: info.administrator,
        })
    }

    /// Sets `tokens_max` tokens of the principal's tenant aside for one request.
    ///
    /// # Errors
    /// [`AdmissionError::Exhausted`] if fewer are left.
    pub async fn admit(&self, principal: &Principal, tokens_max: u64) -> Result<Admission, AdmissionError> {
        let admitted = self.admit_to(principal.tenant, tokens_max).await;
        if matches!(admitted, Err(AdmissionError::Exhausted { .. })) {
            self.metrics.refused.inc();
        }
        admitted
    }

    async fn admit_to(&self, tenant: TenantId, tokens_max: u64) -> Result<Admission, AdmissionError> {
        if let Some(admission) = self.reserve(tenant, tokens_max)? {
            return Ok(admission);
        }
        let _changing = self.changing.lock().await;
        loop {
            // Others may have waited for the same lease.
            if let Some(admission) = self.reserve(tenant, tokens_max)? {
                return Ok(admission);
            }
            let leased = self.state.next_lease(tenant, tokens_max).ok_or(AdmissionError::NoTenant)?;
            write_used(&self.store, tenant, leased).await?;
            self.state.leased(tenant, Some(leased));
        }
    }

    /// How many tokens a tenant may use, and how many of them are neither used nor set aside; nothing where it has no
    /// bound.
    pub fn tokens_left(&self, tenant: TenantId) -> Option<(u64, u64)> {
        let quota = *self.state.lock().quotas.get(&tenant)?;
        quota.limit.map(|limit| (limit, limit.saturating_sub(quota.used.saturating_add(quota.reserved))))
    }

    /// Writes down exactly what was used; called when the server stops, so that no lease is lost.
    ///
    /// # Errors
    /// When the disk says no; then leases count as used.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        let tenants: Vec<_> = self.state.lock().quotas.keys().copied().collect();
        for tenant in tenants {
            let counted = {
                let mut inner = self.state.lock();
                let Some(quota) = inner.quotas.get_mut(&tenant) else { continue };
                // Requests that still run keep their share leased.
                quota.leased = quota.used.saturating_add(quota.reserved);
                quota.renewing = false;
                quota.leased
            };
            write_used(&self.store, tenant, counted).await?;
        }
        Ok(())
    }

    /// The tenant of this name.
    ///
    /// # Errors
    /// [`TenancyError::NotFound`].
    pub fn tenant(&self, name: &str) -> Result<Tenant, TenancyError> {
        self.tenants().into_iter().find(|tenant| tenant.name == name).ok_or_else(|| missing("tenant", name))
    }

    /// All tenants, the oldest first.
    pub fn tenants(&self) -> Vec<Tenant> {
        let inner = self.state.lock();
        let mut tenants: Vec<Tenant> = inner.tenants.values().cloned().collect();
        for tenant in &mut tenants {
            tenant.used_tokens = inner.quotas.get(&tenant.id).map_or(0, |quota| quota.used);
        }
        tenants.sort_by_key(|tenant| tenant.id);
        tenants
    }

    /// The groups of a tenant, the oldest first.
    pub fn groups(&self, tenant: TenantId) -> Vec<Group> {
        sorted(self.state.lock().groups.values(), |group| (group.tenant == tenant).then_some(group.id))
    }

    /// The people of a tenant, the oldest first.
    pub fn people(&self, tenant: TenantId) -> Vec<Person> {
        sorted(self.state.lock().people.values(), |person| (person.tenant == tenant).then_some(person.id))
    }

    /// The keys of a tenant, the oldest first, revoked ones too.
    pub fn keys(&self, tenant: TenantId) -> Vec<KeyInfo> {
        let inner = self.state.lock();
        sorted(inner.keys.values().map(|key| &key.info), |key| (key.tenant == tenant).then_some(key.id))
    }

    /// Whether any key is accepted at all.
    pub fn has_keys(&self) -> bool {
        self.state.lock().keys.values().any(|key| key.info.revoked.is_none())
    }

    /// The tenant that the installation itself belongs to: its first one.
    pub fn house(&self) -> Option<TenantId> {
        self.state.lock().tenants.keys().min().copied()
    }

    /// The key of this name or id.
    ///
    /// # Errors
    /// [`TenancyError::NotFound`].
    pub fn key(&self, tenant: TenantId, name: &str) -> Result<KeyInfo, TenancyError> {
        let found = self.keys(tenant).into_iter().find(|key| key.name == name || key.id.to_string() == name);
        found.ok_or_else(|| missing("key", name))
    }

    /// The group of this name.
    ///
    /// # Errors
    /// [`TenancyError::NotFound`].
    pub fn group(&self, tenant: TenantId, name: &str) -> Result<Group, TenancyError> {
        self.groups(tenant).into_iter().find(|group| group.name == name).ok_or_else(|| missing("group", name))
    }

    /// Makes a tenant.
    ///
    /// # Errors
    /// [`TenancyError::Exists`], [`TenancyError::Name`].
    pub async fn create_tenant(&self, name: &str, quota_tokens: Option<u64>) -> Result<Tenant, TenancyError> {
        check_name(name)?;
        let _changing = self.changing.lock().await;
        if self.tenant(name).is_ok() {
            return Err(exists("tenant", name));
        }
        let quota_tokens = quota_tokens.map(|limit| limit.min(i64::MAX as u64));
        let tenant =
            Tenant { id: TenantId::new(), name: name.to_owned(), quota_tokens, used_tokens: 0, created: now() };
        let mut write = self.store.write().await?;
        sqlx::query("INSERT INTO tenant (id, name, quota_limit, created) VALUES (?, ?, ?, ?)")
            .bind(tenant.id.as_bytes().as_slice())
            .bind(name)
            .bind(quota_tokens.map(|limit| limit as i64))
            .bind(tenant.created.as_millisecond())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        let mut inner = self.state.lock();
        inner.quotas.insert(tenant.id, Quota { limit: quota_tokens, ..Quota::default() });
        inner.tenants.insert(tenant.id, tenant.clone());
        Ok(tenant)
    }

    /// Changes how many tokens a tenant may use in all.
    ///
    /// # Errors
    /// [`TenancyError::NotFound`].
    pub async fn set_quota(&self, name: &str, quota_tokens: Option<u64>) -> Result<Tenant, TenancyError> {
        let _changing = self.changing.lock().await;
        let mut tenant = self.tenant(name)?;
        tenant.quota_tokens = quota_tokens.map(|limit| limit.min(i64::MAX as u64));
        let mut write = self.store.write().await?;
        sqlx::query("UPDATE tenant SET quota_limit = ? WHERE id = ?")
            .bind(tenant.quota_tokens.map(|limit| limit as i64))
            .bind(tenant.id.as_bytes().as_slice())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        let mut inner = self.state.lock();
        if let Some(quota) = inner.quotas.get_mut(&tenant.id) {
            quota.limit = tenant.quota_tokens;
        }
        inner.tenants.insert(tenant.id, tenant.clone());
        Ok(tenant)
    }

    /// Makes a group.
    ///
    /// # Errors
    /// [`TenancyError::Exists`], [`TenancyError::Name`].
    pub async fn create_group(&self, tenant: TenantId, name: &str) -> Result<Group, TenancyError> {
        check_name(name)?;
        let _changing = self.changing.lock().await;
        if self.group(tenant, name).is_ok() {
            return Err(exists("group", name));
        }
        let group = Group { id: GroupId::new(), tenant, name: name.to_owned(), created: now() };
        let mut write = self.store.write().await?;
        sqlx::query("INSERT INTO reader_group (id, tenant, name, created) VALUES (?, ?, ?, ?)")
            .bind(group.id.as_bytes().as_slice())
            .bind(tenant.as_bytes().as_slice())
            .bind(name)
            .bind(group.created.as_millisecond())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        self.state.lock().groups.insert(group.id, group.clone());
        Ok(group)
    }

    /// Makes a person, a member of the groups named.
    ///
    /// # Errors
    /// [`TenancyError::Exists`], [`TenancyError::Name`], [`TenancyError::NotFound`] for a group.
    pub async fn create_person(&self, tenant: TenantId, name: &str, groups: &[String]) -> Result<Person, TenancyError> {
        check_name(name)?;
        let _changing = self.changing.lock().await;
        if self.people(tenant).iter().any(|person| person.name == name) {
            return Err(exists("person", name));
        }
        let groups = self.group_ids(tenant, groups)?;
        let person =
            Person { id: PersonId::new(), tenant, name: name.to_owned(), groups, created: now(), suspended: None };
        let mut write = self.store.write().await?;
        sqlx::query("INSERT INTO person (id, tenant, name, created) VALUES (?, ?, ?, ?)")
            .bind(person.id.as_bytes().as_slice())
            .bind(tenant.as_bytes().as_slice())
            .bind(name)
            .bind(person.created.as_millisecond())
            .execute(&mut *write)
            .await?;
        for group in &person.groups {
            sqlx::query("INSERT INTO person_group (person, reader_group) VALUES (?, ?)")
                .bind(person.id.as_bytes().as_slice())
                .bind(group.as_bytes().as_slice())
                .execute(&mut *write)
                .await?;
        }
        write.commit().await?;
        self.state.lock().people.insert(person.id, person.clone());
        Ok(person)
    }

    /// Makes a key. The secret is in the result and nowhere else.
    ///
    /// # Errors
    /// [`TenancyError::Exists`], [`TenancyError::Name`], [`TenancyError::NotFound`] for a person or group.
    pub async fn create_key(&self, tenant: TenantId, new: NewKey) -> Result<(KeyInfo, KeySecret), TenancyError> {
        check_name(&new.name)?;
        let _changing = self.changing.lock().await;
        if self.keys(tenant).iter().any(|key| key.name == new.name) {
            return Err(exists("key", &new.name));
        }
        let (person, groups) = match &new.owner {
            NewKeyOwner::Person(name) => {
                let person = self.people(tenant).into_iter().find(|person| person.name == *name);
                (Some(person.ok_or_else(|| missing("person", name))?.id), BTreeSet::new())
            }
            NewKeyOwner::Service(names) => (None, self.group_ids(tenant, names)?),
        };
        let secret = KeySecret::generate(KeyId::new())
            .map_err(|error| StoreError::Broken(format!("no random bytes: {error}")))?;
        let info = KeyInfo {
            id: secret.id(),
            tenant,
            name: new.name,
            person,
            groups,
            input_class: new.input_class,
            read_class_max: new.read_class_max,
            created: now(),
            revoked: None,
            administrator: new.administrator,
        };
        let mut write = self.store.write().await?;
        sqlx::query(
            "INSERT INTO access_key (id, tenant, person, name, hash, input_class, read_class_max, created, administrator)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(info.id.as_bytes().as_slice())
        .bind(tenant.as_bytes().as_slice())
        .bind(info.person.as_ref().map(|person| person.as_bytes().as_slice()))
        .bind(&info.name)
        .bind(secret.hash().0.as_slice())
        .bind(info.input_class.as_str())
        .bind(info.read_class_max.as_str())
        .bind(info.created.as_millisecond())
        .bind(info.administrator)
        .execute(&mut *write)
        .await?;
        for group in &info.groups {
            sqlx::query("INSERT INTO key_group (access_key, reader_group) VALUES (?, ?)")
                .bind(info.id.as_bytes().as_slice())
                .bind(group.as_bytes().as_slice())
                .execute(&mut *write)
                .await?;
        }
        write.commit().await?;
        self.state.lock().keys.insert(info.id, Key { info: info.clone(), hash: secret.hash() });
        Ok((info, secret))
    }

    /// Ends a key, by name or id, at once. Ending one twice is no error.
    ///
    /// # Errors
    /// [`TenancyError::NotFound`].
    pub async fn revoke_key(&self, tenant: TenantId, name: &str) -> Result<KeyInfo, TenancyError> {
        let _changing = self.changing.lock().await;
        let mut info = self.key(tenant, name)?;
        let revoked = *info.revoked.get_or_insert_with(now);
        let mut write = self.store.write().await?;
        sqlx::query("UPDATE access_key SET revoked = ? WHERE id = ?")
            .bind(revoked.as_millisecond())
            .bind(info.id.as_bytes().as_slice())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        if let Some(key) = self.state.lock().keys.get_mut(&info.id) {
            key.info = info.clone();
        }
        self.state.departures.send_replace(());
        Ok(info)
    }

    fn group_ids(&self, tenant: TenantId, names: &[String]) -> Result<BTreeSet<GroupId>, TenancyError> {
        names.iter().map(|name| Ok(self.group(tenant, name)?.id)).collect()
    }

    /// Sets tokens aside, if the lease has them.
    fn reserve(&self, tenant: TenantId, tokens: u64) -> Result<Option<Admission>, AdmissionError> {
        let reserved = self.state.lock().quotas.get_mut(&tenant).ok_or(AdmissionError::NoTenant)?.reserve(tokens);
        match reserved {
            Reserve::Done => {}
            Reserve::Soon => self.renew(tenant),
            Reserve::Lease => return Ok(None),
            Reserve::Refused { left } => return Err(AdmissionError::Exhausted { left, asked: tokens }),
        }
        Ok(Some(Admission { state: Arc::clone(&self.state), tenant, tokens }))
    }

    /// Has the disk count more, while requests go on with what it counts already.
    fn renew(&self, tenant: TenantId) {
        let (store, state, changing) = (Arc::clone(&self.store), Arc::clone(&self.state), Arc::clone(&self.changing));
        tokio::spawn(async move {
            let _changing = changing.lock().await;
            // Somebody who could not wait has done it, or the server stops and has written what was used.
            if !state.lock().quotas.get(&tenant).is_some_and(|quota| quota.renewing) {
                return;
            }
            let Some(leased) = state.next_lease(tenant, 0) else { return };
            let written = write_used(&store, tenant, leased).await;
            if let Err(error) = &written {
                // Whoever needs more than is leased meets the same error and says so.
                tracing::warn!(%error, "a quota's lease was not renewed");
            }
            state.leased(tenant, written.is_ok().then_some(leased));
        });
    }
}

async fn write_used(store: &Store, tenant: TenantId, tokens: u64) -> Result<(), StoreError> {
    let mut write = store.write().await?;
    sqlx::query("UPDATE tenant SET quota_used = ? WHERE id = ?")
        .bind(i64::try_from(tokens).unwrap_or(i64::MAX))
        .bind(tenant.as_bytes().as_slice())
        .execute(&mut *write)
        .await?;
    Ok(write.commit().await?)
}

fn sorted<'a, T: Clone + 'a, I: Ord>(all: impl Iterator<Item = &'a T>, chosen: impl Fn(&T) -> Option<I>) -> Vec<T> {
    let mut found: Vec<(I, T)> = all.filter_map(|item| Some((chosen(item)?, item.clone()))).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found.into_iter().map(|(_, item)| item).collect()
}

fn check_name(name: &str) -> Result<(), TenancyError> {
    let fits = (1..=64).contains(&name.chars().count())
        && name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '.' | '_'));
    if fits { Ok(()) } else { Err(TenancyError::Name(name.chars().take(80).collect())) }
}

fn missing(what: &'static str, name: &str) -> TenancyError {
    TenancyError::NotFound { what, name: name.to_owned() }
}

fn exists(what: &'static str, name: &str) -> TenancyError {
    TenancyError::Exists { what, name: name.to_owned() }
}

fn now() -> Timestamp {
    time(Timestamp::now().as_millisecond())
}

fn time(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}
