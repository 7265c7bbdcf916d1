//! Archives: `.zip`, `.tar`, `.tar.zst`, `.tar.gz`. Entries are read in memory, one at a time, within bounds.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use tar::EntryType;

use super::{Content, Look, Section, UPLOAD, name};
use crate::FailureReason;

/// Bytes of a zip's own directory; a larger one would fill the memory before the first entry is read.
const DIRECTORY_MAX: u64 = 64 << 20;
/// Bytes of a name that stands in its own tar entry.
const LONG_NAME_MAX: u64 = 64 << 10;
/// Bytes that any archive may unpack to, however small it is.
const UNPACKED_MIN: u64 = 16 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Zip,
    Tar,
    TarZst,
    TarGz,
}

impl Kind {
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        match () {
            () if ends(&[".zip"]) => Some(Self::Zip),
            () if ends(&[".tar"]) => Some(Self::Tar),
            () if ends(&[".tar.zst", ".tzst"]) => Some(Self::TarZst),
            () if ends(&[".tar.gz", ".tgz"]) => Some(Self::TarGz),
            () => None,
        }
    }
}

/// Where an archive's entries go.
struct Place<'a> {
    /// What stands before the entries' paths.
    prefix: &'a str,
    source: &'a str,
    /// Bytes that may still come out.
    left: u64,
    /// Whether entries come one after the other, so that damage in one takes all that follow with it.
    stream: bool,
}

impl Look<'_> {
    /// Reads an archive's entries. What is known of a damaged one stays as it is.
    pub(super) fn archive(&mut self, kind: Kind, opened: io::Result<Section>, prefix: &str, path: &str, source: &str) {
        let read = opened.and_then(|file| {
            let size = file.length();
            let most = size.saturating_mul(self.limits.archive_ratio_max).max(UNPACKED_MIN);
            let left = most.min(self.limits.archive_bytes_max);
            let place = Place { prefix, source, left, stream: kind != Kind::Zip };
            match kind {
                Kind::Zip => self.zip(file, place),
                Kind::Tar => self.tar(BufReader::new(file), place),
                Kind::TarZst => self.tar(zstd::stream::read::Decoder::new(file)?, place),
                Kind::TarGz => self.tar(flate2::read::MultiGzDecoder::new(BufReader::new(file)), place),
            }
        });
        match read {
            // What an upload does not bring stays.
            Ok(()) if self.stopped || self.uploaded => {}
            Ok(()) => self.found.complete.push(format!("{source}//")),
            Err(error) => {
                self.found.unknown.push(format!("{source}//"));
                self.fail(path.to_owned(), source.to_owned(), FailureReason::Archive(error.to_string()));
            }
        }
    }

    fn zip(&mut self, mut file: Section, mut place: Place) -> io::Result<()> {
        check_zip_directory(&mut file, self.limits.files_max)?;
        let mut archive = zip::ZipArchive::new(BufReader::new(file))?;
        for number in 0..archive.len() {
            if self.stopped {
                return Ok(());
            }
            let label = archive
                .by_index_raw(number)
                .map_or_else(|_| format!("entry {number}"), |entry| name::of_bytes(entry.name_raw()));
            let mut entry = match archive.by_index(number) {
                Ok(entry) => entry,
                Err(error) => {
                    self.entry_failed(&place, &label, FailureReason::Archive(error.to_string()));
                    continue;
                }
            };
            if entry.is_dir() {
                continue;
            }
            if entry.is_symlink() {
                self.warn(&name::display(&label), "a link inside an archive is skipped");
                continue;
            }
            self.entry(&mut place, &label, &mut entry)?;
        }
        Ok(())
    }

    fn tar(&mut self, reader: impl Read, mut place: Place) -> io::Result<()> {
        let reader = Bounded { reader, left: place.left };
        let mut archive = tar::Archive::new(reader);
        let mut long_name: Option<Vec<u8>> = None;
        // Raw entries: long names are read here, with a bound.
        for entry in archive.entries()?.raw(true) {
            let mut entry = entry?;
            if self.stopped {
                return Ok(());
            }
            let kind = entry.header().entry_type();
            match kind {
                EntryType::GNULongName | EntryType::XHeader => {
                    let mut bytes = Vec::new();
                    (&mut entry).take(LONG_NAME_MAX).read_to_end(&mut bytes)?;
                    let found = if kind == EntryType::XHeader { pax_path(&bytes) } else { Some(bytes) };
                    long_name = found.or(long_name);
                    continue;
                }
                EntryType::GNULongLink | EntryType::XGlobalHeader => continue,
                _ => {}
            }
            let bytes = long_name.take().unwrap_or_else(|| entry.header().path_bytes().into_owned());
            let label = name::of_bytes(bytes.strip_suffix(b"\0").unwrap_or(&bytes));
            match kind {
                EntryType::Directory => {}
                EntryType::Regular | EntryType::Continuous => self.entry(&mut place, &label, &mut entry)?,
                _ => self.warn(&name::display(&label), "a link or device inside an archive is skipped"),
            }
        }
        Ok(())
    }

    fn entry(&mut self, place: &mut Place, label: &str, reader: &mut dyn Read) -> io::Result<()> {
        if Kind::of_name(label).is_some() {
            self.warn(&name::display(label), "an archive inside an archive is not opened");
            return Ok(());
        }
        let bytes_max = self.limits.file_bytes_max.min(place.left);
        let mut bytes = Vec::new();
        if let Err(error) = reader.take(bytes_max + 1).read_to_end(&mut bytes) {
            if place.stream {
                return Err(error);
            }
            self.entry_failed(place, label, FailureReason::Archive(error.to_string()));
            return Ok(());
        }
        if bytes.len() as u64 > bytes_max {
            if place.left <= self.limits.file_bytes_max {
                return Err(io::Error::other("unpacks to more than its bound"));
            }
            let reason = FailureReason::TooLarge { bytes_max: self.limits.file_bytes_max };
            // What was read counts: a thousand entries that are too large are a bomb too.
            place.left = place.left.saturating_sub(bytes.len() as u64);
            self.entry_failed(place, label, reason);
            return Ok(());
        }
        place.left -= bytes.len() as u64;
        let size = bytes.len() as u64;
        let path = format!("{}{}", place.prefix, name::display(label));
        let source = self.source_of(place, label, &path);
        self.record(path, source, Content::Bytes(bytes), size);
        Ok(())
    }

    /// An entry's source: its place in the archive, or, of an upload, its path.
    fn source_of(&self, place: &Place, label: &str, path: &str) -> String {
        if self.uploaded { format!("{UPLOAD}{path}") } else { format!("{}//{label}", place.source) }
    }

    fn entry_failed(&mut self, place: &Place, label: &str, reason: FailureReason) {
        let path = format!("{}{}", place.prefix, name::display(label));
        let source = self.source_of(place, label, &path);
        self.fail(path, source, reason);
    }
}

