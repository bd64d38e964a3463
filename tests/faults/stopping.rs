//! TERM drains; a second signal stops at once.

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Message, World, wait_until};

const MESSAGES: usize = 1000;
/// The message that the daemon has in hand when it is told to stop.
const GATE: usize = 300;

#[test]
fn a_daemon_told_to_stop_acknowledges_and_publishes_what_it_committed_and_leaves_the_rest() {
    let mut world = World::new();
    world.set("CREDITD__BATCH__MESSAGES_MAX", "5");
    // What waits here waits for the test.
    world.set("CREDITD__DATABASE__LOCK_TIMEOUT_S", "300");
    world.set("CREDITD__DATABASE__STATEMENT_TIMEOUT_S", "310");
    let daemon = world.daemon();
    let accounts = ["studio", "gate"];
    world.publish(&accounts.map(|id| Message::account(id, id, 1, json!({ "capacity": 1_000_000 }))));
    world.wait_for_messages(&accounts);
    assert!(daemon.stop().success());
    let project = |number: usize| {
        let id = format!("p{number}");
        let account = if number == GATE { "gate" } else { "studio" };
        Message::project(&id, &id, account, 1, "started", 1)
    };
    world.publish(&(0..MESSAGES).map(project).collect::<Vec<_>>());
    let committed = || world.number("select count(*) from creditd.inbox where id like 'p%'");

    let in_the_midst = world.hold_open("select from creditd.account where account_id = 'gate' for update");
    let mut daemon = world.daemon();
    world.wait_until_somebody_is_blocked();
    daemon.signal(Signal::TERM);
    daemon.wait_for_log("draining");
    drop(in_the_midst);
    assert_eq!(daemon.wait().code(), Some(0));

    let done = usize::try_from(committed()).unwrap();
    println!("{done} of {MESSAGES} messages were committed");
    assert!((GATE + 1..MESSAGES).contains(&done), "it did what it had in hand, and no more: {done}");
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
