//! Parked messages that are due, and daemons that die or overlap before they are offered again.

use serde_json::json;

use crate::support::{Message, World, wait_until};

/// A world in which a grant is parked whose account has appeared since, and nobody was told that it is due:
/// [`DUE`] does.
fn world_with_a_grant_to_offer() -> World {
    let world = World::new();
    let daemon = world.daemon();
    world.publish(&[Message::grant("grant", "late", 50)]);
    world.wait_for_messages(&["grant"]);
    world.as_owner("update creditd.parked set waits_for = null");
    world.publish(&[Message::account("account", "late", 1, json!({ "capacity": 100 }))]);
    world.wait_for_messages(&["account"]);
    assert_eq!(world.balance("late"), Some((100, 0, 0, 100)));
    assert!(daemon.stop().success());
    world
}

const DUE: &str = "update creditd.parked set due = true";

#[test]
fn a_parked_message_that_somebody_else_has_applied_meanwhile_is_not_applied_again() {
    let world = world_with_a_grant_to_offer();
    let daemon = world.daemon();
    let locked = world.hold_open("select from creditd.ledger for update");
    world.as_owner(DUE);
    // It has read what is due, and now waits for its turn.
    world.wait_until_somebody_is_blocked();
    world.as_owner("update creditd.parked set due = false, done_at = now(), done_outcome = 'applied'");
    drop(locked);

    world.publish(&[Message::project("p", "p", "late", 1, "started", 10)]);
    world.wait_for_messages(&["p"]);
    assert_eq!(world.balance("late"), Some((100, 10, 0, 90)), "the grant is not booked by this one as well");
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn what_a_dead_daemon_left_to_offer_is_offered_by_the_one_that_stood_by_though_no_message_comes() {
    let world = world_with_a_grant_to_offer();
    let mut first = world.daemon_named("first");
    let second = world.daemon_named("second");
    first.kill();
    world.as_owner(DUE);
    second.wait_for_log("offered parked messages again");
    assert_eq!(world.balance("late"), Some((150, 0, 0, 150)));
    assert_eq!(world.json(&["explain", "message", "/test", "grant"])["outcome"], "applied");
    world.assert_verified();
    assert!(second.stop().success());
}

#[test]
fn what_a_daemon_died_in_the_midst_of_offering_is_offered_by_the_one_that_stood_by_though_no_message_comes() {
    let world = world_with_a_grant_to_offer();
    let mut first = world.daemon_named("first");
    let second = world.daemon_named("second");
    let locked = world.hold_open("select from creditd.account where account_id = 'late' for update");
    world.as_owner(DUE);
    world.wait_until_somebody_is_blocked();
    // Whichever of the two it is, the other has nothing to tell it that messages come to it now.
    first.kill();
    world.end_daemons_backends();
    drop(locked);
    second.wait_for_log("offered parked messages again");
    assert_eq!(world.balance("late"), Some((150, 0, 0, 150)));
    world.assert_verified();
    assert!(second.stop().success());
}

#[test]
fn a_daemon_that_was_told_to_stop_did_not_die_of_what_it_offered() {
    let mut world = world_with_a_grant_to_offer();
    world.set("CREDITD__DATABASE__LOCK_TIMEOUT_S", "1");
    let locked = world.hold_open("select from creditd.account where account_id = 'late' for update");
    world.as_owner(DUE);
    let offers = "select offers::bigint from creditd.parked where message_id = 'grant'";
    let daemon = world.daemon();
    world.wait_until_somebody_is_blocked();
    assert_eq!(world.number(offers), 1);
    assert!(daemon.stop().success());
    assert_eq!(world.number(offers), 0);
    drop(locked);

    let daemon = world.daemon();
    wait_until("it is applied", || world.balance("late") == Some((150, 0, 0, 150)));
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn an_offer_that_was_alone_in_hand_at_three_deaths_is_parked_for_good_and_the_others_are_applied() {
    let world = World::new();
    let daemon = world.daemon();
    world.publish(&[Message::grant("deadly", "late", 50), Message::grant("harmless", "later", 7)]);
    world.wait_for_messages(&["deadly", "harmless"]);
    world.as_owner("update creditd.parked set waits_for = null");
    world.publish(&[
        Message::account("a1", "late", 1, json!({ "capacity": 100 })),
        Message::account("a2", "later", 1, json!({ "capacity": 100 })),
    ]);
    world.wait_for_messages(&["a1", "a2"]);
    assert!(daemon.stop().success());
    // The first of the two is something that the daemon dies of.
    let locked = world.hold_open("select from creditd.account where account_id = 'late' for update");
    world.as_owner(DUE);
    for death in 1..=4 {
        let mut daemon = world.daemon();
        world.wait_until_somebody_is_blocked();
        daemon.kill();
        world.end_daemons_backends();
        assert_eq!(
            world.number("select max(offers)::bigint from creditd.parked where message_id = 'deadly'"),
            death
        );
    }
    let daemon = world.daemon();
    wait_until("the other one is applied", || world.balance("later") == Some((107, 0, 0, 107)));
    let parked = world.parked();
    assert_eq!((parked.len(), &parked[0]["reason"]), (1, &json!("suspect")), "{parked:?}");
    drop(locked);
    assert_eq!(world.balance("late"), Some((100, 0, 0, 100)));
    world.assert_verified();
    assert!(daemon.stop().success());
}
