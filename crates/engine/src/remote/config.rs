//! Where an upstream is, what it is called there, and how long and how much of it is waited for.

use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderValue, Uri};
use serde::Deserialize;

use super::tls::Authority;
use crate::Offer;

const KEY_BYTES_MAX: usize = 4_096;

/// The API that an upstream speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// OpenAI's chat completions, completions and embeddings, as most servers have them.
    #[default]
    OpenAi,
    /// Anthropic's Messages.
    Anthropic,
}

/// One upstream: a server that serves one model to this house.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the model is called here.
    pub name: String,
    /// What the upstream calls it.
    pub model: String,
    /// The API that it speaks.
    pub api: Api,
    /// Where the upstream is.
    pub address: Address,
    /// Who may vouch for it, in place of the authorities that this machine knows.
    pub authority: Option<Authority>,
    /// What the upstream wants to see, if anything.
    pub key: Option<Key>,
    /// Whether it continues chats.
    pub chats: bool,
    /// Length of its embeddings, if it embeds.
    pub dimensions: Option<u32>,
    /// Tokens that a prompt and its answer may have together; for embeddings, tokens that a text may have.
    pub context_tokens: u32,
    /// What stands before a text that is looked for.
    pub query_prefix: String,
    /// What stands before a text that is found.
    pub passage_prefix: String,
    /// Whether requests carry a salt (`cache_salt`, as vLLM reads it) under which alone the upstream may share the
    /// cached prefix of a prompt.
    pub cache_salt: bool,
    /// Whether requests say how tokens are chosen. Some models take none of it and choose as they always do.
    pub sampling: bool,
    /// What the operator says of it.
    pub offer: Offer,
    /// How long and how much is waited for.
    pub limits: Limits,
}

/// How long and how much of an upstream is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests at the same time; more are told to come again.
    pub requests_max: usize,
    /// Until a connection stands, TLS included.
    pub connect_wait_max: Duration,
    /// From the request to the first event of the answer.
    pub first_wait_max: Duration,
    /// From one event to the next. A comment that only keeps the connection open is none.
    pub event_wait_max: Duration,
    /// How long an answer waits for whoever reads it.
    pub read_wait_max: Duration,
    /// From the request to the end of the answer.
    pub total_wait_max: Duration,
    /// Bytes of one event.
    pub event_bytes_max: usize,
    /// Bytes of a whole answer.
    pub answer_bytes_max: usize,
    /// How often one request is sent again that brought nothing.
    pub retries_max: u32,
    /// How long it waits for that at most, where the upstream says when to come again.
    pub retry_wait_max: Duration,
    /// Failures in a row after which the upstream is left alone; 0 where it never is.
    pub failures_max: u32,
    /// For how long it is left alone the first time.
    pub rest_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_max: 256,
            connect_wait_max: Duration::from_secs(5),
            first_wait_max: Duration::from_secs(120),
            event_wait_max: Duration::from_secs(60),
            read_wait_max: Duration::from_secs(60),
            total_wait_max: Duration::from_secs(1_800),
            event_bytes_max: 1 << 20,
            answer_bytes_max: 64 << 20,
            retries_max: 2,
            retry_wait_max: Duration::from_secs(2),
            failures_max: 5,
            rest_wait: Duration::from_secs(10),
        }
    }
}

/// Where an upstream is: `http://host:port/v1` or the same with `https`.
///
/// Every request goes to this host and to no other: what the upstream says of other places is not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Uri);

impl Address {
    /// Reads an address as the settings write it.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|_| format!("`{text}` is no address"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(format!("`{text}` begins with neither `http://` nor `https://`"));
        }
        let named = uri.authority().is_some_and(|authority| !authority.host().is_empty());
        if !named || uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            // Nothing of it is shown: what stands before an `@` is a password.
            return Err("an address has a host, and no user or password".to_owned());
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(format!("`{text}` has a query or a fragment"));
        }
        Ok(Self(uri))
    }

    /// The address of one of the upstream's doors.
    pub(super) fn door(&self, path: &str) -> Result<Uri, http::Error> {
        let mut parts = self.0.clone().into_parts();
        let whole = format!("{}{path}", self.0.path().trim_end_matches('/'));
        parts.path_and_query = Some(whole.parse().map_err(http::Error::from)?);
        Uri::from_parts(parts).map_err(http::Error::from)
    }

    /// Whether what goes there can be read on the way.
    pub fn is_plain(&self) -> bool {
        self.0.scheme_str() == Some("http")
    }

    /// Whether it is this machine.
    pub fn is_loopback(&self) -> bool {
        let host = self.0.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An upstream's key. Its `Debug` form shows nothing of it.
#[derive(Clone)]
pub struct Key(String);

impl Key {
    /// Takes a key as a file or a variable holds it; the blanks around it are not the key's.
    ///
    /// # Errors
    /// What is wrong with it, without showing it.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.is_empty() {
            return Err("it is empty");
        }
        if text.len() > KEY_BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("it is no key: a key is one word of visible ASCII");
        }
        Ok(Self(text.to_owned()))
    }

    /// As `Authorization` carries it.
    pub(super) fn bearer(&self) -> HeaderValue {
        secret(&format!("Bearer {}", self.0))
    }

    /// As a header of its own carries it.
    pub(super) fn plain(&self) -> HeaderValue {
        secret(&self.0)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(...)")
    }
}

/// A header's value that is shown nowhere. A key is visible ASCII, so it always is one.
fn secret(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_path() {
        let door = |text: &str| Address::parse(text).unwrap().door("/chat/completions").unwrap().to_string();
        assert_eq!(door("http://gpu1:8000/v1"), "http://gpu1:8000/v1/chat/completions");
        assert_eq!(door("https://llm.example/v1/"), "https://llm.example/v1/chat/completions");
        assert_eq!(door("http://[::1]:8080"), "http://[::1]:8080/chat/completions");
        for wrong in [
            "",
            "gpu1:8000/v1",
            "ftp://gpu1/v1",
            "file:///etc/passwd",
            "http://",
            "http://user:secret@gpu1/v1",
            "http://allowed\\@127.0.0.1/v1",
            "http://gpu1/v1?key=secret",
            "http://gpu1/v1#x",
            "http://gpu 1/v1",
        ] {
            let error = Address::parse(wrong).unwrap_err();
            assert!(!error.contains("user:secret"), "{error}");
        }
        assert!(Address::parse("http://127.0.0.1:1/v1").unwrap().is_loopback());
        assert!(!Address::parse("http://127.0.0.1.example/v1").unwrap().is_loopback());
    }

    #[test]
    fn a_key_is_one_word_and_is_never_shown() {
        let key = Key::new(" sk-secret\n").unwrap();
        assert_eq!((key.bearer(), key.plain()), ("Bearer sk-secret".parse().unwrap(), "sk-secret".parse().unwrap()));
        assert!(!format!("{key:?} {:?} {:?}", key.bearer(), key.plain()).contains("secret"));
        for wrong in ["", " \n", "two words", "line\r\nx-other: 1", "한국", &"k".repeat(5_000)] {
            assert!(Key::new(wrong).is_err(), "{wrong:.20}");
        }
    }
}
