//! Corpora: made, added to, looked at, removed.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{Context, list, read_toml, text};
use crate::cli::{Corpus, CreateCorpus};
use crate::client::percent_encoded;
use crate::print::{self, Progress};

const COLUMNS: &[(&str, &str)] = &[
    ("NAME", "name"),
    ("CLASS", "label/class"),
    ("DOCUMENTS", "status/documents"),
    ("PASSAGES", "status/passages"),
    ("VERSION", "version"),
    ("CHANGED", "changed"),
];

pub async fn run(context: &Context<'_>, command: &Corpus) -> anyhow::Result<()> {
    match command {
        Corpus::Create(new) => create(context, new).await,
        Corpus::Add { name, paths, class, readers, access } => {
            let paths = paths.iter().map(std::path::absolute).collect::<Result<Vec<_>, _>>()?;
            let missing = paths.iter().find(|path| !path.exists());
            if let Some(missing) = missing {
                anyhow::bail!("`{}` is not there", missing.display());
            }
            let access = access.as_deref().map(rules).transpose()?.unwrap_or_default();
            add(context, name, json!({ "paths": paths, "class": class, "readers": readers, "access": access })).await
        }
        Corpus::List => {
            let all = context.all("/api/v1/corpora").await?;
            context.show(&all, |all| list(all, COLUMNS));
            Ok(())
        }
        Corpus::Status { name, wait } => status(context, name.as_deref(), *wait).await,
        Corpus::Show { name, document: None } => documents(context, name).await,
        Corpus::Show { name, document: Some(document) } => {
            let shown = context.get(&document_path(name, document)).await?;
            context.show(&shown, show);
            Ok(())
        }
        Corpus::Readers { name, groups } => {
            let changed = context.patch(&corpus_path(name), json!({ "readers": groups })).await?;
            let who = if groups.is_empty() { "the whole tenant".to_owned() } else { groups.join(", ") };
            context.show(&changed, |_| print::out(&format!("`{name}` is read by {who}")));
            Ok(())
        }
        Corpus::Declassify { name, document, to, reason } => {
            let place = format!("{}/document/class?document={}", corpus_path(name), percent_encoded(document));
            let lowered = context.post(&place, json!({ "to": to, "reason": reason })).await?;
            context.show(&lowered, |lowered| {
                print::out(&format!("`{}` is `{}` now", text(lowered, "path"), text(lowered, "class")));
            });
            Ok(())
        }
        Corpus::Remove { name, document } => {
            let path = match document {
                Some(document) => document_path(name, document),
                None => corpus_path(name),
            };
            let gone = context.delete(&path).await?;
            context.show(&gone, |gone| print::out(&format!("`{}` removed", text(gone, "removed"))));
            Ok(())
        }
    }
}

fn corpus_path(name: &str) -> String {
    format!("/api/v1/corpora/{}", percent_encoded(name))
}

fn document_path(name: &str, document: &str) -> String {
    format!("{}/document?document={}", corpus_path(name), percent_encoded(document))
}

async fn create(context: &Context<'_>, new: &CreateCorpus) -> anyhow::Result<()> {
    let anywhere = new.residency.iter().any(|country| country == "anywhere");
    let body = json!({
        "name": new.name,
        "title": new.title,
        "class": new.class,
        "residency": if anywhere { Value::Null } else { json!(new.residency) },
        "licences": new.licence,
        "purposes": new.purpose,
        "readers": new.readers,
    });
    let made = context.post("/api/v1/corpora", body).await?;
    context.show(&made, |made| print::out(&format!("corpus `{}` made", text(made, "name"))));
    Ok(())
}

