//! An encrypted folder at the store's door: nothing of it can be read without the key, and what was changed is found.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use seal::{DataKey, KeyError, KeyProvider, WrappedKey};
use store::{BackupError, BackupWish, DataLock, Schema, Store, StoreError, turn_off, turn_on, unlock};
use tempfile::TempDir;

const NOTES: &[Schema] =
    &[Schema { owner: "notes", steps: &["CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT"] }];
const SECRET: &str = "두레박 7f3a, a secret that stands in no file";
const NOW: &str = "2026-11-30T00:00:00Z";

/// A provider that covers the data key with a byte.
#[derive(Debug)]
struct Fake(u8);

impl KeyProvider for Fake {
    fn kind(&self) -> &'static str {
        "fake"
    }

    fn wrap(&self, key: &DataKey) -> Result<WrappedKey, KeyError> {
        let wrapped = key.as_bytes().iter().map(|byte| format!("{:02x}", byte ^ self.0)).collect();
        Ok(WrappedKey { provider: "fake".to_owned(), key_id: self.0.to_string(), wrapped })
    }

    fn unwrap(&self, wrapped: &WrappedKey) -> Result<DataKey, KeyError> {
        let bytes = wrapped.wrapped.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).unwrap();
            u8::from_str_radix(pair, 16).unwrap() ^ self.0
        });
        DataKey::from_slice(&bytes.collect::<Vec<_>>()).ok_or(KeyError::NotUnwrapped("too short"))
    }
}

async fn open(dir: &Path, provider: Option<&dyn KeyProvider>) -> Result<Store, StoreError> {
    let lock = DataLock::take(dir)?;
    match unlock(dir, &lock, provider, NOW.to_owned())? {
        Some(keys) => Store::open_encrypted(dir, lock, NOTES, keys).await,
        None => Store::open(dir, lock, NOTES).await,
    }
}

async fn note(store: &Store, text: &str) {
    let mut write = store.write().await.unwrap();
    sqlx::query("INSERT INTO note (text) VALUES (?)").bind(text).execute(&mut *write).await.unwrap();
    write.commit().await.unwrap();
}

async fn notes(store: &Store) -> Vec<String> {
    sqlx::query_scalar("SELECT text FROM note ORDER BY id").fetch_all(store.read()).await.unwrap()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Where the secret can be read.
fn shows(dir: &Path) -> Vec<PathBuf> {
    let all = files(dir);
    assert!(!all.is_empty());
    let secret = SECRET.as_bytes();
    all.into_iter().filter(|path| fs::read(path).unwrap().windows(secret.len()).any(|part| part == secret)).collect()
}

fn wal(dir: &Path) -> PathBuf {
    dir.join("dure.db-wal")
}

#[tokio::test]
async fn nothing_is_read_without_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Some(&Fake(1))).await.unwrap();
    for number in 0..300 {
        note(&store, &format!("{number} {SECRET}")).await;
    }
    let hash = store.files().take_in(&mut Cursor::new(SECRET.repeat(4_000)), dir.path()).unwrap();
    assert!(wal(dir.path()).metadata().unwrap().len() > 100_000, "the log is in use, or this shows nothing");
    assert_eq!(shows(dir.path()), Vec::<PathBuf>::new(), "while it is open");
    let listed: Vec<String> =
        files(dir.path()).iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    assert!(!listed.contains(&hash.to_string()), "a name that tells of the content: {listed:?}");
    assert!(!listed.contains(&"dure.db-shm".to_owned()));
    assert_eq!(notes(&store).await.len(), 300);
    assert!(store.scrub().await.unwrap());
    store.close().await;
    drop(store);
    assert_eq!(shows(dir.path()), Vec::<PathBuf>::new(), "when it is closed");
    let store = open(dir.path(), Some(&Fake(1))).await.unwrap();
    assert_eq!(notes(&store).await[299], format!("299 {SECRET}"));
    let file = store.files().read(&hash).unwrap().unwrap();
    let mut piece = vec![0; 20];
    assert_eq!(file.read_at(&mut piece, SECRET.len() as u64 * 3_999).unwrap(), 20);
    assert_eq!(piece, &SECRET.as_bytes()[..20]);
    assert_eq!(store.check(Arc::new(|_| {})).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_folder_is_opened_as_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), None).await.unwrap().close().await;
    assert!(matches!(open(dir.path(), Some(&Fake(1))).await, Err(StoreError::NotEncrypted)));
    open(dir.path(), None).await.unwrap().close().await;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Some(&Fake(1))).await.unwrap();
    note(&store, "kept").await;
    store.close().await;
    drop(store);
    let before: Vec<_> = files(dir.path()).iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(matches!(open(dir.path(), None).await, Err(StoreError::Encrypted { provider }) if provider == "fake"));
    assert!(matches!(open(dir.path(), Some(&Fake(2))).await, Err(StoreError::Encryption(_))), "another master key");
    let plain = Store::open(dir.path(), DataLock::take(dir.path()).unwrap(), NOTES).await;
    assert!(matches!(plain, Err(StoreError::Encrypted { .. })), "also where nobody asks for the key");
    fs::rename(dir.path().join("encryption.json"), dir.path().join("away")).unwrap();
    for provider in [None, Some(&Fake(1) as &dyn KeyProvider)] {
        assert!(matches!(open(dir.path(), provider).await, Err(StoreError::KeyGone)), "nor is it begun anew");
    }
    fs::rename(dir.path().join("away"), dir.path().join("encryption.json")).unwrap();
    let after: Vec<_> = files(dir.path()).iter().map(|path| fs::read(path).unwrap()).collect();
    assert_eq!(before, after, "nothing was written");
    assert_eq!(notes(&open(dir.path(), Some(&Fake(1))).await.unwrap()).await, ["kept"]);
}

