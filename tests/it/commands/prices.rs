//! Price lists by command.

use serde_json::{Value, json};

use super::{give, moved, moves, refuse};
use crate::support::{World, message};

/// What everything costs, as `price list` says it.
fn prices(world: &World, arguments: &[&str]) -> Vec<(String, i64)> {
    let listed = world.json(&[&["price", "list"], arguments].concat());
    let price =
        |price: &Value| (price["type"].as_str().unwrap().to_owned(), price["credits"].as_i64().unwrap());
    listed["prices"].as_array().unwrap().iter().map(price).collect()
}

fn costs<const N: usize>(expected: [(&str, i64); N]) -> Vec<(String, i64)> {
    expected.map(|(what, credits)| (what.to_owned(), credits)).into()
}

#[test]
fn prices_are_set_removed_and_replaced_and_every_version_is_kept() {
    let world = World::new();
    give(&world, &["price", "set", "video=10", "photo=5", "--reason", "first"]);
    give(&world, &["price", "set", "photo=6", "song=3"]);
    assert_eq!(prices(&world, &[]), costs([("photo", 6), ("song", 3), ("video", 10)]));
    give(&world, &["price", "remove", "song"]);
    assert_eq!(prices(&world, &[]), costs([("photo", 6), ("video", 10)]));
    let told = refuse(&world, &["price", "remove", "song"]);
    assert!(told["refused"].as_str().unwrap().contains("no price for \"song\" to remove"), "{told}");
    give(&world, &["price", "set", "film=100", "--replace"]);
    assert_eq!(prices(&world, &[]), costs([("film", 100)]));
    let file = world.file("prices.toml");
    std::fs::write(&file, "[prices]\n\"Video.4K\" = 20\nphoto = 4\n").unwrap();
    give(&world, &["price", "set", "song=2", "--from-file", file.to_str().unwrap()]);
    assert_eq!(prices(&world, &[]), costs([("Video.4K", 20), ("film", 100), ("photo", 4), ("song", 2)]));

    let history = world.json(&["price", "history"]);
    let history = history.as_array().unwrap();
    let numbers: Vec<_> = history.iter().map(|version| version["number"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert_eq!(history[0]["prices"], json!({ "photo": 5, "video": 10 }));
    let said = [&history[0]["actor"], &history[0]["reason"], &history[0]["source"]];
    assert_eq!(said, [&json!("ops"), &json!("first"), &json!("creditd/cli")]);
    let second = history[1]["starts_at"].as_str().unwrap();
    assert_eq!(prices(&world, &["--at", second]), costs([("photo", 6), ("song", 3), ("video", 10)]));
    assert_eq!(prices(&world, &["--at", "2020-01-01T00:00:00Z"]), costs([]));
    let text = world.text(&["price", "history"]);
    assert!(text.contains("photo 5 -> 6, song 3") && text.contains("no song"), "{text}");
    let none = refuse(&world, &["price", "set", "video=1", "--organization", "none"]);
    assert!(none["refused"].as_str().unwrap().starts_with("no organization \"none\" is known"), "{none}");
    world.assert_verified();
}

#[test]
fn an_organizations_own_prices_go_before_the_default_ones() {
    let world = World::new();
    give(&world, &["organization", "open", "acme"]);
    give(&world, &["price", "set", "video=10", "photo=5"]);
    give(&world, &["price", "set", "video=8", "--organization", "acme"]);
    assert_eq!(prices(&world, &["--organization", "acme"]), costs([("photo", 5), ("video", 8)]));
    assert_eq!(prices(&world, &[]), costs([("photo", 5), ("video", 10)]));
    give(&world, &["price", "remove", "video", "--organization", "acme"]);
    assert_eq!(prices(&world, &["--organization", "acme"]), costs([("photo", 5), ("video", 10)]));
    let (code, said) = world.failure(&["price", "list", "--organization", "none"]);
    assert!(code == 1 && said.contains("no organization \"none\" is known"), "{said}");
}

#[test]
fn a_change_starts_from_the_list_that_is_in_force_when_it_starts() {
    let world = World::new();
    give(&world, &["price", "set", "video=10", "photo=5"]);
    give(&world, &["price", "set", "video=12", "--effective", "2100-01-01T00:00:00Z"]);
    let now = world.run(&["price", "set", "photo=6", "--actor", "ops"]);
    let said = String::from_utf8(now.stderr).unwrap();
    assert!(said.contains("price list 2, announced before, takes over at 2100-01-01T00:00:00Z"), "{said}");
    give(&world, &["price", "set", "song=1", "--effective", "2101-01-01T00:00:00Z"]);
    assert_eq!(prices(&world, &[]), costs([("photo", 6), ("video", 10)]));
    assert_eq!(prices(&world, &["--at", "2100-06-01T00:00:00Z"]), costs([("photo", 5), ("video", 12)]));
    let last = costs([("photo", 5), ("song", 1), ("video", 12)]);
    assert_eq!(prices(&world, &["--at", "2101-06-01T00:00:00Z"]), last);
}

#[test]
fn of_changes_given_at_the_same_time_none_is_lost() {
    let world = World::new();
    let lock = world.hold_open("select * from creditd.ledger for update");
    let given: Vec<_> = (0..6)
        .map(|number| {
            let price = format!("type-{number}={number}");
            world
                .command(&["price", "set", &price, "--actor", "ops"])
                .stdout(std::process::Stdio::null())
                .spawn()
        })
        .collect();
    // All have read what there was to read, and wait for the lock.
    world.wait_until_somebody_is_blocked();
    drop(lock);
    for process in given {
        assert!(process.unwrap().wait().unwrap().success());
    }
    let expected: Vec<_> = (0..6).map(|number| (format!("type-{number}"), number)).collect();
    assert_eq!(prices(&world, &[]), expected);
}

#[test]
fn an_unpriced_project_is_held_once_its_price_is_set() {
    let world = World::new();
    let daemon = world.daemon();
    give(&world, &["account", "open", "studio", "--capacity", "100"]);
    let brief = json!({ "project_id": "reel", "account_id": "studio", "revision": 1, "status": "started",
                        "deliverables": [{ "type": "video", "quantity": 3 }] });
    world.publish(&[message("m1", "project.status_changed.v1", &brief)]);
    world.wait_for_messages(&["m1"]);
    assert_eq!(world.json(&["project", "show", "reel"])["state"], "unpriced");
    let told = give(&world, &["price", "set", "video=10"]);
    assert_eq!(moved(&told), moves([("studio", "hold", 30)]));
    assert_eq!(told["events"][0]["data"]["cause"]["id"], told["id"]);
    assert_eq!(world.balance("studio"), Some((100, 30, 0, 70)));
    give(&world, &["price", "set", "video=20"]);
    assert_eq!(world.balance("studio"), Some((100, 30, 0, 70)), "a price that was computed stays");
    world.assert_verified();
    assert!(daemon.stop().success());
}
