//! The hosts that answers may lead to.
//!
//! An address is one of them only if it is written so plainly that every reader takes it for the same: `https://` or
//! `http://`, a host of ASCII letters, no user, no port, no backslash. Everything else leads nowhere.

use std::collections::BTreeSet;

/// Hosts of one list, at most.
const HOSTS_MAX: usize = 1_000;

/// Why a list of hosts cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// It is no host.
    #[error("`{host}` is no host; write `www.city.go.kr`, or `*.city.go.kr` for all below it")]
    NoHost {
        /// What stands there.
        host: String,
    },
    /// There are too many.
    #[error("at most {HOSTS_MAX} hosts are taken")]
    TooMany,
}

/// The hosts that links may lead to, and those that images may be fetched from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    links: BTreeSet<String>,
    images: BTreeSet<String>,
}

impl Hosts {
    /// Reads two lists of hosts. A host that images may come from may be linked to, too.
    ///
    /// # Errors
    /// [`HostError`] for the first that is none.
    pub fn new(links: &[String], images: &[String]) -> Result<Self, HostError> {
        let (images, mut links) = (read(images)?, read(links)?);
        links.extend(images.iter().cloned());
        Ok(Self { links, images })
    }

    /// Whether an address, or a bare host with a path, may stay a link.
    pub(super) fn links_to(&self, address: &str) -> bool {
        !self.links.is_empty() && host_of(address).is_some_and(|host| has(&self.links, &host))
    }

    /// Whether an image may be fetched from an address.
    pub(super) fn shows(&self, address: &str) -> bool {
        !self.images.is_empty() && host_of(address).is_some_and(|host| has(&self.images, &host))
    }
}

fn read(hosts: &[String]) -> Result<BTreeSet<String>, HostError> {
    if hosts.len() > HOSTS_MAX {
        return Err(HostError::TooMany);
    }
    hosts
        .iter()
        .map(|written| {
            let host = written.strip_prefix("*.").unwrap_or(written);
            let fits = host.len() <= 253 && host.contains('.') && host.split('.').all(is_label);
            if fits { Ok(written.to_ascii_lowercase()) } else { Err(HostError::NoHost { host: written.clone() }) }
        })
        .collect()
}

fn has(hosts: &BTreeSet<String>, host: &str) -> bool {
    hosts.contains(host)
        || host.match_indices('.').any(|(dot, _)| hosts.contains(format!("*{}", &host[dot..]).as_str()))
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// The host of an address that is written plainly.
fn host_of(address: &str) -> Option<String> {
    let rest = match address.get(..8).map(str::to_ascii_lowercase).as_deref() {
        Some("https://") => &address[8..],
        Some(start) if start.starts_with("http://") => &address[7..],
        _ => address,
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = &rest[..end];
    let plain = host.contains('.') && host.split('.').all(is_label);
    (plain && !address.contains(['\\', '\u{0}'])).then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_every_reader_takes_for_an_allowed_host_is_one() {
        let hosts = |list: &[&str]| Hosts::new(&list.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>(), &[]);
        let hosts = hosts(&["www.city.go.kr", "*.law.example"]).unwrap();
        for yes in
            ["https://www.city.go.kr/a?q=1", "HTTP://WWW.City.go.kr", "www.city.go.kr/a", "https://a.b.law.example#x"]
        {
            assert!(hosts.links_to(yes), "{yes}");
        }
        for no in [
            "https://city.go.kr",
            "https://law.example/",
            "https://evillaw.example/",
            "https://www.city.go.kr.evil.example/",
            "https://www.city.go.kr@evil.example/",
            "https://evil.example\\@www.city.go.kr/",
            "https:\\\\www.city.go.kr",
            "https://www.city.go.kr:8443/",
            "https://www.city.go.kr\\.evil.example",
            "//www.city.go.kr",
            "ftp://www.city.go.kr/",
            "javascript:www.city.go.kr",
            "https://www.city.go.kr%2eevil.example/",
            "https://www.сity.go.kr/",
            "https://www.city.go.kr./",
            "",
        ] {
            assert!(!hosts.links_to(no), "{no}");
        }
        assert!(!hosts.shows("https://www.city.go.kr/x.png"), "a link's host is no image's");
    }

    #[test]
    fn what_is_no_host_is_named() {
        for bad in
            ["", "*", "*.", "go kr", "https://www.city.go.kr", "www.city.go.kr/", "서울.kr", "-a.kr", "*.*.kr", "kr"]
        {
            assert_eq!(Hosts::new(&[bad.to_owned()], &[]), Err(HostError::NoHost { host: bad.to_owned() }), "{bad}");
        }
        assert_eq!(Hosts::new(&vec!["a.kr".to_owned(); 1_001], &[]), Err(HostError::TooMany));
    }
}
