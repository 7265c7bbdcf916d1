//! Keeps one child running and hands it work.
//!
//! What must stay true: whatever happens to the child, each piece of work ends exactly once, with its result or with
//! an error; what waits is not lost with what is in flight; an input that may have ended the child runs alone the
//! next time, and never a third time.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::ContentHash;
use engine::{Description, Embedding, EngineError, Event, Load, Offer};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use crate::Role;
use crate::connection::Connection;
use crate::embedded::Shared;
use crate::suspicion::Suspicion;
use crate::wire::{FromChild, Hello, Refusal, ToChild, WorkId};

/// How long a child that was told to drop something may take to do so before it counts as hung.
const HEED_MAX: Duration = Duration::from_secs(60);
const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
const LAST_WORDS_MAX: Duration = Duration::from_secs(2);

/// What the engine's front asks for.
#[derive(Debug)]
pub enum Command {
    /// Start the child, and say when it is up.
    Start(oneshot::Sender<Result<(), EngineError>>),
    /// Do this.
    Submit(Box<Item>),
    /// So much was read.
    Credit(WorkId, u32),
    /// Nobody waits for this any longer.
    Cancel(WorkId),
}

/// What kind of work it is; in the order in which it goes to the child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Counting tokens: takes a moment.
    Count,
    /// Embedding what somebody waits for.
    Interactive,
    /// A chat.
    Chat,
    /// Embedding what nobody waits for.
    Background,
}

const LANES: [Lane; 4] = [Lane::Count, Lane::Interactive, Lane::Chat, Lane::Background];

/// A piece of work.
#[derive(Debug)]
pub struct Item {
    /// Its name.
    pub id: WorkId,
    /// Its kind.
    pub lane: Lane,
    /// Its input, as a hash.
    pub input: ContentHash,
    /// What the child is told.
    pub message: ToChild,
    /// Where the outcome goes.
    pub reply: Reply,
    /// Since when it waits.
    pub since: Instant,
}

/// Where an outcome goes.
#[derive(Debug)]
pub enum Reply {
    /// An answer's events.
    Chat(mpsc::Sender<Result<Event, EngineError>>),
    /// A count.
    Count(oneshot::Sender<Result<u32, EngineError>>),
    /// A vector.
    Embed(oneshot::Sender<Result<Embedding, EngineError>>),
}

impl Reply {
    fn fail(self, error: EngineError) {
        // A receiver that is gone needs no answer.
        match self {
            Self::Chat(reply) => drop(reply.try_send(Err(error))),
            Self::Count(reply) => drop(reply.send(Err(error))),
            Self::Embed(reply) => drop(reply.send(Err(error))),
        }
    }
}

/// Work that the child has.
#[derive(Debug)]
struct Flight {
    lane: Lane,
    input: ContentHash,
    /// None once nobody waits any longer.
    reply: Option<Reply>,
    cancelled: Option<Instant>,
    begun: Instant,
    alone: bool,
}

#[derive(Debug)]
enum State {
    Down,
    Starting(Connection, Instant),
    Up(Connection),
}

/// The child breaks the rules of the channel, in which way.
type Wrong = &'static str;

/// The task that owns the child.
#[derive(Debug)]
pub struct Supervisor {
    shared: Arc<Shared>,
    state: State,
    queues: [VecDeque<Item>; 4],
    flights: HashMap<WorkId, Flight>,
    starters: Vec<oneshot::Sender<Result<(), EngineError>>>,
    suspicion: Suspicion,
    /// Ends of the child since it last finished something.
    ends: u32,
    /// No new child before this.
    rest_until: Option<Instant>,
    /// Why the last start failed, while that counts as the answer.
    failure: Option<String>,
    chat_seconds: f64,
    /// What is counted since the engine was opened.
    load: Load,
}

