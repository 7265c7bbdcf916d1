//! What people read: tables, bars, errors with a hint.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};

use crate::client::Refused;

/// Prints why a command failed, and what to do about it.
pub fn failure(error: &anyhow::Error, json: bool) {
    let refused = error.downcast_ref::<Refused>();
    if json {
        let code = refused.map_or("failed", |refused| refused.code.as_str());
        let value = serde_json::json!({ "error": { "message": format!("{error:#}"), "code": code } });
        eprintln!("{value}");
        return;
    }
    eprintln!("dure: {}", seen(&format!("{error:#}"), &std::io::stderr()));
    if let Some(hint) = refused.and_then(hint) {
        eprintln!("      {hint}");
    }
}

/// The one place for human hints.
fn hint(refused: &Refused) -> Option<&'static str> {
    match (refused.code.as_str(), refused.message.as_str()) {
        ("not_found", "no such corpus") => Some("`dure corpus list` shows those that are there"),
        ("not_found", "no such route") => Some("`dure route list` shows those that are there"),
        ("not_found", "no such tenant") => Some("`dure tenant list` shows those that are there"),
        ("not_found", "no such group") => Some("`dure group list` shows those that are there"),
        ("not_found", "no such document") => Some("`dure corpus show NAME` lists a corpus's documents"),
        ("model_not_found", _) => Some("`dure model list` shows what can be installed, and what is"),
        ("conflict", message) if message.starts_with("there is a corpus") => {
            Some("`dure corpus add NAME PATH` adds to it; the same files again change nothing")
        }
        ("unavailable", message) if message.contains("does not start") => {
            Some("most often memory is short: lower `engine.slots` or `engine.context_tokens`")
        }
        ("insufficient_quota", _) => {
            Some("`dure tenant list` shows what is used, `dure tenant quota NAME TOKENS` gives more")
        }
        ("disk_full", _) => Some("nothing is lost; make room and run the same command again"),
        ("conflict", message) if message.contains("licence") => Some("to accept it, add `--accept-licence`"),
        _ => None,
    }
}

/// Columns of equal width, the first row being the heads.
pub fn table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0))
        .collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width_max) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width_max - width(cell) + 2));
        }
        out(line.trim_end());
    }
}

/// Columns that a text takes on a terminal: Hangul, Hanja and full-width forms take two.
pub fn width(text: &str) -> usize {
    text.chars()
        .map(|letter| match letter as u32 {
            0x1100..=0x115F
            | 0x2E80..=0xA4CF
            | 0xAC00..=0xD7A3
            | 0xF900..=0xFAFF
            | 0xFE30..=0xFE6F
            | 0xFF00..=0xFF60
            | 0xFFE0..=0xFFE6
            | 0x20000..=0x3FFFD => 2,
            _ => 1,
        })
        .sum()
}

/// Prints a line; a reader that has gone away (`| head`) is no error.
pub fn out(line: &str) {
    let mut stdout = std::io::stdout();
    let line = seen(line, &stdout);
    let _ = writeln!(stdout, "{line}");
}

/// Prints a part of a line at once.
pub fn out_part(text: &str) {
    let mut stdout = std::io::stdout();
    let text = seen(text, &stdout);
    let _ = write!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// A text as a terminal is given it: what would steer it, or turn the reading direction, is seen and does nothing, for it may
/// be a record's or a model's. What goes elsewhere goes as it is.
fn seen<'a>(text: &'a str, to: &impl IsTerminal) -> Cow<'a, str> {
    let steers = |c: char| {
        c.is_control() && !matches!(c, '\n' | '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if to.is_terminal() && text.contains(steers) { text.replace(steers, "\u{fffd}").into() } else { text.into() }
}

/// Progress: a bar on a terminal, a plain line now and then elsewhere.
pub struct Progress {
    bar: Option<ProgressBar>,
    told: std::time::Instant,
}

impl Progress {
    /// A bar over `total` bytes, or a spinner where the total is not known.
    pub fn new(bytes: bool) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = if bytes {
                "{msg:30!} {bar:24} {bytes}/{total_bytes} {bytes_per_sec} {eta}"
            } else {
                "{msg:40!} {bar:24} {pos}/{len} {elapsed}"
            };
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style)
        });
        Self { bar, told: std::time::Instant::now() }
    }

    /// Tells how far it is.
    pub fn tell(&mut self, message: &str, done: u64, total: u64) {
        match &self.bar {
            Some(bar) => {
                bar.set_length(total);
                bar.set_position(done);
                bar.set_message(message.to_owned());
            }
            None if self.told.elapsed().as_secs() >= 5 => {
                self.told = std::time::Instant::now();
                eprintln!("{message}: {done} of {total}");
            }
            None => {}
        }
    }

    /// Takes the bar away.
    pub fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Bytes as people say them.
pub fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}
