//! Folders that somebody broke: each is found out, and nothing wrong is ever given to anybody.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::os::unix::fs::symlink;

use common::{Place, entry};
use ledger::{Log, ReadError, VerifierKey, fsck, verify};

const SIZE: u64 = 260;

fn closed() -> (Place, VerifierKey) {
    let place = Place::new();
    let ledger = place.open();
    let key = ledger.key().clone();
    place.grow(&ledger, 3);
    place.grow(&ledger, SIZE);
    ledger.close().unwrap();
    (place, key)
}

/// What is read is right, or nothing is read.
fn serves_nothing_wrong(place: &Place, key: &VerifierKey) {
    let Ok(log) = Log::open(&place.dir, key) else { return };
    assert_eq!(log.checkpoint().size(), SIZE);
    for index in [0, 17, 255, 256, SIZE - 1] {
        if let Ok(found) = log.entry(index) {
            assert_eq!(found, entry(index));
        }
        if let Ok(proof) = log.prove(index) {
            proof.verify(&entry(index), key).unwrap();
        }
    }
    let mut broken = false;
    for (index, found) in log.entries_from(250).enumerate() {
        assert!(!broken, "something came after an error");
        match found {
            Ok(found) => assert_eq!(found, (250 + index as u64, entry(250 + index as u64))),
            Err(_) => broken = true,
        }
    }
}

#[test]
fn a_flipped_bit_in_any_byte_is_found() {
    let (place, key) = closed();
    verify(&place.dir, &key, None).unwrap();
    let files = place.files();
    assert_eq!(files.len(), 6, "{files:?}");
    for path in files {
        let bytes = fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(&path, flipped).unwrap();
            verify(&place.dir, &key, None).expect_err(&format!("byte {at} of {}", path.display()));
            if at % 61 == 0 {
                serves_nothing_wrong(&place, &key);
            }
        }
        fs::write(&path, bytes).unwrap();
    }
    verify(&place.dir, &key, None).unwrap();
}

#[test]
fn missing_short_and_long_files_are_found() {
    let (place, key) = closed();
    for path in place.files() {
        let bytes = fs::read(&path).unwrap();
        let longer = [&bytes[..], b"\n"].concat();
        for broken in
            [None, Some(Vec::new()), Some(bytes[..bytes.len() - 1].to_vec()), Some(longer), Some(vec![0; 20 << 20])]
        {
            match broken {
                None => fs::remove_file(&path).unwrap(),
                Some(broken) => fs::write(&path, broken).unwrap(),
            }
            let error = verify(&place.dir, &key, None).unwrap_err().to_string();
            assert!(
                error.contains("no log is in")
                    || error.contains("the checkpoint")
                    || error.contains("damaged")
                    || error.contains("more than"),
                "{error}"
            );
            serves_nothing_wrong(&place, &key);
            fs::write(&path, &bytes).unwrap();
        }
    }
}

#[test]
fn a_folder_that_is_no_log_says_so() {
    let (place, key) = closed();
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(verify(empty.path(), &key, None), Err(ReadError::NoLog { .. })));
    assert!(matches!(verify(&empty.path().join("none"), &key, None), Err(ReadError::NoLog { .. })));
    fs::create_dir(empty.path().join("checkpoint")).unwrap();
    assert!(matches!(verify(empty.path(), &key, None), Err(ReadError::Disk(_))));
    let other: VerifierKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().unwrap();
    assert!(matches!(verify(&place.dir, &other, None), Err(ReadError::Checkpoint(_))));
}

#[test]
fn an_older_checkpoint_that_is_larger_is_a_rollback() {
    let (place, key) = closed();
    let older = fs::read(place.dir.join("checkpoint")).unwrap();
    let copy = Place::new();
    let ledger = copy.open();
    copy.grow(&ledger, 5);
    assert!(matches!(verify(&copy.dir, &key, Some(&older)), Err(ReadError::RolledBack { older: SIZE, size: 5 })));
    // The same entries under the same key are the same log.
    let small = fs::read(copy.dir.join("checkpoint")).unwrap();
    verify(&place.dir, &key, Some(&small)).unwrap();
    assert!(verify(&place.dir, &key, Some(b"garbage")).is_err());
}

#[test]
fn fsck_sees_what_lies_about() {
    let (place, key) = closed();
    let remembered = fs::read(&place.memory).unwrap();
    let clean = fsck(&place.dir, &key, Some(&remembered)).unwrap();
    assert_eq!((clean.waiting, clean.unsigned_tiles, clean.torn_bytes, clean.strangers.len()), (0, 0, 0, 0));
    // A link that leads in a circle, a file of another kind, a tile that nobody signed for.
    symlink(&place.dir, place.dir.join("tile/0/around")).unwrap();
    fs::write(place.dir.join("tile/notes.txt"), "x").unwrap();
    fs::write(place.dir.join("tile/0/009"), "x").unwrap();
    let found = fsck(&place.dir, &key, Some(&remembered)).unwrap();
    assert_eq!((found.unsigned_tiles, found.strangers.len()), (1, 2));
    // A partial tile that is not the beginning of what was signed.
    fs::create_dir(place.dir.join("tile/0/000.p")).unwrap();
    fs::write(place.dir.join("tile/0/000.p/1"), [0; 32]).unwrap();
    assert!(fsck(&place.dir, &key, None).unwrap_err().to_string().contains("tile/0/000.p/1"));
}

#[test]
fn fsck_knows_the_journal_and_the_memory() {
    let (place, key) = closed();
    let older = place.dir.join("older");
    fs::copy(place.dir.join("checkpoint"), &older).unwrap();
    let ledger = place.open();
    assert!(fsck(&place.dir, &key, None).unwrap_err().to_string().contains("in use"));
    place.grow(&ledger, SIZE + 3);
    drop(ledger);
    let remembered = fs::read(&place.memory).unwrap();
    // The folder's checkpoint is put back, its journal is not: the entries wait.
    fs::rename(&older, place.dir.join("checkpoint")).unwrap();
    let found = fsck(&place.dir, &key, Some(&remembered)).unwrap();
    assert_eq!((found.checkpoint.size(), found.waiting), (SIZE, 3));
    fs::remove_dir_all(place.dir.join("journal")).unwrap();
    fsck(&place.dir, &key, Some(&remembered)).unwrap_err();
}
