//! Modes, attributes and limits.

use serde_json::{Value, json};

use super::super::cloudevent::BODY_BYTES_MAX;
use super::super::inbound::decode;
use super::{assert_refused, binary, decoded, event, raw, refused, structured};
use crate::ledger::ids::MessageKey;
use crate::ledger::outcome::ParkReason;

const ACCOUNT_CHANGED: &str = "account.changed.v1";

fn good_event() -> Value {
    event(ACCOUNT_CHANGED, &json!({"account_id": "acme"}))
}

fn with(attribute: &str, value: Value) -> Value {
    let mut event = good_event();
    event[attribute] = value;
    event
}

/// Headers of binary mode, each attribute after `prefix`.
fn headers(prefix: &str) -> Value {
    let attributes =
        [("specversion", "1.0"), ("source", "projects"), ("id", "m-1"), ("type", ACCOUNT_CHANGED)];
    attributes.iter().map(|(name, value)| (format!("{prefix}{name}"), json!(value))).collect()
}

const DATA: &str = r#"{"account_id": "acme"}"#;

#[test]
fn a_structured_event_is_read_under_each_content_type_that_publishers_send() {
    let types = [
        Some("application/cloudevents+json"),
        Some("Application/CloudEvents+JSON;charset=UTF-8"),
        Some("application/json"),
        Some("application/json; charset=utf-8"),
        None,
    ];
    for content_type in types {
        let raw = raw(content_type, json!({"x-trace": "unrelated"}), good_event().to_string());
        assert_eq!(*decoded(&raw).cause.message_type, *ACCOUNT_CHANGED, "{content_type:?}");
    }
}

#[test]
fn headers_beside_a_structured_event_count_for_nothing() {
    let mut both = headers("cloudEvents:");
    both["cloudEvents:id"] = json!("another");
    let raw = raw(Some("application/cloudevents+json"), both, good_event().to_string());
    assert_eq!(&*decoded(&raw).cause.key.id, "m-1");
}

#[test]
fn a_binary_event_is_read_under_each_spelling_of_its_headers() {
    for prefix in ["cloudEvents:", "cloudEvents_", "ce-", "CE-", "cloudevents:"] {
        for content_type in [Some("application/json"), Some("application/json;charset=utf-8"), None] {
            let message = decoded(&raw(content_type, headers(prefix), DATA));
            assert_eq!(message.cause.key, MessageKey::new("projects", "m-1"), "{prefix}");
        }
    }
}

#[test]
fn two_headers_for_one_attribute_must_agree() {
    let mut both = headers("cloudEvents:");
    both["ce-id"] = json!("m-1");
    assert!(decode(&raw(None, both.clone(), DATA)).is_ok());
    both["ce-id"] = json!("m-2");
    let detail = "id: two headers differ in it";
    assert_refused(&raw(None, both, DATA), ParkReason::NotCloudevent, detail);
}

#[test]
fn a_time_header_may_be_text_or_the_timestamp_of_amqp() {
    for time in [json!("2026-03-01T12:00:00Z"), json!(1_772_366_400)] {
        let mut with_time = headers("ce-");
        with_time["ce-time"] = time;
        let time = decoded(&raw(None, with_time, DATA)).time.unwrap();
        assert_eq!(time.to_string(), "2026-03-01T12:00:00Z");
    }
    let expected = "time: expected an RFC 3339 time such as 2026-03-01T12:00:00Z, found";
    // In milliseconds, and beyond what RFC 3339 can write.
    for number in [1_772_366_400_000_i64, 253_402_300_800, -62_167_219_201, -377_705_116_800, i64::MIN] {
        let mut beyond = headers("ce-");
        beyond["ce-time"] = json!(number);
        let detail = format!("{expected} {number}");
        assert_refused(&raw(None, beyond, DATA), ParkReason::NotCloudevent, &detail);
    }
    let detail = format!("{expected} 1772366400");
    let structured = structured(&with("time", json!(1_772_366_400)));
    assert_refused(&structured, ParkReason::NotCloudevent, &detail);
}

#[test]
fn other_content_types_are_refused_with_the_message_named() {
    let cases = [
        ("application/cloudevents-batch+json", "application/cloudevents+json, one event a message"),
        ("application/cloudevents+avro", "application/cloudevents+json, one event a message"),
        ("text/plain", "application/cloudevents+json or application/json"),
    ];
    for (content_type, expected) in cases {
        let raw = raw(Some(content_type), headers("ce-"), DATA);
        let detail = format!("content type: expected {expected}, found \"{content_type}\"");
        assert_refused(&raw, ParkReason::NotCloudevent, &detail);
        assert_eq!(refused(&raw).key, Some(MessageKey::new("projects", "m-1")));
    }
}

