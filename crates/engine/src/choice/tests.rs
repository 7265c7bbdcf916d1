//! Which engines are tried: their conditions, their order, and lots.

use proptest::prelude::*;

use super::*;
use crate::{Currency, Price};

fn candidate(engine: &str) -> Candidate {
    Candidate { engine: engine.to_owned(), weight: 1, when: Conditions::default() }
}

fn when(engine: &str, when: Conditions) -> Candidate {
    Candidate { when, ..candidate(engine) }
}

fn standing() -> Standing {
    Standing {
        chats: true,
        context_tokens: 8_000,
        offer: Offer::default(),
        waiting: 0,
        down: false,
        circuit: Circuit::Closed,
    }
}

fn asked() -> Asked {
    Asked { prompt_tokens: 1_000, fixed_tokens: 1_000, tokens_max: 100, ..Asked::default() }
}

fn listed(list: Vec<Candidate>) -> Candidates {
    Candidates::new(Order::Listed, list).unwrap()
}

/// Why the one candidate with these conditions is left out, if it is.
fn why(conditions: Conditions, asked: &Asked, standing: Standing) -> Option<LeftOut> {
    let candidates = listed(vec![when("a", conditions)]);
    let choice = candidates.choose(asked, |_| Some(standing.clone()), 0);
    assert_eq!(choice.order.len() + choice.left_out.len(), 1);
    choice.left_out.first().map(|(_, why)| *why)
}

#[test]
fn each_condition_keeps_a_candidate_out() {
    let always = Conditions::default;
    assert_eq!(why(always(), &asked(), standing()), None);
    assert_eq!(why(always(), &asked(), Standing { chats: false, ..standing() }), Some(LeftOut::Unable));
    assert_eq!(why(always(), &asked(), Standing { context_tokens: 1_000, ..standing() }), Some(LeftOut::Window));
    for (tokens, least, most, expected) in [
        (1_000, Some(1_000), Some(1_000), None),
        (999, Some(1_000), None, Some(LeftOut::PromptLength)),
        (1_001, None, Some(1_000), Some(LeftOut::PromptLength)),
    ] {
        let conditions = Conditions { prompt_tokens_min: least, prompt_tokens_max: most, ..always() };
        assert_eq!(why(conditions, &Asked { prompt_tokens: tokens, ..asked() }, standing()), expected, "{tokens}");
    }
    for (percent, expected) in [(30, None), (29, Some(LeftOut::Language)), (71, Some(LeftOut::Language))] {
        let conditions = Conditions { hangul_percent_min: Some(30), hangul_percent_max: Some(70), ..always() };
        assert_eq!(why(conditions, &Asked { hangul_percent: percent, ..asked() }, standing()), expected, "{percent}");
    }
    let waits = |waiting| Standing { waiting, ..standing() };
    let patient = || Conditions { waiting_max: Some(2), ..always() };
    assert_eq!(why(patient(), &asked(), waits(2)), None);
    assert_eq!(why(patient(), &asked(), waits(3)), Some(LeftOut::Waiting));
}

#[test]
fn what_the_turn_or_the_route_needs_must_be_there() {
    let sees = Abilities { vision: true, ..Abilities::default() };
    let seeing = || Standing { offer: Offer { abilities: sees.clone(), ..Offer::default() }, ..standing() };
    let turn = Asked { needs: sees.clone(), ..asked() };
    assert_eq!(why(Conditions::default(), &turn, standing()), Some(LeftOut::Unable));
    assert_eq!(why(Conditions::default(), &turn, seeing()), None);
    let route = || Conditions { abilities: sees.clone(), ..Conditions::default() };
    assert_eq!(why(route(), &asked(), standing()), Some(LeftOut::Unable));
    assert_eq!(why(route(), &asked(), seeing()), None);
    // What embeds need not chat.
    let embeds = Abilities { embeddings: true, ..Abilities::default() };
    let embedder = Standing { chats: false, offer: Offer::of_this_house(false, true), ..standing() };
    assert_eq!(why(Conditions::default(), &Asked { needs: embeds, ..asked() }, embedder), None);
}

#[test]
fn what_may_cost_too_much_or_nobody_knows_how_much_is_not_tried() {
    let ceiling =
        |micro| Conditions { cost_max: Some(Money { currency: Currency::Krw, micro }), ..Conditions::default() };
    let priced = |currency| {
        let price = Some(Price { currency, micro_in: 1_000_000_000, micro_out: 4_000_000_000 });
        Standing { offer: Offer { price, ..Offer::default() }, ..standing() }
    };
    // 1,000 tokens in and 100 out are 1.4 won.
    assert_eq!(why(ceiling(1_400_000), &asked(), priced(Currency::Krw)), None);
    assert_eq!(why(ceiling(1_399_999), &asked(), priced(Currency::Krw)), Some(LeftOut::Cost));
    assert_eq!(why(ceiling(u64::MAX), &asked(), priced(Currency::Usd)), Some(LeftOut::Cost));
    assert_eq!(why(ceiling(u64::MAX), &asked(), standing()), Some(LeftOut::Cost));
    let ours = Standing { offer: Offer::of_this_house(true, false), ..standing() };
    assert_eq!(why(ceiling(0), &asked(), ours), None);
}

