//! Pulling and removing: sources in order, licences, names that share a file, and what a crash leaves.

use std::sync::Arc;

use base::ContentHash;
use models::{ModelsError, NoProgress, PullError, PullOptions};

use crate::fixture::{House, Kept, entry, entry_of, file, small_gguf, url};
use crate::server::{Answer, Server, whole};

async fn pull(house: &House, name: &str) -> Result<models::Installed, PullError> {
    house.models.pull(name, &PullOptions::default(), Arc::new(NoProgress)).await
}

#[tokio::test]
async fn sources_are_tried_in_order_and_each_failure_is_told() {
    let body = small_gguf("m");
    let house = House::with("").await;
    let path = house.write("somewhere/m.gguf", &body);
    let house = House::with(&entry("small", &body, &[url("http://127.0.0.1:1/m"), file(&path)])).await;
    let kept = Arc::new(Kept::default());
    let progress = Arc::clone(&kept);
    let installed = house.models.pull("small", &PullOptions::default(), progress).await.unwrap();
    assert_eq!(installed.source, format!("file `{}`", path.display()));
    let failed = kept.failed.lock().unwrap();
    assert_eq!(failed.len(), 1);
    assert!(failed[0].starts_with("`http://127.0.0.1:1/m`: "), "{failed:?}");
}

