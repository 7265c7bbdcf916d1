//! A fake engine for tests: no weights, no threads, the same answer each time.
//!
//! It answers as a test tells it to, one short token at a time, and remembers what reached it and what was dropped,
//! so that a test can wait for a hang-up to arrive without sleeping.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base::Usage;
use futures::stream;
use tokio::sync::{Semaphore, watch};

use crate::{
    ChatRequest, Description, EmbedRequest, Embedding, Engine, EngineError, Event, EventStream, Finish, Likelihood,
    Load, Message, Offer, Role, Written, tools,
};

const DIMENSIONS: u32 = 64;
const TOKEN_CHARS: usize = 4;

type Script = dyn Fn(&[Message]) -> String + Send + Sync;

/// An engine whose answers a test decides.
pub struct FakeEngine {
    description: Description,
    script: Box<Script>,
    dies_after: Option<usize>,
    gate: Option<Gate>,
    busy: AtomicBool,
    requests: Mutex<Vec<ChatRequest>>,
    seen: Arc<watch::Sender<Seen>>,
}

/// What has happened to a fake engine so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Chats that were begun.
    pub chats: usize,
    /// Chats that were read to their end.
    pub finished: usize,
    /// Chats whose stream was dropped before its end.
    pub dropped: usize,
    /// Requests to embed.
    pub embeds: usize,
    /// Texts in them.
    pub texts: usize,
    /// Tokens that were written.
    pub tokens: usize,
}

/// Holds a fake engine back: each token waits until the test lets it through.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    /// A gate that lets nothing through yet.
    pub fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets `tokens` more tokens through.
    pub fn let_through(&self, tokens: usize) {
        self.0.add_permits(tokens);
    }

    async fn pass(&self) {
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }
}

impl FakeEngine {
    /// Answers with the last thing that a user said.
    pub fn echo(model: impl Into<String>) -> Self {
        Self::scripted(model, |messages| {
            let last = messages.iter().rev().find(|message| message.role == Role::User);
            last.map(|message| message.content.clone()).unwrap_or_default()
        })
    }

    /// Always answers with `answer`.
    pub fn answering(model: impl Into<String>, answer: impl Into<String>) -> Self {
        let answer = answer.into();
        Self::scripted(model, move |_| answer.clone())
    }

    /// Answers with what `script` makes of the messages.
    pub fn scripted(model: impl Into<String>, script: impl Fn(&[Message]) -> String + Send + Sync + 'static) -> Self {
        Self {
            description: Description {
                model: model.into(),
                chats: true,
                dimensions: Some(DIMENSIONS),
                unrelated_cosine: None,
                context_tokens: 8192,
                offer: Offer::of_this_house(true, true),
            },
            script: Box::new(script),
            dies_after: None,
            gate: None,
            busy: AtomicBool::new(false),
            requests: Mutex::default(),
            seen: Arc::new(watch::Sender::new(Seen::default())),
        }
    }

    /// Ends each answer with [`EngineError::Died`] after so many tokens.
    #[must_use]
    pub fn dying_after(mut self, tokens: usize) -> Self {
        self.dies_after = Some(tokens);
        self
    }

