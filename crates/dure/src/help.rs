//! The command line as people meet it: commands in the groups that they think in, examples under each, and the options
//! that every command has said once. Shell completions and manual pages are made of the same.

use std::fmt::Write as _;
use std::io;

use anyhow::Context;
use clap::{Arg, ArgAction, CommandFactory, FromArgMatches};

use crate::cli::{Cli, Command};
use crate::examples::{EXAMPLES, FIRST_HOUR};

/// What people come for, and the commands for it. A command that stands nowhere goes to the last group.
const GROUPS: &[(&str, &[&str])] = &[
    ("Gather and ask", &["corpus", "search", "ask"]),
    ("Serve", &["up", "route", "model"]),
    ("Let people and programs in", &["tenant", "group", "person", "key"]),
    ("Guard it, and show it", &["policy", "approval", "mask", "ledger"]),
    ("Look after it", &["top", "backup", "restore", "check", "doctor", "completions", "man"]),
];

/// Reads what was typed, or says how it is typed and ends.
pub fn parse() -> Cli {
    let matches = for_people(command()).get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Carries out a command that only tells about the command line, if it is one. It needs no data folder.
pub fn answers(asked: &Command) -> anyhow::Result<bool> {
    match asked {
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut command(), "dure", &mut io::stdout());
        }
        Command::Man { dir } => {
            std::fs::create_dir_all(dir).with_context(|| format!("`{}` cannot be made", dir.display()))?;
            clap_mangen::generate_to(command(), dir)
                .with_context(|| format!("the manual pages cannot be written to `{}`", dir.display()))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The whole command line, with its examples.
pub fn command() -> clap::Command {
    with_examples(Cli::command(), "").after_help(format!("A first hour:\n{}", lines(FIRST_HOUR)))
}

fn with_examples(command: clap::Command, above: &str) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| {
        let path = format!("{above}{name}");
        command.mut_subcommand(&name, |sub| {
            let sub = with_examples(sub, &format!("{path} "));
            match examples_of(&path) {
                Some(examples) => sub.after_help(format!("Examples:\n{}", lines(examples))),
                None => sub,
            }
        })
    })
}

/// The examples of the command at `path`, as in `corpus add`.
pub fn examples_of(path: &str) -> Option<&'static [(&'static str, &'static str)]> {
    EXAMPLES.iter().find(|(known, _)| *known == path).map(|(_, examples)| *examples)
}

/// Each example under its reason, where it has one.
fn lines(examples: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (why, example) in examples {
        if !why.is_empty() {
            let _ = writeln!(text, "  # {why}");
        }
        let _ = writeln!(text, "  {example}");
    }
    text.truncate(text.trim_end().len());
    text
}

/// Help for a terminal: the front page in groups; the options of every command only there.
pub fn for_people(mut command: clap::Command) -> clap::Command {
    let page = front_page(&command);
    let shared: Vec<String> =
        command.get_arguments().filter(|arg| arg.is_global_set()).map(|arg| arg.get_id().to_string()).collect();
    for id in &shared {
        command = command.mut_arg(id, |arg| arg.hide(true));
    }
    quiet(command, &shared).help_template(page)
}

/// Points from each command to the front page for what every command has.
fn quiet(command: clap::Command, shared: &[String]) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let shared_flags = shared.iter().map(|id| format!("--{id}")).collect::<Vec<_>>().join(", ");
    names.into_iter().fold(command, |command, name| {
        command.mut_subcommand(&name, |sub| {
            let examples = sub.get_after_help().map(|text| format!("{text}\n\n")).unwrap_or_default();
            let more = format!("{examples}`dure --help` explains what every command takes: {shared_flags}");
            quiet(sub, shared).after_help(more)
        })
    })
}

fn front_page(command: &clap::Command) -> String {
    let styles = command.get_styles();
    let (head, word) = (styles.get_header(), styles.get_literal());
    let mut page = "{about}\n\n{usage-heading} {usage}\n".to_owned();
    let mut rest: Vec<&clap::Command> = command.get_subcommands().filter(|sub| !sub.is_hide_set()).collect();
    for (index, (title, names)) in GROUPS.iter().enumerate() {
        let _ = write!(page, "\n{head}{title}:{head:#}\n");
        let last = index + 1 == GROUPS.len();
        let mut members: Vec<&clap::Command> =
            names.iter().filter_map(|name| rest.iter().find(|sub| sub.get_name() == *name).copied()).collect();
        rest.retain(|sub| !names.contains(&sub.get_name()));
        if last {
            rest.retain(|sub| !GROUPS.iter().any(|(_, names)| names.contains(&sub.get_name())));
            members.append(&mut rest);
        }
        for member in members {
            let about = member.get_about().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(page, "  {word}{:<12}{word:#} {about}", member.get_name());
        }
    }
    let _ = write!(page, "\n{head}What every command takes:{head:#}\n");
    for arg in command.get_arguments().filter(|arg| arg.is_global_set()) {
        let _ = writeln!(page, "  {word}{:<20}{word:#} {}", flag(arg), help_of(arg));
    }
    let _ = writeln!(page, "  {word}{:<20}{word:#} Explain a command: `dure corpus add --help`", "-h, --help");
    let _ = writeln!(page, "  {word}{:<20}{word:#} Print the version", "-V, --version");
    page.push_str(
        "\nCommands speak to the running server, or open the data folder themselves where none runs.{after-help}",
    );
    page
}

