//! Our logs, read by others' code: `tlog_tiles` and `signed_note`, which Cloudflare keeps.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::PathBuf;

use base::ContentHash;
use common::{Place, entry};
use ledger::{Checkpoint, Proof};
use proptest::prelude::*;
use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{
    EMPTY_HASH, Hash, HashReader, Tile, TileHashReader, TileReader, check_record, check_tree, record_hash,
    stored_hash_index, tree_hash,
};

/// The folder's tiles as the crate asks for them; only the height is not in our paths.
struct Folder(PathBuf);

impl TileReader for Folder {
    fn height(&self) -> u8 {
        8
    }
    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        Ok(tiles
            .iter()
            .map(|tile| fs::read(self.0.join(tile.path().replacen("tile/8/", "tile/", 1))).unwrap())
            .collect())
    }
    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// Reads checkpoint and leaves of the folder with the crates alone, and compares the leaves with the entries.
fn accepted(place: &Place, vkey: &str, size: u64) -> Hash {
    let known = VerifierList::new(vec![Box::new(StandardVerifier::new(vkey).unwrap())]);
    let note = Note::from_bytes(&fs::read(place.dir.join("checkpoint")).unwrap()).unwrap();
    assert_eq!(note.verify(&known).unwrap().0.len(), 1);
    let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!((checkpoint.origin(), checkpoint.size()), (common::ORIGIN, size));
    let root = *checkpoint.hash();
    if size == 0 {
        assert_eq!(root, EMPTY_HASH);
        return root;
    }
    let folder = Folder(place.dir.clone());
    let reader = TileHashReader::new(size, root, &folder);
    assert_eq!(tree_hash(size, &reader).unwrap(), root);
    let indexes: Vec<_> = (0..size).map(|index| stored_hash_index(0, index)).collect();
    for (index, leaf) in reader.read_hashes(&indexes).unwrap().into_iter().enumerate() {
        assert_eq!(leaf, record_hash(&entry(index as u64)));
    }
    root
}

fn theirs(hashes: &[ContentHash]) -> Vec<Hash> {
    hashes.iter().map(|hash| Hash(*hash.as_bytes())).collect()
}

/// The hashes in a proof's text.
fn proof_hashes(proof: &Proof) -> Vec<Hash> {
    let text = proof.to_string();
    let lines = text.lines().skip(2).take_while(|line| !line.is_empty());
    lines.map(|line| Hash::parse_hash(line).unwrap()).collect()
}

#[test]
fn logs_of_every_awkward_size_are_accepted() {
    let place = Place::new();
    let ledger = place.open();
    let vkey = ledger.key().to_string();
    let mut roots = vec![(0, accepted(&place, &vkey, 0))];
    for size in [1, 2, 3, 255, 256, 257, 511, 512, 513, 1_000] {
        place.grow(&ledger, size);
        roots.push((size, accepted(&place, &vkey, size)));
        let log = ledger.log();
        for index in [0, 1, size / 2, size - 1].into_iter().filter(|index| *index < size) {
            let proof = proof_hashes(&log.prove(index).unwrap());
            check_record(&proof, size, roots[roots.len() - 1].1, index, record_hash(&entry(index))).unwrap();
        }
        for (older, root) in roots.iter().skip(1) {
            let proof = theirs(&log.consistency(*older).unwrap());
            check_tree(&proof, size, roots[roots.len() - 1].1, *older, *root).unwrap();
        }
    }
}

#[test]
fn a_log_with_a_third_level_is_accepted() {
    let place = Place::new();
    let ledger = place.open();
    place.grow(&ledger, 65_535);
    place.grow(&ledger, 65_536);
    let older = ledger.log().checkpoint().to_string();
    accepted(&place, &ledger.key().to_string(), 65_536);
    place.grow(&ledger, 70_000);
    accepted(&place, &ledger.key().to_string(), 70_000);
    let verified = ledger::verify(&place.dir, ledger.key(), Some(older.as_bytes())).unwrap();
    assert_eq!(verified.size(), 70_000);
    let key = ledger.key().clone();
    let proof = ledger.log().prove(65_536).unwrap();
    assert_eq!(proof.verify(&entry(65_536), &key).unwrap().size(), 70_000);
    let older = Checkpoint::open(older.as_bytes(), &key).unwrap();
    ledger.log().extends(&older).unwrap();
    // Of what was published on the way, only the partial tiles that no full one has replaced are left.
    assert!(place.files().iter().all(|path| !path.to_string_lossy().contains("/255.p/")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn any_growth_is_accepted(steps in prop::collection::vec(0_u64..400, 1..5), again in any::<bool>()) {
        let place = Place::new();
        let mut ledger = place.open();
        let (mut size, mut older) = (0, Vec::new());
        for step in steps {
            size += step;
            place.grow(&ledger, size);
            let root = accepted(&place, &ledger.key().to_string(), size);
            for (old, old_root) in &older {
                let proof = theirs(&ledger.log().consistency(*old).unwrap());
                if *old > 0 {
                    prop_assert!(check_tree(&proof, size, root, *old, *old_root).is_ok());
                }
            }
            older.push((size, root));
            if again {
                drop(ledger);
                ledger = place.open();
            }
        }
    }
}
