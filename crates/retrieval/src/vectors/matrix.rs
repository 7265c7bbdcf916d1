//! Vectors in memory: signed bytes, one row a passage, scanned exactly.
//!
//! A byte a number is a quarter of the memory to read, which is what a scan costs; the question keeps sixteen bits, so
//! that only one side is rounded. The inner loop is plain code that the compiler turns into the vector instructions
//! of the processor that it runs on (`pulp` picks them at run time).

use pulp::Arch;

use crate::passages::PassageSet;
use crate::words::shorten;

/// A vector as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Vector {
    pub scale: f32,
    pub codes: Box<[i8]>,
}

/// A question's vector.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    scale: f32,
    codes: Box<[i16]>,
}

/// The vectors of passages.
#[derive(Debug)]
pub(crate) struct Matrix {
    dimensions: usize,
    arch: Arch,
    codes: Vec<i8>,
    scales: Vec<f32>,
    passages: Vec<u32>,
    /// The row of each passage, [`NO_ROW`] where it has none.
    rows: Vec<u32>,
    present: PassageSet,
}

const NO_ROW: u32 = u32::MAX;

impl Vector {
    /// Rounds a vector; `None` if it is not of `dimensions` finite numbers.
    pub fn of(vector: &[f32], dimensions: usize) -> Option<Self> {
        let (scale, steps) = steps(vector, dimensions, f32::from(i8::MAX))?;
        Some(Self { scale, codes: steps.map(|step| step as i8).collect() })
    }
}

impl Probe {
    /// Rounds a question's vector; `None` if it is not of `dimensions` finite numbers.
    pub fn of(vector: &[f32], dimensions: usize) -> Option<Self> {
        // Half of sixteen bits: 1,024 products of 2^14 by 2^7 still fit 32 bits.
        let (scale, steps) = steps(vector, dimensions, 16_383.0)?;
        Some(Self { scale, codes: steps.map(|step| step as i16).collect() })
    }
}

/// Divides by a scale that makes the largest number `most`.
fn steps(vector: &[f32], dimensions: usize, most: f32) -> Option<(f32, impl Iterator<Item = f32>)> {
    if vector.len() != dimensions || dimensions > Matrix::DIMENSIONS_MAX || vector.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let largest = vector.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let scale = largest / most;
    let factor = if scale > 0.0 { scale.recip() } else { 0.0 };
    if !factor.is_finite() {
        return None;
    }
    Some((scale, vector.iter().map(move |x| (x * factor).round().clamp(-most, most))))
}

impl Matrix {
    /// Numbers that a vector may have: as many as a sum of products holds without overflow.
    pub const DIMENSIONS_MAX: usize = 1024;

    pub fn new(dimensions: usize) -> Self {
        Self {
            dimensions,
            arch: Arch::new(),
            codes: Vec::new(),
            scales: Vec::new(),
            passages: Vec::new(),
            rows: Vec::new(),
            present: PassageSet::default(),
        }
    }

    /// The passages that have a vector.
    pub fn present(&self) -> &PassageSet {
        &self.present
    }

    /// Gives a passage its vector. One that has a vector keeps it.
    pub fn insert(&mut self, passage: u32, vector: &Vector) {
        if vector.codes.len() != self.dimensions || self.present.contains(passage) {
            return;
        }
        let place = passage as usize;
        if self.rows.len() <= place {
            self.rows.resize(place + 1, NO_ROW);
        }
        self.rows[place] = self.passages.len() as u32;
        self.codes.extend_from_slice(&vector.codes);
        self.scales.push(vector.scale);
        self.passages.push(passage);
        self.present.insert(passage);
    }

    /// Takes a passage's vector away.
    pub fn remove(&mut self, passage: u32) {
        let Some(&row) = self.rows.get(passage as usize).filter(|&&row| row != NO_ROW) else { return };
        let (row, last) = (row as usize, self.passages.len() - 1);
        let moved = self.passages[last];
        self.codes.copy_within(last * self.dimensions.., row * self.dimensions);
        self.codes.truncate(last * self.dimensions);
        self.scales.swap_remove(row);
        self.passages.swap_remove(row);
        self.rows[moved as usize] = row as u32;
        self.rows[passage as usize] = NO_ROW;
        self.present.remove(passage);
    }

    /// How near a passage is to the question (the cosine, as the vectors have unit length), if it has a vector.
    pub fn nearness(&self, probe: &Probe, passage: u32) -> Option<f32> {
        let row = *self.rows.get(passage as usize).filter(|&&row| row != NO_ROW)? as usize;
        let codes = &self.codes[row * self.dimensions..(row + 1) * self.dimensions];
        let product = self.arch.dispatch(|| dot(codes, &probe.codes));
        Some(product as f32 * probe.scale * self.scales[row])
    }

