//! One flow: begun before anything is looked at, closed exactly once on every way out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use base::{Label, Principal, Purpose, ReceiptId};
use sha2::{Digest, Sha256};

use super::entry::{Commitment, Entry, FlowKind, Intent, Outcome, PassedOver, Receipt, Used, now};
use super::office::{Receipts, Recorded};
use crate::policy::{Decision, Question};
use crate::{CorpusTerms, EgressPermit, EngineTerms, Guard, Refusal, SearchPermit};

/// A flow that is open. Its copies are one flow; when the last of them is dropped and nobody closed it, whoever asked
/// has hung up, and that is what its receipt says.
#[derive(Debug, Clone)]
pub struct Flow(Arc<Open>);

#[derive(Debug)]
struct Open {
    id: ReceiptId,
    salt: Salt,
    receipts: Arc<Receipts>,
    receipt: Mutex<Option<Box<Receipt>>>,
}

/// What stands before a text when it is hashed. It is given to whoever has the text, and kept nowhere else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 16]);

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt")
    }
}

impl std::fmt::Display for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Salt {
    /// Commits to a text that comes in parts.
    pub fn begin(&self) -> Committing {
        Committing(Sha256::new().chain_update(self.0))
    }

    /// Commits to a text.
    pub fn commit(&self, text: &str) -> Commitment {
        let mut committing = self.begin();
        committing.push(text);
        committing.end()
    }
}

/// A commitment on its way.
#[derive(Debug, Clone)]
pub struct Committing(Sha256);

impl Committing {
    /// Takes the next part.
    pub fn push(&mut self, text: &str) {
        self.0.update(text);
    }

    /// The commitment to all parts.
    pub fn end(self) -> Commitment {
        Commitment::from_bytes(self.0.finalize().into())
    }
}

impl Flow {
    pub(super) fn begin(
        receipts: Arc<Receipts>,
        principal: &Principal,
        kind: FlowKind,
        asked: &str,
    ) -> Result<Self, Refusal> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|_| Refusal::Unrecorded)?;
        let id = ReceiptId::new();
        let receipt = Mutex::new(Some(Box::new(Receipt::begun(id, principal.tenant, principal.subject, kind, asked))));
        Ok(Self(Arc::new(Open { id, salt: Salt(salt), receipts, receipt })))
    }

    /// The id of its receipt.
    pub fn id(&self) -> ReceiptId {
        self.0.id
    }

    /// A number by which lots are drawn in this flow: others get the same from its receipt's id.
    pub fn lot(&self) -> u64 {
        let [.., a, b, c, d, e, f, g, h] = *self.0.id.as_bytes();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// The salt of its commitments.
    pub fn salt(&self) -> Salt {
        self.0.salt
    }

    /// Writes into the receipt, unless it is closed.
    pub fn note(&self, write: impl FnOnce(&mut Receipt)) {
        if let Some(receipt) = self.0.lock().as_mut() {
            write(receipt);
        }
    }

    /// Asks whether text of `label` may go to `engine` over the route of this name. The receipt says what was asked and
    /// answered, also where the answer is no.
    ///
    /// # Errors
    /// As [`Guard::may_send_over`].
    pub fn may_send(
        &self,
        guard: &Guard,
        principal: &Principal,
        label: &Label,
        engine: &EngineTerms,
        purpose: &Purpose,
        route: &str,
    ) -> Result<EgressPermit, Refusal> {
        guard.send_heard(principal, label, engine, purpose, route, |question, decision| self.heard(question, decision))
    }

    /// Asks whether these corpora may be searched over the route of this name. The receipt says what was asked and
    /// answered last.
    ///
    /// # Errors
    /// As [`Guard::may_search_over`].
    pub fn may_search(
        &self,
        guard: &Guard,
        principal: &Principal,
        corpora: &[CorpusTerms],
        purpose: &Purpose,
        route: &str,
    ) -> Result<SearchPermit, Refusal> {
        guard.search_heard(principal, corpora, purpose, route, |question, decision| self.heard(question, decision))
    }

    fn heard(&self, question: &Question, decision: &Decision) {
        self.note(|receipt| {
            receipt.ask = Some(question.clone());
            receipt.policy = Some(decision.version);
            receipt.decided_by.clone_from(&decision.policies);
        });
    }

    /// Writes down that an engine is passed over for another, whether the text had been sent there or not.
    pub fn pass_over(&self, engine: Used, why: &str) {
        self.note(|receipt| {
            let sent = receipt.take_engine(&engine);
            receipt.passed_over.push(PassedOver { engine, sent, why: why.to_owned() });
        });
    }

    /// Writes down whose answer it is, where several were sent the text. The others were slower.
    pub fn answers(&self, permit: &EgressPermit, engine: &Used, masked: &BTreeMap<String, u32>) {
        self.note(|receipt| {
            if receipt.engine.as_ref() != Some(engine) {
                receipt.take_engine(engine);
            }
            receipt.goes_to(permit, engine, masked);
        });
    }

    /// Writes down where the text goes, and, where that is outside of the house, waits until this is on disk. To be
    /// called before the engine is.
    ///
    /// # Errors
    /// [`Refusal::Unrecorded`]; then nothing may go.
    pub async fn leave(
        &self,
        permit: &EgressPermit,
        engine: Used,
        masked: &BTreeMap<String, u32>,
    ) -> Result<(), Refusal> {
        let mut intent = None;
        self.note(|receipt| {
            receipt.goes_to(permit, &engine, masked);
            if engine.outside {
                intent = Some(Intent {
                    id: receipt.id,
                    at: now(),
                    tenant: receipt.tenant,
                    who: receipt.who,
                    kind: receipt.kind,
                    asked: receipt.asked.clone(),
                    engine,
                    label: permit.label().clone(),
                });
            }
        });
        match intent {
            Some(intent) => self.0.receipts.record(&Entry::Intent(intent)).durable().await,
            None => Ok(()),
        }
    }

    /// Closes the flow, if it is open still.
    pub fn close(&self, outcome: Outcome) -> Recorded {
        self.0.close(outcome)
    }
}

impl Open {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Box<Receipt>>> {
        self.receipt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, outcome: Outcome) -> Recorded {
        let Some(mut receipt) = self.lock().take() else { return Recorded::before() };
        receipt.ended = now();
        receipt.outcome = outcome;
        self.receipts.record(&Entry::Receipt(receipt))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let _ = self.close(Outcome::HungUp);
    }
}
