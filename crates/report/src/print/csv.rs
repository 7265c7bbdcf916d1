//! The main table of a report for spreadsheets: its last one, which lists what the figures count.
//!
//! A cell that a spreadsheet would take for a formula is given as text.

use jiff::tz::TimeZone;

use crate::cell::Cell;
use crate::sheet::Report;
use crate::words::Words;

/// So that spreadsheets read the rest as UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

pub(super) fn print(report: &Report, zone: &TimeZone) -> Result<Vec<u8>, String> {
    let words = Words { language: report.language, zone };
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(BYTE_ORDER_MARK.to_vec());
    if let Some(table) = report.tables.last() {
        let heads = table.columns.iter().map(|column| column.label.as_str());
        writer.write_record(heads).map_err(|error| error.to_string())?;
        for row in &table.rows {
            writer.write_record(row.iter().map(|cell| plain(cell, &words))).map_err(|error| error.to_string())?;
        }
    }
    writer.into_inner().map_err(|error| error.to_string())
}

fn plain(cell: &Cell, words: &Words<'_>) -> String {
    let text = match cell {
        Cell::Number(number) => return number.to_string(),
        Cell::Signed(number) => return number.to_string(),
        Cell::None | Cell::Blank => return String::new(),
        Cell::Named { name, id } => format!("{name} ({id})"),
        other => other.shown(words),
    };
    let opens = text.trim_start_matches(['\u{feff}', ' ']).starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    if opens { format!("'{text}") } else { text }
}
