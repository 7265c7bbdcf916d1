//! Measures search over real statutes: gathering and indexing, rankings for each question, time.
//!
//! ```text
//! search_bench --acts DIR --questions FILE --data DIR --out DIR [--set NAME] [--modes words,meaning,fused]
//!              [--embedder PROGRAM] [--embed-pool N] [--embed-seconds S] [--embed-all]
//! ```
//!
//! The embedder is a program that answers lines of JSON on its standard input, `{"kind": "query", "texts": [...]}`, with
//! lines `{"vectors": [[...], ...]}`, as `bench/search/embedder.py` does: this crate may not know the embedded engine.
//!
//! Rankings go to `OUT/SET-MODE.jsonl` in the form that `bench/search/compare.py` reads; what was measured goes to
//! `OUT/SET-figures.json` and to the screen. Run it with `taskset -c 0` for the times on one core.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use base::{Class, KeyId, Label, PassageId, Principal, Residency, Subject, TenantId};
use corpus::{AddOptions, Corpora, Corpus, NewCorpus};
use engine::{ChatRequest, Description, EmbedKind, EmbedRequest, Embedding, Engine, EngineError, EventStream};
use guard::{Guard, SearchPermit};
use retrieval::{Config, Found, Mode, Query, Search};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{DataLock, Store};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Passages whose articles are ranked.
const DEPTH: usize = 400;

#[derive(Deserialize)]
struct Question {
    id: String,
    question: String,
}

struct Args {
    acts: PathBuf,
    questions: PathBuf,
    data: PathBuf,
    out: PathBuf,
    set: String,
    modes: Vec<Mode>,
    embedder: Option<PathBuf>,
    embed_pool: usize,
    embed_seconds: u64,
    embed_all: bool,
}

fn main() -> Result<()> {
    let args = args()?;
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(run(args))
}