fn flag(arg: &Arg) -> String {
    let long = arg.get_long().unwrap_or_default();
    match arg.get_value_names() {
        Some([value, ..]) if !matches!(arg.get_action(), ArgAction::SetTrue) => format!("--{long} <{value}>"),
        _ => format!("--{long}"),
    }
}

fn help_of(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    match arg.get_default_values() {
        [value, ..] if !matches!(arg.get_action(), ArgAction::SetTrue) => {
            format!("{help} [default: {}]", value.to_string_lossy())
        }
        _ => help,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command that does something, by its path: `corpus add`.
    fn leaves(command: &clap::Command, above: &str) -> Vec<String> {
        let subs: Vec<_> = command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
        if subs.is_empty() {
            return vec![above.trim_end().to_owned()];
        }
        subs.into_iter().flat_map(|sub| leaves(sub, &format!("{above}{} ", sub.get_name()))).collect()
    }

    fn parse(line: &str) -> Result<(), String> {
        let words = shlex::split(line).ok_or_else(|| format!("`{line}` is no command line"))?;
        for_people(command()).try_get_matches_from(words).map(|_| ()).map_err(|error| format!("`{line}`: {error}"))
    }

    #[test]
    fn every_command_has_an_example_that_it_takes() {
        let leaves = leaves(&command(), "");
        assert!(leaves.len() > 20, "{leaves:?}");
        for path in &leaves {
            assert!(examples_of(path).is_some(), "`dure {path}` has no example: give it one in `examples.rs`");
        }
        for (path, examples) in EXAMPLES {
            assert!(leaves.contains(&(*path).to_owned()), "there is no command `{path}`");
            assert!(!examples.is_empty(), "{path}");
            for (why, example) in *examples {
                assert!(example.starts_with(&format!("dure {path}")) || example.contains(path), "{path}: `{example}`");
                assert!(
                    why.chars().count() <= 100 && example.chars().count() <= 100,
                    "too long for a terminal: `{example}`"
                );
                parse(example.split(" > ").next().unwrap_or(example)).unwrap();
            }
        }
        for (_, example) in FIRST_HOUR {
            parse(example).unwrap();
        }
        assert!(parse("dure corpus ad records").is_err());
    }

    #[test]
    fn the_front_page_names_each_command_once() {
        let page = for_people(command()).render_help().to_string();
        for sub in command().get_subcommands() {
            let beginning = format!("\n  {:<12} ", sub.get_name());
            assert_eq!(page.matches(&beginning).count(), 1, "{} in\n{page}", sub.get_name());
        }
        for flag in ["--data <DIR>", "--settings <FILE>", "--tenant <NAME>", "--json"] {
            assert!(page.contains(flag), "{flag} in\n{page}");
        }
        assert!(page.lines().all(|line| line.chars().count() <= 110), "{page}");
    }

    #[test]
    fn a_command_s_own_page_is_about_that_command() {
        let mut all = for_people(command());
        all.build();
        let page = all.find_subcommand_mut("corpus").unwrap().find_subcommand_mut("add").unwrap().render_long_help();
        let page = page.to_string();
        assert!(page.contains("Examples:") && page.contains("dure corpus add"), "{page}");
        assert!(!page.contains("--data <DIR>"), "{page}");
        assert!(page.contains("`dure --help`"), "{page}");
    }

    #[test]
    fn a_group_names_only_commands_that_are_there() {
        let known = command();
        for name in GROUPS.iter().flat_map(|(_, names)| *names) {
            assert!(known.find_subcommand(name).is_some(), "{name}");
        }
    }

    #[test]
    fn completions_and_manual_pages_know_the_deepest_command() {
        for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut command(), "dure", &mut text);
            let text = String::from_utf8(text).unwrap();
            assert!(text.contains("accept-licence") && text.contains("residency"), "{shell}");
        }
        let dir = std::env::temp_dir().join(format!("dure-man-{}", std::process::id()));
        assert!(answers(&Command::Man { dir: dir.clone() }).unwrap());
        let page = std::fs::read_to_string(dir.join("dure-corpus-add.1")).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(page.contains("Examples") && page.contains("dure corpus add records"), "{page}");
    }
}
