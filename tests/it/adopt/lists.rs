//! The upstream's list of projects held against the books.

use serde_json::{Value, json};

use super::{import, on, said, write};
use crate::support::World;

/// Books with three accounts, and projects that hold, wait and are done.
pub(super) fn books() -> World {
    let world = World::new();
    let account = |id: &str, data: Value| {
        let mut line = json!({ "type": "account.changed.v1", "data": { "account_id": id, "revision": 0 } });
        line["data"].as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
        line.to_string()
    };
    let project = |id: &str, account: &str, status: &str, credits: i64| {
        let data = json!({ "project_id": id, "account_id": account, "revision": 5, "status": status,
                           "credits": credits });
        json!({ "type": "project.status_changed.v1", "data": data }).to_string()
    };
    let prices = json!({ "type": "price_list.changed.v1", "data": { "prices": { "video": 10 } } });
    let lines = [
        prices.to_string(),
        account("studio", json!({ "capacity": 100 })),
        account("payg", json!({ "capacity": 50, "mode": "consume" })),
        account("agency", json!({ "capacity": 30 })),
        project("same", "studio", "started", 20),
        project("ended", "studio", "in_progress", 30),
        project("renamed", "studio", "started", 5),
        project("dearer", "studio", "started", 10),
        project("moved", "studio", "started", 15),
        project("lost", "agency", "started", 25),
        project("waits", "agency", "started", 26),
        project("used", "payg", "finalized", 8),
        project("draft", "studio", "draft", 99),
    ];
    let file = write(&world, "books.jsonl", &lines);
    assert_eq!(import(&world, &file, &[]).0, Some(0));
    world
}

fn listed(id: &str, account: &str, status: &str, more: &Value) -> String {
    let mut line = json!({ "project_id": id, "account_id": account, "status": status });
    line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    line.to_string()
}

/// The upstream's list: one of each kind of difference, and some of none.
pub(super) fn list() -> Vec<String> {
    vec![
        listed("same", "studio", "started", &json!({ "credits": 20, "revision": 5 })),
        listed("ended", "studio", "finalized", &json!({ "credits": 30, "revision": 6 })),
        listed("renamed", "studio", "submitted", &json!({ "name": "A film" })),
        listed(
            "dearer",
            "studio",
            "started",
            &json!({ "deliverables": [{ "type": "video", "quantity": 3 }] }),
        ),
        listed("moved", "payg", "started", &json!({ "credits": 15 })),
        listed("used", "payg", "finalized", &json!({ "credits": 8, "final_credits": 6 })),
        listed("new", "agency", "started", &json!({ "credits": 4 })),
        listed("late", "studio", "started", &json!({})),
        listed("old", "studio", "canceled", &json!({ "credits": 500 })),
        listed("draft", "studio", "started", &json!({ "revision": 4 })),
    ]
}

/// What `reconcile --json` tells: the differences or what came of repairs, and the sums of the last comparison.
pub(super) fn reconcile(world: &World, lines: &[String], more: &[&str]) -> (Option<i32>, Vec<Value>, Value) {
    let file = write(world, "list.jsonl", lines);
    let output = on(world, "reconcile", &file, &[more, &["--json"]].concat());
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let mut told: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sums = told.pop().unwrap_or_else(|| panic!("{}", said(&output)));
    let sums = sums.get("summary").or(sums.get("summary_after_repair")).unwrap().clone();
    (output.status.code(), told, sums)
}

fn differences(told: &[Value]) -> Vec<(&str, String)> {
    let difference = |one: &Value| {
        let aspects: Vec<_> =
            one["differs"].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect();
        format!("{} {} -> {}", aspects.join("+"), one["wanted"], one["should_hold"])
    };
    told.iter().map(|one| (one["project_id"].as_str().unwrap(), difference(one))).collect()
}

