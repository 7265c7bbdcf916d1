//! Chat turns and cited answers, on their way from what was asked to an engine's stream.

use std::mem;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use base::{Label, Principal, Usage};
use engine::choice::{Candidate, Candidates};
use engine::{ChatRequest, EngineError, EventStream, Message, Role};
use futures::StreamExt;
use guard::{Flow, Masked};
use retrieval::Hit;

use crate::answer::{Cited, Writer, choose, extract};
use crate::evidence::Evidence;
use crate::history::MadeOf;
use crate::meter::Meter;
use crate::reply::Stamp;
use crate::rewritten::Rewriting;
use crate::serving::last_said;
use crate::stream::{self, Ending};
use crate::turns::{Party, Turn};
use crate::veil;
use crate::way::{Ask, Made, Said, Target, Way, room};
use crate::ways::{asked_in_chat, asked_of_records};
use crate::{AnswerMode, ChatError, Citation, ReplyStream, ServedEngine, Serving};

/// The line for searching records, which runs some at once and refuses what is more than it has room for.
const SEARCH: &str = "search";
const SEARCHES_AT_ONCE: usize = 8;

impl Serving {
    /// Has the engines of a route continue a chat, one after the other until one begins.
    pub(crate) async fn plain(
        &self,
        flow: &Flow,
        party: &Party,
        principal: &Principal,
        target: Target,
        said: Said,
    ) -> Result<Made, ChatError> {
        let Said { call, mut earlier, label, from_records, .. } = said;
        let foreign = from_records || call.messages.iter().any(|message| message.role == Role::Tool);
        let Target { name, route, models, instructions, temperature, .. } = target;
        let Some(models) = models else { return Err(ChatError::ModelNotFound { model: name }) };
        let mut messages: Vec<Message> = Vec::with_capacity(call.messages.len() + 1);
        if !instructions.trim().is_empty() && call.text.is_none() {
            messages.push(Message::new(Role::System, instructions));
        }
        earlier = earlier.start + messages.len()..earlier.end + messages.len();
        messages.extend(call.messages);
        let request = ChatRequest {
            text: call.text,
            tools: call.tools,
            sampling: call.sampling.resolve(temperature.unwrap_or(0.7)),
            stop: call.stop,
            schema: call.schema,
            logprobs: call.logprobs,
            ..ChatRequest::new(messages, self.secret.salt(principal.tenant, &name))
        };
        let wanted = call.tokens_max.unwrap_or(self.config.chat_tokens);
        let asked = || asked_in_chat(&request, &earlier, wanted, last_said(&request.messages));
        let mut ways = self.ways((flow, principal, &label), (&name, &route, &models), asked)?;
        let begin = |mut way: Way, more| {
            way.rewriting = Rewriting::of(way.permit.obligations(), foreign);
            self.plain_by(party, principal, way, (request.clone(), earlier.clone(), wanted), more)
        };
        let stream = self.first_to_begin(&mut ways, models.hedge_after(), begin).await?;
        Ok(Made { stream, label, made_of: MadeOf::default() })
    }

    /// Has one engine answer a chat turn.
    async fn plain_by(
        &self,
        party: &Party,
        principal: &Principal,
        mut way: Way,
        (request, earlier, wanted): (ChatRequest, Range<usize>, u32),
        more: bool,
    ) -> Result<ReplyStream, ChatError> {
        let turn = self.turn(party, principal, &way.served, &request.messages, wanted).await?;
        // A line after JSON would make it none.
        let line = way
            .visible_mark(request.text.as_deref().unwrap_or_else(|| last_said(&request.messages)))
            .filter(|_| request.schema.is_none());
        let rewritten = way.rewriting.begin(&self.parts.guard, &way.flow, written(&request))?;
        let mut request = way.hide(&self.parts.guard, request)?;
        let prompt = way.fit(&mut request, earlier, wanted).await?;
        let room = room(&way.served, prompt)?;
        request.shorten(|request| request.tokens_max = wanted.min(room));
        let ending = Ending::chat().marked(line).rewritten(rewritten);
        self.start(principal, way, turn, (request, prompt), ending, more).await
    }

