//! Small files, data folders and catalogues to test with.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::ContentHash;
use models::gguf::{OutTensor, OutValue, TensorType, Writer};
use models::{Config, Models, Phase, Progress, SCHEMA, Update};
use store::{DataLock, Store};

/// A sound model of a few kilobytes; another name makes another content.
pub fn small_gguf(name: &str) -> Vec<u8> {
    gguf_of(name, 64)
}

/// A sound model with `rows` rows of 4-bit weights, 18 bytes each.
pub fn gguf_of(name: &str, rows: u64) -> Vec<u8> {
    let weights: Vec<u8> = (0..rows * 18).map(|index| (index % 251) as u8).collect();
    let norm = [0_u8; 128];
    let mut writer = Writer::default();
    writer.value("general.architecture", OutValue::Text("llama"));
    writer.value("general.name", OutValue::Text(name));
    for (key, number) in
        [("context_length", 128), ("embedding_length", 32), ("block_count", 1), ("attention.head_count", 4)]
    {
        writer.value(format!("llama.{key}"), OutValue::U32(number));
    }
    writer.value("tokenizer.ggml.tokens", OutValue::Texts(vec![b"<s>", b"a", b"\xff"]));
    writer.value("tokenizer.ggml.scores", OutValue::F32s(&[0.0, -1.0, -2.0]));
    writer.value("tokenizer.ggml.token_type", OutValue::I32s(&[3, 1, 1]));
    writer.value("tokenizer.chat_template", OutValue::Text("{{ messages }}"));
    let tensor = |name: &str, dims, kind, bytes| OutTensor { name: name.to_owned(), dims, kind, bytes };
    writer.tensor(tensor("token_embd.weight", vec![32, rows], TensorType::Q4_0, &weights));
    writer.tensor(tensor("output_norm.weight", vec![32], TensorType::F32, &norm));
    let mut bytes = Vec::new();
    writer.write(&mut bytes).unwrap();
    bytes
}

/// A data folder with its own `models.toml`.
pub struct House {
    pub dir: tempfile::TempDir,
    pub store: Arc<Store>,
    pub models: Models,
}

impl House {
    pub async fn with(catalogue: &str) -> Self {
        Self::with_config(catalogue, config()).await
    }

    pub async fn with_config(catalogue: &str, config: Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("models.toml"), catalogue).unwrap();
        let lock = DataLock::take(dir.path()).unwrap();
        let store = Arc::new(Store::open(dir.path(), lock, &[SCHEMA]).await.unwrap());
        let models = Models::open(Arc::clone(&store), config).unwrap();
        Self { dir, store, models }
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Puts bytes among the blobs without a row, as a crash between the two leaves them.
    pub fn put_blob(&self, bytes: &[u8]) -> ContentHash {
        let hash = ContentHash::of(bytes);
        let mut partial = self.store.blobs().resume(hash).unwrap();
        std::io::Write::write_all(&mut partial, bytes).unwrap();
        partial.finish().unwrap();
        hash
    }

    /// Leaves the first bytes of a file, as an interrupted fetch does.
    pub fn put_partial(&self, hash: ContentHash, bytes: &[u8]) {
        let mut partial = self.store.blobs().resume(hash).unwrap();
        std::io::Write::write_all(&mut partial, bytes).unwrap();
    }
}

/// Waits that suit a test.
pub fn config() -> Config {
    Config {
        python: Path::new("tests/fixtures/fake-python").canonicalize().unwrap(),
        connect_wait_max: Duration::from_secs(5),
        silence_max: Duration::from_millis(400),
        pip_wait_max: Duration::from_secs(20),
        ..Config::default()
    }
}

/// One entry of a catalogue for this content. `sources` are inline tables.
pub fn entry(name: &str, bytes: &[u8], sources: &[String]) -> String {
    entry_of(name, bytes.len() as u64, &ContentHash::of(bytes).to_string(), sources)
}

pub fn entry_of(name: &str, size: u64, sha256: &str, sources: &[String]) -> String {
    format!(
        "[[model]]\nname = \"{name}\"\nkind = \"chat\"\ntitle = \"A small one\"\nsize = {size}\nsha256 = \"{sha256}\"\n\
         licence = {{ name = \"Apache-2.0\", url = \"https://licences.example/apache\" }}\ncontext_tokens = 128\n\
         sources = [{}]\n",
        sources.join(", ")
    )
}

pub fn url(address: &str) -> String {
    format!("{{ url = \"{address}\" }}")
}

pub fn file(path: &Path) -> String {
    format!("{{ file = \"{}\" }}", path.display())
}

/// Keeps everything it is told.
#[derive(Debug, Default)]
pub struct Kept {
    pub updates: Mutex<Vec<Update>>,
    pub failed: Mutex<Vec<String>>,
}

impl Kept {
    pub fn phases(&self) -> Vec<Phase> {
        let mut phases: Vec<Phase> = self.updates.lock().unwrap().iter().map(|update| update.phase).collect();
        phases.dedup();
        phases
    }
}

impl Progress for Kept {
    fn update(&self, update: &Update) {
        assert!(update.bytes_done <= update.bytes_total, "{update:?}");
        self.updates.lock().unwrap().push(update.clone());
    }

    fn source_failed(&self, source: &str, reason: &str) {
        self.failed.lock().unwrap().push(format!("{source}: {reason}"));
    }
}
