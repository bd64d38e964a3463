//! Messages at a given rate: how long each takes from its publish to the commit and to the arrival of its events.
//!
//! The rate is kept whatever the daemon does (an open loop): a thread of its own says when each message is due, and
//! several publishers take turns, so that one that waits for a confirm delays nobody. Latencies count from when a
//! message was due ([`Schedule`]).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::ground::Field;
use super::latency::{Latencies, Schedule};
use super::process::Daemon;
use super::report::Paced;
use super::workload::{Outgoing, SOURCE, Sent};
use super::{BenchError, Plan, Progress, bare, drain, finish, flood};
use crate::broker::{Consumer, Destination, Publisher};

/// How many publishers take turns. At 500 messages a second each has 32 ms for a confirm before it is its turn again.
const PUBLISHERS: usize = 16;
/// What is sent so long is not counted: caches fill, and connections are new.
pub(super) const WARM_UP_SECONDS: u32 = 2;
/// From when all are ready until the first message is due.
const LEAD: Duration = Duration::from_millis(200);
/// How often is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// Longer than any event that was published takes to arrive.
const ARRIVED_WITHIN: Duration = Duration::from_mins(1);

/// Sends at the rate of `plan`, first past creditd and then to it, and says how long things took, and how much memory the daemon had at most, in MiB.
/// The accounts are open already.
pub(super) async fn run(
    executable: &Path,
    field: &Field,
    plan: &Plan,
    sent: &Sent,
    progress: Progress<'_>,
) -> Result<(Paced, f64), BenchError> {
    let (bare_message_ms, bare_event_ms) = bare::run(field, plan, sent, progress).await?;
    let listener = Listener::start(field).await?;
    let mut daemon = Daemon::start(executable, field).await?;
    let syncs_before = field.database.syncs().await?;
    let schedule = send(field, plan, sent, progress).await?;
    let events = drain::wait_for_the_end(field, &mut daemon, sent, progress).await?;
    let arrivals = listener.finish(events).await?;
    let sync_mean = field.database.syncs().await?.mean_since(syncs_before);
    let resident_mib_max = daemon.resident_mib_max()?;
    daemon.stop()?;

    let mut commits = Latencies::new();
    for (id, at) in field.database.committed_at().await? {
        if let Some(took) = schedule.since_due(&id, at) {
            // PostgreSQL's stamp is from before the sync, without which nothing is committed.
            commits.note(took + sync_mean);
        }
    }
    let mut events = Latencies::new();
    for (id, at) in arrivals {
        if let Some(took) = schedule.since_due(&id, at) {
            events.note(took);
        }
    }
    let nothing = || BenchError::Wrong("nothing of what was sent at a rate was committed".to_owned());
    let paced = Paced {
        rate_per_second: plan.rate_per_second.get(),
        seconds: plan.paced_seconds.get(),
        commit_ms: commits.percentiles().ok_or_else(nothing)?,
        event_ms: events.percentiles().ok_or_else(nothing)?,
        bare_message_ms,
        bare_event_ms,
        sync_ms_mean: sync_mean.as_secs_f64() * 1_000.0,
    };
    Ok((paced, resident_mib_max))
}

/// Sends all messages, each when it is due, and the one that ends them.
pub(super) async fn send(
    field: &Field,
    plan: &Plan,
    sent: &Sent,
    progress: Progress<'_>,
) -> Result<Schedule, BenchError> {
    let rate = plan.rate_per_second.get();
    let interval = Duration::from_secs(1) / rate;
    let messages: Arc<[Outgoing]> = sent.messages.clone().into();
    let mut lanes = Vec::with_capacity(PUBLISHERS);
    let mut publishing = Vec::with_capacity(PUBLISHERS);
    for _ in 0..PUBLISHERS {
        let publisher = Publisher::connect(&field.broker, Destination::Inbound).await?;
        let (lane, due) = mpsc::unbounded_channel();
        lanes.push(lane);
        publishing.push(tokio::spawn(publish(publisher, Arc::clone(&messages), due)));
    }
    // One moment by both clocks: what lies between them would count as latency.
    let (began, began_at) = (Instant::now() + LEAD, SystemTime::now() + LEAD);
    let schedule = Schedule::new(&messages, began_at, interval, rate.saturating_mul(WARM_UP_SECONDS));
    let count = messages.len();
    thread::spawn(move || tell_when_due(began, interval, count, &lanes));
    let all = interval * u32::try_from(count).unwrap_or(u32::MAX);
    while let elapsed = began.elapsed()
        && elapsed < all
    {
        let place = elapsed.as_nanos() / interval.as_nanos();
        progress.at("sending at a rate", usize::try_from(place).unwrap_or(count), count);
        tokio::time::sleep(TELL_EVERY).await;
    }
    let mut last = None;
    for lane in publishing {
        last = Some(finish(lane).await?);
    }
    let mut last = last.expect("there is a publisher at least");
    last.publish_window(&[flood::outbound(&sent.end, count)]).await?;
    last.close().await;
    Ok(schedule)
}