impl Supervisor {
    /// Works until nobody can ask any longer; then the child ends too.
    pub async fn run(shared: Arc<Shared>, mut commands: mpsc::UnboundedReceiver<Command>) {
        let load = shared.load();
        let mut this = Self {
            shared,
            state: State::Down,
            queues: Default::default(),
            flights: HashMap::new(),
            starters: Vec::new(),
            suspicion: Suspicion::default(),
            ends: 0,
            rest_until: None,
            failure: None,
            chat_seconds: 5.0,
            load,
        };
        loop {
            this.check_deadlines().await;
            this.dispatch().await;
            this.show_load();
            let deadline = this.deadline();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => this.take(command),
                    None => break,
                },
                message = next_message(&mut this.state) => {
                    let outcome = match message {
                        Some(message) => this.hear(message),
                        None => Err("it ended"),
                    };
                    if let Err(wrong) = outcome {
                        this.lose(wrong).await;
                    }
                }
                () = wait(deadline) => {}
            }
        }
        this.shared.pid.store(0, Ordering::SeqCst);
    }

    fn model(&self) -> String {
        self.shared.config.model.clone()
    }

    /// Lets whoever watches see how busy the child is now.
    fn show_load(&self) {
        let chats = self.shared.config.role == Role::Chat;
        let busy = if chats { self.in_lane(Lane::Chat) } else { self.flights.len() };
        let waiting: usize = self.queues.iter().map(VecDeque::len).sum();
        self.shared.show_load(Load {
            slots: chats.then_some(self.shared.config.slots),
            busy: u32::try_from(busy).unwrap_or(u32::MAX),
            waiting: u32::try_from(waiting).unwrap_or(u32::MAX),
            ..self.load
        });
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Start(starter) => match &self.state {
                State::Up(_) => drop(starter.send(Ok(()))),
                _ => self.starters.push(starter),
            },
            Command::Submit(item) => self.queue(*item),
            Command::Credit(id, more) => {
                if self.flights.get(&id).is_some_and(|flight| flight.reply.is_some()) {
                    self.tell(&ToChild::Credit(id, more));
                }
            }
            Command::Cancel(id) => {
                for queue in &mut self.queues {
                    queue.retain(|item| item.id != id);
                }
                let Some(flight) = self.flights.get_mut(&id) else { return };
                if flight.reply.take().is_some() {
                    flight.cancelled = Some(Instant::now());
                    self.tell(&ToChild::Cancel(id));
                }
            }
        }
    }

    fn queue(&mut self, item: Item) {
        let model = self.model();
        if self.suspicion.is_guilty(&item.input) {
            return item.reply.fail(EngineError::Quarantined { model });
        }
        let queue = &self.queues[item.lane as usize];
        let idle = queue.is_empty() && self.in_lane(item.lane) < self.room(item.lane);
        if !idle && queue.len() >= self.shared.config.queue_max {
            let rounds = queue.len() as f64 / f64::from(self.shared.config.slots.max(1));
            let retry_after = Duration::from_secs_f64((rounds * self.chat_seconds).clamp(1.0, 120.0));
            return item.reply.fail(EngineError::Busy { model, retry_after });
        }
        self.queues[item.lane as usize].push_back(item);
    }

    /// How much of a kind the child has at once. Little work ahead is enough to keep it busy, and all that is ahead
    /// of an urgent text is waited for.
    fn room(&self, lane: Lane) -> usize {
        match lane {
            Lane::Count => 8,
            Lane::Interactive => 4,
            Lane::Chat => self.shared.config.slots as usize,
            Lane::Background => 2,
        }
    }

    fn in_lane(&self, lane: Lane) -> usize {
        self.flights.values().filter(|flight| flight.lane == lane).count()
    }

    /// Hands over what can be handed over, and starts the child if something waits.
    async fn dispatch(&mut self) {
        if self.starters.is_empty() && self.queues.iter().all(VecDeque::is_empty) {
            return;
        }
        match &self.state {
            State::Starting(..) => {}
            State::Up(_) => while self.hand_over() {},
            State::Down => {
                if self.rest_until.is_some_and(|until| until > Instant::now()) {
                    // After a failed start the answer is known; after a death the next child will take what waits.
                    if let Some(reason) = self.failure.clone() {
                        self.refuse_all(&reason);
                    }
                    return;
                }
                self.start().await;
            }
        }
    }

    fn hand_over(&mut self) -> bool {
        if self.flights.values().any(|flight| flight.alone) {
            return false;
        }
        for lane in LANES {
            let Some(item) = self.queues[lane as usize].front() else { continue };
            let alone = self.suspicion.is_suspect(&item.input);
            if alone && !self.flights.is_empty() {
                // Nothing new goes out until it has the child for itself.
                return false;
            }
            if self.in_lane(lane) >= self.room(lane) {
                continue;
            }
            let Some(item) = self.queues[lane as usize].pop_front() else { continue };
            if self.suspicion.is_guilty(&item.input) {
                item.reply.fail(EngineError::Quarantined { model: self.model() });
                return true;
            }
            if lane == Lane::Chat {
                self.load.waits.add(item.since.elapsed());
            }
            let flight = Flight {
                lane,
                input: item.input,
                reply: Some(item.reply),
                cancelled: None,
                begun: Instant::now(),
                alone,
            };
            self.flights.insert(item.id, flight);
            self.tell(&item.message);
            return true;
        }
        false
    }

    async fn start(&mut self) {
        self.rest_until = None;
        self.failure = None;
        let config = self.shared.config.clone();
        let start_max = config.start_max;
        match Connection::open(config).await {
            Ok(connection) => self.state = State::Starting(connection, Instant::now() + start_max),
            Err(error) => self.fail_start(&error.to_string()),
        }
    }

    fn fail_start(&mut self, reason: &str) {
        tracing::warn!(model = self.shared.config.model, reason, "the engine does not start");
        self.rest();
        self.failure = Some(reason.to_owned());
        self.load.down = true;
        self.refuse_all(reason);
    }

    /// The next child waits a little longer each time, but after the first end it comes at once.
    fn rest(&mut self) {
        let longer = BACKOFF_FIRST.saturating_mul(1 << self.ends.min(10));
        let rest = if self.ends == 0 && self.failure.is_none() { Duration::ZERO } else { longer.min(BACKOFF_MAX) };
        self.ends = self.ends.saturating_add(1);
        self.rest_until = Some(Instant::now() + rest);
    }

    fn refuse_all(&mut self, reason: &str) {
        let error = EngineError::Unavailable { model: self.model(), reason: reason.to_owned() };
        for item in self.queues.iter_mut().flat_map(|queue| queue.drain(..)) {
            item.reply.fail(error.clone());
        }
        for starter in self.starters.drain(..) {
            let _ = starter.send(Err(error.clone()));
        }
    }

    /// The child is gone, or has to go.
    async fn lose(&mut self, wrong: Wrong) {
        let state = std::mem::replace(&mut self.state, State::Down);
        self.shared.pid.store(0, Ordering::SeqCst);
        let (mut connection, starting) = match state {
            State::Down => return,
            State::Starting(connection, _) => (connection, true),
            State::Up(connection) => (connection, false),
        };
        connection.process.kill();
        let ended = timeout(LAST_WORDS_MAX, &mut connection.process.ended).await;
        let (status, last_words) = match ended {
            Ok(Ok(ended)) => (ended.status.map(|status| status.to_string()), ended.last_words),
            _ => (None, String::new()),
        };
        let status = status.unwrap_or_default();
        if starting {
            let reason = if last_words.is_empty() { format!("{wrong} ({status})") } else { last_words };
            return self.fail_start(&reason);
        }
        let in_flight: Vec<ContentHash> = self.flights.values().map(|flight| flight.input).collect();
        let model = self.model();
        tracing::warn!(model, wrong, status, last_words, in_flight = in_flight.len(), "the engine's child is lost");
        self.load.losses += 1;
        self.suspicion.died(&in_flight);
        for (_, flight) in self.flights.drain() {
            if let Some(reply) = flight.reply {
                reply.fail(EngineError::Died { model: model.clone() });
            }
        }
        self.rest();
    }

    fn tell(&self, message: &ToChild) {
        if let State::Up(connection) = &self.state {
            // A message that does not go out is followed by the end of the channel, which is seen there.
            let _ = connection.tell(message);
        }
    }

    /// Takes what the child says, if it may say it now.
    fn hear(&mut self, message: FromChild) -> Result<(), Wrong> {
        match message {
            FromChild::Hello(hello) => self.welcome(&hello),
            FromChild::Text(id, text, tokens) => {
                let flight = self.flights.get(&id).ok_or("it answers what nobody asked")?;
                match &flight.reply {
                    None => Ok(()),
                    Some(Reply::Chat(reply)) => {
                        let tokens = (!tokens.is_empty()).then_some(Event::Tokens(tokens));
                        for event in tokens.into_iter().chain([Event::Text(text)]) {
                            if let Err(mpsc::error::TrySendError::Full(_)) = reply.try_send(Ok(event)) {
                                return Err("it writes more than is read");
                            }
                        }
                        Ok(())
                    }
                    Some(_) => Err("it answers with the wrong kind"),
                }
            }
            FromChild::Done(id, finish, usage) => {
                let flight = self.finish(id)?;
                self.chat_seconds = 0.8 * self.chat_seconds + 0.2 * flight.begun.elapsed().as_secs_f64();
                self.load.chats += 1;
                self.load.cache_hits += u64::from(usage.cached_tokens > 0);
                self.load.prompt_tokens = self.load.prompt_tokens.saturating_add(usage.prompt_tokens);
                self.load.cached_tokens = self.load.cached_tokens.saturating_add(usage.cached_tokens);
                match flight.reply {
                    None => Ok(()),
                    Some(Reply::Chat(reply)) => {
                        let _ = reply.try_send(Ok(Event::Done { finish, usage }));
                        Ok(())
                    }
                    Some(_) => Err("it answers with the wrong kind"),
                }
            }
            FromChild::Counted(id, tokens) => match self.finish(id)?.reply {
                None => Ok(()),
                Some(Reply::Count(reply)) => {
                    let _ = reply.send(Ok(tokens));
                    Ok(())
                }
                Some(_) => Err("it answers with the wrong kind"),
            },
            FromChild::Vector(id, vector, tokens) => {
                let dimensions = self.shared.corrected.get().and_then(|described| described.dimensions);
                let whole = dimensions.is_some_and(|dimensions| vector.len() == dimensions as usize)
                    && vector.iter().all(|x| x.is_finite());
                if !whole {
                    return Err("it sends a vector that is none");
                }
                match self.finish(id)?.reply {
                    None => Ok(()),
                    Some(Reply::Embed(reply)) => {
                        let _ = reply.send(Ok(Embedding { vector, tokens }));
                        Ok(())
                    }
                    Some(_) => Err("it answers with the wrong kind"),
                }
            }
            FromChild::Refused(id, refusal) => {
                let error = self.error(refusal);
                if let Some(reply) = self.finish(id)?.reply {
                    reply.fail(error);
                }
                Ok(())
            }
            FromChild::Cancelled(id) => {
                // It says nothing of the input: it was not worked through.
                let flight = self.flights.remove(&id).ok_or("it answers what nobody asked")?;
                if flight.reply.is_none() { Ok(()) } else { Err("it drops what is waited for") }
            }
        }
    }

    fn error(&self, refusal: Refusal) -> EngineError {
        let model = self.model();
        match refusal {
            Refusal::TooLong { tokens, tokens_max } => EngineError::TooLong { model, tokens, tokens_max },
            Refusal::Invalid(reason) => EngineError::Invalid(reason.chars().take(500).collect()),
            Refusal::Stalled => EngineError::Stalled { model },
        }
    }

    /// Takes a flight that came through.
    fn finish(&mut self, id: WorkId) -> Result<Flight, Wrong> {
        let flight = self.flights.remove(&id).ok_or("it answers what nobody asked")?;
        self.suspicion.survived(&flight.input);
        self.ends = 0;
        Ok(flight)
    }

    fn welcome(&mut self, hello: &Hello) -> Result<(), Wrong> {
        let config = &self.shared.config;
        let State::Starting(connection, _) = std::mem::replace(&mut self.state, State::Down) else {
            return Err("it says hello twice");
        };
        let embeds = config.role == Role::Embed;
        let plausible = (1..=config.context_tokens).contains(&hello.context_tokens)
            && (!embeds || (1..=65_536).contains(&hello.dimensions));
        let pid = connection.process.pid;
        self.state = State::Starting(connection, Instant::now());
        if !plausible {
            return Err("it describes a model that cannot be");
        }
        tracing::info!(
            model = config.model,
            backend = hello.backend,
            threads = hello.threads,
            context_tokens = hello.context_tokens,
            context_trained = hello.context_trained,
            walls = hello.walls.join(", "),
            "the engine is up"
        );
        let described = Description {
            model: config.model.clone(),
            chats: !embeds,
            dimensions: embeds.then_some(hello.dimensions),
            unrelated_cosine: config.unrelated_cosine,
            context_tokens: hello.context_tokens,
            offer: Offer::of_this_house(!embeds, embeds),
        };
        // A file that changed under a running server would need a new engine: its vectors are others.
        if self.shared.corrected.get_or_init(|| described.clone()) != &described {
            return Err("the model is another one than before");
        }
        if let State::Starting(connection, _) = std::mem::replace(&mut self.state, State::Down) {
            self.state = State::Up(connection);
        }
        self.load.down = false;
        self.shared.pid.store(pid, Ordering::SeqCst);
        for starter in self.starters.drain(..) {
            let _ = starter.send(Ok(()));
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        let starting = match &self.state {
            State::Starting(_, until) => Some(*until),
            State::Down if self.queues.iter().any(|queue| !queue.is_empty()) => self.rest_until,
            _ => None,
        };
        let unheeded = self.flights.values().filter_map(|flight| flight.cancelled).min();
        [starting, unheeded.map(|since| since + HEED_MAX)].into_iter().flatten().min()
    }

    async fn check_deadlines(&mut self) {
        let now = Instant::now();
        let late = matches!(&self.state, State::Starting(_, until) if *until <= now);
        let unheeded = self.flights.values().filter_map(|flight| flight.cancelled).any(|since| since + HEED_MAX <= now);
        if late {
            self.lose("it takes too long to load its model").await;
        } else if unheeded {
            self.lose("it hangs").await;
        }
    }
}

async fn next_message(state: &mut State) -> Option<FromChild> {
    match state {
        State::Down => pending().await,
        State::Starting(connection, _) | State::Up(connection) => connection.hear().await,
    }
}

async fn wait(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}
