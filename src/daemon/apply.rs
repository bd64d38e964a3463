//! The apply loop: takes whatever has arrived as one batch through the store, and acknowledges it once it is committed.
//! A lone message waits for nobody, and a flood batches itself: a batch is decided while the one before is written.

mod sweep;
mod tries;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::backoff::Backoff;
use super::intake::{Acknowledge, Link, Received, beating};
use super::ledger::Ledger;
use super::tail::LogWriter;
use crate::batch::settings::{Adoption, OrderDiffers};
use crate::batch::{self, Arrival, Attempt, Committed, Landing, Written};
use crate::broker::DeliveryTag;
use crate::clock;
use crate::hooks;
use crate::ledger::settings::Settings;
use crate::store::{Remedy, StoreError};
use crate::vitals::metrics::{BatchFailure, Server};
use crate::vitals::{Doing, Health, Heartbeat, Metrics, Part};

/// How often due parked messages are looked for without being told.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// For so long what another daemon may be offering is left to it.
const LEFT_TO_OTHERS: Duration = Duration::from_secs(30);

/// As often in a row may a batch take longer than a statement may before it is tried in halves: others may have been in
/// its way.
const OUT_OF_TIME_MAX: u32 = 3;

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

impl ApplyError {
    /// Whether what was in hand may have led to it. A ledger that doesn't fit would end the loop whatever it is.
    fn may_be_of_a_message(&self) -> bool {
        match self {
            ApplyError::Store(error) => !error.is_of_the_schema(),
            ApplyError::Order(_) => false,
        }
    }
}

/// What the loop works with.
pub(super) struct Apply<L, A> {
    pub(super) ledger: L,
    pub(super) settings: Arc<Settings>,
    pub(super) messages_max: usize,
    pub(super) health: Health,
    pub(super) heartbeat: Heartbeat,
    pub(super) metrics: Arc<Metrics>,
    /// Told after each commit that wrote entries or notices.
    pub(super) log: LogWriter,
    pub(super) stop: CancellationToken,
    pub(super) turn: Turn<A>,
}

/// A delivered message, waiting for its batch.
struct Waiting {
    arrival: Arrival,
    tag: DeliveryTag,
}

/// Whether messages come here, as far as is known. RabbitMQ doesn't say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Not that anybody knew.
    StandsBy,
    /// They do, and so this daemon sets the ledger's settings.
    Consumes,
    /// It has, or they were the same, since messages come here by the link.
    Decides,
}

impl Role {
    fn is_consuming(self) -> bool {
        self != Role::StandsBy
    }
}

/// What holds between two turns of the loop.
pub(super) struct Turn<A> {
    link: Option<Link<A>>,
    /// Whether something that came by the link was left undone. An acknowledgement covers all before it, so
    /// nothing that came later may be acknowledged any more: all of it will come again.
    left_undone: bool,
    role: Role,
    /// Whether parked messages may be due.
    sweep: bool,
    /// Up to which parked message it was looked for those that another version could not apply; nothing once
    /// that is done.
    looked_through: Option<i64>,
    /// Which message was tried alone last, and the how manyth try it was.
    last_try: Option<([u8; 32], i32)>,
    /// Which parked message was offered alone last, and the how manyth offer it was.
    last_offer: Option<(i64, i32)>,
    /// The parked message that is left to another daemon, with how many of its last offers came to no end at most, and
    /// since when.
    left: Option<((i64, i32), Instant)>,
}

impl<A> Turn<A> {
    /// Before the first one.
    pub(super) fn first() -> Self {
        Self {
            link: None,
            left_undone: false,
            role: Role::StandsBy,
            sweep: true,
            looked_through: None,
            last_try: None,
            last_offer: None,
            left: None,
        }
    }

    /// Whether nothing has been done for long about a message that is left to another daemon. Somebody who offers it and
    /// dies counts one more; fewer say nothing, since whoever can't make an offer takes it back.
    fn is_left_for_long(&mut self, (parked_id, unended): (i64, i32)) -> bool {
        let before = self.left.filter(|((before_id, most), _)| *before_id == parked_id && unended <= *most);
        let left = *self.left.insert(before.unwrap_or(((parked_id, unended), Instant::now())));
        left.1.elapsed() >= LEFT_TO_OTHERS
    }

    /// Whether to look for due messages. Not before it is known whether messages come here.
    fn may_sweep(&self) -> bool {
        self.sweep && self.link.is_some()
    }
}

/// What the ledger's part does where messages come here or don't.
fn doing(role: Role) -> Doing {
    if role.is_consuming() { Doing::Applying } else { Doing::Ready }
}

