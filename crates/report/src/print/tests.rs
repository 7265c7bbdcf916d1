//! Every report in every language and format, from entries that were written by hand.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use base::{
    Class, ContentHash, Country, DocumentId, KeyId, Label, PersonId, ReceiptId, Residency, Subject, TenantId, Usage,
};
use guard::policy::{Marking, Notice, Obligations};
use guard::{Act, Entry, Filed, FlowKind, Outcome, PassedOver, Receipt, Stand, Used};
use jiff::Timestamp;

use super::Format;
use crate::cell::Cell;
use crate::collect::{Desk, NAMES, begin};
use crate::facts::{Facts, Upstream};
use crate::form::Forms;
use crate::office::{Whom, Wish};
use crate::period::Period;
use crate::sheet::{Report, Sheet};
use crate::words::{Language, Words};

const HOSTILE: &str = "<script>alert(1)</script>\"'&\u{202e}=1+1";

struct Town {
    tenant: TenantId,
    person: PersonId,
    key: KeyId,
    document: DocumentId,
    forms: Forms,
}

impl Town {
    fn new() -> Self {
        let forms = Forms::of(Country::KR, Path::new("/nowhere")).unwrap();
        let (tenant, person, key) = (TenantId::new(), PersonId::new(), KeyId::new());
        Self { tenant, person, key, document: DocumentId::new(), forms }
    }

    fn desk(&self, name: &str, language: Language, whom: Whom) -> Arc<Desk> {
        let upstream = Upstream {
            name: "far".into(),
            model: "m".into(),
            host: "api.example:443".into(),
            country: "US".parse().unwrap(),
            owner: Some(HOSTILE.into()),
            own: false,
            class_max: Class::Open,
            retention: None,
            retention_days: Some(30),
        };
        let facts = Facts {
            tenant: self.tenant,
            institution: HOSTILE.into(),
            people: HashMap::from([(self.person, HOSTILE.to_owned())]),
            keys: HashMap::from([(self.key, "app".to_owned())]),
            models: Vec::new(),
        };
        Arc::new(Desk {
            facts,
            upstreams: vec![upstream],
            home: Country::KR,
            zone: self.forms.zone.clone(),
            hours: self.forms.hours.clone(),
            unusual: self.forms.unusual.clone(),
            clock_hours: self.forms.get(name).unwrap().clock_hours,
            wish: Wish {
                name: name.to_owned(),
                period: Period::parse("2026-11-01", "2026-11-30").unwrap(),
                language,
                whom,
                known: Some(at("2026-11-16T00:00:00Z")),
                requested: Some(at("2026-11-16T00:00:00Z")),
            },
            made: at("2026-11-18T00:30:00Z"),
        })
    }

    /// A flow to the upstream abroad, on a Monday morning in Seoul.
    fn flow(&self, engine: Option<(&str, &str)>, obligations: Option<Obligations>) -> Receipt {
        let began = at("2026-11-16T01:00:00Z");
        Receipt {
            id: ReceiptId::new(),
            kind: FlowKind::Chat,
            began,
            ended: began,
            tenant: self.tenant,
            who: Subject::Person(self.person),
            asked: HOSTILE.into(),
            passed_over: Vec::new(),
            engine: engine.map(|(name, country)| Used {
                name: name.into(),
                file: None,
                country: country.parse().unwrap(),
                outside: country != "KR",
            }),
            label: Some(Label {
                class: Class::Open,
                residency: Residency::Anywhere,
                purposes: BTreeSet::new(),
                licences: BTreeSet::new(),
            }),
            corpora: Vec::new(),
            documents: vec![self.document],
            ask: None,
            policy: Some(ContentHash::of("policy")),
            decided_by: vec!["send-open-text-abroad".into()],
            obligations,
            masked: BTreeMap::from([("phone".to_owned(), 2)]),
            masked_answer: None,
            made_inert: None,
            usage: Usage { prompt_tokens: 100, cached_tokens: 0, completion_tokens: 7 },
            question: None,
            answer: None,
            outcome: Outcome::Served,
        }
    }

