//! What the tests at the crate's public door share.

use std::fs;
use std::path::{Path, PathBuf};

use ledger::{Appended, Ed25519Signer, FileMemory, Ledger, Options, Waiting};

pub const ORIGIN: &str = "ledger.example/test";

/// A log and its memory, in memory where the machine has such a place.
pub struct Place {
    _temporary: tempfile::TempDir,
    pub dir: PathBuf,
    pub memory: PathBuf,
}

impl Place {
    pub fn new() -> Self {
        let shared = Some(Path::new("/dev/shm")).filter(|dir| dir.is_dir());
        let temporary = tempfile::tempdir_in(shared.unwrap_or(&std::env::temp_dir())).unwrap();
        let (dir, memory) = (temporary.path().join("log"), temporary.path().join("highest"));
        Self { _temporary: temporary, dir, memory }
    }

    pub fn open(&self) -> Ledger {
        let signer = Box::new(Ed25519Signer::from_secret(&[7; 32]));
        let memory = Box::new(FileMemory::open(&self.memory).unwrap());
        let options = Options { publish_ms: 3_600_000, ..Options::default() };
        Ledger::open(&self.dir, ORIGIN, signer, memory, options).unwrap()
    }

    /// A published log with the entries `from..to`.
    pub fn grow(&self, ledger: &Ledger, to: u64) {
        let mut waiting = Vec::new();
        for index in ledger.size()..to {
            waiting.push(ledger.append(entry(index)).unwrap());
            if waiting.len() == 512 {
                wait(waiting.drain(..));
            }
        }
        wait(waiting.drain(..));
        assert_eq!(ledger.publish().wait().unwrap().size(), to);
    }

    /// Every file that the log shows to others.
    #[allow(dead_code, reason = "the witness's tests look at none")]
    pub fn files(&self) -> Vec<PathBuf> {
        let mut found = vec![self.dir.join("checkpoint")];
        let mut folders = vec![self.dir.join("tile")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { found.push(path) }
            }
        }
        found.sort();
        found
    }
}

fn wait(waiting: impl Iterator<Item = Waiting<Appended>>) {
    for waiting in waiting {
        waiting.wait().unwrap();
    }
}

pub fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}
