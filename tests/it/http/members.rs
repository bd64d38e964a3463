//! What is read by HTTP has the members and the values of the commands' `--json`.

use serde_json::{Value, json};

use super::asker::Asker;
use super::books::{ACCOUNTS, ORGANIZATIONS, PROJECTS, book};
use super::text;
use crate::support::World;

/// An id as it stands in a path.
pub(super) fn in_path(id: &str) -> String {
    id.replace('/', "%2F")
}

#[test]
fn what_the_api_says_is_what_the_commands_print_for_programs() {
    let world = World::new();
    let daemon = world.daemon();
    book(&world);
    let http = Asker::of(&daemon);
    assert_eq!(http.json("/v1/accounts")["items"], world.json(&["account", "list"]));
    for (id, organization) in ACCOUNTS {
        let path = |rest: &str| format!("/v1/accounts/{}{rest}", in_path(id));
        let account = http.json(&path(""));
        assert_eq!(account, world.json(&["account", "show", id]));
        assert_eq!(account["organization_id"].as_str(), organization);
        let by_id = sorted(&world.json(&["project", "list", "--account", id]));
        if !id.starts_with("pool:") {
            assert_eq!(http.json(&path("/projects"))["items"], by_id, "{id}");
            let quote = world.json(&["quote", "--account", id, "--deliverable", "video=2"]);
            let asked = json!({ "deliverables": [{ "type": "video", "quantity": 2 }] });
            assert_eq!(
                without_times(http.post(&path("/quote"), &asked).json()),
                without_times(quote),
                "{id}"
            );
        }
        assert_eq!(http.json(&path("/alerts")), world.json(&["alert", "list", "--account", id]), "{id}");
        assert_eq!(http.json(&path("/grants"))["items"], world.json(&["credits", "grants", id]), "{id}");
        let queues = world.json(&["queue", "list", "--account", id]);
        let queue = queues.as_array().unwrap().first().map_or(json!([]), |queue| queue["claims"].clone());
        assert_eq!(http.json(&path("/queue"))["claims"], queue, "{id}");
        for kind in ["days", "projects", "assets"] {
            let told = world.json(&["usage", kind, id]);
            let order = if kind == "projects" { "?order=largest" } else { "" };
            assert_eq!(http.json(&path(&format!("/usage/{kind}{order}"))), told, "{id} {kind}");
        }
        let report = world.json(&["usage", "report", id]);
        assert_eq!(http.json(&path("/usage.json")), report, "{id}");
        assert_eq!(http.json(&path("/entries"))["items"], report["items"], "{id}");
        let csv = world.text(&["usage", "report", id, "--format", "csv"]);
        assert_eq!(http.get(&path("/usage.csv")).text(), csv, "{id}");
        let month = &text(&report["items"][0]["day"])[..7];
        let statement = world.json(&["statement", id, "--month", month]);
        assert_eq!(http.json(&path(&format!("/statement?month={month}"))), statement, "{id}");
    }
    for id in ORGANIZATIONS {
        let path = format!("/v1/organizations/{id}");
        assert_eq!(http.json(&path), world.json(&["organization", "show", id]));
        let listed = world.json(&["price", "list", "--organization", id]);
        assert_eq!(effective(&http.json(&format!("{path}/prices"))), prices(&listed), "{id}");
        let of_it = format!("/v1/accounts?organization={id}");
        let ids = |list: &Value| -> Vec<String> {
            list.as_array().unwrap().iter().map(|row| text(&row["account_id"])).collect()
        };
        let expected: Vec<_> = ACCOUNTS.iter().filter(|(_, of)| *of == Some(id)).map(|(id, _)| *id).collect();
        assert_eq!(ids(&http.json(&of_it)["items"]), expected, "{id}");
    }
    for (id, account) in PROJECTS {
        let project = http.json(&format!("/v1/projects/{}", in_path(id)));
        assert_eq!(project, world.json(&["project", "show", id]));
        assert_eq!(project["account_id"], account);
    }
    assert_eq!(http.json("/v1/queues")["items"], world.json(&["queue", "list"]));
    assert_eq!(http.json("/v1/alerts")["items"], world.json(&["alert", "list"]));
    assert_eq!(effective(&http.json("/v1/prices")), prices(&world.json(&["price", "list"])));
    assert_eq!(http.json("/v1/prices")["announced"][0]["prices"]["photo"], 6);
    assert_eq!(http.json("/v1/parked"), world.json(&["parked", "list", "--summary"]));
}

