//! What left the house: to which upstream, in which country, on what terms, and who is entrusted with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::Country;
use guard::{Entry, Filed, Outcome, Used};

use super::{Collect, Desk, FLOW, flow, reached};
use crate::cell::Cell;
use crate::sheet::{Rows, Sheet};
use crate::sum::{Sum, Tally};

/// An engine that text went to: its name and its country as the receipts have them.
type Place = (String, Country);

pub(super) struct CrossBorder {
    desk: Arc<Desk>,
    flows: u64,
    refused: u64,
    out: Sum,
    abroad: u64,
    places: Tally<Place, Sum>,
    list: Rows,
}

const UPSTREAM: [&str; 19] = [
    "upstream",
    "model",
    "host",
    "owner",
    "country",
    "abroad",
    "class_max",
    "retention",
    "retention_days",
    "configured",
    "flows",
    "tokens_out",
    "tokens_in",
    "classes",
    "masked",
    "outcomes",
    "first",
    "last",
    "purpose",
];

const PROCESSOR: [&str; 8] =
    ["processor", "countries", "upstreams", "flows", "task", "contract", "published", "supervised"];

impl CrossBorder {
    pub fn new(desk: Arc<Desk>) -> Self {
        let (out, places, list) = (Sum::default(), Tally::default(), Rows::default());
        Self { desk, flows: 0, refused: 0, out, abroad: 0, places, list }
    }

    /// Every upstream of the settings, and whatever text went to that is in them no more.
    fn upstreams(&self) -> Rows {
        let mut rows = Rows::default();
        let mut told = BTreeSet::new();
        for upstream in &self.desk.upstreams {
            let place = (upstream.name.clone(), upstream.country);
            let sum = self.places.get(&place).cloned().unwrap_or_default();
            told.insert(place);
            let mut row = vec![
                Cell::Text(upstream.name.clone()),
                Cell::Text(upstream.model.clone()),
                Cell::Text(upstream.host.clone()),
                Cell::text(upstream.owner.clone()),
                Cell::Text(upstream.country.to_string()),
                Cell::Yes(upstream.country != self.desk.home),
                Cell::Word(upstream.class_max.as_str()),
                Cell::text(upstream.retention.clone()),
                upstream.retention_days.map_or(Cell::None, |days| Cell::Number(days.into())),
                Cell::Yes(true),
            ];
            row.extend(sums(&sum));
            rows.push(|| row);
        }
        for ((name, country), sum) in self.places.iter().filter(|(place, _)| !told.contains(*place)) {
            rows.push(|| {
                let mut row = vec![Cell::Text(name.clone()), Cell::None, Cell::None, Cell::None];
                row.extend([Cell::Text(country.to_string()), Cell::Yes(*country != self.desk.home)]);
                row.extend([Cell::None, Cell::None, Cell::None, Cell::Yes(false)]);
                row.extend(sums(sum));
                row
            });
        }
        rows
    }

    /// Whoever is entrusted, by the owner's name. What stands in contracts only a person knows.
    fn processors(&self) -> Rows {
        let mut owners: BTreeMap<&str, (BTreeSet<String>, Vec<String>, u64)> = BTreeMap::new();
        for upstream in self.desk.upstreams.iter().filter(|upstream| !upstream.own) {
            let (countries, names, flows) = owners.entry(upstream.owner.as_deref().unwrap_or_default()).or_default();
            countries.insert(upstream.country.to_string());
            names.push(upstream.name.clone());
            let place = (upstream.name.clone(), upstream.country);
            *flows += self.places.get(&place).map_or(0, |sum| sum.flows);
        }
        let mut rows = Rows::default();
        for (owner, (countries, names, flows)) in owners {
            rows.push(|| {
                vec![
                    if owner.is_empty() { Cell::Blank } else { Cell::Text(owner.to_owned()) },
                    Cell::List(countries.into_iter().collect()),
                    Cell::List(names),
                    Cell::Number(flows),
                    Cell::Blank,
                    Cell::Blank,
                    Cell::Blank,
                    Cell::Blank,
                ]
            });
        }
        rows
    }
}

/// What flows to one upstream come to.
fn sums(sum: &Sum) -> Vec<Cell> {
    let outcomes = sum.how.iter().map(|(how, count)| ((*how).to_owned(), *count)).collect();
    vec![
        Cell::Number(sum.flows),
        Cell::Number(sum.usage.prompt_tokens),
        Cell::Number(sum.usage.completion_tokens),
        sum.classes(),
        sum.masked(),
        Cell::Counts(outcomes),
        Cell::time(sum.seen.first),
        Cell::time(sum.seen.last),
        Cell::Blank,
    ]
}

impl Collect for CrossBorder {
    fn take(&mut self, filed: &Filed) {
        let Entry::Receipt(receipt) = &filed.entry else { return };
        self.flows += 1;
        self.refused += u64::from(matches!(receipt.outcome, Outcome::Refused { .. }));
        let home = self.desk.home;
        let outside: Vec<(&Used, bool)> =
            reached(receipt).filter(|(engine, _)| engine.outside || engine.country != home).collect();
        if outside.is_empty() {
            return;
        }
        // A flow that was sent to several is one flow, and one at each of them.
        if outside.iter().any(|(_, answered)| *answered) {
            self.out.add(receipt);
        } else {
            self.out.add_passed_over(receipt);
        }
        self.abroad += u64::from(outside.iter().any(|(engine, _)| engine.country != home));
        for (engine, answered) in outside {
            let sum = self.places.of(&(engine.name.clone(), engine.country));
            if answered { sum.add(receipt) } else { sum.add_passed_over(receipt) }
        }
        let cited = (filed.leaf, receipt.id);
        self.list.cite(cited, || flow(&self.desk, cited, receipt));
    }

    fn end(self: Box<Self>, sheet: &mut Sheet<'_>) {
        let countries: BTreeSet<&Country> = self.places.iter().map(|((_, country), _)| country).collect();
        sheet.count("flows", self.flows);
        sheet.count("left_house", self.out.flows);
        sheet.count("left_country", self.abroad);
        sheet.count("tokens_out", self.out.usage.prompt_tokens);
        sheet.count("tokens_in", self.out.usage.completion_tokens);
        sheet.count("masked", self.out.masked_total());
        sheet.figure("countries", Cell::List(countries.into_iter().map(ToString::to_string).collect()));
        sheet.count("refused", self.refused);
        sheet.cards("upstreams", &UPSTREAM, self.upstreams());
        sheet.table("processors", &PROCESSOR, self.processors());
        sheet.table("flows_out", &FLOW, self.list);
    }
}
