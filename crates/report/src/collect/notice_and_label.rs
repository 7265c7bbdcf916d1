//! Of what models wrote, how much was marked as theirs and announced, under which version of the policies.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::ContentHash;
use guard::policy::Marking;
use guard::{Entry, Filed, Receipt};

use super::{Collect, Desk, flow, is_generated};
use crate::cell::Cell;
use crate::sheet::{Rows, Sheet};
use crate::sum::{Seen, Tally};

/// Texts of notices that are told apart.
const NOTICES_MAX: usize = 100;

/// How something that a model wrote was marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Marked {
    Visibly,
    MetadataWithNotice,
    MetadataAlone,
    NoticeAlone,
    Not,
}

impl Marked {
    fn of(receipt: &Receipt) -> Self {
        let label = receipt.obligations.as_ref().and_then(|obligations| obligations.label);
        let notice = receipt.obligations.as_ref().is_some_and(|obligations| !obligations.notices.is_empty());
        match (label, notice) {
            (Some(Marking::Visible), _) => Self::Visibly,
            (Some(Marking::Metadata), true) => Self::MetadataWithNotice,
            (Some(Marking::Metadata), false) => Self::MetadataAlone,
            (None, true) => Self::NoticeAlone,
            (None, false) => Self::Not,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Visibly => "visible",
            Self::MetadataWithNotice => "metadata_with_notice",
            Self::MetadataAlone => "metadata_alone",
            Self::NoticeAlone => "notice_alone",
            Self::Not => "unmarked",
        }
    }

    /// Whether a reader can see it, or a machine can and the reader was told.
    fn is_marked(self) -> bool {
        matches!(self, Self::Visibly | Self::MetadataWithNotice)
    }
}

#[derive(Debug, Default)]
struct Count {
    flows: u64,
    noticed: u64,
    seen: Seen,
}

pub(super) struct NoticeAndLabel {
    desk: Arc<Desk>,
    generated: u64,
    by: BTreeMap<&'static str, u64>,
    noticed: u64,
    policies: Tally<(Option<ContentHash>, Marked), Count>,
    notices: BTreeMap<(String, String), Count>,
    list: Rows,
}

impl NoticeAndLabel {
    pub fn new(desk: Arc<Desk>) -> Self {
        let (by, policies, notices) = (BTreeMap::new(), Tally::default(), BTreeMap::new());
        Self { desk, generated: 0, by, noticed: 0, policies, notices, list: Rows::default() }
    }

    fn take_notices(&mut self, receipt: &Receipt) {
        for notice in receipt.obligations.iter().flat_map(|obligations| &obligations.notices) {
            let key = (notice.ko.clone(), notice.en.clone());
            if self.notices.len() >= NOTICES_MAX && !self.notices.contains_key(&key) {
                continue;
            }
            let count = self.notices.entry(key).or_default();
            count.flows += 1;
            count.seen.at(receipt.began);
        }
    }
}

impl Collect for NoticeAndLabel {
    fn take(&mut self, filed: &Filed) {
        let Entry::Receipt(receipt) = &filed.entry else { return };
        if !is_generated(receipt) {
            return;
        }
        let marked = Marked::of(receipt);
        let noticed = receipt.obligations.as_ref().is_some_and(|obligations| !obligations.notices.is_empty());
        self.generated += 1;
        self.noticed += u64::from(noticed);
        *self.by.entry(marked.word()).or_default() += 1;
        let count = self.policies.of(&(receipt.policy, marked));
        count.flows += 1;
        count.noticed += u64::from(noticed);
        count.seen.at(receipt.began);
        self.take_notices(receipt);
        if !marked.is_marked() {
            let cited = (filed.leaf, receipt.id);
            self.list.cite(cited, || {
                let mut row = flow(&self.desk, cited, receipt);
                row.truncate(EXCEPTION.len() - 3);
                row.extend([Cell::Word(marked.word()), Cell::Blank, Cell::Text(receipt.id.to_string())]);
                row
            });
        }
    }

    fn end(self: Box<Self>, sheet: &mut Sheet<'_>) {
        let of = |word: &str| self.by.get(word).copied().unwrap_or_default();
        sheet.count("generated", self.generated);
        sheet.count("visible", of("visible"));
        sheet.count("metadata_with_notice", of("metadata_with_notice"));
        sheet.count("metadata_alone", of("metadata_alone"));
        sheet.count("notice_alone", of("notice_alone"));
        sheet.count("unmarked", of("unmarked"));
        sheet.count("noticed", self.noticed);
        let mut rows = Rows::default();
        for ((policy, marked), count) in self.policies.iter() {
            rows.push(|| {
                vec![
                    Cell::text(policy.map(|policy| policy.to_string())),
                    Cell::Word(marked.word()),
                    Cell::Number(count.flows),
                    Cell::Number(count.noticed),
                    Cell::time(count.seen.first),
                    Cell::time(count.seen.last),
                ]
            });
        }
        sheet.table("by_policy", &["policy", "marked", "flows", "noticed", "first", "last"], rows);
        let mut rows = Rows::default();
        for ((ko, en), count) in &self.notices {
            rows.push(|| {
                let times = [Cell::time(count.seen.first), Cell::time(count.seen.last)];
                let mut row = vec![Cell::Text(ko.clone()), Cell::Text(en.clone()), Cell::Number(count.flows)];
                row.extend(times);
                row
            });
        }
        sheet.table("notices", &["notice_ko", "notice_en", "flows", "first", "last"], rows);
        sheet.table("exceptions", &EXCEPTION, self.list);
    }
}

/// A flow in short, with how it was marked and a place for the reason.
const EXCEPTION: [&str; 10] =
    ["leaf", "when", "who", "asked", "engine", "country", "class", "marked", "reason", "receipt"];

#[cfg(test)]
mod tests {
    use super::super::FLOW;
    use super::*;

    #[test]
    fn an_exception_begins_as_every_flow_does() {
        let shared = EXCEPTION.len() - 3;
        assert_eq!(EXCEPTION[..shared], FLOW[..shared]);
    }
}
