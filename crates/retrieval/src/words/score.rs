//! Scores passages by the words that they share with a question: BM25 (Robertson and Zaragoza 2009), a word at a time.
//!
//! All statistics are counted over the passages that the search may see and nothing else, so what somebody may not
//! see, and what was removed, changes no score; nor does the way the index happens to lie in segments. Real questions have
//! forty to seventy words; adding each word's postings into one dense array is then ten times faster than pruning.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, PoisonError};

use tantivy::Term;
use tantivy::postings::TermInfo;
use tantivy::schema::IndexRecordOption;

use super::analyzer;
use super::index::{IndexError, Segment, View};
use crate::passages::PassageSet;

/// Different words of a question that are looked for; the rest of a longer question is left out.
const WORDS_MAX: usize = 512;
/// How soon a repeated word stops to count more. Tuned on half of the court issues; flat between 1.2 and 2.
const K1: f32 = 1.5;
/// How much a long passage is held against it. Tuned likewise; flat between 0.7 and 0.9.
const B: f32 = 0.75;

/// Passages of one document that speak for it, and how many passages are asked for them.
const SPEAKERS_MAX: usize = 10;
const SPEAKERS_AMONG: usize = 1_000;
/// What a document's own evidence adds to its passages. On court issues 1.7 points of nDCG; flat between 0.3 and 0.5.
const DOCUMENT_WEIGHT: f32 = 0.4;

/// A score for each passage, by passage number; 0 where no word is shared or the passage may not be seen.
pub(crate) struct WordScores {
    scores: Vec<f32>,
}

/// What BM25 adds under its fraction for each passage, where only some passages may be seen.
pub(crate) struct Norms {
    permitted: PassageSet,
    /// By passage number, infinite where the passage may not be seen.
    under: Vec<f32>,
    /// Passages that may be seen.
    count: u64,
    /// Whether that is every passage of the index.
    all: bool,
}

/// Scores the permitted passages for a question.
pub(crate) fn score(view: &View, question: &str, permitted: &PassageSet) -> Result<WordScores, IndexError> {
    let mut scores = vec![0.0_f32; view.next() as usize];
    let norms = norms(view, permitted);
    if norms.count == 0 {
        return Ok(WordScores { scores });
    }
    let weight = |found: u64| {
        let (count, found) = (norms.count as f64, found as f64);
        (1.0 + (count - found + 0.5) / (found + 0.5)).ln() as f32 * (K1 + 1.0)
    };
    let mut hits: Vec<(u32, f32)> = Vec::new();
    for word in question_words(question) {
        let postings = postings(view, &word)?;
        if norms.all {
            let weight = weight(postings.iter().map(|(_, info)| u64::from(info.doc_freq)).sum());
            each(&postings, &norms, |passage, share| scores[passage as usize] += weight * share)?;
        } else {
            // How many of them may be seen is known only when all are read.
            hits.clear();
            each(&postings, &norms, |passage, share| hits.push((passage, share)))?;
            let weight = weight(hits.iter().filter(|(_, share)| *share > 0.0).count() as u64);
            for &(passage, share) in &hits {
                scores[passage as usize] += weight * share;
            }
        }
    }
    Ok(WordScores { scores })
}

/// The norms for these passages; those of the last search are kept, since most people may see what others may.
fn norms(view: &View, permitted: &PassageSet) -> Arc<Norms> {
    let last = || view.norms.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(norms) = &*last()
        && norms.permitted == *permitted
    {
        return norms.clone();
    }
    let norms = Arc::new(Norms::of(view, permitted));
    *last() = Some(norms.clone());
    norms
}

