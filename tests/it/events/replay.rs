//! An account's events again.

use std::net::TcpListener;

use serde_json::{Value, json};

use super::publish_books;
use crate::support::{Heard, Message, World};

/// Without its place in the order of arrival, what an event is.
fn same(event: &Heard) -> (&str, &str, &[u8]) {
    (&event.routing_key, &event.message_id, &event.body)
}

fn part(kind: &str, from: i64, to: i64) -> Value {
    json!({ "type": kind, "from": from, "to": to })
}

#[test]
fn a_replay_sends_the_same_ids_and_bytes_again_in_order_and_changes_nothing() {
    let world = World::new();
    let events = world.listen();
    let daemon = world.daemon();
    publish_books(&world);
    let first = events.take_log(10);
    let studios: Vec<_> =
        first.iter().filter(|heard| heard.event["data"]["account_id"] == "studio").collect();
    let state = "select to_jsonb(array[(select to_jsonb(l) from creditd.ledger l),
        (select jsonb_agg(e order by log_number) from creditd.entry e),
        (select jsonb_agg(n order by log_number) from creditd.notice n),
        (select jsonb_agg(a order by account_id) from creditd.account a),
        (select to_jsonb(published) from creditd.relay)])";
    let before = world.report(state);

    let replayed = world.json(&["events", "replay", "--account", "studio", "--from", "1"]);
    let parts = [part("balance_changed", 1, 3), part("alert", 1, 2), part("hold", 1, 1)];
    let expected = json!({
        "account_id": "studio", "dry_run": false, "parts": parts, "removed": [], "unpublished": [],
        "sent": 6, "unroutable": 0,
    });
    assert_eq!(replayed, expected);
    let again = events.take_whole(6);
    assert_eq!(
        again.iter().map(same).collect::<Vec<_>>(),
        studios.iter().map(|e| same(e)).collect::<Vec<_>>()
    );

    let said = world.text(&["events", "replay", "--account", "studio", "--type", "alert", "--from", "2"]);
    assert_eq!(said, "sent 1 events of studio again: alert 2; no queue took 0 of them\n");
    assert_eq!(same(&events.take_whole(1)[0]), same(studios[5]));
    let range = ["--type", "balance_changed", "--from", "2", "--to", "2"];
    world.text(&[&["events", "replay", "--account", "studio"], &range[..]].concat());
    assert_eq!(same(&events.take_whole(1)[0]), same(studios[1]));

    let dry = world.text(&["events", "replay", "--account", "studio", "--from", "2", "--dry-run"]);
    assert_eq!(dry, "would send 3 events of studio again: balance_changed 2 to 3, alert 2\n");
    world.publish(&[Message::grant("g", "studio", 1)]);
    assert_eq!(events.take_whole(1)[0].log_number(), 11, "the dry run sent nothing");
    assert!(daemon.stop().success());
    world.tamper("delete from creditd.entry where log_number = 11");
    let after = world.report(state);
    for place in 1..3 {
        assert_eq!(after[place], before[place], "the log is as it was");
    }
    assert_eq!(before[3].as_array().unwrap().len(), after[3].as_array().unwrap().len());
}

#[test]
fn a_replay_of_many_events_goes_out_whole_and_in_order() {
    const GRANTS: i64 = 1200;
    let world = World::new();
    let daemon = world.daemon();
    let mut messages = vec![Message::account("a", "studio", 1, json!({ "capacity": 100 }))];
    // Every other one moves the balance over a rule's level, so that alerts come between.
    for number in 1..=GRANTS {
        let (revision, capacity) = (number + 1, if number % 2 == 0 { 100 } else { 10 });
        messages.push(Message::project(
            &format!("p{number}"),
            "one",
            "studio",
            revision,
            "started",
            100 - capacity,
        ));
    }
    world.publish(&messages);
    world.wait_for_messages(&[&format!("p{GRANTS}")]);
    world.wait_until_published();
    assert!(daemon.stop().success());

    let events = world.listen();
    let replayed = world.json(&["events", "replay", "--account", "studio", "--from", "1"]);
    let last = world.number("select log_last from creditd.ledger");
    assert!(last > 2 * GRANTS, "{last} lines");
    assert_eq!((&replayed["sent"], &replayed["unroutable"]), (&json!(last), &json!(0)));
    let heard = events.take_whole(usize::try_from(last).unwrap());
    assert!(heard.iter().map(Heard::log_number).eq(1..=last), "in the order of the log");
}

