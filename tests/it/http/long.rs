//! What may be long is told in parts, and all of it can be reached.

use std::fmt::Write;

use serde_json::{Value, json};

use super::asker::Asker;
use super::{ask_for_tokens, give, text, token};
use crate::support::{Message, World, wait_until};

/// All items page by page, and what each page was besides.
fn walk(http: &Asker, path: &str, list: &str) -> Vec<Value> {
    let (mut items, mut after) = (Vec::new(), String::new());
    loop {
        let page = http.json(&format!("{path}{after}"));
        items.extend(page[list].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_str() else { return items };
        let sign = if path.contains('?') { '&' } else { '?' };
        after.clear();
        write!(after, "{sign}after={next}").unwrap();
    }
}

fn members(list: &[Value], name: &str) -> Vec<Value> {
    list.iter().map(|item| item[name].clone()).collect()
}

#[test]
fn grants_come_page_by_page_soonest_expiry_first() {
    let world = World::new();
    let daemon = world.daemon();
    for account in ["studio", "other"] {
        give(&world, &["account", "open", account]);
    }
    // Two expire at one time, and the order of their booking isn't that of their expiry.
    for (credits, year) in [("1", "2093"), ("2", "2091"), ("3", "2092"), ("4", "2091"), ("5", "2094")] {
        let expires = format!("{year}-01-01T00:00:00Z");
        give(&world, &["credits", "grant", "studio", credits, "--expires", &expires, "--reason", "trial"]);
    }
    give(
        &world,
        &["credits", "grant", "other", "9", "--expires", "2092-06-01T00:00:00Z", "--reason", "trial"],
    );
    let http = Asker::of(&daemon);
    for limit in 1..=5 {
        let path = format!("/v1/accounts/studio/grants?limit={limit}");
        let walked = walk(&http, &path, "items");
        assert_eq!(members(&walked, "credits"), [2, 4, 3, 1, 5].map(|credits| json!(credits)), "{limit}");
        assert_eq!(json!(walked), world.json(&["credits", "grants", "studio"]));
    }
    let others = world.json(&["credits", "grants", "other"])[0]["grant"].clone();
    let detail = http.get(&format!("/v1/accounts/studio/grants?after={others}")).problem(422);
    assert!(detail.contains("after: studio has no grant"), "{detail}");
    assert!(daemon.stop().success());
}

#[test]
fn a_queue_can_be_read_to_its_end_and_its_first_claims_say_what_would_unblock_them() {
    const WAITING: usize = 203;
    let mut world = World::new();
    let own = token(&world, "member", "account:member", &[]);
    let all = token(&world, "all", "all", &[]);
    ask_for_tokens(&mut world);
    let daemon = world.daemon();
    let member = json!({ "kind": "integrated", "organization_id": "acme", "allocation": 100_000 });
    let mut messages = vec![
        Message::organization("o", "acme", 1, 10),
        Message::account("a1", "member", 1, member.clone()),
        Message::account("a2", "rival", 1, member),
        Message::project("running", "running", "rival", 1, "started", 10),
    ];
    for number in 0..WAITING {
        let account = if number % 20 == 0 { "member" } else { "rival" };
        let id = format!("wait-{number:03}");
        messages.push(Message::project(&id, &id, account, 1, "started", 5));
    }
    world.publish(&messages);
    world.wait_for_messages(&[&format!("wait-{:03}", WAITING - 1)]);
    let http = Asker::of(&daemon).with(&all);
    let places: Vec<_> = (1..=WAITING).map(|place| json!(place)).collect();
    for limit in [1, 7, 200, 1000] {
        let walked = walk(&http, &format!("/v1/accounts/rival/queue?limit={limit}"), "claims");
        assert_eq!(members(&walked, "position"), places, "{limit}");
        let names = members(&walked, "project_id");
        assert!(names.iter().enumerate().all(|(place, name)| *name == format!("wait-{place:03}")), "{limit}");
        for (place, claim) in walked.iter().enumerate() {
            assert_eq!(claim["unblocking"].is_null(), place >= 200, "{claim}");
            assert_eq!((&claim["credits"], claim["shortfall"]["credits"].as_i64()), (&json!(5), Some(5)));
        }
    }
    assert_eq!(
        http.json("/v1/queues?claims=3")["items"][0]["next"],
        http.json("/v1/accounts/pool:acme/queue?limit=3")["next"]
    );
    let listed = world.json(&["queue", "list", "--limit", "1000"]);
    assert_eq!(listed[0]["claims"].as_array().unwrap().len(), WAITING);

    // Who sees one account alone gets to all of its own, and to no other.
    let http = Asker::of(&daemon).with(&own);
    let walked = walk(&http, "/v1/accounts/member/queue?limit=2", "claims");
    let expected: Vec<_> = (0..WAITING).step_by(20).map(|number| json!(number + 1)).collect();
    assert_eq!(members(&walked, "position"), expected);
    assert!(walked.iter().all(|claim| claim["account_id"] == "member"), "{walked:?}");
    assert!(!json!(walked).to_string().contains("running"), "{walked:?}");
    assert!(daemon.stop().success());
}

#[test]
fn what_runs_beyond_what_is_looked_at_one_by_one_counts_for_what_waits() {
    const RUNNING: usize = 1_005;
    let world = World::new();
    let daemon = world.daemon();
    let mut messages = vec![Message::account("a", "studio", 1, json!({ "capacity": RUNNING }))];
    let runs = |number: usize| {
        let id = format!("runs-{number:04}");
        Message::project(&id, &id, "studio", 1, "started", 1)
    };
    messages.extend((0..RUNNING).map(runs));
    for (number, credits) in [2, 1_000, 3].into_iter().enumerate() {
        let id = format!("wait-{number}");
        messages.push(Message::project(&id, &id, "studio", 1, "started", credits));
    }
    messages.push(Message::project("large", "large", "studio", 1, "started", 1));
    world.publish(&messages);
    world.wait_for_messages(&["large"]);
    let queue = Asker::of(&daemon).json("/v1/accounts/studio/queue");
    let told = |place: usize, name: &str| queue["claims"][place]["unblocking"][name].clone();
    assert_eq!(told(0, "projects").as_array().unwrap().len(), 2, "{queue}");
    let said = |place| ["projects_in_all", "credits", "and_more"].map(|name| told(place, name));
    assert_eq!(said(0), [json!(2), json!(2), json!(false)]);
    // 1002 are wanted: the thousand closest to their end, and two of the five others.
    assert_eq!(said(1), [json!(1_000), json!(1_000), json!(true)], "{queue}");
    assert_eq!(told(1, "projects").as_array().unwrap().len(), 20);
    assert_eq!(said(2), [json!(1_000), json!(1_000), json!(true)], "all that runs would do: {queue}");
    let more = json!({ "by": "more_credits", "account_id": "studio", "credits": 1 });
    assert_eq!(queue["claims"][3]["unblocking"], more, "beside all that runs");
    assert!(daemon.stop().success());
}

#[test]
fn an_organization_tells_the_first_of_its_accounts_and_where_the_others_are() {
    const MEMBERS: usize = 103;
    let world = World::new();
    let daemon = world.daemon();
    let mut messages = vec![Message::organization("o", "acme", 1, 10)];
    for number in 0..MEMBERS {
        let id = format!("member-{number:03}");
        messages.push(Message::account(
            &id,
            &id,
            1,
            json!({ "kind": "connected", "organization_id": "acme" }),
        ));
    }
    messages.push(Message::account("z", "zz", 1, json!({ "kind": "standalone", "organization_id": "acme" })));
    world.publish(&messages);
    world.wait_for_messages(&["z"]);
    let http = Asker::of(&daemon);
    let organization = http.json("/v1/organizations/acme");
    assert_eq!(organization["accounts_in_all"], MEMBERS);
    assert_eq!(organization["pool"]["account_id"], "pool:acme");
    let mut accounts = organization["accounts"].as_array().unwrap().clone();
    assert_eq!((accounts.len(), text(&organization["next"])), (100, "member-099".to_owned()));
    let next = format!("/v1/accounts?organization=acme&limit=2&after={}", text(&organization["next"]));
    let mut page = http.json(&next);
    accounts.append(page["items"].as_array_mut().unwrap());
    let last = http.json(&next.replace("member-099", &text(&page["next"])));
    accounts.extend(last["items"].as_array().unwrap().iter().cloned());
    accounts.retain(|account| account["kind"] != "pool");
    let expected: Vec<_> = (0..MEMBERS).map(|number| json!(format!("member-{number:03}"))).collect();
    assert_eq!(members(&accounts, "account_id"), expected);

    assert_eq!(world.json(&["organization", "show", "acme"]), organization);
    let shown = world.text(&["organization", "show", "acme"]);
    assert!(shown.ends_with("\nand 3 accounts more, which --limit shows\n"), "{shown}");
    let all = world.json(&["organization", "show", "acme", "--limit", "1000"]);
    assert_eq!(
        (members(all["accounts"].as_array().unwrap(), "account_id"), &all["next"]),
        (expected, &Value::Null)
    );
    assert_eq!(world.json(&["organization", "list"]), http.json("/v1/organizations")["items"]);
    assert!(daemon.stop().success());
}

#[test]
fn alerts_are_told_by_severity_and_rule_and_name_the_first_of_what_they_are_about() {
    const STALE: usize = 25;
    let world = World::new();
    let daemon = world.daemon();
    for account in ["critical", "fine", "low", "stale"] {
        give(&world, &["account", "open", account, "--capacity", "1000"]);
    }
    let mut messages = vec![
        Message::project("c", "c", "critical", 1, "started", 960),
        Message::project("l", "l", "low", 1, "started", 850),
    ];
    for number in 0..STALE {
        let id = format!("stale-{number:02}");
        messages.push(Message::project(&id, &id, "stale", 1, "started", 1));
    }
    world.publish(&messages);
    world.wait_for_messages(&[&format!("stale-{:02}", STALE - 1)]);
    // Longer than any limit, whatever the time is, and the last one longest.
    world.as_owner(
        "update creditd.project
            set status_since = timestamptz '2020-02-01' - interval '1 day' * right(project_id, 2)::int,
                stale_check_at = now()
          where account_id = 'stale'",
    );
    let http = Asker::of(&daemon);
    let stale = || http.json("/v1/alerts?rule=hold_stale")["items"].clone();
    wait_until("all holds are found stale", || stale()[0]["subjects_in_all"] == STALE);
    let subjects = stale()[0]["subjects"].as_array().unwrap().clone();
    let longest_first: Vec<_> = (5..STALE).rev().map(|number| json!(format!("stale-{number:02}"))).collect();
    assert_eq!(members(&subjects, "project_id"), longest_first);
    assert_eq!(world.json(&["alert", "list", "--rule", "hold_stale"]), stale());
    let shown = world.text(&["alert", "list", "--rule", "hold_stale"]);
    assert!(shown.contains("stale-24 (started, holds 1)") && shown.contains("and 22 more"), "{shown}");
    let page = http.get("/accounts/stale").text();
    assert!(page.contains("and 22 more"), "{page}");

    let told = |query: &str| {
        let rows = walk(&http, &format!("/v1/alerts?limit=1{query}"), "items");
        let row = |row: &Value| (text(&row["account_id"]), text(&row["rule"]), text(&row["severity"]));
        rows.iter().map(row).collect::<Vec<_>>()
    };
    let row = |account: &str, rule: &str, severity: &str| {
        (account.to_owned(), rule.to_owned(), severity.to_owned())
    };
    let (low, critical) =
        (row("critical", "credits_low", "warning"), row("critical", "credits_critical", "critical"));
    let (other, old) =
        (row("low", "credits_low", "warning"), row("stale", "hold_stale", &text(&stale()[0]["severity"])));
    assert_eq!(told(""), [low.clone(), critical.clone(), other.clone(), old]);
    assert_eq!(told("&severity=critical"), [critical]);
    assert_eq!(told("&rule=credits_low"), [low, other]);
    // One rule must be both.
    assert_eq!(told("&rule=credits_low&severity=critical"), []);
    assert_eq!(told("&rule=none"), []);
    for (query, named) in [("severity=urgent", "severity"), ("rule=", "rule"), ("rule=a%00b", "rule")] {
        let detail = http.get(&format!("/v1/alerts?{query}")).problem(400);
        assert!(detail.contains(named), "{detail}");
    }
    assert!(daemon.stop().success());
}
