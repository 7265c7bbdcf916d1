//! What the records say to a question: found with a permit, weighed, and labelled.

use std::sync::Arc;

use base::{Label, Principal, Residency};
use engine::{EmbedKind, EmbedRequest, Priority};
use guard::policy::Obligations;
use guard::{CorpusTerms, Flow};
use retrieval::{Hit, Query};

use crate::answer::{Question, Weighed, nearness};
use crate::{ChatError, Serving};

/// What was found for a question, and the label of all of it.
pub(crate) struct Evidence {
    pub weighed: Weighed,
    pub terms: Vec<CorpusTerms>,
    /// What the policies ask for where it is searched.
    pub obligations: Obligations,
}

impl Serving {
    /// Finds and weighs what the records say to a question.
    pub(crate) async fn evidence(
        &self,
        flow: Option<&Flow>,
        principal: &Principal,
        corpora: &[String],
        question: &str,
        route: &str,
    ) -> Result<Evidence, ChatError> {
        let terms = self.corpora(principal, corpora).await?;
        let guard = &self.parts.guard;
        let permit = match flow {
            Some(flow) => flow.may_search(guard, principal, &terms, &self.purpose, route)?,
            None => guard.may_search_over(principal, &terms, &self.purpose, route)?,
        };
        let query = Query { top: self.config.found_max, patience: self.config.patience, ..Query::new(question) };
        let found = self.parts.search.search(&permit, &query).await?;
        let text = question.to_owned();
        let (question, mut weighed) = tokio::task::spawn_blocking(move || {
            let question = Question::of(&text);
            let weighed = Weighed::of(found.hits, &question);
            (question, weighed)
        })
        .await
        .map_err(|_| ChatError::Search(retrieval::SearchError::Stopped))?;
        let label = self.label(principal, &terms, weighed.hits.iter());
        self.compare_meaning(principal, &mut weighed, &query.text, &label).await;
        weighed.rank(&question);
        Ok(Evidence { weighed, terms, obligations: permit.obligations().clone() })
    }

    /// Compares the meaning of the best sentences with the question's. Without an embedder, with one whose cosines
    /// nobody measured, or where it may not see them, the sentences are weighed by their words alone.
    async fn compare_meaning(&self, principal: &Principal, weighed: &mut Weighed, question: &str, label: &Label) {
        let Some(served) = self.parts.engines.embedder() else { return };
        let Some(unrelated) = served.engine.describe().unrelated_cosine else { return };
        let places = weighed.worth_embedding(self.config.embedded_max);
        if places.is_empty() {
            return;
        }
        let texts: Vec<String> = places.iter().map(|place| weighed.embedded_text(*place)).collect();
        let kept: Vec<_> = texts.iter().map(|text| self.vectors.get(principal.tenant, text)).collect();
        let missing: Vec<String> =
            texts.iter().zip(&kept).filter(|(_, kept)| kept.is_none()).map(|(text, _)| text.clone()).collect();
        let embed = async |texts: Vec<String>, kind| -> Result<Vec<Vec<f32>>, ChatError> {
            let permit = self.parts.guard.may_send(principal, label, &served.terms, &self.purpose)?;
            let texts = permit.clear(texts, label)?.release(&served.terms.name)?;
            let request = EmbedRequest { texts, kind, priority: Priority::Interactive };
            let embedded = served.engine.embed(request).await.map_err(ChatError::of_engine)?;
            Ok(embedded.into_iter().map(|one| one.vector).collect())
        };
        let asked = embed(vec![question.to_owned()], EmbedKind::Query).await;
        let said = if missing.is_empty() { Ok(Vec::new()) } else { embed(missing, EmbedKind::Passage).await };
        match (asked, said) {
            (Ok(asked), Ok(said)) => {
                let Some(asked) = asked.first() else { return };
                let mut said = said.into_iter();
                for ((place, text), kept) in places.into_iter().zip(&texts).zip(kept) {
                    let Some(vector) = kept.or_else(|| {
                        let vector: Arc<[f32]> = said.next()?.into();
                        self.vectors.keep(principal.tenant, text, vector.clone());
                        Some(vector)
                    }) else {
                        return;
                    };
                    let cosine = asked.iter().zip(vector.iter()).map(|(a, b)| a * b).sum();
                    weighed.sentences[place].nearness = Some(nearness(cosine, unrelated));
                }
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::debug!(%error, "sentences are weighed by their words alone");
            }
        }
    }

    /// The terms of corpora that the principal may know of.
    pub(crate) async fn corpora(&self, principal: &Principal, names: &[String]) -> Result<Vec<CorpusTerms>, ChatError> {
        let found = self.parts.search.corpus_terms(principal.tenant, names).await?;
        let mut terms = Vec::with_capacity(found.len());
        for (terms_of, name) in found.into_iter().zip(names) {
            match terms_of {
                Some(corpus) if self.parts.guard.may_see(principal, &corpus).is_ok() => terms.push(corpus),
                _ => return Err(ChatError::CorpusNotFound { corpus: name.clone() }),
            }
        }
        Ok(terms)
    }

    /// The label of what a principal sends.
    pub(crate) fn input_label(&self, principal: &Principal) -> Label {
        Label {
            class: principal.input_class,
            residency: Residency::Anywhere,
            purposes: [self.purpose.clone()].into(),
            licences: Default::default(),
        }
    }

    /// The label of what a principal sends together with what was found.
    pub(crate) fn label<'a>(
        &self,
        principal: &Principal,
        terms: &[CorpusTerms],
        hits: impl Iterator<Item = &'a Hit>,
    ) -> Label {
        let mut label = self.input_label(principal);
        for hit in hits {
            label.class = label.class.max(hit.class);
            match terms.iter().find(|corpus| corpus.corpus == hit.corpus) {
                Some(corpus) => label = label.join(&corpus.label),
                // A hit of no corpus that was asked for cannot be judged, so it may go nowhere.
                None => label.residency = Residency::Only(Default::default()),
            }
        }
        label
    }
}
