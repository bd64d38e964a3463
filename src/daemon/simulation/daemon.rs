//! A daemon of a simulation: the apply loop as it is, between an intake that receives from the simulated broker and
//! somebody who follows the log.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::ledger::SimulatedLedger;
use super::process::{Process, locked};
use super::queue::{Broker, Consumer, SimulatedAcknowledger};
use super::server::Server;
use crate::daemon::apply::{Apply, ApplyError, Turn};
use crate::daemon::backoff::Backoff;
use crate::daemon::intake::{Link, Received, received};
use crate::daemon::tail::{LogTail, tail};
use crate::ledger::entry::LogNumber;
use crate::ledger::settings::Settings;
use crate::store::LogLine;
use crate::vitals::{Health, Metrics, Progress};

/// What daemons share, and what they are set to.
pub(super) struct Surroundings {
    pub(super) server: Arc<Server>,
    pub(super) broker: Arc<Broker>,
    pub(super) deadly: Arc<HashSet<[u8; 32]>>,
    pub(super) messages_max: usize,
    pub(super) prefetch: usize,
    pub(super) metrics: Arc<Metrics>,
}

type Incoming = Received<SimulatedAcknowledger>;

/// Runs a daemon until it ends by itself.
pub(super) async fn run(
    around: &Surroundings,
    process: &Arc<Process>,
    settings: Arc<Settings>,
    reloaded: mpsc::UnboundedReceiver<Arc<Settings>>,
) -> Result<(), ApplyError> {
    let (out, inbox) = mpsc::channel(around.prefetch);
    let (log, log_tail) = tail();
    let progress = Progress::default();
    let apply = Apply {
        ledger: SimulatedLedger::new(around.server.clone(), process.clone(), around.deadly.clone()),
        settings,
        messages_max: around.messages_max,
        health: Health::default(),
        heartbeat: progress.register("apply", std::time::Duration::from_mins(1)),
        metrics: around.metrics.clone(),
        log,
        stop: process.told_to_stop.clone(),
        turn: Turn::first(),
    };
    let others = async {
        tokio::join!(receive(around, process, out), follow(&around.server, log_tail));
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        ended = apply.run(inbox, reloaded) => ended,
        () = others => unreachable!("they never end"),
    }
}

/// Receives until told to stop, connecting anew for ever, as the intake does.
async fn receive(around: &Surroundings, process: &Process, out: mpsc::Sender<Incoming>) {
    let stop = &process.told_to_stop;
    let mut backoff = Backoff::new();
    while !stop.is_cancelled() {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = receive_once(around, process, &out, &mut backoff) => {}
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = sleep(backoff.next_delay()) => {}
        }
    }
}

async fn receive_once(
    around: &Surroundings,
    process: &Process,
    out: &mpsc::Sender<Incoming>,
    backoff: &mut Backoff,
) {
    let Ok(consumer) = around.broker.connect(process).await else { return };
    let Consumer { mut deliveries, acknowledger, alone } = consumer;
    let over = CancellationToken::new();
    let _over_when_dropped = over.clone().drop_guard();
    let link = Link { acknowledger, over: over.clone(), alone };
    if out.send(Received::Connected(link)).await.is_err() {
        return;
    }
    loop {
        let delivery = tokio::select! {
            biased;
            () = over.cancelled() => return,
            delivery = deliveries.recv() => delivery,
        };
        let Some(delivery) = delivery else { return };
        backoff.reset();
        let is_deadly = around.deadly.contains(&delivery.raw.fingerprint());
        let received = received(delivery);
        if is_deadly && matches!(received, Received::Delivered { suspect: false, .. }) {
            process.die().await;
        }
        tokio::select! {
            biased;
            () = over.cancelled() => return,
            sent = out.send(received) => if sent.is_err() { return },
        }
    }
}

/// Follows the log by what it is handed, which must be what is in it.
async fn follow(server: &Server, mut tail: LogTail) {
    let mut published = 0;
    loop {
        let look = tail.grown().await;
        loop {
            let lines = tail.take_behind(LogNumber(published), 1_000);
            let tables = locked(&server.tables);
            let log = &tables.world.log;
            let end = i64::try_from(log.len()).unwrap();
            for line in &lines {
                let stored = usize::try_from(published).ok().and_then(|place| log.get(place)).cloned();
                assert_eq!(stored.map(LogLine::from).as_ref(), Some(line), "what was not committed was told");
                published += 1;
            }
            if !look && !tail.has_gap() {
                break;
            }
            // What others wrote is read.
            if published == end {
                break;
            }
            published = end;
        }
    }
}
