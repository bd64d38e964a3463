//! The relay: publishes the log, in its order, from the cursor that it holds a lease on.
//!
//! Nothing is written for an event by itself: the cursor moves a moment after the broker has confirmed what is before
//! it, and only while the lease's epoch is still this relay's. Whatever fails, everything from the cursor is sent
//! again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::backoff::Backoff;
use super::intake::beating;
use super::tail::LogTail;
use crate::broker::{BrokerSettings, Destination, OutboundMessage, PublishError, Publisher};
use crate::clock;
use crate::contract::outbound::OutboundEvent;
use crate::hooks;
use crate::ledger::entry::LogNumber;
use crate::store::{Lease, LogLine, Remedy, Store, StoreError};
use crate::vitals::metrics::Server;
use crate::vitals::{Doing, Health, Heartbeat, Metrics, Part};

/// How long the lease lasts without being renewed. With [`TAKE_EVERY`] another relay has it within 10 s of
/// its owner's death.
const LEASE: Duration = Duration::from_secs(7);
/// How often the lease is renewed: it outlasts two failed renewals.
const RENEW_EVERY: Duration = Duration::from_secs(2);
/// How often a relay that stands by tries to take the lease.
const TAKE_EVERY: Duration = Duration::from_secs(1);
/// How many events are published before their confirms are awaited together.
const WINDOW: u32 = 1000;
/// How long the cursor may stay behind what is confirmed, by less than a window: moving it is a commit, which would
/// keep each event waiting for the one before.
const RECORD_WITHIN: Duration = Duration::from_millis(50);
/// How long a stopping relay goes on publishing what is in the log.
const DRAIN: Duration = Duration::from_secs(5);

/// What the relay works with.
pub(super) struct Relay {
    pub(super) store: Store,
    pub(super) broker: BrokerSettings,
    /// Names this process among the lease's owners.
    pub(super) owner: String,
    pub(super) health: Health,
    pub(super) heartbeat: Heartbeat,
    pub(super) metrics: Arc<Metrics>,
    /// The daemon drains: publish what is there, then end.
    pub(super) stop: CancellationToken,
}

/// Why publishing ended for now.
enum Ended {
    /// All is published and the daemon stops.
    Drained,
    /// Another relay has the lease.
    LostLease,
    /// The connection to RabbitMQ ended while there was nothing to publish.
    Disconnected,
    /// RabbitMQ did not take a window as a whole.
    Publishing(PublishError),
    /// PostgreSQL.
    Store(StoreError),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Ended::Store(error)
    }
}

