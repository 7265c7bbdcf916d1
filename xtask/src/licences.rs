//! The licences of everything that the binary is built from, each text once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;
use cargo_metadata::Package;

/// Files of a crate that hold its terms, by how their names begin.
const NAMES: [&str; 5] = ["license", "licence", "copying", "notice", "unlicense"];

/// The list of parts with their licences, then each text with the parts that carry it.
pub fn third_party(packages: &[&Package], extra: &[(&str, String)]) -> Result<String> {
    let mut list = String::from("What this program is built from, and on which terms.\n\n");
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages.iter().filter(|package| package.source.is_some()) {
        let licence = package.license.as_deref().unwrap_or("see its text below");
        let place = package.repository.as_deref().unwrap_or("-");
        writeln!(list, "{} {}\n    {licence}\n    {place}", package.name, package.version)?;
        let Some(dir) = package.manifest_path.parent() else { continue };
        gather(dir.as_std_path(), 2, &mut |text| {
            texts.entry(text).or_default().push(format!("{} {}", package.name, package.version));
        })?;
    }
    for (name, terms) in extra {
        writeln!(list, "{name}\n    {terms}")?;
    }
    for (text, carriers) in texts {
        let mut carriers = carriers;
        carriers.dedup();
        writeln!(list, "\n{}\n{}\n\n{text}", "-".repeat(100), carriers.join(", "))?;
    }
    Ok(list)
}

/// The terms in `dir` and, for parts that a crate brings along, the folders below it.
fn gather(dir: &Path, depth: usize, take: &mut impl FnMut(String)) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(dir)?.collect::<std::io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if entry.file_type()?.is_dir() {
            if depth > 0 {
                gather(&entry.path(), depth - 1, take)?;
            }
        } else if NAMES.iter().any(|known| name.starts_with(known)) {
            let text = String::from_utf8_lossy(&fs::read(entry.path())?).replace('\r', "");
            take(text.trim().to_owned());
        }
    }
    Ok(())
}
