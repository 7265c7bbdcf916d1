//! Weighs the sentences of the passages that were found: which of them answer the question, and does any?
//!
//! Both weighings are small logistic models over a handful of features, so that each judgement can be taken apart.
//! Their weights were fitted on the `dev` half of `suites/records` (`bench/answers/README.md` says how) and are the
//! only numbers here that came from data.

use std::collections::HashMap;
use std::ops::Range;

use retrieval::Hit;

use super::asked::Asked;
use super::language::is_body;
use super::number::Number;
use super::statement::{Side, bounds, statements};
use super::terms::{Term, Text, terms};

/// Features of one sentence.
pub(crate) const SENTENCE_FEATURES: usize = 14;
/// Features of a question with all that was found for it.
pub(crate) const QUESTION_FEATURES: usize = 15;

/// Weights of the features, the constant last.
struct Weights {
    sentence: [f32; SENTENCE_FEATURES + 1],
    question: [f32; QUESTION_FEATURES + 1],
}

/// Where an embedder compared the meaning of the best sentences.
const WITH_MEANING: Weights = Weights {
    sentence: [3.17, 1.57, -1.05, 1.41, -0.32, -1.05, 1.99, 1.89, 3.82, -0.93, -1.9, 1.97, 0.22, -0.98, -6.95],
    question: [1.25, -0.07, 1.07, 0.24, -0.09, -0.46, 1.22, 5.56, 0.17, 0.33, 1.09, -3.3, -1.93, 0.29, -2.51, -6.4],
};

/// Where there is none.
const BY_WORDS: Weights = Weights {
    sentence: [3.03, 2.09, -0.72, 1.77, -0.35, -0.96, 1.99, 0.0, 6.44, -0.93, -1.24, 1.73, -0.05, -1.23, -5.95],
    question: [0.17, -0.48, 1.89, 0.1, 0.98, -0.17, 1.27, 0.0, 3.92, 0.61, 1.92, -1.7, -0.7, -0.53, -2.75, -5.09],
};

/// A question, taken apart once.
#[derive(Debug)]
pub(crate) struct Question {
    pub text: Text,
    terms: Vec<Term>,
    /// Whether a word is the verb at the end, which a record may say in many other ways.
    verbs: Vec<bool>,
    asked: Asked,
    /// Whether it asks for what held before.
    past: bool,
    /// Places, laws and bodies that it names: `춘천시`, `수도법`.
    named: Vec<Term>,
}

/// A sentence of a passage, with what was seen of it.
#[derive(Debug, Clone)]
pub(crate) struct Sentence {
    /// The place of its passage among the hits.
    pub hit: usize,
    /// Where it stands in the passage's text.
    pub span: Range<usize>,
    /// Its place among the passage's sentences.
    pub place: usize,
    pub text: Text,
    bounds: Vec<(Number, Side)>,
    pub neighbours: Text,
    /// How near its meaning is to the question's, if an embedder said so; see [`nearness`].
    pub nearness: Option<f32>,
    pub features: [f32; SENTENCE_FEATURES],
    /// How likely it is that this sentence answers, 0 to 1.
    pub score: f32,
}

/// What was found, weighed.
#[derive(Debug)]
pub(crate) struct Weighed {
    pub hits: Vec<Hit>,
    /// The headings, title and path of each hit.
    pub headings: Vec<Text>,
    /// The year from which a newer document among the hits replaces the hit's document.
    pub replaced: Vec<Option<i16>>,
    /// All sentences; best first once [`Weighed::rank`] ran.
    pub sentences: Vec<Sentence>,
    idf: Vec<f32>,
    pub features: [f32; QUESTION_FEATURES],
    /// How likely it is that the records answer at all, 0 to 1.
    pub chance: f32,
}

impl Question {
    pub fn of(question: &str) -> Self {
        const PAST: &[&str] = &[
            "종전",
            "이전",
            "예전",
            "당시",
            "폐지되기",
            "바뀌기",
            "누진제가 있던",
            "옛",
            "작년",
            "previous",
            "former",
            "used to",
            "earlier",
            "old ",
        ];
        let flat = question.to_lowercase();
        let terms = terms(question);
        let said = statements(question);
        let ends = |term: &Term| said.iter().any(|one| one.words.iter().any(|word| word.verb && word.term == *term));
        Self {
            text: Text::of(question),
            verbs: terms.iter().map(ends).collect(),
            named: terms.iter().filter(|term| is_body(&term.stem)).cloned().collect(),
            terms,
            asked: Asked::of(question),
            past: PAST.iter().any(|word| flat.contains(word)),
        }
    }