    /// Writes each token only once `gate` lets it through.
    #[must_use]
    pub fn gated(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// Has a window of so many tokens.
    #[must_use]
    pub fn with_context(mut self, tokens: u32) -> Self {
        self.description.context_tokens = tokens;
        self
    }

    /// Embeds into so many dimensions.
    #[must_use]
    pub fn with_dimensions(mut self, dimensions: u32) -> Self {
        self.description.dimensions = Some(dimensions.max(1));
        self
    }

    /// Cannot chat.
    #[must_use]
    pub fn embedding_only(mut self) -> Self {
        self.description.chats = false;
        self.description.offer.abilities.tools = false;
        self
    }

    /// Cannot embed.
    #[must_use]
    pub fn chatting_only(mut self) -> Self {
        self.description.dimensions = None;
        self.description.offer.abilities.embeddings = false;
        self
    }

    /// From now on refuses everything with [`EngineError::Busy`], or no longer does.
    pub fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::SeqCst);
    }

    /// What has happened so far.
    pub fn seen(&self) -> Seen {
        *self.seen.borrow()
    }

    /// Waits until what has happened satisfies `condition`.
    pub async fn wait_until(&self, condition: impl Fn(&Seen) -> bool) -> Seen {
        let mut seen = self.seen.subscribe();
        match seen.wait_for(|seen| condition(seen)).await {
            Ok(seen) => *seen,
            Err(_) => self.seen(),
        }
    }

    /// The chats that were asked for, oldest first.
    pub fn requests(&self) -> Vec<ChatRequest> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refuse_if_busy(&self) -> Result<(), EngineError> {
        if self.busy.load(Ordering::SeqCst) {
            return Err(EngineError::Busy {
                model: self.description.model.clone(),
                retry_after: Duration::from_secs(1),
            });
        }
        Ok(())
    }

    fn unable(&self, ability: &'static str) -> EngineError {
        EngineError::Unable { model: self.description.model.clone(), ability }
    }

    /// All that will come out for `request`, before anything holds it back.
    fn plan(&self, request: &ChatRequest) -> (Vec<String>, Finish) {
        let mut answer = match &request.text {
            Some(text) => (self.script)(&[Message::new(Role::User, text)]),
            None => (self.script)(&request.messages),
        };
        let ends = request.stop.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| answer.find(stop.as_str()));
        if let Some(end) = ends.min() {
            answer.truncate(end);
        }
        let mut tokens = tokens_of(&answer);
        let tokens_max = request.tokens_max as usize;
        let finish = if tokens.len() > tokens_max { Finish::Length } else { Finish::Stop };
        tokens.truncate(tokens_max);
        (tokens, finish)
    }
}

impl std::fmt::Debug for FakeEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeEngine").field("model", &self.description.model).field("seen", &self.seen()).finish()
    }
}

/// An answer on its way. Its drop is what a test sees of a hang-up.
struct Answer {
    seen: Arc<watch::Sender<Seen>>,
    gate: Option<Gate>,
    tokens: std::vec::IntoIter<String>,
    written: usize,
    dies_after: Option<usize>,
    model: String,
    finish: Finish,
    usage: Usage,
    /// A token that was told and whose text comes next.
    told: Option<String>,
    tells: bool,
    ended: bool,
}

impl Answer {
    async fn next(mut self) -> Option<(Result<Event, EngineError>, Self)> {
        if self.ended {
            return None;
        }
        if self.dies_after == Some(self.written) {
            self.end();
            return Some((Err(EngineError::Died { model: self.model.clone() }), self));
        }
        if let Some(token) = self.told.take() {
            return Some((Ok(Event::Text(token)), self));
        }
        let Some(token) = self.tokens.next() else {
            self.end();
            return Some((Ok(Event::Done { finish: self.finish, usage: self.usage }), self));
        };
        if let Some(gate) = &self.gate {
            gate.pass().await;
        }
        self.written += 1;
        self.usage.completion_tokens += 1;
        self.seen.send_modify(|seen| seen.tokens += 1);
        if !self.tells {
            return Some((Ok(Event::Text(token)), self));
        }
        // Nothing else could have come at its place.
        let sure = Likelihood { bytes: token.clone().into_bytes(), logprob: 0.0 };
        self.told = Some(token);
        Some((Ok(Event::Tokens(vec![Written { token: sure.clone(), top: vec![sure] }])), self))
    }

    fn end(&mut self) {
        self.ended = true;
        self.seen.send_modify(|seen| seen.finished += 1);
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.ended {
            self.seen.send_modify(|seen| seen.dropped += 1);
        }
    }
}

#[async_trait]
impl Engine for FakeEngine {
    fn describe(&self) -> &Description {
        &self.description
    }

