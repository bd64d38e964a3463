//! Two daemons on one ledger: one works, the other stands by.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::replay;
use crate::support::{Daemon, Message, World, wait_until};

/// What DESIGN promises, where the machine takes no time.
const AFTER_A_KILL_MAX: Duration = Duration::from_secs(10);
/// A busy machine may be late now and then; a daemon that is late by itself is so each time.
const TRIES: usize = 5;

#[test]
fn a_daemon_that_stands_by_takes_over_within_ten_seconds_of_a_kill_and_is_left_nothing_to_wait_for_by_a_stop()
{
    let mut world = World::new();
    world.set("CREDITD__BATCH__MESSAGES_MAX", "5");
    let first = world.daemon_named("first");
    world.publish(&[Message::account("account", "studio", 1, json!({ "capacity": 1_000_000 }))]);
    world.wait_for_messages(&["account"]);

    publish_load(&world, "usual");
    let usual = take_over(&world, Instant::now(), "after-usual").1;
    println!("with nobody killed: events after {usual:?}");
    let (second, kills) = hand_over_within(AFTER_A_KILL_MAX + usual, &world, first);

    let third = stand_by(&world, "third");
    publish_load(&world, "stop");
    assert!(second.stop().success());
    let (applied, published) = take_over(&world, Instant::now(), "after-stop");
    println!("after a stop: messages after {applied:?}, events after {published:?}");
    assert!(third.stop().success());
    let leases = world.number("select count(*) from creditd.relay where lease_until > clock_timestamp()");
    assert_eq!(leases, 0, "who stops gives the lease back");

    let messages =
        world.number("select count(*) from creditd.inbox where outcome = 'applied' and source = '/test'");
    assert_eq!(messages, i64::try_from(1 + (1 + kills + 1) * (LOAD + 1)).unwrap());
    world.assert_verified();
}

/// Kills the daemon at work in the midst of it, until another takes over within `limit`. Returns the one that did,
/// and how many kills it took.
fn hand_over_within(limit: Duration, world: &World, mut at_work: Daemon) -> (Daemon, usize) {
    for kills in 1..=TRIES {
        let name = format!("kill-{kills}");
        let next = stand_by(world, &name);
        publish_load(world, &name);
        let killed = Instant::now();
        at_work.kill();
        at_work = next;
        let (applied, published) = take_over(world, killed, &format!("after-{name}"));
        println!("after a kill: messages after {applied:?}, events after {published:?}");
        if published <= limit {
            return (at_work, kills);
        }
    }
    panic!("nobody takes over within {limit:?} of a kill");
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

#[test]
fn a_relay_that_comes_back_with_an_old_lease_moves_no_cursor_and_tells_nothing_too_early() {
    let mut world = World::new();
    let hooks = world.file("hooks");
    std::fs::create_dir(&hooks).unwrap();
    world.set("CREDITD_TEST_HOOKS", hooks.to_str().unwrap());
    let listener = world.listen();
    let project = |name: &str| Message::project(name, name, "studio", 1, "started", 1);
    let first = world.daemon_named("first");
    world.publish(&[Message::account("account", "studio", 1, json!({ "capacity": 100 }))]);
    world.wait_for_messages(&["account"]);
    world.wait_until_published();
    let second = world.daemon_named("second");
    second.wait_for_log(r#""standing by","part":"relay""#);

    // It has events in hand that it believes to be the next, and somebody else publishes them.
    std::fs::write(hooks.join("stop_at"), "taken to publish").unwrap();
    world.publish(&["p1", "p2", "p3"].map(project));
    second.wait_for_log(r#""publishing","part":"relay""#);
    world.wait_until_published();
    assert!(!hooks.join("stop_at").exists(), "the first one was stopped there");
    let epoch = world.number("select epoch from creditd.relay");
    first.signal(Signal::CONT);
    first.wait_for_log("another relay has taken the lease over");
    world.publish(&["p4", "p5"].map(project));
    world.wait_for_messages(&["p1", "p2", "p3", "p4", "p5"]);
    world.wait_until_published();

    assert_eq!(world.number("select epoch from creditd.relay"), epoch, "the second one keeps the lease");
    let log_last = world.number("select log_last from creditd.ledger");
    let told = replay(&listener.take_log(log_last), log_last);
    assert!(told.repeated > 0, "what the first one had in hand came again");
    assert_eq!(told.early, 0);
    assert!(first.stop().success());
    assert!(second.stop().success());
}