/// Projects in the order of their ids.
fn sorted(projects: &Value) -> Value {
    let mut list = projects.as_array().unwrap().clone();
    list.sort_by_key(|project| text(&project["project_id"]));
    list.into()
}

/// A quote without what depends on when, and under which name, it was made.
fn without_times(mut quote: Value) -> Value {
    let claim = quote["verdict"].as_object_mut().unwrap();
    claim.remove("project_id");
    for alert in quote["alerts"].as_array_mut().unwrap() {
        for list in ["rules", "subjects", "largest_holds", "closest_to_settling"] {
            alert.as_object_mut().unwrap().remove(list);
        }
    }
    quote
}

/// What each type costs by an answer's lists.
fn effective(lists: &Value) -> Vec<(String, i64)> {
    let mut prices = lists["default"]["prices"].as_object().unwrap().clone();
    if let Some(own) = lists["own"]["prices"].as_object() {
        prices.extend(own.clone());
    }
    let mut prices: Vec<_> =
        prices.into_iter().map(|(what, credits)| (what, credits.as_i64().unwrap())).collect();
    prices.sort();
    prices
}

/// The same by `price list`.
fn prices(listed: &Value) -> Vec<(String, i64)> {
    let price = |row: &Value| (text(&row["type"]), row["credits"].as_i64().unwrap());
    let mut prices: Vec<_> = listed["prices"].as_array().unwrap().iter().map(price).collect();
    prices.sort();
    prices
}

#[test]
fn totals_are_the_same_wherever_they_are_told() {
    let world = World::new();
    let daemon = world.daemon();
    book(&world);
    let http = Asker::of(&daemon);
    for (id, _) in ACCOUNTS {
        let path = |rest: &str| format!("/v1/accounts/{}{rest}", in_path(id));
        let csv = http.get(&path("/usage.csv"));
        let rows = csv::Reader::from_reader(&csv.body[..]).into_records().map(Result::unwrap);
        let signed: Vec<i64> = rows.map(|row| row[8].parse().unwrap()).collect();
        let moved = json!({
            "entries": signed.len(),
            "credited": signed.iter().filter(|credits| **credits > 0).sum::<i64>(),
            "debited": -signed.iter().filter(|credits| **credits < 0).sum::<i64>(),
        });
        let account = http.json(&path(""));
        let available = account["available"].as_i64().unwrap();
        let figures = |told: &Value| json!({ "entries": told["entries"], "credited": told["credited"], "debited": told["debited"] });
        let report = http.json(&path("/usage.json"));
        let (days, projects) = (http.json(&path("/usage/days")), http.json(&path("/usage/projects")));
        let month = &text(&report["items"][0]["day"])[..7];
        let statement = http.json(&path(&format!("/statement?month={month}")));
        for told in [&report, &days, &projects, &statement] {
            assert_eq!(figures(told), moved, "{id}");
            for side in ["total", "held", "consumed", "available"] {
                assert_eq!(told["closing"][side], account[side], "{id} {side}");
            }
            let opening = told["opening"]["available"].as_i64().unwrap();
            let change = moved["credited"].as_i64().unwrap() - moved["debited"].as_i64().unwrap();
            assert_eq!(opening + change, available, "{id}");
        }
        let sum = |list: &Value, of: &str| -> i64 {
            list.as_array().unwrap().iter().map(|item| item[of].as_i64().unwrap()).sum()
        };
        assert_eq!(sum(&days["days"], "debited"), moved["debited"].as_i64().unwrap(), "{id}");
        let outside = projects["outside_projects"]["debited"].as_i64().unwrap();
        assert_eq!(sum(&projects["items"], "debited") + outside, moved["debited"].as_i64().unwrap(), "{id}");
        assert_eq!(sum(&projects["items"], "held_now"), account["held"].as_i64().unwrap(), "{id}");
    }
}
