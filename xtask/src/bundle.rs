//! A bundle on its way to one archive: files and texts by their place, and the sums that prove them.
//!
//! The same contents make the same bytes: places are sorted, owners and times are fixed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

const SUMS: &str = "SHA256SUMS";
/// Weights hardly shrink, so a higher level costs minutes and saves little.
const COMPRESSION: i32 = 3;

#[derive(Debug)]
enum Content {
    File(PathBuf),
    Text(String),
}

/// What goes into the archive, by its place inside.
#[derive(Debug, Default)]
pub struct Bundle {
    entries: BTreeMap<String, (Content, u32)>,
}

impl Bundle {
    /// A file; what may be run stays so.
    pub fn file(&mut self, place: impl Into<String>, path: impl Into<PathBuf>) -> Result<()> {
        let (place, path) = (place.into(), path.into());
        let metadata = fs::metadata(&path).with_context(|| format!("`{place}`: no {}", path.display()))?;
        let mode = if executable(&metadata) { 0o755 } else { 0o644 };
        self.entries.insert(place, (Content::File(path), mode));
        Ok(())
    }

    /// A text that has no file of its own.
    pub fn text(&mut self, place: impl Into<String>, text: String) {
        self.entries.insert(place.into(), (Content::Text(text), 0o644));
    }

    /// A folder with all that is in it; links are left out.
    pub fn folder(&mut self, place: &str, dir: &Path) -> Result<()> {
        let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().with_context(|| format!("a name in {} is no text", dir.display()))?;
            let place = format!("{place}/{name}");
            if entry.file_type()?.is_dir() {
                self.folder(&place, &entry.path())?;
            } else if entry.file_type()?.is_file() {
                self.file(place, entry.path())?;
            }
        }
        Ok(())
    }

    /// Writes the archive, with everything below a folder `name`, and the sums of it all beside it inside.
    pub fn write(self, name: &str, path: &Path) -> Result<()> {
        let beside = path.with_extension("part");
        let file = File::create(&beside).with_context(|| format!("cannot write {}", beside.display()))?;
        let mut encoder = zstd::Encoder::new(file, COMPRESSION)?;
        encoder.include_checksum(true)?;
        let mut archive = tar::Builder::new(encoder);
        let mut sums = String::new();
        for (place, (content, mode)) in &self.entries {
            if place == SUMS {
                bail!("`{SUMS}` is written by the bundle itself");
            }
            let full = format!("{name}/{place}");
            let sum = match content {
                Content::Text(text) => append(&mut archive, &full, *mode, text.len() as u64, text.as_bytes())?,
                Content::File(path) => {
                    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
                    let length = file.metadata()?.len();
                    append(&mut archive, &full, *mode, length, file)?
                }
            };
            sums.push_str(&format!("{sum}  {place}\n"));
        }
        append(&mut archive, &format!("{name}/{SUMS}"), 0o644, sums.len() as u64, sums.as_bytes())?;
        archive.into_inner()?.finish()?.sync_all()?;
        fs::rename(&beside, path)?;
        Ok(())
    }
}

/// Appends one entry and gives the SHA-256 of exactly the bytes that were written.
fn append(
    archive: &mut tar::Builder<impl Write>,
    place: &str,
    mode: u32,
    length: u64,
    content: impl Read,
) -> Result<String> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(mode);
    header.set_size(length);
    header.set_mtime(0);
    let mut reader = Summed { inner: content, digest: Sha256::new() };
    archive.append_data(&mut header, place, &mut reader).with_context(|| format!("cannot add `{place}`"))?;
    Ok(hex::encode(reader.digest.finalize()))
}

struct Summed<R> {
    inner: R,
    digest: Sha256,
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.digest.update(&buffer[..count]);
        Ok(count)
    }
}

/// The SHA-256 of a file, in hexadecimal digits.
pub fn sum_of(path: &Path) -> Result<String> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut reader = Summed { inner: file, digest: Sha256::new() };
    io::copy(&mut reader, &mut io::sink())?;
    Ok(hex::encode(reader.digest.finalize()))
}

fn executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle_of(dir: &Path) -> PathBuf {
        fs::create_dir_all(dir.join("in/조례")).unwrap();
        fs::write(dir.join("in/조례/수도급수조례.md"), "제1조").unwrap();
        let mut bundle = Bundle::default();
        bundle.folder("examples", &dir.join("in")).unwrap();
        bundle.text("NOTE", "kept\n".to_owned());
        let path = dir.join("out.tar.zst");
        bundle.write("dure-0", &path).unwrap();
        path
    }

    #[test]
    fn the_sums_inside_are_those_of_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = bundle_of(dir.path());
        let mut archive = tar::Archive::new(zstd::Decoder::new(File::open(path).unwrap()).unwrap());
        archive.unpack(dir.path().join("unpacked")).unwrap();
        let root = dir.path().join("unpacked/dure-0");
        let sums = fs::read_to_string(root.join(SUMS)).unwrap();
        assert_eq!(sums.lines().count(), 2);
        for line in sums.lines() {
            let (sum, place) = line.split_once("  ").unwrap();
            assert_eq!(sum_of(&root.join(place)).unwrap(), sum, "{place}");
        }
        assert!(sums.contains("examples/조례/수도급수조례.md"));
    }

    #[test]
    fn the_same_contents_make_the_same_bytes() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (one, two) = (bundle_of(one.path()), bundle_of(two.path()));
        assert_eq!(fs::read(one).unwrap(), fs::read(two).unwrap());
    }
}
