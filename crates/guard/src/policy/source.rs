//! A folder of policies: which files are read, and where each policy begins.
//!
//! A file that nobody reads is a rule that nobody keeps, so a name that is not expected is a mistake, not silence.

use std::fmt;
use std::fs;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::policies::Bounds;

/// Something that is wrong in a file of policies or cases.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// The file's name, or the folder.
    pub file: String,
    /// The line, from 1; 0 where it is about the whole file.
    pub line: u32,
    /// What is wrong, in plain words.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.text),
            line => write!(f, "{}:{line}: {}", self.file, self.text),
        }
    }
}

impl Problem {
    pub(crate) fn new(file: &str, line: u32, text: impl Into<String>) -> Self {
        // Messages of the language may quote a whole file; a page of them is enough for a reader.
        let text = text.into().split_whitespace().collect::<Vec<_>>().join(" ");
        let text =
            if text.chars().count() > 600 { text.chars().take(600).chain("...".chars()).collect() } else { text };
        Self { file: file.to_owned(), line, text }
    }
}

/// One file.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub name: String,
    pub text: String,
}

/// What a folder holds: policies, and cases to try them on.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    pub policies: Vec<Source>,
    pub cases: Vec<Source>,
}

/// Reads a folder. One that is not there holds nothing.
///
/// # Errors
/// Everything that keeps it from being read whole.
pub(crate) fn folder(dir: &Path, bounds: &Bounds) -> Result<Folder, Vec<Problem>> {
    let place = dir.display().to_string();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Folder::default()),
        Err(error) => return Err(vec![Problem::new(&place, 0, format!("the folder cannot be read: {error}"))]),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| vec![Problem::new(&place, 0, format!("cannot be read: {error}"))])?;
        match entry.file_name().into_string() {
            Ok(name) if name.starts_with('.') => (),
            Ok(name) => names.push(name),
            Err(name) => return Err(vec![Problem::new(&name.to_string_lossy(), 0, "the name is not UTF-8")]),
        }
        if names.len() > bounds.files_max {
            let text = format!("more than {} files", bounds.files_max);
            return Err(vec![Problem::new(&place, 0, text)]);
        }
    }
    names.sort();
    let (mut found, mut problems) = (Folder::default(), Vec::new());
    for name in names {
        let extension = Path::new(&name).extension().and_then(|extension| extension.to_str());
        let into = match extension {
            Some("cedar") => &mut found.policies,
            Some("toml") => &mut found.cases,
            Some("md" | "txt" | "cedarschema") => continue,
            _ => {
                let text = "policies end in `.cedar`, cases in `.toml`, notes in `.md` or `.txt`; \
                            what is none of them is not read";
                problems.push(Problem::new(&name, 0, text));
                continue;
            }
        };
        match file(&dir.join(&name), bounds.file_bytes_max) {
            Ok(text) => into.push(Source { name, text }),
            Err(text) => problems.push(Problem::new(&name, 0, text)),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn file(path: &Path, bytes_max: usize) -> Result<String, String> {
    // Looked at before it is opened: a pipe would never end.
    let about = fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?;
    if !about.is_file() {
        return Err("is not a file; folders inside a folder of policies are not read".to_owned());
    }
    let file = fs::File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() > bytes_max {
        return Err(format!("is longer than {bytes_max} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

/// Bytes of one policy, the comments before it included, at most. Cedar's parser calls itself for each level, and a file
/// that goes deep enough would end the program; so length and depth are held before it.
pub(crate) const POLICY_BYTES_MAX: usize = 8 << 10;
/// Brackets in brackets, at most.
pub(crate) const DEPTH_MAX: usize = 24;

/// The text of one policy, with the white space and comments before it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub text: &'a str,
    /// The line of the first word that is no comment.
    pub line: u32,
    /// The line of the piece's first byte.
    pub begins: u32,
    /// Whether it is too long, or nested too deep, to be read.
    pub is_too_much: bool,
}

/// Cuts a file behind each `;` that stands in no string and no comment. The pieces are the whole file; only white space
/// and comments may be left behind the last one.
///
/// # Errors
/// The line where a policy begins that does not end.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, u32> {
    let (mut pieces, mut start, mut begins, mut line) = (Vec::new(), 0, 1, 1);
    let (mut first, mut in_string, mut in_comment) = (None, false, false);
    let (mut depth, mut deepest) = (0_usize, 0);
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte == b'\n' {
            line += 1;
            in_comment = false;
        }
        match byte {
            _ if in_comment => (),
            b'\\' if in_string => {
                at += 1;
                line += u32::from(bytes.get(at) == Some(&b'\n'));
            }
            b'"' => {
                in_string = !in_string;
                first.get_or_insert(line);
            }
            _ if in_string => (),
            b'/' if bytes.get(at + 1) == Some(&b'/') => in_comment = true,
            b';' => {
                let piece = &text[start..=at];
                let is_too_much = piece.len() > POLICY_BYTES_MAX || deepest > DEPTH_MAX;
                pieces.push(Piece { text: piece, line: first.unwrap_or(line), begins, is_too_much });
                (start, begins, first, depth, deepest) = (at + 1, line, None, 0, 0);
            }
            _ if byte.is_ascii_whitespace() => (),
            _ => {
                first.get_or_insert(line);
                match byte {
                    b'(' | b'[' | b'{' => depth += 1,
                    b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                    _ => (),
                }
                deepest = deepest.max(depth);
            }
        }
        at += 1;
    }
    match first {
        Some(line) => Err(line),
        None => Ok(pieces),
    }
}

/// The line of a byte of a piece.
pub(crate) fn line_at(piece: &Piece<'_>, offset: usize) -> u32 {
    let before = piece.text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count();
    piece.begins + u32::try_from(before).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_cut_at_the_ends_of_its_policies() {
        let text = "// one; two\n@id(\"a;\\\"b\")\npermit (principal, action, resource);\n\n// \"\nforbid (x); // end";
        let pieces = pieces(text).unwrap();
        assert_eq!(pieces.iter().map(|piece| (piece.begins, piece.line)).collect::<Vec<_>>(), [(1, 2), (3, 6)]);
        assert_eq!(line_at(&pieces[1], pieces[1].text.len() - 1), 6);
        let joined: String = pieces.iter().map(|piece| piece.text).collect();
        assert_eq!(joined + " // end", text);
    }

    #[test]
    fn a_policy_without_an_end_is_named() {
        assert_eq!(pieces("permit (a);\n\nforbid (b)"), Err(3));
        assert_eq!(pieces("permit (a) when { \"; }"), Err(1));
        assert_eq!(pieces(" // nothing\n"), Ok(Vec::new()));
    }
}