    fn act(&self, action: &str, when: &str, status: u16) -> Act {
        let on = vec![self.document.to_string()];
        let who = Subject::Service(self.key);
        let (id, at, tenant) = (ReceiptId::new(), at(when), self.tenant);
        Act { id, at, tenant, who, from: Some("192.0.2.1".into()), action: action.into(), on, status }
    }
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn marked(label: Option<Marking>, notice: bool) -> Option<Obligations> {
    let notices =
        if notice { BTreeSet::from([Notice { ko: "알림".into(), en: HOSTILE.into() }]) } else { BTreeSet::new() };
    Some(Obligations { label, notices, keep_years: Some(3), ..Obligations::default() })
}

fn collected<'a>(desk: &'a Arc<Desk>, entries: &[Entry]) -> Sheet<'a> {
    let mut collector = begin(desk).unwrap();
    for (leaf, entry) in entries.iter().enumerate() {
        collector.take(&Filed { leaf: leaf as u64, entry: entry.clone() });
    }
    let mut sheet = Sheet::new(Words { language: desk.wish.language, zone: &desk.zone });
    collector.end(&mut sheet);
    sheet
}

fn figures(town: &Town, name: &str, whom: Whom, entries: &[Entry]) -> BTreeMap<String, String> {
    let desk = town.desk(name, Language::En, whom);
    let sheet = collected(&desk, entries);
    sheet.figures.iter().map(|figure| (figure.key.clone(), figure.value.shown(&sheet.words))).collect()
}

fn receipt(receipt: Receipt) -> Entry {
    Entry::Receipt(Box::new(receipt))
}

#[test]
fn what_left_the_country_is_counted_apart_from_what_left_the_house() {
    let town = Town::new();
    let here = town.flow(Some(("local", "KR")), None);
    let mut near = town.flow(Some(("cloud", "KR")), None);
    near.engine.as_mut().unwrap().outside = true;
    let refused = Receipt { outcome: Outcome::Refused { why: "quota".into() }, ..town.flow(None, None) };
    let entries = [here, near, town.flow(Some(("far", "US")), None), refused].map(receipt);
    let found = figures(&town, "cross-border", Whom::default(), &entries);
    for (key, value) in [
        ("flows", "4"),
        ("left_house", "2"),
        ("left_country", "1"),
        ("tokens_out", "200"),
        ("tokens_in", "14"),
        ("masked", "4"),
        ("countries", "KR, US"),
        ("refused", "1"),
    ] {
        assert_eq!(found[key], value, "{key}");
    }
    let desk = town.desk("cross-border", Language::Ko, Whom::default());
    let sheet = collected(&desk, &entries);
    // The upstream of the settings, and the one that is in them no more.
    let upstreams: Vec<_> = sheet.tables[0].rows.iter().map(|row| (row[0].clone(), row[9].clone())).collect();
    assert_eq!(
        upstreams,
        [(Cell::Text("far".into()), Cell::Yes(true)), (Cell::Text("cloud".into()), Cell::Yes(false))]
    );
    assert_eq!(sheet.cites.keys().copied().collect::<Vec<_>>(), [1, 2]);
}

/// Text that was sent to an engine which did not answer has left all the same.
#[test]
fn an_engine_that_was_passed_over_after_it_had_the_text_counts() {
    let town = Town::new();
    let abroad = town.flow(Some(("far", "US")), None).engine.unwrap();
    let passed = |sent| PassedOver { engine: abroad.clone(), sent, why: "unavailable".into() };
    let flow = |sent| Receipt { passed_over: vec![passed(sent)], ..town.flow(Some(("local", "KR")), None) };
    let entries = [receipt(flow(true)), receipt(flow(false))];
    let found = figures(&town, "cross-border", Whom::default(), &entries);
    assert_eq!((&*found["left_house"], &*found["left_country"], &*found["tokens_out"]), ("1", "1", "0"));
    let whom = Whom { upstream: Some("far".into()), ..Whom::default() };
    let found = figures(&town, "breach", whom, &entries);
    assert_eq!((&*found["flows"], &*found["left_house"], &*found["countries"]), ("1", "1", "KR, US"));
}

