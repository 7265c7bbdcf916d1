//! The built-in rule: a tenant's records for that tenant's readers, up to their clearance, for the purposes that the
//! label names, on engines inside the label's border. No policy opens what it closes.

use super::question::{Act, CorpusFacts, Kind, Question, Who};
use crate::{EngineTerms, Refusal};

/// Decides what the built-in rule says to a question.
///
/// # Errors
/// The first [`Refusal`].
pub(crate) fn decide(question: &Question) -> Result<(), Refusal> {
    match &question.act {
        Act::Search(corpus) => search(question, corpus),
        Act::Send(to) | Act::UseTool(to) => send(question, to),
        Act::Export(to) => read(question).and_then(|()| send(question, to)),
        Act::Declassify(step) => {
            read(question)?;
            step.holds(question.text.class)
        }
    }
}

/// Whether `who` is among a corpus's readers.
pub(crate) fn reads(who: &Who, corpus: &CorpusFacts) -> bool {
    is_own(who, corpus)
        && (who.kind == Kind::Operator || corpus.readers.is_empty() || !corpus.readers.is_disjoint(&who.groups))
}

fn is_own(who: &Who, corpus: &CorpusFacts) -> bool {
    corpus.tenant.is_none() || corpus.tenant == who.tenant
}

fn search(question: &Question, corpus: &CorpusFacts) -> Result<(), Refusal> {
    let who = &question.who;
    if !reads(who, corpus) {
        let administers = who.kind == Kind::Operator || who.administrator;
        return Err(if administers && is_own(who, corpus) { Refusal::Readers } else { Refusal::NotVisible });
    }
    read(question)?;
    for_purpose(question)
}

fn read(question: &Question) -> Result<(), Refusal> {
    let class = question.class();
    if class > question.who.read_class_max { Err(Refusal::Clearance { class }) } else { Ok(()) }
}

fn for_purpose(question: &Question) -> Result<(), Refusal> {
    if question.text.purposes.contains(&question.purpose) {
        Ok(())
    } else {
        Err(Refusal::Purpose { purpose: question.purpose.clone() })
    }
}

fn send(question: &Question, to: &EngineTerms) -> Result<(), Refusal> {
    for_purpose(question)?;
    if !question.text.residency.allows(to.country) {
        return Err(Refusal::Border { country: to.country });
    }
    let class = question.class();
    if class > to.class_max {
        return Err(Refusal::EngineClass { engine: to.name.clone(), class });
    }
    Ok(())
}
