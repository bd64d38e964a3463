//! The apply loop: takes whatever has arrived as one batch through the store, and acknowledges it once it is committed.
//! A lone message waits for nobody, and a flood batches itself: a batch is decided while the one before is written.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use super::backoff::Backoff;
use super::due::apply_due;
use super::intake::{Link, Received, beating};
use super::tail::LogWriter;
use crate::batch::settings::{Adoption, OrderDiffers, adopt};
use crate::batch::{self, Arrival, Attempt, Committed, Landing, Offers, Pipeline, TRIES_ALONE_MAX, Written};
use crate::broker::DeliveryTag;
use crate::clock;
use crate::contract::inbound::known_types;
use crate::hooks;
use crate::ledger::settings::Settings;
use crate::store::{ParkedRow, Remedy, Store, StoreError};
use crate::vitals::metrics::{BatchFailure, Server};
use crate::vitals::{Doing, Health, Heartbeat, Metrics, Part};

/// How often due parked messages are looked for without being told.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Why the loop gave up.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApplyError {
    /// The database says something that trying again won't change.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The ledger goes by another order.
    #[error(transparent)]
    Order(#[from] OrderDiffers),
}

/// What the loop works with.
pub(super) struct Apply {
    pub(super) store: Store,
    pub(super) pipeline: Pipeline<DeliveryTag>,
    pub(super) settings: Arc<Settings>,
    pub(super) messages_max: usize,
    pub(super) health: Health,
    pub(super) heartbeat: Heartbeat,
    pub(super) metrics: Arc<Metrics>,
    /// Told after each commit that wrote entries or notices.
    pub(super) log: LogWriter,
    pub(super) stop: CancellationToken,
}

/// A delivered message, waiting for its batch.
struct Waiting {
    arrival: Arrival,
    tag: DeliveryTag,
}

/// What holds between two turns of the loop.
#[derive(Default)]
struct Turn {
    link: Option<Link>,
    /// Whether something that came by the link was left undone. An acknowledgement covers all before it, so
    /// nothing that came later may be acknowledged any more: all of it will come again.
    left_undone: bool,
    /// Whether messages come here, and so whether this daemon sets the ledger's settings.
    consuming: bool,
    /// Whether parked messages may be due.
    sweep: bool,
    /// Up to which parked message it was looked for those that another version could not apply; nothing once
    /// that is done.
    looked_through: Option<i64>,
}

impl Turn {
    /// Whether to look for due messages. Not before it is known whether messages come here.
    fn may_sweep(&self) -> bool {
        self.sweep && self.link.is_some()
    }
}

/// What the ledger's part does where messages come here or don't.
fn doing(consuming: bool) -> Doing {
    if consuming { Doing::Applying } else { Doing::Ready }
}

