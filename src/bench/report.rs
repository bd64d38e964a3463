//! What was measured.

use serde::Serialize;

use super::latency::Percentiles;

/// How fast.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Speed {
    /// Messages in a second, repetitions and those that can't be used among them.
    pub per_second: f64,
}

/// `ledger` and `drain` again on a ledger with a long history.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Aged {
    /// Entries before the first of the two.
    pub entries: usize,
    /// Projects, likewise.
    pub projects: usize,
    /// Messages in a second, from memory.
    pub ledger_per_second: f64,
    /// Messages in a second, from a filled queue.
    pub drain_per_second: f64,
    /// Its ledger's to the fresh one's.
    pub ledger_over_fresh: Option<f64>,
    /// Its drain's to the fresh one's.
    pub drain_over_fresh: Option<f64>,
}

/// Latencies at a given rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Paced {
    /// Messages in a second.
    pub rate_per_second: u32,
    /// For how long, after the warm-up.
    pub seconds: u32,
    /// From the intended time of the publish to the commit, its sync included by the mean of all syncs.
    pub commit_ms: Percentiles,
    /// From the intended time of the publish to the arrival of each event that it brought about.
    pub event_ms: Percentiles,
    /// From the intended time of the publish to a consumer that acknowledges each message, without creditd.
    pub bare_message_ms: Percentiles,
    /// The same to the arrival of an event that this consumer then publishes.
    pub bare_event_ms: Percentiles,
    /// The mean time that PostgreSQL took to sync its log.
    pub sync_ms_mean: f64,
}

/// How long a start took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Start {
    /// From the daemon's start until it said that it is ready, connections included.
    pub ready_ms: f64,
    /// What connecting to both servers alone takes.
    pub servers_ms: f64,
    /// How many projects the ledger has.
    pub projects: usize,
}

/// A queue that is far too long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Queued {
    /// How many messages waited when the daemon was started.
    pub messages: usize,
    /// The most memory that the daemon had until the last one's event was confirmed, in MiB.
    pub rss_mib_max: f64,
}

/// All of it; what was not measured is `None`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Of this program.
    pub version: &'static str,
    /// How many messages each of the modes took that aren't bound to a time.
    pub messages: usize,
    /// Which messages.
    pub seed: u64,
    /// From memory to the commit.
    pub ledger: Option<Speed>,
    /// RabbitMQ and the client alone.
    pub null: Option<Speed>,
    /// From a filled queue to the last event's confirm.
    pub drain: Option<Speed>,
    /// How much of what RabbitMQ and the client allow is reached.
    pub drain_over_null: Option<f64>,
    /// `drain` with all on one account.
    pub hot_account: Option<Speed>,
    /// `hot_account` to `drain`.
    pub hot_account_over_drain: Option<f64>,
    /// `drain` with all on the accounts of one pool.
    pub hot_pool: Option<Speed>,
    /// `hot_pool` to `drain`.
    pub hot_pool_over_drain: Option<f64>,
    /// With a long history.
    pub aged: Option<Aged>,
    /// The lesser of [`Aged::ledger_over_fresh`] and [`Aged::drain_over_fresh`].
    pub aged_over_fresh: Option<f64>,
    /// At a given rate.
    pub paced: Option<Paced>,
    /// With a long history.
    pub start: Option<Start>,
    /// With a long queue.
    pub queued: Option<Queued>,
    /// The most memory that any of the daemons had, in MiB.
    pub daemon_rss_mib_max: Option<f64>,
}

impl Report {
    /// Nothing was measured yet.
    pub(super) fn new(messages: usize, seed: u64) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            messages,
            seed,
            ledger: None,
            null: None,
            drain: None,
            drain_over_null: None,
            hot_account: None,
            hot_account_over_drain: None,
            hot_pool: None,
            hot_pool_over_drain: None,
            aged: None,
            aged_over_fresh: None,
            paced: None,
            start: None,
            queued: None,
            daemon_rss_mib_max: None,
        }
    }

    /// Notes how much memory a daemon had, in MiB.
    pub(super) fn note_memory(&mut self, resident_mib: f64) {
        let before = self.daemon_rss_mib_max.unwrap_or_default();
        self.daemon_rss_mib_max = Some(resident_mib.max(before));
    }

    /// Compares what was measured.
    pub(super) fn compare(&mut self) {
        self.drain_over_null = ratio(self.drain, self.null);
        self.hot_account_over_drain = ratio(self.hot_account, self.drain);
        self.hot_pool_over_drain = ratio(self.hot_pool, self.drain);
        let Some(aged) = &mut self.aged else { return };
        let speed = |per_second| Some(Speed { per_second });
        aged.ledger_over_fresh = ratio(speed(aged.ledger_per_second), self.ledger);
        aged.drain_over_fresh = ratio(speed(aged.drain_per_second), self.drain);
        self.aged_over_fresh =
            aged.ledger_over_fresh.zip(aged.drain_over_fresh).map(|(ledger, drain)| ledger.min(drain));
    }
}

fn ratio(of: Option<Speed>, to: Option<Speed>) -> Option<f64> {
    of.zip(to).map(|(of, to)| of.per_second / to.per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_need_both_and_aged_is_as_good_as_its_worse_half() {
        let speed = |per_second| Some(Speed { per_second });
        let mut report = Report::new(1, 1);
        report.drain = speed(8_000.0);
        report.hot_pool = speed(6_000.0);
        report.compare();
        assert_eq!(report.drain_over_null, None);
        assert_eq!(report.hot_account_over_drain, None);
        assert_eq!(report.hot_pool_over_drain, Some(0.75));
        assert_eq!(report.aged_over_fresh, None);

        report.ledger = speed(16_000.0);
        report.aged = Some(Aged {
            entries: 10,
            projects: 1,
            ledger_per_second: 8_000.0,
            drain_per_second: 6_000.0,
            ledger_over_fresh: None,
            drain_over_fresh: None,
        });
        report.compare();
        assert_eq!(report.aged.and_then(|aged| aged.drain_over_fresh), Some(0.75));
        assert_eq!(report.aged_over_fresh, Some(0.5));
    }
}
