//! Which names this server answers to.
//!
//! A page of another site can make a browser speak to a server on loopback (DNS rebinding). It cannot choose the
//! `Host` and `Origin` that the browser sends, so both are held to the names that are ours.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::App;
use crate::error::ApiError;

pub(crate) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if is_addressed_to(&request, &app.bounds.hosts) { next.run(request).await } else { ApiError::Host.into_response() }
}

pub(crate) fn is_addressed_to(request: &Request, ours: &[String]) -> bool {
    // Of two that differ, another could judge the other one.
    let header = |name| {
        let mut shown = request.headers().get_all(name).iter();
        match (shown.next(), shown.next()) {
            (None, _) => None,
            (Some(value), None) => Some(value.to_str().unwrap_or("\0")),
            (Some(_), Some(_)) => Some("\0"),
        }
    };
    let host = request.uri().authority().map(Authority::as_str).or_else(|| header(HOST));
    let origin = header(ORIGIN).map(|origin| match origin.split_once("://") {
        Some(("http" | "https", host)) => host,
        _ => "\0",
    });
    host.is_some_and(|host| is_ours(host, ours)) && origin.is_none_or(|origin| is_ours(origin, ours))
}

fn is_ours(host: &str, ours: &[String]) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if authority.as_str().contains('@') {
        return false;
    }
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        || ours.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn only_our_own_names_are_answered_to() {
        let ours = ["ai.city.example".to_owned(), "10.0.0.7".to_owned()];
        for host in ["localhost", "LOCALHOST:7400", "127.0.0.1:7400", "[::1]:7400", "ai.city.example", "10.0.0.7:80"] {
            assert!(is_ours(host, &ours), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example@localhost",
            "10.0.0.8",
            "localhost.",
            "\0",
            "local host",
        ] {
            assert!(!is_ours(host, &ours), "{host}");
        }
    }
}
