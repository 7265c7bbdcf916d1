//! The way to an engine: a prompt that fits its window, cleared for it alone.

use std::ops::Range;

use base::{Label, Principal};
use engine::choice::Candidates;
use engine::{ChatRequest, Message, Role};
use guard::mask::{Hidden, Hiding, MaskError};
use guard::policy::Marking;
use guard::{EgressPermit, Flow, Guard, Masked, Refusal};

use crate::answer::{Cited, messages};
use crate::call::{ChatCall, Sampling};
use crate::history::MadeOf;
use crate::respond::Records;
use crate::rewritten::Rewriting;
use crate::stream;
use crate::{AnswerMode, ChatError, ReplyStream, ServedEngine, Serving};

/// What a name that was called stands for.
pub(crate) struct Target {
    pub name: String,
    /// The route's name, as policies know it; empty for a bare model.
    pub route: String,
    /// The models that may answer; none where no model is there at all.
    pub models: Option<Candidates>,
    pub corpora: Vec<String>,
    pub instructions: String,
    pub passages_max: u32,
    pub temperature: Option<f64>,
    pub mode: AnswerMode,
}

/// A question to records, whoever asks it.
pub(crate) struct Ask {
    pub target: Target,
    pub question: String,
    pub history: Vec<Message>,
    pub sampling: Sampling,
    pub tokens_max: Option<u32>,
    pub stop: Vec<String>,
}

/// A chat turn, whatever part of it was said before.
pub(crate) struct Said {
    pub call: ChatCall,
    /// The messages that go, the oldest first, where the window is too small for all.
    pub earlier: Range<usize>,
    /// The label of all of it.
    pub label: Label,
    /// Records that the call itself names, where its model has none of its own.
    pub records: Option<Records>,
    /// Whether answers from records are a part of what was said before.
    pub from_records: bool,
}

/// A reply, and what it is made of.
pub(crate) struct Made {
    pub stream: ReplyStream,
    pub label: Label,
    pub made_of: MadeOf,
}

/// An engine with the permit to send it text of a label.
pub(crate) struct Way {
    pub served: ServedEngine,
    pub permit: EgressPermit,
    pub label: Label,
    pub flow: Flow,
    /// What was hidden on it.
    pub hidden: Hidden,
    /// What is changed in what comes back.
    pub rewriting: Rewriting,
}

/// Every text of a request that somebody wrote.
fn each_text(request: &mut ChatRequest, hiding: &mut Hiding<'_>) -> Result<(), MaskError> {
    for message in &mut request.messages {
        hiding.text(&mut message.content)?;
        for call in &mut message.tool_calls {
            hiding.text(&mut call.arguments)?;
        }
    }
    for tool in &mut request.tools.offered {
        tool.description.as_mut().map_or(Ok(()), |text| hiding.text(text))?;
    }
    request.stop.iter_mut().chain(request.text.as_mut()).try_for_each(|text| hiding.text(text))
}

impl Way {
    pub fn new(served: ServedEngine, permit: EgressPermit, flow: &Flow) -> Self {
        let label = permit.label().clone();
        Self { served, permit, label, flow: flow.clone(), hidden: Hidden::default(), rewriting: Rewriting::default() }
    }

