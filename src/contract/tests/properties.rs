//! What holds for any message.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::facts::INBOUND_TYPES;
use super::super::inbound::decode;
use super::generators::{any_json, good_message};
use super::{binary, decoded, event, raw, structured, table};

/// The text of `members` in the order that `order` draws, after as many spaces as `spaces` says.
fn shuffled(members: &Map<String, Value>, order: &[usize], spaces: usize) -> String {
    let mut written: Vec<_> =
        members.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
    for (place, swap) in order.iter().enumerate().take(written.len()) {
        let other = swap % written.len();
        written.swap(place, other);
    }
    format!("{}{{{}}}", " ".repeat(spaces), written.join(","))
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(
        body in vec(any::<u8>(), 0..200),
        content_type in option::of("(application/(cloudevents)?[+]?json)?.{0,10}"),
    ) {
        let _ = decode(&raw(content_type.as_deref(), json!({}), body));
    }

    #[test]
    fn any_json_is_decoded_or_refused_with_a_detail_that_can_be_stored(body in any_json(), headers in any_json()) {
        let headers = if headers.is_object() { headers } else { json!({"ce-id": headers}) };
        let in_structured_mode = raw(None, json!({}), body.to_string());
        let in_binary_mode = raw(Some("application/json"), headers, body.to_string());
        for raw in [in_structured_mode, in_binary_mode] {
            if let Err(error) = decode(&raw) {
                prop_assert!(!error.detail.is_empty());
                prop_assert!(!error.detail.chars().any(char::is_control), "{:?}", error.detail);
                prop_assert!(error.detail.chars().count() <= 1003, "{:?}", error.detail);
            }
        }
    }

    #[test]
    fn any_data_of_a_known_type_is_decoded_or_refused(
        place in 0..INBOUND_TYPES.len(),
        data in any_json(),
        spoilt in good_message(),
        member in any::<prop::sample::Index>(),
    ) {
        let _ = decode(&binary(INBOUND_TYPES[place].name, &data));
        let (message_type, mut good) = spoilt;
        let name = good.keys().nth(member.index(good.len())).unwrap().clone();
        good.insert(name, data);
        let _ = decode(&structured(&event(message_type, &Value::Object(good))));
    }

    #[test]
    fn a_message_keeps_its_fingerprint_in_both_modes_and_any_order(
        (message_type, data) in good_message(),
        order in vec(any::<usize>(), 0..12),
        spaces in 0_usize..3,
        stranger in any_json(),
    ) {
        let plain = decoded(&structured(&event(message_type, &Value::Object(data.clone()))));

        let mut with_stranger = data.clone();
        with_stranger.insert("no_member_of_any_type".into(), without_nul(&stranger));
        let mut envelope = table(event(message_type, &json!({})));
        envelope.remove("data");
        envelope.insert("time".into(), json!("2030-01-01T00:00:00Z"));
        envelope.insert("subject".into(), json!("ignored"));
        let attributes = shuffled(&envelope, &order, spaces);
        let data = shuffled(&with_stranger, &order, spaces);
        let body = format!("{},\"data\":{data}}}", attributes.trim_end_matches('}'));
        let reordered = decoded(&raw(None, json!({}), body));
        prop_assert_eq!(&reordered.fact, &plain.fact);
        prop_assert_eq!(reordered.fingerprint(), plain.fingerprint());

        let mut in_binary_mode = binary(message_type, &json!({}));
        in_binary_mode.body = data.into_bytes();
        let in_binary_mode = decoded(&in_binary_mode);
        prop_assert_eq!(&in_binary_mode.fact, &plain.fact);
        prop_assert_eq!(in_binary_mode.fingerprint(), plain.fingerprint());
    }

    #[test]
    fn two_messages_have_one_fingerprint_exactly_if_they_say_the_same(
        (message_type, data) in good_message(),
        (other_type, other_data) in good_message(),
        member in any::<prop::sample::Index>(),
    ) {
        let message = decoded(&binary(message_type, &Value::Object(data.clone())));
        let other = decoded(&binary(other_type, &Value::Object(other_data.clone())));
        let says = |message: &super::Message| {
            (message.cause.message_type.clone(), message.revision, message.fact.clone())
        };
        prop_assert_eq!(message.fingerprint() == other.fingerprint(), says(&message) == says(&other));

        // Near misses: one member of it taken from another message, or left out.
        let name = data.keys().nth(member.index(data.len())).unwrap();
        let mut near = data.clone();
        match other_data.get(name) {
            Some(value) => near.insert(name.clone(), value.clone()),
            None => near.remove(name),
        };
        if let Ok(near) = decode(&binary(message_type, &Value::Object(near))) {
            prop_assert_eq!(message.fingerprint() == near.fingerprint(), says(&message) == says(&near));
        }
    }

    #[test]
    fn a_fact_is_the_same_after_a_round_through_json((message_type, data) in good_message()) {
        let message = decoded(&binary(message_type, &Value::Object(data)));
        let text = serde_json::to_string(&message.fact).unwrap();
        let read_back: crate::ledger::input::Fact = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read_back, message.fact);
    }
}

fn without_nul(value: &Value) -> Value {
    serde_json::from_str(&value.to_string().replace("\\u0000", "")).unwrap_or(Value::Null)
}

#[test]
fn type_and_revision_count_where_the_data_is_the_same() {
    let data = json!({"project_id": "p", "account_id": "a", "status": "started"});
    let fingerprint = |message_type: &str, data: &Value| decoded(&binary(message_type, data)).fingerprint();
    let mut with_revision = data.clone();
    with_revision["revision"] = json!(1);
    let first = fingerprint("project.status_changed.v1", &data);
    assert_ne!(first, fingerprint("project.status_changed.v1", &with_revision));
    let amended = json!({"project_id": "p", "account_id": "a"});
    assert_ne!(first, fingerprint("project.amended.v1", &amended));
}

/// The inbox keeps these hashes for ever: a change would make each repetition a conflict.
#[test]
fn the_fingerprint_of_a_message_is_pinned() {
    let data =
        json!({"project_id": "p-1", "account_id": "acme", "status": "started", "revision": 3, "credits": 12});
    let message = decoded(&binary("project.status_changed.v1", &data));
    let hex = crate::ledger::entry::Digest(message.fingerprint()).to_string();
    assert_eq!(hex, "469cea2af623c558abf8b9e6819b74e6bcd9e8442817c06a6b54a592e9885dc8");
}

#[test]
fn a_message_becomes_the_input_of_its_time() {
    let now = crate::ledger::moment::Timestamp::parse("2026-03-01T12:00:01Z").unwrap();
    let data = json!({"account_id": "acme", "revision": 4});
    let message = decoded(&binary("account.changed.v1", &data));
    let input = message.clone().into_input(now);
    assert_eq!((input.now, input.revision, input.time), (now, Some(4), message.time));
    assert_eq!((input.cause, input.fact), (message.cause, message.fact));
}
