//! What a backup says that it holds.
//!
//! A backup is a `.tar.zst`: first `manifest.json`, then exactly the files that it names, in its order. Whoever reads
//! one compares each entry with the manifest before a byte of it is written, so a name in an archive is never a path.

use base::ContentHash;
use serde::{Deserialize, Serialize};

use crate::BackupError;

/// The version of the form that is written here, and the only one that is read.
pub(crate) const FORMAT: u32 = 1;
/// The manifest's own name.
pub(crate) const MANIFEST: &str = "manifest.json";
/// Bytes that a manifest may have: some hundred thousand files.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 16 << 20;
/// The database's name.
pub(crate) const DATABASE: &str = "dure.db";
/// Files of the data folder that go along where they are there, each small.
pub(crate) const SMALL_FILES: &[&str] = &["operator.key", "settings.toml", "models.toml", seal::FILE];
/// The folder of the institution's policies, whose files go along, too: without them others would count.
pub(crate) const POLICY: &str = "policy";
/// Files that it may have.
pub(crate) const POLICY_FILES_MAX: usize = 256;
/// The folder of uploaded files by content.
pub(crate) const FILES: &str = "files";
/// Bytes that one of them may have.
pub(crate) const SMALL_BYTES_MAX: u64 = 4 << 20;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the form.
    pub format: u32,
    /// The version of the program that wrote it.
    pub program: String,
    /// When it was begun.
    pub created: String,
    /// Whether the models' files are in it.
    pub models: bool,
    /// Its files, in order.
    pub files: Vec<ManifestFile>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Its place in the data folder.
    pub path: String,
    /// Its bytes.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: ContentHash,
}

impl Manifest {
    /// Reads a manifest, and nothing that this program could not have written.
    pub(crate) fn read(json: &[u8]) -> Result<Self, BackupError> {
        /// The one part that every version of the form has.
        #[derive(Deserialize)]
        struct Form {
            format: u32,
            #[serde(default)]
            program: String,
        }
        let no_manifest = |error: serde_json::Error| BackupError::Damaged(format!("its manifest: {error}"));
        let form: Form = serde_json::from_slice(json).map_err(no_manifest)?;
        if form.format != FORMAT {
            let program: String = form.program.chars().filter(|c| !c.is_control()).take(40).collect();
            return Err(BackupError::OtherForm { program });
        }
        let manifest: Self = serde_json::from_slice(json).map_err(no_manifest)?;
        let mut seen = std::collections::HashSet::new();
        let encrypted = manifest.is_encrypted();
        for file in &manifest.files {
            if !file.is_plausible(encrypted) || !seen.insert(file.path.as_str()) {
                let path: String = file.path.chars().take(100).collect();
                return Err(BackupError::Damaged(format!("no backup has `{}` in this place", path.escape_debug())));
            }
        }
        if !seen.contains(DATABASE) {
            return Err(BackupError::Damaged("it has no database".to_owned()));
        }
        Ok(manifest)
    }

    /// Whether it is of an encrypted folder. Uploaded files then lie under names that are no hashes of what is there.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.files.iter().any(|file| file.path == seal::FILE)
    }

    /// Bytes of all files; `None` if no disk could have so many.
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.files.iter().try_fold(0_u64, |sum, file| sum.checked_add(file.bytes))
    }
}

impl ManifestFile {
    fn is_plausible(&self, encrypted: bool) -> bool {
        if self.path == DATABASE {
            return true;
        }
        if SMALL_FILES.contains(&self.path.as_str()) || is_policy_file(&self.path) {
            return self.bytes <= SMALL_BYTES_MAX;
        }
        let named = self.path.rsplit('/').next().and_then(|name| name.parse().ok()).filter(|_| encrypted);
        self.path == blob_path(&self.sha256) || self.path == file_path(&named.unwrap_or(self.sha256))
    }
}

