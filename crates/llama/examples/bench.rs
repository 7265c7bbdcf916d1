//! Measures the embedded engine and prints JSON: `bench CHAT.gguf [EMBED.gguf]`.
//!
//! Speeds are per second of CPU time, which other programs on the machine disturb least; `wall` figures want an idle
//! machine. `BENCH_BATCH` sets the prompt tokens of a step. The example is its own child, as `dure` is.

use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use engine::{CacheSalt, ChatRequest, EmbedKind, EmbedRequest, Engine as _, Event, Message, Priority, Role};
use futures::{StreamExt, future};
use llama::{Config, Engine};
use serde_json::json;

const RUNS: usize = 3;
const GENERATED: u32 = 128;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.peek().is_some_and(|word| word == llama::child::COMMAND) {
        return llama::child::main(args.skip(1));
    }
    let models: Vec<OsString> = args.collect();
    let outcome = tokio::runtime::Runtime::new().map_err(Into::into).and_then(|runtime| runtime.block_on(run(&models)));
    match outcome {
        Ok(figures) => {
            println!("{figures:#}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(models: &[OsString]) -> Result<serde_json::Value, Box<dyn Error>> {
    let [chat, embed @ ..] = models else { return Err("usage: bench CHAT.gguf [EMBED.gguf]".into()) };
    let program = std::env::current_exe()?;
    let mut config = Config::chat(&program, "chat", PathBuf::from(chat));
    config.context_tokens = 4096;
    if let Some(tokens) = std::env::var("BENCH_BATCH").ok().and_then(|tokens| tokens.parse().ok()) {
        config.batch_tokens = tokens;
    }
    let engine = Engine::open(config)?;
    let start = Instant::now();
    engine.start().await?;
    let load = start.elapsed().as_secs_f64();

    let mut prompts = Vec::new();
    for run in 0..RUNS {
        let (_, cpu, wall, usage) = chat_once(&engine, filler(run, 480), 1).await?;
        prompts.push((usage.prompt_tokens as f64, cpu, wall));
    }
    eprintln!("prompt: {}", speeds(&prompts));
    let mut generations = Vec::new();
    for run in 0..RUNS {
        // What one token costs, reading the prompt and drawing it, is taken off again.
        let ask = || request(run as u8, "Count from one to a thousand.");
        let (_, cpu_one, wall_one, _) = chat_once(&engine, fresh(ask()), 1).await?;
        let (_, cpu, wall, usage) = chat_once(&engine, ask(), 1 + GENERATED).await?;
        generations.push((usage.completion_tokens as f64 - 1.0, cpu - cpu_one, wall - wall_one));
    }
    eprintln!("generation: {}", speeds(&generations));
    // One and four by turns, so that a machine that slows down slows both; more than one token each is what counts.
    let mut parallel = Vec::new();
    for run in 0..RUNS {
        let mut speeds = [0.0; 2];
        for (speed, chats) in speeds.iter_mut().zip([1, 4]) {
            let start = Instant::now();
            let salt = |n: u8| 100 + 8 * run as u8 + chats + n;
            let requests = (0..chats).map(|n| request(salt(n), &format!("Count from {n} to a thousand.")));
            let answers = future::join_all(requests.map(|request| chat_once(&engine, request, GENERATED))).await;
            let mut tokens = 0;
            for answer in answers {
                tokens += answer?.3.completion_tokens;
            }
            *speed = tokens as f64 / start.elapsed().as_secs_f64();
        }
        parallel.push(json!({"one": speeds[0], "four": speeds[1], "ratio": speeds[1] / speeds[0]}));
    }
    eprintln!("parallel, tokens per wall second: {}", json!(parallel));
    let mut first_tokens = Vec::new();
    for run in 0..RUNS {
        // The question comes last, so that all before it is shared.
        let ask = |question: &str| {
            let mut request = filler(10 + run, 1460);
            request.messages[0].role = Role::System;
            request.messages.push(Message::new(Role::User, question));
            request
        };
        let (cold, ..) = chat_once(&engine, ask("What is the first word?"), 1).await?;
        let (shared, _, _, usage) = chat_once(&engine, ask("And which one is the last?"), 1).await?;
        first_tokens.push(json!({
            "cold_seconds": cold, "shared_seconds": shared, "ratio": shared / cold,
            "prompt_tokens": usage.prompt_tokens, "cached_tokens": usage.cached_tokens,
        }));
    }
    let idle_start = cpu_seconds(&engine);
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let idle = (cpu_seconds(&engine) - idle_start) / 3.0;
    let mut figures = json!({
        "load_seconds": load,
        "prompt_512": speeds(&prompts),
        "generation": speeds(&generations),
        "parallel": parallel,
        "first_token": first_tokens,
        "idle_cpu_share": idle,
        "peak_memory_mib": peak_mib(&engine),
    });
    drop(engine);
    if let [embed, ..] = embed {
        figures["embedding"] = embeddings(&program, embed).await?;
    }
    Ok(figures)
}

async fn embeddings(program: &std::path::Path, model: &OsString) -> Result<serde_json::Value, Box<dyn Error>> {
    let engine = Engine::open(Config::embed(program, "embed", PathBuf::from(model)))?;
    engine.start().await?;
    // About 250 tokens each, as passages are.
    let texts: Vec<String> = (0..64)
        .map(|n| format!("제{n}조(목적) {}", "이 규정은 정수장의 펌프를 점검하는 방법을 정한다. ".repeat(14)))
        .collect();
    let (start, cpu) = (Instant::now(), cpu_seconds(&engine));
    let request = EmbedRequest { texts, kind: EmbedKind::Passage, priority: Priority::Background };
    let vectors = engine.embed(request).await?;
    let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds(&engine) - cpu);
    let tokens: u32 = vectors.iter().map(|vector| vector.tokens).sum();
    let start = Instant::now();
    let query = EmbedRequest {
        texts: vec!["펌프가 멈추면 어떻게 해야 하는지 알려 주십시오".into()],
        kind: EmbedKind::Query,
        priority: Priority::Interactive,
    };
    engine.embed(query).await?;
    let count = vectors.len() as f64;
    Ok(json!({
        "passages": vectors.len(),
        "tokens_each": f64::from(tokens) / count,
        "passages_per_wall_second": count / wall,
        "passages_per_cpu_second": count / cpu,
        "query_seconds": start.elapsed().as_secs_f64(),
        "peak_memory_mib": peak_mib(&engine),
    }))
}

fn request(salt: u8, said: &str) -> ChatRequest {
    ChatRequest { tokens_max: 1, ..ChatRequest::new(vec![Message::new(Role::User, said)], CacheSalt([salt; 16])) }
}

/// The same chat of somebody else, who shares no prefix with it.
fn fresh(mut request: ChatRequest) -> ChatRequest {
    request.salt.0[1] ^= 0xff;
    request
}

/// A prompt of so many words, most of them a token, that no other run shares.
fn filler(run: usize, words: usize) -> ChatRequest {
    let said: Vec<String> =
        (0..words).map(|n| ["pump", "valve", "water", "report", "city"][(n * 7 + run) % 5].into()).collect();
    request(u8::try_from(200 + run).unwrap_or(0), &said.join(" "))
}

/// Runs one chat to its end: seconds to the first event, CPU seconds of the child, wall seconds, usage.
async fn chat_once(
    engine: &Engine,
    mut request: ChatRequest,
    tokens_max: u32,
) -> Result<(f64, f64, f64, base::Usage), Box<dyn Error>> {
    request.tokens_max = tokens_max;
    let (start, cpu) = (Instant::now(), cpu_seconds(engine));
    let mut events = engine.chat(request).await?;
    let first = start.elapsed().as_secs_f64();
    while let Some(event) = events.next().await {
        if let Event::Done { usage, .. } = event? {
            return Ok((first, cpu_seconds(engine) - cpu, start.elapsed().as_secs_f64(), usage));
        }
    }
    Err("an answer ended without an end".into())
}

fn speeds(runs: &[(f64, f64, f64)]) -> serde_json::Value {
    let median = |speed: &dyn Fn(&(f64, f64, f64)) -> f64| {
        let mut all: Vec<f64> = runs.iter().map(speed).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    json!({
        "tokens": runs[0].0,
        "tokens_per_cpu_second": median(&|run| run.0 / run.1),
        "tokens_per_wall_second": median(&|run| run.0 / run.2),
    })
}

/// User and system time of the child so far.
fn cpu_seconds(engine: &Engine) -> f64 {
    let Some(pid) = engine.child_pid() else { return 0.0 };
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    // Linux shows times to programs in hundredths of a second, whatever its own clock does.
    (ticks(11) + ticks(12)) / 100.0
}

fn peak_mib(engine: &Engine) -> f64 {
    let Some(pid) = engine.child_pid() else { return 0.0 };
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
