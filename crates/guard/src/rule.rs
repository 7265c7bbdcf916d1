//! The guard: the built-in rule, and behind it the policies of the institution.
//!
//! A policy never opens what the rule closes. Both are asked in one place, [`Policies::decide`].

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use arc_swap::ArcSwap;
use base::{Class, ContentHash, Country, Label, Principal, Purpose, TenantId};
use jiff::Timestamp;

use crate::approvals::Known;
use crate::contain::{Container, Hosts};
use crate::mask::{Maskers, Packs};
use crate::permit::{Outlet, administers, reads_corpus};
use crate::policy::{Act, CorpusFacts, Decision, Obligations, Policies, Problem, Question, Who};
use crate::{Approval, Approvers, CorpusTerms, EgressPermit, EngineTerms, Refusal, SearchPermit};

/// The one place where permits come from. Clones share their policies, so that a reload reaches all of them at once.
#[derive(Debug, Clone)]
pub struct Guard {
    policies: Arc<ArcSwap<Policies>>,
    maskers: Arc<Maskers>,
    /// What was wrong with the folder when it was read last.
    problems: Arc<ArcSwap<Vec<Problem>>>,
    /// The approvals that were given.
    known: Known,
    home: Country,
    /// Where contained answers may lead.
    hosts: Arc<Hosts>,
}

impl Default for Guard {
    /// A guard with the starting policies, for a house in Korea.
    fn default() -> Self {
        Self::new(Policies::builtin(), Country::KR)
    }
}

impl Guard {
    /// A guard with these policies, for a house that stands in `home`.
    pub fn new(policies: Arc<Policies>, home: Country) -> Self {
        // Without packs nothing is masked, and so nothing goes that must be.
        let packs = Packs::builtin().unwrap_or_default();
        Self {
            policies: Arc::new(ArcSwap::new(policies)),
            maskers: Arc::new(Maskers::new(packs)),
            problems: Arc::default(),
            known: Known::default(),
            home,
            hosts: Arc::default(),
        }
    }

    /// The same guard, masking by these packs.
    #[must_use]
    pub fn masking(mut self, packs: Packs) -> Self {
        self.maskers = Arc::new(Maskers::new(packs));
        self
    }

    /// The same guard, where contained answers may lead to these hosts.
    #[must_use]
    pub fn leading_to(mut self, hosts: Hosts) -> Self {
        self.hosts = Arc::new(hosts);
        self
    }

    /// What makes the links and images of one answer inert, where a permit asks for it.
    pub fn container(&self) -> Container {
        Container::new(Arc::clone(&self.hosts))
    }

    /// What masks personal data where a permit asks for it.
    pub fn maskers(&self) -> &Maskers {
        &self.maskers
    }

    /// The policies that count now.
    pub fn policies(&self) -> Arc<Policies> {
        self.policies.load_full()
    }

    /// The country that the house stands in.
    pub fn home(&self) -> Country {
        self.home
    }

    /// Reads the policies of a folder again, and takes them all at once. Says the version before and the one after.
    ///
    /// # Errors
    /// Everything that is wrong with the folder; then the policies from before stay. So they do where the folder had
    /// policies and has none now: a folder that was lost must not open what its policies closed.
    pub fn reload(&self, dir: &Path) -> Result<(ContentHash, ContentHash), Vec<Problem>> {
        let reloaded = self.reloaded(dir);
        self.problems.store(Arc::new(reloaded.as_ref().err().cloned().unwrap_or_default()));
        reloaded
    }

    /// What was wrong with the folder when it was read last; then older policies count.
    pub fn problems(&self) -> Arc<Vec<Problem>> {
        self.problems.load_full()
    }

    fn reloaded(&self, dir: &Path) -> Result<(ContentHash, ContentHash), Vec<Problem>> {
        let (before, after) = (self.policies(), Policies::load(dir, self.maskers.packs())?);
        if after.is_starting() && !before.is_starting() {
            let text = "the folder has no policies any more; the ones from before stay until the next start";
            return Err(vec![Problem::new(&dir.display().to_string(), 0, text)]);
        }
        let versions = (before.version(), after.version());
        self.policies.store(after);
        Ok(versions)
    }

