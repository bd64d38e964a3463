//! What comes in: messages, their batches, and the way to the servers.

use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec};

use super::registrar::Registrar;
use super::{SHORT_S, WAITS_S};
use crate::contract::inbound::{known_types, place_of_type};
use crate::ledger::moment::Timestamp;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageOutcome {
    /// It set a register or booked something.
    Applied,
    /// Newer ones had said all of it.
    Stale,
    /// What it asked for was refused with a notice.
    Rejected,
    /// It came before.
    Duplicate,
    /// Another one came under its key before; this one is parked.
    Conflict,
    /// It is parked for another reason.
    Parked,
}

impl MessageOutcome {
    const ALL: [MessageOutcome; 6] = [
        MessageOutcome::Applied,
        MessageOutcome::Stale,
        MessageOutcome::Rejected,
        MessageOutcome::Duplicate,
        MessageOutcome::Conflict,
        MessageOutcome::Parked,
    ];

    fn as_str(self) -> &'static str {
        match self {
            MessageOutcome::Applied => "applied",
            MessageOutcome::Stale => "stale",
            MessageOutcome::Rejected => "rejected",
            MessageOutcome::Duplicate => "duplicate",
            MessageOutcome::Conflict => "conflict",
            MessageOutcome::Parked => "parked",
        }
    }
}

/// The type of a message, as far as it is counted: those that are known, and all others together, so that nobody
/// can make new series by sending new types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageType(Option<usize>);

/// The label of all types that aren't known, and of messages without a readable one.
const OTHER_TYPE: &str = "other";

impl MessageType {
    /// The type called `name`, with its version.
    pub fn of(name: Option<&str>) -> Self {
        Self(name.and_then(place_of_type))
    }
}

/// A message and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageFate {
    /// Its type.
    pub message_type: MessageType,
    /// What became of it.
    pub outcome: MessageOutcome,
    /// When its sender says that it happened, of one that was just delivered for the first time and decided:
    /// for others its age says nothing about how fast creditd is.
    pub happened_at: Option<Timestamp>,
}

/// A batch that was committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchFigures {
    /// Its messages.
    pub messages: Vec<MessageFate>,
    /// How long it waited for a connection and the ledger's lock; nothing, where it was decided without that.
    pub locking: Duration,
    /// How long was loaded and decided; under the lock, written too.
    pub applying: Duration,
    /// How long it took to be written and committed; under the lock, to be committed.
    pub committing: Duration,
}

/// Why an attempt at a batch was not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchFailure {
    /// The database was away or in trouble.
    Away,
    /// It lost against another transaction, or took too long.
    Lost,
    /// The database refused what a message leads to.
    Refused,
}

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// The broker.
    Rabbitmq,
    /// The database.
    Postgresql,
}

impl Server {
    fn as_str(self) -> &'static str {
        match self {
            Server::Rabbitmq => "rabbitmq",
            Server::Postgresql => "postgresql",
        }
    }
}

/// Sizes of batches, of 5000 messages at most.
const MESSAGES: [f64; 12] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0];

/// Figures about messages.
#[derive(Debug)]
pub struct MessageMetrics {
    /// By type and then outcome, each resolved once: counting takes no lock.
    messages: Vec<IntCounter>,
    lag: Histogram,
    batch: Histogram,
    lock: Histogram,
    apply: Histogram,
    commit: Histogram,
    failures: [IntCounter; 3],
    reconnects: IntCounterVec,
}

