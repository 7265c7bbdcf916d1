//! Conversations that are kept, at the public door.
#![allow(clippy::unwrap_used)]

mod house;

use base::{Class, ConversationId, PersonId, Principal, Subject, TenantId};
use engine::fake::{FakeEngine, Gate};
use futures::StreamExt;
use house::{House, QUESTION};
use serving::{
    AnswerKind, AnswerMode, Candidates, ChatCall, ChatError, Config, Conversation, HistoryConfig, HistoryError,
    Message, NewRoute, Page, Place, Reply, Role, Serving, Shown, Turn, TurnEnd,
};

const SECRET: &str = "# 대외비 점검 기록\n\n## 금고 위치\n\n정수장 예비 열쇠 금고는 지하 2층 펌프실 왼쪽 벽에 있다.\n";
const SECRET_QUESTION: &str = "정수장 예비 열쇠 금고는 어디에 있나요?";

fn say(model: &str, text: &str) -> ChatCall {
    let messages = vec![Message::new(Role::User, text)];
    ChatCall { model: model.into(), messages, ..ChatCall::default() }
}

fn at(conversation: ConversationId) -> Place {
    Place { conversation, after: None }
}

/// Routes over open records, and over secret ones whose answers are quoted.
async fn routes(house: &House) {
    for (name, corpus, mode) in [("water", "records", AnswerMode::Both), ("vault", "secrets", AnswerMode::Extractive)] {
        let route = NewRoute {
            name: name.into(),
            models: Candidates::one("fake"),
            corpora: vec![corpus.into()],
            instructions: String::new(),
            passages_max: None,
            temperature: None,
            mode,
        };
        house.serving.routes().create(&house.operator(), route).await.unwrap();
    }
}

async fn begin(house: &House, principal: &Principal) -> ConversationId {
    house.serving.history().create(principal, "").await.unwrap().id
}

async fn turn(house: &House, principal: &Principal, place: Place, call: ChatCall) -> Reply {
    Reply::gather(house.serving.converse(principal, place, call).await.unwrap().stream).await.unwrap()
}

async fn shown(house: &House, principal: &Principal, id: ConversationId) -> (Conversation, Vec<Turn>) {
    let (conversation, turns) = house.serving.history().show(principal, id).await.unwrap();
    let turns = turns.into_iter().map(|turn| match turn {
        Shown::Turn(turn) => *turn,
        Shown::Hidden(hidden) => panic!("{hidden:?}"),
    });
    (conversation, turns.collect())
}

async fn found(house: &House, principal: &Principal, words: &str) -> Vec<ConversationId> {
    let page = Page { query: Some(words.into()), ..Page::default() };
    let listed = house.serving.history().list(principal, &page).await.unwrap();
    listed.conversations.into_iter().map(|found| found.conversation.id).collect()
}

/// Whether the words stand in any file of the data folder.
fn on_disk(house: &House, words: &str) -> bool {
    let files = std::fs::read_dir(house.dir.path()).unwrap().filter_map(|entry| std::fs::read(entry.ok()?.path()).ok());
    files.into_iter().any(|bytes| bytes.windows(words.len()).any(|part| part == words.as_bytes()))
}

#[tokio::test]
async fn a_turn_is_kept_with_all_that_it_stands_on() {
    let house = House::with(FakeEngine::answering("fake", "교체비 4만2천원을 부담합니다.").chatting_only(), None).await;
    routes(&house).await;
    let clerk = house.clerk();
    let id = begin(&house, &clerk).await;
    let reply = turn(&house, &clerk, at(id), say("water", QUESTION)).await;
    let (conversation, turns) = shown(&house, &clerk, id).await;
    assert_eq!((conversation.turns, conversation.model.as_str()), (1, "water"));
    assert_eq!(conversation.title, QUESTION, "the first question names it");
    let [kept] = turns.as_slice() else { panic!("{turns:?}") };
    assert_eq!((kept.number, kept.ended, kept.asked.as_str()), (1, TurnEnd::Complete, QUESTION));
    assert_eq!((kept.text.as_str(), kept.told.kind), (reply.text.as_str(), Some(AnswerKind::Generated)));
    assert_eq!(kept.told.usage, Some(reply.done.usage));
    assert_eq!(kept.told.citations, [serde_json::to_value(&reply.citations[0]).unwrap()]);
    assert_eq!(kept.told.sources.len(), reply.sources.len());
    assert!(kept.told.first_ms.is_some());
    assert!(conversation.bytes > (kept.asked.len() + kept.text.len()) as u64);
}