    /// Decides whether `principal` may know that `corpus` exists: its readers, and those who administer its tenant.
    ///
    /// # Errors
    /// [`Refusal::NotVisible`].
    pub fn may_see(&self, principal: &Principal, corpus: &CorpusTerms) -> Result<(), Refusal> {
        if reads_corpus(principal, corpus) || (administers(principal) && principal.tenant == corpus.tenant) {
            Ok(())
        } else {
            Err(Refusal::NotVisible)
        }
    }

    /// Decides whether `principal` may change what its own tenant has: corpora and their documents, routes, groups,
    /// people, keys.
    ///
    /// # Errors
    /// [`Refusal::AdministratorOnly`].
    pub fn may_administer(&self, principal: &Principal) -> Result<(), Refusal> {
        if administers(principal) { Ok(()) } else { Err(Refusal::AdministratorOnly) }
    }

    /// Decides whether `principal` may fetch and remove models of the catalogue. They take the disk, the network and the
    /// memory of the whole house and are used by every tenant, and their licences are accepted in the house's name; so
    /// it is for those who administer `house`, the tenant that the installation belongs to.
    ///
    /// # Errors
    /// [`Refusal::HouseOnly`].
    pub fn may_change_models(&self, principal: &Principal, house: TenantId) -> Result<(), Refusal> {
        if principal.is_operator() || (principal.administrator && principal.tenant == house) {
            Ok(())
        } else {
            Err(Refusal::HouseOnly)
        }
    }

    /// Decides whether `principal` may act on the installation itself: other tenants, files of the machine, settings.
    ///
    /// # Errors
    /// [`Refusal::OperatorOnly`].
    pub fn may_operate(&self, principal: &Principal) -> Result<(), Refusal> {
        if principal.is_operator() { Ok(()) } else { Err(Refusal::OperatorOnly) }
    }

    /// Decides whether `principal` may make a key that reads up to `read_class_max` and whose text takes at least
    /// `input_class`. An administrator gives away nothing that is not the administrator's own, or a key would be a way
    /// around its clearance.
    ///
    /// # Errors
    /// [`Refusal::AdministratorOnly`], [`Refusal::Grant`].
    pub fn may_grant(&self, principal: &Principal, input_class: Class, read_class_max: Class) -> Result<(), Refusal> {
        self.may_administer(principal)?;
        if principal.is_operator()
            || (read_class_max <= principal.read_class_max && input_class >= principal.input_class)
        {
            return Ok(());
        }
        Err(Refusal::Grant { class: read_class_max })
    }

    /// Decides whether `principal` may search all of `corpora` for `purpose`.
    ///
    /// # Errors
    /// The first [`Refusal`]; one corpus that may not be searched refuses the whole search.
    pub fn may_search(
        &self,
        principal: &Principal,
        corpora: &[CorpusTerms],
        purpose: &Purpose,
    ) -> Result<SearchPermit, Refusal> {
        self.may_search_over(principal, corpora, purpose, "")
    }

    /// As [`Guard::may_search`], for a call of the route of this name.
    ///
    /// # Errors
    /// As [`Guard::may_search`].
    pub fn may_search_over(
        &self,
        principal: &Principal,
        corpora: &[CorpusTerms],
        purpose: &Purpose,
        route: &str,
    ) -> Result<SearchPermit, Refusal> {
        self.search_heard(principal, corpora, purpose, route, |_, _| {})
    }

    /// As [`Guard::may_search_over`]; `hear` is told each question and its answer, until one says no.
    pub(crate) fn search_heard(
        &self,
        principal: &Principal,
        corpora: &[CorpusTerms],
        purpose: &Purpose,
        route: &str,
        mut hear: impl FnMut(&Question, &Decision),
    ) -> Result<SearchPermit, Refusal> {
        if corpora.is_empty() {
            return Err(Refusal::NothingNamed);
        }
        let policies = self.policies();
        let mut obligations = Obligations::default();
        for terms in corpora {
            let corpus =
                CorpusFacts { corpus: Some(terms.corpus), tenant: Some(terms.tenant), readers: terms.readers.clone() };
            let question = self.question(principal, Act::Search(corpus), terms.label.clone(), purpose, route);
            let decision = policies.decide(&question);
            hear(&question, &decision);
            obligations.join(decision.obligations()?);
        }
        Ok(SearchPermit {
            tenant: principal.tenant,
            groups: principal.groups.clone(),
            operator: principal.is_operator(),
            class_max: principal.read_class_max,
            purpose: purpose.clone(),
            corpora: corpora.iter().map(|corpus| corpus.corpus).collect(),
            obligations,
            version: policies.version(),
        })
    }

