//! Accounts and organizations opened, changed, moved and closed.

use serde_json::{Value, json};

use super::{give, moved, moves, refuse};
use crate::support::{Message, World, wait_until};

fn publish(world: &World, messages: &[Message], last: &str) {
    world.publish(messages);
    world.wait_for_messages(&[last]);
}

#[test]
fn an_account_is_opened_changed_closed_and_opened_again() {
    let world = World::new();
    let daemon = world.daemon();
    give(&world, &["organization", "open", "acme", "--capacity", "100", "--contact", "ann"]);
    let open = ["account", "open", "film", "--kind", "integrated", "--organization", "acme"];
    let opened = give(&world, &[&open[..], &["--allocation", "60", "--name", "Film"]].concat());
    assert_eq!(moved(&opened), moves([("film", "plan", 60)]));
    let balance = json!({ "account_id": "film", "total": 60, "held": 0, "consumed": 0, "available": 60 });
    assert_eq!(opened["balances"], json!([balance]));
    let said = refuse(&world, &["account", "open", "film"])["refused"].to_string();
    assert!(said.contains("is open already; `creditd account set` changes it"), "{said}");
    assert_eq!(moved(&give(&world, &["account", "set", "film", "--allocation", "40"])).len(), 1);

    publish(&world, &[Message::project("m1", "reel", "film", 1, "started", 30)], "m1");
    let close = refuse(&world, &["account", "close", "film"]);
    assert_eq!((&close["in_use_on"], &close["projects"][0]["project_id"]), (&json!("film"), &json!("reel")));
    let cut = refuse(&world, &["account", "set", "film", "--allocation", "20"]);
    assert_eq!((&cut["in_use_on"], &cut["projects"][0]["held"]), (&json!("film"), &json!(30)));
    assert!(cut["instead"].as_str().unwrap().contains("--allocation 30"), "{cut}");
    let cut = refuse(&world, &["organization", "set", "acme", "--capacity", "10"]);
    assert_eq!((&cut["in_use_on"], &cut["projects"][0]["project_id"]), (&json!("pool:acme"), &json!("reel")));
    assert!(cut["instead"].as_str().unwrap().contains("--capacity 30"), "{cut}");
    assert_eq!(world.balance("film"), Some((40, 30, 0, 10)), "what was refused changed nothing");
    give(&world, &["account", "set", "film", "--allocation", "30"]);
    give(&world, &["organization", "set", "acme", "--capacity", "30"]);

    publish(&world, &[Message::project("m2", "reel", "film", 2, "finalized", 30)], "m2");
    give(&world, &["account", "close", "film", "--reason", "moved away"]);
    assert_eq!(world.json(&["account", "show", "film"])["closed"], true);
    publish(&world, &[Message::project("m3", "spot", "film", 1, "started", 1)], "m3");
    assert_eq!(world.explain("m3")["notices"][0]["body"]["reason"], "account_closed");
    give(&world, &["account", "open", "film"]);
    let shown = world.json(&["account", "show", "film"]);
    assert_eq!((&shown["closed"], &shown["allocation"]), (&json!(false), &json!(30)));
    publish(&world, &[Message::project("m4", "clip", "film", 1, "started", 1)], "m4");
    assert_eq!(world.balance("film"), Some((30, 1, 0, 29)));
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn an_account_with_open_holds_comes_to_an_organization_and_leaves_it_in_one_command_each() {
    let world = World::new();
    let daemon = world.daemon();
    give(&world, &["organization", "open", "acme", "--capacity", "25"]);
    give(&world, &["account", "open", "studio", "--capacity", "50"]);
    publish(&world, &[Message::project("m1", "reel", "studio", 1, "started", 30)], "m1");
    let come = ["account", "set", "studio", "--kind", "integrated", "--organization", "acme"];

    let small = refuse(&world, &[&come[..], &["--allocation", "20"]].concat());
    assert_eq!(small["in_use_on"], "studio");
    assert!(small["instead"].as_str().unwrap().contains("--allocation 30"), "{small}");
    let crowded = refuse(&world, &[&come[..], &["--allocation", "40"]].concat());
    assert_eq!(crowded["in_use_on"], "pool:acme");
    assert!(crowded["instead"].as_str().unwrap().contains("`creditd organization set acme --capacity N`"));
    let nowhere = refuse(&world, &["account", "set", "studio", "--kind", "integrated"]);
    assert!(nowhere["refused"].as_str().unwrap().contains("name one with --organization"), "{nowhere}");

    give(&world, &["organization", "set", "acme", "--capacity", "35"]);
    let came = give(&world, &[&come[..], &["--allocation", "40"]].concat());
    assert_eq!(moved(&came), moves([("pool:acme", "carry", 30), ("studio", "plan", 10)]));
    assert_eq!(world.balance("pool:acme"), Some((35, 30, 0, 5)));
    let shown = world.json(&["account", "show", "studio"]);
    assert_eq!((&shown["available"], &shown["max_usable"]), (&json!(10), &json!(5)), "the pool is tighter");
    let text = world.text(&["account", "show", "studio"]);
    assert!(text.contains("5 (its pool has less than its allocation leaves)"), "{text}");
    let pool = world.json(&["account", "show", "pool:acme"]);
    assert_eq!((&pool["promised"], &pool["overcommitted"]), (&json!(40), &json!(true)));

    let left = give(&world, &["account", "set", "studio", "--kind", "standalone", "--capacity", "30"]);
    assert_eq!(moved(&left), moves([("pool:acme", "carry", 30), ("studio", "plan", 10)]));
    assert_eq!(world.balance("pool:acme"), Some((35, 0, 0, 35)));
    assert_eq!(world.balance("studio"), Some((30, 30, 0, 0)));
    let pool = world.json(&["account", "show", "pool:acme"]);
    assert_eq!((&pool["promised"], &pool["overcommitted"]), (&json!(0), &json!(false)));
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn who_stands_in_the_way_is_listed_by_size_then_by_place_and_twenty_at_most() {
    let world = World::new();
    let daemon = world.daemon();
    give(&world, &["account", "open", "busy", "--capacity", "190"]);
    // Of 1 to 19 credits, the smallest first; then three that have to wait.
    let holding = (1..=19).map(|size| (format!("holds-{size:02}"), size));
    let waiting = ["waits-z", "waits-y", "waits-x"].map(|name| (name.to_owned(), 100));
    let projects: Vec<_> = holding.chain(waiting).collect();
    let message = |(number, (project, credits)): (usize, &(String, i64))| {
        Message::project(&format!("m{number}"), project, "busy", 1, "started", *credits)
    };
    publish(&world, &projects.iter().enumerate().map(message).collect::<Vec<_>>(), "m21");

    let told = refuse(&world, &["credits", "adjust", "busy", "-1", "--reason", "less"]);
    assert_eq!(
        (&told["in_use_on"], &told["more"], &told["instead"]),
        (&json!("busy"), &json!(2), &json!(null))
    );
    let listed = told["projects"].as_array().unwrap();
    let names: Vec<&str> = listed.iter().map(|project| project["project_id"].as_str().unwrap()).collect();
    let largest_first = (1..=19).rev().map(|size| format!("holds-{size:02}"));
    assert_eq!(names, largest_first.chain(["waits-z".to_owned()]).collect::<Vec<_>>());

    let adjust = ["credits", "adjust", "busy", "-1", "--reason", "less", "--actor", "ops"];
    let output = world.run(&adjust);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(1), true), "{said}");
    assert!(said.contains("PROJECT") && said.contains("\nand 2 more\n"), "{said}");
    assert!(said.contains("`creditd hold release PROJECT --reason WHY`"), "{said}");
    assert!(daemon.stop().success());
}

