//! Plain chats, routes and embeddings at the public door.
#![allow(clippy::unwrap_used)]

mod house;

use base::{Class, TenantId};
use engine::fake::{FakeEngine, Gate};
use futures::StreamExt;
use house::{House, QUESTION, read, refused};
use serving::{
    AnswerKind, AnswerMode, Candidates, ChatCall, ChatError, EmbedCall, Finish, Message, NewRoute, ReplyEvent, Role,
    RouteError,
};

fn say(model: &str, text: &str) -> ChatCall {
    ChatCall { model: model.into(), messages: vec![Message::new(Role::User, text)], ..ChatCall::default() }
}

fn route(name: &str, corpora: &[&str]) -> NewRoute {
    NewRoute {
        name: name.into(),
        models: Candidates::one("fake"),
        corpora: corpora.iter().map(|name| (*name).to_owned()).collect(),
        instructions: String::new(),
        passages_max: None,
        temperature: Some(0.0),
        mode: AnswerMode::Both,
    }
}

#[tokio::test]
async fn a_model_is_called_by_its_own_name() {
    let house = House::with(FakeEngine::echo("fake"), Some(10_000)).await;
    let reply = read(house.serving.chat(&house.clerk(), say("fake", "hello there [1] [x](y)")).await).await;
    assert_eq!((reply.text.as_str(), reply.done.kind), ("hello there [1] [x](y)", AnswerKind::Chat));
    assert_eq!((reply.done.finish, house.used()), (Finish::Stop, reply.done.usage.total_tokens()));
    let error = refused(house.serving.chat(&house.clerk(), say("nobody", "hi")).await);
    assert!(matches!(error, ChatError::ModelNotFound { model } if model == "nobody"));
}

#[tokio::test]
async fn a_route_with_records_answers_the_last_question_from_them() {
    let house = House::with(FakeEngine::answering("fake", "교체비 4만2천원을 부담합니다.").chatting_only(), None).await;
    house.serving.routes().create(&house.operator(), route("water", &["records"])).await.unwrap();
    let mut call = say("water", "안녕하세요");
    call.messages.push(Message::new(Role::Assistant, "무엇이 궁금하십니까?"));
    call.messages.push(Message::new(Role::User, QUESTION));
    let reply = read(house.serving.chat(&house.clerk(), call.clone()).await).await;
    assert_eq!(reply.done.kind, AnswerKind::Generated, "{reply:?}");
    assert_eq!(reply.citations.len(), 1);
    let prompt = &house.chat.requests()[0].messages;
    assert_eq!(prompt.iter().filter(|message| message.content == "안녕하세요").count(), 1, "history goes along");
    call.tools.offered = vec![serving::Tool { name: "t".into(), description: None, parameters: None }];
    assert!(matches!(
        refused(house.serving.chat(&house.clerk(), call).await),
        ChatError::Invalid { field: "tools", .. }
    ));
}

#[tokio::test]
async fn a_route_over_records_of_others_does_not_exist() {
    let house = House::with(FakeEngine::echo("fake").chatting_only(), None).await;
    house.serving.routes().create(&house.operator(), route("water", &["elsewhere"])).await.unwrap();
    let error = refused(house.serving.chat(&house.clerk(), say("water", QUESTION)).await);
    assert!(matches!(error, ChatError::ModelNotFound { model } if model == "water"));
    let names: Vec<String> =
        house.serving.models(&house.clerk()).await.unwrap().into_iter().map(|model| model.name).collect();
    assert_eq!(names, ["fake"]);
    let stranger = base::Principal { tenant: TenantId::new(), ..house.clerk() };
    assert!(matches!(house.serving.routes().find(stranger.tenant, "water").await, Err(RouteError::NotFound { .. })));
}

