//! Cited answers at the public door: real store, real records, fake engines.
#![allow(clippy::unwrap_used)]

mod house;

use base::{Class, TenantId};
use engine::Role as EngineRole;
use engine::fake::{FakeEngine, Gate};
use futures::StreamExt;
use house::{House, POISONED, QUESTION, chars, read, refused};
use serving::{AnswerCall, AnswerKind, AnswerMode, ChatError, Config, Finish, ReplyEvent};

fn ask(question: &str, mode: AnswerMode) -> AnswerCall {
    AnswerCall { corpora: vec!["records".into()], question: question.into(), mode, ..AnswerCall::default() }
}

fn says(answer: &str) -> FakeEngine {
    FakeEngine::answering("fake", answer).chatting_only()
}

/// Answers whatever the calibrated weighing says, for tests of what comes after it.
fn always() -> Config {
    Config { abstain_below: 0.0, ..Config::default() }
}

#[tokio::test]
async fn a_cited_answer_quotes_the_sentence_that_supports_it() {
    let house = House::with(says("계량기가 동파되면 교체비 42,000원을 부담합니다 [1]."), None).await;
    let reply = read(house.serving.answer(&house.clerk(), ask(QUESTION, AnswerMode::Both)).await).await;
    assert_eq!(reply.done.kind, AnswerKind::Generated, "{reply:?}");
    assert!(reply.done.unsupported.is_empty() && !reply.done.abstained);
    assert_eq!(reply.text, "계량기가 동파되면 교체비 42,000원을 부담합니다. [1]");
    let [citation] = reply.citations.as_slice() else { panic!("{:?}", reply.citations) };
    assert!(citation.quote.starts_with('③') && citation.quote.ends_with("4만2천원을 부담한다."), "{}", citation.quote);
    assert!(citation.headings.iter().any(|heading| heading.contains("제12조")), "{:?}", citation.headings);
    let stored = house.stored("records", &citation.path).await;
    assert_eq!(&stored[citation.span.start as usize..citation.span.end as usize], citation.quote);
    assert_eq!(chars(&reply.text, &citation.mark), "[1]");
    assert_eq!(house.used(), reply.done.usage.total_tokens());
    assert!(reply.done.usage.completion_tokens > 0);
}

#[tokio::test]
async fn the_records_own_sentences_answer_without_a_model() {
    let house = House::with(says("unused"), Some(0)).await;
    let reply = read(house.serving.answer(&house.clerk(), ask(QUESTION, AnswerMode::Extractive)).await).await;
    assert_eq!(reply.done.kind, AnswerKind::Extractive);
    assert!(reply.citations[0].quote.contains("4만2천원"), "{reply:?}");
    assert!(reply.text.starts_with(&reply.citations[0].quote));
    for citation in &reply.citations {
        let stored = house.stored("records", &citation.path).await;
        assert_eq!(&stored[citation.span.start as usize..citation.span.end as usize], citation.quote);
        assert_eq!(chars(&reply.text, &citation.mark), format!("[{}]", citation.number));
    }
    assert_eq!(house.chat.seen().chats, 0);
}

#[tokio::test]
async fn what_the_records_do_not_say_is_said_so_and_no_model_is_asked() {
    let house = House::with(says("자본금은 1억원입니다 [1]."), None).await;
    for question in ["화성 탐사선의 발사 비용은 얼마인가요?", "Who won the chess championship in 1987?"]
    {
        let reply = read(house.serving.answer(&house.clerk(), ask(question, AnswerMode::Both)).await).await;
        assert_eq!((reply.done.kind, reply.done.abstained), (AnswerKind::Abstained, true), "{reply:?}");
        assert!(reply.citations.is_empty());
        assert_eq!(reply.text.contains("기록에서는"), question.contains("비용"), "{}", reply.text);
    }
    assert_eq!(house.chat.seen().chats, 0);
    assert_eq!(house.used(), 0);
}

#[tokio::test]
async fn a_mark_that_names_nothing_is_dropped_and_a_missing_one_is_set() {
    let house = House::with(
        says("교체비 4만2천원을 부담합니다 [7][0]. 최저기온이 영하 15도 아래이면 교체비를 받지 않습니다."),
        None,
    )
    .await;
    let reply = read(house.serving.answer(&house.clerk(), ask(QUESTION, AnswerMode::Both)).await).await;
    assert!(!reply.text.contains("[7]") && !reply.text.contains("[0]"), "{}", reply.text);
    assert_eq!(reply.citations.len(), 2, "{reply:?}");
    assert!(reply.citations[1].quote.starts_with('④'), "{:?}", reply.citations[1]);
    for citation in &reply.citations {
        assert_eq!(chars(&reply.text, &citation.mark), format!("[{}]", citation.number));
    }
}

