//! What whoever answers from hits asks of the corpora, without an arrow to them: terms, what still stands, sentences.

use std::collections::BTreeSet;
use std::ops::Range;

use base::{CorpusId, DocumentId, TenantId};
use guard::{CorpusTerms, SearchPermit};

use crate::{Search, SearchError, follow};

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

    /// What governs these corpora, in the same order; none for one that was removed.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn terms_of(&self, corpora: &[CorpusId]) -> Result<Vec<Option<CorpusTerms>>, SearchError> {
        let mut found = Vec::with_capacity(corpora.len());
        for corpus in corpora {
            found.push(self.shared.corpora.get(*corpus).await?.map(|corpus| self.shared.corpora.terms(&corpus)));
        }
        Ok(found)
    }

    /// Those of these documents that could be found with this permit now: not removed, and not closed to its holder.
    ///
    /// # Errors
    /// When the newest changes cannot be read; then nobody can say what still stands.
    pub async fn standing(
        &self,
        permit: &SearchPermit,
        documents: &BTreeSet<DocumentId>,
    ) -> Result<BTreeSet<DocumentId>, SearchError> {
        follow::reach_head(&self.shared, Some(self.shared.config.wait_max)).await?;
        Ok(self.catalogue(|catalogue| catalogue.standing(permit, documents)))
    }
}

/// The sentences of a passage's text, in order, without the white space between them.
pub fn sentences(text: &str) -> Vec<Range<usize>> {
    corpus::sentence::spans(text)
}
