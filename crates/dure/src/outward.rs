//! The one way out for what the settings send elsewhere by themselves: spans to their receiver, checkpoints to witnesses.

use std::time::Duration;

use ureq::tls::{RootCerts, TlsConfig};

/// A client that goes to the address that it is given and nowhere else: no redirect is followed, no proxy of the environment
/// is used, and whatever is asked ends after `wait_max`.
pub fn agent(wait_max: Duration) -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        // The machine's own certificates: an institution may have its own authority.
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        .timeout_global(Some(wait_max))
        .build()
        .new_agent()
}
