//! The commands, from outside: what they print for programs and for people, and how they end.

mod contract;
mod ends;
mod histories;
mod messages;
mod parked;
mod reports;
mod tables;

use serde_json::json;

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
