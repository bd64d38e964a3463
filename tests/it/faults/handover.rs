//! Two daemons on one ledger: one works, the other stands by.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Daemon, Message, World, wait_until};

/// What DESIGN promises.
const AFTER_A_KILL_MAX: Duration = Duration::from_secs(10);
/// The lease is given back, so that nobody waits for its end.
const AFTER_A_STOP_MAX: Duration = Duration::from_secs(5);

#[test]
fn a_daemon_that_stands_by_takes_over_within_ten_seconds_of_a_kill_and_sooner_of_a_stop() {
    let mut world = World::new();
    world.set("CREDITD__BATCH__MESSAGES_MAX", "5");
    let mut first = world.daemon_named("first");
    let second = stand_by(&world, "second");
    world.publish(&[Message::account("account", "studio", 1, json!({ "capacity": 1_000_000 }))]);
    world.wait_for_messages(&["account"]);

    publish_load(&world, "before-the-kill");
    let killed = Instant::now();
    first.kill();
    let after_a_kill = take_over(&world, killed, "after-the-kill");
    println!("after a kill: messages after {:?}, events after {:?}", after_a_kill.0, after_a_kill.1);
    assert!(after_a_kill.1 <= AFTER_A_KILL_MAX, "{after_a_kill:?}");

    let _third = stand_by(&world, "third");
    publish_load(&world, "before-the-stop");
    let stopped = Instant::now();
    assert!(second.stop().success());
    let after_a_stop = take_over(&world, stopped, "after-the-stop");
    println!("after a stop: messages after {:?}, events after {:?}", after_a_stop.0, after_a_stop.1);
    assert!(after_a_stop.1 <= AFTER_A_STOP_MAX, "{after_a_stop:?}");

    let messages =
        world.number("select count(*) from creditd.inbox where outcome = 'applied' and source = '/test'");
    assert_eq!(messages, i64::try_from(1 + 2 * (LOAD + 1)).unwrap());
    world.assert_verified();
}

fn stand_by(world: &World, name: &str) -> Daemon {
    let daemon = world.daemon_named(name);
    daemon.wait_for_log("\"standing by\"");
    daemon
}

const LOAD: usize = 200;

/// Gives the daemon more than it can have done at once, and waits until it is in the midst of it.
fn publish_load(world: &World, name: &str) {
    let version = || world.number("select version from creditd.ledger");
    let before = version();
    let message = |number| {
        let project = format!("{name}-{number}");
        Message::project(&project, &project, "studio", 1, "started", 1)
    };
    world.publish(&(0..LOAD).map(message).collect::<Vec<_>>());
    wait_until("a commit", || version() > before);
}

/// Publishes one more message. Says how long since `moment` it took until it was applied, and until its event
/// was published.
fn take_over(world: &World, moment: Instant, name: &str) -> (Duration, Duration) {
    world.publish(&[Message::project(name, name, "studio", 1, "started", 1)]);
    world.wait_for_messages(&[name]);
    let applied = moment.elapsed();
    world.wait_until_published();
    (applied, moment.elapsed())
}
