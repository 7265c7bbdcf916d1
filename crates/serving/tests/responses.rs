//! Responses that are kept, at the public door.
#![allow(clippy::unwrap_used)]

mod house;

use base::{Class, Principal, ResponseId, TenantId};
use engine::fake::FakeEngine;
use house::House;
use serde_json::json;
use serving::{
    AnswerMode, Basis, Candidates, ChatCall, ChatError, Config, HistoryConfig, HistoryError, Message, NewResponse,
    NewRoute, Reply, Role,
};

const SECRET: &str = "# 대외비 점검 기록\n\n## 금고 위치\n\n정수장 예비 열쇠 금고는 지하 2층 펌프실 왼쪽 벽에 있다.\n";
const SECRET_QUESTION: &str = "정수장 예비 열쇠 금고는 어디에 있나요?";

fn say(model: &str, text: &str) -> ChatCall {
    ChatCall { model: model.into(), messages: vec![Message::new(Role::User, text)], ..ChatCall::default() }
}

/// Asks, going on from `previous`, and keeps the response.
async fn respond(
    house: &House,
    principal: &Principal,
    previous: Option<ResponseId>,
    call: ChatCall,
) -> Result<ResponseId, ChatError> {
    let mut basis = Basis::default();
    if let Some(previous) = previous {
        house.serving.history().chain(principal, previous, &mut basis).await?;
    }
    let input = vec![json!({ "type": "message", "text": call.messages[0].content })];
    let reply = Reply::gather(house.serving.respond(principal, call, 0..0, None, &mut basis).await?).await?;
    let new = NewResponse { id: ResponseId::new(), previous, input, body: json!({ "text": reply.text }) };
    house.serving.history().keep_response(principal, &new, &basis).await?;
    Ok(new.id)
}

async fn chained(house: &House, principal: &Principal, id: ResponseId) -> Result<Vec<String>, HistoryError> {
    let chain = house.serving.history().chain(principal, id, &mut Basis::default()).await?;
    Ok(chain.into_iter().map(|kept| kept.body["text"].as_str().unwrap().to_owned()).collect())
}

#[tokio::test]
async fn a_response_goes_on_from_another_until_that_is_deleted() {
    let house = House::with(FakeEngine::echo("fake"), None).await;
    let clerk = house.clerk();
    let one = respond(&house, &clerk, None, say("fake", "one")).await.unwrap();
    let two = respond(&house, &clerk, Some(one), say("fake", "two")).await.unwrap();
    let three = respond(&house, &clerk, Some(two), say("fake", "three")).await.unwrap();
    assert_eq!(chained(&house, &clerk, three).await.unwrap(), ["one", "two", "three"]);
    assert_eq!(chained(&house, &clerk, one).await.unwrap(), ["one"]);
    let history = house.serving.history();
    history.delete_response(&clerk, one).await.unwrap();
    assert!(matches!(chained(&house, &clerk, three).await, Err(HistoryError::NotFound { what: "response" })));
    assert!(matches!(history.delete_response(&clerk, one).await, Err(HistoryError::NotFound { .. })));
    assert_eq!(history.response(&clerk, three, &mut Basis::default()).await.unwrap().body["text"], "three");
}

#[tokio::test]
async fn a_response_is_its_owners_alone() {
    let house = House::with(FakeEngine::echo("fake"), None).await;
    let clerk = house.clerk();
    let id = respond(&house, &clerk, None, say("fake", "ours")).await.unwrap();
    let history = house.serving.history();
    for stranger in [house.clerk(), house.operator(), Principal { tenant: TenantId::new(), ..clerk.clone() }] {
        let gone = |error: HistoryError| matches!(error, HistoryError::NotFound { what: "response" });
        assert!(gone(history.response(&stranger, id, &mut Basis::default()).await.unwrap_err()));
        assert!(gone(history.chain(&stranger, id, &mut Basis::default()).await.unwrap_err()));
        assert!(gone(history.delete_response(&stranger, id).await.unwrap_err()));
        // A stranger's own response that claims to go on from it brings nothing of it.
        let claimed = NewResponse { id: ResponseId::new(), previous: Some(id), input: vec![], body: json!({}) };
        let mut basis = Basis::default();
        drop(house.serving.respond(&stranger, say("fake", "x"), 0..0, None, &mut basis).await);
        history.keep_response(&stranger, &claimed, &basis).await.unwrap();
        assert!(gone(history.chain(&stranger, claimed.id, &mut Basis::default()).await.unwrap_err()));
    }
}