impl Norms {
    fn of(view: &View, permitted: &PassageSet) -> Self {
        let lengths = || {
            let columns = view.segments.iter().map(|segment| &*segment.columns);
            columns.flat_map(|columns| columns.passages.iter().copied().zip(columns.lengths.iter().copied()))
        };
        let seen = || lengths().filter(|(passage, _)| permitted.contains(*passage));
        let count = seen().count() as u64;
        let total: u64 = seen().map(|(_, length)| u64::from(length)).sum();
        let average = (total as f64 / count.max(1) as f64).max(1.0) as f32;
        let mut under = vec![f32::INFINITY; view.next() as usize];
        for (passage, length) in seen() {
            under[passage as usize] = K1 * (1.0 - B + B * length as f32 / average);
        }
        Self { permitted: permitted.clone(), under, count, all: count == lengths().count() as u64 }
    }
}

/// Where the passages that have `word` are listed.
fn postings<'a>(view: &'a View, word: &str) -> Result<Vec<(&'a Segment, TermInfo)>, IndexError> {
    let Some(field) = view.text else { return Ok(Vec::new()) };
    let term = Term::from_field_text(field, word);
    let mut found = Vec::with_capacity(view.segments.len());
    for segment in &view.segments {
        if let Some(info) = segment.postings.get_term_info(&term)? {
            found.push((segment, info));
        }
    }
    Ok(found)
}

/// Gives each passage with BM25's fraction, which is 0 for those that may not be seen.
fn each(postings: &[(&Segment, TermInfo)], norms: &Norms, mut take: impl FnMut(u32, f32)) -> Result<(), IndexError> {
    for (segment, info) in postings {
        let mut blocks = segment.postings.read_block_postings_from_terminfo(info, IndexRecordOption::WithFreqs)?;
        let passages = &segment.columns.passages;
        while !blocks.docs().is_empty() {
            for (&document, &times) in blocks.docs().iter().zip(blocks.freqs()) {
                let (passage, times) = (passages[document as usize], times as f32);
                take(passage, times / (times + norms.under[passage as usize]));
            }
            blocks.advance();
        }
    }
    Ok(())
}

/// A question's words, each once, in its order.
fn question_words(question: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut words = Vec::new();
    analyzer::words(question, &mut |word| {
        if words.len() < WORDS_MAX && seen.insert(word.to_owned()) {
            words.push(word.to_owned());
        }
    });
    words
}

impl WordScores {
    /// The score of one passage.
    pub fn of(&self, passage: u32) -> f32 {
        self.scores.get(passage as usize).copied().unwrap_or(0.0)
    }

    /// Adds what a document's best passages say for the others: where much of a document is about the question, a
    /// passage of it is likelier meant. The mean is over as many passages as the document has, up to
    /// [`SPEAKERS_MAX`], so that a short document is not held back by being short.
    ///
    /// `document_of` gives the passages of the document that a passage belongs to.
    pub fn add_documents(&mut self, document_of: impl Fn(u32) -> Option<Range<u32>>) {
        let mut documents: BTreeMap<u32, (Range<u32>, f32, usize)> = BTreeMap::new();
        for (passage, score) in self.best(SPEAKERS_AMONG) {
            let Some(passages) = document_of(passage) else { continue };
            let (_, sum, count) = documents.entry(passages.start).or_insert((passages, 0.0, 0));
            if *count < SPEAKERS_MAX {
                *sum += score;
                *count += 1;
            }
        }
        for (passages, sum, _) in documents.into_values() {
            let mean = sum / passages.len().clamp(1, SPEAKERS_MAX) as f32;
            let end = (passages.end as usize).min(self.scores.len());
            for score in self.scores.get_mut(passages.start as usize..end).into_iter().flatten() {
                if *score > 0.0 {
                    *score += DOCUMENT_WEIGHT * mean;
                }
            }
        }
    }

    /// The best passages, best first, equal ones by number.
    pub fn best(&self, top: usize) -> Vec<(u32, f32)> {
        let mut threshold = 0.0;
        let mut best: Vec<(u32, f32)> = Vec::with_capacity(4 * top);
        for (passage, &score) in self.scores.iter().enumerate() {
            if score > threshold {
                best.push((passage as u32, score));
                // Later passages lose ties, so what is not better than the last that is kept can go.
                if best.len() == 4 * top {
                    shorten(&mut best, top);
                    threshold = best[top - 1].1;
                }
            }
        }
        shorten(&mut best, top);
        best
    }
}

