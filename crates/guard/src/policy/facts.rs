//! A question in the language of policies: a request and the facts about who and where, held to the schema.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use base::{Class, Residency};
use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression, Schema,
};

use super::question::{Act, Kind, Question};
use crate::EngineTerms;

/// The owner's name that stands for the institution itself.
pub(crate) const HOUSE: &str = "house";

/// What policies are asked.
pub(crate) struct Asked {
    pub request: Request,
    pub entities: Entities,
}

static SCHEMA: LazyLock<Result<Schema, String>> =
    LazyLock::new(|| Schema::from_cedarschema_str(super::SCHEMA).map(|(schema, _)| schema).map_err(text));

/// What policies may speak of.
///
/// # Errors
/// Why the program's own schema cannot be read; then nothing is permitted. A test holds that it can.
pub(crate) fn schema() -> Result<&'static Schema, String> {
    SCHEMA.as_ref().map_err(Clone::clone)
}

/// Builds the request, and the two entities that have facts.
///
/// # Errors
/// Why it does not fit the schema. It always does; where it ever did not, the answer would be no.
pub(crate) fn asked(question: &Question) -> Result<Asked, String> {
    let schema = schema()?;
    let (who, what) = (asker(question)?, resource(question)?);
    let action = uid("Action", question.act.as_str())?;
    let context = context(question)?;
    let request = Request::new(who.uid(), action, what.uid(), context, Some(schema)).map_err(text)?;
    let entities = Entities::from_entities([who, what], Some(schema)).map_err(text)?;
    Ok(Asked { request, entities })
}

/// The type of a principal, as policies write it.
pub(crate) fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Operator => "Operator",
        Kind::Person => "Person",
        Kind::Service => "Service",
        Kind::Agent => "Agent",
        Kind::Peer => "Peer",
    }
}

fn asker(question: &Question) -> Result<Entity, String> {
    let who = &question.who;
    let facts = HashMap::from([
        ("tenant".to_owned(), entity("Tenant", &tenant(who.tenant))?),
        ("administrator".to_owned(), RestrictedExpression::new_bool(who.administrator)),
        ("input_class".to_owned(), class(who.input_class)?),
        ("read_class_max".to_owned(), class(who.read_class_max)?),
    ]);
    let groups = who.groups.iter().map(|group| uid("Group", &group.to_string())).collect::<Result<HashSet<_>, _>>()?;
    Entity::new(uid(type_of(who.kind), &who.id)?, facts, groups).map_err(text)
}

fn resource(question: &Question) -> Result<Entity, String> {
    let (kind, outlet) = match &question.act {
        Act::Search(corpus) => {
            let id = corpus.corpus.map(|id| id.to_string()).unwrap_or_default();
            let facts = [("tenant".to_owned(), entity("Tenant", &tenant(corpus.tenant.or(question.who.tenant)))?)];
            return Entity::new(uid("Corpus", &id)?, HashMap::from(facts), HashSet::new()).map_err(text);
        }
        Act::Declassify(step) => {
            let id = step.document.map(|id| id.to_string()).unwrap_or_default();
            return Ok(Entity::new_no_attrs(uid("Document", &id)?, HashSet::new()));
        }
        Act::Send(to) => ("Engine", to),
        Act::UseTool(to) => ("Tool", to),
        Act::Export(to) => ("Place", to),
    };
    let facts = HashMap::from([
        ("country".to_owned(), entity("Country", outlet.country.as_str())?),
        ("owner".to_owned(), entity("Owner", owner(outlet))?),
        ("class_max".to_owned(), class(outlet.class_max)?),
    ]);
    Entity::new(uid(kind, &outlet.name)?, facts, HashSet::new()).map_err(text)
}

fn context(question: &Question) -> Result<Context, String> {
    let label = &question.text;
    let countries = match &label.residency {
        Residency::Anywhere => Vec::new(),
        Residency::Only(countries) => {
            countries.iter().map(|country| entity("Country", country.as_str())).collect::<Result<_, _>>()?
        }
    };
    let names = |kind, names: &std::collections::BTreeSet<base::Name>| {
        names.iter().map(|name| entity(kind, name.as_str())).collect::<Result<Vec<_>, _>>()
    };
    let anywhere = label.residency == Residency::Anywhere;
    let facts = RestrictedExpression::new_record([
        ("class".to_owned(), class(question.class())?),
        ("anywhere".to_owned(), RestrictedExpression::new_bool(anywhere)),
        ("countries".to_owned(), RestrictedExpression::new_set(countries)),
        ("purposes".to_owned(), RestrictedExpression::new_set(names("Purpose", &label.purposes)?)),
        ("licences".to_owned(), RestrictedExpression::new_set(names("Licence", &label.licences)?)),
    ])
    .map_err(text)?;
    let mut pairs = vec![
        ("text".to_owned(), facts),
        ("purpose".to_owned(), entity("Purpose", question.purpose.as_str())?),
        ("route".to_owned(), entity("Route", &question.route)?),
        ("home".to_owned(), entity("Country", question.home.as_str())?),
    ];
    if let Act::Declassify(step) = &question.act {
        pairs.push(("to".to_owned(), class(step.to)?));
    }
    Context::from_pairs(pairs).map_err(text)
}

fn owner(outlet: &EngineTerms) -> &str {
    outlet.owner.as_ref().map_or(HOUSE, |owner| owner.as_str())
}

fn tenant(tenant: Option<base::TenantId>) -> String {
    tenant.map(|tenant| tenant.to_string()).unwrap_or_default()
}

fn class(class: Class) -> Result<RestrictedExpression, String> {
    entity("Class", class.as_str())
}

fn entity(kind: &str, id: &str) -> Result<RestrictedExpression, String> {
    uid(kind, id).map(RestrictedExpression::new_entity_uid)
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, String> {
    let kind: EntityTypeName = kind.parse().map_err(|error| format!("{error}"))?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policies;

    #[test]
    fn every_question_fits_the_schema() {
        let values = crate::policy::grid::Values::of(&[&Policies::builtin()], base::Country::KR);
        for grid in values.grids() {
            for cell in grid.cells() {
                let question = grid.question(&cell);
                if let Err(reason) = asked(&question) {
                    panic!("{question}: {reason}");
                }
            }
        }
    }
}
