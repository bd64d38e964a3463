//! A broker of three nodes, of which the one that leads the queue is lost, and another one is parted from the rest.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::assert_as_modelled;
use super::killed::{COMMITS, FEW, growth};
use crate::model::{Key, Workload, seed};
use crate::support::{Cluster, Message, World, wait_until};

const QUEUE: &str = "creditd.projects";

#[test]
fn a_cluster_that_loses_the_queue_s_leader_or_parts_from_it_loses_no_message() {
    let mut random = fastrand::Rng::with_seed(seed());
    let workload = Workload::random(&mut random);
    let cluster = Cluster::start(3);
    let mut world = World::on(cluster.first(), 0);
    world.migrate();
    world.reach_brokers(&cluster.broker_urls());
    world.set("CREDITD__BATCH__MESSAGES_MAX", FEW);
    let listener = world.listen();
    let mut daemon = world.daemon();

    let (first, second) = workload.stream.split_at(workload.stream.len() / 2);
    let led = cluster.leader_of(QUEUE);
    let killed = through(&world, &workload, first, random.i64(1..20), || cluster.kill(led));
    println!("applied {killed:.1?} after the queue's leader was killed");
    cluster.start_again(led);
    cluster.wait_until_whole();

    let led = cluster.leader_of(QUEUE);
    let parted = through(&world, &workload, second, random.i64(1..20), || cluster.part(led));
    println!("applied {parted:.1?} after the queue's leader was parted from the others");
    cluster.heal(led);
    cluster.wait_until_whole();

    assert_as_modelled(&world, &workload, &listener);
    assert!(daemon.is_running(), "the same daemon did it all");
    assert!(daemon.stop().success());
}

/// Publishes messages, and has something happen after some commits. Gives how long one of them, sent again when it had
/// happened, took to be counted.
fn through(
    world: &World,
    workload: &Workload,
    messages: &[Message],
    commits: i64,
    happen: impl FnOnce(),
) -> Duration {
    let some_commits = growth(world, COMMITS, commits);
    thread::scope(|scope| {
        scope.spawn(|| world.publish_through_trouble(messages));
        some_commits();
        let (mark, (source, id)) = messages
            .iter()
            .find_map(|message| Some((message, key(message, workload)?)))
            .expect("one is structured");
        let counted = || {
            let rows: Vec<(String, String, i64)> =
                world.rows("select source, id, deliveries from creditd.inbox");
            let of_mark = rows.into_iter().find(|row| (&row.0, &row.1) == (&source, &id));
            of_mark.map_or(0, |(.., deliveries)| deliveries)
        };
        wait_until("the first of them is applied", || counted() > 0);
        let before = counted();
        happen();
        let happened = Instant::now();
        world.publish_through_trouble(std::slice::from_ref(mark));
        wait_until("it is counted again", || counted() > before);
        happened.elapsed()
    })
}

/// The source and the id of a message that is valid, and in structured mode.
fn key(message: &Message, workload: &Workload) -> Option<Key> {
    let event: Value = serde_json::from_slice(&message.body).ok()?;
    let member = |name: &str| event[name].as_str().map(str::to_owned);
    Some((member("source")?, member("id")?)).filter(|key| workload.copies.contains_key(key))
}