#[tokio::test]
async fn what_a_response_was_made_of_goes_along_with_it() {
    let house = House::with(FakeEngine::echo("fake").chatting_only(), None).await;
    house.gather(house.tenant, "secrets", Class::Classified, &[("금고.md", SECRET)]).await;
    let route = NewRoute {
        name: "vault".into(),
        models: Candidates::one("fake"),
        corpora: vec!["secrets".into()],
        instructions: String::new(),
        passages_max: None,
        temperature: None,
        mode: AnswerMode::Extractive,
    };
    house.serving.routes().create(&house.operator(), route).await.unwrap();
    let cleared = Principal { read_class_max: Class::Classified, ..house.clerk() };
    let id = respond(&house, &cleared, None, say("vault", SECRET_QUESTION)).await.unwrap();
    // The engine may see sensitive text at most.
    let refused = respond(&house, &cleared, Some(id), say("fake", "say it again")).await.unwrap_err();
    assert!(matches!(refused, ChatError::Refused(guard::Refusal::EngineClass { .. })), "{refused}");
    assert!(house.chat.requests().is_empty());
    let lowered = Principal { read_class_max: Class::Open, ..cleared.clone() };
    let history = house.serving.history();
    assert!(matches!(history.response(&lowered, id, &mut Basis::default()).await, Err(HistoryError::NotFound { .. })));
    let secrets = house.corpora.find(house.tenant, "secrets").await.unwrap().unwrap();
    history.response(&cleared, id, &mut Basis::default()).await.unwrap();
    house.corpora.remove(secrets.id).await.unwrap();
    assert!(matches!(history.response(&cleared, id, &mut Basis::default()).await, Err(HistoryError::NotFound { .. })));
}

#[tokio::test]
async fn the_oldest_responses_go_by_themselves() {
    let history = HistoryConfig { responses_max: 3, owner_bytes_max: 10_000, ..HistoryConfig::default() };
    let house = House::configured(FakeEngine::echo("fake"), None, Config { history, ..Config::default() }).await;
    let (clerk, other) = (house.clerk(), house.clerk());
    let theirs = respond(&house, &other, None, say("fake", "theirs")).await.unwrap();
    let mut ids = Vec::new();
    for text in ["one", "two", "three", "four"] {
        ids.push(respond(&house, &clerk, None, say("fake", text)).await.unwrap());
    }
    assert!(chained(&house, &clerk, ids[0]).await.is_err());
    assert!(chained(&house, &clerk, ids[1]).await.is_ok());
    let long = respond(&house, &clerk, None, say("fake", &"long ".repeat(1_200))).await.unwrap();
    assert!(chained(&house, &clerk, ids[3]).await.is_err(), "bytes count, too");
    assert!(chained(&house, &clerk, long).await.is_ok(), "the newest one stays");
    assert!(chained(&house, &other, theirs).await.is_ok(), "another's are another's");
}

#[tokio::test]
async fn a_chain_has_an_end() {
    let house = House::with(FakeEngine::echo("fake"), None).await;
    let clerk = house.clerk();
    let (mut previous, mut basis) = (None, Basis::default());
    drop(house.serving.respond(&clerk, say("fake", "x"), 0..0, None, &mut basis).await.unwrap());
    for _ in 0..257 {
        let new = NewResponse { id: ResponseId::new(), previous, input: vec![], body: json!({ "text": "x" }) };
        house.serving.history().keep_response(&clerk, &new, &basis).await.unwrap();
        previous = Some(new.id);
    }
    let refused = chained(&house, &clerk, previous.unwrap()).await;
    assert!(matches!(refused, Err(HistoryError::Invalid { field: "previous_response_id", .. })), "{refused:?}");
    // One that goes on from itself, which nobody could write, is not gone round for ever.
    let own = ResponseId::new();
    let new = NewResponse { id: own, previous: Some(own), input: vec![], body: json!({}) };
    house.serving.history().keep_response(&clerk, &new, &basis).await.unwrap();
    assert!(chained(&house, &clerk, own).await.is_err());
}

#[tokio::test]
async fn nothing_is_kept_where_nothing_is_kept() {
    let history = HistoryConfig { enabled: false, ..HistoryConfig::default() };
    let house = House::configured(FakeEngine::echo("fake"), None, Config { history, ..Config::default() }).await;
    let id = respond(&house, &house.clerk(), None, say("fake", "one")).await.unwrap();
    let clerk = house.clerk();
    assert!(matches!(chained(&house, &clerk, id).await, Err(HistoryError::NotFound { .. })));
}
