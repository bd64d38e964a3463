//! Arrivals held against the inbox, and what becomes of each.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tracing::{debug, info};

use super::Committed;
use super::arrival::{Arrival, Content, refusal};
use crate::contract::inbound::{DecodeError, Message};
use crate::ledger::books::{Changes, Decision};
use crate::ledger::ids::{AccountId, MessageKey, ProjectId};
use crate::ledger::inbox::{Admission, Fingerprint, Inbox};
use crate::ledger::input::Input;
use crate::ledger::moment::Timestamp;
use crate::ledger::outcome::{Outcome, ParkReason, Parking, Rejection};
use crate::store::{Discarded, InboxRow, Parcel, Received, Repeated};
use crate::vitals::metrics::{MessageFate, MessageOutcome, MessageType};

/// An arrival that is to be decided.
pub(super) struct Step {
    /// Its place among the arrivals.
    place: usize,
    /// Its fingerprint, where it came for the first time.
    first: Option<Fingerprint>,
}

/// Arrivals held against the inbox.
pub(super) struct Admitted {
    /// Those that are to be decided.
    steps: Vec<Step>,
    /// The same, as the core takes them.
    pub(super) inputs: Vec<Input>,
    /// What the inbox knows now that they came.
    pub(super) inbox: Inbox,
    received: Received,
    /// What became of the arrivals that need no decision.
    settled: Vec<MessageFate>,
    /// The time of the last input.
    now: Timestamp,
}

impl Admitted {
    pub(super) fn of(
        arrivals: &[Arrival],
        mut inbox: Inbox,
        due: &HashSet<i64>,
        discarded: &Discarded,
        last_at: Timestamp,
    ) -> Self {
        let mut received = Received::default();
        let mut settled = Vec::new();
        let steps = admit(arrivals, &mut inbox, due, discarded, &mut received, &mut settled);
        // A clock that goes back must not take the ledger's time with it.
        let mut now = last_at;
        let mut inputs = Vec::with_capacity(steps.len());
        for (arrival, message) in steps.iter().map(|step| step.of(arrivals)) {
            now = now.max(arrival.received_at);
            inputs.push(message.clone().into_input(now));
        }
        Self { steps, inputs, inbox, received, settled, now }
    }

    /// What became of `arrivals`, of which these were admitted.
    pub(super) fn decided(
        self,
        arrivals: &[Arrival],
        decisions: Vec<Decision>,
        changes: Box<Changes>,
    ) -> Taken {
        let Self { steps, inputs, inbox: _, mut received, mut settled, now } = self;
        let undecided = received.parcels.len();
        for ((step, input), decision) in steps.iter().zip(&inputs).zip(&decisions) {
            step.record(arrivals, input.now, decision, &mut received);
            settled.push(step.fate(arrivals, &decision.outcome));
        }
        let committed = tell(&received, &changes);
        let report = Report { steps, decisions, received: Arc::new(received), undecided };
        Taken { report, committed, fates: settled, changes, now }
    }
}

/// What a batch made of its arrivals.
pub(super) struct Taken {
    pub(super) report: Report,
    /// What it does once it is committed.
    pub(super) committed: Committed,
    /// What is counted of its messages then.
    pub(super) fates: Vec<MessageFate>,
    pub(super) changes: Box<Changes>,
    /// The time of the last input.
    pub(super) now: Timestamp,
}

/// What became of each of them.
pub(super) struct Report {
    steps: Vec<Step>,
    decisions: Vec<Decision>,
    pub(super) received: Arc<Received>,
    /// How many of the parcels were not decided.
    undecided: usize,
}

impl Report {
    /// Writes a line for each of `arrivals`. After the commit: a batch may be tried more than once.
    pub(super) fn log(&self, arrivals: &[Arrival]) {
        for (step, decision) in self.steps.iter().zip(&self.decisions) {
            log_decided(step.of(arrivals).1, &decision.outcome);
        }
        for parcel in &self.received.parcels[..self.undecided] {
            log_undecided(parcel);
        }
    }
}

