//! Adding records, at the crate's public door.
#![allow(clippy::unwrap_used)]

mod house;

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;

use base::{Class, GroupId, TenantId};
use corpus::{AddError, AddOptions, CorpusChange, CorpusError, FailureReason, Kind, Limits, WarningKind};
use house::{House, new_corpus};

const ACT: &str = "# 여권법\n\n- 시행일: 20240814\n\n## 제1조 목적\n\n제1조(목적) 이 법은 여권을 정한다.\n\n## 제2조 소지\n\n여권을 소지하여야 한다.\n";

#[tokio::test]
async fn the_same_folder_again_changes_nothing() {
    let house = House::new().await;
    house.write("여권법.md", ACT);
    house.write("설비/대장.csv", "번호,이름\nP-101,펌프\n");
    let first = house.add_records().await;
    assert_eq!((first.added, first.version, first.passages), (2, 1, 4));
    let (head, pages) = (house.corpora.head().await.unwrap(), house.paths().await);
    let again = house.add_records().await;
    assert_eq!((again.added, again.changed, again.unchanged, again.removed, again.version), (0, 0, 2, 0, 1));
    assert_eq!(house.corpora.head().await.unwrap(), head);
    assert_eq!(house.paths().await, pages);
    assert_eq!(pages, ["설비/대장.csv", "여권법.md"]);
    house.check_log().await;
}

#[tokio::test]
async fn a_document_is_shown_with_its_structure() {
    let house = House::new().await;
    house.write("여권법.md", ACT);
    house.add_records().await;
    let document = house.corpora.show(house.corpus.id, "여권법.md").await.unwrap();
    assert_eq!(document.summary.title, "여권법");
    assert_eq!(document.summary.kind, Kind::Markdown);
    assert_eq!(document.summary.dated, Some(jiff::civil::date(2024, 8, 14)));
    let headings: Vec<&[String]> = document.passages.iter().map(|passage| &*passage.headings).collect();
    assert_eq!(headings, [&["여권법"][..], &["여권법", "제1조 목적"], &["여권법", "제2조 소지"]]);
    assert_eq!(document.passages[2].text(), "여권을 소지하여야 한다.");
    let by_id = house.corpora.show(house.corpus.id, &document.summary.id.to_string()).await.unwrap();
    assert_eq!(by_id.summary, document.summary);
    let ids: Vec<_> = [2, 0].map(|place| document.passages[place].id).into();
    let asked = house.corpora.passages(&ids).await.unwrap();
    assert_eq!(asked.iter().map(|row| row.id).collect::<Vec<_>>(), ids);
    let missing = house.corpora.show(house.corpus.id, "없음.md").await.unwrap_err();
    assert!(matches!(missing, CorpusError::NoDocument(_)));
}

