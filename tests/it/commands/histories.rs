//! What moved the credits of an account, and of a project.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::publish_books;
use crate::support::{Message, World, wait_until};

fn list<'v>(document: &'v Value, member: &str) -> &'v [Value] {
    document[member].as_array().unwrap()
}

/// A balance as it is after an entry moved its credits.
fn moved(balance: &Value, entry: &Value) -> Value {
    let mut sides = ["total", "held", "consumed"].map(|side| (side, balance[side].as_i64().unwrap()));
    let credits = entry["credits"].as_i64().unwrap();
    for (side, amount) in &mut sides {
        // What comes from outside is more in total; available is what is left.
        let (from, to) = match *side {
            "total" => (entry["to"] == "outside", entry["from"] == "outside"),
            side => (entry["from"] == side, entry["to"] == side),
        };
        *amount += credits * (i64::from(to) - i64::from(from));
    }
    let [(_, total), (_, held), (_, consumed)] = sides;
    json!({ "total": total, "held": held, "consumed": consumed, "available": total - held - consumed })
}

/// Follows the entries of an account's explanation from its opening to its closing balance.
fn assert_sums(document: &Value) {
    let mut balance = document["opening"].clone();
    for entry in list(document, "entries") {
        assert_eq!(entry["previous"], balance, "{entry}");
        let available = |balance: &Value| balance["available"].as_i64().unwrap();
        assert_eq!(entry["change"], available(&entry["balance"]) - available(&balance), "{entry}");
        balance = moved(&balance, entry);
        assert_eq!(entry["balance"], balance, "{entry}");
    }
    assert_eq!(document["closing"], balance);
}

/// A world with the demo's stream in its books.
fn world_with_the_demo() -> World {
    let world = World::new();
    let daemon = world.daemon();
    let published = world.run(&["sandbox", "publish", "--projects", "60", "--seed", "5"]);
    assert!(published.status.success(), "{published:?}");
    world.publish(&[Message::account("last", "last", 1, json!({}))]);
    world.wait_for_messages(&["last"]);
    wait_until("nothing is due", || world.number("select count(*) from creditd.parked where due") == 0);
    assert!(daemon.stop().success());
    world
}

#[test]
fn the_moves_of_every_account_and_project_of_the_demo_add_up_to_how_they_stand() {
    let world = world_with_the_demo();
    let accounts = world.json(&["account", "list"]);
    let mut entries = 0;
    for account in accounts.as_array().unwrap() {
        let id = account["account_id"].as_str().unwrap();
        let document = world.json(&["explain", "account", id]);
        assert_sums(&document);
        let present = ["total", "held", "consumed", "available"].map(|name| account[name].clone());
        assert_eq!(
            present,
            ["total", "held", "consumed", "available"].map(|name| document["closing"][name].clone())
        );
        assert_eq!(
            (&document["closing"], &document["later_entries"]),
            (&document["present"], &json!(0)),
            "{id}"
        );
        assert_eq!(document["opening"], json!({ "total": 0, "held": 0, "consumed": 0, "available": 0 }));
        entries += list(&document, "entries").len();
        assert_stretches_fit(&world, id, &document);
    }
    assert_eq!(world.number("select count(*) from creditd.entry"), i64::try_from(entries).unwrap());

    for project in world.json(&["project", "list"]).as_array().unwrap() {
        let document = world.json(&["explain", "project", project["project_id"].as_str().unwrap()]);
        let mut booked: BTreeMap<_, (i64, i64)> = BTreeMap::new();
        for line in list(&document, "history").iter().filter(|line| line.get("credits").is_some()) {
            let (held, consumed) = booked.entry(line["account_id"].to_string()).or_default();
            let side = |side: &str| i64::from(line["to"] == side) - i64::from(line["from"] == side);
            *held += line["credits"].as_i64().unwrap() * side("held");
            *consumed += line["credits"].as_i64().unwrap() * side("consumed");
        }
        let told = (document["held"].as_i64().unwrap(), document["consumed"].as_i64().unwrap());
        assert_eq!((&document["held"], &document["consumed"]), (&project["held"], &project["consumed"]));
        let chain: Vec<_> = list(&document, "chain").iter().map(Value::to_string).collect();
        for (account, booked) in booked {
            let expected = if chain.contains(&account) { told } else { (0, 0) };
            assert_eq!(booked, expected, "{account} of {}", document["project_id"]);
        }
    }
}

