use std::fs;
use std::sync::mpsc::channel;

use super::*;
use crate::disk::tests::FailingDisk;
use crate::memory::{FileMemory, MemoryError};
use crate::signer::{Ed25519Signer, SignerError};
use crate::{Proof, fsck, verify};

const ORIGIN: &str = "ledger.example/test";
/// Publishing waits until it is asked for.
const LATER: Options =
    Options { queue_max: 1024, publish_ms: 3_600_000, backlog_bytes_max: 64 << 20, accept_forgotten: false };

struct Place {
    _temporary: tempfile::TempDir,
    dir: PathBuf,
    memory: PathBuf,
}

impl Place {
    fn new() -> Self {
        // Memory where there is some: the many syncs are counted here, not measured.
        let shared = Some(Path::new("/dev/shm")).filter(|dir| dir.is_dir());
        let temporary = tempfile::tempdir_in(shared.unwrap_or(&std::env::temp_dir())).unwrap();
        let (dir, memory) = (temporary.path().join("log"), temporary.path().join("highest"));
        Self { _temporary: temporary, dir, memory }
    }

    fn open(&self) -> Ledger {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<Ledger, OpenError> {
        self.open_on(Arc::new(RealDisk))
    }

    fn open_on(&self, disk: Arc<dyn Disk>) -> Result<Ledger, OpenError> {
        let memory = FileMemory::open_on(&self.memory, Arc::clone(&disk))?;
        Ledger::open_on(disk, &self.dir, ORIGIN, signer(), Box::new(memory), LATER)
    }

    /// As after `kill -9`: what the threads had not written is gone.
    fn copy(&self) -> Self {
        let other = Self::new();
        if self.dir.exists() {
            copy(&self.dir, &other.dir);
        }
        if self.memory.exists() {
            fs::copy(&self.memory, &other.memory).unwrap();
        }
        other
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

fn signer() -> Box<dyn Signer> {
    Box::new(Ed25519Signer::from_secret(&[7; 32]))
}

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

fn append(ledger: &Ledger, count: u64) {
    for _ in 0..count {
        let index = ledger.size();
        assert_eq!(ledger.append_blocking(entry(index)).unwrap().index, index);
    }
}

/// Every entry is the one that its index says, and the folder holds together.
fn check(place: &Place, ledger: Ledger, size: u64) {
    let key = ledger.key().clone();
    assert_eq!(ledger.close().unwrap().size(), size);
    drop(ledger);
    assert_eq!(verify(&place.dir, &key, None).unwrap().size(), size);
    let found = fsck(&place.dir, &key, Some(&fs::read(&place.memory).unwrap())).unwrap();
    assert_eq!((found.waiting, found.unsigned_tiles, found.strangers.len()), (0, 0, 0));
    let log = Log::open(&place.dir, &key).unwrap();
    for (index, found) in log.entries_from(0).enumerate() {
        assert_eq!(found.unwrap(), (index as u64, entry(index as u64)));
    }
}

#[test]
fn entries_that_were_acknowledged_are_there_after_a_crash() {
    let place = Place::new();
    let ledger = place.open();
    append(&ledger, 300);
    ledger.publish().wait().unwrap();
    append(&ledger, 20);
    assert_eq!((ledger.size(), ledger.log().checkpoint().size()), (320, 300));
    let crashed = place.copy();
    let again = crashed.open();
    assert_eq!(again.log().checkpoint().size(), 320);
    append(&again, 1);
    check(&crashed, again, 321);
}

#[tokio::test]
async fn async_callers_wait_without_blocking() {
    let place = Place::new();
    let ledger = place.open();
    let first = ledger.append(entry(0)).unwrap();
    let second = ledger.append_when_room(entry(1)).await.unwrap();
    assert_eq!((first.await.unwrap().index, second.await.unwrap().index), (0, 1));
    ledger.append_relaxed(entry(2)).unwrap();
    let checkpoint = loop {
        let checkpoint = ledger.publish().await.unwrap();
        if checkpoint.size() == 3 {
            break checkpoint;
        }
    };
    let proof = Proof::parse(ledger.log().prove(2).unwrap().to_string().as_bytes()).unwrap();
    assert_eq!(proof.verify(&entry(2), ledger.key()).unwrap(), checkpoint);
    tokio::task::spawn_blocking(move || check(&place, ledger, 3)).await.unwrap();
}

#[test]
fn each_of_many_callers_gets_an_index_of_its_own() {
    let place = Place::new();
    let ledger = place.open();
    let (sender, receiver) = channel();
    thread::scope(|scope| {
        for caller in 0..16 {
            let (sender, ledger) = (sender.clone(), &ledger);
            scope.spawn(move || {
                for number in 0..50 {
                    let entry = format!("{caller} {number}").into_bytes();
                    let appended = ledger.append_blocking(entry.clone()).unwrap();
                    assert_eq!(appended.leaf, leaf_hash(&entry));
                    sender.send((appended.index, entry)).unwrap();
                }
            });
        }
    });
    drop(sender);
    ledger.publish().wait().unwrap();
    let mut acknowledged: Vec<_> = receiver.iter().collect();
    acknowledged.sort();
    let found: Result<Vec<_>, _> = ledger.log().entries_from(0).collect();
    assert_eq!(found.unwrap(), acknowledged);
    assert_eq!(acknowledged.len(), 800);
}

#[test]
fn bounds_hold() {
    let place = Place::new();
    let ledger = place.open();
    assert_eq!(ledger.append(vec![0; 65_536]).unwrap_err(), AppendError::TooLarge { bytes: 65_536 });
    assert_eq!(ledger.append_blocking(vec![1; 65_535]).unwrap().index, 0);
    assert_eq!(ledger.append_blocking(Vec::new()).unwrap().index, 1);
    ledger.publish().wait().unwrap();
    assert_eq!(ledger.log().entry(0).unwrap(), vec![1; 65_535]);
    assert_eq!(ledger.log().entry(1).unwrap(), b"");
    assert!(matches!(ledger.log().entry(2), Err(crate::ReadError::NotThere { index: 2, size: 2 })));
    ledger.close().unwrap();
    let memory = Box::new(FileMemory::open(&place.memory).unwrap());
    let small = Options { queue_max: 1, ..LATER };
    let ledger = Ledger::open(&place.dir, ORIGIN, signer(), memory, small).unwrap();
    // The sequencer takes one at a time while others come faster than any disk.
    let full = (0..100_000).any(|_| ledger.append_relaxed(vec![2; 1_000]) == Err(AppendError::Full));
    assert!(full);
}

#[test]
fn a_backlog_that_is_full_is_published_without_being_asked() {
    let place = Place::new();
    let memory = Box::new(FileMemory::open(&place.memory).unwrap());
    let small = Options { backlog_bytes_max: 100_000, ..LATER };
    let ledger = Ledger::open(&place.dir, ORIGIN, signer(), memory, small).unwrap();
    for index in 0..40 {
        assert_eq!(ledger.append_blocking(vec![3; 10_000]).unwrap().index, index);
    }
    assert!(ledger.log().checkpoint().size() > 20);
}

#[test]
fn a_second_owner_is_refused() {
    let place = Place::new();
    let ledger = place.open();
    let other = Box::new(FileMemory::open(&place.dir.with_file_name("other")).unwrap());
    let second = Ledger::open(&place.dir, ORIGIN, signer(), other, LATER);
    assert!(matches!(second.unwrap_err(), OpenError::InUse { .. }));
    assert!(matches!(place.try_open().unwrap_err(), OpenError::Memory(_)));
    drop(ledger);
    place.open();
}

#[test]
fn a_closed_ledger_takes_nothing() {
    let place = Place::new();
    let ledger = place.open();
    append(&ledger, 1);
    assert_eq!(ledger.close().unwrap().size(), 1);
    assert!(matches!(ledger.append(entry(1)).unwrap_err(), AppendError::Stopped(_)));
    assert_eq!(ledger.publish().wait().unwrap_err().reason(), "it was closed");
    assert!(ledger.close().is_err());
}

#[test]
fn a_rolled_back_copy_signs_nothing() {
    let place = Place::new();
    let ledger = place.open();
    append(&ledger, 5);
    ledger.close().unwrap();
    let older = place.copy();
    let ledger = place.open();
    append(&ledger, 5);
    ledger.close().unwrap();
    fs::copy(&place.memory, &older.memory).unwrap();
    assert!(matches!(older.try_open().unwrap_err(), OpenError::RolledBack { remembered: 10, size: 5 }));
    // An empty folder is the oldest copy of all.
    fs::remove_dir_all(&older.dir).unwrap();
    assert!(matches!(older.try_open().unwrap_err(), OpenError::RolledBack { remembered: 10, size: 0 }));
}

#[test]
fn a_forked_copy_signs_nothing() {
    let place = Place::new();
    let ledger = place.open();
    append(&ledger, 5);
    ledger.close().unwrap();
    let fork = place.copy();
    for (place, word) in [(&place, "one"), (&fork, "other")] {
        let ledger = place.open();
        for number in 0..if word == "one" { 3 } else { 9 } {
            ledger.append_blocking(format!("{word} {number}").into_bytes()).unwrap();
        }
        ledger.close().unwrap();
    }
    fs::copy(&place.memory, &fork.memory).unwrap();
    assert!(matches!(fork.try_open().unwrap_err(), OpenError::Forked { remembered: 8 }));
    let key = place.open().key().clone();
    let older = fs::read(place.dir.join("checkpoint")).unwrap();
    assert!(matches!(verify(&fork.dir, &key, Some(&older)), Err(crate::ReadError::Forked { older: 8 })));
}

#[test]
fn a_log_that_nobody_remembers_is_not_gone_on_with_unasked() {
    let place = Place::new();
    let ledger = place.open();
    append(&ledger, 3);
    ledger.close().unwrap();
    fs::remove_file(&place.memory).unwrap();
    assert!(matches!(place.try_open().unwrap_err(), OpenError::Forgotten));
    let memory = Box::new(FileMemory::open(&place.memory).unwrap());
    let accept = Options { accept_forgotten: true, ..LATER };
    drop(Ledger::open(&place.dir, ORIGIN, signer(), memory, accept).unwrap());
    let ledger = place.open();
    check(&place, ledger, 3);
}

#[test]
fn another_key_or_name_does_not_go_on_with_a_log() {
    let place = Place::new();
    place.open().close().unwrap();
    let open = |origin: &str, secret: u8| {
        let memory = Box::new(FileMemory::open(&place.memory).unwrap());
        Ledger::open(&place.dir, origin, Box::new(Ed25519Signer::from_secret(&[secret; 32])), memory, LATER)
    };
    assert!(matches!(open(ORIGIN, 8).unwrap_err(), OpenError::Remembered(_)));
    assert!(matches!(open("ledger.example/other", 7).unwrap_err(), OpenError::Remembered(_)));
    assert!(matches!(open("two words", 7).unwrap_err(), OpenError::Name(_)));
    open(ORIGIN, 7).unwrap();
}

/// What one life of a ledger does; gives how many entries were acknowledged.
fn life(place: &Place, disk: Arc<dyn Disk>) -> (u64, Result<(), String>) {
    let mut acknowledged = 0;
    let live = || -> Result<(), String> {
        let ledger = place.open_on(disk).map_err(|error| error.to_string())?;
        acknowledged = ledger.size();
        for _ in 0..3 {
            let appended = ledger.append_blocking(entry(acknowledged)).map_err(|error| error.to_string())?;
            assert_eq!(appended.index, acknowledged);
            acknowledged += 1;
        }
        ledger.publish().wait().map_err(|error| error.to_string())?;
        ledger.append_blocking(entry(acknowledged)).map_err(|error| error.to_string())?;
        acknowledged += 1;
        let closed = ledger.close().map_err(|error| error.to_string());
        // Who stopped takes nothing any more.
        assert!(ledger.append(entry(acknowledged)).is_err());
        closed.map(drop)
    };
    let result = live();
    (acknowledged, result)
}

/// Every step on the disk, failed in turn, of a new log's life and of one that crosses the end of a tile.
#[test]
fn whatever_step_fails_the_ledger_stops_and_comes_back_whole() {
    for before in [0, 253] {
        let prepared = Place::new();
        if before > 0 {
            append(&prepared.open(), before);
        }
        let counted = Arc::new(FailingDisk::new(None));
        life(&prepared.copy(), counted.clone()).1.unwrap();
        let steps = counted.steps.lock().unwrap().clone();
        assert!(steps.len() > 30, "{steps:?}");
        for (fail_at, step) in steps.iter().enumerate() {
            let place = prepared.copy();
            let (acknowledged, result) = life(&place, Arc::new(FailingDisk::new(Some(fail_at))));
            let reason = result.expect_err(step);
            assert!(reason.contains("Input/output error"), "{step}: {reason}");
            let ledger = place.try_open().unwrap_or_else(|error| panic!("after `{step}` failed: {error}"));
            let size = ledger.size();
            assert!(size >= acknowledged, "{step}: {size} of {acknowledged}");
            append(&ledger, 1);
            check(&place, ledger, size + 1);
        }
    }
}

struct Broken(bool);

impl Signer for Broken {
    fn public_key(&self) -> [u8; 32] {
        signer().public_key()
    }
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        // The empty log is signed; then the device is pulled out, or lies.
        match (message.windows(3).any(|part| part == b"\n0\n"), self.0) {
            (true, _) => signer().sign(message),
            (false, true) => Ok([1; 64]),
            (false, false) => Err(SignerError::new("the device is gone")),
        }
    }
}

#[test]
fn a_signer_that_fails_or_lies_stops_the_ledger() {
    for lies in [false, true] {
        let place = Place::new();
        let memory = Box::new(FileMemory::open(&place.memory).unwrap());
        let ledger = Ledger::open(&place.dir, ORIGIN, Box::new(Broken(lies)), memory, LATER).unwrap();
        append(&ledger, 2);
        assert!(ledger.publish().wait().unwrap_err().to_string().contains("sign"));
        assert!(ledger.append(entry(2)).is_err());
        drop(ledger);
        let ledger = place.open();
        check(&place, ledger, 2);
    }
}

struct FullMemory;

impl Memory for FullMemory {
    fn recall(&self) -> Result<Option<String>, MemoryError> {
        Ok(None)
    }
    fn remember(&mut self, _: &str) -> Result<(), MemoryError> {
        Err(MemoryError::new("no room"))
    }
}

#[test]
fn a_checkpoint_that_is_not_remembered_is_not_shown() {
    let place = Place::new();
    let opened = Ledger::open(&place.dir, ORIGIN, signer(), Box::new(FullMemory), LATER);
    assert!(matches!(opened.unwrap_err(), OpenError::Publish { .. }));
    assert!(!place.dir.join("checkpoint").exists());
}