#[tokio::test]
async fn changed_deleted_and_renamed_files_are_noticed() {
    let house = House::new().await;
    for name in ["남음.md", "바뀜.md", "없어짐.md", "옛이름.md"] {
        house.write(name, format!("# {name}\n\n첫 내용이다.\n"));
    }
    house.add_records().await;
    let before = house.corpora.head().await.unwrap();
    house.write("바뀜.md", "# 바뀜\n\n새 내용이다.\n");
    std::fs::remove_file(house.records().join("없어짐.md")).unwrap();
    std::fs::rename(house.records().join("옛이름.md"), house.records().join("새이름.md")).unwrap();
    let report = house.add_records().await;
    assert_eq!((report.added, report.changed, report.unchanged, report.removed, report.version), (1, 1, 1, 2, 2));
    assert_eq!(house.paths().await, ["남음.md", "바뀜.md", "새이름.md"]);
    assert!(house.text("바뀜.md").await.contains("새 내용"));

    let changes = house.corpora.changes_after(before, 100).await.unwrap();
    let ended: Vec<&str> =
        changes.iter().filter(|row| row.removed_version == Some(2)).map(|row| row.path.as_str()).collect();
    assert_eq!(ended.len(), 3, "{ended:?}");
    let document = house.corpora.show(house.corpus.id, "바뀜.md").await.unwrap();
    let revisions = house.corpora.revisions(document.summary.id).await.unwrap();
    assert_eq!(revisions.len(), 2);
    assert_eq!((revisions[0].added_version, revisions[0].removed_version), (1, Some(2)));
    assert_eq!((revisions[1].added_version, revisions[1].removed_version), (2, None));
    assert!(house.corpora.text(revisions[0].revision).await.unwrap().unwrap().contains("첫 내용"), "old versions stay");
    house.check_log().await;

    // The deleted file comes back as the document that it was.
    house.write("없어짐.md", "# 없어짐\n\n첫 내용이다.\n");
    house.add_records().await;
    let back = house.corpora.show(house.corpus.id, "없어짐.md").await.unwrap();
    assert_eq!(house.corpora.revisions(back.summary.id).await.unwrap().len(), 2);
    house.check_log().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_the_rest_goes_on() {
    let house = House::new().await;
    house.write("a.md", "# 하나\n\n글이다.\n");
    house.write("b.pdf", b"%PDF-1.7\n\0\0\0");
    house.write("c.txt", [0, 159, 146, 150].repeat(100));
    house.write("d.json", "{broken");
    house.write("e.txt", "가".repeat(40_000));
    house.write("빈.txt", "");
    house.write("깨짐.txt", [ACT.repeat(10).as_bytes(), b"\xff\xff", "끝이다.".as_bytes()].concat());
    let pipe = house.records().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    let limits = Limits { file_bytes_max: 100_000, ..Limits::default() };
    let options = AddOptions { limits, ..AddOptions::default() };
    let report = house.try_add(&house.records(), &options).await.unwrap();
    let failed: Vec<(&str, String)> =
        report.failed.iter().map(|failure| (failure.path.as_str(), failure.reason.to_string())).collect();
    assert_eq!(failed.len(), 4, "{failed:?}");
    assert_eq!(failed[0], ("b.pdf", "a file of format `PDF`, which is not read".to_owned()));
    assert_eq!(failed[1].0, "c.txt");
    assert!(failed[2].1.starts_with("not readable as JSON"), "{failed:?}");
    assert_eq!(report.failed[3].reason, FailureReason::TooLarge { bytes_max: 100_000 });
    assert_eq!(report.added, 3);
    assert!(report.warnings.iter().any(|warning| warning.path == "pipe"), "{:?}", report.warnings);
    let damaged = house.corpora.show(house.corpus.id, "깨짐.txt").await.unwrap();
    assert_eq!(damaged.warnings[0].kind, WarningKind::Encoding);
    assert!(damaged.text.ends_with("끝이다."));
    assert_eq!(house.corpora.status(house.corpus.id).await.unwrap().warnings, 2);

    // A record that became unreadable keeps what was known of it.
    house.write("a.md", [0, 1, 2, 3].repeat(50));
    let report = house.try_add(&house.records(), &options).await.unwrap();
    assert_eq!((report.changed, report.removed, report.failed_count), (0, 0, 5));
    assert!(house.text("a.md").await.contains("글이다"));

    let none = house.add(Path::new("/nonexistent/../nowhere")).await;
    assert_eq!(none.failed_count, 1);
}

#[tokio::test]
async fn no_link_leads_out_of_a_folder() {
    let house = House::new().await;
    let secret = house.dir.path().join("secret.md");
    std::fs::write(&secret, "# 비밀\n\n비밀이다.\n").unwrap();
    house.write("안/a.md", "# 하나\n\n글이다.\n");
    let link = |target: &Path, name: &str| std::os::unix::fs::symlink(target, house.records().join(name)).unwrap();
    link(&secret, "out.md");
    link(house.dir.path(), "up");
    link(Path::new("안/a.md"), "inside.md");
    link(Path::new("."), "loop");
    link(Path::new("/proc/self/environ"), "environ.txt");
    let report = house.add_records().await;
    assert_eq!(house.paths().await, ["안/a.md"]);
    let warned: Vec<&str> = report.warnings.iter().map(|warning| warning.path.as_str()).collect();
    assert_eq!(warned, ["environ.txt", "out.md", "up"]);
}

#[tokio::test]
async fn what_is_hidden_in_a_folder_is_no_record() {
    let house = House::new().await;
    for place in ["a.md", ".b.md", ".git/config.txt", "안/.DS_Store", "안/c.md"] {
        house.write(place, "# 하나\n\n글이다.\n");
    }
    let report = house.add_records().await;
    assert_eq!(house.paths().await, ["a.md", "안/c.md"]);
    let warned: Vec<&str> = report.warnings.iter().map(|warning| warning.path.as_str()).collect();
    assert_eq!(warned, [".b.md", ".git", "안/.DS_Store"]);
    // A person who names it wants it.
    house.add(&house.records().join(".b.md")).await;
    assert!(house.paths().await.contains(&".b.md".to_owned()));
}

#[tokio::test]
async fn the_same_path_from_two_folders_stays_apart_and_a_moved_folder_goes_on() {
    let house = House::new().await;
    house.write("여권/README.md", "# 여권\n\n여권 글이다.\n");
    house.write("수도/README.md", "# 수도\n\n수도 글이다.\n");
    house.add(&house.records().join("여권")).await;
    let report = house.add(&house.records().join("수도")).await;
    assert_eq!(house.paths().await, ["README.md", "수도/README.md"]);
    assert!(report.warnings[0].detail.contains("another document"), "{:?}", report.warnings);
    assert_eq!(house.add(&house.records().join("여권")).await.unchanged, 1);
    assert_eq!(house.add(&house.records().join("수도")).await.unchanged, 1);
    // The folder above both finds what is known already.
    let above = house.add_records().await;
    assert_eq!((above.added, above.unchanged), (0, 2));

    let (head, moved) = (house.corpora.head().await.unwrap(), house.dir.path().join("옮김"));
    std::fs::rename(house.records().join("여권"), &moved).unwrap();
    let report = house.add(&moved).await;
    assert_eq!((report.added, report.changed, report.unchanged), (0, 0, 1));
    assert_eq!(house.corpora.head().await.unwrap(), head);
    assert_eq!(house.add_records().await.removed, 0, "the moved document is not gone");
    house.check_log().await;
}

#[tokio::test]
async fn a_file_named_alone_is_the_same_record_as_in_its_folder() {
    let house = House::new().await;
    house.write("a.md", "# 하나\n\n글이다.\n");
    house.write("b.md", "# 둘\n\n글이다.\n");
    assert_eq!(house.add(&house.records().join("a.md")).await.added, 1);
    let report = house.add_records().await;
    assert_eq!((report.added, report.unchanged), (1, 1));
    // One file named says nothing of its neighbours.
    std::fs::remove_file(house.records().join("b.md")).unwrap();
    assert_eq!(house.add(&house.records().join("a.md")).await.removed, 0);
    let twice = [house.records().join("a.md"), house.records(), house.records()];
    let report = house.corpora.add(&house.corpus, &twice, &AddOptions::default(), &|_| {}).await.unwrap();
    assert_eq!((report.unchanged, report.removed), (1, 1));
    house.check_log().await;
}

#[tokio::test]
async fn a_class_is_never_lowered_by_adding_again() {
    let house = House::new().await;
    house.write("a.md", "# 하나\n\n글이다.\n");
    let group = GroupId::new();
    let strict = AddOptions { class: Some(Class::Sensitive), readers: [group].into(), ..AddOptions::default() };
    house.try_add(&house.records(), &strict).await.unwrap();
    assert_eq!(house.add_records().await.unchanged, 1);
    house.write("a.md", "# 하나\n\n다른 글이다.\n");
    assert_eq!(house.add_records().await.changed, 1);
    let document = house.corpora.show(house.corpus.id, "a.md").await.unwrap().summary;
    assert_eq!((document.class, document.readers), (Class::Sensitive, [group].into()));
    // The stricter class of a later `add` is a change.
    let stricter = AddOptions { class: Some(Class::Classified), ..AddOptions::default() };
    assert_eq!(house.try_add(&house.records(), &stricter).await.unwrap().changed, 1);
}

#[tokio::test]
async fn an_add_that_is_dropped_at_any_moment_loses_nothing_and_doubles_nothing() {
    let whole = House::new().await;
    let fill = |house: &House| {
        for number in 0..30 {
            house.write(&format!("법/{number:03}.md"), format!("# 법 {number}\n\n{}", ACT.repeat(2_500)));
        }
    };
    fill(&whole);
    let expected = whole.add_records().await;
    assert!(expected.bytes > 10 << 20, "more than one batch");
    // Where a drop falls depends on the machine; what must hold does not.
    for polls_max in [1, 3, 8, 20, 35, 50, 70, 100] {
        let house = House::new().await;
        fill(&house);
        {
            let paths = [house.records()];
            let options = AddOptions::default();
            let mut add = pin!(house.corpora.add(&house.corpus, &paths, &options, &|_| {}));
            let mut polls = 0;
            std::future::poll_fn(|context| {
                polls += 1;
                if polls > polls_max { Poll::Ready(()) } else { add.as_mut().poll(context).map(|_| ()) }
            })
            .await;
        }
        house.check_log().await;
        let status = house.corpora.status(house.corpus.id).await.unwrap();
        assert!(!status.adding);
        let report = house.add_records().await;
        assert_eq!(report.unchanged, status.documents);
        assert_eq!(report.added, 30 - status.documents);
        house.check_log().await;
        let after = house.corpora.status(house.corpus.id).await.unwrap();
        assert_eq!((after.documents, after.passages), (30, expected.passages));
    }
}

#[tokio::test]
async fn a_full_disk_is_said_and_nothing_is_half_written() {
    let house = House::new().await;
    house.write("a.md", "# 하나\n\n글이다.\n");
    house.add_records().await;
    let noise = |seed: u64| -> String {
        let mut state = seed;
        let mut letter = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from_u32(0xac00 + (state >> 33) as u32 % 11_172).unwrap()
        };
        (0..60_000).map(|place| if place % 40 == 39 { '\n' } else { letter() }).collect()
    };
    for number in 0..20 {
        house.write(&format!("b{number}.txt"), noise(number));
    }
    let limit = |pages: i64| {
        let store = house.store.clone();
        async move {
            let mut write = store.write().await.unwrap();
            let statement =
                if pages == 0 { "PRAGMA max_page_count = 100000000" } else { "PRAGMA max_page_count = 200" };
            sqlx::query(statement).fetch_all(&mut *write).await.unwrap();
        }
    };
    limit(200).await;
    let error = house.try_add(&house.records(), &AddOptions::default()).await.unwrap_err();
    assert!(matches!(error, AddError::Store(store::StoreError::Full)), "{error}");
    house.check_log().await;
    assert_eq!(house.paths().await, ["a.md"]);
    limit(0).await;
    assert_eq!(house.add_records().await.added, 20);
    house.check_log().await;
}