/// Cuts an account's history in two at the time of one of its entries: that one belongs to the later part.
fn assert_stretches_fit(world: &World, id: &str, all: &Value) {
    let entries = list(all, "entries");
    let Some(middle) = entries.get(entries.len() / 2) else { return };
    let at = middle["at"].as_str().unwrap();
    let earlier = world.json(&["explain", "account", id, "--to", at]);
    let later = world.json(&["explain", "account", id, "--from", at]);
    assert_sums(&earlier);
    assert_sums(&later);
    assert_eq!(earlier["closing"], later["opening"], "{id} at {at}");
    assert_eq!([list(&earlier, "entries"), list(&later, "entries")].concat(), entries, "{id} at {at}");
    assert!(list(&later, "entries").contains(middle));
    assert_eq!(earlier["later_entries"], list(&later, "entries").len());
    assert_eq!(earlier["present"], all["present"]);
}

#[test]
fn an_accounts_explanation_names_projects_causes_reasons_and_actors() {
    let world = World::new();
    let daemon = world.daemon();
    publish_books(&world);
    let adjustment =
        json!({ "account_id": "studio", "credits": -3, "reason": "counted twice", "actor": "ann" });
    world.publish(&[crate::support::message("fix", "credits.adjusted.v1", &adjustment)]);
    world.wait_for_messages(&["fix"]);

    let document = world.json(&["explain", "account", "studio"]);
    let entries = list(&document, "entries");
    let told: Vec<_> = entries.iter().map(|entry| (&entry["kind"], &entry["change"])).collect();
    let kinds = ["plan", "hold", "hold", "hold", "release", "adjustment"].map(|kind| json!(kind));
    let changes = [100, -30, -60, -4, 4, -3].map(|change| json!(change));
    assert_eq!(told, kinds.iter().zip(&changes).collect::<Vec<_>>());
    let hold = &entries[1];
    assert_eq!((&hold["project_id"], &hold["project_name"]), (&json!("growing"), &json!("A film")));
    assert_eq!(hold["cause"], json!({ "source": "/test", "id": "p1", "type": "project.status_changed.v1" }));
    let fix = &entries[5];
    assert_eq!((&fix["reason"], &fix["actor"]), (&json!("counted twice"), &json!("ann")));

    let text = world.text(&["explain", "account", "studio"]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "account  studio");
    assert_eq!(lines[3], "opening  available 0 = total 0 - held 0 - consumed 0");
    assert!(lines[6].contains("+100") && lines[7].contains("growing (A film)"), "{text}");
    assert!(lines[11].ends_with("/test fix credits.adjusted.v1: counted twice, by ann"), "{text}");
    assert!(
        text.ends_with("\n\nclosing  available 7 = total 97 - held 90 - consumed 0\npresent  the same\n"),
        "{text}"
    );
    let used = world.text(&["explain", "account", "payg"]);
    assert!(used.contains("capture  available  consumed        -8         20    12"), "{used}");

    let before = world.text(&["explain", "account", "studio", "--to", "2026-01-01"]);
    assert!(
        before.ends_with("present  available 7 = total 97 - held 90 - consumed 0, after 6 more entries\n"),
        "{before}"
    );
    assert!(daemon.stop().success());
}

