//! The figures of the ledger, against what the ledger has.

use std::time::Duration;

use creditd::store::{Store, StoreSettings};
use creditd::vitals::metrics::{CreditsFigures, LedgerFigures};
use creditd::vitals::{Figures, Health, Metrics, Progress};
use serde_json::json;

use crate::support::{Message, World, blocking, wait_until};

/// The ledger as the daemon's role sees it.
fn store(database_url: &str) -> Store {
    let limit = Duration::from_secs(30);
    let settings = StoreSettings {
        urls: vec![database_url.to_owned().into()],
        schema: "creditd".to_owned(),
        statement_timeout: limit,
        lock_timeout: limit,
        connections_max: 2,
    };
    Store::new(&settings).unwrap()
}

fn figures(world: &World) -> LedgerFigures {
    blocking(async { store(&world.database_url).figures().await.unwrap() })
}

/// What a scrape would bring.
fn scrape(database_url: &str) -> String {
    let metrics = Metrics::new(&Health::default(), &Progress::default());
    blocking(async { Figures::new(metrics.clone(), store(database_url)).refresh().await });
    metrics.render()
}

fn of<'f>(figures: &'f LedgerFigures, organization: &str, kind: &str) -> &'f CreditsFigures {
    let is_it = |row: &&CreditsFigures| row.organization == organization && row.kind == kind;
    figures.credits.iter().find(is_it).unwrap_or_else(|| panic!("{organization} {kind} in {figures:?}"))
}

fn assert_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.contains(&format!("\n{line}\n")), "{line} is not in\n{text}");
    }
}

#[test]
fn the_figures_of_the_ledger_are_what_is_in_it() {
    let world = World::new();
    let daemon = world.daemon();
    let account = |id: &str, data| Message::account(id, id, 1, data);
    world.publish(&[
        Message::organization("studios", "studios", 1, 100),
        account("member", json!({ "kind": "integrated", "organization_id": "studios", "allocation": 80 })),
        account("partner", json!({ "kind": "connected", "organization_id": "studios", "capacity": 40 })),
        account("loner", json!({ "capacity": 10 })),
        Message::project("p1", "p1", "member", 1, "started", 30),
        Message::project("p2", "p2", "partner", 1, "started", 15),
        Message::project("p3", "p3", "loner", 1, "started", 9),
        Message::project("p4", "p4", "loner", 1, "started", 4),
        Message::project("p5", "p5", "nobody", 1, "started", 1),
        Message::project("p6", "p6", "loner", 1, "on_the_moon", 1),
        Message::raw("project.amended", "no message"),
    ]);
    world.wait_for_messages(&["p6"]);
    wait_until("the last message is parked", || world.parked().len() == 3);
    world.wait_until_published();

    let text = scrape(&world.database_url);
    assert_lines(
        &text,
        &[
            "creditd_figures_ok 1",
            "creditd_credits{kind=\"pool\",organization=\"studios\",state=\"held\"} 30",
            "creditd_credits{kind=\"pool\",organization=\"studios\",state=\"available\"} 70",
            "creditd_credits{kind=\"connected\",organization=\"studios\",state=\"available\"} 25",
            "creditd_credits{kind=\"standalone\",organization=\"(none)\",state=\"held\"} 9",
            "creditd_credits{kind=\"standalone\",organization=\"(none)\",state=\"consumed\"} 0",
            "creditd_accounts{kind=\"integrated\"} 1",
            "creditd_accounts{kind=\"pool\"} 1",
            "creditd_projects_waiting 1",
            "creditd_parked_messages{reason=\"account_unknown\"} 1",
            "creditd_parked_messages{reason=\"unknown_status\"} 1",
            "creditd_parked_messages{reason=\"not_json\"} 1",
            "creditd_parked_messages{reason=\"conflict\"} 0",
            // The loner has a tenth left and a project that waits.
            "creditd_alerts_active{severity=\"warning\"} 2",
            "creditd_alerts_active{severity=\"critical\"} 0",
            "creditd_relay_unpublished_events 0",
            "creditd_relay_oldest_unpublished_seconds 0",
        ],
    );
    assert!(!text.contains("kind=\"integrated\",organization"), "what a member has is its pool's: {text}");

    assert!(daemon.stop().success());
    world.tamper(
        "update creditd.relay set published = 0;
         update creditd.entry set at = at - interval '1 hour' where log_number = 1",
    );
    let behind = figures(&world);
    assert_eq!(behind.events_unpublished, world.number("select log_last from creditd.ledger"));
    assert!((3600.0..7200.0).contains(&behind.oldest_unpublished_s), "{behind:?}");
}

#[test]
fn the_largest_organizations_have_series_of_their_own_and_all_others_share_one() {
    let world = World::new();
    let daemon = world.daemon();
    let organizations: Vec<_> = (1..=53)
        .map(|number| Message::organization(&format!("o{number}"), &format!("org-{number}"), 1, number * 10))
        .collect();
    world.publish(&organizations);
    // The smallest pool, and yet one of the largest by what is connected to it.
    let connected = json!({ "kind": "connected", "organization_id": "org-1", "capacity": 100_000 });
    world.publish(&[Message::account("partner", "partner", 1, connected)]);
    world.wait_for_messages(&["partner"]);
    assert!(daemon.stop().success());

    let figures = figures(&world);
    assert_eq!(figures.credits.len(), 50 + 1 + 1, "50 organizations, one of them twice, and the others");
    assert!((of(&figures, "org-53", "pool").available - 530.0).abs() < 1e-9);
    assert!((of(&figures, "org-1", "connected").available - 100_000.0).abs() < 1e-9);
    assert!((of(&figures, "org-1", "pool").available - 10.0).abs() < 1e-9);
    assert!((of(&figures, "(other)", "pool").available - f64::from(20 + 30 + 40)).abs() < 1e-9);
}

#[test]
fn a_scrape_answers_though_the_database_is_away() {
    // Nobody listens on port 1.
    let text = scrape("postgres://creditd:secret@127.0.0.1:1/creditd");
    assert_lines(&text, &["creditd_figures_ok 0", "creditd_live 1", "creditd_database_connections_limit 2"]);
    assert!(!text.contains("\ncreditd_credits"), "{text}");
}
