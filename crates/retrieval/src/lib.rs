//! Finds the passages that answer a question: by words, by meaning, fused.
//!
//! What must stay true: a search cannot be asked without a permit, and the filter is inside the search: what the
//! permit and the query's filter leave is compiled to a set of passages before anything is counted, so a record that
//! may not be seen changes no ranking and no score. The word index is derived and can be deleted at any time; the
//! ranking afterwards is the same. Vectors cost hours and are kept in the store.

mod background;
mod catalogue;
mod follow;
mod fuse;
mod metrics;
mod passages;
mod query;
mod search;
mod terms;
mod vectors;
mod words;

pub use query::{Elapsed, Filter, Found, Hit, Mode, Query, SearchError, Status, WithoutMeaning};
pub use search::{Config, Search};
pub use terms::sentences;
pub use vectors::SCHEMA;
