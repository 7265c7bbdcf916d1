//! Puts the ranking by words and the ranking by meaning together.
//!
//! Each side's scores are measured in standard deviations from the mean of its own best [`CANDIDATES_MAX`], and the two are
//! added with fixed weights. Against reciprocal ranks that was 1.5 points of nDCG better on court issues (bench/search),
//! because a passage that stands out by far keeps that distance.
//!
//! Passages that share no word with the question score nothing by words; where fewer than [`CANDIDATES_MAX`] share one, those
//! zeros count in the mean, so that the only passage with a rare word stands out as it should.
//!
//! A passage whose vector is not made yet is taken to be as near as the other candidates by words are on average, so that
//! it is neither punished nor preferred for that: its words decide.

use std::collections::BTreeMap;

/// Passages of each ranking that are looked at, at least.
pub(crate) const CANDIDATES_MAX: usize = 200;
/// What meaning weighs; words weigh the rest. Flat between 0.3 and 0.5.
const MEANING_WEIGHT: f32 = 0.4;

/// A passage in a ranking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ranked {
    pub passage: u32,
    pub score: f32,
    pub words_rank: Option<u32>,
    pub words_score: Option<f32>,
    pub meaning_rank: Option<u32>,
    pub meaning_score: Option<f32>,
}

/// The scale of one ranking: how far a score stands out of its best.
struct Scale {
    mean: f32,
    deviation: f32,
}

impl Scale {
    /// The scale of the best, with `zeros` more that score nothing.
    fn of(best: &[(u32, f32)], zeros: usize) -> Self {
        let best = &best[..best.len().min(CANDIDATES_MAX)];
        let zeros = zeros.min(CANDIDATES_MAX - best.len());
        let count = (best.len() + zeros).max(1) as f64;
        let mean = best.iter().map(|(_, score)| f64::from(*score)).sum::<f64>() / count;
        let around = best.iter().map(|(_, score)| (f64::from(*score) - mean).powi(2)).sum::<f64>();
        let variance = (around + zeros as f64 * mean.powi(2)) / count;
        Self { mean: mean as f32, deviation: variance.sqrt() as f32 }
    }

    fn place(&self, score: f32) -> f32 {
        // All equal: none stands out.
        if self.deviation > 1e-6 { (score - self.mean) / self.deviation } else { 0.0 }
    }
}

/// A single ranking as it is.
pub(crate) fn alone(best: &[(u32, f32)], by_words: bool) -> Vec<Ranked> {
    let place = |(&(passage, score), rank): (&(u32, f32), u32)| Ranked {
        passage,
        score,
        words_rank: by_words.then_some(rank),
        words_score: by_words.then_some(score),
        meaning_rank: (!by_words).then_some(rank),
        meaning_score: (!by_words).then_some(score),
    };
    best.iter().zip(1..).map(place).collect()
}

/// Both rankings of `searched` passages as one. `words` and `nearness` give the scores of passages that are in one ranking only.
pub(crate) fn fused(
    searched: usize,
    best: &[(u32, f32)],
    nearest: &[(u32, f32)],
    words: impl Fn(u32) -> f32,
    nearness: impl Fn(u32) -> Option<f32>,
) -> Vec<Ranked> {
    let mut candidates: BTreeMap<u32, Ranked> = BTreeMap::new();
    let new = |passage| Ranked {
        passage,
        score: 0.0,
        words_rank: None,
        words_score: None,
        meaning_rank: None,
        meaning_score: None,
    };
    for (&(passage, _), rank) in best.iter().zip(1..) {
        candidates.entry(passage).or_insert_with(|| new(passage)).words_rank = Some(rank);
    }
    for (&(passage, _), rank) in nearest.iter().zip(1..) {
        candidates.entry(passage).or_insert_with(|| new(passage)).meaning_rank = Some(rank);
    }
    let (by_words, by_meaning) = (Scale::of(best, searched.saturating_sub(best.len())), Scale::of(nearest, 0));
    let known: Vec<f32> = best
        .iter()
        .take(CANDIDATES_MAX)
        .filter_map(|(passage, _)| nearness(*passage))
        .map(|nearness| by_meaning.place(nearness))
        .collect();
    let usual = if known.is_empty() { 0.0 } else { known.iter().sum::<f32>() / known.len() as f32 };
    let mut ranked: Vec<Ranked> = candidates.into_values().collect();
    for one in &mut ranked {
        let (words, nearness) = (words(one.passage), nearness(one.passage));
        let meaning = nearness.map_or(usual, |nearness| by_meaning.place(nearness));
        one.score = (1.0 - MEANING_WEIGHT) * by_words.place(words) + MEANING_WEIGHT * meaning;
        (one.words_score, one.meaning_score) = (Some(words), nearness);
    }
    ranked.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.passage.cmp(&b.passage)));
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fuse(words: &[(u32, f32)], nearest: &[(u32, f32)]) -> Vec<u32> {
        let of = |list: &[(u32, f32)], passage| list.iter().find(|one| one.0 == passage).map(|one| one.1);
        let ranked =
            fused(10, words, nearest, |passage| of(words, passage).unwrap_or(0.0), |passage| of(nearest, passage));
        ranked.into_iter().map(|one| one.passage).collect()
    }

    #[test]
    fn both_sides_count_and_ties_go_by_number() {
        assert_eq!(fuse(&[(1, 9.0), (2, 8.9), (3, 1.0)], &[(2, 0.9), (1, 0.8), (3, 0.1)])[0], 2);
        assert_eq!(fuse(&[(5, 1.0), (7, 1.0)], &[(7, 0.5), (5, 0.5)]), [5, 7]);
        assert_eq!(fuse(&[], &[(3, 0.5), (4, 0.4)]), [3, 4]);
        assert!(fuse(&[], &[]).is_empty());
    }

    #[test]
    fn a_passage_without_a_vector_is_neither_punished_nor_preferred() {
        let words = [(1, 9.0), (2, 6.0), (3, 3.0), (4, 3.0)];
        let order = fuse(&words, &[(2, 0.85), (3, 0.84), (4, 0.83)]);
        assert_eq!(order[0], 1, "the best by words stays first");
        let order = fuse(&words, &[(1, 0.70), (2, 0.90), (3, 0.71), (4, 0.70)]);
        assert_eq!(order[0], 2, "a vector that is there counts");
        assert_eq!(fuse(&[(1, 5.0)], &[(2, 0.9), (3, 0.8)])[0], 1, "the only one with the word");
    }
}