#[tokio::test]
async fn whoever_hangs_up_finds_what_was_said_until_then() {
    let gate = Gate::closed();
    let house = House::with(FakeEngine::answering("fake", "one two three four five").gated(&gate), None).await;
    let clerk = house.clerk();
    let id = begin(&house, &clerk).await;
    let mut turned = house.serving.converse(&clerk, at(id), say("fake", "count")).await.unwrap();
    assert_eq!(shown(&house, &clerk, id).await.1[0].ended, TurnEnd::Writing);
    gate.let_through(2);
    for _ in 0..2 {
        turned.stream.next().await.unwrap().unwrap();
    }
    drop(turned);
    house.serving.history().close().await;
    let kept = &shown(&house, &clerk, id).await.1[0];
    assert_eq!((kept.ended, kept.text.as_str()), (TurnEnd::Stopped, "one two "));
    assert_eq!(kept.told.usage, None);
}

#[tokio::test]
async fn a_reply_that_fails_is_kept_with_its_reason_and_one_that_never_began_is_not() {
    let house = House::with(FakeEngine::answering("fake", "one two three").dying_after(1), None).await;
    let clerk = house.clerk();
    let id = begin(&house, &clerk).await;
    let turned = house.serving.converse(&clerk, at(id), say("fake", "count")).await.unwrap();
    assert!(matches!(Reply::gather(turned.stream).await, Err(ChatError::Died { .. })));
    let kept = &shown(&house, &clerk, id).await.1[0];
    assert_eq!((kept.ended, kept.text.as_str()), (TurnEnd::Failed, "one "));
    assert!(kept.told.error.as_ref().unwrap().contains("stopped"), "{:?}", kept.told.error);
    house.chat.set_busy(true);
    assert!(matches!(house.serving.converse(&clerk, at(id), say("fake", "more")).await, Err(ChatError::Busy { .. })));
    assert_eq!(shown(&house, &clerk, id).await.0.turns, 1);
}

#[tokio::test]
async fn a_process_that_died_leaves_the_question() {
    let house = House::with(FakeEngine::answering("fake", "one").gated(&Gate::closed()), None).await;
    let clerk = house.clerk();
    let id = begin(&house, &clerk).await;
    std::mem::forget(house.serving.converse(&clerk, at(id), say("fake", "a long question")).await.unwrap());
    let again = Serving::open(house.parts.clone(), Config::default()).await.unwrap();
    let (_, turns) = again.history().show(&clerk, id).await.unwrap();
    assert!(matches!(&turns[0], Shown::Turn(turn) if turn.ended == TurnEnd::Broken && turn.asked == "a long question"));
}

#[tokio::test]
async fn what_was_said_before_goes_along_as_far_as_it_fits() {
    let house = House::with(FakeEngine::echo("fake").with_context(64), None).await;
    let clerk = house.clerk();
    let id = begin(&house, &clerk).await;
    turn(&house, &clerk, at(id), say("fake", "first words")).await;
    let mut call = say("fake", "second words");
    call.messages.insert(0, Message::new(Role::System, "be brief"));
    turn(&house, &clerk, at(id), call).await;
    let seen: Vec<String> = house.chat.requests()[1].messages.iter().map(|message| message.content.clone()).collect();
    assert_eq!(seen, ["be brief", "first words", "first words", "second words"]);
    for number in 0..8 {
        turn(&house, &clerk, at(id), say("fake", &format!("words of turn {number}"))).await;
    }
    let last = house.chat.requests().pop().unwrap().messages;
    assert!(last.len() < 19 && last.len() > 1, "{last:?}");
    assert_eq!(last[0].role, Role::User, "no reply goes along without its question");
    assert_eq!(last.last().unwrap().content, "words of turn 7");
}