    /// The line that the policies want under what is written to `asked`.
    pub fn visible_mark(&self, asked: &str) -> Option<&'static str> {
        (self.permit.obligations().label == Some(Marking::Visible)).then(|| stream::mark(asked))
    }

    /// Hides what the permit obliges to hide.
    pub fn hide(&mut self, guard: &Guard, request: ChatRequest) -> Result<Masked<ChatRequest>, Refusal> {
        // Nobody can hide what a picture shows.
        if request.shows_images() && !self.permit.obligations().mask.is_empty() {
            return Err(Refusal::MaskFirst { engine: self.served.terms.name.clone() });
        }
        guard.maskers().mask(&self.permit, request, &mut self.hidden, each_text)
    }

    pub fn clear<T>(&self, text: Masked<T>) -> Result<T, Refusal> {
        self.permit.clear_masked(text, &self.label)?.release(&self.served.terms.name)
    }

    /// How long a prompt is. The engine counts, so the prompt needs a permit for that, too.
    pub async fn count(&self, request: &Masked<ChatRequest>) -> Result<u32, ChatError> {
        let request = self.clear(request.as_ref())?;
        self.served.engine.count_tokens(request).await.map_err(ChatError::of_engine)
    }

    /// Takes the oldest of the `earlier` messages out of the prompt until it fits the window and leaves room for an
    /// answer. Says how long the prompt is then.
    pub async fn fit(
        &self,
        request: &mut Masked<ChatRequest>,
        mut earlier: Range<usize>,
        wanted: u32,
    ) -> Result<u32, ChatError> {
        let window = self.served.engine.describe().context_tokens;
        let answer = wanted.min(window / 4);
        loop {
            let counted = self.count(request).await;
            let fits = match &counted {
                Ok(prompt) => prompt.saturating_add(answer) <= window,
                Err(ChatError::TooLong { .. }) => false,
                Err(_) => true,
            };
            if fits || earlier.is_empty() {
                return counted;
            }
            request.shorten(|request| {
                let mut gone = earlier.len().div_ceil(2);
                // A reply without its question, or a tool's result without its call, says nothing.
                while gone < earlier.len() && request.messages[earlier.start + gone].role != Role::User {
                    gone += 1;
                }
                request.messages.drain(earlier.start..earlier.start + gone);
                earlier.end -= gone;
            });
        }
    }
}

impl Serving {
    /// Packs the prompt within the window: first older turns go, then passages are shortened and left out, the least
    /// useful one first. Only a question that does not fit alone is refused.
    pub(crate) async fn pack(
        &self,
        principal: &Principal,
        way: &mut Way,
        ask: &Ask,
        cited: &mut Cited,
    ) -> Result<(Masked<ChatRequest>, u32), ChatError> {
        let window = way.served.engine.describe().context_tokens;
        let wanted = ask.tokens_max.unwrap_or(self.config.answer_tokens);
        // An answer keeps room even where the caller asks for more than the window has.
        let answer = wanted.min(window / 2).max(1);
        // Records answer, not tools: of those only what was said stays.
        let said = ask.history.iter().filter(|message| message.role != Role::Tool);
        let mut history: Vec<Message> = said.map(|message| Message::new(message.role, &*message.content)).collect();
        let mut request = ChatRequest {
            sampling: ask.sampling.resolve(ask.target.temperature.unwrap_or(0.0)),
            tokens_max: answer,
            stop: ask.stop.clone(),
            ..ChatRequest::new(Vec::new(), self.secret.salt(principal.tenant, &ask.target.name))
        };
        loop {
            request.messages = messages(cited, &ask.question, &ask.target.instructions, &history);
            let masked = way.hide(&self.parts.guard, request.clone())?;
            let prompt = match way.count(&masked).await {
                Err(ChatError::TooLong { tokens, .. }) => u32::try_from(tokens).unwrap_or(u32::MAX),
                counted => counted?,
            };
            if prompt.saturating_add(answer) <= window {
                return Ok((masked, prompt));
            }
            if !history.is_empty() {
                history.drain(..history.len().div_ceil(2));
            } else if !shrink(cited) {
                return Err(ChatError::TooLong {
                    model: way.served.engine.describe().model.clone(),
                    tokens: prompt.into(),
                    tokens_max: window.saturating_sub(answer).into(),
                });
            }
        }
    }
}

/// Tokens that are left for a reply.
pub(crate) fn room(served: &ServedEngine, prompt: u32) -> Result<u32, ChatError> {
    let described = served.engine.describe();
    match described.context_tokens.checked_sub(prompt) {
        Some(room) if room > 0 => Ok(room),
        _ => Err(ChatError::TooLong {
            model: described.model.clone(),
            tokens: prompt.into(),
            tokens_max: described.context_tokens.saturating_sub(1).into(),
        }),
    }
}

/// Makes the passages shorter by one step: the last one goes; the only one is halved.
fn shrink(cited: &mut Cited) -> bool {
    match cited.len() {
        0 => false,
        1 => {
            let chars = cited.excerpt(1).chars().count();
            if chars >= 80 {
                cited.shorten(1, chars / 2);
            } else {
                cited.truncate(0);
            }
            true
        }
        many => {
            cited.truncate(many as usize - 1);
            true
        }
    }
}