#[tokio::test]
async fn one_add_at_a_time_changes_a_corpus() {
    let house = House::new().await;
    house.write("a.md", "# 하나\n\n글이다.\n");
    let paths = [house.records()];
    let options = AddOptions::default();
    {
        let mut add = pin!(house.corpora.add(&house.corpus, &paths, &options, &|_| {}));
        let waiting = std::future::poll_fn(|context| Poll::Ready(add.as_mut().poll(context).is_pending())).await;
        assert!(waiting);
        assert!(house.corpora.status(house.corpus.id).await.unwrap().adding);
        assert!(matches!(house.try_add(&house.records(), &options).await, Err(AddError::Busy)));
        assert!(matches!(house.corpora.remove(house.corpus.id).await, Err(CorpusError::Busy)));
    }
    assert_eq!(house.add_records().await.added, 1);
}

#[tokio::test]
async fn too_many_files_are_refused_and_what_came_before_stays() {
    let house = House::new().await;
    for number in 0..8 {
        house.write(&format!("{number}.md"), "# 글\n\n글이다.\n");
    }
    let limits = Limits { files_max: 5, ..Limits::default() };
    let error = house.try_add(&house.records(), &AddOptions { limits, ..AddOptions::default() }).await.unwrap_err();
    assert!(matches!(error, AddError::TooManyFiles { files_max: 5 }));
    assert_eq!(house.paths().await.len(), 5);
    let report = house.add_records().await;
    assert_eq!((report.added, report.unchanged, report.removed), (3, 5, 0));
}

