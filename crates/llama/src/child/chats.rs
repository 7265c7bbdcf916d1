//! Many chats in one context: each step computes one token of every answer and a part of the prompts that wait.
//!
//! What must stay true: a slot's tokens are exactly those whose state the context holds; a reader who does not read
//! pauses its own answer only; whatever ends an answer frees its slot before the next step.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use base::Usage;
use engine::template::ChatTemplate;
use engine::template::Piece;
use engine::{CacheSalt, ChatRequest, EngineError, Finish, Tools, Written};

use super::link::{Out, say};
use super::model::{Drawn, Entry, Model, StepError};
use super::slots::{Slot, place};
use super::text::TextOut;
use crate::wire::{ChatJob, FromChild, Prompt, Refusal, Setup, ToChild, WireError, WorkId};

/// The child's chats.
pub struct Chats<'a, M: Model> {
    model: M,
    setup: Setup,
    context_tokens: usize,
    /// None in a model that only continues texts.
    template: Option<ChatTemplate>,
    slots: Vec<Slot>,
    runs: Vec<Run<M::Sampler>>,
    clock: u64,
    out: Out<'a>,
}

/// One answer that is being written.
struct Run<S> {
    id: WorkId,
    slot: usize,
    prompt: Vec<i32>,
    /// Prompt tokens that are computed.
    computed: usize,
    cached: usize,
    /// The token that was drawn last and is not computed yet.
    drawn: Option<i32>,
    written: u32,
    tokens_max: u32,
    sampler: S,
    text: TextOut,
    logprobs: Option<usize>,
    /// Tokens whose text did not go out yet.
    told: Vec<Written>,
    credit: u32,
    paused: Option<Instant>,
}

impl<S> Run<S> {
    fn reads_prompt(&self) -> bool {
        self.computed < self.prompt.len()
    }

    fn can_go_on(&self) -> bool {
        self.reads_prompt() || self.credit > 0
    }

    fn usage(&self) -> Usage {
        Usage {
            prompt_tokens: self.prompt.len() as u64,
            cached_tokens: self.cached as u64,
            completion_tokens: self.written.into(),
        }
    }
}

impl<'a, M: Model> Chats<'a, M> {
    /// Chats with `model`, rendered by `template`.
    pub fn new(model: M, setup: Setup, template: Option<ChatTemplate>, out: Out<'a>) -> Self {
        let slots = vec![Slot::default(); setup.slots as usize];
        let context_tokens = model.hello().context_tokens as usize;
        Self { model, setup, context_tokens, template, slots, runs: Vec::new(), clock: 0, out }
    }

    /// Works until the parent is gone.
    ///
    /// # Errors
    /// [`WireError`] when it is, or when it breaks the rules of the channel.
    pub fn serve(mut self, inbox: &Receiver<ToChild>) -> Result<(), WireError> {
        loop {
            self.take_messages(inbox)?;
            self.end_stalled()?;
            self.step()?;
            self.out.flush()?;
        }
    }

    /// Takes all messages that are there, and sleeps only if there is nothing to compute.
    fn take_messages(&mut self, inbox: &Receiver<ToChild>) -> Result<(), WireError> {
        loop {
            let message = if self.runs.iter().any(Run::can_go_on) {
                inbox.try_recv().map_err(|error| error == TryRecvError::Disconnected)
            } else {
                let paused = self.runs.iter().filter_map(|run| run.paused).min();
                let deadline = paused.map(|since| since + Duration::from_millis(self.setup.stalled_max_ms));
                match deadline {
                    None => inbox.recv().map_err(|_| true),
                    Some(deadline) => inbox
                        .recv_timeout(deadline.saturating_duration_since(Instant::now()))
                        .map_err(|error| error == RecvTimeoutError::Disconnected),
                }
            };
            match message {
                Ok(message) => self.take(message)?,
                Err(true) => return Err(WireError::Closed),
                Err(false) => return Ok(()),
            }
            self.out.flush()?;
        }
    }