#[tokio::test]
async fn when_every_source_fails_each_is_named_with_its_reason() {
    let body = small_gguf("m");
    let sources = [url("http://127.0.0.1:1/m"), file("/nowhere/m.gguf".as_ref()), file("/dev/zero".as_ref())];
    let house = House::with(&entry("small", &body, &sources)).await;
    let error = pull(&house, "small").await.unwrap_err().to_string();
    for part in ["`http://127.0.0.1:1/m`: ", "file `/nowhere/m.gguf`: No such file", "file `/dev/zero`: it is no file"]
    {
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_model_that_nobody_knows_is_named() {
    let house = House::with("").await;
    let error = pull(&house, "nobody").await.unwrap_err();
    assert_eq!(error.to_string(), "the catalogue has no model `nobody`");
    assert!(matches!(house.models.show("nobody").await, Err(ModelsError::Unknown { .. })));
    assert!(matches!(house.models.remove("nobody").await, Err(ModelsError::Unknown { .. })));
    assert_eq!(house.models.path("../../etc/passwd").await.unwrap(), None);
}

#[tokio::test]
async fn a_licence_that_asks_for_it_is_accepted_first_and_the_yes_is_kept() {
    let body = small_gguf("m");
    let scratch = House::with("").await;
    let path = scratch.write("m.gguf", &body);
    let text = entry("small", &body, &[file(&path)]).replace("/apache\" }", "/apache\", accept = true }");
    let house = House::with(&text).await;
    let error = pull(&house, "small").await.unwrap_err();
    assert!(matches!(error, PullError::LicenceNotAccepted { .. }), "{error}");
    assert!(error.to_string().contains("https://licences.example/apache"));
    assert_eq!(house.models.installed("small").await.unwrap(), None);
    let yes = PullOptions { accept_licence: true };
    house.models.pull("small", &yes, Arc::new(NoProgress)).await.unwrap();
    let installed = house.models.installed("small").await.unwrap().unwrap();
    assert!(installed.accepted_at.is_some());
    // Once it is here, it is not asked for again.
    pull(&house, "small").await.unwrap();
}

#[tokio::test]
async fn a_pull_of_what_is_here_asks_nobody() {
    let body = small_gguf("m");
    let sent = whole(&body);
    let server = Server::start(move |_, _| Answer::Bytes(sent.clone()));
    let house = House::with(&entry("small", &body, &[url(&format!("{}/m", server.address))])).await;
    let first = pull(&house, "small").await.unwrap();
    let again = pull(&house, "small").await.unwrap();
    assert_eq!(server.count(), 1);
    assert_eq!(first.sha256, again.sha256);
}

#[tokio::test]
async fn two_names_share_one_file_which_goes_with_the_last_of_them() {
    let body = small_gguf("m");
    let scratch = House::with("").await;
    let path = scratch.write("m.gguf", &body);
    let text = entry("one", &body, &[file(&path)]) + &entry("two", &body, &[file(&path)]);
    let house = House::with(&text).await;
    pull(&house, "one").await.unwrap();
    let two = pull(&house, "two").await.unwrap();
    assert_eq!(two.source, "this data folder");
    assert_eq!(house.models.path("one").await.unwrap(), house.models.path("two").await.unwrap());
    house.models.remove("one").await.unwrap();
    assert_eq!(house.models.path("one").await.unwrap(), None);
    assert!(house.models.path("two").await.unwrap().is_some());
    assert!(matches!(house.models.remove("one").await, Err(ModelsError::NotInstalled { .. })));
    assert!(house.models.path("two").await.unwrap().is_some());
    house.models.remove("two").await.unwrap();
    assert_eq!(house.store.blobs().path(&ContentHash::of(&body)), None);
}

#[tokio::test]
async fn a_crash_between_file_and_row_costs_nothing() {
    let body = small_gguf("m");
    let house = House::with(&entry("small", &body, &[])).await;
    house.put_blob(&body);
    assert_eq!(house.models.installed("small").await.unwrap(), None);
    let installed = pull(&house, "small").await.unwrap();
    assert_eq!(installed.source, "this data folder");
}

#[tokio::test]
async fn what_a_crash_left_without_a_row_can_be_removed() {
    let body = small_gguf("m");
    let house = House::with(&entry("small", &body, &[])).await;
    let hash = house.put_blob(&body);
    house.models.remove("small").await.unwrap();
    assert_eq!(house.store.blobs().path(&hash), None);
}

#[tokio::test]
async fn a_row_whose_file_is_gone_counts_as_nothing() {
    let body = small_gguf("m");
    let scratch = House::with("").await;
    let path = scratch.write("m.gguf", &body);
    let house = House::with(&entry("small", &body, &[file(&path)])).await;
    let installed = pull(&house, "small").await.unwrap();
    house.store.blobs().remove(&installed.sha256).unwrap();
    assert_eq!(house.models.installed("small").await.unwrap(), None);
    assert!(house.models.list().await.unwrap().iter().all(|listed| listed.installed.is_none()));
    pull(&house, "small").await.unwrap();
    assert!(house.models.path("small").await.unwrap().is_some());
}

#[tokio::test]
async fn a_file_with_the_right_hash_that_is_no_sound_model_is_not_installed() {
    let body = b"GGUF\x03\0\0\0 and then nonsense".to_vec();
    let scratch = House::with("").await;
    let path = scratch.write("m.gguf", &body);
    let house = House::with(&entry("small", &body, &[file(&path)])).await;
    let error = pull(&house, "small").await.unwrap_err();
    assert!(matches!(error, PullError::Unsafe { .. }), "{error}");
    assert_eq!(house.store.blobs().path(&ContentHash::of(&body)), None);
    assert_eq!(house.models.installed("small").await.unwrap(), None);
}

#[tokio::test]
async fn a_file_of_another_size_than_the_catalogues_is_refused() {
    let body = small_gguf("m");
    let scratch = House::with("").await;
    let path = scratch.write("m.gguf", &body);
    let hash = ContentHash::of(&body).to_string();
    for size in [1, body.len() as u64 - 1, body.len() as u64 + 1] {
        let house = House::with(&entry_of("small", size, &hash, &[file(&path)])).await;
        let error = pull(&house, "small").await.unwrap_err().to_string();
        assert!(error.contains(&format!("not {size}")), "{error}");
    }
}

#[tokio::test]
async fn one_content_is_fetched_once_at_a_time_and_a_dropped_pull_leaves_nothing_installed() {
    let body = small_gguf("m");
    let (begun, wait) = std::sync::mpsc::channel();
    let sent = whole(&body)[..500].to_vec();
    let server = Server::start(move |_, _| {
        begun.send(()).unwrap();
        Answer::ThenSilence(sent.clone())
    });
    let house = Arc::new(House::with(&entry("small", &body, &[url(&format!("{}/m", server.address))])).await);
    let first = tokio::spawn({
        let house = Arc::clone(&house);
        async move { pull(&house, "small").await }
    });
    tokio::task::spawn_blocking(move || wait.recv().unwrap()).await.unwrap();
    assert!(matches!(pull(&house, "small").await, Err(PullError::Busy { .. })));
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert_eq!(house.models.installed("small").await.unwrap(), None);
}

#[tokio::test]
async fn the_list_has_the_catalogue_and_what_was_imported() {
    let body = small_gguf("m");
    let house = House::with(&entry("small", &body, &[])).await;
    let path = house.write("My Own Model (v2).gguf", &small_gguf("own"));
    house.models.import(&path, &models::ImportOptions::default(), Arc::new(NoProgress)).await.unwrap();
    let listed = house.models.list().await.unwrap();
    let names: Vec<&str> = listed.iter().map(|listed| listed.name.as_str()).collect();
    assert!(names.contains(&"qwen2.5-coder-0.5b-instruct") && names.contains(&"multilingual-e5-small"), "{names:?}");
    assert!(names.ends_with(&["small", "my-own-model--v2"]), "{names:?}");
    let shown = serde_json::to_value(house.models.show("my-own-model--v2").await.unwrap()).unwrap();
    assert_eq!(shown["installed"]["metadata"]["architecture"], "llama");
}
