//! What goes out, byte for byte.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::json;
use super::super::outbound::{StoredNotice, of_entry, of_notice};
use super::super::places::Path;
use super::super::samples::{LEDGER, entry, queued_hold, raised_alert, rejected_hold};
use super::table;
use crate::ledger::entry::{Cause, Entry, LogNumber};
use crate::ledger::ids::AccountId;
use crate::ledger::notice::{Notice, NoticeBody};

fn parsed(body: &[u8]) -> Value {
    let document = json::parse(body, &Path::Top).unwrap();
    assert!(document.flaw.is_none(), "an event keeps to what is asked of messages: {:?}", document.flaw);
    document.value
}

/// Events are compared and replayed by their bytes, so any change of them needs a new version.
#[test]
fn an_entrys_event_has_these_bytes() {
    let event = of_entry(LEDGER, &entry());
    let expected = concat!(
        r#"{"specversion":"1.0","id":"1042","source":"creditd/creditd","type":"credits.balance_changed.v1","#,
        r#""time":"2026-03-01T12:00:00.000001Z","datacontenttype":"application/json","#,
        r#""sequence":"00000000000000001042","partitionkey":"studio.north","#,
        r#""traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","#,
        r#""data":{"account_id":"studio.north","organization_id":"group","sequence":17,"#,
        r#""entry":{"kind":"hold","from":"available","to":"held","credits":25,"project_id":"p-1","#,
        r#""reason":null,"actor":null},"#,
        r#""balance":{"total":100,"held":65,"consumed":5,"available":30},"#,
        r#""previous":{"total":100,"held":40,"consumed":5,"available":55},"#,
        r#""cause":{"source":"projects","id":"m-1","type":"project.status_changed.v1"},"#,
        r#""digest":"abababababababababababababababababababababababababababababababab"}}"#,
    );
    assert_eq!(String::from_utf8(event.body).unwrap(), expected);
    assert_eq!(event.routing_key, "credits.balance_changed.studio%2Enorth");
    assert_eq!(event.message_id, "1042");
}

#[test]
fn what_an_entry_lacks_is_null_and_a_missing_trace_is_left_out() {
    let mut entry = entry();
    entry.organization_id = None;
    entry.project_id = None;
    entry.reason = Some("goodwill".into());
    entry.actor = Some("kim".into());
    entry.cause = Arc::new(Cause { traceparent: None, ..Cause::clone(&entry.cause) });
    let event = parsed(&of_entry(LEDGER, &entry).body);
    assert_eq!(event.get("traceparent"), None);
    assert_eq!(event["data"]["organization_id"], Value::Null);
    assert_eq!(event["data"]["entry"]["project_id"], Value::Null);
    assert_eq!(event["data"]["entry"]["reason"], "goodwill");
    assert_eq!(event["data"]["entry"]["actor"], "kim");
}

#[test]
fn an_alert_carries_its_bodys_members_and_its_cause() {
    let event = of_notice(LEDGER, &StoredNotice::from(&raised_alert()));
    assert_eq!(event.routing_key, "credits.alert.studio%2Enorth");
    let body = parsed(&event.body);
    assert_eq!(body["type"], "credits.alert.v1");
    assert_eq!(body["id"], "1043");
    let holder = json!({
        "project_id": "p-1", "account_id": "studio.north", "name": "Summer", "status": "started", "held": 65,
    });
    let expected = json!({
        "account_id": "studio.north", "organization_id": null, "sequence": 3,
        "change": "raised", "severity": "warning", "previous_severity": null,
        "rules": [{
            "name": "low", "measure": "available_percent", "level": 30, "severity": "warning", "margin": 5,
            "since": "2026-03-01T12:00:00.000001Z",
        }],
        "resolved": [{"name": "few", "severity": "info", "reason": "recovered"}],
        "balance": {"total": 100, "held": 65, "consumed": 5, "available": 30},
        "queued": {"projects": 1, "credits": 40},
        "contact": {"role": "account_manager", "contact": "kim@example.com"},
        "largest_holds": [holder], "closest_to_settling": [holder],
        "cause": {"source": "projects", "id": "m-1", "type": "project.status_changed.v1"},
    });
    assert_eq!(body["data"], expected);
}

#[test]
fn a_hold_event_carries_its_bodys_members_and_its_cause() {
    let event = of_notice(LEDGER, &StoredNotice::from(&queued_hold()));
    assert_eq!(event.routing_key, "credits.hold.studio%2Enorth");
    let body = parsed(&event.body);
    assert_eq!(body["type"], "credits.hold.v1");
    let expected = json!({
        "account_id": "studio.north", "organization_id": null, "sequence": 3,
        "state": "queued", "project_id": "p-2", "credits": 40, "held": 0, "wanted": 40, "position": 1,
        "shortfall": {"account_id": "studio.north", "credits": 10},
        "cause": {"source": "projects", "id": "m-1", "type": "project.status_changed.v1"},
    });
    assert_eq!(body["data"], expected);
}

/// The JSON text of `value` with each object's members last to first.
fn backwards(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let pairs = members.iter().rev();
            let written = pairs.map(|(name, member)| format!("{}:{}", json!(name), backwards(member)));
            format!("{{{}}}", written.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(backwards).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// PostgreSQL's jsonb keeps members in an order of its own. Neither that nor the time between writing and
/// sending may show in an event.
#[test]
fn a_stored_notice_gives_the_same_bytes_as_the_fresh_one() {
    for notice in [raised_alert(), queued_hold(), rejected_hold()] {
        let fresh = StoredNotice::from(&notice);
        let as_stored = backwards(&Value::Object(fresh.body.clone()));
        let body: Map<String, Value> = serde_json::from_str(&as_stored).unwrap();
        let stored = StoredNotice { body, ..fresh.clone() };
        assert_eq!(of_notice(LEDGER, &stored), of_notice(LEDGER, &fresh));
        let read_back: NoticeBody = serde_json::from_str(&as_stored).unwrap();
        assert_eq!(StoredNotice::from(&Notice { body: read_back, ..notice }).body, fresh.body);
    }
}

#[test]
fn no_member_of_a_notice_hides_one_of_the_event() {
    for notice in [raised_alert(), queued_hold()] {
        let stored = StoredNotice::from(&notice);
        for kept in ["account_id", "organization_id", "sequence", "cause"] {
            assert!(!stored.body.contains_key(kept), "{kept}");
        }
    }
}

#[test]
fn the_longest_account_id_still_fits_a_routing_key() {
    let mut entry = entry();
    entry.account_id = AccountId::parse(&format!("pool:{}", ".".repeat(64))).unwrap();
    let key = of_entry(LEDGER, &entry).routing_key;
    assert_eq!(key, format!("credits.balance_changed.pool:{}", "%2E".repeat(64)));
    assert!(key.len() <= 255, "AMQP's limit; found {}", key.len());
}

#[test]
fn the_extension_sequence_sorts_as_text_as_its_numbers_do() {
    let sequence = |number| {
        let entry = Entry { number: LogNumber(number), ..entry() };
        table(parsed(&of_entry(LEDGER, &entry).body))["sequence"].as_str().unwrap().to_owned()
    };
    let sequences = [9, 10, 1_000_000, i64::MAX].map(sequence);
    assert!(sequences.is_sorted());
    assert!(sequences.iter().all(|sequence| sequence.len() == 20));
}