#[tokio::test]
async fn the_key_of_another_folder_changes_nothing_here() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(one.path(), Some(&Fake(1))).await.unwrap();
    note(&store, "kept").await;
    open(other.path(), Some(&Fake(1))).await.unwrap().close().await;
    // As a kill leaves it, with the last commits in the log alone.
    let killed = tempfile::tempdir().unwrap();
    for name in ["dure.db", "dure.db-wal", "encryption.json"] {
        fs::copy(one.path().join(name), killed.path().join(name)).unwrap();
    }
    store.close().await;
    drop(store);
    for dir in [one.path(), killed.path()] {
        let mine = fs::read(dir.join("encryption.json")).unwrap();
        fs::copy(other.path().join("encryption.json"), dir.join("encryption.json")).unwrap();
        assert!(matches!(open(dir, Some(&Fake(1))).await, Err(StoreError::OtherKeys)));
        fs::write(dir.join("encryption.json"), mine).unwrap();
        assert_eq!(notes(&open(dir, Some(&Fake(1))).await.unwrap()).await, ["kept"]);
    }
}

#[tokio::test]
async fn what_a_kill_leaves_in_the_log_is_there_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Some(&Fake(1))).await.unwrap();
    for number in 0..50 {
        note(&store, &number.to_string()).await;
    }
    let killed = tempfile::tempdir().unwrap();
    for name in ["dure.db", "dure.db-wal", "encryption.json"] {
        fs::copy(dir.path().join(name), killed.path().join(name)).unwrap();
    }
    // The last commit was being written when the power went.
    let log = fs::OpenOptions::new().write(true).open(wal(killed.path())).unwrap();
    log.set_len(log.metadata().unwrap().len() - 10).unwrap();
    let after = open(killed.path(), Some(&Fake(1))).await.unwrap();
    assert_eq!(notes(&after).await, (0..49).map(|number| number.to_string()).collect::<Vec<_>>());
    note(&after, "more").await;
    assert_eq!(notes(&after).await.len(), 50);
}

