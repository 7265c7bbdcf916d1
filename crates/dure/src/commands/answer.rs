//! Asking and searching.

use http::Method;
use serde_json::{Value, json};

use super::{Context, text};
use crate::cli::{Ask, Search, SearchMode};
use crate::client::percent_encoded;
use crate::print;

pub async fn ask(context: &Context<'_>, ask: &Ask) -> anyhow::Result<()> {
    let body = json!({
        "question": ask.question,
        "mode": ask.mode.as_str(),
        "passages": ask.top,
        "model": ask.model,
        "stream": !context.json,
    });
    let path = format!("/api/v1/corpora/{}/answers", percent_encoded(&ask.corpus));
    if context.json {
        let reply: Value = context.client.ask(Method::POST, &path, Some(body)).await?;
        print::out(&reply.to_string());
        return Ok(());
    }
    let mut answer = Answer::default();
    context
        .client
        .follow(&path, body, |event| {
            answer.take(&event);
            Ok(())
        })
        .await?;
    answer.end();
    Ok(())
}

/// An answer as it is printed: the text at once, what stands behind it at the end.
#[derive(Default)]
struct Answer {
    sources: Vec<Value>,
    extract: Vec<Value>,
    citations: Vec<Value>,
    done: Value,
}

impl Answer {
    fn take(&mut self, event: &Value) {
        let data = event.get("data").cloned().unwrap_or(Value::Null);
        let items = || data.as_array().cloned().unwrap_or_default();
        match event.get("type").and_then(Value::as_str) {
            Some("sources") => self.sources = items(),
            Some("extract") => self.extract = items(),
            Some("text") => print::out_part(data.as_str().unwrap_or_default()),
            Some("citation") => self.citations.push(data),
            Some("done") => self.done = data,
            _ => {}
        }
    }

    fn end(&self) {
        print::out("");
        let mut shown = std::collections::BTreeSet::new();
        for citation in &self.citations {
            let number = citation.get("number").and_then(Value::as_u64).unwrap_or(0);
            let quote = text(citation, "quote");
            if shown.insert((number, quote.clone())) {
                print::out("");
                print::out(&format!("[{number}] {}", place(citation)));
                print::out(&format!("    “{}”", quote.trim()));
            }
        }
        if self.done.get("abstained") == Some(&Value::Bool(true)) && !self.sources.is_empty() {
            print::out("\nThe nearest passages:");
            for source in self.sources.iter().take(3) {
                print::out(&format!("  - {}", place(source)));
            }
        }
        let kind = text(&self.done, "kind");
        if kind == "generated" && !self.extract.is_empty() {
            print::out("\nIn the records' own words:");
            for citation in &self.extract {
                print::out(&format!("  “{}” ({})", text(citation, "quote").trim(), place(citation)));
            }
        }
        let unsupported = self.done.get("unsupported").and_then(Value::as_array).map_or(0, Vec::len);
        if unsupported > 0 {
            print::out(&format!("\n{unsupported} sentence(s) above are supported by no passage; read them with care."));
        }
        print::out(&format!(
            "\n({kind}; {} tokens read, {} written)",
            text(&self.done, "usage/prompt_tokens"),
            text(&self.done, "usage/completion_tokens"),
        ));
    }
}

/// Where a citation or source stands: file, then headings.
fn place(value: &Value) -> String {
    let headings: Vec<&str> =
        value.get("headings").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let dated = text(value, "dated");
    let dated = if dated == "-" { String::new() } else { format!(" ({dated})") };
    if headings.is_empty() {
        format!("{}{dated}", text(value, "path"))
    } else {
        format!("{} · {}{dated}", text(value, "path"), headings.join(" > "))
    }
}

pub async fn search(context: &Context<'_>, search: &Search) -> anyhow::Result<()> {
    let mode = match search.mode {
        SearchMode::Fused => "fused",
        SearchMode::Words => "words",
        SearchMode::Meaning => "meaning",
    };
    let body = json!({
        "question": search.question,
        "mode": mode,
        "top": search.top,
        "path": search.path,
        "from": search.from,
        "to": search.to,
        "class": search.class,
        "patience_ms": 2_000,
    });
    let found = context.post(&format!("/api/v1/corpora/{}/search", percent_encoded(&search.corpus)), body).await?;
    context.show(&found, show);
    Ok(())
}

fn show(found: &Value) {
    for (index, hit) in found.get("hits").and_then(Value::as_array).into_iter().flatten().enumerate() {
        print::out(&format!("{:>2}. {}", index + 1, place(hit)));
        let body: String = text(hit, "text").split_whitespace().collect::<Vec<_>>().join(" ");
        let short: String = body.chars().take(160).collect();
        let more = if body.chars().count() > 160 { "…" } else { "" };
        print::out(&format!("    {short}{more}"));
        print::out(&format!(
            "    words {} · meaning {} · score {}",
            text(hit, "words_rank"),
            text(hit, "meaning_rank"),
            hit.get("score").and_then(Value::as_f64).map_or("-".to_owned(), |score| format!("{score:.3}")),
        ));
        let flags = super::flags(hit);
        if !flags.is_empty() {
            print::out(&format!("    flagged: {flags}"));
        }
    }
    let (searched, embedded) = (text(found, "searched"), text(found, "embedded"));
    print::out(&format!("{searched} passages searched, {embedded} of them by meaning"));
    if let Some(why) = found.get("without_meaning").and_then(Value::as_str) {
        print::out(&format!("found by words alone: {}", why.replace('_', " ")));
    }
}
