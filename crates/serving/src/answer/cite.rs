//! Citations: the exact sentence of a record that stands behind a sentence of an answer.

use std::ops::Range;

use retrieval::Hit;

use super::statement::{Statement, statements};
use super::support::{Claim, Evidence, Verdict};
use super::terms::Text;
use super::weigh::{Weighed, is_item};
use crate::{Citation, Source};

/// Sentences that an extractive answer is made of at most.
const EXTRACT_MAX: usize = 2;
/// A further sentence is quoted only if it is at least so good beside the best one.
const EXTRACT_SHARE: f32 = 0.93;

/// A list that is quoted with the sentence that announces it, in bytes at most.
const LIST_BYTES_MAX: usize = 1_500;

/// A sentence that speaks so much less to the question than the best one supports no answer to it.
const RELEVANT_SHARE: f32 = 0.5;

/// The passages that an answer may cite, numbered, with all their sentences ready to be checked against.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cited {
    passages: Vec<Passage>,
}

#[derive(Debug, Clone)]
struct Passage {
    hit: Hit,
    headings: Text,
    replaced: bool,
    sentences: Vec<Piece>,
    excerpt: String,
}

#[derive(Debug, Clone)]
struct Piece {
    span: Range<usize>,
    relevant: bool,
    text: Text,
    statements: Vec<Statement>,
    head: Option<Range<usize>>,
}

impl Cited {
    /// Numbers the chosen passages, given as places among the hits with the excerpt that is shown of each.
    pub fn of(weighed: &Weighed, chosen: &[(usize, String)]) -> Self {
        let best = weighed.sentences.first().map_or(0.0, |sentence| sentence.score);
        // What stands beside a sentence that speaks to the question goes on with it.
        let speaks = |hit: usize, place: usize| {
            weighed.sentences.iter().any(|other| {
                other.hit == hit && other.place.abs_diff(place) <= 1 && other.score >= RELEVANT_SHARE * best
            })
        };
        let passages = chosen
            .iter()
            .map(|(place, excerpt)| Passage {
                hit: weighed.hits[*place].clone(),
                headings: weighed.headings[*place].clone(),
                replaced: weighed.replaced[*place].is_some(),
                sentences: weighed
                    .sentences
                    .iter()
                    .filter(|sentence| sentence.hit == *place)
                    .map(|sentence| Piece {
                        span: sentence.span.clone(),
                        relevant: speaks(sentence.hit, sentence.place),
                        text: sentence.text.clone(),
                        statements: statements(weighed.text_of(sentence)),
                        head: head_of(&weighed.hits[*place].text, sentence.span.start),
                    })
                    .collect(),
                excerpt: excerpt.clone(),
            })
            .collect();
        Self { passages }
    }

    pub fn len(&self) -> u32 {
        self.passages.len() as u32
    }

    /// Keeps only the first `count` passages.
    pub fn truncate(&mut self, count: usize) {
        self.passages.truncate(count);
    }

    pub fn excerpt(&self, number: u32) -> &str {
        self.passage(number).map_or("", |passage| passage.excerpt.as_str())
    }

    /// Shortens what is shown of a passage.
    pub fn shorten(&mut self, number: u32, chars_max: usize) {
        if let Some(passage) = (number as usize).checked_sub(1).and_then(|place| self.passages.get_mut(place)) {
            passage.excerpt = passage.excerpt.chars().take(chars_max).collect();
        }
    }

    pub fn hit(&self, number: u32) -> Option<(&Hit, bool)> {
        self.passage(number).map(|passage| (&passage.hit, passage.replaced))
    }

    pub fn sources(&self) -> Vec<Source> {
        self.passages
            .iter()
            .enumerate()
            .map(|(place, passage)| Source {
                number: place as u32 + 1,
                passage: passage.hit.passage,
                document: passage.hit.document,
                path: passage.hit.path.clone(),
                title: passage.hit.title.clone(),
                headings: passage.hit.headings.clone(),
                span: passage.hit.span.clone(),
                dated: passage.hit.dated.map(|date| date.to_string()),
                replaced: passage.replaced,
                excerpt: passage.excerpt.clone(),
            })
            .collect()
    }

    /// The sentence of passage `number` that supports a claim best, or why none does.
    pub fn check(&self, claim: &Claim, number: u32) -> Result<(f32, Range<usize>), Verdict> {
        let Some(passage) = self.passage(number) else { return Err(Verdict::Words) };
        let (mut best, mut why) = (None::<(f32, Range<usize>)>, Verdict::Words);
        for piece in &passage.sentences {
            let Some(sentence) = passage.hit.text.get(piece.span.clone()) else { continue };
            let evidence = Evidence {
                sentence,
                relevant: piece.relevant,
                text: &piece.text,
                statements: &piece.statements,
                headings: &passage.headings,
                head: piece.head.as_ref().and_then(|head| passage.hit.text.get(head.clone())),
            };
            match claim.check(&evidence) {
                Verdict::Supported(score) if best.as_ref().is_some_and(|(most, _)| score <= *most) => {}
                Verdict::Supported(score) => best = Some((score, piece.span.clone())),
                not => why = why.better(not),
            }
        }
        best.ok_or(why)
    }

