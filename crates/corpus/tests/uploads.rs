//! Records that come over the wire, kind and hostile, and lists of what is there.
#![allow(clippy::unwrap_used)]

mod house;

use std::io::{Cursor, Write};

use base::{Class, GroupId};
use corpus::{AddOptions, DocumentPage};
use house::House;

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[tokio::test]
async fn an_upload_adds_and_replaces_and_removes_nothing() {
    let house = House::new().await;
    house.write("a.md", "# 가\n\n폴더의 글이다.\n");
    house.write("b.md", "# 나\n\n폴더의 글이다.\n");
    house.add_records().await;
    let report = house.upload(&[("a.md", "# 가\n\n올린 글이다.\n".as_bytes()), ("c.md", b"# c\n\nnew\n")]).await;
    assert_eq!((report.added, report.changed, report.removed), (1, 1, 0), "{report:?}");
    assert_eq!(house.paths().await, ["a.md", "b.md", "c.md"]);
    assert!(house.text("a.md").await.contains("올린"));

    let again = house.upload(&[("c.md", b"# c\n\nnew\n")]).await;
    assert_eq!((again.unchanged, again.version), (1, report.version), "{again:?}");
    house.check_log().await;
}

#[tokio::test]
async fn what_was_uploaded_outlives_the_folder_that_had_it_before() {
    let house = House::new().await;
    house.write("a.md", "# 가\n\n같은 글이다.\n");
    house.add_records().await;
    house.upload(&[("a.md", "# 가\n\n같은 글이다.\n".as_bytes())]).await;
    std::fs::remove_file(house.records().join("a.md")).unwrap();
    house.add_records().await;
    assert_eq!(house.paths().await, ["a.md"]);
    // A file of that name that comes into the folder later is another document.
    house.write("a.md", "# 가\n\n다른 글이다.\n");
    house.add_records().await;
    assert_eq!(house.paths().await, ["a.md", "records/a.md"]);
    assert!(house.text("a.md").await.contains("같은"));
}

#[tokio::test]
async fn an_archive_that_is_uploaded_stands_for_its_entries() {
    let house = House::new().await;
    let first = zip(&[("법/하나.md", "# 하나\n\n글이다.\n".as_bytes()), ("법/둘.md", "# 둘\n\n글이다.\n".as_bytes())]);
    assert_eq!(house.upload(&[("법령.zip", &first)]).await.added, 2);
    let fewer = zip(&[("법/하나.md", "# 하나\n\n고친 글이다.\n".as_bytes())]);
    let report = house.upload(&[("다른 이름.zip", &fewer)]).await;
    assert_eq!((report.changed, report.removed), (1, 0), "{report:?}");
    assert_eq!(house.paths().await, ["법/둘.md", "법/하나.md"]);
    let broken = house.upload(&[("법령.zip", &first[..first.len() / 2]), ("x.md", b"# x\n\nx\n")]).await;
    assert_eq!((broken.failed_count, broken.added), (1, 1), "{broken:?}");
    assert_eq!(house.paths().await, ["x.md", "법/둘.md", "법/하나.md"]);
}

#[tokio::test]
async fn a_hostile_name_is_a_label_and_nothing_is_left_on_the_disk() {
    let house = House::new().await;
    let long = "가".repeat(5_000);
    let names =
        ["../../../../tmp/evil.md", "/etc/passwd", "C:\\CON", "a\0b.md", "보고\u{202e}dm.md", long.as_str(), "..", ""];
    for name in names {
        let report = house.upload(&[(name, b"# t\n\ntext\n")]).await;
        assert_eq!(report.failed_count, 0, "{name:.40}: {report:?}");
    }
    let paths = house.paths().await;
    for path in &paths {
        let steps_up = path.split('/').any(|step| step == "..");
        assert!(!steps_up && !path.starts_with('/') && !path.contains(['\0', '\\', '\u{202e}']), "{path:.60}");
        assert!(path.chars().count() <= 1_000);
    }
    assert!(paths.contains(&"tmp/evil.md".to_owned()) && paths.contains(&"etc/passwd".to_owned()), "{paths:?}");
    let left: Vec<_> = std::fs::read_dir(house.dir.path().join("data/incoming")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_name_that_comes_twice_in_one_upload_is_told() {
    let house = House::new().await;
    let report = house.upload(&[("a.md", b"# a\n\nfirst\n"), ("./a.md", b"# a\n\nsecond\n")]).await;
    assert_eq!((report.added, report.warnings_count), (1, 1), "{report:?}");
    assert!(house.text("a.md").await.contains("first"));
}

#[tokio::test]
async fn a_list_is_paged_and_narrowed_by_the_query_itself() {
    let house = House::new().await;
    let law = GroupId::new();
    for number in 0..25 {
        house.write(&format!("조례/{number:02}.md"), format!("# 제{number}호\n\n글이다.\n"));
    }
    house.write("비밀/s.md", "# 비밀\n\n글이다.\n");
    house.write("조례/broken.csv", "가,나\n1\n2,3,4\n");
    house.add_records().await;
    let secret = AddOptions { class: Some(Class::Sensitive), ..AddOptions::default() };
    house.try_add(&house.records().join("비밀"), &secret).await.unwrap();
    house.write("law/l.md", "# 법\n\n글이다.\n");
    let of_law = AddOptions { readers: [law].into(), ..AddOptions::default() };
    house.try_add(&house.records().join("law"), &of_law).await.unwrap();

    let anybody = house.reader(Class::Open, &[]);
    let page = |after: Option<&str>| DocumentPage { after: after.map(str::to_owned), limit: 20, ..Default::default() };
    let (first, total, more) = house.listed(&anybody, &page(None)).await;
    assert_eq!((first.len(), total, more), (20, 26, true));
    let (rest, total, more) = house.listed(&anybody, &page(first.last().map(String::as_str))).await;
    assert_eq!((rest.len(), total, more), (6, 26, false));
    assert!(first.iter().chain(&rest).all(|path| *path != "l.md" && !path.contains("비밀")), "{first:?} {rest:?}");

    let lawyer = house.reader(Class::Sensitive, &[law]);
    assert_eq!(house.listed(&lawyer, &DocumentPage::default()).await.1, 28);
    let only = |change: fn(&mut DocumentPage)| {
        let mut page = DocumentPage::default();
        change(&mut page);
        page
    };
    let containing = only(|page| page.containing = Some("제1".into()));
    assert_eq!(house.listed(&lawyer, &containing).await.1, 11);
    let below = only(|page| page.path_prefix = Some("조례/0".into()));
    assert_eq!(house.listed(&lawyer, &below).await.1, 10);
    let sensitive = only(|page| page.class = Some(Class::Sensitive));
    assert_eq!(house.listed(&anybody, &sensitive).await.1, 0);
    assert_eq!(house.listed(&lawyer, &only(|page| page.warned = true)).await.1, 1);
    let quoted = only(|page| page.containing = Some("' OR 1=1 --%_".into()));
    assert_eq!(house.listed(&lawyer, &quoted).await.1, 0);
}