impl MessageMetrics {
    pub(super) fn new(registrar: &mut Registrar) -> Self {
        let messages = registrar.counters(
            "creditd_messages_total",
            &["type", "outcome"],
            "Messages by what became of them. A parked one counts again when it is offered again. Types that are \
             not known are other.",
        );
        let types = known_types().into_iter().chain([OTHER_TYPE]);
        let series = types.flat_map(|name| MessageOutcome::ALL.map(|outcome| [name, outcome.as_str()]));
        let messages = series.map(|labels| messages.with_label_values(&labels)).collect();
        let lag = registrar.histogram(
            "creditd_message_lag_seconds",
            &WAITS_S,
            "From a message's time, by its sender's clock, to the commit of what became of it; of those that came \
             for the first time, bear a time and were not parked.",
        );
        let batch = registrar.histogram(
            "creditd_batch_messages",
            &MESSAGES,
            "How many messages a committed batch had.",
        );
        let lock = registrar.histogram(
            "creditd_batch_lock_seconds",
            &SHORT_S,
            "How long a batch waited for a connection and for the ledger's lock; nothing, where it was decided without that.",
        );
        let apply = registrar.histogram(
            "creditd_batch_apply_seconds",
            &SHORT_S,
            "How long a batch took to be loaded and decided; under the ledger's lock, to be written too.",
        );
        let commit = registrar.histogram(
            "creditd_batch_commit_seconds",
            &SHORT_S,
            "How long a batch took to be written and committed; under the ledger's lock, to be committed.",
        );
        let failures = registrar.counters(
            "creditd_batch_failures_total",
            &["reason"],
            "Attempts at a batch that were not committed: the database was away, it lost against another \
             transaction, or what a message leads to was refused. All are tried again.",
        );
        let failures = ["away", "lost", "refused"].map(|reason| failures.with_label_values(&[reason]));
        let reconnects = registrar.counters(
            "creditd_reconnects_total",
            &["server", "part"],
            "How often a part of the daemon lost a server or did not reach it, and tried again.",
        );
        for labels in
            [["rabbitmq", "intake"], ["rabbitmq", "relay"], ["postgresql", "ledger"], ["postgresql", "relay"]]
        {
            reconnects.with_label_values(&labels);
        }
        Self { messages, lag, batch, lock, apply, commit, failures, reconnects }
    }

    /// A batch was committed, at `now`.
    pub fn committed(&self, batch: &BatchFigures, now: Timestamp) {
        for fate in &batch.messages {
            self.counter(*fate).inc();
            if let Some(happened_at) = fate.happened_at {
                self.lag.observe(seconds_between(happened_at, now));
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a batch has thousands of messages at most")]
        self.batch.observe(batch.messages.len() as f64);
        self.lock.observe(batch.locking.as_secs_f64());
        self.apply.observe(batch.applying.as_secs_f64());
        self.commit.observe(batch.committing.as_secs_f64());
    }

    /// An attempt at a batch failed.
    pub fn failed(&self, why: BatchFailure) {
        self.failures[why as usize].inc();
    }

    /// `part` of the daemon is without `server`, and will try again.
    pub fn reconnecting(&self, server: Server, part: super::super::Part) {
        self.reconnects.with_label_values(&[server.as_str(), part.as_str()]).inc();
    }

    fn counter(&self, fate: MessageFate) -> &IntCounter {
        let outcomes = MessageOutcome::ALL.len();
        let other = self.messages.len() / outcomes - 1;
        let MessageType(known) = fate.message_type;
        &self.messages[known.unwrap_or(other) * outcomes + fate.outcome as usize]
    }
}

/// How long after `earlier` `later` is; 0 where it isn't: clocks differ.
pub(super) fn seconds_between(earlier: Timestamp, later: Timestamp) -> f64 {
    let micros = later.micros().saturating_sub(earlier.micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0)).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_and_outcome_has_a_counter_of_its_own_and_unknown_types_share_one() {
        let metrics = MessageMetrics::new(&mut Registrar::default());
        let types = known_types().into_iter().map(Some).chain([None]);
        let fate =
            |name, outcome| MessageFate { message_type: MessageType::of(name), outcome, happened_at: None };
        for (turn, name) in types.enumerate() {
            for outcome in MessageOutcome::ALL {
                let counter = metrics.counter(fate(name, outcome));
                assert_eq!(counter.get(), 0, "{name:?} {outcome:?} in turn {turn}");
                counter.inc();
            }
        }
        let other = metrics.counter(fate(Some("somebody's.own.v1"), MessageOutcome::Parked));
        assert_eq!(other.get(), 1);
        assert_eq!(metrics.messages.iter().map(IntCounter::get).sum::<u64>(), 60);
    }

    #[test]
    fn a_message_from_the_future_has_no_lag() {
        let at = |micros| Timestamp::from_micros(micros).unwrap();
        assert!((seconds_between(at(1_000_000), at(3_500_000)) - 2.5).abs() < 1e-9);
        assert!(seconds_between(at(3_500_000), at(1_000_000)).abs() < 1e-9);
    }
}
