//! The map of characters, compiled to what llama.cpp's unigram tokenizer reads.
//!
//! The blob is SentencePiece's: the trie's length in bytes, the trie, then the replacements, each ended by a zero
//! byte. The trie is a double array whose units are packed as in darts-clone (Yata; also Kanda 2018, "XCDA"): a
//! node at index `n` with base `b` has its child for byte `c` at `n ^ b ^ c`, and that unit's low eight bits are `c`.
//! A node at which a key ends has bit 8 set, and its child for the byte 0 holds the replacement's offset with bit 31
//! set. Units do not name their parent, so no two nodes may share a child block start: each start is used once.

use std::collections::{BTreeMap, HashMap, HashSet};

const OFFSET_MAX: usize = 1 << 21;
const LEAF: u32 = 1 << 8;
const VALUE: u32 = 1 << 31;

#[derive(Debug, Default)]
struct Node {
    children: BTreeMap<u8, usize>,
    value: Option<u32>,
}

/// Compiles the map. The same map gives the same bytes.
pub(super) fn compile(characters: &[(char, String)]) -> Result<Vec<u8>, String> {
    let mut replacements = Vec::new();
    let mut known: HashMap<&str, u32> = HashMap::new();
    let mut nodes = vec![Node::default()];
    for (from, to) in characters {
        if *from == '\0' || to.contains('\0') {
            return Err("its map of characters has a zero byte".to_owned());
        }
        let offset = *known.entry(to).or_insert_with(|| {
            let offset = replacements.len() as u32;
            replacements.extend_from_slice(to.as_bytes());
            replacements.push(0);
            offset
        });
        let mut at = 0;
        for byte in from.encode_utf8(&mut [0; 4]).bytes() {
            let next = nodes.len();
            at = *nodes[at].children.entry(byte).or_insert(next);
            if at == next {
                nodes.push(Node::default());
            }
        }
        nodes[at].value = Some(offset);
    }
    let units = DoubleArray::default().place(&nodes)?;
    let mut blob = ((units.len() * 4) as u32).to_le_bytes().to_vec();
    units.iter().for_each(|unit| blob.extend(unit.to_le_bytes()));
    // The reader asks for at least one byte after the trie.
    replacements.push(0);
    blob.extend(replacements);
    Ok(blob)
}

#[derive(Default)]
struct DoubleArray {
    units: Vec<u32>,
    taken: Vec<bool>,
    starts: HashSet<usize>,
    /// No index below this one is free.
    first_free: usize,
}

impl DoubleArray {
    fn place(mut self, nodes: &[Node]) -> Result<Vec<u32>, String> {
        self.grow(256);
        self.taken[0] = true;
        // Nodes in the order of a walk, so that the array does not depend on anything but the map.
        let mut todo = vec![(0, 0)];
        while let Some((node, index)) = todo.pop() {
            let node = &nodes[node];
            let mut labels: Vec<u8> = node.children.keys().copied().collect();
            if node.value.is_some() {
                labels.insert(0, 0);
            }
            let start = self.find(&labels);
            self.starts.insert(start);
            let offset = start ^ index;
            if offset >= OFFSET_MAX {
                return Err("its map of characters is too large".to_owned());
            }
            self.units[index] |= (offset as u32) << 10;
            if let Some(value) = node.value {
                self.units[index] |= LEAF;
                self.units[start] = VALUE | value;
                self.taken[start] = true;
            }
            for (label, child) in node.children.iter().rev() {
                let at = start ^ usize::from(*label);
                self.units[at] = u32::from(*label);
                self.taken[at] = true;
                todo.push((*child, at));
            }
        }
        Ok(self.units)
    }

    /// The first start whose places for all `labels` are free.
    fn find(&mut self, labels: &[u8]) -> usize {
        while self.taken.get(self.first_free).copied().unwrap_or(false) {
            self.first_free += 1;
        }
        let mut start = self.first_free & !0xff;
        loop {
            // A block of 256 is grown whole, so that every place a reader may look at exists.
            self.grow((start | 0xff) + 1);
            let free = labels.iter().all(|label| !self.taken[start ^ usize::from(*label)]);
            if free && !self.starts.contains(&start) {
                return start;
            }
            start += 1;
        }
    }

    fn grow(&mut self, length: usize) {
        if self.units.len() < length {
            self.units.resize(length, 0);
            self.taken.resize(length, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks the trie as the tokenizer does and gives the longest match with what it becomes.
    fn look_up<'a>(blob: &'a [u8], text: &str) -> Option<(usize, &'a str)> {
        let size = u32::from_le_bytes(*blob.first_chunk().unwrap()) as usize;
        let (units, replacements) = blob[4..].split_at(size);
        let unit = |index: usize| u32::from_le_bytes(*units[index * 4..].first_chunk().unwrap());
        let base = |unit: u32| ((unit >> 10) << ((unit & (1 << 9)) >> 6)) as usize;
        let mut index = base(unit(0));
        let mut found = None;
        for (at, byte) in text.bytes().enumerate() {
            index ^= usize::from(byte);
            let here = unit(index);
            if here & (VALUE | 0xff) != u32::from(byte) {
                break;
            }
            index ^= base(here);
            if here & LEAF != 0 {
                let from = (unit(index) & !VALUE) as usize;
                let end = replacements[from..].iter().position(|byte| *byte == 0).unwrap();
                found = Some((at + 1, std::str::from_utf8(&replacements[from..from + end]).unwrap()));
            }
        }
        found
    }

    fn map() -> Vec<(char, String)> {
        let full_width = ('！'..='～').map(|c| (c, char::from_u32(c as u32 - 0xfee0).unwrap().to_string()));
        let others = [('\u{1}', ""), ('½', "1⁄2"), ('㈜', "(주)"), ('\u{2028}', " "), ('𝐀', "A")];
        let mut map: Vec<(char, String)> =
            full_width.chain(others.into_iter().map(|(from, to)| (from, to.to_owned()))).collect();
        map.sort();
        map
    }

    #[test]
    fn every_character_of_the_map_is_found_and_no_other() {
        let map = map();
        let blob = compile(&map).unwrap();
        let known: HashMap<char, &str> = map.iter().map(|(from, to)| (*from, to.as_str())).collect();
        for character in (1..0x30000).filter_map(char::from_u32) {
            let expected = known.get(&character).map(|to| (character.len_utf8(), *to));
            assert_eq!(look_up(&blob, &character.to_string()), expected, "{character:?}");
            // What follows a match does not change it.
            assert_eq!(look_up(&blob, &format!("{character}가")), expected, "{character:?}");
        }
    }

    #[test]
    fn every_place_that_a_reader_may_look_at_exists() {
        let blob = compile(&map()).unwrap();
        let count = u32::from_le_bytes(*blob.first_chunk().unwrap()) as usize / 4;
        assert_eq!(count % 256, 0);
        assert!(blob.len() > 4 + count * 4);
    }

    #[test]
    fn the_same_map_gives_the_same_bytes_and_a_zero_byte_is_refused() {
        assert_eq!(compile(&map()), compile(&map()));
        assert!(compile(&[('a', "\0".to_owned())]).is_err());
        assert!(compile(&[('\0', "a".to_owned())]).is_err());
    }
}
