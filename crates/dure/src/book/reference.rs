//! The two references of the book, written from the command line and the settings themselves. The Korean sentences come
//! from `docs/ko/words.toml`; one that is missing is named.
//!
//! `cargo xtask reference` writes the pages anew; without it the test compares.

use std::fmt::Write as _;
use std::path::PathBuf;

use toml::Table;

use super::docs;
use crate::help;
use crate::settings::DEFAULTS;

/// A language of the book: its folder, and what it says around what is generated.
struct Language {
    folder: &'static str,
    commands: &'static str,
    settings: &'static str,
    columns: &'static str,
    words: Option<Table>,
}

fn languages() -> [Language; 2] {
    let words = std::fs::read_to_string(docs().join("ko/words.toml")).unwrap().parse().unwrap();
    [
        Language {
            folder: "",
            commands: "# Command reference\n\n[한국어](ko/commands.md)\n\nWhat `dure COMMAND --help` says, for every command. \
                       This page is written by the program.\n",
            settings: "# Settings\n\n[한국어](ko/settings.md)\n\nEvery setting with its default. A value comes from the \
                       default, the file `settings.toml` in the data folder (or the one that `--settings` names), the \
                       environment (`DURE_SERVER_LISTEN` for `server.listen`), a flag, each above the one before. `dure doctor` shows each value and where it came \
                       from; a wrong one is refused at the start, and all mistakes are named together. This page is \
                       written by the program.\n",
            columns: "| setting | default | what it does |",
            words: None,
        },
        Language {
            folder: "ko",
            commands: "# 명령어 참조\n\n[English](../commands.md)\n\n모든 명령의 `dure 명령 --help` 화면입니다. 이 문서는 \
                       프로그램이 만듭니다.\n",
            settings: "# 설정\n\n[English](../settings.md)\n\n모든 설정과 기본값입니다. 값은 기본값, 데이터 폴더의 \
                       `settings.toml`(또는 `--settings`로 정한 파일), 환경 변수(`server.listen`은 `DURE_SERVER_LISTEN`), 명령 옵션의 차례로 \
                       덮어씁니다. \
                       `dure doctor`는 값마다 어디에서 왔는지 보여 주고, 틀린 값은 시작할 때 모두 한꺼번에 알려 줍니다. \
                       이 문서는 프로그램이 만듭니다.\n",
            columns: "| 설정 | 기본값 | 뜻 |",
            words: Some(words),
        },
    ]
}

impl Language {
    /// The Korean sentence for a thing, or `english`.
    fn say(&self, kind: &str, name: &str, english: &str, missing: &mut Vec<String>) -> String {
        let Some(words) = &self.words else { return english.to_owned() };
        let found = words.get(kind).and_then(|table| table.get(name)).and_then(toml::Value::as_str);
        found.map(str::to_owned).unwrap_or_else(|| {
            missing.push(format!("docs/ko/words.toml: `[{kind}]` has no sentence for `{name}` ({english})"));
            english.to_owned()
        })
    }

    fn commands_page(&self, missing: &mut Vec<String>) -> String {
        let mut page = self.commands.to_owned();
        self.add_commands(&help::command(), "", &mut page, missing);
        page
    }

    fn add_commands(&self, command: &clap::Command, above: &str, page: &mut String, missing: &mut Vec<String>) {
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            let path = format!("{above}{}", sub.get_name());
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            let about = self.say("commands", &path, &about, missing);
            let depth = if above.is_empty() { "##" } else { "###" };
            let _ = write!(page, "\n{depth} dure {path}\n\n{}\n", about.trim_end_matches('.').to_owned() + ".");
            if sub.has_subcommands() {
                self.add_commands(sub, &format!("{path} "), page, missing);
            } else {
                let _ = write!(page, "\n```text\n{}\n```\n", help_of(&path));
            }
        }
    }

    fn settings_page(&self, missing: &mut Vec<String>) -> String {
        let mut page = self.settings.to_owned();
        for (section, settings) in sections(DEFAULTS) {
            let about = self.say("sections", &section, "", missing);
            let _ = write!(page, "\n## {section}\n\n");
            if !about.is_empty() {
                let _ = write!(page, "{about}\n\n");
            }
            let _ = writeln!(page, "{}\n|---|---|---|", self.columns);
            for Setting { name, default, why } in settings {
                let full = format!("{section}.{name}");
                let why = self.say("settings", &full, &why, missing).replace('|', "\\|");
                let _ = writeln!(page, "| `{full}` | `{default}` | {why} |");
            }
        }
        page
    }
}

