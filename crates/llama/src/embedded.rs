//! The embedded engine as the house sees it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use base::ContentHash;
use engine::{
    ChatRequest, Description, EmbedKind, EmbedRequest, Embedding, EngineError, Event, EventStream, Load, Offer,
    Priority, Sampling, tools,
};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::limits;
use crate::supervisor::{Command, Item, Lane, Reply, Supervisor};
use crate::wire::{CacheKey, ChatJob, EmbedJob, Prompt, ToChild, WorkId};
use crate::{Config, Role};

/// Texts of one request that are on their way at the same time.
const TEXTS_AHEAD: usize = 4;

/// The embedded engine. Cheap to open: the child starts with the first request, and ends when the engine and all its
/// answers are dropped.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    commands: Mutex<Option<mpsc::UnboundedSender<Command>>>,
    next_id: AtomicU64,
}

/// What the engine and its supervisor both see.
#[derive(Debug)]
pub struct Shared {
    /// The settings.
    pub config: Config,
    described: Description,
    /// What the model turned out to be.
    pub corrected: OnceLock<Description>,
    /// The child's process id, or 0.
    pub pid: AtomicU32,
    load: Mutex<Load>,
}

impl Shared {
    /// How busy the engine was when its supervisor looked last.
    pub fn load(&self) -> Load {
        *self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what [`Shared::load`] tells from now on.
    pub fn show_load(&self, load: Load) {
        *self.load.lock().unwrap_or_else(PoisonError::into_inner) = load;
    }
}

impl Engine {
    /// Checks the settings; starts nothing.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] where a setting cannot work.
    pub fn open(config: Config) -> Result<Self, EngineError> {
        config.check().map_err(|reason| EngineError::Invalid(reason.into()))?;
        let described = Description {
            model: config.model.clone(),
            chats: config.role == Role::Chat,
            dimensions: config.dimensions.filter(|_| config.role == Role::Embed),
            unrelated_cosine: config.unrelated_cosine,
            context_tokens: config.context_tokens,
            offer: Offer::of_this_house(config.role == Role::Chat, config.role == Role::Embed),
        };
        let load = Mutex::new(Load { slots: described.chats.then_some(config.slots), ..Load::default() });
        let shared = Shared { config, described, corrected: OnceLock::new(), pid: AtomicU32::new(0), load };
        Ok(Self { shared: Arc::new(shared), commands: Mutex::default(), next_id: AtomicU64::new(1) })
    }

    /// Starts the child now, if it does not run yet, and waits until its model is loaded.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`].
    pub async fn start(&self) -> Result<(), EngineError> {
        let (starter, started) = oneshot::channel();
        self.send(Command::Start(starter));
        started.await.unwrap_or_else(|_| Err(self.ended()))
    }

    /// The child's process id while it runs.
    pub fn child_pid(&self) -> Option<u32> {
        Some(self.shared.pid.load(Ordering::SeqCst)).filter(|&pid| pid != 0)
    }

    fn send(&self, command: Command) -> mpsc::UnboundedSender<Command> {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        let running = commands.take().filter(|commands| !commands.is_closed());
        let sender = running.unwrap_or_else(|| {
            // The supervisor lives on the runtime of whoever asks first; a runtime that ends takes it along.
            let (sender, receiver) = mpsc::unbounded_channel();
            tokio::spawn(Supervisor::run(self.shared.clone(), receiver));
            sender
        });
        // A supervisor that ended just now drops the command, and with it the reply that is waited for.
        let _ = sender.send(command);
        commands.insert(sender).clone()
    }

    fn submit(&self, lane: Lane, input: ContentHash, message: impl FnOnce(WorkId) -> ToChild, reply: Reply) -> Ticket {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let item = Item { id, lane, input, message: message(id), reply, since: Instant::now() };
        let commands = self.send(Command::Submit(Box::new(item)));
        Ticket { id, commands, waits: true }
    }

    fn ended(&self) -> EngineError {
        let model = self.shared.config.model.clone();
        EngineError::Unavailable { model, reason: "it is being shut down".into() }
    }

    fn able(&self, role: Role) -> Result<(), EngineError> {
        if self.shared.config.role == role {
            return Ok(());
        }
        let ability = match role {
            Role::Chat => "chat",
            Role::Embed => "embed",
        };
        Err(EngineError::Unable { model: self.shared.config.model.clone(), ability })
    }

    async fn embed_one(&self, text: String, lane: Lane) -> Result<Embedding, EngineError> {
        let input = ContentHash::of(&text);
        let job = EmbedJob { text, interactive: lane == Lane::Interactive };
        let (reply, outcome) = oneshot::channel();
        let mut ticket = self.submit(lane, input, |id| ToChild::Embed(id, job), Reply::Embed(reply));
        let outcome = outcome.await.unwrap_or_else(|_| Err(self.ended()));
        ticket.waits = false;
        outcome
    }
}

/// Somebody waits. Its drop tells the supervisor that nobody does any longer.
#[derive(Debug)]
struct Ticket {
    id: WorkId,
    commands: mpsc::UnboundedSender<Command>,
    waits: bool,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.waits {
            let _ = self.commands.send(Command::Cancel(self.id));
        }
    }
}

/// An answer that is being read.
struct Answer {
    first: Option<Event>,
    events: mpsc::Receiver<Result<Event, EngineError>>,
    ticket: Ticket,
    /// Pieces of text that were read and not yet told.
    read: u32,
    tell_at: u32,
    ended: Option<EngineError>,
}

