//! Messages of the contract that this version can't apply yet.

use serde_json::json;

use crate::support::{Message, World, message};

#[test]
fn what_this_version_cannot_do_is_parked_as_unsupported() {
    let world = World::new();
    let daemon = world.daemon();
    let expiring = json!({ "account_id": "studio", "credits": 5, "expires_at": "2030-01-01T00:00:00Z" });
    let transfer = json!({ "from_account_id": "one", "to_account_id": "two", "credits": 1 });
    let deliverables = json!({
        "project_id": "listed", "account_id": "studio", "revision": 1, "status": "started",
        "deliverables": [{ "type": "photo", "quantity": 3 }],
    });
    let integrated = json!({ "kind": "integrated", "organization_id": "acme", "allocation": 10 });
    world.publish(&[
        Message::organization("o1", "acme", 1, 50),
        Message::organization("o2", "other", 1, 50),
        Message::account("a1", "studio", 1, json!({ "capacity": 100 })),
        Message::account("a2", "one", 1, integrated.clone()),
        Message::account("a3", "two", 1, integrated.clone()),
        Message::project("p1", "brief-1", "studio", 1, "started", 30),
        Message::project("p2", "brief-2", "one", 1, "started", 5),
        message("prices", "price_list.changed.v1", &json!({ "prices": { "photo": 5 } })),
        message("asset", "asset.created.v1", &json!({ "account_id": "studio", "asset_type": "photo" })),
        message("transfer", "credits.transferred.v1", &transfer),
        message("expiring", "credits.granted.v1", &expiring),
        Message::account("kind", "studio", 2, integrated),
        Message::account("moved", "one", 2, json!({ "organization_id": "other" })),
        message("listed", "project.status_changed.v1", &deliverables),
        Message::account("renamed", "studio", 3, json!({ "name": "Studio" })),
    ]);
    world.wait_for_messages(&["renamed"]);

    let parked = world.parked();
    let ids: Vec<_> = parked.iter().map(|row| row["message_id"].clone()).collect();
    assert_eq!(ids, ["prices", "asset", "transfer", "expiring", "kind", "moved"]);
    assert!(parked.iter().all(|row| row["reason"] == "unsupported"), "{parked:?}");
    let kind = parked[4]["detail"].as_str().unwrap();
    assert!(kind.contains("while 30 credits are held"), "{kind}");

    assert_eq!(world.json(&["project", "show", "listed"])["state"], "unpriced");
    assert_eq!(world.balance("studio"), Some((100, 30, 0, 70)));
    let studio = world.json(&["account", "show", "studio"]);
    assert_eq!((&studio["kind"], &studio["name"]), (&json!("standalone"), &json!("Studio")));
    assert_eq!(world.json(&["account", "show", "one"])["organization_id"], "acme");
    assert_eq!(world.balance("pool:acme"), Some((50, 5, 0, 45)));
    world.assert_verified();
    assert!(daemon.stop().success());
}
