//! How an upstream proves that it is the one: by a certificate of an authority that this machine, or the settings, know.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, RootCertStore};

use super::Config;

/// Authorities of a house's own, in place of those that the machine knows.
#[derive(Clone)]
pub struct Authority(Arc<RootCertStore>);

impl Authority {
    /// Reads certificates as a PEM file holds them.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn from_pem(pem: &[u8]) -> Result<Self, &'static str> {
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| "it is no PEM")?;
            store.add(certificate).map_err(|_| "a certificate in it cannot be read")?;
        }
        if store.is_empty() {
            return Err("it has no certificate");
        }
        Ok(Self(Arc::new(store)))
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({} certificates)", self.0.len())
    }
}

/// What checks an upstream's certificate. Where nothing is encrypted, no certificates are read.
pub(super) fn client_config(config: &Config) -> Result<ClientConfig, rustls::Error> {
    use hyper_rustls::ConfigBuilderExt;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    if config.address.is_plain() {
        return Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    }
    if let Some(Authority(roots)) = &config.authority {
        return Ok(builder.with_root_certificates(Arc::clone(roots)).with_no_client_auth());
    }
    Ok(builder.try_with_platform_verifier()?.with_no_client_auth())
}

/// What is wrong with an upstream's certificate, if that is why no connection stands.
pub(super) fn mistrust(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(why)) = error.downcast_ref::<rustls::Error>() {
            return Some(match why {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "its upstream's certificate has expired"
                }
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    "its upstream's certificate is for another name"
                }
                CertificateError::UnknownIssuer => {
                    "its upstream's certificate is of an authority that is not known here"
                }
                _ => "its upstream's certificate is not accepted",
            });
        }
        // An I/O error keeps what it carries beside its source.
        let carried = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = carried.map(|carried| carried as &(dyn std::error::Error + 'static)).or_else(|| error.source());
    }
    None
}
