//! Rows with a delimiter. Each row becomes a line of `column: value` pairs that can be read, found and cited alone.

use csv::{ReaderBuilder, StringRecord, Trim};

use super::writer::Writer;
use super::{Extracted, Limits, Warning, WarningKind};

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Lines that are looked at to find the delimiter.
const SAMPLE_LINES: usize = 50;
/// Columns that a row keeps.
const COLUMNS_MAX: usize = 512;

pub(super) fn extract(text: &str, limits: &Limits, warnings: &mut Vec<Warning>) -> Extracted {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter(text))
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let mut writer = Writer::new(limits);
    let mut names: Option<Vec<String>> = None;
    let (mut uneven, mut broken) = (0_u64, 0_u64);
    let mut record = StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(_) => {
                broken += 1;
                continue;
            }
        }
        if record.iter().all(str::is_empty) {
            continue;
        }
        match &names {
            None if is_header(&record) => names = Some(header(&record)),
            None => {
                names = Some(Vec::new());
                row(&mut writer, &[], &record);
            }
            Some(names) => {
                uneven += u64::from(!names.is_empty() && names.len() != record.len());
                row(&mut writer, names, &record);
            }
        }
        if writer.is_full() {
            break;
        }
    }
    if uneven > 0 {
        let detail = format!("{uneven} rows have more or fewer columns than the header");
        warnings.push(Warning::new(WarningKind::Damaged, detail));
    }
    if broken > 0 {
        warnings.push(Warning::new(WarningKind::Damaged, format!("{broken} rows could not be read")));
    }
    if writer.extracted.text.is_empty() {
        // A table without rows still says what its columns are.
        writer.line(&names.unwrap_or_default().join(" · "));
    }
    writer.finish(warnings)
}

fn row(writer: &mut Writer, names: &[String], record: &StringRecord) {
    let mut line = String::new();
    for (column, value) in record.iter().take(COLUMNS_MAX).enumerate().filter(|(_, value)| !value.is_empty()) {
        if !line.is_empty() {
            line.push_str(" · ");
        }
        if let Some(name) = names.get(column).filter(|name| !name.is_empty()) {
            line.push_str(name);
            line.push_str(": ");
        }
        push_on_one_line(&mut line, value);
    }
    writer.begin_passage();
    writer.line(&line);
}

fn header(record: &StringRecord) -> Vec<String> {
    record
        .iter()
        .take(COLUMNS_MAX)
        .map(|name| {
            let mut line = String::new();
            push_on_one_line(&mut line, name);
            line
        })
        .collect()
}

fn push_on_one_line(line: &mut String, value: &str) {
    for (place, word) in value.split(['\n', '\r']).map(str::trim).filter(|word| !word.is_empty()).enumerate() {
        if place > 0 {
            line.push(' ');
        }
        line.push_str(word);
    }
}

/// A header names each column: no numbers, nothing empty but perhaps the first, nothing twice.
fn is_header(record: &StringRecord) -> bool {
    let mut seen = std::collections::HashSet::new();
    record.len() > 1
        && record.iter().enumerate().all(|(column, name)| {
            let number = name.chars().all(|letter| letter.is_ascii_digit() || ".,-+%".contains(letter));
            (column == 0 || !name.is_empty()) && (name.is_empty() || !number) && seen.insert(name)
        })
        || record.len() > 1
            && record.iter().filter(|name| !name.is_empty()).count() * 2 > record.len()
            && record.iter().all(|name| !name.starts_with(|letter: char| letter.is_ascii_digit()))
}

/// The delimiter that cuts the first lines into the most columns, evenly.
fn delimiter(text: &str) -> u8 {
    let score = |delimiter: u8| {
        let mut reader =
            ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(text.as_bytes());
        let widths: Vec<usize> = reader.records().take(SAMPLE_LINES).flatten().map(|record| record.len()).collect();
        let Some(&first) = widths.first() else { return 0 };
        let even = widths.iter().filter(|width| **width == first).count();
        if first < 2 { 0 } else { even * 1_000 / widths.len() * 100 + first.min(99) }
    };
    DELIMITERS.into_iter().max_by_key(|delimiter| (score(*delimiter), *delimiter == b',')).unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str) -> (Extracted, Vec<Warning>) {
        let mut warnings = Vec::new();
        let extracted = extract(input, &Limits::default(), &mut warnings);
        assert_eq!(extracted.text, expected);
        (extracted, warnings)
    }

    #[test]
    fn a_row_can_be_read_alone() {
        let (extracted, warnings) = check(
            "설비번호,설비명,정격\nP-101,취수펌프 1호,\"1,050㎥/h\"\n\nP-102,\"송수\n펌프\",\n",
            "설비번호: P-101 · 설비명: 취수펌프 1호 · 정격: 1,050㎥/h\n설비번호: P-102 · 설비명: 송수 펌프\n",
        );
        assert_eq!(extracted.breaks.len(), 2);
        assert!(extracted.text[extracted.breaks[1]..].starts_with("설비번호: P-102"));
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn the_delimiter_is_found() {
        check("이름;값\n탁도;0,05\n", "이름: 탁도 · 값: 0,05\n");
        check("이름\t값\n탁도\t0.05\n", "이름: 탁도 · 값: 0.05\n");
        check("이름|값\n탁도|0.05\n", "이름: 탁도 · 값: 0.05\n");
    }

    #[test]
    fn a_table_without_a_header_keeps_all_its_rows() {
        check("2025-01,3.2,6.8\n2025-02,3.5,7.4\n", "2025-01 · 3.2 · 6.8\n2025-02 · 3.5 · 7.4\n");
    }

    #[test]
    fn damaged_rows_are_kept_and_named() {
        let (_, warnings) = check("가,나\n1,2,3\n4\n", "가: 1 · 나: 2 · 3\n가: 4\n");
        assert_eq!(warnings[0].kind, WarningKind::Damaged);
        // A quote that never ends swallows the rest as one value; nothing is lost.
        let (extracted, _) = check("가,나\n\"1,2\n3,4\n", "가: 1,2 3,4\n");
        assert_eq!(extracted.breaks.len(), 1);
    }

    #[test]
    fn hostile_tables_stay_in_bounds() {
        let limits = Limits { text_bytes_max: 10_000, breaks_max: 10, ..Limits::default() };
        let mut warnings = Vec::new();
        let wide = format!("{}\n{}\n", "가,".repeat(100_000), "1,".repeat(100_000));
        assert!(extract(&wide, &limits, &mut warnings).text.len() <= 10_000);
        let long = "가,나\n".repeat(100_000);
        assert!(extract(&long, &limits, &mut warnings).text.len() <= 10_000);
        assert!(warnings.iter().any(|warning| warning.kind == WarningKind::Shortened));
        extract(&"\"".repeat(100_000), &limits, &mut warnings);
    }
}
