//! Measures cited answers on `suites/records`: are the citations right, is silence right, is the fact there?
//!
//! `bench/answers/README.md` says how to run it and what came out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use base::{Class, Country, Label, Principal, Residency, Subject};
use serde::Deserialize;
use serde_json::{Value, json};
use serving::{
    AnswerCall, AnswerKind, AnswerMode, Config, EngineSource, Parts, Reply, ServedEngine, ServedModel, Serving,
};

const RESAMPLES: usize = 2_000;

#[derive(Debug, Clone, Deserialize)]
struct Asked {
    id: String,
    question: String,
    language: String,
    answerable: bool,
    kind: String,
    split: String,
    #[serde(default)]
    support: Vec<Support>,
    #[serde(default)]
    needs: Option<String>,
    #[serde(default)]
    answer: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Support {
    document: String,
    quote: String,
}

#[derive(Debug, Clone)]
struct Options {
    root: PathBuf,
    child: PathBuf,
    embedder: Option<PathBuf>,
    chat: Option<PathBuf>,
    mode: AnswerMode,
    limit: Option<usize>,
    out: Option<PathBuf>,
    dump: Option<PathBuf>,
    verbose: bool,
}

/// How one question went.
#[derive(Debug, Clone)]
struct Outcome {
    asked: Asked,
    kind: AnswerKind,
    text: String,
    quotes: Vec<(String, String)>,
    right: usize,
    recall: f64,
    said: bool,
    unsupported: usize,
    elapsed: Duration,
    tokens: u64,
}

#[derive(Debug)]
struct Engines {
    chat: Option<ServedEngine>,
    embedder: Option<ServedEngine>,
}

impl EngineSource for Engines {
    fn chat(&self, model: &str) -> Option<ServedEngine> {
        self.chat.clone().filter(|served| served.engine.describe().model == model)
    }

    fn embedder(&self) -> Option<ServedEngine> {
        self.embedder.clone()
    }