#[tokio::test]
async fn routes_are_made_changed_and_removed_by_the_operator_alone() {
    let house = House::with(FakeEngine::echo("fake"), None).await;
    let (routes, operator, clerk) = (house.serving.routes(), house.operator(), house.clerk());
    assert!(matches!(routes.create(&clerk, route("a", &[])).await, Err(RouteError::Refused(_))));
    let made = routes.create(&operator, route("a", &["records"])).await.unwrap();
    assert!(matches!(routes.create(&operator, route("a", &[])).await, Err(RouteError::Exists { .. })));
    assert_eq!(routes.find(house.tenant, "a").await.unwrap(), made.clone());
    let changed =
        NewRoute { instructions: "Be brief.".into(), mode: AnswerMode::Extractive, ..route("a", &["records"]) };
    assert_eq!(routes.update(&operator, changed).await.unwrap().created, made.created);
    assert_eq!(routes.list(house.tenant).await.unwrap()[0].mode, AnswerMode::Extractive);
    assert!(matches!(routes.update(&operator, route("b", &[])).await, Err(RouteError::NotFound { .. })));
    assert!(matches!(routes.remove(&clerk, "a").await, Err(RouteError::Refused(_))));
    routes.remove(&operator, "a").await.unwrap();
    assert!(matches!(routes.remove(&operator, "a").await, Err(RouteError::NotFound { .. })));
    for broken in [
        NewRoute { name: "Ä b".into(), ..route("x", &[]) },
        NewRoute { temperature: Some(f64::NAN), ..route("x", &[]) },
        NewRoute { passages_max: Some(17), ..route("x", &[]) },
        NewRoute { models: Candidates::one(""), ..route("x", &[]) },
        NewRoute { instructions: "x".repeat(20_000), ..route("x", &[]) },
        route("x", &["a"; 17]),
    ] {
        assert!(matches!(routes.create(&operator, broken).await, Err(RouteError::Invalid { .. })));
    }
}

#[tokio::test]
async fn two_tenants_share_no_cached_prompt() {
    let house = House::with(FakeEngine::echo("fake"), None).await;
    let other = house.tenancy.create_tenant("other", None).await.unwrap().id;
    let stranger = base::Principal { tenant: other, ..house.clerk() };
    for principal in [&house.clerk(), &house.clerk(), &stranger] {
        read(house.serving.chat(principal, say("fake", "the same words")).await).await;
    }
    let salts: Vec<_> = house.chat.requests().iter().map(|request| request.salt).collect();
    assert_eq!(salts[0], salts[1]);
    assert_ne!(salts[0], salts[2]);
}

#[tokio::test]
async fn hanging_up_a_chat_frees_the_engine_and_settles() {
    let gate = Gate::closed();
    let house = House::with(FakeEngine::answering("fake", "one two three four five").gated(&gate), Some(10_000)).await;
    let mut stream = house.serving.chat(&house.clerk(), say("fake", "hi")).await.unwrap();
    gate.let_through(2);
    for _ in 0..2 {
        assert!(matches!(stream.next().await, Some(Ok(ReplyEvent::Text(_)))));
    }
    drop(stream);
    let seen = house.chat.wait_until(|seen| seen.dropped == 1).await;
    assert_eq!(seen.tokens, 2);
    assert_eq!(house.used(), 2 + 2, "two tokens of the prompt, two of the answer");
}

#[tokio::test]
async fn a_chat_longer_than_the_window_is_refused_and_one_that_fits_is_bounded() {
    let house = House::with(FakeEngine::answering("fake", "a b c d e f g h i j k l").with_context(24), None).await;
    let error = refused(house.serving.chat(&house.clerk(), say("fake", &"long ".repeat(40))).await);
    assert!(matches!(error, ChatError::TooLong { .. }), "{error}");
    let mut call = say("fake", &"long ".repeat(8));
    call.tokens_max = Some(4_000_000_000);
    let reply = read(house.serving.chat(&house.clerk(), call).await).await;
    assert_eq!(reply.done.finish, Finish::Length);
    assert!(reply.done.usage.total_tokens() <= 24, "{:?}", reply.done.usage);
}