#[tokio::test]
async fn corpora_are_named_found_and_kept_apart() {
    let house = House::new().await;
    let make = |name: &str| house.corpora.create(house.tenant, new_corpus(name, Class::Open, &[]));
    assert!(matches!(make("법령").await, Err(CorpusError::NameTaken(_))));
    for bad in ["", "../x", "a/b", "공 백", ".hidden", "a\0b", "-x", &"긴".repeat(65)] {
        assert!(matches!(make(bad).await, Err(CorpusError::BadName(_))), "{bad:?}");
    }
    let group = GroupId::new();
    let other = house.corpora.create(TenantId::new(), new_corpus("법령", Class::Sensitive, &[group])).await.unwrap();
    // A name typed in pieces (as macOS does) is the same name.
    let pieces: String = "법령"
        .chars()
        .flat_map(|letter| {
            let code = letter as u32 - 0xac00;
            [0x1100 + code / 588, 0x1161 + code % 588 / 28, 0x11a7 + code % 28]
                .into_iter()
                .filter(|code| *code != 0x11a7)
        })
        .filter_map(char::from_u32)
        .collect();
    assert_eq!(house.corpora.find(house.tenant, &pieces).await.unwrap(), Some(house.corpus.clone()));
    assert_eq!(house.corpora.list(house.tenant).await.unwrap(), std::slice::from_ref(&house.corpus));
    assert_eq!(house.corpora.find(other.tenant, "법령").await.unwrap(), Some(other.clone()));
    let terms = house.corpora.terms(&other);
    assert_eq!((terms.tenant, terms.readers), (other.tenant, [group].into()));
    let everybody = CorpusChange { readers: Some([].into()), ..CorpusChange::default() };
    house.corpora.change(other.id, everybody).await.unwrap();
    assert!(house.corpora.get(other.id).await.unwrap().unwrap().readers.is_empty());
}

