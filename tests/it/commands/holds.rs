//! Holds released, restored and tried again by command.

use serde_json::json;

use super::{give, moved, moves, refuse};
use crate::support::{Message, World};

fn say(world: &World, id: &str, project: &str, revision: i64, status: &str, credits: i64) {
    world.publish(&[Message::project(id, project, "studio", revision, status, credits)]);
    world.wait_for_messages(&[id]);
}

#[test]
fn a_hold_is_released_and_what_the_upstream_says_later_counts_as_if_nothing_had_been() {
    let world = World::new();
    let daemon = world.daemon();
    give(&world, &["account", "open", "studio", "--capacity", "10"]);
    say(&world, "m1", "reel", 1, "started", 8);
    say(&world, "m2", "spot", 1, "started", 5);
    let release = ["hold", "release", "reel", "--reason", "gone quiet"];
    let told = give(&world, &release);
    assert_eq!(moved(&told), moves([("studio", "release", 8), ("studio", "hold", 5)]), "who waited is next");
    assert_eq!(world.json(&["project", "show", "reel"])["status"], "released_by_operator");
    let again = refuse(&world, &release);
    assert!(again["refused"].as_str().unwrap().contains("there is nothing to release"), "{again}");

    say(&world, "m3", "reel", 2, "finalized", 8);
    assert_eq!(world.balance("studio"), Some((10, 5, 0, 5)), "a later finalize does no harm");
    let late = refuse(&world, &["hold", "restore", "reel", "--reason", "mistaken"]);
    assert!(late["refused"].as_str().unwrap().contains("its status is finalized"), "{late}");
    say(&world, "m4", "reel", 3, "under_revision", 4);
    assert_eq!(world.balance("studio"), Some((10, 9, 0, 1)), "a later status holds again");
    let unknown = refuse(&world, &["hold", "release", "none", "--reason", "why"]);
    assert!(unknown["refused"].as_str().unwrap().contains("no project \"none\" is known"), "{unknown}");
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn a_mistaken_release_is_undone_by_a_claim_at_the_end_of_the_queue() {
    let world = World::new();
    let daemon = world.daemon();
    give(&world, &["account", "open", "studio", "--capacity", "10"]);
    say(&world, "m1", "reel", 1, "in_progress", 8);
    say(&world, "m2", "spot", 1, "started", 5);
    give(&world, &["hold", "release", "reel", "--reason", "gone quiet"]);
    let told = give(&world, &["hold", "restore", "reel", "--reason", "mistaken"]);
    assert_eq!(moved(&told), []);
    assert_eq!(
        (&told["balances"][0]["account_id"], &told["balances"][0]["held"]),
        (&json!("studio"), &json!(5))
    );
    let queued = told["events"].as_array().unwrap().iter().find(|event| event["type"] == "credits.hold.v1");
    assert_eq!(queued.unwrap()["data"]["state"], "queued", "spot was quicker");
    let project = world.json(&["project", "show", "reel"]);
    assert_eq!((&project["status"], &project["state"]), (&json!("in_progress"), &json!("queued")));
    say(&world, "m3", "spot", 2, "finalized", 5);
    assert_eq!(world.balance("studio"), Some((10, 8, 0, 2)));
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn a_refused_hold_is_tried_again() {
    let world = World::new();
    let daemon = world.daemon();
    give(&world, &["account", "open", "studio", "--capacity", "10", "--on-insufficient", "reject"]);
    say(&world, "m1", "reel", 1, "started", 8);
    say(&world, "m2", "spot", 1, "started", 5);
    assert_eq!(world.explain("m2")["outcome"], "rejected");
    let short = refuse(&world, &["hold", "retry", "spot"]);
    assert!(short["refused"].as_str().unwrap().contains("account \"studio\" lacks 3 credits"), "{short}");
    give(&world, &["account", "set", "studio", "--capacity", "20"]);
    assert_eq!(moved(&give(&world, &["hold", "retry", "spot"])), moves([("studio", "hold", 5)]));
    let held = refuse(&world, &["hold", "retry", "spot"]);
    assert!(held["refused"].as_str().unwrap().contains("was not refused"), "{held}");

    // A restored claim is refused by the policy like any other.
    give(&world, &["hold", "release", "reel", "--reason", "gone quiet"]);
    say(&world, "m3", "clip", 1, "started", 15);
    let restore = ["hold", "restore", "reel", "--reason", "mistaken"];
    assert_eq!(give(&world, &restore)["outcome"], "hold_refused");
    world.assert_verified();
    assert!(daemon.stop().success());
}
