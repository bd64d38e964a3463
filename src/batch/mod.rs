//! One batch through the store: what came is held against the inbox, decided by the core, and saved with
//! its outcome, all in one transaction. The daemon and `creditd import` take their messages this way.

mod arrival;
mod offers;
pub(crate) mod settings;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use arrival::Arrival;
use arrival::{Content, refusal};
pub(crate) use offers::{Offers, TRIES_ALONE_MAX};
use tracing::{debug, info, warn};

use crate::contract::inbound::{DecodeError, Message};
use crate::ledger::books::{Changes, Decision, LogRecord};
use crate::ledger::ids::{AccountId, MessageKey, ProjectId};
use crate::ledger::inbox::{Admission, Fingerprint, Inbox};
use crate::ledger::input::Input;
use crate::ledger::moment::Timestamp;
use crate::ledger::outcome::{Outcome, ParkReason, Parking, Rejection};
use crate::ledger::settings::Settings;
use crate::store::{
    Batch, Cache, Decided, Discarded, InboxRow, Parcel, Received, Repeated, Store, StoreError,
};
use crate::vitals::metrics::{BatchFigures, MessageFate, MessageOutcome, MessageType};

/// An arrival that is to be decided.
struct Step<'a> {
    arrival: &'a Arrival,
    message: &'a Message,
    /// Its fingerprint, where it came for the first time.
    first: Option<Fingerprint>,
}

/// What a committed batch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Committed {
    /// Messages that were applied.
    pub(crate) applied: usize,
    /// Messages that newer ones had said all of.
    pub(crate) stale: usize,
    /// Messages whose hold or transfer was refused with a notice.
    pub(crate) rejected: usize,
    /// Messages that came before.
    pub(crate) repeated: usize,
    /// Messages that were parked, or parked again.
    pub(crate) parked: usize,
    /// Whether something came to be known that parked messages may wait for.
    pub(crate) appeared: bool,
}

impl Committed {
    /// How many messages were applied, stale or rejected.
    pub(crate) fn decided(&self) -> usize {
        self.applied + self.stale + self.rejected
    }

    /// Counts `other` in.
    pub(crate) fn add(&mut self, other: &Committed) {
        self.applied += other.applied;
        self.stale += other.stale;
        self.rejected += other.rejected;
        self.repeated += other.repeated;
        self.parked += other.parked;
        self.appeared |= other.appeared;
    }
}

/// What came of an attempt.
pub(crate) enum Attempt {
    /// It is committed.
    Committed {
        /// What it did.
        committed: Committed,
        /// What is to be measured about it.
        figures: BatchFigures,
        /// What it wrote to the log.
        log: Vec<LogRecord>,
    },
    /// Another instance set other settings meanwhile: nothing was done.
    SettingsDiffer,
}

/// So few arrivals are decided without the ledger's lock: what that may cost is to decide them twice.
const DRAFTED_MAX: usize = 8;

/// Applies `arrivals` in their order, in one transaction, by `settings`. `cache` is what the batch before left.
pub(crate) async fn apply(
    store: &Store,
    cache: &mut Cache,
    arrivals: &[Arrival],
    settings: &Arc<Settings>,
) -> Result<Attempt, StoreError> {
    if arrivals.len() <= DRAFTED_MAX && arrivals.iter().all(Arrival::is_ordinary) {
        match apply_draft(store, cache, arrivals, settings).await {
            Err(StoreError::Overtaken) | Ok(None) => {}
            Ok(Some(attempt)) => return Ok(attempt),
            Err(error) => return Err(error),
        }
    }
    apply_locked(store, cache, arrivals, settings).await
}

/// Applies a few arrivals on what is known, where that is enough: one round trip for most.
async fn apply_draft(
    store: &Store,
    cache: &mut Cache,
    arrivals: &[Arrival],
    settings: &Arc<Settings>,
) -> Result<Option<Attempt>, StoreError> {
    let began = Instant::now();
    let Some(mut draft) = store.draft(cache, settings).await? else { return Ok(None) };
    let (nothing_due, nothing_discarded) = (HashSet::new(), Discarded::new());
    let admitted =
        Admitted::of(arrivals, Inbox::default(), &nothing_due, &nothing_discarded, draft.last_at());
    let (decisions, changes) = draft.decide(cache, &admitted.inputs, settings).await?;
    let Taken { report, changes, now } = admitted.decided(decisions, changes);
    let decided = Instant::now();
    let committed = report.tell(&changes);
    let log = draft.save_into(cache, &keys(arrivals), &report.received, *changes, now).await?;
    let figures = BatchFigures {
        messages: report.fates(),
        locking: Duration::ZERO,
        applying: decided - began,
        committing: decided.elapsed(),
    };
    report.log();
    Ok(Some(Attempt::Committed { committed, figures, log }))
}