    fn models(&self) -> Vec<ServedModel> {
        self.chat
            .iter()
            .chain(&self.embedder)
            .map(|served| {
                let described = served.engine.describe();
                ServedModel {
                    name: described.model.clone(),
                    chats: described.chats,
                    dimensions: described.dimensions,
                    context_tokens: described.context_tokens,
                    installed: 0,
                }
            })
            .collect()
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = options()?;
    let questions = questions(&options)?;
    let dir = tempfile::tempdir()?;
    let lock = store::DataLock::take(dir.path())?;
    let schemas = [guard::SCHEMA, tenancy::SCHEMA, corpus::SCHEMA, retrieval::SCHEMA, serving::SCHEMA];
    let store = Arc::new(store::Store::open(dir.path(), lock, &schemas).await?);
    let tenancy = Arc::new(tenancy::Tenancy::open(store.clone()).await?);
    let tenant = tenancy.create_tenant("bench", None).await?.id;
    let corpora = Arc::new(corpus::Corpora::new(store.clone()));
    gather(&corpora, tenant, &options.root.join("examples/records")).await?;
    let engines = Arc::new(engines(&options)?);
    let embedder = engines.embedder.as_ref().map(|served| served.engine.clone());
    let search =
        retrieval::Search::open(store.clone(), corpora, embedder, retrieval::Config::new(dir.path().join("words")))
            .await?;
    search.catch_up().await?;
    while engines.embedder.is_some() && search.status().embedded < search.status().passages {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let place = guard::LedgerPlace::new(dir.path(), [7; 32]);
    let receipts = guard::Receipts::open(&place, store.clone(), guard::Durability::Relaxed).await?;
    let guard = guard::Guard::default();
    let approvals = Arc::new(guard::Approvals::open(store.clone(), guard.clone()).await?);
    let parts = Parts { store, tenancy, search, engines, guard, approvals, receipts };
    let serving = Serving::open(parts, Config::default()).await?;
    let principal = Principal {
        tenant,
        subject: Subject::Operator,
        groups: Default::default(),
        input_class: Class::Open,
        read_class_max: Class::Open,
        administrator: false,
    };
    if let Some(dump) = &options.dump {
        return write_dump(&serving, &principal, &questions, dump).await;
    }
    let mut outcomes = Vec::new();
    for asked in questions {
        let outcome = ask(&serving, &principal, asked, options.mode).await?;
        if options.verbose {
            show(&outcome);
        }
        outcomes.push(outcome);
    }
    report(&outcomes, &options)
}

async fn gather(corpora: &corpus::Corpora, tenant: base::TenantId, records: &Path) -> anyhow::Result<()> {
    let label = Label {
        class: Class::Open,
        residency: Residency::Only([Country::KR].into()),
        purposes: ["answering".parse()?].into(),
        licences: Default::default(),
    };
    let new = corpus::NewCorpus { name: "records".into(), title: String::new(), label, readers: Default::default() };
    let corpus = corpora.create(tenant, new).await?;
    let report = corpora.add(&corpus, &[records.to_owned()], &corpus::AddOptions::default(), &|_| {}).await?;
    eprintln!("gathered {} documents", report.added);
    Ok(())
}

fn engines(options: &Options) -> anyhow::Result<Engines> {
    let served = |config: llama::Config| -> anyhow::Result<ServedEngine> {
        let name = config.model.clone();
        let engine = llama::Engine::open(config)?;
        let terms = guard::EngineTerms { name, country: Country::KR, class_max: Class::Open, owner: None };
        Ok(ServedEngine { engine: Arc::new(engine), terms, at_once: 4, file: None })
    };
    let chat = options.chat.as_ref().map(|path| served(llama::Config::chat(&options.child, "chat", path)));
    let embedder = options.embedder.as_ref().map(|path| {
        let mut config = llama::Config::embed(&options.child, "e5", path);
        // As the catalogue says of multilingual-e5-small.
        config.unrelated_cosine = Some(0.75);
        config.dimensions = Some(384);
        served(config)
    });
    Ok(Engines { chat: chat.transpose()?, embedder: embedder.transpose()? })
}

async fn ask(serving: &Serving, principal: &Principal, asked: Asked, mode: AnswerMode) -> anyhow::Result<Outcome> {
    let call =
        AnswerCall { corpora: vec!["records".into()], question: asked.question.clone(), mode, ..AnswerCall::default() };
    let began = Instant::now();
    let reply = Reply::gather(serving.answer(principal, call).await?).await?;
    let elapsed = began.elapsed();
    let quotes: Vec<(String, String)> =
        reply.citations.iter().map(|citation| (citation.path.clone(), citation.quote.clone())).collect();
    let right = quotes.iter().filter(|quote| asked.support.iter().any(|gold| is_right(gold, quote))).count();
    let found = asked.support.iter().filter(|gold| quotes.iter().any(|quote| is_right(gold, quote))).count();
    let recall = match (asked.needs.as_deref(), asked.support.len()) {
        (_, 0) => 0.0,
        (Some("all"), all) => found as f64 / all as f64,
        _ => f64::from(u8::from(found > 0)),
    };
    let text = flat(&reply.text);
    let said = asked.answer.iter().any(|answer| text.contains(&flat(answer)));
    Ok(Outcome {
        kind: reply.done.kind,
        quotes,
        right,
        recall,
        said,
        unsupported: reply.done.unsupported.len(),
        elapsed,
        tokens: reply.done.usage.completion_tokens,
        text: reply.text,
        asked,
    })
}

/// Whether a citation quotes a sentence that is known to support: in the same document, one contains the other. A row
/// of a table is compared cell by cell, since its text is written with the names of its columns.
fn is_right(gold: &Support, (path, quote): &(String, String)) -> bool {
    if !path.ends_with(&gold.document) && !gold.document.ends_with(path.as_str()) {
        return false;
    }
    let quote = flat(quote);
    let cells: Vec<String> = if gold.quote.trim_start().starts_with('|') {
        gold.quote.split('|').map(flat).collect()
    } else if gold.document.ends_with(".csv") {
        csv_cells(&gold.quote).iter().map(|cell| flat(cell)).collect()
    } else {
        vec![flat(&gold.quote)]
    };
    let mut cells = cells.iter().filter(|cell| !cell.is_empty());
    cells.clone().all(|cell| quote.contains(cell.as_str()))
        || quote.chars().count() >= 8 && cells.any(|cell| cell.contains(&quote))
}

fn csv_cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    for letter in line.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            letter => cells.last_mut().into_iter().for_each(|cell| cell.push(letter)),
        }
    }
    cells
}

