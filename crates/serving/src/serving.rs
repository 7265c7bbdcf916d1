//! The door: chats, cited answers, embeddings, and the list of what can be called.

use std::mem;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use base::{Label, Principal, Purpose, Usage};
use engine::choice::{Candidate, Candidates};
use engine::{ChatRequest, EmbedKind, EmbedRequest, EngineError, EventStream, Message, Priority, Role};
use futures::StreamExt;
use futures::future::try_join_all;
use guard::mask::Hidden;
use guard::{Approvals, Flow, FlowKind, Guard, Masked, Outcome, Receipts};
use retrieval::{Hit, Search};
use store::{Store, StoreError};
use tenancy::Tenancy;

use crate::answer::{Cited, Writer, choose, extract};
use crate::call::{AnswerCall, AnswerMode, Bounds, ChatCall, EmbedCall};
use crate::contained::Contained;
use crate::evidence::Evidence;
use crate::history::MadeOf;
use crate::meter::Meter;
use crate::metrics::Metrics;
use crate::reply::Stamp;
use crate::salt::Secret;
use crate::stream::{self, Ending};
use crate::turns::{Party, Turn, TurnBounds, Turns};
use crate::vectors::Vectors;
use crate::veil;
use crate::way::{Ask, Made, Said, Target, Way, room};
use crate::ways::{asked_in_chat, asked_of_records};
use crate::{
    ChatError, Citation, Embedded, EngineSource, History, HistoryConfig, ListedModel, ReplyStream, Routes,
    ServedEngine, Weighing,
};

/// The line for searching records, which runs some at once and refuses what is more than it has room for.
const SEARCH: &str = "search";
const SEARCHES_AT_ONCE: usize = 8;

/// How chats and answers are made.
#[derive(Debug, Clone)]
pub struct Config {
    /// Passages that a search brings.
    pub found_max: usize,
    /// Sentences whose meaning is compared with the question's; 0 compares none.
    pub embedded_max: usize,
    /// How long a search may take to make missing vectors of its best candidates.
    pub patience: Duration,
    /// Passages that an answer is made of where nobody says.
    pub passages: u32,
    /// Tokens of an answer where nobody says.
    pub answer_tokens: u32,
    /// Tokens of a chat's reply where nobody says.
    pub chat_tokens: u32,
    /// The records do not say, if the chance that they do is below this.
    pub abstain_below: f32,
    /// What one call may ask for.
    pub bounds: Bounds,
    /// How many may wait for their turn.
    pub turns: TurnBounds,
    /// What is kept of conversations.
    pub history: HistoryConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            found_max: 40,
            embedded_max: 24,
            patience: Duration::from_millis(500),
            passages: 4,
            answer_tokens: 256,
            chat_tokens: 2_048,
            abstain_below: 0.45,
            bounds: Bounds::default(),
            turns: TurnBounds::default(),
            history: HistoryConfig::default(),
        }
    }
}

/// What serving stands on.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The data folder, opened with [`SCHEMA`](crate::SCHEMA).
    pub store: Arc<Store>,
    /// Quotas.
    pub tenancy: Arc<Tenancy>,
    /// Search.
    pub search: Arc<Search>,
    /// Engines.
    pub engines: Arc<dyn EngineSource>,
    /// What may happen.
    pub guard: Guard,
    /// What waits for somebody's approval.
    pub approvals: Arc<Approvals>,
    /// Where each flow leaves its receipt.
    pub receipts: Arc<Receipts>,
}

/// The one road to a model.
#[derive(Debug)]
pub struct Serving {
    pub(crate) parts: Parts,
    pub(crate) config: Config,
    routes: Routes,
    pub(crate) secret: Secret,
    pub(crate) purpose: Purpose,
    pub(crate) vectors: Vectors,
    pub(crate) metrics: Metrics,
    pub(crate) turns: Turns,
    pub(crate) history: Arc<History>,
}

