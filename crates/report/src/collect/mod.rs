//! What is counted for each report. A collector sees each entry of the period once, in the log's order, and keeps sums and a
//! bounded list.

mod access_log;
mod automated_decisions;
mod breach;
mod cross_border;
mod models;
mod notice_and_label;

use std::sync::Arc;

use base::{Country, ReceiptId};
use guard::{Filed, FlowKind, Outcome, Receipt, Used};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::cell::Cell;
use crate::facts::{Facts, Upstream};
use crate::form::{Hours, Unusual};
use crate::office::Wish;
use crate::sheet::Sheet;

/// The reports that there are.
pub(crate) const NAMES: [&str; 6] =
    ["cross-border", "access-log", "automated-decisions", "notice-and-label", "models", "breach"];

/// What a draft may be filled with.
pub(crate) const PLACES: [&str; 12] = [
    "institution",
    "known_at",
    "deadline",
    "first",
    "last",
    "flows",
    "people",
    "documents",
    "kinds",
    "engines",
    "countries",
    "ledger",
];

/// What collectors know beside the entries.
#[derive(Debug)]
pub(crate) struct Desk {
    pub facts: Facts,
    pub upstreams: Vec<Upstream>,
    pub home: Country,
    pub zone: TimeZone,
    pub hours: Hours,
    pub unusual: Unusual,
    pub clock_hours: Option<u32>,
    pub wish: Wish,
    pub made: Timestamp,
}

/// Counts for one report.
pub(crate) trait Collect: Send {
    /// Sees the next entry.
    fn take(&mut self, filed: &Filed);

    /// Writes down what it comes to.
    fn end(self: Box<Self>, sheet: &mut Sheet<'_>);
}

/// The collector of a report.
pub(crate) fn begin(desk: &Arc<Desk>) -> Option<Box<dyn Collect>> {
    let desk = Arc::clone(desk);
    Some(match desk.wish.name.as_str() {
        "cross-border" => Box::new(cross_border::CrossBorder::new(desk)),
        "access-log" => Box::new(access_log::AccessLog::new(desk)),
        "automated-decisions" => Box::new(automated_decisions::AutomatedDecisions::new(desk)),
        "notice-and-label" => Box::new(notice_and_label::NoticeAndLabel::new(desk)),
        "models" => Box::new(models::Models::new(desk)),
        "breach" => Box::new(breach::Breach::new(desk)),
        _ => return None,
    })
}

/// Columns of a list of flows.
const FLOW: [&str; 11] =
    ["leaf", "when", "who", "asked", "engine", "country", "class", "tokens", "masked", "how", "receipt"];

/// A flow in a list.
fn flow(desk: &Desk, (leaf, id): (u64, ReceiptId), receipt: &Receipt) -> Vec<Cell> {
    let masked = receipt.masked.iter().map(|(kind, count)| (kind.clone(), u64::from(*count))).collect();
    vec![
        Cell::Number(leaf),
        Cell::Time(receipt.began),
        desk.facts.who(receipt.who),
        Cell::Text(receipt.asked.clone()),
        one_or_more(reached(receipt).map(|(engine, _)| engine.name.clone()).collect()),
        one_or_more(reached(receipt).map(|(engine, _)| engine.country.to_string()).collect()),
        receipt.label.as_ref().map_or(Cell::None, |label| Cell::Word(label.class.as_str())),
        Cell::Number(receipt.usage.total_tokens()),
        Cell::Counts(masked),
        how(&receipt.outcome),
        Cell::Text(id.to_string()),
    ]
}

/// The engines that were sent a flow's text, each with whether it was the one that answered, or was asked last.
pub(crate) fn reached(receipt: &Receipt) -> impl Iterator<Item = (&Used, bool)> {
    let before = receipt.passed_over.iter().filter(|passed| passed.sent).map(|passed| (&passed.engine, false));
    before.chain(receipt.engine.iter().map(|engine| (engine, true)))
}

fn one_or_more(mut texts: Vec<String>) -> Cell {
    match texts.len() {
        0 => Cell::None,
        1 => Cell::text(texts.pop()),
        _ => Cell::List(texts),
    }
}

fn how(outcome: &Outcome) -> Cell {
    match outcome {
        Outcome::Refused { why } | Outcome::Failed { why } => Cell::Pairs(vec![(outcome.word(), why.clone())]),
        _ => Cell::Word(outcome.word()),
    }
}

/// Whether a model wrote something for somebody.
fn is_generated(receipt: &Receipt) -> bool {
    let writes = matches!(receipt.kind, FlowKind::Chat | FlowKind::Answer);
    writes && receipt.engine.is_some() && receipt.usage.completion_tokens > 0
}

/// The clock that the law sets: how long it is, since when, until when, and what is left of it.
fn clock(desk: &Desk, sheet: &mut Sheet<'_>, since: Option<Timestamp>) -> Option<Timestamp> {
    let hours = desk.clock_hours?;
    let until = since.and_then(|since| since.checked_add(jiff::SignedDuration::from_hours(hours.into())).ok());
    sheet.count("clock_hours", hours.into());
    sheet.figure("clock_from", since.map_or(Cell::Blank, Cell::Time));
    sheet.figure("clock_until", until.map_or(Cell::Blank, Cell::Time));
    let left = until.map(|until| until.duration_since(desk.made).as_secs().div_euclid(3_600));
    sheet.figure("clock_left_hours", left.map_or(Cell::Blank, Cell::Signed));
    until
}
