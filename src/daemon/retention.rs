//! Retention: sweeps out what nobody needs any more, as the settings say.
//!
//! Every daemon has this loop, whether messages come to it or not: it needs PostgreSQL alone, and a daemon that
//! stands by isn't told when it becomes the one that messages come to. The ledger remembers when the last sweep
//! began, so that however many daemons there are, and however often they start, one sweeps in an hour.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::intake::beating;
use crate::config::RetentionConfig;
use crate::store::{Removable, Store, StoreError};
use crate::vitals::{Heartbeat, Metrics};

/// A daemon that starts has work waiting for it; that comes first.
const FIRST_LOOK_AFTER: Duration = Duration::from_secs(10);
/// How often is looked whether a sweep is due.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// How far sweeps are apart. Days are what is counted, so an hour more or less is nothing.
const SWEEP_EVERY: Duration = Duration::from_hours(1);
/// How many rows one transaction removes: some milliseconds of work.
pub const PAGE: i64 = 1000;
/// Between two pages others get the database for longer than a page takes.
const PAUSE: Duration = Duration::from_millis(100);

/// What the loop works with.
pub(super) struct Retention {
    pub(super) store: Store,
    pub(super) keep: RetentionConfig,
    pub(super) heartbeat: Heartbeat,
    pub(super) metrics: Arc<Metrics>,
    pub(super) stop: CancellationToken,
}

impl RetentionConfig {
    /// For how many days `what` is kept; `None`: for ever.
    pub fn days(&self, what: Removable) -> Option<u32> {
        match what {
            Removable::Inbox => self.inbox_days,
            Removable::ParkedDone => self.parked_done_days,
            Removable::Notices => self.notices_days,
        }
    }
}

impl Retention {
    /// Sweeps until told to stop. What fails is tried again with the next sweep: nothing waits for it.
    pub(super) async fn run(self) {
        let mut wait = FIRST_LOOK_AFTER;
        let mut is_failing = false;
        for what in Removable::ALL {
            self.metrics.removed(what.as_str(), 0);
        }
        loop {
            tokio::select! {
                () = beating(&self.heartbeat, tokio::time::sleep(wait)) => {}
                () = self.stop.cancelled() => return,
            }
            wait = LOOK_EVERY;
            match self.sweep_if_due().await {
                Ok(()) => is_failing = false,
                Err(error) if !is_failing => {
                    warn!(%error, "retention could not remove what is old; it is tried again every hour");
                    is_failing = true;
                }
                Err(_) => {}
            }
        }
    }

    /// Beats with each page, which is a transaction: what hangs there is given up like any other loop.
    async fn sweep_if_due(&self) -> Result<(), StoreError> {
        self.heartbeat.beat();
        if !self.store.claim_sweep(SWEEP_EVERY).await? {
            return Ok(());
        }
        for what in Removable::ALL {
            let Some(days) = self.keep.days(what) else { continue };
            let mut removed = 0;
            self.heartbeat.beat();
            let swept = sweep(&self.store, what, days, |rows| {
                self.heartbeat.beat();
                removed += rows;
                self.metrics.removed(what.as_str(), rows);
                !self.stop.is_cancelled()
            });
            let swept = swept.await;
            match what {
                _ if removed == 0 => {}
                Removable::Inbox => info!(removed, days, "removed old records of project messages"),
                Removable::ParkedDone => info!(removed, days, "removed parked messages that were dealt with"),
                Removable::Notices => info!(removed, days, "removed old alerts and hold events"),
            }
            swept?;
        }
        Ok(())
    }
}

/// Removes what is older than `days` days, page by page, until nothing is left of it or `go_on`, which is told
/// how many rows each page removed, says no.
pub async fn sweep(
    store: &Store,
    what: Removable,
    days: u32,
    mut go_on: impl FnMut(u64) -> bool,
) -> Result<(), StoreError> {
    loop {
        let removed = store.remove_page(what, days, PAGE).await?;
        let is_full = removed >= PAGE.unsigned_abs();
        if !go_on(removed) || !is_full {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