#[test]
fn an_engine_that_is_left_alone_is_not_tried_but_its_probe_is() {
    let retry_after = std::time::Duration::from_secs(9);
    for (circuit, expected) in [
        (Circuit::Closed, None),
        (Circuit::Open { retry_after }, Some(LeftOut::LeftAlone)),
        (Circuit::HalfOpen { probing: true }, Some(LeftOut::LeftAlone)),
        (Circuit::HalfOpen { probing: false }, None),
    ] {
        assert_eq!(why(Conditions::default(), &asked(), Standing { circuit, ..standing() }), expected, "{circuit:?}");
    }
}

#[test]
fn a_list_is_tried_as_listed_and_what_is_down_last() {
    let candidates = listed(vec![candidate("down"), candidate("gone"), candidate("b"), candidate("a")]);
    let stands = |name: &str| (name != "gone").then(|| Standing { down: name == "down", ..standing() });
    let choice = candidates.choose(&asked(), stands, 7);
    assert_eq!(choice.order, ["b", "a", "down"]);
    assert_eq!(choice.left_out, [("gone", LeftOut::Missing)]);
}

#[test]
fn who_comes_first_is_told_whether_it_is_well_or_not() {
    let ill = |name: &str| match name {
        "a" => Standing { circuit: Circuit::HalfOpen { probing: true }, ..standing() },
        "b" => Standing { down: true, ..standing() },
        _ => standing(),
    };
    let candidates = listed(vec![candidate("a"), candidate("b"), candidate("c")]);
    let choice = candidates.choose(&asked(), |name| Some(ill(name)), 0);
    assert_eq!((choice.first, &*choice.order), (Some("a"), &["c", "b"][..]));
    assert_eq!(choice.left_out, [("a", LeftOut::LeftAlone)]);
    // One that does not fit what is asked is not the first, however well it is.
    let unable = |name: &str| Some(Standing { chats: name != "a", ..standing() });
    assert_eq!(candidates.choose(&asked(), unable, 0).first, Some("b"));
    assert_eq!(candidates.choose(&asked(), |_| None, 0).first, None);
    assert_eq!(Candidates::one("x").choose(&asked(), |_| Some(standing()), 0).order, ["x"]);
}

#[test]
fn lots_follow_the_weights_and_the_seed() {
    let weighted = |weights: [u32; 3]| {
        let list = ["a", "b", "c"].into_iter().zip(weights);
        let list = list.map(|(name, weight)| Candidate { weight, ..candidate(name) }).collect();
        Candidates::new(Order::Weighted, list).unwrap()
    };
    let candidates = weighted([6, 3, 1]);
    let mut first = std::collections::BTreeMap::new();
    for seed in 0..10_000 {
        let choice = candidates.choose(&asked(), |_| Some(standing()), seed);
        assert_eq!(choice, candidates.choose(&asked(), |_| Some(standing()), seed));
        assert_eq!(choice.order.len(), 3);
        *first.entry(choice.order[0]).or_insert(0) += 1;
    }
    for (name, expected) in [("a", 6_000_i32), ("b", 3_000), ("c", 1_000)] {
        // Five standard deviations and more.
        assert!((first[name] - expected).abs() < 250, "{first:?}");
    }
}

#[test]
fn a_list_that_means_nothing_is_refused() {
    let many = (0..=CANDIDATES_MAX).map(|n| candidate(&n.to_string())).collect();
    let never = |conditions| vec![when("a", conditions)];
    for (list, expected) in [
        (vec![], CandidatesError::Count),
        (many, CandidatesError::Count),
        (vec![candidate("a"), candidate("a")], CandidatesError::Twice("a".into())),
        (vec![Candidate { weight: 0, ..candidate("a") }], CandidatesError::Weight("a".into())),
        (vec![Candidate { weight: 1_001, ..candidate("a") }], CandidatesError::Weight("a".into())),
        (
            never(Conditions { prompt_tokens_min: Some(2), prompt_tokens_max: Some(1), ..Conditions::default() }),
            CandidatesError::Never("a".into()),
        ),
        (
            never(Conditions { hangul_percent_min: Some(101), ..Conditions::default() }),
            CandidatesError::Never("a".into()),
        ),
    ] {
        assert_eq!(Candidates::new(Order::Weighted, list), Err(expected));
    }
}

