//! The book: the pages of `docs/` in English and Korean, that they hold together, and their making as HTML.
//!
//! What must stay true: every page stands in its language's SUMMARY.md, both languages have the same pages with the same
//! headings in the same depth, and no link inside the book leads nowhere or out of it. Only decisions (`docs/design/`),
//! which are for those who change the code, are in English alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::house;

const CONTENTS: &str = "SUMMARY.md";
/// Each language's folder under `docs/`; the first one's is `docs/` itself.
const LANGUAGES: [&str; 2] = ["", "ko"];
/// Where decisions stand, below the first language's folder.
const DECISIONS: &str = "design";
/// Pages outside the book whose links must lead somewhere, too.
const FRONT: [&str; 5] = ["README.md", "README.ko.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "bench/README.md"];

/// Checks the book and makes it as HTML below the target folder, which it names.
pub fn make() -> Result<PathBuf> {
    let problems = problems(house::root());
    if !problems.is_empty() {
        bail!("the book does not hold together:\n{}", problems.join("\n"));
    }
    let out = house::metadata()?.target_directory.join("book").into_std_path_buf();
    let program = program()?;
    for language in LANGUAGES {
        let mut command = Command::new(&program);
        command.arg("build").arg(docs(house::root()).join(language)).arg("--dest-dir").arg(out.join(language));
        house::step("book", &mut command)?;
    }
    println!("==> {}", out.join("index.html").display());
    Ok(out)
}

/// mdBook as `make test` put it into the cache, or as it is installed.
fn program() -> Result<PathBuf> {
    let pinned = house::cache()?.join("python/bin/mdbook");
    if pinned.is_file() {
        return Ok(pinned);
    }
    let found = Command::new("mdbook").arg("--version").output().is_ok_and(|output| output.status.success());
    if found {
        Ok("mdbook".into())
    } else {
        bail!("mdbook is not installed: `make test` installs it, or `cargo install --locked mdbook`")
    }
}

fn docs(root: &Path) -> PathBuf {
    root.join("docs")
}

/// All that is wrong with the book and the pages before it, in the words of somebody who mends it.
pub fn problems(root: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    match read_languages(&docs(root)) {
        Ok(languages) => {
            for (folder, pages) in &languages {
                problems.extend(contents(&docs(root), folder, pages));
                problems.extend(links(&docs(root), folder, &languages));
            }
            problems.extend(twins(&languages));
        }
        Err(error) => problems.push(format!("{error:#}")),
    }
    for page in FRONT {
        let Ok(text) = fs::read_to_string(root.join(page)) else { continue };
        let dir = Path::new(page).parent().unwrap_or(Path::new(""));
        for link in Page::read(&text).links.iter().filter(|link| is_relative(link)) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty() && !root.join(dir).join(target).exists() {
                problems.push(format!("{page}: the link `{link}` leads nowhere"));
            }
        }
    }
    problems
}

type Pages = BTreeMap<String, Page>;

fn read_languages(docs: &Path) -> Result<BTreeMap<&'static str, Pages>> {
    let mut languages = BTreeMap::new();
    for folder in LANGUAGES {
        languages.insert(folder, read_pages(&docs.join(folder))?);
    }
    if docs.join(DECISIONS).is_dir() {
        let decisions = read_pages(&docs.join(DECISIONS))?.into_iter();
        let pages = languages.entry(LANGUAGES[0]).or_default();
        pages.extend(decisions.map(|(name, page)| (format!("{DECISIONS}/{name}"), page)));
    }
    Ok(languages)
}

fn read_pages(dir: &Path) -> Result<Pages> {
    let mut pages = Pages::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if name.ends_with(".md") && name != CONTENTS {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            pages.insert(name, Page::read(&text));
        }
    }
    Ok(pages)
}

/// What of a page can break.
#[derive(Debug, Default)]
struct Page {
    headings: Vec<(HeadingLevel, String)>,
    anchors: BTreeSet<String>,
    links: Vec<String>,
    fences: Vec<String>,
}

