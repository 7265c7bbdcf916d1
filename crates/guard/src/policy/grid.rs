//! The finite grid of facts on which policies are compared: every class, kind of asker, country, owner, purpose and so on
//! that the policies speak of, and one of each that they do not speak of.
//!
//! The built-in rule is kept out of the way (nothing is above a clearance, every purpose is allowed), so that what is
//! seen is the policies' own doing.

use std::collections::BTreeSet;

use base::{Class, CorpusId, Country, DocumentId, Label, Name, Residency};
use cedar_policy::EntityUid;

use super::facts::{HOUSE, type_of};
use super::question::{Kind, word};
use super::{Act, CorpusFacts, Policies, Question, Who};
use crate::{Declassification, EngineTerms};

/// Values of one axis that the policies name, at most; more are left out, and it is said.
const NAMED_MAX: usize = 8;
/// Combinations of one action, at most.
pub(crate) const CELLS_MAX: usize = 40_000;

/// One thing that may vary.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    /// What any of its values is called: "whoever".
    pub any: &'static str,
    /// Its values in words.
    pub words: Vec<String>,
}

/// All combinations of one action.
#[derive(Debug)]
pub(crate) struct Grid<'a> {
    pub action: &'static str,
    pub axes: Vec<Axis>,
    values: &'a Values,
}

/// The values of all axes.
#[derive(Debug)]
pub(crate) struct Values {
    who: Vec<(Who, String)>,
    countries: Vec<Country>,
    owners: Vec<Option<Name>>,
    purposes: Vec<Name>,
    licences: Vec<Option<Name>>,
    routes: Vec<String>,
    /// Names of engines, tools, places; ids of corpora and documents.
    named: [Vec<String>; 5],
    home: Country,
    /// Whether something was left out.
    pub truncated: bool,
}

pub(crate) const ACTIONS: [&str; 5] = ["search", "send", "use_tool", "export", "declassify"];
const RESOURCES: [&str; 5] = ["Corpus", "Engine", "Tool", "Place", "Document"];
const CLASSES: [Class; 3] = [Class::Open, Class::Sensitive, Class::Classified];

impl Values {
    /// The values that any of these policies speaks of, and one that none does.
    pub fn of(policies: &[&Policies], home: Country) -> Self {
        let clauses = policies.iter().flat_map(|policies| policies.clauses.values());
        let literals: BTreeSet<EntityUid> = clauses.flat_map(|clause| clause.policy.entity_literals()).collect();
        let mut truncated = false;
        let mut ids = |kind: &str| {
            let of_kind = literals.iter().filter(|literal| literal.type_name().to_string() == kind);
            let mut ids: Vec<String> = of_kind.map(|literal| literal.id().unescaped().to_owned()).collect();
            truncated |= ids.len() > NAMED_MAX;
            ids.truncate(NAMED_MAX);
            ids
        };
        let mut who = everybody();
        for kind in [Kind::Person, Kind::Service, Kind::Agent, Kind::Peer] {
            for id in ids(type_of(kind)) {
                who.push((Who { id: id.clone(), ..somebody(kind) }, format!("{} {id}", kind.as_str())));
            }
        }
        for id in ids("Group") {
            let groups = id.parse().into_iter().collect();
            who.push((Who { groups, ..somebody(Kind::Person) }, format!("a person of {id}")));
        }
        for id in ids("Tenant") {
            let tenant = id.parse().ok();
            who.push((Who { tenant, ..somebody(Kind::Person) }, format!("a person of {id}")));
        }
        let mut countries = vec![home];
        countries.extend(ids("Country").iter().filter_map(|id| id.parse::<Country>().ok()).filter(|id| *id != home));
        // One that nobody speaks of. A policy may name some of these, but not all: the list is longer than an axis.
        let others = ["US", "DE", "JP", "FR", "SG", "GB", "CA", "IN", "BR", "ZA"];
        let unnamed = others.iter().filter_map(|id| id.parse().ok()).find(|other| !countries.contains(other));
        countries.extend(unnamed);
        let named = |found: Vec<String>| found.into_iter().filter_map(|id| id.parse::<Name>().ok());
        let mut owners = vec![None];
        owners.extend(named(ids("Owner")).filter(|owner| owner.as_str() != HOUSE).map(Some));
        owners.push(Some(spare_name(|name| owners.contains(&Some(name.clone())))));
        let mut purposes = vec![word("answering"), word("training")];
        purposes.extend(named(ids("Purpose")).filter(|purpose| !["answering", "training"].contains(&purpose.as_str())));
        purposes.push(spare_name(|name| purposes.contains(name)));
        let licences = [None].into_iter().chain(named(ids("Licence")).map(Some)).collect();
        let mut routes = vec![String::new()];
        routes.extend(ids("Route").into_iter().filter(|route| !route.is_empty()));
        let named = RESOURCES.map(|kind| {
            let mut names = ids(kind);
            names.retain(|name| !name.is_empty());
            names.push(String::new());
            names
        });
        Self { who, countries, owners, purposes, licences, routes, named, home, truncated }
    }

