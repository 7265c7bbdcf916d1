//! Where reports are made: a form, the entries of a period, and what the house is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use base::{ContentHash, Country, DocumentId, Principal, ReceiptId, Subject};
use guard::{Act, Reading, Receipt, ReceiptError, Receipts, Refusal, Span};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::collect::{self, Desk};
use crate::facts::{Facts, Upstream};
use crate::form::{Form, FormError, Forms, Law};
use crate::period::{Period, PeriodError};
use crate::print::Format;
use crate::sheet::{Cited, Draft, DraftItem, Figure, Proof, Report, Sheet};
use crate::words::{Language, Words};

/// Reports that are made at the same time.
const AT_ONCE: usize = 2;
/// Entries that one report cites.
const CITED_MAX: usize = 20_000;
/// Proofs in one report.
const PROOFS_MAX: usize = 1_000;

/// Makes reports.
#[derive(Debug)]
pub struct Reports {
    receipts: Arc<Receipts>,
    forms: Forms,
    upstreams: Vec<Upstream>,
    home: Country,
    program: String,
    turns: Semaphore,
}

/// Which report is wanted.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Its name.
    pub name: String,
    /// The days that it is about.
    pub period: Period,
    /// The language of its words.
    pub language: Language,
    /// What it is narrowed to.
    pub whom: Whom,
    /// When a breach was known; the law's clock runs from then.
    pub known: Option<Timestamp>,
    /// When somebody asked for an explanation; the law's clock runs from then.
    pub requested: Option<Timestamp>,
}

/// What a report is narrowed to. All that is named must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whom {
    /// One account.
    pub who: Option<Subject>,
    /// Whether a key was named that stands for a person: the ledger names the person, whichever key was shown.
    pub by_person: bool,
    /// One document.
    pub document: Option<DocumentId>,
    /// One upstream, or another engine, by its name.
    pub upstream: Option<String>,
}

impl Whom {
    fn is_nobody(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn is_of(&self, receipt: &Receipt) -> bool {
        let went_to = |name: &String| collect::reached(receipt).any(|(engine, _)| engine.name == *name);
        self.who.is_none_or(|who| receipt.who == who)
            && self.document.is_none_or(|document| receipt.documents.contains(&document))
            && self.upstream.as_ref().is_none_or(went_to)
    }

    pub(crate) fn is_act_of(&self, act: &Act) -> bool {
        self.upstream.is_none()
            && self.who.is_none_or(|who| act.who == who)
            && self.document.is_none_or(|document| act.on.iter().any(|on| on.parse() == Ok(document)))
    }
}

/// A report that can be asked for.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = ReportForm)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// What it is for.
    pub about: String,
    /// The country whose form it is; none where the form follows no country's law.
    #[schema(value_type = Option<String>)]
    pub country: Option<Country>,
    /// The texts that the form follows.
    pub law: Vec<Law>,
}