    async fn chat(&self, request: ChatRequest) -> Result<EventStream, EngineError> {
        if !self.description.chats {
            return Err(self.unable("chat"));
        }
        if request.shows_images() {
            return Err(self.unable("see images"));
        }
        self.refuse_if_busy()?;
        let prompt_tokens = self.count_tokens(&request).await?;
        if prompt_tokens >= self.description.context_tokens {
            return Err(EngineError::TooLong {
                model: self.description.model.clone(),
                tokens: prompt_tokens,
                tokens_max: self.description.context_tokens,
            });
        }
        let (tokens, finish) = self.plan(&request);
        let (offered, tells) = (request.tools.clone(), request.logprobs.is_some());
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        self.seen.send_modify(|seen| seen.chats += 1);
        let answer = Answer {
            seen: self.seen.clone(),
            gate: self.gate.clone(),
            tokens: tokens.into_iter(),
            written: 0,
            dies_after: self.dies_after,
            model: self.description.model.clone(),
            finish,
            usage: Usage { prompt_tokens: prompt_tokens.into(), ..Usage::default() },
            told: None,
            tells,
            ended: false,
        };
        Ok(tools::read(Box::pin(stream::unfold(answer, Answer::next)), &offered))
    }

    async fn count_tokens(&self, request: &ChatRequest) -> Result<u32, EngineError> {
        if !self.description.chats {
            return Err(self.unable("chat"));
        }
        let texts = request.messages.iter().map(|message| &message.content).chain(&request.text);
        let tokens: usize = texts.map(|text| tokens_of(text).len() + 1).sum();
        Ok(u32::try_from(tokens).unwrap_or(u32::MAX))
    }

    async fn embed(&self, request: EmbedRequest) -> Result<Vec<Embedding>, EngineError> {
        let Some(dimensions) = self.description.dimensions else {
            return Err(self.unable("embed"));
        };
        self.refuse_if_busy()?;
        self.seen.send_modify(|seen| {
            seen.embeds += 1;
            seen.texts += request.texts.len();
        });
        let mut embeddings = Vec::with_capacity(request.texts.len());
        for text in &request.texts {
            if let Some(gate) = &self.gate {
                gate.pass().await;
            }
            let tokens = u32::try_from(tokens_of(text).len()).unwrap_or(u32::MAX);
            embeddings.push(Embedding { vector: vector_of(text, dimensions as usize), tokens });
        }
        Ok(embeddings)
    }

    fn load(&self) -> Load {
        let seen = self.seen();
        let busy = u32::try_from(seen.chats - seen.finished - seen.dropped).unwrap_or(u32::MAX);
        Load { busy, chats: seen.finished as u64, ..Load::default() }
    }
}

/// Cuts a text into tokens of a few characters, each with the spaces that follow it, so that words and numbers are
/// split as a real model splits them.
fn tokens_of(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut token = String::new();
    let mut chars = 0;
    let mut spaced = false;
    for c in text.chars() {
        if !token.is_empty() && (chars == TOKEN_CHARS || (spaced && !c.is_whitespace())) {
            tokens.push(std::mem::take(&mut token));
            chars = 0;
        }
        spaced = c.is_whitespace();
        token.push(c);
        chars += 1;
    }
    if !token.is_empty() {
        tokens.push(token);
    }
    tokens
}

