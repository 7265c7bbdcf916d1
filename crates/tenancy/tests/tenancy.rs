//! The crate at its public door, over a real data folder.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use base::{Class, Principal, Subject, Usage};
use store::{DataLock, Store};
use tenancy::{AdmissionError, NewKey, NewKeyOwner, PersonChange, SCHEMA, Tenancy, TenancyError};

async fn open(dir: &Path) -> (Arc<Store>, Tenancy) {
    let store = Arc::new(Store::open(dir, DataLock::take(dir).unwrap(), &[SCHEMA]).await.unwrap());
    let tenancy = Tenancy::open(Arc::clone(&store)).await.unwrap();
    (store, tenancy)
}

fn service(name: &str) -> NewKey {
    NewKey {
        name: name.into(),
        owner: NewKeyOwner::Service(vec![]),
        input_class: Class::Open,
        read_class_max: Class::Sensitive,
        administrator: false,
    }
}

fn used(tokens: u64) -> Usage {
    Usage { completion_tokens: tokens, ..Usage::default() }
}

#[tokio::test]
async fn a_key_opens_the_door_until_it_is_revoked_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (store, tenancy) = open(dir.path()).await;
    let tenant = tenancy.create_tenant("city", None).await.unwrap().id;
    tenancy.create_group(tenant, "water").await.unwrap();
    tenancy.create_person(tenant, "minji", &["water".into()]).await.unwrap();
    let person = NewKey { owner: NewKeyOwner::Person("minji".into()), ..service("desk") };
    let (_, secret) = tenancy.create_key(tenant, person).await.unwrap();
    let key = secret.reveal();
    store.close().await;
    drop((store, tenancy));

    let (store, tenancy) = open(dir.path()).await;
    let principal = tenancy.authenticate(&key).unwrap();
    assert_eq!(principal.tenant, tenant);
    assert!(matches!(principal.subject, Subject::Person(_)));
    assert_eq!(principal.groups, [tenancy.group(tenant, "water").unwrap().id].into());
    tenancy.revoke_key(tenant, "desk").await.unwrap();
    assert!(tenancy.authenticate(&key).is_err());
    assert!(!tenancy.has_keys());
    store.close().await;
    drop((store, tenancy));

    let (_store, tenancy) = open(dir.path()).await;
    assert!(tenancy.authenticate(&key).is_err());
}

#[tokio::test]
async fn the_secret_is_nowhere_in_the_data_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (store, tenancy) = open(dir.path()).await;
    let tenant = tenancy.create_tenant("city", None).await.unwrap().id;
    let (_, secret) = tenancy.create_key(tenant, service("app")).await.unwrap();
    let text = secret.reveal();
    let tail = &text[text.len() - 40..];
    store.close().await;
    for file in std::fs::read_dir(dir.path()).unwrap().flatten().filter(|file| file.path().is_file()) {
        let bytes = std::fs::read(file.path()).unwrap();
        assert!(!bytes.windows(tail.len()).any(|window| window == tail.as_bytes()), "{:?}", file.path());
    }
}

#[tokio::test]
async fn another_tenants_key_of_the_same_name_is_another_key() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, tenancy) = open(dir.path()).await;
    let city = tenancy.create_tenant("city", None).await.unwrap().id;
    let court = tenancy.create_tenant("court", None).await.unwrap().id;
    let (_, of_city) = tenancy.create_key(city, service("app")).await.unwrap();
    let (_, of_court) = tenancy.create_key(court, service("app")).await.unwrap();
    tenancy.revoke_key(city, "app").await.unwrap();
    assert!(tenancy.authenticate(&of_city.reveal()).is_err());
    assert_eq!(tenancy.authenticate(&of_court.reveal()).unwrap().tenant, court);
    assert!(matches!(tenancy.revoke_key(city, &of_court.id().to_string()).await, Err(TenancyError::NotFound { .. })));
    assert!(matches!(tenancy.create_key(city, service("app")).await, Err(TenancyError::Exists { .. })));
    for name in ["", "a/b", "a\0", "이름 둘", &"x".repeat(65)] {
        assert!(matches!(tenancy.create_group(city, name).await, Err(TenancyError::Name(_))), "{name:?}");
    }
}