    fn years(&self) -> impl Iterator<Item = i16> + '_ {
        let years = self.text.numbers.iter().filter(|number| (1900.0..2200.0).contains(&number.value));
        years.filter(|number| matches!(number.unit, Some("년") | None)).map(|number| number.value as i16)
    }

    /// Numbers and identifiers that it names.
    fn exact(&self) -> usize {
        self.text.numbers.len() + self.text.identifiers.len()
    }
}

impl Weighed {
    /// Takes the hits apart; nothing is scored yet.
    pub fn of(hits: Vec<Hit>, question: &Question) -> Self {
        let headings: Vec<Text> = hits.iter().map(headings_of).collect();
        let mut sentences = Vec::new();
        for (number, hit) in hits.iter().enumerate() {
            let spans = retrieval::sentences(&hit.text);
            let texts: Vec<Text> =
                spans.iter().map(|span| Text::of(hit.text.get(span.clone()).unwrap_or(""))).collect();
            let all = spans.clone();
            for (place, span) in spans.into_iter().enumerate() {
                let neighbours = neighbours(&hit.text, &all, &texts, place);
                if says_something(hit, hit.text.get(span.clone()).unwrap_or("")) {
                    sentences.push(Sentence {
                        hit: number,
                        place,
                        text: texts[place].clone(),
                        bounds: bounds(hit.text.get(span.clone()).unwrap_or("")),
                        span,
                        neighbours,
                        nearness: None,
                        features: [0.0; SENTENCE_FEATURES],
                        score: 0.0,
                    });
                }
            }
        }
        let idf = rarities(&hits, &headings, question);
        let replaced = replaced(&hits, &headings);
        let mut weighed =
            Self { hits, headings, replaced, sentences, idf, features: [0.0; QUESTION_FEATURES], chance: 0.0 };
        weighed.rank(question);
        weighed
    }

    /// The places of the sentences whose meaning is worth comparing, at most `most`: the best so far, and the first
    /// ones of the passages whose meaning is nearest.
    pub fn worth_embedding(&self, most: usize) -> Vec<usize> {
        let mut chosen: Vec<usize> = (0..self.sentences.len().min(most * 2 / 3)).collect();
        let mut near: Vec<usize> = (0..self.sentences.len())
            .filter(|place| self.hits[self.sentences[*place].hit].meaning_rank.is_some_and(|rank| rank <= 3))
            .collect();
        near.sort_by_key(|place| self.hits[self.sentences[*place].hit].meaning_rank);
        for place in near.into_iter().chain(0..self.sentences.len()) {
            if chosen.len() >= most {
                break;
            }
            if !chosen.contains(&place) {
                chosen.push(place);
            }
        }
        chosen
    }

    /// The words of a sentence.
    pub fn text_of(&self, sentence: &Sentence) -> &str {
        self.hits[sentence.hit].text.get(sentence.span.clone()).unwrap_or("")
    }

    /// What a sentence is embedded as: with the headings that it stands under, since it says little without them.
    pub fn embedded_text(&self, place: usize) -> String {
        let sentence = &self.sentences[place];
        let hit = &self.hits[sentence.hit];
        let heading = hit.headings.last().map_or("", String::as_str);
        let own = hit.text.get(sentence.span.clone()).unwrap_or("");
        let title = if heading == hit.title { "" } else { hit.title.as_str() };
        format!("{title} {heading} {own}").trim().chars().take(600).collect()
    }

