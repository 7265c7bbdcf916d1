//! The drawing in `ARCHITECTURE.md` and the rules beside it, compared with the code.
//!
//! Each check is a function of plain data, so that its own tests can show it an offence and see it found.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

type Arrows = BTreeMap<String, BTreeSet<String>>;

#[test]
fn the_drawing_is_the_code() {
    let drawing = read_drawing(&read(&root().join("ARCHITECTURE.md")));
    let differences = compare(&drawing, &arrows_of_the_code());
    assert!(differences.is_empty(), "ARCHITECTURE.md and cargo differ:\n{}", differences.join("\n"));
}

#[test]
fn an_arrow_too_many_or_too_few_is_found() {
    let drawing = read_drawing("text\n```arrows\nbase ->\nstore -> base\nguard -> base store\n```\nmore");
    let code = read_drawing("```arrows\nbase ->\nstore ->\nguard -> base store\nattic -> base\n```");
    assert_eq!(
        compare(&drawing, &code),
        ["`attic` is not drawn", "`store -> base` is drawn, but not in the code"].map(str::to_owned)
    );
    assert_eq!(compare(&code, &drawing).len(), 2);
}

#[test]
fn only_llama_is_unsafe() {
    let offences = search(|place, line| !place.starts_with("crates/llama/") && allows_unsafe(line));
    assert!(offences.is_empty(), "`unsafe` outside `llama`:\n{}", offences.join("\n"));
    for manifest in manifests() {
        let text = read(&manifest);
        assert!(text.contains("[lints]\nworkspace = true"), "{} is without the house's lints", manifest.display());
    }
}

#[test]
fn only_store_opens_databases() {
    let offences = search(|place, line| !place.starts_with("crates/store/") && opens_a_database(line));
    assert!(offences.is_empty(), "a database is opened outside `store`:\n{}", offences.join("\n"));
}

#[test]
fn only_gateway_listens() {
    let offences = search(|place, line| !place.starts_with("crates/gateway/") && listens(line));
    assert!(offences.is_empty(), "a socket listens outside `gateway`:\n{}", offences.join("\n"));
}

/// THREATS of the gateways of this field begin with SQL made of a header's text.
#[test]
fn no_sql_is_built_from_text() {
    let offences = search(|_, line| builds_sql(line));
    assert!(offences.is_empty(), "SQL is built from text:\n{}", offences.join("\n"));
}

#[test]
fn each_rule_sees_an_offence() {
    for line in
        ["#![allow(unsafe_code)]", "    unsafe { free(p) }", "unsafe fn f() {}", "#[expect(unsafe_code, reason = 1)]"]
    {
        assert!(allows_unsafe(line), "{line}");
    }
    for line in
        ["let pool = SqlitePool::connect(url).await?;", "SqlitePoolOptions::new()", "rusqlite::Connection::open(path)"]
    {
        assert!(opens_a_database(line), "{line}");
    }
    for line in ["let (stream, _) = listener.accept().await?;", "axum::serve(listener, router).await?"] {
        assert!(listens(line), "{line}");
    }
    for line in [
        "sqlx::query(&format!(\"SELECT {column}\"))",
        "query_as(AssertSqlSafe(text))",
        "let sql = format!(\"DELETE FROM note WHERE id = {id}\");",
        "raw_sql(&text)",
        "sqlx::query_scalar::<_, i64>(&text)",
        "let mut builder = QueryBuilder::new(\"SELECT\");",
    ] {
        assert!(builds_sql(line), "{line}");
    }
    for line in ["// no `unsafe` here", "sqlx::query(\"SELECT 1\")", "format!(\"select a corpus\")", "query(&question)"]
    {
        assert!(![allows_unsafe, opens_a_database, listens, builds_sql].iter().any(|rule| rule(line)), "{line}");
    }
}