/// Where a blob lies in the data folder, and in a backup.
pub(crate) fn blob_path(hash: &ContentHash) -> String {
    shelved("blobs", hash)
}

/// Where an uploaded file lies in the data folder, and in a backup.
pub(crate) fn file_path(hash: &ContentHash) -> String {
    shelved(FILES, hash)
}

fn shelved(shelf: &str, hash: &ContentHash) -> String {
    let name = hash.to_string();
    format!("{shelf}/{}/{name}", &name[..2])
}

/// Whether a path is of a file right inside the folder of policies.
pub(crate) fn is_policy_file(path: &str) -> bool {
    let plain = |name: &str| {
        !name.starts_with('.') && name.len() <= 255 && !name.chars().any(|c| matches!(c, '/' | '\\') || c.is_control())
    };
    path.strip_prefix(POLICY)
        .and_then(|rest| rest.strip_prefix('/'))
        .is_some_and(|name| !name.is_empty() && plain(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn policies_lie_right_in_their_folder() {
        for path in ["policy/10-send.cedar", "policy/사례.toml"] {
            assert!(is_policy_file(path), "{path}");
        }
        for path in [
            "policy",
            "policy/",
            "policy/../dure.db",
            "policy/a/b",
            "policy/.x",
            "policy/a\\b",
            "policyx",
            "policy/a\n",
        ] {
            assert!(!is_policy_file(path), "{path}");
        }
    }

    fn read(files: serde_json::Value) -> Result<Manifest, BackupError> {
        let whole = json!({ "format": 1, "program": "0.1.0", "created": "", "models": true, "files": files });
        Manifest::read(whole.to_string().as_bytes())
    }

    #[test]
    fn no_path_but_a_backups_own_is_taken() {
        let hash = ContentHash::of("weights");
        let blob = blob_path(&hash);
        let file = |path: &str, bytes: u64| json!({ "path": path, "bytes": bytes, "sha256": hash });
        assert!(read(json!([file("dure.db", 1), file("operator.key", 64), file(&blob, 7)])).is_ok());
        for path in ["../dure.db", "/etc/passwd", "blobs/../dure.db", "blobs/00/00", "dure.lock", "", "./dure.db"] {
            let error = read(json!([file("dure.db", 1), file(path, 1)])).unwrap_err();
            assert!(matches!(error, BackupError::Damaged(_)), "{path}: {error}");
        }
        assert!(read(json!([file("dure.db", 1), file("dure.db", 1)])).is_err(), "twice");
        assert!(read(json!([file("operator.key", 64)])).is_err(), "no database");
        let other = file_path(&ContentHash::of("something else"));
        assert!(read(json!([file("dure.db", 1), file(&other, 7)])).is_err(), "a name that is not its hash");
        let encrypted = file("encryption.json", 100);
        assert!(read(json!([file("dure.db", 1), encrypted, file(&other, 7)])).is_ok());
        for path in ["files/../dure.db", "files/00/nothing", &blob_path(&ContentHash::of("something else"))] {
            assert!(read(json!([file("dure.db", 1), encrypted, file(path, 7)])).is_err(), "{path}");
        }
        assert!(read(json!([file("dure.db", 1), file("settings.toml", u64::MAX)])).is_err(), "huge settings");
    }

    #[test]
    fn another_form_is_named_with_the_program_that_wrote_it() {
        let json = json!({ "format": 2, "program": "9.9.9", "parts": [] }).to_string();
        let error = Manifest::read(json.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("9.9.9"), "{error}");
    }

    #[test]
    fn sizes_that_no_disk_has_have_no_sum() {
        let huge = ManifestFile { path: DATABASE.to_owned(), bytes: u64::MAX, sha256: ContentHash::of("") };
        let files = vec![huge.clone(), huge];
        let manifest = Manifest { format: 1, program: String::new(), created: String::new(), models: false, files };
        assert_eq!(manifest.bytes(), None);
    }
}
