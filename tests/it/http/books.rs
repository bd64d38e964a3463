//! A ledger with something of everything in it, and with ids that are easily mistaken for each other.

use serde_json::{Value, json};

use super::give;
use crate::support::{Message, World, message};

/// What people call something: nothing else has this text in it.
pub(super) fn name_of(id: &str) -> String {
    format!("[{id}]")
}

/// All organizations.
pub(super) const ORGANIZATIONS: [&str; 3] = ["acme", "acm", "acme.x"];

/// All accounts, each with the organization that it belongs to.
pub(super) const ACCOUNTS: [(&str, Option<&str>); 12] = [
    ("acme", None),
    ("acme/1", None),
    ("agency", Some("acme")),
    ("member", Some("acme")),
    ("member2", Some("acme")),
    ("mover", Some("acme")),
    ("near", Some("acm")),
    ("payg", None),
    ("pool:acm", Some("acm")),
    ("pool:acme", Some("acme")),
    ("pool:acme.x", Some("acme.x")),
    ("seems-acme", None),
];

/// All projects, each with its account.
pub(super) const PROJECTS: [(&str, &str); 13] = [
    ("a/b:c.d@e", "acme/1"),
    ("tied", "agency"),
    ("sketch", "acme"),
    ("handed", "member"),
    ("moving", "mover"),
    ("n1", "near"),
    ("p", "member"),
    ("p2", "member2"),
    ("seeming", "seems-acme"),
    ("unpriced", "acme"),
    ("spent", "payg"),
    ("waits", "member"),
    ("waits2", "member2"),
];

fn account(id: &str, data: Value) -> Message {
    let mut data = data;
    data["name"] = name_of(id).into();
    data["contact"] = format!("{}@example.org", name_of(id)).into();
    Message::account(&format!("account {id} {}", data["revision"]), id, 1, data)
}

fn integrated(id: &str, organization: &str, allocation: i64) -> Message {
    account(id, json!({ "kind": "integrated", "organization_id": organization, "allocation": allocation }))
}

fn organization(id: &str, capacity: i64) -> Message {
    let data = json!({ "organization_id": id, "revision": 1, "capacity": capacity, "name": name_of(id) });
    message(&format!("organization {id}"), "organization.changed.v1", &data)
}

fn project(id: &str, account: &str, revision: i64, status: &str, price: Option<i64>) -> Message {
    let mut data = json!({ "project_id": id, "account_id": account, "revision": revision, "status": status,
                           "name": name_of(id) });
    if let Some(credits) = price {
        data["credits"] = credits.into();
    }
    message(&format!("project {id} {revision}"), "project.status_changed.v1", &data)
}

/// Books it all; a daemon must be running.
pub(super) fn book(world: &World) {
    world.publish(&[
        organization("acme", 60),
        organization("acm", 20),
        organization("acme.x", 5),
        account("acme", json!({ "capacity": 100 })),
        account("acme/1", json!({ "capacity": 30 })),
        account("agency", json!({ "kind": "connected", "organization_id": "acme", "capacity": 10 })),
        integrated("member", "acme", 40),
        integrated("member2", "acme", 50),
        account("mover", json!({ "kind": "connected", "organization_id": "acm", "capacity": 9 })),
        integrated("near", "acm", 20),
        account("payg", json!({ "capacity": 20, "mode": "consume" })),
        account("seems-acme", json!({ "kind": "standalone", "organization_id": "acme", "capacity": 7 })),
        project("a/b:c.d@e", "acme/1", 1, "submitted", Some(28)),
        project("tied", "agency", 1, "started", Some(10)),
        project("sketch", "acme", 1, "draft", Some(10)),
        project("unpriced", "acme", 1, "started", None),
        project("handed", "near", 1, "started", Some(3)),
        project("handed", "member", 2, "started", Some(3)),
        project("moving", "mover", 1, "started", Some(2)),
        project("n1", "near", 1, "in_progress", Some(19)),
        project("p", "member", 1, "in_progress", Some(30)),
        project("p2", "member2", 1, "delivered", Some(20)),
        project("seeming", "seems-acme", 1, "started", Some(7)),
        project("spent", "payg", 1, "finalized", Some(8)),
        project("waits2", "member2", 1, "started", Some(25)),
        project("waits", "member", 1, "started", Some(6)),
        message(
            "asset",
            "asset.created.v1",
            &json!({ "account_id": "payg", "asset_type": "photo", "credits": 2 }),
        ),
    ]);
    world.wait_for_messages(&["asset", "project waits 1"]);
    give(world, &["account", "set", "mover", "--organization", "acme", "--kind", "connected"]);
    give(world, &["price", "set", "video=10", "photo=5"]);
    give(world, &["price", "set", "video=8", "--organization", "acme"]);
    give(world, &["price", "set", "photo=4", "--organization", "acm"]);
    give(world, &["price", "set", "photo=6", "--effective", "2999-01-01T00:00:00Z"]);
    let term = ["--expires", "2999-01-01T00:00:00Z", "--reason", "a campaign"];
    for id in ["acme", "member", "near"] {
        give(world, &[&["credits", "grant", id, "3"], &term[..]].concat());
    }
    give(world, &["credits", "transfer", "member", "member2", "1", "--reason", "lent"]);
}
