//! Whether the daemon's loops are moving. A process can be alive and get nothing done; a watchdog that is
//! fed by a timer alone would never notice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;

use super::Verdict;

/// The loops that must keep moving. Clones share what they know.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    loops: Arc<Mutex<Vec<Tracked>>>,
}

#[derive(Debug)]
struct Tracked {
    number: u64,
    name: &'static str,
    limit: Duration,
    last_beat: Instant,
}

impl Tracked {
    fn silent_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_beat)
    }
}

/// One loop's way to say that it moves. Dropping it takes the loop off the list, as one that has ended.
#[derive(Debug)]
#[must_use = "a loop is only watched as long as its heartbeat lives"]
pub struct Heartbeat {
    loops: Arc<Mutex<Vec<Tracked>>>,
    number: u64,
}

/// A loop that should have moved by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The loop's name.
    pub name: &'static str,
    /// How long it hasn't moved.
    pub silent_for: Duration,
}

impl Progress {
    /// Watches a loop from now on. It must beat at least once in every `limit`.
    ///
    /// A loop beats on each turn, and before each wait for a server that is away too: an outage is no hang,
    /// and a restart wouldn't end it. So `limit` is more than the longest single step: a transaction's
    /// statements, or the longest delay between two tries.
    pub fn register(&self, name: &'static str, limit: Duration) -> Heartbeat {
        self.register_at(name, limit, Instant::now())
    }

    fn register_at(&self, name: &'static str, limit: Duration, now: Instant) -> Heartbeat {
        let mut loops = locked(&self.loops);
        let number = loops.iter().map(|tracked| tracked.number + 1).max().unwrap_or(0);
        loops.push(Tracked { number, name, limit, last_beat: now });
        Heartbeat { loops: Arc::clone(&self.loops), number }
    }

    /// All loops count as having moved: it is known what they wait for, and that they rightly do.
    pub fn excuse(&self) {
        let now = Instant::now();
        locked(&self.loops).iter_mut().for_each(|tracked| tracked.last_beat = now);
    }

    /// The loops that have been silent for longer than their limit at `now`, in the order of registration.
    pub fn stuck(&self, now: Instant) -> Vec<Stuck> {
        let loops = locked(&self.loops);
        let late = loops.iter().filter(|tracked| tracked.silent_for(now) > tracked.limit);
        late.map(|tracked| Stuck { name: tracked.name, silent_for: tracked.silent_for(now) }).collect()
    }

    /// For how long each loop has been silent at `now`. Of several loops with one name, the most silent counts.
    pub fn silence(&self, now: Instant) -> BTreeMap<&'static str, Duration> {
        let mut silence = BTreeMap::new();
        for tracked in &*locked(&self.loops) {
            let longest: &mut Duration = silence.entry(tracked.name).or_default();
            *longest = (*longest).max(tracked.silent_for(now));
        }
        silence
    }
}

/// Whether the loops move.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Liveness {
    /// `ok` where none is stuck.
    pub status: Verdict,
    /// The loops that are.
    pub stuck: Vec<StuckLoop>,
}

/// A loop that should have moved by now.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct StuckLoop {
    /// Its name.
    pub work: &'static str,
    /// For how many seconds it hasn't moved.
    pub silent_s: f64,
}

impl Progress {
    /// Whether the loops move at `now`, and if not, which don't. A server that is away stops no loop: each goes
    /// on trying.
    pub fn liveness(&self, now: Instant) -> Liveness {
        let stuck = self.stuck(now);
        let told =
            |Stuck { name, silent_for }: &Stuck| StuckLoop { work: name, silent_s: silent_for.as_secs_f64() };
        Liveness { status: Verdict::of(stuck.is_empty()), stuck: stuck.iter().map(told).collect() }
    }
}

impl Heartbeat {
    /// The loop moved.
    pub fn beat(&self) {
        self.beat_at(Instant::now());
    }

    fn beat_at(&self, now: Instant) {
        let mut loops = locked(&self.loops);
        if let Some(tracked) = loops.iter_mut().find(|tracked| tracked.number == self.number) {
            tracked.last_beat = now;
        }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        locked(&self.loops).retain(|tracked| tracked.number != self.number);
    }
}

/// Each change under the lock is a single assignment, so a panic elsewhere leaves nothing half done.
fn locked(loops: &Mutex<Vec<Tracked>>) -> MutexGuard<'_, Vec<Tracked>> {
    loops.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);
    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn a_loop_is_stuck_once_it_was_silent_for_longer_than_its_own_limit() {
        let progress = Progress::default();
        let start = Instant::now();
        let _apply = progress.register_at("apply", LIMIT, start);
        let _relay = progress.register_at("relay", LIMIT * 2, start);
        assert_eq!(progress.stuck(start + LIMIT), []);
        let late = [Stuck { name: "apply", silent_for: LIMIT + MOMENT }];
        assert_eq!(progress.stuck(start + LIMIT + MOMENT), late);
        assert_eq!(progress.stuck(start + LIMIT * 2 + MOMENT).len(), 2);
    }

    #[test]
    fn a_beat_counts_for_its_own_loop_alone() {
        let progress = Progress::default();
        let start = Instant::now();
        let apply = progress.register_at("apply", LIMIT, start);
        let _relay = progress.register_at("relay", LIMIT, start);
        apply.beat_at(start + LIMIT);
        let late = progress.stuck(start + LIMIT + MOMENT);
        assert_eq!(late.iter().map(|stuck| stuck.name).collect::<Vec<_>>(), ["relay"]);
    }

    #[test]
    fn a_daemon_is_alive_until_a_loop_is_stuck_and_says_which_and_for_how_long() {
        let progress = Progress::default();
        let start = Instant::now();
        let _apply = progress.register_at("apply", LIMIT, start);
        assert!(progress.liveness(start + LIMIT).status.is_ok());
        let report = serde_json::to_value(progress.liveness(start + LIMIT * 2)).unwrap();
        let expected =
            serde_json::json!({ "status": "failing", "stuck": [{ "work": "apply", "silent_s": 60.0 }] });
        assert_eq!(report, expected);
    }

    #[test]
    fn two_loops_of_one_name_are_watched_apart() {
        let progress = Progress::default();
        let start = Instant::now();
        let first = progress.register_at("connection", LIMIT, start);
        let second = progress.register_at("connection", LIMIT, start);
        first.beat_at(start + LIMIT);
        assert_eq!(progress.stuck(start + LIMIT + MOMENT).len(), 1);
        assert_eq!(progress.silence(start + LIMIT), [("connection", LIMIT)].into());
        drop(second);
        assert_eq!(progress.stuck(start + LIMIT + MOMENT), []);
    }

    #[test]
    fn a_loop_that_ended_is_not_missed() {
        let progress = Progress::default();
        let start = Instant::now();
        drop(progress.register_at("apply", LIMIT, start));
        assert_eq!(progress.stuck(start + LIMIT * 10), []);
    }
}
