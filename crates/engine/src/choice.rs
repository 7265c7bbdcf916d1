//! Which of several engines are tried for a turn, and in which order.
//!
//! Invariant: no engine is named whose conditions are not met, or that lacks what the turn needs. Whether an engine may see
//! the text is not asked here: the guard is asked for each before anything goes to it.

use std::collections::BTreeSet;
use std::time::Duration;

use base::Usage;
use serde::{Deserialize, Serialize};

use crate::{Abilities, Circuit, Description, Engine, Load, Money, Offer};

/// Candidates of one list.
pub const CANDIDATES_MAX: usize = 16;
/// Milliseconds after which another engine may be asked beside one that did not begin, at most.
pub const HEDGE_AFTER_MS_MAX: u32 = 600_000;

/// How candidates are put in order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As they are listed.
    #[default]
    Listed,
    /// By lot, in which a weight of two counts twice as much as one.
    Weighted,
}

/// An engine that may be chosen, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// The model's name.
    #[serde(rename = "model")]
    pub engine: String,
    /// Its weight in a lot, 1 to 1000. A list that is tried as listed has no use for it.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: u32,
    /// When it may be chosen.
    #[serde(default, skip_serializing_if = "Conditions::are_none")]
    pub when: Conditions,
}

/// When a candidate may be chosen. What is not said holds always.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    /// What the engine must be able to do, whatever the turn needs.
    #[serde(skip_serializing_if = "Abilities::are_none")]
    pub abilities: Abilities,
    /// Tokens that the prompt has at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_tokens_min: Option<u32>,
    /// Tokens that the prompt has at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_tokens_max: Option<u32>,
    /// The share of Hangul in the text, at least so many percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hangul_percent_min: Option<u8>,
    /// The share of Hangul in the text, at most so many percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hangul_percent_max: Option<u8>,
    /// What the turn may cost at most, if the answer gets as long as it may. An engine without a price is over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_max: Option<Money>,
    /// Pieces of work that may wait at the engine already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_max: Option<u32>,
}

/// What is asked in a turn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Tokens of the prompt, counted or estimated.
    pub prompt_tokens: u32,
    /// Of those, tokens that cannot be left out where the window is too small for all.
    pub fixed_tokens: u32,
    /// Tokens that the answer may have.
    pub tokens_max: u32,
    /// As [`hangul_percent`] finds it in what the person wrote.
    pub hangul_percent: u8,
    /// What the engine must be able to do. A turn that needs no embeddings needs a chat.
    pub needs: Abilities,
}

/// How an engine stands just now.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Whether it continues chats.
    pub chats: bool,
    /// Tokens of its window.
    pub context_tokens: u32,
    /// What it offers.
    pub offer: Offer,
    /// Pieces of work that wait there.
    pub waiting: u32,
    /// Whether it could not be started when that was tried last.
    pub down: bool,
    /// Whether it is asked at all.
    pub circuit: Circuit,
}

impl Standing {
    /// How `engine` stands.
    pub fn of(engine: &dyn Engine) -> Self {
        let Description { chats, context_tokens, offer, .. } = engine.describe();
        let Load { waiting, down, .. } = engine.load();
        let offer = offer.clone();
        Self { chats: *chats, context_tokens: *context_tokens, offer, waiting, down, circuit: engine.state() }
    }
}

/// Why a candidate is not tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// No engine has its name.
    Missing,
    /// It lacks an ability that the turn or its own conditions need.
    Unable,
    /// What must be in the prompt does not fit its window.
    Window,
    /// The prompt is shorter or longer than its conditions say.
    PromptLength,
    /// The text has less or more Hangul than its conditions say.
    Language,
    /// The turn may cost more than its conditions say, or nobody said what it costs.
    Cost,
    /// More waits there than its conditions say.
    Waiting,
    /// It failed too often and is left alone for a while.
    LeftAlone,
}

impl LeftOut {
    /// The reason as one word, for receipts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unable => "unable",
            Self::Window => "window",
            Self::PromptLength => "prompt_length",
            Self::Language => "language",
            Self::Cost => "cost",
            Self::Waiting => "waiting",
            Self::LeftAlone => "left_alone",
        }
    }
}

/// The engines to try, and why others are not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice<'a> {
    /// The engine that would be tried first if all were well. Another one stands in for it.
    pub first: Option<&'a str>,
    /// The engines to try, the first one first.
    pub order: Vec<&'a str>,
    /// The others: those that do not fit as listed, then those that are left alone.
    pub left_out: Vec<(&'a str, LeftOut)>,
}

