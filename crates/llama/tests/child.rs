//! The engine with a child that echoes: everything but the model, through a real process and a real socket.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use engine::{
    CacheSalt, ChatRequest, EmbedKind, EmbedRequest, Engine as _, EngineError, Event, EventStream, Finish, Message,
    Priority, Role,
};
use futures::{FutureExt, StreamExt, future};
use llama::{Config, Engine};
use rustix::process::{Pid, Signal};

fn config() -> Config {
    Config {
        selftest: true,
        context_tokens: 512,
        slots: 4,
        ahead_max: 8,
        batch_tokens: 16,
        shared_batch_tokens: 4,
        ..Config::chat(env!("CARGO_BIN_EXE_llama-child"), "echo", "/nonexistent")
    }
}

fn open(change: impl FnOnce(&mut Config)) -> Engine {
    let mut config = config();
    change(&mut config);
    Engine::open(config).unwrap()
}

fn request(said: &str) -> ChatRequest {
    ChatRequest { tokens_max: 400, ..ChatRequest::new(vec![Message::new(Role::User, said)], CacheSalt([1; 16])) }
}

async fn read(mut events: EventStream) -> Result<(String, Finish, base::Usage), EngineError> {
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

async fn ask(engine: &Engine, said: &str) -> Result<String, EngineError> {
    Ok(read(engine.chat(request(said)).await?).await?.0)
}

fn died(model: &str) -> EngineError {
    EngineError::Died { model: model.into() }
}

fn kill(engine: &Engine) {
    let pid = Pid::from_raw(engine.child_pid().unwrap().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
}

#[tokio::test]
async fn an_answer_comes_whole_and_in_whole_characters() {
    let engine = open(|_| {});
    assert_eq!(engine.child_pid(), None);
    let said = "개인정보 보호법 제15조 <assistant> 👩‍🚒";
    let mut events = engine.chat(request(said)).await.unwrap();
    let mut pieces = Vec::new();
    while let Some(event) = events.next().await {
        match event.unwrap() {
            Event::Text(text) => pieces.push(text),
            Event::Done { finish, usage } => {
                assert_eq!(finish, Finish::Stop);
                assert_eq!(usage.completion_tokens, said.len() as u64);
            }
            other => panic!("nobody asked for {other:?}"),
        }
    }
    assert_eq!(pieces.concat(), said);
    assert_eq!(pieces.len(), said.chars().count());
}

#[tokio::test]
async fn many_chats_at_once_do_not_mix() {
    let engine = open(|config| config.slots = 3);
    let said: Vec<String> =
        (0..24).map(|n| format!("{}질문 {n}{}", "머리말 ".repeat(n % 4), " 꼬리".repeat(n % 7))).collect();
    for _ in 0..2 {
        let answers = future::join_all(said.iter().map(|said| ask(&engine, said))).await;
        for (said, answer) in said.iter().zip(answers) {
            assert_eq!(answer.as_deref(), Ok(said.as_str()));
        }
    }
}

#[tokio::test]
async fn a_shared_beginning_is_computed_once_for_one_owner_and_never_for_another() {
    let engine = open(|_| {});
    let long = "The same rules for everybody. ".repeat(8);
    let cached = async |said: &str, salt: u8| {
        let mut request = request(said);
        request.messages.insert(0, Message::new(Role::System, long.clone()));
        request.salt = CacheSalt([salt; 16]);
        let (text, _, usage) = read(engine.chat(request).await.unwrap()).await.unwrap();
        assert_eq!(text, said);
        usage.cached_tokens
    };
    assert_eq!(cached("first", 1).await, 0);
    assert!(cached("second", 1).await >= long.len() as u64);
    assert_eq!(cached("second", 2).await, 0);
    assert!(cached("third", 2).await >= long.len() as u64);
    assert!(cached("first", 1).await >= long.len() as u64);
}

#[tokio::test]
async fn a_busy_answer_lends_its_beginning() {
    let engine = open(|_| {});
    let mut first = engine.chat(request("endless beginning")).await.unwrap();
    first.next().await.unwrap().unwrap();
    let (text, _, usage) = read(engine.chat(request("endles")).await.unwrap()).await.unwrap();
    assert_eq!(text, "endles");
    assert!(usage.cached_tokens >= "<user>endles".len() as u64 - 1);
    // The first goes on as if nothing had happened.
    let mut more = String::new();
    while more.len() < 60 {
        if let Event::Text(text) = first.next().await.unwrap().unwrap() {
            more += &text;
        }
    }
    assert!(more.starts_with("ndless beginningendless beginning"), "{more}");
}

#[tokio::test]
async fn stop_strings_lengths_and_windows_end_an_answer() {
    let engine = open(|config| config.context_tokens = 64);
    let end = async |change: &dyn Fn(&mut ChatRequest)| {
        let mut request = request("one two three");
        change(&mut request);
        let (text, finish, usage) = read(engine.chat(request).await?).await?;
        Ok::<_, EngineError>((text, finish, usage.completion_tokens))
    };
    assert_eq!(end(&|r| r.stop = vec!["o th".into()]).await, Ok(("one tw".into(), Finish::Stop, 10)));
    assert_eq!(end(&|r| r.stop = vec!["threeX".into()]).await, Ok(("one two three".into(), Finish::Stop, 13)));
    assert_eq!(end(&|r| r.tokens_max = 4).await, Ok(("one ".into(), Finish::Length, 4)));

    // "<user>" and "<assistant>" are 17 tokens; the window ends the answer, one token after it is full.
    let (_, finish, written) = end(&|r| r.messages[0].content = "endless".into()).await.unwrap();
    assert_eq!((finish, written), (Finish::Length, 64 - 17 - 7 + 1));
    let error = end(&|r| r.messages[0].content = "x".repeat(47)).await.unwrap_err();
    assert_eq!(error, EngineError::TooLong { model: "echo".into(), tokens: 64, tokens_max: 63 });
}

#[tokio::test]
async fn tokens_are_counted_without_an_answer() {
    let engine = open(|_| {});
    assert_eq!(engine.count_tokens(&request("abc")).await, Ok("<user>abc<assistant>".len() as u32));
}

#[tokio::test]
async fn a_child_that_is_killed_in_mid_answer_is_replaced() {
    let engine = open(|_| {});
    let mut answer = engine.chat(request("endless song")).await.unwrap();
    answer.next().await.unwrap().unwrap();
    let first = engine.child_pid();
    kill(&engine);
    let error = loop {
        match answer.next().await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error, died("echo"));
    assert!(answer.next().await.is_none());
    assert_eq!(ask(&engine, "still there?").await.as_deref(), Ok("still there?"));
    assert_ne!(engine.child_pid(), first);
}

#[tokio::test]
async fn what_waits_outlives_the_child() {
    let engine = open(|config| config.slots = 1);
    let mut answer = engine.chat(request("endless song")).await.unwrap();
    answer.next().await.unwrap().unwrap();
    let mut waiting = Box::pin(ask(&engine, "my turn"));
    assert!(futures::poll!(&mut waiting).is_pending());
    kill(&engine);
    assert_eq!(waiting.await.as_deref(), Ok("my turn"));
}

#[tokio::test]
async fn poison_is_quarantined_and_its_companion_is_not() {
    let engine = open(|_| {});
    let mut companion = engine.chat(request("endless companion")).await.unwrap();
    companion.next().await.unwrap().unwrap();
    assert_eq!(ask(&engine, "poison").await, Err(died("echo")));
    let error = companion.filter_map(|event| future::ready(event.err())).next().await;
    assert_eq!(error, Some(died("echo")));

    // The companion runs alone once, while the poison waits for its own turn, and both get what they deserve.
    let mut short = request("endless companion");
    short.tokens_max = 30;
    let (poison, companion) = tokio::join!(ask(&engine, "poison"), async { read(engine.chat(short).await?).await });
    assert_eq!(poison, Err(died("echo")));
    assert_eq!(companion.map(|(text, ..)| text), Ok("endless companionendless compa".into()));

    let quarantined = EngineError::Quarantined { model: "echo".into() };
    let (poison, other) = tokio::join!(ask(&engine, "poison"), ask(&engine, "harmless"));
    assert_eq!(poison, Err(quarantined));
    assert_eq!(other.as_deref(), Ok("harmless"));
}

#[tokio::test]
async fn a_slow_reader_pauses_only_itself() {
    let engine = open(|config| config.slots = 2);
    let slow = engine.chat(request("endless river")).await.unwrap();
    for n in 0..5 {
        let said = format!("quick question {n}");
        assert_eq!(ask(&engine, &said).await, Ok(said));
    }
    // Once read again, it goes on where it was.
    let text: String = slow
        .take(40)
        .map(|event| match event {
            Ok(Event::Text(text)) => text,
            other => panic!("{other:?}"),
        })
        .collect()
        .await;
    assert_eq!(text, "endless river".repeat(4)[..40]);
}

#[tokio::test]
async fn a_reader_who_never_comes_back_loses_the_slot() {
    let engine = open(|config| {
        config.slots = 1;
        config.stalled_max = Duration::from_millis(50);
    });
    let forgotten = engine.chat(request("endless river")).await.unwrap();
    assert_eq!(ask(&engine, "next, please").await.as_deref(), Ok("next, please"));
    let mut events: Vec<_> = forgotten.collect().await;
    assert_eq!(events.pop(), Some(Err(EngineError::Stalled { model: "echo".into() })));
    assert!(events.iter().all(Result::is_ok));
}

#[tokio::test]
async fn hanging_up_frees_the_slot() {
    let engine = open(|config| config.slots = 1);
    for n in 0..10 {
        let mut answer = engine.chat(request("endless river")).await.unwrap();
        answer.next().await.unwrap().unwrap();
        drop(answer);
        let said = format!("question {n}");
        assert_eq!(ask(&engine, &said).await, Ok(said));
    }
    // Hanging up before the answer begins counts too, in the queue and in the child.
    let answer = engine.chat(request("endless river")).await.unwrap();
    assert!(engine.chat(request("never read")).now_or_never().is_none());
    drop(answer);
    assert_eq!(ask(&engine, "free?").await.as_deref(), Ok("free?"));
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    let engine = open(|config| {
        config.slots = 1;
        config.queue_max = 1;
    });
    let answer = engine.chat(request("endless river")).await.unwrap();
    let mut waiting = Box::pin(ask(&engine, "second"));
    assert!(futures::poll!(&mut waiting).is_pending());
    match ask(&engine, "third").await {
        Err(EngineError::Busy { retry_after, .. }) => assert!(retry_after >= Duration::from_secs(1)),
        other => panic!("{other:?}"),
    }
    drop(answer);
    assert_eq!(waiting.await.as_deref(), Ok("second"));
}

#[tokio::test]
async fn a_child_that_does_not_start_says_why() {
    let reason = async |change: &dyn Fn(&mut Config)| {
        let engine = open(change);
        match ask(&engine, "hi").await {
            Err(EngineError::Unavailable { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    };
    assert!(reason(&|c| c.program = "/nonexistent/dure".into()).await.contains("/nonexistent/dure"));
    assert!(reason(&|c| c.program = "/bin/false".into()).await.contains("exit status"));
    assert!(reason(&|c| c.selftest = false).await.contains("missing"));
    assert!(reason(&|c| c.chat_template = Some("{% for %}".into())).await.contains("template"));

    // Native code reads a file that is none; nothing but an error comes of it.
    let folder = std::env::temp_dir().join(format!("dure-engine-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, bytes) in [
        ("text", &b"not a model"[..]),
        ("counts", b"GGUF\x03\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x7f"),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        let change = |config: &mut Config| {
            config.selftest = false;
            config.model_path = path.clone();
        };
        assert!(!reason(&change).await.is_empty());
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_hostile_template_costs_the_child_at_most() {
    // Forty doublings of ten bytes: ten thousand gigabytes, in few steps.
    let bomb = "{% set n = namespace(x='0123456789') %}{% for i in range(40) %}{% set n.x = n.x ~ n.x %}{% endfor %}\
                {{ messages[0].content }}";
    let engine = open(|config| config.chat_template = Some(bomb.into()));
    assert_eq!(ask(&engine, "hi").await, Err(died("echo")));
    assert_eq!(ask(&engine, "hi").await, Err(died("echo")));
    assert!(matches!(ask(&engine, "hi").await, Err(EngineError::Quarantined { .. })));

    let refusing = "{{ raise_exception('no user may speak') }}";
    let engine = open(|config| config.chat_template = Some(refusing.into()));
    match ask(&engine, "hi").await {
        Err(EngineError::Invalid(reason)) => assert!(reason.contains("no user may speak"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_walls_around_the_child_hold() {
    let engine = open(|_| {});
    let Err(EngineError::Invalid(reason)) = ask(&engine, "escape").await else { panic!("not refused") };
    let open = reason.strip_prefix("escaped by:").unwrap();
    assert!(!open.contains("environment"), "{reason}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", engine.child_pid().unwrap())).unwrap();
    let has = |line: &str| status.lines().any(|other| other == line);
    if has("Seccomp:\t2") {
        assert!(!open.contains("network") && !open.contains("sockets") && !open.contains("programs"), "{reason}");
    } else {
        println!("skipped: this kernel has no seccomp");
    }
    assert!(has("NoNewPrivs:\t1"));
    if open.contains("reading") {
        println!("skipped: this kernel has no landlock");
    }
}

fn texts(texts: &[&str], priority: Priority) -> EmbedRequest {
    EmbedRequest { texts: texts.iter().map(|&text| text.to_owned()).collect(), kind: EmbedKind::Query, priority }
}

fn embedder() -> Engine {
    let config = Config { selftest: true, ..Config::embed(env!("CARGO_BIN_EXE_llama-child"), "echo", "/nonexistent") };
    Engine::open(config).unwrap()
}

#[tokio::test]
async fn vectors_come_in_order_with_unit_length_and_prefix() {
    let engine = embedder();
    assert_eq!(engine.describe().dimensions, None);
    let some: Vec<String> = (0..40).map(|n| format!("문서 {n}")).collect();
    let some: Vec<&str> = some.iter().map(String::as_str).collect();
    let together = engine.embed(texts(&some, Priority::Background)).await.unwrap();
    assert_eq!(engine.describe().dimensions, Some(8));
    for (text, embedding) in some.iter().zip(&together) {
        let alone = engine.embed(texts(&[text], Priority::Interactive)).await.unwrap();
        assert_eq!(&alone[0], embedding);
        assert!((embedding.vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
        assert_eq!(embedding.tokens as usize, "query: ".len() + text.len());
    }
    assert_eq!(engine.embed(texts(&[], Priority::Background)).await, Ok(vec![]));
}

#[tokio::test]
async fn one_poisonous_text_fails_its_request_and_no_other() {
    let engine = embedder();
    let poison = texts(&["good", "poison", "better"], Priority::Background);
    assert_eq!(engine.embed(poison.clone()).await, Err(died("echo")));
    assert_eq!(engine.embed(poison.clone()).await, Err(died("echo")));
    assert!(matches!(engine.embed(poison).await, Err(EngineError::Quarantined { .. })));
    assert_eq!(engine.embed(texts(&["good", "better"], Priority::Interactive)).await.map(|all| all.len()), Ok(2));
}

#[tokio::test]
async fn each_role_has_its_work() {
    let unable = |ability| EngineError::Unable { model: "echo".into(), ability };
    assert_eq!(embedder().chat(request("hi")).await.err(), Some(unable("chat")));
    assert_eq!(embedder().count_tokens(&request("hi")).await.err(), Some(unable("chat")));
    assert_eq!(open(|_| {}).embed(texts(&["hi"], Priority::Interactive)).await.err(), Some(unable("embed")));
}

#[tokio::test]
async fn the_child_ends_with_its_engine() {
    let engine = open(|_| {});
    engine.start().await.unwrap();
    let pid = Pid::from_raw(engine.child_pid().unwrap().try_into().unwrap()).unwrap();
    drop(engine);
    let ended = async {
        while rustix::process::test_kill_process(pid).is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.expect("the child is still there");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    for change in [
        (|c: &mut Config| c.slots = 0) as fn(&mut Config),
        |c| c.slots = 1000,
        |c| c.context_tokens = 0,
        |c| c.ahead_max = 0,
        |c| c.batch_tokens = u32::MAX,
    ] {
        let mut config = config();
        change(&mut config);
        assert!(matches!(Engine::open(config), Err(EngineError::Invalid(_))));
    }
}

#[tokio::test]
async fn how_busy_it_is_can_be_seen() {
    let engine = open(|config| config.slots = 1);
    assert_eq!((engine.load().slots, engine.load().busy), (Some(1), 0));
    let mut first = engine.chat(request("endless")).await.unwrap();
    first.next().await.unwrap().unwrap();
    let mut second = Box::pin(ask(&engine, "second"));
    assert_eq!(second.as_mut().now_or_never(), None);
    while engine.load().waiting == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!((engine.load().busy, engine.load().waiting, engine.load().chats), (1, 1, 0));
    drop(first);
    assert_eq!(second.await.as_deref(), Ok("second"));
    assert_eq!(ask(&engine, "second").await.as_deref(), Ok("second"));
    // Both begin as the first one did: with the template's own words.
    let load = engine.load();
    assert_eq!((load.chats, load.cache_hits, load.waits.counts.iter().sum::<u64>()), (2, 2, 3));
    assert!(load.cached_tokens > 0 && load.cached_tokens < load.prompt_tokens, "{load:?}");
    assert_eq!((load.losses, load.pid), (0, engine.child_pid()));

    kill(&engine);
    while engine.load().losses == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(&engine, "third").await.as_deref(), Ok("third"));
    assert_eq!((engine.load().losses, engine.load().down, engine.load().chats), (1, false, 3));
}

#[tokio::test]
async fn an_engine_that_does_not_start_is_seen_to_be_down() {
    let engine = open(|config| config.program = "/nonexistent/program".into());
    assert!(!engine.load().down);
    assert!(engine.start().await.is_err());
    while !engine.load().down {
        tokio::task::yield_now().await;
    }
}
