//! What waits and what would unblock it, and quotes.

use serde_json::{Value, json};

use crate::support::{Message, World, message};

/// A pool of 60 with two accounts of 40; what runs in it, and what waits.
fn publish_pool(world: &World) {
    let member = || json!({ "kind": "integrated", "organization_id": "acme", "allocation": 40 });
    world.publish(&[
        Message::organization("o", "acme", 1, 60),
        Message::account("a1", "film", 1, member()),
        Message::account("a2", "stills", 1, member()),
        Message::project("p1", "running", "film", 1, "started", 30),
        Message::project("p2", "nearly", "stills", 1, "delivered", 20),
        Message::project("p3", "blocked", "film", 1, "started", 9),
        Message::project("p4", "own-limit", "stills", 1, "started", 25),
        Message::project("p5", "giant", "film", 1, "started", 90),
        message("l", "price_list.changed.v1", &json!({ "prices": { "photo": 5, "video": 10 } })),
    ]);
    world.wait_for_messages(&["l"]);
}

fn unblocked_by(claim: &Value) -> Vec<&str> {
    let projects = claim["unblocking"]["projects"].as_array().unwrap();
    projects.iter().map(|project| project["project_id"].as_str().unwrap()).collect()
}

#[test]
fn the_queue_tells_who_waits_for_how_many_and_what_would_unblock_it() {
    let world = World::new();
    let daemon = world.daemon();
    publish_pool(&world);
    // One fits beside what runs: the pool has 10 left, and the account too.
    assert_eq!(world.json(&["project", "show", "blocked"])["state"], "held");
    let queues = world.json(&["queue", "list"]);
    assert_eq!(queues.as_array().unwrap().len(), 1);
    let queue = &queues[0];
    assert_eq!(
        (&queue["queue"], &queue["queued"]),
        (&json!("pool:acme"), &json!({ "projects": 2, "credits": 115 }))
    );
    let [own_limit, giant] = &queue["claims"].as_array().unwrap()[..] else { panic!("two wait") };

    assert_eq!((&own_limit["position"], &own_limit["project_id"]), (&json!(1), &json!("own-limit")));
    assert_eq!(own_limit["shortfall"], json!({ "account_id": "stills", "credits": 5 }));
    assert_eq!(unblocked_by(own_limit), ["nearly", "running"], "its account has room then, the pool not yet");
    assert_eq!(giant["aside"], json!({ "account_id": "film", "limit": 40 }));
    assert_eq!(giant["unblocking"], json!({ "by": "larger_plan" }));

    let of_account = world.json(&["queue", "list", "--account", "film"]);
    assert_eq!(of_account, queues, "an integrated account waits in its pool's queue");
    assert_eq!(world.json(&["queue", "list", "--organization", "acme"]), queues);
    let text = world.text(&["queue", "list"]);
    assert!(text.starts_with("queue of pool:acme: 2 projects wait for 115 credits\n"), "{text}");
    assert!(text.contains("settling nearly (20, delivered), running (30, started): 50"), "{text}");
    let (code, said) = world.failure(&["queue", "list", "--account", "nobody"]);
    assert_eq!(code, 1);
    assert!(said.contains("`creditd account list`"), "{said}");

    world.publish(&[Message::project("p6", "nearly", "stills", 2, "finalized", 20)]);
    world.wait_for_messages(&["p6"]);
    assert_eq!(world.json(&["project", "show", "own-limit"])["state"], "queued", "21 are left, it wants 25");
    assert!(daemon.stop().success());
}

