//! The journal: groups of entries in the order of their indexes, each durable before anybody is told so.
//!
//! It is a folder of segments, named by their first index. A segment is a head and frames; a frame is one group, with a
//! SHA-256 over its place and its bytes. Invariants: a frame begins only after the frame before it is on the disk, so only
//! the last one of the last segment can be torn; and its seal covers a salt of the segment, so no entry's bytes can pass
//! for a frame.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::disk::{self, Disk, DiskError};
use crate::tile::{push_entry, read_entries};

/// The most entries of one group.
pub(crate) const GROUP_ENTRIES_MAX: usize = 256;
/// Bytes after which a segment is followed by a new one.
pub(crate) const SEGMENT_BYTES: u64 = 8 << 20;
/// The most bytes that a segment can have: one more group than [`SEGMENT_BYTES`] allow.
const SEGMENT_BYTES_MAX: usize = SEGMENT_BYTES as usize + crate::tile::BUNDLE_BYTES_MAX + FRAME_HEAD;

const HEAD_MAGIC: &[u8; 16] = b"dure journal 1\n\0";
const FRAME_MAGIC: &[u8; 4] = b"GRP\n";
/// Magic, first index, salt, hash.
const HEAD: usize = 16 + 8 + 32 + 32;
/// Magic, count, bytes, first index, the bytes' hash; then the salted hash over these.
const FRAME_HEAD: usize = 4 + 4 + 4 + 8 + 32 + 32;
const FRAME_SEALED: usize = FRAME_HEAD - 32;

/// Why a journal was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("the journal's `{}` is damaged: {what}", path.display())]
    Damaged { path: PathBuf, what: String },
}

/// A journal that is written to.
#[derive(Debug)]
pub(crate) struct Journal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    segment: Segment,
    /// The index of the next entry.
    next: u64,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    file: File,
    salt: [u8; 32],
    length: u64,
}

/// What a journal held.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub journal: Journal,
    /// The index of the first entry that is still in the journal.
    pub first: u64,
    pub entries: Vec<Vec<u8>>,
}

/// What is in a journal's folder.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// The index of the first entry.
    pub first: u64,
    pub entries: Vec<Vec<u8>>,
    /// Bytes of a last group whose writing was interrupted, so that nobody was told of it.
    pub torn_bytes: u64,
    last: Option<Last>,
}

/// The last segment: its path, salt, and the byte behind its last group.
type Last = (PathBuf, [u8; 32], u64);

/// Reads all that is in the folder and changes nothing; `None` if there is no journal.
pub(crate) fn scan(dir: &Path) -> Result<Option<Scan>, JournalError> {
    let mut places = segments(dir)?;
    if let Some((_, path)) = places.last()
        && is_unfinished(path)?
    {
        places.pop();
    }
    let Some((first, _)) = places.first() else { return Ok(None) };
    let mut found = Scan { first: *first, ..Scan::default() };
    for (at, (segment_first, path)) in places.iter().enumerate() {
        let expected = found.first + found.entries.len() as u64;
        if *segment_first != expected {
            return Err(damaged(path, format!("entry {expected} should be its first")));
        }
        let bytes = disk::read(path, SEGMENT_BYTES_MAX)?.unwrap_or_default();
        let salt = read_head(&bytes, *segment_first).ok_or_else(|| damaged(path, "its head is not right"))?;
        let end = read_frames(&bytes, &salt, *segment_first, path, &mut found.entries)?;
        found.torn_bytes = (bytes.len() - end) as u64;
        if found.torn_bytes > 0 && at + 1 < places.len() {
            return Err(damaged(path, format!("no group is at byte {end}")));
        }
        found.last = Some((path.clone(), salt, end as u64));
    }
    Ok(Some(found))
}