#[test]
fn a_projects_explanation_says_who_set_what_and_ends_in_how_it_stands() {
    let world = World::new();
    let daemon = world.daemon();
    publish_books(&world);
    let since = |project: &str| {
        let shown = world.json(&["project", "show", project]);
        shown["waiting_since"].as_str().map(str::to_owned).unwrap_or_default()
    };
    let present = |project: &str| {
        let told = world.json(&["explain", "project", project]);
        told["present"].as_str().unwrap().to_owned()
    };
    let growing = world.json(&["explain", "project", "growing"]);
    let held_since = growing["held_since"].as_str().unwrap();
    let told = [
        ("draft", "it asks for nothing: it is draft".to_owned()),
        ("unpriced", "its price isn't known, so it asks for nothing yet: nobody has said it".to_owned()),
        (
            "growing",
            format!(
                "it holds 30 on studio since {held_since}, and waits for 15 more as number 1 since {}: studio lacks 5",
                since("growing")
            ),
        ),
        ("waiting", format!("it waits for 20 as number 2 since {}: studio lacks 10", since("waiting"))),
        ("done", "it holds nothing any more: it is finalized".to_owned()),
        ("used", "it used up 8 on payg: it is finalized".to_owned()),
    ];
    for (project, expected) in told {
        assert_eq!(present(project), expected);
    }
    assert!(present("pooled").starts_with("it holds 15 on member and pool:acme since "));
    let refused = present("refused");
    assert!(refused.starts_with("it was refused a hold of 11 at "), "{refused}");
    assert!(refused.ends_with(": exceeds_limit; agency lacks 1"), "{refused}");

    let register = |place: usize| {
        let register = &growing["registers"][place];
        (register["register"].clone(), register["value"].clone(), register["set_by"]["id"].clone())
    };
    assert_eq!(register(1), (json!("status"), json!("in_progress"), json!("p1")));
    assert_eq!(register(2), (json!("price"), json!(45), json!("p7")));
    assert_eq!(register(4), (json!("name"), json!("A film"), json!("p7")));
    assert_eq!(growing["registers"][2]["set_by"]["outcome"], "applied");
    let history: Vec<_> = list(&growing, "history").iter().map(|line| line["cause"]["id"].clone()).collect();
    assert_eq!(history, ["p1", "p7"], "a hold, and a notice that more waits");
    assert_eq!(list(&growing, "history")[1]["body"]["state"], "queued");
    let pooled = world.text(&["explain", "project", "pooled"]);
    assert!(pooled.contains("member     hold  available  held      -15         40    25"), "{pooled}");
    assert!(pooled.contains("pool:acme  hold  available  held      -15         50    35"), "{pooled}");
    assert!(daemon.stop().success());
}

#[test]
fn a_project_that_waits_behind_others_or_aside_says_so() {
    let world = World::new();
    let daemon = world.daemon();
    let member = json!({ "kind": "integrated", "organization_id": "acme", "allocation": 40 });
    world.publish(&[
        Message::organization("o", "acme", 1, 30),
        Message::account("a", "member", 1, member),
        Message::project("p1", "runs", "member", 1, "started", 20),
        Message::project("p2", "huge", "member", 1, "started", 35),
        Message::project("p3", "next", "member", 1, "started", 15),
        Message::project("p4", "small", "member", 1, "started", 5),
    ]);
    world.wait_for_messages(&["p4"]);
    for (project, place, obstacle) in [
        (
            "huge",
            "waits for 35 as number 1 since ",
            "it stands aside, for 35 is more than the 30 that pool:acme could carry at all",
        ),
        ("next", "waits for 15 as number 2 since ", "pool:acme lacks 5"),
        ("small", "waits for 5 as number 3 since ", "what waits ahead of it comes first"),
    ] {
        let told = world.json(&["explain", "project", project])["present"].as_str().unwrap().to_owned();
        assert!(told.contains(place) && told.ends_with(obstacle), "{told}");
    }
    assert!(daemon.stop().success());
}

#[test]
fn an_accounts_explanation_whose_entries_were_tampered_with_says_so() {
    let world = World::new();
    let daemon = world.daemon();
    publish_books(&world);
    assert!(daemon.stop().success());
    world.as_superuser(
        "set session_replication_role = replica;
         update creditd.entry set credits = credits + 1, held = held + 1 where account_id = 'studio' and sequence = 2",
    );
    let (code, said) = world.failure(&["explain", "account", "studio"]);
    assert_eq!(code, 1);
    assert!(said.contains("does not follow from the one before it; run `creditd verify`"), "{said}");
}
