//! The catalogue: the built-in one is sound, and one with a mistake is refused with the place of it.

use std::path::Path;

use models::{Catalogue, Config, Kind, Models, ModelsError, SCHEMA, Source};
use store::{DataLock, Store};

use crate::fixture::{entry, entry_of, small_gguf, url};

const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn mistake(text: &str) -> String {
    Catalogue::default().extend("test.toml", text).unwrap_err().to_string()
}

#[test]
fn the_built_in_catalogue_has_the_defaults() {
    let catalogue = Catalogue::built_in().unwrap();
    let chat = catalogue.get("qwen2.5-coder-0.5b-instruct").unwrap();
    assert_eq!(chat.kind, Kind::Chat);
    assert!(matches!(&chat.sources[0], Source::HuggingFace { revision, .. } if revision == "main"));
    let embedder = catalogue.get("multilingual-e5-small").unwrap();
    let details = embedder.embedding.as_ref().unwrap();
    assert_eq!(details.dimensions, 384);
    assert_eq!(details.prefix(engine::EmbedKind::Query), "query: ");
    assert_eq!(details.prefix(engine::EmbedKind::Passage), "passage: ");
    assert_eq!(details.prefix(engine::EmbedKind::Plain), "");
    assert!(catalogue.get("gemma-3-270m").unwrap().licence.accept);
    for entry in catalogue.entries() {
        for source in &entry.sources {
            if let Source::Pip { sizes, .. } = source {
                assert_eq!(sizes.iter().sum::<u64>(), entry.fetched().0, "{}", entry.name);
            }
        }
    }
}

#[test]
fn an_entry_reads_back_as_written() {
    for entry in Catalogue::built_in().unwrap().entries() {
        let text = serde_json::to_string(entry).unwrap();
        assert_eq!(&serde_json::from_str::<models::Entry>(&text).unwrap(), entry);
    }
}

#[test]
fn an_entry_of_the_data_folder_takes_the_place_of_the_built_in_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("models.toml");
    let before = Catalogue::with_file(&path).unwrap();
    std::fs::write(&path, entry("gemma-3-270m", &small_gguf("m"), &[]) + &entry("own", b"x", &[])).unwrap();
    let after = Catalogue::with_file(&path).unwrap();
    assert_eq!(after.entries().count(), before.entries().count() + 1);
    assert!(!after.get("gemma-3-270m").unwrap().licence.accept);
}

#[tokio::test]
async fn a_broken_catalogue_of_the_data_folder_is_told_when_it_opens() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("models.toml"), "[[model]\nname =").unwrap();
    let store = Store::open(dir.path(), DataLock::take(dir.path()).unwrap(), &[SCHEMA]).await.unwrap();
    let error = Models::open(store.into(), Config::default()).unwrap_err();
    assert!(matches!(error, ModelsError::Catalogue(_)), "{error}");
    assert!(error.to_string().contains("models.toml"), "{error}");
    assert!(error.to_string().contains("line 1"), "{error}");
}

#[test]
fn mistakes_are_named() {
    let twice = entry("one", b"x", &[]) + &entry("one", b"y", &[]);
    for (text, expected) in [
        ("nonsense".to_owned(), "test.toml"),
        ("[[model]]\nname = \"x\"".to_owned(), "missing field"),
        (entry("one", b"x", &[]) + "colour = \"red\"", "colour"),
        (twice, "twice"),
        (entry_of("../x", 1, HASH, &[]), "the name must be"),
        (entry_of("Upper", 1, HASH, &[]), "the name must be"),
        (entry_of("", 1, HASH, &[]), "the name must be"),
        (entry_of("x", 0, HASH, &[]), "the size must be"),
        (entry_of("x", 1 << 50, HASH, &[]), "the size must be"),
        (entry_of("x", 1, "../../etc/passwd", &[]), "64 lower-case hexadecimal digits"),
        (entry_of("x", 1, &HASH.to_uppercase(), &[]), "64 lower-case hexadecimal digits"),
        (entry("x", b"x", &[]).replace("\"chat\"", "\"embedding\""), "needs `embedding`"),
        (entry("x", b"x", &[]).replace("\"chat\"", "\"poetry\""), "poetry"),
        (entry("x", b"x", &[]).replace("https://licences", "ftp://licences"), "licence must have"),
        (entry("x", b"x", &[]).replace("context_tokens = 128", "context_tokens = 0"), "context_tokens"),
    ] {
        let error = mistake(&text);
        assert!(error.contains(expected), "{text}\n{error}");
    }
}

#[test]
fn sources_that_could_be_read_as_something_else_are_refused() {
    let mut sources: Vec<String> = [
        "http://models.example/m",
        "http://127.0.0.1.models.example/m",
        "http://localhost@models.example/m",
        "https://user:secret@models.example/m",
        "https:///m",
        "ftp://models.example/m",
        "https://models.example/a b",
        "https://models.example\\\\@evil.example/",
    ]
    .iter()
    .map(|address| url(address))
    .collect();
    for package in [
        "--index-url=https://evil.example==1",
        "-r requirements.txt==1",
        "https://evil.example/x.whl",
        "./local==1",
        "x",
        "x>=1",
        "x==1; import os",
        "x==1 --pre",
        "x==",
        "==1",
        "x==1==2",
        "x\\n==1",
        "x==$(id)",
        "한==1",
    ] {
        sources.push(format!("{{ pip = [\"{package}\"], files = \"*\" }}"));
    }
    for other in [
        "{ pip = [], files = \"*\" }",
        "{ pip = [\"x==1\"], files = [] }",
        "{ pip = [\"x==1\"], files = \"*\", sizes = [1, 2] }",
        "{ pip = [\"x==1\", \"y==1\"], files = \"*\", sizes = [18446744073709551615, 2] }",
        "{ pip = [\"x==1\"] }",
        "{ url = \"https://models.example/m\", file = \"/m\" }",
        "{ hugging-face = \"a/b\" }",
        "{ hugging-face = \"a/b/c\", file = \"m\" }",
        "{ hugging-face = \"a/..\", file = \"m\" }",
        "{ hugging-face = \"a/b\", file = \"../m\" }",
        "{ hugging-face = \"a/b\", file = \"m?x\" }",
        "{ file = \"relative/m\" }",
        "{ command = \"curl\" }",
        "{ }",
    ] {
        sources.push(other.to_owned());
    }
    for source in sources {
        let mut catalogue = Catalogue::default();
        assert!(catalogue.extend("test.toml", &entry("x", b"x", std::slice::from_ref(&source))).is_err(), "{source}");
        assert_eq!(catalogue.entries().count(), 0);
    }
}

#[test]
fn good_sources_are_taken() {
    for source in [
        url("https://models.example:8443/a/m.gguf?download=true"),
        url("http://127.0.0.1:8080/m"),
        url("http://[::1]:8080/m"),
        "{ pip = [\"A.b-c_d==1.0.post1+local\"], files = [\"*/x\"] }".to_owned(),
        "{ hugging-face = \"Qwen/Qwen2.5-0.5B\", file = \"a/b.gguf\", revision = \"v1.0\" }".to_owned(),
        "{ file = \"/models/m.gguf\" }".to_owned(),
    ] {
        Catalogue::default().extend("test.toml", &entry("x", b"x", &[source])).unwrap();
    }
}

#[test]
fn a_catalogue_that_is_far_too_large_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("models.toml");
    std::fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(Catalogue::with_file(&path).unwrap_err().to_string().contains("bytes"));
    assert!(Catalogue::with_file(Path::new("/dev/null/x")).is_err());
}