#[test]
fn what_is_not_published_yet_is_not_replayed() {
    let world = World::new();
    let daemon = world.daemon();
    publish_books(&world);
    assert!(daemon.stop().success());
    let events = world.listen();
    // The hold of 60, and all that came after it, wait for a relay.
    world.as_owner("update creditd.relay set published = 2");
    let replay =
        |arguments: &[&str]| world.run(&[&["events", "replay", "--account", "studio"], arguments].concat());
    for arguments in
        [&["--from", "1", "--to", "3"][..], &["--from", "3"], &["--from", "1", "--type", "alert"]]
    {
        let output = replay(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(
            said.contains(" of studio is not published yet: it comes by itself"),
            "{arguments:?}: {said}"
        );
        assert!(output.stdout.is_empty());
    }
    let output = replay(&["--from", "1", "--json"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("balance_changed 3 is left out: the relay publishes it for the first time"),
        "{said}"
    );
    let replayed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(replayed["parts"], json!([part("balance_changed", 1, 2)]));
    let unpublished = [part("balance_changed", 3, 3), part("alert", 1, 2), part("hold", 1, 1)];
    assert_eq!(replayed["unpublished"], json!(unpublished));
    assert_eq!(events.take_whole(2).iter().map(Heard::log_number).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_replay_that_reaches_nobody_or_asks_for_what_is_not_there_is_refused() {
    let mut world = World::new();
    let daemon = world.daemon();
    publish_books(&world);
    assert!(daemon.stop().success());
    let replay = |arguments: &[&str]| world.failure(&[&["events", "replay"], arguments].concat());
    let (code, said) = replay(&["--account", "studio", "--from", "1"]);
    assert_eq!(code, 1);
    assert!(said.contains("no queue took any of them; bind the consumer's queue"), "{said}");
    let (code, said) = replay(&["--account", "nobody", "--from", "1"]);
    assert_eq!(code, 1);
    assert!(said.contains("no account \"nobody\" is known; `creditd account list` shows"), "{said}");
    let (code, said) = replay(&["--account", "studio", "--from", "2", "--to", "4"]);
    assert_eq!(code, 1);
    assert!(
        said.contains("studio has no balance_changed or alert or hold or transfer_rejected 4; the last is 3"),
        "{said}"
    );
    let (code, _) = replay(&["--account", "studio", "--from", "0"]);
    assert_eq!(code, 2);
    let (code, _) = replay(&["--account", "studio"]);
    assert_eq!(code, 2);

    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    world.set("CREDITD__BROKER__URL", &format!("amqp://creditd:secret@127.0.0.1:{port}"));
    let (code, said) = world.failure(&["events", "replay", "--account", "studio", "--from", "1"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("cannot connect to ") && !said.contains("secret"), "{said}");
    world.text(&["events", "replay", "--account", "studio", "--from", "1", "--dry-run"]);
}

#[test]
fn a_replay_says_what_retention_has_removed_and_sends_the_rest() {
    let world = World::new();
    let daemon = world.daemon();
    publish_books(&world);
    assert!(daemon.stop().success());
    world.age(500);
    let daemon = world.daemon();
    world.publish(&[Message::project("p6", "two", "studio", 2, "started", 61)]);
    world.wait_for_messages(&["p6"]);
    world.wait_until_published();
    assert!(daemon.stop().success());
    world.text(&["retention", "run"]);

    let events = world.listen();
    let output = world.run(&["events", "replay", "--account", "studio", "--from", "1", "--json"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("creditd: alert 1 to 2 can't be sent again: removed by retention"), "{said}");
    let replayed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(replayed["removed"], json!([part("alert", 1, 2), part("hold", 1, 1)]));
    let sent = replayed["sent"].as_i64().unwrap();
    let heard = events.take_whole(usize::try_from(sent).unwrap());
    let entries = heard.iter().filter(|heard| heard.event["type"] == "credits.balance_changed.v1");
    assert!(entries.map(|heard| heard.event["data"]["sequence"].as_i64().unwrap()).eq(1..=3));
    let (code, said) = world.failure(&[
        "events",
        "replay",
        "--account",
        "studio",
        "--from",
        "1",
        "--type",
        "hold",
        "--to",
        "1",
    ]);
    assert_eq!(code, 1);
    assert!(said.contains("hold 1 of studio can't be sent again: removed by retention"), "{said}");
    let (code, said) = world.failure(&["events", "show", "5"]);
    assert_eq!(code, 1);
    assert!(said.contains("event 5 was an alert or a hold event, and was removed by retention"), "{said}");
    let output = world.run(&["events", "tail", "--no-follow", "--from", "1"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("alerts and hold events up to number 6 were removed by retention"), "{said}");
}
