//! A sentence as its statements: what each says of which subject, under which condition, with which bounds.
//!
//! `전액을 돌려주고, 그 뒤에 취소하면 50퍼센트를 돌려준다` makes two statements; what one says must not be put together with
//! what the other says. Nothing here parses a grammar: particles, endings and a few words are looked at, and where
//! they say nothing, nothing is concluded.

use super::language::{is_hangul, is_light_word};
use super::number::{self, Number};
use super::terms::{Term, Text, terms};

/// One statement of a sentence.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub words: Vec<Word>,
    pub text: Text,
    /// Numbers with the side on which they bound something.
    pub bounds: Vec<(Number, Side)>,
    pub periods: Vec<Period>,
}

/// A word with its place in the statement.
#[derive(Debug, Clone)]
pub(crate) struct Word {
    pub term: Term,
    pub role: Role,
    /// Whether it stands in a condition: `고지서를 받은 날부터`, `단수가 되면`.
    pub condition: bool,
    /// Whether it only helps along (`하다`, `기간`), so that an answer may bring it of its own.
    pub light: bool,
    /// Whether it is a verb at the end that is no noun with `하다`: Korean says the same with many of these.
    pub verb: bool,
}

/// What a Korean particle says of its noun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Subject,
    Object,
    Receiver,
    Owner,
    Other,
}

/// The side on which a number bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// At most, before, below.
    Down,
    /// At least, after, above.
    Up,
}

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Period {
    Day,
    Week,
    Month,
    Quarter,
    Half,
    Year,
}

impl Statement {
    fn of(part: &str) -> Self {
        let tokens: Vec<&str> = part.split_whitespace().collect();
        let conditions = conditions(&tokens);
        let mut words = Vec::new();
        for (place, &token) in tokens.iter().enumerate() {
            let last = place + 1 == tokens.len();
            // `받지 아니한다` is one verb: the no is looked at elsewhere.
            let next = tokens.get(place + 1).copied().unwrap_or("");
            let plain = if is_no(next) { token.strip_suffix('지').unwrap_or(token) } else { token };
            for term in terms(plain) {
                let light = is_light_word(&term.stem) || is_no(token);
                let role = role(token);
                let verb = last && term.is_short() && !with_hada(token, &term.stem);
                words.push(Word { role, condition: conditions[place], light, verb, term });
            }
        }
        Self { words, text: Text::of(part), bounds: bounds(part), periods: periods(&tokens) }
    }

    pub fn subject(&self) -> Option<&Word> {
        self.words.iter().find(|word| word.role == Role::Subject && !word.condition)
    }

    /// The role of a word here, if it stands here as a word of its own.
    pub fn role_of(&self, term: &Term) -> Option<Role> {
        self.words.iter().find(|word| word.term.same(term)).map(|word| word.role)
    }
}

/// The statements of a sentence, in order, none of them empty.
pub(crate) fn statements(sentence: &str) -> Vec<Statement> {
    let (mut found, mut start, mut at) = (Vec::new(), 0, 0);
    let mut close = |part: &str| {
        let statement = Statement::of(part);
        if !statement.words.is_empty() || !statement.text.numbers.is_empty() || !statement.text.identifiers.is_empty() {
            found.push(statement);
        }
    };
    let words: Vec<&str> = sentence.split_inclusive(' ').collect();
    for (place, word) in words.iter().enumerate() {
        at += word.len();
        if joins(word.trim_end(), words.get(place + 1).map_or("", |next| next.trim_end())) {
            close(&sentence[start..at]);
            start = at;
        }
    }
    close(&sentence[start..]);
    found
}

/// Whether a statement ends with this word and another goes on.
fn joins(word: &str, next: &str) -> bool {
    const NOUNS: &[&str] = &[
        "보고",
        "신고",
        "경고",
        "사고",
        "최고",
        "재고",
        "광고",
        "공고",
        "창고",
        "참고",
        "금고",
        "권고",
        "예고",
        "선고",
        "서고",
        "표고",
        "통고",
        "그리고",
    ];
    let bare = word.trim_end_matches(',');
    let korean = bare.chars().count() >= 2
        && (bare.ends_with('고') && !NOUNS.iter().any(|noun| bare.ends_with(noun)) && !is_no(next) && next != "있다"
            || ["하며", "되며", "으며", "이며", "리며", "시며", "지만", "으나", "하되"]
                .iter()
                .any(|end| bare.ends_with(end)));
    let english = word.ends_with(';') || word.ends_with(',') && matches!(next, "and" | "but" | "while");
    korean || english
}

