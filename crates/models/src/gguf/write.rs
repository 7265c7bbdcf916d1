//! Writing a GGUF file, version 3: little-endian, tensors in the order given, each at a multiple of 32 bytes.

use std::io::{self, Write};

use super::types::TensorType;

const ALIGNMENT: u64 = 32;

/// A value of the metadata, as it is written.
#[derive(Debug, Clone, PartialEq)]
pub enum OutValue<'a> {
    /// A 32-bit number.
    U32(u32),
    /// A 32-bit float.
    F32(f32),
    /// Yes or no.
    Bool(bool),
    /// A text.
    Text(&'a str),
    /// Bytes, as an array of 8-bit numbers.
    Bytes(&'a [u8]),
    /// 32-bit numbers, signed.
    I32s(&'a [i32]),
    /// 32-bit floats.
    F32s(&'a [f32]),
    /// Texts, which need not be UTF-8.
    Texts(Vec<&'a [u8]>),
}

/// A tensor to write.
#[derive(Debug, Clone)]
pub struct OutTensor<'a> {
    /// Its name, at most 63 bytes.
    pub name: String,
    /// Its sizes, the fastest first.
    pub dims: Vec<u64>,
    /// How its weights are stored.
    pub kind: TensorType,
    /// Its weights.
    pub bytes: &'a [u8],
}

/// What goes into a file.
#[derive(Debug, Clone, Default)]
pub struct Writer<'a> {
    values: Vec<(String, OutValue<'a>)>,
    tensors: Vec<OutTensor<'a>>,
}

impl<'a> Writer<'a> {
    /// Adds a value to the metadata.
    pub fn value(&mut self, key: impl Into<String>, value: OutValue<'a>) {
        self.values.push((key.into(), value));
    }

    /// Adds a tensor.
    pub fn tensor(&mut self, tensor: OutTensor<'a>) {
        self.tensors.push(tensor);
    }

    /// Writes the file. The same content gives the same bytes.
    ///
    /// # Errors
    /// When `out` says no.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let head = self.head();
        out.write_all(&head)?;
        pad(out, head.len() as u64)?;
        for tensor in &self.tensors {
            out.write_all(tensor.bytes)?;
            pad(out, tensor.bytes.len() as u64)?;
        }
        out.flush()
    }

    fn head(&self) -> Vec<u8> {
        let mut head = b"GGUF".to_vec();
        head.extend(3_u32.to_le_bytes());
        head.extend((self.tensors.len() as u64).to_le_bytes());
        head.extend((self.values.len() as u64).to_le_bytes());
        for (key, value) in &self.values {
            put_text(&mut head, key.as_bytes());
            put_value(&mut head, value);
        }
        let mut offset = 0_u64;
        for tensor in &self.tensors {
            put_text(&mut head, tensor.name.as_bytes());
            head.extend((tensor.dims.len() as u32).to_le_bytes());
            tensor.dims.iter().for_each(|dim| head.extend(dim.to_le_bytes()));
            head.extend(tensor.kind.id.to_le_bytes());
            head.extend(offset.to_le_bytes());
            offset += (tensor.bytes.len() as u64).next_multiple_of(ALIGNMENT);
        }
        head
    }
}

fn put_text(head: &mut Vec<u8>, text: &[u8]) {
    head.extend((text.len() as u64).to_le_bytes());
    head.extend(text);
}

fn put_value(head: &mut Vec<u8>, value: &OutValue<'_>) {
    let array = |head: &mut Vec<u8>, element: u32, count: usize| {
        head.extend(9_u32.to_le_bytes());
        head.extend(element.to_le_bytes());
        head.extend((count as u64).to_le_bytes());
    };
    match value {
        OutValue::U32(number) => {
            head.extend(4_u32.to_le_bytes());
            head.extend(number.to_le_bytes());
        }
        OutValue::F32(number) => {
            head.extend(6_u32.to_le_bytes());
            head.extend(number.to_le_bytes());
        }
        OutValue::Bool(yes) => {
            head.extend(7_u32.to_le_bytes());
            head.push(u8::from(*yes));
        }
        OutValue::Text(text) => {
            head.extend(8_u32.to_le_bytes());
            put_text(head, text.as_bytes());
        }
        OutValue::Bytes(bytes) => {
            array(head, 0, bytes.len());
            head.extend(*bytes);
        }
        OutValue::I32s(numbers) => {
            array(head, 5, numbers.len());
            numbers.iter().for_each(|number| head.extend(number.to_le_bytes()));
        }
        OutValue::F32s(numbers) => {
            array(head, 6, numbers.len());
            numbers.iter().for_each(|number| head.extend(number.to_le_bytes()));
        }
        OutValue::Texts(texts) => {
            array(head, 8, texts.len());
            texts.iter().for_each(|text| put_text(head, text));
        }
    }
}

fn pad(out: &mut dyn Write, length: u64) -> io::Result<()> {
    let rest = length.next_multiple_of(ALIGNMENT) - length;
    out.write_all(&[0; ALIGNMENT as usize][..rest as usize])
}
