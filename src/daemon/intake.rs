//! The intake: receives what RabbitMQ delivers, decodes it, and hands it on in order. While one batch
//! commits, the next gathers here.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::backoff::Backoff;
use crate::batch::Arrival;
use crate::broker::{
    Acknowledger, BrokerError, BrokerSettings, Consumer, Deliveries, Delivery, DeliveryTag, QueueDepth,
    QueueWatch,
};
use crate::vitals::metrics::Server;
use crate::vitals::{Doing, Health, Heartbeat, Metrics, Part};
use crate::{clock, hooks};

/// What the intake hands on.
pub(super) enum Received<A = Acknowledger> {
    /// A new connection: all that follows came by it, and all that came before can't be acknowledged any
    /// more.
    Connected(Link<A>),
    /// A message.
    Delivered {
        arrival: Box<Arrival>,
        tag: DeliveryTag,
        /// Whether it was in hand so often when a process or a connection died that it is tried alone.
        suspect: bool,
    },
}

/// A connection to the broker, as far as others need it.
pub(super) struct Link<A = Acknowledger> {
    pub(super) acknowledger: A,
    /// Cancelled when the connection is over, by whoever notices first.
    pub(super) over: CancellationToken,
    /// Whether nobody was consuming before: then messages come here, and this is the consuming daemon.
    pub(super) alone: bool,
}

/// What a connection takes back about what it delivered. Beside RabbitMQ's there is one in the tests.
pub(super) trait Acknowledge: Send + Sync {
    /// Acknowledges the delivery and all before it.
    fn acknowledge_through(
        &mut self,
        tag: DeliveryTag,
    ) -> impl Future<Output = Result<(), BrokerError>> + Send;

    /// Ends the connection. What is unacknowledged goes back to its place in the queue.
    fn close(self) -> impl Future<Output = ()> + Send;
}

impl Acknowledge for Acknowledger {
    async fn acknowledge_through(&mut self, tag: DeliveryTag) -> Result<(), BrokerError> {
        Acknowledger::acknowledge_through(self, tag).await
    }

    async fn close(self) {
        Acknowledger::close(self).await;
    }
}

/// A message that is delivered for the third time is tried alone.
const SUSPECT_REDELIVERIES: u32 = 2;

/// How often a waiting loop says that it is alive.
const BEAT_EVERY: Duration = Duration::from_secs(5);

/// Waits for something that may rightly take for ever, and beats meanwhile.
pub(super) async fn beating<F: Future>(heartbeat: &Heartbeat, waited_for: F) -> F::Output {
    let mut waited_for = std::pin::pin!(waited_for);
    loop {
        heartbeat.beat();
        if let Ok(output) = tokio::time::timeout(BEAT_EVERY, &mut waited_for).await {
            return output;
        }
    }
}

/// As many deliveries are taken without giving way to others, or a word about being alive.
const TAKEN_AT_ONCE: usize = 100;

/// How long deliveries gather while plenty of others wait to be applied. Far less than that takes.
const GATHERING: Duration = Duration::from_millis(2);

/// How long a connection that somebody else found to be over may take to say why.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);

/// How often is looked how much waits in the queue.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What the loop works with.
pub(super) struct Intake {
    pub(super) broker: BrokerSettings,
    /// Where what is received goes.
    pub(super) out: mpsc::Sender<Received>,
    pub(super) health: Health,
    pub(super) heartbeat: Heartbeat,
    pub(super) metrics: Arc<Metrics>,
    pub(super) stop: CancellationToken,
}

