//! A ledger's files, checked without a server: by whoever has them and the public key.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use ledger::{Checkpoint, FileMemory, Memory, Proof, VerifierKey};
use serde_json::{Value, json};

use crate::cli::Ledger;
use crate::print;
use crate::settings::Settings;
use crate::witnesses::KEPT;

/// Bytes of a proof or a checkpoint.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Runs a command that needs no server; none for one that does.
pub fn run(command: &Ledger, settings: &Settings, json: bool) -> Option<anyhow::Result<ExitCode>> {
    let own = || settings.data.join("ledger");
    let done = match command {
        Ledger::Verify { dir, key, since, witness } => {
            let dir = dir.clone().unwrap_or_else(own);
            // What witnesses cosigned is what a log is held to where nothing else is named.
            let cosigned = (!witness.is_empty()).then(|| settings.data.join(KEPT));
            let since = since.clone().or(cosigned);
            verify((&dir, key.as_deref()), (since.as_deref(), witness), settings, json)
        }
        Ledger::Check { proof, key, witness } => check(proof, key, witness, json),
        Ledger::Accept => accept(settings, json),
        Ledger::Export { to } => export(&own(), to, json),
        _ => return None,
    };
    Some(done.map(|()| ExitCode::SUCCESS))
}

fn verify(
    (dir, key): (&Path, Option<&str>),
    (since, witnesses): (Option<&Path>, &[String]),
    settings: &Settings,
    json: bool,
) -> anyhow::Result<()> {
    let key = match key {
        Some(key) => read_key(key)?,
        None => crate::house::verifier_key(settings)?,
    };
    let older = since.map(read_small).transpose()?;
    if let Some(older) = &older {
        cosigned(&Checkpoint::open(older, &key).context("the older checkpoint cannot be used")?, witnesses)?;
    }
    let checkpoint = ledger::verify(dir, &key, older.as_deref())?;
    let told = json!({ "entries": checkpoint.size(), "root": checkpoint.root(), "key": key.to_string() });
    if json {
        print::out(&told.to_string());
    } else {
        print::out(&format!("{} entries; every hash and the signature hold", checkpoint.size()));
        print::out(&format!("signed by {key}"));
        if since.is_some() {
            print::out("and all that the older checkpoint covers is still there, unchanged");
        }
        if !witnesses.is_empty() {
            print::out(&format!("{} witnesses cosigned that checkpoint", witnesses.len()));
        }
    }
    Ok(())
}

/// Holds a checkpoint to the cosignatures of all these witnesses.
fn cosigned(checkpoint: &Checkpoint, witnesses: &[String]) -> anyhow::Result<()> {
    for witness in witnesses {
        let key = read_key(witness)?;
        let name = key.name().to_owned();
        if checkpoint.cosigners(&[key])? == 0 {
            bail!("the checkpoint of {} entries has no cosignature of `{name}`", checkpoint.size());
        }
    }
    Ok(())
}

fn check(file: &Path, key: &str, witnesses: &[String], json: bool) -> anyhow::Result<()> {
    let key = read_key(key)?;
    let proof = Proof::parse(&read_small(file)?).with_context(|| format!("`{}` is no proof", file.display()))?;
    let Some(entry) = proof.extra() else { bail!("`{}` carries no entry that it could prove", file.display()) };
    let checkpoint = proof.verify(entry, &key).context("the proof does not hold")?;
    cosigned(&checkpoint, witnesses)?;
    let entry: Value = serde_json::from_slice(entry).context("what is proved is no entry of Dure's")?;
    if json {
        print::out(&json!({ "leaf": proof.index(), "entries": checkpoint.size(), "entry": entry }).to_string());
    } else {
        print::out(&format!("entry {} of {} stands in the log of {}", proof.index(), checkpoint.size(), key.name()));
        print::out(&serde_json::to_string_pretty(&entry)?);
    }
    Ok(())
}

/// Remembers the checkpoint that the folder has, after the whole folder was checked. A memory that is there is never
/// written over: what it says is what was signed.
fn accept(settings: &Settings, json: bool) -> anyhow::Result<()> {
    let dir = settings.data.join("ledger");
    let checkpoint = ledger::verify(&dir, &crate::house::verifier_key(settings)?, None)?;
    let mut memory = FileMemory::open(&crate::house::ledger_memory(settings))?;
    if memory.recall()?.is_some() {
        bail!("a checkpoint of this log is remembered already; nothing has to be accepted");
    }
    memory.remember(&checkpoint.to_string())?;
    if json {
        print::out(&json!({ "accepted": checkpoint.size() }).to_string());
    } else {
        print::out(&format!("{} entries are taken as all that was signed", checkpoint.size()));
    }
    Ok(())
}

/// Copies what others verify: the tiles and the checkpoint, and no journal. The checkpoint goes last, so that a copy that
/// is broken off has all that the checkpoint it has covers.
fn export(own: &Path, to: &Path, json: bool) -> anyhow::Result<()> {
    let checkpoint =
        fs::read(own.join("checkpoint")).with_context(|| format!("no ledger is in `{}`", own.display()))?;
    let (mut copied, mut there) = (0_u64, 0_u64);
    let mut folders = vec![PathBuf::from("tile")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(own.join(&folder)) else { continue };
        make_folder(&to.join(&folder))?;
        for entry in entries {
            let entry = entry?;
            let place = folder.join(entry.file_name());
            let (from, target) = (own.join(&place), to.join(&place));
            if entry.file_type()?.is_dir() {
                folders.push(place);
            } else if target.exists() {
                there += 1;
            } else {
                let beside = target.with_extension("new");
                fs::copy(&from, &beside).with_context(|| format!("`{}` cannot be written", beside.display()))?;
                fs::rename(&beside, &target)?;
                copied += 1;
            }
        }
    }
    make_folder(to)?;
    fs::write(to.join("checkpoint"), checkpoint).with_context(|| format!("`{}` cannot be written", to.display()))?;
    if json {
        print::out(&json!({ "to": to, "copied": copied, "there": there }).to_string());
    } else {
        print::out(&format!("{copied} files copied into `{}`, {there} were there", to.display()));
    }
    Ok(())
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(path).with_context(|| format!("`{}` cannot be made", path.display()))
}

fn read_key(key: &str) -> anyhow::Result<VerifierKey> {
    key.parse().map_err(|error| anyhow::anyhow!("`{key}` is no verifier's key: {error}"))
}

pub(super) fn read_small(path: &Path) -> anyhow::Result<Vec<u8>> {
    read(path, FILE_BYTES_MAX)
}

/// A text from a file, or, for `-`, from standard input.
pub(super) fn read_text(path: &Path, bytes_max: u64) -> anyhow::Result<String> {
    String::from_utf8(read(path, bytes_max)?).with_context(|| format!("`{}` is no UTF-8 text", path.display()))
}

fn read(path: &Path, bytes_max: u64) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let open = || -> io::Result<Box<dyn Read>> {
        Ok(if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(fs::File::open(path)?) })
    };
    let read = open().and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes));
    read.with_context(|| format!("`{}` cannot be read", path.display()))?;
    if bytes.len() as u64 > bytes_max {
        bail!("`{}` has more than {bytes_max} bytes", path.display());
    }
    Ok(bytes)
}
