//! The settings that decide, as inputs of the ledger.

use serde_json::json;

use crate::support::{Message, World};

const HALF: &str = r#"
    [alerts]
    rules = [{ name = "half", measure = "available_percent", level = 50, severity = "critical" }]
"#;

#[test]
fn settings_are_numbered_inputs_that_evaluate_everybodys_rules() {
    let mut world = World::new();
    let number = |world: &World| world.number("select settings_number from creditd.ledger");
    assert_eq!(number(&world), 0);
    let daemon = world.daemon();
    assert_eq!(number(&world), 1);
    let first = world.json(&["explain", "message", "creditd/settings", "1"]);
    assert_eq!(first["outcome"], "applied");
    assert_eq!(first["type"], "creditd.settings_changed.v1");
    world.publish(&[
        Message::account("a", "studio", 1, json!({ "capacity": 100 })),
        Message::project("p", "brief", "studio", 1, "started", 60),
    ]);
    world.wait_for_messages(&["p"]);
    assert!(daemon.stop().success());

    assert!(world.daemon().stop().success());
    assert_eq!(number(&world), 1, "a restart with the same settings changes nothing");
    assert_eq!(world.json(&["account", "show", "studio"])["alerts"], json!([]));

    world.configure(HALF);
    assert!(world.daemon().stop().success());
    assert_eq!(number(&world), 2);
    let alerts = world.json(&["account", "show", "studio"])["alerts"].clone();
    assert_eq!((&alerts[0]["name"], &alerts[0]["severity"]), (&json!("half"), &json!("critical")));

    world.configure("");
    assert!(world.daemon().stop().success());
    assert_eq!(number(&world), 3);
    assert_eq!(world.json(&["account", "show", "studio"])["alerts"], json!([]));

    let told = world.report(
        "select jsonb_agg(jsonb_build_array(cause_source, cause_id, kind, body->'change', body->'resolved')
                          order by log_number) from creditd.notice",
    );
    let settings = "creditd/settings";
    let resolved = &told[1][4][0];
    assert_eq!((&resolved["name"], &resolved["reason"]), (&json!("half"), &json!("rule_removed")), "{told}");
    assert_eq!(told[0], json!([settings, "2", "alert", "raised", []]));
    assert_eq!(told[1], json!([settings, "3", "alert", "resolved", [resolved]]));
    world.assert_verified();
}

#[test]
fn another_order_on_an_existing_ledger_is_refused_with_the_keys_name() {
    let mut world = World::new();
    assert!(world.daemon().stop().success());
    world.set("CREDITD__ORDER", "time");
    let (code, said) = world.failure(&["run"]);
    assert_eq!(code, 2, "{said}");
    let why = "order is \"time\" in the settings, and the ledger goes by \"revision\"; it is fixed";
    assert!(said.contains(why), "{said}");
    assert_eq!(world.number("select settings_number from creditd.ledger"), 1);
}
