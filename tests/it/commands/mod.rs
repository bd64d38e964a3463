//! The commands, from outside: what they print for programs and for people, and how they end.

mod accounts;
mod alerts;
mod contract;
mod credits;
mod ends;
mod giving;
mod histories;
mod holds;
mod messages;
mod parked;
mod prices;
mod queues;
mod reports;
mod tables;
mod tokens;
mod usage;

use serde_json::{Value, json};

use crate::support::{Message, World, message};

/// Publishes books with an account of each kind and a project in each state, and waits until they stand.
fn publish_books(world: &World) {
    let member = json!({ "kind": "integrated", "organization_id": "acme", "allocation": 40 });
    let agency = json!({ "kind": "connected", "organization_id": "acme", "capacity": 10,
                         "on_insufficient": "reject", "name": "Agency" });
    let unpriced =
        json!({ "project_id": "unpriced", "account_id": "studio", "revision": 1, "status": "started" });
    let named = json!({ "project_id": "growing", "account_id": "studio", "revision": 2, "credits": 45,
                        "name": "A film" });
    world.publish(&[
        Message::organization("o", "acme", 1, 50),
        Message::account("a1", "studio", 1, json!({ "capacity": 100, "name": "Studio" })),
        Message::account("a2", "member", 1, member),
        Message::account("a3", "agency", 1, agency),
        Message::account("a4", "payg", 1, json!({ "capacity": 20, "mode": "consume" })),
        Message::project("p1", "growing", "studio", 1, "in_progress", 30),
        Message::project("p2", "large", "studio", 1, "started", 60),
        Message::project("p3", "draft", "studio", 1, "draft", 10),
        message("p4", "project.status_changed.v1", &unpriced),
        Message::project("p5", "done", "studio", 1, "started", 4),
        Message::project("p6", "done", "studio", 2, "finalized", 4),
        message("p7", "project.amended.v1", &named),
        Message::project("p8", "waiting", "studio", 1, "started", 20),
        Message::project("p9", "refused", "agency", 1, "started", 11),
        Message::project("p10", "used", "payg", 1, "finalized", 8),
        Message::project("p11", "pooled", "member", 1, "submitted", 15),
    ]);
    world.wait_for_messages(&["p11"]);
}

/// Gives a command as `ops`, which must be done, and returns what it told programs.
fn give(world: &World, arguments: &[&str]) -> Value {
    world.json(&[arguments, &["--actor", "ops"]].concat())
}

/// Gives a command as `ops` that must be refused, and returns what it told programs.
fn refuse(world: &World, arguments: &[&str]) -> Value {
    let output = world.run(&[arguments, &["--actor", "ops", "--json"]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said, format!("creditd: {}\n", told["refused"].as_str().unwrap()));
    told
}

/// What of a command's events moved credits: account, kind, credits.
fn moved(told: &Value) -> Vec<(String, String, i64)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let events = told["events"].as_array().unwrap().iter();
    let entries = events.filter(|event| event["type"] == "credits.balance_changed.v1");
    let entry = |event: &Value| {
        let (data, entry) = (&event["data"], &event["data"]["entry"]);
        (text(&data["account_id"]), text(&entry["kind"]), entry["credits"].as_i64().unwrap())
    };
    entries.map(entry).collect()
}

fn moves<const N: usize>(expected: [(&str, &str, i64); N]) -> Vec<(String, String, i64)> {
    expected.map(|(account, kind, credits)| (account.to_owned(), kind.to_owned(), credits)).into()
}
