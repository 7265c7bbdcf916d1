//! Commands: each asks the house through its API and prints the answer.

mod answer;
mod approvals;
mod corpora;
mod doctor;
pub mod encryption;
pub mod keeping;
mod ledger;
pub mod log;
pub mod mask;
mod models;
pub mod policy;
mod report;
mod tenants;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};

use crate::cli::{AnswerMode, Cli, Command, CreateRoute, Route};
use crate::client::{Client, percent_encoded};
use crate::print;
use crate::settings::Settings;

/// What commands need to know.
pub struct Context<'a> {
    pub client: Client,
    pub settings: &'a Settings,
    pub json: bool,
}

/// Runs one command.
pub async fn run(cli: &Cli, settings: &Settings) -> anyhow::Result<ExitCode> {
    let client = Client::connect(settings, &cli.tenant).await?;
    let context = Context { client, settings, json: cli.json };
    let mut well = true;
    let outcome = match &cli.command {
        Command::Ask(ask) => answer::ask(&context, ask).await,
        Command::Search(search) => answer::search(&context, search).await,
        Command::Corpus(command) => corpora::run(&context, command).await,
        Command::Model(command) => models::run(&context, command).await,
        Command::Route(command) => route(&context, command).await,
        Command::Tenant(command) => tenants::tenant(&context, command).await,
        Command::Group(command) => tenants::group(&context, command).await,
        Command::Approval(command) => approvals::run(&context, command).await,
        Command::Person(command) => tenants::person(&context, command).await,
        Command::Key(command) => tenants::key(&context, command).await,
        Command::Top { once } => crate::top::top(&context.client, context.json, *once).await,
        Command::Ledger(command) => ledger::run(&context, command).await,
        Command::Report(command) => report::run(&context, command).await,
        Command::Doctor => doctor::run(&context).await,
        Command::Backup(backup) => keeping::backup(&context, backup).await,
        Command::Check => keeping::check(&context).await.map(|good| well = good),
        Command::Up(_)
        | Command::Encryption(_)
        | Command::Restore { .. }
        | Command::Policy(_)
        | Command::Mask(_)
        | Command::Completions { .. }
        | Command::Man { .. }
        | Command::Openapi => Ok(()),
    };
    let closed = context.client.close().await;
    outcome.and(closed)?;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Context<'_> {
    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.client.ask(Method::GET, path, None).await
    }

    /// All of a list, page by page.
    async fn all(&self, path: &str) -> anyhow::Result<Value> {
        let sign = if path.contains('?') { '&' } else { '?' };
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let mut page = self.get(&format!("{path}{sign}limit=1000{after}")).await?;
            if let Some(Value::Array(data)) = page.get_mut("data").map(Value::take) {
                all.extend(data);
            }
            match page.get("next").and_then(Value::as_str) {
                Some(next) => after = format!("&after={}", percent_encoded(next)),
                None => return Ok(Value::Array(all)),
            }
        }
    }

    async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.client.ask(Method::POST, path, Some(body)).await
    }

    async fn put(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.client.ask(Method::PUT, path, Some(body)).await
    }

    async fn patch(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.client.ask(Method::PATCH, path, Some(body)).await
    }

    async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.client.ask(Method::DELETE, path, None).await
    }

    /// Prints the value as JSON if that was asked for, and otherwise as `people` does.
    fn show(&self, value: &Value, people: impl FnOnce(&Value)) {
        if self.json { print::out(&value.to_string()) } else { people(value) }
    }
}

impl AnswerMode {
    /// The API's word for this mode.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Generated => "generated",
            Self::Extractive => "extractive",
        }
    }
}

/// A field of a value as text: what is absent is a dash.
fn text(value: &Value, field: &str) -> String {
    match value.pointer(&format!("/{field}")) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let items: Vec<String> =
                items.iter().map(|item| named(item).map_or(item.to_string(), str::to_owned)).collect();
            if items.is_empty() { "-".to_owned() } else { items.join(", ") }
        }
        Some(other) => other.to_string(),
    }
}

/// What an item of a list is called: a text is called what it says, a model of a route by its name.
fn named(item: &Value) -> Option<&str> {
    item.as_str().or_else(|| item.get("model")?.as_str())
}

/// What kinds of flags something has, and how many of each.
fn flags(value: &Value) -> String {
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for flag in value.get("flags").and_then(Value::as_array).into_iter().flatten() {
        *counts.entry(text(flag, "kind").replace('_', " ")).or_default() += 1;
    }
    let each: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    each.join(", ")
}

/// A list of values as a table: heads and the fields under them.
fn list(values: &Value, columns: &[(&str, &str)]) {
    let mut rows = vec![columns.iter().map(|(head, _)| (*head).to_owned()).collect::<Vec<_>>()];
    for value in values.as_array().into_iter().flatten() {
        rows.push(columns.iter().map(|(_, field)| text(value, field)).collect());
    }
    if rows.len() == 1 { print::out("none") } else { print::table(&rows) }
}

/// One value as a table of two columns.
fn fields(value: &Value, columns: &[(&str, &str)]) {
    let rows: Vec<Vec<String>> =
        columns.iter().map(|(head, field)| vec![(*head).to_owned(), text(value, field)]).collect();
    print::table(&rows);
}

const ROUTE: &[(&str, &str)] =
    &[("NAME", "name"), ("MODELS", "models/list"), ("CORPORA", "corpora"), ("MODE", "mode"), ("PASSAGES", "passages")];

/// A TOML file of what the API takes.
fn read_toml(file: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    toml::from_str(&text).with_context(|| format!("{} cannot be used", file.display()))
}

async fn route(context: &Context<'_>, command: &Route) -> anyhow::Result<()> {
    match command {
        Route::Create(CreateRoute { name, model, models, corpus, instructions, mode, top }) => {
            let models = match models {
                Some(file) => read_toml(file)?,
                None if model.is_empty() => json!({ "list": [{ "model": context.settings.models.chat }] }),
                None => json!({ "list": model.iter().map(|model| json!({ "model": model })).collect::<Vec<_>>() }),
            };
            let body = json!({
                "name": name,
                "models": models,
                "corpora": corpus,
                "instructions": instructions,
                "mode": mode.as_str(),
                "passages": top,
            });
            let made = context.post("/api/v1/routes", body).await?;
            context.show(&made, |made| {
                print::out(&format!("route `{}` made; clients call it as `model`", text(made, "name")));
            });
        }
        Route::List => {
            let all = context.all("/api/v1/routes").await?;
            context.show(&all, |all| list(all, ROUTE));
        }
        Route::Show { name } => {
            let route = context.get(&format!("/api/v1/routes/{}", percent_encoded(name))).await?;
            context.show(&route, |route| {
                fields(route, ROUTE);
                fields(route, &[("ORDER", "models/order"), ("INSTRUCTIONS", "instructions")]);
            });
        }
        Route::Remove { name } => {
            let gone = context.delete(&format!("/api/v1/routes/{}", percent_encoded(name))).await?;
            context.show(&gone, |_| print::out(&format!("route `{name}` removed")));
        }
    }
    Ok(())
}
