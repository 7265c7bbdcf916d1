//! Which models answered, where they came from, on which terms: a bill of materials with what each was used for.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::{ContentHash, Country};
use guard::{Entry, Filed};

use super::{Collect, Desk};
use crate::cell::Cell;
use crate::sheet::{Rows, Sheet};
use crate::sum::{Sum, Tally};

/// An engine as receipts name it: a new file under an old name is another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Engine {
    name: String,
    file: Option<ContentHash>,
    country: Country,
    outside: bool,
}

pub(super) struct Models {
    desk: Arc<Desk>,
    all: Sum,
    engines: Tally<Engine, Sum>,
}

const MODEL: [&str; 18] = [
    "name",
    "title",
    "component",
    "country",
    "owner",
    "file",
    "licence",
    "licence_url",
    "source",
    "made",
    "parameters",
    "installed",
    "here",
    "flows",
    "tokens_out",
    "tokens_in",
    "first",
    "last",
];

impl Models {
    pub fn new(desk: Arc<Desk>) -> Self {
        Self { desk, all: Sum::default(), engines: Tally::default() }
    }

    fn rows(&self) -> Rows {
        let (facts, home) = (&self.desk.facts, self.desk.home);
        let mut rows = Rows::default();
        let mut told = BTreeSet::new();
        for model in &facts.models {
            let engine = Engine { name: model.name.clone(), file: Some(model.file), country: home, outside: false };
            let sum = self.engines.get(&engine).cloned().unwrap_or_default();
            told.insert(engine);
            let mut row = vec![
                Cell::Text(model.name.clone()),
                Cell::Text(model.title.clone()),
                Cell::Word(model.kind),
                Cell::Text(home.to_string()),
                Cell::Word("house"),
                Cell::Text(model.file.to_string()),
                Cell::Text(model.licence.clone()),
                Cell::Text(model.licence_url.clone()),
                Cell::Text(model.source.clone()),
                Cell::Text(model.made.clone()),
                Cell::Number(model.parameters),
                Cell::Time(model.installed),
                Cell::Yes(true),
            ];
            row.extend(sums(&sum));
            rows.push(|| row);
        }
        for upstream in &self.desk.upstreams {
            let outside = !upstream.own;
            let engine = Engine { name: upstream.name.clone(), file: None, country: upstream.country, outside };
            let sum = self.engines.get(&engine).cloned().unwrap_or_default();
            told.insert(engine);
            let mut row = vec![
                Cell::Text(upstream.name.clone()),
                Cell::Text(upstream.model.clone()),
                Cell::Word("upstream"),
                Cell::Text(upstream.country.to_string()),
                if upstream.own { Cell::Word("house") } else { Cell::text(upstream.owner.clone()) },
                Cell::None,
                Cell::Blank,
                Cell::None,
                Cell::Text(upstream.host.clone()),
                Cell::None,
                Cell::None,
                Cell::None,
                Cell::Yes(true),
            ];
            row.extend(sums(&sum));
            rows.push(|| row);
        }
        for (engine, sum) in self.engines.iter().filter(|(engine, _)| !told.contains(*engine)) {
            rows.push(|| {
                let mut row = vec![Cell::Text(engine.name.clone()), Cell::None];
                row.push(Cell::Word(if engine.outside { "upstream" } else { "engine" }));
                row.extend([Cell::Text(engine.country.to_string()), Cell::None]);
                row.push(Cell::text(engine.file.map(|file| file.to_string())));
                row.extend([Cell::None, Cell::None, Cell::None, Cell::None, Cell::None, Cell::None, Cell::Yes(false)]);
                row.extend(sums(sum));
                row
            });
        }
        rows
    }
}

fn sums(sum: &Sum) -> [Cell; 5] {
    [
        Cell::Number(sum.flows),
        Cell::Number(sum.usage.prompt_tokens),
        Cell::Number(sum.usage.completion_tokens),
        Cell::time(sum.seen.first),
        Cell::time(sum.seen.last),
    ]
}

impl Collect for Models {
    fn take(&mut self, filed: &Filed) {
        let Entry::Receipt(receipt) = &filed.entry else { return };
        let Some(used) = &receipt.engine else { return };
        self.all.add(receipt);
        let engine = Engine { name: used.name.clone(), file: used.file, country: used.country, outside: used.outside };
        self.engines.of(&engine).add(receipt);
    }

    fn end(self: Box<Self>, sheet: &mut Sheet<'_>) {
        sheet.count("models_here", self.desk.facts.models.len() as u64);
        sheet.count("upstreams_here", self.desk.upstreams.len() as u64);
        sheet.count("engines_used", self.engines.len() as u64);
        sheet.count("flows", self.all.flows);
        sheet.count("tokens_out", self.all.usage.prompt_tokens);
        sheet.count("tokens_in", self.all.usage.completion_tokens);
        sheet.cards("models", &MODEL, self.rows());
    }
}