impl Serving {
    /// Opens serving on a data folder.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn open(parts: Parts, config: Config) -> Result<Self, StoreError> {
        let secret = Secret::of(&parts.store).await?;
        let purpose: Purpose = "answering".parse().map_err(|error| StoreError::Broken(format!("{error}")))?;
        let routes = Routes::open(parts.store.clone(), parts.guard.clone()).await?;
        let turns = Turns::new(config.turns);
        let metrics = Metrics::default();
        let (store, search) = (parts.store.clone(), parts.search.clone());
        let guard = parts.guard.clone();
        let history = Arc::new(History::open(store, search, guard, purpose.clone(), config.history).await?);
        Ok(Self { parts, config, routes, secret, purpose, vectors: Vectors::default(), metrics, turns, history })
    }

    /// Drops what is kept in memory of records. To be called when something was forgotten.
    pub fn forget_kept(&self) {
        self.vectors.clear();
    }

    /// The routes.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// What is kept of conversations.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What this principal can call.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn models(&self, principal: &Principal) -> Result<Vec<ListedModel>, ChatError> {
        let mut listed = Vec::new();
        for route in self.routes.list(principal.tenant).await? {
            if self.corpora(principal, &route.corpora).await.is_err() {
                continue;
            }
            listed.push(ListedModel {
                name: route.name.to_string(),
                route: true,
                chats: true,
                embeds: false,
                created: route.created.as_second(),
            });
        }
        for model in self.parts.engines.models() {
            if listed.iter().any(|route| route.name == model.name) {
                continue;
            }
            listed.push(ListedModel {
                name: model.name,
                route: false,
                chats: model.chats,
                embeds: model.dimensions.is_some(),
                created: model.installed,
            });
        }
        Ok(listed)
    }

    /// Takes a chat turn. On a route with records the last thing that the user said is answered from them.
    ///
    /// # Errors
    /// [`ChatError`] before the first event; what goes wrong later comes as the stream's last item.
    pub async fn chat(&self, principal: &Principal, call: ChatCall) -> Result<ReplyStream, ChatError> {
        self.chat_in(&Party::of(1), principal, call).await
    }

    /// Takes several chat turns that belong together; all of them begin, or none.
    ///
    /// # Errors
    /// As for [`Serving::chat`].
    pub async fn chats(&self, principal: &Principal, calls: Vec<ChatCall>) -> Result<Vec<ReplyStream>, ChatError> {
        let party = Party::of(calls.len());
        if let [_] = calls[..] {
            let mut streams = Vec::with_capacity(1);
            for call in calls {
                streams.push(self.chat_in(&party, principal, call).await?);
            }
            return Ok(streams);
        }
        try_join_all(calls.into_iter().map(|call| self.chat_in(&party, principal, call))).await
    }

    async fn chat_in(&self, party: &Party, principal: &Principal, call: ChatCall) -> Result<ReplyStream, ChatError> {
        let label = self.input_label(principal);
        let said = Said { call, earlier: 0..0, label, records: None, from_records: false };
        Ok(self.say(party, principal, said).await?.stream)
    }

    /// Takes a chat turn, whatever part of it was said before.
    pub(crate) async fn say(&self, party: &Party, principal: &Principal, said: Said) -> Result<Made, ChatError> {
        self.config.bounds.chat(&said.call)?;
        let flow = self.parts.receipts.begin(principal, FlowKind::Chat, &said.call.model)?;
        recorded(&flow, self.say_in(&flow, party, principal, said).await)
    }

    async fn say_in(&self, flow: &Flow, party: &Party, principal: &Principal, said: Said) -> Result<Made, ChatError> {
        let call = &said.call;
        let asked = call.text.as_deref().unwrap_or_else(|| last_said(&call.messages));
        let question = flow.salt().commit(asked);
        flow.note(|receipt| receipt.question = Some(question));
        let mut target = self.target(principal, &call.model)?;
        let routed = !target.corpora.is_empty();
        match &said.records {
            Some(_) if routed => {
                return Err(ChatError::invalid("tools", "this route looks in records of its own already"));
            }
            Some(records) => {
                self.config.bounds.records(&records.corpora, records.passages_max)?;
                target.corpora.clone_from(&records.corpora);
                target.passages_max = records.passages_max.unwrap_or(self.config.passages);
            }
            None if routed => {}
            None => return self.plain(flow, party, principal, target, said).await,
        }
        for (field, given) in [
            ("images", call.messages.iter().any(|message| !message.images.is_empty())),
            ("tools", !call.tools.offered.is_empty()),
            ("response_format", call.schema.is_some()),
            ("logprobs", call.logprobs.is_some()),
            ("prompt", call.text.is_some()),
        ] {
            if given {
                return Err(ChatError::invalid(field, "cannot be asked of a route with records"));
            }
        }
        let last = call.messages.iter().rposition(|message| message.role == Role::User);
        let Some(last) = last else { return Err(ChatError::invalid("messages", "nobody asks anything")) };
        let Said { call, label, .. } = said;
        let mut history = call.messages;
        history.truncate(last + 1);
        let question = history.pop().map(|message| message.content).unwrap_or_default();
        self.config.bounds.question(&question)?;
        let ask =
            Ask { target, question, history, sampling: call.sampling, tokens_max: call.tokens_max, stop: call.stop };
        let name = ask.target.name.clone();
        // In a box of its own: what a cited answer holds is large, and plain chats should not carry room for it.
        Box::pin(self.cited(flow, party, principal, ask, label)).await.map_err(|error| match error {
            // A route over records that this principal may not know of does not exist for it either.
            ChatError::CorpusNotFound { .. } if routed => ChatError::ModelNotFound { model: name },
            other => other,
        })
    }

    /// Answers a question from records.
    ///
    /// # Errors
    /// As for [`Serving::chat`].
    pub async fn answer(&self, principal: &Principal, call: AnswerCall) -> Result<ReplyStream, ChatError> {
        self.config.bounds.answer(&call)?;
        let asked = call.model.clone().unwrap_or_default();
        let flow = self.parts.receipts.begin(principal, FlowKind::Answer, &asked)?;
        Ok(recorded(&flow, self.answer_in(&flow, principal, call).await)?.stream)
    }

    async fn answer_in(&self, flow: &Flow, principal: &Principal, call: AnswerCall) -> Result<Made, ChatError> {
        let question = flow.salt().commit(&call.question);
        flow.note(|receipt| receipt.question = Some(question));
        let model = match (call.model, call.mode) {
            (_, AnswerMode::Extractive) => None,
            (Some(model), _) if self.parts.engines.chat(&model).is_none() => {
                return Err(ChatError::ModelNotFound { model });
            }
            (Some(model), _) => Some(model),
            (None, mode) => {
                let first = self.parts.engines.models().into_iter().find(|model| model.chats).map(|model| model.name);
                if first.is_none() && mode == AnswerMode::Generated {
                    return Err(ChatError::ModelNotFound { model: "default".to_owned() });
                }
                first
            }
        };
        let target = Target {
            name: model.clone().unwrap_or_default(),
            route: String::new(),
            models: model.as_deref().map(Candidates::one),
            corpora: call.corpora,
            instructions: call.instructions,
            passages_max: call.passages_max.unwrap_or(self.config.passages),
            temperature: None,
            mode: call.mode,
        };
        let ask = Ask {
            target,
            question: call.question,
            history: Vec::new(),
            sampling: call.sampling,
            tokens_max: call.tokens_max,
            stop: Vec::new(),
        };
        self.cited(flow, &Party::of(1), principal, ask, self.input_label(principal)).await
    }

    /// Shows how an answer would be weighed: the best sentences with what was seen of them, and the chance that the
    /// records answer at all. For calibration, and for whoever asks why.
    ///
    /// # Errors
    /// As for [`Serving::answer`].
    pub async fn weigh(
        &self,
        principal: &Principal,
        corpora: &[String],
        question: &str,
    ) -> Result<Weighing, ChatError> {
        self.config.bounds.question(question)?;
        let evidence = self.evidence(None, principal, corpora, question, "").await?;
        Ok(Weighing::of(&evidence.weighed))
    }

    /// Embeds texts.
    ///
    /// # Errors
    /// [`ChatError`]; then no text was embedded.
    pub async fn embed(&self, principal: &Principal, call: EmbedCall) -> Result<Embedded, ChatError> {
        self.config.bounds.embed(&call)?;
        let served = self.parts.engines.embedding(&call.model);
        let Some(served) = served else { return Err(ChatError::ModelNotFound { model: call.model }) };
        let flow = self.parts.receipts.begin(principal, FlowKind::Embedding, &call.model)?;
        let embedded = self.embed_in(&flow, principal, served, call).await;
        if let Err(error) = &embedded {
            flow.close(error.outcome()).acknowledged().await?;
        }
        embedded
    }

    async fn embed_in(
        &self,
        flow: &Flow,
        principal: &Principal,
        served: ServedEngine,
        call: EmbedCall,
    ) -> Result<Embedded, ChatError> {
        // A vector may be cut only if its model was trained for that, and none here was.
        let dimensions = served.engine.describe().dimensions;
        if call.dimensions.is_some() && call.dimensions != dimensions {
            let reason = format!("`{}` makes vectors of {} numbers", call.model, dimensions.unwrap_or(0));
            return Err(ChatError::invalid("dimensions", reason));
        }
        let label = self.input_label(principal);
        let permit = flow.may_send(&self.parts.guard, principal, &label, &served.terms, &self.purpose, "")?;
        self.approved(&permit).await?;
        let window = u64::from(served.engine.describe().context_tokens);
        // A token has at least one byte; the prefix and the marks at both ends are a few tokens more.
        let tokens_max: u64 = call.texts.iter().map(|text| (text.len() as u64 + 16).min(window + 16)).sum();
        let admission = self.parts.tenancy.admit(principal, tokens_max).await?;
        let mut meter = Meter::new(admission, flow.clone());
        let kind = match call.query {
            Some(true) => EmbedKind::Query,
            Some(false) => EmbedKind::Passage,
            None => EmbedKind::Plain,
        };
        let _turn = self.turns.take(principal, &served.terms.name, served.at_once, tokens_max).await?;
        let mut hidden = Hidden::default();
        let texts = self.parts.guard.maskers().mask(&permit, call.texts, &mut hidden, |texts, hiding| {
            texts.iter_mut().try_for_each(|text| hiding.text(text))
        })?;
        let texts = permit.clear_masked(texts, &label)?.release(&served.terms.name)?;
        flow.leave(&permit, served.used(), hidden.counts()).await?;
        let request = EmbedRequest { texts, kind, priority: Priority::Interactive };
        let mut watch = self.metrics.embeddings(&call.model);
        let embedded = match served.engine.embed(request).await {
            Ok(embedded) => embedded,
            Err(error) => {
                watch.failed(&error);
                let error = ChatError::of_engine(error);
                meter.close(error.outcome()).acknowledged().await?;
                return Err(error);
            }
        };
        let prompt_tokens = embedded.iter().map(|one| u64::from(one.tokens).min(window)).sum();
        let usage = Usage { prompt_tokens, ..Usage::default() };
        meter.ended(usage);
        watch.ended(usage);
        meter.close(Outcome::Served).acknowledged().await?;
        let vectors = embedded.into_iter().map(|one| one.vector).collect();
        Ok(Embedded { model: call.model, vectors, usage, stamp: Stamp::of(flow, permit.obligations()) })
    }

    async fn plain(
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
        loop {
            let mut way = ways.next().await?;
            way.contain = way.permit.obligations().contains(foreign);
            let engine = way.served.used();
            let asked = (request.clone(), earlier.clone(), wanted);
            match self.plain_by(party, principal, way, asked, ways.more()).await {
                Ok(stream) => return Ok(Made { stream, label, made_of: MadeOf::default() }),
                Err(error) => ways.failed(engine, error)?,
            }
        }
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
        let mut request = way.hide(&self.parts.guard, request)?;
        let prompt = way.fit(&mut request, earlier, wanted).await?;
        let room = room(&way.served, prompt)?;
        request.shorten(|request| request.tokens_max = wanted.min(room));
        let ending = Ending::chat().marked(line).contained(self.contained(&way));
        self.start(principal, way, turn, (request, prompt), ending, more).await
    }

    async fn cited(
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
        let contained = obligations.contains(true);
        if weighed.hits.is_empty() || weighed.chance < self.config.abstain_below {
            let contained = contained.then(|| Contained::new(self.parts.guard.container(), flow));
            return Ok(made(stream::silent(&ask.question, cited.sources(), flow, contained)));
        }
        let quotes = extract(&weighed, &cited, &chosen);
        let models = match (ask.target.mode, &ask.target.models) {
            (AnswerMode::Extractive, _) | (AnswerMode::Both, None) => {
                let contained = contained.then(|| Contained::new(self.parts.guard.container(), flow));
                return Ok(made(stream::extractive(&ask.question, cited.sources(), quotes, flow, contained)));
            }
            (_, Some(models)) => models,
            (AnswerMode::Generated, None) => return Err(ChatError::ModelNotFound { model: ask.target.name }),
        };
        let called = (&*ask.target.name, &*ask.target.route, models);
        let asked = || asked_of_records(&ask, &cited, self.config.answer_tokens);
        let mut ways = self.ways((flow, principal, &label), called, asked)?;
        loop {
            let mut way = ways.next().await?;
            way.contain = contained || way.permit.obligations().contains(true);
            let engine = way.served.used();
            let own = if ways.more() { cited.clone() } else { mem::take(&mut cited) };
            match self.cited_by(party, principal, way, (&ask, own, quotes.clone()), ways.more()).await {
                Ok(stream) => return Ok(made(stream)),
                Err(error) => ways.failed(engine, error)?,
            }
        }
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
        .contained(self.contained(&way));
        self.start(principal, way, turn, prompt, ending, more).await
    }

    /// What contains the answer on a way, where that is asked for.
    fn contained(&self, way: &Way) -> Option<Contained> {
        // An engine that was asked before this one may have been asked otherwise.
        way.flow.note(|receipt| receipt.made_inert = None);
        way.contain.then(|| Contained::new(self.parts.guard.container(), &way.flow))
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
        let mut meter = Meter::new(self.parts.tenancy.admit(principal, tokens_max).await?, way.flow.clone());
        way.flow.leave(&way.permit, way.served.used(), way.hidden.counts()).await?;
        meter.began(prompt.into());
        let mut watch = self.metrics.chat(&way.served.engine.describe().model);
        let events = match way.served.engine.chat(request).await {
            Ok(events) if more => begun(events).await,
            events => events,
        };
        match events {
            Ok(events) => {
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
                meter.leave_open();
                Err(ChatError::of_engine(error))
            }
        }
    }

    fn target(&self, principal: &Principal, name: &str) -> Result<Target, ChatError> {
        if let Some(route) = self.routes.get(principal.tenant, name) {
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

/// The events of an answer whose first one is there.
async fn begun(events: EventStream) -> Result<EventStream, EngineError> {
    let mut events = events.peekable();
    match Pin::new(&mut events).peek().await {
        Some(Err(error)) => Err(error.clone()),
        _ => Ok(Box::pin(events)),
    }
}

/// What the user said last.
fn last_said(messages: &[Message]) -> &str {
    messages.iter().rfind(|message| message.role == Role::User).map_or("", |message| &message.content)
}

/// What became of a flow that did not come to a reply is in its receipt.
fn recorded(flow: &Flow, made: Result<Made, ChatError>) -> Result<Made, ChatError> {
    if let Err(error) = &made {
        // The refusal stands, whether or not it could be recorded.
        let _ = flow.close(error.outcome());
    }
    made
}

fn cited_hits(cited: &Cited) -> impl Iterator<Item = &Hit> {
    (1..=cited.len()).filter_map(|number| cited.hit(number).map(|(hit, _)| hit))
}