    /// Scores every sentence, and the question as a whole, by what is known now.
    pub fn rank(&mut self, question: &Question) {
        let meaning = self.sentences.iter().any(|sentence| sentence.nearness.is_some());
        let weights = if meaning { &WITH_MEANING } else { &BY_WORDS };
        let Self { hits, headings, replaced, sentences, idf, .. } = self;
        for sentence in sentences.iter_mut() {
            let hit = &hits[sentence.hit];
            let context = &headings[sentence.hit];
            let found = [hit.words_rank, hit.meaning_rank.filter(|_| meaning)];
            sentence.features =
                sentence_features(question, idf, sentence, (hit, found), context, replaced[sentence.hit]);
            sentence.score = logistic(&sentence.features, &weights.sentence);
        }
        // A newer document goes before an older one where the sentences tie; then the order of the search.
        let bucket = |sentence: &Sentence| (sentence.score * 100.0).round() as i32;
        sentences.sort_by(|a, b| {
            bucket(b)
                .cmp(&bucket(a))
                .then(hits[b.hit].dated.cmp(&hits[a.hit].dated))
                .then(b.score.total_cmp(&a.score))
                .then(a.hit.cmp(&b.hit))
                .then(a.place.cmp(&b.place))
        });
        self.features = self.question_features(question);
        self.chance = logistic(&self.features, &weights.question);
    }

    /// Whether any sentence that was found holds a word, or the headings above it.
    fn hold(&self, term: &Term) -> bool {
        self.sentences.iter().any(|sentence| sentence.text.holds(term) >= 0.9)
            || self.headings.iter().any(|headings| headings.holds(term) >= 0.9)
    }

    fn question_features(&self, question: &Question) -> [f32; QUESTION_FEATURES] {
        let Some(best) = self.sentences.first() else { return [0.0; QUESTION_FEATURES] };
        let top = &self.sentences[..self.sentences.len().min(3)];
        let most = |of: &dyn Fn(&Sentence) -> f32| top.iter().map(of).fold(0.0_f32, f32::max);
        let nearest = self.sentences.iter().filter_map(|sentence| sentence.nearness).fold(0.0_f32, f32::max);
        let second = self.sentences.get(1).map_or(0.0, |sentence| sentence.score);
        let missing = if question.terms.is_empty() {
            0.0
        } else {
            // The most telling word that nothing that was found holds at all.
            let weight_max = self.idf.iter().copied().fold(f32::EPSILON, f32::max);
            question
                .terms
                .iter()
                .zip(&self.idf)
                .map(|(term, weight)| {
                    let held = self
                        .sentences
                        .iter()
                        .take(40)
                        .map(|sentence| sentence.text.holds(term).max(self.headings[sentence.hit].holds(term)))
                        .fold(0.0_f32, f32::max);
                    weight / weight_max * (1.0 - held)
                })
                .fold(0.0, f32::max)
        };
        [
            best.score,
            best.features[0],
            most(&|sentence| sentence.features[2]),
            missing,
            best.features[3],
            best.features[4],
            best.features[6],
            nearest,
            best.features[8],
            best.score - second,
            best.features[2] * best.features[6],
            best.features[5],
            best.features[12],
            best.features[13],
            f32::from(u8::from(question.named.iter().any(|body| !self.hold(body)))),
        ]
    }
}

/// What helps to understand a sentence: the ones before and after it, or for a row the head of its table.
fn neighbours(text: &str, spans: &[Range<usize>], texts: &[Text], place: usize) -> Text {
    let row = |at: usize| spans.get(at).and_then(|span| text.get(span.clone())).is_some_and(|own| own.starts_with('|'));
    if row(place) {
        let head = (0..place).rev().take_while(|at| row(*at)).last();
        return head.map(|head| texts[head].clone()).unwrap_or_default();
    }
    if spans.get(place).and_then(|span| text.get(span.clone())).is_some_and(|own| own.contains(" · ")) {
        return Text::default();
    }
    let mut near = place.checked_sub(1).map(|before| texts[before].clone()).unwrap_or_default();
    if let Some(next) = texts.get(place + 1) {
        near.extend(next);
    }
    // An item is read under the sentence that announces its list.
    let item = |at: usize| spans.get(at).and_then(|span| text.get(span.clone())).is_some_and(is_item);
    if item(place)
        && let Some(above) = (0..place).rev().find(|at| !item(*at))
    {
        near.extend(&texts[above]);
    }
    near
}

/// An item of a list: `1. `, `- `, `가. `. Paragraphs of a statute (`① `) stand for themselves.
pub(crate) fn is_item(text: &str) -> bool {
    let digits = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    digits.len() < text.len() && digits.starts_with(['.', ')'])
        || text.starts_with("- ")
        || text.starts_with("* ")
        || text.chars().next().is_some_and(|first| ('가'..='하').contains(&first))
            && text.chars().nth(1).is_some_and(|second| second == '.')
}