#[tokio::test]
async fn a_turn_may_stand_in_the_place_of_another() {
    let house = House::with(FakeEngine::echo("fake"), None).await;
    let clerk = house.clerk();
    let id = begin(&house, &clerk).await;
    for text in ["zebra one", "zebra two", "zebra three"] {
        turn(&house, &clerk, at(id), say("fake", text)).await;
    }
    let again = Place { conversation: id, after: Some(1) };
    let turned = house.serving.converse(&clerk, again, say("fake", "other")).await.unwrap();
    assert_eq!(turned.number, 2);
    Reply::gather(turned.stream).await.unwrap();
    let asked: Vec<String> = shown(&house, &clerk, id).await.1.into_iter().map(|turn| turn.asked).collect();
    assert_eq!(asked, ["zebra one", "other"]);
    assert!(on_disk(&house, "zebra one") && !on_disk(&house, "zebra two"), "what was replaced is gone");
    let beyond = Place { conversation: id, after: Some(3) };
    let refused = house.serving.converse(&clerk, beyond, say("fake", "x")).await;
    assert!(matches!(refused, Err(ChatError::Invalid { field: "after", .. })));
}

#[tokio::test]
async fn a_turn_that_was_replaced_while_it_was_written_does_not_come_back() {
    let gate = Gate::closed();
    let house = House::with(FakeEngine::echo("fake").gated(&gate), None).await;
    let clerk = house.clerk();
    let id = begin(&house, &clerk).await;
    let old = house.serving.converse(&clerk, at(id), say("fake", "old")).await.unwrap();
    let new = house.serving.converse(&clerk, Place { conversation: id, after: Some(0) }, say("fake", "new")).await;
    gate.let_through(100);
    Reply::gather(new.unwrap().stream).await.unwrap();
    Reply::gather(old.stream).await.unwrap();
    let (_, turns) = shown(&house, &clerk, id).await;
    assert_eq!(turns.iter().map(|turn| turn.text.as_str()).collect::<Vec<_>>(), ["new"]);
}

#[tokio::test]
async fn a_conversation_is_its_owners_alone() {
    let house = House::with(FakeEngine::echo("fake"), None).await;
    let person = Principal { subject: Subject::Person(PersonId::new()), ..house.clerk() };
    let id = begin(&house, &person).await;
    turn(&house, &person, at(id), say("fake", "nobody else's words")).await;
    let history = house.serving.history();
    let strangers = [
        house.clerk(),
        house.operator(),
        Principal { subject: Subject::Person(PersonId::new()), ..house.clerk() },
        Principal { tenant: TenantId::new(), ..person.clone() },
    ];
    for stranger in &strangers {
        let gone = |error: HistoryError| matches!(error, HistoryError::NotFound { what: "conversation" });
        assert!(gone(history.show(stranger, id).await.unwrap_err()));
        assert!(gone(history.rename(stranger, id, "mine").await.unwrap_err()));
        assert!(gone(history.delete(stranger, id).await.unwrap_err()));
        let refused = house.serving.converse(stranger, at(id), say("fake", "x")).await.unwrap_err();
        assert!(matches!(refused, ChatError::History(HistoryError::NotFound { what: "conversation" })));
        assert!(history.list(stranger, &Page::default()).await.unwrap().conversations.is_empty());
        assert!(found(&house, stranger, "words").await.is_empty());
        assert_eq!(history.delete_all(stranger).await.unwrap(), 0);
    }
    assert_eq!(house.chat.requests().len(), 1, "nothing of it reached the engine");
    assert_eq!(found(&house, &person, "WORDS").await, [id]);
}

