//! What is changed in an answer on its way out: personal data are hidden, links and images are made inert.
//!
//! Links come after everything else that changes the text, so that nothing puts together again what was taken apart.
//! What tells of places in the text tells of the changed text afterwards.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use engine::ToolCallPart;
use guard::contain::Container;
use guard::mask::{AnswerMasker, AnswerText};
use guard::policy::Obligations;
use guard::{Flow, Guard, Refusal};

use crate::{Citation, ReplyEvent};

/// What the policies want changed in an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rewriting {
    /// Kinds and packs of personal data to hide.
    mask: BTreeSet<String>,
    contain: bool,
}

impl Rewriting {
    /// What these obligations ask for, `foreign` saying whether others' words are part of what the answer is made of.
    pub fn of(obligations: &Obligations, foreign: bool) -> Self {
        Self { mask: obligations.mask_answer.clone(), contain: obligations.contains(foreign) }
    }

    /// What either of two asks for.
    pub fn and(mut self, other: &Self) -> Self {
        self.mask.extend(other.mask.iter().cloned());
        self.contain |= other.contain;
        self
    }

    /// Makes it ready for one answer in this flow, to somebody who wrote these texts. The receipt says so from the first
    /// event on.
    ///
    /// # Errors
    /// [`Refusal::Unhidden`]: then there is no answer.
    pub fn begin<'a>(
        &self,
        guard: &Guard,
        flow: &Flow,
        written: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<Rewritten>, Refusal> {
        let mut all = Vec::new();
        if !self.mask.is_empty() {
            let masker = guard.maskers().of(&self.mask).map_err(|error| {
                tracing::error!(%error, "personal data in an answer cannot be hidden, so it does not go");
                Refusal::Unhidden
            })?;
            let answer = AnswerMasker::new(masker, written).map_err(|_| Refusal::Unhidden)?;
            all.push(Rewritten::new(By::Masker(Box::new(Masked::new(answer))), flow));
        }
        if self.contain {
            all.push(Rewritten::new(By::Container(Box::new(guard.container())), flow));
        }
        Ok(all)
    }
}

/// Hands an event through all changes, one after the other.
///
/// # Errors
/// [`Refusal`]: then nothing more of the reply may go out.
pub(crate) fn through(all: &mut [Rewritten], event: ReplyEvent, out: &mut VecDeque<ReplyEvent>) -> Result<(), Refusal> {
    let Some((first, others)) = all.split_first_mut() else {
        out.push_back(event);
        return Ok(());
    };
    let mut changed = VecDeque::new();
    first.take(event, &mut changed)?;
    changed.into_iter().try_for_each(|event| through(others, event, out))
}

/// One kind of change to one reply.
pub(crate) struct Rewritten {
    by: By,
    /// Events that tell of a place in the text that is not settled yet.
    waiting: VecDeque<ReplyEvent>,
    flow: Flow,
    /// How much the receipt says was changed.
    noted: Option<u32>,
}

enum By {
    Masker(Box<Masked>),
    Container(Box<Container>),
}

/// The texts of an answer whose personal data are hidden.
struct Masked {
    answer: AnswerMasker,
    text: Option<AnswerText>,
    /// A text of its own for each call's arguments.
    calls: BTreeMap<u32, AnswerText>,
}

impl Masked {
    fn new(answer: AnswerMasker) -> Self {
        Self { answer, text: None, calls: BTreeMap::new() }
    }

    /// Begun with its first piece, so that names of the sources before it are known in it.
    fn text(&mut self) -> (&mut AnswerText, &mut AnswerMasker) {
        (self.text.get_or_insert_with(|| self.answer.text()), &mut self.answer)
    }

    fn each<'a>(&mut self, texts: impl IntoIterator<Item = &'a mut String>) -> Result<(), Refusal> {
        texts.into_iter().try_for_each(|text| {
            *text = self.answer.whole(text).map_err(|_| Refusal::Unhidden)?;
            Ok(())
        })
    }

    fn citation(&mut self, citation: &mut Citation) -> Result<(), Refusal> {
        let Citation { path, title, headings, quote, .. } = citation;
        self.each([path, title, quote].into_iter().chain(headings))
    }
}

impl Rewritten {
    fn new(by: By, flow: &Flow) -> Self {
        Self { by, waiting: VecDeque::new(), flow: flow.clone(), noted: None }
    }

    /// Takes an event, and gives what may go out.
    fn take(&mut self, mut event: ReplyEvent, out: &mut VecDeque<ReplyEvent>) -> Result<(), Refusal> {
        self.quotes(&mut event)?;
        match event {
            ReplyEvent::Text(text) => {
                let text = self.push(&text)?;
                self.give(text, out);
            }
            ReplyEvent::Citation(_) | ReplyEvent::Unsupported(_) => {
                self.waiting.push_back(event);
                self.give(String::new(), out);
            }
            ReplyEvent::ToolCall(part) => {
                self.finish(out)?;
                out.push_back(ReplyEvent::ToolCall(self.call(part)?));
            }
            ReplyEvent::Done(mut done) => {
                self.finish(out)?;
                self.end_calls(out)?;
                for unsupported in &mut done.unsupported {
                    unsupported.span = self.placed(&unsupported.span);
                }
                out.push_back(ReplyEvent::Done(done));
            }
            // They spell the text out as it was.
            ReplyEvent::Tokens(_) => {}
            ReplyEvent::Sources(_) | ReplyEvent::Extract(_) => out.push_back(event),
        }
        self.note();
        Ok(())
    }

