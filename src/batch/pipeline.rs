//! Batches one behind the other: while PostgreSQL writes one, the next is decided on what the first will have made of
//! the books.
//!
//! Nothing rests on that. Each is written only if the ledger is as it was expected to be; where it isn't, or where what
//! is to be decided needs to read what is still being written, whoever pushed the batch gets it back, to be applied
//! under the ledger's lock.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::admission::{Admitted, Report, Taken};
use super::{Arrival, Attempt, Committed, Written, keys};
use crate::ledger::books::LogRecord;
use crate::ledger::inbox::Inbox;
use crate::ledger::settings::Settings;
use crate::store::{Cache, Discarded, Store, StoreError, Underway, Undo, Writing};
use crate::vitals::metrics::{BatchFigures, MessageFate};

/// So few arrivals are not held against the inbox before they are decided: that they are new is looked at as they are
/// written, and what it may cost is to decide them twice.
const EXPECTED_NEW_MAX: usize = 8;

/// Batches on their way into a ledger. `T` tells whoever pushes them which is which.
pub(crate) struct Pipeline<T> {
    store: Store,
    /// The books as they will be.
    cache: Cache,
    /// The batch that is being written.
    flight: Option<Flight<T>>,
}

/// What came of the batches that were on their way.
pub(crate) struct Landing<T> {
    /// The one that was written.
    pub(crate) written: Option<(Written, T)>,
    /// Those to be applied under the lock, in their order.
    pub(crate) undone: Vec<(Vec<Arrival>, T)>,
    /// Why the first of those was not written, where that says more than that it can't be done without the lock.
    pub(crate) error: Option<StoreError>,
}

impl<T> Landing<T> {
    fn nothing() -> Self {
        Self { written: None, undone: Vec::new(), error: None }
    }
}

/// A batch that is decided.
struct Drafted {
    arrivals: Vec<Arrival>,
    writing: Writing,
    undo: Undo,
    outcome: Outcome,
    /// What the inbox will know of its messages.
    inbox: Inbox,
}

/// What there is to tell of a batch once it is written.
struct Outcome {
    report: Report,
    committed: Committed,
    fates: Vec<MessageFate>,
    log: Vec<LogRecord>,
    applying: Duration,
}

/// A batch that is being written.
struct Flight<T> {
    token: T,
    arrivals: Vec<Arrival>,
    undo: Undo,
    outcome: Outcome,
    inbox: Inbox,
    /// What others must not read meanwhile; `None` where they can't do without.
    underway: Option<Underway>,
    /// Says how long it took.
    commit: JoinHandle<Result<Duration, StoreError>>,
    ended: Option<Result<Duration, StoreError>>,
}

impl<T> Flight<T> {
    async fn end(&mut self) {
        if self.ended.is_none() {
            let ended = (&mut self.commit).await;
            self.ended = Some(ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
        }
    }
}

impl<T> Pipeline<T> {
    /// Into `store`.
    pub(crate) fn new(store: Store) -> Self {
        Self { store, cache: Cache::default(), flight: None }
    }

    /// Whether a batch is being written.
    pub(crate) fn is_writing(&self) -> bool {
        self.flight.is_some()
    }

    /// Waits until none is being written. May be dropped and called again.
    pub(crate) async fn until_written(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.end().await;
        }
    }

    /// Decides `arrivals` while the batch before is written, and begins to write them. Says what came of the one before.
    pub(crate) async fn push(
        &mut self,
        arrivals: Vec<Arrival>,
        token: T,
        settings: &Arc<Settings>,
    ) -> Landing<T> {
        let was_alone = self.flight.is_none();
        let drafted = self.draft(arrivals, settings).await;
        let mut landing = self.land().await;
        let drafted = match drafted {
            Ok(Drafted { arrivals, undo, .. }) if !landing.undone.is_empty() => {
                self.cache.take_back(undo);
                Err(arrivals)
            }
            Err(arrivals) if landing.undone.is_empty() && !was_alone => self.draft(arrivals, settings).await,
            drafted => drafted,
        };
        match drafted {
            Ok(drafted) => self.flight = Some(drafted.take_off(token)),
            Err(arrivals) => landing.undone.push((arrivals, token)),
        }
        landing
    }