#[tokio::test]
async fn what_is_removed_is_heard_of_by_the_log() {
    let house = House::new().await;
    house.write("a.md", "# 하나\n\n글이다.\n");
    house.write("b.md", "# 둘\n\n글이다.\n");
    house.add_records().await;
    let document = house.corpora.show(house.corpus.id, "a.md").await.unwrap();
    house.corpora.remove_document(house.corpus.id, document.summary.id).await.unwrap();
    assert_eq!(house.paths().await, ["b.md"]);
    assert!(matches!(
        house.corpora.remove_document(house.corpus.id, document.summary.id).await,
        Err(CorpusError::NoDocument(_))
    ));
    house.check_log().await;
    let head = house.corpora.head().await.unwrap();
    house.corpora.remove(house.corpus.id).await.unwrap();
    assert!(matches!(house.corpora.remove(house.corpus.id).await, Err(CorpusError::NoCorpus)));
    assert_eq!(house.corpora.find(house.tenant, "법령").await.unwrap(), None);
    let changes = house.corpora.changes_after(head, 100).await.unwrap();
    assert_eq!(changes.len(), 2);
    assert!(changes.iter().all(|row| row.forgotten && row.path.is_empty() && row.removed_version.is_some()));
    assert_eq!(house.corpora.text(document.passages[0].revision).await.unwrap(), None);
    house.check_log().await;
    // Numbers go on; none is used again.
    let corpus = house.corpora.create(house.tenant, new_corpus("법령", Class::Open, &[])).await.unwrap();
    house.corpora.add(&corpus, &[house.records()], &AddOptions::default(), &|_| {}).await.unwrap();
    house.check_log().await;
}
