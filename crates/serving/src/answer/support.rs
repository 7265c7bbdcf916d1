//! Whether a sentence of a record supports a sentence of an answer.
//!
//! No model is asked: the check is fast, the same each time, and can be explained (`docs/answers.md`). It looks at
//! words loosely and at numbers, units, dates, identifiers and negation strictly, so that it errs towards "not
//! supported".

use super::language::says_silent;
use super::number::Number;
use super::terms::{Term, Text, terms};

/// Share of a sentence's words that the record must hold.
const WORDS_MIN: f32 = 0.55;
/// Share that must stand in the quoted sentence itself, not only in its headings or neighbours.
const OWN_WORDS_MIN: f32 = 0.3;
/// What a word counts that only repeats the question.
const ASKED_WEIGHT: f32 = 0.4;
/// Across languages words cannot be compared; so many numbers or identifiers must agree instead.
const ACROSS_MIN: usize = 1;

/// A sentence of a record, with what stands around it.
#[derive(Debug, Clone)]
pub(crate) struct Evidence<'a> {
    pub sentence: &'a str,
    /// Whether it is among the sentences that speak to the question.
    pub relevant: bool,
    pub text: &'a Text,
    pub headings: &'a Text,
    pub neighbours: &'a Text,
}

/// A sentence of an answer, taken apart once.
#[derive(Debug)]
pub(crate) struct Claim {
    text: Text,
    terms: Vec<(Term, f32)>,
    clauses: Vec<Clause>,
    silent: bool,
    /// A question, or the place line of a passage: no statement at all.
    echo: bool,
}

/// A part of a sentence that says one thing, yes or no.
#[derive(Debug)]
struct Clause {
    terms: Vec<Term>,
    text: Text,
    negated: bool,
}

/// What the check says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verdict {
    /// The sentence is supported, this much.
    Supported(f32),
    /// A number, date or identifier is not in the record.
    Number,
    /// One side says no and the other does not.
    Negation,
    /// Too few of the words are in the record.
    Words,
}

impl Claim {
    pub fn of(sentence: &str, question: &Text) -> Self {
        let terms = terms(sentence)
            .into_iter()
            .map(|term| {
                let weight = if question.holds(&term) >= 0.9 { ASKED_WEIGHT } else { 1.0 };
                (term, weight)
            })
            .collect();
        let echo = sentence.trim_end().ends_with(['?', '？']) || sentence.contains(" > ");
        Self { text: Text::of(sentence), terms, clauses: clauses(sentence), silent: says_silent(sentence), echo }
    }

