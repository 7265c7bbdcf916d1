//! Over HTTP: cut, gone on with, redirected, too long, too slow, wrong.

use std::sync::Arc;
use std::time::Instant;

use base::ContentHash;
use models::{NoProgress, Phase, PullError, PullOptions};

use crate::fixture::{House, Kept, entry, gguf_of, small_gguf, url};
use crate::server::{Answer, Server, ranged, response, whole};

async fn pull(house: &House) -> Result<models::Installed, PullError> {
    house.models.pull("small", &PullOptions::default(), Arc::new(NoProgress)).await
}

/// Pulls from a server that answers so, and gives the reason why that one source failed.
async fn refused(body: &[u8], answer: impl Fn(usize, &str) -> Answer + Send + 'static) -> String {
    let server = Server::start(answer);
    let house = House::with(&entry("small", body, &[url(&format!("{}/m", server.address))])).await;
    match pull(&house).await {
        Err(PullError::NoSource { failures, .. }) => {
            assert_eq!(house.models.installed("small").await.unwrap(), None);
            assert_eq!(house.store.blobs().path(&ContentHash::of(body)), None);
            failures[0].reason.clone()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_model_comes_over_http_and_says_how_far_it_is() {
    let body = gguf_of("large", 100_000);
    let sent = whole(&body);
    let server = Server::start(move |_, _| Answer::Bytes(sent.clone()));
    let house = House::with(&entry("small", &body, &[url(&format!("{}/m", server.address))])).await;
    let kept = Arc::new(Kept::default());
    let progress = Arc::clone(&kept);
    let installed = house.models.pull("small", &PullOptions::default(), progress).await.unwrap();
    assert_eq!(std::fs::read(house.models.path("small").await.unwrap().unwrap()).unwrap(), body);
    assert_eq!(installed.metadata.quantisation, "Q4_0");
    assert_eq!(installed.metadata.parameters, 32 * 100_001);
    assert_eq!(kept.phases(), [Phase::Verifying, Phase::Downloading, Phase::Verifying]);
    let updates = kept.updates.lock().unwrap();
    let downloading: Vec<u64> =
        updates.iter().filter(|update| update.phase == Phase::Downloading).map(|update| update.bytes_done).collect();
    assert!(downloading.len() > 2 && downloading.is_sorted(), "{downloading:?}");
    assert_eq!(downloading.last(), Some(&(body.len() as u64)));
}

#[tokio::test]
async fn a_download_that_breaks_off_is_gone_on_with_where_it_was() {
    let body = gguf_of("large", 50_000);
    let file = body.clone();
    let server = Server::start(move |number, head| {
        let mut bytes = ranged(&file, head);
        bytes.truncate(if number < 2 { bytes.len() / 2 } else { bytes.len() });
        Answer::Bytes(bytes)
    });
    let house = House::with(&entry("small", &body, &[url(&format!("{}/m", server.address))])).await;
    pull(&house).await.unwrap();
    assert_eq!(server.count(), 3);
    assert!(!server.request(0).contains("range:"));
    assert!(server.request(1).contains("range: bytes="));
    assert!(server.request(1).contains("if-range: \"one\""));
}

#[tokio::test]
async fn what_an_earlier_run_left_is_gone_on_with() {
    let body = small_gguf("m");
    let file = body.clone();
    let server = Server::start(move |_, head| Answer::Bytes(ranged(&file, head)));
    let house = House::with(&entry("small", &body, &[url(&format!("{}/m", server.address))])).await;
    house.put_partial(ContentHash::of(&body), &body[..700]);
    pull(&house).await.unwrap();
    assert!(server.request(0).contains("range: bytes=700-"));
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_server_without_ranges_sends_all_of_it_again() {
    let body = small_gguf("m");
    let sent = whole(&body);
    let server = Server::start(move |_, _| Answer::Bytes(sent.clone()));
    let house = House::with(&entry("small", &body, &[url(&format!("{}/m", server.address))])).await;
    house.put_partial(ContentHash::of(&body), &body[..700]);
    pull(&house).await.unwrap();
    assert_eq!(std::fs::read(house.models.path("small").await.unwrap().unwrap()).unwrap(), body);
}

#[tokio::test]
async fn wrong_bytes_left_by_an_earlier_run_cost_one_more_try_and_nothing_else() {
    let body = small_gguf("m");
    let file = body.clone();
    let server = Server::start(move |_, head| Answer::Bytes(ranged(&file, head)));
    let house = House::with(&entry("small", &body, &[url(&format!("{}/m", server.address))])).await;
    house.put_partial(ContentHash::of(&body), &[7; 700]);
    pull(&house).await.unwrap();
    assert_eq!(server.count(), 2);
    assert!(!server.request(1).contains("range:"));
}

#[tokio::test]
async fn another_content_of_the_same_size_is_refused() {
    let mut other = small_gguf("m");
    let body = other.clone();
    *other.last_mut().unwrap() ^= 1;
    let sent = whole(&other);
    let reason = refused(&body, move |_, _| Answer::Bytes(sent.clone())).await;
    assert!(reason.contains("expected SHA-256"), "{reason}");
}

#[tokio::test]
async fn an_error_status_is_the_reason() {
    let reason = refused(&small_gguf("m"), |_, _| Answer::Bytes(response("404 Not Found", &[], b""))).await;
    assert!(reason.contains("404"), "{reason}");
}

#[tokio::test]
async fn a_body_longer_than_declared_is_cut_off() {
    let body = small_gguf("m");
    let longer = [body.as_slice(), &[0; 5000]].concat();
    let sent = whole(&longer);
    let reason = refused(&body, move |_, _| Answer::Bytes(sent.clone())).await;
    assert!(reason.contains("bytes where"), "{reason}");
    // Without a length in the head, the bound is met while reading.
    let sent = response("200 OK", &[], &longer);
    let reason = refused(&body, move |_, _| Answer::Bytes(sent.clone())).await;
    assert!(reason.contains("more than the"), "{reason}");
}

#[tokio::test]
async fn a_range_that_was_not_asked_for_is_refused() {
    let body = small_gguf("m");
    let sent = response("206 Partial Content", &[("Content-Range", format!("bytes 9-{0}/{0}", body.len()))], b"x");
    let reason = refused(&body, move |_, _| Answer::Bytes(sent.clone())).await;
    assert!(reason.contains("range"), "{reason}");
}

#[tokio::test]
async fn a_silent_server_is_given_up_in_bounded_time() {
    let body = small_gguf("m");
    for sent in [Vec::new(), whole(&body)[..300].to_vec()] {
        let begun = Instant::now();
        let sent = sent.clone();
        let reason = refused(&body, move |_, _| Answer::ThenSilence(sent.clone())).await;
        assert!(reason.to_lowercase().contains("time"), "{reason}");
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_server_that_drips_is_given_up_in_bounded_time() {
    let body = gguf_of("large", 50_000);
    let sent = whole(&body)[..300].to_vec();
    let begun = Instant::now();
    let reason = refused(&body, move |_, _| Answer::ThenDrip(sent.clone())).await;
    assert!(reason.contains("bytes came in"), "{reason}");
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_redirect_is_followed_on_this_machine_and_never_to_a_less_safe_place() {
    let body = small_gguf("m");
    let file = body.clone();
    let redirect = |to: &str| response("302 Found", &[("Location", to.to_owned())], b"");
    let server = Server::start(move |number, head| match number {
        0 => Answer::Bytes(response("302 Found", &[("Location", "/elsewhere".to_owned())], b"")),
        _ => Answer::Bytes(ranged(&file, head)),
    });
    let house = House::with(&entry("small", &body, &[url(&format!("{}/m", server.address))])).await;
    pull(&house).await.unwrap();
    assert!(server.request(1).starts_with("get /elsewhere "));

    for to in [
        "http://models.example/m",
        "ftp://127.0.0.1/m",
        "file:///etc/passwd",
        "https://user:secret@models.example/m",
        "//models.example/m",
        "elsewhere",
        "",
    ] {
        let sent = redirect(to);
        let reason = refused(&body, move |_, _| Answer::Bytes(sent.clone())).await;
        assert!(reason.contains("no `https://` address"), "{to}: {reason}");
    }
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    let sent = response("302 Found", &[("Location", "/again".to_owned())], b"");
    let reason = refused(&small_gguf("m"), move |_, _| Answer::Bytes(sent.clone())).await;
    assert!(reason.contains("redirects more than"), "{reason}");
}

#[tokio::test]
async fn no_header_but_the_needed_ones_goes_to_a_server() {
    let body = small_gguf("m");
    let sent = whole(&body);
    let server = Server::start(move |_, _| Answer::Bytes(sent.clone()));
    let house = House::with(&entry("small", &body, &[url(&format!("{}/m", server.address))])).await;
    pull(&house).await.unwrap();
    for line in server.request(0).lines().skip(1).filter(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap().to_owned();
        assert!(["host", "user-agent", "accept", "accept-encoding"].contains(&name.as_str()), "{line}");
    }
}
