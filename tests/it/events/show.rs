//! One event, as it is published.

use serde_json::json;

use super::publish_books;
use crate::support::World;

#[test]
fn an_event_is_shown_byte_for_byte_as_it_is_published() {
    let world = World::new();
    let events = world.listen();
    let daemon = world.daemon();
    publish_books(&world);
    for heard in events.take_log(10) {
        let number = heard.log_number().to_string();
        let output = world.run(&["events", "show", &number, "--body"]);
        assert!(output.status.success());
        assert_eq!(output.stdout, heard.body, "event {number}");
        let body = String::from_utf8(heard.body).unwrap();
        let expected = json!({
            "log_number": heard.event["sequence"].as_str().unwrap().parse::<i64>().unwrap(),
            "published": true,
            "message_id": heard.message_id,
            "routing_key": heard.routing_key,
            "content_type": "application/cloudevents+json",
            "body": body,
        });
        assert_eq!(world.json(&["events", "show", &number]), expected);
        let text = world.text(&["events", "show", &number]);
        assert!(text.contains("published     yes\n") && text.ends_with(&format!("\n\n{body}\n")), "{text}");
    }
    assert!(daemon.stop().success());

    world.as_owner("update creditd.relay set published = 4");
    assert_eq!(world.json(&["events", "show", "4"])["published"], true);
    assert_eq!(world.json(&["events", "show", "5"])["published"], false);
    let text = world.text(&["events", "show", "5"]);
    assert!(text.contains("published     not yet; the relay has come to 4\n"), "{text}");
}

#[test]
fn a_number_that_has_no_event_is_refused_with_why() {
    let world = World::new();
    let daemon = world.daemon();
    publish_books(&world);
    assert!(daemon.stop().success());
    let (code, said) = world.failure(&["events", "show", "11"]);
    assert_eq!((code, &*said), (1, "creditd: no event 11 is there yet; the last is 10\n"));
    world.tamper("delete from creditd.notice where log_number = 6");
    let (code, said) = world.failure(&["events", "show", "6"]);
    assert_eq!((code, &*said), (1, "creditd: event 6 is missing; run `creditd verify`\n"));
    let (code, _) = world.failure(&["events", "show", "0"]);
    assert_eq!(code, 2);
}