/// Why a report was not made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// There is none of that name.
    #[error("no such report")]
    NotFound,
    /// Something that was asked for cannot be.
    #[error(transparent)]
    Wish(#[from] PeriodError),
    /// Others are being made.
    #[error("other reports are being made; ask again")]
    Busy,
    /// The ledger was not read.
    #[error(transparent)]
    Ledger(#[from] ReceiptError),
}

impl Reports {
    /// Reads the forms for the country `home`: an operator's own from the folder `packs`, else the program's.
    ///
    /// # Errors
    /// [`FormError`].
    pub fn open(
        receipts: Arc<Receipts>,
        home: Country,
        packs: &Path,
        upstreams: Vec<Upstream>,
        program: String,
    ) -> Result<Self, FormError> {
        let forms = Forms::of(home, packs)?;
        Ok(Self { receipts, forms, upstreams, home, program, turns: Semaphore::new(AT_ONCE) })
    }

    /// The reports that there are.
    pub fn list(&self, language: Language) -> Vec<Listed> {
        let of = |form: &Form| Listed {
            name: form.name.clone(),
            title: form.title.to(language).to_owned(),
            about: form.about.to(language).to_owned(),
            country: self.forms.country.filter(|_| !form.law.is_empty()),
            law: form.law.iter().map(|law| law.to(language)).collect(),
        };
        self.forms.iter().map(of).collect()
    }

    /// Whether there is a report of this name.
    pub fn has(&self, name: &str) -> bool {
        self.forms.get(name).is_some()
    }

    /// The time that days begin in.
    pub fn zone(&self) -> &TimeZone {
        self.forms.zone()
    }

    /// Makes a report of what the ledger holds now, with proofs where `proofs` says so.
    ///
    /// # Errors
    /// [`ReportError`].
    pub async fn make(&self, wish: Wish, facts: Facts, proofs: bool) -> Result<Report, ReportError> {
        let form = self.forms.get(&wish.name).ok_or(ReportError::NotFound)?;
        check(&wish)?;
        let (from, to) = wish.period.span(&self.forms.zone)?;
        let _turn = self.turns.try_acquire().map_err(|_| ReportError::Busy)?;
        let reading = self.receipts.reading().await?;
        let span = Span { tenant: facts.tenant, from, to };
        let desk = Arc::new(Desk {
            facts,
            upstreams: self.upstreams.clone(),
            home: self.home,
            zone: self.forms.zone.clone(),
            hours: self.forms.hours.clone(),
            unusual: self.forms.unusual.clone(),
            clock_hours: form.clock_hours,
            wish,
            made: Timestamp::now(),
        });
        let mut collector = collect::begin(&desk).ok_or(ReportError::NotFound)?;
        reading.each(span, |filed| collector.take(filed)).await?;
        let words = Words { language: desk.wish.language, zone: &self.forms.zone };
        let mut sheet = Sheet::new(words);
        collector.end(&mut sheet);
        let cites = std::mem::take(&mut sheet.cites);
        let proof = prove(&reading, cites, proofs).await?;
        Ok(self.bind(form, &desk, &reading, sheet, proof))
    }

    /// Writes down in the ledger that a report was given out, and which bytes it had. On disk when this returns.
    ///
    /// # Errors
    /// [`Refusal::Unrecorded`]: then it must not be given out.
    pub async fn record(&self, by: &Principal, from: Option<String>, given: &Given<'_>) -> Result<ReceiptId, Refusal> {
        let Given { report, format, hash } = given;
        let on = vec![
            report.report.clone(),
            format!("{}..{}", report.from, report.to),
            format.as_str().to_owned(),
            format!("sha256:{hash}"),
        ];
        let act = Act::done(by, from, "GET /api/v1/reports/{name}", &on);
        let id = act.id;
        self.receipts.act(act).durable().await?;
        Ok(id)
    }

    fn bind(&self, form: &Form, desk: &Desk, reading: &Reading, sheet: Sheet<'_>, proof: Proof) -> Report {
        let (language, wish) = (desk.wish.language, &desk.wish);
        let told = |told: &crate::form::Told| told.to(language).to_owned();
        let stand = reading.stand();
        let mut fills = sheet.fills;
        fills.insert("ledger", format!("{} / {} / {}", stand.origin, stand.size, stand.root));
        let missing = sheet.words.say("fill.unknown");
        let drafts = form.draft.iter().map(|draft| Draft {
            key: draft.key.clone(),
            title: told(&draft.title),
            items: draft
                .item
                .iter()
                .map(|item| DraftItem {
                    title: told(&item.title),
                    text: item.text.as_ref().map(|text| filled(text.to(language), &fills, &missing)),
                })
                .collect(),
        });
        Report {
            report: form.name.clone(),
            title: told(&form.title),
            about: told(&form.about),
            language,
            institution: desk.facts.institution.clone(),
            from: wish.period.from,
            to: wish.period.to,
            timezone: self.forms.timezone.clone(),
            narrowed: narrowed(desk, &sheet.words),
            made: desk.made,
            program: self.program.clone(),
            ledger: stand,
            law: form.law.iter().map(|law| law.to(language)).collect(),
            notes: form.note.iter().map(told).collect(),
            figures: sheet.figures,
            tables: sheet.tables,
            drafts: drafts.collect(),
            signatures: form.signature.iter().map(told).collect(),
            proof,
        }
    }
}

/// A report that is given out, in one format.
#[derive(Debug)]
pub struct Given<'a> {
    /// The report.
    pub report: &'a Report,
    /// Its format.
    pub format: Format,
    /// The SHA-256 of the bytes that are given out.
    pub hash: ContentHash,
}

/// What a report takes, and what it needs.
fn check(wish: &Wish) -> Result<(), PeriodError> {
    let wrong = |field, reason: &str| Err(PeriodError { field, reason: reason.to_owned() });
    let Wish { whom, .. } = wish;
    match wish.name.as_str() {
        "breach" if whom.is_nobody() => {
            return wrong("key", "a breach is of a `key`, a `person`, a `document` or an `upstream`; name one");
        }
        "breach" | "automated-decisions" => {}
        _ if !whom.is_nobody() => {
            return wrong("person", "only `breach` and `automated-decisions` are about one of something");
        }
        _ => {}
    }
    if wish.known.is_some() && wish.name != "breach" {
        return wrong("known_at", "is for `breach` alone");
    }
    if wish.requested.is_some() && wish.name != "automated-decisions" {
        return wrong("requested_at", "is for `automated-decisions` alone");
    }
    Ok(())
}

fn narrowed(desk: &Desk, words: &Words<'_>) -> Vec<Figure> {
    let whom = &desk.wish.whom;
    let found = [
        ("who", whom.who.map(|who| desk.facts.who(who))),
        ("by_person", whom.by_person.then_some(crate::Cell::Yes(true))),
        ("document", whom.document.map(|id| crate::Cell::Text(id.to_string()))),
        ("upstream", whom.upstream.clone().map(crate::Cell::Text)),
    ];
    let named = found.into_iter().filter_map(|(key, value)| Some((key, value?)));
    named
        .map(|(key, value)| Figure { key: key.to_owned(), label: words.say(&format!("narrowed.{key}")), value })
        .collect()
}

/// A draft's text with what is known in its places. A name that is filled in cannot open a place of its own.
fn filled(text: &str, fills: &BTreeMap<&'static str, String>, missing: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, (place, after))) =
        rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        whole.push_str(before);
        whole.push_str(fills.get(place).map_or(missing, String::as_str));
        rest = after;
    }
    whole + rest
}

async fn prove(reading: &Reading, cites: BTreeMap<u64, ReceiptId>, wanted: bool) -> Result<Proof, ReceiptError> {
    let more = cites.len().saturating_sub(CITED_MAX) as u64;
    let leaves = if wanted { cites.keys().copied().take(PROOFS_MAX).collect() } else { Vec::new() };
    let mut proofs = reading.prove(leaves).await?.into_iter();
    let cited = cites.into_iter().take(CITED_MAX);
    let cited = cited.map(|(leaf, id)| Cited { id, leaf, proof: proofs.next() }).collect();
    Ok(Proof { cited, more })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_opens_no_place_of_its_own() {
        let fills = BTreeMap::from([("institution", "{deadline}<script>".to_owned())]);
        assert_eq!(filled("a {institution} b {people} c {", &fills, "?"), "a {deadline}<script> b ? c {");
    }
}
