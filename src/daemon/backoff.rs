//! How long to wait before a server is tried again: longer each time, never in step with others, for ever.
//!
//! The schedule is that of the `backoff` crate, and this module is the only one that knows it. The crate is
//! no longer maintained (RUSTSEC-2025-0012), nor is the clock that it brings (RUSTSEC-2024-0384). Neither is
//! a vulnerability: what is used here is arithmetic, and `deny.toml` names both.

use std::time::Duration;

use ::backoff::ExponentialBackoff;
use ::backoff::backoff::Backoff as _;

/// The middle of the first delay, and the half of it that chance may add or take: the shortest delay is
/// 100 ms. A dropped connection or a restarted pooler is back by then, and a server that refuses at once is
/// asked ten times a second at most.
const FIRST: Duration = Duration::from_millis(200);
/// The middle of the longest delays: with what chance adds, at most 15 s. It bounds how long work goes on
/// waiting after a server is back, and a few tries a minute burden nobody.
const LONGEST: Duration = Duration::from_secs(10);
/// The share of each delay that chance may add or take, so that many clients don't come back all at once.
const JITTER: f64 = 0.5;
/// Six tries, in about 13 s, and the delays are the longest.
const FACTOR: f64 = 2.0;

/// The shortest delay that [`Backoff::next_delay`] ever gives.
pub const DELAY_MIN: Duration = Duration::from_millis(100);
/// The longest delay that [`Backoff::next_delay`] ever gives.
pub const DELAY_MAX: Duration = Duration::from_secs(15);

/// A schedule of delays, jittered and exponential, without an end.
#[derive(Debug)]
pub struct Backoff {
    schedule: ExponentialBackoff,
}

impl Backoff {
    /// A schedule at its beginning.
    pub fn new() -> Self {
        let schedule = ExponentialBackoff {
            current_interval: FIRST,
            initial_interval: FIRST,
            max_interval: LONGEST,
            multiplier: FACTOR,
            // Chance comes by [`Backoff::next_delay`].
            randomization_factor: 0.0,
            // The default gives up after a quarter of an hour. A daemon never does: an outage of a night must
            // end by itself.
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Self { schedule }
    }

    /// How long to wait now: [`DELAY_MIN`] to [`DELAY_MAX`].
    pub fn next_delay(&mut self) -> Duration {
        // Without max_elapsed_time there is always a next one.
        let middle = self.schedule.next_backoff().unwrap_or(LONGEST);
        // Of a generator that a test can seed; the schedule's own can't be.
        let share = 1.0 + JITTER * (2.0 * fastrand::f64() - 1.0);
        middle.mul_f64(share).clamp(DELAY_MIN, DELAY_MAX)
    }

    /// Begins anew. To be called once the server has done some work, and not when it merely let us in: one
    /// that accepts connections and then drops them would otherwise be asked at full speed.
    pub fn reset(&mut self) {
        self.schedule.reset();
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_never_end_and_never_leave_their_bounds() {
        let mut backoff = Backoff::new();
        for _ in 0..100_000 {
            let delay = backoff.next_delay();
            assert!((DELAY_MIN..=DELAY_MAX).contains(&delay), "{delay:?}");
        }
        assert_eq!(backoff.schedule.max_elapsed_time, None);
    }

    #[test]
    fn delays_grow_to_the_longest_and_begin_anew_after_a_reset() {
        let mut backoff = Backoff::new();
        let first = backoff.next_delay();
        assert!(first <= FIRST.mul_f64(1.0 + JITTER), "{first:?}");
        for _ in 0..7 {
            backoff.next_delay();
        }
        let grown = backoff.next_delay();
        assert!(grown >= LONGEST.mul_f64(1.0 - JITTER), "{grown:?}");
        backoff.reset();
        let again = backoff.next_delay();
        assert!(again <= FIRST.mul_f64(1.0 + JITTER), "{again:?}");
    }

    #[test]
    fn two_schedules_do_not_run_in_step() {
        let delays = |mut backoff: Backoff| (0..16).map(|_| backoff.next_delay()).collect::<Vec<_>>();
        assert_ne!(delays(Backoff::new()), delays(Backoff::new()));
    }

    #[test]
    fn the_bounds_are_what_the_schedule_can_reach() {
        assert_eq!(FIRST.mul_f64(1.0 - JITTER), DELAY_MIN);
        assert_eq!(LONGEST.mul_f64(1.0 + JITTER), DELAY_MAX);
    }
}
