//! `creditd usage` and `creditd statement`, for people.

use serde_json::{Value, json};

use super::{give, open_account, this_month_and_next};
use crate::support::{Message, World, message};

#[test]
fn what_cannot_be_told_is_refused_with_what_to_type_instead() {
    let mut world = World::new();
    open_account(&world, "x");
    let wrong: [(&[&str], i32, &str); 11] = [
        (&["usage", "report", "y"], 1, "no account \"y\" is known; `creditd account list`"),
        (&["usage", "days", "y"], 1, "no account \"y\" is known"),
        (&["statement", "y", "--month", "2026-01"], 1, "no account \"y\" is known"),
        (&["statement", "x"], 2, "--month <YYYY-MM>"),
        (&["statement", "x", "--month", "2026-13"], 2, "expected a month such as 2026-03"),
        (&["usage", "report", "x", "--from", "today"], 2, "expected a date such as 2026-03-01"),
        (&["usage", "assets", "x", "--from", "2026-02-02", "--to", "2026-02-01"], 2, "turn them around?"),
        (
            &["usage", "projects", "x", "--from", "2026-02-02", "--to", "2026-02-02T00:00:00Z"],
            2,
            "no time between from 2026-02-02 and to 2026-02-02T00:00:00Z",
        ),
        (&["usage", "days", "x", "--from", "1999-01-01", "--to", "2026-01-01"], 2, "at most 3660"),
        (&["usage", "report", "x", "--format", "csv", "--json"], 2, "leave one of them out"),
        (&["usage", "report", "x", "--format", "xls"], 2, "[possible values: table, csv, json]"),
    ];
    for (arguments, expected, what) in wrong {
        let (code, said) = world.failure(arguments);
        assert!(code == expected && said.contains(what), "{arguments:?}: {code} {said}");
    }
    for (zone, what) in [("Mars/Olympus", "PostgreSQL doesn't know"), ("UTC+3", "an offset has the name")] {
        world.set("CREDITD__REPORT__TIMEZONE", zone);
        for command in [&["usage", "report", "x"][..], &["statement", "x", "--month", "2026-01"]] {
            let (code, said) = world.failure(command);
            let names_it = said.contains("report.timezone") && said.contains(zone);
            assert!(code == 2 && names_it && said.contains(what), "{code} {said}");
        }
    }
}

#[test]
fn a_month_says_whether_it_is_over_and_one_to_come_is_empty() {
    let world = World::new();
    open_account(&world, "x");
    give(&world, &["credits", "grant", "x", "10", "--reason", "why"]);
    let [this, next] = this_month_and_next();
    let state = |month: &str| world.json(&["statement", "x", "--month", month])["state"].clone();
    assert_eq!([state("2020-01"), state(&this), state("9000-01")], ["over", "running", "not_begun"]);
    let past = world.json(&["statement", "x", "--month", "2020-01"]);
    assert_eq!((&past["entries"], &past["closing"]["available"]), (&json!(0), &json!(0)));
    let told = world.text(&["statement", "x", "--month", &next]);
    assert!(told.contains(&format!("{next}, which has not begun")), "{told}");
    assert!(told.contains("opening   available 10 ") && told.contains("credited  0\n"), "{told}");
    assert!(world.text(&["statement", "x", "--month", &this]).contains(&format!("{this}, so far")));
}

/// An organization with a member that uses credits up, one that gives them back, and one beside the pool.
fn world_with_an_organization() -> World {
    let world = World::new();
    let daemon = world.daemon();
    let member = |mode: &str| json!({ "kind": "integrated", "organization_id": "acme", "allocation": 50, "mode": mode });
    let agency = json!({ "kind": "connected", "organization_id": "acme", "capacity": 40 });
    let asset = |account: &str, kind: &str, quantity: i64, credits: i64, project: Option<&str>| json!({ "account_id": account, "asset_type": kind, "quantity": quantity, "credits": credits, "project_id": project });
    world.publish(&[
        Message::organization("o", "acme", 1, 100),
        Message::account("a1", "payg", 1, member("consume")),
        Message::account("a2", "film", 1, member("recycle")),
        Message::account("a3", "agency", 1, agency),
        Message::project("p1", "banner", "payg", 1, "started", 8),
        Message::project("p2", "banner", "payg", 2, "finalized", 8),
        Message::project("p3", "clip", "film", 1, "started", 30),
        Message::project("p4", "draft", "film", 1, "draft", 5),
        Message::project("p5", "brief", "film", 1, "briefed", 5),
        Message::project("p6", "again", "film", 1, "started", 2),
        Message::project("p7", "again", "film", 2, "draft", 2),
        Message::project("p8", "waits", "film", 1, "started", 45),
        Message::project("p9", "waits", "film", 2, "draft", 45),
        message("x1", "asset.created.v1", &asset("payg", "photo", 3, 6, None)),
        message("x2", "asset.created.v1", &asset("film", "photo", 2, 2, None)),
        message("x3", "asset.created.v1", &asset("film", "video", 1, 9, Some("clip"))),
        message("x4", "asset.created.v1", &asset("agency", "photo", 4, 4, None)),
    ]);
    world.wait_for_messages(&["x4"]);
    assert!(daemon.stop().success());
    world
}

