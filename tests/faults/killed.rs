//! `kill -9` under load, of the daemon and of its servers.

use std::time::Duration;
use std::{fs, thread};

use creditd::sandbox::{Sandbox, SandboxOptions, ServerKind};

use super::assert_as_modelled;
use crate::model::{Workload, seed};
use crate::support::{World, creditd, wait_until};

const KILLS: usize = 10;

/// Small batches, so that there are many moments to die at.
pub(super) const FEW: &str = "5";

#[test]
fn a_daemon_killed_at_random_moments_loses_nothing_and_does_nothing_twice() {
    let mut random = fastrand::Rng::with_seed(seed());
    let workload = Workload::random(&mut random);
    let mut world = World::new();
    world.set("CREDITD__BATCH__MESSAGES_MAX", FEW);
    let listener = world.listen();
    assert!(world.daemon().stop().success(), "the queue is made");

    for slice in workload.stream.chunks(workload.stream.len().div_ceil(KILLS)) {
        let random_moment = a_random_moment(&world, &mut random);
        let mut daemon = world.start_daemon("daemon");
        thread::scope(|scope| {
            scope.spawn(|| world.publish_through_trouble(slice));
            random_moment();
            daemon.kill();
        });
        // As if its seven seconds were over, so that the next relay is killed at work too.
        world.as_owner("update creditd.relay set lease_until = '-infinity'");
    }

    let daemon = world.daemon();
    let told = assert_as_modelled(&world, &workload, &listener);
    println!("{} messages, {} events came again", workload.stream.len(), told.repeated);
    assert_eq!(told.early, 0, "the broker refused nothing, so all came in order");
    assert!(daemon.stop().success());
}

/// In the midst of starting, of applying or of publishing. Returns what waits for it.
fn a_random_moment<'a>(world: &'a World, random: &mut fastrand::Rng) -> impl FnOnce() + use<'a> {
    let reached: Box<dyn FnOnce() + 'a> = match random.u8(..3) {
        0 => {
            let starting = Duration::from_millis(random.u64(..300));
            Box::new(move || thread::sleep(starting))
        }
        1 => Box::new(growth(world, COMMITS, random.i64(1..6))),
        _ => Box::new(growth(world, "select published from creditd.relay", random.i64(1..4))),
    };
    // What was waited for has just been done; the next of it is to be caught at any point.
    let pause = Duration::from_millis(random.u64(..15));
    move || {
        reached();
        thread::sleep(pause);
    }
}

pub(super) const COMMITS: &str = "select version from creditd.ledger";

/// Returns what waits until the number has grown by so many from now on. Called before that begins: on a busy
/// machine all could be done before the first look.
pub(super) fn growth<'a>(world: &'a World, query: &'static str, count: i64) -> impl FnOnce() + use<'a> {
    let before = world.number(query);
    move || wait_until(&format!("{query}: {before} + {count}"), || world.number(query) >= before + count)
}

#[test]
fn servers_killed_under_load_are_waited_for_and_nothing_is_lost() {
    let mut random = fastrand::Rng::with_seed(seed());
    let workload = Workload::random(&mut random);
    let options = SandboxOptions { vhosts: 1, ..SandboxOptions::default() };
    let sandbox =
        Sandbox::start(creditd(), options).expect("the servers are installed, see scripts/setup.sh");
    let mut world = World::on(&sandbox, 0);
    world.migrate();
    world.set("CREDITD__BATCH__MESSAGES_MAX", FEW);
    let listener = world.listen();
    let mut daemon = world.daemon();
    wait_until_the_queue_is_on_disk(&sandbox, "t1");
    let (first, second) = workload.stream.split_at(workload.stream.len() / 2);

    let count = random.i64(1..20);
    let [some_commits, some_more] = [count, count + 5].map(|count| growth(&world, COMMITS, count));
    thread::scope(|scope| {
        scope.spawn(|| world.publish_through_trouble(first));
        some_commits();
        sandbox.kill(ServerKind::Postgres).unwrap();
        daemon.wait_for_log("\"waiting\"");
        assert!(daemon.is_running());
        sandbox.start_again(ServerKind::Postgres).unwrap();
        some_more();
    });
    let some_commits = growth(&world, COMMITS, random.i64(1..20));
    let failures = thread::scope(|scope| {
        // Upstream sends it all again and again, until it was in the midst of it when the broker died.
        let publishing = scope.spawn(|| {
            let failures = || world.publish_through_trouble(second);
            std::iter::repeat_with(failures).find(|failures| *failures > 0).unwrap()
        });
        some_commits();
        sandbox.kill(ServerKind::RabbitMq).unwrap();
        sandbox.start_again(ServerKind::RabbitMq).unwrap();
        publishing.join().unwrap()
    });

    let told = assert_as_modelled(&world, &workload, &listener);
    println!(
        "upstream met with trouble {failures} times; {} events came again, {} early",
        told.repeated, told.early
    );
    assert!(daemon.is_running(), "the same daemon did it all");
    assert!(daemon.stop().success());
}

/// RabbitMQ notes a new quorum queue's log in this file only half a second later, and loses it until then.
pub(super) fn wait_until_the_queue_is_on_disk(sandbox: &Sandbox, vhost: &str) {
    let noted = sandbox
        .endpoints()
        .directory
        .join("rabbitmq/mnesia/creditd@localhost/quorum/creditd@localhost/names.dets");
    let queue = format!("{vhost}_creditd.projects").into_bytes();
    wait_until("the queue's entry on disk", || {
        fs::read(&noted).unwrap().windows(queue.len()).any(|bytes| *bytes == queue)
    });
}