async fn add(context: &Context<'_>, name: &str, body: Value) -> anyhow::Result<()> {
    let mut progress = Progress::new(false);
    let mut report = None;
    let json = context.json;
    context
        .client
        .follow(&format!("{}/add", corpus_path(name)), body, |step| {
            if json {
                print::out(&step.to_string());
            }
            if let Some(now) = step.get("progress") {
                let number = |field: &str| now.get(field).and_then(Value::as_u64).unwrap_or(0);
                progress.tell(&text(now, "current"), number("files_done"), number("files_seen"));
            }
            if let Some(result) = step.get("result") {
                report = Some(result.clone());
            }
            Ok(())
        })
        .await?;
    progress.end();
    let report = report.context("the server ended without a report")?;
    if !json {
        print_report(&report);
    }
    if context.client.is_here() {
        settle_vectors(context).await?;
    }
    Ok(())
}

/// Without a server, vectors are made only while a command runs: a small corpus is finished here and now, a large one
/// is left to the server.
async fn settle_vectors(context: &Context<'_>) -> anyhow::Result<()> {
    const WORTH_WAITING: u64 = 1_000;
    let index = context.get("/api/v1/index").await?;
    let missing = number(&index, "passages").saturating_sub(number(&index, "embedded"));
    match missing {
        0 => Ok(()),
        1..=WORTH_WAITING => wait_for_vectors(context).await,
        _ => {
            if !context.json {
                print::out(&format!(
                    "found by words from now on; {missing} passages get their vectors while `dure up` runs \
                     (or with `dure corpus status --wait`)"
                ));
            }
            Ok(())
        }
    }
}

fn print_report(report: &Value) {
    let count = |field: &str| number(report, field);
    print::out(&format!(
        "{} added, {} changed, {} unchanged, {} removed, {} failed; {} passages; version {}; {:.1} s",
        count("added"),
        count("changed"),
        count("unchanged"),
        count("removed"),
        count("failed_count"),
        count("passages"),
        count("version"),
        count("elapsed_ms") as f64 / 1000.0,
    ));
    for failure in report.get("failed").and_then(Value::as_array).into_iter().flatten() {
        print::out(&format!("  not read: {}: {}", text(failure, "path"), reason(failure)));
    }
    let flags = count("flags_count");
    if flags > 0 {
        let documents = report.get("flagged").and_then(Value::as_array).map_or(0, Vec::len);
        print::out(&format!(
            "{flags} flags in {documents} documents: places that speak to a model, or that no reader sees"
        ));
    }
    for flagged in report.get("flagged").and_then(Value::as_array).into_iter().flatten() {
        print::out(&format!("  flagged: {}: {}", text(flagged, "path"), super::flags(flagged)));
    }
    for warning in report.get("warnings").and_then(Value::as_array).into_iter().flatten() {
        print::out(&format!("  warning: {}: {}", text(warning, "path"), text(warning, "detail")));
    }
}

/// A failure's reason in the API is its kind and what belongs to it.
fn reason(failure: &Value) -> String {
    let kind = text(failure, "reason/kind").replace('_', " ");
    match failure.pointer("/reason/detail") {
        Some(Value::String(detail)) => detail.clone(),
        Some(Value::Object(bounds)) => {
            let bounds: Vec<String> = bounds.iter().map(|(name, value)| format!("{name} {value}")).collect();
            format!("{kind} ({})", bounds.join(", "))
        }
        _ => kind,
    }
}

async fn status(context: &Context<'_>, name: Option<&str>, wait: bool) -> anyhow::Result<()> {
    if wait {
        wait_for_vectors(context).await?;
    }
    let corpora = match name {
        Some(name) => json!([context.get(&corpus_path(name)).await?]),
        None => context.all("/api/v1/corpora").await?,
    };
    let index = context.get("/api/v1/index").await?;
    context.show(&json!({ "corpora": corpora, "index": index }), |_| {
        list(&corpora, COLUMNS);
        let passages = number(&index, "passages");
        print::out(&format!(
            "all corpora: {} of {passages} passages found by words, {} by meaning{}",
            number(&index, "indexed"),
            number(&index, "embedded"),
            pace(&index),
        ));
        if let Some(trouble) = index.get("trouble").and_then(Value::as_str) {
            print::out(&format!("vectors are not being made: {trouble}"));
        }
    });
    Ok(())
}