/// Whether a sentence may be an answer: no few letters, no bare field, no question, no heading repeated.
fn says_something(hit: &Hit, sentence: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|letter| letter.is_alphanumeric()).collect::<String>();
    let own = letters(sentence);
    own.chars().count() >= 4
        && !is_field(sentence)
        && !sentence.ends_with(['?', '？'])
        && own != letters(&hit.title)
        && hit.headings.iter().all(|heading| own != letters(heading))
}

/// A bare field of a data format, such as `date: 2025-04-11`: it says nothing without the record around it.
fn is_field(text: &str) -> bool {
    text.split_once(": ").is_some_and(|(name, value)| {
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && value.chars().count() <= 12
    })
}

fn sentence_features(
    question: &Question,
    idf: &[f32],
    sentence: &Sentence,
    (hit, found): (&Hit, [Option<u32>; 2]),
    context: &Text,
    replaced: Option<i16>,
) -> [f32; SENTENCE_FEATURES] {
    let (mut all, mut own, mut near, mut wide, mut missing) = (0.0_f32, 0.0, 0.0, 0.0, 0.0_f32);
    let weight_max = idf.iter().copied().fold(f32::EPSILON, f32::max);
    let (mut nouns, mut absent) = (0.0_f32, 0.0_f32);
    for ((term, weight), verb) in question.terms.iter().zip(idf).zip(&question.verbs) {
        let here = sentence.text.holds(term);
        let heading = here.max(0.9 * context.holds(term));
        let around = heading.max(0.7 * sentence.neighbours.holds(term));
        if !verb {
            (nouns, absent) = (nouns + 1.0, absent + f32::from(u8::from(around < 0.5)));
        }
        all += weight;
        own += weight * here;
        near += weight * heading;
        wide += weight * around;
        missing = missing.max(weight / weight_max * (1.0 - around));
    }
    let share = |held: f32| if all > 0.0 { held / all } else { 0.0 };
    let (lost, conflict) = exact(question, sentence, context);
    let text = hit.text.get(sentence.span.clone()).unwrap_or("");
    let length = text.chars().count() as f32;
    let foreign = question.text.is_foreign_to(&sentence.text);
    [
        share(own),
        share(near),
        share(wide),
        missing,
        lost,
        conflict,
        question.asked.met(text, &sentence.text, &question.text, &question.terms),
        sentence.nearness.unwrap_or(0.0),
        found.iter().flatten().map(|rank| 1.0 / (*rank as f32).sqrt()).sum::<f32>() / 2.0,
        (length / 200.0).min(2.0),
        f32::from(u8::from(replaced.is_some() && !question.past && !asks_for(question, context, hit, replaced))),
        f32::from(u8::from(foreign)),
        other_year(question, sentence, context, hit, replaced),
        if nouns > 0.0 { absent / nouns } else { 0.0 },
    ]
}

/// Share of the question's numbers and identifiers that neither sentence nor headings have; and whether the sentence
/// has another value of the same unit in a missing one's place.
fn exact(question: &Question, sentence: &Sentence, context: &Text) -> (f32, f32) {
    let asked = question.exact();
    if asked == 0 {
        return (0.0, 0.0);
    }
    let has = |number: &Number| {
        [&sentence.text, context, &sentence.neighbours].iter().any(|text| text.numbers.iter().any(|n| n.same(number)))
    };
    let (mut lost, mut conflict) = (0, false);
    for number in question.text.numbers.iter().filter(|number| !has(number)) {
        if covered(number, &sentence.bounds) {
            continue;
        }
        lost += 1;
        conflict |= number.unit.is_some() && sentence.text.numbers.iter().any(|other| other.unit == number.unit);
    }
    for name in &question.text.identifiers {
        if !sentence.text.identifiers.contains(name) && !context.identifiers.contains(name) {
            lost += 1;
            conflict |= !sentence.text.identifiers.is_empty();
        }
    }
    (lost as f32 / asked as f32, f32::from(u8::from(conflict)))
}

/// Whether a number lies within a bound of the same unit: 120 hours are `100시간 이상`.
fn covered(number: &Number, bounds: &[(Number, Side)]) -> bool {
    bounds.iter().any(|(bound, side)| {
        number.unit.is_some()
            && bound.unit == number.unit
            && match side {
                Side::Up => number.value >= bound.value,
                Side::Down => number.value <= bound.value,
            }
    })
}

