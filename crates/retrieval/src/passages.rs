//! Sets of passages.

use std::ops::Range;

/// A set of passage numbers, one bit each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PassageSet {
    bits: Vec<u64>,
}

impl PassageSet {
    pub fn insert_range(&mut self, range: Range<u32>) {
        if range.is_empty() {
            return;
        }
        let (first, last) = (range.start as usize, range.end as usize - 1);
        if self.bits.len() <= last / 64 {
            self.bits.resize(last / 64 + 1, 0);
        }
        let (low, high) = (u64::MAX << (first % 64), u64::MAX >> (63 - last % 64));
        if first / 64 == last / 64 {
            self.bits[first / 64] |= low & high;
            return;
        }
        self.bits[first / 64] |= low;
        self.bits[first / 64 + 1..last / 64].fill(u64::MAX);
        self.bits[last / 64] |= high;
    }

    pub fn insert(&mut self, passage: u32) {
        self.insert_range(passage..passage + 1);
    }

    pub fn remove(&mut self, passage: u32) {
        if let Some(word) = self.bits.get_mut(passage as usize / 64) {
            *word &= !(1 << (passage % 64));
        }
    }

    pub fn remove_range(&mut self, range: Range<u32>) {
        range.for_each(|passage| self.remove(passage));
    }

    pub fn contains(&self, passage: u32) -> bool {
        self.bits.get(passage as usize / 64).is_some_and(|word| word >> (passage % 64) & 1 == 1)
    }

    pub fn len(&self) -> u64 {
        self.bits.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    pub fn intersection_len(&self, other: &PassageSet) -> u64 {
        self.bits.iter().zip(&other.bits).map(|(a, b)| u64::from((a & b).count_ones())).sum()
    }

    /// How many passages there are at or after `from`.
    pub fn len_from(&self, from: u32) -> u64 {
        let place = from as usize / 64;
        let first = self.bits.get(place).map_or(0, |word| (word & u64::MAX << (from % 64)).count_ones());
        let rest = self.bits.iter().skip(place + 1).map(|word| u64::from(word.count_ones()));
        u64::from(first) + rest.sum::<u64>()
    }

    /// The passages, in order.
    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.bits.iter().enumerate().flat_map(|(place, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros();
                (bit < 64).then(|| {
                    rest &= rest - 1;
                    place as u32 * 64 + bit
                })
            })
        })
    }

    /// The first passage at or after `from` that is here and not in `other`.
    pub fn first_outside(&self, other: &PassageSet, from: u32) -> Option<u32> {
        let mut mask = u64::MAX << (from % 64);
        for place in from as usize / 64..self.bits.len() {
            let rest = self.bits[place] & !other.bits.get(place).copied().unwrap_or(0) & mask;
            if rest != 0 {
                return Some(place as u32 * 64 + rest.trailing_zeros());
            }
            mask = u64::MAX;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    proptest::proptest! {
        #[test]
        fn a_set_of_ranges_is_the_set_of_their_numbers(
            ranges in proptest::collection::vec((0_u32..300, 0_u32..200), 0..6),
            from in 0_u32..520,
        ) {
            let mut set = PassageSet::default();
            let mut model = BTreeSet::new();
            for (start, length) in ranges {
                set.insert_range(start..start + length);
                model.extend(start..start + length);
            }
            proptest::prop_assert_eq!(set.iter().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
            proptest::prop_assert_eq!(set.len(), model.len() as u64);
            proptest::prop_assert!((0..600).all(|number| set.contains(number) == model.contains(&number)));
            let mut odd = PassageSet::default();
            model.iter().filter(|number| *number % 2 == 1).for_each(|&number| odd.insert(number));
            proptest::prop_assert_eq!(set.intersection_len(&odd), odd.len());
            proptest::prop_assert_eq!(set.len_from(from), model.range(from..).count() as u64);
            let even = model.range(from..).find(|number| *number % 2 == 0).copied();
            proptest::prop_assert_eq!(set.first_outside(&odd, from), even);
        }
    }
}
