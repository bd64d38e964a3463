//! Messages that come by themselves: decided without the ledger's lock, on what is expected.

use serde_json::json;

use crate::support::{Message, World, wait_until};

#[test]
fn a_message_that_comes_again_by_itself_or_with_other_data_moves_nothing() {
    let world = World::new();
    let daemon = world.daemon();
    world.publish(&[Message::account("account", "studio", 1, json!({ "capacity": 100 }))]);
    world.wait_for_messages(&["account"]);
    let first = Message::project("first", "brief", "studio", 1, "started", 10);
    world.publish(std::slice::from_ref(&first));
    world.wait_for_messages(&["first"]);

    world.publish(std::slice::from_ref(&first));
    let deliveries = "select deliveries from creditd.inbox where id = 'first'";
    wait_until("it is counted", || world.number(deliveries) == 2);
    world.publish(&[Message::project("first", "brief", "studio", 2, "started", 90)]);
    let conflicts = "select conflicts from creditd.inbox where id = 'first'";
    wait_until("other data under its key is counted", || world.number(conflicts) == 1);

    world.publish(&[Message::project("last", "other", "studio", 1, "started", 20)]);
    world.wait_for_messages(&["last"]);
    assert_eq!(world.balance("studio"), Some((100, 30, 0, 70)));
    assert_eq!(world.number("select count(*) from creditd.entry where kind = 'hold'"), 2);
    assert_eq!(world.number("select count(*) from creditd.parked where reason = 'conflict'"), 1);
    assert!(daemon.stop().success());
    world.assert_verified();
}

#[test]
fn what_another_process_books_between_two_messages_is_not_overwritten() {
    let world = World::new();
    let daemon = world.daemon();
    world.publish(&[Message::account("account", "studio", 1, json!({ "capacity": 100 }))]);
    world.wait_for_messages(&["account"]);
    for round in 1..=5 {
        // One project, which needs no reading after the first time.
        let id = format!("m{round}");
        world.publish(&[Message::project(&id, "brief", "studio", round, "started", 10 * round)]);
        world.wait_for_messages(&[&id]);
        world.text(&["credits", "grant", "studio", "7", "--reason", "between", "--actor", "ops"]);
    }
    assert_eq!(world.balance("studio"), Some((135, 50, 0, 85)));
    world.wait_until_published();
    assert!(daemon.stop().success());
    world.assert_verified();
}

#[test]
fn what_comes_again_in_the_next_batch_is_known_before_the_first_is_written() {
    let mut world = World::new();
    world.set("CREDITD__BATCH__MESSAGES_MAX", "20");
    world.declare();
    let mut messages = vec![Message::account("account", "studio", 1, json!({ "capacity": 1_000 }))];
    // Each comes again 20 later.
    for batch in 0..50_i64 {
        let brief = |number: i64| {
            Message::project(
                &format!("m{number}"),
                &format!("p{}", number % 7),
                "studio",
                number,
                "started",
                1,
            )
        };
        let again = batch.checked_sub(1).into_iter().flat_map(|before| 10 * before..10 * (before + 1));
        messages.extend((10 * batch..10 * (batch + 1)).chain(again.filter(|number| *number >= 0)).map(brief));
    }
    world.publish(&messages);
    let daemon = world.daemon();
    world.wait_for_messages(&["m499"]);
    wait_until("all came twice", || {
        world.number("select count(*) from creditd.inbox where deliveries = 2") == 490
    });
    assert_eq!(daemon.count_in_log("a batch was not written"), 0);
    assert_eq!(world.balance("studio"), Some((1_000, 7, 0, 993)));
    assert!(daemon.stop().success());
    world.assert_verified();
}

/// Whoever decided that it is no discarded message is to find the ledger changed.
#[test]
fn a_discard_changes_the_ledger_for_whoever_is_deciding() {
    let world = World::new();
    let daemon = world.daemon();
    world.publish(&[Message::raw("project.amended", "no message")]);
    wait_until("it is parked", || world.parked().len() == 1);
    let version = || world.number("select version from creditd.ledger");
    let before = version();
    world.text(&["parked", "discard", "1", "--actor", "ops", "--note", "noise"]);
    assert!(version() > before);
    assert!(daemon.stop().success());
}

/// Reading a pool's queue brings the accounts of those who wait there, of which one may just be changing.
#[test]
fn a_queue_that_is_read_while_a_member_is_being_changed_does_not_bring_the_member_back_as_it_was() {
    let mut world = World::new();
    world.set("CREDITD__BATCH__MESSAGES_MAX", "2");
    world.set("CREDITD__DATABASE__LOCK_TIMEOUT_S", "300");
    world.set("CREDITD__DATABASE__STATEMENT_TIMEOUT_S", "310");
    let member = json!({ "kind": "integrated", "organization_id": "org", "allocation": 50 });
    let daemon = world.daemon();
    world.publish(&[
        Message::organization("o", "org", 1, 10),
        Message::account("a1", "film", 1, member.clone()),
        Message::account("a2", "photo", 1, member),
        Message::project("p1", "running", "photo", 1, "started", 10),
        Message::project("p2", "waiting", "film", 1, "started", 5),
    ]);
    world.wait_for_messages(&["p2"]);

    let locked = world.hold_open("select from creditd.ledger for update");
    world.publish(&[Message::account("a3", "film", 2, json!({ "name": "Film & Co" }))]);
    world.wait_until_somebody_is_blocked();
    // A full batch, which is decided meanwhile and looks for who waits for the pool.
    world.publish(&[
        Message::project("p3", "running", "photo", 2, "submitted", 10),
        Message::project("p4", "running", "photo", 3, "under_revision", 10),
    ]);
    wait_until("it has looked", || {
        let looked = world.report(
            "select to_jsonb(count(*)) from pg_stat_activity
              where datname = current_database() and query = 'select version from ledger'",
        );
        looked != json!(0)
    });
    drop(locked);
    world.publish(&[Message::grant("g", "film", 1)]);
    world.wait_for_messages(&["a3", "p4", "g"]);
    assert_eq!(world.json(&["account", "show", "film"])["name"], "Film & Co");
    assert!(daemon.stop().success());
    world.assert_verified();
}
