//! Batches one behind the other: while PostgreSQL writes one, the next is decided on what the first will have made of
//! the books.
//!
//! Each is written only if the ledger is as it was expected to be. Where it isn't, whoever pushed the batch gets it
//! back, to be applied under the ledger's lock. Nothing that is still being written is read from the server: rows come
//! from the cache, and for all else that it may change ([`Underway`]) the batch behind it waits.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::admission::{Admitted, Report, Taken};
use super::{Arrival, Attempt, Committed, Written, keys};
use crate::hooks;
use crate::ledger::books::LogRecord;
use crate::ledger::inbox::Inbox;
use crate::ledger::settings::Settings;
use crate::store::{Cache, Discarded, Load, Store, StoreError, Underway, Undo, Writing};
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
    /// Waits until it is written. Says whether it was.
    async fn end(&mut self) -> bool {
        if self.ended.is_none() {
            let ended = (&mut self.commit).await;
            self.ended = Some(ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
        }
        self.ended.as_ref().is_some_and(Result::is_ok)
    }
}

/// Why a batch is not decided yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Undecided {
    /// It needs what the batch before it is writing.
    Later,
    /// It needs the lock, or to be tried under it for what is wrong to show.
    UnderLock,
}

impl From<StoreError> for Undecided {
    fn from(_shows_again: StoreError) -> Self {
        Self::UnderLock
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
        let drafted = self.draft(arrivals, settings).await;
        let mut landing = self.land().await;
        let drafted = match drafted {
            Ok(Drafted { arrivals, undo, .. }) if !landing.undone.is_empty() => {
                self.cache.take_back(undo);
                Err((arrivals, Undecided::UnderLock))
            }
            Err((arrivals, Undecided::Later)) if landing.undone.is_empty() => {
                self.draft(arrivals, settings).await
            }
            drafted => drafted,
        };
        match drafted {
            Ok(drafted) => self.flight = Some(drafted.take_off(token)),
            Err((arrivals, _)) => landing.undone.push((arrivals, token)),
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
            Err(StoreError::Overtaken) => {
                self.cache.take_back(undo);
                Landing { undone: vec![(arrivals, token)], ..Landing::nothing() }
            }
            Err(error) => {
                // Whatever the server is after that, and whichever server it is: it is asked for everything anew.
                self.cache = Cache::default();
                Landing { undone: vec![(arrivals, token)], error: Some(error), ..Landing::nothing() }
            }
        }
    }

    /// Applies `arrivals` under the ledger's lock. No batch may be on its way.
    pub(crate) async fn apply(
        &mut self,
        arrivals: &[Arrival],
        settings: &Arc<Settings>,
    ) -> Result<Attempt, StoreError> {
        assert!(self.flight.is_none(), "the cache is ahead of the server while a batch is on its way");
        super::apply(&self.store, &mut self.cache, arrivals, settings).await
    }

    /// Decides `arrivals` on the books as they will be. Gives them back where that can't be done.
    async fn draft(
        &mut self,
        arrivals: Vec<Arrival>,
        settings: &Arc<Settings>,
    ) -> Result<Drafted, (Vec<Arrival>, Undecided)> {
        match self.try_to_draft(&arrivals, settings).await {
            Ok((outcome, inbox, writing, undo)) => Ok(Drafted { arrivals, writing, undo, outcome, inbox }),
            Err(why) => Err((arrivals, why)),
        }
    }

    async fn try_to_draft(
        &mut self,
        arrivals: &[Arrival],
        settings: &Arc<Settings>,
    ) -> Result<(Outcome, Inbox, Writing, Undo), Undecided> {
        let began = Instant::now();
        if !arrivals.iter().all(Arrival::is_ordinary) {
            return Err(Undecided::UnderLock);
        }
        if self.flight.as_ref().is_some_and(|flight| flight.underway.is_none()) {
            return Err(Undecided::Later);
        }
        let draft = self.store.draft(&self.cache, settings).await?;
        let mut draft = draft.ok_or(Undecided::UnderLock)?;

        let mut unseen = keys(arrivals);
        let (mut inbox, discarded) = match unseen.len() <= EXPECTED_NEW_MAX {
            true => (Inbox::default(), Discarded::new()),
            false => draft.inbox(&unseen).await?,
        };
        if let Some(before) = &self.flight {
            inbox.learn(&unseen, &before.inbox);
        }
        match unseen.len() <= EXPECTED_NEW_MAX {
            true => unseen.retain(|key| !inbox.knows(key)),
            false => unseen.clear(),
        }
        let mut admitted = Admitted::of(arrivals, inbox, &HashSet::new(), &discarded, draft.last_at());
        let underway = self.flight.as_ref().and_then(|before| before.underway.as_ref());
        match draft.load(&mut self.cache, &admitted.inputs, underway).await? {
            Load::Complete => {}
            Load::Later => return Err(Undecided::Later),
            // The core is never given rows of two writers at once, of which it could not make sense.
            Load::IfWritten => {
                let before = self.flight.as_mut().expect("what is loaded rests on the batch before");
                if !before.end().await {
                    return Err(Undecided::UnderLock);
                }
            }
        }
        hooks::reached("loaded");
        let decided = draft.decide(&mut self.cache, &admitted.inputs, settings);
        let (decisions, changes) = decided.ok_or(Undecided::UnderLock)?;
        hooks::reached("decided");
        let inbox = std::mem::take(&mut admitted.inbox);
        let Taken { report, committed, fates, changes, now } = admitted.decided(arrivals, decisions, changes);
        let received = Arc::clone(&report.received);
        let (writing, undo, log) = draft.prepare(&mut self.cache, &unseen, received, *changes, now);
        let outcome = Outcome { report, committed, fates, log, applying: began.elapsed() };
        Ok((outcome, inbox, writing, undo))
    }
}

impl Drafted {
    /// Begins to write it.
    fn take_off<T>(self, token: T) -> Flight<T> {
        let Self { arrivals, mut writing, undo, outcome, inbox } = self;
        let underway = writing.take_underway();
        let commit = tokio::spawn(async move {
            let began = Instant::now();
            writing.commit().await?;
            hooks::reached("committed");
            Ok(began.elapsed())
        });
        Flight { token, arrivals, undo, outcome, inbox, underway, commit, ended: None }
    }
}