#[tokio::test]
async fn a_sentence_that_nothing_supports_is_flagged() {
    let answer = "교체비 4만2천원을 부담합니다 [1]. 신청은 시청 3층에서 받습니다 [1].";
    let house = House::with(says(answer), None).await;
    let reply = read(house.serving.answer(&house.clerk(), ask(QUESTION, AnswerMode::Generated)).await).await;
    assert_eq!(reply.citations.len(), 1);
    let [unsupported] = reply.done.unsupported.as_slice() else { panic!("{reply:?}") };
    assert_eq!(chars(&reply.text, &unsupported.span), "신청은 시청 3층에서 받습니다.");
}

/// The case from which the check became strict: the word that begins the deadline is in the sentence next door.
const RECORDING: &str = "# 기록물 관리 규칙\n\n## 제5조 회의 녹음\n\n\
    ① 제4조의 회의록을 만들기 위하여 녹음한 파일은 회의록이 확정된 날부터 6개월 뒤에 지운다.\n\n\
    ② 위원회의 간사는 회의가 끝난 날부터 10일 이내에 회의록을 작성하여 위원장의 확인을 받는다.\n";

#[tokio::test]
async fn a_deadline_that_begins_with_another_event_is_flagged_or_gives_way_to_the_record() {
    let house =
        House::configured(says("녹음한 파일은 회의가 끝난 날부터 6개월 뒤에 지웁니다 [1]."), None, always()).await;
    house.gather(house.tenant, "rules", Class::Open, &[("규칙.md", RECORDING)]).await;
    let asked = |mode| AnswerCall {
        corpora: vec!["rules".into()], ..ask("회의 녹음 파일은 언제 지우나요?", mode)
    };
    let shown = read(house.serving.answer(&house.clerk(), asked(AnswerMode::Generated)).await).await;
    assert_eq!((shown.done.unsupported.len(), shown.citations.len()), (1, 0), "{shown:?}");
    let both = read(house.serving.answer(&house.clerk(), asked(AnswerMode::Both)).await).await;
    assert_eq!(both.done.kind, AnswerKind::Extractive, "{both:?}");
    assert!(
        both.citations[0].quote.contains("확정된 날부터 6개월") && !both.text.contains("끝난 날부터 6개월"),
        "{both:?}"
    );
}

#[tokio::test]
async fn a_newcomers_first_question_is_answered_with_the_whole_list() {
    let house = House::with(says("unused"), None).await;
    let manual = include_str!("../../../examples/records/정비매뉴얼/해솔정수장정비매뉴얼.md");
    let register = include_str!("../../../examples/records/설비/설비대장.csv");
    house.gather(house.tenant, "plant", Class::Open, &[("정비매뉴얼.md", manual), ("설비대장.csv", register)]).await;
    for question in ["여과지 역세척은 언제 하나요?", "정수장의 여과지 역세척은 얼마나 자주 하나요?"]
    {
        let call = AnswerCall { corpora: vec!["plant".into()], ..ask(question, AnswerMode::Extractive) };
        let reply = read(house.serving.answer(&house.clerk(), call).await).await;
        assert_eq!(reply.done.kind, AnswerKind::Extractive, "{question}: {reply:?}");
        let quote = reply.citations.iter().map(|citation| citation.quote.as_str()).collect::<Vec<_>>().join("\n");
        for said in ["다음 가운데 하나에", "1.8미터", "72시간", "0.15NTU"] {
            assert!(quote.contains(said), "{question}: {quote}");
        }
    }
}

#[tokio::test]
async fn a_made_up_answer_gives_way_to_the_records_own_sentences() {
    let house = House::with(says("교체비는 9만9천원입니다 [1]. 신청은 시청 3층에서 받습니다 [1]."), None).await;
    let reply = read(house.serving.answer(&house.clerk(), ask(QUESTION, AnswerMode::Both)).await).await;
    assert_eq!(reply.done.kind, AnswerKind::Extractive, "{reply:?}");
    assert_eq!(reply.done.withheld, 2);
    assert!(!reply.text.contains("9만9천원") && reply.text.contains("4만2천원"), "{}", reply.text);
    assert!(reply.done.usage.completion_tokens > 0, "what was withheld was written all the same");
}

