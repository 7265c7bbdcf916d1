//! What the book says of this program, compared with the program: every command line in it is one, every setting that it
//! names is there, and its two references are what the code would write today.

mod reference;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::help;
use crate::settings::DEFAULTS;

/// The folder of the book: English at its top, Korean below.
fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// The pages of both languages, and the front pages, each with its text.
fn pages() -> Vec<(String, String)> {
    let mut pages = Vec::new();
    for dir in [docs(), docs().join("ko"), docs().join("..")] {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(pages.len() > 10, "only {} pages were found", pages.len());
    pages
}

/// The command lines of `dure` in a page: lines of `sh` blocks, and what follows `$` in `console` blocks.
fn command_lines(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut kind = None;
    let mut begun = String::new();
    for line in text.lines() {
        if let Some(fence) = line.trim_start().strip_prefix("```") {
            kind = if kind.is_none() { Some(fence.trim().to_owned()) } else { None };
            continue;
        }
        let line = match kind.as_deref() {
            Some("sh") => line.trim(),
            Some("console") if begun.is_empty() => match line.strip_prefix("$ ") {
                Some(line) => line,
                None => continue,
            },
            Some("console") => line.trim(),
            _ => continue,
        };
        if let Some(half) = line.strip_suffix('\\') {
            begun.push_str(half);
            continue;
        }
        let whole = std::mem::take(&mut begun) + line;
        if whole.starts_with("dure ") || whole == "dure" {
            found.push(whole);
        }
    }
    found
}

/// The words of a command line, up to where the shell does something else with it.
fn words(line: &str) -> Option<Vec<String>> {
    let words = shlex::split(line)?;
    Some(
        words
            .into_iter()
            .take_while(|word| !["|", "||", "&&", "&", ";", ">", ">>", "2>", "<"].contains(&word.as_str()))
            .collect(),
    )
}

fn refused(line: &str) -> Option<String> {
    let Some(words) = words(line) else { return Some(format!("`{line}` is no command line")) };
    let error = help::for_people(help::command()).try_get_matches_from(words).err()?;
    let told = matches!(error.kind(), clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion);
    (!told).then(|| format!("`{line}`: {}", error.to_string().lines().next().unwrap_or_default()))
}

/// How names of files end, which look like settings otherwise: `server.log`, `tls.pem`.
const FILES: [&str; 8] = ["toml", "rs", "md", "log", "json", "db", "pem", "key"];

/// What a page says of settings: `DURE_SECTION_NAME` and `section.name` in code, where the section is one.
fn settings_named(text: &str, sections: &BTreeSet<String>) -> BTreeSet<String> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '.';
    let mut named = BTreeSet::new();
    for code in text.split('`').skip(1).step_by(2) {
        for word in code.split(|letter| !is_word(letter)) {
            let Some((section, name)) = word.split_once('.') else { continue };
            let plain = !name.is_empty() && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
            if plain && sections.contains(section) && !FILES.contains(&name) {
                named.insert(word.to_owned());
            }
        }
    }
    named
}

#[test]
fn every_command_line_in_the_book_is_one() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for (page, text) in pages() {
        for line in command_lines(&text) {
            seen += 1;
            wrong.extend(refused(&line).map(|why| format!("{page}: {why}")));
        }
    }
    assert!(wrong.is_empty(), "the book shows what the program does not take:\n{}", wrong.join("\n"));
    assert!(seen > 40, "only {seen} command lines were found");
}

#[test]
fn every_setting_that_the_book_names_is_one() {
    let table: toml::Table = DEFAULTS.parse().unwrap();
    let sections = table.keys().cloned().collect();
    let mut seen = 0;
    let mut wrong = Vec::new();
    for (page, text) in pages() {
        for name in settings_named(&text, &sections) {
            seen += 1;
            let known = name.split_once('.').and_then(|(section, name)| table.get(section)?.get(name));
            if known.is_none() {
                wrong.push(format!("{page}: there is no setting `{name}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 3, "only {seen} settings were found");
}

#[test]
fn an_offence_is_seen() {
    let page = "```sh\ndure corpus ad x  # no\ncurl x | dure\ndure ask a \\\n  \"b c\" | head\n```\n```console\n$ dure up --port 1\ndure: no\n```\n";
    let lines = command_lines(page);
    assert_eq!(lines.len(), 3, "{lines:?}");
    let refusals: Vec<_> = lines.iter().filter_map(|line| refused(line)).collect();
    assert_eq!(refusals.len(), 2, "{refusals:?}");
    let sections = BTreeSet::from(["server".to_owned(), "models".to_owned()]);
    let named = settings_named("`server.port` and server.host, `models.toml`, `server.listen = \"x\"`", &sections);
    assert_eq!(named.into_iter().collect::<Vec<_>>(), ["server.listen", "server.port"]);
}
