//! The door: chats, cited answers, embeddings, and the list of what can be called.

use std::sync::Arc;
use std::time::Duration;

use base::{Principal, Purpose, Usage};
use engine::choice::Candidates;
use engine::{EmbedKind, EmbedRequest, Message, Priority, Role};
use futures::future::try_join_all;
use guard::mask::Hidden;
use guard::{Approvals, Flow, FlowKind, Guard, Outcome, Receipts};
use retrieval::Search;
use store::{Store, StoreError};
use tenancy::Tenancy;

use crate::call::{AnswerCall, AnswerMode, Bounds, ChatCall, EmbedCall};
use crate::hedge::Hedges;
use crate::meter::Meter;
use crate::metrics::Metrics;
use crate::reply::Stamp;
use crate::salt::Secret;
use crate::turns::{Party, TurnBounds, Turns};
use crate::vectors::Vectors;
use crate::way::{Ask, Made, Said, Target};
use crate::{
    ChatError, Embedded, EngineSource, History, HistoryConfig, ListedModel, ReplyStream, Routes, ServedEngine, Weighing,
};

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
    pub(crate) hedges: Hedges,
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
        let (vectors, hedges) = (Vectors::default(), Hedges::default());
        Ok(Self { parts, config, routes, secret, purpose, vectors, metrics, turns, hedges, history })
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
}

/// What the user said last.
pub(crate) fn last_said(messages: &[Message]) -> &str {
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