fn pace(index: &Value) -> String {
    let seconds = index.pointer("/eta/secs").and_then(Value::as_u64);
    match (index.get("per_second").and_then(Value::as_f64), seconds) {
        (Some(speed), Some(seconds)) if speed > 0.0 => {
            format!(" ({speed:.1} a second, {} left)", indicatif::HumanDuration(Duration::from_secs(seconds)))
        }
        _ => String::new(),
    }
}

async fn wait_for_vectors(context: &Context<'_>) -> anyhow::Result<()> {
    let mut progress = Progress::new(false);
    loop {
        let index = context.get("/api/v1/index").await?;
        let (done, all) = (number(&index, "embedded"), number(&index, "passages"));
        progress.tell("finding by meaning", done, all);
        if done >= all || index.get("trouble").is_some_and(|trouble| !trouble.is_null()) {
            progress.end();
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn documents(context: &Context<'_>, name: &str) -> anyhow::Result<()> {
    let all = context.all(&format!("{}/documents", corpus_path(name))).await?;
    let columns = [
        ("PATH", "path"),
        ("TITLE", "title"),
        ("CLASS", "class"),
        ("DATED", "dated"),
        ("PASSAGES", "passages"),
        ("WARNINGS", "warnings"),
        ("FLAGS", "flags"),
    ];
    context.show(&all, |all| list(all, &columns));
    Ok(())
}

fn show(shown: &Value) {
    for (head, field) in [("path", "path"), ("title", "title"), ("class", "class"), ("dated", "dated"), ("id", "id")] {
        print::out(&format!("{head}: {}", text(shown, &format!("document/{field}"))));
    }
    for flag in shown.get("flags").and_then(Value::as_array).into_iter().flatten() {
        let (start, end) = (text(flag, "span/start"), text(flag, "span/end"));
        print::out(&format!("flagged: {} by {}, bytes {start} to {end}", text(flag, "kind"), text(flag, "rule")));
    }
    for warning in shown.get("warnings").and_then(Value::as_array).into_iter().flatten() {
        print::out(&format!("warning: {warning}"));
    }
    print::out("");
    print::out(&text(shown, "text"));
}

fn number(value: &Value, field: &str) -> u64 {
    value.get(field).and_then(Value::as_u64).unwrap_or(0)
}

/// A file of rules of access, as the API takes them: groups of this machine by number.
fn rules(file: &Path) -> anyhow::Result<Vec<Value>> {
    let file_of = read_toml(file)?;
    let Some(written) = file_of.get("rule").and_then(Value::as_array) else {
        anyhow::bail!("{} has no `[[rule]]`", file.display());
    };
    if let Some(other) = file_of.as_object().into_iter().flatten().map(|(key, _)| key).find(|key| *key != "rule") {
        anyhow::bail!("{}: `{other}` is not known; a rule is a `[[rule]]`", file.display());
    }
    let numbered = |rule: &Value| {
        let mut rule = rule.clone();
        if let Some(name) = rule.get("system_group").and_then(Value::as_str) {
            rule["system_group"] = system_group(name)?.into();
        }
        Ok(rule)
    };
    written.iter().map(numbered).collect()
}

/// The number of a group of this machine, from wherever it keeps its groups.
fn system_group(name: &str) -> anyhow::Result<u32> {
    let found = std::process::Command::new("getent").args(["group", "--", name]).output();
    let found = found.with_context(|| format!("`getent` is needed to look `{name}` up; write the group's number"))?;
    let line = String::from_utf8_lossy(&found.stdout);
    let number = line.split(':').nth(2).and_then(|number| number.trim().parse().ok());
    number.with_context(|| format!("this machine has no group `{name}`"))
}