    /// Hides what is in the records' own words. Their links are no danger: nobody takes them for Markdown.
    fn quotes(&mut self, event: &mut ReplyEvent) -> Result<(), Refusal> {
        let By::Masker(masked) = &mut self.by else { return Ok(()) };
        match event {
            ReplyEvent::Sources(sources) => sources.iter_mut().try_for_each(|source| {
                masked.each([&mut source.path, &mut source.title, &mut source.excerpt])?;
                masked.each(&mut source.headings)
            }),
            ReplyEvent::Extract(quotes) => quotes.iter_mut().try_for_each(|quote| masked.citation(quote)),
            ReplyEvent::Citation(citation) => masked.citation(citation),
            _ => Ok(()),
        }
    }

    fn push(&mut self, text: &str) -> Result<String, Refusal> {
        match &mut self.by {
            By::Masker(masked) => {
                let (stream, answer) = masked.text();
                stream.push(answer, text).map_err(|_| Refusal::Unhidden)
            }
            By::Container(container) => container.push(text).map_err(|_| Refusal::Uncontained),
        }
    }

    fn finish(&mut self, out: &mut VecDeque<ReplyEvent>) -> Result<(), Refusal> {
        let rest = match &mut self.by {
            By::Masker(masked) => {
                let (stream, answer) = masked.text();
                stream.finish(answer).map_err(|_| Refusal::Unhidden)?
            }
            By::Container(container) => container.finish().map_err(|_| Refusal::Uncontained)?,
        };
        self.give(rest, out);
        Ok(())
    }

    /// What a tool is called with is no Markdown, but may be personal.
    fn call(&mut self, part: ToolCallPart) -> Result<ToolCallPart, Refusal> {
        let By::Masker(masked) = &mut self.by else { return Ok(part) };
        let Masked { answer, calls, .. } = &mut **masked;
        let stream = calls.entry(part.index).or_insert_with(|| answer.text());
        let arguments = stream.push(answer, &part.arguments).map_err(|_| Refusal::Unhidden)?;
        Ok(ToolCallPart { arguments, ..part })
    }

    fn end_calls(&mut self, out: &mut VecDeque<ReplyEvent>) -> Result<(), Refusal> {
        let By::Masker(masked) = &mut self.by else { return Ok(()) };
        let Masked { answer, calls, .. } = &mut **masked;
        for (index, stream) in calls {
            let arguments = stream.finish(answer).map_err(|_| Refusal::Unhidden)?;
            if !arguments.is_empty() {
                out.push_back(ReplyEvent::ToolCall(ToolCallPart { index: *index, id: None, name: None, arguments }));
            }
        }
        Ok(())
    }

    fn give(&mut self, text: String, out: &mut VecDeque<ReplyEvent>) {
        if !text.is_empty() {
            out.push_back(ReplyEvent::Text(text));
        }
        let settled = match &self.by {
            By::Masker(masked) => masked.text.as_ref().map_or(0, AnswerText::settled_chars),
            By::Container(container) => container.settled_chars(),
        };
        while let Some(event) = self.waiting.pop_front_if(|event| place(event).end <= settled) {
            out.push_back(match event {
                ReplyEvent::Citation(mut citation) => {
                    citation.mark = self.placed(&citation.mark);
                    ReplyEvent::Citation(citation)
                }
                ReplyEvent::Unsupported(mut unsupported) => {
                    unsupported.span = self.placed(&unsupported.span);
                    ReplyEvent::Unsupported(unsupported)
                }
                other => other,
            });
        }
    }

    fn placed(&self, span: &Range<usize>) -> Range<usize> {
        let place = |at: usize| match &self.by {
            By::Masker(masked) => masked.text.as_ref().map_or(at, |text| text.place(at)),
            By::Container(container) => container.place(at),
        };
        place(span.start)..place(span.end)
    }

    /// Keeps the receipt as it is now.
    fn note(&mut self) {
        match &self.by {
            By::Masker(masked) => {
                let counts = masked.answer.counts();
                let hidden: u32 = counts.values().sum();
                if self.noted.replace(hidden) != Some(hidden) {
                    self.flow.note(|receipt| receipt.masked_answer = Some(counts.clone()));
                }
            }
            By::Container(container) => {
                let count = container.made_inert();
                if self.noted.replace(count) != Some(count) {
                    self.flow.note(|receipt| receipt.made_inert = Some(count));
                }
            }
        }
    }
}

fn place(event: &ReplyEvent) -> Range<usize> {
    match event {
        ReplyEvent::Citation(citation) => citation.mark.clone(),
        ReplyEvent::Unsupported(unsupported) => unsupported.span.clone(),
        _ => 0..0,
    }
}