impl Answer {
    async fn next(mut self) -> Option<(Result<Event, EngineError>, Self)> {
        if !self.ticket.waits {
            return None;
        }
        let event = match self.first.take() {
            Some(first) => Ok(first),
            None => match self.events.recv().await {
                Some(event) => event,
                None => Err(self.ended.take()?),
            },
        };
        if matches!(event, Ok(Event::Tokens(_))) {
            return Some((event, self));
        }
        if matches!(event, Ok(Event::Text(_))) {
            self.read += 1;
            if self.read >= self.tell_at {
                let _ = self.ticket.commands.send(Command::Credit(self.ticket.id, self.read));
                self.read = 0;
            }
        } else {
            self.ticket.waits = false;
        }
        Some((event, self))
    }
}

fn prompt(request: &ChatRequest) -> Prompt {
    let tools =
        (!request.tools.callable().is_empty()).then(|| serde_json::to_string(&request.tools).unwrap_or_default());
    Prompt { messages: request.messages.clone(), text: request.text.clone(), tools }
}

/// What an answer ends before. A model that may call one tool has nothing more to say after it.
fn stops(request: &ChatRequest) -> Vec<String> {
    let one_call = !request.tools.parallel && !request.tools.callable().is_empty();
    request.stop.iter().cloned().chain(one_call.then(|| "</tool_call>".to_owned())).collect()
}

/// The hash of what the child works on, the schema included: any of it may be what ends it.
fn input(prompt: &Prompt, schema: Option<&str>) -> ContentHash {
    let mut bytes = Vec::new();
    for message in &prompt.messages {
        bytes.extend([message.role as u8]);
        bytes.extend((message.content.len() as u64).to_le_bytes());
        bytes.extend(message.content.as_bytes());
        for call in &message.tool_calls {
            bytes.extend((call.arguments.len() as u64).to_le_bytes());
            bytes.extend(call.arguments.as_bytes());
        }
    }
    for part in [prompt.text.as_deref(), prompt.tools.as_deref(), schema] {
        bytes.extend((part.map_or(0, str::len) as u64).to_le_bytes());
        bytes.extend(part.unwrap_or_default().as_bytes());
    }
    ContentHash::of(bytes)
}

#[async_trait]
impl engine::Engine for Engine {
    fn describe(&self) -> &Description {
        self.shared.corrected.get().unwrap_or(&self.shared.described)
    }

    async fn chat(&self, request: ChatRequest) -> Result<EventStream, EngineError> {
        self.able(Role::Chat)?;
        limits::check(&request, self.describe().context_tokens)?;
        let seed = match request.sampling.seed {
            Some(seed) => seed,
            None => getrandom::u32().map_err(|error| EngineError::Invalid(error.to_string()))?,
        };
        let job = ChatJob {
            prompt: prompt(&request),
            stop: stops(&request),
            sampling: Sampling { seed: Some(seed), ..request.sampling },
            tokens_max: request.tokens_max,
            schema: tools::schema(&request.tools, request.schema.as_ref()).map(|schema| schema.to_string()),
            logprobs: request.logprobs,
            cache: CacheKey { salt: request.salt.0, adapter: 0 },
        };
        let input = input(&job.prompt, job.schema.as_deref());
        // Room for all that the child may write ahead, tokens and text each, its last words and the end.
        let ahead_max = self.shared.config.ahead_max;
        let (reply, mut events) = mpsc::channel(2 * (ahead_max as usize + 1) + 1);
        let mut ticket = self.submit(Lane::Chat, input, |id| ToChild::Chat(id, job), Reply::Chat(reply));
        let first = match events.recv().await {
            Some(Ok(event)) => event,
            Some(Err(error)) => {
                ticket.waits = false;
                return Err(error);
            }
            None => return Err(self.ended()),
        };
        let tell_at = ahead_max.div_ceil(4);
        let ended = Some(self.ended());
        let answer = Answer { first: Some(first), events, ticket, read: 0, tell_at, ended };
        Ok(tools::read(Box::pin(stream::unfold(answer, Answer::next)), &request.tools))
    }

    async fn count_tokens(&self, request: &ChatRequest) -> Result<u32, EngineError> {
        self.able(Role::Chat)?;
        limits::check_prompt(request, self.describe().context_tokens)?;
        let prompt = prompt(request);
        let input = input(&prompt, None);
        let (reply, outcome) = oneshot::channel();
        let mut ticket = self.submit(Lane::Count, input, |id| ToChild::Count(id, prompt), Reply::Count(reply));
        let outcome = outcome.await.unwrap_or_else(|_| Err(self.ended()));
        ticket.waits = false;
        outcome
    }

    async fn embed(&self, request: EmbedRequest) -> Result<Vec<Embedding>, EngineError> {
        self.able(Role::Embed)?;
        limits::check_texts(&request.texts)?;
        let config = &self.shared.config;
        let prefix = match request.kind {
            EmbedKind::Query => &config.query_prefix,
            EmbedKind::Passage => &config.passage_prefix,
            EmbedKind::Plain => "",
        };
        let lane = match request.priority {
            Priority::Interactive => Lane::Interactive,
            Priority::Background => Lane::Background,
        };
        let texts = request.texts.into_iter().map(|text| self.embed_one(format!("{prefix}{text}"), lane));
        // Only a few are on their way, so that dropping this drops almost all of the work.
        stream::iter(texts).buffered(TEXTS_AHEAD).try_collect().await
    }

    fn load(&self) -> Load {
        Load { pid: self.child_pid(), ..self.shared.load() }
    }
}