impl<L: Ledger, A: Acknowledge> Apply<L, A> {
    /// Applies what `inbox` brings until told to stop. New settings come by `reloaded`.
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Received<A>>,
        mut reloaded: mpsc::UnboundedReceiver<Arc<Settings>>,
    ) -> Result<(), ApplyError> {
        let mut ended = self.work(&mut inbox, &mut reloaded).await;
        if ended.is_ok() {
            ended = self.land().await;
        }
        // Before the message goes back to the queue, and to somebody who would take this try for a death.
        if !ended.as_ref().is_err_and(ApplyError::may_be_of_a_message) {
            self.take_back_try().await;
        }
        self.disconnect().await;
        ended
    }

    /// Ends the connection. What was received by it and not applied goes back to its place in the queue.
    async fn disconnect(&mut self) {
        if let Some(Link { acknowledger, over, .. }) = self.turn.link.take() {
            beating(&self.heartbeat, acknowledger.close()).await;
            over.cancel();
        }
    }

    async fn work(
        &mut self,
        inbox: &mut mpsc::Receiver<Received<A>>,
        reloaded: &mut mpsc::UnboundedReceiver<Arc<Settings>>,
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
                    self.land().await?;
                    self.settings = settings;
                    self.turn.sweep = true;
                    if self.turn.role.is_consuming() {
                        self.adopt().await?;
                    }
                }
                // Ahead of what arrives, so that a flood can't put it off for ever.
                _ = sweeps.tick() => self.turn.sweep = true,
                () = self.ledger.until_written(), if self.ledger.is_writing() => self.land().await?,
                count = inbox.recv_many(&mut gathered, room) => {
                    if count == 0 {
                        return Ok(());
                    }
                }
                // What may be due is looked for as soon as nothing else waits.
                () = std::future::ready(()), if self.turn.may_sweep() || self.may_take(&gathered) => {}
            }
            if self.may_take(&gathered) {
                self.take(&mut gathered).await?;
            }
            // Whoever stands by looks too: it is not told when it becomes the one that messages come to.
            if self.turn.may_sweep() && !self.stop.is_cancelled() {
                self.sweep().await?;
            }
        }
    }

    /// Whether what has gathered is a batch. A few messages that come while others are written are committed sooner as
    /// one behind these than as several; a full one has nothing to wait for.
    fn may_take(&self, gathered: &[Received<A>]) -> bool {
        !gathered.is_empty() && (!self.ledger.is_writing() || gathered.len() >= self.messages_max)
    }

    /// Takes what was received, in order: runs of ordinary messages as batches, suspects alone.
    async fn take(&mut self, gathered: &mut Vec<Received<A>>) -> Result<(), ApplyError> {
        let mut run = Vec::with_capacity(gathered.len());
        for received in gathered.drain(..) {
            match received {
                Received::Connected(link) => {
                    // What came by the old connection will come again.
                    run.clear();
                    self.land().await?;
                    let alone = link.alone;
                    self.turn.left_undone = false;
                    self.turn.role = Role::StandsBy;
                    self.turn.link = Some(link);
                    self.turn.sweep = true;
                    self.turn.looked_through = Some(0);
                    if alone {
                        self.become_consuming().await?;
                    }
                }
                Received::Delivered { arrival, tag, suspect: false } => {
                    run.push(Waiting { arrival: *arrival, tag });
                }
                Received::Delivered { arrival, tag, suspect: true } => {
                    self.deliver(std::mem::take(&mut run)).await?;
                    // Others must not be in hand with it, or they would be suspects too.
                    self.land().await?;
                    match self.count_try(*arrival).await? {
                        Some(arrival) => self.deliver(vec![Waiting { arrival, tag }]).await?,
                        None => self.leave_undone().await,
                    }
                    self.land().await?;
                    if !self.turn.left_undone {
                        // It came through, and its tries are forgotten.
                        self.turn.last_try = None;
                    }
                }
            }
        }
        self.deliver(run).await
    }

    /// Messages come here: the ledger goes by this daemon's settings now, and what is parked is its to offer.
    async fn become_consuming(&mut self) -> Result<(), ApplyError> {
        if self.turn.role.is_consuming() {
            return Ok(());
        }
        self.land().await?;
        self.turn.role = Role::Consumes;
        self.turn.sweep = true;
        self.adopt().await
    }

    /// Has delivered messages applied. They are acknowledged once they are committed.
    async fn deliver(&mut self, run: Vec<Waiting>) -> Result<(), ApplyError> {
        let Some(last) = run.last().map(|waiting| waiting.tag) else { return Ok(()) };
        if self.turn.link.is_none() || self.turn.left_undone {
            return Ok(());
        }
        if self.turn.role == Role::StandsBy {
            self.turn.role = Role::Consumes;
        }
        let arrivals = run.into_iter().map(|waiting| waiting.arrival).collect();
        let landing = self.ledger.push(arrivals, last, &self.settings).await;
        self.settle(landing).await
    }

    /// Waits for the batch that is being written, if one is.
    async fn land(&mut self) -> Result<(), ApplyError> {
        let landing = self.ledger.land().await;
        self.settle(landing).await
    }

    /// Acknowledges what was committed, and applies what has yet to be.
    async fn settle(&mut self, landing: Landing<DeliveryTag>) -> Result<(), ApplyError> {
        let Landing { written, undone, error } = landing;
        if let Some((written, last)) = written {
            let committed = self.note(written);
            hooks::reached("noted");
            self.acknowledge(committed, last).await;
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
            let Some(link) = self.turn.link.as_ref().filter(|_| !self.turn.left_undone) else {
                return Ok(());
            };
            let over = link.over.clone();
            match self.apply(arrivals, &over, true).await? {
                Some(committed) => self.acknowledge(committed, last).await,
                None => self.leave_undone().await,
            }
        }
        Ok(())
    }

    /// Acknowledges all that was delivered up to `last`, now that it is committed.
    async fn acknowledge(&mut self, committed: Committed, last: DeliveryTag) {
        self.turn.sweep |= committed.appeared;
        self.turn.role = Role::Decides;
        let Some(link) = &mut self.turn.link else { return };
        if let Err(error) = link.acknowledger.acknowledge_through(last).await {
            debug!(%error, "the acknowledgement failed; the messages will come again, and do nothing");
            link.over.cancel();
        }
        hooks::reached("acknowledged");
    }

    /// Tells that a batch is committed.
    fn note(&mut self, written: Written) -> Committed {
        let Written { committed, figures, log } = written;
        self.metrics.messages.committed(&figures, clock::now());
        self.health.well(Part::Ledger, doing(self.turn.role));
        self.log.wrote(log);
        debug!(
            decided = committed.decided(),
            repeated = committed.repeated,
            parked = committed.parked,
            "a batch is committed"
        );
        committed
    }

    /// Does something that may be done twice until its end is heard of. `None` if `over` or the daemon is told to stop.
    async fn insist<T, D>(
        &self,
        over: &CancellationToken,
        mut work: impl FnMut() -> D,
    ) -> Result<Option<T>, ApplyError>
    where
        D: Future<Output = Result<T, StoreError>>,
    {
        let mut backoff = Backoff::new();
        loop {
            self.heartbeat.beat();
            match work().await {
                Ok(done) => return Ok(Some(done)),
                Err(error) if matches!(error.remedy(), Remedy::Wait | Remedy::Retry) => {
                    if !self.wait(&error, &mut backoff, over).await {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Applies arrivals under the ledger's lock until they are committed, whatever it takes. `None` if the connection
    /// that they came by is over or the daemon stops: then they will come again. `None` too if the ledger goes
    /// by other settings and these arrivals are no reason to set this daemon's.
    async fn apply(
        &mut self,
        arrivals: Vec<Arrival>,
        over: &CancellationToken,
        adopting: bool,
    ) -> Result<Option<Committed>, ApplyError> {
        let mut total = Committed::default();
        let mut backoff = Backoff::new();
        let mut out_of_time = 0;
        // A part that the database refuses is halved until the message at fault stands alone.
        let mut parts = vec![arrivals];
        while let Some(part) = parts.pop() {
            self.heartbeat.beat();
            match self.ledger.apply(&part, &self.settings).await {
                Ok(Attempt::Committed(written)) => {
                    backoff.reset();
                    out_of_time = 0;
                    total.add(&self.note(written));
                }
                Ok(Attempt::SettingsDiffer) if self.turn.role == Role::Decides => {
                    // A connection can be over and not know it, as after a pause of the machine.
                    info!("another instance set its settings, so messages come to that one; connecting anew");
                    self.disconnect().await;
                    return Ok(None);
                }
                Ok(Attempt::SettingsDiffer) if !adopting => return Ok(None),
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
                        out_of_time = if error.is_out_of_time() { out_of_time + 1 } else { 0 };
                        match out_of_time >= OUT_OF_TIME_MAX {
                            true => parts.extend(batch::halve(part).into_iter().rev()),
                            false => parts.push(part),
                        }
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
    async fn adopt(&mut self) -> Result<(), ApplyError> {
        let never = CancellationToken::new();
        match self.insist(&never, || self.ledger.adopt(&self.settings)).await? {
            None => Ok(()),
            Some(Adoption::OrderDiffers(differ)) => Err(differ.into()),
            Some(Adoption::Adopted { wrote_log }) => {
                self.turn.role = Role::Decides;
                self.health.well(Part::Ledger, Doing::Applying);
                if wrote_log {
                    self.log.may_have_grown();
                }
                Ok(())
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
                biased;
                () = self.stop.cancelled() => return false,
                () = over.cancelled() => return false,
                () = beating(&self.heartbeat, tokio::time::sleep(backoff.next_delay())) => {}
            }
            match beating(&self.heartbeat, self.ledger.find_server()).await {
                Ok(()) => return true,
                Err(error) => self.without_database(&error),
            }
        }
    }
}
