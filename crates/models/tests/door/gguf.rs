//! Hostile GGUF files: each known attack on readers of this format (THREATS C3, C4), and thousands of unknown ones.

use std::io::Cursor;

use models::gguf::{Gguf, GgufError, TensorType, Value};
use proptest::prelude::*;

use crate::fixture::small_gguf;

fn read(bytes: &[u8]) -> Result<Gguf, GgufError> {
    let gguf = Gguf::read(Cursor::new(bytes), bytes.len() as u64)?;
    gguf.check_model()?;
    Ok(gguf)
}

/// Asserts that the file is refused for this reason.
fn check(bytes: &[u8], expected: &str) {
    let error = read(bytes).unwrap_err().to_string();
    assert!(error.contains(expected), "expected `{expected}`, got `{error}`");
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// A value of the metadata: its key, the number of its type, its bytes.
fn value(key: &str, kind: u32, bytes: &[u8]) -> Vec<u8> {
    [text(key), kind.to_le_bytes().to_vec(), bytes.to_vec()].concat()
}

fn tensor(name: &str, dims: &[u64], kind: u32, offset: u64) -> Vec<u8> {
    let dim_bytes: Vec<u8> = dims.iter().flat_map(|dim| dim.to_le_bytes()).collect();
    let count = (dims.len() as u32).to_le_bytes();
    [text(name), count.to_vec(), dim_bytes, kind.to_le_bytes().to_vec(), offset.to_le_bytes().to_vec()].concat()
}

fn head(tensors: u64, values: u64) -> Vec<u8> {
    [b"GGUF".to_vec(), 3_u32.to_le_bytes().to_vec(), tensors.to_le_bytes().to_vec(), values.to_le_bytes().to_vec()]
        .concat()
}

/// A file of these values and tensors with `data` bytes of weights.
fn file(values: &[Vec<u8>], tensors: &[Vec<u8>], data: usize) -> Vec<u8> {
    let mut bytes = head(tensors.len() as u64, values.len() as u64);
    bytes.extend(values.concat());
    bytes.extend(tensors.concat());
    bytes.resize(bytes.len().next_multiple_of(32) + data, 0);
    bytes
}

fn with_values(values: &[Vec<u8>]) -> Vec<u8> {
    file(values, &[tensor("t", &[32], 0, 0)], 128)
}

fn with_tensors(tensors: &[Vec<u8>], data: usize) -> Vec<u8> {
    file(&[], tensors, data)
}

#[test]
fn a_sound_file_is_read_as_it_is() {
    let bytes = small_gguf("sound");
    let gguf = read(&bytes).unwrap();
    assert_eq!(gguf.architecture(), "llama");
    assert_eq!(gguf.text("general.name"), Some("sound"));
    assert_eq!(gguf.architecture_number("context_length"), 128);
    assert_eq!(gguf.parameters(), 65 * 32);
    assert_eq!(gguf.main_type(), TensorType::Q4_0);
    assert_eq!(gguf.file_size(), bytes.len() as u64);
    let [embeddings, norm] = gguf.tensors() else { panic!("{:?}", gguf.tensors()) };
    assert_eq!((embeddings.length, embeddings.dims.as_slice()), (64 * 18, &[32, 64][..]));
    assert_eq!(norm.offset + norm.length, gguf.file_size());
    assert!(matches!(gguf.value("tokenizer.ggml.tokens"), Some(Value::Array { count: 3, .. })));
}

#[test]
fn other_formats_are_refused_by_their_first_bytes() {
    let safetensors = [&100_u64.to_le_bytes()[..], b"{\"__metadata__\": {}}", &[b' '; 100]].concat();
    for (bytes, expected) in [
        (&b""[..], "an empty file"),
        (b"GGU", "something else"),
        (b"\x80\x02}q\x00.", "a Python pickle"),
        (b"\x80\x05\x95\0\0", "a Python pickle"),
        (b"PK\x03\x04archive/data.pkl", "a zip archive"),
        (&safetensors, "a safetensors file"),
        (b"ggjt\x03\0\0\0", "from before GGUF"),
        (b"FUGG\0\0\0\x03", "in reverse"),
        (b"\x1f\x8b\x08\0", "a gzip file"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"\x93NUMPY\x01\0", "something else"),
        (b"#!/bin/sh\n", "something else"),
    ] {
        check(bytes, expected);
    }
}

#[test]
fn other_versions_are_refused() {
    for version in [0_u32, 1, 4, u32::MAX, 3_u32.swap_bytes()] {
        let mut bytes = small_gguf("m");
        bytes[4..8].copy_from_slice(&version.to_le_bytes());
        check(&bytes, &format!("GGUF version {version}"));
    }
}

#[test]
fn counts_that_no_file_can_have_are_refused() {
    check(&head(1 << 63, 0), "the number of tensors");
    check(&head(u64::MAX, 0), "the number of tensors");
    check(&head(0, 1 << 32), "the number of values");
    check(&head(1 << 16, 0), "ends before");
    check(&head(0, 1 << 16), "ends before");
}

#[test]
fn texts_longer_than_the_file_are_refused() {
    for length in [1_u64 << 60, u64::MAX, 1 << 32, 1000] {
        let text = length.to_le_bytes();
        check(&with_values(&[text.to_vec()]), if length > 256 { "the length of a name" } else { "ends before" });
        check(&with_values(&[value("general.name", 8, &text)]), "ends before");
    }
    let mut bytes = head(1, 0);
    bytes.extend((1_u64 << 60).to_le_bytes());
    check(&bytes, "the length of a name");
}

#[test]
fn arrays_longer_than_the_file_are_refused() {
    for (element, count) in
        [(0_u32, 1_u64 << 60), (4, 1 << 62), (10, u64::MAX), (12, 1 << 61), (8, 1 << 60), (7, 1 << 40)]
    {
        let array = [&element.to_le_bytes()[..], &count.to_le_bytes()].concat();
        check(&with_values(&[value("tokenizer.ggml.tokens", 9, &array)]), "ends before");
    }
}

#[test]
fn arrays_in_arrays_are_refused() {
    let nested: Vec<u8> = [9_u32, 1, 0].iter().flat_map(|number| number.to_le_bytes()).collect();
    check(&with_values(&[value("x", 9, &nested)]), "an array of arrays");
}

#[test]
fn types_that_do_not_exist_are_refused() {
    check(&with_values(&[value("x", 13, &[0; 8])]), "the unknown type 13");
    check(&with_values(&[value("x", u32::MAX, &[0; 8])]), "the unknown type 4294967295");
    check(&with_values(&[value("x", 7, &[2])]), "neither yes nor no");
    // Types that ggml once had and took away, and ones that it never had: a block of theirs would have no size.
    for kind in [4, 5, 31, 36, 43, 1000, u32::MAX] {
        check(&with_tensors(&[tensor("t", &[32], kind, 0)], 128), &format!("the unknown type {kind}"));
    }
}

#[test]
fn every_known_type_has_a_block_of_some_size() {
    for kind in (0..200).filter_map(TensorType::from_id) {
        assert!(kind.block_weights > 0 && kind.block_bytes > 0, "{kind:?}");
    }
}

#[test]
fn sizes_of_tensors_that_cannot_be_are_refused() {
    for (dims, expected) in [
        (&[][..], "has 0 dimensions"),
        (&[1, 1, 1, 1, 1], "has 5 dimensions"),
        (&[0], "a dimension of 0"),
        (&[32, 0], "a dimension of 0"),
        (&[1 << 63], "more weights than can be counted"),
        (&[1 << 32, 1 << 32], "more weights than can be counted"),
        (&[u64::MAX, u64::MAX, u64::MAX, u64::MAX], "more weights than can be counted"),
        (&[1 << 62], "more bytes than can be counted"),
        (&[1 << 40], "beyond the end"),
    ] {
        check(&with_tensors(&[tensor("t", dims, 0, 0)], 128), expected);
    }
    check(&with_tensors(&[tensor("t", &[33], 2, 0)], 128), "no multiple of Q4_0's 32");
    let mut many = head(1, 0);
    many.extend([text("t"), u32::MAX.to_le_bytes().to_vec()].concat());
    check(&many, "has 4294967295 dimensions");
}

#[test]
fn tensors_that_reach_beyond_the_file_are_refused() {
    for offset in [u64::MAX - 31, (1 << 63), 128, 1 << 40] {
        check(&with_tensors(&[tensor("t", &[32], 0, offset)], 128), "beyond the end");
    }
    check(&with_tensors(&[tensor("t", &[32], 0, 0)], 127), "beyond the end");
}

#[test]
fn tensors_out_of_line_or_over_each_other_are_refused() {
    check(&with_tensors(&[tensor("t", &[8], 0, 16)], 128), "does not begin at a multiple");
    check(&with_tensors(&[tensor("a", &[32], 0, 0), tensor("b", &[32], 0, 96)], 256), "overlaps");
    check(&with_tensors(&[tensor("a", &[32], 0, 0), tensor("b", &[32], 0, 0)], 256), "overlaps");
    check(&with_tensors(&[tensor("b", &[32], 0, 64), tensor("a", &[32], 0, 0)], 256), "overlaps");
}

#[test]
fn names_that_stand_there_twice_are_refused() {
    check(&with_tensors(&[tensor("a", &[32], 0, 0), tensor("a", &[32], 0, 128)], 256), "`a` stands in it twice");
    let number = value("x", 4, &1_u32.to_le_bytes());
    check(&with_values(&[number.clone(), number]), "`x` stands in it twice");
}

#[test]
fn names_that_are_no_names_are_refused() {
    let long = "t".repeat(64);
    check(&with_tensors(&[tensor(&long, &[32], 0, 0)], 128), "the length of a name is 64");
    check(&with_tensors(&[tensor("", &[32], 0, 0)], 128), "empty");
    check(&with_tensors(&[tensor("a\0b", &[32], 0, 0)], 128), "control characters");
    check(&with_values(&[[&2_u64.to_le_bytes()[..], b"\xff\xfe", &[4, 0, 0, 0, 1, 0, 0, 0]].concat()]), "not UTF-8");
    check(&with_values(&[value("general.name", 8, &[2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe])]), "not UTF-8");
}

#[test]
fn alignments_that_are_none_are_refused() {
    for alignment in [0_u32, 3, 33, 1 << 17, u32::MAX] {
        let bytes = with_values(&[value("general.alignment", 4, &alignment.to_le_bytes())]);
        check(&bytes, "is no power of two");
    }
    check(
        &with_values(&[value("general.alignment", 8, &text("32"))]),
        "`general.alignment` is missing or of the wrong",
    );
}

#[test]
fn a_template_beyond_its_bound_is_refused() {
    let long = "x".repeat((64 << 10) + 1);
    for key in ["tokenizer.chat_template", "tokenizer.chat_template.tool_use"] {
        check(&with_values(&[value(key, 8, &text(&long))]), "the length of the chat template");
    }
}

#[test]
fn a_template_that_is_no_text_is_refused() {
    check(
        &with_values(&[value("tokenizer.chat_template", 4, &7_u32.to_le_bytes())]),
        "`tokenizer.chat_template` is no text",
    );
}

#[test]
fn a_file_that_goes_on_after_its_last_tensor_is_refused() {
    let sound = small_gguf("m");
    check(&[sound.as_slice(), b"x"].concat(), "goes on for 1 bytes");
    check(&[sound.as_slice(), &[0; 4096]].concat(), "goes on for 4096 bytes");
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let sound = small_gguf("m");
    for length in 0..sound.len() {
        assert!(read(&sound[..length]).is_err(), "cut to {length} bytes");
    }
}

#[test]
fn a_head_beyond_its_bound_is_refused_before_it_is_read() {
    let count = (65_u64 << 20).to_le_bytes();
    let array = [&0_u32.to_le_bytes()[..], &count].concat();
    let mut bytes = [head(0, 1), value("x", 9, &array)].concat();
    bytes.resize(bytes.len() + (66 << 20), 0);
    check(&bytes, "the size of the head");
}

#[test]
fn models_without_what_engines_divide_by_are_refused() {
    let number = |key: &str, number: u32| value(key, 4, &number.to_le_bytes());
    let architecture = value("general.architecture", 8, &text("llama"));
    let base = |layers: u32| {
        vec![
            architecture.clone(),
            number("llama.context_length", 8),
            number("llama.embedding_length", 8),
            number("llama.block_count", layers),
        ]
    };
    read(&with_values(&base(1))).unwrap();
    check(&with_values(&base(0)), "`llama.block_count` is missing");
    check(&with_values(&base(1)[1..]), "`general.architecture` is missing");
    check(&with_values(&[base(1), vec![number("llama.attention.head_count", 0)]].concat()), "head_count` is 0");
    check(&with_values(&[base(1), vec![number("split.count", 2)]].concat()), "several files");
    check(&with_values(&[base(1), vec![value("general.type", 8, &text("adapter"))]].concat()), "`adapter`");
    check(&file(&base(1), &[], 0), "no tensors");
    let list =
        |element: u32, count: u64, bytes: &[u8]| [&element.to_le_bytes()[..], &count.to_le_bytes(), bytes].concat();
    let tokens = value("tokenizer.ggml.tokens", 9, &list(8, 2, &[text("a"), text("b")].concat()));
    let scores = value("tokenizer.ggml.scores", 9, &list(6, 1, &[0; 4]));
    check(&with_values(&[base(1), vec![tokens, scores]].concat()), "one entry for each token");
    let tokens = value("tokenizer.ggml.tokens", 9, &list(5, 1, &[0; 4]));
    check(&with_values(&[base(1), vec![tokens]].concat()), "`tokenizer.ggml.tokens`");
}

/// A change to a file: bytes overwritten by a number that likes to break things, or a cut, or bytes put in.
fn mutate(bytes: &mut Vec<u8>, at: usize, what: u8, number: u64) {
    let at = at % bytes.len().max(1);
    match what % 5 {
        0 => bytes[at] = number as u8,
        1 | 2 => {
            let numbers = [0, 1, number, u64::MAX, 1 << 63, 1 << 32, 1 << 60, u64::MAX - 31, number % 64];
            let chosen = numbers[(number % 9) as usize].to_le_bytes();
            let end = (at + if what % 5 == 1 { 4 } else { 8 }).min(bytes.len());
            bytes[at..end].copy_from_slice(&chosen[..end - at]);
        }
        3 => bytes.truncate(at.max(1)),
        _ => bytes.splice(at..at, number.to_le_bytes()).for_each(drop),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_file_is_read_or_refused_and_what_is_read_lies_inside_it(
        changes in prop::collection::vec((0_usize..2000, any::<u8>(), any::<u64>()), 1..6),
    ) {
        let mut bytes = small_gguf("m");
        for (at, what, number) in changes {
            mutate(&mut bytes, at, what, number);
        }
        if let Ok(gguf) = Gguf::read(Cursor::new(&bytes), bytes.len() as u64) {
            for tensor in gguf.tensors() {
                prop_assert!(tensor.length > 0 && tensor.offset + tensor.length <= bytes.len() as u64);
            }
            // Asking such a file anything must not panic either.
            let _ = (gguf.check_model(), models::Metadata::of(&gguf));
        }
    }

    #[test]
    fn noise_after_the_magic_never_panics(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        let bytes = [b"GGUF\x03\0\0\0", noise.as_slice()].concat();
        let _ = read(&bytes);
    }
}
