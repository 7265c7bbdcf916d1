//! Models: listed, pulled, imported, shown, removed.

use serde_json::{Value, json};

use super::{Context, fields, text};
use crate::cli::Model;
use crate::client::percent_encoded;
use crate::print::{self, Progress};

pub async fn run(context: &Context<'_>, command: &Model) -> anyhow::Result<()> {
    match command {
        Model::List => {
            let all = context.all("/api/v1/models").await?;
            context.show(&all, list);
        }
        Model::Show { name } => {
            let model = context.get(&format!("/api/v1/models/{}", percent_encoded(name))).await?;
            context.show(&model, show);
        }
        Model::Pull { name, accept_licence } => {
            let path = format!("/api/v1/models/{}/pull", percent_encoded(name));
            install(context, &path, json!({ "accept_licence": accept_licence })).await?;
        }
        Model::Import { file, name, accept_licence } => {
            let path = std::path::absolute(file)?;
            let body = json!({ "path": path, "name": name, "accept_licence": accept_licence });
            install(context, "/api/v1/models/import", body).await?;
        }
        Model::Remove { name } => {
            let gone = context.delete(&format!("/api/v1/models/{}", percent_encoded(name))).await?;
            context.show(&gone, |_| print::out(&format!("model `{name}` removed")));
        }
    }
    Ok(())
}

async fn install(context: &Context<'_>, path: &str, body: Value) -> anyhow::Result<()> {
    let mut progress = Progress::new(true);
    let mut installed = None;
    let json = context.json;
    context
        .client
        .follow(path, body, |step| {
            if json {
                print::out(&step.to_string());
            }
            if let Some(now) = step.get("progress") {
                let message = format!("{} {}", text(now, "phase"), text(now, "source"));
                let number = |field: &str| now.get(field).and_then(Value::as_u64).unwrap_or(0);
                progress.tell(&message, number("bytes_done"), number("bytes_total"));
            }
            if let Some(result) = step.get("result") {
                installed = Some(result.clone());
            }
            Ok(())
        })
        .await?;
    progress.end();
    if let Some(installed) = installed.filter(|_| !json) {
        print::out(&format!(
            "`{}` is installed: {}, licence {}, SHA-256 {}",
            text(&installed, "name"),
            text(&installed, "title"),
            text(&installed, "licence/name"),
            text(&installed, "sha256"),
        ));
    }
    Ok(())
}

fn list(all: &Value) {
    let mut rows = vec![["NAME", "KIND", "SIZE", "LICENCE", "INSTALLED"].map(str::to_owned).to_vec()];
    for model in all.as_array().into_iter().flatten() {
        let versions = [model.pointer("/entry/sha256"), model.pointer("/installed/sha256")];
        let installed = match versions {
            [_, None] => "-".to_owned(),
            [Some(known), Some(here)] if known != here => {
                format!("{} (`pull` brings another version)", text(model, "installed/installed_at"))
            }
            _ => text(model, "installed/installed_at"),
        };
        let default = if model.get("default") == Some(&Value::Bool(true)) { ", default" } else { "" };
        rows.push(vec![
            text(model, "name"),
            format!("{}{default}", text(model, "kind")),
            print::bytes(model.get("size").and_then(Value::as_u64).unwrap_or(0)),
            text(model, "licence/name"),
            installed,
        ]);
    }
    print::table(&rows);
}

fn show(model: &Value) {
    let columns = [
        ("NAME", "name"),
        ("TITLE", "title"),
        ("KIND", "kind"),
        ("DEFAULT", "default"),
        ("LICENCE", "licence/name"),
        ("LICENCE TEXT", "licence/url"),
        ("INSTALLED", "installed/installed_at"),
        ("FROM", "installed/source"),
        ("SHA-256", "installed/sha256"),
        ("ARCHITECTURE", "installed/metadata/architecture"),
        ("PARAMETERS", "installed/metadata/parameters"),
        ("QUANTISATION", "installed/metadata/quantisation"),
        ("CONTEXT", "installed/metadata/context_tokens"),
        ("DIMENSIONS", "installed/embedding/dimensions"),
        ("FILE BYTES", "installed/metadata/file_size"),
    ];
    fields(model, &columns);
}
