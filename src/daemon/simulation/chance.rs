//! Chance, all of it from one seed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;

/// A generator that all parts of a simulation share.
#[derive(Clone)]
pub(super) struct Chance(Arc<Mutex<Rng>>);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Rng::with_seed(seed))))
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn one_in(&self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(super) fn below(&self, end: usize) -> usize {
        self.draw(|rng| rng.usize(..end))
    }

    pub(super) fn pick<'a, T>(&self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    pub(super) fn shuffle<T>(&self, items: &mut [T]) {
        self.draw(|rng| rng.shuffle(items));
    }

    /// Less than `longest`, and most often far less.
    pub(super) fn time(&self, longest: Duration) -> Duration {
        let share = self.draw(Rng::f64);
        longest.mul_f64(share * share * share)
    }
}