#[tokio::test]
async fn what_may_no_longer_be_read_is_neither_shown_nor_found_nor_sent() {
    // Without an embedder it is less sure; here it shall answer whatever it thinks of its chances.
    let config = Config { abstain_below: 0.0, ..Config::default() };
    let house = House::configured(FakeEngine::echo("fake").chatting_only(), None, config).await;
    routes(&house).await;
    house.gather(house.tenant, "secrets", Class::Sensitive, &[("금고.md", SECRET)]).await;
    let clerk = house.clerk();
    let id = begin(&house, &clerk).await;
    let reply = turn(&house, &clerk, at(id), say("vault", SECRET_QUESTION)).await;
    assert_eq!(reply.done.kind, AnswerKind::Extractive, "{reply:?}");
    turn(&house, &clerk, at(id), say("fake", "is that so?")).await;
    assert_eq!(
        shown(&house, &clerk, id).await.1[1].label.class,
        Class::Sensitive,
        "it was made of the first turn, too"
    );
    assert_eq!(found(&house, &clerk, "왼쪽 벽").await, [id]);

    // The same service, with a lower clearance.
    let lowered = Principal { read_class_max: Class::Open, ..clerk.clone() };
    let check = async |principal: &Principal| {
        let (_, turns) = house.serving.history().show(principal, id).await.unwrap();
        let text = serde_json::to_string(&turns).unwrap();
        assert!(turns[..2].iter().all(|turn| matches!(turn, Shown::Hidden(_))), "{text}");
        assert!(!text.contains("펌프실"), "{text}");
        assert!(found(&house, principal, "왼쪽 벽").await.is_empty());
        turn(&house, principal, Place { conversation: id, after: Some(2) }, say("fake", "and now?")).await;
        assert_eq!(house.chat.requests().pop().unwrap().messages.len(), 1, "nothing hidden goes to the model");
    };
    check(&lowered).await;
    assert_eq!(found(&house, &clerk, "왼쪽 벽").await, [id]);
    // The document is removed; then nobody is shown what it said.
    let secrets = house.corpora.find(house.tenant, "secrets").await.unwrap().unwrap();
    let document = house.corpora.show(secrets.id, "금고.md").await.unwrap().summary.id;
    house.corpora.remove_document(secrets.id, document).await.unwrap();
    check(&clerk).await;
    house.corpora.remove(secrets.id).await.unwrap();
    check(&clerk).await;
}

#[tokio::test]
async fn the_label_of_what_was_said_before_is_joined_in() {
    let house = House::with(FakeEngine::echo("fake").chatting_only(), None).await;
    routes(&house).await;
    house.gather(house.tenant, "secrets", Class::Classified, &[("금고.md", SECRET)]).await;
    let cleared = Principal { read_class_max: Class::Classified, ..house.clerk() };
    let id = begin(&house, &cleared).await;
    turn(&house, &cleared, at(id), say("vault", SECRET_QUESTION)).await;
    // The engine may see sensitive text at most.
    let refused = house.serving.converse(&cleared, at(id), say("fake", "say it again")).await.unwrap_err();
    assert!(matches!(refused, ChatError::Refused(guard::Refusal::EngineClass { .. })), "{refused}");
    assert!(house.chat.requests().is_empty());
    let fresh = Place { conversation: id, after: Some(0) };
    turn(&house, &cleared, fresh, say("fake", "something else")).await;
}

