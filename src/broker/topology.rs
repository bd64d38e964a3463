//! The exchanges, the queue and its binding: declared by creditd, or only looked for.

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{
    BrokerError, BrokerSettings, Topology,
    connection::{Session, short_string},
};

/// Everything that is published to the inbound exchange: a message of a type that creditd doesn't know is
/// parked, where a narrower binding would lose it.
const ALL_ROUTING_KEYS: &str = "#";

/// As good as no limit, on every version of RabbitMQ: each disconnect counts as a delivery, so a limit would
/// drop good messages after a few of them. Without the argument RabbitMQ 4 drops after 20 deliveries; its
/// `-1` for "no limit" makes RabbitMQ 3 drop at the first redelivery.
const DELIVERY_LIMIT: i32 = 1_000_000_000;

/// How much waits in the inbound queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueDepth {
    /// Messages ready to be delivered; those delivered and not yet acknowledged are not among them.
    pub ready: u32,
    /// Consumers that the broker delivers to. Those that stand by behind a single active one don't count.
    pub consumers: u32,
}

/// Asks how much waits in the inbound queue, over a connection of its own. A queue that doesn't exist is
/// [`BrokerError::Missing`].
pub async fn queue_depth(settings: &BrokerSettings) -> Result<QueueDepth, BrokerError> {
    let session = Session::open(&settings.urls, "queue depth").await?;
    let depth = session.set_up(look_for_queue(&session, &session.channel, &settings.queue)).await;
    session.close().await;
    depth
}

/// Makes or finds the inbound exchange and the queue. Returns the queue as it was found.
pub(super) async fn prepare_inbound(
    session: &Session,
    settings: &BrokerSettings,
) -> Result<QueueDepth, BrokerError> {
    match settings.topology {
        Topology::Declare => {
            declare_exchange(session, &settings.inbound_exchange).await?;
            let depth = declare_queue(session, &settings.queue).await?;
            bind(session, &settings.queue, &settings.inbound_exchange).await?;
            Ok(depth)
        }
        Topology::Check => {
            let exchange = check_exchange(session, &settings.inbound_exchange).await;
            let channel = session.spare_channel().await?;
            let queue = look_for_queue(session, &channel, &settings.queue).await;
            both(exchange, queue)
        }
    }
}

/// Makes or finds the exchange that is published to.
pub(super) async fn prepare_exchange(
    session: &Session,
    topology: Topology,
    exchange: &str,
) -> Result<(), BrokerError> {
    match topology {
        Topology::Declare => declare_exchange(session, exchange).await,
        Topology::Check => check_exchange(session, exchange).await,
    }
}

async fn declare_exchange(session: &Session, exchange: &str) -> Result<(), BrokerError> {
    let what = format!("exchange {exchange}");
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let name = short_string("the exchange's name", exchange)?;
    session
        .channel
        .exchange_declare(name, ExchangeKind::Topic, options, FieldTable::default())
        .await
        .map_err(|error| BrokerError::declaring(&session.broker, &what, &error))
}

async fn check_exchange(session: &Session, exchange: &str) -> Result<(), BrokerError> {
    let what = format!("exchange {exchange}");
    let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    let name = short_string("the exchange's name", exchange)?;
    let channel = session.spare_channel().await?;
    channel
        .exchange_declare(name, ExchangeKind::Topic, options, FieldTable::default())
        .await
        .map_err(|error| BrokerError::declaring(&session.broker, &what, &error))
}

async fn declare_queue(session: &Session, queue: &str) -> Result<QueueDepth, BrokerError> {
    let what = format!("queue {queue}");
    let found = session
        .channel
        .queue_declare(
            short_string("the queue's name", queue)?,
            QueueDeclareOptions::durable(),
            queue_arguments(),
        )
        .await
        .map_err(|error| BrokerError::declaring(&session.broker, &what, &error))?;
    Ok(depth(&found))
}

pub(super) async fn look_for_queue(
    session: &Session,
    channel: &Channel,
    queue: &str,
) -> Result<QueueDepth, BrokerError> {
    let what = format!("queue {queue}");
    let options = QueueDeclareOptions::durable().passive();
    let found = channel
        .queue_declare(short_string("the queue's name", queue)?, options, FieldTable::default())
        .await
        .map_err(|error| BrokerError::declaring(&session.broker, &what, &error))?;
    Ok(depth(&found))
}

async fn bind(session: &Session, queue: &str, exchange: &str) -> Result<(), BrokerError> {
    let what = format!("binding of queue {queue} to exchange {exchange}");
    session
        .channel
        .queue_bind(
            short_string("the queue's name", queue)?,
            short_string("the exchange's name", exchange)?,
            ALL_ROUTING_KEYS.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
        .map_err(|error| BrokerError::declaring(&session.broker, &what, &error))
}

/// What a queue is created with can never change, so only what the ledger's correctness needs is here; all
/// else belongs in a policy.
fn queue_arguments() -> FieldTable {
    let arguments: [(&str, AMQPValue); 3] = [
        ("x-queue-type", AMQPValue::LongString("quorum".into())),
        ("x-single-active-consumer", true.into()),
        ("x-delivery-limit", DELIVERY_LIMIT.into()),
    ];
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert(ShortString::from(name), value);
    }
    table
}

fn depth(queue: &lapin::Queue) -> QueueDepth {
    QueueDepth { ready: queue.message_count(), consumers: queue.consumer_count() }
}

/// One report of all that is missing, rather than one at each attempt.
fn both<T>(exchange: Result<(), BrokerError>, queue: Result<T, BrokerError>) -> Result<T, BrokerError> {
    match (exchange, queue) {
        (
            Err(BrokerError::Missing { broker, mut missing }),
            Err(BrokerError::Missing { missing: also_missing, .. }),
        ) => {
            missing.extend(also_missing);
            Err(BrokerError::Missing { broker, missing })
        }
        (Err(error), _) | (Ok(()), Err(error)) => Err(error),
        (Ok(()), Ok(found)) => Ok(found),
    }
}