async fn run(args: Args) -> Result<()> {
    std::fs::create_dir_all(&args.out)?;
    let lock = DataLock::take(&args.data)?;
    let store = Arc::new(Store::open(&args.data, lock, &[corpus::SCHEMA, retrieval::SCHEMA]).await?);
    let corpora = Arc::new(Corpora::new(store.clone()));
    let embedder = args.embedder.as_deref().map(Piped::start).transpose()?;
    let config = Config { background: args.embed_all, ..Config::new(args.data.join("words")) };
    let index_dir = config.dir.clone();
    let search = Search::open(store, corpora.clone(), embedder, config).await?;
    let (corpus, permit) = corpus(&corpora).await?;

    let mut figures = serde_json::Map::new();
    let begun = Instant::now();
    let report = corpora.add(&corpus, std::slice::from_ref(&args.acts), &AddOptions::default(), &|_| {}).await?;
    let gathered = begun.elapsed();
    search.catch_up().await?;
    figures.insert("add_seconds".into(), json!(gathered.as_secs_f64()));
    figures.insert("add_and_index_seconds".into(), json!(begun.elapsed().as_secs_f64()));
    figures.insert("added".into(), json!(report.added));
    figures.insert("unchanged".into(), json!(report.unchanged));
    figures.insert("passages".into(), json!(search.status().passages));
    figures.insert("peak_memory_mib".into(), json!(peak_memory_mib()));
    let text_bytes = corpora.status(corpus.id).await?.text_bytes;
    figures.insert("index_over_text".into(), json!(folder_bytes(&index_dir)? as f64 / text_bytes.max(1) as f64));

    let text = std::fs::read_to_string(&args.questions)?;
    let questions: Vec<Question> =
        text.lines().map(serde_json::from_str).collect::<Result<_, _>>().context("reading the questions")?;
    if args.embed_pool > 0 {
        let made = embed_pool(&search, &permit, &questions, &args).await?;
        figures.insert("pool".into(), made);
    }
    if args.embed_all {
        loop {
            let status = search.status();
            println!("{} of {} vectors, {:.1} a second", status.embedded, status.passages, status.per_second);
            if status.embedded == status.passages {
                break;
            }
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    }
    for &mode in &args.modes {
        let name = format!("{mode:?}").to_lowercase();
        let measured =
            measure(&search, &permit, &questions, mode, &args.out.join(format!("{}-{name}.jsonl", args.set))).await?;
        figures.insert(name, measured);
    }
    let figures = serde_json::to_string_pretty(&Value::Object(figures))?;
    println!("{figures}");
    std::fs::write(args.out.join(format!("{}-figures.json", args.set)), figures + "\n")?;
    search.close().await;
    Ok(())
}

/// Ranks articles for each question, then asks all again for the ten best and takes the time.
async fn measure(
    search: &Search,
    permit: &SearchPermit,
    questions: &[Question],
    mode: Mode,
    out: &Path,
) -> Result<Value> {
    let mut lines = String::new();
    let mut embedded = 0;
    for question in questions {
        let query = Query { mode, top: DEPTH, ..Query::new(&question.question) };
        let found = search.search(permit, &query).await?;
        embedded = found.embedded;
        lines += &json!({ "id": question.id, "ranking": articles(&found) }).to_string();
        lines.push('\n');
    }
    std::fs::write(out, lines)?;
    let mut whole = Vec::new();
    let cpu_before = cpu_milliseconds();
    let mut phases: [Vec<f64>; 5] = Default::default();
    for question in questions {
        let query = Query { mode, ..Query::new(&question.question) };
        let begun = Instant::now();
        let found = search.search(permit, &query).await?;
        whole.push(milliseconds(begun.elapsed()));
        let elapsed = found.elapsed;
        let parts = [elapsed.wait, elapsed.embed, elapsed.words, elapsed.meaning, elapsed.texts];
        phases.iter_mut().zip(parts).for_each(|(phase, part)| phase.push(milliseconds(part)));
    }
    // On a machine that others use too, this tells more than the clock.
    let cpu = (cpu_milliseconds() - cpu_before) / questions.len().max(1) as f64;
    let [wait, embed, words, meaning, texts] = phases.map(percentiles);
    Ok(json!({
        "questions": questions.len(), "embedded": embedded, "milliseconds": percentiles(whole),
        "mean_cpu_milliseconds": (cpu * 1e3).round() / 1e3,
        "phases": { "wait": wait, "embed": embed, "words": words, "meaning": meaning, "texts": texts },
    }))
}

/// Embeds the best candidates by words of all questions, the best of each first, until the time is over.
async fn embed_pool(search: &Search, permit: &SearchPermit, questions: &[Question], args: &Args) -> Result<Value> {
    let mut lists = Vec::new();
    for question in questions {
        let query = Query { mode: Mode::Words, top: args.embed_pool, ..Query::new(&question.question) };
        lists.push(search.search(permit, &query).await?.hits.into_iter().map(|hit| hit.passage).collect::<Vec<_>>());
    }
    let mut seen = HashSet::new();
    let places = (0..args.embed_pool).flat_map(|place| lists.iter().filter_map(move |list| list.get(place)));
    let pool: Vec<PassageId> = places.copied().filter(|passage| seen.insert(*passage)).collect();
    let begun = Instant::now();
    let mut made = 0;
    for part in pool.chunks(64) {
        if begun.elapsed() > Duration::from_secs(args.embed_seconds) {
            break;
        }
        search.embed(part).await?;
        made += part.len();
    }
    Ok(json!({ "passages": pool.len(), "embedded": made, "seconds": begun.elapsed().as_secs_f64() }))
}

/// The articles of the passages that were found, each at its best passage's place.
fn articles(found: &Found) -> Vec<String> {
    let mut seen = HashSet::new();
    let names = found.hits.iter().filter_map(|hit| {
        let heading = hit.headings.last()?;
        let number = heading.split_whitespace().next()?;
        (number.starts_with('제') && number.contains('조')).then(|| format!("{}#{number}", hit.path))
    });
    names.filter(|name| seen.insert(name.clone())).take(100).collect()
}

async fn corpus(corpora: &Corpora) -> Result<(Corpus, SearchPermit)> {
    let tenant: TenantId = "tenant_00000000000070008000000000000001".parse()?;
    let purpose: base::Purpose = "answering".parse()?;
    let corpus = match corpora.find(tenant, "acts").await? {
        Some(corpus) => corpus,
        None => {
            let label = Label {
                class: Class::Open,
                residency: Residency::Anywhere,
                purposes: [purpose.clone()].into(),
                licences: [].into(),
            };
            let new = NewCorpus { name: "acts".into(), title: String::new(), label, readers: [].into() };
            corpora.create(tenant, new).await?
        }
    };
    let principal = Principal {
        tenant,
        subject: Subject::Service(KeyId::new()),
        groups: [].into(),
        input_class: Class::Open,
        read_class_max: Class::Open,
        administrator: false,
    };
    let permit = Guard::default().may_search(&principal, &[corpora.terms(&corpus)], &purpose)?;
    Ok((corpus, permit))
}

/// An embedder in another program.
#[derive(Debug)]
struct Piped {
    description: Description,
    pipes: tokio::sync::Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    _child: Child,
}

impl Piped {
    fn start(program: &Path) -> Result<Arc<dyn Engine>> {
        let mut child =
            Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let input = child.stdin.take().context("no input")?;
        let output = child.stdout.take().context("no output")?;
        let model = "multilingual-e5-small".to_owned();
        let description = Description {
            model,
            chats: false,
            dimensions: Some(384),
            unrelated_cosine: None,
            context_tokens: 512,
            offer: engine::Offer::of_this_house(false, true),
        };
        let pipes = tokio::sync::Mutex::new((input, BufReader::new(output).lines()));
        Ok(Arc::new(Self { description, pipes, _child: child }))
    }

    async fn ask(&self, request: &EmbedRequest) -> Result<Vec<Vec<f32>>> {
        let kind = if request.kind == EmbedKind::Query { "query" } else { "passage" };
        let line = json!({ "kind": kind, "texts": request.texts }).to_string() + "\n";
        let (input, output) = &mut *self.pipes.lock().await;
        input.write_all(line.as_bytes()).await?;
        input.flush().await?;
        let answer = output.next_line().await?.context("the embedder ended")?;
        let answer: Value = serde_json::from_str(&answer)?;
        Ok(serde_json::from_value(answer["vectors"].clone())?)
    }
}

#[async_trait]
impl Engine for Piped {
    fn describe(&self) -> &Description {
        &self.description
    }

    async fn chat(&self, _: ChatRequest) -> Result<EventStream, EngineError> {
        Err(EngineError::Unable { model: self.description.model.clone(), ability: "chat" })
    }

    async fn count_tokens(&self, _: &ChatRequest) -> Result<u32, EngineError> {
        Err(EngineError::Unable { model: self.description.model.clone(), ability: "chat" })
    }

    async fn embed(&self, request: EmbedRequest) -> Result<Vec<Embedding>, EngineError> {
        let failed = |error: anyhow::Error| EngineError::Unavailable {
            model: self.description.model.clone(),
            reason: error.to_string(),
        };
        let vectors = self.ask(&request).await.map_err(failed)?;
        Ok(vectors.into_iter().map(|vector| Embedding { vector, tokens: 0 }).collect())
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn percentiles(mut values: Vec<f64>) -> Value {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get(((values.len() as f64 * share) as usize).min(values.len().saturating_sub(1)));
    let round = |value: Option<&f64>| value.map(|value| (value * 1e3).round() / 1e3);
    json!({ "p50": round(at(0.5)), "p90": round(at(0.9)), "p99": round(at(0.99)), "max": round(values.last()) })
}

fn folder_bytes(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

/// What this process has computed so far, in all its threads (clock ticks of 10 ms, as Linux counts them).
fn cpu_milliseconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    behind_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * 10.0
}

fn peak_memory_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}

fn args() -> Result<Args> {
    let mut args = Args {
        acts: PathBuf::new(),
        questions: PathBuf::new(),
        data: PathBuf::new(),
        out: PathBuf::new(),
        set: "issues".into(),
        modes: vec![Mode::Words],
        embedder: None,
        embed_pool: 0,
        embed_seconds: 600,
        embed_all: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--embed-all" {
            args.embed_all = true;
            continue;
        }
        let value = words.next().with_context(|| format!("`{word}` needs a value"))?;
        match word.as_str() {
            "--acts" => args.acts = value.into(),
            "--questions" => args.questions = value.into(),
            "--data" => args.data = value.into(),
            "--out" => args.out = value.into(),
            "--set" => args.set = value,
            "--embedder" => args.embedder = Some(value.into()),
            "--embed-pool" => args.embed_pool = value.parse()?,
            "--embed-seconds" => args.embed_seconds = value.parse()?,
            "--modes" => {
                let names = value.split(',').map(|name| serde_json::from_value(Value::from(name)));
                args.modes = names.collect::<Result<_, _>>()?;
            }
            _ => bail!("unknown option `{word}`"),
        }
    }
    for (name, path) in
        [("--acts", &args.acts), ("--questions", &args.questions), ("--data", &args.data), ("--out", &args.out)]
    {
        if path.as_os_str().is_empty() {
            bail!("`{name}` is missing");
        }
    }
    Ok(args)
}
