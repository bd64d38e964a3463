//! What is done about a loop that doesn't move. A connection whose peer is gone without a word says nothing either, and
//! whoever waits for it does so for ever. The only way out is to end, and to be started again.

use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::error::DaemonError;
use crate::config::DatabaseConfig;
use crate::hooks;
use crate::store::Store;
use crate::vitals::{Part, Progress, Vitals};

/// A step between two beats is at most a transaction: it waits for the ledger's lock, and then takes so many statements
/// that may each take as long as one may. More are small.
const STATEMENTS_A_STEP: u32 = 3;
/// Above the longest pause between two tries, and all that takes no statement.
const BEAT_LIMIT_MIN: Duration = Duration::from_mins(1);

/// How often is looked whether loops move.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A loop that is found stuck by so many looks in a row is given up. By looks and not by time: a machine that slept has
/// all loops be late at the first of them.
const LOOKS_MAX: u32 = 12;
/// Who is silent for so long may be waiting for a standby.
const SILENT: Duration = Duration::from_secs(10);

/// For how long a loop may be silent.
pub(super) fn beat_limit(database: &DatabaseConfig) -> Duration {
    let seconds =
        u64::from(database.lock_timeout_s) + u64::from(STATEMENTS_A_STEP * database.statement_timeout_s);
    hooks::patience().unwrap_or_else(|| Duration::from_secs(seconds).max(BEAT_LIMIT_MIN))
}

/// How often to look, where a loop may be silent for `limit`.
fn look_every(limit: Duration) -> Duration {
    LOOK_EVERY.min(limit / 4)
}

/// Waits until a loop is stuck for good. `limit` is how long they may be silent.
pub(super) async fn given_up(progress: &Progress, limit: Duration) -> DaemonError {
    let mut looks = tokio::time::interval(look_every(limit));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stuck_at = 0;
    loop {
        looks.tick().await;
        let stuck = progress.stuck(Instant::now());
        let Some(first) = stuck.first() else {
            stuck_at = 0;
            continue;
        };
        stuck_at += 1;
        if stuck_at == LOOKS_MAX {
            return DaemonError::Stuck { work: first.name, silent_s: first.silent_for.as_secs() };
        }
    }
}

/// Excuses loops that are silent because a commit waits for a synchronous standby, for as long as none answers: nothing
/// is wrong with them, and a restart would not bring it back.
pub(super) struct Excuses {
    pub(super) vitals: Vitals,
    pub(super) store: Store,
    /// For how long a loop may be silent.
    pub(super) limit: Duration,
}

impl Excuses {
    /// Looks until told to stop.
    pub(super) async fn run(self, stop: CancellationToken) {
        let Self { vitals: Vitals { health, progress, .. }, store, limit } = self;
        let silent = SILENT.min(limit / 2);
        loop {
            tokio::select! {
                () = tokio::time::sleep(look_every(limit)) => {}
                () = stop.cancelled() => return,
            }
            if progress.silence(Instant::now()).values().all(|length| *length < silent) {
                continue;
            }
            match store.waits_for_standby(silent).await {
                Ok(true) => {
                    health.waiting(Part::Ledger, &"no synchronous standby of PostgreSQL confirms a commit");
                    progress.excuse();
                }
                Ok(false) => {}
                Err(error) => debug!(%error, "could not ask whether a standby is waited for"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_loop_that_never_moves_again_is_given_up_and_named() {
        let progress = Progress::default();
        let limit = Duration::from_millis(40);
        let _hanging = progress.register("apply", limit);
        let moving = progress.register("relay", limit);
        let ended = tokio::select! {
            ended = given_up(&progress, limit) => ended,
            () = async { loop { moving.beat(); tokio::time::sleep(limit / 8).await } } => unreachable!(),
        };
        assert!(matches!(ended, DaemonError::Stuck { work: "apply", .. }), "{ended}");
    }

    #[tokio::test]
    async fn one_that_is_late_and_moves_again_is_not() {
        let progress = Progress::default();
        let limit = Duration::from_millis(40);
        let late = progress.register("apply", limit);
        let moving_now_and_then = async {
            for _ in 0..10 {
                tokio::time::sleep(limit * 2).await;
                late.beat();
            }
        };
        tokio::select! {
            ended = given_up(&progress, limit) => panic!("{ended}"),
            () = moving_now_and_then => {}
        }
    }
}
