//! What the ledger lacks, told it by command.

use std::sync::Arc;
use std::time::Duration;

use creditd::command::{Answer, CLI_SOURCE, Order, give_if_as_seen};
use creditd::ledger::ids::ProjectId;
use creditd::ledger::input::{Command, Existence, Fact, HoldCommand};
use creditd::store::{Store, StoreSettings};
use serde_json::{Value, json};

use super::lists::{books, list, reconcile};
use super::on;
use crate::support::{Message, World, blocking};

const REPAIR: [&str; 5] = ["--repair", "--reason", "moved over", "--actor", "kim"];

fn repairs(told: &[Value]) -> Vec<&Value> {
    told.iter().filter(|one| one.get("repair_of").is_some()).collect()
}

fn state(world: &World, project: &str) -> (String, String, i64) {
    let shown = world.json(&["project", "show", project]);
    let text = |member: &str| shown[member].as_str().unwrap().to_owned();
    (text("account_id"), text("status"), shown["held"].as_i64().unwrap())
}

fn stands(account: &str, status: &str, held: i64) -> (String, String, i64) {
    (account.to_owned(), status.to_owned(), held)
}

#[test]
fn a_repair_tells_the_ledger_what_it_lacks_and_the_second_comparison_is_clean() {
    let world = books();
    let (code, told, sums) = reconcile(&world, &list(), &REPAIR);
    assert_eq!((code, &sums["differing"]), (Some(1), &json!(2)), "what isn't listed is not touched");
    let done: Vec<_> = repairs(&told).iter().map(|one| one["outcome"].as_str().unwrap()).collect();
    assert_eq!(done.iter().filter(|outcome| **outcome == "done").count(), 7);
    assert_eq!(done.iter().filter(|outcome| **outcome == "left_alone").count(), 2);
    assert_eq!(state(&world, "ended"), stands("studio", "finalized", 0));
    assert_eq!(state(&world, "dearer"), stands("studio", "started", 30));
    assert_eq!(state(&world, "moved"), stands("payg", "started", 15));
    assert_eq!(state(&world, "lost"), stands("agency", "started", 25));
    assert_eq!(world.balance("payg"), Some((50, 15, 6, 29)));

    let id = repairs(&told)[0]["id"].as_str().unwrap();
    let explained = world.json(&["explain", "message", "creditd/cli", id]);
    assert_eq!(explained["outcome"], "applied");
    assert_eq!(explained["entries"][0]["kind"], "release");
    let audit: Vec<(String, String)> =
        world.rows("select distinct actor, note from creditd.inbox where source = 'creditd/cli'");
    assert_eq!(audit, [("kim".to_owned(), "moved over".to_owned())]);

    let (code, told, sums) =
        reconcile(&world, &list(), &[&REPAIR[..], &["--release-unknown", "--yes"]].concat());
    assert_eq!((code, &sums["differing"]), (Some(0), &json!(0)), "{told:?}");
    assert_eq!(state(&world, "lost"), stands("agency", "released_by_operator", 0));
    let before = world.number("select log_last from creditd.ledger");
    let (code, told, _) = reconcile(&world, &list(), &REPAIR);
    assert_eq!((code, told.len()), (Some(0), 0), "there is nothing to repair: {told:?}");
    assert_eq!(world.number("select log_last from creditd.ledger"), before);
    world.assert_verified();
}

#[test]
fn the_upstreams_next_revision_beats_a_repair_and_an_older_list_says_nothing_about_it() {
    let world = books();
    let line = |status: &str, revision: i64| {
        let line = json!({ "project_id": "ended", "account_id": "studio", "status": status,
                           "revision": revision });
        vec![line.to_string()]
    };
    let more = [&REPAIR[..], &["--partial"]].concat();
    assert_eq!(reconcile(&world, &line("finalized", 5), &more).0, Some(0));
    assert_eq!(state(&world, "ended"), stands("studio", "finalized", 0));

    let daemon = world.daemon();
    world.publish(&[Message::project("again", "ended", "studio", 5, "started", 30)]);
    world.wait_for_messages(&["again"]);
    assert_eq!(state(&world, "ended"), stands("studio", "finalized", 0), "the repair is the newer one");
    world.publish(&[Message::project("next", "ended", "studio", 6, "under_revision", 30)]);
    world.wait_for_messages(&["next"]);
    assert!(daemon.stop().success());
    assert_eq!(state(&world, "ended"), stands("studio", "under_revision", 30));
    let (code, told, sums) = reconcile(&world, &line("finalized", 5), &more);
    assert_eq!((code, told.len(), &sums["books_are_newer"]), (Some(0), 0, &json!(1)));
    assert_eq!(state(&world, "ended"), stands("studio", "under_revision", 30));
    world.assert_verified();
}

#[test]
fn what_cannot_be_repaired_is_refused_with_what_to_do() {
    let world = books();
    let stranger = json!({ "project_id": "p", "account_id": "nobody", "status": "started", "credits": 1 });
    let lines = [stranger.to_string()];
    let (code, told, sums) = reconcile(&world, &lines, &[&REPAIR[..], &["--partial"]].concat());
    assert_eq!((code, &sums["differing"]), (Some(1), &json!(1)));
    let refused = repairs(&told)[0];
    assert_eq!(refused["outcome"], "refused");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.starts_with("no account \"nobody\" is known"), "{detail}");
    assert!(detail.ends_with("by `creditd import` or by a command, and run this again"), "{detail}");

    let file = super::write(&world, "list.jsonl", &lines);
    let wrong: [(&[&str], &str); 5] = [
        (&["--repair", "--reason", "r", "--actor", "a", "--release-unknown"], "--yes"),
        (&["--repair"], "--reason <REASON>"),
        (&["--repair", "--reason", "", "--actor", "a"], "expected a text of 1 to 1024 characters"),
        (&["--release-unknown"], "--repair"),
        (&["--repair", "--reason", "r"], "--actor NAME"),
    ];
    for (more, expected) in wrong {
        let output = on(&world, "reconcile", &file, more);
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        assert!(super::said(&output).contains(expected), "{more:?}: {}", super::said(&output));
    }
    world.assert_verified();
}

#[test]
fn a_project_that_changed_since_it_was_compared_is_left_alone() {
    let world = books();
    let id = ProjectId::parse("same").unwrap();
    let command = Command { actor: "kim".into(), reason: None, object: Existence::Any };
    let release = Fact::HoldReleased(HoldCommand { project_id: id.clone() });
    let order = || Order::new(CLI_SOURCE, command.clone(), release.clone());
    blocking(async {
        let store = Store::new(&StoreSettings {
            urls: vec![world.database_url.clone().into()],
            schema: "creditd".to_owned(),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
            connections_max: 2,
        });
        let store = store.unwrap();
        let settings = Arc::new(store.settings().await.unwrap().0.unwrap());
        let mut batch = store.begin().await.unwrap();
        let seen = batch.project(&id).await.unwrap();
        batch.roll_back().await.unwrap();

        let nothing = give_if_as_seen(&store, &settings, &order(), (&id, None)).await.unwrap();
        assert!(nothing.is_none(), "there is a project, and none was seen");
        let first = give_if_as_seen(&store, &settings, &order(), (&id, seen.as_ref())).await.unwrap();
        assert!(matches!(first, Some(Answer::Done(_))));
        let second = give_if_as_seen(&store, &settings, &order(), (&id, seen.as_ref())).await.unwrap();
        assert!(second.is_none(), "the first has changed it");
    });
    assert_eq!(state(&world, "same"), stands("studio", "released_by_operator", 0));
}
