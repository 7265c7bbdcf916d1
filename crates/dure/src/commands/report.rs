//! Reports that a law asks for, from live data, with the ledger's proof.

mod pdf;

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::{Context, text};
use crate::cli::report::{Format, Period, Report, Whom};
use crate::client::percent_encoded;
use crate::print;

/// Runs a command about reports.
pub async fn run(context: &Context<'_>, command: &Report) -> anyhow::Result<()> {
    match command {
        Report::List { language } => list(context, language).await,
        Report::CrossBorder { period } => report(context, "cross-border", period, Vec::new()).await,
        Report::AccessLog { period } => report(context, "access-log", period, Vec::new()).await,
        Report::AutomatedDecisions { period, whom, requested_at } => {
            let asked = [("requested_at", requested_at.as_deref())];
            report(context, "automated-decisions", period, narrowed(whom, &asked)).await
        }
        Report::NoticeAndLabel { period } => report(context, "notice-and-label", period, Vec::new()).await,
        Report::Models { period } => report(context, "models", period, Vec::new()).await,
        Report::Breach { period, whom, known_at } => {
            let known = [("known_at", known_at.as_deref())];
            report(context, "breach", period, narrowed(whom, &known)).await
        }
    }
}

async fn list(context: &Context<'_>, language: &str) -> anyhow::Result<()> {
    let page = context.get(&format!("/api/v1/reports?language={language}")).await?;
    let found = page.get("data").cloned().unwrap_or_default();
    context.show(&found, |found| {
        for report in found.as_array().into_iter().flatten() {
            print::out(&format!("{}\n    {}", text(report, "name"), text(report, "title")));
            for law in report.get("law").and_then(Value::as_array).into_iter().flatten() {
                print::out(&format!("    {} ({})", text(law, "name"), text(law, "version")));
            }
        }
    });
    Ok(())
}

/// What a report is narrowed to, as the API calls it.
fn narrowed<'a>(whom: &'a Whom, more: &[(&'static str, Option<&'a str>)]) -> Vec<(&'static str, &'a str)> {
    let Whom { person, key, document, upstream } = whom;
    let named = [("person", person), ("key", key), ("document", document), ("upstream", upstream)];
    let named = named.into_iter().map(|(name, value)| (name, value.as_deref()));
    named.chain(more.iter().copied()).filter_map(|(name, value)| Some((name, value?))).collect()
}

async fn report(
    context: &Context<'_>,
    name: &str,
    period: &Period,
    more: Vec<(&'static str, &str)>,
) -> anyhow::Result<()> {
    let format = period.format.unwrap_or(if context.json { Format::Json } else { Format::Html });
    let asked = match format {
        Format::Json => "json",
        Format::Csv => "csv",
        // A PDF is the HTML, printed.
        Format::Html | Format::Pdf => "html",
    };
    let renderer = match (format, &period.out) {
        (Format::Pdf, None) => bail!("a PDF goes into a file: say `--out FILE`"),
        (Format::Pdf, Some(_)) => Some(pdf::renderer()?),
        _ => None,
    };
    let mut address = format!("/api/v1/reports/{name}?format={asked}");
    let given = [("from", period.from.as_str()), ("to", &period.to), ("language", &period.language)];
    for (name, value) in given.into_iter().chain(more) {
        address.push_str(&format!("&{name}={}", percent_encoded(value)));
    }
    let (head, bytes) = context.client.document(&address).await?;
    let told = |name: &str| head.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-").to_owned();
    let (receipt, hash) = (told("x-dure-receipt"), told("x-dure-report-sha256"));
    let Some(out) = &period.out else {
        std::io::stdout().write_all(&bytes)?;
        return Ok(());
    };
    let mut files = vec![out.clone()];
    match renderer {
        Some(renderer) => {
            // What the ledger recorded is the HTML, so it is kept beside the PDF.
            let page = out.with_extension("html");
            write(&page, &bytes)?;
            renderer.print(&page, out)?;
            files.push(page);
        }
        None => write(out, &bytes)?,
    }
    let written = json!({ "files": files, "sha256": hash, "receipt": receipt });
    context.show(&written, |_| {
        for file in &files {
            print::out(&format!("written: {}", file.display()));
        }
        let of = if format == Format::Pdf { " of the HTML" } else { "" };
        print::out(&format!("SHA-256{of}: {hash}, recorded in the ledger as {receipt}"));
    });
    Ok(())
}

fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(file, bytes).with_context(|| format!("`{}` cannot be written", file.display()))
}