    /// Waits for the batch that is being written, and says what came of it.
    pub(crate) async fn land(&mut self) -> Landing<T> {
        self.until_written().await;
        let Some(flight) = self.flight.take() else { return Landing::nothing() };
        let Flight { token, arrivals, undo, outcome, ended, .. } = flight;
        match ended.expect("it was waited for") {
            Ok(committing) => {
                outcome.report.log(&arrivals);
                let figures = BatchFigures {
                    messages: outcome.fates,
                    locking: Duration::ZERO,
                    applying: outcome.applying,
                    committing,
                };
                let written = Written { committed: outcome.committed, figures, log: outcome.log };
                Landing { written: Some((written, token)), ..Landing::nothing() }
            }
            Err(error) => {
                self.cache.take_back(undo);
                let error = Some(error).filter(|error| !matches!(error, StoreError::Overtaken));
                Landing { written: None, undone: vec![(arrivals, token)], error }
            }
        }
    }

    /// Applies `arrivals` under the ledger's lock, which no batch on its way may be in want of.
    pub(crate) async fn apply(
        &mut self,
        arrivals: &[Arrival],
        settings: &Arc<Settings>,
    ) -> Result<Attempt, StoreError> {
        debug_assert!(self.flight.is_none());
        super::apply(&self.store, &mut self.cache, arrivals, settings).await
    }

    /// Decides `arrivals` on the books as they will be. Gives them back where that can't be done, for whatever reason:
    /// it shows again under the lock.
    async fn draft(
        &mut self,
        arrivals: Vec<Arrival>,
        settings: &Arc<Settings>,
    ) -> Result<Drafted, Vec<Arrival>> {
        match self.try_to_draft(&arrivals, settings).await {
            Ok(Some((outcome, inbox, writing, undo))) => {
                Ok(Drafted { arrivals, writing, undo, outcome, inbox })
            }
            Ok(None) | Err(_) => Err(arrivals),
        }
    }

    async fn try_to_draft(
        &mut self,
        arrivals: &[Arrival],
        settings: &Arc<Settings>,
    ) -> Result<Option<(Outcome, Inbox, Writing, Undo)>, StoreError> {
        let began = Instant::now();
        let before = match &self.flight {
            Some(Flight { underway: None, .. }) => return Ok(None),
            Some(flight) => Some((flight.underway.as_ref().expect("it was looked at"), &flight.inbox)),
            None => None,
        };
        if !arrivals.iter().all(Arrival::is_ordinary) {
            return Ok(None);
        }
        let Some(mut draft) = self.store.draft(&self.cache, settings).await? else { return Ok(None) };

        let mut unseen = keys(arrivals);
        let (mut inbox, discarded) = match unseen.len() <= EXPECTED_NEW_MAX {
            true => (Inbox::default(), Discarded::new()),
            false => draft.inbox(&unseen).await?,
        };
        if let Some((_, known)) = before {
            inbox.learn(&unseen, known);
        }
        match unseen.len() <= EXPECTED_NEW_MAX {
            true => unseen.retain(|key| !inbox.knows(key)),
            false => unseen.clear(),
        }
        let mut admitted = Admitted::of(arrivals, inbox, &HashSet::new(), &discarded, draft.last_at());
        let underway = before.map(|(underway, _)| underway);
        let decided = draft.decide(&mut self.cache, &admitted.inputs, settings, underway).await?;
        let Some((decisions, changes)) = decided else { return Ok(None) };
        let inbox = std::mem::take(&mut admitted.inbox);
        let Taken { report, committed, fates, changes, now } = admitted.decided(arrivals, decisions, changes);
        let received = Arc::clone(&report.received);
        let (writing, undo, log) = draft.prepare(&mut self.cache, &unseen, received, *changes, now);
        let outcome = Outcome { report, committed, fates, log, applying: began.elapsed() };
        Ok(Some((outcome, inbox, writing, undo)))
    }
}

impl Drafted {
    /// Begins to write it.
    fn take_off<T>(self, token: T) -> Flight<T> {
        let Self { arrivals, mut writing, undo, outcome, inbox } = self;
        let underway = writing.take_underway();
        let commit = tokio::spawn(async move {
            let began = Instant::now();
            writing.commit().await.map(|()| began.elapsed())
        });
        Flight { token, arrivals, undo, outcome, inbox, underway, commit, ended: None }
    }
}
