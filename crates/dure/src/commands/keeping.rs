//! `dure backup`, `dure restore`, `dure check`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::{Context, text};
use crate::cli::Backup;
use crate::house::SCHEMAS;
use crate::print::{self, Progress};
use crate::settings::Settings;

pub async fn backup(context: &Context<'_>, backup: &Backup) -> anyhow::Result<()> {
    let path = std::path::absolute(&backup.path)?;
    let body = json!({ "path": path, "models": !backup.without_models });
    let done = follow(context, "/api/v1/backup", body, true).await?;
    if let Some(done) = done.filter(|_| !context.json) {
        let number = |field: &str| done.get(field).and_then(Value::as_u64).unwrap_or(0);
        let (file, bytes, files) = (text(&done, "file"), print::bytes(number("bytes")), number("files"));
        print::out(&format!("{file}: {files} files in {bytes}"));
        if done.get("models") == Some(&Value::Bool(false)) {
            print::out("without the models' files; after a restore, `dure model pull` brings them");
        }
        print::out("It holds the operator's secret, the keys' hashes and all records: keep it as you keep those.");
    }
    Ok(())
}

/// Whether all is well; what is not is printed.
pub async fn check(context: &Context<'_>) -> anyhow::Result<bool> {
    let done = follow(context, "/api/v1/check", json!({}), false).await?.unwrap_or(Value::Null);
    let findings: Vec<&str> =
        done.get("findings").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if !context.json {
        for finding in &findings {
            print::out(&format!("look {finding}"));
        }
        if findings.is_empty() {
            print::out(&format!("ok   {} are as they were written", text(&done, "looked_at")));
        }
    }
    Ok(findings.is_empty())
}

/// Restores a backup into the empty data folder of the settings. No house is open: there is none yet.
pub async fn restore(settings: &Settings, file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let progress = Arc::new(Mutex::new(Some(Progress::new(true))));
    let telling = Arc::clone(&progress);
    let tell = move |now: store::BackupProgress| {
        if json {
            print::out(&json!({ "progress": now }).to_string());
        } else if let Some(progress) = telling.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            progress.tell(now.phase, now.bytes_done, now.bytes_total);
        }
    };
    let provider = crate::encryption::provider(settings)?;
    let restored = store::restore(file, &settings.data, SCHEMAS, provider.as_deref(), Arc::new(tell)).await;
    if let Some(progress) = progress.lock().unwrap_or_else(PoisonError::into_inner).take() {
        progress.end();
    }
    let report = restored?;
    if json {
        print::out(&json!({ "result": report }).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    print::out(&format!(
        "{}: restored from a backup of {} ({} files, {})",
        report.dir.display(),
        report.created,
        report.files,
        print::bytes(report.bytes)
    ));
    if !report.models {
        print::out("The models' files were not in it: `dure model pull` brings them.");
    }
    Ok(ExitCode::SUCCESS)
}

async fn follow(context: &Context<'_>, path: &str, body: Value, bytes: bool) -> anyhow::Result<Option<Value>> {
    let mut progress = Progress::new(bytes);
    let mut done = None;
    let json = context.json;
    context
        .client
        .follow(path, body, |step| {
            if json {
                print::out(&step.to_string());
            }
            if let Some(now) = step.get("progress") {
                let number = |field: &str| now.get(field).and_then(Value::as_u64).unwrap_or(0);
                progress.tell(&text(now, "phase"), number("done"), number("total"));
            }
            if let Some(result) = step.get("result") {
                done = Some(result.clone());
            }
            Ok(())
        })
        .await?;
    progress.end();
    Ok(done)
}