impl Page {
    fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut heading: Option<String> = None;
        for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(level)) => {
                    let text = heading.take().unwrap_or_default();
                    page.add_anchor(&anchor_of(&text));
                    page.headings.push((level, text));
                }
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push(dest_url.into_string());
                }
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(kind))) => page.fences.push(kind.into_string()),
                _ => {}
            }
        }
        page
    }

    /// The second heading of the same text gets `-1`, as mdBook and GitHub do it.
    fn add_anchor(&mut self, anchor: &str) {
        let mut free = anchor.to_owned();
        let mut count = 0;
        while !self.anchors.insert(free.clone()) {
            count += 1;
            free = format!("{anchor}-{count}");
        }
    }
}

/// The name that mdBook and GitHub give a heading.
fn anchor_of(heading: &str) -> String {
    heading
        .trim()
        .chars()
        .filter_map(|letter| match letter {
            letter if letter.is_alphanumeric() || letter == '_' || letter == '-' => Some(letter),
            letter if letter.is_whitespace() => Some('-'),
            _ => None,
        })
        .flat_map(char::to_lowercase)
        .collect()
}

fn is_relative(link: &str) -> bool {
    !link.contains("://") && !link.starts_with("mailto:")
}

/// Whether each page stands in the contents once, and nothing else does.
fn contents(docs: &Path, folder: &str, pages: &Pages) -> Vec<String> {
    let place = Path::new(folder).join(CONTENTS);
    let Ok(text) = fs::read_to_string(docs.join(&place)) else {
        return vec![format!("docs/{} is missing", place.display())];
    };
    let named = Page::read(&text).links;
    let mut problems = Vec::new();
    for name in pages.keys() {
        match named.iter().filter(|link| *link == name).count() {
            1 => {}
            0 => problems.push(format!("docs/{} does not name `{name}`", place.display())),
            count => problems.push(format!("docs/{} names `{name}` {count} times", place.display())),
        }
    }
    for link in named.iter().filter(|link| !pages.contains_key(*link)) {
        problems.push(format!("docs/{} names `{link}`, which is not there", place.display()));
    }
    problems
}

/// Whether both languages have the same pages, each with the same headings' depths and the same kinds of examples.
fn twins(languages: &BTreeMap<&str, Pages>) -> Vec<String> {
    let [first, second] = LANGUAGES.map(|folder| &languages[folder]);
    let mut problems = Vec::new();
    let names = first.keys().chain(second.keys()).filter(|name| !name.starts_with(DECISIONS));
    for name in names.collect::<BTreeSet<_>>() {
        let (Some(one), Some(two)) = (first.get(name), second.get(name)) else {
            let missing = if first.contains_key(name) { format!("ko/{name}") } else { name.clone() };
            problems.push(format!("docs/{missing} is missing: both languages have the same pages"));
            continue;
        };
        let levels = |page: &Page| page.headings.iter().map(|(level, _)| *level).collect::<Vec<_>>();
        if levels(one) != levels(two) {
            let odd = one.headings.iter().zip(&two.headings).find(|(one, two)| one.0 != two.0);
            let odd = odd.map_or_else(
                || format!("{} headings and {}", one.headings.len(), two.headings.len()),
                |(one, two)| format!("`{}` and `{}`", one.1, two.1),
            );
            problems.push(format!("docs/{name} and docs/ko/{name} differ in their headings: {odd}"));
        }
        if one.fences != two.fences {
            problems.push(format!(
                "docs/{name} and docs/ko/{name} differ in their fenced blocks: {:?} and {:?}",
                one.fences, two.fences
            ));
        }
    }
    problems
}

/// Whether each link of a language's pages leads to a page, and to a heading of it. A link out of the book would lead
/// nowhere once it is HTML, so what lies outside is named and not linked.
fn links(docs: &Path, folder: &str, languages: &BTreeMap<&str, Pages>) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, page) in &languages[folder] {
        let place = Path::new(folder).join(name);
        for link in page.links.iter().filter(|link| is_relative(link)) {
            let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path = if target.is_empty() { Some(place.clone()) } else { normal(&place.with_file_name(target)) };
            let Some(path) = path.filter(|path| docs.join(path).is_file()) else {
                problems.push(format!("docs/{}: the link `{link}` leads nowhere, or out of the book", place.display()));
                continue;
            };
            let (language, file) = split(&path);
            let known = languages.get(language).and_then(|pages| pages.get(&file));
            if !anchor.is_empty() && !known.is_some_and(|page| page.anchors.contains(anchor)) {
                problems.push(format!("docs/{}: the link `{link}` names no heading", place.display()));
            }
        }
    }
    problems
}