#[tokio::test]
async fn a_person_with_a_lower_key_does_not_see_what_a_higher_key_asked() {
    let house = House::with(FakeEngine::echo("fake"), None).await;
    let high = Principal {
        subject: Subject::Person(PersonId::new()),
        input_class: Class::Sensitive,
        read_class_max: Class::Open,
        ..house.clerk()
    };
    let low = Principal { input_class: Class::Open, ..high.clone() };
    let id = begin(&house, &high).await;
    turn(&house, &high, at(id), say("fake", "a delicate matter")).await;
    assert_eq!(found(&house, &high, "delicate").await, [id], "what was sent with a key is shown to it");
    assert!(matches!(house.serving.history().show(&low, id).await, Err(HistoryError::NotFound { .. })));
    assert!(house.serving.history().list(&low, &Page::default()).await.unwrap().conversations.is_empty());
}

#[tokio::test]
async fn conversations_are_listed_in_pages_and_searched() {
    let house = House::with(FakeEngine::echo("fake"), None).await;
    let clerk = house.clerk();
    let mut made = Vec::new();
    for number in 0..5 {
        let id = begin(&house, &clerk).await;
        turn(&house, &clerk, at(id), say("fake", &format!("question {number} about 100% of it"))).await;
        made.insert(0, id);
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = Page { after: after.take(), limit: Some(2), query: None };
        let listed = house.serving.history().list(&clerk, &page).await.unwrap();
        assert!(listed.conversations.len() <= 2);
        seen.extend(listed.conversations.into_iter().map(|found| found.conversation.id));
        match listed.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, made, "the last one first, each once");
    assert_eq!(found(&house, &clerk, "question 3").await, [made[1]]);
    assert_eq!(found(&house, &clerk, "100%").await.len(), 5);
    assert!(found(&house, &clerk, "question%about").await.is_empty(), "no sign stands for others");
    assert!(found(&house, &clerk, "' OR 1=1 --").await.is_empty());
    for page in [
        Page { limit: Some(0), ..Page::default() },
        Page { limit: Some(1_000_000), ..Page::default() },
        Page { after: Some("x".into()), ..Page::default() },
        Page { query: Some("x".repeat(10_000)), ..Page::default() },
    ] {
        assert!(matches!(house.serving.history().list(&clerk, &page).await, Err(HistoryError::Invalid { .. })));
    }
}

#[tokio::test]
async fn each_bound_is_said_before_anything_is_asked() {
    let history = HistoryConfig {
        conversations_max: 2,
        turns_max: 2,
        conversation_bytes_max: 4_000,
        owner_bytes_max: 10_000,
        ..HistoryConfig::default()
    };
    let house = House::configured(FakeEngine::echo("fake"), None, Config { history, ..Config::default() }).await;
    let clerk = house.clerk();
    let full = |error: &ChatError| matches!(error, ChatError::History(HistoryError::Full { .. }));
    let first = begin(&house, &clerk).await;
    turn(&house, &clerk, at(first), say("fake", "one")).await;
    turn(&house, &clerk, at(first), say("fake", "two")).await;
    assert!(full(&house.serving.converse(&clerk, at(first), say("fake", "three")).await.unwrap_err()));
    turn(&house, &clerk, Place { conversation: first, after: Some(1) }, say("fake", "other two")).await;
    let second = begin(&house, &clerk).await;
    assert!(matches!(house.serving.history().create(&clerk, "").await, Err(HistoryError::Full { .. })));
    assert!(full(&house.serving.converse(&clerk, at(second), say("fake", &"x".repeat(4_001))).await.unwrap_err()));
    let asked = house.chat.requests().len();
    turn(&house, &clerk, at(second), say("fake", &"long ".repeat(700))).await;
    assert!(full(&house.serving.converse(&clerk, at(second), say("fake", "x")).await.unwrap_err()), "replies count");
    house.serving.history().delete(&clerk, first).await.unwrap();
    begin(&house, &clerk).await;
    assert_eq!(house.chat.requests().len(), asked + 1);
    let other = Principal { subject: Subject::Person(PersonId::new()), ..clerk };
    begin(&house, &other).await;
}

