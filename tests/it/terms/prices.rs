//! Price lists and assets.

use serde_json::{Value, json};

use crate::support::{Message, World, message, wait_until};

fn prices(id: &str, data: &Value) -> Message {
    message(id, "price_list.changed.v1", data)
}

/// A project in `started` whose message names deliverables.
fn brief(id: &str, project: &str, account: &str, deliverables: &Value) -> Message {
    let data = json!({
        "project_id": project, "account_id": account, "revision": 1, "status": "started",
        "deliverables": deliverables,
    });
    message(id, "project.status_changed.v1", &data)
}

#[test]
fn a_project_without_a_price_holds_when_a_list_brings_one() {
    let world = World::new();
    let daemon = world.daemon();
    let photos = json!([{ "type": "photo", "quantity": 3 }]);
    world.publish(&[
        Message::account("a1", "studio", 1, json!({ "capacity": 100 })),
        brief("p1", "early", "studio", &photos),
    ]);
    world.wait_for_messages(&["p1"]);
    assert_eq!(world.json(&["project", "show", "early"])["state"], "unpriced");
    world.publish(&[
        prices("l1", &json!({ "prices": { "photo": 5, "video": 10 } })),
        brief("p2", "late", "studio", &json!([{ "type": "video", "quantity": 2 }])),
    ]);
    world.wait_for_messages(&["p2"]);
    assert_eq!(world.balance("studio"), Some((100, 35, 0, 65)));
    let cause = world.report("select jsonb_agg(cause_id order by log_number) from creditd.entry");
    assert_eq!(cause, json!(["a1", "l1", "p2"]), "the list's message held what it priced");
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn an_organizations_own_list_prices_its_accounts_work() {
    let world = World::new();
    let daemon = world.daemon();
    let member = json!({ "kind": "integrated", "organization_id": "acme", "allocation": 50 });
    world.publish(&[
        prices("l1", &json!({ "prices": { "photo": 5, "song": 2 } })),
        prices("l2", &json!({ "prices": { "photo": 4 }, "organization_id": "acme" })),
        Message::organization("o1", "acme", 1, 50),
        Message::account("a1", "member", 1, member),
    ]);
    world.wait_for_messages(&["l2"]);
    wait_until("the own list came", || world.explain("l2")["outcome"] == "applied");
    let both = json!([{ "type": "photo", "quantity": 2 }, { "type": "song", "quantity": 1 }]);
    world.publish(&[brief("p1", "mixed", "member", &both)]);
    world.wait_for_messages(&["p1"]);
    assert_eq!(world.balance("pool:acme"), Some((50, 10, 0, 40)));
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn an_announced_list_comes_into_force_by_itself() {
    let world = World::new();
    let daemon = world.daemon();
    world.publish(&[
        Message::account("a1", "studio", 1, json!({ "capacity": 100 })),
        brief("p1", "early", "studio", &json!([{ "type": "photo", "quantity": 1 }])),
        prices("l1", &json!({ "prices": { "photo": 7 }, "effective_at": "2999-01-01T00:00:00Z" })),
    ]);
    world.wait_for_messages(&["l1"]);
    assert_eq!(world.balance("studio"), Some((100, 0, 0, 100)));
    world.as_owner("update creditd.price_list set starts_at = arrived_at");
    wait_until("the list is in force", || world.balance("studio") == Some((100, 7, 0, 93)));
    let cause = world.json(&["explain", "message", "creditd/prices", "1"]);
    assert_eq!(cause["outcome"], "applied");
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn an_asset_is_counted_and_charged_where_no_project_pays_for_it() {
    let world = World::new();
    let listener = world.listen();
    let daemon = world.daemon();
    let asset = |id: &str, data: Value| message(id, "asset.created.v1", &data);
    world.publish(&[
        Message::account("a1", "studio", 1, json!({ "capacity": 100 })),
        asset("s1", json!({ "account_id": "studio", "asset_type": "photo", "quantity": 2 })),
        asset("s2", json!({ "account_id": "studio", "asset_type": "photo", "credits": 3 })),
        asset("s3", json!({ "account_id": "studio", "asset_type": "photo", "project_id": "brief" })),
    ]);
    world.wait_for_messages(&["s3"]);
    let waits = world.explain("s1");
    assert_eq!((&waits["outcome"], &waits["reason"]), (&json!("parked"), &json!("price_unknown")));
    world.publish(&[prices("l1", &json!({ "prices": { "photo": 5 } }))]);
    wait_until("the asset is charged", || world.explain("s1")["outcome"] == "applied");
    assert_eq!(world.balance("studio"), Some((100, 0, 13, 87)));
    let counted = world.number("select sum(quantity)::bigint from creditd.asset where asset_type = 'photo'");
    assert_eq!(counted, 4);
    let charge = &listener.take(3).pop().unwrap().1["data"];
    assert_eq!((&charge["entry"]["kind"], &charge["entry"]["to"]), (&json!("charge"), &json!("consumed")));
    world.assert_verified();
    assert!(daemon.stop().success());
}
