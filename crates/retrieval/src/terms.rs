//! What whoever answers from hits asks of the corpora, without an arrow to them: terms by name, sentences.

use std::ops::Range;

use base::TenantId;
use guard::CorpusTerms;

use crate::{Search, SearchError};

impl Search {
    /// What governs a tenant's corpora of these names, in the order of the names; none for a name that the tenant
    /// has no corpus of. Knowing the terms is not yet the right to search: the guard decides on them.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn corpus_terms(
        &self,
        tenant: TenantId,
        names: &[String],
    ) -> Result<Vec<Option<CorpusTerms>>, SearchError> {
        let corpora = &self.shared.corpora;
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            found.push(corpora.find(tenant, name).await?.map(|corpus| corpora.terms(&corpus)));
        }
        Ok(found)
    }
}

/// The sentences of a passage's text, in order, without the white space between them.
pub fn sentences(text: &str) -> Vec<Range<usize>> {
    corpus::sentence::spans(text)
}
