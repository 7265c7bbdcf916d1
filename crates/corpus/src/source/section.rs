//! A part of an open file, read as if it were a file of its own.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use seal::ReadAt;

/// Bytes `start..start + length` of a file. Several sections of one file do not disturb each other.
#[derive(Debug)]
pub(crate) struct Section {
    file: Arc<dyn ReadAt>,
    start: u64,
    length: u64,
    at: u64,
}

impl Section {
    pub fn new(file: Arc<dyn ReadAt>, start: u64, length: u64) -> Self {
        Self { file, start, length, at: 0 }
    }

    /// All of a file, as long as it is now.
    pub fn whole(file: Arc<dyn ReadAt>) -> io::Result<Self> {
        let length = file.length()?;
        Ok(Self::new(file, 0, length))
    }

    /// All of a plain file.
    pub fn of_file(file: File) -> io::Result<Self> {
        Self::whole(Arc::new(file))
    }

    pub fn length(&self) -> u64 {
        self.length
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.at);
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = self.file.read_at(&mut buffer[..most], self.start + self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Section {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_section_begins_and_ends_where_it_should() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"before|inside|after").unwrap();
        let mut section = Section::new(Arc::new(file), 7, 6);
        let mut text = String::new();
        section.read_to_string(&mut text).unwrap();
        assert_eq!(text, "inside");
        section.seek(SeekFrom::End(-2)).unwrap();
        text.clear();
        section.read_to_string(&mut text).unwrap();
        assert_eq!(text, "de");
        assert!(section.seek(SeekFrom::End(-7)).is_err());
        section.seek(SeekFrom::Start(100)).unwrap();
        assert_eq!(section.read(&mut [0; 4]).unwrap(), 0);
    }
}
