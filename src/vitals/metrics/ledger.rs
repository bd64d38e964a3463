//! What the ledger says: read from the database, all of it at one moment.

use prometheus::GaugeVec;

use super::registrar::{Gauge, Registrar};
use crate::ledger::outcome::ParkReason;

/// What the database says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LedgerFigures {
    /// How many messages are parked, by reason.
    pub parked: Vec<(String, i64)>,
    /// How many alerts are raised, by severity.
    pub alerts: Vec<(String, i64)>,
    /// The credits of organizations and of standalone accounts.
    pub credits: Vec<CreditsFigures>,
    /// How many accounts there are, by kind.
    pub accounts: Vec<(String, i64)>,
    /// How many projects wait for credits.
    pub projects_waiting: i64,
    /// How many events are in the log and not published.
    pub events_unpublished: i64,
    /// For how many seconds the oldest of them has been waiting, 0 where none waits.
    pub oldest_unpublished_s: f64,
}

/// The credits of some accounts, together.
#[derive(Clone, Debug, PartialEq)]
pub struct CreditsFigures {
    /// Whose; [`OTHER_ORGANIZATIONS`] for all but the largest, [`NO_ORGANIZATION`] for standalone accounts.
    pub organization: String,
    /// `pool`, `connected` or `standalone`.
    pub kind: String,
    /// Tied up by projects.
    pub held: f64,
    /// Used up.
    pub consumed: f64,
    /// What is left; below zero where over limit.
    pub available: f64,
}

/// The database's connections that this process has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionFigures {
    /// In somebody's hands.
    pub in_use: u32,
    /// Open and free.
    pub idle: u32,
    /// How many there may be.
    pub max: u32,
}

/// In place of an organization: those that are not among the largest. No id has brackets, so it is nobody's.
pub const OTHER_ORGANIZATIONS: &str = "(other)";
/// In place of an organization, where accounts have none.
pub const NO_ORGANIZATION: &str = "(none)";
/// How many organizations have series of their own: those with most credits.
pub const ORGANIZATIONS_MAX: i64 = 50;

const SEVERITIES: [&str; 3] = ["info", "warning", "critical"];
const KINDS: [&str; 4] = ["standalone", "connected", "integrated", "pool"];

#[derive(Debug)]
pub(super) struct LedgerMetrics {
    is_known: Gauge,
    parked: GaugeVec,
    alerts: GaugeVec,
    credits: GaugeVec,
    accounts: GaugeVec,
    projects_waiting: Gauge,
    events_unpublished: Gauge,
    oldest_unpublished: Gauge,
    connections: GaugeVec,
    connections_max: Gauge,
}

impl LedgerMetrics {
    pub(super) fn new(registrar: &mut Registrar) -> Self {
        let is_known = registrar.gauge(
            "creditd_figures_ok",
            "1 where the figures of the ledger could be read for this scrape or in the 5 seconds before it, 0 where \
             not: then they are left out.",
        );
        is_known.set(0.0);
        let metrics = Self {
            is_known,
            parked: registrar.gauges(
                "creditd_parked_messages",
                &["reason"],
                "Messages that are parked and not dealt with, by reason.",
            ),
            alerts: registrar.gauges(
                "creditd_alerts_active",
                &["severity"],
                "Alert rules that are raised for an account or a pool.",
            ),
            credits: registrar.gauges(
                "creditd_credits",
                &["organization", "kind", "state"],
                "Credits that are held, consumed or available, which together are the total. By organization: its \
                 pool, which integrated accounts draw on, and apart from it its connected accounts together. The 50 \
                 organizations with the largest totals have series of their own, the others share (other); \
                 standalone accounts share (none).",
            ),
            accounts: registrar.gauges("creditd_accounts", &["kind"], "Accounts by kind; a pool is one too."),
            projects_waiting: registrar.gauge(
                "creditd_projects_waiting",
                "Projects that wait in a queue for credits.",
            ),
            events_unpublished: registrar.gauge(
                "creditd_relay_unpublished_events",
                "Events in the log that are not published yet.",
            ),
            oldest_unpublished: registrar.gauge(
                "creditd_relay_oldest_unpublished_seconds",
                "For how long the oldest event that is not published has been waiting; 0 where none waits.",
            ),
            connections: registrar.gauges(
                "creditd_database_connections",
                &["state"],
                "This instance's connections to PostgreSQL, in_use or idle.",
            ),
            connections_max: registrar.gauge(
                "creditd_database_connections_limit",
                "How many connections to PostgreSQL this instance may open.",
            ),
        };
        metrics.show_connections(ConnectionFigures::default());
        metrics
    }

    pub(super) fn show(&self, figures: Option<&LedgerFigures>) {
        self.is_known.set(f64::from(u8::from(figures.is_some())));
        for gauges in [&self.parked, &self.alerts, &self.credits, &self.accounts] {
            // What is not there any more must not stay.
            gauges.reset();
        }
        for gauge in [&self.projects_waiting, &self.events_unpublished, &self.oldest_unpublished] {
            gauge.forget();
        }
        if let Some(figures) = figures {
            self.show_known(figures);
        }
    }

    fn show_known(&self, figures: &LedgerFigures) {
        let reasons = ParkReason::ALL.map(ParkReason::as_str);
        show_counts(&self.parked, &reasons, &figures.parked);
        show_counts(&self.alerts, &SEVERITIES, &figures.alerts);
        show_counts(&self.accounts, &KINDS, &figures.accounts);
        for CreditsFigures { organization, kind, held, consumed, available } in &figures.credits {
            for (state, credits) in [("held", held), ("consumed", consumed), ("available", available)] {
                self.credits.with_label_values(&[organization, kind, state]).set(*credits);
            }
        }
        self.projects_waiting.set(as_f64(figures.projects_waiting));
        self.events_unpublished.set(as_f64(figures.events_unpublished));
        self.oldest_unpublished.set(figures.oldest_unpublished_s);
    }

    pub(super) fn show_connections(&self, connections: ConnectionFigures) {
        self.connections.with_label_values(&["in_use"]).set(connections.in_use.into());
        self.connections.with_label_values(&["idle"]).set(connections.idle.into());
        self.connections_max.set(connections.max.into());
    }
}

/// What isn't counted is 0, as far as it is known that it could be: a series that comes and goes can't be told
/// from one that isn't scraped.
fn show_counts(gauges: &GaugeVec, known: &[&str], counts: &[(String, i64)]) {
    for label in known {
        gauges.with_label_values(&[label]).set(0.0);
    }
    for (label, count) in counts {
        gauges.with_label_values(&[label]).set(as_f64(*count));
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows, far below 2^53")]
fn as_f64(count: i64) -> f64 {
    count as f64
}
