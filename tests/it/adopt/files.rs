//! What a file may say, and what is said of one that can't be used.

use serde_json::{Value, json};

use super::{import, on, said, write};
use crate::support::World;

fn account(id: &str, capacity: i64) -> String {
    let data = json!({ "account_id": id, "revision": 0, "capacity": capacity });
    json!({ "type": "account.changed.v1", "data": data }).to_string()
}

fn project(id: &str, account: &str, status: &str, credits: i64) -> String {
    let data = json!({ "project_id": id, "account_id": account, "revision": 0, "status": status,
                       "credits": credits });
    json!({ "type": "project.status_changed.v1", "data": data }).to_string()
}

fn grant(more: &Value) -> String {
    let mut line = json!({ "type": "credits.granted.v1", "data": { "account_id": "studio", "credits": 5 } });
    line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    line.to_string()
}

/// How many messages left a trace.
fn traces(world: &World) -> i64 {
    world.number("select (select count(*) from creditd.inbox) + (select count(*) from creditd.parked)")
}

#[test]
fn every_mistake_is_told_with_its_line_and_nothing_is_applied() {
    let world = World::new();
    let lines = [
        account("studio", 100),
        project("p1", "studio", "started", -1),
        String::new(),
        "credits, please".to_owned(),
        project("p2", "studio", "exploded", 5),
        grant(&json!({})),
        grant(&json!({})),
        grant(&json!({ "id": "g-2" })),
        project("p3", "studio", "started", 10).replace(",\"revision\":0", ""),
        grant(&json!({ "time": "2999-01-01T00:00:00Z" })),
        project("p4", "studio", "started", 10),
    ];
    let file = write(&world, "plans.jsonl", &lines);
    let output = on(&world, "import", &file, &[]);
    assert_eq!(output.status.code(), Some(2));
    let told = said(&output);
    let expected = [
        (2, "data.credits: expected a whole number"),
        (4, "not JSON: expected value at column 1"),
        (5, "data.status: \"exploded\" is not among the settings' lifecycle.statuses"),
        (7, "says the same as line 6"),
        (9, "data.revision: missing"),
        (10, "time: 2999-01-01T00:00:00Z is further ahead"),
    ];
    for (line, what) in expected {
        let place = format!("plans.jsonl:{line}: {what}");
        assert!(told.contains(&place), "{place}\n{told}");
    }
    assert_eq!(told.lines().count(), expected.len() + 1, "{told}");
    assert!(told.ends_with("or leave them out with --skip-invalid\n"), "{told}");
    assert_eq!(traces(&world), 0);

    let (code, report) = import(&world, &file, &[]);
    assert_eq!(code, Some(2));
    assert_eq!((&report["mistakes_total"], &report["mistakes"][1]["line"]), (&json!(6), &json!(4)));
    assert_eq!(traces(&world), 0);

    let (code, report) = import(&world, &file, &["--skip-invalid"]);
    assert_eq!((code, &report["applied"], &report["skipped_total"]), (Some(0), &json!(4), &json!(6)));
    assert_eq!(world.balance("studio"), Some((110, 10, 0, 100)), "both grants count, and one project");
}

#[test]
fn a_dry_run_says_what_would_come_of_it_and_leaves_no_trace() {
    let world = World::new();
    let lines = [
        project("p1", "studio", "started", 60),
        project("p2", "studio", "started", 70),
        project("p3", "nobody", "started", 1),
        account("studio", 100),
    ];
    let file = write(&world, "plans.jsonl", &lines);
    let (code, mut rehearsed) = import(&world, &file, &["--dry-run", "--batch", "1"]);
    assert_eq!(code, Some(1), "a line would be parked");
    assert_eq!(traces(&world), 0);
    assert_eq!(world.number("select settings_number + log_last from creditd.ledger"), 0);

    let (code, applied) = import(&world, &file, &["--batch", "1"]);
    assert_eq!(code, Some(1));
    assert_eq!(rehearsed["dry_run"].take(), json!(true));
    rehearsed["dry_run"] = json!(false);
    assert_eq!(rehearsed, applied);
    assert_eq!((&applied["applied"], &applied["parked"]), (&json!(3), &json!(1)));
    let standing = &applied["standing"];
    assert_eq!(standing["parked_for"][0]["waits_for"], "account:nobody");
    assert_eq!(standing["waiting_accounts"][0]["credits"], 70);
    assert_eq!(world.number("select settings_number from creditd.ledger"), 1, "as a daemon would");
    world.assert_verified();
}

#[test]
fn what_cannot_be_an_import_is_refused_with_what_to_do() {
    let mut world = World::new();
    let file = write(&world, "plans.jsonl", &[account("studio", 1)]);
    let cases: [(&[&str], &str); 2] = [
        (
            &["--source", "creditd/cli"],
            "--source: \"creditd/\" begins the sources of the ledger's own inputs",
        ),
        (&["--batch", "0"], "0 is not in 1..=5000"),
    ];
    for (more, expected) in cases {
        let output = on(&world, "import", &file, more);
        assert_eq!(output.status.code(), Some(2));
        assert!(said(&output).contains(expected), "{}", said(&output));
    }
    for (path, expected) in [("/none/such", "No such file"), ("/dev/null", "not a regular file")] {
        let (code, told) = world.failure(&["import", path]);
        assert_eq!(code, 2);
        assert!(told.contains(expected), "{told}");
    }
    assert_eq!(traces(&world), 0);

    assert_eq!(import(&world, &file, &[]).0, Some(0));
    world.set("CREDITD__ORDER", "time");
    let output = on(&world, "import", &file, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("the ledger goes by \"revision\""), "{}", said(&output));
    world.set("CREDITD__ORDER", "revision");
    world.set("CREDITD__TIME_AHEAD_MAX_S", "5");
    let output = on(&world, "import", &file, &[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(said(&output).contains("other settings than this configuration (time_ahead_max_s)"));
}

#[test]
fn a_line_counts_once_wherever_it_stands_and_whichever_import_it_came_by() {
    let world = World::new();
    let first = write(&world, "plans.jsonl", &[account("studio", 1), grant(&json!({}))]);
    assert_eq!(import(&world, &first, &[]).0, Some(0));
    let grown = [grant(&json!({ "id": "another" })), grant(&json!({})), account("studio", 1)];
    let file = write(&world, "plans.jsonl", &grown);
    let (code, report) = import(&world, &file, &[]);
    assert_eq!((code, &report["applied"], &report["there_already"]), (Some(0), &json!(1), &json!(2)));
    assert_eq!(world.balance("studio"), Some((11, 0, 0, 11)));
    let elsewhere = write(&world, "other.jsonl", &[grant(&json!({}))]);
    let (_, report) = import(&world, &elsewhere, &["--source", "import:plans.jsonl"]);
    assert_eq!(report["there_already"], 1);
    assert_eq!(world.balance("studio"), Some((11, 0, 0, 11)));
}
