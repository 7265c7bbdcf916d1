//! Texts that were unpacked a moment ago, kept up to a bound.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use store::StoreError;

use crate::Heading;

/// Bytes of text that are kept.
const BYTES_MAX: usize = 64 << 20;
/// No text may unpack to more than this; extraction's own bound is lower.
const TEXT_MAX: usize = 1 << 30;
const LEVEL: i32 = 3;

/// The text of one revision and its headings.
#[derive(Debug)]
pub(crate) struct Content {
    pub text: Arc<str>,
    pub headings: Vec<Heading>,
    /// The path of the title alone, then the path of each heading, shared by the passages below it.
    paths: Vec<Arc<[String]>>,
}

impl Content {
    pub fn unpack(title: String, text: &[u8], outline: &[u8]) -> Result<Self, StoreError> {
        let text = String::from_utf8(unpack(text)?).map_err(|error| StoreError::Broken(error.to_string()))?;
        let headings: Vec<Heading> =
            serde_json::from_slice(&unpack(outline)?).map_err(|error| StoreError::Broken(error.to_string()))?;
        let paths = paths(&title, &headings);
        Ok(Self { text: text.into(), headings, paths })
    }

    /// The title and the headings down to the one given.
    pub fn path(&self, heading: Option<usize>) -> Arc<[String]> {
        let place = heading.map_or(0, |heading| heading + 1);
        self.paths.get(place).or(self.paths.first()).cloned().unwrap_or_default()
    }

    fn weight(&self) -> usize {
        self.text.len() + self.headings.len() * 128
    }
}

/// The path of the title alone, then the path of each heading.
pub(crate) fn paths(title: &str, headings: &[Heading]) -> Vec<Arc<[String]>> {
    let mut all: Vec<Arc<[String]>> = Vec::with_capacity(headings.len() + 1);
    all.push(Arc::from([title.to_owned()]));
    let mut open: Vec<&Heading> = Vec::new();
    for heading in headings {
        open.retain(|above| above.level < heading.level);
        open.push(heading);
        let titles = open.iter().map(|heading| heading.title.clone());
        let repeats = open.first().is_some_and(|first| first.title == title);
        let path = (!repeats).then(|| title.to_owned()).into_iter().chain(titles).collect();
        all.push(path);
    }
    all
}

pub(crate) fn pack(bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
    zstd::bulk::compress(bytes, LEVEL).map_err(|error| StoreError::Broken(error.to_string()))
}

fn unpack(bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
    let size = zstd::bulk::Decompressor::upper_bound(bytes).unwrap_or(0).min(TEXT_MAX);
    zstd::bulk::decompress(bytes, size).map_err(|error| StoreError::Broken(error.to_string()))
}

/// The contents used last, up to a number of bytes.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    contents: HashMap<i64, (u64, Arc<Content>)>,
    by_use: BTreeMap<u64, i64>,
    clock: u64,
    bytes: usize,
}

impl Cache {
    pub fn get(&self, revision: i64) -> Option<Arc<Content>> {
        let mut inner = self.inner();
        inner.clock += 1;
        let clock = inner.clock;
        let (used, content) = inner.contents.get_mut(&revision)?;
        let before = std::mem::replace(used, clock);
        let content = content.clone();
        inner.by_use.remove(&before);
        inner.by_use.insert(clock, revision);
        Some(content)
    }

    pub fn put(&self, revision: i64, content: Arc<Content>) {
        let mut inner = self.inner();
        if content.weight() > BYTES_MAX || inner.contents.contains_key(&revision) {
            return;
        }
        inner.clock += 1;
        let clock = inner.clock;
        inner.bytes += content.weight();
        inner.contents.insert(revision, (clock, content));
        inner.by_use.insert(clock, revision);
        while inner.bytes > BYTES_MAX {
            let Some((_, oldest)) = inner.by_use.pop_first() else { break };
            if let Some((_, content)) = inner.contents.remove(&oldest) {
                inner.bytes -= content.weight();
            }
        }
    }

    pub fn clear(&self) {
        *self.inner() = Inner::default();
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
