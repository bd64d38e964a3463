//! Lists in pages, and what a query may say.

use std::collections::BTreeSet;
use std::sync::mpsc::{TryRecvError, channel};

use serde_json::{Value, json};

use super::asker::Asker;
use super::members::in_path;
use super::{give, text};
use crate::support::{Message, World, message, wait_until};

const LISTS: [(&str, &str); 6] = [
    ("/v1/accounts", "account_id"),
    ("/v1/organizations", "organization_id"),
    ("/v1/alerts", "account_id"),
    ("/v1/accounts/pool:acme/projects", "project_id"),
    ("/v1/accounts/pool:acme/usage/projects", "project_id"),
    ("/v1/accounts/pool:acme/entries", "sequence"),
];

/// The keys of all items, page by page.
fn walk(http: &Asker, path: &str, key: &str, limit: usize) -> Vec<String> {
    let mut keys = Vec::new();
    let mut after = String::new();
    loop {
        let page = http.json(&format!("{path}?limit={limit}{after}"));
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit || path == "/v1/alerts", "{page}");
        let key_of = |item: &Value| item[key].as_str().map_or_else(|| item[key].to_string(), str::to_owned);
        keys.extend(items.iter().map(key_of));
        let Some(next) = page["next"].as_str() else { return keys };
        after = format!("&after={}", next.replace('@', "%40"));
    }
}

/// An organization with members in all of which something runs and is raised.
fn book_members(world: &World, count: usize) {
    let mut messages = vec![Message::organization("o", "acme", 1, 10_000)];
    for number in 0..count {
        let id = format!("member-{number:03}");
        let data = json!({ "kind": "integrated", "organization_id": "acme", "allocation": 100 });
        messages.push(Message::account(&format!("a{number}"), &id, 1, data));
        let project = format!("project/{number:03}");
        messages.push(Message::project(&format!("p{number}"), &project, &id, 1, "started", 96));
    }
    world.publish(&messages);
    world.wait_for_messages(&[&format!("p{}", count - 1)]);
}

#[test]
fn each_item_comes_once_and_in_order_however_small_the_pages_while_messages_are_applied() {
    const MEMBERS: usize = 12;
    let world = World::new();
    let daemon = world.daemon();
    book_members(&world, MEMBERS);
    let http = Asker::of(&daemon);
    let before: Vec<_> = LISTS.iter().map(|(path, key)| walk(&http, path, key, 1000)).collect();
    std::thread::scope(|scope| {
        let (done_in, done) = channel::<()>();
        let world = &world;
        scope.spawn(move || {
            let mut number = 0;
            // Between those that are there, and behind them; and each moves the balances of what is listed.
            while done.try_recv() == Err(TryRecvError::Empty) {
                number += 1;
                let member = format!("member-{:03}", number % MEMBERS);
                let project = format!("project/{:03}", number % MEMBERS);
                let price = 90 + i64::try_from(number % 7).unwrap();
                let revision = i64::try_from(number).unwrap() + 1;
                let data = json!({ "project_id": project, "account_id": member, "revision": revision, "credits": price });
                world.publish(&[message(&format!("amend-{number}"), "project.amended.v1", &data)]);
            }
        });
        for ((path, key), before) in LISTS.iter().zip(&before) {
            let walked = walk(&http, path, key, 1);
            let distinct: BTreeSet<_> = walked.iter().collect();
            let of_alerts = *path == "/v1/alerts";
            assert!(of_alerts || distinct.len() == walked.len(), "{path}: {walked:?}");
            // Alerts come and go with the balances; all else only grows.
            let missing: Vec<_> = before.iter().filter(|key| !walked.contains(key)).collect();
            assert!(of_alerts || missing.is_empty(), "{path} lacks {missing:?}");
            if *key == "sequence" {
                let numbers: Vec<i64> = walked.iter().map(|key| key.parse().unwrap()).collect();
                assert!(numbers.iter().copied().eq(1..=i64::try_from(numbers.len()).unwrap()), "{numbers:?}");
            } else {
                assert!(walked.is_sorted(), "{path}: {walked:?}");
            }
        }
        done_in.send(()).unwrap();
    });
    let newest = http.json("/v1/accounts/pool:acme/entries?order=newest&limit=2");
    let after = text(&newest["next"]);
    let last = http.json("/v1/accounts/pool:acme")["sequences"]["balance_changed"].as_i64().unwrap();
    wait_until("nothing more is applied", || world.queue_depth() == 0);
    assert!(newest["items"][0]["sequence"].as_i64().unwrap() <= last);
    let next = http.json(&format!("/v1/accounts/pool:acme/entries?order=newest&limit=1&after={after}"));
    assert_eq!(next["items"][0]["sequence"].as_i64().unwrap() + 1, after.parse::<i64>().unwrap());
}

