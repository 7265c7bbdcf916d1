//! The console at `/`: a page and its files, out of the program itself.
//!
//! What must stay true: the page may load what stands here and nothing else, runs no inline script, and is in nobody's
//! frame; nothing here needs a key or tells anything about this house: all that the page shows it asks for at the API.

use std::path::{Component, Path as FilePath, PathBuf};
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::App;
use crate::error::ApiError;

include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// A file of the console, as the build put it here.
struct File {
    path: &'static str,
    hash: &'static str,
    plain: &'static [u8],
    gzip: Option<&'static [u8]>,
}

/// Where the console is read from.
#[derive(Debug, Clone, Default)]
pub enum Console {
    /// Out of the program.
    #[default]
    Embedded,
    /// From a folder, at every request: for those who work on it.
    Folder(PathBuf),
}

/// Scripts and styles are files; nothing is fetched from elsewhere; no text becomes code or markup (`trusted-types`).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// Scripts that are fetched when they are first wanted, and so not announced by the page.
const LAZY: &str = "lazy/";

static INDEX: LazyLock<String> = LazyLock::new(|| {
    let template = embedded("index.html").map(|file| String::from_utf8_lossy(file.plain)).unwrap_or_default();
    index(&template, DIGEST, FILES.iter().map(|file| file.path))
});

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/", get(page)).route("/console/{digest}/{*path}", get(asset))
}

async fn page(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let html = match &app.console {
        Console::Embedded => INDEX.clone(),
        Console::Folder(folder) => {
            let template = read(folder, "index.html").await?;
            index(&String::from_utf8_lossy(&template), "folder", std::iter::empty())
        }
    };
    let mut response = guarded(html.into_response());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

async fn asset(
    State(app): State<Arc<App>>,
    Path((digest, path)): Path<(String, String)>,
    wanted: HeaderMap,
) -> Result<Response, ApiError> {
    let kind = HeaderValue::from_static(kind(&path));
    if let Console::Folder(folder) = &app.console {
        let mut response = guarded(read(folder, &path).await?.into_response());
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return Ok(response);
    }
    let file = embedded(&path).ok_or(ApiError::NoRoute)?;
    let tag = format!("\"{}\"", file.hash);
    let known = wanted.get(IF_NONE_MATCH).is_some_and(|tags| tags.to_str().is_ok_and(|tags| tags.contains(&tag)));
    let gzip = file.gzip.filter(|_| takes_gzip(&wanted));
    let mut response =
        if known { StatusCode::NOT_MODIFIED.into_response() } else { gzip.unwrap_or(file.plain).into_response() };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(ETAG, HeaderValue::try_from(tag).map_err(|_| ApiError::Internal)?);
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if gzip.is_some() && !known {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    // A page of an older program still finds its files; only addresses with this program's digest may be kept.
    let keep = if digest == DIGEST { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(keep));
    Ok(guarded(response))
}

/// The page: its files stand under one digest of them all, so that relative imports stay relative, and the scripts
/// that it needs at once are announced together.
fn index<'a>(template: &str, digest: &str, paths: impl Iterator<Item = &'a str>) -> String {
    let base = format!("/console/{digest}");
    let preload: String = paths
        .filter(|path| path.ends_with(".js") && !path.contains(LAZY))
        .map(|path| format!("<link rel=\"modulepreload\" href=\"{base}/{path}\">\n"))
        .collect();
    template.replace("{{base}}", &base).replace("<!-- modules -->", preload.trim_end())
}

fn embedded(path: &str) -> Option<&'static File> {
    FILES.binary_search_by(|file| file.path.cmp(path)).ok().map(|found| &FILES[found])
}

async fn read(folder: &FilePath, path: &str) -> Result<Vec<u8>, ApiError> {
    let path = FilePath::new(path);
    if !path.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(ApiError::NoRoute);
    }
    tokio::fs::read(folder.join(path)).await.map_err(|_| ApiError::NoRoute)
}

fn guarded(mut response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 7] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
        // Otherwise a browser asks for the names of hosts that an answer links to before anybody follows the link.
        (HeaderName::from_static("x-dns-prefetch-control"), "off"),
    ];
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let taken = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    taken.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        parts.next() == Some("gzip") && !parts.any(|weight| matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("json") => "application/json",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_found_under_its_name_and_no_other_is() {
        for file in FILES {
            assert_eq!(embedded(file.path).map(|found| found.hash), Some(file.hash), "{}", file.path);
        }
        for path in ["", "nothing.js", "../Cargo.toml", "package.json", "checks/size.mjs", "/index.html"] {
            assert!(embedded(path).is_none(), "{path}");
        }
    }

    #[test]
    fn the_page_loads_only_files_that_are_there_and_has_no_inline_code() {
        assert!(!INDEX.contains("{{") && !INDEX.contains("<!-- modules"));
        assert!(
            !INDEX.contains("<style")
                && !INDEX.contains(" style=")
                && !INDEX.contains(" onload")
                && !INDEX.contains(" onerror")
        );
        let base = format!("/console/{DIGEST}/");
        let addresses: Vec<&str> =
            INDEX.split(['"', '\'']).skip(1).step_by(2).filter(|text| text.starts_with('/')).collect();
        assert!(addresses.len() > 10, "{addresses:?}");
        for address in addresses {
            let path = address.strip_prefix(&base).unwrap_or_else(|| panic!("{address} is not one of ours"));
            assert!(embedded(path).is_some(), "{address}");
        }
        assert_eq!(INDEX.matches("<script").count(), INDEX.matches("<script type=\"module\" src=").count());
    }

    #[test]
    fn gzip_is_sent_only_to_who_takes_it() {
        let takes = |value: &str| takes_gzip(&HeaderMap::from_iter([(ACCEPT_ENCODING, value.parse().unwrap())]));
        assert!(takes("gzip") && takes("br, gzip;q=0.5") && takes("deflate,gzip"));
        assert!(!takes("") && !takes("br") && !takes("gzip;q=0") && !takes("gzip; q=0.0, br") && !takes("xgzip"));
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn a_folder_gives_nothing_that_lies_outside_it() {
        let folder = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("src");
        assert!(read(&folder, "console.rs").await.is_ok());
        for path in ["../Cargo.toml", "/etc/passwd", "./../Cargo.toml", "manage/../../Cargo.toml", "", "nothing"] {
            assert!(read(&folder, path).await.is_err(), "{path}");
        }
    }
}
