//! Search by meaning and by both: vectors that come, vectors that are missing, embedders that fail.

#![allow(clippy::unwrap_used)]

mod world;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base::TenantId;
use engine::fake::FakeEngine;
use engine::{ChatRequest, Description, EmbedRequest, Embedding, Engine, EngineError, EventStream};
use retrieval::{Config, Mode, Query, WithoutMeaning};
use world::*;

const FILES: [(&str, &str); 4] = [
    ("a.md", "펌프의 압력을 매월 점검한다."),
    ("b.md", "취득세를 감면한다."),
    ("c.md", "펌프의 진동을 매일 잰다."),
    ("d.md", "회의록을 공개한다."),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_right_while_vectors_are_half_made() {
    let world = World::new().await;
    let tenant = TenantId::new();
    let corpus = world.corpus(tenant, "records").await;
    world.add(&corpus, &FILES).await;
    let permit = world.permit(&person(tenant, &[]), &[&corpus]);
    let search = world.search_with(Some(embedder()), world.config()).await;

    let none = search.search(&permit, &by(Mode::Fused, "펌프 점검")).await.unwrap();
    assert_eq!(none.without_meaning, Some(WithoutMeaning::NoVectors));
    assert_eq!(paths(&none), ["a.md", "c.md"]);

    let all = search.search(&permit, &words("펌프 취득세 회의록")).await.unwrap();
    let passage = |path: &str| all.hits.iter().find(|hit| hit.path == path).unwrap().passage;
    search.embed(&[passage("b.md"), passage("c.md")]).await.unwrap();
    let half = search.search(&permit, &by(Mode::Fused, "펌프 점검")).await.unwrap();
    assert_eq!((half.embedded, half.searched, half.without_meaning), (2, 4, None));
    assert_eq!(paths(&half)[0], "a.md", "the best by words is not held back for want of a vector: {half:?}");
    assert!(paths(&half).contains(&"c.md"));
    let near = search.search(&permit, &by(Mode::Meaning, "취득세의 감면")).await.unwrap();
    assert_eq!(paths(&near), ["b.md", "c.md"]);

    search.embed(&[passage("a.md"), passage("d.md")]).await.unwrap();
    let whole = search.search(&permit, &by(Mode::Fused, "펌프 점검")).await.unwrap();
    assert_eq!((whole.embedded, paths(&whole)[0]), (4, "a.md"));
    assert_eq!(whole.hits[0].words_rank, Some(1));
    assert!(whole.hits.iter().all(|hit| hit.meaning_rank.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_are_made_in_the_background_once_and_survive_a_restart() {
    let world = World::new().await;
    let tenant = TenantId::new();
    let corpus = world.corpus(tenant, "records").await;
    let files = records(50);
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.add(&corpus, &files).await;
    let permit = world.permit(&person(tenant, &[]), &[&corpus]);
    let engine = embedder();
    let search = world.search_with(Some(engine.clone()), Config { background: true, ..world.config() }).await;
    engine.wait_until(|seen| seen.texts >= 20).await;
    search.close().await;
    drop(search);
    let first = engine.seen().texts;

    let search = world.search_with(Some(engine.clone()), Config { background: true, ..world.config() }).await;
    until(|| search.status().embedded == 50).await;
    let made = engine.seen().texts;
    assert!(made <= 50 + 8, "at most the request that was interrupted is made twice: {first} and then {made}");
    let found = search.search(&permit, &by(Mode::Meaning, "펌프 점검 12")).await.unwrap();
    let before = ranking(&found);
    assert_eq!(found.embedded, 50);
    search.close().await;
    drop(search);

    // Without the word index the vectors are found again by content.
    remove(&world.index_dir());
    let made = engine.seen().texts;
    let search = world.search_with(Some(engine.clone()), world.config()).await;
    search.catch_up().await.unwrap();
    assert_eq!(search.status().embedded, 50);
    assert_eq!(engine.seen().texts, made);
    assert_eq!(ranking(&search.search(&permit, &by(Mode::Meaning, "펌프 점검 12")).await.unwrap()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_of_questions_come_first() {
    let world = World::new().await;
    let tenant = TenantId::new();
    let corpus = world.corpus(tenant, "records").await;
    let mut files = records(200);
    files.push(("999/zzz.md".into(), "# 침사지\n\n침사지의 모래를 치운다.\n".into()));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.add(&corpus, &files).await;
    let permit = world.permit(&person(tenant, &[]), &[&corpus]);
    let gate = engine::fake::Gate::closed();
    let engine = Arc::new(FakeEngine::echo("fake").with_dimensions(64).gated(&gate));
    let search = world.search_with(Some(engine.clone()), Config { background: true, ..world.config() }).await;
    engine.wait_until(|seen| seen.texts > 0).await;
    let asked = search.search(&permit, &by(Mode::Fused, "침사지의 모래")).await.unwrap();
    assert_eq!(asked.without_meaning, Some(WithoutMeaning::NoVectors));
    // The 32 that were read when the question came are finished first, then the candidate by itself. In the order of
    // passages, one more text would not be enough for the next request of eight.
    gate.let_through(33);
    until(|| search.status().embedded == 33).await;
    gate.let_through(1_000);
    let found = search.search(&permit, &by(Mode::Meaning, "침사지의 모래")).await.unwrap();
    assert_eq!(paths(&found)[0], "999/zzz.md");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_embedder_or_with_one_that_fails_words_answer_and_the_result_says_so() {
    let world = World::new().await;
    let tenant = TenantId::new();
    let corpus = world.corpus(tenant, "records").await;
    world.add(&corpus, &FILES).await;
    let permit = world.permit(&person(tenant, &[]), &[&corpus]);
    let search = world.search().await;
    let by_words = ranking(&search.search(&permit, &words("펌프 점검")).await.unwrap());
    let found = search.search(&permit, &by(Mode::Fused, "펌프 점검")).await.unwrap();
    assert_eq!(found.without_meaning, Some(WithoutMeaning::NoEmbedder));
    assert_eq!(ranking(&found), by_words);
    search.close().await;
    drop(search);

    let chatter: Arc<dyn Engine> = Arc::new(FakeEngine::echo("fake").chatting_only());
    let search = world.search_with(Some(chatter), world.config()).await;
    let found = search.search(&permit, &by(Mode::Fused, "펌프 점검")).await.unwrap();
    assert_eq!(found.without_meaning, Some(WithoutMeaning::NoEmbedder));
    search.close().await;
    drop(search);

    let engine = embedder();
    let search = world.search_with(Some(engine.clone()), world.config()).await;
    search.embed(&found.hits.iter().map(|hit| hit.passage).collect::<Vec<_>>()).await.unwrap();
    engine.set_busy(true);
    let found = search.search(&permit, &by(Mode::Fused, "펌프 점검")).await.unwrap();
    assert_eq!(found.without_meaning, Some(WithoutMeaning::EmbedderFailed));
    assert_eq!(ranking(&found), by_words);
    engine.set_busy(false);
    let found = search.search(&permit, &by(Mode::Fused, "펌프 점검")).await.unwrap();
    assert_eq!(found.without_meaning, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_gets_the_vectors_of_the_best_candidates() {
    let world = World::new().await;
    let tenant = TenantId::new();
    let corpus = world.corpus(tenant, "records").await;
    world.add(&corpus, &FILES).await;
    let permit = world.permit(&person(tenant, &[]), &[&corpus]);
    let search = world.search_with(Some(embedder()), world.config()).await;
    let query = Query { patience: Duration::from_secs(5), ..by(Mode::Fused, "펌프 점검") };
    let found = search.search(&permit, &query).await.unwrap();
    assert_eq!((found.embedded, found.without_meaning), (2, None));
    assert!(found.hits.iter().all(|hit| hit.meaning_rank.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_the_embedder_refuses_does_not_hold_up_the_others() {
    let world = World::new().await;
    let tenant = TenantId::new();
    let corpus = world.corpus(tenant, "records").await;
    world.add(&corpus, &FILES).await;
    let picky = Arc::new(Picky(FakeEngine::echo("fake").with_dimensions(64)));
    let search = world.search_with(Some(picky), Config { background: true, ..world.config() }).await;
    until(|| search.status().embedded == 3).await;
    let permit = world.permit(&person(tenant, &[]), &[&corpus]);
    let found = search.search(&permit, &by(Mode::Fused, "취득세")).await.unwrap();
    assert_eq!(paths(&found)[0], "b.md");
    assert_eq!(search.status().trouble, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_vectors_are_not_found_even_for_the_same_text() {
    let world = World::new().await;
    let (ours, theirs) = (TenantId::new(), TenantId::new());
    let (our_corpus, their_corpus) = (world.corpus(ours, "records").await, world.corpus(theirs, "records").await);
    world.add(&our_corpus, &FILES[..1]).await;
    world.add(&their_corpus, &FILES).await;
    let search = world.search_with(Some(embedder()), Config { background: true, ..world.config() }).await;
    until(|| search.status().embedded == 5).await;
    let permit = world.permit(&person(ours, &[]), &[&our_corpus]);
    for mode in [Mode::Meaning, Mode::Fused] {
        let found = search.search(&permit, &by(mode, "취득세를 감면한다")).await.unwrap();
        assert_eq!((found.searched, found.embedded), (1, 1));
        assert!(found.hits.iter().all(|hit| hit.corpus == our_corpus.id));
    }
    world.corpora.remove(our_corpus.id).await.unwrap();
    let found = search.search(&permit, &by(Mode::Meaning, "펌프")).await.unwrap();
    assert!(found.hits.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_can_run_on_any_thread() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let world = World::new().await;
    let tenant = TenantId::new();
    let corpus = world.corpus(tenant, "records").await;
    let permit = world.permit(&person(tenant, &[]), &[&corpus]);
    let search = world.search().await;
    let query = words("x");
    assert!(is_send(search.search(&permit, &query)).await.unwrap().hits.is_empty());
}

/// Refuses texts about taxes.
#[derive(Debug)]
struct Picky(FakeEngine);

#[async_trait]
impl Engine for Picky {
    fn describe(&self) -> &Description {
        self.0.describe()
    }

    async fn chat(&self, request: ChatRequest) -> Result<EventStream, EngineError> {
        self.0.chat(request).await
    }

    async fn count_tokens(&self, request: &ChatRequest) -> Result<u32, EngineError> {
        self.0.count_tokens(request).await
    }

    async fn embed(&self, request: EmbedRequest) -> Result<Vec<Embedding>, EngineError> {
        if request.kind == engine::EmbedKind::Passage && request.texts.iter().any(|text| text.contains("취득세")) {
            return Err(EngineError::Quarantined { model: "fake".into() });
        }
        self.0.embed(request).await
    }
}

/// Lets other tasks run until `done`.
async fn until(done: impl Fn() -> bool) {
    while !done() {
        tokio::task::yield_now().await;
    }
}
