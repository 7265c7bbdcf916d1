//! The benchmarks that are there, each with the command that its own first lines name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::house;

/// Lines at a program's beginning that are searched for its command.
const HEAD_LINES: usize = 40;

pub fn list() -> Result<()> {
    let dir = house::root().join("bench");
    let mut programs = Vec::new();
    gather(&dir, &mut programs).with_context(|| format!("cannot read {}", dir.display()))?;
    programs.sort();
    for path in programs {
        let shown = path.strip_prefix(house::root()).unwrap_or(&path);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        println!("{}\n    {}", shown.display(), command(shown, &text));
    }
    Ok(())
}

fn gather(dir: &Path, programs: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            gather(&path, programs)?;
        } else if path.extension().is_some_and(|extension| ["sh", "py", "rs"].iter().any(|known| extension == *known)) {
            programs.push(path);
        }
    }
    Ok(())
}

/// What to type: the text after `Run:` or `Usage:` among the first lines, or the plain way for such a file.
fn command(path: &Path, text: &str) -> String {
    for line in text.lines().take(HEAD_LINES) {
        let line = line.trim_start_matches(['/', '!', '#', '"', ' ']);
        if let Some(said) = line.strip_prefix("Run:").or_else(|| line.strip_prefix("Usage:")) {
            return said.trim().trim_matches('`').to_owned();
        }
    }
    let path = path.display();
    match path.to_string().rsplit_once('.') {
        Some((_, "sh")) => format!("bash {path}"),
        Some((_, "py")) => format!("python3 {path}"),
        _ => format!("see {path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_says_how_it_is_run() {
        let check = |path: &str, text: &str, expected: &str| assert_eq!(command(Path::new(path), text), expected);
        check(
            "bench/a.py",
            "#!/usr/bin/env python3\n\"\"\"Speed.\n\nRun: `python3 bench/a.py --all`\n\"\"\"",
            "python3 bench/a.py --all",
        );
        check("bench/b.sh", "#!/bin/sh\n# Usage: bash bench/b.sh DIR\n", "bash bench/b.sh DIR");
        check("bench/c.py", "print(1)\n", "python3 bench/c.py");
    }
}
