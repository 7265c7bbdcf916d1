//! Rows of tables: the right row with the wrong column is a wrong answer.

use super::number::Number;
use super::terms::Text;

/// A column's name must be so much of the answer to be what the answer speaks of.
const NAMED_MIN: f32 = 0.75;
/// A number may stand in a column whose name fits this much less than the best one's.
const BESIDE: f32 = 0.1;

/// Whether an answer takes a number from another column than the one that it names.
pub(crate) fn wrong_column(answer: &str, numbers: &[Number], row: &str, head: Option<&str>) -> bool {
    let columns = columns(row, head);
    if columns.len() < 2 {
        return false;
    }
    let said = pairs(answer);
    let named: Vec<f32> = columns
        .iter()
        .map(|(name, _)| {
            let name = pairs(name.split('(').next().unwrap_or(name));
            let held = name.iter().filter(|pair| said.contains(pair)).count();
            if name.is_empty() { 0.0 } else { held as f32 / name.len() as f32 }
        })
        .collect();
    let best = named.iter().copied().fold(0.0_f32, f32::max);
    if best < NAMED_MIN {
        return false;
    }
    numbers.iter().any(|number| {
        let holds = |value: &str| Text::of(value).numbers.iter().any(|own| own.same(number));
        let places: Vec<usize> = (0..columns.len()).filter(|place| holds(columns[*place].1)).collect();
        // The first column names the row.
        !places.is_empty() && !places.contains(&0) && places.iter().all(|place| named[*place] < best - BESIDE)
    })
}

/// The columns of a row, each with its name and what stands there.
fn columns<'a>(row: &'a str, head: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    fn cells(line: &str) -> impl Iterator<Item = &str> {
        line.trim().trim_matches('|').split('|').map(str::trim)
    }
    match head {
        Some(head) if row.starts_with('|') => cells(head).zip(cells(row)).collect(),
        _ if row.contains(" · ") => row.split(" · ").filter_map(|cell| cell.split_once(": ")).collect(),
        _ => Vec::new(),
    }
}

/// The pairs of letters of a text, its spaces and signs left out.
fn pairs(text: &str) -> Vec<(char, char)> {
    let letters: Vec<char> = text.to_lowercase().chars().filter(|letter| letter.is_alphanumeric()).collect();
    letters.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_belongs_to_the_column_that_is_named() {
        let (row, head) = ("| 1급지 | 600원 | 300원 | 9,000원 |", "| 구분 | 최초 30분 | 이후 10분마다 | 1일 최대 |");
        let csv = "월: 2025-08 · 원수탁도평균(NTU): 21.3 · 원수탁도최고(NTU): 164.2 · 정수탁도평균(NTU): 0.07";
        for (answer, row, head, wrong) in [
            ("1급지의 1일 최대 요금은 9,000원입니다.", row, Some(head), false),
            ("1급지의 1일 최대 요금은 600원입니다.", row, Some(head), true),
            ("1급지의 요금은 9,000원입니다.", row, Some(head), false),
            ("2025년 8월의 원수 탁도 평균은 21.3이었습니다.", csv, None, false),
            ("2025년 8월의 정수 탁도 평균은 21.3이었습니다.", csv, None, true),
            ("2025년 8월의 원수 탁도 최고는 21.3이었습니다.", csv, None, true),
        ] {
            assert_eq!(wrong_column(answer, &Text::of(answer).numbers, row, head), wrong, "{answer}");
        }
    }
}
