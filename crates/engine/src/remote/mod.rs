//! A model that a server elsewhere serves: vLLM, SGLang, llama-server, Ollama, another gateway, by OpenAI's API or by
//! Anthropic's.
//!
//! What must stay true: text goes to the configured host alone; an answer that did not end as it should never looks as
//! if it had; whoever hangs up ends the upstream's work; nothing that an upstream says, of whatever size and at whatever
//! pace, takes more memory or time than its limits; no error repeats an upstream's words, which may quote the prompt.

mod answer;
mod anthropic;
mod breaker;
mod budget;
mod client;
mod config;
mod openai;
mod reading;
mod refusal;
mod sse;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use answer::{Answer, Bounds};
use async_trait::async_trait;
use client::{Sending, Upstream, Wanted};
pub use config::{Address, Api, Config, Key, Limits};
use http::Uri;
use hyper::body::Bytes;
use reading::Read;
use sse::Events;
pub use tls::Authority;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::estimate;
use crate::{
    ChatRequest, Circuit, Description, EmbedKind, EmbedRequest, Embedding, Engine, EngineError, EventStream,
    IMAGES_MAX, Load, Offer,
};

/// Texts of one request to embed.
const BATCH_MAX: usize = 32;
/// The media type of an answer that is streamed.
const STREAM: &str = "text/event-stream";

/// A model behind an upstream.
#[derive(Debug)]
pub struct Remote {
    config: Config,
    description: Description,
    upstream: Arc<Upstream>,
    chats: Uri,
    completions: Uri,
    embeddings: Uri,
    places: Arc<Semaphore>,
}

impl Remote {
    /// Takes an upstream as configured. Nothing is asked of it yet.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when this machine's certificates cannot be used.
    pub fn new(mut config: Config) -> Result<Self, EngineError> {
        // Anthropic's API has no embeddings, whatever is said of the model.
        config.dimensions = config.dimensions.filter(|_| config.api == Api::OpenAi);
        let door = |path| {
            config.address.door(path).map_err(|_| EngineError::Unavailable {
                model: config.name.clone(),
                reason: "its address cannot be used".to_owned(),
            })
        };
        Ok(Self {
            description: Description {
                model: config.name.clone(),
                chats: config.chats,
                dimensions: config.dimensions,
                unrelated_cosine: None,
                context_tokens: config.context_tokens,
                offer: offer(&config),
            },
            upstream: Arc::new(Upstream::new(&config)?),
            chats: door(match config.api {
                Api::OpenAi => "/chat/completions",
                Api::Anthropic => "/messages",
            })?,
            completions: door("/completions")?,
            embeddings: door("/embeddings")?,
            places: Arc::new(Semaphore::new(config.limits.requests_max)),
            config,
        })
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, EngineError> {
        Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| EngineError::Busy { model: self.config.name.clone(), retry_after: Duration::from_secs(1) })
    }

    fn unable(&self, ability: &'static str) -> EngineError {
        EngineError::Unable { model: self.config.name.clone(), ability }
    }

    fn body(&self, body: &impl serde::Serialize) -> Result<Bytes, EngineError> {
        // Only numbers that JSON has none for end here, and nobody may ask for those.
        serde_json::to_vec(body)
            .map(Bytes::from)
            .map_err(|_| EngineError::Invalid("the request cannot be written as JSON".to_owned()))
    }

    /// Whether the model can do what the request needs, by what the operator says of it.
    fn able(&self, request: &ChatRequest) -> Result<(), EngineError> {
        let abilities = &self.description.offer.abilities;
        if !self.config.chats {
            return Err(self.unable("chat"));
        }
        if !request.tools.callable().is_empty() && !abilities.tools {
            return Err(self.unable("call tools"));
        }
        if request.shows_images() && !abilities.vision {
            return Err(self.unable("see images"));
        }
        if request.messages.iter().map(|message| message.images.len()).sum::<usize>() > IMAGES_MAX {
            return Err(EngineError::Invalid(format!("a chat has at most {IMAGES_MAX} images")));
        }
        Ok(())
    }

    /// What is sent for a request.
    fn said(&self, request: &ChatRequest) -> Result<Bytes, EngineError> {
        match self.config.api {
            Api::OpenAi => self.body(&openai::Chat::of(&self.config, request)),
            Api::Anthropic => self.body(&anthropic::Messages::of(&self.config, request)?),
        }
    }

    async fn embed_batches(
        &self,
        texts: &[String],
        prefix: &str,
        dimensions: u32,
    ) -> Result<Vec<Embedding>, EngineError> {
        let mut embeddings = Vec::with_capacity(texts.len());
        for texts in texts.chunks(BATCH_MAX) {
            embeddings.extend(self.embed_batch(texts, prefix, dimensions).await?);
        }
        Ok(embeddings)
    }

