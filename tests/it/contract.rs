//! The published contract, on real servers: what is published is valid, and the examples are understood.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::support::{Message, World, message, wait_until};

/// The files of one of the folders in docs.
fn files_in(folder: &str) -> Vec<(PathBuf, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (path.clone(), serde_json::from_slice(&fs::read(path).unwrap()).unwrap())).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A validator for each type.
fn validators() -> BTreeMap<String, Validator> {
    let schemas = files_in("schemas").into_iter();
    schemas.map(|(_, schema)| (text(&schema["title"]), jsonschema::validator_for(&schema).unwrap())).collect()
}

#[test]
fn each_event_that_is_published_is_valid_and_has_the_routing_key_of_the_contract() {
    let world = World::new();
    let listener = world.listen();
    let daemon = world.daemon();
    let integrated = || json!({ "kind": "integrated", "organization_id": "acme", "allocation": 40 });
    let transfer = json!({ "from_account_id": "one", "to_account_id": "two", "credits": 41 });
    world.publish(&[
        Message::organization("o", "acme", 1, 50),
        Message::account("a1", "studio.north", 1, json!({ "capacity": 100, "contact": "kim" })),
        Message::account("a2", "agency", 1, json!({ "capacity": 10, "on_insufficient": "reject" })),
        Message::account("a3", "payg", 1, json!({ "capacity": 20, "mode": "consume" })),
        Message::project("p1", "large", "studio.north", 1, "started", 90),
        Message::project("p2", "waiting", "studio.north", 1, "started", 20),
        Message::project("p3", "beyond", "studio.north", 1, "started", 200),
        Message::project("p4", "refused", "agency", 1, "started", 11),
        Message::project("p5", "used", "payg", 1, "finalized", 8),
        Message::grant("g", "agency", 5),
        Message::project("p6", "large", "studio.north", 2, "finalized", 90),
        Message::account("a4", "one", 1, integrated()),
        Message::account("a5", "two", 1, integrated()),
        message("t", "credits.transferred.v1", &transfer),
    ]);
    world.wait_for_messages(&["t"]);
    let validators = validators();
    let mut seen = BTreeSet::new();
    for heard in listener.take_log(world.number("select log_last from creditd.ledger")) {
        let event_type = text(&heard.event["type"]);
        let wrong: Vec<String> =
            validators[&event_type].iter_errors(&heard.event).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:?} in {}", heard.event);
        let account = text(&heard.event["partitionkey"]).replace('.', "%2E");
        assert_eq!(heard.routing_key, format!("{}.{account}", event_type.trim_end_matches(".v1")));
        seen.insert(event_type);
    }
    assert_eq!(seen.len(), 4, "an event of each type: {seen:?}");
    daemon.stop();
}

/// The same event in binary mode.
fn in_binary_mode(event: &Value) -> Message {
    let attributes = event.as_object().unwrap().iter().filter(|(name, _)| *name != "data");
    let headers = attributes.map(|(name, value)| (format!("cloudEvents:{name}"), text(value))).collect();
    let content_type = "application/json".to_owned();
    Message { routing_key: routing_key(event), content_type, headers, body: event["data"].to_string().into() }
}

fn routing_key(event: &Value) -> String {
    text(&event["type"]).trim_end_matches(".v1").to_owned()
}

#[test]
fn each_inbound_example_is_understood_and_means_the_same_in_both_modes() {
    let world = World::new();
    let daemon = world.daemon();
    let is_inbound = |(_, event): &(PathBuf, Value)| !text(&event["source"]).starts_with("creditd/");
    let examples: Vec<Value> =
        files_in("examples").into_iter().filter(is_inbound).map(|(_, event)| event).collect();
    let structured = examples.iter().map(|event| Message::raw(&routing_key(event), event.to_string()));
    let messages: Vec<Message> = structured.chain(examples.iter().map(in_binary_mode)).collect();
    world.publish(&messages);

    let sent = i64::try_from(messages.len()).unwrap();
    let decided = "select coalesce(sum(deliveries + conflicts), 0)::bigint from creditd.inbox
                    where source not like 'creditd/%'";
    wait_until("each is decided", || world.number(decided) == sent);
    let conflicts = "select sum(conflicts)::bigint from creditd.inbox";
    assert_eq!(world.number(conflicts), 0, "a mode makes no difference");
    // What can't be applied to these books, yet or at all, was understood all the same.
    for parked in world.parked() {
        let reason = text(&parked["reason"]);
        assert!(!["not_json", "not_cloudevent", "unknown_type", "invalid_data"].contains(&reason.as_str()));
    }
    daemon.stop();
}