#[test]
fn wrong_attributes_are_told_by_name() {
    let text = "expected a text of 1 to 256 characters without control characters";
    let long = format!("\"{}\"... (257 characters)", "x".repeat(80));
    let cases = [
        ("specversion", json!("0.3"), "expected \"1.0\", found \"0.3\"".to_owned()),
        ("specversion", json!(1.0), "expected \"1.0\", found 1.0".to_owned()),
        ("specversion", json!(null), "required, but missing or null".to_owned()),
        ("source", json!(null), "required, but missing or null".to_owned()),
        ("source", json!(""), format!("{text}, found \"\"")),
        ("source", json!("x".repeat(257)), format!("{text}, found {long}")),
        ("id", json!(null), "required, but missing or null".to_owned()),
        ("id", json!(17), format!("{text}, found 17")),
        ("id", json!("a\tb"), format!("{text}, found \"a\\tb\"")),
        ("type", json!(null), "required, but missing or null".to_owned()),
        ("type", json!(["account.changed.v1"]), format!("{text}, found a list of 1")),
        (
            "time",
            json!("01.03.2026"),
            "expected an RFC 3339 time such as 2026-03-01T12:00:00Z, found \"01.03.2026\"".to_owned(),
        ),
        ("datacontenttype", json!("text/xml"), "expected application/json, found \"text/xml\"".to_owned()),
        ("datacontenttype", json!(1), "expected application/json, found 1".to_owned()),
    ];
    for (attribute, value, problem) in cases {
        let raw = structured(&with(attribute, value));
        assert_refused(&raw, ParkReason::NotCloudevent, &format!("{attribute}: {problem}"));
    }
}

#[test]
fn a_null_attribute_counts_as_absent() {
    let mut event = good_event();
    for attribute in ["time", "datacontenttype", "data_base64", "traceparent", "subject"] {
        event[attribute] = Value::Null;
    }
    let message = decoded(&structured(&event));
    assert_eq!((message.time, &message.cause.traceparent), (None, &None));
}

#[test]
fn json_of_another_kind_is_no_event() {
    let detail = "specversion: required, but missing or null";
    assert_refused(&raw(None, json!({}), DATA), ParkReason::NotCloudevent, detail);
    let detail = "body: expected a CloudEvent, which is a JSON object";
    assert_refused(&raw(None, json!({}), "[1, 2]"), ParkReason::NotCloudevent, detail);
}

#[test]
fn unknown_types_and_versions_are_told_with_the_known_ones() {
    let raw_of = |message_type: &str| structured(&event(message_type, &json!({})));
    let detail = "type: \"project.amended.v2\" is a version that is not known; project.amended.v1 is";
    assert_refused(&raw_of("project.amended.v2"), ParkReason::UnknownType, detail);
    let detail = "type: \"project.amended\" is a version that is not known; project.amended.v1 is";
    assert_refused(&raw_of("project.amended"), ParkReason::UnknownType, detail);
    let error = refused(&raw_of("project.archived.v1"));
    assert_eq!(error.reason, ParkReason::UnknownType);
    assert!(
        error.detail.starts_with("type: \"project.archived.v1\" is not known; known are project.status_")
    );
    assert!(error.detail.ends_with(", price_list.changed.v1"));
    assert_eq!(error.message_type.as_deref(), Some("project.archived.v1"));
}

#[test]
fn the_ledgers_own_sources_are_refused_from_outside() {
    let detail = "source: \"creditd/cli\" begins with \"creditd/\", which is kept for the ledger's own inputs; use \
                  another source";
    assert_refused(&structured(&with("source", json!("creditd/cli"))), ParkReason::ReservedSource, detail);
    assert!(decode(&structured(&with("source", json!("creditd")))).is_ok());
}

#[test]
fn data_in_base64_is_refused() {
    let mut event = with("data_base64", json!("e30="));
    event.as_object_mut().unwrap().remove("data");
    let detail = "data_base64: not read; put the data into data, as JSON";
    assert_refused(&structured(&event), ParkReason::InvalidData, detail);
}

#[test]
fn a_trace_context_is_handed_on_if_it_has_its_form() {
    let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let kept =
        |value: &str| decoded(&structured(&with("traceparent", json!(value)))).cause.traceparent.clone();
    assert_eq!(kept(good).as_deref(), Some(good));
    let bad = [
        "",
        "abc",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
    ];
    for value in bad {
        assert_eq!(kept(value), None, "{value:?}");
    }
}

#[test]
fn what_is_not_json_is_told_with_its_place() {
    let structured = raw(Some("application/cloudevents+json"), json!({}), "{\"specversion\": \"1.0\",}");
    assert_refused(&structured, ParkReason::NotJson, "body: trailing comma at line 1 column 23");
    assert_eq!(refused(&structured).key, None);
    let empty = raw(None, json!({}), "");
    assert_refused(&empty, ParkReason::NotJson, "body: EOF while parsing a value at line 1 column 0");
    let two = raw(None, headers("ce-"), format!("{DATA} {DATA}"));
    assert_refused(&two, ParkReason::NotJson, "body: trailing characters at line 1 column 24");
    assert_eq!(refused(&two).key, Some(MessageKey::new("projects", "m-1")), "headers name the message");
    let not_utf8 = raw(None, headers("ce-"), b"{\"account_id\": \"\xff\"}".to_vec());
    assert_eq!(refused(&not_utf8).reason, ParkReason::NotJson);
}