#[test]
fn what_a_query_may_not_say_is_refused_by_name() {
    let world = World::new();
    let daemon = world.daemon();
    give(&world, &["account", "open", "studio", "--capacity", "10"]);
    give(&world, &["organization", "open", "acme"]);
    let http = Asker::of(&daemon);
    let account = |rest: &str| format!("/v1/accounts/studio{rest}");
    let wrong = [
        ("/v1/accounts?limit=0", "limit"),
        ("/v1/accounts?limit=1001", "limit"),
        ("/v1/accounts?limit=-1", "limit"),
        ("/v1/accounts?limit=many", "limit"),
        ("/v1/accounts?limit=", "limit"),
        ("/v1/accounts?limit=99999999999999999999", "limit"),
        ("/v1/accounts?limit=1&limit=2", "limit"),
        ("/v1/accounts?after=a%00b", "after"),
        ("/v1/accounts?after=%FF", "after"),
        ("/v1/accounts?after=a%20b", "after"),
        ("/v1/accounts?organization=a%0Ab", "organization"),
        ("/v1/accounts?colour=red", "colour"),
        ("/v1/organizations?Limit=1", "Limit"),
        ("/v1/organizations/acme?limit=1", "limit"),
        ("/v1/parked?limit=1", "limit"),
        ("/v1/queues?limit=101", "limit"),
        ("/v1/queues?claims=21", "claims"),
        ("/v1/accounts/studio/queue?limit=0", "limit"),
        ("/v1/accounts/studio/projects?state=asleep", "state"),
        ("/v1/accounts/studio/projects?waiting=1", "waiting"),
        ("/v1/accounts/studio/grants?all=yes", "all"),
        ("/v1/accounts/studio/entries?after=x", "after"),
        ("/v1/accounts/studio/entries?after=-1", "after"),
        ("/v1/accounts/studio/entries?after=18446744073709551615", "after"),
        ("/v1/accounts/studio/entries?order=random", "order"),
        ("/v1/accounts/studio/usage/projects?after=a!b", "after"),
        ("/v1/accounts/studio/usage/days?from=yesterday", "from"),
        ("/v1/accounts/studio/usage/days?to=2026-02-30", "to"),
        ("/v1/accounts/studio/usage/days?from=2026-03-01T12:00:00+01:00", "%2B"),
        ("/v1/accounts/studio/usage/days?from=1969-12-31", "1970"),
        ("/v1/accounts/studio/usage.json?until=2026-01-01", "until"),
        ("/v1/accounts/studio/statement", "month"),
        ("/v1/accounts/studio/statement?month=2026-13", "month"),
        ("/v1/accounts/studio/statement?month=2026-01-01", "month"),
    ];
    for (path, named) in wrong {
        let detail = http.get(path).problem(400);
        assert!(detail.contains(named), "{path}: {detail}");
    }
    let detail = http.get("/v1/alerts?rule=").problem(400);
    assert_eq!(detail.matches("rule:").count(), 1, "{detail}");
    let contradictory = [
        ("/v1/accounts/studio/usage/projects?order=largest&after=p", "after"),
        ("/v1/accounts/studio/usage/days?from=1970-01-01&to=8999-01-01", "from"),
        ("/v1/accounts/studio/usage.csv?from=2026-02-01&to=2026-01-01", "from"),
    ];
    for (path, named) in contradictory {
        let detail = http.get(path).problem(422);
        assert!(detail.contains(named), "{path}: {detail}");
    }
    let long = format!("/v1/accounts?after={}", "a".repeat(101));
    assert!(http.get(&long).problem(400).contains("after"));
    let last = [
        ("/v1/accounts?after=zzz", json!([])),
        ("/v1/accounts/studio/entries?after=9223372036854775807", json!([])),
        ("/v1/accounts/studio/entries?order=newest&after=0", json!([])),
        ("/v1/accounts/studio/usage/projects?after=zzz", json!([])),
    ];
    for (path, expected) in last {
        let page = http.json(path);
        assert_eq!((&page["items"], &page["next"]), (&expected, &Value::Null), "{path}");
    }
    let bodies = [
        ("{", 400, "body"),
        ("{}", 400, "deliverables"),
        ("[]", 400, "expected an object"),
        ("[null,5]", 400, "expected an object"),
        ("{\"deliverables\":[[\"video\",1]]}", 400, "expected an object"),
        ("{\"credits\":-1}", 400, "credits"),
        ("{\"credits\":1.5}", 400, "credits"),
        ("{\"credits\":1000000000001}", 400, "credits"),
        ("{\"credits\":1,\"deliverables\":[]}", 400, "deliverables"),
        ("{\"deliverables\":[]}", 400, "deliverables"),
        ("{\"deliverables\":[{\"type\":\"a\\u0000\",\"quantity\":1}]}", 400, "type"),
        ("{\"deliverables\":[{\"type\":\"\\ud800\",\"quantity\":1}]}", 400, "body"),
        ("{\"deliverables\":[{\"type\":\"video\",\"quantity\":0}]}", 400, "quantity"),
        ("{\"deliverables\":[{\"type\":\"video\",\"quantity\":1,\"colour\":1}]}", 400, "colour"),
    ];
    for (body, status, named) in bodies {
        let answer =
            http.ask("POST", &account("/quote"), &[("content-type", "application/json")], Some(body));
        let detail = answer.problem(status);
        assert!(detail.contains(named), "{body}: {detail}");
    }
    let plain =
        http.ask("POST", &account("/quote"), &[("content-type", "text/plain")], Some("{\"credits\":1}"));
    plain.problem(415);
    give(&world, &["price", "set", "video=1000000000000"]);
    let much = json!({ "deliverables": vec![json!({ "type": "video", "quantity": 1_000_000 }); 1000] });
    assert!(http.post(&account("/quote"), &much).status < 500, "more than any account could have");
    http.post("/v1/accounts/pool:acme/quote", &json!({ "credits": 1 })).problem(422);
    assert_eq!(in_path("a/b"), "a%2Fb");
}