impl Journal {
    /// Begins a journal in a folder that has none.
    pub(crate) fn create(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, DiskError> {
        disk.make_dir(dir)?;
        disk.sync_dir(disk::folder_of(dir))?;
        let segment = Segment::create(&*disk, dir, 0)?;
        Ok(Self { disk, dir: dir.to_owned(), segment, next: 0 })
    }

    /// Reads what is in the folder and goes on behind it; `None` if there is no journal.
    pub(crate) fn recover(disk: Arc<dyn Disk>, dir: &Path) -> Result<Option<Recovered>, JournalError> {
        if let Some((_, path)) = segments(dir)?.last()
            && is_unfinished(path)?
        {
            disk.remove(path)?;
        }
        let Some(found) = scan(dir)? else { return Ok(None) };
        let Some(last) = found.last else { return Ok(None) };
        if found.torn_bytes > 0 {
            tracing::warn!(bytes = found.torn_bytes, "a group that was never acknowledged is cut off the journal");
        }
        let segment = Segment::reopen(&*disk, last, found.torn_bytes)?;
        let journal = Self { disk, dir: dir.to_owned(), segment, next: found.first + found.entries.len() as u64 };
        Ok(Some(Recovered { journal, first: found.first, entries: found.entries }))
    }

    /// The index of the next entry.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Goes on in a new segment, unless this one is empty.
    pub(crate) fn roll(&mut self) -> Result<(), DiskError> {
        if self.segment.length > HEAD as u64 {
            self.segment = Segment::create(&*self.disk, &self.dir, self.next)?;
        }
        Ok(())
    }

    /// Makes a group durable; its first entry gets the index [`Journal::next`].
    ///
    /// After an error the journal must not be used again.
    pub(crate) fn commit<'a>(&mut self, entries: impl ExactSizeIterator<Item = &'a [u8]>) -> Result<(), DiskError> {
        if self.segment.length >= SEGMENT_BYTES {
            self.roll()?;
        }
        let count = entries.len();
        let mut frame = vec![0; FRAME_HEAD];
        entries.for_each(|entry| push_entry(&mut frame, entry));
        let bytes = frame.len() - FRAME_HEAD;
        frame[..4].copy_from_slice(FRAME_MAGIC);
        frame[4..8].copy_from_slice(&(count as u32).to_be_bytes());
        frame[8..12].copy_from_slice(&(bytes as u32).to_be_bytes());
        frame[12..20].copy_from_slice(&self.next.to_be_bytes());
        let hash = Sha256::digest(&frame[FRAME_HEAD..]);
        frame[20..FRAME_SEALED].copy_from_slice(&hash);
        let seal = seal(&self.segment.salt, self.segment.length, &frame[..FRAME_SEALED]);
        frame[FRAME_SEALED..FRAME_HEAD].copy_from_slice(&seal);
        self.disk.write(&mut self.segment.file, &self.segment.path, &frame)?;
        self.disk.sync(&self.segment.file, &self.segment.path)?;
        self.segment.length += frame.len() as u64;
        self.next += count as u64;
        Ok(())
    }
}

impl Segment {
    fn create(disk: &dyn Disk, dir: &Path, first: u64) -> Result<Self, DiskError> {
        let path = dir.join(format!("{first:020}"));
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(|error| DiskError::at("draw a salt for", &path)(error.into()))?;
        let mut head = HEAD_MAGIC.to_vec();
        head.extend_from_slice(&first.to_be_bytes());
        head.extend_from_slice(&salt);
        let hash: [u8; 32] = Sha256::digest(&head).into();
        head.extend_from_slice(&hash);
        let mut file = disk.create(&path)?;
        disk.write(&mut file, &path, &head)?;
        disk.sync(&file, &path)?;
        disk.sync_dir(dir)?;
        Ok(Self { path, file, salt, length: HEAD as u64 })
    }

    fn reopen(disk: &dyn Disk, (path, salt, length): Last, torn_bytes: u64) -> Result<Self, DiskError> {
        let mut file = OpenOptions::new().write(true).open(&path).map_err(DiskError::at("open", &path))?;
        if torn_bytes > 0 {
            disk.truncate(&file, &path, length)?;
        }
        // What was read may be in the kernel's memory alone, if the last owner was killed before its sync.
        disk.sync(&file, &path)?;
        file.seek(SeekFrom::Start(length)).map_err(DiskError::at("seek in", &path))?;
        Ok(Self { path, file, salt, length })
    }
}

