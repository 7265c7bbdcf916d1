//! What the wiring tells of the house, for those who may ask.

use std::path::{Path, PathBuf};

use base::Country;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// Entries of the data folder that are counted; a house has far fewer.
const ENTRIES_MAX: usize = 1_000_000;

/// What the wiring knows and the doors show.
#[derive(Debug, Clone)]
pub struct About {
    /// The data folder.
    pub data: PathBuf,
    /// Where this house stands; text that comes without a label may be processed here only.
    pub country: Country,
    /// Every setting.
    pub settings: Vec<Setting>,
    /// Since when it runs.
    pub started: Timestamp,
}

/// A setting as it holds.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Setting {
    /// Section and name, `server.listen`.
    pub name: String,
    /// Its value; null for a secret, which is never shown.
    pub value: Value,
    /// Where the value came from: `default`, a file, `$VARIABLE` or a flag.
    pub from: String,
    /// Whether it is a secret.
    pub secret: bool,
}

/// Bytes on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Disk {
    /// The database with its log: corpora, documents, vectors.
    pub(crate) database_bytes: u64,
    /// Model files.
    pub(crate) blobs_bytes: u64,
    /// Uploaded files.
    pub(crate) files_bytes: u64,
    /// The word index.
    pub(crate) index_bytes: u64,
    /// What is free on that disk.
    pub(crate) free_bytes: u64,
}

/// Measures the data folder. To be called where it may block.
pub(crate) fn disk(data: &Path) -> Disk {
    let file = |name: &str| data.join(name).metadata().map_or(0, |metadata| metadata.len());
    let free = rustix::fs::statvfs(data).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    Disk {
        database_bytes: ["dure.db", "dure.db-wal", "dure.db-shm"].iter().map(|name| file(name)).sum(),
        blobs_bytes: below(&data.join("blobs")),
        files_bytes: below(&data.join("files")),
        index_bytes: below(&data.join("index")),
        free_bytes: free,
    }
}

/// Bytes of all files below a folder. What cannot be read counts nothing; links are not followed.
fn below(folder: &Path) -> u64 {
    let (mut bytes, mut seen) = (0_u64, 0);
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            seen += 1;
            if seen > ENTRIES_MAX {
                return bytes;
            }
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) if metadata.is_file() => bytes = bytes.saturating_add(metadata.len()),
                _ => {}
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_measured_and_links_lead_nowhere() {
        let dir = std::env::temp_dir().join(format!("dure-about-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("blobs/ab")).unwrap();
        std::fs::write(dir.join("blobs/ab/x"), [0; 1_000]).unwrap();
        std::fs::write(dir.join("dure.db"), [0; 10]).unwrap();
        let _ = std::os::unix::fs::symlink("/", dir.join("blobs/root"));
        let found = disk(&dir);
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!((found.database_bytes, found.blobs_bytes, found.index_bytes), (10, 1_000, 0));
        assert!(found.free_bytes > 0);
    }
}