/// Applies any arrivals.
async fn apply_locked(
    store: &Store,
    cache: &mut Cache,
    arrivals: &[Arrival],
    settings: &Arc<Settings>,
) -> Result<Attempt, StoreError> {
    let began = Instant::now();
    let mut batch = store.begin().await?;
    if batch.settings() != Some(settings) {
        batch.roll_back().await?;
        return Ok(Attempt::SettingsDiffer);
    }
    let locked = Instant::now();
    let Taken { report, changes, .. } = take(&mut batch, cache, arrivals, settings).await?;
    let saved = Instant::now();
    let committed = report.tell(&changes);
    let log = batch.commit_into(cache, *changes).await?;
    let figures = BatchFigures {
        messages: report.fates(),
        locking: locked - began,
        applying: saved - locked,
        committing: saved.elapsed(),
    };
    report.log();
    Ok(Attempt::Committed { committed, figures, log })
}

/// Applies `arrivals` in a transaction that goes on, to be taken back in the end: a rehearsal.
pub(crate) async fn rehearse(
    mut batch: Batch,
    arrivals: &[Arrival],
    settings: &Arc<Settings>,
) -> Result<(Batch, Committed), StoreError> {
    let taken = take(&mut batch, &mut Cache::default(), arrivals, settings).await?;
    Ok((batch, taken.report.tell(&taken.changes)))
}

/// Decides `arrivals`, and saves what became of them. Nothing is committed.
async fn take<'a>(
    batch: &mut Batch,
    cache: &mut Cache,
    arrivals: &'a [Arrival],
    settings: &Arc<Settings>,
) -> Result<Taken<'a>, StoreError> {
    let (inbox, discarded) = batch.inbox(&keys(arrivals)).await?;
    let offered: Vec<_> = arrivals.iter().filter_map(|arrival| arrival.parked_id).collect();
    let due = batch.still_due(&offered).await?;
    let admitted = Admitted::of(arrivals, inbox, &due, &discarded, batch.last_at());
    let Decided::Done(decisions, changes) = batch.decide_by(cache, &admitted.inputs, settings).await? else {
        unreachable!("only commands are refused");
    };
    let taken = admitted.decided(decisions, changes);
    batch.save(&taken.report.received, &taken.changes, taken.now).await?;
    Ok(taken)
}

/// The keys of `arrivals`, each once.
fn keys(arrivals: &[Arrival]) -> Vec<MessageKey> {
    let keys: HashSet<_> = arrivals.iter().filter_map(Arrival::key).cloned().collect();
    keys.into_iter().collect()
}

/// Arrivals held against the inbox.
struct Admitted<'a> {
    /// Those that are to be decided.
    steps: Vec<Step<'a>>,
    /// The same, as the core takes them.
    inputs: Vec<Input>,
    received: Received,
    /// What became of the arrivals that need no decision.
    settled: Vec<MessageFate>,
    /// The time of the last input.
    now: Timestamp,
}

impl<'a> Admitted<'a> {
    fn of(
        arrivals: &'a [Arrival],
        inbox: Inbox,
        due: &HashSet<i64>,
        discarded: &Discarded,
        last_at: Timestamp,
    ) -> Self {
        let mut received = Received::default();
        let mut settled = Vec::new();
        let steps = admit(arrivals, inbox, due, discarded, &mut received, &mut settled);
        // A clock that goes back must not take the ledger's time with it.
        let mut now = last_at;
        let mut inputs = Vec::with_capacity(steps.len());
        for Step { arrival, message, .. } in &steps {
            now = now.max(arrival.received_at);
            inputs.push(Message::clone(message).into_input(now));
        }
        Self { steps, inputs, received, settled, now }
    }

    fn decided(self, decisions: Vec<Decision>, changes: Box<Changes>) -> Taken<'a> {
        let Self { steps, inputs, mut received, settled, now } = self;
        let undecided = received.parcels.len();
        for ((step, input), decision) in steps.iter().zip(&inputs).zip(&decisions) {
            step.record(input.now, decision, &mut received);
        }
        Taken { report: Report { steps, decisions, received, undecided, settled }, changes, now }
    }
}