    /// Whether the sentence says nothing that could be checked.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty() && self.text.numbers.is_empty() && self.text.identifiers.is_empty()
    }

    /// Whether the sentence only says that the records do not say.
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    pub fn check(&self, evidence: &Evidence<'_>) -> Verdict {
        if self.echo || !evidence.relevant {
            return Verdict::Words;
        }
        if !self.numbers_stand_in(evidence) {
            return Verdict::Number;
        }
        let exact = self.text.numbers.len() + self.text.identifiers.len();
        if self.text.is_foreign_to(evidence.text) {
            let own = self.text.numbers.iter().any(|number| has(&evidence.text.numbers, number))
                || self.text.identifiers.iter().any(|name| evidence.text.identifiers.contains(name));
            return if exact >= ACROSS_MIN && own { Verdict::Supported(0.5) } else { Verdict::Words };
        }
        let (mut all, mut held, mut own) = (0.0, 0.0, 0.0);
        for (term, weight) in &self.terms {
            let here = evidence.text.holds(term);
            let around = evidence.headings.holds(term).max(0.8 * evidence.neighbours.holds(term));
            all += weight;
            held += weight * here.max(0.9 * around);
            own += weight * here;
        }
        // Numbers were all found; each counts as a word that is held by the sentence itself if it stands there.
        for number in &self.text.numbers {
            let here = f32::from(u8::from(has(&evidence.text.numbers, number)));
            (all, held, own) = (all + 1.0, held + here.max(0.5), own + here);
        }
        if all == 0.0 || held / all < WORDS_MIN || own / all < OWN_WORDS_MIN {
            return Verdict::Words;
        }
        if self.contradicts(evidence.sentence) {
            return Verdict::Negation;
        }
        Verdict::Supported(0.7 * held / all + 0.3 * own / all)
    }

    /// Numbers and identifiers must stand in the quoted sentence, or in the headings that name its document.
    fn numbers_stand_in(&self, evidence: &Evidence<'_>) -> bool {
        self.text
            .numbers
            .iter()
            .all(|number| has(&evidence.text.numbers, number) || has(&evidence.headings.numbers, number))
            && self
                .text
                .identifiers
                .iter()
                .all(|name| evidence.text.identifiers.contains(name) || evidence.headings.identifiers.contains(name))
    }

    /// Whether a clause says no where the clause of the record that speaks of the same says yes, or the reverse. A
    /// long sentence says yes to one thing and no to another, so it is compared clause by clause.
    fn contradicts(&self, sentence: &str) -> bool {
        let said = clauses(sentence);
        self.clauses.iter().any(|clause| {
            let mut best: Option<(f32, &Clause)> = None;
            for other in &said {
                let words: f32 = clause.terms.iter().map(|term| other.text.holds(term)).sum();
                let numbers = clause.text.numbers.iter().filter(|number| has(&other.text.numbers, number)).count();
                let overlap = words + numbers as f32;
                if best.is_none_or(|(most, _)| overlap > most) {
                    best = Some((overlap, other));
                }
            }
            best.is_some_and(|(overlap, other)| overlap > 0.5 && clause.negated != other.negated)
        })
    }
}

impl Verdict {
    /// Why a sentence is not supported, in words for people.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Supported(_) => "supported",
            Self::Number => "a number, date or name in it is not in the records that were found",
            Self::Negation => "the records say yes where it says no, or the reverse",
            Self::Words => "no sentence of the records that were found says this",
        }
    }
}

fn has(numbers: &[Number], wanted: &Number) -> bool {
    numbers.iter().any(|number| number.same(wanted))
}

/// The clauses of a sentence: they end at commas, and in Korean behind the endings that join sentences.
fn clauses(sentence: &str) -> Vec<Clause> {
    const JOINTS: &[&str] = &[
        "하여",
        "되어",
        "면",
        "경우",
        "경우에는",
        "경우는",
        "때",
        "때는",
        "때에는",
        "하고",
        "되고",
        "이고",
        "않고",
        "하며",
        "되며",
        "으며",
        "이며",
        "지만",
        "므로",
        "는데",
        "에도",
        "다만",
        "않아",
        "아서",
        "어서",
        "해서",
        "날에는",
        "날은",
    ];
    let (mut found, mut start, mut at) = (Vec::new(), 0, 0);
    let mut close = |range: std::ops::Range<usize>| {
        let part = &sentence[range];
        let clause = Clause { terms: terms(part), text: Text::of(part), negated: negated(part) };
        if !clause.terms.is_empty() || !clause.text.numbers.is_empty() {
            found.push(clause);
        }
    };
    for word in sentence.split_inclusive(' ') {
        at += word.len();
        let bare = word.trim_end();
        if bare.ends_with([',', ';', '·']) || JOINTS.iter().any(|joint| bare.ends_with(joint)) {
            close(start..at);
            start = at;
        }
    }
    close(start..sentence.len());
    found
}

