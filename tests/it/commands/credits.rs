//! Credits granted, corrected and transferred by command.

use serde_json::json;

use super::{give, moved, moves, refuse};
use crate::support::{Message, World, wait_until};

const WHY: [&str; 2] = ["--reason", "agreed"];

#[test]
fn credits_are_granted_and_corrected_on_accounts_and_pools() {
    let world = World::new();
    give(&world, &["organization", "open", "acme", "--capacity", "10"]);
    give(&world, &["account", "open", "studio", "--capacity", "10"]);
    let credits = |arguments: &[&str]| moved(&give(&world, &[&["credits"], arguments, &WHY].concat()));
    assert_eq!(credits(&["grant", "studio", "5"]), moves([("studio", "grant", 5)]));
    assert_eq!(credits(&["grant", "--organization", "acme", "7"]), moves([("pool:acme", "grant", 7)]));
    // Wherever a number below zero stands, it is one.
    assert_eq!(credits(&["adjust", "studio", "-2"]), moves([("studio", "adjustment", 2)]));
    assert_eq!(credits(&["adjust", "-3", "--organization", "acme"]), moves([("pool:acme", "adjustment", 3)]));
    assert_eq!(credits(&["adjust", "--organization", "acme", "-1"]), moves([("pool:acme", "adjustment", 1)]));
    assert_eq!(world.balance("studio"), Some((13, 0, 0, 13)));
    assert_eq!(world.balance("pool:acme"), Some((13, 0, 0, 13)));

    let told = refuse(&world, &[&["credits", "adjust", "studio", "-20"], &WHY[..]].concat());
    assert!(told["instead"].as_str().unwrap().contains("`creditd credits adjust studio -13 --reason WHY`"));
    let pool = ["credits", "adjust", "--organization", "acme", "-20"];
    let told = refuse(&world, &[&pool, &WHY[..]].concat());
    assert!(told["instead"].as_str().unwrap().contains("adjust --organization acme -13"), "{told}");
    let told = refuse(&world, &[&["credits", "grant", "nobody", "5"], &WHY[..]].concat());
    assert!(told["refused"].as_str().unwrap().starts_with("no account \"nobody\" is known"), "{told}");
    let told = refuse(&world, &[&["credits", "grant", "--organization", "none", "5"], &WHY[..]].concat());
    assert!(told["refused"].as_str().unwrap().starts_with("no organization \"none\" is known"), "{told}");
    world.assert_verified();
}

#[test]
fn credits_are_transferred_all_or_nothing_between_integrated_accounts_of_one_organization() {
    let world = World::new();
    let daemon = world.daemon();
    give(&world, &["organization", "open", "acme", "--capacity", "100"]);
    for account in ["film", "art"] {
        let open = ["account", "open", account, "--kind", "integrated", "--organization", "acme"];
        give(&world, &[&open[..], &["--allocation", "40"]].concat());
    }
    give(&world, &["account", "open", "studio", "--capacity", "10"]);
    world.publish(&[
        Message::project("m1", "reel", "film", 1, "started", 30),
        Message::project("m2", "poster", "art", 1, "started", 45),
    ]);
    world.wait_for_messages(&["m2"]);

    let transfer = |from: &'static str, to: &'static str, credits: &'static str| {
        [&["credits", "transfer", from, to, credits], &WHY[..]].concat()
    };
    let short = refuse(&world, &transfer("film", "art", "15"));
    assert_eq!((&short["in_use_on"], &short["projects"][0]["project_id"]), (&json!("film"), &json!("reel")));
    assert!(short["instead"].as_str().unwrap().contains("transfer film art 10 --reason WHY`"), "{short}");
    let alien = refuse(&world, &transfer("film", "studio", "1"));
    assert!(alien["refused"].as_str().unwrap().contains("\"studio\" is not an integrated one"), "{alien}");
    // What it gets is at once held by what waited for it.
    let told = give(&world, &transfer("film", "art", "10"));
    let expected =
        [("film", "transfer", 10), ("art", "transfer", 10), ("art", "hold", 45), ("pool:acme", "hold", 45)];
    assert_eq!(moved(&told), moves(expected));
    let entry = &told["events"][0]["data"]["entry"];
    assert_eq!((&entry["reason"], &entry["actor"]), (&json!("agreed"), &json!("ops")));
    assert_eq!(world.balance("film"), Some((30, 30, 0, 0)));
    assert_eq!(world.balance("art"), Some((50, 45, 0, 5)));
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn grants_with_a_term_are_listed_with_what_is_left_and_end_by_themselves() {
    let world = World::new();
    let daemon = world.daemon();
    give(&world, &["account", "open", "payg", "--mode", "consume", "--on-insufficient", "queue"]);
    give(&world, &["account", "open", "other"]);
    let grant = |account: &str, credits: &str, expires: &str| {
        give(&world, &[&["credits", "grant", account, credits, "--expires", expires], &WHY[..]].concat())
    };
    grant("payg", "20", "2100-01-01T00:00:00Z");
    grant("payg", "10", "2099-01-01T00:00:00Z");
    grant("other", "5", "2098-01-01T00:00:00Z");
    world.publish(&[Message::project("m1", "reel", "payg", 1, "finalized", 13)]);
    world.wait_for_messages(&["m1"]);

    let listed = |arguments: &[&str]| {
        let grants = world.json(&[&["credits", "grants"], arguments].concat());
        let left = |grant: &serde_json::Value| (grant["credits"].as_i64(), grant["credits_left"].as_i64());
        grants.as_array().unwrap().iter().map(left).collect::<Vec<_>>()
    };
    assert_eq!(listed(&["payg"]), [(Some(20), Some(17))], "what expires first is used up first");
    assert_eq!(listed(&["payg", "--all"]), [(Some(10), Some(0)), (Some(20), Some(17))]);
    assert_eq!(listed(&[]), [(Some(5), Some(5)), (Some(20), Some(17))]);
    assert_eq!(listed(&["--limit", "1"]), [(Some(5), Some(5))]);
    let text = world.text(&["credits", "grants", "other"]);
    assert!(text.contains("2098-01-01T00:00:00Z  open   ops  agreed"), "{text}");
    let (code, said) = world.failure(&["credits", "grants", "nobody"]);
    assert!(code == 1 && said.contains("no account \"nobody\" is known"), "{said}");

    // Its time is moved, for nobody waits that long.
    world.as_owner("update creditd.credit_grant set expires_at = now() where account_id = 'other'");
    wait_until("the grant ends", || world.balance("other") == Some((0, 0, 0, 0)));
    world.assert_verified();
    assert!(daemon.stop().success());
}
