//! What can be read at any place, by several at the same time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A file, plain or sealed, that is read at any place.
pub trait ReadAt: Send + Sync + std::fmt::Debug {
    /// Reads from `offset` on; 0 is its end.
    ///
    /// # Errors
    /// When it cannot be read, or a sealed one was changed.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Its length now.
    ///
    /// # Errors
    /// When the disk says no.
    fn length(&self) -> io::Result<u64>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}