    /// Decides whether text of `label` may go to `engine` for `purpose`.
    ///
    /// `label` is the join of everything that goes: passages, history, question. What the principal sends takes
    /// at least its key's input class, whatever the caller said.
    ///
    /// # Errors
    /// The first [`Refusal`].
    pub fn may_send(
        &self,
        principal: &Principal,
        label: &Label,
        engine: &EngineTerms,
        purpose: &Purpose,
    ) -> Result<EgressPermit, Refusal> {
        self.may_send_over(principal, label, engine, purpose, "")
    }

    /// As [`Guard::may_send`], for a call of the route of this name.
    ///
    /// # Errors
    /// As [`Guard::may_send`].
    pub fn may_send_over(
        &self,
        principal: &Principal,
        label: &Label,
        engine: &EngineTerms,
        purpose: &Purpose,
        route: &str,
    ) -> Result<EgressPermit, Refusal> {
        self.send_heard(principal, label, engine, purpose, route, |_, _| {})
    }

    /// As [`Guard::may_send_over`]; `hear` is told the question and its answer, whatever it is.
    pub(crate) fn send_heard(
        &self,
        principal: &Principal,
        label: &Label,
        engine: &EngineTerms,
        purpose: &Purpose,
        route: &str,
        hear: impl FnOnce(&Question, &Decision),
    ) -> Result<EgressPermit, Refusal> {
        self.may_go(principal, label, (Outlet::Engine, engine), purpose, route, hear)
    }

    /// Decides whether text of `label` may be handed to `tool` for `purpose`.
    ///
    /// # Errors
    /// The first [`Refusal`].
    pub fn may_use_tool(
        &self,
        principal: &Principal,
        label: &Label,
        tool: &EngineTerms,
        purpose: &Purpose,
        route: &str,
    ) -> Result<EgressPermit, Refusal> {
        self.may_go(principal, label, (Outlet::Tool, tool), purpose, route, |_, _| {})
    }

    /// Decides whether text of `label` may be taken out to `place` for `purpose`.
    ///
    /// # Errors
    /// The first [`Refusal`].
    pub fn may_export(
        &self,
        principal: &Principal,
        label: &Label,
        place: &EngineTerms,
        purpose: &Purpose,
    ) -> Result<EgressPermit, Refusal> {
        self.may_go(principal, label, (Outlet::Place, place), purpose, "", |_, _| {})
    }

