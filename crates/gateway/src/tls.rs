//! TLS from files, which may be renewed while the server runs.
//!
//! What must stay true: a server that was told to speak TLS does not start without a certificate and its key, and
//! never speaks anything else; new files that cannot be used change nothing, and the log says why. The files' content
//! is looked at, not their dates, so it does not matter how somebody renews them.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base::ContentHash;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, rustls};

const FILE_BYTES_MAX: u64 = 1 << 20;
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);

/// The files of a server that speaks TLS, all PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificate, and those above it in order.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Whose certificates clients must show; none asks clients for no certificate.
    pub client_ca: Option<PathBuf>,
}

/// Why a server cannot speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there, or not readable.
    #[error("`{}` cannot be read: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file holds something else than it should.
    #[error("`{}` {what}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// They cannot be used together.
    #[error("the certificate in `{}` and its key cannot be used: {source}", path.display())]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
}

/// A server's way of speaking TLS.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    current: RwLock<Current>,
}

#[derive(Debug, Clone)]
struct Current {
    /// Of all files together.
    content: ContentHash,
    /// For those from other machines.
    strict: Arc<ServerConfig>,
    /// For this machine's own command line, which shows the operator's secret in place of a certificate.
    local: Arc<ServerConfig>,
}

/// Whether the peer showed what a connection from where it stands has to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// It did, or nothing is asked for.
    Given,
    /// It did not, so it may only be the command line.
    Owed,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`]; then there is no way to speak TLS, and nothing should listen.
    pub fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let texts = read(&files)?;
        let current = RwLock::new(Current::of(&files, &texts)?);
        Ok(Self { files, current })
    }

    /// Reads the files again. Gives whether they changed; what cannot be used changes nothing.
    ///
    /// # Errors
    /// [`TlsError`] if the new files cannot be used.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let texts = read(&self.files)?;
        if content(&texts) == self.current().content {
            return Ok(false);
        }
        let new = Current::of(&self.files, &texts)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(true)
    }

    fn current(&self) -> Current {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shakes hands with a peer, `local` if it is on this machine.
    pub(crate) async fn accept<S>(&self, stream: S, local: bool) -> io::Result<(TlsStream<S>, Proof)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let current = self.current();
        let config = if local { current.local } else { current.strict };
        let shaking = tokio::time::timeout(HANDSHAKE_WAIT, TlsAcceptor::from(config).accept(stream));
        let stream = shaking.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let shown = stream.get_ref().1.peer_certificates().is_some_and(|chain| !chain.is_empty());
        let proof = if shown || self.files.client_ca.is_none() { Proof::Given } else { Proof::Owed };
        Ok((stream, proof))
    }
}

/// The texts of certificate, key and clients' authority.
type Texts = [Vec<u8>; 3];

fn read(files: &TlsFiles) -> Result<Texts, TlsError> {
    let read = |path: &Path| {
        let mut text = Vec::new();
        let opened = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut text));
        opened.map(|_| text).map_err(|source| TlsError::File { path: path.to_owned(), source })
    };
    let client_ca = files.client_ca.as_deref().map_or(Ok(Vec::new()), read)?;
    Ok([read(&files.certificate)?, read(&files.key)?, client_ca])
}

fn content(texts: &Texts) -> ContentHash {
    let hashes: Vec<u8> = texts.iter().flat_map(|text| *ContentHash::of(text).as_bytes()).collect();
    ContentHash::of(hashes)
}

impl Current {
    fn of(files: &TlsFiles, texts: &Texts) -> Result<Self, TlsError> {
        let [certificate, key, client_ca] = texts;
        let chain = certificates(&files.certificate, certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Content {
            path: files.key.clone(),
            what: "holds no private key in PEM (one with a password is not read)",
        })?;
        warn_if_open(&files.key);
        let config = |local: bool| -> Result<Arc<ServerConfig>, TlsError> {
            let unusable = |source| TlsError::Unusable { path: files.certificate.clone(), source };
            let provider = Arc::new(crypto::ring::default_provider());
            let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
            let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
            let builder = match &files.client_ca {
                None => builder.with_no_client_auth(),
                Some(path) => {
                    let mut roots = RootCertStore::empty();
                    let no_authority = TlsError::Content { path: path.clone(), what: "holds no authority to trust" };
                    for root in certificates(path, client_ca)? {
                        roots.add(root).map_err(unusable)?;
                    }
                    let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                    if local {
                        verifier = verifier.allow_unauthenticated();
                    }
                    builder.with_client_cert_verifier(verifier.build().map_err(|_| no_authority)?)
                }
            };
            let mut config = builder.with_single_cert(chain.clone(), key.clone_key()).map_err(unusable)?;
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Ok(Arc::new(config))
        };
        Ok(Self { content: content(texts), strict: config(false)?, local: config(true)? })
    }
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(TlsError::Content { path: path.to_owned(), what: "holds no certificate in PEM" }),
    }
}

fn warn_if_open(key: &Path) {
    let open = key.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0);
    if open {
        tracing::warn!(key = %key.display(), "everybody on this machine can read the private key");
    }
}
