//! A report as data: what every format is printed from.

use std::collections::BTreeMap;

use base::ReceiptId;
use guard::Stand;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::cell::Cell;
use crate::form::Law;
use crate::words::{Language, Words};

/// Rows of one table; of more only their number is told.
pub(crate) const ROWS_MAX: usize = 10_000;

/// A report.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Report {
    /// Which.
    pub report: String,
    /// Its title.
    pub title: String,
    /// What it is for.
    pub about: String,
    /// The language of its words.
    pub language: Language,
    /// Whose report it is.
    pub institution: String,
    /// The first day.
    #[schema(value_type = String, format = Date)]
    pub from: Date,
    /// The last day, which is in it.
    #[schema(value_type = String, format = Date)]
    pub to: Date,
    /// The time in which days begin, as POSIX writes it.
    pub timezone: String,
    /// What it was narrowed to: one person, one document, …
    #[schema(value_type = Vec<Object>)]
    pub narrowed: Vec<Figure>,
    /// When it was made.
    pub made: Timestamp,
    /// The program that made it.
    pub program: String,
    /// The checkpoint that it was made at: later entries are not in it.
    pub ledger: Stand,
    /// The texts that the form follows.
    pub law: Vec<Law>,
    /// What a reader must know.
    pub notes: Vec<String>,
    /// The figures.
    #[schema(value_type = Vec<Object>)]
    pub figures: Vec<Figure>,
    /// The tables.
    #[schema(value_type = Vec<Object>)]
    pub tables: Vec<Table>,
    /// Letters, as far as they can be filled in.
    pub drafts: Vec<Draft>,
    /// Who signs it.
    pub signatures: Vec<String>,
    /// What it stands on.
    pub proof: Proof,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// Its key, for machines.
    pub key: String,
    /// What it is called.
    pub label: String,
    /// Its value.
    pub value: Cell,
}

/// One table. In JSON each row is an object by its columns' keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Its key, for machines.
    pub key: &'static str,
    /// Its title.
    pub title: String,
    /// Whether each row is shown by itself, since it has too many columns for a line.
    pub cards: bool,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// Rows that are not here.
    pub more: u64,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its key, for machines.
    pub key: &'static str,
    /// Its head.
    pub label: String,
}

/// A letter that a person completes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Draft {
    /// Its key, for machines.
    pub key: String,
    /// Its title.
    pub title: String,
    /// What it says.
    pub items: Vec<DraftItem>,
}

/// One item of a letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DraftItem {
    /// What it is about.
    pub title: String,
    /// What the ledger knows of it; none where only a person does.
    pub text: Option<String>,
}

/// What a report stands on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, utoipa::ToSchema)]
pub struct Proof {
    /// The entries that its rows name, in the log's order.
    pub cited: Vec<Cited>,
    /// Entries that it names beyond those; `dure ledger prove` gives each proof.
    pub more: u64,
}

/// One entry of the ledger that a report names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Cited {
    /// Its id.
    pub id: ReceiptId,
    /// Its place in the log.
    pub leaf: u64,
    /// The proof that it stands there, a `c2sp.org/tlog-proof@v1` file with the entry in it.
    pub proof: Option<String>,
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let rows: Vec<Map<String, Value>> = self.rows.iter().map(|row| self.object(row)).collect();
        let mut table = to.serialize_struct("Table", 5)?;
        table.serialize_field("key", self.key)?;
        table.serialize_field("title", &self.title)?;
        table.serialize_field("columns", &self.columns)?;
        table.serialize_field("rows", &rows)?;
        table.serialize_field("more", &self.more)?;
        table.end()
    }
}

impl Table {
    fn object(&self, row: &[Cell]) -> Map<String, Value> {
        let values = row.iter().map(|cell| serde_json::to_value(cell).unwrap_or_default());
        self.columns.iter().map(|column| column.key.to_owned()).zip(values).collect()
    }
}

/// A report while it is filled in.
pub(crate) struct Sheet<'a> {
    pub words: Words<'a>,
    pub figures: Vec<Figure>,
    pub tables: Vec<Table>,
    /// Entries that rows name, by their leaves.
    pub cites: BTreeMap<u64, ReceiptId>,
    /// What is filled into drafts.
    pub fills: BTreeMap<&'static str, String>,
}

impl<'a> Sheet<'a> {
    pub fn new(words: Words<'a>) -> Self {
        let (figures, tables) = (Vec::new(), Vec::new());
        Self { words, figures, tables, cites: BTreeMap::new(), fills: BTreeMap::new() }
    }

    pub fn figure(&mut self, key: &str, value: Cell) {
        let label = self.words.say(&format!("figure.{key}"));
        self.figures.push(Figure { key: key.to_owned(), label, value });
    }

    pub fn count(&mut self, key: &str, number: u64) {
        self.figure(key, Cell::Number(number));
    }

    pub fn table(&mut self, key: &'static str, columns: &[&'static str], rows: Rows) {
        let label = |key: &&'static str| Column { key, label: self.words.say(&format!("column.{key}")) };
        let title = self.words.say(&format!("table.{key}"));
        let columns = columns.iter().map(label).collect();
        self.cites.extend(rows.cites);
        self.tables.push(Table { key, title, cards: false, columns, rows: rows.rows, more: rows.more });
    }

    /// A table whose rows are too long for a line.
    pub fn cards(&mut self, key: &'static str, columns: &[&'static str], rows: Rows) {
        self.table(key, columns, rows);
        if let Some(table) = self.tables.last_mut() {
            table.cards = true;
        }
    }
}

/// Rows of a table, up to a bound.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    rows: Vec<Vec<Cell>>,
    more: u64,
    cites: Vec<(u64, ReceiptId)>,
}

impl Rows {
    pub fn push(&mut self, row: impl FnOnce() -> Vec<Cell>) {
        if self.rows.len() < ROWS_MAX { self.rows.push(row()) } else { self.more += 1 }
    }

    /// A row that stands on an entry.
    pub fn cite(&mut self, (leaf, id): (u64, ReceiptId), row: impl FnOnce() -> Vec<Cell>) {
        if self.rows.len() < ROWS_MAX {
            self.cites.push((leaf, id));
        }
        self.push(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_a_bound_and_the_rest_is_counted() {
        let mut rows = Rows::default();
        for leaf in 0..ROWS_MAX as u64 + 3 {
            rows.cite((leaf, ReceiptId::new()), || vec![Cell::Number(leaf)]);
        }
        assert_eq!((rows.rows.len(), rows.cites.len(), rows.more), (ROWS_MAX, ROWS_MAX, 3));
    }
}