#[test]
fn hours_and_days_are_those_of_the_form_and_refusals_are_counted() {
    let town = Town::new();
    let document = "GET /api/v1/documents/{id}";
    let mut entries = vec![
        Entry::Act(town.act(document, "2026-11-16T08:59:59Z", 200)), // 17:59 on a Monday in Seoul
        Entry::Act(town.act(document, "2026-11-16T09:00:00Z", 200)), // 18:00
        Entry::Act(town.act(document, "2026-11-15T03:00:00Z", 404)), // noon on a Sunday
        Entry::Act(town.act("POST /api/v1/keys", "2026-11-16T01:00:00Z", 200)),
        Entry::Act(town.act("GET /api/v1/conversations/{id}/export", "2026-11-16T01:00:00Z", 200)),
    ];
    entries.push(receipt(town.flow(Some(("local", "KR")), None)));
    let found = figures(&town, "access-log", Whom::default(), &entries);
    let wanted = [
        ("acts", "5"),
        ("accounts", "2"),
        ("looks", "3"),
        ("exports", "1"),
        ("permissions", "1"),
        ("changes", "0"),
        ("flows", "1"),
        ("refused", "1"),
        ("off_hours", "2"),
    ];
    for (key, value) in wanted {
        assert_eq!(found[key], value, "{key}");
    }
}

#[test]
fn a_mark_counts_where_people_see_it_or_a_machine_does_and_people_were_told() {
    let town = Town::new();
    let flows = [
        marked(Some(Marking::Visible), false),
        marked(Some(Marking::Metadata), true),
        marked(Some(Marking::Metadata), false),
        marked(None, true),
        None,
    ];
    let mut entries: Vec<Entry> =
        flows.into_iter().map(|obligations| receipt(town.flow(Some(("local", "KR")), obligations))).collect();
    // No model wrote these.
    entries.push(receipt(Receipt { kind: FlowKind::Search, ..town.flow(None, None) }));
    entries.push(receipt(Receipt { usage: Usage::default(), ..town.flow(Some(("local", "KR")), None) }));
    let desk = town.desk("notice-and-label", Language::En, Whom::default());
    let sheet = collected(&desk, &entries);
    let values: Vec<_> = sheet.figures.iter().map(|figure| figure.value.clone()).collect();
    assert_eq!(values, [5, 1, 1, 1, 1, 1, 2].map(Cell::Number));
    assert_eq!(sheet.cites.keys().copied().collect::<Vec<_>>(), [2, 3, 4]);
}

#[test]
fn a_breach_is_of_all_that_is_named_and_its_clock_runs() {
    let town = Town::new();
    let other = Receipt { documents: Vec::new(), who: Subject::Operator, ..town.flow(Some(("local", "KR")), None) };
    let look = town.act("GET /api/v1/documents/{id}", "2026-11-16T01:00:00Z", 200);
    let entries = [receipt(town.flow(Some(("far", "US")), None)), receipt(other), Entry::Act(look)];
    let check = |whom: Whom, flows: &str, acts: &str, people: &str| {
        let found = figures(&town, "breach", whom.clone(), &entries);
        assert_eq!((&*found["flows"], &*found["acts"], &*found["people"]), (flows, acts, people), "{whom:?}");
        found
    };
    let found = check(Whom { document: Some(town.document), ..Whom::default() }, "1", "1", "2");
    // Known on the 16th at midnight UTC, asked on the 18th at half past: 23 of 72 hours are left, begun ones not counted.
    assert_eq!((&*found["clock_hours"], &*found["clock_left_hours"]), ("72", "23"));
    check(Whom { who: Some(Subject::Person(town.person)), ..Whom::default() }, "1", "0", "1");
    check(Whom { who: Some(Subject::Service(town.key)), ..Whom::default() }, "0", "1", "1");
    check(Whom { upstream: Some("local".into()), ..Whom::default() }, "1", "0", "1");
    let both = Whom { upstream: Some("local".into()), document: Some(town.document), ..Whom::default() };
    check(both, "0", "0", "0");
}

