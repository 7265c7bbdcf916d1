//! What a model answered, and what can be said of how it came to that: the material from which a person explains.

use std::sync::Arc;

use guard::policy::Obligations;
use guard::{Entry, Filed, Receipt};

use super::{Collect, Desk, clock, how, is_generated};
use crate::cell::Cell;
use crate::sheet::{Rows, Sheet};

pub(super) struct AutomatedDecisions {
    desk: Arc<Desk>,
    flows: u64,
    generated: u64,
    with_records: u64,
    list: Rows,
}

const DECISION: [&str; 18] = [
    "when",
    "who",
    "asked",
    "engine",
    "country",
    "file",
    "class",
    "corpora",
    "documents",
    "policy",
    "decided_by",
    "obligations",
    "masked",
    "question",
    "answer",
    "how",
    "fully_automated",
    "receipt",
];

impl AutomatedDecisions {
    pub fn new(desk: Arc<Desk>) -> Self {
        Self { desk, flows: 0, generated: 0, with_records: 0, list: Rows::default() }
    }
}

/// What a permit asked for, a code each.
fn obligations(of: Option<&Obligations>) -> Cell {
    let Some(of) = of else { return Cell::None };
    let list = |set: &std::collections::BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(", ");
    let mut pairs = Vec::new();
    if !of.mask.is_empty() {
        pairs.push(("mask", list(&of.mask)));
    }
    if !of.approval.is_empty() {
        pairs.push(("approval", list(&of.approval)));
    }
    if !of.notices.is_empty() {
        pairs.push(("notice", String::new()));
    }
    if let Some(label) = of.label {
        pairs.push(("label", label.to_string()));
    }
    if let Some(years) = of.keep_years {
        pairs.push(("keep_years", years.to_string()));
    }
    Cell::Pairs(pairs)
}

fn row(desk: &Desk, receipt: &Receipt) -> Vec<Cell> {
    let engine = receipt.engine.as_ref();
    let ids = |ids: Vec<String>| if ids.is_empty() { Cell::None } else { Cell::List(ids) };
    let masked = receipt.masked.iter().map(|(kind, count)| (kind.clone(), u64::from(*count))).collect();
    vec![
        Cell::Time(receipt.began),
        desk.facts.who(receipt.who),
        Cell::Text(receipt.asked.clone()),
        Cell::text(engine.map(|engine| engine.name.clone())),
        Cell::text(engine.map(|engine| engine.country.as_str())),
        Cell::text(engine.and_then(|engine| engine.file).map(|file| file.to_string())),
        receipt.label.as_ref().map_or(Cell::None, |label| Cell::Word(label.class.as_str())),
        ids(receipt.corpora.iter().map(ToString::to_string).collect()),
        ids(receipt.documents.iter().map(ToString::to_string).collect()),
        Cell::text(receipt.policy.map(|policy| policy.to_string())),
        Cell::List(receipt.decided_by.clone()),
        obligations(receipt.obligations.as_ref()),
        Cell::Counts(masked),
        Cell::text(receipt.question.map(|hash| hash.to_string())),
        Cell::text(receipt.answer.map(|hash| hash.to_string())),
        how(&receipt.outcome),
        Cell::Blank,
        Cell::Text(receipt.id.to_string()),
    ]
}

impl Collect for AutomatedDecisions {
    fn take(&mut self, filed: &Filed) {
        let Entry::Receipt(receipt) = &filed.entry else { return };
        if !self.desk.wish.whom.is_of(receipt) {
            return;
        }
        self.flows += 1;
        if !is_generated(receipt) {
            return;
        }
        self.generated += 1;
        self.with_records += u64::from(!receipt.documents.is_empty());
        self.list.cite((filed.leaf, receipt.id), || row(&self.desk, receipt));
    }

    fn end(self: Box<Self>, sheet: &mut Sheet<'_>) {
        sheet.count("flows", self.flows);
        sheet.count("generated", self.generated);
        sheet.count("with_records", self.with_records);
        clock(&self.desk, sheet, self.desk.wish.requested);
        sheet.cards("decisions", &DECISION, self.list);
    }
}
