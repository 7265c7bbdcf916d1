//! The engine with real weights: `DURE_TEST_MODEL` names a chat model's GGUF file, `DURE_TEST_EMBED_MODEL` an
//! embedding model's.
//! `make test` runs these once it has fetched the default models.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use engine::{
    CacheSalt, ChatRequest, EmbedKind, EmbedRequest, Engine as _, EngineError, Event, Finish, Message, Priority, Role,
    Sampling,
};
use futures::{StreamExt, future};
use llama::{Config, Engine};
use serde_json::json;

const CHILD: &str = env!("CARGO_BIN_EXE_llama-child");

fn file(variable: &str) -> PathBuf {
    std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} names no model")).into()
}

fn chat_engine(change: impl FnOnce(&mut Config)) -> Engine {
    let mut config = Config::chat(CHILD, "model", file("DURE_TEST_MODEL"));
    config.context_tokens = 2048;
    change(&mut config);
    Engine::open(config).unwrap()
}

fn request(said: &str) -> ChatRequest {
    ChatRequest { tokens_max: 24, ..ChatRequest::new(vec![Message::new(Role::User, said)], CacheSalt([1; 16])) }
}

async fn ask(engine: &Engine, request: ChatRequest) -> Result<(String, Finish, base::Usage), EngineError> {
    let mut events = engine.chat(request).await?;
    let mut text = String::new();
    while let Some(event) = events.next().await {
        match event? {
            Event::Text(more) => text += &more,
            Event::Done { finish, usage } => return Ok((text, finish, usage)),
            other => panic!("nobody asked for {other:?}"),
        }
    }
    panic!("an answer ended without an end");
}

#[tokio::test]
#[ignore = "needs weights; `make test` runs it with the default models"]
async fn a_model_answers_the_same_each_time_for_the_same_seed() {
    let engine = chat_engine(|_| {});
    let (first, _, cold) = ask(&engine, request("Write the word \"seven\" and nothing else.")).await.unwrap();
    assert!(first.to_lowercase().contains("seven"), "{first}");
    assert_eq!(cold.cached_tokens, 0);
    let (_, _, warm) = ask(&engine, request("Write the word \"seven\" and nothing else.")).await.unwrap();
    assert_eq!(warm.cached_tokens, warm.prompt_tokens - 1);

    let drawn = async |seed: u32| {
        let mut request = request("Tell me a story about a pump in a waterworks.");
        let salt = CacheSalt([u8::try_from(seed % 251).unwrap(); 16]);
        request.sampling =
            Sampling { temperature: 1.0, top_p: 0.95, top_k: 50, seed: Some(seed), ..Sampling::default() };
        // Each draws from a state of its own, since a cached one is computed in other steps.
        request.salt = salt;
        ask(&engine, request).await.unwrap().0
    };
    let (once, other) = (drawn(7).await, drawn(8).await);
    assert_ne!(once, other);
    drop(engine);
    let engine = chat_engine(|_| {});
    let mut again = request("Tell me a story about a pump in a waterworks.");
    again.sampling = Sampling { temperature: 1.0, top_p: 0.95, top_k: 50, seed: Some(7), ..Sampling::default() };
    again.salt = CacheSalt([7; 16]);
    assert_eq!(ask(&engine, again).await.unwrap().0, once);
}

#[tokio::test]
#[ignore = "needs weights; `make test` runs it with the default models"]
async fn an_answer_follows_its_schema() {
    let engine = chat_engine(|_| {});
    let mut request = request("Where is Seoul, and is it a big city?");
    request.tokens_max = 120;
    request.schema = Some(json!({
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 30}, "country": {"enum": ["Korea", "Japan"]}, "big": {"type": "boolean"}},
        "required": ["city", "country", "big"],
        "additionalProperties": false
    }));
    for temperature in [0.0, 1.5] {
        request.sampling = Sampling { temperature, seed: Some(3), ..Sampling::default() };
        let (text, finish, _) = ask(&engine, request.clone()).await.unwrap();
        assert_eq!(finish, Finish::Stop, "{text}");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(value["city"].is_string() && value["big"].is_boolean(), "{text}");
        assert!(["Korea", "Japan"].contains(&value["country"].as_str().unwrap()), "{text}");
    }
    request.schema = Some(json!({"type": "no such type"}));
    assert!(matches!(ask(&engine, request).await, Err(EngineError::Invalid(_))));
    assert!(engine.child_pid().is_some());
}

#[tokio::test]
#[ignore = "needs weights; `make test` runs it with the default models"]
async fn what_is_said_never_becomes_a_special_token() {
    let engine = chat_engine(|_| {});
    let count = async |said: &str| engine.count_tokens(&request(said)).await.unwrap();
    // As text this is several tokens; as the template's own it would be one.
    assert!(count("x<|im_start|>x").await >= count("xx").await + 3);
    assert!(count("x<|endoftext|>x").await >= count("xx").await + 3);
}

#[tokio::test]
#[ignore = "needs weights; `make test` runs it with the default models"]
async fn many_chats_and_a_full_window_end_well() {
    let engine = chat_engine(|config| config.context_tokens = 96);
    let requests = (0..6).map(|n| {
        let mut request = request(&format!("Count upwards from {n} without end, one number each line."));
        request.tokens_max = 500;
        request.sampling.frequency_penalty = 0.5;
        request
    });
    for answer in future::join_all(requests.map(|request| ask(&engine, request))).await {
        let (text, finish, usage) = answer.unwrap();
        assert!(!text.is_empty());
        if finish == Finish::Length {
            assert_eq!(usage.total_tokens(), 97);
        }
    }
    let long = request(&"many words ".repeat(100));
    assert!(matches!(ask(&engine, long).await, Err(EngineError::TooLong { tokens_max: 95, .. })));
}

#[tokio::test]
#[ignore = "needs weights; `make test` runs it with the default models"]
async fn vectors_of_a_real_model_are_near_where_texts_are() {
    let engine = Engine::open(Config::embed(CHILD, "e5", file("DURE_TEST_EMBED_MODEL"))).unwrap();
    let texts =
        ["펌프가 멈추면 예비 펌프를 켠다", "If the pump stops, switch on the spare pump", "A recipe for kimchi stew"];
    let embed = async |texts: Vec<String>| {
        let request = EmbedRequest { texts, kind: EmbedKind::Passage, priority: Priority::Interactive };
        engine.embed(request).await.unwrap()
    };
    let vectors = embed(texts.iter().map(|&text| text.to_owned()).collect()).await;
    assert_eq!(engine.describe().dimensions, Some(vectors[0].vector.len() as u32));
    let near =
        |a: usize, b: usize| -> f32 { vectors[a].vector.iter().zip(&vectors[b].vector).map(|(x, y)| x * y).sum() };
    assert!((near(0, 0) - 1.0).abs() < 1e-4);
    assert!(near(0, 1) > near(0, 2) && near(0, 1) > near(1, 2), "{} {} {}", near(0, 1), near(0, 2), near(1, 2));

    let long = embed(vec!["물 ".repeat(5000)]).await;
    assert!(long[0].tokens > 5000);
    assert_eq!(embed(vec![String::new()]).await.len(), 1);
}
