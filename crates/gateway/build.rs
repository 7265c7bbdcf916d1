//! Puts the console into the program: every file of `console/` that a browser asks for, its hash, and its gzip; and the
//! example records, which the first visit offers.
//!
//! What only those need who work on it (checks, types, package lists) stays out.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// What stays in the repository.
const LEFT_OUT: &[&str] = &["checks", "node_modules", "types"];
/// What a browser reads.
const SERVED: &[&str] = &["css", "html", "js", "svg", "woff2"];
/// What records come in.
const RECORDS: &[&str] = &["csv", "html", "json", "jsonl", "md", "txt"];
/// What gzip makes no smaller.
const PACKED: &[&str] = &["woff2"];

fn main() -> io::Result<()> {
    // Asked when it runs: checkouts that share a target folder share this program.
    let repository = told("CARGO_MANIFEST_DIR")?.join("../..").canonicalize()?;
    let out = told("OUT_DIR")?;
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = Vec::new();
    gather(&repository.join("console"), "", SERVED, &mut files)?;
    let mut examples = Vec::new();
    gather(&repository.join("examples/records"), "", RECORDS, &mut examples)?;
    let index = out.join("examples.json");
    fs::write(&index, format!("{:?}", examples.iter().map(|(name, _)| name).collect::<Vec<_>>()))?;
    files.push(("examples/index.json".to_owned(), index));
    files.extend(examples.into_iter().map(|(name, path)| (format!("examples/{name}"), path)));
    // The program looks names up by halving.
    files.sort();

    let mut table = String::from("const FILES: &[File] = &[\n");
    let mut all = Sha256::new();
    for (number, (name, path)) in files.iter().enumerate() {
        println!("cargo::rerun-if-changed={}", path.display());
        let bytes = fs::read(path)?;
        let hash = Sha256::digest(&bytes);
        all.update(name.as_bytes());
        all.update(hash);
        let gzip = if PACKED.contains(&extension(path)) {
            "None".to_owned()
        } else {
            let packed = out.join(format!("console-{number}.gz"));
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&bytes)?;
            fs::write(&packed, encoder.finish()?)?;
            format!("Some(include_bytes!({packed:?}))")
        };
        let _ = writeln!(
            table,
            "    File {{ path: {name:?}, hash: \"{}\", plain: include_bytes!({path:?}), gzip: {gzip} }},",
            short(&hash)
        );
    }
    let _ = writeln!(table, "];\nconst DIGEST: &str = \"{}\";", short(&all.finalize()));
    fs::write(out.join("console.rs"), table)
}

/// A path that cargo tells.
fn told(name: &str) -> io::Result<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).ok_or_else(|| io::Error::other(format!("cargo tells no `{name}`")))
}

/// The files of these kinds in a folder, with their names inside it.
fn gather(folder: &Path, before: &str, kinds: &[&str], files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    // The folder itself, so that a new file is noticed.
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else { continue };
        let name = format!("{before}{name}");
        if entry.file_type()?.is_dir() {
            if !LEFT_OUT.contains(&name.as_str()) {
                gather(&path, &format!("{name}/"), kinds, files)?;
            }
        } else if kinds.contains(&extension(&path)) {
            files.push((name, path));
        }
    }
    Ok(())
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

fn short(hash: &[u8]) -> String {
    hash.iter().take(12).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
