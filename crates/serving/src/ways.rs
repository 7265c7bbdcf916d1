//! The engines of a route, tried one after the other.
//!
//! What must stay true: text goes to no engine without a permit for that engine; an engine that stands in for another
//! takes it over no border that the first choice would not have taken it over; nothing is tried twice once an answer has
//! begun.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use base::{Class, Label, Principal};
use engine::choice::{Asked, Candidates, Choice, LeftOut, Order, Standing, hangul_percent};
use engine::estimate::{prompt_tokens, tokens_of};
use engine::{Abilities, ChatRequest, Circuit};
use guard::{ApprovalsError, EgressPermit, EngineTerms, Flow, Refusal, Used};

use crate::answer::Cited;
use crate::way::{Ask, Way};
use crate::{ChatError, ServedEngine, Serving};

/// When to ask again, where nobody knows.
const SOON: Duration = Duration::from_secs(1);

/// The engines that may answer a turn and were not tried yet, the first one first.
pub(crate) struct Ways<'a> {
    serving: &'a Serving,
    flow: &'a Flow,
    principal: &'a Principal,
    label: &'a Label,
    route: &'a str,
    left: VecDeque<ServedEngine>,
    /// Where the text would go if all were well.
    first: Option<EngineTerms>,
    /// What is answered if none is left.
    failed: Option<ChatError>,
}

impl Serving {
    /// The engines of a list that fit what is asked. `name` is what was called; text of `label` goes over `route`.
    ///
    /// # Errors
    /// Why none fits.
    pub(crate) fn ways<'a>(
        &'a self,
        (flow, principal, label): (&'a Flow, &'a Principal, &'a Label),
        (name, route, models): (&str, &'a str, &Candidates),
        asked: impl FnOnce() -> Asked,
    ) -> Result<Ways<'a>, ChatError> {
        let ways = |left, first, failed| Ways { serving: self, flow, principal, label, route, left, first, failed };
        if models.is_plain() {
            let served = self.parts.engines.chat(models.first());
            let served = served.ok_or_else(|| ChatError::ModelNotFound { model: models.first().to_owned() })?;
            return Ok(ways([served].into(), None, None));
        }
        let served: Vec<ServedEngine> =
            models.list().iter().filter_map(|one| self.parts.engines.chat(&one.engine)).collect();
        let find = |name: &str| served.iter().find(|served| served.engine.describe().model == name);
        let standing = |name: &str| find(name).map(|served| Standing::of(&*served.engine));
        let asked = asked();
        let choice = models.choose(&asked, standing, flow.lot());
        let unwell = choice.left_out.iter().find(|(_, why)| *why == LeftOut::LeftAlone);
        let failed = unwell.and_then(|(name, _)| find(name)).map(left_alone);
        for (name, why) in &choice.left_out {
            if let Some(served) = find(name) {
                flow.pass_over(served.used(), why.word());
            }
        }
        if choice.order.is_empty() {
            return Err(failed.unwrap_or_else(|| none_fits(name, &choice, &asked, find)));
        }
        let left = choice.order.iter().filter_map(|name| find(name).cloned()).collect();
        let first = if may_be_first(models, &choice) {
            // Where a model would have been that is not there, nobody knows: nothing leaves the house in its place.
            let (name, country) = (name.to_owned(), self.parts.guard.home());
            Some(EngineTerms { name, country, class_max: Class::Open, owner: None })
        } else {
            choice.first.and_then(find).map(|served| served.terms.clone())
        };
        Ok(ways(left, first, failed))
    }
}

impl Serving {
    /// Holds back what needs an approval that is missing, and files the question.
    pub(crate) async fn approved(&self, permit: &EgressPermit) -> Result<(), ChatError> {
        let Some(group) = permit.missing_approval() else { return Ok(()) };
        let group = group.to_owned();
        match self.parts.approvals.ask(permit.question(), &permit.obligations().approval).await {
            Ok(request) => Err(ChatError::ApprovalNeeded { request, group }),
            Err(ApprovalsError::Store(error)) => Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "a question that needs an approval was not filed");
                Err(Refusal::ApprovalFirst { group }.into())
            }
        }
    }
}

