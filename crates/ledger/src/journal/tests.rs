use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::disk::RealDisk;
use crate::disk::tests::FailingDisk;

fn disk() -> Arc<dyn Disk> {
    Arc::new(RealDisk)
}

fn entries(range: Range<u64>) -> Vec<Vec<u8>> {
    range.map(|index| format!("entry {index}").into_bytes()).collect()
}

fn commit(journal: &mut Journal, range: Range<u64>) {
    assert_eq!(journal.next(), range.start);
    journal.commit(entries(range).iter().map(Vec::as_slice)).unwrap();
}

fn recover(dir: &Path) -> Result<Option<Recovered>, JournalError> {
    Journal::recover(disk(), dir)
}

/// A journal of three groups, and where each ends.
fn three_groups(dir: &Path) -> Vec<u64> {
    let mut journal = Journal::create(disk(), dir).unwrap();
    let mut ends = Vec::new();
    for range in [0..3, 3..4, 4..10] {
        commit(&mut journal, range);
        ends.push(journal.segment.length);
    }
    ends
}

fn only_segment(dir: &Path) -> PathBuf {
    segments(dir).unwrap().pop().unwrap().1
}

#[test]
fn what_was_committed_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("journal");
    assert!(recover(&dir).unwrap().is_none());
    three_groups(&dir);
    let found = recover(&dir).unwrap().unwrap();
    assert_eq!((found.first, found.entries), (0, entries(0..10)));
    let mut journal = found.journal;
    commit(&mut journal, 10..12);
    assert_eq!(recover(&dir).unwrap().unwrap().entries, entries(0..12));
}

#[test]
fn cut_anywhere_the_whole_groups_before_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    let ends = three_groups(&whole);
    let bytes = fs::read(only_segment(&whole)).unwrap();
    for length in HEAD..bytes.len() {
        let cut = dir.path().join(length.to_string());
        fs::create_dir(&cut).unwrap();
        fs::write(cut.join(format!("{:020}", 0)), &bytes[..length]).unwrap();
        let torn_bytes = scan(&cut).unwrap().unwrap().torn_bytes;
        assert_eq!(torn_bytes == 0, length == HEAD || ends.contains(&(length as u64)), "{length}");
        let found = recover(&cut).unwrap().unwrap();
        let groups = ends.iter().filter(|end| **end <= length as u64).count();
        assert_eq!(found.entries, entries(0..[0, 3, 4, 10][groups]), "{length}");
        // What was torn is gone for good.
        assert_eq!(scan(&cut).unwrap().unwrap().torn_bytes, 0);
    }
}

#[test]
fn a_head_whose_writing_was_interrupted_is_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("journal");
    three_groups(&dir);
    for bytes in [&b""[..], b"dure jour", &[0; HEAD]] {
        fs::write(dir.join(format!("{:020}", 10)), bytes).unwrap();
        let found = recover(&dir).unwrap().unwrap();
        assert_eq!(found.entries.len(), 10);
        assert_eq!(segments(&dir).unwrap().len(), 1);
    }
}

#[test]
fn every_flipped_bit_before_the_last_group_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("journal");
    let ends = three_groups(&dir);
    let path = only_segment(&dir);
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&path, flipped).unwrap();
        match recover(&dir) {
            Err(JournalError::Damaged { .. }) => assert!(at < ends[1] as usize, "byte {at} is of the last group"),
            Ok(Some(found)) => {
                assert!(at >= ends[1] as usize, "byte {at} is not of the last group");
                assert_eq!(found.entries, entries(0..4));
            }
            other => panic!("byte {at}: {other:?}"),
        }
    }
}

#[test]
fn a_missing_segment_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("journal");
    let mut journal = Journal::create(disk(), &dir).unwrap();
    for range in [0..2, 2..4, 4..6] {
        commit(&mut journal, range);
        journal.roll().unwrap();
    }
    assert_eq!(recover(&dir).unwrap().unwrap().entries, entries(0..6));
    fs::remove_file(dir.join(format!("{:020}", 2))).unwrap();
    assert!(matches!(recover(&dir), Err(JournalError::Damaged { .. })));
}