impl Intake {
    /// Receives until told to stop, connecting anew for ever.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new();
        while !self.stop.is_cancelled() {
            let ended = tokio::select! {
                ended = self.receive(&mut backoff) => ended,
                () = self.stop.cancelled() => return,
            };
            let Some(error) = ended else { return };
            // A node that lets one in and can't serve is not tried for ever while others could.
            self.broker.urls.rotate_left(1);
            self.health.without_server(Part::Intake, error.is_permanent(), &error);
            self.metrics.messages.reconnecting(Server::Rabbitmq, Part::Intake);
            let delay = backoff.next_delay();
            tokio::select! {
                () = beating(&self.heartbeat, tokio::time::sleep(delay)) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    /// Receives over one connection until it ends. `None` when nobody listens any more.
    async fn receive(&self, backoff: &mut Backoff) -> Option<BrokerError> {
        let consumer = match beating(&self.heartbeat, Consumer::connect(&self.broker)).await {
            Ok(consumer) => consumer,
            Err(error) => return Some(error),
        };
        let over = CancellationToken::new();
        // Whatever ends this function ends the link too.
        let _over_when_dropped = over.clone().drop_guard();
        let alone = consumer.consumers_before == 0;
        self.health.well(Part::Intake, if alone { Doing::Consuming } else { Doing::StandingBy });
        let link = Link { acknowledger: consumer.acknowledger, over: over.clone(), alone };
        beating(&self.heartbeat, self.out.send(Received::Connected(link))).await.ok()?;
        let ended = tokio::select! {
            ended = self.take(consumer.deliveries, &over, backoff) => ended,
            never = self.watch(consumer.queue) => match never {},
        };
        self.metrics.queue(None);
        ended
    }

    /// Takes deliveries and hands them on.
    async fn take(
        &self,
        mut deliveries: Deliveries,
        over: &CancellationToken,
        backoff: &mut Backoff,
    ) -> Option<BrokerError> {
        loop {
            let delivery = tokio::select! {
                delivery = beating(&self.heartbeat, deliveries.next()) => delivery,
                () = over.cancelled() => return Some(last_error(&mut deliveries).await),
            };
            if delivery.is_ok() {
                self.health.well(Part::Intake, Doing::Consuming);
                backoff.reset();
            }
            // In a flood nothing is waited for: what has come already needs no timer and says nothing new.
            let mut next = Some(delivery);
            let mut taken = 0;
            while let Some(delivery) = next {
                let received = match delivery {
                    Ok(delivery) => received(delivery),
                    Err(error) => return Some(error),
                };
                if let Err(full) = self.out.try_send(received) {
                    tokio::select! {
                        sent = beating(&self.heartbeat, self.out.send(full.into_inner())) => sent.ok()?,
                        () = over.cancelled() => return Some(last_error(&mut deliveries).await),
                    }
                }
                taken += 1;
                next = if taken < TAKEN_AT_ONCE { deliveries.next_if_ready() } else { None };
            }
            // Each delivery that comes to somebody who waits for it wakes a thread. As long as plenty waits to be
            // applied nobody misses the next, and they may as well gather.
            if self.out.capacity() < self.out.max_capacity() / 2 {
                tokio::time::sleep(GATHERING).await;
            }
        }
    }

    /// Looks how much waits in the queue, for ever. A look that fails is no reason to end a connection that works.
    async fn watch(&self, mut queue: QueueWatch) -> Infallible {
        loop {
            let depth = queue.look().await;
            if let Err(error) = &depth {
                debug!(%error, "could not ask how much waits in the queue");
            }
            self.metrics.queue(depth.ok().map(|QueueDepth { ready, consumers }| (ready, consumers)));
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Why a connection is over that somebody else found to be over: it says so itself, after what it still has. One whose
/// other end is gone without a word may not know.
async fn last_error(deliveries: &mut Deliveries) -> BrokerError {
    let error = async {
        loop {
            if let Err(error) = deliveries.next().await {
                return error;
            }
        }
    };
    let told = tokio::time::timeout(LAST_WORDS_MAX, error).await;
    told.unwrap_or_else(|_| deliveries.closed())
}

/// A suspect is not decoded yet: that may be what the process died of.
pub(super) fn received<A>(delivery: Delivery) -> Received<A> {
    hooks::reached("received");
    let Delivery { raw, tag, redeliveries } = delivery;
    let suspect = redeliveries >= SUSPECT_REDELIVERIES;
    if suspect {
        debug!(redeliveries, "a message is tried alone");
    }
    let arrival = match suspect {
        true => Arrival::undecoded(raw, clock::now()),
        false => Arrival::decode(raw, clock::now()),
    };
    Received::Delivered { arrival: Box::new(arrival), tag, suspect }
}
