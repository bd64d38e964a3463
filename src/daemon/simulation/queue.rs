//! The broker of a simulation: one quorum queue with a single active consumer, whose connections break.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::chance::Chance;
use super::messages::Message;
use super::process::{Process, locked};
use super::server::Server;
use crate::broker::{BrokerError, Delivery, DeliveryTag};
use crate::daemon::intake::Acknowledge;

/// How late a side may notice that a connection is broken.
const NOTICED_MAX: Duration = Duration::from_secs(3);

/// The broker.
pub(super) struct Broker {
    queue: Mutex<Queue>,
    server: Arc<Server>,
    chance: Chance,
    prefetch: usize,
}

#[derive(Default)]
struct Queue {
    ready: VecDeque<Sent>,
    /// In the order in which they came: the first one's consumer is the active one.
    connections: Vec<Connection>,
    sessions: u64,
    down_until: Option<Instant>,
}

struct Sent {
    message: Message,
    redeliveries: u32,
}

struct Connection {
    session: u64,
    last_tag: u64,
    unacknowledged: VecDeque<(u64, Sent)>,
    out: mpsc::UnboundedSender<Delivery>,
}

/// A consumer's end of a connection.
pub(super) struct Consumer {
    pub(super) deliveries: mpsc::UnboundedReceiver<Delivery>,
    pub(super) acknowledger: SimulatedAcknowledger,
    pub(super) alone: bool,
}

/// What a connection takes back.
pub(super) struct SimulatedAcknowledger {
    broker: Arc<Broker>,
    session: u64,
}

fn closed() -> BrokerError {
    BrokerError::Closed { broker: "the simulated broker".to_owned() }
}

impl Broker {
    pub(super) fn new(server: Arc<Server>, chance: Chance, prefetch: usize) -> Self {
        Self { queue: Mutex::default(), server, chance, prefetch }
    }

    pub(super) fn publish(&self, message: Message) {
        locked(&self.queue).ready.push_back(Sent { message, redeliveries: 0 });
        self.deliver();
    }

    /// Whether all messages are acknowledged.
    pub(super) fn is_empty(&self) -> bool {
        let queue = locked(&self.queue);
        queue.ready.is_empty() && queue.connections.iter().all(|held| held.unacknowledged.is_empty())
    }

    /// What it has, for people.
    pub(super) fn told(&self) -> String {
        let queue = locked(&self.queue);
        let body = |sent: &Sent| String::from_utf8_lossy(&sent.message.raw.body).into_owned();
        let ready: Vec<_> = queue.ready.iter().map(body).collect();
        let held = queue.connections.iter().map(|one| {
            let bodies = one.unacknowledged.iter().map(|(tag, sent)| (tag, sent.redeliveries, body(sent)));
            (one.session, bodies.collect::<Vec<_>>())
        });
        format!("{ready:?}, with connections {:?}", held.collect::<Vec<_>>())
    }

    /// The connection whose consumer is the active one.
    pub(super) fn active(&self) -> Option<u64> {
        locked(&self.queue).connections.first().map(|active| active.session)
    }

    /// Hands the active consumer what it has room for.
    fn deliver(&self) {
        let Queue { ready, connections, .. } = &mut *locked(&self.queue);
        let Some(active) = connections.first_mut() else { return };
        while active.unacknowledged.len() < self.prefetch {
            let Some(sent) = ready.pop_front() else { return };
            active.last_tag += 1;
            let delivery = Delivery {
                raw: sent.message.raw.clone(),
                tag: DeliveryTag::simulated(active.session, active.last_tag),
                redeliveries: sent.redeliveries,
            };
            active.unacknowledged.push_back((active.last_tag, sent));
            // Whoever is gone has not been noticed to be.
            let _ = active.out.send(delivery);
        }
    }

    pub(super) async fn connect(self: &Arc<Self>, process: &Process) -> Result<Consumer, BrokerError> {
        sleep(self.chance.time(Duration::from_millis(200))).await;
        let (consumer, session) = {
            let mut queue = locked(&self.queue);
            if queue.down_until.is_some_and(|until| until > Instant::now()) {
                return Err(closed());
            }
            queue.sessions += 1;
            let session = queue.sessions;
            let alone = queue.connections.is_empty();
            let (out, deliveries) = mpsc::unbounded_channel();
            let unacknowledged = VecDeque::new();
            queue.connections.push(Connection { session, last_tag: 0, unacknowledged, out });
            let acknowledger = SimulatedAcknowledger { broker: self.clone(), session };
            (Consumer { deliveries, acknowledger, alone }, session)
        };
        locked(&process.sessions).push(session);
        self.deliver();
        Ok(consumer)
    }

    /// Breaks a connection: what it holds goes back to its place. The other side notices later.
    pub(super) fn cut(self: &Arc<Self>, session: u64) {
        let mut queue = locked(&self.queue);
        let Some(place) = queue.connections.iter().position(|one| one.session == session) else { return };
        let broken = queue.connections.remove(place);
        for (_, Sent { message, redeliveries }) in broken.unacknowledged.into_iter().rev() {
            queue.ready.push_front(Sent { message, redeliveries: redeliveries + 1 });
        }
        drop(queue);
        let noticed = self.chance.time(NOTICED_MAX);
        let out = broken.out;
        tokio::spawn(async move {
            sleep(noticed).await;
            drop(out);
        });
        self.deliver();
    }

    /// Breaks the connections of a process that is dead, once that is noticed.
    pub(super) fn lose(self: &Arc<Self>, process: &Process) {
        let sessions = locked(&process.sessions).clone();
        let (broker, noticed) = (self.clone(), self.chance.time(NOTICED_MAX));
        tokio::spawn(async move {
            sleep(noticed).await;
            for session in sessions {
                broker.cut(session);
            }
        });
    }

    /// Is away, and all connections with it.
    pub(super) fn go_down(self: &Arc<Self>, length: Duration) {
        let sessions: Vec<_> = {
            let mut queue = locked(&self.queue);
            queue.down_until = Some(Instant::now() + length);
            queue.connections.iter().map(|one| one.session).collect()
        };
        for session in sessions {
            self.cut(session);
        }
    }

    fn acknowledge(self: &Arc<Self>, session: u64, through: u64) -> Result<(), BrokerError> {
        let mut queue = locked(&self.queue);
        let Some(connection) = queue.connections.iter_mut().find(|one| one.session == session) else {
            // It may well look as if it had been sent.
            return if self.chance.one_in(2) { Ok(()) } else { Err(closed()) };
        };
        assert!(through <= connection.last_tag, "what was not delivered was acknowledged");
        let count = connection.unacknowledged.partition_point(|(tag, _)| *tag <= through);
        for (_, sent) in connection.unacknowledged.drain(..count) {
            self.server.must_account_for(&sent.message);
        }
        drop(queue);
        self.deliver();
        Ok(())
    }
}

impl Acknowledge for SimulatedAcknowledger {
    async fn acknowledge_through(&mut self, tag: DeliveryTag) -> Result<(), BrokerError> {
        let (session, through) = tag.parts();
        assert_eq!(session, self.session, "a delivery was acknowledged on another connection");
        self.broker.acknowledge(session, through)
    }

    async fn close(self) {
        sleep(self.broker.chance.time(Duration::from_millis(100))).await;
        self.broker.cut(self.session);
    }
}