#[test]
fn a_projects_entries_lead_to_what_it_holds_on_each_account_whichever_end_they_are_read_from() {
    let world = World::new();
    let daemon = world.daemon();
    book_members(&world, 2);
    let amended = |id: &str, account: &str, revision: i64, credits: i64| {
        let data = json!({ "project_id": "project/000", "account_id": account, "revision": revision, "credits": credits });
        message(id, "project.amended.v1", &data)
    };
    world.publish(&[
        amended("grows", "member-000", 2, 98),
        amended("shrinks", "member-000", 3, 40),
        // To the other one, where four are left beside the project that runs there: it waits.
        amended("moves", "member-001", 4, 40),
        amended("fits", "member-001", 5, 4),
    ]);
    world.wait_for_messages(&["fits"]);
    let http = Asker::of(&daemon);
    let path = "/v1/projects/project%2F000/entries";
    let all = http.json(path)["items"].as_array().unwrap().clone();
    let told: Vec<_> = all
        .iter()
        .map(|entry| {
            (text(&entry["account_id"]), text(&entry["kind"]), entry["project_held"].as_i64().unwrap())
        })
        .collect();
    let on = |account: &str| -> Vec<_> {
        told.iter().filter(|(of, ..)| of == account).map(|(_, kind, held)| (kind.as_str(), *held)).collect()
    };
    let left = [("hold", 96), ("hold", 98), ("release", 40), ("release", 0)];
    assert_eq!(on("member-000"), left, "{told:?}");
    assert_eq!(on("member-001"), [("hold", 4)], "{told:?}");
    assert_eq!(
        on("pool:acme"),
        [&left[..], &[("hold", 4)]].concat(),
        "each is booked on the pool too: {told:?}"
    );
    assert_eq!(walk(&http, path, "log_number", 1), walk(&http, path, "log_number", 1000));
    let mut newest = Vec::new();
    let mut after = String::new();
    loop {
        let page = http.json(&format!("{path}?order=newest&limit=3{after}"));
        newest.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    newest.reverse();
    assert_eq!(newest, all);
}