/// A text without what extraction may change: white space, marks of lists and tables, commas in numbers.
fn flat(text: &str) -> String {
    let text = text.trim().trim_start_matches(['-', '*', '•']).trim_start();
    let number = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let listed = number.len() < text.len() && number.starts_with(". ");
    let text = if listed { &number[2..] } else { text }.to_lowercase();
    text.chars().filter(|letter| !letter.is_whitespace() && !matches!(letter, '|' | ',' | '*' | '`')).collect()
}

async fn write_dump(serving: &Serving, principal: &Principal, questions: &[Asked], path: &Path) -> anyhow::Result<()> {
    let mut lines = String::new();
    for asked in questions {
        let weighing = serving.weigh(principal, &["records".into()], &asked.question).await?;
        let sentences: Vec<Value> = weighing
            .sentences
            .iter()
            .map(|sentence| {
                let quote = (sentence.path.clone(), sentence.text.clone());
                let gold = asked.support.iter().any(|gold| is_right(gold, &quote));
                json!({
                    "path": sentence.path, "text": sentence.text, "gold": gold, "score": sentence.score,
                    "features": sentence.features,
                })
            })
            .collect();
        let line = json!({
            "id": asked.id, "split": asked.split, "kind": asked.kind, "answerable": asked.answerable,
            "question": asked.question, "chance": weighing.chance, "features": weighing.features,
            "sentences": sentences,
        });
        lines.push_str(&line.to_string());
        lines.push('\n');
    }
    std::fs::write(path, lines)?;
    Ok(())
}

fn show(outcome: &Outcome) {
    let asked = &outcome.asked;
    let sign = match (asked.answerable, outcome.kind == AnswerKind::Abstained) {
        (true, true) => "MISSED",
        (false, false) => "SAID",
        (true, false) if outcome.recall == 0.0 => "WRONG",
        _ => "ok",
    };
    println!(
        "{sign}\t{}\t{}\t{}\t{:?}\t{}",
        asked.id,
        asked.kind,
        asked.question,
        outcome.kind,
        outcome.text.replace('\n', " / ")
    );
    if sign == "WRONG" {
        println!("\tquoted {:?}\n\tgold {:?}", outcome.quotes, asked.support.first().map(|gold| &gold.quote));
    }
}

/// A measure: how much a question adds to its numerator and to its denominator.
type Measure = fn(&Outcome) -> Option<(f64, f64)>;

const MEASURES: &[(&str, Measure)] = &[
    ("support precision", |o| {
        (o.asked.answerable && !o.quotes.is_empty()).then_some((o.right as f64, o.quotes.len() as f64))
    }),
    ("support recall", |o| o.asked.answerable.then_some((o.recall, 1.0))),
    ("answer string", |o| o.asked.answerable.then(|| (f64::from(u8::from(o.said)), 1.0))),
    ("right abstention", |o| {
        (!o.asked.answerable).then(|| (f64::from(u8::from(o.kind == AnswerKind::Abstained)), 1.0))
    }),
    ("false abstention", |o| o.asked.answerable.then(|| (f64::from(u8::from(o.kind == AnswerKind::Abstained)), 1.0))),
    ("right whether to answer", |o| {
        Some((f64::from(u8::from(o.asked.answerable == (o.kind != AnswerKind::Abstained))), 1.0))
    }),
];

fn report(outcomes: &[Outcome], options: &Options) -> anyhow::Result<()> {
    let mut splits = BTreeMap::new();
    let mut table =
        String::from("| split | measure | value | 95 % interval | questions |\n| --- | --- | --- | --- | --- |\n");
    for split in ["dev", "test"] {
        let of: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.asked.split == split).collect();
        let mut measures = serde_json::Map::new();
        for (name, measure) in MEASURES {
            let pairs: Vec<(f64, f64)> = of.iter().filter_map(|outcome| measure(outcome)).collect();
            let (value, low, high) = interval(&pairs);
            table.push_str(&format!("| {split} | {name} | {value:.3} | {low:.3} to {high:.3} | {} |\n", pairs.len()));
            measures
                .insert((*name).into(), json!({"value": value, "low": low, "high": high, "questions": pairs.len()}));
        }
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        of.iter().for_each(|outcome| *kinds.entry(format!("{:?}", outcome.kind).to_lowercase()).or_default() += 1);
        let mut times: Vec<f64> = of.iter().map(|outcome| outcome.elapsed.as_secs_f64()).collect();
        times.sort_by(f64::total_cmp);
        let by_kind: BTreeMap<String, Value> = by_kind(&of);
        splits.insert(
            split,
            json!({
                "measures": measures, "replies": kinds, "by_kind": by_kind,
                "seconds_p50": times.get(times.len() / 2), "seconds_p95": times.get(times.len() * 95 / 100),
                "tokens": of.iter().map(|outcome| outcome.tokens).sum::<u64>(),
                "unsupported_sentences_shown": of.iter().map(|outcome| outcome.unsupported).sum::<usize>(),
            }),
        );
    }
    println!("{table}");
    if let Some(out) = &options.out {
        let result = json!({
            "mode": options.mode.as_str(), "questions": outcomes.len(), "bootstrap_resamples": RESAMPLES,
            "splits": splits,
            "replies": outcomes.iter().map(|outcome| json!({
                "id": outcome.asked.id, "kind": outcome.kind, "text": outcome.text, "right": outcome.right,
                "citations": outcome.quotes.len(), "recall": outcome.recall, "said": outcome.said,
            })).collect::<Vec<_>>(),
        });
        std::fs::write(out, serde_json::to_string_pretty(&result)? + "\n")?;
    }
    Ok(())
}

