//! Receiving messages, and acknowledging them once their outcome is committed.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::time::{Duration, Instant};

use futures_util::{FutureExt as _, StreamExt as _};
use lapin::{
    BasicProperties, Channel,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{
    BrokerError, BrokerSettings, Health, QueueDepth,
    connection::{Session, short_string},
    table, topology,
};
use crate::contract::raw::RawMessage;

/// Set by a quorum queue from the second delivery on: how many came before.
const DELIVERY_COUNT_HEADER: &str = "x-delivery-count";

/// A queue counts a consumer for a moment longer than its connection lasts. Without waiting for that, a daemon
/// that is started anew would take the one that it replaces for another at work, and stand by.
const LEAVING_MAX: Duration = Duration::from_secs(1);
const LEAVING_LOOK_EVERY: Duration = Duration::from_millis(50);

/// A running consumer of the inbound queue, in two halves: one task reads ahead while another commits.
///
/// [`Acknowledger::close`] ends it properly. Dropping it all, as after an error, ends it too, but may let the
/// next consumer start after what is still unacknowledged, and see that later.
pub struct Consumer {
    /// What arrives.
    pub deliveries: Deliveries,
    /// What is done with.
    pub acknowledger: Acknowledger,
    /// How much waits.
    pub queue: QueueWatch,
    /// Consumers that the broker was delivering to before. On a queue with a single active consumer, as
    /// creditd's, that is 1 where this one stands by, behind others that may stand by as well.
    pub consumers_before: u32,
}

impl Consumer {
    /// Connects, makes or finds exchange and queue, and starts consuming.
    pub async fn connect(settings: &BrokerSettings) -> Result<Self, BrokerError> {
        let session = Session::open(&settings.urls, &format!("consuming {}", settings.queue)).await?;
        let started = session.set_up(start(&session, settings)).await;
        let (found, stream) = match started {
            Ok(started) => started,
            Err(error) => {
                session.close().await;
                return Err(error);
            }
        };
        let shared = Arc::new(Shared {
            number: SESSIONS.fetch_add(1, Ordering::Relaxed),
            queue: settings.queue.clone(),
            session,
            _keeps_consuming: stream.clone(),
        });
        Ok(Self {
            deliveries: Deliveries { stream, shared: Arc::clone(&shared), ended: false },
            queue: QueueWatch { shared: Arc::clone(&shared), channel: None },
            acknowledger: Acknowledger { shared, acknowledged: 0 },
            consumers_before: found.consumers,
        })
    }
}

async fn start(
    session: &Session,
    settings: &BrokerSettings,
) -> Result<(QueueDepth, lapin::Consumer), BrokerError> {
    let mut found = topology::prepare_inbound(session, settings).await?;
    let began = Instant::now();
    while found.consumers > 0 && began.elapsed() < LEAVING_MAX {
        tokio::time::sleep(LEAVING_LOOK_EVERY).await;
        found = topology::look_for_queue(session, &session.channel, &settings.queue).await?;
    }
    let what = format!("queue {}", settings.queue);
    let channel = &session.channel;
    // For each consumer and not for the channel: a quorum queue ends the connection over the latter. And
    // always: lapin buffers whatever the broker sends.
    channel
        .basic_qos(settings.prefetch.max(1), BasicQosOptions { global: false })
        .await
        .map_err(|error| BrokerError::losing(&session.broker, "setting the prefetch", &error))?;
    let stream = channel
        .basic_consume(
            short_string("the queue's name", &settings.queue)?,
            ShortString::default(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await
        .map_err(|error| BrokerError::declaring(&session.broker, &what, &error))?;
    Ok((found, stream))
}

/// Numbers the connections of this process, so that no tag of one is used on another.
static SESSIONS: AtomicU64 = AtomicU64::new(1);

struct Shared {
    number: u64,
    queue: String,
    session: Session,
    /// The broker's consumer is cancelled when the last handle on it is dropped. Cancelling before the last
    /// acknowledgement would make the next consumer start after what is not acknowledged yet.
    _keeps_consuming: lapin::Consumer,
}

/// Names a delivery to the connection that it came by. Later deliveries have greater tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeliveryTag {
    session: u64,
    number: u64,
}

#[cfg(test)]
impl DeliveryTag {
    /// The tag of a connection that there is only in a test.
    pub(crate) fn simulated(session: u64, number: u64) -> Self {
        Self { session, number }
    }

    /// Which connection's, and the how manyth.
    pub(crate) fn parts(self) -> (u64, u64) {
        (self.session, self.number)
    }
}

/// A message that the broker keeps for us until it is acknowledged.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message.
    pub raw: RawMessage,
    /// What to acknowledge it by.
    pub tag: DeliveryTag,
    /// How often it was delivered before without being acknowledged. A disconnect counts for everything that
    /// was prefetched.
    pub redeliveries: u32,
}

/// The messages, in the order of the queue.
pub struct Deliveries {
    stream: lapin::Consumer,
    shared: Arc<Shared>,
    ended: bool,
}

impl Deliveries {
    /// Waits for the next delivery. Nothing is lost where the waiting is given up.
    ///
    /// After the first error there will be no more: it, and [`BrokerError::Closed`] from then on, mean that
    /// this consumer is to be thrown away and all that is unacknowledged will be delivered again.
    pub async fn next(&mut self) -> Result<Delivery, BrokerError> {
        let broker = &self.shared.session.broker;
        // lapin reports an end once and then never wakes again.
        if self.ended {
            return Err(self.closed());
        }
        match self.stream.next().await {
            Some(Ok(delivery)) => Ok(self.received(delivery)),
            Some(Err(error)) => {
                self.ended = true;
                Err(BrokerError::losing(broker, "consuming", &error))
            }
            None => {
                self.ended = true;
                Err(self.why_the_stream_ended())
            }
        }
    }

    /// That this consumer is over, where nothing else is known of why.
    pub fn closed(&self) -> BrokerError {
        BrokerError::Closed { broker: self.shared.session.broker.clone() }
    }

    /// The next delivery if it is here already.
    pub fn next_if_ready(&mut self) -> Option<Result<Delivery, BrokerError>> {
        self.next().now_or_never()
    }

    /// A deleted queue ends the consumer alone; our own close ends the channel first.
    fn why_the_stream_ended(&self) -> BrokerError {
        let broker = self.shared.session.broker.clone();
        if self.shared.session.channel.status().connected() {
            return BrokerError::ConsumerCancelled { broker, queue: self.shared.queue.clone() };
        }
        BrokerError::Closed { broker }
    }

    fn received(&self, delivery: lapin::message::Delivery) -> Delivery {
        let redeliveries = redeliveries(&delivery);
        let properties = &delivery.properties;
        let raw = RawMessage {
            routing_key: table::name(delivery.routing_key.as_str()),
            content_type: properties.content_type().as_ref().map(|found| table::name(found.as_str())),
            headers: table::headers(properties),
            properties: table::other_properties(properties),
            body: delivery.data,
        };
        let tag = DeliveryTag { session: self.shared.number, number: delivery.delivery_tag };
        Delivery { raw, tag, redeliveries }
    }
}

/// Only quorum queues count; elsewhere there is but a flag for "not the first time".
fn redeliveries(delivery: &lapin::message::Delivery) -> u32 {
    counted_deliveries(&delivery.properties).unwrap_or_else(|| u32::from(delivery.redelivered))
}

fn counted_deliveries(properties: &BasicProperties) -> Option<u32> {
    let headers = properties.headers().as_ref()?;
    match headers.inner().get(DELIVERY_COUNT_HEADER)? {
        AMQPValue::LongLongInt(count) => Some(u32::try_from(*count).unwrap_or(u32::MAX)),
        AMQPValue::LongInt(count) => u32::try_from(*count).ok(),
        AMQPValue::ShortInt(count) => u32::try_from(*count).ok(),
        AMQPValue::ShortShortInt(count) => u32::try_from(*count).ok(),
        AMQPValue::LongUInt(count) => Some(*count),
        AMQPValue::ShortUInt(count) => Some(u32::from(*count)),
        AMQPValue::ShortShortUInt(count) => Some(u32::from(*count)),
        _ => None,
    }
}

/// A look at the inbound queue now and then, over the consumer's connection.
pub struct QueueWatch {
    shared: Arc<Shared>,
    /// A channel of its own: a question that is refused closes the one that it is asked on.
    channel: Option<Channel>,
}

impl QueueWatch {
    /// Asks how much waits in the queue. After an error the next question is asked on a new channel; the consumer
    /// has nothing to do with it.
    pub async fn look(&mut self) -> Result<QueueDepth, BrokerError> {
        let Shared { session, queue, .. } = &*self.shared;
        session
            .set_up(async {
                let channel = match self.channel.take() {
                    Some(channel) => channel,
                    None => session.spare_channel().await?,
                };
                let depth = topology::look_for_queue(session, &channel, queue).await?;
                self.channel = Some(channel);
                Ok(depth)
            })
            .await
    }
}

/// Tells the broker what it need not keep any longer.
pub struct Acknowledger {
    shared: Arc<Shared>,
    acknowledged: u64,
}

impl Acknowledger {
    /// Acknowledges the delivery and all before it: call it after the commit that holds their outcome.
    ///
    /// An error means that they will be delivered again, and that this consumer is to be thrown away.
    pub async fn acknowledge_through(&mut self, tag: DeliveryTag) -> Result<(), BrokerError> {
        let session = &self.shared.session;
        if tag.session != self.shared.number {
            return Err(BrokerError::ForeignDelivery { broker: session.broker.clone() });
        }
        // The broker ends the channel over a tag that it no longer knows.
        if tag.number <= self.acknowledged {
            return Ok(());
        }
        session
            .channel
            .basic_ack(tag.number, BasicAckOptions { multiple: true })
            .await
            .map_err(|error| BrokerError::losing(&session.broker, "acknowledging", &error))?;
        self.acknowledged = tag.number;
        Ok(())
    }

    /// The state of the connection.
    pub fn health(&self) -> Health {
        self.shared.session.health()
    }

    /// Ends the consumer within a few seconds. What is unacknowledged goes back to its place in the queue.
    pub async fn close(self) {
        self.shared.session.close().await;
    }
}