#[test]
fn a_quote_says_what_would_come_of_a_brief_and_changes_nothing() {
    let world = World::new();
    let daemon = world.daemon();
    publish_pool(&world);
    let before = world.report("select to_jsonb(ledger) from creditd.ledger");
    let quote = |arguments: &[&str]| world.json(&[&["quote", "--account"], arguments].concat());

    let priced = quote(&["film", "--deliverable", "photo=2"]);
    assert_eq!((&priced["credits"], &priced["verdict"]["would"]), (&json!(10), &json!("wait")));
    let line = json!({ "type": "photo", "quantity": 2, "each": 5, "credits": 10, "price_list": 1 });
    assert_eq!(priced["lines"], json!([line]));
    assert_eq!((&priced["available"], &priced["usable"]), (&json!(1), &json!(1)));
    assert_eq!(priced["verdict"]["position"], 3);
    assert!(!unblocked_by(&priced["verdict"]).is_empty());

    assert_eq!(quote(&["film", "--credits", "1"])["verdict"]["would"], "start");
    let giant = quote(&["stills", "--credits", "41"]);
    assert_eq!(giant["verdict"]["aside"], json!({ "account_id": "stills", "limit": 40 }));
    let unpriced = quote(&["film", "--deliverable", "song=1", "--deliverable", "photo=1"]);
    assert_eq!(unpriced["verdict"], json!({ "would": "be_unpriced", "types": ["song"] }));
    assert_eq!(unpriced["credits"], Value::Null);

    let after = world.report("select to_jsonb(ledger) from creditd.ledger");
    assert_eq!(after, before, "a quote leaves no trace");
    let text = world.text(&["quote", "--account", "film", "--deliverable", "photo=2"]);
    assert!(text.contains("photo      2     5       10"), "{text}");
    assert!(text.contains("wait as number 3 in the queue"), "{text}");
    for wrong in [
        &["quote", "--account", "film"][..],
        &["quote", "--account", "film", "--deliverable", "photo"],
        &["quote", "--account", "film", "--deliverable", "photo=0"],
        &["quote", "--account", "pool:acme", "--credits", "1"],
        &["quote", "--account", "film", "--credits", "-1"],
        &["quote", "--account", "film", "--credits", "1", "--deliverable", "photo=1"],
    ] {
        assert_eq!(world.failure(wrong).0, 2, "{wrong:?}");
    }
    let (_, said) = world.failure(&["quote", "--account", "film"]);
    assert!(said.contains("--deliverable TYPE=COUNT"), "{said}");
    let (code, said) = world.failure(&["quote", "--account", "nobody", "--credits", "1"]);
    assert!(code == 1 && said.contains("no account \"nobody\" is known"), "{said}");
    assert!(daemon.stop().success());
}

#[test]
fn what_a_quote_promises_is_what_comes() {
    let world = World::new();
    let daemon = world.daemon();
    world.publish(&[
        Message::account("a1", "studio", 1, json!({ "capacity": 100 })),
        Message::account("a2", "payg", 1, json!({ "capacity": 20, "mode": "consume" })),
        Message::project("p1", "running", "studio", 1, "started", 70),
    ]);
    world.wait_for_messages(&["p1"]);
    for (number, (account, credits)) in
        [("studio", 10), ("studio", 25), ("studio", 101), ("payg", 20), ("payg", 1)].into_iter().enumerate()
    {
        let quoted = world.json(&["quote", "--account", account, "--credits", &credits.to_string()]);
        let id = format!("real-{number}");
        world.publish(&[Message::project(&id, &id, account, 1, "started", credits)]);
        world.wait_for_messages(&[&id]);
        let state = world.json(&["project", "show", &id])["state"].clone();
        let expected = match quoted["verdict"]["would"].as_str().unwrap() {
            "start" => "held",
            "wait" => "queued",
            "be_refused" => "rejected",
            other => panic!("{other}"),
        };
        assert_eq!(state, expected, "{account} {credits}");
        let told = |alert: &Value| (alert["change"].clone(), alert["severity"].clone());
        let promised: Vec<_> = quoted["alerts"].as_array().unwrap().iter().map(told).collect();
        let notices = world.explain(&id)["notices"].clone();
        let alerts = notices.as_array().unwrap().iter().filter(|notice| notice["kind"] == "alert");
        let came: Vec<_> = alerts.map(|notice| told(&notice["body"])).collect();
        assert_eq!(came, promised, "{account} {credits}");
    }
    assert!(daemon.stop().success());
}
