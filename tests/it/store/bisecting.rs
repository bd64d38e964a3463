//! What the database refuses.

use serde_json::json;

use crate::support::{Message, World, wait_until};

/// Has the database refuse projects with this id, as it would refuse what no check foresaw.
const FORBID_POISON: &str =
    "alter table creditd.project add constraint no_poison check (project_id not like 'poison%')";

#[test]
fn a_message_that_the_database_refuses_is_parked_and_all_others_around_it_are_applied() {
    let mut world = World::new();
    world.set("CREDITD__LOG__LEVEL", "debug");
    world.declare();
    world.as_superuser(FORBID_POISON);
    let mut messages = vec![Message::account("a", "studio", 1, json!({ "capacity": 1000 }))];
    let poisoned = [0, 17, 18, 59];
    for number in 0..60 {
        let kind = if poisoned.contains(&number) { "poison" } else { "brief" };
        let project = format!("{kind}-{number}");
        messages.push(Message::project(&format!("p{number}"), &project, "studio", 1, "started", 1));
    }
    world.publish(&messages);
    let daemon = world.daemon();
    world.wait_for_messages(&["p59"]);

    assert!(daemon.log().contains("the database refuses what a message leads to; it is parked"));
    assert_eq!(world.balance("studio"), Some((1000, 56, 0, 944)));
    let parked = world.parked();
    let ids: Vec<_> = parked.iter().map(|message| message["message_id"].clone()).collect();
    assert_eq!(ids, poisoned.map(|number| json!(format!("p{number}"))));
    for message in &parked {
        assert_eq!(message["reason"], "database_refused");
        let detail = message["detail"].as_str().unwrap();
        assert!(detail.contains("no_poison") && detail.contains("SQLSTATE 23514"), "{detail}");
    }
    let explained = world.explain("p17");
    assert_eq!((&explained["outcome"], &explained["reason"]), (&json!("parked"), &json!("database_refused")));
    let order =
        world.report("select jsonb_agg(cause_id order by log_number) from creditd.entry where kind = 'hold'");
    let expected = (0..60).filter(|number| !poisoned.contains(number)).map(|number| format!("p{number}"));
    assert_eq!(order, json!(expected.collect::<Vec<_>>()), "halving keeps the order");
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn a_parked_message_that_the_database_refuses_when_offered_again_stays_parked_for_that() {
    let world = World::new();
    world.as_superuser(FORBID_POISON);
    let daemon = world.daemon();
    world.publish(&[
        Message::project("p1", "poison-1", "studio", 1, "started", 1),
        Message::project("p2", "brief-2", "studio", 1, "started", 1),
    ]);
    world.wait_for_messages(&["p1", "p2"]);
    assert_eq!(world.explain("p1")["reason"], "account_unknown");
    world.publish(&[Message::account("a", "studio", 1, json!({ "capacity": 10 }))]);
    wait_until("p2 is applied", || world.explain("p2")["outcome"] == "applied");
    wait_until("p1 is refused", || world.parked()[0]["reason"] == "database_refused");
    assert_eq!(world.explain("p1")["reason"], "database_refused");
    assert_eq!(world.balance("studio"), Some((10, 1, 0, 9)));
    assert!(daemon.stop().success());
}
