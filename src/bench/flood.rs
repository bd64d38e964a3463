//! Filling the queue, and keeping the events.

use super::ground::Field;
use super::workload::{CONTENT_TYPE, Outgoing};
use super::{BenchError, Progress};
use crate::broker::{BrokerSettings, Consumer, Destination, OutboundMessage, Publisher};

/// How many messages are published before their confirms are awaited together.
const WINDOW: usize = 1_000;

/// The size of a balance-changed event with names as long as the benchmark's, in bytes.
pub(super) const EVENT_BYTES: usize = 900;

/// A message as it is published, called by its number.
pub(super) fn outbound(message: &Outgoing, number: usize) -> OutboundMessage {
    OutboundMessage {
        routing_key: message.routing_key.to_owned(),
        message_id: number.to_string(),
        content_type: CONTENT_TYPE.to_owned(),
        headers: Vec::new(),
        body: message.body.clone(),
    }
}

/// Makes the queue where there is none yet, and puts messages into it.
pub(super) async fn fill(
    field: &Field,
    messages: &[Outgoing],
    progress: Progress<'_>,
) -> Result<(), BenchError> {
    make_queue(&field.broker).await?;
    let mut publisher = Publisher::connect(&field.broker, Destination::Inbound).await?;
    for (number, window) in messages.chunks(WINDOW).enumerate() {
        progress.at("filling the queue", number * WINDOW, messages.len());
        let window: Vec<_> =
            window.iter().enumerate().map(|(number, message)| outbound(message, number)).collect();
        publisher.publish_window(&window).await?;
    }
    publisher.close().await;
    Ok(())
}

/// Makes a queue that all events go to and stay in, as for an analytics system that reads them later.
pub(super) async fn collect_events(field: &Field) -> Result<(), BenchError> {
    make_queue(&events_queue(field)).await
}

/// A queue of events, consumed as that of messages is.
pub(super) fn events_queue(field: &Field) -> BrokerSettings {
    BrokerSettings {
        inbound_exchange: field.broker.events_exchange.clone(),
        queue: format!("{}.out", field.name),
        ..field.broker.clone()
    }
}

async fn make_queue(settings: &BrokerSettings) -> Result<(), BenchError> {
    let consumer = Consumer::connect(settings).await?;
    consumer.acknowledger.close().await;
    Ok(())
}
