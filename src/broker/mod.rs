//! RabbitMQ: connections, topology, consuming and publishing. All lapin lives here.
//!
//! There is no reconnecting here. Whatever fails, fails once and for good: the daemon throws the [`Consumer`]
//! or [`Publisher`] away, waits, and connects anew. lapin's own recovery is left off, since after a loss it
//! mixes delivery tags of the old connection with those of the new one.
//!
//! Consuming and publishing have a connection each: a broker short of memory or disk stops reading from
//! connections that publish, and acknowledgements must not wait behind that.

mod connection;
mod consumer;
mod error;
mod publisher;
mod table;
mod tls;
mod topology;

use secrecy::SecretString;

use self::connection::Session;

pub use self::{
    connection::Health,
    consumer::{Acknowledger, Consumer, Deliveries, Delivery, DeliveryTag, QueueWatch},
    error::BrokerError,
    publisher::{Destination, OutboundMessage, PublishError, Published, Publisher},
    topology::{QueueDepth, queue_depth},
};

/// Where the broker is and what creditd uses there.
#[derive(Clone, Debug)]
pub struct BrokerSettings {
    /// `amqp://user:password@host:port/vhost`, or `amqps://` for TLS: at least one, tried in their order.
    pub urls: Vec<SecretString>,
    /// The topic exchange that upstream publishes to.
    pub inbound_exchange: String,
    /// The quorum queue that creditd consumes.
    pub queue: String,
    /// The topic exchange that creditd's events go to.
    pub events_exchange: String,
    /// Whether creditd makes the above or only looks for it.
    pub topology: Topology,
    /// How many deliveries may wait unacknowledged; three maximal batches keep all that works on them busy.
    pub prefetch: u16,
}

impl BrokerSettings {
    /// Why each of the brokers that can't be connected to can't be, in their order.
    pub async fn unreachable_brokers(&self) -> Vec<BrokerError> {
        Session::unreachable_ones(&self.urls).await
    }
}

/// Who makes the exchanges, the queue and its binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// creditd declares what it uses, durable, and is refused where it exists in another form.
    Declare,
    /// The operator does: creditd only looks whether it is there. AMQP cannot look at bindings and arguments.
    Check,
}
