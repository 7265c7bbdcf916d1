//! How a command speaks to its own server: one connection a request, over TLS if the server speaks it.
//!
//! Over TLS the server must have the very certificate that the settings name. Who issued it and for which name is of
//! no matter: both sides read the same file on the same machine.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::body::Body;
use http::{Request, Response};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

/// How long a server may take to see that its files were renewed.
const RENEWAL_WAIT: Duration = Duration::from_secs(10);

/// Sends one request to the server at `address`.
///
/// # Errors
/// When nobody answers there, or somebody else does.
pub async fn send(
    address: SocketAddr,
    certificate: Option<&PathBuf>,
    request: Request<Body>,
) -> anyhow::Result<Response<Body>> {
    let Some(certificate) = certificate else {
        return talk(TcpStream::connect(address).await?, request).await;
    };
    let begun = Instant::now();
    loop {
        let connector = TlsConnector::from(Arc::new(config(certificate)?));
        let stream = TcpStream::connect(address).await?;
        match connector.connect(ServerName::from(address.ip()), stream).await {
            Ok(stream) => return talk(stream, request).await,
            Err(_) if begun.elapsed() < RENEWAL_WAIT => tokio::time::sleep(Duration::from_millis(500)).await,
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("the server does not show the certificate in `{}`", certificate.display())
                });
            }
        }
    }
}

async fn talk<S>(stream: S, request: Request<Body>) -> anyhow::Result<Response<Body>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the answer's body.
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?.map(Body::new))
}

fn config(certificate: &Path) -> anyhow::Result<ClientConfig> {
    let unreadable = || format!("the certificate in `{}` cannot be read", certificate.display());
    let pinned = CertificateDer::pem_file_iter(certificate).with_context(unreadable)?.next();
    let pinned = pinned.with_context(unreadable)?.with_context(unreadable)?;
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Pinned { certificate: pinned, provider: Arc::clone(&provider) });
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// Takes one certificate, and no other.
#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *shown == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