/// Flips one bit.
fn damage(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_page_or_a_file_that_was_changed_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Some(&Fake(1))).await.unwrap();
    for _ in 0..100 {
        note(&store, &SECRET.repeat(20)).await;
    }
    let one = store.files().take_in(&mut Cursor::new("one"), dir.path()).unwrap();
    let two = store.files().take_in(&mut Cursor::new("two"), dir.path()).unwrap();
    store.close().await;
    drop(store);
    let [first, second] = [0, 1].map(|at| {
        let mut shelves = files(&dir.path().join("files"));
        shelves.sort();
        shelves[at].clone()
    });
    let middle = 10 * (4096 + 40) + 77;
    damage(&dir.path().join("dure.db"), middle);
    let bytes = fs::read(&first).unwrap();
    fs::copy(&second, &first).unwrap();
    let store = open(dir.path(), Some(&Fake(1))).await.unwrap();
    let found = store.check(Arc::new(|_| {})).await.unwrap();
    assert!(found[0].contains("damaged or altered") && found[1].contains("cannot be read"), "{found:?}");
    let read: Result<Vec<String>, _> = sqlx::query_scalar("SELECT text FROM note").fetch_all(store.read()).await;
    assert!(matches!(StoreError::from(read.unwrap_err()), StoreError::Altered), "never other content");
    let swapped = [one, two].iter().filter(|hash| store.files().read(hash).is_err()).count();
    assert_eq!(swapped, 1, "a file under another's name");
    store.close().await;
    drop(store);
    fs::write(&first, &bytes[..bytes.len() - 1]).unwrap();
    damage(&dir.path().join("dure.db"), middle);
    let store = open(dir.path(), Some(&Fake(1))).await.unwrap();
    assert_eq!(store.check(Arc::new(|_| {})).await.unwrap().len(), 1, "the page is whole again, the file cut short");
    store.close().await;
    drop(store);
    damage(&dir.path().join("dure.db"), 50);
    assert!(matches!(open(dir.path(), Some(&Fake(1))).await, Err(StoreError::OtherKeys)), "the first page");
}

#[tokio::test]
async fn a_backup_is_encrypted_and_needs_the_provider() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let store = Arc::new(open(&data, Some(&Fake(1))).await.unwrap());
    note(&store, SECRET).await;
    let hash = store.files().take_in(&mut Cursor::new(SECRET), &data).unwrap();
    let wish = |name: &str| BackupWish {
        file: dir.path().join(name),
        models: true,
        program: "0.1.0".to_owned(),
        created: NOW.to_owned(),
    };
    store.backup(wish("b.tar.zst"), Arc::new(|_| {})).await.unwrap();
    let unpacked = zstd::decode_all(fs::File::open(dir.path().join("b.tar.zst")).unwrap()).unwrap();
    assert!(!unpacked.windows(20).any(|part| part == &SECRET.as_bytes()[..20]));
    let archive = dir.path().join("b.tar.zst");
    let restore = async |into: &str, provider: Option<&dyn KeyProvider>| {
        store::restore(&archive, &dir.path().join(into), NOTES, provider, Arc::new(|_| {})).await
    };
    let missing = restore("a", None).await.unwrap_err();
    assert!(matches!(missing, BackupError::Store(StoreError::Encrypted { .. })), "{missing}");
    let wrong = restore("a", Some(&Fake(2))).await.unwrap_err();
    assert!(matches!(wrong, BackupError::Store(StoreError::Encryption(_))), "{wrong}");
    restore("a", Some(&Fake(1))).await.unwrap();
    let restored = open(&dir.path().join("a"), Some(&Fake(1))).await.unwrap();
    assert_eq!(notes(&restored).await, [SECRET]);
    assert!(restored.files().read(&hash).unwrap().is_some());
}

/// A plain folder with notes, a file and a secret.
async fn plain() -> (TempDir, base::ContentHash) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), None).await.unwrap();
    for _ in 0..100 {
        note(&store, SECRET).await;
    }
    let hash = store.files().take_in(&mut Cursor::new(SECRET), dir.path()).unwrap();
    store.close().await;
    fs::write(dir.path().join("operator.key"), SECRET).unwrap();
    fs::create_dir_all(dir.path().join("index/words")).unwrap();
    fs::write(dir.path().join("index/words/terms"), SECRET).unwrap();
    (dir, hash)
}