/// Whether the question names a year that stands in a document's headings, or in which the document held: from its
/// date until another replaced it.
fn asks_for(question: &Question, context: &Text, hit: &Hit, replaced: Option<i16>) -> bool {
    question.years().any(|year| {
        let held = hit
            .dated
            .is_some_and(|date| date.year() == year || replaced.is_some_and(|end| (date.year()..end).contains(&year)));
        held || context.numbers.iter().any(|number| number.value == f64::from(year))
    })
}

/// Whether the question names a year, and neither the sentence nor its document has to do with it.
fn other_year(question: &Question, sentence: &Sentence, context: &Text, hit: &Hit, replaced: Option<i16>) -> f32 {
    let says = |year: i16| {
        [&sentence.text, &sentence.neighbours]
            .iter()
            .any(|text| text.numbers.iter().any(|n| n.value == f64::from(year)))
    };
    let other =
        question.years().next().is_some() && !question.years().any(says) && !asks_for(question, context, hit, replaced);
    f32::from(u8::from(other))
}

/// How telling each of the question's words is: rare among what was found weighs more.
fn rarities(hits: &[Hit], headings: &[Text], question: &Question) -> Vec<f32> {
    let texts: Vec<Text> = hits.iter().map(|hit| Text::of(&hit.text)).collect();
    let all = texts.len() as f32;
    question
        .terms
        .iter()
        .map(|term| {
            let holding = texts
                .iter()
                .zip(headings)
                .filter(|(text, heading)| text.holds(term).max(heading.holds(term)) >= 0.75)
                .count() as f32;
            let letters = term.stem.chars().count() as f32;
            // One letter says little, whatever it is rare in.
            (1.0 + (all - holding + 0.5).max(0.5) / (holding + 0.5)).ln() * (letters / 2.0).clamp(0.5, 1.2)
        })
        .collect()
}

fn headings_of(hit: &Hit) -> Text {
    let mut text = Text::of(&hit.title);
    for heading in &hit.headings {
        text.extend(&Text::of(heading));
    }
    text.extend(&Text::of(&hit.path));
    text
}

/// Which hits stand in a document that another one, no older, says it replaces; and from which year.
fn replaced(hits: &[Hit], headings: &[Text]) -> Vec<Option<i16>> {
    const WORDS: &[&str] = &["대체", "폐지", "갈음", "replaces", "supersedes", "repeals"];
    let mut named: HashMap<usize, Vec<Number>> = HashMap::new();
    for (place, hit) in hits.iter().enumerate() {
        for line in hit.text.lines().filter(|line| WORDS.iter().any(|word| line.contains(word))) {
            named.entry(place).or_default().extend(Text::of(line).numbers);
        }
    }
    let names = |numbers: &[Number], context: &Text| {
        let year = context.numbers.iter().find(|number| (1900.0..2200.0).contains(&number.value));
        let serial = context.numbers.iter().find(|number| matches!(number.unit, Some("호")));
        let both = [year, serial];
        both.iter().all(|wanted| wanted.is_some_and(|wanted| numbers.iter().any(|number| number.same(wanted))))
    };
    (0..hits.len())
        .map(|old_place| {
            let newer = named.iter().filter(|(new, numbers)| {
                let (new, old) = (&hits[**new], &hits[old_place]);
                new.document != old.document
                    && !matches!((new.dated, old.dated), (Some(new), Some(old)) if new < old)
                    && names(numbers, &headings[old_place])
            });
            newer.map(|(new, _)| hits[*new].dated.map_or(i16::MAX, |date| date.year())).min()
        })
        .collect()
}

/// A cosine spread over 0, nothing in common, to 1.25, the same: embedders differ in where their cosines begin.
pub(crate) fn nearness(cosine: f32, unrelated: f32) -> f32 {
    (1.25 * (cosine - unrelated) / (1.0 - unrelated).max(0.01)).clamp(0.0, 1.25)
}

fn logistic(features: &[f32], weights: &[f32]) -> f32 {
    let sum: f32 = features.iter().zip(weights).map(|(feature, weight)| feature * weight).sum::<f32>()
        + weights.last().copied().unwrap_or(0.0);
    1.0 / (1.0 + (-sum).exp())
}