/// Why a list of candidates is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CandidatesError {
    /// There are none, or too many.
    #[error("a list has 1 to {CANDIDATES_MAX} candidates")]
    Count,
    /// A candidate is there twice.
    #[error("`{0}` is there twice")]
    Twice(String),
    /// A candidate's weight is out of bounds.
    #[error("`{0}`: a weight is 1 to 1000")]
    Weight(String),
    /// A candidate's conditions can never be met.
    #[error("`{0}`: its conditions can never be met")]
    Never(String),
    /// Nobody is there who could be asked beside the first, or the time is out of bounds.
    #[error("`hedge_after_ms` is 1 to {HEDGE_AFTER_MS_MAX}, and there are two candidates or more")]
    Hedge,
}

/// The engines that may answer a turn, each with its conditions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "Written")]
pub struct Candidates {
    order: Order,
    /// How long an engine may take to begin before the next one is asked beside it; without it none ever is.
    #[serde(skip_serializing_if = "Option::is_none")]
    hedge_after_ms: Option<u32>,
    list: Vec<Candidate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    order: Order,
    hedge_after_ms: Option<u32>,
    list: Vec<Candidate>,
}

impl TryFrom<Written> for Candidates {
    type Error = CandidatesError;

    fn try_from(written: Written) -> Result<Self, CandidatesError> {
        match written.hedge_after_ms {
            None => Self::new(written.order, written.list),
            Some(after) => Self::new(written.order, written.list)?.hedged(after),
        }
    }
}

impl Candidates {
    /// Takes a list.
    ///
    /// # Errors
    /// [`CandidatesError`], for the first thing that is wrong with it.
    pub fn new(order: Order, list: Vec<Candidate>) -> Result<Self, CandidatesError> {
        if !(1..=CANDIDATES_MAX).contains(&list.len()) {
            return Err(CandidatesError::Count);
        }
        let mut names = BTreeSet::new();
        for Candidate { engine, weight, when } in &list {
            if !names.insert(engine) {
                return Err(CandidatesError::Twice(engine.clone()));
            }
            if !(1..=1_000).contains(weight) {
                return Err(CandidatesError::Weight(engine.clone()));
            }
            if !when.can_be_met() {
                return Err(CandidatesError::Never(engine.clone()));
            }
        }
        Ok(Self { order, hedge_after_ms: None, list })
    }

    /// The same list, of which the next engine is asked, too, where one does not begin within so many milliseconds.
    ///
    /// # Errors
    /// [`CandidatesError::Hedge`].
    pub fn hedged(mut self, after_ms: u32) -> Result<Self, CandidatesError> {
        if self.list.len() < 2 || !(1..=HEDGE_AFTER_MS_MAX).contains(&after_ms) {
            return Err(CandidatesError::Hedge);
        }
        self.hedge_after_ms = Some(after_ms);
        Ok(self)
    }

    /// How long an engine may take to begin before the next one is asked beside it, if it ever is.
    pub fn hedge_after(&self) -> Option<Duration> {
        self.hedge_after_ms.map(|after| Duration::from_millis(after.into()))
    }

    /// How they are put in order.
    pub fn order(&self) -> Order {
        self.order
    }

    /// One engine, always.
    pub fn one(engine: &str) -> Self {
        let candidate = Candidate { engine: engine.to_owned(), weight: 1, when: Conditions::default() };
        Self { order: Order::Listed, hedge_after_ms: None, list: vec![candidate] }
    }

    /// The candidate that is listed first.
    pub fn first(&self) -> &str {
        self.list.first().map_or("", |candidate| &candidate.engine)
    }

    /// Whether it is one engine, on no condition.
    pub fn is_plain(&self) -> bool {
        matches!(&*self.list, [only] if only.when.are_none())
    }

    /// The candidates as listed.
    pub fn list(&self) -> &[Candidate] {
        &self.list
    }

    /// The engines to try for what is asked. The same seed, and the same standings, give the same order. Engines that are
    /// down come last: they are tried where no other is left, since only a request starts them again.
    pub fn choose(&self, asked: &Asked, standing: impl Fn(&str) -> Option<Standing>, seed: u64) -> Choice<'_> {
        let mut choice = Choice::default();
        let mut fit = Vec::new();
        for candidate in &self.list {
            match standing(&candidate.engine).ok_or(LeftOut::Missing).and_then(|engine| fits(candidate, asked, engine))
            {
                Ok(health) => fit.push((candidate, health)),
                Err(why) => choice.left_out.push((&candidate.engine, why)),
            }
        }
        if self.order == Order::Weighted {
            draw(&mut fit, seed);
        }
        choice.first = fit.first().map(|(candidate, _)| candidate.engine.as_str());
        fit.sort_by_key(|(_, health)| *health);
        for (candidate, health) in fit {
            match health {
                Health::Well | Health::Down => choice.order.push(&candidate.engine),
                Health::LeftAlone => choice.left_out.push((&candidate.engine, LeftOut::LeftAlone)),
            }
        }
        choice
    }
}

