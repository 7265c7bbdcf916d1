//! What kind of answer a question asks for: a number with a unit, a date, how often, somebody, or anything.

use super::language::{is_hangul, is_light_word};
use super::number::{normal, unit_at};
use super::terms::{Term, Text, terms};

/// The kind of answer that a question asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Anything.
    Open,
    /// A number, with one of these units if any are named.
    Number(Vec<&'static str>),
    /// A day, a month, a year or an hour; or the event on which it happens.
    When,
    /// How often.
    Often,
    /// A person, an office, a body.
    Who,
    /// Somebody's name.
    Name,
    /// A place.
    Where,
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

/// A row with so many named cells says much that nobody asks for.
const WIDE_MIN: usize = 4;

impl Asked {
    pub fn of(question: &str) -> Self {
        let flat = question.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| flat.contains(word));
        if has(&["전화번호", "연락처", "phone number", "telephone"]) {
            return Self::Telephone;
        }
        if has(&["얼마나 자주", "몇 번", "몇 회", "주기는", "how often"]) {
            return Self::Often;
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
        if has(&["how many", "how long", "how far", "how high", "how old"]) {
            return Self::Number(vec![]);
        }
        if has(&["이름", "성명", "the name of"]) {
            return Self::Name;
        }
        if has(&["누가", "누구", "어느 직위", "who ", "whom ", "whose "]) {
            return Self::Who;
        }
        if has(&["어디에서", "어디에 ", "어디로", "어디서", "where "]) {
            return Self::Where;
        }
        Self::Open
    }

    /// How far an answer of that kind is among what a sentence says, 0 to 1. What the question says itself is no
    /// answer, and neither is a date that stands in a column that nobody asks for.
    pub fn met(&self, sentence: &str, text: &Text, question: &Text, terms: &[Term]) -> f32 {
        let met = self.says(sentence, text, question);
        let cells: Vec<(&str, &str)> = sentence.split(" · ").filter_map(|cell| cell.split_once(": ")).collect();
        if cells.len() < WIDE_MIN || !matches!(self, Self::When | Self::Often) && *self != Self::Number(Vec::new()) {
            return met;
        }
        let asked = |name: &str| {
            let name = Text::of(name);
            terms.iter().any(|term| name.holds(term) >= 0.9)
        };
        let of =
            |(name, value): &(&str, &str)| if asked(name) { self.says(value, &Text::of(value), question) } else { 0.0 };
        cells.iter().map(of).fold(0.4 * met, f32::max)
    }

    fn says(&self, sentence: &str, text: &Text, question: &Text) -> f32 {
        let new = || {
            text.numbers
                .iter()
                .filter(|number| !matches!(number.unit, Some("조" | "항")))
                .filter(|number| !question.numbers.iter().any(|asked| asked == *number))
        };
        let says = |words: &[&str]| words.iter().any(|word| sentence.contains(word));
        let yes = |met: bool| f32::from(u8::from(met));
        match self {
            Self::Open => 1.0,
            Self::Number(units) if units.is_empty() => yes(new().next().is_some()),
            Self::Number(units) => {
                // A row of a table has its unit in the head of the column, so a bare number may count.
                yes(new().any(|number| match number.unit {
                    Some(unit) => units.contains(&unit),
                    None => sentence.contains(": "),
                }))
            }
            Self::When => {
                let dated = new()
                    .any(|number| matches!(number.unit, Some("년" | "월" | "일" | "시" | "개월" | "주일" | "시간")))
                    || says(&["요일", "분기", "매월", "매년", "해마다", "말일", "반기", "그날", "January", "day"]);
                let event = says(&[
                    "때",
                    "이르면",
                    "경우",
                    "되면",
                    "하면",
                    "넘으면",
                    "뒤에",
                    "마다",
                    "when",
                    "after",
                    "before",
                ]);
                if dated { 1.0 } else { 0.7 * yes(event) }
            }
            Self::Often => {
                let counted = new().any(|number| matches!(number.unit, Some("회")));
                let every = says(&[
                    "마다",
                    "매년",
                    "매월",
                    "매주",
                    "매일",
                    "분기",
                    "반기",
                    "하루",
                    "해마다",
                    "매번",
                    "every",
                    "each",
                    "once",
                ]);
                let after = new().any(|number| matches!(number.unit, Some("일" | "시간" | "개월" | "년" | "주일")));
                if counted || every { 1.0 } else { 0.7 * yes(after) }
            }
            Self::Who => {
                yes(terms(sentence).iter().any(|term| names_somebody(&term.stem) && question.holds(term) < 0.6))
            }
            Self::Name => yes(named(sentence)),
            Self::Where => yes(places(sentence, question)),
            Self::Telephone => yes(telephone(sentence)),
        }
    }
}

/// Whether a word names a person by an office, or a body.
fn names_somebody(stem: &str) -> bool {
    const ENDS: &[&str] = &[
        "장",
        "자",
        "인",
        "원",
        "사람",
        "간사",
        "교수",
        "업체",
        "회사",
        "공단",
        "부서",
        "팀",
        "과",
        "국",
        "센터",
        "위원회",
        "시민",
        "주민",
        "주무관",
        "감독관",
        "사무관",
        "세대",
        "가구",
        "city",
        "mayor",
        "director",
        "head",
    ];
    const NONE: &[&str] = &[
        "정수장",
        "주차장",
        "현장",
        "공장",
        "확장",
        "저장",
        "연장",
        "보장",
        "포장",
        "고장",
        "입장",
        "대장",
        "지원",
        "정원",
        "도서관",
        "승인",
        "확인",
        "원인",
        "결과",
        "효과",
        "경과",
        "초과",
        "통과",
        "부과",
        "여과",
        "숫자",
        "문자",
        "회원",
        "공원",
    ];
    stem.chars().count() >= 2 && ENDS.iter().any(|end| stem.ends_with(end)) && !NONE.contains(&stem)
}

/// Whether a sentence says where: a noun of its own with `에`, `에서` or `로`, or an English preposition.
fn places(sentence: &str, question: &Text) -> bool {
    const NONE: &[&str] = &["동안", "경우", "때문", "다음", "이내", "사이", "함께", "따로", "제대", "처음", "대하"];
    sentence.split_whitespace().any(|token| {
        let bare = token.trim_end_matches(|letter: char| !letter.is_alphanumeric());
        let noun = ["에서는", "에서", "에는", "에", "으로", "로"].iter().find_map(|end| bare.strip_suffix(end));
        let noun = noun.filter(|noun| noun.chars().count() >= 2 && noun.chars().all(char::is_alphabetic));
        noun.is_some_and(|noun| {
            !NONE.contains(&noun) && !is_light_word(noun) && terms(noun).iter().all(|term| question.holds(term) < 0.6)
        })
    }) || [" at ", " in the ", "http"].iter().any(|word| sentence.contains(word))
}

/// Whether somebody's name stands behind an office: `위원장: 노해든`, `정수과장 도하람`, `Vice Mayor Pyo Daon`.
fn named(sentence: &str) -> bool {
    let words: Vec<&str> = sentence.split_whitespace().collect();
    words.windows(2).any(|pair| {
        let office = pair[0].trim_end_matches(':');
        let name = pair[1].trim_end_matches(|letter: char| !letter.is_alphabetic());
        ["장", "교수", "관", "위원", "간사", "주재"].iter().any(|end| office.ends_with(end))
            && name.chars().count() == 3
            && name.chars().all(is_hangul)
            || ["Mayor", "Director", "Mr", "Ms", "Dr"].contains(&office) && name.starts_with(char::is_uppercase)
    })
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
        Asked::of(question).met(sentence, &Text::of(sentence), &Text::of(question), &terms(question)) > 0.5
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
            ("역세척은 언제 하나요?", "손실수두가 1.8미터에 이른 때", true),
            ("역세척은 언제 하나요?", "역세척은 공기와 물로 한다.", false),
            ("저수조는 얼마나 자주 청소하나요?", "반기마다 1회 이상 저수조를 청소하여야 한다.", true),
            ("저수조는 얼마나 자주 청소하나요?", "저수조 5개를 둔다.", false),
            ("펌프는 언제 설치했나요?", "설비명: 펌프 · 위치: 지하 · 설치일: 2009-06-01 · 비고: 예비기", true),
            ("펌프는 언제 돌리나요?", "설비명: 펌프 · 위치: 지하 · 설치일: 2009-06-01 · 비고: 예비기", false),
            ("누가 위원장인가요?", "위원장은 부시장으로 한다.", true),
            ("누가 위원장인가요?", "회의는 분기마다 연다.", false),
            ("위원장의 이름은 무엇인가요?", "위원장은 부시장으로 한다.", false),
            ("위원장의 이름은 무엇인가요?", "위원장: 노해든", true),
        ] {
            assert_eq!(met(question, sentence), expected, "{question} / {sentence}");
        }
    }
}