/// Gives each message to the publisher whose turn it is, when it is due. A thread sleeps to the tenth of a
/// millisecond; the runtime's timers only to the next whole one.
fn tell_when_due(began: Instant, interval: Duration, count: usize, lanes: &[mpsc::UnboundedSender<usize>]) {
    let mut due = began;
    for (place, lane) in (0..count).zip(lanes.iter().cycle()) {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if lane.send(place).is_err() {
            // Its publisher failed, which is told where it is waited for.
            return;
        }
        due += interval;
    }
}

/// Publishes what is due: all of it at once, where that is more than one message.
async fn publish(
    mut publisher: Publisher,
    messages: Arc<[Outgoing]>,
    mut due: mpsc::UnboundedReceiver<usize>,
) -> Result<Publisher, BenchError> {
    let mut places = Vec::new();
    while due.recv_many(&mut places, messages.len()).await > 0 {
        let window: Vec<_> = places.drain(..).map(|place| flood::outbound(&messages[place], place)).collect();
        publisher.publish_window(&window).await?;
    }
    Ok(publisher)
}

/// What of an event is read.
#[derive(Deserialize)]
struct Event {
    data: EventData,
}

#[derive(Deserialize)]
struct EventData {
    cause: EventCause,
}

#[derive(Deserialize)]
struct EventCause {
    source: String,
    id: String,
}

/// A consumer of the events, as an analytics system would be.
pub(super) struct Listener {
    listening: JoinHandle<Result<Vec<(String, SystemTime)>, BenchError>>,
    received: Arc<AtomicUsize>,
    enough: oneshot::Sender<()>,
}

impl Listener {
    pub(super) async fn start(field: &Field) -> Result<Self, BenchError> {
        let consumer = Consumer::connect(&flood::events_queue(field)).await?;
        let received = Arc::new(AtomicUsize::new(0));
        let (enough, stop) = oneshot::channel();
        let listening = tokio::spawn(listen(consumer, Arc::clone(&received), stop));
        Ok(Self { listening, received, enough })
    }

    /// Waits until all of so many events have come. Gives the message that brought each about, and when it came.
    pub(super) async fn finish(self, events: usize) -> Result<Vec<(String, SystemTime)>, BenchError> {
        let began = Instant::now();
        while self.received.load(Ordering::Relaxed) < events && !self.listening.is_finished() {
            if began.elapsed() > ARRIVED_WITHIN {
                let received = self.received.load(Ordering::Relaxed);
                return Err(BenchError::Wrong(format!(
                    "{received} events arrived of {events} that were published"
                )));
            }
            tokio::time::sleep(super::LOOK_EVERY).await;
        }
        // It has ended already where its connection did.
        self.enough.send(()).ok();
        finish(self.listening).await
    }
}

async fn listen(
    mut consumer: Consumer,
    received: Arc<AtomicUsize>,
    mut stop: oneshot::Receiver<()>,
) -> Result<Vec<(String, SystemTime)>, BenchError> {
    let mut arrivals = Vec::new();
    loop {
        let delivery = tokio::select! {
            delivery = consumer.deliveries.next() => delivery?,
            _ = &mut stop => break,
        };
        let at = SystemTime::now();
        let event: Event = serde_json::from_slice(&delivery.raw.body)
            .map_err(|error| BenchError::Wrong(format!("an event can't be read: {error}")))?;
        if event.data.cause.source == SOURCE {
            arrivals.push((event.data.cause.id, at));
        }
        received.fetch_add(1, Ordering::Relaxed);
        consumer.acknowledger.acknowledge_through(delivery.tag).await?;
    }
    consumer.acknowledger.close().await;
    Ok(arrivals)
}