#[test]
fn upstreams_next_revision_beats_a_command_and_a_command_beats_what_came() {
    let world = World::new();
    let daemon = world.daemon();
    let plan = |id: &str, revision: i64, capacity: i64| {
        Message::account(id, "studio", revision, json!({ "capacity": capacity, "name": "Studio" }))
    };
    publish(&world, &[plan("m1", 5, 50)], "m1");
    give(&world, &["account", "set", "studio", "--capacity", "70"]);
    assert_eq!(world.balance("studio"), Some((70, 0, 0, 70)), "the command beats what came");
    publish(&world, &[plan("m2", 5, 40)], "m2");
    assert_eq!(world.balance("studio"), Some((70, 0, 0, 70)), "the same revision is no newer");
    publish(&world, &[plan("m3", 6, 60)], "m3");
    assert_eq!(world.balance("studio"), Some((60, 0, 0, 60)), "the next revision beats the command");
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn a_message_that_waits_for_an_account_is_applied_once_a_command_opens_it() {
    let world = World::new();
    let daemon = world.daemon();
    publish(&world, &[Message::project("m1", "reel", "late", 1, "started", 8)], "m1");
    assert_eq!(world.explain("m1")["outcome"], "parked");
    give(&world, &["account", "open", "late", "--capacity", "10"]);
    wait_until("the parked message is applied", || world.explain("m1")["outcome"] == "applied");
    assert_eq!(world.balance("late"), Some((10, 8, 0, 2)));
    assert_eq!(world.parked(), Vec::<Value>::new());
    assert!(daemon.stop().success());
}

#[test]
fn what_makes_no_difference_as_an_account_is_is_noted() {
    let world = World::new();
    let note = |arguments: &[&str]| {
        let output = world.run(&[arguments, &["--actor", "ops"]].concat());
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(note(&["account", "open", "studio", "--capacity", "5"]), "");
    let said = note(&["account", "set", "studio", "--allocation", "5"]);
    assert_eq!(
        said,
        "creditd: account \"studio\" is standalone: --allocation counts once it is integrated\n"
    );
    assert!(note(&["account", "set", "studio", "--organization", "acme"]).contains("--organization counts"));
    assert!(
        note(&["account", "set", "studio", "--overdraft-limit", "5"]).contains("--on-insufficient overdraw")
    );
    let overdraw = ["account", "set", "studio", "--overdraft-limit", "5", "--on-insufficient", "overdraw"];
    assert_eq!(note(&overdraw), "");
}
