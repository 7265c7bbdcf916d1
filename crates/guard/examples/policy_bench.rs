//! What a decision costs: cold, and remembered. Prints one line of JSON, in nanoseconds.
//!
//! `cargo run --release -p guard --example policy_bench`; results are kept in `bench/policy`.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Instant;

use base::{Class, GroupId, Label, PersonId, Principal, Purpose, Residency, Subject, TenantId};
use guard::mask::Packs;
use guard::policy::{Bounds, Policies, Question, check, compare};
use guard::{EngineTerms, Guard};

const ROUNDS: usize = 200_000;
const BATCH: usize = 500;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let answering: Purpose = "answering".parse()?;
    let label = Label {
        class: Class::Open,
        residency: Residency::Only(["KR".parse()?, "US".parse()?].into()),
        purposes: [answering.clone(), "training".parse()?].into(),
        licences: BTreeSet::from(["kogl-1".parse()?]),
    };
    let asker = || Principal {
        tenant: TenantId::new(),
        subject: Subject::Person(PersonId::new()),
        groups: [GroupId::new(), GroupId::new(), GroupId::new()].into(),
        input_class: Class::Open,
        read_class_max: Class::Sensitive,
        administrator: false,
    };
    let engine = EngineTerms {
        name: "qwen3-32b".into(),
        country: "US".parse()?,
        class_max: Class::Sensitive,
        owner: Some("acme".parse()?),
    };
    let guard = Guard::default();

    // Every asker is new, so nothing is remembered.
    let askers: Vec<Principal> = (0..ROUNDS / 20).map(|_| asker()).collect();
    let cold = median(askers.iter().map(|asker| {
        timed(|| {
            guard.may_send(black_box(asker), &label, &engine, &answering).map(|permit| permit.obligations().is_empty())
        })
    }));
    let one = asker();
    let permit = guard.may_send(&one, &label, &engine, &answering)?;
    let question: Question = permit.question().clone();
    let policies = guard.policies();
    let decide = batched(|| drop(black_box(policies.decide(black_box(&question)))));
    let may_send = batched(|| drop(black_box(guard.may_send(black_box(&one), &label, &engine, &answering))));

    let start = Instant::now();
    let changes = compare(&policies, &policies, "KR".parse()?);
    let compare_ms = start.elapsed().as_secs_f64() * 1e3;
    let packs = Packs::builtin()?;
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
    let start = Instant::now();
    Policies::load_within(shipped.as_ref(), &packs, &Bounds::default()).map_err(|problems| format!("{problems:?}"))?;
    let load_ms = start.elapsed().as_secs_f64() * 1e3;
    let start = Instant::now();
    let report = check(shipped.as_ref(), &packs, None, "KR".parse()?);
    let check_ms = start.elapsed().as_secs_f64() * 1e3;
    println!(
        "{{\"policies\": {}, \"cold_ns\": {cold:.0}, \"remembered_decide_ns\": {decide:.0}, \
         \"remembered_may_send_ns\": {may_send:.0}, \"load_ms\": {load_ms:.1}, \"check_ms\": {check_ms:.1}, \
         \"compare_ms\": {compare_ms:.1}, \"combinations\": {}}}",
        report.policies, changes.combinations
    );
    Ok(())
}

fn timed<T>(work: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    black_box(work());
    start.elapsed().as_nanos() as f64
}

fn median(times: impl Iterator<Item = f64>) -> f64 {
    let mut times: Vec<f64> = times.collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// One round's share of the median batch: a batch in which another process had the processor does not count.
fn batched(mut work: impl FnMut()) -> f64 {
    median((0..ROUNDS / BATCH).map(|_| timed(|| (0..BATCH).for_each(|_| work())) / BATCH as f64))
}