/// What a batch made of its arrivals.
struct Taken<'a> {
    report: Report<'a>,
    changes: Box<Changes>,
    /// The time of the last input.
    now: Timestamp,
}

/// What became of each of them.
struct Report<'a> {
    steps: Vec<Step<'a>>,
    decisions: Vec<Decision>,
    received: Received,
    /// How many of the parcels were not decided.
    undecided: usize,
    /// What became of the arrivals that needed no decision.
    settled: Vec<MessageFate>,
}

impl Report<'_> {
    fn fates(&self) -> Vec<MessageFate> {
        let decided = self.steps.iter().zip(&self.decisions);
        let decided = decided.map(|(step, decision)| step.fate(&decision.outcome));
        self.settled.iter().copied().chain(decided).collect()
    }

    fn tell(&self, changes: &Changes) -> Committed {
        tell(&self.received, changes)
    }

    /// After the commit: a batch may be tried more than once.
    fn log(&self) {
        log_decided(&self.steps, &self.decisions);
        log_undecided(&self.received.parcels[..self.undecided]);
    }
}

/// What is to be tried in place of a part of a batch that the database refused, in order: its halves, until
/// the message at fault stands alone, and then that one, to be parked. Gives the part back where it refuses
/// even the parking, which is no message's fault.
pub(crate) fn narrow_down(
    mut part: Vec<Arrival>,
    error: &StoreError,
) -> Result<Vec<Vec<Arrival>>, Vec<Arrival>> {
    if part.len() > 1 {
        let tail = part.split_off(part.len() / 2);
        return Ok(vec![part, tail]);
    }
    if part.iter().all(Arrival::is_unusable) {
        return Err(part);
    }
    warn!(%error, "the database refuses what a message leads to; it is parked");
    Ok(vec![part.into_iter().map(|arrival| arrival.refused_by_database(error)).collect()])
}

/// A line for each message that was decided, with what it is about. After the commit: a batch may be tried
/// more than once.
fn log_decided(steps: &[Step<'_>], decisions: &[Decision]) {
    for (Step { message, .. }, decision) in steps.iter().zip(decisions) {
        let (account, project) = message.fact.subject();
        let (account, project) = (account.map(AccountId::as_str), project.map(ProjectId::as_str));
        let key = &message.cause.key;
        match &decision.outcome {
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
}

/// A line for each message that could not even be decided.
fn log_undecided(parcels: &[Parcel]) {
    for Parcel { key, parking: Parking { reason, detail, .. }, .. } in parcels {
        let source = key.as_ref().map(|key| &*key.source);
        let id = key.as_ref().map(|key| &*key.id);
        info!(source, id, %reason, detail, "parked");
    }
}

/// Holds each arrival against the inbox, and notes what needs no decision: for the store, and what became of it.
fn admit<'a>(
    arrivals: &'a [Arrival],
    mut inbox: Inbox,
    due: &HashSet<i64>,
    discarded: &Discarded,
    received: &mut Received,
    settled: &mut Vec<MessageFate>,
) -> Vec<Step<'a>> {
    let mut repeated: HashMap<MessageKey, Repeated> = HashMap::new();
    let mut steps = Vec::with_capacity(arrivals.len());
    for arrival in arrivals {
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
        let step = Step { arrival, message, first };
        match &arrival.content {
            Content::Refused(_, _, detail) => {
                let reason = ParkReason::DatabaseRefused;
                let parking = Parking { reason, detail: detail.clone(), waits_for: None };
                let decision = Decision { outcome: Outcome::Parked(parking), log: None };
                step.record(arrival.received_at, &decision, received);
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

impl Step<'_> {
    fn fate(&self, outcome: &Outcome) -> MessageFate {
        let outcome = match outcome {
            Outcome::Applied => MessageOutcome::Applied,
            Outcome::Stale => MessageOutcome::Stale,
            Outcome::Rejected(_) => MessageOutcome::Rejected,
            Outcome::Parked(_) => MessageOutcome::Parked,
        };
        // What was parked, or is now, has waited for something else than creditd.
        let is_timely = self.arrival.parked_id.is_none() && outcome != MessageOutcome::Parked;
        let happened_at = self.message.time.filter(|_| is_timely);
        MessageFate { happened_at, ..fate(Some(&self.message.cause.message_type), outcome) }
    }

    /// Notes what became of the arrival.
    fn record(&self, at: Timestamp, decision: &Decision, received: &mut Received) {
        let Step { arrival, message, first } = self;
        let key = message.cause.key.clone();
        if let Some(fingerprint) = *first {
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
