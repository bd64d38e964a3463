//! The relay: publishes the log, in its order, from the cursor that it holds a lease on.
//!
//! Nothing is written for an event by itself: the cursor moves when the broker has confirmed a window, and
//! only while the lease's epoch is still this relay's. Whatever fails, everything from the cursor is sent
//! again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::backoff::Backoff;
use super::intake::beating;
use crate::broker::{BrokerSettings, Destination, OutboundMessage, PublishError, Publisher};
use crate::clock;
use crate::contract::outbound::OutboundEvent;
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
const WINDOW: i64 = 1000;
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
    /// Woken after each commit that wrote entries or notices.
    pub(super) log_grew: Arc<Notify>,
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
    pub(super) async fn run(self) -> Result<(), StoreError> {
        let mut backoff = Backoff::new();
        // A stopping daemon publishes what is left, but waits for no server.
        while !self.stop.is_cancelled() {
            let connecting = Publisher::connect(&self.broker, Destination::Events);
            let publisher = tokio::select! {
                publisher = beating(&self.heartbeat, connecting) => publisher,
                () = self.stop.cancelled() => return Ok(()),
            };
            let ended = match publisher {
                Ok(publisher) => self.with_connection(publisher, &mut backoff).await,
                Err(error) => {
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
            () = self.stop.cancelled() => {}
        }
    }

    /// Waits for the lease, then publishes over one connection until something ends it.
    async fn with_connection(&self, mut publisher: Publisher, backoff: &mut Backoff) -> Ended {
        let lease = match self.wait_for_lease().await {
            Ok(Some(lease)) => lease,
            Ok(None) => return Ended::Drained,
            Err(error) => return Ended::Store(error),
        };
        debug!(epoch = lease.epoch, published = lease.published.0, "publishing from here");
        self.metrics.events.lease(true);
        let ended = self.publish_from(&mut publisher, lease, backoff).await;
        self.metrics.events.lease(false);
        if !matches!(ended, Ended::LostLease) {
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

    async fn publish_from(&self, publisher: &mut Publisher, lease: Lease, backoff: &mut Backoff) -> Ended {
        let mut published = lease.published;
        let mut drain_until = None;
        loop {
            self.heartbeat.beat();
            if self.stop.is_cancelled() {
                let until = *drain_until.get_or_insert_with(|| tokio::time::Instant::now() + DRAIN);
                if tokio::time::Instant::now() >= until {
                    warn!(
                        published = published.0,
                        "stopping with events left; the next relay publishes them"
                    );
                    return Ended::Drained;
                }
            }
            let lines = match self.store.log_after(published, WINDOW).await {
                Ok(lines) => lines,
                Err(error) => return error.into(),
            };
            if lines.is_empty() {
                if self.stop.is_cancelled() {
                    return Ended::Drained;
                }
                self.health.well(Part::Relay, Doing::Publishing);
                if let Err(ended) = self.wait_for_more(publisher, lease).await {
                    return ended;
                }
                continue;
            }
            match self.publish(publisher, lease, published, &lines).await {
                Ok(last) => published = last,
                Err(ended) => return ended,
            }
            backoff.reset();
        }
    }

    /// Waits until the log may have grown, and renews the lease.
    async fn wait_for_more(&self, publisher: &Publisher, lease: Lease) -> Result<(), Ended> {
        tokio::select! {
            () = self.log_grew.notified() => return Ok(()),
            () = self.stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(RENEW_EVERY) => {}
        }
        let health = publisher.health();
        if !health.is_connected() {
            return Err(Ended::Disconnected);
        }
        match self.store.renew_lease(lease.epoch, LEASE).await? {
            true => Ok(()),
            false => Err(Ended::LostLease),
        }
    }

    /// Publishes `lines` and moves the cursor past them.
    async fn publish(
        &self,
        publisher: &mut Publisher,
        lease: Lease,
        published: LogNumber,
        lines: &[LogLine],
    ) -> Result<LogNumber, Ended> {
        let source = self.store.event_source();
        let window: Vec<_> = lines.iter().map(|line| message_of(&source, line)).collect();
        let outcome = self.publish_window(publisher, lease, &window).await?;
        let (confirmed, unroutable) = match &outcome {
            Ok(done) => (window.len(), done.unroutable as u64),
            Err(error) => (error.confirmed(), 0),
        };
        let last = LogNumber(published.0 + i64::try_from(confirmed).expect("a window is small"));
        let unroutable_now = i64::try_from(unroutable).expect("a window is small");
        let now = clock::now();
        for line in &lines[..confirmed] {
            self.metrics.events.published(line.kind().as_str(), line.at(), now);
        }
        self.metrics.events.unroutable(unroutable);
        if confirmed > 0 && !self.store.advance(lease.epoch, last, unroutable_now, LEASE).await? {
            return Err(Ended::LostLease);
        }
        outcome.map(|_| last).map_err(Ended::Publishing)
    }

    /// Publishes a window and keeps the lease meanwhile: a broker short of memory makes it last.
    async fn publish_window(
        &self,
        publisher: &mut Publisher,
        lease: Lease,
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
                    if !self.store.renew_lease(lease.epoch, LEASE).await? {
                        return Err(Ended::LostLease);
                    }
                }
            }
        }
    }
}

/// A line of the log as it goes out, whoever sends it and whenever; `source` is the ledger's.
pub(crate) fn message_of(source: &str, line: &LogLine) -> OutboundMessage {
    let OutboundEvent { routing_key, message_id, body } = line.event(source);
    OutboundMessage::cloud_event(routing_key, message_id, body)
}
