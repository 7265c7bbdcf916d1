//! What kind of answer a question asks for: a number with a unit, a date, a telephone number, or anything.

use super::number::{normal, unit_at};
use super::terms::Text;

/// The kind of answer that a question asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Anything.
    Open,
    /// A number, with one of these units if any are named.
    Number(Vec<&'static str>),
    /// A day, a month, a year or an hour.
    When,
    /// A telephone number.
    Telephone,
}

const MONEY_WORDS: &[&str] = &[
    "요금",
    "비용",
    "금액",
    "수수료",
    "과태료",
    "단가",
    "예산",
    "사업비",
    "교체비",
    "공사비",
    "사용료",
    "보증금",
    "가격",
    "연봉",
    "보상금",
    "포상금",
    "분담금",
    "지원금",
    "요율",
    "할인액",
    "배상금",
    "보관료",
    "인건비",
    "내나요",
    "내야 하",
    "물어내",
    "cost",
    "price",
    "fee",
    "pay",
];

impl Asked {
    pub fn of(question: &str) -> Self {
        let flat = question.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| flat.contains(word));
        if has(&["전화번호", "연락처", "phone number", "telephone"]) {
            return Self::Telephone;
        }
        if let Some(units) = counted(&flat) {
            return Self::Number(units);
        }
        if has(&["며칠"]) {
            return Self::Number(vec!["일", "주일", "개월", "시간"]);
        }
        if has(&["언제", "날짜", "무슨 요일", "시한", "기한", "on which date", "what date", "when "]) {
            return Self::When;
        }
        if has(&["얼마", "how much"]) {
            return Self::Number(if has(MONEY_WORDS) { vec!["원", "퍼센트", "배"] } else { vec![] });
        }
        if has(&["how many", "how long", "how far", "how often", "how high", "how old"]) {
            return Self::Number(vec![]);
        }
        Self::Open
    }

    /// Whether an answer of that kind is among what a sentence says. What the question says itself is no answer.
    pub fn met(&self, sentence: &str, text: &Text, question: &Text) -> bool {
        let new = || {
            text.numbers
                .iter()
                .filter(|number| !matches!(number.unit, Some("조" | "항")))
                .filter(|number| !question.numbers.iter().any(|asked| asked == *number))
        };
        match self {
            Self::Open => true,
            Self::Number(units) if units.is_empty() => new().next().is_some(),
            Self::Number(units) => {
                // A row of a table has its unit in the head of the column, so a bare number may count.
                new().any(|number| match number.unit {
                    Some(unit) => units.contains(&unit),
                    None => sentence.contains(": "),
                })
            }
            Self::When => {
                new().any(|number| matches!(number.unit, Some("년" | "월" | "일" | "시" | "개월" | "주일" | "시간")))
                    || ["요일", "분기", "매월", "매년", "반기", "January", "day"]
                        .iter()
                        .any(|word| sentence.contains(word))
            }
            Self::Telephone => telephone(sentence),
        }
    }
}

/// `몇` and what is counted, or a unit that is asked for by name.
fn counted(question: &str) -> Option<Vec<&'static str>> {
    let at = question.find('몇')?;
    let after: Vec<char> = normal(question[at + '몇'.len_utf8()..].trim_start());
    let (unit, _) = unit_at(&after)?;
    Some(match unit {
        "일" => vec!["일", "주일", "개월", "시간"],
        "년" => vec!["년", "개월"],
        "개월" => vec!["개월", "년"],
        "시" => vec!["시"],
        "시간" => vec!["시간", "분", "일"],
        "명" => vec!["명"],
        "킬로미터" => vec!["킬로미터", "미터"],
        other => vec![other],
    })
}

fn telephone(sentence: &str) -> bool {
    let letters: Vec<char> = sentence.chars().collect();
    letters.windows(2).enumerate().any(|(at, pair)| {
        let digits = |range: &mut dyn Iterator<Item = &char>| range.take_while(|c| c.is_ascii_digit()).count();
        pair[1] == '-'
            && (2..=4).contains(&digits(&mut letters[..=at].iter().rev()))
            && (3..=4).contains(&digits(&mut letters[at + 2..].iter()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(question: &str, sentence: &str) -> bool {
        Asked::of(question).met(sentence, &Text::of(sentence), &Text::of(question))
    }

    #[test]
    fn a_sentence_answers_the_kind_of_question_or_not() {
        for (question, sentence, expected) in [
            ("며칠 안에 알려야 하나요?", "7일 이내에 알려야 한다.", true),
            ("며칠 안에 알려야 하나요?", "시장이 알려야 한다.", false),
            ("요금은 얼마인가요?", "교체비 4만2천원을 부담한다.", true),
            ("요금은 얼마인가요?", "제15조에 따라 정한다.", false),
            ("구경 15mm의 요금은 얼마인가요?", "구경 15밀리미터로 한다.", false),
            ("모두 몇 면인가요?", "1시간까지 무료입니다.", false),
            ("전화번호는 무엇인가요?", "문의: 도서관운영과 000-0140", true),
            ("전화번호는 무엇인가요?", "2025-03-11에 열었다.", false),
            ("언제 설치되었나요?", "설치일: 2021-08-03", true),
            ("누가 위원장인가요?", "위원장은 부시장으로 한다.", true),
        ] {
            assert_eq!(met(question, sentence), expected, "{question} / {sentence}");
        }
    }
}
