//! Files of any length, in chunks.
//!
//! A sealed file is 16 random bytes, its id, and then its chunks of 64 KiB, each a sealed piece whose place is the file's
//! place, its id, the chunk's number and whether it is the last one. So chunks cannot change places, come from another
//! file or be left out, and a file that ends too early has no last one (the STREAM construction, Hoang et al. 2015).

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use crate::{OVERHEAD, ReadAt, Sealer};

const CHUNK: usize = 64 << 10;
const SEALED_CHUNK: usize = CHUNK + OVERHEAD;
const ID: usize = 16;

/// Seals what is written to it. What is not finished does not open.
pub struct SealedWriter<W> {
    target: W,
    sealer: Sealer,
    place: Place,
    chunk: Vec<u8>,
    number: u64,
    begun: bool,
}

/// Where a chunk belongs, but for its number.
struct Place(Vec<u8>);

impl Place {
    fn new(place: &[u8], id: &[u8]) -> Self {
        Self([place, id].concat())
    }

    fn of(&self, number: u64, last: bool) -> Vec<u8> {
        [self.0.as_slice(), &number.to_be_bytes(), &[u8::from(last)]].concat()
    }
}

impl<W: Write> SealedWriter<W> {
    /// Begins a file that opens as `place`.
    ///
    /// # Errors
    /// When the operating system has no random bytes.
    pub fn new(target: W, sealer: Sealer, place: &[u8]) -> io::Result<Self> {
        let mut id = [0; ID];
        getrandom::fill(&mut id).map_err(|error| io::Error::other(error.to_string()))?;
        let place = Place::new(place, &id);
        Ok(Self { target, sealer, place, chunk: Vec::with_capacity(CHUNK), number: 0, begun: false })
    }

    /// Writes what is left and gives the target back.
    ///
    /// # Errors
    /// When the target takes no more.
    pub fn finish(mut self) -> io::Result<W> {
        self.write_chunk(true)?;
        self.target.flush()?;
        Ok(self.target)
    }

    /// Where it writes to.
    pub fn target_mut(&mut self) -> &mut W {
        &mut self.target
    }

    fn write_chunk(&mut self, last: bool) -> io::Result<()> {
        if !self.begun {
            self.begun = true;
            self.target.write_all(&self.place.0[self.place.0.len() - ID..])?;
        }
        let sealed = self.sealer.seal(&self.place.of(self.number, last), &self.chunk)?;
        self.target.write_all(&sealed)?;
        self.number += 1;
        self.chunk.clear();
        Ok(())
    }
}

impl<W: Write> Write for SealedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full chunk waits until more comes: it may be the last.
        if self.chunk.len() == CHUNK && !bytes.is_empty() {
            self.write_chunk(false)?;
        }
        let count = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

impl<W> std::fmt::Debug for SealedWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedWriter").field("chunks", &self.number).finish_non_exhaustive()
    }
}

/// An open sealed file.
pub struct SealedFile {
    file: File,
    sealer: Sealer,
    place: Place,
    length: u64,
    chunks: u64,
    /// The chunk that was opened last: whoever reads on in small steps opens it once.
    opened: Mutex<Option<(u64, Vec<u8>)>>,
}

impl SealedFile {
    /// Opens what was sealed as `place`, and looks whether its end is there.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if it was changed, is another file or is cut short; when the disk says no.
    pub fn open(file: File, sealer: Sealer, place: &[u8]) -> io::Result<Self> {
        let bytes = file.metadata()?.len();
        let mut id = [0; ID];
        let body = bytes.checked_sub((ID + OVERHEAD) as u64).ok_or_else(changed)? + OVERHEAD as u64;
        FileExt::read_exact_at(&file, &mut id, 0)?;
        let chunks = body.div_ceil(SEALED_CHUNK as u64);
        let length = body.checked_sub(chunks * OVERHEAD as u64).ok_or_else(changed)?;
        let opened = Self { file, sealer, place: Place::new(place, &id), length, chunks, opened: Mutex::default() };
        opened.chunk(chunks - 1)?;
        Ok(opened)
    }

    fn chunk(&self, number: u64) -> io::Result<Vec<u8>> {
        let start = number * CHUNK as u64;
        let length = (self.length - start).min(CHUNK as u64) as usize;
        let mut sealed = vec![0; length + OVERHEAD];
        FileExt::read_exact_at(&self.file, &mut sealed, ID as u64 + number * SEALED_CHUNK as u64)?;
        self.sealer.open(&self.place.of(number, number + 1 == self.chunks), &sealed).map_err(|_| changed())
    }
}

fn changed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the encrypted file was changed, or is not whole")
}

impl ReadAt for SealedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset >= self.length || buffer.is_empty() {
            return Ok(0);
        }
        let number = offset / CHUNK as u64;
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.as_ref().is_none_or(|(known, _)| *known != number) {
            *opened = Some((number, self.chunk(number)?));
        }
        let chunk = opened.as_ref().map_or(&[][..], |(_, chunk)| chunk);
        let from = &chunk[(offset % CHUNK as u64) as usize..];
        let count = from.len().min(buffer.len());
        buffer[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.length)
    }
}

impl std::fmt::Debug for SealedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedFile").field("length", &self.length).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer() -> Sealer {
        Sealer::new(&[1; 32])
    }

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at % 251) as u8).collect()
    }

    fn sealed(text: &[u8]) -> Vec<u8> {
        let mut writer = SealedWriter::new(Vec::new(), sealer(), b"place").unwrap();
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    fn read(sealed: &[u8], place: &[u8]) -> io::Result<Vec<u8>> {
        let mut file = tempfile::tempfile()?;
        file.write_all(sealed)?;
        let file = SealedFile::open(file, sealer(), place)?;
        let (mut text, mut buffer) = (Vec::new(), vec![0; 10_007]);
        loop {
            match file.read_at(&mut buffer, text.len() as u64)? {
                0 => return Ok(text),
                count => text.extend_from_slice(&buffer[..count]),
            }
        }
    }

    #[test]
    fn files_of_any_length_come_back() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 17] {
            assert_eq!(read(&sealed(&text(length)), b"place").unwrap(), text(length), "{length}");
        }
    }

    #[test]
    fn what_was_changed_moved_or_cut_short_does_not_open() {
        let whole = sealed(&text(2 * CHUNK + 9));
        assert!(read(&whole, b"another place").is_err());
        for at in [0, ID, ID + 30, ID + SEALED_CHUNK + 5, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(read(&changed, b"place").is_err(), "byte {at}");
        }
        for length in [0, ID, ID + 10, ID + SEALED_CHUNK, ID + 2 * SEALED_CHUNK, whole.len() - 1] {
            assert!(read(&whole[..length], b"place").is_err(), "cut to {length}");
        }
        let (first, second) = (ID..ID + SEALED_CHUNK, ID + SEALED_CHUNK..ID + 2 * SEALED_CHUNK);
        let swapped = [&whole[..ID], &whole[second], &whole[first.clone()], &whole[ID + 2 * SEALED_CHUNK..]].concat();
        assert!(read(&swapped, b"place").is_err(), "two chunks changed places");
        let other = sealed(&text(2 * CHUNK + 9));
        let mixed = [&whole[..ID], &other[first], &whole[ID + SEALED_CHUNK..]].concat();
        assert!(read(&mixed, b"place").is_err(), "a chunk of another file of this name");
    }
}
