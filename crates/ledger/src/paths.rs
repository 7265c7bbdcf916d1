//! Proofs about the tree: that a leaf is in it, and that a larger tree only grew (RFC 6962, sections 2.1.1 and 2.1.2).
//!
//! Making a proof asks for the hashes of whole subtrees; checking one asks for nothing but hashes.

use base::ContentHash;

use crate::tree::{empty_root, node_hash, split};

/// Hashes that a proof in a tree of 64-bit size can have.
pub(crate) const PROOF_MAX: usize = 63;

/// Where the hashes of whole subtrees come from.
pub(crate) trait Subtrees {
    type Error;
    /// The root of the `number`-th subtree of `2^height` leaves.
    fn subtree(&mut self, height: u32, number: u64) -> Result<ContentHash, Self::Error>;
}

/// The root of the leaves `start..end`, a range that RFC 6962's splitting meets.
pub(crate) fn range<S: Subtrees>(source: &mut S, start: u64, end: u64) -> Result<ContentHash, S::Error> {
    match end - start {
        0 => Ok(empty_root()),
        count if count.is_power_of_two() => source.subtree(count.ilog2(), start >> count.ilog2()),
        count => {
            let middle = start + split(count);
            Ok(node_hash(&range(source, start, middle)?, &range(source, middle, end)?))
        }
    }
}

/// The proof that leaf `index` is in the tree of `size` leaves, its sibling first. `index` is below `size`.
pub(crate) fn inclusion<S: Subtrees>(source: &mut S, index: u64, size: u64) -> Result<Vec<ContentHash>, S::Error> {
    let (mut start, mut end) = (0, size);
    let mut from_root = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            from_root.push(range(source, middle, end)?);
            end = middle;
        } else {
            from_root.push(range(source, start, middle)?);
            start = middle;
        }
    }
    from_root.reverse();
    Ok(from_root)
}

/// The proof that the tree of `new` leaves begins with the tree of `old` leaves. `old` is not above `new`.
pub(crate) fn consistency<S: Subtrees>(source: &mut S, old: u64, new: u64) -> Result<Vec<ContentHash>, S::Error> {
    if old == 0 {
        return Ok(Vec::new());
    }
    let (mut start, mut end) = (0, new);
    let mut from_root = Vec::new();
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            from_root.push(range(source, middle, end)?);
            end = middle;
        } else {
            from_root.push(range(source, start, middle)?);
            start = middle;
        }
    }
    // A whole tree to the left is the old tree itself, whose root whoever checks has.
    if start > 0 {
        from_root.push(range(source, start, end)?);
    }
    from_root.reverse();
    Ok(from_root)
}

/// The root that an inclusion proof leads to; `None` if it has another length than such a proof has.
pub(crate) fn included_root(leaf: ContentHash, index: u64, size: u64, proof: &[ContentHash]) -> Option<ContentHash> {
    if index >= size {
        return None;
    }
    if size == 1 {
        return proof.is_empty().then_some(leaf);
    }
    let (last, rest) = proof.split_last()?;
    let middle = split(size);
    if index < middle {
        Some(node_hash(&included_root(leaf, index, middle, rest)?, last))
    } else {
        Some(node_hash(last, &included_root(leaf, index - middle, size - middle, rest)?))
    }
}

/// True if `proof` shows that the tree of `new` leaves with `new_root` begins with the tree of `old` leaves with
/// `old_root`.
pub(crate) fn is_consistent(
    (old, old_root): (u64, ContentHash),
    (new, new_root): (u64, ContentHash),
    proof: &[ContentHash],
) -> bool {
    if old > new {
        return false;
    }
    if old == 0 {
        return proof.is_empty() && old_root == empty_root();
    }
    consistent_roots(old, new, proof, Some(old_root)) == Some((old_root, new_root))
}

/// The roots of the old and the new tree that a consistency proof leads to. `known` is the old root as long as only
/// left halves were taken.
fn consistent_roots(
    old: u64,
    new: u64,
    proof: &[ContentHash],
    known: Option<ContentHash>,
) -> Option<(ContentHash, ContentHash)> {
    if old == new {
        return match (known, proof) {
            (Some(root), []) => Some((root, root)),
            (None, [root]) => Some((*root, *root)),
            _ => None,
        };
    }
    let (last, rest) = proof.split_last()?;
    let middle = split(new);
    if old <= middle {
        let (old_root, new_root) = consistent_roots(old, middle, rest, known)?;
        Some((old_root, node_hash(&new_root, last)))
    } else {
        let (old_root, new_root) = consistent_roots(old - middle, new - middle, rest, None)?;
        Some((node_hash(last, &old_root), node_hash(last, &new_root)))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;
    use crate::tree::tests::{leaves, slow_root};

    struct Leaves(Vec<ContentHash>);

    impl Subtrees for Leaves {
        type Error = Infallible;
        fn subtree(&mut self, height: u32, number: u64) -> Result<ContentHash, Infallible> {
            let start = (number << height) as usize;
            Ok(slow_root(&self.0[start..start + (1 << height)]))
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn what_is_proved_is_accepted_and_nothing_else(size in 1_u64..300, at in any::<u64>(), flip in any::<u64>()) {
            let mut source = Leaves(leaves(size));
            let index = at % size;
            let Ok(mut proof) = inclusion(&mut source, index, size);
            let leaf = source.0[index as usize];
            let root = slow_root(&source.0);
            prop_assert!(proof.len() <= PROOF_MAX);
            prop_assert_eq!(included_root(leaf, index, size, &proof), Some(root));
            for wrong in [index + 1, index.wrapping_sub(1), size] {
                prop_assert_ne!(included_root(leaf, wrong, size, &proof), Some(root));
            }
            proof.push(root);
            prop_assert_eq!(included_root(leaf, index, size, &proof), None);
            proof.pop();
            if let Some(last) = proof.len().checked_sub(1) {
                let mut bytes = *proof[flip as usize % proof.len()].as_bytes();
                bytes[(flip >> 8) as usize % 32] ^= 1 << (flip >> 16 & 7);
                let changed: Vec<_> = proof.iter().enumerate()
                    .map(|(at, hash)| if at == flip as usize % proof.len() { ContentHash::from_bytes(bytes) } else { *hash })
                    .collect();
                prop_assert_ne!(included_root(leaf, index, size, &changed), Some(root));
                prop_assert_eq!(included_root(leaf, index, size, &proof[..last]), None);
            }
        }

        #[test]
        fn a_tree_that_only_grew_is_consistent_and_no_other(new in 1_u64..300, at in any::<u64>()) {
            let mut source = Leaves(leaves(new));
            let old = at % (new + 1);
            let Ok(proof) = consistency(&mut source, old, new);
            let (old_root, new_root) = (slow_root(&source.0[..old as usize]), slow_root(&source.0));
            prop_assert!(proof.len() <= PROOF_MAX);
            prop_assert!(is_consistent((old, old_root), (new, new_root), &proof));
            let other = ContentHash::of("another root");
            prop_assert!(!is_consistent((old, other), (new, new_root), &proof));
            if old > 0 {
                prop_assert!(!is_consistent((old, old_root), (new, other), &proof));
                prop_assert!(!is_consistent((old + 1, old_root), (new, new_root), &proof));
            }
            let mut longer = proof.clone();
            longer.push(other);
            prop_assert!(!is_consistent((old, old_root), (new, new_root), &longer));
        }
    }
}
