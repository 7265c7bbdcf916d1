//! Who looked at, took out or changed what: the entries that a person checks each month.

use std::collections::HashSet;
use std::sync::Arc;

use base::{DocumentId, Subject};
use guard::{Act, Entry, Filed, Outcome, Receipt};
use jiff::Timestamp;

use super::{Collect, Desk};
use crate::cell::Cell;
use crate::sheet::{Rows, Sheet};
use crate::sum::{Seen, Tally};

/// Documents that are told apart, over all accounts.
const DOCUMENTS_MAX: usize = 200_000;

pub(super) struct AccessLog {
    desk: Arc<Desk>,
    acts: u64,
    total: Account,
    accounts: Tally<Subject, Account>,
    documents: usize,
    list: Rows,
}

/// What one account did.
#[derive(Debug, Default)]
struct Account {
    looks: u64,
    exports: u64,
    changes: u64,
    permissions: u64,
    flows: u64,
    refused: u64,
    off_hours: u64,
    documents: HashSet<DocumentId>,
    seen: Seen,
}

/// What an act is, for whoever checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Did {
    Look,
    Export,
    Permission,
    Change,
}

impl Did {
    /// By the door that it went through, as the API writes it.
    fn of(action: &str) -> Self {
        let (method, path) = action.split_once(' ').unwrap_or((action, ""));
        let within = |part: &str| path.split('/').any(|found| found == part);
        let taken_out = ["export", "content", "reports", "backup"].into_iter().any(within);
        match (method, taken_out) {
            (_, true) => Self::Export,
            ("GET" | "HEAD", false) => Self::Look,
            _ if ["keys", "people", "groups", "tenants"].into_iter().any(within) => Self::Permission,
            _ => Self::Change,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Export => "export",
            Self::Permission => "permission",
            Self::Change => "change",
        }
    }
}

const ACCOUNT: [&str; 11] = [
    "who",
    "looks",
    "exports",
    "permissions",
    "changes",
    "flows",
    "refused",
    "off_hours",
    "distinct_documents",
    "first",
    "last",
];

const ACT: [&str; 10] = ["leaf", "account", "when", "place", "target", "action", "did", "status", "unusual", "receipt"];

impl AccessLog {
    pub fn new(desk: Arc<Desk>) -> Self {
        let (total, accounts, list) = (Account::default(), Tally::default(), Rows::default());
        Self { desk, acts: 0, total, accounts, documents: 0, list }
    }

    fn is_off_hours(&self, at: Timestamp) -> bool {
        let local = at.to_zoned(self.desk.zone.clone());
        !self.desk.hours.are(local.weekday(), local.time())
    }

    fn act(&mut self, leaf: u64, act: &Act) {
        let (did, off_hours) = (Did::of(&act.action), self.is_off_hours(act.at));
        let refused = act.status >= 400;
        self.acts += 1;
        let account = self.accounts.of(&act.who);
        account.seen.at(act.at);
        for sum in [&mut self.total, &mut *account] {
            sum.refused += u64::from(refused);
            sum.off_hours += u64::from(off_hours);
            match did {
                Did::Look => sum.looks += 1,
                Did::Export => sum.exports += 1,
                Did::Permission => sum.permissions += 1,
                Did::Change => sum.changes += 1,
            }
        }
        for document in act.on.iter().filter_map(|on| on.parse().ok()) {
            note(account, &mut self.documents, document);
        }
        let why = [("off_hours", off_hours), ("refused", refused)];
        let why = why.iter().filter(|(_, so)| *so).map(|(why, _)| (*why, String::new())).collect();
        let id = act.id;
        self.list.cite((leaf, id), || {
            vec![
                Cell::Number(leaf),
                self.desk.facts.who(act.who),
                Cell::Time(act.at),
                Cell::text(act.from.clone()),
                Cell::List(act.on.clone()),
                Cell::Text(act.action.clone()),
                Cell::Word(did.word()),
                Cell::Number(act.status.into()),
                Cell::Pairs(why),
                Cell::Text(id.to_string()),
            ]
        });
    }