    fn take(&mut self, message: ToChild) -> Result<(), WireError> {
        match message {
            ToChild::Chat(id, job) => {
                if self.runs.len() == self.slots.len() || self.runs.iter().any(|run| run.id == id) {
                    return Err(WireError::Garbled);
                }
                if let Err(refusal) = self.begin(id, job) {
                    say(self.out, &FromChild::Refused(id, refusal))?;
                }
                Ok(())
            }
            ToChild::Count(id, prompt) => {
                let answer = match self.tokens(prompt) {
                    Ok(tokens) => FromChild::Counted(id, u32::try_from(tokens.len()).unwrap_or(u32::MAX)),
                    Err(refusal) => FromChild::Refused(id, refusal),
                };
                say(self.out, &answer)
            }
            ToChild::Credit(id, more) => {
                // A reader's last words may cross the answer's end on the way.
                if let Some(run) = self.runs.iter_mut().find(|run| run.id == id) {
                    run.credit = run.credit.saturating_add(more);
                    if run.credit > self.setup.ahead_max {
                        return Err(WireError::Garbled);
                    }
                    run.paused = None;
                }
                Ok(())
            }
            ToChild::Cancel(id) => {
                if let Some(at) = self.runs.iter().position(|run| run.id == id) {
                    self.end(at);
                    say(self.out, &FromChild::Cancelled(id))?;
                }
                Ok(())
            }
            ToChild::Setup(_) | ToChild::Embed(..) => Err(WireError::Garbled),
        }
    }

    fn tokens(&self, prompt: Prompt) -> Result<Vec<i32>, Refusal> {
        let invalid = |reason: &str| Refusal::Invalid(reason.into());
        let pieces = match (prompt.text, &self.template) {
            (Some(text), _) => vec![Piece { text, data: true }],
            (None, Some(template)) => {
                let tools = prompt.tools.map_or(Ok(Tools::default()), |tools| serde_json::from_str(&tools));
                let tools = tools.map_err(|_| invalid("the tools are no JSON"))?;
                let request = ChatRequest { tools, ..ChatRequest::new(prompt.messages, CacheSalt([0; 16])) };
                template.render(&request).map_err(|error| match error {
                    EngineError::Invalid(reason) => Refusal::Invalid(reason),
                    other => Refusal::Invalid(other.to_string()),
                })?
            }
            (None, None) => return Err(invalid("the model has no chat template: it only continues texts")),
        };
        let tokens = self.model.tokens(&pieces);
        if tokens.is_empty() { Err(invalid("the chat is empty")) } else { Ok(tokens) }
    }

    fn begin(&mut self, id: WorkId, job: ChatJob) -> Result<(), Refusal> {
        let prompt = self.tokens(job.prompt.clone())?;
        if prompt.len() >= self.context_tokens {
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            return Err(Refusal::TooLong { tokens: count(prompt.len()), tokens_max: count(self.context_tokens - 1) });
        }
        let sampler = self.model.sampler(&job).map_err(Refusal::Invalid)?;
        // There is a slot, since there are as many as runs at most.
        let Some(place) = place(&self.slots, job.cache, &prompt) else {
            return Err(Refusal::Invalid("no slot is free".into()));
        };
        let kept = match place.donor {
            Some(donor) => self.model.copy(donor, place.slot, place.kept),
            None => self.model.truncate(place.slot, place.kept),
        };
        self.clock += 1;
        self.slots[place.slot] =
            Slot { tokens: prompt[..kept].to_vec(), key: Some(job.cache), busy: true, used: self.clock };
        self.runs.push(Run {
            id,
            slot: place.slot,
            computed: kept,
            cached: kept,
            prompt,
            drawn: None,
            written: 0,
            tokens_max: job.tokens_max,
            sampler,
            text: TextOut::new(job.stop),
            logprobs: job.logprobs.map(|top| top as usize),
            told: Vec::new(),
            credit: self.setup.ahead_max,
            paused: None,
        });
        Ok(())
    }

    /// Frees a run's slot. What it computed stays for the next prompt that begins alike.
    fn end(&mut self, at: usize) {
        let run = self.runs.remove(at);
        self.clock += 1;
        self.slots[run.slot].busy = false;
        self.slots[run.slot].used = self.clock;
    }

