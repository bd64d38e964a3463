//! Transfers, and accounts that come to a pool or leave one with their holds.

use serde_json::{Value, json};

use crate::support::{Message, World, message, wait_until};

fn integrated(organization: &str, allocation: i64) -> Value {
    json!({ "kind": "integrated", "organization_id": organization, "allocation": allocation })
}

fn transfer(id: &str, from: &str, to: &str, credits: i64) -> Message {
    let data = json!({ "from_account_id": from, "to_account_id": to, "credits": credits, "actor": "kim" });
    message(id, "credits.transferred.v1", &data)
}

#[test]
fn a_transfer_moves_what_is_available_or_tells_who_holds_the_rest() {
    let world = World::new();
    let listener = world.listen();
    let daemon = world.daemon();
    world.publish(&[
        Message::organization("o1", "acme", 1, 100),
        Message::account("a1", "one", 1, integrated("acme", 40)),
        Message::account("a2", "two", 1, integrated("acme", 40)),
        Message::project("p1", "brief", "one", 1, "started", 25),
        transfer("t1", "one", "two", 16),
        transfer("t2", "one", "two", 15),
    ]);
    world.wait_for_messages(&["t2"]);
    assert_eq!(world.balance("one"), Some((25, 25, 0, 0)));
    assert_eq!(world.balance("two"), Some((55, 0, 0, 55)));
    let rejected = world.explain("t1");
    assert_eq!(
        (&rejected["outcome"], &rejected["reason"]),
        (&json!("rejected"), &json!("transfer_rejected"))
    );

    world.wait_until_published();
    let last = world.number("select log_last from creditd.ledger");
    let heard = listener.take_log(last);
    let is_rejection = |event: &&Value| event["type"] == "credits.transfer_rejected.v1";
    let events: Vec<_> = heard.iter().map(|heard| &heard.event).filter(is_rejection).collect();
    assert_eq!(events.len(), 1);
    let data = &events[0]["data"];
    let told = [&data["account_id"], &data["to_account_id"], &data["credits"], &data["short"]];
    assert_eq!(told, [&json!("one"), &json!("two"), &json!(16), &json!(1)]);
    assert_eq!(data["largest_holds"][0]["project_id"], "brief");
    assert_eq!((&data["sequence"], &data["cause"]["id"]), (&json!(1), &json!("t1")));
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn a_transfer_between_organizations_is_made_once_either_account_has_moved() {
    for mover in ["giver", "taker"] {
        let mut ends = Vec::new();
        for early in [true, false] {
            let world = World::new();
            let daemon = world.daemon();
            let (organizations, target) = match mover {
                "giver" => (["acme", "other"], "other"),
                _ => (["acme", "other"], "acme"),
            };
            world.publish(&[
                Message::organization("o1", "acme", 1, 100),
                Message::organization("o2", "other", 1, 100),
                Message::account("a1", "giver", 1, integrated(organizations[0], 40)),
                Message::account("a2", "taker", 1, integrated(organizations[1], 40)),
            ]);
            let moves = Message::account("a3", mover, 2, integrated(target, 40));
            let given = transfer("t1", "giver", "taker", 15);
            let both = if early { [("t1", given), ("a3", moves)] } else { [("a3", moves), ("t1", given)] };
            world.wait_for_messages(&["a1", "a2"]);
            // Each by itself: nothing that a batch knows may be needed.
            for (id, message) in both {
                world.publish(&[message]);
                world.wait_for_messages(&[id]);
            }
            wait_until("the transfer is made", || world.explain("t1")["outcome"] == "applied");
            ends.push((world.balance("giver"), world.balance("taker")));
            world.assert_verified();
            assert!(daemon.stop().success());
        }
        assert_eq!(ends[0], (Some((25, 0, 0, 25)), Some((55, 0, 0, 55))), "{mover}");
        assert_eq!(ends[0], ends[1], "{mover}");
    }
}

#[test]
fn an_account_brings_its_holds_into_a_pool_and_takes_them_out_again() {
    let world = World::new();
    let daemon = world.daemon();
    world.publish(&[
        Message::organization("o1", "acme", 1, 50),
        Message::account("a1", "studio", 1, json!({ "capacity": 30 })),
        Message::project("p1", "held", "studio", 1, "started", 20),
        Message::project("p2", "waits", "studio", 1, "started", 15),
        Message::account("a2", "studio", 2, integrated("acme", 30)),
    ]);
    world.wait_for_messages(&["a2"]);
    assert_eq!(world.balance("studio"), Some((30, 20, 0, 10)));
    assert_eq!(world.balance("pool:acme"), Some((50, 20, 0, 30)));
    assert_eq!(world.json(&["account", "show", "pool:acme"])["queued"]["projects"], 1);
    world.assert_verified();
    world.publish(&[
        Message::account("a3", "studio", 3, json!({ "kind": "standalone", "capacity": 40 })),
        Message::project("p3", "held", "studio", 2, "finalized", 20),
    ]);
    world.wait_for_messages(&["p3"]);
    assert_eq!(world.balance("pool:acme"), Some((50, 0, 0, 50)));
    assert_eq!(world.balance("studio"), Some((40, 15, 0, 25)));
    world.assert_verified();
    assert!(daemon.stop().success());
}
