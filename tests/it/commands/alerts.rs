//! What is raised, by which rules, and whether alerts arrive.

use serde_json::{Value, json};

use super::give;
use crate::support::{Message, World, wait_until};

/// What is raised: account and rule.
fn raised(world: &World, arguments: &[&str]) -> Vec<(String, String)> {
    let listed = world.json(&[&["alert", "list"], arguments].concat());
    let row = |row: &Value| {
        (row["account_id"].as_str().unwrap().to_owned(), row["rule"].as_str().unwrap().to_owned())
    };
    listed.as_array().unwrap().iter().map(row).collect()
}

fn rows<const N: usize>(expected: [(&str, &str); N]) -> Vec<(String, String)> {
    expected.map(|(account, rule)| (account.to_owned(), rule.to_owned())).into()
}

#[test]
fn what_is_raised_is_listed_with_what_it_is_about() {
    let world = World::new();
    let daemon = world.daemon();
    give(&world, &["organization", "open", "acme", "--capacity", "10"]);
    let open = ["account", "open", "film", "--kind", "integrated", "--organization", "acme"];
    give(&world, &[&open[..], &["--allocation", "20"]].concat());
    give(&world, &["account", "open", "studio", "--capacity", "100"]);
    world.publish(&[Message::project("m1", "reel", "studio", 1, "started", 96)]);
    world.wait_for_messages(&["m1"]);
    // Longer than any limit, whatever the time is.
    world
        .as_owner("update creditd.project set status_since = '2020-01-01T00:00:00Z', stale_check_at = now()");
    wait_until("the hold is found stale", || raised(&world, &["--account", "studio"]).len() == 3);

    let of_studio = [("studio", "credits_low"), ("studio", "credits_critical"), ("studio", "hold_stale")];
    assert_eq!(raised(&world, &["--account", "studio"]), rows(of_studio));
    assert_eq!(raised(&world, &["--organization", "acme"]), rows([("pool:acme", "pool_overcommitted")]));
    assert_eq!(raised(&world, &["--severity", "critical"]), rows([("studio", "credits_critical")]));
    assert_eq!(raised(&world, &[]).len(), 4);
    let listed = world.json(&["alert", "list", "--account", "studio"]);
    let stale = &listed[2]["subjects"][0];
    assert_eq!((&stale["project_id"], &stale["held"]), (&json!("reel"), &json!(96)));
    assert!(listed[0]["since"].is_string() && listed[0]["subjects"] == json!([]), "{listed}");
    let text = world.text(&["alert", "list"]);
    assert!(text.contains("reel (started, holds 96)"), "{text}");
    let (code, said) = world.failure(&["alert", "list", "--account", "nobody"]);
    assert!(code == 1 && said.contains("no account \"nobody\" is known"), "{said}");
    assert!(daemon.stop().success());
}

#[test]
fn rules_are_inherited_and_a_nearer_list_replaces_a_farther() {
    let world = World::new();
    give(&world, &["organization", "open", "acme"]);
    give(
        &world,
        &["account", "open", "film", "--kind", "connected", "--organization", "acme", "--capacity", "9"],
    );
    let lists = |arguments: &[&str]| {
        let lists = world.json(&[&["alert", "rules"], arguments].concat());
        let row = |list: &Value| {
            let names = list["rules"].as_array().unwrap().iter();
            let names: Vec<_> = names.map(|rule| rule["name"].as_str().unwrap().to_owned()).collect();
            (list["of"].as_str().unwrap().to_owned(), names.join(" "))
        };
        lists.as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    let built_in = ("built_in", "queue_blocked hold_stale pool_overcommitted grant_expiring");
    let settings = ("settings", "credits_low credits_critical");
    assert_eq!(lists(&["film"]), rows([settings, built_in]));

    let rule = |name: &str| json!([{ "name": name, "measure": "available_credits", "level": 10, "severity": "critical" }]);
    let file = world.file("rules.json");
    std::fs::write(&file, rule("few").to_string()).unwrap();
    let of_organization = ["alert", "rules", "set", "--organization", "acme", "--from-file"];
    let told = give(&world, &[&of_organization[..], &[file.to_str().unwrap()]].concat());
    let raised_on: Vec<_> =
        told["events"].as_array().unwrap().iter().map(|event| event["data"]["account_id"].clone()).collect();
    assert_eq!(raised_on, ["pool:acme", "film"], "the rules are held against everybody they are for");
    let organization = ("organization", "few");
    assert_eq!(lists(&["film"]), rows([organization, built_in]));
    assert_eq!(lists(&["--organization", "acme"]), rows([organization, built_in]));
    assert_eq!(lists(&["pool:acme"]), rows([organization, built_in]));

    let toml = world.file("rules.toml");
    let own = "[[rules]]\nname = 'own'\nmeasure = 'available_percent'\nlevel = 1\nseverity = 'info'\n";
    std::fs::write(&toml, own).unwrap();
    let set = ["alert", "rules", "set", "film", "--from-file", toml.to_str().unwrap()];
    assert_eq!(give(&world, &set)["events"][0]["data"]["resolved"][0]["reason"], "rule_removed");
    assert_eq!(lists(&["film"]), rows([("account", "own"), built_in]));
    assert_eq!(lists(&[]), rows([settings, organization, ("account", "own"), built_in]));
    let text = world.text(&["alert", "rules"]);
    assert!(text.contains("organization acme  few") && text.contains("account film"), "{text}");
    world.assert_verified();
}

#[test]
fn a_test_alert_goes_the_whole_way_and_changes_nothing() {
    let world = World::new();
    let listener = world.listen();
    give(&world, &["account", "open", "studio", "--capacity", "5", "--contact", "ann"]);
    let daemon = world.daemon();
    let told = give(&world, &["alert", "test", "studio"]);
    let events = told["events"].as_array().unwrap();
    assert_eq!((events.len(), &events[0]["data"]["change"]), (1, &json!("test")));
    assert_eq!(events[0]["data"]["contact"]["contact"], "ann");
    let heard = listener.take(2);
    assert_eq!(heard[1], ("credits.alert.studio".to_owned(), events[0].clone()));
    assert_eq!(raised(&world, &[]), []);
    assert!(daemon.stop().success());
}
