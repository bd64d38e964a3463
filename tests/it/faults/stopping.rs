//! TERM drains; a second signal stops at once.

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Message, World, wait_until};

const MESSAGES: usize = 2000;

#[test]
fn a_daemon_told_to_stop_acknowledges_and_publishes_what_it_committed_and_leaves_the_rest() {
    let mut world = World::new();
    world.set("CREDITD__BATCH__MESSAGES_MAX", "5");
    assert!(world.daemon().stop().success(), "the queue is made");
    let account = Message::account("account", "studio", 1, json!({ "capacity": 1_000_000 }));
    let project = |number: usize| {
        let id = format!("p{number}");
        Message::project(&id, &id, "studio", 1, "started", 1)
    };
    world.publish(&[vec![account], (1..MESSAGES).map(project).collect()].concat());
    let committed = || world.number("select count(*) from creditd.inbox where source = '/test'");

    let daemon = world.daemon();
    wait_until("some commits", || committed() >= 50);
    assert_eq!(daemon.stop().code(), Some(0));

    let done = usize::try_from(committed()).unwrap();
    println!("{done} of {MESSAGES} messages were committed");
    assert!(done < MESSAGES, "it drained before it had done everything");
    assert_eq!(
        world.number("select published - log_last from creditd.relay, creditd.ledger"),
        0,
        "the events of what is committed are published"
    );
    wait_until("the rest is in the queue again, and nothing that is committed", || {
        usize::try_from(world.queue_depth()).unwrap() == MESSAGES - done
    });
    let repeated = world.number("select count(*) from creditd.inbox where deliveries > 1");
    assert_eq!(repeated, 0);

    let daemon = world.daemon();
    wait_until("the rest", || committed() == i64::try_from(MESSAGES).unwrap());
    let repeated = world.number("select count(*) from creditd.inbox where deliveries > 1");
    assert_eq!(repeated, 0, "what was acknowledged did not come again");
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn a_second_signal_stops_a_daemon_that_cannot_drain() {
    let world = World::new();
    let mut daemon = world.daemon();
    world.publish(&[Message::account("before", "studio", 1, json!({ "capacity": 10 }))]);
    world.wait_for_messages(&["before"]);

    let locked = world.hold_open("select from creditd.ledger for update");
    world.publish(&[Message::project("p", "p", "studio", 1, "started", 3)]);
    world.wait_until_somebody_is_blocked();
    daemon.signal(Signal::TERM);
    daemon.wait_for_log("draining");
    assert!(daemon.is_running(), "it waits for the batch in hand");
    daemon.signal(Signal::INT);
    assert_eq!(daemon.wait().code(), Some(130));
    assert_eq!(daemon.count_in_log("stopping at once"), 1);

    drop(locked);
    let daemon = world.daemon();
    world.wait_for_messages(&["p"]);
    assert_eq!(world.balance("studio"), Some((10, 3, 0, 7)));
    assert!(daemon.stop().success());
}