/// Every report of an eventful month, and of an empty one, in each language.
fn all(town: &Town, entries: &[Entry]) -> Vec<Report> {
    let mut reports = Vec::new();
    for name in NAMES {
        for language in [Language::Ko, Language::En] {
            let desk = town.desk(name, language, Whom::default());
            let sheet = collected(&desk, entries);
            let form = town.forms.get(name).unwrap();
            let root = ContentHash::of("root");
            reports.push(Report {
                report: name.to_owned(),
                title: form.title.to(language).to_owned(),
                about: form.about.to(language).to_owned(),
                language,
                institution: desk.facts.institution.clone(),
                from: desk.wish.period.from,
                to: desk.wish.period.to,
                timezone: town.forms.timezone.clone(),
                narrowed: Vec::new(),
                made: desk.made,
                program: "dure 0".to_owned(),
                ledger: Stand { origin: "o".into(), key: "k".into(), size: 3, root, checkpoint: "o\n3\n".into() },
                law: form.law.iter().map(|law| law.to(language)).collect(),
                notes: vec![HOSTILE.to_owned()],
                figures: sheet.figures,
                tables: sheet.tables,
                drafts: Vec::new(),
                signatures: vec![HOSTILE.to_owned()],
                proof: crate::sheet::Proof::default(),
            });
        }
    }
    reports
}

fn eventful(town: &Town) -> Vec<Entry> {
    vec![
        receipt(town.flow(Some(("far", "US")), marked(None, true))),
        receipt(Receipt { outcome: Outcome::Refused { why: HOSTILE.into() }, ..town.flow(None, None) }),
        Entry::Act(town.act(HOSTILE, "2026-11-15T03:00:00Z", 404)),
    ]
}

#[test]
fn nothing_in_a_page_is_markup_that_was_not_written_here() {
    let town = Town::new();
    for report in all(&town, &eventful(&town)) {
        let page = String::from_utf8(report.print(Format::Html, &town.forms.zone).unwrap().bytes).unwrap();
        let what = (&report.report, report.language);
        assert!(!page.contains("<script"), "{what:?}");
        assert!(page.contains("&lt;script&gt;"), "{what:?}");
        assert!(!page.contains('\u{202e}'), "{what:?}");
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("url("), "{what:?}");
        for tag in ["<img", "<link", "<iframe", " src=", " onload", "@import"] {
            assert!(!page.contains(tag), "{what:?}: {tag}");
        }
    }
}

#[test]
fn every_label_is_a_word_and_no_key() {
    let town = Town::new();
    for report in [all(&town, &eventful(&town)), all(&town, &[])].concat() {
        let mut labels: Vec<&str> = report.figures.iter().map(|figure| figure.label.as_str()).collect();
        for table in &report.tables {
            labels.push(&table.title);
            labels.extend(table.columns.iter().map(|column| column.label.as_str()));
            assert!(table.rows.iter().all(|row| row.len() == table.columns.len()), "{} {}", report.report, table.key);
        }
        for label in labels {
            assert!(!["figure.", "table.", "column."].iter().any(|part| label.starts_with(part)), "{label}");
        }
        let page = String::from_utf8(report.print(Format::Html, &town.forms.zone).unwrap().bytes).unwrap();
        for part in ["head.", "proof.", "read.", "narrowed."] {
            assert!(!page.contains(&format!(">{part}")), "{}: {part}", report.report);
        }
    }
}

#[test]
fn a_spreadsheet_gets_no_formula() {
    let town = Town::new();
    for name in ["=cmd()", "+1", "-1", "@sum", "\t=1", "  =1"] {
        let flow = Receipt { asked: name.into(), ..town.flow(Some(("far", "US")), None) };
        let report = all(&town, &[receipt(flow)]).into_iter().find(|report| report.report == "cross-border").unwrap();
        let bytes = report.print(Format::Csv, &town.forms.zone).unwrap().bytes;
        let mut reader = csv::Reader::from_reader(&bytes[3..]);
        let row = reader.records().next().unwrap().unwrap();
        assert_eq!(&row[3], format!("'{name}"));
    }
}

#[test]
fn a_long_table_is_cut_on_paper_and_says_so() {
    let town = Town::new();
    let entries: Vec<Entry> = (0..250).map(|_| receipt(town.flow(Some(("far", "US")), None))).collect();
    let report = all(&town, &entries).remove(1);
    assert_eq!((&*report.report, report.language), ("cross-border", Language::En));
    let page = String::from_utf8(report.print(Format::Html, &town.forms.zone).unwrap().bytes).unwrap();
    assert!(page.contains("has more): 50"), "{}", page.len());
    let json: serde_json::Value =
        serde_json::from_slice(&report.print(Format::Json, &town.forms.zone).unwrap().bytes).unwrap();
    assert_eq!(json["tables"][2]["rows"].as_array().unwrap().len(), 250);
}