    /// A person's approval of what somebody else asked for, until a moment at most 30 days away.
    ///
    /// # Errors
    /// [`Refusal::Approval`] if `approver` may not approve this.
    pub fn approve(
        &self,
        approver: &Principal,
        approvers: Approvers<'_>,
        question: &Question,
        reason: &str,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<Approval, Refusal> {
        Approval::make(approver, approvers, question, reason, now, until)
    }

    fn may_go(
        &self,
        principal: &Principal,
        label: &Label,
        (outlet, to): (Outlet, &EngineTerms),
        purpose: &Purpose,
        route: &str,
        hear: impl FnOnce(&Question, &Decision),
    ) -> Result<EgressPermit, Refusal> {
        let mut label = label.clone();
        label.class = label.class.max(principal.input_class);
        let act = match outlet {
            Outlet::Engine => Act::Send(to.clone()),
            Outlet::Tool => Act::UseTool(to.clone()),
            Outlet::Place => Act::Export(to.clone()),
        };
        let question = self.question(principal, act, label, purpose, route);
        let decision = self.policies.load().decide(&question);
        hear(&question, &decision);
        let obligations = Arc::clone(decision.obligations()?);
        let mut permit =
            EgressPermit { outlet, engine: to.clone(), question, decision, obligations, approved: BTreeSet::new() };
        if !permit.obligations.approval.is_empty() {
            let now = Timestamp::now();
            for approval in self.approvals_of(permit.question()) {
                // One whose time is over counts as little as one that was never given.
                let _ = permit.approve(&approval, now);
            }
        }
        Ok(permit)
    }

    /// The approvals of a question that were given, whether or not they are still good.
    pub fn approvals_of(&self, question: &Question) -> Vec<Approval> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&question.hash()).cloned().unwrap_or_default()
    }

    pub(crate) fn known(&self) -> &Known {
        &self.known
    }

    fn question(&self, principal: &Principal, act: Act, text: Label, purpose: &Purpose, route: &str) -> Question {
        let who = Who::of(principal);
        Question { who, act, text, purpose: purpose.clone(), route: route.to_owned(), home: self.home }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use base::{Class, CorpusId, Country, GroupId, Residency, Subject, TenantId};

    use super::*;
    use crate::DocumentTerms;

    fn purpose() -> Purpose {
        "answering".parse().unwrap()
    }

    fn label(class: Class) -> Label {
        Label {
            class,
            residency: Residency::Only([Country::KR].into()),
            purposes: [purpose()].into(),
            licences: BTreeSet::new(),
        }
    }

    fn reader(tenant: TenantId, groups: &[GroupId]) -> Principal {
        Principal {
            tenant,
            subject: Subject::Service(base::KeyId::new()),
            groups: groups.iter().copied().collect(),
            input_class: Class::Open,
            read_class_max: Class::Sensitive,
            administrator: false,
        }
    }

    fn administrator(tenant: TenantId) -> Principal {
        Principal { administrator: true, ..reader(tenant, &[]) }
    }

    fn corpus(tenant: TenantId, readers: &[GroupId], class: Class) -> CorpusTerms {
        CorpusTerms { corpus: CorpusId::new(), tenant, readers: readers.iter().copied().collect(), label: label(class) }
    }

    fn engine(country: &str, class_max: Class) -> EngineTerms {
        EngineTerms { name: "local".into(), country: country.parse().unwrap(), class_max, owner: None }
    }

    #[test]
    fn another_tenants_corpus_is_not_visible() {
        let ours = TenantId::new();
        let theirs = corpus(TenantId::new(), &[], Class::Open);
        let refused = Guard::default().may_search(&reader(ours, &[]), &[theirs], &purpose()).unwrap_err();
        assert_eq!(refused, Refusal::NotVisible);
    }

    #[test]
    fn a_corpus_with_readers_is_for_them_alone() {
        let (tenant, law, works) = (TenantId::new(), GroupId::new(), GroupId::new());
        let terms = corpus(tenant, &[law], Class::Open);
        let corpora = std::slice::from_ref(&terms);
        assert!(Guard::default().may_search(&reader(tenant, &[law, works]), corpora, &purpose()).is_ok());
        assert_eq!(
            Guard::default().may_search(&reader(tenant, &[works]), corpora, &purpose()).unwrap_err(),
            Refusal::NotVisible
        );
    }

    #[test]
    fn who_administers_a_tenant_knows_its_corpora_and_reads_none_by_that() {
        let (ours, law) = (TenantId::new(), GroupId::new());
        let of_law = corpus(ours, &[law], Class::Open);
        let keeper = administrator(ours);
        assert_eq!(Guard::default().may_see(&keeper, &of_law), Ok(()));
        let refused = Guard::default().may_search(&keeper, std::slice::from_ref(&of_law), &purpose()).unwrap_err();
        assert_eq!(refused, Refusal::Readers);
        let theirs = corpus(TenantId::new(), &[], Class::Open);
        assert_eq!(Guard::default().may_see(&keeper, &theirs), Err(Refusal::NotVisible));
        assert_eq!(Guard::default().may_see(&reader(ours, &[]), &of_law), Err(Refusal::NotVisible));
    }

    #[test]
    fn an_administrator_is_no_operator_and_only_the_houses_own_changes_models() {
        let (house, other) = (TenantId::new(), TenantId::new());
        let operator = Principal { subject: Subject::Operator, ..reader(other, &[]) };
        let all = [reader(house, &[]), administrator(other), administrator(house), operator];
        let allowed = |decide: &dyn Fn(&Principal) -> bool| all.each_ref().map(decide);
        assert_eq!(allowed(&|who| Guard::default().may_administer(who).is_ok()), [false, true, true, true]);
        assert_eq!(allowed(&|who| Guard::default().may_change_models(who, house).is_ok()), [false, false, true, true]);
        assert_eq!(allowed(&|who| Guard::default().may_operate(who).is_ok()), [false, false, false, true]);
    }

    #[test]
    fn nobody_grants_more_than_is_theirs() {
        let keeper = Principal { input_class: Class::Sensitive, ..administrator(TenantId::new()) };
        assert_eq!(Guard::default().may_grant(&keeper, Class::Sensitive, Class::Sensitive), Ok(()));
        assert_eq!(Guard::default().may_grant(&keeper, Class::Classified, Class::Open), Ok(()));
        assert!(Guard::default().may_grant(&keeper, Class::Sensitive, Class::Classified).is_err());
        assert!(Guard::default().may_grant(&keeper, Class::Open, Class::Open).is_err());
        assert!(Guard::default().may_grant(&reader(keeper.tenant, &[]), Class::Open, Class::Open).is_err());
    }

    #[test]
    fn one_corpus_too_many_refuses_the_whole_search() {
        let tenant = TenantId::new();
        let ours = corpus(tenant, &[], Class::Open);
        let secret = corpus(tenant, &[], Class::Classified);
        let refused = Guard::default().may_search(&reader(tenant, &[]), &[ours, secret], &purpose()).unwrap_err();
        assert_eq!(refused, Refusal::Clearance { class: Class::Classified });
        assert_eq!(
            Guard::default().may_search(&reader(tenant, &[]), &[], &purpose()).unwrap_err(),
            Refusal::NothingNamed
        );
    }

    #[test]
    fn a_stricter_document_inside_a_searchable_corpus_is_not_found() {
        let (tenant, law) = (TenantId::new(), GroupId::new());
        let terms = corpus(tenant, &[], Class::Open);
        let permit =
            Guard::default().may_search(&reader(tenant, &[]), std::slice::from_ref(&terms), &purpose()).unwrap();
        let document = |class, readers: &[GroupId]| DocumentTerms {
            corpus: terms.corpus,
            class,
            readers: readers.iter().copied().collect(),
        };
        assert!(permit.allows(&document(Class::Sensitive, &[])));
        assert!(!permit.allows(&document(Class::Classified, &[])));
        assert!(!permit.allows(&document(Class::Open, &[law])));
        assert!(!permit.allows(&DocumentTerms { corpus: CorpusId::new(), class: Class::Open, readers: [].into() }));
    }

    #[test]
    fn nothing_crosses_a_border_or_a_class_or_a_purpose() {
        let asker = reader(TenantId::new(), &[]);
        let sensitive = label(Class::Sensitive);
        let send = |label: &Label, engine: &EngineTerms, purpose: &str| {
            Guard::default().may_send(&asker, label, engine, &purpose.parse().unwrap())
        };
        assert!(send(&sensitive, &engine("KR", Class::Sensitive), "answering").is_ok());
        assert!(matches!(send(&sensitive, &engine("US", Class::Classified), "answering"), Err(Refusal::Border { .. })));
        assert!(matches!(send(&sensitive, &engine("KR", Class::Open), "answering"), Err(Refusal::EngineClass { .. })));
        assert!(matches!(send(&sensitive, &engine("KR", Class::Classified), "training"), Err(Refusal::Purpose { .. })));
        let nowhere = Label { residency: Residency::Only([].into()), ..label(Class::Open) };
        assert!(send(&nowhere, &engine("KR", Class::Classified), "answering").is_err());
        let for_nothing = Label { purposes: [].into(), ..label(Class::Open) };
        assert!(send(&for_nothing, &engine("KR", Class::Classified), "answering").is_err());
    }

    #[test]
    fn a_callers_text_takes_at_least_its_keys_class() {
        let mut asker = reader(TenantId::new(), &[]);
        asker.input_class = Class::Sensitive;
        let refused =
            Guard::default().may_send(&asker, &label(Class::Open), &engine("KR", Class::Open), &purpose()).unwrap_err();
        assert!(matches!(refused, Refusal::EngineClass { class: Class::Sensitive, .. }));
    }

    #[test]
    fn a_cleared_text_goes_to_its_own_engine_only() {
        let asker = reader(TenantId::new(), &[]);
        let permit = Guard::default()
            .may_send(&asker, &label(Class::Open), &engine("KR", Class::Sensitive), &purpose())
            .unwrap();
        assert_eq!(permit.clear("text", &label(Class::Sensitive)).unwrap_err(), Refusal::OutsidePermit);
        let cleared = permit.clear("text", &label(Class::Open)).unwrap();
        assert_eq!(cleared.clone().release("elsewhere").unwrap_err(), Refusal::OutsidePermit);
        assert_eq!(cleared.release("local").unwrap(), "text");
    }
}
