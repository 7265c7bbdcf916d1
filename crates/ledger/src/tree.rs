//! The Merkle tree of RFC 6962: its hashes, and the right edge from which it grows.
//!
//! Invariant: an [`Edge`] that has taken `n` leaf hashes has the root that RFC 6962, section 2.1, gives to those `n`.

use base::ContentHash;
use sha2::{Digest, Sha256};

/// Hashes in a full tile.
pub(crate) const TILE_WIDTH: usize = 256;
/// log2 of [`TILE_WIDTH`].
pub(crate) const TILE_HEIGHT: u32 = 8;
/// Levels of tiles that 64-bit sizes can need.
pub(crate) const LEVELS_MAX: u8 = 8;

/// The hash of an entry as a leaf (RFC 6962, section 2.1: a zero byte, then the entry).
pub fn leaf_hash(entry: &[u8]) -> ContentHash {
    finish(Sha256::new().chain_update([0]).chain_update(entry))
}

pub(crate) fn node_hash(left: &ContentHash, right: &ContentHash) -> ContentHash {
    finish(Sha256::new().chain_update([1]).chain_update(left.as_bytes()).chain_update(right.as_bytes()))
}

fn finish(digest: Sha256) -> ContentHash {
    ContentHash::from_bytes(digest.finalize().into())
}

/// The root of the tree without leaves.
pub(crate) fn empty_root() -> ContentHash {
    ContentHash::of([])
}

/// The largest power of two below `n`, where RFC 6962 splits a tree of `n > 1` leaves.
pub(crate) fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// The root over neighbours of one height, of which the last may be smaller. Nothing has none.
pub(crate) fn fold(hashes: &[ContentHash]) -> Option<ContentHash> {
    match hashes {
        [] => None,
        [one] => Some(*one),
        _ => {
            let (left, right) = hashes.split_at(split(hashes.len() as u64) as usize);
            Some(node_hash(&fold(left)?, &fold(right)?))
        }
    }
}

/// A tile that became full: its level, its number within the level, its hashes.
pub(crate) type Full<'a> = (u8, u64, &'a [ContentHash]);

/// The right edge of a growing tree: of each level the hashes that no full tile holds yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Edge {
    size: u64,
    /// Fewer than [`TILE_WIDTH`] each, the leaves' level first.
    levels: Vec<Vec<ContentHash>>,
}

impl Edge {
    /// The edge of a tree of `size` leaves, of which `levels` holds the partial tiles.
    pub(crate) fn new(size: u64, levels: Vec<Vec<ContentHash>>) -> Self {
        Self { size, levels }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next leaf's hash; gives each tile that it fills to `filled`, the leaves' level first.
    pub(crate) fn push(&mut self, leaf: ContentHash, mut filled: impl FnMut(Full<'_>)) {
        let mut carried = Some(leaf);
        let mut level = 0;
        while let Some(hash) = carried.take() {
            if self.levels.len() == level {
                self.levels.push(Vec::with_capacity(TILE_WIDTH));
            }
            let tile = &mut self.levels[level];
            tile.push(hash);
            if tile.len() == TILE_WIDTH {
                filled((level as u8, self.size >> (TILE_HEIGHT * (level as u32 + 1)), tile));
                carried = fold(tile);
                tile.clear();
                level += 1;
            }
        }
        self.size += 1;
    }

    /// The root of the whole tree.
    pub(crate) fn root(&self) -> ContentHash {
        let mut below: Option<ContentHash> = None;
        for level in &self.levels {
            let mut hashes = level.clone();
            hashes.extend(below);
            below = fold(&hashes);
        }
        below.unwrap_or_else(empty_root)
    }

    /// The partial tiles: level, number within the level, hashes. None of them is empty.
    pub(crate) fn partials(&self) -> impl Iterator<Item = Full<'_>> {
        self.levels
            .iter()
            .enumerate()
            .filter(|(_, hashes)| !hashes.is_empty())
            .map(|(level, hashes)| (level as u8, self.size >> (TILE_HEIGHT * (level as u32 + 1)), hashes.as_slice()))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 6962's definition, word by word.
    pub(crate) fn slow_root(leaves: &[ContentHash]) -> ContentHash {
        match leaves {
            [] => empty_root(),
            [one] => *one,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
                node_hash(&slow_root(left), &slow_root(right))
            }
        }
    }

    pub(crate) fn leaves(count: u64) -> Vec<ContentHash> {
        (0..count).map(|index| leaf_hash(format!("entry {index}").as_bytes())).collect()
    }

    #[test]
    fn known_hashes() {
        // RFC 6962's own test vectors, as certificate transparency's implementations print them.
        assert_eq!(empty_root().to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(leaf_hash(b"").to_string(), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    }

    #[test]
    fn the_edge_has_the_root_of_all_its_leaves() {
        let all = leaves(1_100);
        let mut edge = Edge::default();
        for (count, leaf) in all.iter().enumerate() {
            if [0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 1_024].contains(&count) {
                assert_eq!(edge.root(), slow_root(&all[..count]), "{count}");
            }
            edge.push(*leaf, |_| {});
        }
        assert_eq!((edge.size(), edge.root()), (1_100, slow_root(&all)));
    }

    #[test]
    fn tiles_fill_level_by_level() {
        let mut filled = Vec::new();
        let mut edge = Edge::default();
        for leaf in leaves(65_536) {
            edge.push(leaf, |(level, number, hashes)| filled.push((level, number, hashes.len())));
        }
        assert_eq!(filled.len(), 257);
        assert_eq!(filled[0], (0, 0, 256));
        assert_eq!(&filled[255..], [(0, 255, 256), (1, 0, 256)]);
        assert_eq!(
            edge.partials().map(|(level, number, hashes)| (level, number, hashes.len())).collect::<Vec<_>>(),
            [(2, 0, 1)]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn an_edge_taken_up_again_goes_on_the_same(first in 0_u64..600, more in 0_u64..600) {
            let all = leaves(first + more);
            let mut whole = Edge::default();
            all.iter().for_each(|leaf| whole.push(*leaf, |_| {}));
            let mut begun = Edge::default();
            all[..first as usize].iter().for_each(|leaf| begun.push(*leaf, |_| {}));
            let mut again = Edge::new(begun.size, begun.levels.clone());
            all[first as usize..].iter().for_each(|leaf| again.push(*leaf, |_| {}));
            prop_assert_eq!(again.root(), whole.root());
        }
    }
}
