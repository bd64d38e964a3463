//! Two daemons on one ledger: one works, the other stands by.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Daemon, Message, World, wait_until};

/// What DESIGN promises.
const AFTER_A_KILL_MAX: Duration = Duration::from_secs(10);
/// The lease is given back, so that nobody waits for its end.
const AFTER_A_STOP_MAX: Duration = Duration::from_secs(5);

/// A busy machine may be late now and then; a daemon that is late by itself is so each time.
const TRIES: usize = 5;

#[test]
fn a_daemon_that_stands_by_takes_over_within_ten_seconds_of_a_kill_and_sooner_of_a_stop() {
    let mut world = World::new();
    world.set("CREDITD__BATCH__MESSAGES_MAX", "5");
    let first = world.daemon_named("first");
    world.publish(&[Message::account("account", "studio", 1, json!({ "capacity": 1_000_000 }))]);
    world.wait_for_messages(&["account"]);

    let kill = |mut daemon: Daemon| daemon.kill();
    let (second, kills) = hand_over_within(AFTER_A_KILL_MAX, &world, "kill", first, kill);
    let stop = |daemon: Daemon| assert!(daemon.stop().success());
    let (_third, stops) = hand_over_within(AFTER_A_STOP_MAX, &world, "stop", second, stop);

    let messages =
        world.number("select count(*) from creditd.inbox where outcome = 'applied' and source = '/test'");
    assert_eq!(messages, i64::try_from(1 + (kills + stops) * (LOAD + 1)).unwrap());
    world.assert_verified();
}

/// Ends the daemon at work in the midst of it, until another takes over within `limit`. Returns the one that did,
/// and how many it took.
fn hand_over_within(
    limit: Duration,
    world: &World,
    what: &str,
    mut at_work: Daemon,
    end: impl Fn(Daemon),
) -> (Daemon, usize) {
    for ends in 1..=TRIES {
        let name = format!("{what}-{ends}");
        let next = stand_by(world, &name);
        publish_load(world, &name);
        let ended = Instant::now();
        end(at_work);
        at_work = next;
        let (applied, published) = take_over(world, ended, &format!("after-{name}"));
        println!("after a {what}: messages after {applied:?}, events after {published:?}");
        if published <= limit {
            return (at_work, ends);
        }
    }
    panic!("nobody takes over within {limit:?} of a {what}");
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
