//! One batch through the store: what came is held against the inbox, decided by the core, and saved with
//! its outcome, all in one transaction. The daemon and `creditd import` take their messages this way.

mod admission;
mod arrival;
#[cfg(test)]
pub(crate) mod in_memory;
mod offers;
mod pipeline;
pub(crate) mod settings;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use admission::{Admitted, Taken};
pub(crate) use arrival::Arrival;
pub(crate) use offers::{Choice, Offers, TRIES_ALONE_MAX};
pub(crate) use pipeline::{Landing, Pipeline};
use tracing::warn;

use crate::hooks;
use crate::ledger::books::LogRecord;
use crate::ledger::ids::MessageKey;
use crate::ledger::settings::Settings;
use crate::store::{Batch, Cache, Decided, Store, StoreError};
use crate::vitals::metrics::BatchFigures;

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

/// A committed batch.
pub(crate) struct Written {
    /// What it did.
    pub(crate) committed: Committed,
    /// What is to be measured about it.
    pub(crate) figures: BatchFigures,
    /// What it wrote to the log.
    pub(crate) log: Vec<LogRecord>,
}

/// What came of an attempt.
pub(crate) enum Attempt {
    /// It is committed.
    Committed(Written),
    /// Another instance set other settings meanwhile: nothing was done.
    SettingsDiffer,
}

/// Applies `arrivals` in their order, in one transaction under the ledger's lock, by `settings`. `cache` is what the
/// batch before left.
pub(crate) async fn apply(
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
    let Taken { report, committed, fates, changes, .. } = take(&mut batch, cache, arrivals, settings).await?;
    let saved = Instant::now();
    hooks::reached("saved");
    let log = batch.commit_into(cache, *changes).await?;
    hooks::reached("committed");
    let figures = BatchFigures {
        messages: fates,
        locking: locked - began,
        applying: saved - locked,
        committing: saved.elapsed(),
    };
    report.log(arrivals);
    Ok(Attempt::Committed(Written { committed, figures, log }))
}

/// Applies `arrivals` in a transaction that goes on, to be taken back in the end: a rehearsal.
pub(crate) async fn rehearse(
    mut batch: Batch,
    arrivals: &[Arrival],
    settings: &Arc<Settings>,
) -> Result<(Batch, Committed), StoreError> {
    let taken = take(&mut batch, &mut Cache::default(), arrivals, settings).await?;
    Ok((batch, taken.committed))
}

/// Decides `arrivals`, and saves what became of them. Nothing is committed.
async fn take(
    batch: &mut Batch,
    cache: &mut Cache,
    arrivals: &[Arrival],
    settings: &Arc<Settings>,
) -> Result<Taken, StoreError> {
    let (inbox, discarded) = batch.inbox(&keys(arrivals)).await?;
    let offered: Vec<_> = arrivals.iter().filter_map(|arrival| arrival.parked_id).collect();
    let due = batch.still_due(&offered).await?;
    let admitted = Admitted::of(arrivals, inbox, &due, &discarded, batch.last_at());
    let Decided::Done(decisions, changes) = batch.decide_by(cache, &admitted.inputs, settings).await? else {
        unreachable!("only commands are refused");
    };
    hooks::reached("decided");
    let taken = admitted.decided(arrivals, decisions, changes);
    batch.save(&taken.report.received, &taken.changes, taken.now).await?;
    Ok(taken)
}

/// The keys of `arrivals`, each once.
fn keys(arrivals: &[Arrival]) -> Vec<MessageKey> {
    let keys: HashSet<_> = arrivals.iter().filter_map(Arrival::key).cloned().collect();
    keys.into_iter().collect()
}

/// A part of a batch in two, in order; one that is a single message stays whole.
pub(crate) fn halve(mut part: Vec<Arrival>) -> Vec<Vec<Arrival>> {
    let tail = part.split_off(part.len().div_ceil(2));
    [part, tail].into_iter().filter(|half| !half.is_empty()).collect()
}

/// What is to be tried in place of a part of a batch that the database refused, in order: its halves, until
/// the message at fault stands alone, and then that one, to be parked. Gives the part back where it refuses
/// even the parking, which is no message's fault.
pub(crate) fn narrow_down(part: Vec<Arrival>, error: &StoreError) -> Result<Vec<Vec<Arrival>>, Vec<Arrival>> {
    if part.len() > 1 {
        return Ok(halve(part));
    }
    if part.iter().all(Arrival::is_unusable) {
        return Err(part);
    }
    warn!(%error, "the database refuses what a message leads to; it is parked");
    Ok(vec![part.into_iter().map(|arrival| arrival.refused_by_database(error)).collect()])
}
