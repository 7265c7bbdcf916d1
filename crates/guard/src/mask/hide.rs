//! Masking as a permit asks for it, and the proof that it was done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Kinds, MaskError, Masker, PackError, Packs, StandIns};
use crate::{EgressPermit, Masked, Refusal};

/// Sets of kinds that are kept compiled.
const MASKERS_MAX: usize = 32;

/// The packs of this house, with a masker for each set of kinds that policies ask for.
#[derive(Debug)]
pub struct Maskers {
    packs: Packs,
    made: Mutex<BTreeMap<BTreeSet<String>, Arc<Masker>>>,
}

impl Maskers {
    /// Maskers of these packs.
    pub fn new(packs: Packs) -> Self {
        Self { packs, made: Mutex::default() }
    }

    /// The packs themselves.
    pub fn packs(&self) -> &Packs {
        &self.packs
    }

    /// The masker for these kinds and packs.
    ///
    /// # Errors
    /// [`PackError::Unknown`] for a name that is in no pack.
    pub fn of(&self, masks: &BTreeSet<String>) -> Result<Arc<Masker>, PackError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(masker) = made.get(masks) {
            return Ok(Arc::clone(masker));
        }
        let masker = Arc::new(Masker::new(&self.packs, &Kinds::named(masks.iter().cloned()))?);
        if made.len() >= MASKERS_MAX {
            made.pop_first();
        }
        made.insert(masks.clone(), Arc::clone(&masker));
        Ok(masker)
    }
}

/// What was hidden in one conversation: by what it is turned back, and how often each kind occurred.
#[derive(Debug, Default)]
pub struct Hidden {
    stand_ins: StandIns,
    counts: BTreeMap<String, u32>,
}

impl Hidden {
    /// What stands for what.
    pub fn stand_ins(&self) -> &StandIns {
        &self.stand_ins
    }

    /// How often each kind was hidden.
    pub fn counts(&self) -> &BTreeMap<String, u32> {
        &self.counts
    }
}

/// Hides what is in the texts of one request.
#[derive(Debug)]
pub struct Hiding<'a> {
    masker: Arc<Masker>,
    hidden: &'a mut Hidden,
}

impl Hiding<'_> {
    /// Hides what is in one text.
    ///
    /// # Errors
    /// [`MaskError`]: then nothing of the request may go.
    pub fn text(&mut self, text: &mut String) -> Result<(), MaskError> {
        let masked = self.masker.mask(text, &mut self.hidden.stand_ins)?;
        for finding in masked.findings {
            let count = self.hidden.counts.entry(finding.kind).or_default();
            *count = count.saturating_add(1);
        }
        *text = masked.text;
        Ok(())
    }
}

impl Maskers {
    /// Masks what `permit` obliges to mask. `each` hands every text of `value` to [`Hiding::text`]; where nothing has to be
    /// masked it is not called. What is counted in `hidden` is of this call alone, and its stand-ins stay the same.
    ///
    /// # Errors
    /// [`Refusal::MaskFirst`] where it was not masked, for whatever reason: a guard that errs refuses.
    pub fn mask<T>(
        &self,
        permit: &EgressPermit,
        mut value: T,
        hidden: &mut Hidden,
        each: impl FnOnce(&mut T, &mut Hiding<'_>) -> Result<(), MaskError>,
    ) -> Result<Masked<T>, Refusal> {
        let masks = permit.obligations().mask.clone();
        if masks.is_empty() {
            return Ok(Masked::by(value, masks));
        }
        let refused = |error: &dyn std::error::Error| {
            tracing::error!(%error, "a text was not masked, so it does not go");
            Refusal::MaskFirst { engine: permit.engine().name.clone() }
        };
        let masker = self.of(&masks).map_err(|error| refused(&error))?;
        hidden.counts.clear();
        each(&mut value, &mut Hiding { masker, hidden }).map_err(|error| refused(&error))?;
        Ok(Masked::by(value, masks))
    }
}

#[cfg(test)]
mod tests {
    use base::{Class, Country, Label, Principal, Residency, Subject, TenantId};

    use super::*;
    use crate::{EngineTerms, Guard};

    fn permit(country: &str) -> EgressPermit {
        let asker = Principal {
            tenant: TenantId::new(),
            subject: Subject::Service(base::KeyId::new()),
            groups: BTreeSet::new(),
            input_class: Class::Open,
            read_class_max: Class::Open,
            administrator: false,
        };
        let purpose: base::Purpose = "answering".parse().unwrap();
        let label = Label {
            class: Class::Open,
            residency: Residency::Anywhere,
            purposes: [purpose.clone()].into(),
            licences: BTreeSet::new(),
        };
        let engine = EngineTerms {
            name: "away".into(),
            country: country.parse::<Country>().unwrap(),
            class_max: Class::Open,
            owner: Some("example".parse().unwrap()),
        };
        Guard::default().may_send(&asker, &label, &engine, &purpose).unwrap()
    }

    #[test]
    fn what_goes_abroad_is_masked_and_the_permit_takes_nothing_else() {
        let maskers = Maskers::new(Packs::builtin().unwrap());
        let permit = permit("US");
        let text = "연락처 010-1234-5678".to_owned();
        let label = permit.label().clone();
        assert!(matches!(permit.clear(text.clone(), &label), Err(Refusal::MaskFirst { .. })));
        let mut hidden = Hidden::default();
        let masked = maskers.mask(&permit, text.clone(), &mut hidden, |text, hiding| hiding.text(text)).unwrap();
        let sent = permit.clear_masked(masked, &label).unwrap().release("away").unwrap();
        assert!(!sent.contains("1234"), "{sent}");
        assert_eq!(hidden.counts().values().sum::<u32>(), 1);
        assert_eq!(hidden.stand_ins().unmask(&sent), text);
        let failed = maskers.mask(&permit, text, &mut hidden, |_, _| Err(MaskError::Full));
        assert!(matches!(failed, Err(Refusal::MaskFirst { .. })));
    }

    #[test]
    fn at_home_nothing_is_masked_and_no_text_is_looked_at() {
        let maskers = Maskers::new(Packs::builtin().unwrap());
        let permit = permit("KR");
        let mut hidden = Hidden::default();
        let masked = maskers.mask(&permit, "010-1234-5678".to_owned(), &mut hidden, |_, _| unreachable!()).unwrap();
        let sent = permit.clear_masked(masked, permit.label()).unwrap().release("away").unwrap();
        assert_eq!(sent, "010-1234-5678");
    }

    #[test]
    fn a_mask_that_is_in_no_pack_masks_nothing_and_says_so() {
        let maskers = Maskers::new(Packs::builtin().unwrap());
        assert!(maskers.of(&["martian".to_owned()].into()).is_err());
        let phone: BTreeSet<String> = ["phone".to_owned()].into();
        assert!(Arc::ptr_eq(&maskers.of(&phone).unwrap(), &maskers.of(&phone).unwrap()));
    }
}