/// Whether a clause says no. "Not more than" draws a bound and says no to nothing.
fn negated(clause: &str) -> bool {
    let mut flat = format!(" {} ", clause.to_lowercase());
    for bound in [
        "넘을 수 없",
        "초과할 수 없",
        "넘지 않",
        "넘지 아니",
        "넘지 못",
        "초과하지 않",
        "초과하지 못",
        "not more than",
        "no more than",
        "no later than",
        "not exceed",
        "뿐만 아니라",
        "아니라",
    ] {
        flat = flat.replace(bound, "");
    }
    const NO: &[&str] = &[
        "않",
        "아니하",
        "아니한",
        "아니된",
        "아니합",
        "아닙",
        "아닌",
        "못하",
        "못한",
        "없다",
        "없습",
        "없으",
        "없는",
        "없음",
        "없고",
        "없어",
        "수 없",
        " 안 되",
        " 안 됩",
        " 안 된",
        " 안 함",
        "금지",
        "불가",
        " not ",
        "n't ",
        " cannot ",
        " never ",
        " no ",
        " neither ",
    ];
    NO.iter().any(|word| flat.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(question: &str, answer: &str, record: &str) -> Verdict {
        let (text, empty) = (Text::of(record), Text::default());
        let evidence = Evidence { sentence: record, relevant: true, text: &text, headings: &empty, neighbours: &empty };
        Claim::of(answer, &Text::of(question)).check(&evidence)
    }

    fn supported(question: &str, answer: &str, record: &str) -> bool {
        matches!(check(question, answer, record), Verdict::Supported(_))
    }

    const FROZEN: &str = "③ 수도사용자가 보온조치를 하지 아니하여 구경 15밀리미터 계량기가 동파된 경우 수도사용자는 교체비 4만2천원을 부담한다.";

    #[test]
    fn the_same_value_in_another_spelling_is_supported() {
        let question = "계량기가 얼어 터지면 교체비는 얼마인가요?";
        assert!(supported(question, "구경 15mm 계량기의 교체비는 42,000원입니다.", FROZEN));
        assert!(supported(question, "교체비 4만2천원을 부담합니다.", FROZEN));
    }

    #[test]
    fn a_number_that_the_record_does_not_have_is_not_supported() {
        let question = "20밀리미터 계량기의 교체비는 얼마인가요?";
        assert_eq!(check(question, "20밀리미터 계량기의 교체비는 4만2천원입니다.", FROZEN), Verdict::Number);
        assert_eq!(check(question, "교체비는 4만3천원입니다.", FROZEN), Verdict::Number);
        assert_eq!(check("?", "P-105는 예비기이다.", "P-104는 예비기이다."), Verdict::Number);
    }

    #[test]
    fn yes_is_not_supported_by_no() {
        let record = "④ 최저기온이 영하 15도 아래로 내려간 날에 동파된 경우에는 교체비를 받지 아니한다.";
        let question = "교체비를 받나요?";
        assert_eq!(
            check(question, "영하 15도 아래로 내려간 날에 동파되면 교체비를 받습니다.", record),
            Verdict::Negation
        );
        assert!(supported(question, "영하 15도 아래로 내려간 날에 동파되면 교체비를 받지 않습니다.", record));
    }

    #[test]
    fn a_bound_is_no_negation() {
        let record = "② 중지 기간은 한 번에 12개월을 넘을 수 없으며, 그 기간에는 기본요금을 받지 아니한다.";
        assert!(supported("수도 사용 중지는 최장 얼마인가요?", "중지 기간은 한 번에 12개월까지입니다.", record));
        assert!(supported("기본요금은요?", "중지 기간에는 기본요금을 받지 않습니다.", record));
        assert_eq!(check("기본요금은요?", "중지 기간에도 기본요금을 받습니다.", record), Verdict::Negation);
    }

    #[test]
    fn other_words_are_not_supported() {
        assert_eq!(check("?", "대행업자의 자본금은 등록 요건입니다.", FROZEN), Verdict::Words);
    }

    #[test]
    fn a_question_and_a_heading_are_no_statements() {
        assert_eq!(check("?", "교체비 4만2천원을 부담하나요?", FROZEN), Verdict::Words);
        assert_eq!(check("?", "계량기 > 교체비 4만2천원을 부담", FROZEN), Verdict::Words);
    }

    #[test]
    fn across_languages_only_numbers_speak() {
        let record = "대량 누출: 건물 밖으로 퍼짐 600미터";
        assert!(supported("What radius?", "The evacuation radius is 600 metres.", record));
        assert_eq!(check("What radius?", "The radius is 700 metres.", record), Verdict::Number);
        assert_eq!(check("What radius?", "Everybody leaves the area.", record), Verdict::Words);
    }
}