fn allows_unsafe(line: &str) -> bool {
    let code = code_of(line);
    ["allow(unsafe_code", "expect(unsafe_code", "unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "unsafe trait"]
        .iter()
        .any(|word| code.contains(word))
}

fn opens_a_database(line: &str) -> bool {
    let code = code_of(line);
    ["ConnectOptions", "PoolOptions", "Pool::connect", "SqliteConnection::", "rusqlite"]
        .iter()
        .any(|word| code.contains(word))
}

/// The wiring opens the socket that settings name; who takes connections from it is another matter.
fn listens(line: &str) -> bool {
    let code = code_of(line);
    [".accept()", "serve_connection(", "axum::serve("].iter().any(|word| code.contains(word))
}

fn builds_sql(line: &str) -> bool {
    const VERBS: [&str; 9] =
        ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "CREATE ", "ALTER ", "DROP ", "PRAGMA ", "ATTACH "];
    let code = code_of(line);
    let formatted = VERBS.iter().any(|verb| code.contains(&format!("format!(\"{verb}")));
    let given = ["sqlx::query(&", "raw_sql(&", "query_as(&", "query_scalar(&", "query_with(&", ">(&format!"]
        .iter()
        .any(|call| code.contains(call));
    let typed = code.contains("query_scalar::<") && code.contains(">(&")
        || code.contains("query_as::<") && code.contains(">(&");
    formatted || given || typed || code.contains("AssertSqlSafe") || code.contains("QueryBuilder")
}

/// The line without what follows `//`, which says nothing to the compiler.
fn code_of(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

/// The lines of the house's own Rust files that are an offence, each with its place. Code that only tests run
/// may do what it likes with its own machine, so what follows `#[cfg(test)]` and the tests' folders are left out.
fn search(offends: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut offences = Vec::new();
    let mut seen = 0;
    for path in rust_files(&root().join("crates")) {
        let place = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        if place.contains("/tests/") || place.ends_with("/tests.rs") {
            continue;
        }
        seen += 1;
        let text = read(&path);
        for (index, line) in text.lines().enumerate().take_while(|(_, line)| !line.starts_with("#[cfg(test)]")) {
            if offends(&place, line) {
                offences.push(format!("{place}:{}: {}", index + 1, line.trim()));
            }
        }
    }
    assert!(seen > 30, "only {seen} files were searched");
    offences
}

/// The arrows of the first block that is fenced as `arrows`.
fn read_drawing(text: &str) -> Arrows {
    let lines = text.lines().skip_while(|line| *line != "```arrows").skip(1).take_while(|line| *line != "```");
    lines
        .map(|line| {
            let (from, to) = line.split_once("->").unwrap_or_else(|| panic!("no arrow in `{line}`"));
            (from.trim().to_owned(), to.split_whitespace().map(str::to_owned).collect())
        })
        .collect()
}

fn compare(drawing: &Arrows, code: &Arrows) -> Vec<String> {
    let mut differences = Vec::new();
    for name in drawing.keys().chain(code.keys()).collect::<BTreeSet<_>>() {
        match (drawing.get(name), code.get(name)) {
            (Some(drawn), Some(used)) => {
                let missing =
                    used.difference(drawn).map(|to| format!("`{name} -> {to}` is in the code, but not drawn"));
                let extra = drawn.difference(used).map(|to| format!("`{name} -> {to}` is drawn, but not in the code"));
                differences.extend(missing.chain(extra));
            }
            (None, _) => differences.push(format!("`{name}` is not drawn")),
            (Some(_), None) => differences.push(format!("`{name}` is drawn, but there is no such crate")),
        }
    }
    differences
}

/// What cargo says: the normal dependencies among the crates under `crates/`.
fn arrows_of_the_code() -> Arrows {
    let packages = packages();
    let names: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    packages
        .iter()
        .map(|package| {
            let used = package["dependencies"].as_array().unwrap().iter();
            let used = used.filter(|dependency| dependency["kind"].is_null());
            let used = used.filter_map(|dependency| dependency["name"].as_str()).filter(|name| names.contains(name));
            (package["name"].as_str().unwrap().to_owned(), used.map(str::to_owned).collect())
        })
        .collect()
}

fn manifests() -> Vec<PathBuf> {
    packages().iter().map(|package| PathBuf::from(package["manifest_path"].as_str().unwrap())).collect()
}

fn packages() -> Vec<serde_json::Value> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let crates = root().join("crates");
    let inside =
        |package: &&serde_json::Value| Path::new(package["manifest_path"].as_str().unwrap()).starts_with(&crates);
    let found: Vec<_> = metadata["packages"].as_array().unwrap().iter().filter(inside).cloned().collect();
    assert!(found.len() > 10, "cargo names only {} crates", found.len());
    found
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn root() -> PathBuf {
    Path::new("../..").canonicalize().unwrap()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
