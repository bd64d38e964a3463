//! The figures that Prometheus scrapes, in a registry of this process's own. Names follow Prometheus' rules:
//! base units, `_total` for counters, one prefix. What each means is in `docs/monitoring/README.md`, and a test
//! holds that against what is here.
//!
//! Figures that loops count are resolved once, so that counting is an addition. Figures that are read, from the
//! database or of the process, are read when somebody scrapes.

mod events;
mod ledger;
mod messages;
mod process;
mod registrar;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::{HistogramVec, IntCounterVec, TextEncoder};

pub use self::events::EventMetrics;
use self::ledger::LedgerMetrics;
pub use self::ledger::{
    ConnectionFigures, CreditsFigures, LedgerFigures, NO_ORGANIZATION, ORGANIZATIONS_MAX, OTHER_ORGANIZATIONS,
};
pub use self::messages::{
    BatchFailure, BatchFigures, MessageFate, MessageMetrics, MessageOutcome, MessageType, Server,
};
use self::process::ProcessMetrics;
pub use self::registrar::Family;
use self::registrar::{Gauge, Registrar};
use super::{Health, Progress};

/// The media type of [`Metrics::render`].
pub const TEXT_FORMAT: &str = prometheus::TEXT_FORMAT;

/// From a commit on a fast disk to a statement's timeout.
const SHORT_S: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0];
/// From milliseconds to the outage of a night.
const WAITS_S: [f64; 15] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0, 36000.0];

/// All figures of this process.
#[derive(Debug)]
pub struct Metrics {
    /// What comes in.
    pub messages: MessageMetrics,
    /// What goes out.
    pub events: EventMetrics,
    ledger: LedgerMetrics,
    process: ProcessMetrics,
    queue_ready: Gauge,
    queue_consumers: Gauge,
    retention: IntCounterVec,
    http_requests: IntCounterVec,
    http_durations: HistogramVec,
    registrar: Registrar,
    /// Nobody scrapes while figures of the ledger are being replaced.
    replacing: Mutex<()>,
}

impl Metrics {
    /// All figures, of a process in `health` whose loops are in `progress`.
    pub fn new(health: &Health, progress: &Progress) -> Arc<Self> {
        let mut registrar = Registrar::default();
        let process = ProcessMetrics::new(&mut registrar, health.clone(), progress.clone());
        let messages = MessageMetrics::new(&mut registrar);
        let events = EventMetrics::new(&mut registrar);
        let ledger = LedgerMetrics::new(&mut registrar);
        let queue_ready = registrar.gauge(
            "creditd_queue_messages_ready",
            "Messages that wait in the inbound queue; those that are in hand are not among them. Left out while it \
             can't be asked.",
        );
        let queue_consumers = registrar.gauge(
            "creditd_queue_consumers",
            "Consumers that RabbitMQ delivers the inbound queue to: 1, however many stand by. Left out while it can't \
             be asked.",
        );
        let retention = registrar.counters(
            "creditd_retention_removed_total",
            &["what"],
            "Rows that this instance removed because they were old, by what they were.",
        );
        let http_requests = registrar.counters(
            "creditd_http_requests_total",
            &["route", "status"],
            "HTTP requests that were answered, by route and status code.",
        );
        let http_durations = registrar.histograms(
            "creditd_http_request_duration_seconds",
            &["route"],
            &SHORT_S,
            "From an HTTP request's head to its answer's.",
        );
        Arc::new(Self {
            messages,
            events,
            ledger,
            process,
            queue_ready,
            queue_consumers,
            retention,
            http_requests,
            http_durations,
            registrar,
            replacing: Mutex::default(),
        })
    }

    /// What waits in the inbound queue and to how many consumers it is delivered; `None` while that isn't known.
    pub fn queue(&self, depth: Option<(u32, u32)>) {
        if let Some((ready, consumers)) = depth {
            self.queue_ready.set(ready.into());
            self.queue_consumers.set(consumers.into());
        } else {
            self.queue_ready.forget();
            self.queue_consumers.forget();
        }
    }

    /// Retention removed so many rows of `what`, a fixed word.
    pub fn removed(&self, what: &'static str, rows: u64) {
        self.retention.with_label_values(&[what]).inc_by(rows);
    }

    /// An HTTP request was answered. `route` is the pattern of its path, never the path itself: whoever asks must
    /// not be able to make new series. Of what has no route, one fixed word.
    pub fn answered(&self, route: &str, status: u16, after: Duration) {
        self.http_requests.with_label_values(&[route, &status.to_string()]).inc();
        self.http_durations.with_label_values(&[route]).observe(after.as_secs_f64());
    }

    /// What the database says now; `None` where it says nothing, and then nothing old is shown.
    pub(super) fn show_ledger(&self, figures: Option<&LedgerFigures>) {
        let _whole = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        self.ledger.show(figures);
    }

    pub(super) fn show_connections(&self, connections: ConnectionFigures) {
        self.ledger.show_connections(connections);
    }

    /// All figures as [`TEXT_FORMAT`] has them. Those that are read from the database are as of the last
    /// [`Figures::refresh`](super::Figures::refresh).
    pub fn render(&self) -> String {
        let _whole = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        self.process.refresh();
        let families = self.registrar.registry.gather();
        TextEncoder::new().encode_to_string(&families).expect("a text can always be written to memory")
    }

    /// Every figure that there is, in the order of [`Metrics::new`].
    pub fn families(&self) -> &[Family] {
        &self.registrar.families
    }
}

#[cfg(test)]
mod tests;
