//! Seeded choice: the only source of randomness in a simulation.

use std::cell::RefCell;
use std::ops::Range;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// What choices follow from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(u64);

impl Seed {
    /// The stream of its own for `label`, a function of this seed and the label alone.
    #[must_use]
    pub fn fork(self, label: &str) -> Chooser {
        // FNV-1a over the seed and the label: stable across builds, which std's hasher does not promise.
        let hash = self
            .0
            .to_le_bytes()
            .iter()
            .chain(label.as_bytes())
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        Chooser::new(hash)
    }
}

/// A stream of choices that is a function of a seed and a label, and has one owner. [`Chooser::fork`] starts
/// another one that does not depend on what was drawn here, so that a new draw in one place does not shift the
/// others.
#[derive(Debug)]
pub struct Chooser {
    seed: Seed,
    stream: RefCell<Xoshiro256PlusPlus>,
}

impl Chooser {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        Chooser {
            seed: Seed(seed),
            stream: RefCell::new(Xoshiro256PlusPlus::seed_from_u64(seed)),
        }
    }

    /// What it follows from.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// A stream of its own for `label`: [`Seed::fork`].
    #[must_use]
    pub fn fork(&self, label: &str) -> Chooser {
        self.seed.fork(label)
    }

    /// The next 64 bits.
    pub fn bits(&self) -> u64 {
        self.stream.borrow_mut().next_u64()
    }

    /// True in `numerator` of `denominator` cases.
    pub fn chance(&self, numerator: u32, denominator: u32) -> bool {
        assert!(
            numerator <= denominator && denominator > 0,
            "{numerator} of {denominator} is no chance"
        );
        self.below(u64::from(denominator)) < u64::from(numerator)
    }

    /// One of `0..n`.
    pub fn pick(&self, n: usize) -> usize {
        assert!(n > 0, "nothing to pick from");
        // Always smaller than n, which is a usize.
        self.below(n as u64) as usize
    }

    /// A duration in `range`, to the nanosecond; the start of an empty range.
    pub fn duration(&self, range: Range<Duration>) -> Duration {
        let width = range.end.saturating_sub(range.start).as_nanos();
        match u64::try_from(width).unwrap_or(u64::MAX) {
            0 => range.start,
            width => range.start + Duration::from_nanos(self.below(width)),
        }
    }

    /// One of `0..n`, by multiplication: the bias is below one in 2^32 for every n that is used here.
    fn below(&self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_does_not_depend_on_what_was_drawn_before_it() {
        let (fresh, used) = (Chooser::new(7), Chooser::new(7));
        used.bits();
        assert_eq!(fresh.fork("network").bits(), used.fork("network").bits());
        assert_ne!(fresh.fork("network").bits(), fresh.fork("server").bits());
    }

    #[test]
    fn choices_stay_in_their_bounds_and_reach_them() {
        let chooser = Chooser::new(3);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[chooser.pick(5)] = true;
            let range = Duration::from_micros(50)..Duration::from_micros(500);
            assert!(range.contains(&chooser.duration(range.clone())));
            assert!(chooser.chance(1, 1));
            assert!(!chooser.chance(0, 9));
        }
        assert_eq!(seen, [true; 5]);
        assert_eq!(chooser.duration(Duration::ZERO..Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn a_chance_of_one_in_four_comes_about_that_often() {
        let chooser = Chooser::new(11);
        let hits = (0..4000).filter(|_| chooser.chance(1, 4)).count();
        assert!((850..1150).contains(&hits), "{hits} of 4000");
    }
}