/// The hashed character bigrams and trigrams of a text as a unit vector: texts that share words are near.
fn vector_of(text: &str, dimensions: usize) -> Vec<f32> {
    let chars: Vec<char> = text.to_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
    let mut vector = vec![0.0_f32; dimensions];
    for length in [1, 2, 3] {
        for gram in chars.windows(length) {
            // FNV-1a, since the standard hasher promises no fixed outcome.
            let hash = gram.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &c| {
                (hash ^ u64::from(u32::from(c))).wrapping_mul(0x0100_0000_01b3)
            });
            let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
            vector[((hash >> 8) % dimensions as u64) as usize] += sign * length as f32;
        }
    }
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length == 0.0 {
        vector[0] = 1.0;
    } else {
        vector.iter_mut().for_each(|x| *x /= length);
    }
    vector
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;
    use crate::{CacheSalt, EmbedKind, Priority};

    fn request(text: &str) -> ChatRequest {
        ChatRequest { tokens_max: 100, ..ChatRequest::new(vec![Message::new(Role::User, text)], CacheSalt([0; 16])) }
    }

    async fn read(engine: &FakeEngine, request: ChatRequest) -> (String, Option<Finish>, Option<EngineError>) {
        let mut events = engine.chat(request).await.unwrap();
        let (mut text, mut finish, mut error) = (String::new(), None, None);
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Text(more)) => text += &more,
                Ok(Event::Done { finish: why, .. }) => finish = Some(why),
                Ok(other) => panic!("nobody asked for {other:?}"),
                Err(why) => error = Some(why),
            }
        }
        (text, finish, error)
    }

    #[tokio::test]
    async fn it_says_what_it_is_told_to_say() {
        let (text, finish, _) = read(&FakeEngine::echo("m"), request("안녕하세요 여러분, 반갑습니다")).await;
        assert_eq!((text.as_str(), finish), ("안녕하세요 여러분, 반갑습니다", Some(Finish::Stop)));

        let fixed = FakeEngine::answering("m", "one two three");
        let mut short = request("hi");
        short.tokens_max = 2;
        let (text, finish, _) = read(&fixed, short).await;
        assert_eq!((text.as_str(), finish), ("one two ", Some(Finish::Length)));

        let mut stopped = request("hi");
        stopped.stop = vec!["o th".into()];
        assert_eq!(read(&fixed, stopped).await.0, "one tw");
        assert_eq!(fixed.requests().len(), 2);
    }

    #[tokio::test]
    async fn it_dies_in_mid_answer() {
        let engine = FakeEngine::answering("m", "one two three").dying_after(1);
        let (text, finish, error) = read(&engine, request("hi")).await;
        assert_eq!((text.as_str(), finish), ("one ", None));
        assert_eq!(error, Some(EngineError::Died { model: "m".into() }));
    }

    #[tokio::test]
    async fn a_hang_up_is_seen_and_the_gate_holds_tokens_back() {
        let gate = Gate::closed();
        let engine = FakeEngine::answering("m", "one two three").gated(&gate);
        let mut events = engine.chat(request("hi")).await.unwrap();
        gate.let_through(1);
        assert_eq!(events.next().await, Some(Ok(Event::Text("one ".into()))));
        assert!(futures::poll!(events.next()).is_pending());
        drop(events);
        let seen = engine.wait_until(|seen| seen.dropped == 1).await;
        assert_eq!((seen.finished, seen.tokens), (0, 1));
    }

    #[tokio::test]
    async fn a_busy_engine_says_when_to_come_back() {
        let engine = FakeEngine::echo("m");
        engine.set_busy(true);
        assert!(matches!(engine.chat(request("hi")).await.err(), Some(EngineError::Busy { .. })));
        engine.set_busy(false);
        assert!(engine.chat(request("hi")).await.is_ok());
    }

    #[tokio::test]
    async fn it_has_no_eyes() {
        let mut shown = request("what is this?");
        shown.messages[0].images.push(crate::image::tests::image());
        let error = FakeEngine::echo("m").chat(shown).await.err();
        assert_eq!(error.map(|error| error.to_string()).as_deref(), Some("model `m` cannot see images"));
    }

    #[tokio::test]
    async fn similar_texts_are_near() {
        let texts = ["개인정보 보호법 제15조", "개인정보 보호법 제17조", "pump maintenance manual"];
        let request = EmbedRequest {
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
            kind: EmbedKind::Passage,
            priority: Priority::Background,
        };
        let vectors = FakeEngine::echo("m").embed(request).await.unwrap();
        let near =
            |a: usize, b: usize| -> f32 { vectors[a].vector.iter().zip(&vectors[b].vector).map(|(x, y)| x * y).sum() };
        assert!((near(0, 0) - 1.0).abs() < 1e-5);
        assert!(near(0, 1) > 0.7 && near(0, 2) < 0.4, "{} {}", near(0, 1), near(0, 2));
    }
}
