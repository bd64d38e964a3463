//! What holds for every command: it takes effect once, is told like any message's, can be explained, and a dry
//! run writes nothing.

use std::sync::Arc;

use creditd::command::{Answer, CLI_SOURCE, Order, give as give_order, preview};
use creditd::config::Config;
use creditd::ledger::credits::Credits;
use creditd::ledger::ids::AccountId;
use creditd::ledger::input::{Command, Existence, Fact, GrantFact};
use creditd::store::Store;
use serde_json::{Value, json};

use super::{give, refuse};
use crate::support::{Message, World, blocking};

/// Everything in the ledger.
const LEDGER: &str = "
    select jsonb_object_agg(name, contents) from (values
        ('ledger', (select jsonb_agg(to_jsonb(t)) from creditd.ledger t)),
        ('account', (select jsonb_agg(to_jsonb(t) order by account_id) from creditd.account t)),
        ('organization', (select jsonb_agg(to_jsonb(t) order by organization_id) from creditd.organization t)),
        ('project', (select jsonb_agg(to_jsonb(t) order by project_id) from creditd.project t)),
        ('entry', (select jsonb_agg(to_jsonb(t) order by log_number) from creditd.entry t)),
        ('notice', (select jsonb_agg(to_jsonb(t) order by log_number) from creditd.notice t)),
        ('inbox', (select jsonb_agg(to_jsonb(t) order by source, id) from creditd.inbox t)),
        ('price_list', (select jsonb_agg(to_jsonb(t) order by number) from creditd.price_list t)),
        ('credit_grant', (select jsonb_agg(to_jsonb(t) order by log_number) from creditd.credit_grant t)),
        ('parked', (select jsonb_agg(to_jsonb(t) order by parked_id) from creditd.parked t))
    ) tables (name, contents)";

/// Books on which each of [`COMMANDS`] can be carried out, one after the other.
fn prepare(world: &World) {
    let daemon = world.daemon();
    world.publish(&[
        Message::organization("o", "acme", 1, 100),
        Message::account("a1", "studio", 1, json!({ "capacity": 50 })),
        Message::account("a2", "film", 1, member(40)),
        Message::account("a3", "art", 1, member(40)),
        Message::account("a4", "picky", 1, json!({ "capacity": 5, "on_insufficient": "reject" })),
        Message::project("p1", "reel", "studio", 1, "started", 30),
        Message::project("p2", "spot", "picky", 1, "started", 8),
    ]);
    world.wait_for_messages(&["p2"]);
    // It would write beside the commands.
    assert!(daemon.stop().success());
}

fn member(allocation: i64) -> Value {
    json!({ "kind": "integrated", "organization_id": "acme", "allocation": allocation })
}

const COMMANDS: [&[&str]; 16] = [
    &["organization", "open", "north", "--capacity", "60", "--name", "North"],
    &["organization", "set", "acme", "--capacity", "90", "--contact", "ann"],
    &["account", "open", "lab", "--capacity", "7", "--on-insufficient", "overdraw", "--overdraft-limit", "2"],
    &["account", "set", "studio", "--kind", "integrated", "--organization", "north", "--allocation", "35"],
    &["account", "close", "lab"],
    &["credits", "grant", "film", "9", "--expires", "2100-01-01T00:00:00Z", "--reason", "why"],
    &["credits", "adjust", "--organization", "acme", "-5", "--reason", "why"],
    &["credits", "transfer", "film", "art", "10", "--reason", "why"],
    &["price", "set", "video=10", "photo=5"],
    &["price", "set", "film=100", "--replace", "--effective", "2100-01-01T00:00:00Z"],
    &["price", "remove", "photo"],
    &["hold", "release", "reel", "--reason", "why"],
    &["hold", "restore", "reel", "--reason", "why"],
    &["account", "set", "picky", "--capacity", "8"],
    &["hold", "retry", "spot"],
    &["alert", "test", "--organization", "acme"],
];

/// An event without what a second command can't have in common with a first: its time, its key and the digest
/// that covers them.
fn comparable(events: &Value) -> Value {
    let mut events = events.clone();
    for event in events.as_array_mut().unwrap() {
        event.as_object_mut().unwrap().remove("time").unwrap();
        let data = event["data"].as_object_mut().unwrap();
        data.remove("digest");
        data["cause"].as_object_mut().unwrap().remove("id").unwrap();
        for rule in data.get_mut("rules").and_then(Value::as_array_mut).into_iter().flatten() {
            rule.as_object_mut().unwrap().remove("since").unwrap();
        }
    }
    events
}

#[test]
fn a_dry_run_tells_what_the_command_then_does_and_writes_nothing() {
    let world = World::new();
    prepare(&world);
    for command in COMMANDS {
        let before = world.report(LEDGER);
        let foretold = give(&world, &[command, &["--dry-run"]].concat());
        assert_eq!(world.report(LEDGER), before, "{command:?}");
        let done = give(&world, command);
        assert_ne!(world.report(LEDGER), before, "{command:?}");
        assert_eq!((&foretold["dry_run"], &done["dry_run"]), (&json!(true), &json!(false)));
        assert_eq!(comparable(&foretold["events"]), comparable(&done["events"]), "{command:?}");
        assert_eq!(foretold["balances"], done["balances"], "{command:?}");
        let members = |told: &Value| told.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let expected =
            ["actor", "balances", "dry_run", "events", "id", "outcome", "reason", "source", "type"];
        assert_eq!(
            (members(&foretold), members(&done)),
            (expected.map(str::to_owned).into(), members(&foretold))
        );
    }
    let before = world.report(LEDGER);
    let refused: [&[&str]; 3] = [
        &["account", "close", "studio"],
        &["credits", "adjust", "film", "-1000", "--reason", "why", "--dry-run"],
        &["hold", "retry", "reel"],
    ];
    for command in refused {
        refuse(&world, command);
    }
    assert_eq!(world.report(LEDGER), before, "what is refused writes nothing");
    let text = world.text(&["credits", "grant", "film", "1", "--reason", "r", "--actor", "ops", "--dry-run"]);
    assert!(text.starts_with("dry run: nothing was changed, and this would follow\n\nLOG "), "{text}");
    world.assert_verified();
}