#[test]
fn a_list_is_written_and_read_again_strictly() {
    let text = r#"{"order":"weighted","list":[{"model":"a","weight":3,"when":{"hangul_percent_min":30,
        "cost_max":{"currency":"KRW","micro":5},"abilities":{"tools":true}}},{"model":"b"}]}"#;
    let candidates: Candidates = serde_json::from_str(text).unwrap();
    assert_eq!((candidates.order(), candidates.list().len()), (Order::Weighted, 2));
    let written = serde_json::to_string(&candidates).unwrap();
    assert_eq!(serde_json::from_str::<Candidates>(&written).unwrap(), candidates);
    for wrong in [
        r#"{"list":[]}"#,
        r#"{"list":[{"model":"a","weight":0}]}"#,
        r#"{"list":[{"model":"a","wieght":1}]}"#,
        r#"{"list":[{"model":"a","when":{"price":1}}]}"#,
        r#"{"list":[{"model":"a","when":{"cost_max":{"currency":"KRW","micro":1.5}}}]}"#,
        r#"{"list":[{"model":"a","when":{"prompt_tokens_max":-1}}]}"#,
    ] {
        assert!(serde_json::from_str::<Candidates>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn hangul_is_counted_among_letters() {
    for (text, percent) in [
        ("", 0),
        ("123 !? 🙂", 0),
        ("hello", 0),
        ("수도요금은 얼마입니까?", 100),
        ("API 키", 25),
        ("ㅋㅋ ok", 50),
        ("個人情報 보호", 33),
        (&"가".repeat(100_000), 100),
    ] {
        assert_eq!(hangul_percent(text), percent, "{text:.20}");
    }
    // The letters that a syllable is made of are Hangul, too.
    assert_eq!(hangul_percent("\u{1112}\u{1161}\u{11ab}"), 100);
}

fn any_conditions() -> impl Strategy<Value = Conditions> {
    let small = || proptest::option::of(0_u32..4);
    (small(), small(), proptest::option::of(0_u8..4), proptest::option::of(0_u8..4), any::<bool>(), small(), small())
        .prop_map(|(least, most, hangul, hangul_most, tools, cost, waiting)| Conditions {
            abilities: Abilities { tools, ..Abilities::default() },
            prompt_tokens_min: least,
            prompt_tokens_max: most,
            hangul_percent_min: hangul,
            hangul_percent_max: hangul_most,
            cost_max: cost.map(|micro| Money { currency: Currency::Krw, micro: micro.into() }),
            waiting_max: waiting,
        })
}

fn any_standing() -> impl Strategy<Value = Standing> {
    (any::<[bool; 4]>(), 0_u32..6, 0_u32..4, 0_u64..4, 0_u8..4).prop_map(
        |([chats, tools, priced, down], context_tokens, waiting, micro, circuit)| Standing {
            chats,
            context_tokens,
            offer: Offer {
                abilities: Abilities { tools, ..Abilities::default() },
                price: priced.then_some(Price { currency: Currency::Krw, micro_in: micro * 1_000_000, micro_out: 0 }),
                ..Offer::default()
            },
            waiting,
            down,
            circuit: match circuit {
                0 => Circuit::Open { retry_after: std::time::Duration::from_secs(1) },
                1 => Circuit::HalfOpen { probing: true },
                2 => Circuit::HalfOpen { probing: false },
                _ => Circuit::Closed,
            },
        },
    )
}

proptest! {
    #[test]
    fn nothing_is_offered_whose_conditions_are_not_met(
        conditions in proptest::collection::vec(any_conditions(), 1..6),
        standings in proptest::collection::vec(any_standing(), 6),
        (prompt_tokens, tokens_max, hangul_percent, tools) in (0_u32..4, 0_u32..4, 0_u8..4, any::<bool>()),
        (seed, weighted) in any::<(u64, bool)>(),
    ) {
        let list = conditions.into_iter().enumerate().map(|(n, conditions)| when(&n.to_string(), conditions)).collect();
        let order = if weighted { Order::Weighted } else { Order::Listed };
        let Ok(candidates) = Candidates::new(order, list) else { return Ok(()) };
        let asked = Asked {
            prompt_tokens, fixed_tokens: prompt_tokens / 2, tokens_max, hangul_percent, needs: Abilities { tools, ..Abilities::default() } };
        let stands = |name: &str| standings.get(name.parse::<usize>().ok()?).cloned();
        let choice = candidates.choose(&asked, stands, seed);
        prop_assert_eq!(choice.order.len() + choice.left_out.len(), candidates.list().len());
        for name in choice.order {
            let (when, engine) = (&candidates.list()[name.parse::<usize>().unwrap()].when, stands(name).unwrap());
            prop_assert!(engine.chats && asked.fixed_tokens < engine.context_tokens);
            prop_assert!(engine.offer.abilities.tools || !(tools || when.abilities.tools));
            prop_assert!(when.prompt_tokens_min.is_none_or(|least| least <= prompt_tokens));
            prop_assert!(when.prompt_tokens_max.is_none_or(|most| prompt_tokens <= most));
            prop_assert!(when.hangul_percent_min.is_none_or(|least| least <= hangul_percent));
            prop_assert!(when.hangul_percent_max.is_none_or(|most| hangul_percent <= most));
            prop_assert!(when.waiting_max.is_none_or(|most| engine.waiting <= most));
            if let Some(most) = when.cost_max {
                let price = engine.offer.price.unwrap();
                prop_assert!(price.micro_in / 1_000_000 * u64::from(prompt_tokens) <= most.micro);
            }
            let through = [Circuit::Closed, Circuit::HalfOpen { probing: false }];
            prop_assert!(through.contains(&engine.circuit));
        }
    }
}
