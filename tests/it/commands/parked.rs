//! What people do about parked messages: offering them again, and discarding them.

use serde_json::{Value, json};

use crate::support::{Daemon, Message, World, wait_until};

/// Forgets what parked messages wait for, so that nothing but a command makes them due.
const NOTHING_TO_WAIT_FOR: &str = "update creditd.parked set waits_for = null";

/// How many messages a daemon is to offer again.
const DUE: &str = "select count(*) from creditd.parked where due and done_at is null";

const DISCARD: [&str; 6] = ["parked", "discard", "--actor", "ann", "--note", "sent by mistake"];

fn discard(world: &World, more: &[&str]) -> Value {
    world.json(&[&DISCARD, more].concat())
}

/// A world with a daemon, and a grant parked as 1 whose account has appeared since without anybody noticing.
fn world_with_a_parked_grant() -> (World, Daemon) {
    let world = World::new();
    let daemon = world.daemon();
    world.publish(&[Message::grant("grant", "late", 50)]);
    world.wait_for_messages(&["grant"]);
    world.as_owner(NOTHING_TO_WAIT_FOR);
    world.publish(&[Message::account("account", "late", 1, json!({ "capacity": 100 }))]);
    world.wait_for_messages(&["account"]);
    (world, daemon)
}

#[test]
fn retry_tells_what_became_of_each_message() {
    let world = World::new();
    let daemon = world.daemon();
    world.publish(&[
        Message::grant("grant", "late", 50),
        Message::project("old", "brief", "late", 1, "started", 7),
        Message::project("large", "film", "small", 1, "started", 7),
        Message::grant("stranger", "nobody", 1),
    ]);
    world.wait_for_messages(&["stranger"]);
    world.as_owner(NOTHING_TO_WAIT_FOR);
    world.publish(&[
        Message::account("a1", "late", 1, json!({ "capacity": 100 })),
        Message::account("a2", "small", 1, json!({ "capacity": 5, "on_insufficient": "reject" })),
        Message::project("new", "brief", "late", 2, "started", 9),
    ]);
    world.wait_for_messages(&["new"]);
    assert_eq!(world.balance("late"), Some((100, 9, 0, 91)));

    let told = world.json(&["parked", "retry", "4", "1", "2", "3", "3"]);
    let outcome = |place: usize| told["messages"][place]["outcome"].clone();
    assert_eq!([0, 1, 2, 3].map(outcome), ["applied", "stale", "rejected", "parked"]);
    let stranger = &told["messages"][3];
    assert_eq!(
        (&stranger["message_id"], &stranger["reason"]),
        (&json!("stranger"), &json!("account_unknown"))
    );
    assert_eq!(told["offered"], 4);
    assert_eq!(told["outcomes"], json!({ "applied": 1, "rejected": 1, "stale": 1 }));
    assert_eq!(told["parked_again"], json!({ "account_unknown": 1 }));
    assert_eq!((&told["still_due"], &told["left_out"]), (&json!(0), &json!({})));
    assert_eq!(world.balance("late"), Some((150, 9, 0, 141)));

    let again = world.text(&["parked", "retry", "--type", "credits.granted.v1"]);
    assert!(again.starts_with("ID  OUTCOME  REASON           SOURCE  MESSAGE   DETAIL\n"), "{again}");
    assert!(again.ends_with("\n\n1 message offered again: 1 parked again (account_unknown)\n"), "{again}");
    let none = world.text(&["parked", "retry", "--reason", "suspect"]);
    assert_eq!(none, "nothing was offered again\n");
    let (code, said) = world.failure(&["parked", "retry", "1"]);
    assert!(code == 1 && said.contains("it was applied at "), "{said}");
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn retry_offers_more_than_a_page_and_leaves_out_what_it_cannot_help() {
    let world = World::new();
    let daemon = world.daemon();
    let mut messages: Vec<_> =
        (0..1_300).map(|number| Message::grant(&format!("g{number}"), "late", 1)).collect();
    messages.push(Message::grant("g0", "late", 2));
    world.publish(&messages);
    wait_until("all are parked", || world.number("select count(*) from creditd.parked") == 1_301);
    world.as_owner(NOTHING_TO_WAIT_FOR);
    world.publish(&[Message::account("account", "late", 1, json!({}))]);
    world.wait_for_messages(&["account"]);

    let told = world.json(&["parked", "retry", "--all"]);
    assert_eq!(told["outcomes"], json!({ "applied": 1_300 }));
    assert_eq!(told["left_out"], json!({ "conflict": 1 }));
    assert_eq!(told["messages"].as_array().unwrap().len(), 1_300);
    assert_eq!(world.balance("late"), Some((1_300, 0, 0, 1_300)));
    let reasons: Vec<_> = world.parked().iter().map(|row| row["reason"].clone()).collect();
    assert_eq!(reasons, ["conflict"]);
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn without_a_daemon_retry_gives_up_and_says_so_and_the_next_daemon_offers_what_was_marked() {
    let (world, daemon) = world_with_a_parked_grant();
    assert!(daemon.stop().success());
    let output = world.run(&["parked", "retry", "1", "--wait-s", "1", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["offered"], &told["still_due"]), (&json!(0), &json!(1)));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains(
            "1 message left, and none was offered in 1 s: no daemon is running: start `creditd run`"
        ),
        "{said}"
    );
    assert_eq!(world.number(DUE), 1);
    let daemon = world.daemon();
    wait_until("the grant is applied", || world.balance("late") == Some((150, 0, 0, 150)));
    assert!(daemon.stop().success());
}

#[test]
fn retry_without_waiting_only_marks() {
    let (world, daemon) = world_with_a_parked_grant();
    assert!(daemon.stop().success());
    let told = world.json(&["parked", "retry", "--all", "--no-wait"]);
    assert_eq!(told, json!({ "due": 1, "left_out": {} }));
    assert_eq!(world.number(DUE), 1);
    let told = world.text(&["parked", "retry", "1", "--no-wait"]);
    assert_eq!(told, "1 message will be offered again by the running daemon, or by the next one\n");
    assert!(world.text(&["parked", "show", "1"]).contains("to be offered again by the daemon"));
}

#[test]
fn what_cannot_succeed_is_refused_with_what_to_do_instead_and_nothing_is_marked() {
    let (world, daemon) = world_with_a_parked_grant();
    let mut reserved = Message::grant("reserved", "late", 1);
    reserved.body = String::from_utf8(reserved.body).unwrap().replace("/test", "creditd/cli").into_bytes();
    world.publish(&[
        Message::grant("grant", "late", 51),
        reserved,
        Message::raw("credits.granted", vec![b' '; 257 * 1024]),
    ]);
    wait_until("all are parked", || world.parked().len() == 4);
    assert!(daemon.stop().success());

    let refusals = [
        ("2", "conflict", "the first message under its id counts"),
        ("3", "reserved_source", "publish it from another source"),
        ("4", "oversize", "publish a smaller one"),
    ];
    for (id, reason, instead) in refusals {
        for arguments in [&["parked", "retry", id][..], &["parked", "retry", "--reason", reason]] {
            let (code, said) = world.failure(arguments);
            assert_eq!(code, 1, "{arguments:?}: {said}");
            assert!(said.contains("can't succeed by being offered again"), "{arguments:?}: {said}");
            assert!(said.contains(reason) && said.contains(instead), "{arguments:?}: {said}");
        }
    }
    let (code, said) = world.failure(&["parked", "retry", "1", "2", "99"]);
    assert_eq!(code, 1);
    assert!(said.contains("2 of 3 messages can't be offered again, so none was:\n"), "{said}");
    assert!(
        said.contains("\n    no message 99 is parked")
            && said.contains("\n    message 2: it is parked for conflict")
    );
    assert_eq!(world.number(DUE), 0, "nothing half done");
}

#[test]
fn a_discarded_message_tells_by_whom_and_why_and_stays_discarded_when_it_comes_again() {
    let (world, daemon) = world_with_a_parked_grant();
    let grant = Message::grant("grant", "late", 50);
    let conflict = Message::grant("grant", "late", 51);
    let unreadable = Message::raw("credits.granted", "not json");
    let wrong = Message::grant("wrong", "late", 0);
    let all = [grant, conflict, unreadable, wrong];
    // One by one, for a message's place among those published together is one of its properties.
    let publish = |messages: &[Message]| messages.chunks(1).for_each(|message| world.publish(message));
    publish(&all[1..]);
    wait_until("all are parked", || world.parked().len() == 4);

    let told = discard(&world, &["1", "2", "3", "4"]);
    assert_eq!(told, json!({ "discarded": 4, "actor": "ann", "note": "sent by mistake" }));
    assert_eq!(world.parked(), [json!(null); 0]);
    let (code, said) = world.failure(&[&DISCARD[..], &["4"]].concat());
    assert!(
        code == 1 && said.contains("message 4: it was discarded by ann at ")
            || said.contains("it was discarded")
    );

    publish(&all);
    world.publish(&[Message::account("last", "other", 1, json!({}))]);
    world.wait_for_messages(&["last"]);
    assert_eq!(world.parked(), [json!(null); 0], "they stay discarded");
    let done = world.json(&["parked", "list", "--done"]);
    let came: Vec<_> = done.as_array().unwrap().iter().map(|row| row["deliveries"].clone()).collect();
    assert_eq!(came, [2, 2, 2, 2], "and are counted");
    assert_eq!(world.balance("late"), Some((100, 0, 0, 100)));

    let explained = world.explain("grant");
    assert_eq!((&explained["outcome"], &explained["deliveries"]), (&json!("parked"), &json!(2)));
    assert_eq!(explained["conflicts"], 2);
    assert_eq!(
        (&explained["parked"][0]["id"], &explained["parked"][1]["reason"]),
        (&json!(1), &json!("conflict"))
    );
    let discarded = &explained["parked"][0]["discarded"];
    assert_eq!((&discarded["actor"], &discarded["note"]), (&json!("ann"), &json!("sent by mistake")));
    let text = world.text(&["explain", "message", "/test", "grant"]);
    assert!(text.contains("as 1 for account_unknown; done: discarded by ann at "), "{text}");
    assert_eq!(world.explain("wrong")["parked"][0]["outcome"], "discarded");
    let listed = world.text(&["parked", "list", "--done"]);
    assert!(listed.contains("discarded") && listed.contains("sent by mistake"), "{listed}");
    assert!(daemon.stop().success());
}

#[test]
fn a_discarded_message_comes_back_only_if_that_is_asked_for() {
    let (world, daemon) = world_with_a_parked_grant();
    discard(&world, &["1"]);
    let (code, said) = world.failure(&["parked", "retry", "1"]);
    assert_eq!(code, 1);
    assert!(
        said.contains("message 1: it was discarded by ann at ")
            && said.contains("--discarded brings it back"),
        "{said}"
    );
    assert_eq!(world.text(&["parked", "retry", "--all"]), "nothing was offered again\n");

    let told = world.json(&["parked", "retry", "1", "--discarded"]);
    assert_eq!(told["outcomes"], json!({ "applied": 1 }));
    assert_eq!(world.balance("late"), Some((150, 0, 0, 150)));
    let shown = world.text(&["parked", "show", "1"]);
    assert!(
        shown.contains("; before, discarded by ann at ") && shown.contains(", and brought back"),
        "{shown}"
    );
    assert_eq!(world.explain("grant")["outcome"], "applied");
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn a_filter_that_matches_several_discards_them_only_with_yes() {
    let world = World::new();
    let daemon = world.daemon();
    world.publish(&[
        Message::grant("g1", "nobody", 1),
        Message::grant("g2", "nobody", 2),
        Message::grant("g3", "somebody", 3),
        Message::project("p", "brief", "nobody", 1, "started", 1),
        Message::grant("wrong", "nobody", 0),
    ]);
    wait_until("all are parked", || world.parked().len() == 5);
    let summary = world.json(&["parked", "list", "--summary"]);
    let counts: Vec<_> =
        summary.as_array().unwrap().iter().map(|row| (&row["reason"], &row["messages"])).collect();
    assert_eq!(counts, [(&json!("account_unknown"), &json!(4)), (&json!("invalid_data"), &json!(1))]);
    let ids = |filter: &[&str]| {
        let listed = world.json(&[&["parked", "list"], filter].concat());
        listed.as_array().unwrap().iter().map(|row| row["message_id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&["--waits-for", "account:nobody", "--type", "credits.granted.v1"]), ["g1", "g2"]);
    assert_eq!(ids(&["--older-than", "1d"]).len(), 0);
    world.as_owner(
        "update creditd.parked set received_at = received_at - interval '2 days' where message_id = 'p'",
    );
    assert_eq!(ids(&["--older-than", "1d"]), ["p"]);

    let filter = ["--waits-for", "account:nobody"];
    let (code, said) = world.failure(&[&DISCARD[..], &filter].concat());
    assert_eq!(code, 1);
    assert!(said.contains("3 messages match (3 account_unknown), and none was discarded"), "{said}");
    assert_eq!(world.parked().len(), 5);
    assert_eq!(
        discard(&world, &["--waits-for", "account:somebody"])["discarded"],
        1,
        "a single one needs no --yes"
    );
    assert_eq!(discard(&world, &[&filter[..], &["--yes"]].concat())["discarded"], 3);
    assert_eq!(ids(&[]), ["wrong"]);
    assert!(daemon.stop().success());
}

#[test]
fn who_discards_is_the_login_name_unless_somebody_is_named() {
    let (world, daemon) = world_with_a_parked_grant();
    let arguments = ["parked", "discard", "1", "--note", "sent by mistake"];
    let (code, said) = world.failure(&arguments);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("type --actor NAME"), "{said}");
    assert!(world.command(&arguments).env("LOGNAME", "bert").output().unwrap().status.success());
    assert_eq!(world.json(&["parked", "show", "1"])["discarded"]["actor"], "bert");
    assert!(daemon.stop().success());
}

/// Makes the parked grant look as an older version would have left it that didn't know its type.
const AS_OF_AN_OLDER_VERSION: &str = "
    update creditd.parked set reason = 'unknown_type', waits_for = null;
    delete from creditd.inbox where id = 'grant'";

#[test]
fn what_an_older_version_did_not_know_the_type_of_is_applied_when_a_newer_one_begins_to_consume() {
    let (world, daemon) = world_with_a_parked_grant();
    assert!(daemon.stop().success());
    world.as_owner(AS_OF_AN_OLDER_VERSION);
    let daemon = world.daemon();
    wait_until("the grant is applied", || world.balance("late") == Some((150, 0, 0, 150)));
    assert_eq!(world.explain("grant")["outcome"], "applied");
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn what_is_still_not_known_is_offered_once_and_what_comes_behind_it_too() {
    let mut world = World::new();
    world.set("CREDITD__BATCH__MESSAGES_MAX", "2");
    let daemon = world.daemon();
    let early: Vec<_> = (0..5).map(|number| Message::grant(&format!("early-{number}"), "late", 1)).collect();
    world.publish(&early);
    world.wait_for_messages(&["early-4"]);
    assert!(daemon.stop().success());
    // Of a known type, and still without an account: they are parked anew.
    world.as_owner("update creditd.parked set reason = 'unsupported', waits_for = null");
    let daemon = world.daemon();
    wait_until("all are parked anew", || {
        world.parked().iter().all(|row| row["reason"] == "account_unknown" && row["due"] == false)
    });
    // What is said of a commit is said after it.
    let offers = || daemon.count_in_log("offered parked messages again");
    wait_until("the last offer is told of", || offers() >= 3);
    assert_eq!(offers(), 3, "{}", daemon.log());
    assert!(daemon.stop().success());
}

#[test]
fn a_newer_version_that_stood_by_applies_it_when_it_takes_over() {
    let (world, mut first) = world_with_a_parked_grant();
    let second = world.daemon_named("second");
    world.as_owner(AS_OF_AN_OLDER_VERSION);
    first.kill();
    world.publish(&[Message::account("other", "other", 1, json!({}))]);
    wait_until("the grant is applied", || world.balance("late") == Some((150, 0, 0, 150)));
    assert!(second.stop().success());
}

#[test]
fn what_was_discarded_before_it_could_be_read_is_not_applied_by_a_version_that_can() {
    let (world, daemon) = world_with_a_parked_grant();
    assert!(daemon.stop().success());
    world.as_owner(AS_OF_AN_OLDER_VERSION);
    discard(&world, &["1"]);
    let daemon = world.daemon();
    world.publish(&[Message::grant("grant", "late", 50), Message::account("last", "other", 1, json!({}))]);
    world.wait_for_messages(&["last"]);
    assert_eq!(world.balance("late"), Some((100, 0, 0, 100)));
    let explained = world.explain("grant");
    assert_eq!(
        (&explained["parked"][0]["outcome"], &explained["deliveries"]),
        (&json!("discarded"), &json!(2))
    );

    // Other data under the same key is another message, and nobody discarded that.
    world.publish(&[Message::grant("grant", "late", 49)]);
    wait_until("it is applied", || world.balance("late") == Some((149, 0, 0, 149)));
    world.assert_verified();
    assert!(daemon.stop().success());
}