    async fn embed_batch(
        &self,
        texts: &[String],
        prefix: &str,
        dimensions: u32,
    ) -> Result<Vec<Embedding>, EngineError> {
        let limits = &self.config.limits;
        let room = self.config.context_tokens.saturating_sub(estimate::tokens_of(prefix));
        let input: Vec<openai::Text<'_>> =
            texts.iter().map(|text| openai::Text { prefix, text: estimate::cut(text, room) }).collect();
        let body = self.body(&openai::Embed { model: &self.config.model, input, encoding_format: "base64" })?;
        let wanted = Wanted { kind: "application/json", until: Instant::now() + limits.first_wait_max };
        let mut sending = Sending::new(&self.embeddings, body);
        let response = self.upstream.post(&mut sending, wanted).await?;
        // A number has at most some twenty digits.
        let bytes_max = (texts.len() * dimensions as usize).saturating_mul(32).saturating_add(64 << 10);
        let body = answer::read_whole(response.into_body(), bytes_max, wanted.until).await;
        let body = body.map_err(|reason| self.upstream.broken(reason, None))?;
        let embedded: openai::Embedded =
            serde_json::from_slice(&body).map_err(|_| self.upstream.broken("it cannot be read", None))?;
        let estimates: Vec<u32> =
            texts.iter().map(|text| estimate::tokens_of(prefix).saturating_add(estimate::tokens_of(text))).collect();
        let tokens = embedded.tokens().map_or(estimates.clone(), |counted| shares(counted, &estimates));
        let vectors = embedded.vectors(texts.len(), dimensions as usize);
        let vectors = vectors.map_err(|reason| self.upstream.broken(reason, None))?;
        Ok(vectors.into_iter().zip(tokens).map(|(vector, tokens)| Embedding { vector, tokens }).collect())
    }
}

#[async_trait]
impl Engine for Remote {
    fn describe(&self) -> &Description {
        &self.description
    }

    async fn chat(&self, request: ChatRequest) -> Result<EventStream, EngineError> {
        self.able(&request)?;
        let place = self.place()?;
        let body = self.said(&request)?;
        let pass = self.upstream.enter()?;
        let limits = &self.config.limits;
        let now = Instant::now();
        let door = if request.text.is_some() { &self.completions } else { &self.chats };
        let end = now + limits.total_wait_max;
        let first = (now + limits.first_wait_max).min(end);
        let mut sending = Sending::new(door, body);
        let response = match self.upstream.post(&mut sending, Wanted { kind: STREAM, until: first }).await {
            Ok(response) => response,
            Err(error) => {
                self.upstream.judge(pass, &error);
                return Err(error);
            }
        };
        let answer = Answer {
            upstream: Arc::clone(&self.upstream),
            api: self.config.api,
            sending: Some(sending),
            pass: Some(pass),
            body: Some(response.into_body()),
            events: Events::new(limits.event_bytes_max),
            reader: reading::reader(self.config.api, &request),
            read: Read::default(),
            broke: None,
            bounds: Bounds {
                next: first,
                first,
                event_bytes_max: limits.event_bytes_max,
                event_wait_max: limits.event_wait_max,
                read_wait_max: limits.read_wait_max,
                end,
                bytes_left: limits.answer_bytes_max,
                context_tokens: self.config.context_tokens,
            },
            request,
            _place: place,
        };
        Ok(answer.stream(&self.config.name))
    }

    /// An estimate from above: an upstream need not have a tokenizer that can be asked.
    async fn count_tokens(&self, request: &ChatRequest) -> Result<u32, EngineError> {
        self.able(request)?;
        Ok(estimate::prompt_tokens(request))
    }

    async fn embed(&self, request: EmbedRequest) -> Result<Vec<Embedding>, EngineError> {
        let Some(dimensions) = self.config.dimensions else { return Err(self.unable("embed")) };
        let _place = self.place()?;
        let pass = self.upstream.enter()?;
        let prefix = match request.kind {
            EmbedKind::Query => self.config.query_prefix.as_str(),
            EmbedKind::Passage => self.config.passage_prefix.as_str(),
            EmbedKind::Plain => "",
        };
        let embedded = self.embed_batches(&request.texts, prefix, dimensions).await;
        match &embedded {
            Ok(_) => pass.served(Instant::now()),
            Err(error) => self.upstream.judge(pass, error),
        }
        embedded
    }

    fn load(&self) -> Load {
        let busy = self.config.limits.requests_max.saturating_sub(self.places.available_permits());
        let down = matches!(self.state(), Circuit::Open { .. });
        Load { busy: u32::try_from(busy).unwrap_or(u32::MAX), down, ..Load::default() }
    }

    fn state(&self) -> Circuit {
        self.upstream.state()
    }
}

/// What the operator says of the upstream, and what follows from the rest of its settings.
fn offer(config: &Config) -> Offer {
    let mut offer = config.offer.clone();
    offer.abilities.tools &= config.chats;
    offer.abilities.vision &= config.chats;
    offer.abilities.embeddings = config.dimensions.is_some();
    offer
}

/// Divides a count of tokens as estimates of its parts are to each other. The parts sum up to the count.
fn shares(counted: u64, estimates: &[u32]) -> Vec<u32> {
    let all: u128 = estimates.iter().map(|one| u128::from(*one)).sum::<u128>().max(1);
    let (mut before, mut given) = (0_u128, 0_u128);
    estimates
        .iter()
        .map(|one| {
            before += u128::from(*one);
            let until = u128::from(counted) * before / all;
            let share = until - given;
            given = until;
            u32::try_from(share).unwrap_or(u32::MAX)
        })
        .collect()
}

#[cfg(test)]
mod tests;