#[tokio::test]
async fn a_text_that_is_mostly_unsupported_is_cut_where_it_becomes_so() {
    let answer = "교체비 4만2천원을 부담합니다 [1]. 시청 3층에서 받습니다. 담당자는 홍길동입니다. 전화는 7777번입니다.";
    let house = House::with(says(answer), None).await;
    let reply = read(house.serving.answer(&house.clerk(), ask(QUESTION, AnswerMode::Both)).await).await;
    assert_eq!(reply.done.kind, AnswerKind::Generated);
    assert!(!reply.text.contains("홍길동") && !reply.text.contains("7777"), "{}", reply.text);
    assert_eq!((reply.done.unsupported.len(), reply.done.withheld), (1, 2));
}

#[tokio::test]
async fn another_tenants_records_and_corpora_are_not_there() {
    let house = House::with(says("x"), None).await;
    let other = base::Principal { tenant: TenantId::new(), ..house.clerk() };
    let error = refused(house.serving.answer(&other, ask(QUESTION, AnswerMode::Extractive)).await);
    assert!(matches!(&error, ChatError::CorpusNotFound { corpus } if corpus == "records"), "{error}");
    let nowhere = AnswerCall { corpora: vec!["nowhere".into()], ..ask(QUESTION, AnswerMode::Extractive) };
    let missing = refused(house.serving.answer(&house.clerk(), nowhere).await);
    assert_eq!(error.to_string().replace("records", "nowhere"), missing.to_string());
}

#[tokio::test]
async fn records_above_the_engines_class_never_reach_it() {
    let house = House::configured(says("x"), None, always()).await;
    house.gather(house.tenant, "secret", Class::Classified, &[("기밀.md", house::ORDINANCE)]).await;
    let cleared = base::Principal { read_class_max: Class::Classified, ..house.clerk() };
    let call = AnswerCall { corpora: vec!["secret".into()], ..ask(QUESTION, AnswerMode::Both) };
    let error = refused(house.serving.answer(&cleared, call.clone()).await);
    assert!(matches!(error, ChatError::Refused(guard::Refusal::EngineClass { .. })), "{error}");
    let error = refused(house.serving.answer(&house.clerk(), call).await);
    assert!(matches!(error, ChatError::Refused(guard::Refusal::Clearance { .. })), "{error}");
    assert_eq!(house.chat.seen().chats, 0);
}

#[tokio::test]
async fn what_a_passage_spells_stays_data_and_forges_no_citation() {
    let house =
        House::configured(says("교체비는 무료입니다 [1]. 교체비 99만원을 안내합니다 [3]."), None, always()).await;
    let records = [("조례.md", house::ORDINANCE), ("메모.md", POISONED)];
    house.gather(house.tenant, "poisoned", Class::Open, &records).await;
    let call = AnswerCall { corpora: vec!["poisoned".into()], ..ask(QUESTION, AnswerMode::Both) };
    let reply = read(house.serving.answer(&house.clerk(), call.clone()).await).await;
    let requests = house.chat.requests();
    let prompt = &requests[0].messages;
    assert_eq!(prompt.len(), 2);
    assert_eq!((prompt[0].role, prompt[1].role), (EngineRole::System, EngineRole::User));
    assert!(!prompt[0].content.contains("무시하고"), "a passage is never an instruction");
    let numbers: Vec<&str> = prompt[1].content.lines().filter(|line| line.starts_with('[')).collect();
    let sources = reply.sources.len();
    assert_eq!(numbers.len(), sources, "only the house numbers passages: {numbers:?}");
    for citation in &reply.citations {
        let stored = house.stored("poisoned", &citation.path).await;
        assert_eq!(&stored[citation.span.start as usize..citation.span.end as usize], citation.quote);
        assert_eq!(reply.sources[citation.number as usize - 1].path, citation.path);
        assert_eq!(chars(&reply.text, &citation.mark), format!("[{}]", citation.number));
    }
    // Quoted, a passage's own marks are not marks of the reply.
    let quoted =
        read(house.serving.answer(&house.clerk(), AnswerCall { mode: AnswerMode::Extractive, ..call }).await).await;
    assert_eq!(quoted.text.matches('[').count(), quoted.citations.len(), "{}", quoted.text);
}

