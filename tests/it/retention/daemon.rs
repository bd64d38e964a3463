//! The daemon's own sweep.

use serde_json::json;

use super::known;
use crate::support::{Message, World, wait_until};

#[test]
fn the_daemon_sweeps_by_itself_says_so_and_keeps_what_is_switched_off() {
    let mut world = World::new();
    world.set("CREDITD__RETENTION__NOTICES_DAYS", "off");
    let daemon = world.daemon();
    world.publish(&[
        Message::account("a", "studio", 1, json!({ "capacity": 100 })),
        Message::project("p1", "one", "studio", 1, "started", 90),
        Message::project("p2", "one", "studio", 2, "finalized", 90),
    ]);
    world.wait_for_messages(&["p2"]);
    world.wait_until_published();
    assert!(daemon.stop().success());
    world.age(500);
    world.as_owner("update creditd.retention set swept_at = null");
    let notices = world.number("select count(*) from creditd.notice");
    assert!(notices > 0);

    let daemon = world.daemon_named("sweeps");
    wait_until("the old records are gone", || known(&world) == ["a"]);
    daemon.wait_for_log("removed old records of project messages");
    assert_eq!(daemon.count_in_log("\"removed\":2"), 1, "{}", daemon.log());
    world.publish(&[Message::project("p3", "two", "studio", 1, "started", 10)]);
    world.wait_for_messages(&["p3"]);
    assert!(daemon.stop().success());
    assert_eq!(daemon_warnings(&world), 0);
    assert_eq!(world.number("select count(*) from creditd.notice"), notices);
    world.assert_verified();
}

/// How many lines of the daemon's log warn.
fn daemon_warnings(world: &World) -> usize {
    let log = std::fs::read_to_string(world.file("sweeps.log")).unwrap();
    log.lines().filter(|line| line.contains("\"WARN\"") || line.contains("\"ERROR\"")).count()
}
