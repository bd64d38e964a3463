//! Accounts, organizations and projects for programs.

use serde_json::{Value, json};

use super::publish_books;
use crate::support::World;

/// Takes a member that holds a time, which must be one.
fn take_time(value: &mut Value, member: &str) {
    let time = value.as_object_mut().unwrap().remove(member).unwrap();
    assert!(time.as_str().unwrap().ends_with('Z'), "{member}: {time}");
}

fn account(world: &World, id: &str) -> Value {
    let mut shown = world.json(&["account", "show", id]);
    for alert in shown["alerts"].as_array_mut().unwrap() {
        take_time(alert, "since");
    }
    shown
}

/// How many events of each type the log has of an account: they are numbered without gaps.
fn sequences(world: &World, id: &str) -> Value {
    let counted = world.rows::<(String, String, i64)>(
        "select account_id, 'balance_changed', count(*) from creditd.entry group by 1
         union all select account_id, kind, count(*) from creditd.notice group by 1, 2",
    );
    let count = |event: &str| {
        let found = counted.iter().find(|(account, kind, _)| account == id && kind == event);
        found.map_or(0, |(_, _, count)| *count)
    };
    json!({
        "balance_changed": count("balance_changed"),
        "alert": count("alert"),
        "hold": count("hold"),
        "transfer_rejected": count("transfer_rejected"),
    })
}

#[test]
fn programs_get_accounts_and_organizations_as_documented() {
    let world = World::new();
    let daemon = world.daemon();
    publish_books(&world);

    let studio = json!({
        "account_id": "studio", "kind": "standalone", "organization_id": null, "name": "Studio",
        "contact": null, "mode": "recycle", "on_insufficient": "queue", "overdraft_limit": 0, "closed": false,
        "capacity": 100, "allocation": 0, "plan": 100,
        "total": 100, "held": 90, "consumed": 0, "available": 10, "over_limit": false,
        "max_usable": null, "promised": null, "overcommitted": null,
        "queued": { "projects": 2, "credits": 35 }, "open_grants": 0, "stale_holds": 0,
        "alerts": [
            { "name": "credits_low", "severity": "warning" },
            { "name": "queue_blocked", "severity": "warning" },
        ],
        "sequences": sequences(&world, "studio"),
    });
    assert_eq!(account(&world, "studio"), studio);
    let pool = json!({
        "account_id": "pool:acme", "kind": "pool", "organization_id": "acme", "name": null,
        "contact": null, "mode": "recycle", "on_insufficient": "queue", "overdraft_limit": 0, "closed": false,
        "capacity": 50, "allocation": 0, "plan": 50,
        "total": 50, "held": 15, "consumed": 0, "available": 35, "over_limit": false,
        "max_usable": null, "promised": 40, "overcommitted": false,
        "queued": { "projects": 0, "credits": 0 }, "open_grants": 0, "stale_holds": 0, "alerts": [],
        "sequences": sequences(&world, "pool:acme"),
    });
    assert_eq!(account(&world, "pool:acme"), pool);
    let member = account(&world, "member");
    assert_eq!((&member["available"], &member["max_usable"]), (&json!(25), &json!(25)));
    let payg = account(&world, "payg");
    assert_eq!(payg["on_insufficient"], "reject", "as follows from its mode");
    assert_eq!(
        (&payg["mode"], &payg["consumed"], &payg["available"]),
        (&json!("consume"), &json!(8), &json!(12))
    );

    let all = world.json(&["account", "list"]);
    let ids: Vec<_> = all.as_array().unwrap().iter().map(|account| account["account_id"].clone()).collect();
    assert_eq!(ids, ["agency", "member", "payg", "pool:acme", "studio"]);
    for listed in all.as_array().unwrap() {
        assert_eq!(*listed, world.json(&["account", "show", listed["account_id"].as_str().unwrap()]));
    }

    let organization = world.json(&["organization", "show", "acme"]);
    let members = [account(&world, "agency"), account(&world, "member")];
    let expected = json!({
        "organization_id": "acme", "name": null, "contact": null, "pool": pool, "accounts_in_all": 2,
        "accounts": members, "next": null,
    });
    assert_eq!(organization, expected);
    let listed = json!([{
        "organization_id": "acme", "name": null, "contact": null, "pool": pool, "accounts": 2,
    }]);
    assert_eq!(world.json(&["organization", "list"]), listed);
    assert!(daemon.stop().success());
}

#[test]
fn programs_get_a_project_of_each_state_as_documented() {
    let world = World::new();
    let daemon = world.daemon();
    publish_books(&world);

    let mut growing = world.json(&["project", "show", "growing"]);
    take_time(&mut growing, "waiting_since");
    take_time(&mut growing, "status_since");
    let expected = json!({
        "project_id": "growing", "account_id": "studio", "name": "A film", "status": "in_progress",
        "credits": 45, "held": 30, "consumed": 0, "state": "held", "wanted": 45,
        "stale_since": null,
    });
    assert_eq!(growing, expected, "it holds and waits for more");

    // Project, state, status, credits, held, consumed, wanted.
    let projects = [
        ("draft", "none", "draft", json!(10), 0, 0, 0),
        ("unpriced", "unpriced", "started", json!(null), 0, 0, 0),
        ("large", "held", "started", json!(60), 60, 0, 60),
        ("waiting", "queued", "started", json!(20), 0, 0, 20),
        ("refused", "rejected", "started", json!(11), 0, 0, 11),
        ("done", "released", "finalized", json!(4), 0, 0, 0),
        ("used", "captured", "finalized", json!(8), 0, 8, 0),
    ];
    for (project, state, status, credits, held, consumed, wanted) in projects {
        let shown = world.json(&["project", "show", project]);
        let figures =
            ["state", "status", "credits", "held", "consumed", "wanted"].map(|name| shown[name].clone());
        let expected = [json!(state), json!(status), credits, json!(held), json!(consumed), json!(wanted)];
        assert_eq!(figures, expected, "{project}: {shown}");
        assert_eq!(shown["waiting_since"].is_null(), state != "queued", "{project}");
        let of_state = world.json(&["project", "list", "--state", state]);
        assert!(of_state.as_array().unwrap().contains(&shown), "{of_state}");
    }

    let ids = |arguments: &[&str]| {
        let listed = world.json(&[&["project", "list"], arguments].concat());
        listed.as_array().unwrap().iter().map(|project| project["project_id"].clone()).collect::<Vec<_>>()
    };
    let waiting_first = ["growing", "waiting", "done", "draft", "large", "unpriced"];
    assert_eq!(ids(&["--account", "studio"]), waiting_first, "in the order of the queue, then of their ids");
    assert_eq!(ids(&["--account", "studio", "--limit", "1"]), ["growing"]);
    let (code, said) = world.failure(&["project", "list", "--account", "nobody"]);
    assert!(code == 1 && said.contains("no account \"nobody\" is known"), "{said}");
    assert!(daemon.stop().success());
}