    /// Answers a question from records: finds what they say, and has an engine say it or quotes them.
    pub(crate) async fn cited(
        &self,
        flow: &Flow,
        party: &Party,
        principal: &Principal,
        ask: Ask,
        given: Label,
    ) -> Result<Made, ChatError> {
        let turn = self.turns.take(principal, SEARCH, SEARCHES_AT_ONCE, 1).await?;
        let Target { corpora, route, .. } = &ask.target;
        let Evidence { weighed, terms, obligations } =
            self.evidence(Some(flow), principal, corpora, &ask.question, route).await?;
        drop(turn);
        let chosen = choose(&weighed, ask.target.passages_max as usize);
        let mut cited = Cited::of(&weighed, &chosen);
        let label = self.label(principal, &terms, cited_hits(&cited)).join(&given);
        let made_of = MadeOf {
            corpora: terms.iter().map(|terms| terms.corpus).collect(),
            documents: cited_hits(&cited).map(|hit| hit.document).collect(),
        };
        flow.note(|receipt| {
            receipt.made_of(made_of.corpora.iter().copied(), made_of.documents.iter().copied());
            receipt.label = Some(label.clone());
        });
        let made = |stream| Made { stream, label: label.clone(), made_of };
        let rewriting = Rewriting::of(&obligations, true);
        if weighed.hits.is_empty() || weighed.chance < self.config.abstain_below {
            let rewritten = rewriting.begin(&self.parts.guard, flow, asked_by(&ask))?;
            return Ok(made(stream::silent(&ask.question, cited.sources(), flow, rewritten)));
        }
        let quotes = extract(&weighed, &cited, &chosen);
        let models = match (ask.target.mode, &ask.target.models) {
            (AnswerMode::Extractive, _) | (AnswerMode::Both, None) => {
                let rewritten = rewriting.begin(&self.parts.guard, flow, asked_by(&ask))?;
                return Ok(made(stream::extractive(&ask.question, cited.sources(), quotes, flow, rewritten)));
            }
            (_, Some(models)) => models,
            (AnswerMode::Generated, None) => return Err(ChatError::ModelNotFound { model: ask.target.name }),
        };
        let called = (&*ask.target.name, &*ask.target.route, models);
        let asked = || asked_of_records(&ask, &cited, self.config.answer_tokens);
        let mut ways = self.ways((flow, principal, &label), called, asked)?;
        let begin = |mut way: Way, more| {
            way.rewriting = Rewriting::of(way.permit.obligations(), true).and(&rewriting);
            let own = if more { cited.clone() } else { mem::take(&mut cited) };
            self.cited_by(party, principal, way, (&ask, own, quotes.clone()), more)
        };
        Ok(made(self.first_to_begin(&mut ways, models.hedge_after(), begin).await?))
    }

    /// Has one engine answer from passages.
    async fn cited_by(
        &self,
        party: &Party,
        principal: &Principal,
        mut way: Way,
        (ask, mut cited, quotes): (&Ask, Cited, Vec<Citation>),
        more: bool,
    ) -> Result<ReplyStream, ChatError> {
        let tokens_max = ask.tokens_max.unwrap_or(self.config.answer_tokens);
        let turn = self.turn(party, principal, &way.served, &ask.history, tokens_max).await?;
        let prompt = self.pack(principal, &mut way, ask, &mut cited).await?;
        let cited = Arc::new(cited);
        let writer = Writer::new(cited.clone(), ask.target.mode == AnswerMode::Both);
        let ending = Ending::cited(
            &ask.question,
            writer,
            cited.sources(),
            quotes.into_iter().filter(|quote| quote.number <= cited.len()).collect(),
            ask.target.mode,
        )
        .marked(way.visible_mark(&ask.question))
        .rewritten(way.rewriting.begin(&self.parts.guard, &way.flow, asked_by(ask))?);
        self.start(principal, way, turn, prompt, ending, more).await
    }

    /// Waits for the principal's turn at an engine.
    async fn turn(
        &self,
        party: &Party,
        principal: &Principal,
        served: &ServedEngine,
        messages: &[Message],
        tokens_max: u32,
    ) -> Result<Arc<Turn>, ChatError> {
        // Nothing is counted yet: a token of most texts has about three bytes.
        let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
        let cost = bytes as u64 / 3 + u64::from(tokens_max);
        party.turn(&self.turns, principal, &served.terms.name, served.at_once, cost).await
    }

