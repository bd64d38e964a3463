//! What is counted of each message.

use serde_json::{Map, json};

use super::*;
use crate::contract::raw::RawMessage;
use crate::ledger::inbox::Known;

fn arrival(id: &str, message_type: &str, data: &serde_json::Value) -> Arrival {
    let event = json!({
        "specversion": "1.0", "source": "/test", "id": id, "type": message_type,
        "time": "2026-03-01T12:00:00Z", "data": data,
    });
    raw(event.to_string().as_bytes())
}

fn raw(body: &[u8]) -> Arrival {
    let raw = RawMessage {
        routing_key: "project.amended".to_owned(),
        content_type: Some("application/cloudevents+json".to_owned()),
        headers: Map::new(),
        properties: Map::new(),
        body: body.to_vec(),
    };
    Arrival::decode(raw, Timestamp::EPOCH)
}

fn grant(id: &str, credits: i64) -> Arrival {
    arrival(id, "credits.granted.v1", &json!({ "account_id": "a", "credits": credits }))
}

#[test]
fn every_message_of_a_batch_is_counted_once_by_its_type_and_what_became_of_it() {
    let known = grant("known", 1);
    let (key, fingerprint) = match &known.content {
        Content::Decoded(message, fingerprint) => (message.cause.key.clone(), *fingerprint),
        other => panic!("{other:?}"),
    };
    let mut inbox = Inbox::of([(key, Known { fingerprint, parked: false })]);
    let no_longer_due = Arrival { parked_id: Some(7), ..grant("offered", 1) };
    let arrivals = [
        grant("new", 1),
        known,
        grant("known", 2),
        grant("new", 1),
        raw(b"no message"),
        arrival("strange", "somebody.else.v1", &json!({})),
        arrival("wrong", "credits.granted.v1", &json!({ "account_id": "a" })),
        no_longer_due,
    ];
    let (mut received, mut settled) = (Received::default(), Vec::new());
    let (due, discarded) = (HashSet::new(), HashSet::new());
    let steps = admit(&arrivals, &mut inbox, &due, &discarded, &mut received, &mut settled);

    let told: Vec<_> = settled.iter().map(|fate| (fate.message_type, fate.outcome)).collect();
    let granted = MessageType::of(Some("credits.granted.v1"));
    let other = MessageType::of(None);
    let expected = [
        (granted, MessageOutcome::Duplicate),
        (granted, MessageOutcome::Conflict),
        (granted, MessageOutcome::Duplicate),
        (other, MessageOutcome::Parked),
        (other, MessageOutcome::Parked),
        (granted, MessageOutcome::Parked),
    ];
    assert_eq!(told, expected);
    assert!(settled.iter().all(|fate| fate.happened_at.is_none()), "their age is not creditd's doing");
    assert_eq!(steps.len(), 1, "what is new is counted when it is decided");
}

#[test]
fn the_age_of_a_message_counts_where_it_was_applied_as_it_came() {
    let [came, mut offered] = [grant("1", 1), grant("2", 1)];
    offered.parked_id = Some(7);
    let fate_of = |arrival: &Arrival, outcome: &Outcome| {
        Step { place: 0, first: None }.fate(std::slice::from_ref(arrival), outcome)
    };
    let parking = Parking { reason: ParkReason::AccountUnknown, detail: String::new(), waits_for: None };
    let noon = Timestamp::parse("2026-03-01T12:00:00Z").ok();
    let applied = fate_of(&came, &Outcome::Applied);
    assert_eq!((applied.outcome, applied.happened_at), (MessageOutcome::Applied, noon));
    assert_eq!(fate_of(&came, &Outcome::Parked(parking)).happened_at, None);
    assert_eq!(fate_of(&offered, &Outcome::Applied).happened_at, None);
}
