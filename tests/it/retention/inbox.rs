//! Records of project messages, and parked messages that were dealt with.

use serde_json::json;

use super::{known, sweep, would_sweep};
use crate::support::{Message, World, wait_until};

fn messages() -> Vec<Message> {
    vec![
        Message::account("a", "studio", 1, json!({ "capacity": 100, "on_insufficient": "reject" })),
        Message::grant("g", "studio", 5),
        Message::project("p1", "one", "studio", 1, "started", 30),
        Message::project("p2", "one", "studio", 3, "in_progress", 40),
        Message::project("stale", "one", "studio", 2, "started", 10),
        Message::project("rejected", "two", "studio", 1, "started", 90),
        Message::project("waits", "three", "nobody", 1, "started", 1),
        Message::project("came-later", "four", "late", 1, "started", 1),
        Message::account("b", "late", 1, json!({ "capacity": 10 })),
        // The same key with other content: parked as a conflict, for as long as nobody deals with it.
        Message::project("disputed", "five", "studio", 1, "started", 1),
        Message::project("disputed", "five", "studio", 2, "started", 50),
    ]
}

/// All of the above, 500 days ago, and a young message.
fn old_books() -> World {
    let world = World::new();
    let daemon = world.daemon();
    world.publish(&messages());
    world.wait_for_messages(&["disputed"]);
    wait_until("the one whose account appeared is applied", || {
        world.explain("came-later")["outcome"] == "applied"
    });
    wait_until("the conflict is parked", || world.parked().len() == 2);
    world.wait_until_published();
    assert!(daemon.stop().success());
    world.age(500);
    world.assert_verified();
    let daemon = world.daemon();
    world.publish(&[Message::project("young", "one", "studio", 4, "submitted", 45)]);
    world.wait_for_messages(&["young"]);
    world.wait_until_published();
    assert!(daemon.stop().success());
    world
}

#[test]
fn old_records_of_project_messages_go_and_those_that_guard_stay() {
    let world = old_books();
    let entries = world.number("select count(*) from creditd.entry");
    let everything = known(&world);
    assert_eq!(would_sweep(&world)[..2], [5, 1]);
    assert_eq!(known(&world), everything, "a dry run removes nothing");
    assert_eq!(sweep(&world)[..2], [5, 1]);
    assert_eq!(known(&world), ["a", "b", "disputed", "g", "waits", "young"]);
    assert_eq!(world.parked().len(), 2, "what nothing was done about stays");
    assert_eq!(world.number("select count(*) from creditd.entry"), entries);
    world.assert_verified();
    assert_eq!(sweep(&world), [0, 0, 0]);

    let (code, said) = world.failure(&["explain", "message", "/test", "p1"]);
    assert_eq!(code, 1);
    let told =
        "was it published? it may have been removed by retention, which keeps no records of project messages";
    assert!(said.contains(told), "{said}");
    let (_, said) = world.failure(&["explain", "message", "/test", "never-sent"]);
    assert!(said.contains("and of parked ones dealt with before "), "{said}");
}

#[test]
fn a_message_that_comes_again_after_its_record_is_gone_moves_nothing() {
    let world = old_books();
    sweep(&world);
    let books = "select jsonb_build_array(
        (select jsonb_agg(a order by account_id) from creditd.account a),
        (select jsonb_agg(p order by project_id) from creditd.project p),
        (select jsonb_agg(e order by log_number) from creditd.entry e))";
    let before = world.report(books);

    let daemon = world.daemon();
    world.publish(&messages());
    world.publish(&[Message::project("end", "six", "studio", 1, "draft", 0)]);
    world.wait_for_messages(&["end"]);
    world.wait_until_published();
    assert!(daemon.stop().success());
    for id in ["p1", "p2", "stale", "rejected", "came-later"] {
        assert_eq!(world.explain(id)["outcome"], "stale", "{id}");
        assert_eq!(world.explain(id)["entries"], json!([]), "{id}");
    }
    world.as_owner("delete from creditd.project where project_id = 'six'");
    assert_eq!(world.report(books), before);
    world.assert_verified();

    world.age(500);
    assert_eq!(sweep(&world)[0], 7, "those that came again, the young one, and the last");
    world.assert_verified();
}

#[test]
fn a_message_that_waited_parked_keeps_its_record_while_what_it_booked_is_young() {
    let world = World::new();
    let daemon = world.daemon();
    world.publish(&[Message::project("waits", "one", "studio", 1, "started", 30)]);
    world.wait_for_messages(&["waits"]);
    assert!(daemon.stop().success());
    world.age(500);
    let daemon = world.daemon();
    world.publish(&[Message::account("a", "studio", 1, json!({ "capacity": 100 }))]);
    wait_until("it is applied", || world.explain("waits")["outcome"] == "applied");
    world.wait_until_published();
    assert!(daemon.stop().success());

    assert_eq!(sweep(&world), [0, 0, 0]);
    assert_eq!(known(&world), ["a", "waits"]);
    world.assert_verified();
    world.age(500);
    assert_eq!(sweep(&world)[..2], [1, 1]);
    world.assert_verified();
}

#[test]
fn verify_still_finds_a_cause_that_retention_can_not_have_removed() {
    let world = old_books();
    sweep(&world);
    world.assert_verified();
    for (id, entry) in [("young", "45"), ("g", "5")] {
        world.as_superuser("drop table if exists saved; create table saved as table creditd.inbox");
        world.tamper(&format!("delete from creditd.inbox where id = '{id}'"));
        let output = world.run(&["verify"]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{id}, whose entry is about {entry}");
        let finding = format!("names message /test {id} as its cause, which the inbox does not know");
        assert!(said.contains(&finding), "{said}");
        world.tamper("truncate creditd.inbox; insert into creditd.inbox table saved");
    }
    world.assert_verified();
}
