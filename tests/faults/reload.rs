//! HUP: what can change in a running daemon.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Message, World, wait_until};

const TWO_RULES: &str = r#"
[alerts]
rules = [
    { name = "low", measure = "available_percent", level = 20, severity = "warning" },
    { name = "lower", measure = "available_credits", level = 5, severity = "critical" },
]
"#;

/// One rule is gone, one is new, and both say something about an account with 15 of 100 credits left.
const OTHER_RULES: &str = r#"
[alerts]
rules = [
    { name = "lower", measure = "available_credits", level = 5, severity = "critical" },
    { name = "half", measure = "available_percent", level = 50, severity = "critical" },
]
[log]
level = "debug"
"#;

const BROKEN: &str = r#"
[alerts]
rules = [{ name = "half", measure = "available_percent", level = 500, severity = "critical" }]
[log]
level = "error"
"#;

fn names(rules: &Value) -> Vec<&str> {
    rules.as_array().unwrap().iter().map(|rule| rule["name"].as_str().unwrap()).collect()
}

#[test]
fn changed_rules_and_log_level_are_taken_over_and_a_broken_file_changes_nothing() {
    let mut world = World::new();
    let config = world.file("creditd.toml");
    fs::write(&config, TWO_RULES).unwrap();
    world.config = Some(config.clone());
    let events = world.listen();
    let daemon = world.daemon();
    world.publish(&[
        Message::account("a", "studio", 1, json!({ "capacity": 100 })),
        Message::project("p1", "brief-1", "studio", 1, "started", 85),
    ]);
    world.wait_for_messages(&["a", "p1"]);
    let [_plan, _hold, raised] = events.take(3).try_into().unwrap();
    assert_eq!(raised.1["data"]["change"], "raised");
    assert_eq!(names(&raised.1["data"]["rules"]), ["low"]);
    assert_eq!(world.number("select settings_number from creditd.ledger"), 1);
    assert_eq!(daemon.count_in_log("\"DEBUG\""), 0);

    fs::write(&config, OTHER_RULES).unwrap();
    daemon.signal(Signal::HUP);
    let [changed] = events.take(1).try_into().unwrap();
    let data = &changed.1["data"];
    assert_eq!((&data["change"], &data["severity"]), (&json!("escalated"), &json!("critical")), "{data}");
    assert_eq!(names(&data["rules"]), ["half"]);
    assert_eq!(names(&data["resolved"]), ["low"]);
    assert_eq!(data["resolved"][0]["reason"], "rule_removed", "{data}");
    assert_eq!((&data["cause"]["source"], &data["cause"]["id"]), (&json!("creditd/settings"), &json!("2")));
    assert_eq!(world.json(&["explain", "message", "creditd/settings", "2"])["outcome"], "applied");

    fs::write(&config, BROKEN).unwrap();
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("the ones from before stay");
    assert!(daemon.log().contains("alerts.rules"), "the log names what is wrong");
    // Commands would refuse the broken file.
    world.config = None;
    world.publish(&[Message::project("p2", "brief-1", "studio", 2, "started", 96)]);
    world.wait_for_messages(&["p2"]);
    let [_hold, changed] = events.take(2).try_into().unwrap();
    assert_eq!(names(&changed.1["data"]["rules"]), ["lower", "half"]);
    assert_eq!(world.number("select settings_number from creditd.ledger"), 2);
    wait_until("debug lines", || daemon.count_in_log("\"DEBUG\"") > 0);
    world.assert_verified();
    assert!(daemon.stop().success());
}
