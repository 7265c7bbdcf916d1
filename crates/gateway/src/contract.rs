//! The API's contract: its OpenAPI 3.1 document, made from the doors themselves, and the page that shows it.
//!
//! What must stay true: a door that is not in the document does not exist, since both come from one call; the page
//! fetches nothing from outside and needs no key, because it says nothing that the source does not say.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Map, Value, json};

use crate::App;
use crate::app::{Bounds, doors};
use crate::error::ApiError;

/// Made when it is first asked for: commands that open the data folder themselves never need it.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

const PAGE: &str = include_str!("docs/index.html");
const SCRIPT: &str = include_str!("docs/docs.js");
const STYLE: &str = include_str!("docs/docs.css");
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

const ABOUT: &str = "\
The whole API of Dure: the one that OpenAI's clients speak under `/v1`, and the management API under `/api/v1`.

A key comes as `Authorization: Bearer KEY` or as `x-api-key: KEY`. Errors have OpenAI's shape. Lists of the management \
API are `{\"data\": [...], \"next\": ...}`: hand `next` in as `after` for the next page. Answers to `GET` under \
`/api/v1` carry an `ETag`; `If-None-Match` is answered with 304, and a change with `If-Match` of something that was \
changed meanwhile with 412. Long work answers with JSON lines, or, asked with `Prefer: respond-async`, with a job.";

/// The document and its page.
pub(crate) fn routes() -> Router<Arc<App>> {
    let file = |kind: &'static str, text: &'static str| get(move || async move { part(kind, text) });
    Router::new()
        .route("/openapi.json", get(|| async { part("application/json", DOCUMENT.as_str()) }))
        .route("/docs", file("text/html; charset=utf-8", PAGE))
        .route("/docs/docs.js", file("text/javascript; charset=utf-8", SCRIPT))
        .route("/docs/docs.css", file("text/css; charset=utf-8", STYLE))
}

fn part(kind: &'static str, text: impl IntoResponse) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text)
}

/// The OpenAPI 3.1 document of every door.
pub fn document() -> Value {
    let made = doors(&Bounds::default()).into_openapi();
    let mut document = serde_json::to_value(made).unwrap_or_default();
    document["info"] = json!({
        "title": "Dure",
        "version": env!("CARGO_PKG_VERSION"),
        "description": ABOUT,
        "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
    });
    document["security"] = json!([{ "bearer": [] }, { "api_key": [] }]);
    let components = &mut document["components"];
    components["securitySchemes"] = json!({
        "bearer": { "type": "http", "scheme": "bearer" },
        "api_key": { "type": "apiKey", "in": "header", "name": "x-api-key" },
    });
    components["schemas"]["Error"] = error_schema();
    components["responses"] = json!({ "Error": {
        "description": "Why it was not answered with what was asked for",
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
    } });
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, item) in paths {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                complete(path, method, operation);
            }
        }
    }
    sorted(&mut document["components"]["schemas"]);
    document
}

/// What is the same for all operations: a name of its own, a tag, and the errors that any request may meet.
fn complete(path: &str, method: &str, operation: &mut Value) {
    let words: Vec<&str> = path.split(['/', '{', '}', '.']).filter(|word| !word.is_empty()).collect();
    operation["operationId"] = json!(format!("{method}_{}", words.join("_")));
    operation["tags"] = json!([match path.strip_prefix("/api/v1/") {
        Some(rest) => rest.split('/').next().unwrap_or(rest),
        None if path.starts_with("/v1/") => "openai",
        None => "server",
    }]);
    let error = json!({ "$ref": "#/components/responses/Error" });
    operation["responses"]["default"] = error.clone();
    if operation.get("security").is_none() {
        operation["responses"]["401"] = error;
    }
}

fn error_schema() -> Value {
    let codes: Vec<Value> = ApiError::codes().into_iter().map(|(_, code)| json!(code)).collect();
    let table: Vec<String> = ApiError::codes().into_iter().map(|(status, code)| format!("{code} ({status})")).collect();
    json!({
        "type": "object",
        "required": ["error"],
        "properties": { "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": { "type": "string", "description": "For people; nothing secret" },
                "type": { "type": "string" },
                "param": { "type": ["string", "null"], "description": "The field that it is about" },
                "code": {
                    "type": "string",
                    "enum": codes,
                    "description": format!("For programs: {}", table.join(", ")),
                },
            },
        } },
    })
}

fn sorted(schemas: &mut Value) {
    if let Some(all) = schemas.as_object_mut() {
        let mut pairs: Vec<(String, Value)> = std::mem::take(all).into_iter().collect();
        pairs.sort_by(|one, other| one.0.cmp(&other.0));
        *all = Map::from_iter(pairs);
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    /// The operations of the document, as method and path.
    fn operations(document: &Value) -> Vec<(String, String)> {
        let items = document["paths"].as_object().unwrap().iter();
        items
            .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| (method.clone(), path.clone())))
            .collect()
    }

    #[test]
    fn the_committed_document_is_what_the_code_says() {
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
        let committed = std::fs::read_to_string(committed).unwrap();
        let now = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        assert!(committed == now, "the API has changed: write it down with `dure openapi > docs/openapi.json`");
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_a_summary_and_answers() {
        let document = document();
        let mut seen = std::collections::BTreeSet::new();
        for (method, path) in operations(&document) {
            let operation = &document["paths"][&path][&method];
            let id = operation["operationId"].as_str().unwrap();
            assert!(seen.insert(id.to_owned()), "two operations are called `{id}`");
            assert!(!operation["summary"].as_str().unwrap_or_default().is_empty(), "{method} {path} has no summary");
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.keys().any(|status| status.starts_with('2')), "{method} {path} has no answer");
        }
        assert!(seen.len() > 50, "only {} operations", seen.len());
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        let references = text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
        let missing: Vec<&str> = references.filter(|place| document.pointer(place).is_none()).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    /// Doors are made by `routes!`, which describes them. A plain `.route(` is a door that nobody can read about.
    #[test]
    fn no_door_is_made_without_being_described() {
        let mut plain = Vec::new();
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path: PathBuf = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                    let doors = [".route(", ".route_service(", ".nest_service(", ".fallback_service("];
                    if doors.iter().any(|door| code.contains(door)) {
                        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
                        plain.push(path.strip_prefix(source).unwrap().to_string_lossy().into_owned());
                    }
                }
            }
        }
        plain.sort();
        // The contract's own page and the console's files are for people, MCP describes itself, and the address apart has
        // doors that are described where they stand on the main one.
        assert_eq!(plain, ["console.rs", "contract.rs", "mcp/mod.rs", "watch/mod.rs"]);
    }
}