/// Whether a word is a noun made a verb: `가산한다`, `할인됩니다`.
fn with_hada(token: &str, stem: &str) -> bool {
    token.split_once(stem).is_some_and(|(_, ending)| {
        ending.starts_with(['하', '되', '합', '됩', '한', '된', '할', '될', '해', '돼', '했', '됐', '함', '됨'])
    })
}

fn is_no(token: &str) -> bool {
    ["않", "아니하", "아니한", "아니합", "못하", "못한", "못합"].iter().any(|no| token.starts_with(no))
}

fn role(token: &str) -> Role {
    let run: Vec<char> = token.trim_end_matches(|letter: char| !is_hangul(letter)).chars().collect();
    let run: String =
        run.iter().rev().take_while(|letter| is_hangul(**letter)).collect::<Vec<_>>().into_iter().rev().collect();
    let ends = |endings: &[&str]| endings.iter().any(|end| run.len() > end.len() && run.ends_with(end));
    const VERBS: &[&str] = &[
        "하는", "되는", "려는", "쓰는", "내는", "드는", "나는", "주는", "오는", "있는", "없는", "받는", "않는", "받은",
        "넘은", "남은", "많은", "높은", "낮은", "늦은", "같은", "않은", "찾은", "묻은", "맡은", "적은", "없이", "같이",
        "많이",
    ];
    if ends(&["에게", "에게는", "에게도", "한테", "께", "께는"]) {
        Role::Receiver
    } else if VERBS.iter().any(|verb| run.ends_with(verb)) || ends(&["에는", "에서는", "으로는", "까지는", "부터는"])
    {
        Role::Other
    } else if ends(&["은", "는", "이", "가", "께서"]) {
        Role::Subject
    } else if ends(&["을", "를"]) {
        Role::Object
    } else if ends(&["의"]) {
        Role::Owner
    } else {
        Role::Other
    }
}

/// Which tokens stand in a condition: from behind the last boundary up to the word that makes it one.
fn conditions(tokens: &[&str]) -> Vec<bool> {
    const MARKS: &[&str] = &[
        "날부터",
        "날의",
        "날에",
        "날에는",
        "때",
        "때는",
        "때에는",
        "때부터",
        "경우",
        "경우에는",
        "경우에",
        "뒤에",
        "뒤",
        "후",
        "후에",
    ];
    let mut found = vec![false; tokens.len()];
    let mut start = 0;
    for (place, token) in tokens.iter().enumerate() {
        let bare = token.trim_end_matches(|letter: char| !letter.is_alphanumeric());
        let opens = MARKS.contains(&bare) && place > start
            || bare.chars().count() >= 2 && bare.ends_with('면') && !bare.ends_with("려면")
            || matches!(bare.to_lowercase().as_str(), "if" | "when" | "unless");
        if opens {
            if bare.is_ascii() {
                found[place..].iter_mut().for_each(|word| *word = true);
            } else {
                found[start..=place].iter_mut().for_each(|word| *word = true);
            }
            start = place + 1;
        }
        // `녹음한 파일은 회의록이 …`: what stands before the topic is not part of a condition behind it.
        if bare.ends_with(['은', '는']) && role(token) == Role::Subject {
            start = place + 1;
        }
    }
    found
}

/// Whether a statement says no. "Not more than" draws a bound and says no to nothing.
pub(crate) fn negated(part: &str) -> bool {
    let mut flat = format!(" {} ", part.to_lowercase());
    for bound in BOUNDS_OF_NO.iter().chain(&["뿐만 아니라", "아니라"]) {
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
        "없이",
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
        " unless ",
        " without ",
        "forbidden",
        "prohibited",
    ];
    NO.iter().any(|word| flat.contains(word))
}