fn by_kind(outcomes: &[&Outcome]) -> BTreeMap<String, Value> {
    let mut groups: BTreeMap<String, Vec<&Outcome>> = BTreeMap::new();
    for outcome in outcomes {
        let key = format!("{} {}", outcome.asked.kind, outcome.asked.language);
        groups.entry(key).or_default().push(outcome);
    }
    groups
        .into_iter()
        .map(|(kind, of)| {
            let count = of.len() as f64;
            let abstained = of.iter().filter(|outcome| outcome.kind == AnswerKind::Abstained).count();
            let recall = of.iter().map(|outcome| outcome.recall).sum::<f64>() / count;
            (kind, json!({"questions": of.len(), "abstained": abstained as f64 / count, "recall": recall}))
        })
        .collect()
}

/// The ratio of sums, and its percentile bootstrap interval over questions.
fn interval(pairs: &[(f64, f64)]) -> (f64, f64, f64) {
    let ratio = |sums: (f64, f64)| if sums.1 > 0.0 { sums.0 / sums.1 } else { f64::NAN };
    let sum = |a: (f64, f64), b: &(f64, f64)| (a.0 + b.0, a.1 + b.1);
    let value = ratio(pairs.iter().fold((0.0, 0.0), sum));
    if pairs.is_empty() {
        return (value, value, value);
    }
    // A fixed generator, so that the same outcomes give the same interval.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % pairs.len() as u64) as usize
    };
    let mut values: Vec<f64> = (0..RESAMPLES)
        .map(|_| ratio((0..pairs.len()).fold((0.0, 0.0), |sums, _| sum(sums, &pairs[draw()]))))
        .filter(|value| !value.is_nan())
        .collect();
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get((values.len() as f64 * share) as usize).copied().unwrap_or(value);
    (value, at(0.025), at(0.975))
}

fn questions(options: &Options) -> anyhow::Result<Vec<Asked>> {
    let path = options.root.join("suites/records/questions.jsonl");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut all: Vec<Asked> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    if let Some(limit) = options.limit {
        // Spread evenly over the suite, so that each kind and both halves are in the sample.
        let kept: Vec<usize> = (0..limit).map(|place| place * all.len() / limit).collect();
        all = all.into_iter().enumerate().filter(|(place, _)| kept.contains(place)).map(|(_, asked)| asked).collect();
    }
    Ok(all)
}

fn options() -> anyhow::Result<Options> {
    let mut options = Options {
        root: PathBuf::from("."),
        child: PathBuf::from("llama-child"),
        embedder: None,
        chat: None,
        mode: AnswerMode::Extractive,
        limit: None,
        out: None,
        dump: None,
        verbose: false,
    };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        if name == "--verbose" {
            options.verbose = true;
            continue;
        }
        let value = args.next().with_context(|| format!("`{name}` needs a value"))?;
        match name.as_str() {
            "--root" => options.root = value.into(),
            "--child" => options.child = value.into(),
            "--embedder" => options.embedder = Some(value.into()),
            "--chat" => options.chat = Some(value.into()),
            "--mode" => options.mode = value.parse().map_err(anyhow::Error::msg)?,
            "--limit" => options.limit = Some(value.parse()?),
            "--out" => options.out = Some(value.into()),
            "--dump" => options.dump = Some(value.into()),
            _ => bail!("unknown option `{name}`"),
        }
    }
    Ok(options)
}
