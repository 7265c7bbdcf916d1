//! Upstreams behind TLS, on loopback, with authorities that the test makes.

use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::server::{COUNT, DONE, HELLO, STOP, config, read, read_request, stream_of};
use crate::EngineError;
use crate::remote::{Authority, Config, Key};

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Issuer {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn pem(issuer: &Issuer) -> Authority {
    Authority::from_pem(issuer.pem().as_bytes()).unwrap()
}

/// An upstream whose certificate is for `host`, and what was said to it once it was believed.
async fn server(
    issuer: &Issuer,
    host: &str,
    change: impl FnOnce(&mut CertificateParams),
) -> (u16, Arc<Mutex<Vec<String>>>) {
    let mut params = CertificateParams::new([host.to_owned()]).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let settings = settings.with_no_client_auth().with_single_cert(vec![certificate.into()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(settings));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            while let Some(request) = read_request(&mut stream).await {
                requests.lock().unwrap().push(request);
                stream.write_all(stream_of(&[HELLO, STOP, COUNT, DONE]).as_bytes()).await.unwrap();
            }
        }
    });
    (port, seen)
}

fn trusting(port: u16, host: &str, authority: Authority) -> Config {
    let key = Some(Key::new("upstreams-key").unwrap());
    Config { authority: Some(authority), key, ..config(&format!("https://{host}:{port}/v1")) }
}

#[tokio::test]
async fn the_houses_own_authority_is_believed() {
    let ours = authority("ours");
    for (name, host) in [("127.0.0.1", "127.0.0.1"), ("localhost", "localhost")] {
        let (port, seen) = server(&ours, name, |_| {}).await;
        let (text, _, _) = read(trusting(port, host, pem(&ours))).await.unwrap();
        assert_eq!(text, "안녕");
        assert!(seen.lock().unwrap()[0].contains("authorization: Bearer upstreams-key\r\n"));
    }
    // One of several is enough.
    let (port, _) = server(&ours, "127.0.0.1", |_| {}).await;
    let both = Authority::from_pem(format!("{}{}", authority("theirs").pem(), ours.pem()).as_bytes()).unwrap();
    assert!(read(trusting(port, "127.0.0.1", both)).await.is_ok());
}

#[tokio::test]
async fn whoever_else_answers_hears_nothing() {
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    let past = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    };
    let none = |_: &mut CertificateParams| {};
    let (wrong_issuer, heard_1) = server(&theirs, "127.0.0.1", none).await;
    let (wrong_name, heard_2) = server(&ours, "elsewhere.example", none).await;
    let (expired, heard_3) = server(&ours, "127.0.0.1", past).await;
    let (wrong_host, heard_4) = server(&ours, "127.0.0.1", none).await;
    for (port, host, heard, expected) in [
        (wrong_issuer, "127.0.0.1", heard_1, "is of an authority that is not known here"),
        (wrong_name, "127.0.0.1", heard_2, "is for another name"),
        (expired, "127.0.0.1", heard_3, "has expired"),
        (wrong_host, "localhost", heard_4, "is for another name"),
    ] {
        match read(trusting(port, host, pem(&ours))).await {
            Err(EngineError::Unavailable { reason, .. }) => assert!(reason.contains(expected), "{reason}"),
            other => panic!("{expected}: {other:?}"),
        }
        assert!(heard.lock().unwrap().is_empty(), "{expected}");
    }
    // The machine knows none of these authorities.
    let (port, heard) = server(&ours, "127.0.0.1", |_| {}).await;
    let unnamed = Config { authority: None, ..trusting(port, "127.0.0.1", pem(&ours)) };
    assert!(matches!(read(unnamed).await, Err(EngineError::Unavailable { .. })));
    assert!(heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_server_without_tls_is_no_upstream_with_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        }
    });
    let error = read(trusting(port, "127.0.0.1", pem(&authority("ours")))).await.unwrap_err();
    assert!(matches!(error, EngineError::Unavailable { .. }), "{error}");
}

#[test]
fn what_is_no_certificate_is_no_authority() {
    let key = KeyPair::generate().unwrap().serialize_pem();
    let torn = authority("ours").pem().replace("-----END", "-----ENDE");
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for wrong in ["", "text", &key, &torn, nonsense] {
        assert!(Authority::from_pem(wrong.as_bytes()).is_err(), "{wrong:.40}");
    }
    assert_eq!(format!("{:?}", pem(&authority("ours"))), "Authority(1 certificates)");
}