impl Conditions {
    fn are_none(&self) -> bool {
        *self == Self::default()
    }

    fn can_be_met(&self) -> bool {
        let percents = [self.hangul_percent_min, self.hangul_percent_max];
        in_order(self.prompt_tokens_min, self.prompt_tokens_max)
            && in_order(self.hangul_percent_min, self.hangul_percent_max)
            && percents.into_iter().flatten().all(|percent| percent <= 100)
    }
}

/// How well an engine is, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    Well,
    Down,
    LeftAlone,
}

/// How well the candidate's engine is, if it fits what is asked.
fn fits(candidate: &Candidate, asked: &Asked, engine: Standing) -> Result<Health, LeftOut> {
    let when = &candidate.when;
    let abilities = &engine.offer.abilities;
    let speaks = engine.chats || asked.needs.embeddings;
    if !speaks || !abilities.cover(&asked.needs) || !abilities.cover(&when.abilities) {
        return Err(LeftOut::Unable);
    }
    if asked.fixed_tokens >= engine.context_tokens {
        return Err(LeftOut::Window);
    }
    if !between(asked.prompt_tokens, when.prompt_tokens_min, when.prompt_tokens_max) {
        return Err(LeftOut::PromptLength);
    }
    if !between(asked.hangul_percent, when.hangul_percent_min, when.hangul_percent_max) {
        return Err(LeftOut::Language);
    }
    let longest = Usage {
        prompt_tokens: asked.prompt_tokens.into(),
        cached_tokens: 0,
        completion_tokens: asked.tokens_max.into(),
    };
    if let Some(most) = when.cost_max
        && !engine.offer.price.is_some_and(|price| price.cost(longest).within(most))
    {
        return Err(LeftOut::Cost);
    }
    if when.waiting_max.is_some_and(|most| engine.waiting > most) {
        return Err(LeftOut::Waiting);
    }
    Ok(match (engine.circuit.lets_through(), engine.down) {
        (false, _) => Health::LeftAlone,
        (true, true) => Health::Down,
        (true, false) => Health::Well,
    })
}

fn between<T: PartialOrd>(value: T, least: Option<T>, most: Option<T>) -> bool {
    least.is_none_or(|least| value >= least) && most.is_none_or(|most| value <= most)
}

fn in_order<T: PartialOrd>(least: Option<T>, most: Option<T>) -> bool {
    least.zip(most).is_none_or(|(least, most)| least <= most)
}

/// Puts the candidates in the order in which they are drawn.
fn draw(fit: &mut [(&Candidate, Health)], seed: u64) {
    let mut state = seed;
    for place in 0..fit.len() {
        let all: u64 = fit[place..].iter().map(|(candidate, _)| u64::from(candidate.weight)).sum();
        let mut lot = random(&mut state) % all.max(1);
        let drawn = fit[place..].iter().position(|(candidate, _)| {
            let weight = u64::from(candidate.weight);
            let hit = lot < weight;
            lot = lot.saturating_sub(weight);
            hit
        });
        // Those that were not drawn keep their order.
        fit[place..=place + drawn.unwrap_or(0)].rotate_right(1);
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): every seed is a good one.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// How many of a text's letters are Hangul, in percent, rounded down. A text without letters has none.
pub fn hangul_percent(text: &str) -> u8 {
    let (mut hangul, mut letters) = (0_usize, 0_usize);
    for letter in text.chars().filter(|letter| letter.is_alphabetic()) {
        letters += 1;
        // Syllables, and the letters that they are made of, in all their blocks.
        hangul += usize::from(matches!(letter,
            '\u{ac00}'..='\u{d7ff}' | '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{a960}'..='\u{a97f}'
                | '\u{ffa0}'..='\u{ffdc}'));
    }
    (hangul * 100).checked_div(letters).unwrap_or(0) as u8
}

fn one() -> u32 {
    1
}

fn is_one(weight: &u32) -> bool {
    *weight == 1
}

#[cfg(test)]
mod tests;
