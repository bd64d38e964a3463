//! Alerts and hold events.

use serde_json::json;

use super::{sweep, would_sweep};
use crate::support::{Message, World};

/// Books whose log is, of 500 days ago: 1 plan 100 of `studio`, 2 hold 30, 3 hold 60, 4 alert (credits low), 5 a
/// hold of 20 waits, 6 alert (queue blocked), 7 grant of 5 on `other`; and of now: 8 the hold wants 25.
fn old_books() -> World {
    let world = World::new();
    let daemon = world.daemon();
    world.publish(&[
        Message::account("a", "studio", 1, json!({ "capacity": 100 })),
        Message::project("p1", "one", "studio", 1, "started", 30),
        Message::project("p2", "two", "studio", 1, "started", 60),
        Message::project("p3", "three", "studio", 1, "started", 20),
        Message::account("b", "other", 1, json!({})),
        Message::grant("g", "other", 5),
    ]);
    world.wait_for_messages(&["g"]);
    world.wait_until_published();
    assert!(daemon.stop().success());
    world.age(500);
    let daemon = world.daemon();
    world.publish(&[Message::project("p4", "three", "studio", 2, "started", 25)]);
    world.wait_for_messages(&["p4"]);
    world.wait_until_published();
    assert!(daemon.stop().success());
    world
}

/// The numbers of the notices that are left.
fn left(world: &World) -> Vec<i64> {
    let rows: Vec<(i64,)> = world.rows("select log_number from creditd.notice order by 1");
    rows.into_iter().map(|(number,)| number).collect()
}

/// What `verify` finds; it must find something.
fn findings(world: &World) -> String {
    let output = world.run(&["verify"]);
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn published_notices_go_oldest_first_and_verify_counts_from_what_is_left() {
    let world = old_books();
    let before = left(&world);
    assert_eq!(before[..3], [4, 5, 6]);
    assert!(before.len() > 3, "the young message was told of: {before:?}");
    world.as_owner("update creditd.relay set published = 4");
    assert_eq!(would_sweep(&world)[2], 1);
    assert_eq!(sweep(&world)[2], 1, "what is not published yet stays");
    assert_eq!(left(&world), before[1..]);
    world.assert_verified();
    world.as_owner("update creditd.relay set published = (select log_last from creditd.ledger)");
    assert_eq!(sweep(&world)[2], 2);
    assert_eq!(left(&world), before[3..]);
    world.assert_verified();
    assert_eq!(world.number("select notices_removed_through from creditd.retention"), 6);

    let explained = world.explain("p4");
    assert_eq!(explained["notices_removed"], 0);
    assert!(!explained["notices"].as_array().unwrap().is_empty());

    world.age(500);
    sweep(&world);
    assert_eq!(left(&world).len(), 0, "none is left, and the counts still agree");
    world.assert_verified();
}

#[test]
fn explain_says_how_many_notices_of_a_message_are_gone() {
    let mut world = old_books();
    world.set("CREDITD__RETENTION__INBOX_DAYS", "off");
    sweep(&world);
    let explained = world.explain("p3");
    assert_eq!((&explained["notices"], &explained["notices_removed"]), (&json!([]), &json!(2)));
    let text = world.text(&["explain", "message", "/test", "p3"]);
    assert!(
        text.ends_with("it moved no credits\n\nretention removed 2 alerts and hold events of it\n"),
        "{text}"
    );
}

#[test]
fn verify_finds_what_went_missing_by_other_hands_above_and_below_the_mark() {
    let world = old_books();
    sweep(&world);
    world.assert_verified();
    world.as_superuser(
        "create schema saved;
         create table saved.account as table creditd.account; create table saved.entry as table creditd.entry;
         create table saved.notice as table creditd.notice; create table saved.retention as table creditd.retention",
    );
    let forgeries: [(&str, &[&str]); 6] = [
        (
            "delete from creditd.notice where log_number = (select min(log_number) from creditd.notice)",
            &["log: numbers 8 to 8 are missing"],
        ),
        (
            "delete from creditd.entry where log_number = 2",
            &[
                "account studio: entry 3 has sequence 3, expected 2",
                "log: retention removed 3 notices, all up to number 6; up to there are 2 entries and 0 notices",
            ],
        ),
        (
            "delete from creditd.notice where log_number = 8;
             update creditd.retention set notices_removed_through = 8",
            &[
                "log: retention removed 3 notices, all up to number 8; up to there are 4 entries and 0 notices",
                "log: accounts count 4 notices; there are 0, and retention removed 3",
            ],
        ),
        (
            "update creditd.retention set notices_removed = 4",
            &["log: retention removed 4 notices, all up to number 6", "notices; there are "],
        ),
        (
            "update creditd.retention set notices_removed_through = 100, notices_removed = 100",
            &["log: retention removed up to number 100, and "],
        ),
        (
            "update creditd.account set alerts = alerts + 1 where account_id = 'other'",
            &["log: accounts count "],
        ),
    ];
    for (forgery, expected) in forgeries {
        world.tamper(forgery);
        let said = findings(&world);
        for finding in expected {
            assert!(said.contains(finding), "{forgery}: no {finding:?} in {said}");
        }
        world.tamper(
            "truncate creditd.account, creditd.entry, creditd.notice, creditd.retention;
             insert into creditd.account table saved.account; insert into creditd.entry table saved.entry;
             insert into creditd.notice table saved.notice; insert into creditd.retention table saved.retention",
        );
    }
    world.assert_verified();
}
