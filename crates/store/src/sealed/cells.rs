//! Where the pieces of an encrypted database lie.
//!
//! SQLite writes a database in pages, and its write-ahead log as a head and frames, each frame a head and a page. Each of
//! these is a cell: it is sealed by itself, so a page is changed without touching another one, and lies in the file in the
//! same order as SQLite thinks of it, only each longer by what sealing adds.

use seal::OVERHEAD;

/// The only size of page that is used.
pub(super) const PAGE: usize = 4096;
const LOG_HEAD: usize = 32;
const FRAME_HEAD: usize = 24;

const SEALED_PAGE: u64 = (PAGE + OVERHEAD) as u64;
const SEALED_LOG_HEAD: u64 = (LOG_HEAD + OVERHEAD) as u64;
const SEALED_FRAME_HEAD: u64 = (FRAME_HEAD + OVERHEAD) as u64;
const SEALED_FRAME: u64 = SEALED_FRAME_HEAD + SEALED_PAGE;
const FRAME: u64 = (FRAME_HEAD + PAGE) as u64;

/// What a file is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cells {
    /// A database: pages.
    Pages,
    /// A write-ahead log.
    Log,
}

/// One cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    /// Where it begins for SQLite.
    pub start: u64,
    /// Its bytes for SQLite.
    pub length: usize,
    /// Where it begins on the disk.
    pub place: u64,
}

impl Cells {
    /// The cell that a byte is in.
    pub fn at(self, offset: u64) -> Cell {
        match self {
            Self::Pages => {
                let page = offset / PAGE as u64;
                Cell { start: page * PAGE as u64, length: PAGE, place: page * SEALED_PAGE }
            }
            Self::Log if offset < LOG_HEAD as u64 => Cell { start: 0, length: LOG_HEAD, place: 0 },
            Self::Log => {
                let frame = (offset - LOG_HEAD as u64) / FRAME;
                let (start, place) = (LOG_HEAD as u64 + frame * FRAME, SEALED_LOG_HEAD + frame * SEALED_FRAME);
                match offset - start < FRAME_HEAD as u64 {
                    true => Cell { start, length: FRAME_HEAD, place },
                    false => Cell { start: start + FRAME_HEAD as u64, length: PAGE, place: place + SEALED_FRAME_HEAD },
                }
            }
        }
    }

    /// How long a file is for SQLite that has so many bytes on the disk. A cell that is not whole does not count.
    pub fn length(self, bytes: u64) -> u64 {
        match self {
            Self::Pages => bytes / SEALED_PAGE * PAGE as u64,
            Self::Log if bytes < SEALED_LOG_HEAD => 0,
            Self::Log => {
                let (frames, rest) =
                    ((bytes - SEALED_LOG_HEAD) / SEALED_FRAME, (bytes - SEALED_LOG_HEAD) % SEALED_FRAME);
                let head = if rest >= SEALED_FRAME_HEAD { FRAME_HEAD as u64 } else { 0 };
                LOG_HEAD as u64 + frames * FRAME + head
            }
        }
    }

    /// What a cell is sealed for.
    pub fn name(self, cell: Cell) -> [u8; 9] {
        let mut name = [0; 9];
        name[0] = match self {
            Self::Pages => b'p',
            Self::Log => b'l',
        };
        name[1..].copy_from_slice(&cell.start.to_be_bytes());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_lie_one_after_the_other_without_a_gap() {
        for cells in [Cells::Pages, Cells::Log] {
            let (mut start, mut place) = (0, 0);
            for _ in 0..100 {
                let cell = cells.at(start);
                assert_eq!((cell.start, cell.place), (start, place));
                assert_eq!(cells.at(start + cell.length as u64 - 1), cell, "its last byte");
                assert_eq!(cells.length(place), start);
                let whole = place + (cell.length + OVERHEAD) as u64;
                assert_eq!(cells.length(whole - 1), start, "not whole");
                (start, place) = (start + cell.length as u64, whole);
            }
        }
    }
}