    fn flow(&mut self, receipt: &Receipt) {
        let off_hours = self.is_off_hours(receipt.began);
        let refused = matches!(receipt.outcome, Outcome::Refused { .. });
        let account = self.accounts.of(&receipt.who);
        account.seen.at(receipt.began);
        for sum in [&mut self.total, &mut *account] {
            sum.flows += 1;
            sum.refused += u64::from(refused);
            sum.off_hours += u64::from(off_hours);
        }
        for document in &receipt.documents {
            note(account, &mut self.documents, *document);
        }
    }

    /// Accounts that a person should look at, with why.
    fn unusual(&self) -> Rows {
        let bounds = &self.desk.unusual;
        let mut rows = Rows::default();
        for (who, account) in self.accounts.iter() {
            let documents = account.documents.len() as u64;
            let found = [
                ("off_hours", account.off_hours, 1),
                ("many_refusals", account.refused, bounds.refusals),
                ("many_documents", documents, bounds.documents),
                ("many_exports", account.exports, bounds.exports),
            ];
            for (why, count, from) in found.into_iter().filter(|(_, count, from)| count >= from) {
                rows.push(|| {
                    let who = self.desk.facts.who(*who);
                    vec![who, Cell::Word(why), Cell::Number(count), Cell::Number(from), Cell::Blank]
                });
            }
        }
        rows
    }
}

fn note(account: &mut Account, all: &mut usize, document: DocumentId) {
    if *all < DOCUMENTS_MAX && account.documents.insert(document) {
        *all += 1;
    }
}

fn row(who: Cell, account: &Account) -> Vec<Cell> {
    vec![
        who,
        Cell::Number(account.looks),
        Cell::Number(account.exports),
        Cell::Number(account.permissions),
        Cell::Number(account.changes),
        Cell::Number(account.flows),
        Cell::Number(account.refused),
        Cell::Number(account.off_hours),
        Cell::Number(account.documents.len() as u64),
        Cell::time(account.seen.first),
        Cell::time(account.seen.last),
    ]
}

impl Collect for AccessLog {
    fn take(&mut self, filed: &Filed) {
        match &filed.entry {
            Entry::Act(act) => self.act(filed.leaf, act),
            Entry::Receipt(receipt) => self.flow(receipt),
            Entry::Intent(_) | Entry::Begun(_) => {}
        }
    }

    fn end(self: Box<Self>, sheet: &mut Sheet<'_>) {
        sheet.count("acts", self.acts);
        sheet.count("accounts", self.accounts.len() as u64);
        sheet.count("looks", self.total.looks);
        sheet.count("exports", self.total.exports);
        sheet.count("permissions", self.total.permissions);
        sheet.count("changes", self.total.changes);
        sheet.count("flows", self.total.flows);
        sheet.count("refused", self.total.refused);
        sheet.count("off_hours", self.total.off_hours);
        let mut rows = Rows::default();
        for (who, account) in self.accounts.iter() {
            rows.push(|| row(self.desk.facts.who(*who), account));
        }
        if let Some(others) = self.accounts.others() {
            rows.push(|| row(Cell::Word("others"), others));
        }
        sheet.table("accounts", &ACCOUNT, rows);
        sheet.table("unusual", &["who", "why", "count", "from_count", "checked"], self.unusual());
        sheet.table("acts", &ACT, self.list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_are_what_their_door_says() {
        for (action, did) in [
            ("GET /api/v1/documents/{id}", Did::Look),
            ("GET /api/v1/conversations/{id}/export", Did::Export),
            ("GET /v1/files/{file}/content", Did::Export),
            ("GET /api/v1/reports/{name}", Did::Export),
            ("POST /api/v1/backup", Did::Export),
            ("POST /api/v1/keys", Did::Permission),
            ("PATCH /api/v1/people/{name}", Did::Permission),
            ("DELETE /api/v1/corpora/{name}/document", Did::Change),
            ("", Did::Change),
        ] {
            assert_eq!(Did::of(action), did, "{action}");
        }
    }
}