#[tokio::test]
async fn text_above_the_engines_class_is_not_even_counted_by_it() {
    let house = House::with(FakeEngine::echo("fake"), None).await;
    let secret = base::Principal { input_class: Class::Classified, ..house.clerk() };
    let error = refused(house.serving.chat(&secret, say("fake", "hi")).await);
    assert!(matches!(error, ChatError::Refused(guard::Refusal::EngineClass { .. })), "{error}");
    let call = EmbedCall { model: "fake".into(), texts: vec!["hi".into()], query: None, dimensions: None };
    assert!(matches!(house.serving.embed(&secret, call).await, Err(ChatError::Refused(_))));
    assert_eq!(house.chat.seen(), Default::default());
}

#[tokio::test]
async fn texts_are_embedded_counted_and_bounded() {
    let house = House::with(FakeEngine::echo("fake"), Some(1_000)).await;
    let call = |texts: Vec<String>| EmbedCall { model: "fake".into(), texts, query: None, dimensions: None };
    let embedded = house.serving.embed(&house.clerk(), call(vec!["one".into(), "둘".into()])).await.unwrap();
    assert_eq!(embedded.vectors.len(), 2);
    assert_eq!(house.used(), embedded.usage.total_tokens());
    let many = house.serving.embed(&house.clerk(), call(vec!["x".repeat(500); 3])).await;
    assert!(matches!(many, Err(ChatError::Quota(_))));
    assert!(matches!(house.serving.embed(&house.clerk(), call(vec![])).await, Err(ChatError::Invalid { .. })));
    assert!(matches!(
        house.serving.embed(&house.clerk(), call(vec![String::new()])).await,
        Err(ChatError::Invalid { .. })
    ));
}

fn tools(choice: serving::ToolChoice) -> serving::Tools {
    let tool = serving::Tool { name: "now".into(), description: None, parameters: None };
    serving::Tools { offered: vec![tool], choice, parallel: true }
}

#[tokio::test]
async fn a_call_comes_as_a_call_and_is_paid_for() {
    let said = r#"잠시만요. <tool_call>{"name": "now", "arguments": {"zone": "KST"}}</tool_call>"#;
    let house = House::with(FakeEngine::answering("fake", said), Some(10_000)).await;
    let mut call = say("fake", "몇 시입니까?");
    call.tools = tools(serving::ToolChoice::Auto);
    let reply = read(house.serving.chat(&house.clerk(), call.clone()).await).await;
    assert_eq!((reply.text.as_str(), reply.done.finish), ("잠시만요. ", Finish::ToolCalls));
    let called = &reply.tool_calls[0];
    assert_eq!((called.name.as_str(), called.arguments.as_str()), ("now", r#"{"zone": "KST"}"#));
    assert_eq!(house.used(), reply.done.usage.total_tokens());
    // What may not be called is text.
    call.tools = tools(serving::ToolChoice::None);
    let reply = read(house.serving.chat(&house.clerk(), call).await).await;
    assert_eq!((reply.text.as_str(), reply.done.finish, reply.tool_calls.len()), (said, Finish::Stop, 0));
}

#[tokio::test]
async fn tokens_are_told_to_who_asks() {
    let house = House::with(FakeEngine::answering("fake", "one two"), None).await;
    let mut call = say("fake", "hi");
    call.logprobs = Some(1);
    let reply = read(house.serving.chat(&house.clerk(), call).await).await;
    let told: Vec<u8> = reply.tokens.iter().flat_map(|token| token.token.bytes.clone()).collect();
    assert_eq!((told.as_slice(), reply.tokens[0].top.len()), ("one two".as_bytes(), 1));
}

#[tokio::test]
async fn a_text_is_continued_without_a_chat() {
    let house = House::with(FakeEngine::echo("fake"), None).await;
    let call = ChatCall { model: "fake".into(), text: Some("옛날 옛적에".into()), ..ChatCall::default() };
    let reply = read(house.serving.chat(&house.clerk(), call.clone()).await).await;
    assert_eq!(reply.text, "옛날 옛적에");
    assert_eq!(house.chat.requests()[0].messages, []);
    house.serving.routes().create(&house.operator(), route("water", &["records"])).await.unwrap();
    let refusal = refused(house.serving.chat(&house.clerk(), ChatCall { model: "water".into(), ..call }).await);
    assert!(matches!(refusal, ChatError::Invalid { field: "prompt", .. }), "{refusal}");
}
