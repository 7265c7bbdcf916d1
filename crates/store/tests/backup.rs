//! Backups at the store's door: whole or not at all, there and back, and what is no backup is refused.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::ContentHash;
use serde_json::{Value, json};
use store::{BackupError, BackupReport, BackupWish, DataLock, RestoreReport, Schema, Store, StoreError, Tell};
use tempfile::TempDir;

const NOTES: &[Schema] =
    &[Schema { owner: "notes", steps: &["CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT"] }];

/// A folder with a few notes, a blob and the operator's secret, and a place beside it.
struct House {
    dir: TempDir,
    store: Arc<Store>,
    blob: ContentHash,
}

fn silent() -> Tell {
    Arc::new(|_| {})
}

impl House {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let store = Arc::new(Store::open(&data, DataLock::take(&data).unwrap(), NOTES).await.unwrap());
        fs::write(data.join("operator.key"), "secret").unwrap();
        let weights = dir.path().join("weights");
        // More than one chunk, and nothing that packs well.
        let mut bytes = vec![0; 3 << 20];
        let mut state = 1_u32;
        for byte in &mut bytes {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8;
        }
        fs::write(&weights, &bytes).unwrap();
        let blob = store.blobs().import(&weights).unwrap();
        let house = Self { dir, store, blob };
        for number in 0..100 {
            house.note(&format!("note {number}")).await;
        }
        house
    }

    fn place(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn note(&self, text: &str) {
        let mut write = self.store.write().await.unwrap();
        sqlx::query("INSERT INTO note (text) VALUES (?)").bind(text).execute(&mut *write).await.unwrap();
        write.commit().await.unwrap();
    }

    async fn backup(&self, name: &str, models: bool) -> Result<BackupReport, BackupError> {
        let wish = BackupWish {
            file: self.place(name),
            models,
            program: "0.1.0".to_owned(),
            created: "2026-11-25T00:00:00Z".to_owned(),
        };
        self.store.backup(wish, silent()).await
    }

    async fn restore(&self, name: &str, into: &str) -> Result<RestoreReport, BackupError> {
        store::restore(&self.place(name), &self.place(into), NOTES, None, silent()).await
    }
}

async fn notes(data: &Path) -> Vec<String> {
    let store = Store::open(data, DataLock::take(data).unwrap(), NOTES).await.unwrap();
    let notes = sqlx::query_scalar("SELECT text FROM note ORDER BY id").fetch_all(store.read()).await.unwrap();
    store.close().await;
    notes
}

