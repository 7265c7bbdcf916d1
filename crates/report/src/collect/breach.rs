//! What a key, a person, a document or an upstream touched: whom a breach concerns, in minutes instead of days.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::{DocumentId, Subject};
use guard::{Act, Entry, Filed, Receipt};

use super::{Collect, Desk, FLOW, clock, flow, reached};
use crate::cell::Cell;
use crate::sheet::{Rows, Sheet};
use crate::sum::{Seen, Sum, Tally};

pub(super) struct Breach {
    desk: Arc<Desk>,
    flows: Sum,
    left_house: u64,
    acts: u64,
    people: Tally<Subject, Touched>,
    documents: Tally<DocumentId, Touched>,
    engines: Tally<(String, String), Touched>,
    countries: BTreeSet<String>,
    flow_list: Rows,
    act_list: Rows,
    seen: Seen,
}

#[derive(Debug, Default)]
struct Touched {
    flows: u64,
    acts: u64,
    seen: Seen,
}

impl Touched {
    fn flow(&mut self, receipt: &Receipt) {
        self.flows += 1;
        self.seen.at(receipt.began);
    }

    fn act(&mut self, act: &Act) {
        self.acts += 1;
        self.seen.at(act.at);
    }

    fn row(&self, what: Cell) -> Vec<Cell> {
        let mut row = vec![what, Cell::Number(self.flows), Cell::Number(self.acts)];
        row.extend([Cell::time(self.seen.first), Cell::time(self.seen.last)]);
        row
    }
}

const ACT: [&str; 8] = ["leaf", "when", "who", "place", "target", "action", "status", "receipt"];

impl Breach {
    pub fn new(desk: Arc<Desk>) -> Self {
        Self {
            desk,
            flows: Sum::default(),
            left_house: 0,
            acts: 0,
            people: Tally::default(),
            documents: Tally::default(),
            engines: Tally::default(),
            countries: BTreeSet::new(),
            flow_list: Rows::default(),
            act_list: Rows::default(),
            seen: Seen::default(),
        }
    }

    fn flow(&mut self, leaf: u64, receipt: &Receipt) {
        self.flows.add(receipt);
        self.seen.at(receipt.began);
        self.people.of(&receipt.who).flow(receipt);
        for document in &receipt.documents {
            self.documents.of(document).flow(receipt);
        }
        self.left_house += u64::from(receipt.left_the_house());
        for (engine, _) in reached(receipt) {
            self.engines.of(&(engine.name.clone(), engine.country.to_string())).flow(receipt);
            self.countries.insert(engine.country.to_string());
        }
        let cited = (leaf, receipt.id);
        self.flow_list.cite(cited, || flow(&self.desk, cited, receipt));
    }

    fn act(&mut self, leaf: u64, act: &Act) {
        self.acts += 1;
        self.seen.at(act.at);
        self.people.of(&act.who).act(act);
        for document in act.on.iter().filter_map(|on| on.parse().ok()) {
            self.documents.of(&document).act(act);
        }
        self.act_list.cite((leaf, act.id), || {
            vec![
                Cell::Number(leaf),
                Cell::Time(act.at),
                self.desk.facts.who(act.who),
                Cell::text(act.from.clone()),
                Cell::List(act.on.clone()),
                Cell::Text(act.action.clone()),
                Cell::Number(act.status.into()),
                Cell::Text(act.id.to_string()),
            ]
        });
    }

    /// What the drafts are filled with.
    fn fill(&self, sheet: &mut Sheet<'_>, deadline: Option<jiff::Timestamp>) {
        let words = sheet.words;
        let time = |time: Option<jiff::Timestamp>| time.map(|time| words.time(time));
        let list = |items: Vec<String>| Some(items.join(", ")).filter(|text| !text.is_empty());
        let kinds = self.flows.masked.iter().map(|(kind, count)| format!("{} {count}", words.code(kind))).collect();
        let engines = self.engines.iter().map(|((name, country), _)| format!("{name} ({country})")).collect();
        let fills = [
            ("institution", Some(self.desk.facts.institution.clone())),
            ("known_at", time(self.desk.wish.known)),
            ("deadline", time(deadline)),
            ("first", time(self.seen.first)),
            ("last", time(self.seen.last)),
            ("flows", Some(self.flows.flows.to_string())),
            ("people", Some(self.people.len().to_string())),
            ("documents", Some(self.documents.len().to_string())),
            ("kinds", list(kinds)),
            ("engines", list(engines)),
            ("countries", list(self.countries.iter().cloned().collect())),
        ];
        sheet.fills.extend(fills.into_iter().filter_map(|(place, text)| Some((place, text?))));
    }
}

impl Collect for Breach {
    fn take(&mut self, filed: &Filed) {
        match &filed.entry {
            Entry::Receipt(receipt) if self.desk.wish.whom.is_of(receipt) => self.flow(filed.leaf, receipt),
            Entry::Act(act) if self.desk.wish.whom.is_act_of(act) => self.act(filed.leaf, act),
            _ => {}
        }
    }

    fn end(self: Box<Self>, sheet: &mut Sheet<'_>) {
        sheet.count("flows", self.flows.flows);
        sheet.count("acts", self.acts);
        sheet.count("people", self.people.len() as u64);
        sheet.count("documents", self.documents.len() as u64);
        sheet.count("left_house", self.left_house);
        sheet.figure("countries", Cell::List(self.countries.iter().cloned().collect()));
        sheet.count("tokens", self.flows.usage.total_tokens());
        sheet.figure("classes", self.flows.classes());
        sheet.figure("masked_kinds", self.flows.masked());
        sheet.figure("first", Cell::time(self.seen.first));
        sheet.figure("last", Cell::time(self.seen.last));
        if self.people.others().is_some() || self.documents.others().is_some() {
            sheet.figure("at_least", Cell::Yes(true));
        }
        let deadline = clock(&self.desk, sheet, self.desk.wish.known);
        self.fill(sheet, deadline);
        let rows = |touched: &mut dyn Iterator<Item = (Cell, &Touched)>| {
            let mut rows = Rows::default();
            for (what, touched) in touched {
                rows.push(|| touched.row(what));
            }
            rows
        };
        let facts = &self.desk.facts;
        let people = rows(&mut self.people.iter().map(|(who, touched)| (facts.who(*who), touched)));
        let documents = rows(&mut self.documents.iter().map(|(id, touched)| (Cell::Text(id.to_string()), touched)));
        let engine = |(name, country): &(String, String)| Cell::Text(format!("{name} ({country})"));
        let engines = rows(&mut self.engines.iter().map(|(key, touched)| (engine(key), touched)));
        sheet.table("people", &["who", "flows", "acts", "first", "last"], people);
        sheet.table("documents", &["document", "flows", "acts", "first", "last"], documents);
        sheet.table("engines", &["engine", "flows", "acts", "first", "last"], engines);
        sheet.table("flows", &FLOW, self.flow_list);
        sheet.table("acts", &ACT, self.act_list);
    }
}