#[test]
fn each_kind_of_difference_is_told_with_what_it_means_in_credits() {
    let world = books();
    let before = world.number("select log_last from creditd.ledger");
    let (code, told, sums) = reconcile(&world, &list(), &[]);
    assert_eq!(code, Some(1));
    let expected = [
        ("ended", "effect 30 -> 0"),
        ("renamed", "status+name 5 -> 5"),
        ("dearer", "price 10 -> 30"),
        ("moved", "account 15 -> 15"),
        ("used", "final_credits 0 -> 0"),
        ("new", "unknown_here 0 -> 4"),
        ("late", "unknown_here 0 -> null"),
        ("lost", "unknown_upstream 25 -> 0"),
        ("waits", "unknown_upstream 26 -> 0"),
    ];
    assert_eq!(differences(&told), expected.map(|(id, what)| (id, what.to_owned())));
    let all_sums = json!({
        "compared": 10, "books_are_newer": 1, "nothing_to_know": 1, "differing": 9,
        "differs": { "account": 1, "effect": 1, "final_credits": 1, "name": 1, "price": 1, "status": 1,
                     "unknown_here": 2, "unknown_upstream": 2 },
        "held_too_much": 30 + 15 + 25 + 26, "held_too_little": 20 + 15 + 4,
        "consumed_too_much": 2, "consumed_too_little": 0, "unpriced": 1,
    });
    assert_eq!(sums, all_sums);
    assert_eq!(told[0]["line"], 2);
    assert_eq!(told[0]["here"]["effect"], "hold");
    assert_eq!(told[0]["upstream"]["status"], "finalized");
    assert_eq!(world.number("select log_last from creditd.ledger"), before, "nothing was written");

    let (code, told, _) = reconcile(&world, &list(), &["--partial"]);
    assert_eq!((code, told.len()), (Some(1), 7), "what is missing from a part of the list says nothing");
    let (code, told, _) = reconcile(&world, &list(), &["--account", "payg"]);
    let ids: Vec<_> = differences(&told).into_iter().map(|(id, _)| id.to_owned()).collect();
    assert_eq!((code, ids), (Some(1), vec!["moved".to_owned(), "used".to_owned()]));
}

#[test]
fn people_get_a_table_and_the_sums() {
    let world = books();
    let lines = [
        listed("same", "studio", "started", &json!({ "credits": 20 })),
        listed("ended", "studio", "finalized", &json!({})),
    ];
    let file = write(&world, "list.jsonl", &lines);
    let output = on(&world, "reconcile", &file, &["--partial"]);
    let expected = "\
PROJECT  LINE  WHAT DIFFERS                                             HELD  WANTED  SHOULD HOLD
ended       2  status in_progress (hold), listed as finalized (settle)    30      30            0

compared       2 listed projects
differing      1
  effect       1
held too much  30 credits
";
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    assert_eq!((output.status.code(), said(&output)), (Some(1), String::new()));
    let output = on(&world, "reconcile", &write(&world, "list.jsonl", &lines[..1]), &["--partial"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn a_list_that_cannot_be_used_is_told_line_by_line() {
    let world = books();
    let lines = [
        listed("same", "studio", "started", &json!({})),
        listed("same", "studio", "started", &json!({})),
        listed("ended", "studio", "exploded", &json!({})),
        json!({ "project_id": "ended" }).to_string(),
    ];
    let file = write(&world, "list.jsonl", &lines);
    let output = on(&world, "reconcile", &file, &["--repair", "--reason", "r", "--actor", "a"]);
    assert_eq!(output.status.code(), Some(2));
    let told = said(&output);
    for expected in [
        "list.jsonl:2: project_id: \"same\" was listed before",
        "list.jsonl:3: status: \"exploded\" is not among",
        "list.jsonl:4: status: required, but missing or null",
        "3 of 4 lines can't be used; nothing was compared",
    ] {
        assert!(told.contains(expected), "{expected}\n{told}");
    }
}

#[test]
fn a_list_of_nothing_is_taken_for_a_mistake() {
    let world = books();
    let file = write(&world, "list.jsonl", &[]);
    let repair = ["--repair", "--reason", "r", "--actor", "a", "--release-unknown", "--yes"];
    for more in [&[][..], &repair] {
        let output = on(&world, "reconcile", &file, more);
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        assert!(said(&output).contains("lists no project; is it the right file?"), "{}", said(&output));
    }
    let commands = world.number("select count(*) from creditd.inbox where source = 'creditd/cli'");
    assert_eq!(commands, 0, "nothing was released");
}
