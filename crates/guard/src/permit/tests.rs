//! Permits with obligations, approvals, and classes that are lowered.

use base::{KeyId, PersonId, Residency, Subject};
use jiff::SignedDuration;

use super::*;
use crate::mask::Packs;
use crate::policy::{Containing, Policies};
use crate::{Approvers, Declassification, Guard};

fn words(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn answering() -> Purpose {
    "answering".parse().unwrap()
}

fn label(class: Class) -> Label {
    Label { class, residency: Residency::Anywhere, purposes: [answering()].into(), licences: BTreeSet::new() }
}

fn person(tenant: TenantId, groups: &[GroupId]) -> Principal {
    Principal {
        tenant,
        subject: Subject::Person(PersonId::new()),
        groups: groups.iter().copied().collect(),
        input_class: Class::Open,
        read_class_max: Class::Classified,
        administrator: false,
    }
}

fn engine(country: &str, owner: Option<&str>) -> EngineTerms {
    EngineTerms {
        name: "far".into(),
        country: country.parse().unwrap(),
        class_max: Class::Classified,
        owner: owner.map(|owner| owner.parse().unwrap()),
    }
}

#[test]
fn text_abroad_goes_masked_or_not_at_all() {
    let guard = Guard::default();
    let asker = person(TenantId::new(), &[]);
    let open = label(Class::Open);
    let permit = guard.may_send(&asker, &open, &engine("US", Some("acme")), &answering()).unwrap();
    assert_eq!(permit.obligations().mask, words(&["general", "kr"]));
    assert_eq!(permit.policies(), ["send-open-text-abroad"]);
    assert_eq!(permit.policy_version(), Policies::builtin().version());
    let refused = permit.clear("text", &open).unwrap_err();
    assert_eq!(refused, Refusal::MaskFirst { engine: "far".into() });
    let half = Masked::by("text", words(&["kr"]));
    assert_eq!(permit.clear_masked(half, &open).unwrap_err(), refused);
    let whole = || Masked::by("masked", words(&["kr", "general", "medical"]));
    assert_eq!(permit.clear_masked(whole(), &label(Class::Sensitive)).unwrap_err(), Refusal::OutsidePermit);
    assert_eq!(permit.clear_masked(whole(), &open).unwrap().release("far").unwrap(), "masked");
    // Inside the house nothing is asked for before it goes, and masked text may go, too.
    let permit = guard.may_send(&asker, &open, &engine("KR", None), &answering()).unwrap();
    let asked = Obligations { contain: Some(Containing::Records), ..Obligations::default() };
    assert_eq!(permit.obligations(), &asked);
    assert!(permit.clear("text", &open).is_ok() && permit.clear_masked(whole(), &open).is_ok());
}

#[test]
fn a_permit_for_a_tool_opens_no_engine_of_its_name() {
    let guard = Guard::default();
    let asker = person(TenantId::new(), &[]);
    let (open, terms) = (label(Class::Open), engine("KR", None));
    let tool = guard.may_use_tool(&asker, &open, &terms, &answering(), "").unwrap();
    let export = guard.may_export(&asker, &open, &terms, &answering()).unwrap();
    assert!(tool.clear("text", &open).unwrap().release("far").is_err());
    assert!(export.clear("text", &open).unwrap().release_to_tool("far").is_err());
    assert!(tool.clear("text", &open).unwrap().release_to_tool("far").is_ok());
    assert!(export.clear("text", &open).unwrap().release_to_place("far").is_ok());
}

#[test]
fn what_needs_an_approval_waits_for_the_right_one() {
    let (guard, tenant, officers) = (Guard::default(), TenantId::new(), GroupId::new());
    let asker = person(tenant, &[officers]);
    let officer = person(tenant, &[officers]);
    let sensitive = label(Class::Sensitive);
    let mut permit = guard.may_export(&asker, &sensitive, &engine("KR", None), &answering()).unwrap();
    let masked = || Masked::by("masked", words(&["kr", "general"]));
    let waits = Refusal::ApprovalFirst { group: "data-protection".into() };
    assert_eq!(permit.clear_masked(masked(), &sensitive).unwrap_err(), waits);

    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let hours = |hours| now + SignedDuration::from_hours(hours);
    let group = Approvers { name: "data-protection", group: officers };
    let asked = permit.question().clone();
    let approve = |who: &Principal, group, until| guard.approve(who, group, &asked, "checked", (now, until));
    let reason = |result: Result<Approval, Refusal>| match result.unwrap_err() {
        Refusal::Approval { reason } => reason,
        other => panic!("{other}"),
    };
    assert!(reason(approve(&asker, group, hours(1))).contains("their own request"));
    assert!(reason(approve(&person(tenant, &[]), group, hours(1))).contains("not in the group"));
    assert!(reason(approve(&person(TenantId::new(), &[officers]), group, hours(1))).contains("another tenant"));
    let program = Principal { subject: Subject::Service(KeyId::new()), ..officer.clone() };
    assert!(reason(approve(&program, group, hours(1))).contains("only a person"));
    let blind = Principal { read_class_max: Class::Open, ..officer.clone() };
    assert!(reason(approve(&blind, group, hours(1))).contains("may not read"));
    assert!(reason(approve(&officer, group, now)).contains("at most 30 days"));
    assert!(reason(approve(&officer, group, hours(24 * 31))).contains("at most 30 days"));
    assert!(reason(guard.approve(&officer, group, &asked, " ", (now, hours(1)))).contains("reason"));

    let good = approve(&officer, group, hours(1)).unwrap();
    let other_group = approve(&officer, Approvers { name: "security", group: officers }, hours(1)).unwrap();
    assert!(permit.approve(&other_group, now).is_err() && permit.approve(&good, hours(2)).is_err());
    // For another question of the same asker it is worth nothing.
    let mut other = guard.may_export(&asker, &sensitive, &engine("KR", Some("acme")), &answering()).unwrap();
    assert!(other.approve(&good, now).is_err());
    assert_eq!(permit.clear_masked(masked(), &sensitive).unwrap_err(), waits);
    permit.approve(&good, now).unwrap();
    assert!(matches!(permit.clear("text", &sensitive), Err(Refusal::MaskFirst { .. })));
    assert!(permit.clear_masked(masked(), &sensitive).is_ok());
}

#[test]
fn a_class_is_lowered_only_with_somebody_elses_approval() {
    let (guard, tenant, officers) = (Guard::default(), TenantId::new(), GroupId::new());
    let (asker, officer) = (person(tenant, &[]), person(tenant, &[officers]));
    let before = label(Class::Sensitive);
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let later = now + SignedDuration::from_hours(48);
    let step = |to| Declassification { document: None, to, reason: "published".into(), until: Some(later) };
    let approve = |who: &Principal, name, step: &Declassification| {
        let question = guard.declassification(&asker, &before, step);
        guard.approve(who, Approvers { name, group: officers }, &question, "read it", (now, later))
    };
    let lower =
        |step: &Declassification, approvals: &[Approval]| guard.declassify(&asker, &before, step, approvals, now);
    let good = approve(&officer, "data-protection", &step(Class::Open)).unwrap();
    let one = std::slice::from_ref(&good);
    assert!(approve(&asker, "data-protection", &step(Class::Open)).is_err());
    assert!(matches!(lower(&step(Class::Open), &[]), Err(Refusal::ApprovalFirst { .. })));
    assert!(matches!(lower(&step(Class::Sensitive), one), Err(Refusal::Declassification { .. })));
    let silent = Declassification { reason: String::new(), ..step(Class::Open) };
    assert!(matches!(lower(&silent, one), Err(Refusal::Declassification { .. })));
    let longer = Declassification { until: None, ..step(Class::Open) };
    assert!(matches!(lower(&longer, one), Err(Refusal::Approval { .. })), "it was not approved for good");
    let wrong = approve(&officer, "security", &step(Class::Open)).unwrap();
    assert!(lower(&step(Class::Open), &[wrong]).is_err());

    let lowered = lower(&step(Class::Open), one).unwrap();
    assert_eq!(lowered.label_at(now).class, Class::Open);
    assert_eq!(lowered.label_at(later), &before, "its time is over");
    assert_eq!(lowered.record().policies, ["sensitive-becomes-open"]);
    let receipt = serde_json::to_string(lowered.record()).unwrap();
    assert!(receipt.contains(&officer.subject.to_string()) && receipt.contains("published"), "{receipt}");
    let program = Principal { subject: Subject::Service(KeyId::new()), ..asker.clone() };
    assert!(matches!(guard.declassify(&program, &before, &step(Class::Open), &[], now), Err(Refusal::Policy { .. })));
}

#[test]
fn where_no_group_is_named_lowering_still_takes_an_approval() {
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::write(dir.path().join("a.cedar"), "@id(\"all\") permit (principal, action, resource);").unwrap();
    let guard = Guard::new(Policies::load(dir.path(), &Packs::builtin().unwrap()).unwrap(), Country::KR);
    let (tenant, anybody) = (TenantId::new(), GroupId::new());
    let (asker, other) = (person(tenant, &[]), person(tenant, &[anybody]));
    let step = Declassification { document: None, to: Class::Open, reason: "published".into(), until: None };
    let (before, now) = (label(Class::Sensitive), Timestamp::from_second(1_800_000_000).unwrap());
    let refused = guard.declassify(&asker, &before, &step, &[], now).unwrap_err();
    assert_eq!(refused, Refusal::Approval { reason: "there is none" });
    let question = guard.declassification(&asker, &before, &step);
    let until = now + SignedDuration::from_hours(1);
    let group = Approvers { name: "anybody", group: anybody };
    let approval = guard.approve(&other, group, &question, "read it", (now, until)).unwrap();
    assert!(guard.declassify(&asker, &before, &step, &[approval], now).is_ok());
}
