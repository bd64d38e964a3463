//! `creditd events` and `creditd relay`, from outside.

mod relay;
mod replay;
mod show;
mod tail;

use serde_json::json;

use crate::support::{Message, World};

/// Publishes books whose log is: 1 plan 100 of `studio`, 2 hold 30, 3 hold 60, 4 alert (credits low), 5 a hold
/// of 20 waits, 6 alert (queue blocked), 7 plan 50 of acme's pool, 8 plan 20 of `member`, 9 and 10 hold 5 on
/// both. Waits until all is published.
fn publish_books(world: &World) {
    let member = json!({ "kind": "integrated", "organization_id": "acme", "allocation": 20 });
    world.publish(&[
        Message::account("a", "studio", 1, json!({ "capacity": 100 })),
        Message::project("p1", "one", "studio", 1, "started", 30),
        Message::project("p2", "two", "studio", 1, "started", 60),
        Message::project("p3", "three", "studio", 1, "started", 20),
        Message::organization("o", "acme", 1, 50),
        Message::account("m", "member", 1, member),
        Message::project("p4", "four", "member", 1, "started", 5),
    ]);
    world.wait_for_messages(&["p4"]);
    world.wait_until_published();
    assert_eq!(world.number("select log_last from creditd.ledger"), 10);
}
