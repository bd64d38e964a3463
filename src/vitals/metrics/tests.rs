//! What is served is what is documented.

use std::collections::BTreeSet;

use super::super::{Doing, Heartbeat, Part};
use super::*;
use crate::ledger::moment::Timestamp;

const README: &str = include_str!("../../../docs/monitoring/README.md");
const RULES: &str = include_str!("../../../docs/monitoring/creditd.rules.yml");
const OPERATING: &str = include_str!("../../../docs/operating.md");
/// Where to write what is rendered, for `scripts/test-monitoring.sh` to have it checked by promtool.
const RENDERED_FILE: &str = "CREDITD_TEST_METRICS_FILE";

/// Figures with at least one series each.
fn all_known() -> (Arc<Metrics>, Heartbeat) {
    let progress = Progress::default();
    let heartbeat = progress.register("apply", Duration::from_mins(1));
    let metrics = Metrics::new(&Health::default(), &progress);
    let now = Timestamp::parse("2026-03-01T12:00:00Z").unwrap();
    let message_type = MessageType::of(Some("project.amended.v1"));
    let fate = MessageFate { message_type, outcome: MessageOutcome::Applied, happened_at: Some(now) };
    metrics.messages.committed(&BatchFigures { messages: vec![fate], ..BatchFigures::default() }, now);
    metrics.events.published("alert", now, now);
    metrics.queue(Some((17, 1)));
    metrics.removed("notices", 3);
    metrics.answered("/v1/accounts/{id}", 200, Duration::from_millis(3));
    metrics.show_ledger(Some(&LedgerFigures {
        credits: vec![CreditsFigures {
            organization: "or\"g\\".to_owned(),
            kind: "pool".to_owned(),
            held: 30.0,
            consumed: 0.0,
            available: -5.0,
        }],
        ..LedgerFigures::default()
    }));
    (metrics, heartbeat)
}

/// The table of docs/monitoring/README.md as it must be.
fn table(families: &[Family]) -> String {
    let row = |family: &Family| {
        let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{}` | {} | {} | {} |\n", family.name, family.kind, labels.join(", "), family.help)
    };
    let rows: String = families.iter().map(row).collect();
    format!("| metric | type | labels | meaning |\n|---|---|---|---|\n{rows}")
}

#[test]
fn the_table_in_the_documentation_is_what_is_registered() {
    let expected = table(all_known().0.families());
    assert!(
        README.ends_with(&format!("\n\n{expected}")),
        "put this in place of the table at the end of docs/monitoring/README.md:\n\n{expected}"
    );
}

#[test]
fn every_figure_that_is_registered_is_rendered_with_its_type_and_help() {
    let (metrics, _heartbeat) = all_known();
    let text = metrics.render();
    if let Some(file) = std::env::var_os(RENDERED_FILE) {
        std::fs::write(file, &text).unwrap();
    }
    for Family { name, kind, help, .. } in metrics.families() {
        assert!(text.contains(&format!("\n# TYPE {name} {kind}\n")), "{name}");
        assert!(format!("\n{text}").contains(&format!("\n# HELP {name} {help}\n")), "{name}");
    }
    let series = "creditd_credits{kind=\"pool\",organization=\"or\\\"g\\\\\",state=\"available\"} -5";
    assert!(text.contains(series), "{text}");
}

#[test]
fn every_figure_that_an_alert_rule_asks_for_exists() {
    let (metrics, _heartbeat) = all_known();
    let known: BTreeSet<_> = metrics.families().iter().map(|family| family.name).collect();
    let words = RULES.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let asked: BTreeSet<_> = words.filter(|word| word.starts_with("creditd_")).collect();
    assert!(asked.len() > 5, "{asked:?}");
    for name in asked {
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        assert!(known.contains(name) || family.is_some_and(|family| known.contains(family)), "{name}");
    }
}

#[test]
fn every_alert_rule_has_its_place_in_the_operating_page() {
    let alerts: Vec<_> = RULES.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let links = RULES.lines().filter_map(|line| line.trim().strip_prefix("runbook: docs/operating.md#"));
    let expected: Vec<_> = alerts.iter().map(|alert| alert.to_lowercase()).collect();
    assert_eq!(links.collect::<Vec<_>>(), expected);
    for alert in alerts {
        assert!(OPERATING.contains(&format!("\n### {alert}\n")), "{alert}");
    }
}

#[test]
fn what_is_counted_shows_in_its_series_and_in_no_other() {
    let text = all_known().0.render();
    for line in [
        "creditd_messages_total{outcome=\"applied\",type=\"project.amended.v1\"} 1",
        "creditd_messages_total{outcome=\"stale\",type=\"project.amended.v1\"} 0",
        "creditd_events_published_total{type=\"credits.alert.v1\"} 1",
        "creditd_events_published_total{type=\"credits.balance_changed.v1\"} 0",
        "creditd_queue_messages_ready 17",
        "creditd_http_requests_total{route=\"/v1/accounts/{id}\",status=\"200\"} 1",
        "creditd_ready 0",
        "creditd_live 1",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} is not in\n{text}");
    }
}

#[test]
fn what_is_not_known_any_more_is_left_out_rather_than_old() {
    let (metrics, _heartbeat) = all_known();
    metrics.queue(None);
    metrics.show_ledger(None);
    let text = metrics.render();
    for gone in
        ["creditd_queue_messages_ready", "creditd_credits", "creditd_parked_messages", "creditd_accounts"]
    {
        assert!(!text.contains(&format!("\n{gone}")), "{gone} is in\n{text}");
    }
}

#[test]
fn the_state_of_the_parts_is_told_as_it_is_when_somebody_asks() {
    let health = Health::default();
    let metrics = Metrics::new(&health, &Progress::default());
    health.well(Part::Intake, Doing::StandingBy);
    let text = metrics.render();
    assert!(text.contains("\ncreditd_part_ok{part=\"intake\"} 1\n"), "{text}");
    assert!(text.contains("\ncreditd_consuming 0\n"), "{text}");
    health.well(Part::Intake, Doing::Consuming);
    assert!(metrics.render().contains("\ncreditd_consuming 1\n"));
}
