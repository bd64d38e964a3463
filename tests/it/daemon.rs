//! The whole way: published to RabbitMQ, applied in PostgreSQL, told as events.

use serde_json::json;

use crate::support::{Message, World};

#[test]
fn a_project_holds_its_price_and_gives_it_back_when_it_is_finalized() {
    let world = World::new();
    let events = world.listen();
    let daemon = world.daemon();
    world.publish(&[
        Message::account("a", "studio", 1, json!({ "capacity": 100, "name": "Studio" })),
        Message::project("p1", "brief-1", "studio", 1, "started", 30),
    ]);
    world.wait_for_messages(&["a", "p1"]);
    assert_eq!(world.balance("studio"), Some((100, 30, 0, 70)));
    world.publish(&[Message::project("p2", "brief-1", "studio", 2, "finalized", 30)]);
    world.wait_for_messages(&["p2"]);
    assert_eq!(world.balance("studio"), Some((100, 0, 0, 100)));

    let told = events.take(3);
    let kinds: Vec<_> = told.iter().map(|(_, event)| event["data"]["entry"]["kind"].clone()).collect();
    assert_eq!(kinds, ["plan", "hold", "release"]);
    assert_eq!(told[1].0, "credits.balance_changed.studio");
    assert_eq!(told[1].1["data"]["balance"]["available"], 70);
    assert_eq!(told[1].1["data"]["cause"]["id"], "p1");
    world.assert_verified();
    assert!(daemon.stop().success());
}