/// A line for a message that was decided, with what it is about.
fn log_decided(message: &Message, outcome: &Outcome) {
    let (account, project) = message.fact.subject();
    let (account, project) = (account.map(AccountId::as_str), project.map(ProjectId::as_str));
    let key = &message.cause.key;
    match outcome {
        Outcome::Rejected(Rejection::Hold) => {
            info!(source = %key.source, id = %key.id, account, project, "applied; its hold was refused");
        }
        Outcome::Rejected(Rejection::Transfer) => {
            info!(source = %key.source, id = %key.id, account, "rejected; too few credits are available");
        }
        Outcome::Applied => debug!(source = %key.source, id = %key.id, account, project, "applied"),
        Outcome::Stale => debug!(source = %key.source, id = %key.id, account, project, "stale"),
        Outcome::Parked(Parking { reason, detail, .. }) => {
            info!(source = %key.source, id = %key.id, account, project, %reason, detail, "parked");
        }
    }
}

/// A line for a message that could not even be decided.
fn log_undecided(parcel: &Parcel) {
    let Parcel { key, parking: Parking { reason, detail, .. }, .. } = parcel;
    let source = key.as_ref().map(|key| &*key.source);
    let id = key.as_ref().map(|key| &*key.id);
    info!(source, id, %reason, detail, "parked");
}

/// Holds each arrival against the inbox, and notes what needs no decision: for the store, and what became of it.
pub(super) fn admit(
    arrivals: &[Arrival],
    inbox: &mut Inbox,
    due: &HashSet<i64>,
    discarded: &Discarded,
    received: &mut Received,
    settled: &mut Vec<MessageFate>,
) -> Vec<Step> {
    let mut repeated: HashMap<MessageKey, Repeated> = HashMap::new();
    let mut steps = Vec::with_capacity(arrivals.len());
    for (place, arrival) in arrivals.iter().enumerate() {
        // The list of offers was read before the ledger was locked: another daemon may have been first, or
        // the reply to our own commit was lost.
        if arrival.parked_id.is_some_and(|parked_id| !due.contains(&parked_id)) {
            continue;
        }
        received.no_longer_suspect.extend(arrival.suspect);
        let (message, fingerprint) = match &arrival.content {
            Content::Decoded(message, fingerprint) | Content::Refused(message, fingerprint, _) => {
                (message, *fingerprint)
            }
            Content::Unusable(error) => {
                park_unusable(arrival, error, received);
                settled.push(fate(error.message_type.as_deref(), MessageOutcome::Parked));
                continue;
            }
        };
        let key = &message.cause.key;
        let mut settle = |outcome| settled.push(fate(Some(&message.cause.message_type), outcome));
        // It could not be decoded when a person discarded it, so the inbox knows nothing of it.
        let is_discarded =
            || !discarded.is_empty() && discarded.contains(&(key.clone(), arrival.raw.fingerprint()));
        if arrival.parked_id.is_none() && !inbox.knows(key) && is_discarded() {
            count(&mut repeated, key).deliveries += 1;
            received.came_again.push(arrival.raw.fingerprint());
            settle(MessageOutcome::Duplicate);
            continue;
        }
        let first = match (inbox.admit(key, fingerprint, arrival.parked_id.is_some()), arrival.parked_id) {
            (Admission::New, _) => Some(fingerprint),
            (Admission::Offered, _) => None,
            (Admission::Duplicate, Some(parked_id)) => {
                received.decided_before.push(parked_id);
                settle(MessageOutcome::Duplicate);
                continue;
            }
            (Admission::Duplicate, None) => {
                count(&mut repeated, key).deliveries += 1;
                received.came_again.push(arrival.raw.fingerprint());
                settle(MessageOutcome::Duplicate);
                continue;
            }
            (Admission::Conflict, _) => {
                count(&mut repeated, key).conflicts += 1;
                park_unusable(arrival, &conflict(message), received);
                settle(MessageOutcome::Conflict);
                continue;
            }
        };
        let step = Step { place, first };
        match &arrival.content {
            Content::Refused(_, _, detail) => {
                let reason = ParkReason::DatabaseRefused;
                let parking = Parking { reason, detail: detail.clone(), waits_for: None };
                let decision = Decision { outcome: Outcome::Parked(parking), log: None };
                step.record(arrivals, arrival.received_at, &decision, received);
                settle(MessageOutcome::Parked);
            }
            Content::Decoded(..) | Content::Unusable(_) => steps.push(step),
        }
    }
    received.repeated = repeated.into_values().collect();
    steps
}

fn fate(message_type: Option<&str>, outcome: MessageOutcome) -> MessageFate {
    MessageFate { message_type: MessageType::of(message_type), outcome, happened_at: None }
}

