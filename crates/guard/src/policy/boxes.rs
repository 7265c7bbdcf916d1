//! Many combinations of facts said in few words: "whoever", "any class" instead of a line for each.

use std::collections::{BTreeMap, BTreeSet};

/// Combinations that differ only in the values of each axis: the product of these sets.
pub(crate) type Product = Vec<BTreeSet<usize>>;

/// Joins single combinations into boxes that cover exactly them, without overlap.
pub(crate) fn join(cells: impl IntoIterator<Item = Vec<usize>>) -> Vec<Product> {
    let one = |cell: Vec<usize>| cell.into_iter().map(|value| BTreeSet::from([value])).collect();
    let mut boxes: Vec<Product> = cells.into_iter().map(one).collect();
    let axes = boxes.first().map_or(0, Vec::len);
    // Joining along one axis may make boxes equal along another, so it is repeated until nothing joins.
    loop {
        let before = boxes.len();
        for axis in 0..axes {
            boxes = join_along(boxes, axis);
        }
        if boxes.len() == before {
            boxes.sort_by_key(|found| std::cmp::Reverse(size(found)));
            return boxes;
        }
    }
}

/// Combinations in a box.
pub(crate) fn size(found: &Product) -> usize {
    found.iter().map(BTreeSet::len).product()
}

fn join_along(boxes: Vec<Product>, axis: usize) -> Vec<Product> {
    let mut alike: BTreeMap<Product, BTreeSet<usize>> = BTreeMap::new();
    for mut found in boxes {
        let values = std::mem::take(&mut found[axis]);
        alike.entry(found).or_default().extend(values);
    }
    let back = |(mut rest, values): (Product, BTreeSet<usize>)| {
        rest[axis] = values;
        rest
    };
    alike.into_iter().map(back).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn boxes_cover_exactly_what_they_were_made_of(
            cells in proptest::collection::btree_set((0usize..3, 0usize..4, 0usize..2), 0..24)
        ) {
            let boxes = join(cells.iter().map(|(a, b, c)| vec![*a, *b, *c]));
            let mut covered = Vec::new();
            for found in &boxes {
                for a in &found[0] { for b in &found[1] { for c in &found[2] { covered.push((*a, *b, *c)); } } }
            }
            covered.sort_unstable();
            prop_assert_eq!(covered, cells.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_full_square_is_one_box() {
        let cells = (0..3).flat_map(|a| (0..5).map(move |b| vec![a, b]));
        let boxes = join(cells);
        assert_eq!((boxes.len(), size(&boxes[0])), (1, 15));
    }
}