    /// Sets tokens aside, clears the prompt for its engine, and begins to write. Where there are `more` engines, the first
    /// event is waited for, so that another can be tried if there is none.
    async fn start(
        &self,
        principal: &Principal,
        way: Way,
        turn: Arc<Turn>,
        (request, prompt): (Masked<ChatRequest>, u32),
        ending: Ending,
        more: bool,
    ) -> Result<ReplyStream, ChatError> {
        let request = way.clear(request)?;
        let tokens_max = u64::from(prompt) + u64::from(request.tokens_max);
        let mut meter = Meter::new(self.parts.tenancy.admit(principal, tokens_max).await?, way.flow.clone()).of_one();
        way.flow.leave(&way.permit, way.served.used(), way.hidden.counts()).await?;
        meter.began(prompt.into());
        let mut watch = self.metrics.chat(&way.served.engine.describe().model);
        let events = match way.served.engine.chat(request).await {
            Ok(events) if more => begun(events).await,
            events => events,
        };
        match events {
            Ok(events) => {
                if more {
                    way.flow.answers(&way.permit, &way.served.used(), way.hidden.counts());
                }
                meter.answers();
                let events = veil::lifted(watch.over(turn.over(events)), way.hidden.stand_ins());
                let stamp = Stamp::of(&way.flow, way.permit.obligations());
                Ok(stream::written(events, meter, ending, stamp))
            }
            Err(error) => {
                watch.failed(&error);
                // Refused before its first token: nothing was used, unless it stopped while at work.
                match &error {
                    EngineError::Broken { used: Some(used), .. } => meter.ended(*used),
                    EngineError::Died { .. } | EngineError::Broken { .. } => {}
                    _ => meter.ended(Usage::default()),
                }
                Err(ChatError::of_engine(error))
            }
        }
    }

    /// What a name that was called stands for.
    pub(crate) fn target(&self, principal: &Principal, name: &str) -> Result<Target, ChatError> {
        if let Some(route) = self.routes().get(principal.tenant, name) {
            let missing = |one: &Candidate| self.parts.engines.chat(&one.engine).is_none();
            if route.mode != AnswerMode::Extractive && route.models.list().iter().all(missing) {
                return Err(ChatError::ModelNotFound { model: route.models.first().to_owned() });
            }
            return Ok(Target {
                name: route.name.to_string(),
                route: route.name.to_string(),
                models: Some(route.models),
                corpora: route.corpora,
                instructions: route.instructions,
                passages_max: route.passages_max,
                temperature: route.temperature,
                mode: route.mode,
            });
        }
        if self.parts.engines.chat(name).is_none() {
            return Err(ChatError::ModelNotFound { model: name.to_owned() });
        }
        Ok(Target {
            name: name.to_owned(),
            route: String::new(),
            models: Some(Candidates::one(name)),
            corpora: Vec::new(),
            instructions: String::new(),
            passages_max: self.config.passages,
            temperature: None,
            mode: AnswerMode::Both,
        })
    }
}

/// What whoever asks wrote himself.
fn written(request: &ChatRequest) -> impl Iterator<Item = &str> {
    said(&request.messages).chain(request.text.as_deref())
}

/// The same of a question to records.
fn asked_by(ask: &Ask) -> impl Iterator<Item = &str> {
    said(&ask.history).chain([&*ask.question])
}

fn said(messages: &[Message]) -> impl Iterator<Item = &str> {
    messages.iter().filter(|message| message.role == Role::User).map(|message| &*message.content)
}

/// The events of an answer whose first one is there.
async fn begun(events: EventStream) -> Result<EventStream, EngineError> {
    let mut events = events.peekable();
    match Pin::new(&mut events).peek().await {
        Some(Err(error)) => Err(error.clone()),
        _ => Ok(Box::pin(events)),
    }
}

fn cited_hits(cited: &Cited) -> impl Iterator<Item = &Hit> {
    (1..=cited.len()).filter_map(|number| cited.hit(number).map(|(hit, _)| hit))
}
