//! One page for A4 that needs nothing else: no script, nothing fetched, every text escaped by the template's own rule.

use std::sync::LazyLock;

use jiff::tz::TimeZone;
use minijinja::{Environment, Value, context};

use crate::cell::Cell;
use crate::form::Read;
use crate::sheet::{Draft, Report, Table};
use crate::words::Words;

/// Rows of a table on paper, and of one whose rows are shown by themselves.
const ROWS_MAX: usize = 200;
const CARDS_MAX: usize = 60;

/// The file's ending is what makes the template escape.
const PAGE: &str = "report.html";

static PAGES: LazyLock<Result<Environment<'static>, String>> = LazyLock::new(|| {
    let mut pages = Environment::new();
    pages.add_template(PAGE, include_str!("report.html")).map_err(|error| error.to_string())?;
    Ok(pages)
});

pub(super) fn print(report: &Report, zone: &TimeZone) -> Result<String, String> {
    let words = Words { language: report.language, zone };
    let pages = PAGES.as_ref().map_err(Clone::clone)?;
    let say = |keys: &[&str]| -> Value {
        keys.iter()
            .map(|key| (key.replace('.', "_"), words.say(key)))
            .collect::<std::collections::BTreeMap<_, _>>()
            .into()
    };
    let figure =
        |figure: &crate::sheet::Figure| context! { label => &figure.label, value => shown(&figure.value, &words) };
    let law = |law: &crate::form::Law| {
        let read = match law.read {
            Read::Text => "read.text",
            Read::Digest => "read.digest",
            Read::SecondHand => "read.second_hand",
            Read::NotRead => "read.not_read",
        };
        let marked = law.read != Read::Text;
        context! { name => &law.name, version => &law.version, says => &law.says, read => words.say(read), marked }
    };
    let cited = report.proof.cited.len() as u64 + report.proof.more;
    let page = context! {
        report => plain_all(report),
        say => say(SAID),
        made => words.time(report.made),
        laws => report.law.iter().map(law).collect::<Vec<_>>(),
        figures => report.figures.iter().map(figure).collect::<Vec<_>>(),
        narrowed => report.narrowed.iter().map(figure).collect::<Vec<_>>(),
        tables => report.tables.iter().map(|one| table(one, &words)).collect::<Vec<_>>(),
        drafts => report.drafts.iter().map(draft).collect::<Vec<_>>(),
        cited => crate::cell::grouped(cited),
        size => crate::cell::grouped(report.ledger.size),
    };
    pages.get_template(PAGE).and_then(|template| template.render(page)).map_err(|error| error.to_string())
}

/// What the page says around the values.
const SAID: &[&str] = &[
    "head.institution",
    "head.period",
    "head.made",
    "head.program",
    "head.signatures",
    "head.law",
    "head.law_none",
    "head.read",
    "head.figures",
    "head.notes",
    "head.drafts",
    "head.none",
    "head.more",
    "head.days",
    "proof.title",
    "proof.how",
    "proof.origin",
    "proof.size",
    "proof.root",
    "proof.key",
    "proof.checkpoint",
    "proof.cited",
    "proof.self",
];

/// What stands in the report's head.
fn plain_all(report: &Report) -> Value {
    context! {
        title => &report.title,
        about => &report.about,
        language => report.language.as_str(),
        institution => plain(&report.institution),
        from => report.from.to_string(),
        to => report.to.to_string(),
        timezone => &report.timezone,
        program => &report.program,
        notes => report.notes.iter().map(|note| plain(note)).collect::<Vec<_>>(),
        signatures => report.signatures.iter().map(|name| plain(name)).collect::<Vec<_>>(),
        origin => &report.ledger.origin,
        root => report.ledger.root.to_string(),
        key => &report.ledger.key,
        checkpoint => &report.ledger.checkpoint,
    }
}

fn draft(draft: &Draft) -> Value {
    let items =
        draft.items.iter().map(|item| context! { title => &item.title, text => item.text.as_deref().map(plain) });
    context! { title => &draft.title, points => items.collect::<Vec<_>>() }
}

fn table(table: &Table, words: &Words<'_>) -> Value {
    let rows_max = if table.cards { CARDS_MAX } else { ROWS_MAX };
    let rows = table.rows.iter().take(rows_max);
    let rows: Vec<Vec<Value>> = rows.map(|row| row.iter().map(|cell| shown(cell, words)).collect()).collect();
    let more = table.more + table.rows.len().saturating_sub(rows_max) as u64;
    let columns: Vec<&str> = table.columns.iter().map(|column| column.label.as_str()).collect();
    let numbers: Vec<bool> = match table.rows.first() {
        Some(row) => row.iter().map(|cell| matches!(cell, Cell::Number(_) | Cell::Signed(_))).collect(),
        None => vec![false; columns.len()],
    };
    let heads: Vec<Value> =
        columns.iter().zip(numbers).map(|(label, number)| context! { label => *label, number => number }).collect();
    context! {
        title => &table.title,
        cards => table.cards,
        wide => columns.len() > 8,
        heads,
        rows,
        more => (more > 0).then(|| crate::cell::grouped(more)),
    }
}

/// A value on paper: its text, how it is set (`number`, `time`, `blank`, `code` or nothing), and the id under a name.
fn shown(cell: &Cell, words: &Words<'_>) -> Value {
    let kind = match cell {
        Cell::Number(_) | Cell::Signed(_) => "number",
        Cell::Blank => "blank",
        Cell::Time(_) => "time",
        Cell::Text(text) if is_code(text) => "code",
        Cell::List(items) if items.iter().any(|item| is_code(item)) => "code",
        _ => "",
    };
    let id = if let Cell::Named { id, .. } = cell { Some(id.as_str()) } else { None };
    context! { text => plain(&cell.shown(words)), kind, id }
}

/// An id or a hash: long, without a blank, of letters that need no other font.
fn is_code(text: &str) -> bool {
    text.len() >= 24 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-:.+/=".contains(&byte))
}

/// A text without characters that nobody sees and that turn the order of others around.
fn plain(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().map(|c| if hidden(c) { '\u{fffd}' } else { c }).collect()
}
