//! How long to wait before a server is tried again: longer each time, never in step with others.

use std::time::Duration;

/// The middle of the first delay.
const FIRST: Duration = Duration::from_millis(200);
/// The middle of the longest ones: a server that is back is found within a minute and a half.
const LONGEST: Duration = Duration::from_mins(1);

/// A schedule of delays without an end.
#[derive(Debug)]
pub(crate) struct Delays {
    middle: Duration,
}

impl Delays {
    /// A schedule at its beginning.
    pub(crate) fn new() -> Self {
        Self { middle: FIRST }
    }

    /// Begins anew: something worked.
    pub(crate) fn reset(&mut self) {
        *self = Self::new();
    }

    /// The next delay: half to one and a half of its middle, by chance.
    pub(crate) fn next(&mut self) -> Duration {
        let delay = self.middle.mul_f64(0.5 + fastrand::f64());
        self.middle = (self.middle * 2).min(LONGEST);
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_longest_and_begin_anew_after_a_reset() {
        let mut delays = Delays::new();
        assert!(delays.next() <= FIRST.mul_f64(1.5));
        for _ in 0..100 {
            assert!(delays.next() <= LONGEST.mul_f64(1.5));
        }
        assert!(delays.next() >= LONGEST.mul_f64(0.5));
        delays.reset();
        assert!(delays.next() <= FIRST.mul_f64(1.5));
    }
}