#[tokio::test]
async fn a_folder_is_encrypted_and_made_plain_again() {
    let (dir, hash) = plain().await;
    assert_eq!(shows(dir.path()).len(), 4);
    let lock = DataLock::take(dir.path()).unwrap();
    let turned = turn_on(dir.path(), &lock, &Fake(1), NOW.to_owned()).await.unwrap();
    assert_eq!(turned.files, 1);
    assert!(matches!(turn_on(dir.path(), &lock, &Fake(1), NOW.to_owned()).await, Err(StoreError::AlreadyEncrypted)));
    drop(lock);
    assert_eq!(shows(dir.path()), Vec::<PathBuf>::new());
    let store = open(dir.path(), Some(&Fake(1))).await.unwrap();
    assert_eq!(notes(&store).await.len(), 100);
    assert!(store.files().read(&hash).unwrap().is_some());
    let sealed = fs::read(dir.path().join("operator.key")).unwrap();
    assert_eq!(store::open_secret(store.keys(), "operator.key", &sealed).unwrap(), SECRET);
    assert!(store::open_secret(store.keys(), "ledger.key", &sealed).is_err(), "a secret in another's place");
    store.close().await;
    drop(store);
    let lock = DataLock::take(dir.path()).unwrap();
    turn_off(dir.path(), &lock, &Fake(1)).await.unwrap();
    assert!(matches!(turn_off(dir.path(), &lock, &Fake(1)).await, Err(StoreError::AlreadyPlain)));
    drop(lock);
    let store = open(dir.path(), None).await.unwrap();
    assert_eq!(notes(&store).await.len(), 100);
    assert!(store.files().read(&hash).unwrap().is_some());
    assert_eq!(fs::read_to_string(dir.path().join("operator.key")).unwrap(), SECRET);
}

/// Copies what a kill would have left, as files alone.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).map(|_| ()).unwrap()
        }
    }
}

#[tokio::test]
async fn a_turn_that_was_killed_before_it_was_whole_leaves_the_folder_as_it_was() {
    let (dir, _) = plain().await;
    let (copied, encrypted) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy(dir.path(), encrypted.path());
    turn_on(encrypted.path(), &DataLock::take(encrypted.path()).unwrap(), &Fake(1), NOW.to_owned()).await.unwrap();
    copy(dir.path(), copied.path());
    copy(encrypted.path(), &copied.path().join("turning.new"));
    let store = open(copied.path(), None).await.unwrap();
    assert_eq!(notes(&store).await.len(), 100);
    assert!(!copied.path().join("turning.new").exists());
}

#[tokio::test]
async fn a_turn_that_was_killed_afterwards_is_finished_by_whoever_opens_the_folder() {
    let (dir, hash) = plain().await;
    let encrypted = tempfile::tempdir().unwrap();
    copy(dir.path(), encrypted.path());
    turn_on(encrypted.path(), &DataLock::take(encrypted.path()).unwrap(), &Fake(1), NOW.to_owned()).await.unwrap();
    let steps = ["operator.key", "dure.db", "files", "encryption.json", "to"];
    for done in 0..=steps.len() {
        let killed = tempfile::tempdir().unwrap();
        copy(dir.path(), killed.path());
        let turning = killed.path().join("turning");
        copy(encrypted.path(), &turning);
        fs::remove_file(turning.join("dure.lock")).unwrap();
        fs::remove_dir_all(turning.join("blobs")).unwrap_or_default();
        fs::write(turning.join("to"), "encrypted").unwrap();
        for name in &steps[..done] {
            let (from, to) = (turning.join(name), killed.path().join(name));
            if *name == "to" {
                fs::remove_file(from).unwrap();
                continue;
            }
            if to.is_dir() {
                fs::remove_dir_all(&to).unwrap();
            }
            fs::rename(from, to).unwrap();
        }
        if done > 0 {
            fs::remove_dir_all(killed.path().join("index")).unwrap();
        }
        let store = open(killed.path(), Some(&Fake(1))).await.unwrap();
        assert_eq!(notes(&store).await.len(), 100, "after {done} steps");
        assert!(store.files().read(&hash).unwrap().is_some(), "after {done} steps");
        store.close().await;
        assert_eq!(shows(killed.path()), Vec::<PathBuf>::new(), "after {done} steps");
    }
}

#[tokio::test]
async fn many_read_while_one_writes() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path(), Some(&Fake(1))).await.unwrap());
    let readers: Vec<_> = (0..6)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut seen = 0;
                while seen < 200 {
                    let now = notes(&store).await.len();
                    assert!(now >= seen, "what was committed stays");
                    seen = now;
                }
            })
        })
        .collect();
    for number in 0..200 {
        note(&store, &format!("{number} {}", SECRET.repeat(number))).await;
        if number % 50 == 49 {
            store.scrub().await.unwrap();
        }
    }
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(store.check(Arc::new(|_| {})).await.unwrap(), Vec::<String>::new());
}