#[test]
fn bodies_are_read_up_to_their_limit() {
    let padded = |bytes: usize| {
        let mut body = DATA.as_bytes().to_vec();
        body.resize(bytes, b' ');
        raw(None, headers("ce-"), body)
    };
    assert!(decode(&padded(BODY_BYTES_MAX)).is_ok());
    let oversize = padded(BODY_BYTES_MAX + 1);
    assert_refused(&oversize, ParkReason::Oversize, "body: 262145 bytes; at most 262144 are read");
    assert_eq!(refused(&oversize).key, Some(MessageKey::new("projects", "m-1")), "headers name the message");
    let oversize = raw(Some("application/cloudevents+json"), json!({}), vec![b' '; BODY_BYTES_MAX + 1]);
    assert_eq!(refused(&oversize).reason, ParkReason::Oversize);
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize| {
        let body =
            format!("{{\"account_id\": \"acme\", \"x\": {}{}}}", "[".repeat(levels), "]".repeat(levels));
        raw(None, headers("ce-"), body)
    };
    assert!(decode(&nested(126)).is_ok(), "the object around them is the 127th level");
    let error = refused(&nested(127));
    assert_eq!(error.reason, ParkReason::NotJson);
    assert!(error.detail.starts_with("body: recursion limit exceeded at line 1"), "{error}");
    assert_eq!(refused(&nested(100_000)).reason, ParkReason::NotJson, "far too deep is no stack overflow");
}

#[test]
fn a_member_that_appears_twice_is_refused_by_name() {
    let twice = r#"{"account_id": "acme", "alert_rules": [{"name": "x", "name": "y"}]}"#;
    let in_binary = raw(None, headers("ce-"), twice);
    let detail = "data.alert_rules[0].name: appears twice";
    assert_refused(&in_binary, ParkReason::InvalidData, detail);
    let around = good_event().to_string().replace(r#"{"account_id":"acme"}"#, twice);
    let in_structured = raw(None, json!({}), around);
    assert_refused(&in_structured, ParkReason::InvalidData, detail);
    assert_eq!(refused(&in_structured).key, Some(MessageKey::new("projects", "m-1")));

    let two_ids = good_event().to_string().replace(r#""id":"m-1""#, r#""id":"m-1","id":"m-2""#);
    let raw = raw(None, json!({}), two_ids);
    assert_refused(&raw, ParkReason::NotCloudevent, "id: appears twice");
    assert_eq!(refused(&raw).key, None, "of two ids neither can be trusted");
}

#[test]
fn a_nul_is_refused_wherever_it_stands() {
    let in_data = |data: Value| binary(ACCOUNT_CHANGED, &data);
    let problem = "contains a NUL character (\\u0000), which can't be stored";
    let raw = in_data(json!({"account_id": "acme", "name": "a\0b"}));
    assert_refused(&raw, ParkReason::InvalidData, &format!("data.name: {problem}"));
    let raw = in_data(json!({"account_id": "acme", "unknown": [{"a\0": 1}]}));
    assert_refused(&raw, ParkReason::InvalidData, &format!("data.unknown[0][\"a\\0\"]: {problem}"));
    let raw = structured(&with("extension", json!("\0")));
    assert_refused(&raw, ParkReason::NotCloudevent, &format!("extension: {problem}"));
}

#[test]
fn an_error_names_the_message_where_it_can() {
    let error = refused(&structured(&event(ACCOUNT_CHANGED, &json!({}))));
    assert_eq!(error.key, Some(MessageKey::new("projects", "m-1")));
    assert_eq!(error.message_type.as_deref(), Some(ACCOUNT_CHANGED));
    assert_eq!(error.to_string(), "data.account_id: required, but missing or null");
    let error = refused(&structured(&with("id", json!(null))));
    assert_eq!((error.key, error.message_type.as_deref()), (None, Some(ACCOUNT_CHANGED)));
}

#[test]
fn a_detail_stays_short_however_deep_the_fault_is() {
    let member = format!("{{\"{}\":", "deep".repeat(20));
    let body = format!("{}\"\\u0000\"{}", member.repeat(100), "}".repeat(100));
    let error = refused(&raw(None, headers("ce-"), body));
    assert_eq!(error.reason, ParkReason::InvalidData);
    assert!(error.detail.starts_with("data.deepdeep") && error.detail.ends_with("..."), "{error}");
    assert_eq!(error.detail.chars().count(), 1003);
}
