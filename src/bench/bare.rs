//! What RabbitMQ and its client take at a given rate by themselves: each message goes to a consumer that acknowledges
//! it, and as many events as creditd would publish go on to theirs, with neither creditd nor a database between.

use std::time::SystemTime;

use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::flood::EVENT_BYTES;
use super::ground::Field;
use super::latency::{Latencies, Percentiles};
use super::paced::{Listener, send};
use super::workload::{SOURCE, Sent};
use super::{BenchError, Plan, Progress, finish};
use crate::broker::{Consumer, Destination, OutboundMessage, Publisher};

/// What of a message is read. One that can't be used may have no id.
#[derive(Deserialize)]
struct Envelope {
    id: Option<String>,
}

/// How long messages take to their consumer, and the events to theirs, at the rate of `plan`.
pub(super) async fn run(
    field: &Field,
    plan: &Plan,
    sent: &Sent,
    progress: Progress<'_>,
) -> Result<(Percentiles, Percentiles), BenchError> {
    let listener = Listener::start(field).await?;
    let consumer = Consumer::connect(&field.broker).await?;
    let publisher = Publisher::connect(&field.broker, Destination::Events).await?;
    let (events, due) = mpsc::unbounded_channel();
    let consuming = tokio::spawn(consume(consumer, sent.messages.len() + 1, sent.events, events));
    let publishing = tokio::spawn(publish(publisher, due));
    let schedule = send(field, plan, sent, progress).await?;
    let taken = finish(consuming).await?;
    let published = finish(publishing).await?;
    let arrived = listener.finish(published).await?;
    let percentiles = |what: Vec<(String, SystemTime)>| {
        let mut latencies = Latencies::new();
        for took in what.iter().filter_map(|(id, at)| schedule.since_due(id, *at)) {
            latencies.note(took);
        }
        latencies.percentiles()
    };
    let nothing = || BenchError::Wrong("nothing of what was sent at a rate arrived".to_owned());
    Ok((percentiles(taken).ok_or_else(nothing)?, percentiles(arrived).ok_or_else(nothing)?))
}

/// Takes so many messages and acknowledges each; `events_max` of them, evenly, are to be followed by an event.
async fn consume(
    mut consumer: Consumer,
    count: usize,
    events_max: usize,
    events: mpsc::UnboundedSender<String>,
) -> Result<Vec<(String, SystemTime)>, BenchError> {
    let mut taken = Vec::with_capacity(count);
    let mut owed = 0;
    for _ in 0..count {
        let delivery = consumer.deliveries.next().await?;
        let at = SystemTime::now();
        let envelope: Option<Envelope> = serde_json::from_slice(&delivery.raw.body).ok();
        owed += events_max;
        if let Some(id) = envelope.and_then(|envelope| envelope.id) {
            if owed >= count {
                owed -= count;
                // A publisher that failed says so itself.
                events.send(id.clone()).ok();
            }
            taken.push((id, at));
        }
        consumer.acknowledger.acknowledge_through(delivery.tag).await?;
    }
    consumer.acknowledger.close().await;
    Ok(taken)
}

/// Publishes events as they fall due. Says how many there were.
async fn publish(
    mut publisher: Publisher,
    mut due: mpsc::UnboundedReceiver<String>,
) -> Result<usize, BenchError> {
    let mut published = 0;
    let mut ids = Vec::new();
    while due.recv_many(&mut ids, usize::MAX).await > 0 {
        let window: Vec<_> = ids.drain(..).map(|id| event(&id)).collect();
        published += window.len();
        publisher.publish_window(&window).await?;
    }
    publisher.close().await;
    Ok(published)
}

/// An event of the usual size that says what brought it about.
fn event(id: &str) -> OutboundMessage {
    let mut body = json!({ "data": { "cause": { "source": SOURCE, "id": id } } }).to_string();
    // JSON may end in blanks.
    let padding = EVENT_BYTES.saturating_sub(body.len());
    body.extend(std::iter::repeat_n(' ', padding));
    OutboundMessage::cloud_event("credits.balance_changed".to_owned(), id.to_owned(), body.into_bytes())
}