#[tokio::test]
async fn where_nothing_is_kept_nothing_new_is_and_the_old_can_be_deleted() {
    let house = House::with(FakeEngine::echo("fake"), None).await;
    let clerk = house.clerk();
    let id = begin(&house, &clerk).await;
    let history = HistoryConfig { enabled: false, ..HistoryConfig::default() };
    let off = Serving::open(house.parts.clone(), Config { history, ..Config::default() }).await.unwrap();
    assert!(matches!(off.history().create(&clerk, "").await, Err(HistoryError::Off)));
    let refused = off.converse(&clerk, at(id), say("fake", "x")).await.unwrap_err();
    assert!(matches!(refused, ChatError::History(HistoryError::Off)));
    assert!(!off.history().list(&clerk, &Page::default()).await.unwrap().enabled);
    off.history().delete(&clerk, id).await.unwrap();
}

#[tokio::test]
async fn what_is_too_old_is_not_shown_and_goes_at_the_next_sweep() {
    let house = House::with(FakeEngine::echo("fake"), None).await;
    let clerk = house.clerk();
    let (old, new) = (begin(&house, &clerk).await, begin(&house, &clerk).await);
    turn(&house, &clerk, at(old), say("fake", "yesteryear")).await;
    let long_ago = jiff::Timestamp::now().as_millisecond() - 366 * 86_400_000;
    let mut write = house.parts.store.write().await.unwrap();
    sqlx::query("UPDATE conversation SET updated = ? WHERE id = ?")
        .bind(long_ago)
        .bind(old.as_bytes().as_slice())
        .execute(&mut *write)
        .await
        .unwrap();
    write.commit().await.unwrap();
    assert!(matches!(house.serving.history().show(&clerk, old).await, Err(HistoryError::NotFound { .. })));
    assert!(found(&house, &clerk, "yesteryear").await.is_empty());
    assert_eq!(house.serving.history().sweep().await.unwrap(), 1);
    assert!(!on_disk(&house, "yesteryear"));
    shown(&house, &clerk, new).await;
}

#[tokio::test]
async fn what_is_deleted_stands_in_no_file() {
    let house = House::with(FakeEngine::echo("fake"), None).await;
    let clerk = house.clerk();
    let (one, two) = (begin(&house, &clerk).await, begin(&house, &clerk).await);
    turn(&house, &clerk, at(one), say("fake", "rosebud was his sled")).await;
    turn(&house, &clerk, at(two), say("fake", "xanadu was his house")).await;
    house.serving.history().delete(&clerk, one).await.unwrap();
    assert!(!on_disk(&house, "rosebud") && on_disk(&house, "xanadu"));
    assert_eq!(house.serving.history().delete_all(&clerk).await.unwrap(), 1);
    assert!(!on_disk(&house, "xanadu"));
}

#[tokio::test]
async fn an_export_has_no_headings_but_its_own() {
    let house = House::with(FakeEngine::answering("fake", "교체비 4만2천원을 부담합니다.").chatting_only(), None).await;
    routes(&house).await;
    let clerk = house.clerk();
    let id = begin(&house, &clerk).await;
    turn(&house, &clerk, at(id), say("water", &format!("{QUESTION}\n# Not a heading"))).await;
    house.serving.history().rename(&clerk, id, "동파 교체비").await.unwrap();
    let (conversation, turns) = house.serving.history().show(&clerk, id).await.unwrap();
    let text = conversation.markdown(&turns, true);
    let headings: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(headings[0], "# 동파 교체비");
    assert_eq!(headings.len(), 3, "{text}");
    assert!(text.contains("인공지능") && text.contains("4만2천원") && text.contains("제12조"), "{text}");
    for title in ["two\nlines", "a\u{0}b", &"가".repeat(201)] {
        let refused = house.serving.history().rename(&clerk, id, title).await;
        assert!(matches!(refused, Err(HistoryError::Invalid { field: "title", .. })));
    }
}
