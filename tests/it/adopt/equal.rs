//! An import comes to the same as the same messages delivered.

use serde_json::{Value, json};

use creditd::sandbox::stream;

use super::{import, lines_of, write};
use crate::faults::{assert_balances, assert_projects};
use crate::model::{Workload, seed};
use crate::support::{Message, World, today, wait_until};

/// Each has about ten messages.
const DEMO_PROJECTS: u32 = 250;

/// The demo's messages, with plans so large that all of it fits: what waits depends on the order of arrival.
fn demo() -> Vec<Message> {
    let message = |demo: stream::DemoMessage| Message {
        routing_key: demo.routing_key,
        content_type: demo.content_type.to_owned(),
        headers: Vec::new(),
        body: with_large_plan(demo.body),
    };
    stream::messages(1, DEMO_PROJECTS, today()).map(message).collect()
}

fn with_large_plan(body: Vec<u8>) -> Vec<u8> {
    let Ok(mut event) = serde_json::from_slice::<Value>(&body) else { return body };
    let mut changed = false;
    for plan in ["capacity", "allocation"] {
        if event["data"].get(plan).is_some() {
            event["data"][plan] = json!(1_000_000);
            changed = true;
        }
    }
    if changed { event.to_string().into_bytes() } else { body }
}

type AccountBalance = (String, i64, i64, i64, i64);
type ProjectStand = (String, String, Option<String>, Option<i64>, i64, i64, String);

fn books(world: &World) -> (Vec<AccountBalance>, Vec<ProjectStand>) {
    let accounts = world.rows(
        "select account_id, total, held, consumed, queued_credits from creditd.account order by account_id",
    );
    let projects = world.rows(
        "select project_id, account_id, status, price_credits, held, consumed, state
           from creditd.project order by project_id",
    );
    (accounts, projects)
}

#[test]
fn an_import_of_the_demo_ends_in_the_same_books_as_its_delivery() {
    let messages = demo();
    let delivered = World::new();
    let daemon = delivered.daemon();
    delivered.publish(&messages);
    let come = i64::try_from(messages.len()).unwrap();
    wait_until("all are decided, parked ones offered again", || {
        delivered.number(
            "select (select coalesce(sum(deliveries + conflicts), 0) from creditd.inbox
                      where source not like 'creditd/%')::bigint
                  + (select coalesce(sum(deliveries), 0) from creditd.parked
                      where not exists (select from creditd.inbox
                             where inbox.source = parked.source and inbox.id = message_id))::bigint",
        ) >= come
            && delivered.number("select count(*) from creditd.parked where due and done_at is null") == 0
    });
    assert!(daemon.stop().success());

    let imported = World::new();
    let lines: Vec<_> =
        messages.iter().map(|message| String::from_utf8_lossy(&message.body).into()).collect();
    let file = write(&imported, "demo.jsonl", &lines);
    let (_, report) = import(&imported, &file, &["--skip-invalid", "--batch", "100"]);
    assert!(lines.len() > 2000, "{} lines", lines.len());
    assert!(report["skipped_total"].as_i64().unwrap() > 0, "upstreams make mistakes");

    let (accounts, projects) = books(&imported);
    assert!(accounts.iter().any(|(_, _, held, consumed, _)| *held > 0 && *consumed == 0));
    assert_eq!((accounts, projects), books(&delivered));
    imported.assert_verified();
}

#[test]
fn shuffled_lines_beside_a_running_daemon_come_to_what_the_model_says() {
    let mut random = fastrand::Rng::with_seed(seed());
    let workload = Workload::random(&mut random);
    let mut lines = lines_of(&workload);
    random.shuffle(&mut lines);
    let world = World::new();
    let daemon = world.daemon();
    let file = write(&world, "shuffled.jsonl", &lines);
    let (code, report) = import(&world, &file, &["--batch", "7"]);
    assert_eq!(code, Some(0), "{report}");
    assert_projects(&world, &workload);
    assert_balances(&world, &workload);
    world.assert_verified();
    // The daemon publishes what the import wrote.
    world.wait_until_published();
    assert!(daemon.stop().success());
}

#[test]
fn what_waited_in_the_ledger_is_taken_up_when_its_account_is_imported() {
    let world = World::new();
    let daemon = world.daemon();
    world.publish(&[Message::project("early", "brief", "studio", 4, "started", 30)]);
    world.wait_for_messages(&["early"]);
    assert_eq!(world.explain("early")["outcome"], "parked");
    assert!(daemon.stop().success());

    let lines = [
        json!({ "type": "project.status_changed.v1", "data": { "project_id": "brief", "account_id": "studio",
                "revision": 0, "status": "started", "credits": 20 } }),
        json!({ "type": "account.changed.v1",
                "data": { "account_id": "studio", "revision": 0, "capacity": 100 } }),
    ];
    let file = write(&world, "plans.jsonl", &lines.map(|line| line.to_string()));
    let (code, report) = import(&world, &file, &[]);
    assert_eq!((code, &report["applied"], &report["taken_up"]), (Some(0), &json!(2), &json!(1)));
    assert_eq!(world.balance("studio"), Some((100, 30, 0, 70)), "the upstream's revision is the newer one");
    assert_eq!(world.explain("early")["outcome"], "applied");
    world.assert_verified();
}
