//! What stands in the corpora now: who may find which passages.
//!
//! Kept in memory and brought up to the passage log before each search, so that what was removed is gone at once,
//! however far the indexes are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base::{Class, CorpusId, DocumentId};
use corpus::RevisionRow;
use guard::{DocumentTerms, SearchPermit};

use crate::Filter;
use crate::passages::PassageSet;

/// The live revisions, by corpus and by passage.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    change: u64,
    end: u32,
    live: BTreeMap<u32, (RevisionRow, DocumentTerms)>,
    starts: HashMap<i64, u32>,
    corpora: BTreeMap<CorpusId, BTreeSet<u32>>,
    passages: PassageSet,
    forgotten: Vec<RevisionRow>,
}

impl Catalogue {
    /// The newest change that is taken in.
    pub fn change(&self) -> u64 {
        self.change
    }

    /// The number after the last passage that there was.
    pub fn end(&self) -> u32 {
        self.end
    }

    /// Takes in a row of the passage log.
    pub fn take_in(&mut self, row: RevisionRow) {
        self.change = self.change.max(row.change);
        self.end = self.end.max(row.passages.end);
        if let Some((old, _)) = self.starts.remove(&row.revision).and_then(|start| self.live.remove(&start)) {
            self.passages.remove_range(old.passages.clone());
            if let Some(corpus) = self.corpora.get_mut(&old.corpus) {
                corpus.remove(&old.passages.start);
            }
        }
        if row.forgotten {
            self.forgotten.push(row);
            return;
        }
        if row.removed_version.is_some() || row.passages.is_empty() {
            return;
        }
        let start = row.passages.start;
        self.starts.insert(row.revision, start);
        self.corpora.entry(row.corpus).or_default().insert(start);
        self.passages.insert_range(row.passages.clone());
        let terms = row.terms();
        self.live.insert(start, (row, terms));
    }

    /// The revisions that were forgotten since this was asked last.
    pub fn take_forgotten(&mut self) -> Vec<RevisionRow> {
        std::mem::take(&mut self.forgotten)
    }

    /// The live revision that a passage belongs to.
    pub fn revision_of(&self, passage: u32) -> Option<&RevisionRow> {
        let (_, (row, _)) = self.live.range(..=passage).next_back()?;
        row.passages.contains(&passage).then_some(row)
    }

    /// All passages of live documents.
    pub fn passages(&self) -> &PassageSet {
        &self.passages
    }

    /// The passages that permit and filter leave.
    pub fn permitted(&self, permit: &SearchPermit, filter: &Filter) -> PassageSet {
        let mut set = PassageSet::default();
        for corpus in permit.corpora() {
            if filter.corpora.as_ref().is_some_and(|wanted| !wanted.contains(corpus)) {
                continue;
            }
            for start in self.corpora.get(corpus).into_iter().flatten() {
                let Some((row, terms)) = self.live.get(start) else { continue };
                if passes(filter, row) && permit.allows(terms) {
                    set.insert_range(row.passages.clone());
                }
            }
        }
        set
    }

    /// Those of these documents that the permit leaves.
    pub fn standing(&self, permit: &SearchPermit, documents: &BTreeSet<DocumentId>) -> BTreeSet<DocumentId> {
        let starts = permit.corpora().iter().filter_map(|corpus| self.corpora.get(corpus)).flatten();
        starts
            .filter_map(|start| self.live.get(start))
            .filter(|(row, terms)| documents.contains(&row.document) && permit.allows(terms))
            .map(|(row, _)| row.document)
            .collect()
    }
}

fn passes(filter: &Filter, row: &RevisionRow) -> bool {
    let class_max = filter.class_max.unwrap_or(Class::Classified);
    row.class <= class_max
        && filter.path_prefix.as_ref().is_none_or(|prefix| row.path.starts_with(prefix))
        && filter.dated_from.is_none_or(|from| row.dated.is_some_and(|dated| dated >= from))
        && filter.dated_to.is_none_or(|to| row.dated.is_some_and(|dated| dated <= to))
}
