//! Archives, kind and hostile.
#![allow(clippy::unwrap_used)]

mod house;

use std::io::{Cursor, Write};

use corpus::{AddOptions, Limits};
use house::House;

const TEXT: &str = "# 글\n\n글이다.\n";

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A tar with names as they are, however hostile.
fn tar(entries: &[(&[u8], tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, kind, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
        header.set_entry_type(*kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(bytes);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1_024, 0);
    out
}

#[tokio::test]
async fn every_kind_of_archive_is_read_and_followed() {
    let house = House::new().await;
    let plain = tar(&[
        (b"\xeb\xb2\x95/a.md", tar::EntryType::Regular, TEXT.as_bytes()),
        (b"b.csv", tar::EntryType::Regular, "가,나\n1,2\n".as_bytes()),
    ]);
    house.write("a.zip", zip(&[("법/하나.md", TEXT.as_bytes())]));
    house.write("b.tar", &plain);
    house.write("c.tar.zst", zstd::encode_all(&plain[..], 3).unwrap());
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&plain).unwrap();
    house.write("d.tgz", gz.finish().unwrap());
    let report = house.add_records().await;
    assert_eq!((report.added, report.failed_count), (7, 0), "{report:?}");
    assert_eq!(
        house.paths().await,
        [
            "a.zip/법/하나.md",
            "b.tar/b.csv",
            "b.tar/법/a.md",
            "c.tar.zst/b.csv",
            "c.tar.zst/법/a.md",
            "d.tgz/b.csv",
            "d.tgz/법/a.md"
        ]
    );
    assert_eq!(house.add_records().await.unchanged, 7);
    // An entry that is gone from the archive is gone from the corpus.
    house.write(
        "c.tar.zst",
        zstd::encode_all(&tar(&[(b"b.csv", tar::EntryType::Regular, b"a,b\n1,2\n")])[..], 3).unwrap(),
    );
    let report = house.add_records().await;
    assert_eq!((report.changed, report.removed), (1, 1));
    // An archive that is named lends no prefix.
    let alone = House::new().await;
    alone.write("a.zip", zip(&[("법/하나.md", TEXT.as_bytes())]));
    alone.add(&alone.records().join("a.zip")).await;
    assert_eq!(alone.paths().await, ["법/하나.md"]);
}

#[tokio::test]
async fn a_hostile_name_is_only_a_label() {
    let house = House::new().await;
    let long = vec![b'x'; 5_000];
    let entries: Vec<(&[u8], tar::EntryType, &[u8])> = vec![
        (b"../../../../tmp/evil.md", tar::EntryType::Regular, TEXT.as_bytes()),
        (b"/etc/passwd", tar::EntryType::Regular, TEXT.as_bytes()),
        (b"C:\\Windows\\CON", tar::EntryType::Regular, TEXT.as_bytes()),
        (b"link", tar::EntryType::Symlink, b""),
        (b"link/inside.md", tar::EntryType::Regular, TEXT.as_bytes()),
        (b"device", tar::EntryType::Char, b""),
        (b"././@LongLink", tar::EntryType::GNULongName, &long),
        (b"short", tar::EntryType::Regular, TEXT.as_bytes()),
        (b"inner.zip", tar::EntryType::Regular, b"PK"),
        (b"", tar::EntryType::Regular, TEXT.as_bytes()),
    ];
    house.write("a.tar", tar(&entries));
    house.write("b.zip", zip(&[("../up.md", TEXT.as_bytes()), ("a\\..\\..\\b.md", TEXT.as_bytes())]));
    let report = house.add_records().await;
    assert_eq!((report.added, report.failed_count), (8, 0), "{report:?}");
    assert_eq!(report.warnings.len(), 3, "{:?}", report.warnings);
    let paths = house.paths().await;
    assert!(paths.iter().all(|path| !path.contains("..") && path.chars().count() < 1_100), "{paths:?}");
    for path in ["a.tar/tmp/evil.md", "a.tar/etc/passwd", "a.tar/C:/Windows/CON", "b.zip/up.md", "b.zip/a/b.md"] {
        assert!(paths.iter().any(|known| known == path), "{path} in {paths:?}");
    }
    let outside: Vec<_> =
        std::fs::read_dir(house.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(outside.len(), 2, "nothing was unpacked: {outside:?}");
}

#[tokio::test]
async fn a_bomb_is_named_and_the_rest_goes_on() {
    let house = House::new().await;
    let zeros = vec![b'0'; 40 << 20];
    house.write("a.md", TEXT);
    house.write("bomb.zip", zip(&[("one.txt", &zeros), ("two.txt", &zeros)]));
    house.write("bomb.tar.zst", zstd::encode_all(&tar(&[(b"x.txt", tar::EntryType::Regular, &zeros)])[..], 3).unwrap());
    let mut long_name = tar::Header::new_gnu();
    long_name.set_entry_type(tar::EntryType::GNULongName);
    long_name.set_size(1 << 40);
    long_name.set_cksum();
    house.write("name.tar", [&long_name.as_bytes()[..], &[b'x'; 4_096]].concat());
    let limits = Limits { archive_bytes_max: 20 << 20, ..Limits::default() };
    let report = house.try_add(&house.records(), &AddOptions { limits, ..AddOptions::default() }).await.unwrap();
    let failed: Vec<&str> = report.failed.iter().map(|failure| failure.path.as_str()).collect();
    assert_eq!(failed, ["bomb.tar.zst", "bomb.zip", "name.tar"], "{:?}", report.failed);
    assert_eq!(house.paths().await, ["a.md"]);
}

#[tokio::test]
async fn a_damaged_archive_takes_nothing_away() {
    let house = House::new().await;
    let whole = zip(&[("a.md", TEXT.as_bytes()), ("b.md", TEXT.as_bytes())]);
    house.write("a.zip", &whole);
    assert_eq!(house.add_records().await.added, 2);
    for damage in [&whole[..whole.len() / 2], b"PK\x05\x06", b"", b"PK\x03\x04 nothing else"] {
        house.write("a.zip", damage);
        let report = house.add_records().await;
        assert_eq!((report.failed_count, report.removed), (1, 0), "{report:?}");
    }
    // A directory that claims to be huge is not believed.
    let mut claims = whole.clone();
    let end = claims.len() - 22;
    claims[end + 12..end + 16].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    house.write("a.zip", &claims);
    assert!(house.add_records().await.failed[0].reason.to_string().contains("directory"));
    // One entry that is broken costs itself.
    let mut broken = whole.clone();
    let place = 30 + "a.md".len() + 2;
    broken[place] ^= 0xff;
    house.write("a.zip", &broken);
    let report = house.add_records().await;
    assert_eq!((report.failed_count, report.unchanged, report.removed), (1, 1, 0), "{report:?}");
    assert_eq!(house.paths().await.len(), 2);
}
