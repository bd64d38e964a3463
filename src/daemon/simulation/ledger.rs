//! The ledger of a simulation, as one process sees it.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::oneshot;
use tracing::debug;

use super::process::{Process, locked};
use super::server::{Server, Tried};
use crate::batch::in_memory::Tables;
use crate::batch::settings::Adoption;
use crate::batch::{Arrival, Attempt, Landing, Written};
use crate::broker::DeliveryTag;
use crate::clock;
use crate::daemon::due::Done;
use crate::daemon::ledger::Ledger;
use crate::ledger::settings::Settings;
use crate::store::{OffersCounted, ParkedRow, StoreError};

/// The ledger.
pub(super) struct SimulatedLedger {
    server: Arc<Server>,
    process: Arc<Process>,
    flight: Option<Flight>,
    /// The contents of which a process dies as it decodes them.
    deadly: Arc<HashSet<[u8; 32]>>,
}

/// What a batch was written as, and the ledger's version then.
type Flown = Result<(Box<Written>, u64), StoreError>;

/// Counts a message that was left by a process which could not note that it lives, or not before another one tried it.
struct CountsAsDeath<'s> {
    server: &'s Server,
    content: [u8; 32],
    is_noted: bool,
}

impl Drop for CountsAsDeath<'_> {
    fn drop(&mut self) {
        if !self.is_noted {
            self.server.ended_with_alone(self.content);
        }
    }
}

/// A batch that is being written.
struct Flight {
    last: DeliveryTag,
    arrivals: Arc<Vec<Arrival>>,
    commit: oneshot::Receiver<Flown>,
    ended: Option<Flown>,
}

impl SimulatedLedger {
    pub(super) fn new(server: Arc<Server>, process: Arc<Process>, deadly: Arc<HashSet<[u8; 32]>>) -> Self {
        Self { server, process, flight: None, deadly }
    }

    /// On which version of the ledger a batch can be decided without the lock.
    async fn draft(&self, arrivals: &[Arrival], settings: &Arc<Settings>) -> Option<u64> {
        if arrivals.iter().any(Arrival::is_for_the_lock) || self.server.wants_lock() {
            return None;
        }
        self.server.reach().await.ok()?;
        let (version, dies) = {
            let tables = locked(&self.server.tables);
            if !tables.goes_by(settings) {
                return None;
            }
            (tables.version, self.server.kills(&tables.draft(arrivals)))
        };
        if dies {
            self.process.die().await;
        }
        self.server.lag().await;
        Some(version)
    }

    /// Begins to write a batch if the ledger still has this version then. It goes on if the process dies.
    fn take_off(&mut self, arrivals: Vec<Arrival>, last: DeliveryTag, version: u64) {
        let arrivals = Arc::new(arrivals);
        let (told, commit) = oneshot::channel();
        let (server, batch) = (self.server.clone(), arrivals.clone());
        let process = self.process.clone();
        let written = tokio::spawn(async move {
            let flown = write(&server, &process, &batch, version).await;
            drop(batch);
            // A process that is dead isn't told.
            let _ = told.send(flown);
        });
        locked(&self.server.left).push(written);
        self.flight = Some(Flight { last, arrivals, commit, ended: None });
    }
}

async fn write(server: &Server, process: &Process, arrivals: &[Arrival], version: u64) -> Flown {
    server.reach().await?;
    let fate = server.fate();
    let (tried, version) = {
        let mut tables = locked(&server.tables);
        if tables.version != version {
            return Err(StoreError::Overtaken);
        }
        (server.try_batch(&mut tables, arrivals, fate), tables.version)
    };
    server.lag().await;
    match tried {
        Tried::Written(written) => fate.after().map(|()| (written, version)),
        Tried::Failed(error) => Err(error),
        // It would have died earlier, had it decided what lay there then.
        Tried::Dies => process.die().await,
    }
}

impl Ledger for SimulatedLedger {
    fn is_writing(&self) -> bool {
        self.flight.is_some()
    }

    async fn until_written(&mut self) {
        if let Some(flight) = self.flight.as_mut().filter(|flight| flight.ended.is_none()) {
            flight.ended = Some((&mut flight.commit).await.expect("a batch is written or refused"));
        }
    }

    async fn push(
        &mut self,
        arrivals: Vec<Arrival>,
        last: DeliveryTag,
        settings: &Arc<Settings>,
    ) -> Landing<DeliveryTag> {
        let drafted = self.draft(&arrivals, settings).await;
        self.until_written().await;
        let written = self.flight.as_ref().and_then(|flight| flight.ended.as_ref());
        let version = written.and_then(|flown| flown.as_ref().ok().map(|(_, version)| *version));
        let mut landing = self.land().await;
        match drafted.filter(|_| landing.undone.is_empty()) {
            Some(found) => self.take_off(arrivals, last, version.unwrap_or(found)),
            None => landing.undone.push((arrivals, last)),
        }
        landing
    }