    /// The passage that supports a claim best, with the sentence that does, or why none does.
    pub fn find(&self, claim: &Claim) -> Result<(u32, Range<usize>), Verdict> {
        let (mut best, mut why) = (None::<(f32, u32, Range<usize>)>, Verdict::Words);
        for number in 1..=self.len() {
            match self.check(claim, number) {
                Ok((score, span)) => {
                    if best.as_ref().is_none_or(|(most, ..)| score > *most) {
                        best = Some((score, number, span));
                    }
                }
                Err(not) => why = why.better(not),
            }
        }
        best.map(|(_, number, span)| (number, span)).ok_or(why)
    }

    /// The citation of a sentence of passage `number`, or none if it cannot be checked against the stored text.
    pub fn cite(&self, number: u32, sentence: Range<usize>, mark: Range<usize>) -> Option<Citation> {
        let hit = &self.passage(number)?.hit;
        // The hit's text is the document's text at its span; without that no quote can be placed.
        if hit.span.end.checked_sub(hit.span.start) != Some(hit.text.len() as u64) {
            return None;
        }
        let quote = hit.text.get(sentence.clone()).filter(|quote| !quote.trim().is_empty())?.to_owned();
        let span = within(hit, &sentence);
        Some(Citation {
            number,
            passage: hit.passage,
            document: hit.document,
            path: hit.path.clone(),
            title: hit.title.clone(),
            headings: hit.headings.clone(),
            span,
            quote,
            mark,
        })
    }

    fn passage(&self, number: u32) -> Option<&Passage> {
        self.passages.get((number as usize).checked_sub(1)?)
    }
}

/// The head of the table that the row at `start` stands in.
fn head_of(text: &str, start: usize) -> Option<Range<usize>> {
    if !text.get(start..)?.starts_with('|') {
        return None;
    }
    let mut head = None;
    let mut end = start;
    while let Some(line) = text[..end].trim_end_matches('\n').rsplit('\n').next().filter(|line| line.starts_with('|')) {
        let from = text[..end].trim_end_matches('\n').len() - line.len();
        head = Some(from..from + line.len());
        end = from;
    }
    head
}

/// Where a span of a hit's text stands in the document's text.
pub(crate) fn within(hit: &Hit, span: &Range<usize>) -> Range<u64> {
    hit.span.start + span.start as u64..hit.span.start + span.end as u64
}

/// A sentence that announces a list says little without it, so it is quoted with its items: `다음 가운데 하나에 이르면
/// 역세척을 시작한다.` An item that is one of several which do equally is quoted with all of them.
fn with_list(text: &str, sentence: &Range<usize>) -> Range<usize> {
    let words = |span: &Range<usize>| text.get(span.clone()).unwrap_or("");
    let all = retrieval::sentences(text);
    let mut head = sentence.clone();
    if is_item(words(sentence)) {
        let above = all.iter().rev().skip_while(|span| span.start >= sentence.start).find(|span| !is_item(words(span)));
        match above.filter(|above| {
            ["하나에", "하나라도", "어느 하나", "one of", "any of"].iter().any(|any| words(above).contains(any))
        }) {
            Some(above) => head = above.clone(),
            None => return head,
        }
    }
    let announces = ["다음", "아래와 같", "following"].iter().any(|word| words(&head).contains(word));
    if !announces && !words(&head).ends_with(':') {
        return sentence.clone();
    }
    let items = all
        .into_iter()
        .skip_while(|next| next.start < head.end)
        .take_while(|next| is_item(words(next)) && next.end - head.start <= LIST_BYTES_MAX);
    head.start..items.last().map_or(head.end, |item| item.end).max(sentence.end)
}

/// The best sentences, quoted: up to two, from the chosen passages. Their marks are empty.
pub(crate) fn extract(weighed: &Weighed, cited: &Cited, chosen: &[(usize, String)]) -> Vec<Citation> {
    let mut quotes: Vec<Citation> = Vec::new();
    let best = weighed.sentences.first().map_or(0.0, |sentence| sentence.score);
    for sentence in weighed.sentences.iter().take_while(|sentence| sentence.score >= EXTRACT_SHARE * best) {
        if quotes.len() == EXTRACT_MAX {
            break;
        }
        let Some(number) = chosen.iter().position(|(place, _)| *place == sentence.hit) else { continue };
        let span = with_list(&weighed.hits[sentence.hit].text, &sentence.span);
        let Some(citation) = cited.cite(number as u32 + 1, span, 0..0) else { continue };
        let same = |other: &Citation| other.quote.contains(&citation.quote);
        if !quotes.iter().any(same) {
            quotes.push(citation);
        }
    }
    quotes
}
