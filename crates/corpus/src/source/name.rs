//! Names of files and entries, as labels. None is ever made into a path that is opened or written.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use base::ContentHash;
use encoding_rs::EUC_KR;

use crate::clean::clean_str;

/// Characters of a name that are kept.
const NAME_MAX: usize = 1_000;

/// A path's bytes as text: UTF-8, else CP949 (old Korean archives and disks), else escaped.
pub(super) fn of_path(path: &Path) -> String {
    of_bytes(path.as_os_str().as_bytes())
}

/// A name's bytes as text, without control characters, of bounded length.
pub(crate) fn of_bytes(bytes: &[u8]) -> String {
    let name = match std::str::from_utf8(bytes) {
        Ok(name) => name.to_owned(),
        Err(_) => match EUC_KR.decode_without_bom_handling_and_without_replacement(bytes) {
            Some(name) => name.into_owned(),
            None => bytes.escape_ascii().to_string(),
        },
    };
    let name: String = name
        .chars()
        .flat_map(|letter| {
            let hidden = letter.is_control();
            let escaped = hidden.then(|| letter.escape_unicode()).into_iter().flatten();
            escaped.chain((!hidden).then_some(letter))
        })
        .collect();
    if name.chars().count() <= NAME_MAX {
        return name;
    }
    // Two long names that begin alike stay two.
    let kept: String = name.chars().take(NAME_MAX - 70).collect();
    format!("{kept}~{}", ContentHash::of(bytes))
}

/// What people read: composed letters, nothing invisible, no step upwards.
pub(crate) fn display(name: &str) -> String {
    let name = clean_str(name).replace('\\', "/");
    let steps: Vec<&str> =
        name.split('/').map(str::trim).filter(|step| !step.is_empty() && *step != "." && *step != "..").collect();
    if steps.is_empty() { "unnamed".to_owned() } else { steps.join("/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_is_a_harmless_label() {
        for (name, expected) in [
            ("../../etc/passwd", "etc/passwd"),
            ("/etc/shadow", "etc/shadow"),
            ("C:\\Windows\\..\\CON", "C:/Windows/CON"),
            ("a/./b//c", "a/b/c"),
            ("..", "unnamed"),
            ("", "unnamed"),
            ("보고\u{202e}fdp.md", "보고fdp.md"),
        ] {
            assert_eq!(display(name), expected);
        }
        assert_eq!(of_bytes(b"a\0b\n"), "a\\u{0}b\\u{a}");
        assert_eq!(of_bytes(&EUC_KR.encode("급수조례.txt").0), "급수조례.txt");
        assert_eq!(of_bytes(b"\xff\xfe\xff"), "\\xff\\xfe\\xff");
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let (one, two) = (of_bytes(&[b'a'; 5_000]), of_bytes(&[b'a'; 5_001]));
        assert_ne!(one, two);
        assert!(one.chars().count() <= NAME_MAX);
    }
}
