//! Whether a sentence of a record supports a sentence of an answer.
//!
//! No model is asked: the check is fast, the same each time, and can be explained (`docs/answers.md`). What must stay
//! true: an answer brings no word of its own that carries meaning, puts nothing together that the record keeps apart,
//! and turns nothing around. What cannot be told counts as not supported.

use super::language::says_silent;
use super::number::Number;
use super::row::wrong_column;
use super::statement::{Role, Statement, Word, negated, statements};
use super::terms::{Term, Text, terms};

/// So much of a word must be found for it to count as the record's.
const HELD_MIN: f32 = 0.6;
/// Share of a statement that must stand in the record's own statement, not only in its headings.
const OWN_MIN: f32 = 0.3;
/// Across languages words cannot be compared; so many numbers or identifiers must agree instead.
const ACROSS_MIN: usize = 1;

/// A sentence of a record, with what stands around it.
#[derive(Debug, Clone)]
pub(crate) struct Evidence<'a> {
    pub sentence: &'a str,
    /// Whether it is among the sentences that speak to the question.
    pub relevant: bool,
    pub text: &'a Text,
    pub statements: &'a [Statement],
    /// The headings, title and path of its document.
    pub headings: &'a Text,
    /// The head of its table, if it is a row.
    pub head: Option<&'a str>,
}

/// A sentence of an answer, taken apart once.
#[derive(Debug)]
pub(crate) struct Claim {
    sentence: String,
    text: Text,
    statements: Vec<Statement>,
    clauses: Vec<Clause>,
    silent: bool,
    /// A question, or the place line of a passage: no statement at all.
    echo: bool,
    /// Whether it ends as no sentence does.
    fragment: bool,
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
    /// A number, date or identifier is not in the record, or bounds another side, or counts by another time.
    Number,
    /// One side says no and the other does not.
    Negation,
    /// What one does in the record, another does in the answer.
    Roles,
    /// It brings words that are not in the record, or puts together what the record keeps apart.
    Words,
}

impl Claim {
    pub fn of(sentence: &str) -> Self {
        let echo = sentence.trim_end().ends_with(['?', '？']) || sentence.contains(" > ");
        let fragment = !sentence.trim_end().ends_with(['.', '!', '。', '다', '요']);
        Self {
            fragment,
            sentence: sentence.to_owned(),
            text: Text::of(sentence),
            statements: statements(sentence),
            clauses: clauses(sentence),
            silent: says_silent(sentence),
            echo,
        }
    }

    /// Whether the sentence says nothing that could be checked.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// Whether the sentence only says that the records do not say.
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    pub fn check(&self, evidence: &Evidence<'_>) -> Verdict {
        if self.echo || !evidence.relevant || self.fragment && self.repeats(evidence.headings) {
            return Verdict::Words;
        }
        let head = evidence.head.map(Text::of).unwrap_or_default();
        let around = [evidence.headings, &head];
        if !stand_in(&self.text, evidence.text, &around) {
            return Verdict::Number;
        }
        if self.text.is_foreign_to(evidence.text) {
            let exact = self.text.numbers.len() + self.text.identifiers.len();
            let own = self.text.numbers.iter().any(|number| has(&evidence.text.numbers, number))
                || self.text.identifiers.iter().any(|name| evidence.text.identifiers.contains(name));
            return if exact >= ACROSS_MIN && own { Verdict::Supported(0.5) } else { Verdict::Words };
        }
        if wrong_column(&self.sentence, &self.text.numbers, evidence.sentence, evidence.head) {
            return Verdict::Words;
        }
        if self.contradicts(evidence.sentence) {
            return Verdict::Negation;
        }
        let mut least = Verdict::Supported(1.0);
        for statement in &self.statements {
            let mut best = Verdict::Words;
            for place in 0..evidence.statements.len() {
                best = best.better(supports(statement, evidence.statements, place, &around));
            }
            least = match (least, best) {
                (Verdict::Supported(least), Verdict::Supported(best)) => Verdict::Supported(least.min(best)),
                (Verdict::Supported(_), not) => return not,
                (not, _) => not,
            };
        }
        if self.statements.is_empty() { Verdict::Words } else { least }
    }

    /// Whether all of it stands in the headings, as when a model copies one.
    fn repeats(&self, headings: &Text) -> bool {
        let mut words = self.statements.iter().flat_map(|statement| &statement.words);
        words.all(|word| headings.holds(&word.term) >= HELD_MIN)
            && self.text.numbers.iter().all(|number| has(&headings.numbers, number))
            && self.text.identifiers.iter().all(|name| headings.identifiers.contains(name))
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
            Self::Roles => "the records say it of someone else",
            Self::Words => "no sentence of the records that were found says this",
        }
    }

    /// The one that says more of the two.
    pub fn better(self, other: Self) -> Self {
        match (self, other) {
            (Self::Supported(one), Self::Supported(two)) => Self::Supported(one.max(two)),
            (Self::Supported(_), _) | (Self::Negation | Self::Roles, Self::Number | Self::Words) => self,
            (_, Self::Words) => self,
            _ => other,
        }
    }
}