/// Type, pieces, pieces in projects, credits charged.
fn assets(told: &Value) -> Vec<(String, i64, i64, i64)> {
    let number = |asset: &Value, name: &str| asset[name].as_i64().unwrap();
    let row = |asset: &Value| {
        let name = asset["asset_type"].as_str().unwrap().to_owned();
        (name, number(asset, "quantity"), number(asset, "in_projects"), number(asset, "charged"))
    };
    told["items"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn a_pool_counts_what_was_made_and_briefed_for_all_its_organization_and_was_charged_for_its_members() {
    let world = world_with_an_organization();
    let of = |account: &str| world.json(&["usage", "assets", account]);
    let (photo, video) =
        (|pieces, charged| ("photo".to_owned(), pieces, 0, charged), ("video".to_owned(), 1, 1, 0));
    assert_eq!(assets(&of("payg")), [photo(3, 6)]);
    assert_eq!(assets(&of("film")), [photo(2, 2), video.clone()]);
    assert_eq!(assets(&of("agency")), [photo(4, 4)]);
    assert_eq!(assets(&of("pool:acme")), [photo(9, 8), video]);
    // Those in draft are not briefed, unless they held or waited before.
    let projects = |account: &str| of(account)["projects"].clone();
    assert_eq!(projects("film"), json!({ "briefed": 4, "known": 5 }));
    assert_eq!(projects("pool:acme"), json!({ "briefed": 5, "known": 6 }));
    let earlier = world.json(&["usage", "assets", "film", "--to", "2026-01-01"]);
    assert_eq!((assets(&earlier), &earlier["projects"]), (vec![], &json!({ "briefed": 0, "known": 5 })));
    // One that held or waited counts when it first did, whenever the upstream says that it came to its status.
    world.tamper("update creditd.project set status_since = '2020-01-10'");
    let [month, _] = this_month_and_next();
    let briefed = |month: &str| {
        world.json(&["statement", "film", "--month", month])["projects_briefed"]["briefed"].clone()
    };
    assert_eq!([briefed(&month), briefed("2020-01")], [json!(3), json!(1)]);
}

#[test]
fn a_statement_tells_kinds_projects_and_assets_and_what_is_held_apart() {
    let world = world_with_an_organization();
    let [month, _] = this_month_and_next();
    let payg = world.json(&["statement", "payg", "--month", &month]);
    assert_eq!((&payg["credited"], &payg["debited"], &payg["used"]), (&json!(50), &json!(14), &json!(14)));
    assert_eq!(payg["closing"], json!({ "total": 50, "held": 0, "consumed": 14, "available": 36 }));
    let capture = payg["kinds"].as_array().unwrap().iter().find(|kind| kind["kind"] == "capture").unwrap();
    let expected =
        json!({ "kind": "capture", "entries": 1, "credited": 0, "debited": 0, "used": 8, "moved": 8 });
    assert_eq!(*capture, expected);
    let told = world.text(&["statement", "film", "--month", &month]);
    for line in ["held      0 at the beginning, 30 at the end", "briefed   4 projects", "(no project)"] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let lines: Vec<Vec<_>> = told.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(lines.contains(&vec!["clip", "-", "started", "1", "0", "30", "0", "30"]), "{told}");
    assert!(lines.contains(&vec!["again", "-", "draft", "2", "2", "2", "0", "0"]), "{told}");
    let report = world.text(&["usage", "report", "payg"]);
    let lines: Vec<Vec<_>> = report.lines().map(|line| line.split_whitespace().collect()).collect();
    let captured = ["capture", "0", "held", "consumed", "8", "42", "0", "8", "banner", "-"];
    assert!(lines.iter().any(|line| line.get(1..11) == Some(&captured)), "{report}");
    let charged = ["charge", "-6", "available", "consumed", "6", "36", "0", "14", "-", "3", "photo"];
    assert!(lines.iter().any(|line| line.get(1..12) == Some(&charged)), "{report}");
    let projects = world.text(&["usage", "projects", "film", "--limit", "1"]);
    assert!(projects.contains("clip") && !projects.contains("again"), "{projects}");
    assert!(world.text(&["usage", "days", "film"]).contains("AVAILABLE"));
}
