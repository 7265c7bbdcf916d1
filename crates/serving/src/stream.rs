//! Replies as streams. A reply owns its engine's stream and its meter, so that dropping it ends both.

use std::collections::VecDeque;

use base::Usage;
use engine::{EngineError, Event, EventStream};
use futures::{StreamExt, stream};
use guard::policy::Obligations;
use guard::{Flow, Outcome};

use crate::answer::Writer;
use crate::answer::language::Language;
use crate::answer::marks_disarmed;
use crate::meter::Meter;
use crate::reply::Stamp;
use crate::rewritten::{Rewritten, through};
use crate::{AnswerKind, AnswerMode, ChatError, Citation, Done, Finish, ReplyEvent, ReplyStream, Source};

/// How a reply goes from the model's text to its end.
pub(crate) struct Ending {
    ready: VecDeque<ReplyEvent>,
    cited: Option<CitedEnding>,
    /// The line that marks a model's text as one, where a policy wants readers to see it.
    mark: Option<&'static str>,
    rewritten: Vec<Rewritten>,
}

struct CitedEnding {
    writer: Writer,
    language: Language,
    quotes: Vec<Citation>,
    mode: AnswerMode,
}

impl Ending {
    /// A chat's text goes out as it is.
    pub fn chat() -> Self {
        Self { ready: VecDeque::new(), cited: None, mark: None, rewritten: Vec::new() }
    }

    /// The same, marked as a model's.
    pub fn marked(mut self, line: Option<&'static str>) -> Self {
        self.mark = line;
        self
    }

    /// The same, with what the policies want changed in it.
    pub fn rewritten(mut self, rewritten: Vec<Rewritten>) -> Self {
        self.rewritten = rewritten;
        self
    }

    /// An answer's text goes out checked.
    pub fn cited(
        question: &str,
        writer: Writer,
        sources: Vec<Source>,
        quotes: Vec<Citation>,
        mode: AnswerMode,
    ) -> Self {
        let mut ready = VecDeque::from([ReplyEvent::Sources(sources)]);
        if mode == AnswerMode::Both {
            ready.push_back(ReplyEvent::Extract(quotes.clone()));
        }
        let cited = Some(CitedEnding { writer, language: Language::of(question), quotes, mode });
        Self { ready, cited, mark: None, rewritten: Vec::new() }
    }
}

/// The line by which readers see that a model wrote a text. Its language is that of what was asked.
pub(crate) fn mark(asked: &str) -> &'static str {
    Language::of(asked).words().made_by_a_model
}

/// The records do not say: the nearest passages and the sentence that says so.
pub(crate) fn silent(question: &str, sources: Vec<Source>, flow: &Flow, rewritten: Vec<Rewritten>) -> ReplyStream {
    let mut ready = VecDeque::from([ReplyEvent::Sources(sources)]);
    ready.push_back(ReplyEvent::Text(Language::of(question).words().silent.to_owned()));
    ready.push_back(done(Finish::Stop, Usage::default(), AnswerKind::Abstained));
    finished(ready, flow, rewritten)
}

/// The records' own sentences.
pub(crate) fn extractive(
    question: &str,
    sources: Vec<Source>,
    quotes: Vec<Citation>,
    flow: &Flow,
    rewritten: Vec<Rewritten>,
) -> ReplyStream {
    if quotes.is_empty() {
        return silent(question, sources, flow, rewritten);
    }
    let mut ready = VecDeque::from([ReplyEvent::Sources(sources), ReplyEvent::Extract(quotes.clone())]);
    quote(quotes, &mut ready);
    ready.push_back(done(Finish::Stop, Usage::default(), AnswerKind::Extractive));
    finished(ready, flow, rewritten)
}

/// What an engine writes.
pub(crate) fn written(events: EventStream, meter: Meter, ending: Ending, stamp: Stamp) -> ReplyStream {
    let Ending { ready, cited, mark, rewritten } = ending;
    Reply { ready, outgoing: VecDeque::new(), cited, mark, rewritten, events: Some(events), meter: Some(meter) }
        .stream(stamp)
}

fn finished(ready: VecDeque<ReplyEvent>, flow: &Flow, rewritten: Vec<Rewritten>) -> ReplyStream {
    let meter = Some(Meter::free(flow.clone()));
    let stamp = Stamp::of(flow, &Obligations::default());
    Reply { ready, outgoing: VecDeque::new(), cited: None, mark: None, rewritten, events: None, meter }.stream(stamp)
}

struct Reply {
    ready: VecDeque<ReplyEvent>,
    /// What was ready, changed as it is to be.
    outgoing: VecDeque<ReplyEvent>,
    cited: Option<CitedEnding>,
    mark: Option<&'static str>,
    rewritten: Vec<Rewritten>,
    /// Before the meter, so that the engine has stopped when the quota is settled.
    events: Option<EventStream>,
    meter: Option<Meter>,
}

impl Reply {
    fn stream(self, stamp: Stamp) -> ReplyStream {
        let events = stream::unfold(self, |mut reply| async move { reply.next().await.map(|event| (event, reply)) });
        ReplyStream::new(stamp, events)
    }