impl Relay {
    /// Publishes until told to stop. An error is one of the ledger itself, that trying again won't change.
    pub(super) async fn run(mut self, mut tail: LogTail) -> Result<(), StoreError> {
        let mut backoff = Backoff::new();
        // A stopping daemon publishes what is left, but waits for no server.
        while !self.stop.is_cancelled() {
            let connecting = Publisher::connect(&self.broker, Destination::Events);
            let publisher = tokio::select! {
                publisher = beating(&self.heartbeat, connecting) => publisher,
                () = self.stop.cancelled() => return Ok(()),
            };
            let ended = match publisher {
                Ok(publisher) => self.with_connection(publisher, &mut tail, &mut backoff).await,
                Err(error) => {
                    // Another node may be able to serve.
                    self.broker.urls.rotate_left(1);
                    self.health.without_server(Part::Relay, error.is_permanent(), &error);
                    self.try_again(Server::Rabbitmq, backoff.next_delay()).await;
                    continue;
                }
            };
            match ended {
                Ended::Drained => return Ok(()),
                Ended::LostLease => warn!("another relay has taken the lease over"),
                Ended::Disconnected => {
                    self.health.waiting(Part::Relay, &"the connection to RabbitMQ ended");
                    self.try_again(Server::Rabbitmq, backoff.next_delay()).await;
                }
                Ended::Publishing(error) => {
                    self.broker.urls.rotate_left(1);
                    self.health.waiting(Part::Relay, &error);
                    self.try_again(Server::Rabbitmq, backoff.next_delay()).await;
                }
                Ended::Store(error) if matches!(error.remedy(), Remedy::Wait | Remedy::Retry) => {
                    self.health.waiting(Part::Relay, &error);
                    self.try_again(Server::Postgresql, backoff.next_delay()).await;
                }
                Ended::Store(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits before another try at a server.
    async fn try_again(&self, server: Server, delay: Duration) {
        self.metrics.messages.reconnecting(server, Part::Relay);
        tokio::select! {
            () = beating(&self.heartbeat, tokio::time::sleep(delay)) => {}
            () = self.stop.cancelled() => return,
        }
        if matches!(server, Server::Postgresql)
            && let Err(error) = self.store.find_server().await
        {
            self.health.waiting(Part::Relay, &error);
        }
    }

    /// Waits for the lease, then publishes over one connection until something ends it.
    async fn with_connection(
        &self,
        mut publisher: Publisher,
        tail: &mut LogTail,
        backoff: &mut Backoff,
    ) -> Ended {
        let lease = match self.wait_for_lease().await {
            Ok(Some(lease)) => lease,
            Ok(None) => return Ended::Drained,
            Err(error) => return Ended::Store(error),
        };
        // It may be another server's lease by now, whose log goes on otherwise.
        tail.clear();
        debug!(epoch = lease.epoch, published = lease.published.0, "publishing from here");
        self.metrics.events.lease(true);
        let source = match self.store.event_source().await {
            Ok(source) => source,
            Err(error) => return Ended::Store(error),
        };
        let mut cursor = Cursor::new(lease, source);
        let ended = self.publish_from(&mut publisher, &mut cursor, tail, backoff).await;
        self.metrics.events.lease(false);
        if !matches!(ended, Ended::LostLease) {
            // Where it isn't, or can't be, what is confirmed is sent again. What the ledger was lost to may be another
            // history.
            if !matches!(ended, Ended::Store(_)) {
                cursor.record(&self.store).await.ok();
            }
            // Another relay need not wait for its end. If this fails, it does.
            self.store.release_lease(lease.epoch).await.ok();
        }
        if !matches!(ended, Ended::Publishing(_) | Ended::Disconnected) {
            publisher.close().await;
        }
        ended
    }

    async fn wait_for_lease(&self) -> Result<Option<Lease>, StoreError> {
        loop {
            self.heartbeat.beat();
            if let Some(lease) = self.store.take_lease(&self.owner, LEASE).await? {
                return Ok(Some(lease));
            }
            self.health.well(Part::Relay, Doing::StandingBy);
            tokio::select! {
                () = tokio::time::sleep(TAKE_EVERY) => {}
                () = self.stop.cancelled() => return Ok(None),
            }
        }
    }

    async fn publish_from(
        &self,
        publisher: &mut Publisher,
        cursor: &mut Cursor,
        tail: &mut LogTail,
        backoff: &mut Backoff,
    ) -> Ended {
        let mut look = true;
        let mut drain_until = None;
        loop {
            self.heartbeat.beat();
            if self.stop.is_cancelled() {
                look = true;
                let until = *drain_until.get_or_insert_with(|| Instant::now() + DRAIN);
                if Instant::now() >= until {
                    warn!(
                        published = cursor.published.0,
                        "stopping with events left; the next relay publishes them"
                    );
                    return Ended::Drained;
                }
            }
            let mut lines = tail.take_behind(cursor.published, WINDOW);
            if lines.is_empty() && (look || tail.has_gap()) {
                lines = match self.store.log_after(cursor.published, WINDOW).await {
                    Ok(lines) => lines,
                    Err(error) => return error.into(),
                };
                look = !lines.is_empty();
            }
            let step = if !lines.is_empty() {
                self.publish(publisher, cursor, &lines).await.inspect(|()| backoff.reset())
            } else if self.stop.is_cancelled() {
                return Ended::Drained;
            } else {
                self.health.well(Part::Relay, Doing::Publishing);
                self.wait_for_more(publisher, cursor, tail).await.map(|grown| look |= grown)
            };
            if let Err(ended) = step {
                return ended;
            }
            if let Err(ended) = cursor.record_if_due(&self.store).await {
                return ended;
            }
        }
    }

    /// Waits until the log may have grown or the cursor is to be moved, and renews the lease. Says whether to look in
    /// the store.
    async fn wait_for_more(
        &self,
        publisher: &Publisher,
        cursor: &Cursor,
        tail: &mut LogTail,
    ) -> Result<bool, Ended> {
        tokio::select! {
            look = tail.grown() => return Ok(look),
            () = self.stop.cancelled() => return Ok(true),
            () = cursor.due() => return Ok(false),
            () = tokio::time::sleep(RENEW_EVERY) => {}
        }
        if !publisher.health().is_connected() {
            return Err(Ended::Disconnected);
        }
        match self.store.renew_lease(cursor.epoch, LEASE).await? {
            true => Ok(true),
            false => Err(Ended::LostLease),
        }
    }

    /// Publishes `lines`, and moves the cursor past those that are confirmed.
    async fn publish(
        &self,
        publisher: &mut Publisher,
        cursor: &mut Cursor,
        lines: &[LogLine],
    ) -> Result<(), Ended> {
        let window: Vec<_> = lines.iter().map(|line| message_of(&cursor.source, line)).collect();
        hooks::reached("taken to publish");
        let outcome = self.publish_window(publisher, cursor.epoch, &window).await?;
        hooks::reached("published");
        let (confirmed, unroutable) = match &outcome {
            Ok(done) => (window.len(), done.unroutable),
            Err(error) => (error.confirmed(), 0),
        };
        let now = clock::now();
        for line in &lines[..confirmed] {
            self.metrics.events.published(line.kind().as_str(), line.at(), now);
        }
        self.metrics.events.unroutable(unroutable as u64);
        cursor.confirmed(confirmed, unroutable);
        outcome.map(|_| ()).map_err(Ended::Publishing)
    }

    /// Publishes a window and keeps the lease meanwhile: a broker short of memory makes it last.
    async fn publish_window(
        &self,
        publisher: &mut Publisher,
        epoch: i64,
        window: &[OutboundMessage],
    ) -> Result<Result<crate::broker::Published, PublishError>, Ended> {
        let health = publisher.health();
        let mut publishing = std::pin::pin!(publisher.publish_window(window));
        loop {
            let renewal = tokio::time::sleep(RENEW_EVERY);
            tokio::select! {
                outcome = &mut publishing => {
                    if outcome.is_ok() {
                        self.health.well(Part::Relay, Doing::Publishing);
                    }
                    return Ok(outcome);
                }
                () = renewal => {
                    self.heartbeat.beat();
                    if health.is_blocked() {
                        self.health.waiting(Part::Relay, &"RabbitMQ is short of memory or disk and takes no events");
                        if self.stop.is_cancelled() {
                            return Err(Ended::Drained);
                        }
                    }
                    if !self.store.renew_lease(epoch, LEASE).await? {
                        return Err(Ended::LostLease);
                    }
                }
            }
        }
    }
}

/// Up to where the log is published.
struct Cursor {
    epoch: i64,
    /// The ledger, as long as this epoch lasts.
    source: String,
    /// As the broker has confirmed it.
    published: LogNumber,
    /// As the store knows it.
    recorded: LogNumber,
    /// How many events no queue took, of which the store doesn't know.
    unroutable: i64,
    /// Since when the store is behind, if it is.
    behind_since: Option<Instant>,
}

impl Cursor {
    fn new(lease: Lease, source: String) -> Self {
        let Lease { epoch, published } = lease;
        Self { epoch, source, published, recorded: published, unroutable: 0, behind_since: None }
    }

    /// So many lines more are confirmed.
    fn confirmed(&mut self, lines: usize, unroutable: usize) {
        if lines == 0 {
            return;
        }
        self.published.0 += i64::try_from(lines).expect("a window is small");
        self.unroutable += i64::try_from(unroutable).expect("a window is small");
        self.behind_since.get_or_insert_with(Instant::now);
    }

    /// When the store is to be told; never, where it knows all.
    async fn due(&self) {
        match self.behind_since {
            Some(since) => tokio::time::sleep_until(since + RECORD_WITHIN).await,
            None => std::future::pending().await,
        }
    }

    async fn record_if_due(&mut self, store: &Store) -> Result<(), Ended> {
        let is_far = self.published.0 - self.recorded.0 >= i64::from(WINDOW);
        let is_late = self.behind_since.is_some_and(|since| since.elapsed() >= RECORD_WITHIN);
        if is_far || is_late { self.record(store).await } else { Ok(()) }
    }

    /// Tells the store, which lengthens the lease too.
    async fn record(&mut self, store: &Store) -> Result<(), Ended> {
        if self.behind_since.is_none() {
            return Ok(());
        }
        if !store.advance(self.epoch, self.published, self.unroutable, LEASE).await? {
            return Err(Ended::LostLease);
        }
        hooks::reached("recorded");
        (self.recorded, self.unroutable, self.behind_since) = (self.published, 0, None);
        Ok(())
    }
}

/// A line of the log as it goes out, whoever sends it and whenever; `source` is the ledger's.
pub(crate) fn message_of(source: &str, line: &LogLine) -> OutboundMessage {
    let OutboundEvent { routing_key, message_id, body } = line.event(source);
    OutboundMessage::cloud_event(routing_key, message_id, body)
}