/// What `dure PATH --help` prints on a terminal of 100 columns, below its first line.
fn help_of(path: &str) -> String {
    let words = ["dure"].into_iter().chain(path.split(' ')).chain(["--help"]);
    let told = help::for_people(help::command()).term_width(100).try_get_matches_from(words);
    let text = told.err().map(|help| help.to_string()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim_end).skip_while(|line| !line.starts_with("Usage:")).collect();
    lines.join("\n").trim().to_owned()
}

struct Setting {
    name: String,
    default: String,
    why: String,
}

/// The sections of the commented defaults: what stands above a setting is its reason.
fn sections(text: &str) -> Vec<(String, Vec<Setting>)> {
    let mut sections: Vec<(String, Vec<Setting>)> = Vec::new();
    let mut why: Vec<&str> = Vec::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            why.push(comment.trim());
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.push((name.to_owned(), Vec::new()));
            why.clear();
        } else if let (Some((name, default)), Some((_, settings))) = (line.split_once(" = "), sections.last_mut()) {
            let (name, default) = (name.to_owned(), default.to_owned());
            settings.push(Setting { name, default, why: std::mem::take(&mut why).join(" ") });
        } else {
            why.clear();
        }
    }
    // A comment over several settings is the reason of each.
    for (_, settings) in &mut sections {
        for index in 1..settings.len() {
            if settings[index].why.is_empty() {
                settings[index].why = settings[index - 1].why.clone();
            }
        }
    }
    sections
}

#[test]
fn the_references_are_what_the_program_says() {
    let write = std::env::var_os("DURE_WRITE_REFERENCE").is_some();
    let mut missing = Vec::new();
    let mut old = Vec::new();
    for language in languages() {
        let pages = [
            ("commands.md", language.commands_page(&mut missing)),
            ("settings.md", language.settings_page(&mut missing)),
        ];
        for (name, text) in pages {
            let path: PathBuf = docs().join(language.folder).join(name);
            if write {
                std::fs::write(&path, text).unwrap();
            } else if std::fs::read_to_string(&path).unwrap_or_default() != text {
                old.push(path.display().to_string());
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(old.is_empty(), "`cargo xtask reference` writes anew what is no longer true:\n{}", old.join("\n"));
}

#[test]
fn no_korean_sentence_is_for_nothing() {
    let [_, korean] = languages();
    let words = korean.words.unwrap();
    let known: toml::Table = DEFAULTS.parse().unwrap();
    for full in words["settings"].as_table().unwrap().keys() {
        let (section, name) = full.split_once('.').unwrap();
        assert!(known.get(section).and_then(|values| values.get(name)).is_some(), "there is no setting `{full}`");
    }
    let command = help::command();
    for path in words["commands"].as_table().unwrap().keys() {
        let found = path.split(' ').try_fold(&command, |command, name| command.find_subcommand(name));
        assert!(found.is_some(), "there is no command `{path}`");
    }
}

#[test]
fn reasons_and_defaults_are_read_from_the_comments() {
    let read = sections("# head\n\n[a]\n# One\n# two.\nx = 1\ny = \"b\"\n\n[b]\n# Three.\nz = [\"c\"]\n");
    let flat: Vec<_> = read
        .iter()
        .flat_map(|(section, settings)| settings.iter().map(move |one| (section.as_str(), one)))
        .map(|(section, one)| format!("{section}.{} {} {}", one.name, one.default, one.why))
        .collect();
    assert_eq!(flat, ["a.x 1 One two.", "a.y \"b\" One two.", "b.z [\"c\"] Three."]);
}