/// A reader that ends with an error instead of going on for ever.
struct Bounded<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.left =
            self.left.checked_sub(count as u64).ok_or_else(|| io::Error::other("unpacks to more than its bound"))?;
        Ok(count)
    }
}

/// `27 path=…\n` records of a pax header (POSIX.1-2001).
fn pax_path(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes;
    while let Some(space) = rest.iter().position(|byte| *byte == b' ') {
        let length: usize = std::str::from_utf8(&rest[..space]).ok()?.parse().ok()?;
        let record = rest.get(space + 1..length.checked_sub(1)?)?;
        if let Some(path) = record.strip_prefix(b"path=") {
            return Some(path.to_vec());
        }
        rest = &rest[length..];
    }
    None
}

/// Looks at a zip's end, where it says how large its directory is, before anything believes it.
fn check_zip_directory(file: &mut Section, entries_max: u64) -> io::Result<()> {
    let length = file.length();
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub((64 << 10) + 200)))?;
    file.by_ref().take((64 << 10) + 200).read_to_end(&mut tail)?;
    file.rewind()?;
    let number = |at: usize, bytes: usize| -> u64 {
        tail.get(at..at + bytes).map_or(0, |field| field.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    let find = |mark: &[u8]| tail.windows(4).rposition(|window| window == mark);
    let short = find(b"PK\x05\x06").map(|at| (number(at + 10, 2), number(at + 12, 4)));
    let long = find(b"PK\x06\x06").map(|at| (number(at + 32, 8), number(at + 40, 8)));
    let too_large = |(entries, bytes): (u64, u64)| {
        let unsaid = entries == 0xffff || bytes == 0xffff_ffff;
        !unsaid && (entries > entries_max || bytes > DIRECTORY_MAX)
    };
    if short.is_some_and(too_large) || long.is_some_and(too_large) {
        return Err(io::Error::other("its directory is larger than the bound"));
    }
    Ok(())
}