    async fn land(&mut self) -> Landing<DeliveryTag> {
        self.until_written().await;
        let mut landing = Landing { written: None, undone: Vec::new(), error: None };
        let Some(Flight { last, arrivals, ended, .. }) = self.flight.take() else { return landing };
        match ended.expect("it was waited for") {
            Ok((written, _)) => landing.written = Some((*written, last)),
            Err(error) => {
                let arrivals = Arc::into_inner(arrivals).expect("whoever wrote them is done");
                landing.undone.push((arrivals, last));
                landing.error = Some(error).filter(|error| !matches!(error, StoreError::Overtaken));
            }
        }
        landing
    }

    async fn apply(&mut self, arrivals: &[Arrival], settings: &Arc<Settings>) -> Result<Attempt, StoreError> {
        assert!(self.flight.is_none(), "a batch is on its way");
        self.server.reach().await?;
        let fate = self.server.fate();
        let tried = {
            let mut tables = locked(&self.server.tables);
            if !tables.goes_by(settings) {
                return Ok(Attempt::SettingsDiffer);
            }
            self.server.try_batch(&mut tables, arrivals, fate)
        };
        match tried {
            Tried::Dies => self.process.die().await,
            Tried::Failed(error) => Err(error),
            Tried::Written(written) => {
                self.process.has_alone(None);
                self.server.lag().await;
                fate.after().map(|()| Attempt::Committed(*written))
            }
        }
    }

    async fn adopt(&self, settings: &Arc<Settings>) -> Result<Adoption, StoreError> {
        let adopted = self.server.transact(|tables| tables.adopt(settings, clock::now())).await;
        debug!(?adopted, sessions = ?locked(&self.process.sessions), "settings are set");
        adopted
    }

    async fn tries(&self, content_hash: &[u8; 32]) -> Result<i32, StoreError> {
        self.server.transact(|tables| tables.tries(content_hash)).await
    }

    async fn count_try(&self, content_hash: &[u8; 32], tries: i32) -> Result<(), StoreError> {
        self.process.has_alone(Some(*content_hash));
        self.server.transact(|tables| tables.count_try(content_hash, tries)).await?;
        debug!(tries, sessions = ?locked(&self.process.sessions), "a try is counted");
        // It is decoded next.
        if self.deadly.contains(content_hash) {
            self.process.die().await;
        }
        Ok(())
    }

    async fn take_back_try(&self, content_hash: &[u8; 32], tries: i32) -> Result<(), StoreError> {
        let mut ends = CountsAsDeath { server: &self.server, content: *content_hash, is_noted: false };
        let taken_back = |tables: &mut Tables| {
            ends.is_noted = tables.take_back_try(content_hash, tries);
            if ends.is_noted {
                self.process.has_no_more(content_hash);
            }
        };
        self.server.transact(taken_back).await
    }

    async fn apply_due(&self) -> Result<Done, StoreError> {
        let (wrote_log, appeared, more) =
            self.server.transact(|tables| tables.apply_due(clock::now())).await?;
        Ok(Done { wrote_log, appeared, more })
    }

    async fn due_messages(
        &self,
        consuming: bool,
        looked_through: &mut Option<i64>,
        limit: usize,
    ) -> Result<Vec<ParkedRow>, StoreError> {
        if let Some(after) = looked_through.filter(|_| consuming) {
            let marked = self.server.transact(|tables| tables.offer_types(after, limit)).await?;
            *looked_through = marked.last().copied().filter(|_| marked.len() == limit);
        }
        self.server.transact(|tables| tables.due_messages(limit)).await
    }

    async fn count_offers(&self, offers: &OffersCounted) -> Result<u64, StoreError> {
        let alone = match offers.parked_ids[..] {
            [one] => locked(&self.server.tables).content(one),
            _ => None,
        };
        if offers.count > offers.before {
            self.process.has_alone(alone.or(self.process.had_alone()));
        }
        let count = |tables: &mut Tables| {
            if let Some(content) = alone.filter(|_| offers.count < offers.before) {
                self.process.has_no_more(&content);
            }
            tables.count_offers(offers)
        };
        let counted = self.server.transact(count).await;
        debug!(?offers, ?counted, sessions = ?locked(&self.process.sessions), "offers are counted");
        counted
    }

    async fn find_server(&self) -> Result<(), StoreError> {
        self.server.reach().await
    }
}
