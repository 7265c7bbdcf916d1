//! Counting, with bounds: what is more than so many different things goes into one sum.

use std::collections::BTreeMap;

use base::{Class, Usage};
use guard::Receipt;
use jiff::Timestamp;

use crate::cell::Cell;

/// Different things that are counted apart.
pub(crate) const GROUPS_MAX: usize = 100_000;

/// Sums by something.
#[derive(Debug, Clone)]
pub(crate) struct Tally<K, V> {
    each: BTreeMap<K, V>,
    others: Option<V>,
    groups_max: usize,
}

impl<K, V> Default for Tally<K, V> {
    fn default() -> Self {
        Self { each: BTreeMap::new(), others: None, groups_max: GROUPS_MAX }
    }
}

impl<K: Ord + Clone, V: Default> Tally<K, V> {
    /// The sum of `key`, or of all others where there are too many.
    pub fn of(&mut self, key: &K) -> &mut V {
        if !self.each.contains_key(key) && self.each.len() >= self.groups_max {
            return self.others.get_or_insert_default();
        }
        self.each.entry(key.clone()).or_default()
    }

    pub fn get(&self, key: &K) -> Option<&V> {
        self.each.get(key)
    }

    /// The keys with their sums.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.each.iter()
    }

    /// The sum of what was too much.
    pub fn others(&self) -> Option<&V> {
        self.others.as_ref()
    }

    pub fn len(&self) -> usize {
        self.each.len()
    }
}

/// From when to when.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
}

impl Seen {
    pub fn at(&mut self, time: Timestamp) {
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
    }
}

/// What flows come to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sum {
    pub flows: u64,
    pub usage: Usage,
    pub seen: Seen,
    pub masked: BTreeMap<String, u64>,
    pub classes: [u64; 3],
    pub how: BTreeMap<&'static str, u64>,
}

impl Sum {
    /// A flow, at the engine that answered it or was the last to be asked.
    pub fn add(&mut self, receipt: &Receipt) {
        self.see(receipt, receipt.outcome.word());
        self.usage.add(receipt.usage);
        for (kind, count) in &receipt.masked {
            *self.masked.entry(kind.clone()).or_default() += u64::from(*count);
        }
    }

    /// A flow, at an engine that was sent its text and did not answer. What was used and masked there, no receipt says.
    pub fn add_passed_over(&mut self, receipt: &Receipt) {
        self.see(receipt, "passed_over");
    }

    fn see(&mut self, receipt: &Receipt, how: &'static str) {
        self.flows += 1;
        self.seen.at(receipt.began);
        if let Some(label) = &receipt.label {
            self.classes[rank(label.class)] += 1;
        }
        *self.how.entry(how).or_default() += 1;
    }

    /// How often each kind of personal data was masked.
    pub fn masked(&self) -> Cell {
        Cell::Counts(self.masked.iter().map(|(kind, count)| (kind.clone(), *count)).collect())
    }

    pub fn masked_total(&self) -> u64 {
        self.masked.values().sum()
    }

    /// How many flows there were of each class.
    pub fn classes(&self) -> Cell {
        let named = ["open", "sensitive", "classified"].into_iter().zip(self.classes);
        Cell::Counts(named.filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), count)).collect())
    }
}

fn rank(class: Class) -> usize {
    match class {
        Class::Open => 0,
        Class::Sensitive => 1,
        Class::Classified => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_counted_together() {
        let mut tally: Tally<u32, u64> = Tally { groups_max: 2, ..Tally::default() };
        for key in [1, 2, 3, 4, 1] {
            *tally.of(&key) += 1;
        }
        assert_eq!(tally.iter().map(|(key, sum)| (*key, *sum)).collect::<Vec<_>>(), [(1, 2), (2, 1)]);
        assert_eq!(tally.others(), Some(&2));
    }
}