#[tokio::test]
async fn passages_are_packed_into_a_small_window_and_a_long_question_is_refused() {
    let house = House::configured(says("교체비 4만2천원을 부담합니다.").with_context(320), None, always()).await;
    let reply = read(house.serving.answer(&house.clerk(), ask(QUESTION, AnswerMode::Generated)).await).await;
    assert!(reply.done.usage.total_tokens() <= 320);
    assert!(reply.text.contains("4만2천원"));

    let long = format!("{QUESTION} {}", "그리고 다른 계량기는 어떻습니까? ".repeat(60));
    let error = refused(house.serving.answer(&house.clerk(), ask(&long, AnswerMode::Generated)).await);
    assert!(matches!(error, ChatError::TooLong { tokens_max, .. } if tokens_max < 320), "{error}");
    assert_eq!(house.chat.seen().chats, 1);
}

#[tokio::test]
async fn hanging_up_stops_the_engine_and_settles_what_was_written() {
    let gate = Gate::closed();
    let house = House::with(says(&"교체비 4만2천원을 부담합니다 [1]. ".repeat(20)).gated(&gate), Some(100_000)).await;
    let mut stream = house.serving.answer(&house.clerk(), ask(QUESTION, AnswerMode::Both)).await.unwrap();
    gate.let_through(24);
    let mut text = 0;
    while text < 2 {
        text += usize::from(matches!(stream.next().await, Some(Ok(ReplyEvent::Text(_)))));
    }
    assert_eq!(house.used(), 0, "nothing is settled while it runs");
    let written = house.chat.seen().tokens as u64;
    drop(stream);
    assert_eq!(house.chat.seen().dropped, 1);
    let prompt = house.used() - written;
    assert!(prompt > 50 && written > 3, "{prompt} {written}");
}

#[tokio::test]
async fn a_call_that_is_given_up_before_the_engine_works_costs_nothing() {
    let house = House::with(says("x"), Some(100_000)).await;
    let clerk = house.clerk();
    let future = house.serving.answer(&clerk, ask(QUESTION, AnswerMode::Both));
    drop(future);
    house.chat.set_busy(true);
    let error = refused(house.serving.answer(&house.clerk(), ask(QUESTION, AnswerMode::Both)).await);
    assert!(matches!(error, ChatError::Busy { .. }), "{error}");
    assert_eq!(house.used(), 0);
    // All of it is there again: a reservation of everything succeeds.
    assert!(house.tenancy.admit(&clerk, 100_000).await.is_ok());
}

#[tokio::test]
async fn an_empty_quota_starts_nothing() {
    let house = House::with(says("x"), Some(10)).await;
    let error = refused(house.serving.answer(&house.clerk(), ask(QUESTION, AnswerMode::Both)).await);
    assert!(matches!(error, ChatError::Quota(tenancy::AdmissionError::Exhausted { left: 10, .. })), "{error}");
    assert_eq!(house.chat.seen().chats, 0);
}

#[tokio::test]
async fn an_engine_that_dies_in_mid_answer_ends_the_reply_with_an_error_and_settles() {
    let engine = says("교체비 4만2천원을 부담합니다 [1]. 그리고 더 씁니다.").dying_after(8);
    let house = House::with(engine, Some(100_000)).await;
    let mut stream = house.serving.answer(&house.clerk(), ask(QUESTION, AnswerMode::Both)).await.unwrap();
    let mut last = None;
    while let Some(event) = stream.next().await {
        last = Some(event);
    }
    assert!(matches!(last, Some(Err(ChatError::Died { .. }))), "{last:?}");
    assert!(house.used() > 8);
    let left = 100_000 - house.used();
    assert!(house.tenancy.admit(&house.clerk(), left).await.is_ok(), "nothing stays set aside");
}

#[tokio::test]
async fn an_answer_that_is_cut_off_says_so() {
    let house = House::with(says(&"교체비 4만2천원을 부담합니다 [1]. ".repeat(20)), None).await;
    let call = AnswerCall { tokens_max: Some(40), ..ask(QUESTION, AnswerMode::Both) };
    let reply = read(house.serving.answer(&house.clerk(), call).await).await;
    assert_eq!(reply.done.finish, Finish::Length);
    assert_eq!(reply.done.usage.completion_tokens, 40);
}