    fn end_stalled(&mut self) -> Result<(), WireError> {
        let patience = Duration::from_millis(self.setup.stalled_max_ms);
        while let Some(at) =
            self.runs.iter().position(|run| run.paused.is_some_and(|since| since.elapsed() >= patience))
        {
            let id = self.runs[at].id;
            self.end(at);
            say(self.out, &FromChild::Refused(id, Refusal::Stalled))?;
        }
        Ok(())
    }

    /// One step: one token of each answer first, so that they go on evenly, then prompts in the order they came.
    fn step(&mut self) -> Result<(), WireError> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut wanted: VecDeque<(WorkId, usize)> = VecDeque::new();
        for run in self.runs.iter().filter(|run| run.credit > 0) {
            if let Some(token) = run.drawn {
                wanted.push_back((run.id, entries.len()));
                let position = self.slots[run.slot].tokens.len();
                entries.push(Entry { token, position, sequence: run.slot, wanted: true });
            }
        }
        let alone = self.runs.len() == 1;
        let batch_max = if alone { self.setup.batch_tokens } else { self.setup.shared_batch_tokens } as usize;
        for run in self.runs.iter().filter(|run| run.reads_prompt()) {
            let room = batch_max.saturating_sub(entries.len());
            let last = run.prompt.len().min(run.computed + room);
            for position in run.computed..last {
                let is_end = position + 1 == run.prompt.len();
                if is_end {
                    wanted.push_back((run.id, entries.len()));
                }
                entries.push(Entry { token: run.prompt[position], position, sequence: run.slot, wanted: is_end });
            }
        }
        if entries.is_empty() {
            return Ok(());
        }
        self.compute(&entries)?;
        for entry in &entries {
            self.slots[entry.sequence].tokens.push(entry.token);
        }
        for run in &mut self.runs {
            run.computed = run.computed.max(self.slots[run.slot].tokens.len().min(run.prompt.len()));
        }
        for (id, at) in wanted {
            self.draw(id, at)?;
        }
        Ok(())
    }

    fn compute(&mut self, entries: &[Entry]) -> Result<(), WireError> {
        let mut outcome = self.model.step(entries);
        if outcome == Err(StepError::NoRoom) {
            // What idle sequences keep is only a convenience.
            for at in 0..self.slots.len() {
                if !self.slots[at].busy {
                    self.model.truncate(at, 0);
                    self.slots[at].tokens.clear();
                }
            }
            outcome = self.model.step(entries);
        }
        outcome.map_err(|error| {
            eprintln!("the engine cannot compute: {error:?}");
            WireError::Io(std::io::Error::other("the engine cannot compute"))
        })
    }

    /// Draws a run's next token and passes on what it adds to the text.
    fn draw(&mut self, id: WorkId, entry: usize) -> Result<(), WireError> {
        let Some(at) = self.runs.iter().position(|run| run.id == id) else { return Ok(()) };
        let run = &mut self.runs[at];
        let finish = match self.model.draw(&mut run.sampler, entry) {
            Err(reason) => {
                self.end(at);
                return say(self.out, &FromChild::Refused(id, Refusal::Invalid(reason)));
            }
            Ok(Drawn::End) => Some(Finish::Stop),
            Ok(Drawn::Token(token)) => {
                run.drawn = Some(token);
                run.written += 1;
                if let Some(top) = run.logprobs {
                    run.told.push(self.model.written(entry, token, top));
                }
                let text = run.text.push(&self.model.bytes(token));
                if !text.is_empty() {
                    run.credit = run.credit.saturating_sub(1);
                    run.paused = (run.credit == 0).then(Instant::now);
                    say(self.out, &FromChild::Text(id, text, std::mem::take(&mut run.told)))?;
                }
                // The next step would compute this token, one place after all that the slot holds.
                let full = self.slots[run.slot].tokens.len() >= self.context_tokens;
                if run.text.stopped() {
                    Some(Finish::Stop)
                } else if run.written >= run.tokens_max || full {
                    Some(Finish::Length)
                } else {
                    None
                }
            }
        };
        let Some(finish) = finish else { return Ok(()) };
        let rest = run.text.finish();
        let told = std::mem::take(&mut run.told);
        let usage = run.usage();
        self.end(at);
        if !rest.is_empty() {
            say(self.out, &FromChild::Text(id, rest, told))?;
        }
        say(self.out, &FromChild::Done(id, finish, usage))
    }
}
