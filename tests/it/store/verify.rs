//! `verify` against books that somebody has tampered with.

use serde_json::{Value, json};

use crate::support::{Message, World};

/// The tables that cases tamper with, as they were.
const SAVE: &str = "
    create schema saved;
    create table saved.account as table creditd.account;
    create table saved.project as table creditd.project;
    create table saved.entry as table creditd.entry;
    create table saved.notice as table creditd.notice";
const RESTORE: &str = "
    set session_replication_role = replica;
    truncate creditd.account, creditd.project, creditd.entry, creditd.notice;
    insert into creditd.account table saved.account;
    insert into creditd.project table saved.project;
    insert into creditd.entry table saved.entry;
    insert into creditd.notice table saved.notice";

/// A world whose log is: 1 plan 100, 2 hold 30 for `one`, 3 hold 60 for `two`, 4 alert (credits low), 5 `three`
/// waits for 20, 6 alert (queue blocked), 7 grant of 5 on `other`.
fn books() -> World {
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
    assert!(daemon.stop().success());
    let log = world.report(
        "select jsonb_agg(kind order by log_number) from (
             select log_number, kind from creditd.entry
             union all select log_number, kind from creditd.notice) log",
    );
    assert_eq!(log, json!(["plan", "hold", "hold", "alert", "hold", "alert", "grant"]));
    world.as_superuser(SAVE);
    world
}

/// Something that is done to the books, and what `verify` must find: where, and words of what.
type Case = (&'static str, &'static [(&'static str, &'static str)]);

const CASES: [Case; 14] = [
    (
        "update creditd.entry set credits = credits + 5 where log_number = 2",
        &[
            ("account studio", "entry 2: its digest does not follow from it and the entry before"),
            (
                "account studio",
                "entry 2 does not continue the balance before it: held is -5, its entries say 0 (-5)",
            ),
            ("project one", "holds 30 and used up 0; its entries there say 35 (-5) and 0 (+0)"),
        ],
    ),
    (
        "update creditd.entry set reason = 'a gift' where log_number = 7",
        &[("account other", "entry 7: its digest does not follow")],
    ),
    (
        "update creditd.entry set at = at + interval '1 microsecond' where log_number = 1",
        &[("account studio", "entry 1: its digest does not follow")],
    ),
    (
        "update creditd.entry set digest = decode(repeat('ab', 32), 'hex') where log_number = 2",
        &[
            ("account studio", "entry 2: its digest does not follow"),
            ("account studio", "entry 3: its digest does not follow"),
        ],
    ),
    (
        "update creditd.entry set digest = decode(repeat('ab', 32), 'hex') where log_number = 7",
        &[
            ("account other", "entry 7: its digest does not follow"),
            ("account other", "its last entry's abababababab"),
        ],
    ),
    (
        "delete from creditd.entry where log_number = 2",
        &[
            ("account studio", "entry 3 has sequence 3, expected 2"),
            ("account studio", "entry 3: its digest does not follow"),
            (
                "account studio",
                "entry 3 does not continue the balance before it: held is 30, its entries say 0 (+30)",
            ),
            ("log", "numbers 2 to 2 are missing"),
            ("project one", "holds 30 and used up 0; its entries there say 0 (+30)"),
        ],
    ),
    (
        "delete from creditd.entry where log_number = 7",
        &[
            ("account other", "total is 5, its entries say 0 (+5)"),
            ("account other", "it counts 1 entries, there are 0"),
            ("account other", "its last entry's 000000000000"),
            ("log", "numbers 7 to 7 are missing"),
        ],
    ),
    (
        "update creditd.account set held = held + 7 where account_id = 'studio'",
        &[
            ("account studio", "held is 97, its entries say 90 (+7)"),
            ("account studio", "held is 97, its projects say 90 (+7)"),
        ],
    ),
    (
        "update creditd.account set total = total - 1, plan = plan - 1 where account_id = 'studio'",
        &[
            ("account studio", "total is 99, its entries say 100 (-1)"),
            ("account studio", "plan is 99, its entries say 100 (-1)"),
            ("account studio", "99 credits of plan are booked, 100 are said (-1)"),
        ],
    ),
    (
        "update creditd.account set capacity = 90 where account_id = 'studio'",
        &[("account studio", "100 credits of plan are booked, 90 are said (+10)")],
    ),
    (
        "update creditd.project set held = held + 1 where project_id = 'one'",
        &[
            ("project one", "on account studio it holds 31 and used up 0; its entries there say 30 (+1)"),
            ("account studio", "held is 90, its projects say 91 (-1)"),
        ],
    ),
    (
        "update creditd.account set queued_projects = 2, queued_credits = 19 where account_id = 'studio'",
        &[
            ("account studio", "the number of queued projects is 2, its projects say 1 (+1)"),
            ("account studio", "the sum of queued credits is 19, its projects say 20 (-1)"),
        ],
    ),
    (
        "delete from creditd.notice where log_number = 4",
        &[
            ("account studio", "it counts 2 alert notices; there are 1, numbered 2 to 2"),
            ("log", "numbers 4 to 4 are missing"),
        ],
    ),
    (
        "update creditd.notice set log_number = 3 where log_number = 4",
        &[("log", "number 3 is there twice"), ("log", "numbers 4 to 4 are missing")],
    ),
];

#[test]
fn verify_finds_what_was_tampered_with_where_and_by_how_much() {
    let world = books();
    let clean = world.json(&["verify"]);
    let counts = json!({ "accounts": 2, "projects": 3, "entries": 4, "notices": 3, "findings": [] });
    assert_eq!(clean, counts);
    assert!(world.text(&["verify"]).starts_with("the books are right: 2 accounts, 3 projects, 4 entries"));
    for (tamper, expected) in CASES {
        world.tamper(tamper);
        let output = world.run(&["verify", "--json"]);
        assert_eq!(output.status.code(), Some(1), "{tamper}");
        let verification: Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = verification["findings"].as_array().unwrap();
        for (place, what) in expected {
            let is_it = |finding: &Value| {
                finding["place"] == *place && finding["what"].as_str().unwrap().contains(what)
            };
            assert!(findings.iter().any(is_it), "{tamper}: no {place}: {what} in {findings:#?}");
        }
        assert_eq!(findings.len(), expected.len(), "{tamper}: {findings:#?}");
        world.as_superuser(RESTORE);
    }
    world.assert_verified();
}

#[test]
fn verify_finds_entries_that_their_cause_does_not_account_for() {
    let world = books();
    world.tamper("update creditd.inbox set log_first = 8, log_last = 8 where id = 'g'");
    world.tamper("delete from creditd.inbox where id = 'p1'");
    let (code, _) = world.failure(&["verify"]);
    assert_eq!(code, 1);
    let output = world.run(&["verify"]);
    let said = String::from_utf8(output.stdout).unwrap();
    for finding in [
        "account studio: entry 2 names message /test p1 as its cause, which the inbox does not know",
        "account other: entry 7 names message /test g as its cause, which wrote another stretch of the log",
    ] {
        assert!(said.contains(finding), "{said}");
    }
}

#[test]
fn verify_tells_people_its_findings_a_line_each() {
    let world = books();
    world.tamper("update creditd.account set held = held + 7 where account_id = 'studio'");
    let output = world.run(&["verify"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[0], "account studio: held is 97, its entries say 90 (+7)");
    assert_eq!(lines.last(), Some(&"2 findings in 2 accounts, 3 projects, 4 entries and 3 notices"));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