    /// The grid of each action.
    pub fn grids(&self) -> Vec<Grid<'_>> {
        ACTIONS
            .iter()
            .enumerate()
            .map(|(index, action)| Grid { action, axes: self.axes(index), values: self })
            .collect()
    }

    fn axes(&self, action: usize) -> Vec<Axis> {
        let axis = |any, words: Vec<String>| Axis { any, words };
        let leaves = (1..=3).contains(&action);
        let alone = || vec![String::new()];
        let outlet = |words: Vec<String>| if leaves { words } else { alone() };
        let classes = || CLASSES.map(|class| class.to_string()).to_vec();
        let owner = |owner: &Option<Name>| owner.as_ref().map_or(HOUSE.to_owned(), |owner| owner.to_string());
        let name = |name: &String| if name.is_empty() { "any other".to_owned() } else { format!("`{name}`") };
        let licence = |licence: &Option<Name>| licence.as_ref().map_or("none".to_owned(), |name| name.to_string());
        let route = |route: &String| if route.is_empty() { "none".to_owned() } else { format!("`{route}`") };
        vec![
            axis("whoever", self.who.iter().map(|(_, words)| words.clone()).collect()),
            axis("any class", classes()),
            axis("any name", self.named[action].iter().map(name).collect()),
            axis("any country", outlet(self.countries.iter().map(|country| country.to_string()).collect())),
            axis("any owner", outlet(self.owners.iter().map(owner).collect())),
            axis("any purpose", self.purposes.iter().map(|purpose| purpose.to_string()).collect()),
            axis("any licence", self.licences.iter().map(licence).collect()),
            axis("any route", self.routes.iter().map(route).collect()),
            axis("any class after", if action == 4 { classes() } else { alone() }),
            axis("any border", vec!["not bound to countries".to_owned(), format!("bound to {}", self.home)]),
        ]
    }
}

