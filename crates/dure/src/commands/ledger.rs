//! The ledger: what happened here, with proofs that others can check.

use std::fs;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{Context, fields, text};
use crate::cli::{Ledger, Tail};
use crate::client::percent_encoded;
use crate::print;

pub async fn run(context: &Context<'_>, command: &Ledger) -> anyhow::Result<()> {
    match command {
        Ledger::Status => {
            let state = context.get("/api/v1/ledger").await?;
            context.show(&state, |state| {
                fields(state, &[("KEY", "key"), ("ENTRIES", "size"), ("STOPPED", "stopped")]);
                print::out(&format!("\n{}", text(state, "checkpoint").trim_end()));
                for witness in state["witnesses"].as_array().into_iter().flatten() {
                    let problem = witness["problem"].as_str().map(|problem| format!(": {problem}")).unwrap_or_default();
                    let (name, cosigned) = (text(witness, "name"), text(witness, "cosigned"));
                    print::out(&format!("{name} cosigned {cosigned} entries{problem}"));
                }
            });
        }
        Ledger::Tail(tail) => list(context, tail).await?,
        Ledger::Find { receipt } => {
            let found = context.get(&format!("/api/v1/receipts/{}", percent_encoded(receipt))).await?;
            print::out(&if context.json { found.to_string() } else { serde_json::to_string_pretty(&found)? });
        }
        Ledger::Prove { receipt, out } => {
            let proof = context.client.text(&format!("/api/v1/receipts/{}/proof", percent_encoded(receipt))).await?;
            match out {
                Some(file) => {
                    fs::write(file, &proof).with_context(|| format!("`{}` cannot be written", file.display()))?;
                    context.show(&json!({ "proof": file }), |_| print::out(&format!("written: {}", file.display())));
                }
                None => print::out(proof.trim_end()),
            }
        }
        Ledger::Verify { .. } | Ledger::Check { .. } | Ledger::Accept | Ledger::Export { .. } => {}
    }
    Ok(())
}

async fn list(context: &Context<'_>, tail: &Tail) -> anyhow::Result<()> {
    let mut query = format!("/api/v1/receipts?limit={}", tail.number);
    for (name, value) in [("kind", &tail.kind), ("outcome", &tail.outcome), ("asked", &tail.asked)] {
        if let Some(value) = value {
            query.push_str(&format!("&{name}={}", percent_encoded(value)));
        }
    }
    if tail.outside {
        query.push_str("&outside=true");
    }
    let page = context.get(&query).await?;
    let mut found = page.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
    // The newest stands last, as in a log that one reads.
    found.reverse();
    context.show(&Value::Array(found), |found| {
        let heads = ["LEAF", "WHEN", "WHAT", "ASKED", "ENGINE", "CLASS", "TOKENS", "HOW"];
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        rows.extend(found.as_array().into_iter().flatten().map(row));
        if rows.len() == 1 { print::out("none") } else { print::table(&rows) }
    });
    Ok(())
}

fn row(entry: &Value) -> Vec<String> {
    let first = |names: &[&str]| {
        let found = names.iter().map(|name| text(entry, name)).find(|text| text != "-");
        found.unwrap_or_else(|| "-".to_owned())
    };
    let tokens = ["prompt_tokens", "completion_tokens"]
        .map(|field| entry.pointer(&format!("/usage/{field}")).and_then(Value::as_u64).unwrap_or(0));
    let how = match (entry.get("how"), entry.get("why").and_then(Value::as_str), entry.get("status")) {
        (Some(how), Some(why), _) => format!("{}: {why}", how.as_str().unwrap_or("-")),
        (Some(how), None, _) => how.as_str().unwrap_or("-").to_owned(),
        (None, _, Some(status)) => status.to_string(),
        _ => "open".to_owned(),
    };
    let engine = match entry.get("engine") {
        Some(engine) => {
            let place = if engine.get("outside") == Some(&Value::Bool(true)) { ", outside" } else { "" };
            format!("{} ({}{place})", text(engine, "name"), text(engine, "country"))
        }
        None => "-".to_owned(),
    };
    vec![
        text(entry, "leaf"),
        first(&["began", "at"]),
        first(&["kind", "entry"]),
        first(&["asked", "action"]),
        engine,
        text(entry, "label/class"),
        if tokens == [0, 0] { "-".to_owned() } else { tokens.iter().sum::<u64>().to_string() },
        how,
    ]
}
