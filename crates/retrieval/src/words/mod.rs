//! Search by words: an analyzer, an index of postings, a score.

mod analyzer;
mod index;
mod score;
mod sealed;
mod tokenizer;

pub(crate) use index::{Entry, HASH_BYTES, IndexError, TextHash, View, Words};
pub(crate) use score::{WordScores, score, shorten};