/// The language's folder and the page's name in it.
fn split(path: &Path) -> (&'static str, String) {
    for folder in LANGUAGES.into_iter().filter(|folder| !folder.is_empty()) {
        if let Ok(rest) = path.strip_prefix(folder) {
            return (folder, rest.to_string_lossy().into_owned());
        }
    }
    (LANGUAGES[0], path.to_string_lossy().into_owned())
}

/// The path without `..`; none if it leads out.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::CurDir => {}
            Component::ParentDir if out.pop() => {}
            _ => return None,
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_holds_together() {
        let problems = problems(house::root());
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }

    /// A book of one page and its twin, with what is written over it.
    fn check(changes: &[(&str, &str)], expected: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["docs/ko", "docs/design"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let mut files: BTreeMap<&str, &str> = BTreeMap::from([
            ("docs/SUMMARY.md", "# Contents\n\n- [A](a.md)\n"),
            ("docs/ko/SUMMARY.md", "# 차례\n\n- [가](a.md)\n"),
            ("docs/a.md", "# A\n\n## Who may\n\n[b](#who-may) [c](ko/a.md#누가)\n"),
            ("docs/ko/a.md", "# 가\n\n## 누가\n\n[나](../a.md#who-may)\n"),
        ]);
        files.extend(changes.iter().copied());
        for (path, text) in files {
            fs::write(dir.path().join(path), text).unwrap();
        }
        let problems = problems(dir.path());
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (problem, part) in problems.iter().zip(expected) {
            assert!(problem.contains(part), "`{part}` in {problem}");
        }
    }

    #[test]
    fn each_rule_sees_an_offence() {
        check(&[], &[]);
        check(&[("docs/design/d.md", "# D\n\n[a](../a.md#who-may)")], &["does not name `design/d.md`"]);
        check(&[("docs/b.md", "# B")], &["does not name `b.md`", "docs/ko/b.md is missing"]);
        check(&[("docs/SUMMARY.md", "- [A](a.md)\n- [A](a.md)")], &["names `a.md` 2 times"]);
        check(&[("docs/SUMMARY.md", "- [A](a.md)\n- [Z](z.md)")], &["names `z.md`, which is not there"]);
        check(&[("docs/ko/a.md", "# 가\n\n### 누가\n")], &["differ in their headings: `Who may` and `누가`"]);
        check(&[("docs/ko/a.md", "# 가\n\n## 누가\n\n```sh\ntrue\n```\n")], &["differ in their fenced blocks"]);
        check(&[("docs/a.md", "# A\n\n## Who may\n\n[b](#who-must)\n")], &["names no heading"]);
        check(&[("docs/a.md", "# A\n\n## Who may\n\n[b](b.md)\n")], &["leads nowhere"]);
        check(&[("docs/a.md", "# A\n\n## Who may\n\n[b](../README.md)\n"), ("README.md", "")], &["out of the book"]);
        check(
            &[("README.md", "[x](docs/none.md) [y](docs/a.md) [z](https://example.org)")],
            &["`docs/none.md` leads nowhere"],
        );
    }

    #[test]
    fn headings_are_named_as_the_book_names_them() {
        assert_eq!(anchor_of("Who may read what?"), "who-may-read-what");
        assert_eq!(anchor_of("기관, 키, 할당량"), "기관-키-할당량");
        assert_eq!(anchor_of("`dure corpus add`"), "dure-corpus-add");
        let page = Page::read("# A\n\n## A\n\n## A\n");
        assert_eq!(page.anchors.into_iter().collect::<Vec<_>>(), ["a", "a-1", "a-2"]);
    }
}
