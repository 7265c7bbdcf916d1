//! What a check of the data folder finds in documents.
#![allow(clippy::unwrap_used)]

mod house;

use house::House;

async fn findings(house: &House) -> Vec<String> {
    house.corpora.check(&|_, _| {}).await.unwrap()
}

async fn change(house: &House, sql: &'static str) {
    let mut write = house.store.write().await.unwrap();
    let changed = sqlx::query(sql).execute(&mut *write).await.unwrap().rows_affected();
    assert!(changed > 0, "{sql}");
    write.commit().await.unwrap();
}

#[tokio::test]
async fn what_citations_stand_on_is_compared_with_what_was_written() {
    let house = House::new().await;
    house.write("조례.md", "# 수도 조례\n\n제1조 수도를 쓰는 사람은 요금을 낸다.\n");
    house.write("규칙.md", "# 수도 규칙\n\n제1조 요금은 매달 낸다.\n");
    house.write("버린 것.md", "# 지난 규칙\n\n제1조 요금은 해마다 낸다.\n");
    house.add_records().await;
    std::fs::remove_file(house.records().join("버린 것.md")).unwrap();
    house.add_records().await;
    assert_eq!(findings(&house).await, Vec::<String>::new());

    for (sql, words) in [
        ("UPDATE passage SET stop = stop + 1000000 WHERE id = 1", "is no part of its text"),
        ("UPDATE passage SET stop = stop - 1000000 WHERE id = 1", ""),
        ("UPDATE passage SET start = start + 1 WHERE id = 1", "is no part of its text"),
        ("UPDATE passage SET start = start - 1 WHERE id = 1", ""),
        ("UPDATE revision SET text_bytes = text_bytes + 1 WHERE number = 1", "bytes, and should have"),
        ("UPDATE revision SET text_bytes = text_bytes - 1 WHERE number = 1", ""),
        ("UPDATE revision SET passages = passages + 100 WHERE number = 1", "passages, and should have"),
        ("UPDATE revision SET passages = passages - 100 WHERE number = 1", ""),
        ("DELETE FROM document_text WHERE revision = 1", "its text is not there"),
    ] {
        change(&house, sql).await;
        let found = findings(&house).await;
        match words {
            "" => assert_eq!(found, Vec::<String>::new(), "{sql}"),
            words => assert!(found.len() == 1 && found[0].contains(words), "{sql}: {found:?}"),
        }
    }
}
