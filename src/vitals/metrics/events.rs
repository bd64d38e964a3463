//! What goes out.

use prometheus::{Histogram, IntCounter};

use super::WAITS_S;
use super::messages::seconds_between;
use super::registrar::{Gauge, Registrar};
use crate::contract::outbound::event_types;
use crate::ledger::moment::Timestamp;

/// Figures about the relay.
#[derive(Debug)]
pub struct EventMetrics {
    /// By the type without `credits.` and version.
    published: Vec<(String, IntCounter)>,
    unroutable: IntCounter,
    lag: Histogram,
    lease_held: Gauge,
}

impl EventMetrics {
    pub(super) fn new(registrar: &mut Registrar) -> Self {
        let published = registrar.counters(
            "creditd_events_published_total",
            &["type"],
            "Events that this instance published and the broker confirmed.",
        );
        let published = event_types().into_iter().map(|name| {
            let counter = published.with_label_values(&[&name]);
            let kind = name.split('.').nth(1).unwrap_or_default().to_owned();
            (kind, counter)
        });
        let published = published.collect();
        let unroutable = registrar.counter(
            "creditd_events_unroutable_total",
            "Published events that no queue took: nobody has bound one for them.",
        );
        let lag = registrar.histogram(
            "creditd_event_lag_seconds",
            &WAITS_S,
            "From an event's time in the log, when creditd received what it follows from, to the broker's confirm.",
        );
        let lease_held = registrar.gauge(
            "creditd_relay_lease_held",
            "1 while this instance has the lease on publishing events, 0 while it stands by.",
        );
        lease_held.set(0.0);
        Self { published, unroutable, lag, lease_held }
    }

    /// The broker has confirmed an event of `kind` (its type without `credits.` and version) that was booked at
    /// `booked_at`, by `now`.
    pub fn published(&self, kind: &str, booked_at: Timestamp, now: Timestamp) {
        if let Some((_, counter)) = self.published.iter().find(|(known, _)| known == kind) {
            counter.inc();
        }
        self.lag.observe(seconds_between(booked_at, now));
    }

    /// So many events of a window were taken by no queue.
    pub fn unroutable(&self, events: u64) {
        self.unroutable.inc_by(events);
    }

    /// The lease came here, or went.
    pub fn lease(&self, is_held: bool) {
        self.lease_held.set(f64::from(u8::from(is_held)));
    }
}
