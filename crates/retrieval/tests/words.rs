//! Search by words: who finds what, and what stays the same.

#![allow(clippy::unwrap_used)]

mod world;

use base::{Class, GroupId, TenantId};
use corpus::AddOptions;
use retrieval::{Config, Filter, Query, SearchError};
use world::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_found_as_soon_as_it_is_committed_with_its_quote() {
    let world = World::new().await;
    let search = world.search().await;
    let tenant = TenantId::new();
    let law = world.corpus(tenant, "law").await;
    let permit = world.permit(&person(tenant, &[]), &[&law]);
    world
        .add(&law, &[("water.md", "# 수도 조례\n\n## 제15조 요금의 감면\n\n재해를 입은 가구의 요금은 감면한다.\n")])
        .await;
    let found = search.search(&permit, &words("재해 가구 요금 감면")).await.unwrap();
    assert_eq!((found.searched, found.behind), (1, 0));
    let hit = &found.hits[0];
    assert_eq!(hit.path, "water.md");
    assert_eq!(hit.headings, ["수도 조례", "제15조 요금의 감면"]);
    let revision = &world.corpora.revisions(hit.document).await.unwrap()[0];
    let whole = world.corpora.text(revision.revision).await.unwrap().unwrap();
    assert_eq!(&whole[hit.span.start as usize..hit.span.end as usize], hit.text);
    for question in ["제15조", "제 15 조", "15조"] {
        assert_eq!(search.search(&permit, &words(question)).await.unwrap().hits.len(), 1, "{question}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenant_finds_nothing_and_changes_no_score() {
    let world = World::new().await;
    let search = world.search().await;
    let (ours, theirs) = (TenantId::new(), TenantId::new());
    let our_corpus = world.corpus(ours, "records").await;
    world
        .add(&our_corpus, &[("a.md", "펌프의 압력은 3.5 이하로 한다."), ("b.md", "요금은 매월 낸다. 펌프는 없다.")])
        .await;
    let permit = world.permit(&person(ours, &[]), &[&our_corpus]);
    let before = search.search(&permit, &words("펌프의 압력")).await.unwrap();
    assert_eq!(paths(&before), ["a.md", "b.md"]);

    let their_corpus = world.corpus(theirs, "records").await;
    world.add(&their_corpus, &[("c.md", "펌프의 압력. 펌프의 압력. 비밀 펌프."), ("d.md", "압력 펌프 압력")]).await;
    let after = search.search(&permit, &words("펌프의 압력")).await.unwrap();
    assert_eq!(ranking(&before), ranking(&after));
    assert_eq!(after.searched, 2);
    assert!(search.search(&permit, &words("비밀")).await.unwrap().hits.is_empty());
    let their_permit = world.permit(&person(theirs, &[]), &[&their_corpus]);
    assert_eq!(search.search(&their_permit, &words("비밀")).await.unwrap().hits.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_with_readers_or_a_higher_class_is_found_by_them_alone() {
    let world = World::new().await;
    let search = world.search().await;
    let (tenant, works) = (TenantId::new(), GroupId::new());
    let corpus = world.corpus(tenant, "records").await;
    world.add(&corpus, &[("all/open.md", "공개된 펌프 기록")]).await;
    let outsider = world.permit(&person(tenant, &[]), &[&corpus]);
    let alone = search.search(&outsider, &words("펌프 기록")).await.unwrap();

    let closed = AddOptions { readers: [works].into(), ..AddOptions::default() };
    world.add_one_as(&corpus, "closed.md", "닫힌 펌프 기록", &closed).await;
    let secret = AddOptions { class: Some(Class::Classified), ..AddOptions::default() };
    world.add_one_as(&corpus, "secret.md", "비밀 펌프 기록", &secret).await;

    let found = search.search(&outsider, &words("펌프 기록")).await.unwrap();
    assert_eq!(paths(&found), ["all/open.md"]);
    assert_eq!(ranking(&found), ranking(&alone), "what is closed changes no score");
    let reader = world.permit(&person(tenant, &[works]), &[&corpus]);
    let found = search.search(&reader, &words("펌프 기록")).await.unwrap();
    assert_eq!((found.searched, found.hits.len()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_or_changed_is_gone_at_once() {
    let world = World::new().await;
    let search = world.search().await;
    let tenant = TenantId::new();
    let corpus = world.corpus(tenant, "records").await;
    let permit = world.permit(&person(tenant, &[]), &[&corpus]);
    world.add(&corpus, &[("a.md", "옛 규정은 펌프를 말한다."), ("b.md", "밸브 규정")]).await;
    assert_eq!(search.search(&permit, &words("펌프")).await.unwrap().hits.len(), 1);

    world.add(&corpus, &[("a.md", "새 규정은 밸브를 말한다.")]).await;
    assert!(search.search(&permit, &words("펌프")).await.unwrap().hits.is_empty());
    let found = search.search(&permit, &words("밸브")).await.unwrap();
    assert_eq!(found.searched, 2);

    std::fs::remove_file(world.folder(&corpus).join("a.md")).unwrap();
    world.add(&corpus, &[]).await;
    let found = search.search(&permit, &words("밸브")).await.unwrap();
    assert_eq!(paths(&found), ["b.md"]);

    world.corpora.remove(corpus.id).await.unwrap();
    let found = search.search(&permit, &words("밸브")).await.unwrap();
    assert_eq!((found.hits.len(), found.searched), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_takes_away_and_never_adds() {
    let world = World::new().await;
    let search = world.search().await;
    let tenant = TenantId::new();
    let (one, two) = (world.corpus(tenant, "one").await, world.corpus(tenant, "two").await);
    world.add(&one, &[("notices/2024-03-01 공고.md", "펌프 공고"), ("manual/pump.md", "펌프 설명서")]).await;
    let sensitive = AddOptions { class: Some(Class::Sensitive), ..AddOptions::default() };
    world.add_as(&two, &[("notices/x.md", "펌프 민감")], &sensitive).await;
    let permit = world.permit(&person(tenant, &[]), &[&one, &two]);
    let only_one = world.permit(&person(tenant, &[]), &[&one]);
    let ask = async |permit, filter: Filter| {
        let mut found = search.search(permit, &Query { filter, ..words("펌프") }).await.unwrap().hits;
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found.into_iter().map(|hit| hit.path).collect::<Vec<_>>()
    };
    let all = ["manual/pump.md", "notices/2024-03-01 공고.md", "notices/x.md"];
    assert_eq!(ask(&permit, Filter::default()).await, all);
    let corpora = Filter { corpora: Some([two.id].into()), ..Filter::default() };
    assert_eq!(ask(&permit, corpora.clone()).await, all[2..]);
    assert!(ask(&only_one, corpora).await.is_empty(), "a filter opens nothing");
    let prefix = Filter { path_prefix: Some("notices/".into()), ..Filter::default() };
    assert_eq!(ask(&permit, prefix).await, all[1..]);
    let class = Filter { class_max: Some(Class::Open), ..Filter::default() };
    assert_eq!(ask(&permit, class).await, all[..2]);
    let day = |text: &str| Some(text.parse().unwrap());
    let dated = Filter { dated_from: day("2024-03-01"), dated_to: day("2024-03-01"), ..Filter::default() };
    assert_eq!(ask(&permit, dated).await, all[1..2]);
    let later = Filter { dated_from: day("2024-03-02"), ..Filter::default() };
    assert!(ask(&permit, later).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_the_index_changes_no_ranking() {
    let world = World::new().await;
    let tenant = TenantId::new();
    let corpus = world.corpus(tenant, "records").await;
    let permit = world.permit(&person(tenant, &[]), &[&corpus]);
    let files = records(300);
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let questions = ["펌프 점검 12", "취득세 감면 담당", "기록이다", "수질 검사 번호 299"];
    let search = world.search().await;
    // Added in pieces, partly changed, partly removed, so that the index has dead rows and several segments.
    for part in files.chunks(60) {
        world.add(&corpus, part).await;
        search.catch_up().await.unwrap();
    }
    world.add(&corpus, &[(files[8].0, "# 다른 글\n\n펌프 점검 기록이 아니다.")]).await;
    std::fs::remove_file(world.folder(&corpus).join(files[4].0)).unwrap();
    world.add(&corpus, &[]).await;
    let mut before = Vec::new();
    for question in questions {
        before.push(ranking(&search.search(&permit, &Query { top: 100, ..words(question) }).await.unwrap()));
    }
    search.close().await;
    drop(search);
    remove(&world.index_dir());
    let search = world.search().await;
    for (question, before) in questions.iter().zip(before) {
        let after = search.search(&permit, &Query { top: 100, ..words(question) }).await.unwrap();
        assert!(!before.is_empty());
        assert_eq!(ranking(&after), before, "{question}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_beside_a_long_addition_finds_what_was_committed() {
    let world = World::new().await;
    let search = world.search().await;
    let tenant = TenantId::new();
    let corpus = world.corpus(tenant, "records").await;
    let permit = world.permit(&person(tenant, &[]), &[&corpus]);
    let files = records(1_500);
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let adding = world.add(&corpus, &files);
    let asking = async {
        let mut seen = 0;
        while seen < 1_500 {
            let status = world.corpora.status(corpus.id).await.unwrap();
            let found = search.search(&permit, &words("기록이다")).await.unwrap();
            assert!(found.searched >= status.passages && found.searched >= seen);
            assert_eq!(found.behind, 0);
            seen = found.searched;
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(adding, asking);
    assert_eq!(search.status().indexed, 1_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_was_dropped_while_indexing_goes_on_where_it_was() {
    let world = World::new().await;
    let tenant = TenantId::new();
    let corpus = world.corpus(tenant, "records").await;
    let permit = world.permit(&person(tenant, &[]), &[&corpus]);
    let files = records(400);
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.add(&corpus, &files).await;
    for round in 0..8 {
        let search = world.search().await;
        let catching_up = search.catch_up();
        if round < 7 {
            // Let the follower run for a few turns only, then end it in the middle.
            let turns = async {
                for _ in 0..round * 10 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! { _ = catching_up => {}, () = turns => {} }
        } else {
            catching_up.await.unwrap();
            let found = search.search(&permit, &Query { top: 1_000, ..words("기록이다") }).await.unwrap();
            let mut passages: Vec<u32> = found.hits.iter().map(|hit| hit.passage.0).collect();
            passages.sort_unstable();
            passages.dedup();
            assert_eq!((passages.len(), found.hits.len(), found.searched), (400, 400, 400));
        }
        search.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_question_gets_a_clear_answer() {
    let world = World::new().await;
    let search = world.search().await;
    let tenant = TenantId::new();
    let corpus = world.corpus(tenant, "records").await;
    let permit = world.permit(&person(tenant, &[]), &[&corpus]);
    world.add(&corpus, &[("a.md", "펌프 기록")]).await;
    for question in ["", "   ", "?!…—", "\0\0\0", "\u{202e}\u{200f}", "\u{feff}"] {
        let found = search.search(&permit, &words(question)).await.unwrap();
        assert!(found.hits.is_empty(), "{question:?}");
    }
    for question in ["펌".repeat(1 << 20), "a".repeat(8_193)] {
        let error = search.search(&permit, &words(&question)).await.unwrap_err();
        assert!(matches!(error, SearchError::QueryTooLong { chars_max: 8_192 }), "{error}");
    }
    let longest: String = "펌프 ".chars().cycle().take(8_192).collect();
    assert_eq!(search.search(&permit, &words(&longest)).await.unwrap().hits.len(), 1);
    for top in [0, 1_001, usize::MAX] {
        let error = search.search(&permit, &Query { top, ..words("펌프") }).await.unwrap_err();
        assert!(matches!(error, SearchError::Top { .. }), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_damaged_or_of_another_version_is_built_again() {
    let world = World::new().await;
    let tenant = TenantId::new();
    let corpus = world.corpus(tenant, "records").await;
    let permit = world.permit(&person(tenant, &[]), &[&corpus]);
    world.add(&corpus, &[("a.md", "펌프 기록"), ("b.md", "밸브 기록")]).await;
    let search = world.search().await;
    let before = ranking(&search.search(&permit, &words("펌프 기록")).await.unwrap());
    search.close().await;
    drop(search);
    let meta = world.index_dir().join("meta.json");
    let text = std::fs::read_to_string(&meta).unwrap();
    for damaged in [String::new(), "{".repeat(10_000), text.replace("\\\"format\\\":1", "\\\"format\\\":0")] {
        assert_ne!(damaged, text);
        std::fs::write(&meta, damaged).unwrap();
        let search = world.search().await;
        assert_eq!(ranking(&search.search(&permit, &words("펌프 기록")).await.unwrap()), before);
        search.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_searches_are_told_so_and_the_rest_is_answered() {
    let world = World::new().await;
    let tenant = TenantId::new();
    let corpus = world.corpus(tenant, "records").await;
    let permit = world.permit(&person(tenant, &[]), &[&corpus]);
    world.add(&corpus, &[("a.md", "펌프 기록")]).await;
    let search = world.search_with(None, Config { searches_max: 1, waiting_max: 2, ..world.config() }).await;
    let query = words("펌프");
    let all = futures::future::join_all((0..10).map(|_| search.search(&permit, &query))).await;
    let answered = all.iter().filter(|found| found.as_ref().is_ok_and(|found| found.hits.len() == 1)).count();
    let refused = all.iter().filter(|found| matches!(found, Err(SearchError::Busy))).count();
    assert_eq!((answered, refused), (3, 7));
}