#[test]
fn what_commands_did_is_heard_as_it_was_told_and_each_can_be_explained() {
    let world = World::new();
    let listener = world.listen();
    prepare(&world);
    let before = world.number("select log_last from creditd.ledger");
    let given: Vec<_> = COMMANDS.iter().map(|command| give(&world, command)).collect();
    let daemon = world.daemon();
    let told: Vec<&Value> = given.iter().flat_map(|told| told["events"].as_array().unwrap()).collect();
    let last = before + i64::try_from(told.len()).unwrap();
    let heard = listener.take_log(last);
    let heard: Vec<_> =
        heard.iter().filter(|heard| (before + 1..=last).contains(&heard.log_number())).collect();
    assert_eq!(heard.len(), told.len());
    for (heard, told) in heard.iter().zip(&told) {
        assert_eq!(heard.event, **told);
    }
    for (command, told) in COMMANDS.iter().zip(&given) {
        let id = told["id"].as_str().unwrap();
        for event in told["events"].as_array().unwrap() {
            let cause = json!({ "source": CLI_SOURCE, "id": id, "type": told["type"] });
            assert_eq!(event["data"]["cause"], cause);
        }
        let explained = world.json(&["explain", "message", CLI_SOURCE, id]);
        assert_eq!((&explained["outcome"], &explained["actor"]), (&json!("applied"), &json!("ops")));
        assert_eq!((&explained["type"], &explained["note"]), (&told["type"], &told["reason"]));
        assert!(explained["said"].is_object(), "{command:?}: {explained}");
        let lines = ["entries", "notices"].map(|part| explained[part].as_array().unwrap().len());
        assert_eq!(lines[0] + lines[1], told["events"].as_array().unwrap().len(), "{command:?}");
    }
    let id = given[7]["id"].as_str().unwrap();
    let text = world.text(&["explain", "message", CLI_SOURCE, id]);
    assert!(text.contains("by         ops\nbecause    why\nsaid       {\"transfer\":{"), "{text}");
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn a_command_takes_effect_once_however_often_it_is_given_under_its_key() {
    let world = World::new();
    give(&world, &["account", "open", "studio"]);
    let config = Config::load_from(None, world.environment().into_iter()).unwrap();
    let settings = Arc::new(config.ledger_settings());
    let actor: Arc<str> = "ops".into();
    let grant = GrantFact {
        account_id: AccountId::parse("studio").unwrap(),
        credits: Credits(5),
        reason: None,
        actor: Some(actor.clone()),
        expires_at: None,
    };
    let command = Command { actor, reason: None, object: Existence::Any };
    let order = Order::new(CLI_SOURCE, command, Fact::Grant(grant));
    blocking(async {
        let store = Store::new(&config.store_settings()).unwrap();
        let foretold = preview(&store, &settings, &order).await.unwrap();
        let given = async || give_order(&store, &settings, &order).await.unwrap();
        let (first, second) = tokio::join!(given(), given());
        let third = given().await;
        let logs = [first, second, third, foretold].map(|answer| match answer {
            Answer::Done(effect) => effect.log,
            Answer::Refused(refusal) => panic!("{refusal}"),
        });
        assert_eq!(logs[0].len(), 1);
        assert_eq!((&logs[1], &logs[2]), (&logs[0], &logs[0]), "each is told of the one effect");
        assert_eq!(logs[3].len(), 1);
    });
    assert_eq!(world.balance("studio"), Some((5, 0, 0, 5)));
    assert_eq!(world.number("select count(*) from creditd.inbox where type = 'credits.granted.v1'"), 1);
    world.assert_verified();
}

#[test]
fn commands_and_messages_meet_on_one_ledger() {
    let world = World::new();
    let daemon = world.daemon();
    give(&world, &["account", "open", "studio", "--capacity", "1000"]);
    let messages: Vec<_> = (0..200)
        .map(|number| {
            let id = format!("m{number}");
            Message::project(&id, &format!("project-{number}"), "studio", 1, "started", 1)
        })
        .collect();
    std::thread::scope(|scope| {
        scope.spawn(|| world.publish(&messages));
        for giver in 0..3 {
            let world = &world;
            scope.spawn(move || {
                for number in 0..5 {
                    let reason = format!("{giver} {number}");
                    give(world, &["credits", "grant", "studio", "1", "--reason", &reason]);
                }
            });
        }
    });
    world.wait_for_messages(&["m199"]);
    assert_eq!(world.balance("studio"), Some((1015, 200, 0, 815)));
    world.assert_verified();
    assert!(daemon.stop().success());
}