fn listing(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .map(|entries| entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

#[tokio::test]
async fn what_is_restored_is_what_was_there() {
    let house = House::new().await;
    let report = house.backup("b.tar.zst", true).await.unwrap();
    assert_eq!((report.files, report.models), (3, true));
    assert_eq!(fs::metadata(house.place("b.tar.zst")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(listing(&house.place("data/snapshots")), Vec::<String>::new(), "the snapshot is gone");
    house.note("after the backup").await;

    let restored = house.restore("b.tar.zst", "new").await.unwrap();
    assert_eq!((restored.files, restored.program.as_str()), (3, "0.1.0"));
    let data = house.place("new");
    assert_eq!(notes(&data).await.len(), 100);
    let path = |data: &Path| data.join("blobs").join(&house.blob.to_string()[..2]).join(house.blob.to_string());
    assert_eq!(fs::read(path(&data)).unwrap(), fs::read(path(&house.place("data"))).unwrap());
    assert_eq!(fs::read(data.join("operator.key")).unwrap(), b"secret");
    for private in [data.join("operator.key"), data.join("dure.db"), path(&data)] {
        assert_eq!(fs::metadata(private).unwrap().permissions().mode() & 0o077, 0);
    }
    assert!(!data.join("restoring").exists());
}

#[tokio::test]
async fn a_backup_is_of_one_moment_while_others_write() {
    let house = Arc::new(House::new().await);
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let writing = tokio::spawn({
        let house = Arc::clone(&house);
        async move {
            // Two notes in one transaction: an odd number of them is a moment that never was.
            let mut pairs = 0;
            while !*stopped.borrow_and_update() {
                let mut write = house.store.write().await.unwrap();
                for _ in 0..2 {
                    sqlx::query("INSERT INTO note (text) VALUES ('pair')").execute(&mut *write).await.unwrap();
                }
                write.commit().await.unwrap();
                pairs += 1;
            }
            pairs
        }
    });
    for number in 0..5 {
        house.backup(&format!("{number}.tar.zst"), false).await.unwrap();
    }
    stop.send(true).unwrap();
    assert!(writing.await.unwrap() > 0);
    let mut counts = Vec::new();
    for number in 0..5 {
        house.restore(&format!("{number}.tar.zst"), &format!("new-{number}")).await.unwrap();
        let count = notes(&house.place(&format!("new-{number}"))).await.len();
        assert_eq!(count % 2, 0);
        counts.push(count);
    }
    assert!(counts.is_sorted(), "{counts:?}");
}

#[tokio::test]
async fn without_models_their_files_are_left_out() {
    let house = House::new().await;
    let report = house.backup("b.tar.zst", false).await.unwrap();
    assert_eq!((report.files, report.models), (2, false));
    assert!(!house.restore("b.tar.zst", "new").await.unwrap().models);
    assert!(!house.place("new/blobs").exists() && notes(&house.place("new")).await.len() == 100);
}

#[tokio::test]
async fn nothing_that_is_there_is_written_over() {
    let house = House::new().await;
    fs::write(house.place("b.tar.zst"), "something else").unwrap();
    assert!(matches!(house.backup("b.tar.zst", true).await, Err(BackupError::Exists(_))));
    assert_eq!(fs::read(house.place("b.tar.zst")).unwrap(), b"something else");
    house.backup("c.tar.zst", true).await.unwrap();

    fs::create_dir(house.place("full")).unwrap();
    fs::write(house.place("full/letter.txt"), "mine").unwrap();
    let error = house.restore("c.tar.zst", "full").await.unwrap_err();
    assert!(error.to_string().contains("letter.txt"), "{error}");
    assert_eq!(listing(&house.place("full")), ["letter.txt"]);
    // A folder that was restored into is not empty either.
    house.restore("c.tar.zst", "new").await.unwrap();
    assert!(matches!(house.restore("c.tar.zst", "new").await, Err(BackupError::NotEmpty { .. })));
    // And one that somebody has is theirs.
    let taken = house.place("taken");
    let _lock = DataLock::take(&taken).unwrap();
    let error = house.restore("c.tar.zst", "taken").await.unwrap_err();
    assert!(matches!(error, BackupError::Store(StoreError::InUse { .. })), "{error}");
}

#[tokio::test]
async fn a_damaged_blob_makes_no_backup() {
    let house = House::new().await;
    let path = house.store.blobs().path(&house.blob).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[2 << 20] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = house.backup("b.tar.zst", true).await.unwrap_err();
    assert!(matches!(error, BackupError::BlobDamaged(hash) if hash == house.blob), "{error}");
    assert!(!listing(house.dir.path()).iter().any(|name| name.starts_with("b.")), "nothing is left of it");
}

#[tokio::test]
async fn an_interrupted_restore_is_repeated_and_nothing_else_is_done_before() {
    let house = House::new().await;
    house.backup("b.tar.zst", true).await.unwrap();
    let data = house.place("new");
    // As a kill leaves it: in the middle of unpacking, and in the middle of moving to the place.
    for left in [&["restoring/dure.db"][..], &["restoring/dure.db", "operator.key", "blobs/ab/cd"], &["restoring/x"]] {
        let _ = fs::remove_dir_all(&data);
        for path in left {
            fs::create_dir_all(data.join(path).parent().unwrap()).unwrap();
            fs::write(data.join(path), "half").unwrap();
        }
        let opened = Store::open(&data, DataLock::take(&data).unwrap(), NOTES).await;
        assert!(matches!(opened, Err(StoreError::Unfinished { .. })), "{left:?}");
        assert!(!data.join("dure.db").exists());
        house.restore("b.tar.zst", "new").await.unwrap();
        assert_eq!(notes(&data).await.len(), 100);
        assert!(!data.join("blobs/ab/cd").exists());
    }
    // Killed right after its end, it has ended.
    fs::create_dir(data.join("restoring")).unwrap();
    assert_eq!(notes(&data).await.len(), 100);
    assert!(!data.join("restoring").exists());
}

#[tokio::test]
async fn a_backup_of_a_program_that_is_too_new_is_refused_before_anything_is_there() {
    let house = House::new().await;
    house.backup("b.tar.zst", false).await.unwrap();
    let older: &[Schema] = &[Schema { owner: "notes", steps: &[] }];
    let error =
        store::restore(&house.place("b.tar.zst"), &house.place("new"), older, None, silent()).await.unwrap_err();
    assert!(matches!(error, BackupError::Store(StoreError::Newer { found: 1, known: 0, .. })), "{error}");
    assert_eq!(listing(&house.place("new")), ["dure.lock"]);
}

/// The entries of a backup as (name, bytes).
fn unpacked(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut tar = tar::Archive::new(zstd::Decoder::new(File::open(path).unwrap()).unwrap());
    let entries = tar.entries().unwrap();
    entries
        .map(|entry| {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_str().unwrap().to_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (name, bytes)
        })
        .collect()
}

/// An archive of entries that may be anything.
fn packed(path: &Path, entries: &[(tar::EntryType, &str, &[u8])], tail: &[u8]) {
    let mut archive = Vec::new();
    for (kind, name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        // As no honest library would write it.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(bytes.len() as u64);
        if *kind == tar::EntryType::Symlink {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        archive.extend_from_slice(header.as_bytes());
        archive.extend_from_slice(bytes);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1_024, 0);
    archive.extend_from_slice(tail);
    fs::write(path, zstd::encode_all(archive.as_slice(), 1).unwrap()).unwrap();
}

#[tokio::test]
async fn what_is_no_whole_backup_is_refused_and_leaves_the_folder_empty() {
    use tar::EntryType::{Link, Regular, Symlink};
    let house = House::new().await;
    house.backup("good.tar.zst", false).await.unwrap();
    let good = unpacked(&house.place("good.tar.zst"));
    let [manifest, database, secret] = good.as_slice() else { panic!("{}", good.len()) };
    let edited = |edit: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_slice(&manifest.1).unwrap();
        edit(&mut value);
        value.to_string().into_bytes()
    };
    let traversal = edited(&|value| value["files"][1]["path"] = json!("../operator.key"));
    let absolute = edited(&|value| value["files"][1]["path"] = json!("/tmp/operator.key"));
    let huge = edited(&|value| value["files"][0]["bytes"] = json!(1_u64 << 62));
    let endless = edited(&|value| value["files"][0]["bytes"] = json!(u64::MAX));
    let other_sum = edited(&|value| value["files"][1]["sha256"] = json!(ContentHash::of("other")));
    let fewer = edited(&|value| drop(value["files"].as_array_mut().unwrap().pop()));
    let newer = edited(&|value| value["format"] = json!(2));
    let manifest = manifest.1.as_slice();
    let (database, secret) = (database.1.as_slice(), secret.1.as_slice());
    type Entries<'a> = &'a [(tar::EntryType, &'a str, &'a [u8])];
    let cases: &[(&str, Entries<'_>, &str)] = &[
        ("empty", &[], "it is empty"),
        ("no manifest", &[(Regular, "dure.db", database)], "manifest.json"),
        ("a broken manifest", &[(Regular, "manifest.json", b"{")], "its manifest"),
        ("another form", &[(Regular, "manifest.json", &newer)], "was written by Dure 0.1.0"),
        (
            "traversal",
            &[(Regular, "manifest.json", &traversal), (Regular, "../operator.key", secret)],
            "`../operator.key`",
        ),
        ("an absolute path", &[(Regular, "manifest.json", &absolute)], "`/tmp/operator.key`"),
        ("huge", &[(Regular, "manifest.json", &huge), (Regular, "dure.db", database)], "room"),
        ("endless", &[(Regular, "manifest.json", &endless), (Regular, "dure.db", database)], "room"),
        ("a file missing", &[(Regular, "manifest.json", manifest), (Regular, "dure.db", database)], "is missing"),
        (
            "another order",
            &[(Regular, "manifest.json", manifest), (Regular, "operator.key", secret), (Regular, "dure.db", database)],
            "something else stands",
        ),
        (
            "a link",
            &[(Regular, "manifest.json", manifest), (Symlink, "dure.db", b""), (Regular, "operator.key", secret)],
            "something else stands",
        ),
        (
            "a hard link",
            &[(Regular, "manifest.json", manifest), (Link, "dure.db", b""), (Regular, "operator.key", secret)],
            "something else stands",
        ),
        (
            "another sum",
            &[
                (Regular, "manifest.json", &other_sum),
                (Regular, "dure.db", database),
                (Regular, "operator.key", secret),
            ],
            "other bytes",
        ),
        (
            "more than it names",
            &[(Regular, "manifest.json", &fewer), (Regular, "dure.db", database), (Regular, "operator.key", secret)],
            "more than its manifest",
        ),
    ];
    for (name, entries, words) in cases {
        packed(&house.place("bad.tar.zst"), entries, b"");
        let error = house.restore("bad.tar.zst", "new").await.unwrap_err().to_string();
        assert!(error.contains(words), "{name}: {error}");
        assert_eq!(listing(&house.place("new")), ["dure.lock"], "{name}");
    }
    // A database that is none, with a right sum.
    let words = b"this is no database".as_slice();
    let none = edited(&|value| {
        value["files"][0]["bytes"] = json!(words.len());
        value["files"][0]["sha256"] = json!(ContentHash::of(words));
    });
    let entries: &[_] =
        &[(Regular, "manifest.json", none.as_slice()), (Regular, "dure.db", words), (Regular, "operator.key", secret)];
    packed(&house.place("bad.tar.zst"), entries, b"");
    let error = house.restore("bad.tar.zst", "new").await.unwrap_err().to_string();
    assert!(error.contains("its database"), "{error}");
    // A bomb behind the end.
    let whole: &[_] =
        &[(Regular, "manifest.json", manifest), (Regular, "dure.db", database), (Regular, "operator.key", secret)];
    packed(&house.place("bad.tar.zst"), whole, &vec![0; 64 << 20]);
    let error = house.restore("bad.tar.zst", "new").await.unwrap_err().to_string();
    assert!(error.contains("after its end"), "{error}");
    // The same entries, as they should be, are a backup: it was not the way they were packed that was refused.
    packed(&house.place("fair.tar.zst"), whole, b"");
    house.restore("fair.tar.zst", "new").await.unwrap();
}

#[tokio::test]
async fn a_backup_that_is_cut_or_changed_anywhere_is_refused() {
    let house = House::new().await;
    house.backup("good.tar.zst", false).await.unwrap();
    let good = fs::read(house.place("good.tar.zst")).unwrap();
    let bad = house.place("bad.tar.zst");
    for step in 0..40 {
        let at = good.len() * step / 40;
        fs::write(&bad, &good[..at]).unwrap();
        let cut = house.restore("bad.tar.zst", "new").await;
        assert!(matches!(cut, Err(BackupError::Damaged(_))), "cut at {at}: {cut:?}");
        let mut flipped = good.clone();
        flipped[at] ^= 0x10;
        fs::write(&bad, flipped).unwrap();
        let changed = house.restore("bad.tar.zst", "new").await;
        assert!(changed.is_err(), "changed at {at}: {changed:?}");
        assert_eq!(listing(&house.place("new")), ["dure.lock"]);
    }
    File::create(&bad).unwrap().write_all(b"not even packed").unwrap();
    let error = house.restore("bad.tar.zst", "new").await.unwrap_err();
    assert!(matches!(error, BackupError::Damaged(_)), "{error}");
}