const BOUNDS_OF_NO: &[&str] = &[
    "넘을 수 없",
    "초과할 수 없",
    "넘지 않",
    "넘지 아니",
    "넘지 못",
    "넘기지 않",
    "넘기지 아니",
    "초과하지 않",
    "초과하지 못",
    "not more than",
    "no more than",
    "no later than",
    "not exceed",
    "not longer than",
];

/// The numbers of a statement that bound something, with the side.
pub(crate) fn bounds(part: &str) -> Vec<(Number, Side)> {
    let chars = number::normal(part);
    let (mut found, mut at) = (Vec::new(), 0);
    while at < chars.len() {
        if let Some((_, end)) = number::identifier(&chars, at) {
            at = end;
        } else if let Some((numbers, end)) = number::read(&chars, at) {
            if let (Some(number), Some(side)) = (numbers.into_iter().last(), side(&chars, at, end)) {
                found.push((number, side));
            }
            at = end;
        } else {
            at += 1;
        }
    }
    found
}

fn side(chars: &[char], start: usize, end: usize) -> Option<Side> {
    const DOWN: &[&str] = &[
        "이내",
        "안에",
        "안으로",
        "이하",
        "미만",
        "아래",
        "밑",
        "까지",
        "전까지",
        "전에",
        "전부터",
        "before",
        "or less",
    ];
    const UP: &[&str] = &["이상", "초과", "넘", "지나", "지난", "뒤", "후", "위", "부터", "after", "or more"];
    const DOWN_BEFORE: &[&str] = &[
        "at most",
        "within",
        "below",
        "under",
        "up to",
        "less than",
        "not exceed",
        "no later than",
        "not more than",
        "최대",
    ];
    const UP_BEFORE: &[&str] = &["at least", "more than", "over", "above", "exceeds", "exceeding", "최소"];
    let after: String = chars[end..].iter().take(14).take_while(|letter| !letter.is_ascii_digit()).collect();
    let before: String = chars[start.saturating_sub(16)..start].iter().collect::<String>().to_lowercase();
    let bound_of_no = BOUNDS_OF_NO.iter().filter_map(|phrase| after.find(phrase)).min();
    let first = |words: &[&str]| words.iter().filter_map(|word| after.find(word)).min();
    match (first(DOWN), first(UP), bound_of_no) {
        (_, Some(up), Some(no)) if up == no => return Some(Side::Down),
        (Some(down), Some(up), _) => return Some(if down < up { Side::Down } else { Side::Up }),
        (Some(_), None, _) => return Some(Side::Down),
        (None, Some(_), _) => return Some(Side::Up),
        _ => {}
    }
    let last = |words: &[&str]| words.iter().filter_map(|word| before.rfind(word).map(|at| at + word.len())).max();
    match (last(DOWN_BEFORE), last(UP_BEFORE)) {
        (Some(down), Some(up)) => Some(if down >= up { Side::Down } else { Side::Up }),
        (Some(_), None) => Some(Side::Down),
        (None, Some(_)) => Some(Side::Up),
        (None, None) => None,
    }
}

/// What a statement counts by.
fn periods(tokens: &[&str]) -> Vec<Period> {
    let mut found = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        let bare = token.trim_matches(|letter: char| !letter.is_alphanumeric());
        let next = tokens.get(place + 1).map_or("", |next| *next);
        let counts = next.chars().next().is_some_and(|letter| letter.is_ascii_digit() || "한두세네".contains(letter));
        let period = match bare {
            "해마다" | "매년" | "연간" => Period::Year,
            "연" | "해에" if counts => Period::Year,
            "매월" | "매달" | "달마다" => Period::Month,
            "월" | "달에" if counts => Period::Month,
            "매주" | "주마다" => Period::Week,
            "주" if counts => Period::Week,
            "매일" | "날마다" => Period::Day,
            "하루" if counts => Period::Day,
            "분기마다" => Period::Quarter,
            "반기마다" => Period::Half,
            "yearly" | "annually" => Period::Year,
            "monthly" => Period::Month,
            "weekly" => Period::Week,
            "daily" => Period::Day,
            "quarterly" => Period::Quarter,
            _ => continue,
        };
        found.push(period);
    }
    found
}
