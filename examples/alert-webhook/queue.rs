//! RabbitMQ: a durable queue of this program's own, bound to alerts, consumed with manual acknowledgements.
//!
//! There is no recovering here: whatever fails, the connection is thrown away and another one made. lapin's own
//! recovery would mix deliveries of the old connection with those of the new one.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, Consumer};
use secrecy::ExposeSecret;
use tokio::time::timeout;

use super::settings::Settings;

/// All versions of alerts, of all accounts: one of a version that is not known is then seen and set aside.
const ALERTS: &str = "credits.alert.#";

/// How many deliveries may be unacknowledged. It bounds what is in memory, and so many alerts of accounts whose
/// webhook is away may pile up before those of others wait with them.
const PREFETCH: u16 = 100;

/// As good as none: every lost connection counts as a delivery, and without the argument RabbitMQ 4 drops a message
/// after 20 of them.
const DELIVERY_LIMIT: i32 = 1_000_000_000;

/// Everything until the first delivery. lapin ignores the `connection_timeout` of a URL.
const OPEN_LIMIT: Duration = Duration::from_secs(20);
const CLOSE_LIMIT: Duration = Duration::from_secs(3);
/// A lost peer is noticed after twice this, in seconds.
const HEARTBEAT_S: u16 = 10;
const REPLY_SUCCESS: u16 = 200;

/// A connection that receives alerts.
pub(crate) struct Subscription {
    connection: Connection,
    channel: Channel,
    deliveries: Consumer,
}

/// Where the broker is. An error says what to write instead, and not what was written: it has a password in it.
pub(crate) fn broker(settings: &Settings) -> Result<AMQPUri, String> {
    let url = settings.broker_url.expose_secret();
    let mut uri: AMQPUri =
        url.parse().map_err(|_| "the broker's URL is not amqp://user:password@host:port/vhost".to_owned())?;
    uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
    Ok(uri)
}

impl Subscription {
    /// Connects, makes and binds the queue, and begins to consume. An error says what failed.
    pub(crate) async fn open(broker: AMQPUri, settings: &Settings) -> Result<Self, String> {
        match timeout(OPEN_LIMIT, Self::connect(broker, settings)).await {
            Ok(connected) => connected.map_err(|error| error.to_string()),
            Err(_) => Err(format!("RabbitMQ didn't answer within {} s", OPEN_LIMIT.as_secs())),
        }
    }

    async fn connect(broker: AMQPUri, settings: &Settings) -> lapin::Result<Self> {
        let properties = ConnectionProperties::default().with_connection_name("alert-webhook".into());
        let connection = Connection::connect_uri(broker, properties).await?;
        let channel = connection.create_channel().await?;
        let queue = || ShortString::from(settings.queue.as_str());
        channel.queue_declare(queue(), QueueDeclareOptions::durable(), queue_arguments()).await?;
        // The exchange is creditd's to make: until it has run once, this fails and is tried again.
        let exchange = ShortString::from(settings.exchange.as_str());
        let bind = QueueBindOptions::default();
        channel.queue_bind(queue(), exchange, ALERTS.into(), bind, FieldTable::default()).await?;
        // For the consumer and not for the channel: a quorum queue ends the connection over the latter.
        channel.basic_qos(PREFETCH, BasicQosOptions { global: false }).await?;
        let consume = BasicConsumeOptions::default();
        let deliveries =
            channel.basic_consume(queue(), ShortString::default(), consume, FieldTable::default()).await?;
        Ok(Self { connection, channel, deliveries })
    }

    /// The next delivery. After an error there is no other: throw this away, and all that came by it.
    pub(crate) async fn next(&mut self) -> Result<Delivery, String> {
        match self.deliveries.next().await {
            Some(Ok(delivery)) => Ok(delivery),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("RabbitMQ ended the consumer; was the queue deleted?".to_owned()),
        }
    }

    /// Says goodbye, channel first: what is unacknowledged then goes back to its place in the queue.
    pub(crate) async fn close(self) {
        let goodbye = async {
            self.channel.close(REPLY_SUCCESS, "done".into()).await.ok();
            self.connection.close(REPLY_SUCCESS, "done".into()).await.ok();
        };
        // A courtesy: a broker that doesn't answer gives it all back by itself.
        timeout(CLOSE_LIMIT, goodbye).await.ok();
    }
}

/// A queue that outlives a broker, and one consumer at a time: a second process stands by, and takes over nobody's
/// order.
fn queue_arguments() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-single-active-consumer".into(), true.into());
    arguments.insert("x-delivery-limit".into(), DELIVERY_LIMIT.into());
    arguments
}
