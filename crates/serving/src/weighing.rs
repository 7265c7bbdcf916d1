//! How what was found for a question was weighed, to look at.

use std::ops::Range;

use base::DocumentId;
use serde::Serialize;

use crate::answer::{Weighed, within};

/// Sentences that are shown.
const SENTENCES_MAX: usize = 40;

/// How what was found for a question was weighed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Weighing {
    /// The chance that the records answer, 0 to 1.
    pub chance: f32,
    /// What that was judged by, in the order of `docs/answers.md`.
    pub features: Vec<f32>,
    /// The best sentences.
    pub sentences: Vec<WeighedSentence>,
}

/// A sentence that was weighed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WeighedSentence {
    /// The document.
    pub document: DocumentId,
    /// The document's path inside its corpus.
    pub path: String,
    /// Where the sentence stands in the document's text, in bytes.
    pub span: Range<u64>,
    /// The sentence.
    pub text: String,
    /// How likely it is that it answers, 0 to 1.
    pub score: f32,
    /// What that was judged by, in the order of `docs/answers.md`.
    pub features: Vec<f32>,
}

impl Weighing {
    pub(crate) fn of(weighed: &Weighed) -> Self {
        let sentences = weighed.sentences.iter().take(SENTENCES_MAX).map(|sentence| {
            let hit = &weighed.hits[sentence.hit];
            WeighedSentence {
                document: hit.document,
                path: hit.path.clone(),
                span: within(hit, &sentence.span),
                text: hit.text.get(sentence.span.clone()).unwrap_or("").to_owned(),
                score: sentence.score,
                features: sentence.features.to_vec(),
            }
        });
        Self { chance: weighed.chance, features: weighed.features.to_vec(), sentences: sentences.collect() }
    }
}