    /// The nearest permitted passages, nearest first, equal ones by number.
    pub fn nearest(&self, probe: &Probe, permitted: &PassageSet, top: usize) -> Vec<(u32, f32)> {
        if self.dimensions == 0 || top == 0 {
            return Vec::new();
        }
        self.arch.dispatch(|| {
            let mut best: Vec<(u32, f32)> = Vec::with_capacity(4 * top);
            let mut threshold = f32::NEG_INFINITY;
            let rows = self.codes.chunks_exact(self.dimensions).zip(&self.scales).zip(&self.passages);
            for ((codes, &scale), &passage) in rows {
                if !permitted.contains(passage) {
                    continue;
                }
                let nearness = dot(codes, &probe.codes) as f32 * probe.scale * scale;
                // Rows are in no order, so one as near as the last that is kept may still win by its number.
                if nearness >= threshold {
                    best.push((passage, nearness));
                    if best.len() == 4 * top {
                        shorten(&mut best, top);
                        threshold = best[top - 1].1;
                    }
                }
            }
            shorten(&mut best, top);
            best
        })
    }
}

#[inline(always)]
fn dot(row: &[i8], probe: &[i16]) -> i32 {
    row.iter().zip(probe).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(seed: u32, dimensions: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        let raw: Vec<f32> = (0..dimensions)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / 8_388_608.0 - 1.0
            })
            .collect();
        let length = raw.iter().map(|x| x * x).sum::<f32>().sqrt();
        raw.iter().map(|x| x / length).collect()
    }

    fn all(end: u32) -> PassageSet {
        let mut set = PassageSet::default();
        set.insert_range(0..end);
        set
    }

    #[test]
    fn a_scan_gives_the_cosines_order_within_rounding() {
        let mut matrix = Matrix::new(384);
        let vectors: Vec<Vec<f32>> = (0..500).map(|seed| unit(seed, 384)).collect();
        for (passage, vector) in vectors.iter().enumerate().rev() {
            matrix.insert(passage as u32, &Vector::of(vector, 384).unwrap());
        }
        let question = unit(9_999, 384);
        let probe = Probe::of(&question, 384).unwrap();
        let cosine = |passage: usize| vectors[passage].iter().zip(&question).map(|(a, b)| a * b).sum::<f32>();
        let found = matrix.nearest(&probe, &all(500), 500);
        assert_eq!(found.len(), 500);
        for &(passage, nearness) in &found {
            assert!((nearness - cosine(passage as usize)).abs() < 0.003);
            assert_eq!(matrix.nearness(&probe, passage), Some(nearness));
        }
        assert!(found.is_sorted_by(|a, b| a.1 >= b.1));
        assert_eq!(matrix.nearest(&probe, &all(500), 10), found[..10]);
    }

    #[test]
    fn equal_vectors_come_in_the_order_of_their_passages_whatever_the_order_of_rows() {
        let vector = Vector::of(&unit(1, 8), 8).unwrap();
        let probe = Probe::of(&unit(2, 8), 8).unwrap();
        let mut matrix = Matrix::new(8);
        (0..50).rev().for_each(|passage| matrix.insert(passage, &vector));
        let found: Vec<u32> = matrix.nearest(&probe, &all(50), 3).into_iter().map(|(passage, _)| passage).collect();
        assert_eq!(found, [0, 1, 2]);
    }

    #[test]
    fn what_is_not_permitted_or_was_removed_is_not_found() {
        let mut matrix = Matrix::new(8);
        (0..10).for_each(|passage| matrix.insert(passage, &Vector::of(&unit(passage, 8), 8).unwrap()));
        let probe = Probe::of(&unit(3, 8), 8).unwrap();
        let kept = matrix.nearness(&probe, 9);
        matrix.remove(3);
        matrix.remove(3);
        let mut permitted = PassageSet::default();
        permitted.insert_range(3..5);
        permitted.insert(9);
        let mut found: Vec<u32> =
            matrix.nearest(&probe, &permitted, 10).into_iter().map(|(passage, _)| passage).collect();
        found.sort_unstable();
        assert_eq!(found, [4, 9]);
        assert_eq!(matrix.nearness(&probe, 3), None);
        assert_eq!(matrix.nearness(&probe, 9), kept);
        assert_eq!(matrix.present().len(), 9);
    }

    #[test]
    fn a_vector_that_is_none_is_refused() {
        assert_eq!(Vector::of(&[1.0; 7], 8), None);
        assert_eq!(Vector::of(&[f32::NAN; 8], 8), None);
        assert_eq!(Vector::of(&[f32::INFINITY; 8], 8), None);
        assert_eq!(Vector::of(&[f32::MIN_POSITIVE / 4.0; 8], 8), None);
        let still = Vector::of(&[0.0; 8], 8).unwrap();
        assert_eq!((still.scale, &*still.codes), (0.0, &[0_i8; 8][..]));
    }
}
