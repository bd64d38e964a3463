//! What RabbitMQ and the client allow: the same messages consumed and acknowledged, and as many events published
//! and confirmed, with no database between.

use std::time::Instant;

use super::flood::EVENT_BYTES;
use super::ground::Field;
use super::workload::Sent;
use super::{BenchError, Progress, finish, flood, per_second};
use crate::broker::{BrokerSettings, Consumer, Destination, OutboundMessage, Publisher};

/// How many events are confirmed together, as by the relay.
const WINDOW: usize = 1_000;

/// Says how many messages were consumed in a second while their events were published.
pub(super) async fn run(field: &Field, sent: &Sent, progress: Progress<'_>) -> Result<f64, BenchError> {
    flood::collect_events(field).await?;
    flood::fill(field, &sent.messages, progress).await?;
    progress.at("consuming messages and publishing events", 0, 0);
    let began = Instant::now();
    let consuming = tokio::spawn(consume(field.broker.clone(), sent.messages.len(), field.messages_max));
    let publishing = tokio::spawn(publish(field.broker.clone(), sent.events));
    finish(consuming).await?;
    finish(publishing).await?;
    Ok(per_second(sent.messages.len(), began.elapsed()))
}

/// Takes so many messages, and acknowledges whatever has come, as the daemon does.
async fn consume(settings: BrokerSettings, count: usize, batch_max: usize) -> Result<(), BenchError> {
    let mut consumer = Consumer::connect(&settings).await?;
    let mut taken = 0;
    while taken < count {
        let mut last = consumer.deliveries.next().await?;
        taken += 1;
        let mut in_batch = 1;
        while in_batch < batch_max
            && let Some(next) = consumer.deliveries.next_if_ready()
        {
            last = next?;
            taken += 1;
            in_batch += 1;
        }
        consumer.acknowledger.acknowledge_through(last.tag).await?;
    }
    consumer.acknowledger.close().await;
    Ok(())
}

/// Publishes so many events, a window at a time.
async fn publish(settings: BrokerSettings, count: usize) -> Result<(), BenchError> {
    let mut publisher = Publisher::connect(&settings, Destination::Events).await?;
    let body = vec![b'x'; EVENT_BYTES];
    let event = |number: usize| {
        OutboundMessage::cloud_event("credits.balance_changed".to_owned(), number.to_string(), body.clone())
    };
    for first in (0..count).step_by(WINDOW) {
        let window: Vec<_> = (first..count.min(first + WINDOW)).map(event).collect();
        publisher.publish_window(&window).await?;
    }
    publisher.close().await;
    Ok(())
}