/// Whoever sends entries knows everything but the segment's salt.
#[test]
fn an_entry_that_looks_like_a_group_is_an_entry() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("journal");
    let mut journal = Journal::create(disk(), &dir).unwrap();
    let mut payload = Vec::new();
    push_entry(&mut payload, b"never acknowledged");
    let mut forged = [&FRAME_MAGIC[..], &1_u32.to_be_bytes(), &(payload.len() as u32).to_be_bytes(), &[0; 8]].concat();
    forged.extend_from_slice(&Sha256::digest(&payload));
    // It will lie behind the group's head and the entry's length.
    let at = (HEAD + FRAME_HEAD + 2) as u64;
    let with_seal = |salt: &[u8; 32]| [&forged[..], &seal(salt, at, &forged), &payload].concat();
    journal.commit([with_seal(&[0; 32]).as_slice()].into_iter()).unwrap();
    let path = only_segment(&dir);
    // The group that holds it is torn.
    let length = fs::metadata(&path).unwrap().len();
    File::options().write(true).open(&path).unwrap().set_len(length + 1).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[HEAD + 20] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(scan(&dir).unwrap().unwrap().torn_bytes > 0);
    // With the salt it would have been taken for one.
    let salt = journal.segment.salt;
    let known = with_seal(&salt);
    bytes[at as usize..at as usize + known.len()].copy_from_slice(&known);
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(scan(&dir), Err(JournalError::Damaged { .. })));
    fs::write(&path, &bytes[..HEAD + FRAME_HEAD]).unwrap();
    assert_eq!(recover(&dir).unwrap().unwrap().entries.len(), 0);
}

#[test]
fn published_segments_go_and_the_last_stays() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("journal");
    let mut journal = Journal::create(disk(), &dir).unwrap();
    commit(&mut journal, 0..2);
    journal.roll().unwrap();
    commit(&mut journal, 2..4);
    journal.roll().unwrap();
    prune(&RealDisk, &dir, 3).unwrap();
    let found = recover(&dir).unwrap().unwrap();
    assert_eq!((found.first, found.entries), (2, entries(2..4)));
    prune(&RealDisk, &dir, 1_000).unwrap();
    let found = recover(&dir).unwrap().unwrap();
    assert_eq!((found.first, found.entries.len()), (4, 0));
}

#[test]
fn a_full_segment_is_followed_by_another() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("journal");
    let mut journal = Journal::create(disk(), &dir).unwrap();
    let large = vec![7; crate::tile::ENTRY_BYTES_MAX];
    for _ in 0..3 {
        journal.commit(std::iter::repeat_n(large.as_slice(), 100)).unwrap();
    }
    assert_eq!(segments(&dir).unwrap().len(), 2);
    let found = recover(&dir).unwrap().unwrap();
    assert_eq!(found.entries.len(), 300);
    assert!(found.entries.iter().all(|entry| *entry == large));
}

#[test]
fn a_failed_step_is_an_error_and_what_was_acknowledged_stays() {
    for fail_at in 0..8 {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("journal");
        let failing: Arc<dyn Disk> = Arc::new(FailingDisk::new(Some(fail_at)));
        let mut acknowledged = 0;
        let result = Journal::create(failing, &dir).and_then(|mut journal| {
            for index in 0..9 {
                journal.commit(entries(index..index + 1).iter().map(Vec::as_slice))?;
                acknowledged = index + 1;
            }
            Ok(())
        });
        result.unwrap_err();
        let found = recover(&dir).unwrap().map_or(Vec::new(), |found| found.entries);
        assert!(found.len() as u64 >= acknowledged, "step {fail_at}: {} of {acknowledged}", found.len());
        assert_eq!(found, entries(0..found.len() as u64));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..500), behind in any::<bool>()) {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("journal");
        three_groups(&dir);
        let path = only_segment(&dir);
        let mut all = if behind { fs::read(&path).unwrap() } else { Vec::new() };
        all.extend(bytes);
        fs::write(&path, all).unwrap();
        if let Ok(Some(found)) = recover(&dir) {
            prop_assert_eq!(found.entries, entries(0..10));
        }
    }
}