/// Removes the segments whose entries are all below `published`; the last one always stays.
pub(crate) fn prune(disk: &dyn Disk, dir: &Path, published: u64) -> Result<(), DiskError> {
    for pair in segments(dir)?.windows(2) {
        if pair[1].0 <= published {
            disk.remove(&pair[0].1)?;
        }
    }
    Ok(())
}

/// The segments in the folder by their first indexes.
fn segments(dir: &Path) -> Result<Vec<(u64, PathBuf)>, DiskError> {
    let listing = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing.map_err(DiskError::at("list", dir))?,
    };
    let mut found = Vec::new();
    for entry in listing {
        let path = entry.map_err(DiskError::at("list", dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.len() == 20
            && let Ok(first) = name.parse()
        {
            found.push((first, path));
        }
    }
    found.sort();
    Ok(found)
}

/// True for a segment whose making was interrupted: nothing was ever written behind its head.
fn is_unfinished(path: &Path) -> Result<bool, DiskError> {
    let length = fs::metadata(path).map_err(DiskError::at("look at", path))?.len();
    Ok(length < HEAD as u64
        || length == HEAD as u64 && read_any_head(&disk::read(path, HEAD)?.unwrap_or_default()).is_none())
}

fn read_head(bytes: &[u8], first: u64) -> Option<[u8; 32]> {
    read_any_head(bytes).filter(|(found, _)| *found == first).map(|(_, salt)| salt)
}

fn read_any_head(bytes: &[u8]) -> Option<(u64, [u8; 32])> {
    let (head, _) = bytes.split_first_chunk::<HEAD>()?;
    let right = head.starts_with(HEAD_MAGIC) && Sha256::digest(&head[..56]).as_slice() == &head[56..];
    right.then_some((u64::from_be_bytes(head[16..24].try_into().ok()?), head[24..56].try_into().ok()?))
}

/// Reads frames until there is none; gives the byte behind the last. A frame that is not right while a later one is means
/// that something was changed that had been on the disk.
fn read_frames(
    bytes: &[u8],
    salt: &[u8; 32],
    segment_first: u64,
    path: &Path,
    entries: &mut Vec<Vec<u8>>,
) -> Result<usize, JournalError> {
    let mut at = HEAD;
    let mut next = segment_first;
    while let Some((first, found, end)) = read_frame(bytes, salt, at) {
        if first != next {
            return Err(damaged(path, format!("the group at byte {at} begins with entry {first}, not {next}")));
        }
        next += found.len() as u64;
        entries.extend(found.into_iter().map(<[u8]>::to_vec));
        at = end;
    }
    let later = (at + 1..bytes.len()).find(|later| read_frame(bytes, salt, *later).is_some());
    match later {
        Some(later) => Err(damaged(path, format!("no group is at byte {at}, but one is at {later}"))),
        None => Ok(at),
    }
}

/// The first index, the entries and the end of the frame at byte `at`, if one is there.
fn read_frame<'a>(bytes: &'a [u8], salt: &[u8; 32], at: usize) -> Option<(u64, Vec<&'a [u8]>, usize)> {
    let (head, rest) = bytes.get(at..)?.split_first_chunk::<FRAME_HEAD>()?;
    // The head is sealed by itself, so a look at bytes that are no frame costs one short hash at most.
    if !head.starts_with(FRAME_MAGIC) || seal(salt, at as u64, &head[..FRAME_SEALED]) != head[FRAME_SEALED..] {
        return None;
    }
    let number = |from: usize| Some(u32::from_be_bytes(head[from..from + 4].try_into().ok()?) as usize);
    let (count, length) = (number(4)?, number(8)?);
    let payload = rest.get(..length)?;
    if Sha256::digest(payload).as_slice() != &head[20..FRAME_SEALED] {
        return None;
    }
    let first = u64::from_be_bytes(head[12..20].try_into().ok()?);
    Some((first, read_entries(payload, count)?, at + FRAME_HEAD + length))
}

fn seal(salt: &[u8; 32], at: u64, head: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(at.to_be_bytes()).chain_update(head).finalize().into()
}

fn damaged(path: &Path, what: impl Into<String>) -> JournalError {
    JournalError::Damaged { path: path.to_owned(), what: what.into() }
}

#[cfg(test)]
mod tests;
