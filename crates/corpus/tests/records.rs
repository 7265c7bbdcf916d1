//! Real records: the project's own examples, and the Acts where they are at hand.
#![allow(clippy::unwrap_used)]

mod house;

use std::path::Path;

use house::House;

#[tokio::test]
async fn the_example_records_are_read_whole() {
    let house = House::new().await;
    let report = house.add(Path::new("../../examples/records")).await;
    assert_eq!(report.failed_count, 0, "{:?}", report.failed);
    assert_eq!(report.warnings_count, 0, "{:?}", report.warnings);
    assert!(report.added >= 30);
    house.check_log().await;
    let find = async |path: &str, words: &str| {
        let document = house.corpora.show(house.corpus.id, path).await.unwrap();
        let found = document.passages.iter().find(|passage| passage.text().contains(words));
        found.unwrap_or_else(|| panic!("`{words}` in {path}: {}", document.text)).clone()
    };
    // CP949, UTF-16 without thought for the reader, HTML with a menu, a table, questions.
    assert_eq!(
        find("회의록/2018-11-13-정수장증설협의.txt", "36,000").await.headings.last().unwrap().as_str(),
        "1. 증설 규모"
    );
    find("설비/2024-07-배수본관파손사고보고.txt", "400").await;
    find("설비/설비대장.csv", "설비번호: P-202 · 설비명: 송수펌프 2호").await;
    find("민원/민원상담사례_2025.jsonl", "question: 빈집인데").await;
    let page = house.text("정비매뉴얼/염소누출비상대응.html").await;
    assert!(!page.contains("1234ppm") && !page.contains("9999") && !page.contains("누리집 지도"), "{page}");
}

#[tokio::test]
#[ignore = "needs the Acts, in the folder that DURE_TEST_ACTS names"]
async fn all_acts_are_gathered_and_again_change_nothing() {
    let acts = std::env::var_os("DURE_TEST_ACTS").expect("DURE_TEST_ACTS names no folder");
    let house = House::new().await;
    let report = house.add(Path::new(&acts)).await;
    assert_eq!((report.added, report.failed_count, report.warnings_count), (1_676, 0, 0));
    assert!(report.passages >= 83_575);
    let again = house.add(Path::new(&acts)).await;
    assert_eq!((again.unchanged, again.version), (1_676, report.version));
    house.check_log().await;
    let act = house.corpora.show(house.corpus.id, "000006_여권법.md").await.unwrap();
    let article = act.passages.iter().find(|passage| passage.text().starts_with("제2조(")).unwrap();
    assert_eq!(&*article.headings, ["여권법", "제2조 여권의 소지"]);
}
