//! What a model offers, whose it is, on what terms and for how much: what a route chooses by.
//!
//! It is the operator's word. Where it runs and how much it may see is not here: the guard has that, and only the guard.

use base::Usage;
use serde::{Deserialize, Serialize};

/// Tokens that a price is for.
const PRICED_TOKENS: u128 = 1_000_000;

/// What is offered with a model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// What it can do.
    pub abilities: Abilities,
    /// Whose machine it runs on, in words for people.
    pub owner: Option<String>,
    /// What happens to texts that were sent there, in words for people.
    pub retention: Option<String>,
    /// Days after which a text that was sent there is gone; 0 where nothing is kept.
    pub retention_days: Option<u32>,
    /// What it costs; none where nobody said.
    pub price: Option<Price>,
}

impl Offer {
    /// What a model offers that runs in this house: nothing is kept elsewhere, and no token is paid for.
    pub fn of_this_house(chats: bool, embeds: bool) -> Self {
        Self {
            abilities: Abilities { tools: chats, embeddings: embeds, ..Abilities::default() },
            retention_days: Some(0),
            price: Some(Price::FREE),
            ..Self::default()
        }
    }
}

/// What a model can do, or what somebody needs of one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Abilities {
    /// It calls tools.
    pub tools: bool,
    /// It sees images.
    pub vision: bool,
    /// It embeds texts.
    pub embeddings: bool,
    /// Languages that it is good at, as their ISO 639 codes: `ko`, `en`. Of others nothing is known.
    pub languages: Vec<String>,
}

impl Abilities {
    /// Whether there are none.
    pub(crate) fn are_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether all that is `needed` is among these.
    pub fn cover(&self, needed: &Self) -> bool {
        (self.tools || !needed.tools)
            && (self.vision || !needed.vision)
            && (self.embeddings || !needed.embeddings)
            && needed.languages.iter().all(|language| self.languages.contains(language))
    }
}

/// A currency that prices are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// Korean won.
    Krw,
    /// Dollars of the United States.
    Usd,
}

/// An amount of money in millionths of a won or of a dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Millionths of what.
    pub currency: Currency,
    /// How many.
    pub micro: u64,
}

impl Money {
    /// Whether this is at most `most`. Amounts in two currencies cannot be compared, so one is never within the other;
    /// nothing is within anything.
    pub fn within(self, most: Money) -> bool {
        self.micro == 0 || (self.currency == most.currency && self.micro <= most.micro)
    }
}

/// What tokens cost, in millionths of a won or of a dollar for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// The currency.
    pub currency: Currency,
    /// For a million tokens read.
    pub micro_in: u64,
    /// For a million tokens written.
    pub micro_out: u64,
}

impl Price {
    /// No price at all, whatever the currency.
    pub const FREE: Self = Self { currency: Currency::Krw, micro_in: 0, micro_out: 0 };

    /// What these tokens cost, rounded up to a millionth. Tokens that an engine had already cost as much as others.
    pub fn cost(&self, usage: Usage) -> Money {
        let read = u128::from(self.micro_in) * u128::from(usage.prompt_tokens);
        let written = u128::from(self.micro_out) * u128::from(usage.completion_tokens);
        let micro = read.saturating_add(written).div_ceil(PRICED_TOKENS);
        Money { currency: self.currency, micro: u64::try_from(micro).unwrap_or(u64::MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(prompt_tokens: u64, completion_tokens: u64) -> Usage {
        Usage { prompt_tokens, cached_tokens: 0, completion_tokens }
    }

    #[test]
    fn a_price_is_for_a_million_tokens_and_never_rounded_down() {
        // Three dollars in, fifteen out.
        let price = Price { currency: Currency::Usd, micro_in: 3_000_000, micro_out: 15_000_000 };
        assert_eq!(price.cost(usage(1_000_000, 1_000_000)).micro, 18_000_000);
        assert_eq!(price.cost(usage(1_000, 100)).micro, 4_500);
        assert_eq!(price.cost(usage(0, 0)).micro, 0);
        let cheap = Price { micro_in: 1, micro_out: 0, ..price };
        assert_eq!(cheap.cost(usage(1, 5)).micro, 1);
        let dear = Price { micro_in: u64::MAX, micro_out: u64::MAX, ..price };
        assert_eq!(dear.cost(usage(u64::MAX, u64::MAX)).micro, u64::MAX);
    }

    #[test]
    fn money_is_compared_within_its_currency_alone() {
        let money = |currency, micro| Money { currency, micro };
        assert!(money(Currency::Krw, 5).within(money(Currency::Krw, 5)));
        assert!(!money(Currency::Krw, 6).within(money(Currency::Krw, 5)));
        assert!(!money(Currency::Usd, 1).within(money(Currency::Krw, 1_000_000)));
        assert!(Price::FREE.cost(usage(9, 9)).within(money(Currency::Usd, 0)));
    }

    #[test]
    fn what_is_needed_is_covered_or_not() {
        let offered = Abilities { tools: true, languages: vec!["ko".into(), "en".into()], ..Abilities::default() };
        let needs = |change: &dyn Fn(&mut Abilities)| {
            let mut needed = Abilities::default();
            change(&mut needed);
            offered.cover(&needed)
        };
        assert!(needs(&|_| {}) && needs(&|needed| needed.tools = true));
        assert!(needs(&|needed| needed.languages = vec!["ko".into()]));
        assert!(!needs(&|needed| needed.vision = true));
        assert!(!needs(&|needed| needed.embeddings = true));
        assert!(!needs(&|needed| needed.languages = vec!["ko".into(), "ja".into()]));
    }
}