impl Apply {
    /// Applies what `inbox` brings until told to stop. New settings come by `reloaded`.
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Received>,
        mut reloaded: mpsc::UnboundedReceiver<Arc<Settings>>,
    ) -> Result<(), ApplyError> {
        let mut turn = Turn { sweep: true, ..Turn::default() };
        let mut ended = self.work(&mut inbox, &mut reloaded, &mut turn).await;
        if ended.is_ok() {
            ended = self.land(&mut turn).await;
        }
        if let Some(link) = turn.link {
            // What was received and not applied goes back to its place in the queue.
            beating(&self.heartbeat, link.acknowledger.close()).await;
        }
        ended
    }

    async fn work(
        &mut self,
        inbox: &mut mpsc::Receiver<Received>,
        reloaded: &mut mpsc::UnboundedReceiver<Arc<Settings>>,
        turn: &mut Turn,
    ) -> Result<(), ApplyError> {
        let mut gathered = Vec::new();
        let mut sweeps = tokio::time::interval(SWEEP_EVERY);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.heartbeat.beat();
            let room = self.messages_max - gathered.len();
            let stop = self.stop.clone();
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some(settings) = reloaded.recv() => {
                    self.land(turn).await?;
                    self.settings = settings;
                    turn.sweep = true;
                    if turn.consuming {
                        self.adopt().await?;
                    }
                }
                // Ahead of what arrives, so that a flood can't put it off for ever.
                _ = sweeps.tick() => turn.sweep = true,
                () = self.pipeline.until_written(), if self.pipeline.is_writing() => self.land(turn).await?,
                count = inbox.recv_many(&mut gathered, room) => {
                    if count == 0 {
                        return Ok(());
                    }
                }
                // What may be due is looked for as soon as nothing else waits.
                () = std::future::ready(()), if turn.may_sweep() || self.may_take(&gathered) => {}
            }
            if self.may_take(&gathered) {
                self.take(&mut gathered, turn).await?;
            }
            // Whoever stands by looks too: it is not told when it becomes the one that messages come to.
            if turn.may_sweep() && !self.stop.is_cancelled() {
                self.sweep(turn).await?;
            }
        }
    }

    /// Whether what has gathered is a batch. A few messages that come while others are written are committed sooner as
    /// one behind these than as several; a full one has nothing to wait for.
    fn may_take(&self, gathered: &[Received]) -> bool {
        !gathered.is_empty() && (!self.pipeline.is_writing() || gathered.len() >= self.messages_max)
    }

    /// Takes what was received, in order: runs of ordinary messages as batches, suspects alone.
    async fn take(&mut self, gathered: &mut Vec<Received>, turn: &mut Turn) -> Result<(), ApplyError> {
        let mut run = Vec::with_capacity(gathered.len());
        for received in gathered.drain(..) {
            match received {
                Received::Connected(link) => {
                    // What came by the old connection will come again.
                    run.clear();
                    self.land(turn).await?;
                    turn.left_undone = false;
                    turn.consuming = link.alone;
                    turn.link = Some(link);
                    turn.sweep = true;
                    turn.looked_through = Some(0);
                    if turn.consuming {
                        self.adopt().await?;
                    }
                }
                Received::Delivered { arrival, tag, suspect: false } => {
                    run.push(Waiting { arrival: *arrival, tag });
                }
                Received::Delivered { arrival, tag, suspect: true } => {
                    self.deliver(std::mem::take(&mut run), turn).await?;
                    // Others must not be in hand with it, or they would be suspects too.
                    self.land(turn).await?;
                    match self.count_try(*arrival, turn).await? {
                        Some(arrival) => self.deliver(vec![Waiting { arrival, tag }], turn).await?,
                        None => turn.left_undone = true,
                    }
                }
            }
        }
        self.deliver(run, turn).await
    }

    /// Has delivered messages applied. They are acknowledged once they are committed.
    async fn deliver(&mut self, run: Vec<Waiting>, turn: &mut Turn) -> Result<(), ApplyError> {
        let Some(last) = run.last().map(|waiting| waiting.tag) else { return Ok(()) };
        if turn.link.is_none() || turn.left_undone {
            return Ok(());
        }
        turn.consuming = true;
        let arrivals = run.into_iter().map(|waiting| waiting.arrival).collect();
        let landing = self.pipeline.push(arrivals, last, &self.settings).await;
        self.settle(landing, turn).await
    }

    /// Waits for the batch that is being written, if one is.
    async fn land(&mut self, turn: &mut Turn) -> Result<(), ApplyError> {
        let landing = self.pipeline.land().await;
        self.settle(landing, turn).await
    }

    /// Acknowledges what was committed, and applies what has yet to be.
    async fn settle(&mut self, landing: Landing<DeliveryTag>, turn: &mut Turn) -> Result<(), ApplyError> {
        let Landing { written, undone, error } = landing;
        if let Some((written, last)) = written {
            let committed = self.note(written, turn.consuming);
            hooks::reached("noted");
            Self::acknowledge(committed, last, turn).await;
        }
        if let Some(error) = error {
            if self.failed(&error) == Remedy::Stop {
                return Err(error.into());
            }
            info!(%error, "a batch was not written; it is decided again under the ledger's lock");
            // It may have been, and only its reply was lost.
            self.log.may_have_grown();
        }
        for (arrivals, last) in undone {
            let Some(link) = turn.link.as_ref().filter(|_| !turn.left_undone) else { return Ok(()) };
            let over = link.over.clone();
            match self.apply(arrivals, &over, true).await? {
                Some(committed) => Self::acknowledge(committed, last, turn).await,
                None => turn.left_undone = true,
            }
        }
        Ok(())
    }

    /// Acknowledges all that was delivered up to `last`, now that it is committed.
    async fn acknowledge(committed: Committed, last: DeliveryTag, turn: &mut Turn) {
        turn.sweep |= committed.appeared;
        let Some(link) = &mut turn.link else { return };
        if let Err(error) = link.acknowledger.acknowledge_through(last).await {
            debug!(%error, "the acknowledgement failed; the messages will come again, and do nothing");
            link.over.cancel();
        }
        hooks::reached("acknowledged");
    }

    /// Tells that a batch is committed.
    fn note(&mut self, written: Written, consuming: bool) -> Committed {
        let Written { committed, figures, log } = written;
        self.metrics.messages.committed(&figures, clock::now());
        self.health.well(Part::Ledger, doing(consuming));
        self.log.wrote(log);
        debug!(
            decided = committed.decided(),
            repeated = committed.repeated,
            parked = committed.parked,
            "a batch is committed"
        );
        committed
    }

    /// Offers parked messages whose reason may have gone, a batch at a time so that deliveries come between.
    async fn sweep(&mut self, turn: &mut Turn) -> Result<(), ApplyError> {
        self.land(turn).await?;
        turn.sweep = false;
        match self.look_for_due(turn).await {
            Ok(()) => {
                self.health.well(Part::Ledger, doing(turn.consuming));
                Ok(())
            }
            // The next batch, or the next look, waits for a server that is away.
            Err(ApplyError::Store(error)) if matches!(error.remedy(), Remedy::Wait | Remedy::Retry) => {
                self.without_database(&error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn look_for_due(&mut self, turn: &mut Turn) -> Result<(), ApplyError> {
        self.do_what_is_due(turn).await?;
        let due = self.due_messages(turn).await?;
        self.offer(due, turn).await
    }

    /// Applies what is due by the clock.
    async fn do_what_is_due(&self, turn: &mut Turn) -> Result<(), ApplyError> {
        let done = apply_due(&self.store).await?;
        if done.wrote_log {
            self.log.may_have_grown();
        }
        turn.sweep |= done.appeared || done.more;
        Ok(())
    }

    /// What is due, a batch of it. When this daemon becomes the one that messages come to, that is also what
    /// another version parked because it didn't know the type, or could not do what it says.
    async fn due_messages(&self, turn: &mut Turn) -> Result<Vec<ParkedRow>, StoreError> {
        let limit = i64::try_from(self.messages_max).unwrap_or(i64::MAX);
        if let Some(after) = turn.looked_through.filter(|_| turn.consuming) {
            let mut desk = self.store.desk().await?;
            let marked = desk.offer_types(&known_types(), after, limit).await?;
            desk.commit().await?;
            // A full batch may not have been all. What is parked again is not looked at twice.
            turn.looked_through = marked.last().copied().filter(|_| marked.len() == self.messages_max);
        }
        self.store.due_messages(limit).await
    }

    /// Offers what is due, as far as it is this daemon's to offer.
    async fn offer(&mut self, due: Vec<ParkedRow>, turn: &mut Turn) -> Result<(), ApplyError> {
        let Some(offers) = Offers::choose(due, turn.consuming, self.messages_max) else { return Ok(()) };
        if turn.consuming {
            offers.count(&self.store).await?;
        }
        let is_all = offers.is_all;
        let never = CancellationToken::new();
        let offers = offers.into_arrivals(clock::now());
        if let Some(committed) = self.apply(offers, &never, turn.consuming).await? {
            info!(applied = committed.decided(), parked = committed.parked, "offered parked messages again");
            turn.sweep = committed.appeared || !is_all;
        }
        Ok(())
    }

    /// Counts a suspect's try before it is decoded. After the third death alone it stays undecoded, to be
    /// parked. `None` if the connection is over.
    async fn count_try(&mut self, suspect: Arrival, turn: &mut Turn) -> Result<Option<Arrival>, ApplyError> {
        let link = turn.link.as_ref().filter(|_| !turn.left_undone);
        let (Some(hash), Some(link)) = (suspect.suspect().copied(), link) else { return Ok(None) };
        let mut backoff = Backoff::new();
        loop {
            match self.store.count_try(&hash).await {
                Ok(tries) if tries > TRIES_ALONE_MAX => {
                    error!(tries, "a message was in hand alone at {TRIES_ALONE_MAX} deaths and is parked");
                    return Ok(Some(suspect));
                }
                Ok(_) => return Ok(Some(suspect.try_alone())),
                Err(error) if error.remedy() == Remedy::Stop => return Err(error.into()),
                Err(error) => {
                    if !self.wait(&error, &mut backoff, &link.over).await {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Applies arrivals under the ledger's lock until they are committed, whatever it takes. `None` if the connection
    /// that they came by is over or the daemon stops: then they will come again. `None` too if the ledger goes
    /// by other settings and this daemon is not the one that sets them.
    async fn apply(
        &mut self,
        arrivals: Vec<Arrival>,
        over: &CancellationToken,
        consuming: bool,
    ) -> Result<Option<Committed>, ApplyError> {
        let mut total = Committed::default();
        let mut backoff = Backoff::new();
        // A part that the database refuses is halved until the message at fault stands alone.
        let mut parts = vec![arrivals];
        while let Some(part) = parts.pop() {
            self.heartbeat.beat();
            match self.pipeline.apply(&part, &self.settings).await {
                Ok(Attempt::Committed(written)) => {
                    backoff.reset();
                    total.add(&self.note(written, consuming));
                }
                Ok(Attempt::SettingsDiffer) if !consuming => return Ok(None),
                Ok(Attempt::SettingsDiffer) => {
                    parts.push(part);
                    self.adopt().await?;
                }
                Err(error) => match self.failed(&error) {
                    Remedy::Bisect => match batch::narrow_down(part, &error) {
                        Ok(narrower) => parts.extend(narrower.into_iter().rev()),
                        Err(part) => {
                            parts.push(part);
                            if !self.wait(&error, &mut backoff, over).await {
                                return Ok(None);
                            }
                        }
                    },
                    Remedy::Wait | Remedy::Retry => {
                        parts.push(part);
                        if !self.wait(&error, &mut backoff, over).await {
                            return Ok(None);
                        }
                    }
                    Remedy::Stop => return Err(error.into()),
                },
            }
        }
        Ok(Some(total))
    }

    /// Counts a failed attempt, and says what is to be done about it.
    fn failed(&self, error: &StoreError) -> Remedy {
        let remedy = error.remedy();
        match remedy {
            Remedy::Wait => self.metrics.messages.failed(BatchFailure::Away),
            Remedy::Retry => self.metrics.messages.failed(BatchFailure::Lost),
            Remedy::Bisect => self.metrics.messages.failed(BatchFailure::Refused),
            // The daemon ends by it.
            Remedy::Stop => {}
        }
        remedy
    }

    /// Makes this daemon's settings the ledger's, whatever it takes, unless the daemon stops.
    async fn adopt(&self) -> Result<(), ApplyError> {
        let mut backoff = Backoff::new();
        loop {
            self.heartbeat.beat();
            match adopt(&self.store, &self.settings).await {
                Ok(Adoption::Adopted { wrote_log }) => {
                    self.health.well(Part::Ledger, Doing::Applying);
                    if wrote_log {
                        self.log.may_have_grown();
                    }
                    return Ok(());
                }
                Ok(Adoption::OrderDiffers(differ)) => return Err(differ.into()),
                Err(error) if matches!(error.remedy(), Remedy::Wait | Remedy::Retry) => {
                    if !self.wait(&error, &mut backoff, &CancellationToken::new()).await {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Tells that the database is away or did not let a transaction through; it is tried again.
    fn without_database(&self, error: &StoreError) {
        self.health.waiting(Part::Ledger, error);
        if error.is_away() {
            self.metrics.messages.reconnecting(Server::Postgresql, Part::Ledger);
        }
    }

    /// Waits before another try. Says whether there is any point in one.
    async fn wait(&self, error: &StoreError, backoff: &mut Backoff, over: &CancellationToken) -> bool {
        self.without_database(error);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return false,
                () = over.cancelled() => return false,
                () = beating(&self.heartbeat, tokio::time::sleep(backoff.next_delay())) => {}
            }
            match beating(&self.heartbeat, self.store.find_server()).await {
                Ok(()) => return true,
                Err(error) => self.without_database(&error),
            }
        }
    }
}