/// Whether statement `place` of a record supports a statement of an answer.
fn supports(claim: &Statement, said: &[Statement], place: usize, around: &[&Text; 2]) -> Verdict {
    let own = &said[place];
    if !stand_in(&claim.text, &own.text, around) {
        return Verdict::Number;
    }
    let inherited = inherited(said, place);
    let (mut all, mut here) = (0.0, 0.0);
    for word in &claim.words {
        let held = own.text.holds(&word.term) >= HELD_MIN || own.words.iter().any(|other| other.term.same(&word.term));
        let near = || {
            around.iter().any(|text| text.holds(&word.term) >= HELD_MIN)
                || inherited.iter().any(|other| other.term.same(&word.term))
        };
        // The verb at the end may be another one of the many that say the same.
        let free = word.light || word.verb && !word.condition;
        if !held && !free && !near() {
            return Verdict::Words;
        }
        if !word.light {
            (all, here) = (all + 1.0, here + f32::from(u8::from(held)));
        }
    }
    for number in &claim.text.numbers {
        (all, here) = (all + 1.0, here + f32::from(u8::from(has(&own.text.numbers, number))));
    }
    for name in &claim.text.identifiers {
        (all, here) = (all + 1.0, here + f32::from(u8::from(own.text.identifiers.contains(name))));
    }
    if all == 0.0 || here / all < OWN_MIN {
        return Verdict::Words;
    }
    // `600원` alone says nothing of which of several amounts it is.
    let bare = claim.words.iter().all(|word| word.light || word.verb);
    let another = |number: &Number| own.text.numbers.iter().any(|own| own.unit == number.unit && !own.same(number));
    if bare && claim.text.numbers.iter().any(another) {
        return Verdict::Words;
    }
    if bounds_differ(claim, own) || periods_differ(claim, own) {
        return Verdict::Number;
    }
    if roles_differ(claim, own) {
        return Verdict::Roles;
    }
    Verdict::Supported(here / all)
}

/// What a statement without a subject of its own takes from the ones before it: the last subject, and what stands
/// before that.
fn inherited(said: &[Statement], place: usize) -> Vec<&Word> {
    if said[place].subject().is_some() {
        return Vec::new();
    }
    let before = said[..place].iter().rev().find(|statement| statement.subject().is_some());
    before.map_or_else(Vec::new, |statement| {
        let last = statement.words.iter().rposition(|word| word.role == Role::Subject && !word.condition);
        statement.words.iter().take(last.map_or(0, |last| last + 1)).collect()
    })
}

fn bounds_differ(claim: &Statement, own: &Statement) -> bool {
    claim.bounds.iter().any(|(number, side)| {
        let sides: Vec<_> = own.bounds.iter().filter(|(other, _)| other.same(number)).map(|(_, side)| *side).collect();
        !sides.is_empty() && !sides.contains(side)
    })
}

fn periods_differ(claim: &Statement, own: &Statement) -> bool {
    !own.periods.is_empty() && claim.periods.iter().any(|period| !own.periods.contains(period))
}

/// Whether somebody does in the answer what the record says of another: a giver who receives, or two nouns that have
/// changed places. Who receives in one may be the subject of receiving in the other.
fn roles_differ(claim: &Statement, own: &Statement) -> bool {
    let receives = |statement: &Statement| {
        statement
            .words
            .iter()
            .any(|word| !word.condition && (word.term.stem.starts_with('받') || word.term.stem.starts_with("돌려받")))
    };
    let turned = receives(claim) != receives(own);
    let both: Vec<(Role, Role)> = claim
        .words
        .iter()
        .filter(|word| !word.condition && !word.light)
        .filter_map(|word| Some((word.role, own.role_of(&word.term)?)))
        .filter(|(one, other)| *one != Role::Other && *other != Role::Other)
        .collect();
    let swapped = both.iter().enumerate().any(|(place, (one, other))| {
        one != other && both[place + 1..].iter().any(|(third, fourth)| third == other && fourth == one)
    });
    let receiver =
        both.iter().any(|pair| matches!(pair, (Role::Receiver, Role::Subject) | (Role::Subject, Role::Receiver)));
    !turned && (swapped || receiver)
}

