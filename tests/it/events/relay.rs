//! `creditd relay status`.

use serde_json::{Value, json};

use super::publish_books;
use crate::support::{Message, World, wait_until};

/// The exit code, what is said, and what is shown for programs.
fn status(world: &World) -> (i32, String, Value) {
    let output = world.run(&["relay", "status", "--json"]);
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), said, serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn the_relays_status_tells_a_running_daemon_from_one_that_was_killed() {
    let world = World::new();
    let (code, said, fresh) = status(&world);
    let expected = json!({
        "owner": null, "alive": false, "lease_until": null, "epoch": 0, "published": 0, "log_last": 0,
        "lag_events": 0, "lag_ms": 0, "unroutable": 0,
    });
    assert_eq!((code, &*said, fresh), (0, "", expected), "nothing waits, so nobody is missed");

    let mut daemon = world.daemon();
    publish_books(&world);
    let (code, said, running) = status(&world);
    assert_eq!((code, &*said), (0, ""));
    assert_eq!(
        (&running["alive"], &running["published"], &running["log_last"]),
        (&json!(true), &json!(10), &json!(10))
    );
    assert_eq!(
        (&running["lag_events"], &running["unroutable"]),
        (&json!(0), &json!(10)),
        "no queue is bound"
    );
    assert!(running["owner"].is_string() && running["lease_until"].is_string(), "{running}");
    let text = world.text(&["relay", "status"]);
    assert!(text.contains("alive until ") && text.contains("lag              none"), "{text}");

    daemon.kill();
    world.as_owner("update creditd.relay set published = 8");
    wait_until("the lease ends", || status(&world).2["alive"] == false);
    let (code, said, killed) = status(&world);
    assert_eq!(code, 1);
    assert!(
        said.starts_with("creditd: 2 events wait and no relay publishes: is `creditd run` running"),
        "{said}"
    );
    assert_eq!((&killed["owner"], &killed["epoch"]), (&running["owner"], &running["epoch"]));
    assert_eq!(killed["lag_events"], 2);
    assert!(killed["lag_ms"].as_i64().unwrap() > 0, "{killed}");
    let output = world.run(&["relay", "status"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("ended at ") && text.contains("2 events wait, the oldest for "), "{text}");

    let daemon = world.daemon();
    world.wait_until_published();
    assert!(daemon.stop().success());
    let (code, _, stopped) = status(&world);
    assert_eq!((code, &stopped["owner"]), (0, &json!(null)), "a daemon that stops gives the lease back");
}

#[test]
fn a_lease_from_before_the_databases_clock_went_back_is_waited_for_by_nobody() {
    let world = World::new();
    let daemon = world.daemon();
    publish_books(&world);
    assert!(daemon.stop().success());
    world.as_owner("update creditd.relay set owner = 'gone', lease_until = now() + interval '1 hour'");
    let daemon = world.daemon();
    world.publish(&[Message::account("later", "later", 1, json!({ "capacity": 5 }))]);
    world.wait_for_messages(&["later"]);
    world.wait_until_published();
    assert!(daemon.stop().success());
}
