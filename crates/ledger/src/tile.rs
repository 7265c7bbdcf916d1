//! Tiles and entry bundles: their places in the folder, and their bytes (C2SP `tlog-tiles`).
//!
//! Invariant: a path is built of numbers alone. A bundle's bytes are read as exactly so many entries, or not at all.

use base::ContentHash;

use crate::tree::{LEVELS_MAX, TILE_HEIGHT, TILE_WIDTH};

/// The most bytes that an entry may have: its length is written in 16 bits.
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;
/// The most bytes of a full bundle.
pub(crate) const BUNDLE_BYTES_MAX: usize = TILE_WIDTH * (ENTRY_BYTES_MAX + 2);

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Hashes of this level; level 0 are the leaves'.
    Hashes(u8),
    /// Entries, as many as the level 0 tile of the same number has hashes.
    Entries,
}

/// One tile: what it holds, its number, and how much of it there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Tile {
    pub kind: Kind,
    pub number: u64,
    /// 1 to 256.
    pub width: usize,
}

impl Tile {
    pub(crate) fn full(kind: Kind, number: u64) -> Self {
        Self { kind, number, width: TILE_WIDTH }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The tile as it is in a tree of `size` leaves; `None` if that tree has none of it.
    pub(crate) fn in_tree(kind: Kind, number: u64, size: u64) -> Option<Self> {
        let units = size >> (TILE_HEIGHT * u32::from(level(kind)));
        let start = number.checked_mul(TILE_WIDTH as u64)?;
        match units.checked_sub(start)? {
            0 => None,
            left => Some(Self { kind, number, width: left.min(TILE_WIDTH as u64) as usize }),
        }
    }

    /// Its path below the folder, with `/` between the parts.
    pub(crate) fn path(&self) -> String {
        let mut path = self.full_path();
        if !self.is_full() {
            path.push_str(&format!(".p/{}", self.width));
        }
        path
    }

    /// The folder that holds this tile while it is partial.
    pub(crate) fn partials_path(&self) -> String {
        format!("{}.p", self.full_path())
    }

    fn full_path(&self) -> String {
        let kind = match self.kind {
            Kind::Hashes(level) => level.to_string(),
            Kind::Entries => "entries".to_owned(),
        };
        let mut number = format!("{:03}", self.number % 1000);
        let mut rest = self.number / 1000;
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1000);
            rest /= 1000;
        }
        format!("tile/{kind}/{number}")
    }

    /// Reads a path as [`Tile::path`] writes it, and no other spelling.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("tile/")?;
        let (kind, rest) = rest.split_once('/')?;
        let kind = match kind {
            "entries" => Kind::Entries,
            level => Kind::Hashes(level.parse().ok().filter(|level| *level < LEVELS_MAX)?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok()?),
            None => (rest, TILE_WIDTH),
        };
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        let tile = Self { kind, number: digits.parse().ok()?, width };
        ((1..=TILE_WIDTH).contains(&width) && tile.path() == path).then_some(tile)
    }
}

fn level(kind: Kind) -> u8 {
    match kind {
        Kind::Hashes(level) => level,
        Kind::Entries => 0,
    }
}

/// The bytes of a tile of hashes.
pub(crate) fn hashes_bytes(hashes: &[ContentHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// The hashes of a tile's bytes; `None` unless they are exactly `width` hashes.
pub(crate) fn read_hashes(bytes: &[u8], width: usize) -> Option<Vec<ContentHash>> {
    (bytes.len() == width * 32).then_some(())?;
    bytes.chunks_exact(32).map(|hash| ContentHash::try_from(hash).ok()).collect()
}

/// Adds an entry to a bundle's bytes. It has at most [`ENTRY_BYTES_MAX`] bytes.
pub(crate) fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) {
    bundle.extend_from_slice(&(entry.len() as u16).to_be_bytes());
    bundle.extend_from_slice(entry);
}

/// The entries of a bundle's bytes; `None` unless they are exactly `width` entries.
pub(crate) fn read_entries(mut bytes: &[u8], width: usize) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::with_capacity(width.min(TILE_WIDTH));
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry);
        bytes = rest;
    }
    (entries.len() == width).then_some(entries)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        let check = |tile: Tile, path: &str| {
            assert_eq!(tile.path(), path);
            assert_eq!(Tile::parse(path), Some(tile));
        };
        check(Tile::full(Kind::Hashes(0), 1_234_067), "tile/0/x001/x234/067");
        check(Tile { kind: Kind::Hashes(1), number: 1, width: 17 }, "tile/1/001.p/17");
        check(Tile { kind: Kind::Entries, number: 273, width: 112 }, "tile/entries/273.p/112");
        check(Tile::full(Kind::Entries, 1_000), "tile/entries/x001/000");
    }

    #[test]
    fn other_spellings_are_no_tiles() {
        for path in [
            "tile/0/1",
            "tile/00/001",
            "tile/+1/001",
            "tile/8/000",
            "tile/0/x000/001",
            "tile/0/001.p/0",
            "tile/0/001.p/256",
            "tile/0/001.p/017",
            "tile/0/001.p/",
            "tile/0/../001",
            "tile/entries/001/extra",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
            "checkpoint",
            "",
        ] {
            assert_eq!(Tile::parse(path), None, "{path}");
        }
    }

    #[test]
    fn the_tiles_of_seventy_thousand_leaves() {
        let width = |kind, number| Tile::in_tree(kind, number, 70_000).map(|tile| tile.width);
        assert_eq!(width(Kind::Hashes(0), 272), Some(256));
        assert_eq!(width(Kind::Hashes(0), 273), Some(112));
        assert_eq!(width(Kind::Hashes(0), 274), None);
        assert_eq!(width(Kind::Hashes(1), 1), Some(17));
        assert_eq!(width(Kind::Hashes(2), 0), Some(1));
        assert_eq!(width(Kind::Hashes(3), 0), None);
        assert_eq!(width(Kind::Hashes(0), u64::MAX), None);
    }

    proptest! {
        #[test]
        fn a_bundle_reads_back_as_written(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..40)) {
            let mut bundle = Vec::new();
            entries.iter().for_each(|entry| push_entry(&mut bundle, entry));
            prop_assert_eq!(read_entries(&bundle, entries.len()).unwrap(), entries.clone());
            prop_assert!(read_entries(&bundle, entries.len() + 1).is_none());
            bundle.push(0);
            prop_assert!(read_entries(&bundle, entries.len()).is_none());
        }

        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..2_000), width in 0_usize..300) {
            if let Some(entries) = read_entries(&bytes, width) {
                prop_assert_eq!(entries.len(), width);
            }
        }
    }
}