    async fn next(&mut self) -> Option<Result<ReplyEvent, ChatError>> {
        loop {
            if let Some(event) = self.outgoing.pop_front() {
                return Some(self.out(event).await);
            }
            if let Some(event) = self.ready.pop_front() {
                if let Err(refusal) = through(&mut self.rewritten, event, &mut self.outgoing) {
                    return Some(Err(self.failed(refusal.into())));
                }
                continue;
            }
            let (events, meter) = (self.events.as_mut()?, self.meter.as_mut()?);
            match events.next().await {
                Some(Ok(Event::Text(text))) => {
                    meter.wrote();
                    match &mut self.cited {
                        Some(cited) => cited.writer.push(&text, &mut self.ready),
                        None => self.ready.push_back(ReplyEvent::Text(text)),
                    }
                }
                Some(Ok(Event::ToolCall(part))) => {
                    meter.wrote();
                    self.ready.push_back(ReplyEvent::ToolCall(part));
                }
                Some(Ok(Event::Tokens(tokens))) => self.ready.push_back(ReplyEvent::Tokens(tokens)),
                Some(Ok(Event::Done { finish, usage })) => {
                    self.events = None;
                    // Settled before the client learns of the end, so that what it sees next counts this.
                    meter.ended(usage);
                    match self.cited.take() {
                        Some(cited) => cited.end(finish, usage, &mut self.ready),
                        None => self.ready.push_back(done(finish, usage, AnswerKind::Chat)),
                    }
                    self.mark();
                }
                Some(Err(error)) => {
                    // What an engine elsewhere says that it had used by then counts.
                    if let EngineError::Broken { used: Some(used), .. } = &error {
                        meter.ended(*used);
                    }
                    return Some(Err(self.failed(ChatError::of_engine(error))));
                }
                None => {
                    let reason = "its answer broke off".to_owned();
                    return Some(Err(self.failed(ChatError::Unavailable { model: String::new(), reason })));
                }
            }
        }
    }

    /// An event on its way out: text is committed to, and the end closes the flow.
    async fn out(&mut self, event: ReplyEvent) -> Result<ReplyEvent, ChatError> {
        match (&event, &mut self.meter) {
            (ReplyEvent::Text(text), Some(meter)) => meter.said(text),
            (ReplyEvent::Done(_), meter) => {
                if let Some(meter) = meter.take() {
                    meter.close(Outcome::Served).acknowledged().await?;
                }
            }
            _ => {}
        }
        Ok(event)
    }

    /// Marks what a model wrote, before its end.
    fn mark(&mut self) {
        let (Some(line), Some(ReplyEvent::Done(end))) = (self.mark, self.ready.back()) else { return };
        if matches!(end.kind, AnswerKind::Chat | AnswerKind::Generated) && end.finish != Finish::ToolCalls {
            self.ready.insert(self.ready.len() - 1, ReplyEvent::Text(format!("\n\n{line}")));
        }
    }

    fn failed(&mut self, error: ChatError) -> ChatError {
        self.events = None;
        self.ready.clear();
        self.outgoing.clear();
        if let Some(meter) = self.meter.take() {
            // The error stands, whether or not it could be recorded.
            let _ = meter.close(error.outcome());
        }
        error
    }
}

impl CitedEnding {
    fn end(mut self, finish: Finish, usage: Usage, ready: &mut VecDeque<ReplyEvent>) {
        let written = self.writer.finish(ready);
        let kind = if written.shown > 0 {
            AnswerKind::Generated
        } else if self.mode == AnswerMode::Both && !self.quotes.is_empty() {
            quote(self.quotes, ready);
            AnswerKind::Extractive
        } else if self.mode == AnswerMode::Both {
            ready.push_back(ReplyEvent::Text(self.language.words().silent.to_owned()));
            AnswerKind::Abstained
        } else if written.silent {
            AnswerKind::Abstained
        } else {
            AnswerKind::Generated
        };
        ready.push_back(ReplyEvent::Done(Done {
            finish: if kind == AnswerKind::Generated { finish } else { Finish::Stop },
            usage,
            kind,
            abstained: kind == AnswerKind::Abstained,
            unsupported: written.unsupported,
            withheld: written.withheld,
        }));
    }
}

/// Quotes go out one a line, each with its mark.
fn quote(quotes: Vec<Citation>, ready: &mut VecDeque<ReplyEvent>) {
    let mut chars = 0;
    for (place, mut citation) in quotes.into_iter().enumerate() {
        // What looks like a mark inside a record is none; the citation keeps the exact words.
        let words = marks_disarmed(&citation.quote);
        let before = if place == 0 { words } else { format!("\n{words}") };
        let mark = format!("[{}]", citation.number);
        chars += before.chars().count() + 1;
        citation.mark = chars..chars + mark.chars().count();
        chars = citation.mark.end;
        ready.push_back(ReplyEvent::Text(format!("{before} {mark}")));
        ready.push_back(ReplyEvent::Citation(citation));
    }
}

fn done(finish: Finish, usage: Usage, kind: AnswerKind) -> ReplyEvent {
    ReplyEvent::Done(Done {
        finish,
        usage,
        kind,
        abstained: kind == AnswerKind::Abstained,
        unsupported: Vec::new(),
        withheld: 0,
    })
}
