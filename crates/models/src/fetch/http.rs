//! Fetching over HTTP: gone on with where it was cut, redirected only to places as safe as the first, never for ever.

use std::io::Read;
use std::time::Instant;

use ureq::Agent;
use ureq::http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_RANGE, LOCATION, RANGE,
};
use ureq::http::{Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Body, Proxy};

use super::{CHUNK, Intake, Miss};
use crate::models::Config;
use crate::source::{is_https, is_loopback};

const REDIRECTS_MAX: usize = 5;
/// How often a connection that breaks is made again, as long as each brings something.
const TRIES_MAX: usize = 5;
/// Bytes that must come in each span of `silence_max`: a server that drips is as good as silent.
const BYTES_MIN: u64 = 16 << 10;

/// Fetches `url` into `intake`.
pub(super) fn fetch(config: &Config, url: &str, intake: &mut Intake<'_>) -> Result<(), Miss> {
    if !is_https(url) && !is_loopback(url) {
        return Err(Miss::Source("it is no `https://` address".to_owned()));
    }
    let mut etag = None;
    for attempt in 1.. {
        let before = intake.length();
        match fetch_once(config, url, intake, &mut etag) {
            Err(Miss::Source(reason)) if intake.length() > before && !intake.is_full() && attempt < TRIES_MAX => {
                tracing::info!(reason, attempt, "a download broke off and is gone on with");
            }
            other => return other,
        }
    }
    Ok(())
}

fn fetch_once(config: &Config, url: &str, intake: &mut Intake<'_>, etag: &mut Option<String>) -> Result<(), Miss> {
    if intake.is_full() {
        return Ok(());
    }
    let mut response = follow(config, url, intake, etag.as_deref())?;
    let status = response.status();
    if status == StatusCode::RANGE_NOT_SATISFIABLE && intake.length() > 0 {
        intake.restart()?;
        response = follow(config, url, intake, None)?;
    }
    match response.status() {
        StatusCode::PARTIAL_CONTENT => check_range(&response, intake)?,
        // The server has no ranges, or the file is another than the one we know a part of.
        StatusCode::OK if intake.length() > 0 => intake.restart()?,
        StatusCode::OK => {}
        status => return Err(Miss::Source(format!("the server says {status}"))),
    }
    if header(&response, CONTENT_ENCODING.as_str()).is_some_and(|encoding| encoding != "identity") {
        return Err(Miss::Source("the server sends it in another encoding".to_owned()));
    }
    let left = intake.size - intake.length();
    if let Some(length) = header(&response, CONTENT_LENGTH.as_str()).and_then(|text| text.parse::<u64>().ok())
        && length != left
    {
        return Err(Miss::Source(format!("the server has {length} bytes where {left} are expected")));
    }
    *etag = header(&response, ETAG.as_str()).filter(|etag| !etag.starts_with("W/")).map(str::to_owned);
    read_body(config, response, intake)
}

fn read_body(config: &Config, response: Response<Body>, intake: &mut Intake<'_>) -> Result<(), Miss> {
    // One byte more than expected, so that a body that is too long is noticed and not just cut.
    let left = intake.size - intake.length();
    let mut reader = response.into_body().into_with_config().limit(u64::MAX).reader().take(left + 1);
    let mut buffer = vec![0; CHUNK];
    let (mut since, mut at) = (Instant::now(), intake.length());
    loop {
        let count = reader.read(&mut buffer).map_err(|error| Miss::Source(error.to_string()))?;
        if count == 0 {
            return Ok(());
        }
        intake.take(&buffer[..count])?;
        if intake.length() - at >= BYTES_MIN {
            (since, at) = (Instant::now(), intake.length());
        } else if since.elapsed() > config.silence_max && !intake.is_full() {
            return Err(Miss::Source(format!("less than {BYTES_MIN} bytes came in {:?}", config.silence_max)));
        }
    }
}

/// Asks, and follows redirects by hand: each place must be as safe as the first, and none is told anything but what
/// to send.
fn follow(config: &Config, url: &str, intake: &Intake<'_>, etag: Option<&str>) -> Result<Response<Body>, Miss> {
    let mut url = url.to_owned();
    for _ in 0..=REDIRECTS_MAX {
        intake.check_stopped()?;
        let mut request = agent(config, &url).get(&url).header(ACCEPT_ENCODING, "identity");
        if intake.length() > 0 {
            request = request.header(RANGE, format!("bytes={}-", intake.length()));
            if let Some(etag) = etag {
                request = request.header(IF_RANGE, etag);
            }
        }
        let response = request.call().map_err(|error| Miss::Source(error.to_string()))?;
        if !response.status().is_redirection() {
            return Ok(response);
        }
        let location = header(&response, LOCATION.as_str()).unwrap_or_default();
        url = redirected(&url, location).ok_or_else(|| {
            Miss::Source(format!("the server points to `{}`, which is no `https://` address", location.escape_debug()))
        })?;
    }
    Err(Miss::Source(format!("the server redirects more than {REDIRECTS_MAX} times")))
}

/// Where a redirect leads; nothing if that place is less safe than this one.
fn redirected(from: &str, location: &str) -> Option<String> {
    let to = match location.strip_prefix('/') {
        Some(path) if !path.starts_with(['/', '\\']) => {
            let host_end = from.find("://").and_then(|at| from[at + 3..].find('/').map(|slash| at + 3 + slash));
            format!("{}{location}", &from[..host_end.unwrap_or(from.len())])
        }
        _ => location.to_owned(),
    };
    (is_https(&to) || (is_loopback(from) && is_loopback(&to))).then_some(to)
}

fn agent(config: &Config, url: &str) -> Agent {
    // What stays on this machine goes through no proxy; else the environment's (`HTTPS_PROXY`, `NO_PROXY`) is used.
    let proxy = if is_loopback(url) { None } else { Proxy::try_from_env() };
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(proxy)
        // The machine's own certificates: an institution may have its own authority.
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        .timeout_resolve(Some(config.connect_wait_max))
        .timeout_connect(Some(config.connect_wait_max))
        .timeout_recv_response(Some(config.silence_max))
        .timeout_per_read(Some(config.silence_max))
        .timeout_per_write(Some(config.silence_max))
        .build()
        .new_agent()
}

/// Checks that the range that comes is the one asked for: `bytes 100-199/200`.
fn check_range(response: &Response<Body>, intake: &Intake<'_>) -> Result<(), Miss> {
    let text = header(response, CONTENT_RANGE.as_str()).unwrap_or_default();
    let parsed = text.strip_prefix("bytes ").and_then(|rest| {
        let (range, total) = rest.split_once('/')?;
        let (from, _) = range.split_once('-')?;
        Some((from.parse::<u64>().ok()?, total))
    });
    let total_fits = |total: &str| total == "*" || total.parse() == Ok(intake.size);
    match parsed {
        Some((from, total)) if from == intake.length() && total_fits(total) => Ok(()),
        _ => Err(Miss::Source(format!("the server sends the range `{}`", text.escape_debug()))),
    }
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}