impl Grid<'_> {
    /// Every combination, as the values' numbers; within the bound.
    pub fn cells(&self) -> impl Iterator<Item = Vec<usize>> {
        let sizes: Vec<usize> = self.axes.iter().map(|axis| axis.words.len()).collect();
        let all = self.size().min(CELLS_MAX);
        (0..all).map(move |mut number| {
            sizes
                .iter()
                .map(|size| {
                    let value = number % size;
                    number /= size;
                    value
                })
                .collect()
        })
    }

    /// Combinations in all.
    pub fn size(&self) -> usize {
        self.axes.iter().map(|axis| axis.words.len()).fold(1, usize::saturating_mul)
    }

    /// The question that a combination is.
    pub fn question(&self, cell: &[usize]) -> Question {
        let values = self.values;
        let at = |axis: usize| cell.get(axis).copied().unwrap_or_default();
        let action = ACTIONS.iter().position(|action| *action == self.action).unwrap_or_default();
        let name = values.named[action].get(at(2)).cloned().unwrap_or_default();
        let class = |axis: usize| CLASSES[at(axis).min(2)];
        let outlet = || EngineTerms {
            name: name.clone(),
            country: values.countries[at(3)],
            class_max: Class::Classified,
            owner: values.owners[at(4)].clone(),
        };
        let act = match self.action {
            "search" => Act::Search(CorpusFacts { corpus: name.parse::<CorpusId>().ok(), ..CorpusFacts::default() }),
            "send" => Act::Send(outlet()),
            "use_tool" => Act::UseTool(outlet()),
            "export" => Act::Export(outlet()),
            _ => Act::Declassify(Declassification {
                document: name.parse::<DocumentId>().ok(),
                to: class(8),
                reason: "grid".to_owned(),
                until: None,
            }),
        };
        let bound = Residency::Only([act.outlet().map_or(values.home, |outlet| outlet.country), values.home].into());
        let text = Label {
            class: class(1),
            residency: if at(9) == 0 { Residency::Anywhere } else { bound },
            purposes: values.purposes.iter().cloned().collect(),
            licences: values.licences[at(6)].iter().cloned().collect(),
        };
        Question {
            who: values.who[at(0)].0.clone(),
            act,
            text,
            purpose: values.purposes[at(5)].clone(),
            route: values.routes[at(7)].clone(),
            home: values.home,
        }
    }

    /// A box of combinations in words.
    pub fn words(&self, found: &super::boxes::Product) -> String {
        let value = |axis: usize| {
            let Axis { any, words } = &self.axes[axis];
            match found[axis].len() {
                _ if words.len() == 1 => String::new(),
                all if all == words.len() => (*any).to_owned(),
                _ => found[axis].iter().filter_map(|at| words.get(*at)).cloned().collect::<Vec<_>>().join(" or "),
            }
        };
        let verb = match self.action {
            "search" => "searches",
            "send" => "sends to an engine",
            "use_tool" => "hands to a tool",
            "export" => "exports",
            _ => "declassifies",
        };
        let mut parts = vec![format!("{} {verb}", value(0)), format!("text: {}", value(1))];
        for (axis, what) in
            [(2, "name"), (3, "in"), (4, "run by"), (8, "to"), (5, "for"), (6, "licence"), (7, "route"), (9, "text")]
        {
            let said = value(axis);
            let is_telling = found[axis].len() < self.axes[axis].words.len() || matches!(axis, 3..=5);
            if !said.is_empty() && is_telling {
                parts.push(format!("{what} {said}"));
            }
        }
        parts.join(", ")
    }
}

/// A name that no policy speaks of.
fn spare_name(is_named: impl Fn(&Name) -> bool) -> Name {
    let others = ["another", "another.", "another..", "another..."];
    others.map(word).into_iter().find(|name| !is_named(name)).unwrap_or_else(|| word("another...."))
}

fn everybody() -> Vec<(Who, String)> {
    let mut all = Vec::new();
    for kind in [Kind::Operator, Kind::Person, Kind::Service, Kind::Agent, Kind::Peer] {
        let words = match kind {
            Kind::Operator => "the operator".to_owned(),
            Kind::Agent => "an agent".to_owned(),
            _ => format!("a {}", kind.as_str()),
        };
        all.push((somebody(kind), words.clone()));
        if matches!(kind, Kind::Person | Kind::Service) {
            all.push((Who { administrator: true, ..somebody(kind) }, format!("{words} that administers")));
        }
    }
    all
}

fn somebody(kind: Kind) -> Who {
    Who {
        kind,
        id: String::new(),
        tenant: None,
        groups: BTreeSet::new(),
        administrator: false,
        input_class: Class::Open,
        read_class_max: Class::Classified,
    }
}
