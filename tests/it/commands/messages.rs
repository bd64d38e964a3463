//! What became of messages, and those that are parked.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use super::publish_books;
use crate::support::{Message, World, wait_until};

fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn explain_tells_the_outcome_the_reason_and_the_entries_of_a_message() {
    let world = World::new();
    let daemon = world.daemon();
    publish_books(&world);
    world.publish(&[
        Message::project("old", "growing", "studio", 0, "started", 1),
        Message::project("stranger", "brief", "nobody", 1, "started", 1),
    ]);
    world.wait_for_messages(&["stranger"]);

    let mut pooled = world.explain("p11");
    let members = [
        "conflicts",
        "deliveries",
        "detail",
        "entries",
        "id",
        "notices",
        "notices_removed",
        "outcome",
        "parked",
        "reason",
        "received_at",
        "source",
        "type",
    ];
    assert_eq!(names(&pooled), members);
    assert_eq!(pooled["parked"], json!([]));
    assert_eq!(pooled["source"], "/test");
    assert_eq!(pooled["type"], "project.status_changed.v1");
    assert_eq!((&pooled["outcome"], &pooled["reason"]), (&json!("applied"), &json!(null)));
    assert_eq!((&pooled["deliveries"], &pooled["conflicts"]), (&json!(1), &json!(0)));
    let entries = pooled["entries"].as_array_mut().unwrap();
    assert_eq!(entries.len(), 2, "one on the account and one on its pool");
    let pool = entries.pop().unwrap();
    let mut own = entries.pop().unwrap();
    for member in ["at", "log_number"] {
        own.as_object_mut().unwrap().remove(member).unwrap();
    }
    let expected = json!({
        "account_id": "member", "sequence": 2, "kind": "hold", "from": "available", "to": "held", "credits": 15,
        "project_id": "pooled",
        "previous": { "total": 40, "held": 0, "consumed": 0, "available": 40 },
        "balance": { "total": 40, "held": 15, "consumed": 0, "available": 25 },
    });
    assert_eq!(own, expected);
    assert_eq!((&pool["account_id"], &pool["balance"]["available"]), (&json!("pool:acme"), &json!(35)));

    for (id, outcome, reason) in [
        ("old", "stale", json!(null)),
        ("p9", "rejected", json!("hold_rejected")),
        ("stranger", "parked", json!("account_unknown")),
        ("p8", "applied", json!(null)),
    ] {
        let explained = world.explain(id);
        assert_eq!((&explained["outcome"], &explained["reason"]), (&json!(outcome), &reason), "{id}");
        assert_eq!(explained["entries"], json!([]), "{id}");
    }
    let (code, said) = world.failure(&["explain", "message", "/test", "never-sent"]);
    assert_eq!(code, 1);
    assert!(said.contains("nothing is known of message \"never-sent\" from \"/test\""), "{said}");
    assert!(daemon.stop().success());
}

#[test]
fn a_redelivered_message_keeps_its_first_outcome_and_is_counted() {
    let world = World::new();
    let daemon = world.daemon();
    let messages = [
        Message::account("a", "studio", 1, json!({ "capacity": 10, "on_insufficient": "reject" })),
        Message::project("held", "one", "studio", 1, "started", 10),
        Message::project("refused", "two", "studio", 1, "started", 1),
        Message::project("newer", "one", "studio", 3, "started", 10),
        Message::project("late", "one", "studio", 2, "started", 9),
        Message::project("stranger", "three", "nobody", 1, "started", 1),
    ];
    world.publish(&messages);
    world.publish(&messages);
    world.publish(&messages);
    world.publish(&[Message::project("last", "four", "studio", 1, "draft", 0)]);
    world.wait_for_messages(&["last"]);

    for (id, outcome, entries) in
        [("held", "applied", 1), ("refused", "rejected", 0), ("late", "stale", 0), ("stranger", "parked", 0)]
    {
        let explained = world.explain(id);
        assert_eq!(explained["outcome"], outcome, "{id}");
        assert_eq!(explained["entries"].as_array().unwrap().len(), entries, "{id}");
        assert_eq!((&explained["deliveries"], &explained["conflicts"]), (&json!(3), &json!(0)), "{id}");
    }
    let parked = world.parked();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0]["deliveries"], 3);
    assert_eq!(world.balance("studio"), Some((10, 10, 0, 0)));
    assert!(daemon.stop().success());
}

#[test]
fn parked_messages_are_listed_with_their_reasons_and_shown_whole() {
    let world = World::new();
    let daemon = world.daemon();
    let mut headers = FieldTable::default();
    headers.insert("colour".into(), AMQPValue::LongString("\u{9b}31mred".into()));
    let properties = BasicProperties::default()
        .with_content_type("text/plain".into())
        .with_app_id("upstream".into())
        .with_headers(headers);
    world.publish_as("project.note", &properties, b"hello \x1b[31m \xff");
    world.publish(&[Message::project("p", "brief", "nobody", 1, "started", 1)]);
    wait_until("both are parked", || world.parked().len() == 2);

    let parked = world.parked();
    let members = [
        "deliveries",
        "detail",
        "discarded",
        "done_at",
        "due",
        "id",
        "message_id",
        "outcome",
        "reason",
        "received_at",
        "source",
        "type",
        "waits_for",
    ];
    assert_eq!(names(&parked[0]), members);
    assert_eq!((&parked[0]["id"], &parked[0]["reason"]), (&json!(1), &json!("not_cloudevent")));
    assert_eq!((&parked[0]["source"], &parked[0]["message_id"]), (&json!(null), &json!(null)));
    assert_eq!((&parked[1]["source"], &parked[1]["message_id"]), (&json!("/test"), &json!("p")));
    assert_eq!(
        (&parked[1]["reason"], &parked[1]["waits_for"]),
        (&json!("account_unknown"), &json!("account:nobody"))
    );
    assert!(parked[1]["detail"].as_str().unwrap().contains("account \"nobody\" is not known yet"));
    let only = world.json(&["parked", "list", "--reason", "account_unknown"]);
    assert_eq!(only, json!([parked[1]]));
    assert_eq!(world.json(&["parked", "list", "--limit", "1"]), json!([parked[0]]));

    let whole = world.json(&["parked", "show", "1"]);
    assert_eq!(whole["envelope"]["routing_key"], "project.note");
    assert_eq!(whole["envelope"]["content_type"], "text/plain");
    assert_eq!(whole["envelope"]["headers"], json!({ "colour": "\u{9b}31mred" }));
    assert_eq!(whole["envelope"]["properties"], json!({ "app_id": "upstream" }));
    assert_eq!((&whole["body_is_text"], &whole["body_bytes"]), (&json!(false), &json!(13)));
    assert_eq!(whole["body"], "hello \u{1b}[31m \u{fffd}");
    let text = world.text(&["parked", "show", "1"]);
    assert!(text.contains("13 bytes, not UTF-8"), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{9b}']), "what a stranger sent steers the terminal: {text:?}");
    assert!(daemon.stop().success());
}
