//! What comes by the clock: grants that expire, and holds that are stale.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Message, World, message, wait_until};

fn grant(id: &str, credits: i64, expires_at: &str) -> Message {
    let data = json!({ "account_id": "studio", "credits": credits, "expires_at": expires_at });
    message(id, "credits.granted.v1", &data)
}

/// The alerts about `studio` that name `rule`, raised or resolved, as they are stored.
fn alerts(world: &World, rule: &str) -> Vec<Value> {
    let all = world.report(
        "select coalesce(jsonb_agg(body order by log_number), '[]') from creditd.notice
          where kind = 'alert' and account_id = 'studio'",
    );
    let names = |list: &Value| list.as_array().unwrap().iter().any(|one| one["name"] == rule);
    let is_about = |alert: &&Value| names(&alert["rules"]) || names(&alert["resolved"]);
    all.as_array().unwrap().iter().filter(is_about).cloned().collect()
}

#[test]
fn a_grant_is_warned_of_and_then_expires_by_itself() {
    let world = World::new();
    let daemon = world.daemon();
    world.publish(&[
        Message::account("a1", "studio", 1, json!({ "capacity": 100 })),
        grant("g1", 20, "2999-01-01T00:00:00Z"),
    ]);
    world.wait_for_messages(&["g1"]);
    assert!(alerts(&world, "grant_expiring").is_empty());
    world.as_owner("update creditd.credit_grant set expires_at = now() + interval '1 day'");
    wait_until("the warning", || alerts(&world, "grant_expiring").len() == 1);
    let warning = &alerts(&world, "grant_expiring")[0];
    assert_eq!((&warning["change"], &warning["subjects"][0]["credits_left"]), (&json!("raised"), &json!(20)));

    world.as_owner("update creditd.credit_grant set expires_at = now()");
    wait_until("the expiry", || world.balance("studio") == Some((100, 0, 0, 100)));
    assert_eq!(alerts(&world, "grant_expiring").pop().unwrap()["change"], "resolved");
    let expiry = world.report("select to_jsonb(entry) from creditd.entry where kind = 'expiry'");
    assert_eq!((&expiry["cause_source"], &expiry["credits"]), (&json!("creditd/expiry"), &json!(20)));
    let explained =
        world.json(&["explain", "message", "creditd/expiry", expiry["cause_id"].as_str().unwrap()]);
    assert_eq!(explained["outcome"], "applied");
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn an_expiry_that_is_due_comes_before_the_next_message_on_its_account() {
    let world = World::new();
    world.declare();
    world.publish(&[
        Message::account("a1", "studio", 1, json!({ "capacity": 10 })),
        grant("g1", 5, "2026-01-01T00:00:00Z"),
        Message::project("p1", "brief", "studio", 1, "started", 12),
    ]);
    let daemon = world.daemon();
    world.wait_for_messages(&["p1"]);
    assert_eq!(world.json(&["project", "show", "brief"])["state"], "queued", "the grant was over");
    let kinds = world.report("select jsonb_agg(kind order by log_number) from creditd.entry");
    assert_eq!(kinds, json!(["plan", "grant", "expiry"]));
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn a_stale_hold_is_told_once_and_two_daemons_make_no_difference() {
    let world = World::new();
    let daemon = world.daemon();
    let second = world.daemon_named("second");
    world.publish(&[
        Message::account("a1", "studio", 1, json!({ "capacity": 100 })),
        Message::project("p1", "brief", "studio", 1, "delivered", 30),
        Message::project("p2", "other", "studio", 1, "delivered", 10),
    ]);
    world.wait_for_messages(&["p2"]);
    world.as_owner(
        "update creditd.project set status_since = now() - interval '31 days', stale_check_at = now()",
    );
    wait_until("the alert", || !alerts(&world, "hold_stale").is_empty());
    let alert = &alerts(&world, "hold_stale")[0];
    assert_eq!((&alert["change"], &alert["subjects"].as_array().unwrap().len()), (&json!("raised"), &2));
    assert_eq!(world.balance("studio"), Some((100, 40, 0, 60)), "it is never released by itself");

    world.publish(&[Message::project("p3", "brief", "studio", 2, "finalized", 30)]);
    world.publish(&[Message::project("p4", "other", "studio", 2, "finalized", 10)]);
    world.wait_for_messages(&["p3", "p4"]);
    let told: Vec<_> = alerts(&world, "hold_stale").iter().map(|alert| alert["change"].clone()).collect();
    assert_eq!(told, ["raised", "updated", "resolved"]);
    world.assert_verified();
    assert!(daemon.stop().success() && second.stop().success());
}

const LONG_LIMIT: &str = r#"
[lifecycle]
statuses = [
    { status = "started", effect = "hold", stale_after_days = 90 },
    { status = "submitted", effect = "hold", stale_after_days = 30 },
    { status = "finalized", effect = "release" },
]
"#;

#[test]
fn a_hold_is_looked_at_again_when_its_status_or_its_limit_has_changed() {
    let mut world = World::new();
    world.configure(LONG_LIMIT);
    let daemon = world.daemon();
    world.publish(&[
        Message::account("a1", "studio", 1, json!({ "capacity": 100 })),
        Message::project("p1", "brief", "studio", 1, "started", 30),
    ]);
    world.wait_for_messages(&["p1"]);
    let days_to_look =
        "select coalesce(extract(day from stale_check_at - status_since), -1)::bigint from creditd.project";
    assert_eq!(world.number(days_to_look), 30, "whatever status follows, it is not stale before");

    let forty_days =
        "update creditd.project set status_since = now() - interval '40 days', stale_check_at = now()";
    world.as_owner(forty_days);
    wait_until("the look is put off", || world.number(days_to_look) == 90);
    world.publish(&[Message::project("p2", "brief", "studio", 2, "submitted", 30)]);
    world.wait_for_messages(&["p2"]);
    assert_eq!(world.number(days_to_look), 30, "this status has the shorter limit");
    world.publish(&[Message::project("p3", "brief", "studio", 3, "finalized", 30)]);
    world.wait_for_messages(&["p3"]);
    assert_eq!(world.number(days_to_look), -1, "nothing is held");

    world.publish(&[Message::project("p4", "brief", "studio", 4, "started", 30)]);
    world.wait_for_messages(&["p4"]);
    world.as_owner(forty_days);
    wait_until("the look is put off", || world.number(days_to_look) == 90);
    assert!(alerts(&world, "hold_stale").is_empty());
    world.configure(&LONG_LIMIT.replace("90", "35"));
    daemon.signal(Signal::HUP);
    wait_until("the alert by the new limit", || alerts(&world, "hold_stale").len() == 1);
    world.assert_verified();
    assert!(daemon.stop().success());
}

/// Something that is done to what is counted beside balances, and what `verify` must find of it.
const TAMPERED: [(&str, &str); 8] = [
    (
        "update creditd.credit_grant set credits_left = 9",
        "of grant 2 9 credits are left, its entries say 14 (-5)",
    ),
    (
        "update creditd.credit_grant set closed = true",
        "the number of open grants is 1, its grants say 0 (+1)",
    ),
    ("update creditd.credit_grant set credits = 21", "its grant 2 differs from the entry of that number"),
    (
        "update creditd.account set promised = 7 where kind = 'pool'",
        "what the pool has promised is 7, its accounts' totals say 40 (-33)",
    ),
    (
        "update creditd.account set stale_holds = 1 where account_id = 'studio'",
        "the number of stale holds is 1, its projects say 0 (+1)",
    ),
    ("update creditd.asset set credits = 5", "its charge 3 differs from the entry of that number"),
    ("delete from creditd.asset", "the asset of charge 3 is missing"),
    (
        "update creditd.account set consumed = 7, total = 121 where account_id = 'studio'",
        "consumed is 7, its projects and charges say 6 (+1)",
    ),
];

#[test]
fn verify_finds_what_was_done_to_grants_charges_and_tallies() {
    let world = World::new();
    let daemon = world.daemon();
    let charge = json!({ "account_id": "studio", "asset_type": "photo", "credits": 6 });
    let member = json!({ "kind": "integrated", "organization_id": "acme", "allocation": 40 });
    world.publish(&[
        Message::account("a1", "studio", 1, json!({ "capacity": 100 })),
        grant("g1", 20, "2999-01-01T00:00:00Z"),
        message("s1", "asset.created.v1", &charge),
        Message::organization("o1", "acme", 1, 50),
        Message::account("a2", "member", 1, member),
    ]);
    world.wait_for_messages(&["a2"]);
    assert!(daemon.stop().success());
    world.assert_verified();
    for (tamper, expected) in TAMPERED {
        world.as_superuser(&format!(
            "create schema saved; create table saved.account as table creditd.account;
             create table saved.credit_grant as table creditd.credit_grant;
             create table saved.asset as table creditd.asset; {tamper}"
        ));
        let findings = world.run(&["verify", "--json"]);
        assert_eq!(findings.status.code(), Some(1), "{tamper}");
        let told = String::from_utf8(findings.stdout).unwrap();
        assert!(told.contains(expected), "{tamper}: {told}");
        world.as_superuser(
            "truncate creditd.account, creditd.credit_grant, creditd.asset;
             insert into creditd.account table saved.account;
             insert into creditd.credit_grant table saved.credit_grant;
             insert into creditd.asset table saved.asset; drop schema saved cascade",
        );
        world.assert_verified();
    }
}
