//! Policies: checked, explained, tried and simulated before they count. All of it works on files, without a server.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use guard::Entry;
use guard::policy::{Policies, Problem, Question, check, simulate, test};
use serde::Serialize;
use serde_json::json;

use super::log::read_small;
use crate::cli::Policy;
use crate::house::{POLICY, masking_packs, verifier_key};
use crate::print;
use crate::settings::Settings;

/// Runs a command about policies.
pub fn run(command: &Policy, settings: &Settings, json: bool) -> anyhow::Result<ExitCode> {
    let own = settings.data.join(POLICY);
    let folder = |dir: &Option<PathBuf>| dir.clone().unwrap_or_else(|| own.clone());
    let packs = masking_packs(settings)?;
    let load = |dir: &Path| Policies::load(dir, &packs).map_err(|problems| mistakes(&problems));
    let sound = match command {
        Policy::Init { dir } => init(&folder(dir), json)?,
        Policy::Check { dir } => {
            let dir = folder(dir);
            // What counts now, for a folder that is to take its place.
            let present = if dir == own { None } else { Some(load(&own)?) };
            let report = check(&dir, &packs, present.as_deref(), settings.engine.country);
            show(&report, json)?;
            report.is_sound()
        }
        Policy::Explain { question, dir } => {
            let text = String::from_utf8(read_small(question)?).context("a question is text")?;
            let explained = load(&folder(dir))?.explain(&ask(&text)?);
            show(&explained, json)?;
            true
        }
        Policy::Test { dir } => {
            let policies = load(&folder(dir))?;
            let results = test(&policies, policies.cases());
            let wrong = results.iter().filter(|result| !result.wrong.is_empty()).count();
            if json {
                print::out(&json!({ "cases": results.len(), "wrong": wrong, "results": results }).to_string());
            } else {
                for result in results.iter().filter(|result| !result.wrong.is_empty()) {
                    print::out(&result.to_string());
                }
                print::out(&format!("{} of {} cases hold", results.len() - wrong, results.len()));
            }
            wrong == 0
        }
        Policy::Simulate { dir, last } => {
            let (present, new) = (load(&own)?, load(dir)?);
            let asked = recorded(settings, *last)?;
            show(&simulate(asked, &present, &new), json)?;
            true
        }
    };
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Copies the starting policies into a folder, to be changed there. What is there stays as it is.
fn init(dir: &Path, json: bool) -> anyhow::Result<bool> {
    fs::create_dir_all(dir).with_context(|| format!("`{}` cannot be made", dir.display()))?;
    let mut written = Vec::new();
    for (name, text) in Policies::starting_files().filter(|(name, _)| !name.ends_with(".cedarschema")) {
        let path = dir.join(name);
        match fs::OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => file.write_all(text.as_bytes())?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error).with_context(|| format!("`{}` cannot be written", path.display())),
        }
        written.push(name);
    }
    if json {
        print::out(&json!({ "dir": dir, "written": written }).to_string());
    } else {
        print::out(&format!("{} files written into `{}`", written.len(), dir.display()));
    }
    Ok(true)
}

/// Every problem, a line each.
pub fn mistakes(problems: &[Problem]) -> anyhow::Error {
    let lines: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
    anyhow::anyhow!("the policies have mistakes:\n{}", lines.join("\n"))
}

fn ask(text: &str) -> anyhow::Result<Question> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).context("this is no question");
    }
    toml::from_str(text).context("this is no question")
}

/// The questions of the ledger's last entries, the oldest first.
fn recorded(settings: &Settings, last: u64) -> anyhow::Result<Vec<Question>> {
    let dir = settings.data.join("ledger");
    let log = ledger::Log::open(&dir, &verifier_key(settings)?)?;
    let mut asked = Vec::new();
    for found in log.entries_from(log.checkpoint().size().saturating_sub(last)) {
        let (_, bytes) = found?;
        if let Some(Entry::Receipt(receipt)) = Entry::read(&bytes) {
            asked.extend(receipt.ask);
        }
    }
    if asked.is_empty() {
        bail!("the last {last} entries of the ledger hold no question to the policies");
    }
    Ok(asked)
}

fn show<T: Serialize + std::fmt::Display>(value: &T, json: bool) -> anyhow::Result<()> {
    let text = if json { serde_json::to_string(value)? } else { value.to_string() };
    print::out(text.trim_end());
    Ok(())
}