async fn asker(tenancy: &Tenancy, quota: u64) -> Principal {
    let tenant = tenancy.create_tenant("city", Some(quota)).await.unwrap().id;
    let (_, secret) = tenancy.create_key(tenant, service("app")).await.unwrap();
    tenancy.authenticate(&secret.reveal()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_at_once_on_a_quota_for_three_are_three() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, tenancy) = open(dir.path()).await;
    let tenancy = Arc::new(tenancy);
    let principal = asker(&tenancy, 3_000).await;
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let (tenancy, principal) = (Arc::clone(&tenancy), principal.clone());
            tokio::spawn(async move { tenancy.admit(&principal, 1_000).await })
        })
        .collect();
    let mut admitted = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(admission) => admitted.push(admission),
            Err(AdmissionError::Exhausted { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(admitted.len(), 3);
    admitted.pop().unwrap().settle(used(1));
    drop(admitted);
    assert_eq!(tenancy.tenants()[0].used_tokens, 1);
    tenancy.admit(&principal, 2_999).await.unwrap();
    assert!(matches!(tenancy.admit(&principal, 3_000).await, Err(AdmissionError::Exhausted { left: 2_999, .. })));
}

#[tokio::test]
async fn a_crash_never_gives_tokens_back_and_a_clean_stop_loses_none() {
    let dir = tempfile::tempdir().unwrap();
    let (store, tenancy) = open(dir.path()).await;
    let principal = asker(&tenancy, 100_000).await;
    tenancy.admit(&principal, 500).await.unwrap().settle(used(200));
    tenancy.flush().await.unwrap();
    store.close().await;
    drop((store, tenancy));

    let (store, tenancy) = open(dir.path()).await;
    assert_eq!(tenancy.tenants()[0].used_tokens, 200);
    tenancy.admit(&principal, 500).await.unwrap().settle(used(300));
    // No flush: as after a kill. The lease counts as used.
    store.close().await;
    drop((store, tenancy));

    let (_store, tenancy) = open(dir.path()).await;
    let counted = tenancy.tenants()[0].used_tokens;
    assert!((500..=200 + 500 + 16_384).contains(&counted), "{counted}");
}

#[tokio::test]
async fn a_person_who_is_suspended_is_refused_with_every_key_until_that_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (store, tenancy) = open(dir.path()).await;
    let tenant = tenancy.create_tenant("city", None).await.unwrap().id;
    tenancy.create_group(tenant, "water").await.unwrap();
    tenancy.create_person(tenant, "minji", &[]).await.unwrap();
    let mut keys = Vec::new();
    for name in ["desk", "phone"] {
        let new = NewKey { owner: NewKeyOwner::Person("minji".into()), ..service(name) };
        keys.push(tenancy.create_key(tenant, new).await.unwrap().1.reveal());
    }
    let change = |suspended| PersonChange { suspended: Some(suspended), ..PersonChange::default() };
    tenancy.change_person(tenant, "minji", change(true)).await.unwrap();
    assert!(keys.iter().all(|key| tenancy.authenticate(key).is_err()));
    store.close().await;
    drop((store, tenancy));

    let (_store, tenancy) = open(dir.path()).await;
    assert!(keys.iter().all(|key| tenancy.authenticate(key).is_err()));
    tenancy.change_person(tenant, "minji", change(false)).await.unwrap();
    let joined = PersonChange { groups: Some(vec!["water".into()]), ..PersonChange::default() };
    tenancy.change_person(tenant, "minji", joined).await.unwrap();
    let water = tenancy.group(tenant, "water").unwrap().id;
    assert!(keys.iter().all(|key| tenancy.authenticate(key).unwrap().groups.contains(&water)));
    tenancy.remove_group(tenant, "water").await.unwrap();
    assert!(keys.iter().all(|key| tenancy.authenticate(key).unwrap().groups.is_empty()));
}

#[tokio::test]
async fn only_a_key_made_so_administers_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (store, tenancy) = open(dir.path()).await;
    let tenant = tenancy.create_tenant("city", None).await.unwrap().id;
    let (_, plain) = tenancy.create_key(tenant, service("app")).await.unwrap();
    let keeper = NewKey { administrator: true, ..service("desk") };
    let (_, keeper) = tenancy.create_key(tenant, keeper).await.unwrap();
    store.close().await;
    drop((store, tenancy));
    let (_store, tenancy) = open(dir.path()).await;
    assert!(!tenancy.authenticate(&plain.reveal()).unwrap().administrator);
    assert!(tenancy.authenticate(&keeper.reveal()).unwrap().administrator);
    assert_eq!(tenancy.house(), Some(tenant));
}