fn count<'r>(repeated: &'r mut HashMap<MessageKey, Repeated>, key: &MessageKey) -> &'r mut Repeated {
    let none = || Repeated { key: key.clone(), deliveries: 0, conflicts: 0 };
    repeated.entry(key.clone()).or_insert_with(none)
}

fn conflict(message: &Message) -> DecodeError {
    let detail =
        format!("{} came before with another type or other data; the first one counts", message.cause.key);
    refusal(ParkReason::Conflict, detail, Some(message))
}

/// Parks what can't be decided. What is parked already and was offered again is parked anew where it is.
fn park_unusable(arrival: &Arrival, error: &DecodeError, received: &mut Received) {
    let parking = Parking { reason: error.reason, detail: error.detail.clone(), waits_for: None };
    match arrival.parked_id {
        Some(parked_id) => {
            let decision = Decision { outcome: Outcome::Parked(parking), log: None };
            received.offered.push((parked_id, None, decision));
        }
        None => received.parcels.push(Parcel {
            raw: arrival.raw.clone(),
            parking,
            key: error.key.clone(),
            message_type: error.message_type.as_deref().map(str::to_owned),
            received_at: arrival.received_at,
        }),
    }
}

impl Step {
    fn of<'a>(&self, arrivals: &'a [Arrival]) -> (&'a Arrival, &'a Message) {
        let arrival = &arrivals[self.place];
        (arrival, arrival.message().expect("what can't be decoded is not decided"))
    }

    pub(super) fn fate(&self, arrivals: &[Arrival], outcome: &Outcome) -> MessageFate {
        let (arrival, message) = self.of(arrivals);
        let outcome = match outcome {
            Outcome::Applied => MessageOutcome::Applied,
            Outcome::Stale => MessageOutcome::Stale,
            Outcome::Rejected(_) => MessageOutcome::Rejected,
            Outcome::Parked(_) => MessageOutcome::Parked,
        };
        // What was parked, or is now, has waited for something else than creditd.
        let is_timely = arrival.parked_id.is_none() && outcome != MessageOutcome::Parked;
        let happened_at = message.time.filter(|_| is_timely);
        MessageFate { happened_at, ..fate(Some(&message.cause.message_type), outcome) }
    }

    /// Notes what became of the arrival.
    fn record(&self, arrivals: &[Arrival], at: Timestamp, decision: &Decision, received: &mut Received) {
        let (arrival, message) = self.of(arrivals);
        let key = message.cause.key.clone();
        if let Some(fingerprint) = self.first {
            received.first.push(InboxRow {
                key: key.clone(),
                message_type: message.cause.message_type.to_string(),
                fingerprint,
                time: message.time,
                received_at: at,
                outcome: decision.outcome.clone(),
                log: decision.log,
                said: None,
            });
        }
        match (arrival.parked_id, decision.parking()) {
            (Some(parked_id), _) => received.offered.push((parked_id, Some(key), decision.clone())),
            (None, Some(parking)) => received.parcels.push(Parcel {
                raw: arrival.raw.clone(),
                parking: parking.clone(),
                key: Some(key),
                message_type: Some(message.cause.message_type.to_string()),
                received_at: arrival.received_at,
            }),
            (None, None) => {}
        }
    }
}

fn tell(received: &Received, changes: &Changes) -> Committed {
    let first = received.first.iter().map(|row| &row.outcome);
    let offered = received.offered.iter().map(|(_, _, decision)| &decision.outcome);
    let outcomes: Vec<_> = first.chain(offered).collect();
    let count = |is: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| is(outcome)).count();
    let parked_anew = received.offered.iter().filter(|(_, _, decision)| decision.parking().is_some()).count();
    let repeated: i64 = received.repeated.iter().map(|row| row.deliveries).sum();
    Committed {
        applied: count(|outcome| matches!(outcome, Outcome::Applied)),
        stale: count(|outcome| matches!(outcome, Outcome::Stale)),
        rejected: count(|outcome| matches!(outcome, Outcome::Rejected(_))),
        repeated: usize::try_from(repeated).unwrap_or(0),
        parked: received.parcels.len() + parked_anew,
        appeared: !changes.appeared.is_empty(),
    }
}

#[cfg(test)]
mod tests;
