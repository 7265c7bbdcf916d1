//! Where an upstream is, what it is called there, and how long and how much of it is waited for.

use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderValue, Uri};

const KEY_BYTES_MAX: usize = 4_096;

/// One upstream: a server that speaks OpenAI's API and serves one model to this house.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the model is called here.
    pub name: String,
    /// What the upstream calls it.
    pub model: String,
    /// Where the upstream is.
    pub address: Address,
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
pub struct Key(HeaderValue);

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
        let mut value = HeaderValue::from_str(&format!("Bearer {text}")).map_err(|_| "it is no key")?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(...)")
    }
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
        assert_eq!(key.header(), "Bearer sk-secret");
        assert!(!format!("{key:?} {:?}", key.header()).contains("secret"));
        for wrong in ["", " \n", "two words", "line\r\nx-other: 1", "한국", &"k".repeat(5_000)] {
            assert!(Key::new(wrong).is_err(), "{wrong:.20}");
        }
    }
}