impl Ways<'_> {
    /// Whether another engine may be tried.
    pub fn more(&self) -> bool {
        !self.left.is_empty()
    }

    /// The next engine that the text may go to.
    ///
    /// # Errors
    /// Why none is left.
    pub async fn next(&mut self) -> Result<Way, ChatError> {
        let Serving { parts, purpose, .. } = self.serving;
        while let Some(served) = self.left.pop_front() {
            if self.first.as_ref().is_some_and(|first| served.terms.is_beyond(first, parts.guard.home())) {
                self.flow.pass_over(served.used(), "border");
                continue;
            }
            let (principal, label, route) = (self.principal, self.label, self.route);
            match self.flow.may_send(&parts.guard, principal, label, &served.terms, purpose, route) {
                Ok(permit) => match self.serving.approved(&permit).await {
                    Ok(()) => return Ok(Way::new(served, permit, self.flow)),
                    Err(error) => self.failed(served.used(), error)?,
                },
                Err(refusal) => self.failed(served.used(), refusal.into())?,
            }
        }
        let model = self.route.to_owned();
        Err(self.failed.take().unwrap_or(ChatError::ModelNotFound { model }))
    }

    /// Takes note that an engine did not begin to answer.
    ///
    /// # Errors
    /// What to answer, where no other engine is tried.
    pub fn failed(&mut self, engine: Used, error: ChatError) -> Result<(), ChatError> {
        if may_work_elsewhere(&error) && self.more() {
            self.gave_up(engine, error);
            return Ok(());
        }
        self.remember(error);
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Takes note that an engine did not begin to answer, and another may still.
    pub fn gave_up(&mut self, engine: Used, error: ChatError) {
        self.flow.pass_over(engine, error.outcome().why());
        self.remember(error);
    }

    /// Keeps the error that tells most.
    fn remember(&mut self, error: ChatError) {
        // What broke tells more than a refusal does, and what came first more than what came later.
        let refused = |error: &ChatError| matches!(error, ChatError::Refused(_) | ChatError::ApprovalNeeded { .. });
        let replaces = self.failed.as_ref().is_none_or(|kept| refused(kept) && !refused(&error));
        if replaces || !may_work_elsewhere(&error) {
            self.failed = Some(error);
        }
    }
}

/// What is asked of an engine in a chat turn whose `earlier` messages may be left out.
pub(crate) fn asked_in_chat(request: &ChatRequest, earlier: &Range<usize>, tokens_max: u32, said: &str) -> Asked {
    let droppable = request.messages.get(earlier.clone()).unwrap_or_default();
    let droppable: u32 = droppable.iter().map(|message| tokens_of(&message.content)).sum();
    let prompt_tokens = prompt_tokens(request);
    Asked {
        prompt_tokens,
        fixed_tokens: prompt_tokens.saturating_sub(droppable),
        tokens_max,
        hangul_percent: hangul_percent(said),
        needs: Abilities {
            tools: !request.tools.callable().is_empty(),
            vision: request.shows_images(),
            ..Abilities::default()
        },
    }
}

/// What is asked of an engine by a question to records. Passages and history may be left out.
pub(crate) fn asked_of_records(ask: &Ask, cited: &Cited, tokens_max: u32) -> Asked {
    let fixed_tokens = tokens_of(&ask.question).saturating_add(tokens_of(&ask.target.instructions));
    let history = ask.history.iter().map(|message| tokens_of(&message.content));
    let excerpts = (1..=cited.len()).map(|number| tokens_of(cited.excerpt(number)));
    Asked {
        prompt_tokens: history.chain(excerpts).fold(fixed_tokens, u32::saturating_add),
        fixed_tokens,
        tokens_max,
        hangul_percent: hangul_percent(&ask.question),
        needs: Abilities::default(),
    }
}

/// Whether another engine may do what this one did not.
fn may_work_elsewhere(error: &ChatError) -> bool {
    match error {
        ChatError::Refused(refusal) => !matches!(refusal, Refusal::Unrecorded),
        ChatError::ApprovalNeeded { .. }
        | ChatError::TooLong { .. }
        | ChatError::Busy { .. }
        | ChatError::Waiting { .. }
        | ChatError::Died { .. }
        | ChatError::Broken { .. }
        | ChatError::LeftAlone { .. }
        | ChatError::Unavailable { .. } => true,
        _ => false,
    }
}

/// Whether a model that is not there may have been the first choice.
fn may_be_first(models: &Candidates, choice: &Choice<'_>) -> bool {
    let missing = |name: &str| choice.left_out.iter().any(|(left, why)| *left == name && *why == LeftOut::Missing);
    let mut before = models.list().iter().map(|one| &*one.engine);
    match models.order() {
        Order::Listed => before.take_while(|name| Some(*name) != choice.first).any(missing),
        Order::Weighted => before.any(missing),
    }
}

fn left_alone(served: &ServedEngine) -> ChatError {
    let retry_after = match served.engine.state() {
        Circuit::Open { retry_after } => retry_after,
        _ => SOON,
    };
    ChatError::LeftAlone { model: served.engine.describe().model.clone(), retry_after }
}

/// Why no engine of a list fits. The first reason that could pass by itself counts most.
fn none_fits<'a>(
    name: &str,
    choice: &Choice<'_>,
    asked: &Asked,
    find: impl Fn(&str) -> Option<&'a ServedEngine>,
) -> ChatError {
    let with = |reason| choice.left_out.iter().find(|(_, why)| *why == reason).map(|(name, _)| *name);
    if let Some(model) = with(LeftOut::Waiting) {
        return ChatError::Busy { model: model.to_owned(), retry_after: SOON };
    }
    if let Some(served) = with(LeftOut::Window).and_then(&find) {
        let described = served.engine.describe();
        return ChatError::TooLong {
            model: described.model.clone(),
            tokens: asked.fixed_tokens.into(),
            tokens_max: described.context_tokens.into(),
        };
    }
    if choice.left_out.iter().all(|(_, why)| *why == LeftOut::Missing) {
        return ChatError::ModelNotFound { model: name.to_owned() };
    }
    let each: Vec<String> = choice.left_out.iter().map(|(name, why)| format!("`{name}`: {}", why.word())).collect();
    ChatError::invalid("model", format!("no model of `{name}` takes this ({})", each.join(", ")))
}