/// Whether all numbers and identifiers of a text stand in another, or around it.
fn stand_in(text: &Text, own: &Text, around: &[&Text; 2]) -> bool {
    text.numbers
        .iter()
        .all(|number| has(&own.numbers, number) || around.iter().any(|other| has(&other.numbers, number)))
        && text
            .identifiers
            .iter()
            .all(|name| own.identifiers.contains(name) || around.iter().any(|other| other.identifiers.contains(name)))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn under(headings: &str, head: &str, answer: &str, record: &str) -> Verdict {
        let (text, headings, statements) = (Text::of(record), Text::of(headings), statements(record));
        let head = Some(head).filter(|head| !head.is_empty());
        let evidence = Evidence {
            sentence: record,
            relevant: true,
            text: &text,
            statements: &statements,
            headings: &headings,
            head,
        };
        Claim::of(answer).check(&evidence)
    }

    fn check(answer: &str, record: &str) -> Verdict {
        under("", "", answer, record)
    }

    fn supported(answer: &str, record: &str) -> bool {
        matches!(check(answer, record), Verdict::Supported(_))
    }

    const FROZEN: &str = "③ 수도사용자가 보온조치를 하지 아니하여 구경 15밀리미터 계량기가 동파된 경우 수도사용자는 교체비 4만2천원을 부담한다.";
    const RECORDING: &str = "① 제4조의 회의록을 만들기 위하여 녹음한 파일은 회의록이 확정된 날부터 6개월 뒤에 지운다.";

    #[test]
    fn a_deadline_that_begins_with_another_event_is_not_supported() {
        assert!(supported("녹음한 파일은 회의록이 확정된 날부터 6개월 뒤에 지웁니다.", RECORDING));
        assert_eq!(check("녹음한 파일은 회의가 끝난 날부터 6개월 뒤에 지웁니다.", RECORDING), Verdict::Words);
        assert_eq!(check("녹음한 파일은 회의록이 확정된 날부터 6개월 이내에 지웁니다.", RECORDING), Verdict::Number);
    }

    #[test]
    fn the_same_value_in_another_spelling_is_supported() {
        assert!(supported("구경 15mm 계량기의 교체비는 42,000원입니다.", FROZEN));
        assert!(supported("교체비 4만2천원을 부담합니다.", FROZEN));
    }

    #[test]
    fn a_number_that_the_record_does_not_have_is_not_supported() {
        assert_eq!(check("20밀리미터 계량기의 교체비는 4만2천원입니다.", FROZEN), Verdict::Number);
        assert_eq!(check("교체비는 4만3천원입니다.", FROZEN), Verdict::Number);
        assert_eq!(check("P-105는 예비기이다.", "P-104는 예비기이다."), Verdict::Number);
    }

    #[test]
    fn yes_is_not_supported_by_no() {
        let record = "④ 최저기온이 영하 15도 아래로 내려간 날에 동파된 경우에는 교체비를 받지 아니한다.";
        assert_eq!(check("영하 15도 아래로 내려간 날에 동파되면 교체비를 받습니다.", record), Verdict::Negation);
        assert!(supported("영하 15도 아래로 내려간 날에 동파되면 교체비를 받지 않습니다.", record));
    }

    #[test]
    fn a_bound_is_no_negation() {
        let record = "② 중지 기간은 한 번에 12개월을 넘을 수 없으며, 그 기간에는 기본요금을 받지 아니한다.";
        assert!(supported("중지 기간은 한 번에 12개월까지입니다.", record));
        assert!(supported("중지 기간에는 기본요금을 받지 않습니다.", record));
        assert_eq!(check("중지 기간에도 기본요금을 받습니다.", record), Verdict::Negation);
        assert_eq!(check("중지 기간은 한 번에 12개월 이상입니다.", record), Verdict::Number);
    }

    #[test]
    fn a_word_of_its_own_is_not_supported() {
        assert_eq!(check("대행업자의 자본금은 등록 요건입니다.", FROZEN), Verdict::Words);
        assert_eq!(check("시장은 교체비 4만2천원을 부담합니다.", FROZEN), Verdict::Words);
        assert_eq!(
            check("장애인 가구는 월 5세제곱미터입니다.", "자녀가 3명 이상인 가구: 월 5세제곱미터"),
            Verdict::Words
        );
    }

    #[test]
    fn whoever_gives_does_not_receive() {
        let record = "② 시장은 신청서를 접수한 날부터 7일 이내에 승인 여부를 신청인에게 알려야 한다.";
        assert!(supported("시장은 7일 이내에 승인 여부를 신청인에게 알려야 합니다.", record));
        assert_eq!(check("신청인은 7일 이내에 승인 여부를 시장에게 알려야 합니다.", record), Verdict::Roles);
        let record = "한 해에 100시간 이상 활동한 사람에게는 우수자원봉사자증을 준다.";
        assert!(supported("100시간 이상 활동한 사람은 우수자원봉사자증을 받습니다.", record));
    }

    #[test]
    fn two_statements_of_one_sentence_are_not_put_together() {
        let record = "② 사용일 7일 전까지 취소하면 사용료 전액을 돌려주고, 그 뒤에 취소하면 50퍼센트를 돌려준다.";
        assert!(supported("사용일 7일 전까지 취소하면 사용료 전액을 돌려줍니다.", record));
        assert!(!supported("사용일 7일 전까지 취소하면 사용료의 50퍼센트를 돌려줍니다.", record));
        let record = "The sending city pays for air travel, and the receiving city pays for lodging.";
        assert!(supported("The sending city pays for air travel.", record));
        assert!(!supported("The receiving city pays for air travel.", record));
    }

    #[test]
    fn a_number_of_another_column_is_not_supported() {
        let (head, row) = ("| 구분 | 최초 30분 | 월 정기권 |", "| 1급지 | 600원 | 70,000원 |");
        let said = |answer| under("주차요금", head, answer, row);
        assert!(matches!(said("1급지의 월 정기권은 70,000원입니다."), Verdict::Supported(_)));
        assert_eq!(said("1급지의 월 정기권은 600원입니다."), Verdict::Words);
    }

    #[test]
    fn a_bare_amount_is_supported_only_where_there_is_no_other() {
        assert_eq!(check("600원입니다.", "| 1급지 | 600원 | 70,000원 |"), Verdict::Words);
        assert!(supported("42,000원입니다.", FROZEN));
    }

    #[test]
    fn a_question_and_a_heading_are_no_statements() {
        assert_eq!(check("교체비 4만2천원을 부담하나요?", FROZEN), Verdict::Words);
        assert_eq!(check("계량기 > 교체비 4만2천원을 부담", FROZEN), Verdict::Words);
        let headings = "기록물 관리 규칙 제5조 회의 녹음";
        assert_eq!(under(headings, "", "제5조 회의 녹음", RECORDING), Verdict::Words);
        assert!(matches!(under(headings, "", "6개월 뒤", RECORDING), Verdict::Supported(_)));
    }

    #[test]
    fn across_languages_only_numbers_speak() {
        let record = "대량 누출: 건물 밖으로 퍼짐 600미터";
        assert!(supported("The evacuation radius is 600 metres.", record));
        assert_eq!(check("The radius is 700 metres.", record), Verdict::Number);
        assert_eq!(check("Everybody leaves the area.", record), Verdict::Words);
    }

    #[derive(serde::Deserialize)]
    struct Labelled {
        id: String,
        split: String,
        headings: String,
        record: String,
        neighbours: String,
        claim: String,
        supported: bool,
        how: String,
    }

    /// The labelled claims of `suites/records`: what a model may write beside what the record says. The figures stand
    /// in `bench/answers/README.md`; `cargo test -p serving labelled -- --nocapture` prints them.
    #[test]
    fn of_labelled_claims_few_wrong_ones_pass_and_most_right_ones() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../suites/records/claims.jsonl");
        let lines = std::fs::read_to_string(path).expect("suites/records/claims.jsonl is part of the project");
        for split in ["dev", "test"] {
            let (mut right, mut rights, mut wrong, mut wrongs) = (0, 0, 0, 0);
            for claim in lines.lines().map(|line| serde_json::from_str::<Labelled>(line).expect("a labelled claim")) {
                if claim.split != split {
                    continue;
                }
                let head = Some(claim.neighbours.as_str()).filter(|near| near.starts_with('|')).unwrap_or("");
                let verdict = under(&claim.headings, head, &claim.claim, &claim.record);
                let passes = matches!(verdict, Verdict::Supported(_));
                if claim.supported {
                    (rights, right) = (rights + 1, right + u32::from(passes));
                } else {
                    (wrongs, wrong) = (wrongs + 1, wrong + u32::from(passes));
                }
                if passes != claim.supported && split == "dev" {
                    println!("{} {} {verdict:?} {}\n    {}", claim.id, claim.how, claim.claim, claim.record);
                }
            }
            println!("{split}: {right} of {rights} right ones supported, {wrong} of {wrongs} wrong ones");
            assert!(10 * wrong <= wrongs, "{wrong} of {wrongs} wrong claims pass in {split}");
            assert!(10 * right >= 7 * rights, "only {right} of {rights} right claims pass in {split}");
        }
    }
}
