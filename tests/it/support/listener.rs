//! Downstream: a queue that hears all events.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use serde_json::Value;

use super::blocking;

/// How many events are on their way to a listener at once.
const PREFETCH: u16 = 1000;
/// How often is looked whether it is enough, and for a broker that is away.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// An event as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) routing_key: String,
    pub(crate) message_id: String,
    pub(crate) body: Vec<u8>,
    pub(crate) event: Value,
}

impl Heard {
    fn of(delivery: Delivery) -> Self {
        let event = serde_json::from_slice(&delivery.data).unwrap();
        let routing_key = delivery.routing_key.to_string();
        let message_id = delivery.properties.message_id().as_ref().unwrap().to_string();
        Self { routing_key, message_id, body: delivery.data, event }
    }

    /// Its place in the ledger's log, by the extension `sequence`.
    pub(crate) fn log_number(&self) -> i64 {
        self.event["sequence"].as_str().unwrap().parse().unwrap()
    }
}

/// A queue that hears all events.
pub(crate) struct Listener {
    broker_url: String,
}

impl Listener {
    pub(super) fn on(broker_url: &str) -> Self {
        Self { broker_url: broker_url.to_owned() }
    }

    /// Takes `count` events, in the order of their arrival, each with its routing key.
    pub(crate) fn take(&self, count: usize) -> Vec<(String, Value)> {
        let heard = self.hear(|heard| heard.len() == count);
        heard.into_iter().map(|heard| (heard.routing_key, heard.event)).collect()
    }

    /// Takes `count` events, in the order of their arrival, with their bytes.
    pub(crate) fn take_whole(&self, count: usize) -> Vec<Heard> {
        self.hear(|heard| heard.len() == count)
    }

    /// Takes events, in the order of their arrival, until each number of the log up to `last` has come.
    pub(crate) fn take_log(&self, last: i64) -> Vec<Heard> {
        let mut missing: BTreeSet<_> = (1..=last).collect();
        self.hear(|heard| {
            if let Some(newest) = heard.last() {
                missing.remove(&newest.log_number());
            }
            missing.is_empty()
        })
    }

    /// Takes events until these are `enough`; asked before each.
    fn hear(&self, mut enough: impl FnMut(&[Heard]) -> bool) -> Vec<Heard> {
        blocking(async {
            let connection = Connection::connect(&self.broker_url, ConnectionProperties::default());
            let connection = connection.await.unwrap();
            let channel = connection.create_channel().await.unwrap();
            channel.basic_qos(PREFETCH, BasicQosOptions::default()).await.unwrap();
            let consume = BasicConsumeOptions::default();
            let none = FieldTable::default();
            let mut stream =
                channel.basic_consume("listener".into(), "".into(), consume, none).await.unwrap();
            let mut heard = Vec::new();
            while !enough(&heard) {
                let next = tokio::time::timeout(Duration::from_mins(1), stream.next());
                let delivery = next.await.expect("another event arrives").unwrap().unwrap();
                delivery.acker.ack(BasicAckOptions::default()).await.unwrap();
                heard.push(Heard::of(delivery));
            }
            connection.close(200, "done".into()).await.unwrap();
            heard
        })
    }

    /// Takes events until it is `enough`, whatever happens to the broker meanwhile. It is asked all the time.
    pub(crate) fn follow(&self, mut hear: impl FnMut(Heard), enough: impl Fn() -> bool) {
        while !enough() {
            let lost = blocking(self.follow_once(&mut hear, &enough));
            if lost.is_err() {
                std::thread::sleep(LOOK_EVERY);
            }
        }
    }

    async fn follow_once(
        &self,
        hear: &mut impl FnMut(Heard),
        enough: &impl Fn() -> bool,
    ) -> lapin::Result<()> {
        let connection = Connection::connect(&self.broker_url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
        let (consume, none) = (BasicConsumeOptions::default(), FieldTable::default());
        let mut stream = channel.basic_consume("listener".into(), "".into(), consume, none).await?;
        while !enough() {
            match tokio::time::timeout(LOOK_EVERY, stream.next()).await {
                Ok(Some(delivery)) => {
                    let delivery = delivery?;
                    delivery.acker.ack(BasicAckOptions::default()).await?;
                    hear(Heard::of(delivery));
                }
                Ok(None) => return Ok(()),
                Err(_) => {}
            }
        }
        connection.close(200, "done".into()).await
    }
}