/// Keeps the `top` best, in order: higher scores first, equal ones by number.
pub(crate) fn shorten(best: &mut Vec<(u32, f32)>, top: usize) {
    let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if best.len() > top {
        best.select_nth_unstable_by(top - 1, order);
        best.truncate(top);
    }
    best.sort_unstable_by(order);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{Entry, Words};

    const TEXTS: [&str; 6] = [
        "개인정보처리자는 개인정보를 수집할 수 있다.",
        "개인정보의 수집 목적을 알려야 한다.",
        "정수장의 펌프는 매월 점검한다.",
        "펌프 P-101의 압력은 3.5 이하로 한다.",
        "개인정보처리자는 개인정보를 수집할 수 있다.",
        "제15조제1항에 따라 신고한다.",
    ];

    fn entry(passage: u32) -> Entry {
        let text = TEXTS[(passage as usize - 1) % TEXTS.len()];
        Entry { passage, revision: 1, headings: "규정".into(), text: text.into(), hash: [passage as u8; 16] }
    }

    fn set(passages: impl IntoIterator<Item = u32>) -> PassageSet {
        let mut set = PassageSet::default();
        passages.into_iter().for_each(|passage| set.insert(passage));
        set
    }

    fn index(dir: &std::path::Path, commits: impl IntoIterator<Item = Range<u32>>) -> Words {
        let words = Words::open(dir, None, 1_000, 2, 64 << 20).unwrap();
        for range in commits {
            words.add(range.clone().map(entry).collect()).unwrap();
            words.commit(range.end).unwrap();
        }
        words
    }

    fn ask(words: &Words, question: &str, permitted: &PassageSet) -> Vec<(u32, f32)> {
        score(&words.view(), question, permitted).unwrap().best(100)
    }

    #[test]
    fn equal_passages_come_in_the_order_of_their_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let words = index(dir.path(), Some(1..7));
        let found = ask(&words, "개인정보 수집", &set(1..7));
        assert_eq!(found.iter().map(|hit| hit.0).collect::<Vec<_>>(), [1, 5, 2]);
        assert_eq!(found[0].1, found[1].1);
        assert_eq!(ask(&words, "제 15 조 1항", &set(1..7))[0].0, 6);
        assert_eq!(ask(&words, "p101", &set(1..7))[0].0, 4);
    }

    #[test]
    fn what_may_not_be_seen_changes_no_score() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let small = index(one.path(), Some(1..7));
        let large = index(other.path(), [1..7, 7..500]);
        for question in ["개인정보 수집", "펌프의 압력", "규정", "제15조"] {
            let alone = ask(&small, question, &set(1..7));
            assert!(!alone.is_empty());
            assert_eq!(alone, ask(&large, question, &set(1..7)), "{question}");
        }
        assert_eq!(ask(&large, "펌프", &set([])), []);
    }

    #[test]
    fn a_document_that_speaks_of_the_question_lifts_its_passages_and_a_short_one_is_not_held_back() {
        let dir = tempfile::tempdir().unwrap();
        let words = index(dir.path(), Some(1..7));
        let mut scores = score(&words.view(), "개인정보 수집", &set(1..7)).unwrap();
        let before: Vec<f32> = (0..7).map(|passage| scores.of(passage)).collect();
        scores.add_documents(|passage| Some(if passage < 5 { 1..5 } else { passage..passage + 1 }));
        let lifted = |passage: usize| scores.of(passage as u32) - before[passage];
        assert!(lifted(1) > 0.0 && (lifted(1) - lifted(2)).abs() < 1e-5, "both stand in the same document");
        assert_eq!(lifted(3), 0.0, "what shares no word is not lifted");
        assert!((lifted(5) - DOCUMENT_WEIGHT * before[5]).abs() < 1e-5, "alone in its document, its own mean");
    }

    #[test]
    fn scores_do_not_depend_on_how_the_index_lies_in_segments() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let whole = index(one.path(), Some(1..200));
        let pieces = (0..199).step_by(7).map(|n| n + 1..(n + 8).min(200));
        let crumbs = index(other.path(), pieces);
        for question in ["개인정보 수집", "펌프의 압력 3.5", "제15조제1항 신고"] {
            let expected = ask(&whole, question, &set(1..200));
            assert_eq!(expected, ask(&crumbs, question, &set(1..200)));
            let best = score(&whole.view(), question, &set(1..200)).unwrap().best(7);
            assert_eq!(best, expected[..7]);
        }
    }

    #[test]
    fn an_interrupted_index_goes_on_behind_its_last_commit() {
        let dir = tempfile::tempdir().unwrap();
        let words = index(dir.path(), Some(1..4));
        words.add((4..7).map(entry).collect()).unwrap();
        drop(words);
        let words = Words::open(dir.path(), None, 1_000, 2, 64 << 20).unwrap();
        assert_eq!(words.next(), 4);
        words.add((4..7).map(entry).collect()).unwrap();
        words.commit(7).unwrap();
        assert_eq!(ask(&words, "개인정보 수집", &set(1..7)).len(), 3);
    }

    #[test]
    fn an_index_that_cannot_be_right_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        drop(index(dir.path(), Some(1..7)));
        assert_eq!(Words::open(dir.path(), None, 3, 2, 64 << 20).unwrap().next(), 1, "ahead of the log");

        drop(index(dir.path(), Some(1..7)));
        let postings = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let postings = postings.filter(|path| path.extension().is_some_and(|kind| kind == "idx"));
        for path in postings {
            let mut bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 4;
            bytes[middle] ^= 0xff;
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, bytes).unwrap();
        }
        assert_eq!(Words::open(dir.path(), None, 1_000, 2, 64 << 20).unwrap().next(), 1, "a damaged file");

        drop(index(dir.path(), Some(1..7)));
        std::fs::write(dir.path().join("meta.json"), b"{").unwrap();
        assert_eq!(Words::open(dir.path(), None, 1_000, 2, 64 << 20).unwrap().next(), 1, "damaged metadata");
    }

    #[test]
    fn a_forgotten_revision_leaves_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let words = Words::open(dir.path(), None, 1_000, 1, 64 << 20).unwrap();
        let secret = Entry { revision: 2, text: "geheimnis".into(), ..entry(2) };
        words.add(vec![entry(1), secret, entry(3)]).unwrap();
        words.commit(4).unwrap();
        let holds = || {
            let view = words.view();
            let term = Term::from_field_text(view.text.unwrap(), "geheimnis");
            view.segments.iter().any(|segment| segment.postings.get_term_info(&term).unwrap().is_some())
        };
        let postings = || {
            let files = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
            files.filter(|path| path.extension().is_some_and(|kind| kind == "term")).collect::<Vec<_>>()
        };
        let before = postings();
        assert!(holds());
        words.forget(&[2]).unwrap();
        assert!(!holds(), "the word is not in the dictionary");
        assert!(before.iter().all(|path| !path.exists()), "nor on the disk");
        assert!(!postings().is_empty());
        assert_eq!(ask(&words, "규정", &set(1..4)).len(), 2);
    }

    #[test]
    fn a_hostile_question_is_answered_in_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let words = index(dir.path(), Some(1..7));
        for question in ["", " ", "!?…—", "\0\0", "\u{202e}\u{202c}", "مرحبا", "👩‍👩‍👧‍👦"] {
            assert_eq!(ask(&words, question, &set(1..7)), [], "{question:?}");
        }
        let long: String = ('가'..'힣').collect();
        assert_eq!(question_words(&long).len(), WORDS_MAX);
        ask(&words, &"개".repeat(1 << 20), &set(1..7));
    }
}
