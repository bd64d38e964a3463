//! Messages that nobody can apply.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, DecimalValue, FieldArray, FieldTable, ShortString};
use serde_json::{Value, json};

use crate::support::{Message, World, message, today, wait_until};

/// A bad message, the reason it must be parked for, and words that its detail must have.
#[derive(Clone)]
struct Case {
    message: Message,
    reason: &'static str,
    detail: &'static str,
}

fn case(message: Message, reason: &'static str, detail: &'static str) -> Case {
    Case { message, reason, detail }
}

fn raw(body: impl Into<Vec<u8>>) -> Message {
    Message::raw("project.status_changed", body)
}

/// A good project message as text, to be spoilt.
fn text() -> String {
    let message = Message::project("bad", "bad", "studio", 1, "started", 5);
    String::from_utf8(message.body).unwrap()
}

/// A good project message with one thing in its text replaced.
fn spoilt(good: &str, bad: &str) -> Message {
    let text = text();
    assert!(text.contains(good), "{good} is not in {text}");
    raw(text.replacen(good, bad, 1))
}

/// A project message with other data.
fn with_data(data: &Value) -> Message {
    message("bad", "project.status_changed.v1", data)
}

fn unreadable() -> Vec<Case> {
    let mut batch = raw(format!("[{}]", text()));
    "application/cloudevents-batch+json".clone_into(&mut batch.content_type);
    let mut plain = raw(text());
    "text/plain".clone_into(&mut plain.content_type);
    let oversize = format!("{}{}", text(), " ".repeat(256 * 1024));
    vec![
        case(raw("not json"), "not_json", "body: "),
        case(raw(""), "not_json", "body: "),
        case(raw(b"{\"id\": \"\xff\xfe\"}"), "not_json", "body: "),
        case(raw("[".repeat(100_000)), "not_json", "recursion limit"),
        case(raw("{\"a\":".repeat(40_000)), "not_json", "recursion limit"),
        case(spoilt("\"studio\"", "\"\\ud800\""), "not_json", "hex escape"),
        case(spoilt("\"credits\":5", "\"credits\":1e999"), "not_json", "out of range"),
        case(raw(format!("{} {{}}", text())), "not_json", "trailing"),
        case(raw(oversize), "oversize", "at most 262144 are read"),
        case(raw("null"), "not_cloudevent", "expected a CloudEvent"),
        case(raw("[]"), "not_cloudevent", "expected a CloudEvent"),
        case(raw("{}"), "not_cloudevent", "specversion: "),
        case(batch, "not_cloudevent", "one event a message"),
        case(plain, "not_cloudevent", "content type: "),
    ]
}

fn wrong_envelope() -> Vec<Case> {
    let status = "project.status_changed.v1";
    vec![
        case(spoilt("\"1.0\"", "\"0.3\""), "not_cloudevent", "specversion: expected \"1.0\", found \"0.3\""),
        case(spoilt("\"id\":\"bad\"", "\"id\":\"\""), "not_cloudevent", "id: expected a text"),
        case(spoilt("\"id\":\"bad\"", "\"id\":7"), "not_cloudevent", "id: expected a text"),
        case(spoilt("\"id\":\"bad\"", "\"id\":\"b\\u0000\""), "not_cloudevent", "NUL"),
        case(spoilt("\"id\":", "\"id\":\"x\",\"id\":"), "not_cloudevent", "id: appears twice"),
        case(spoilt("/test", "creditd/settings"), "reserved_source", "kept for the ledger's own inputs"),
        case(spoilt(status, "project.vanished.v1"), "unknown_type", "\"project.vanished.v1\" is not known"),
        case(spoilt(status, "project.status_changed.v2"), "unknown_type", "a version that is not known"),
        case(spoilt(&midnight(), "yesterday"), "not_cloudevent", "time: expected an RFC 3339 time"),
        case(
            spoilt(&midnight(), "0000-01-01T00:00:00+00:01"),
            "not_cloudevent",
            "time: expected an RFC 3339",
        ),
        case(spoilt(&midnight(), "2999-01-01T00:00:00Z"), "time_ahead", "further ahead"),
    ]
}

fn wrong_data() -> Vec<Case> {
    let credits = |number: &str| spoilt("\"credits\":5", &format!("\"credits\":{number}"));
    let of_brief = |more: Value| {
        let mut data =
            json!({ "project_id": "bad", "account_id": "studio", "status": "started", "credits": 5 });
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        with_data(&data)
    };
    vec![
        case(with_data(&json!(null)), "invalid_data", "data: "),
        case(with_data(&json!([1])), "invalid_data", "data: "),
        case(
            with_data(&json!({ "project_id": "bad", "status": "started" })),
            "invalid_data",
            "data.account_id: ",
        ),
        case(spoilt("\"status\"", "\"state\""), "invalid_data", "data.status: "),
        case(spoilt("\"project_id\":\"bad\"", "\"project_id\":\"a b\""), "invalid_data", "data.project_id: "),
        case(spoilt("\"studio\"", "\"pool:acme\""), "invalid_data", "data.account_id: "),
        case(spoilt("\"studio\"", "\"stu\\u0000dio\""), "invalid_data", "NUL"),
        case(
            spoilt("\"credits\"", "\"credits\":1,\"credits\""),
            "invalid_data",
            "data.credits: appears twice",
        ),
        case(credits("-1"), "invalid_data", "data.credits: expected a whole number from 0 to 1000000000000"),
        case(credits("5.5"), "invalid_data", "data.credits: "),
        case(credits("\"5\""), "invalid_data", "data.credits: "),
        case(credits("1000000000001"), "invalid_data", "data.credits: "),
        case(credits("99999999999999999999999999"), "invalid_data", "data.credits: "),
        case(credits("1e300"), "invalid_data", "data.credits: "),
        case(of_brief(json!({ "revision": -1 })), "invalid_data", "data.revision: "),
        case(of_brief(json!({})), "revision_missing", "data.revision: missing; the setting order"),
        case(
            spoilt("\"started\"", "\"vanished\""),
            "unknown_status",
            "\"vanished\" is not among the settings'",
        ),
        case(Message::grant("bad", "studio", 0), "invalid_data", "data.credits: "),
        case(
            message("bad", "credits.adjusted.v1", &json!({ "account_id": "studio", "credits": 5 })),
            "invalid_data",
            "data.reason: ",
        ),
    ]
}

/// Why messages are parked, by their bodies in hex.
const PARKED: &str = "
    select jsonb_object_agg(encode(body, 'hex'), jsonb_build_object('reason', reason, 'detail', detail))
      from creditd.parked";

fn hex(bytes: &[u8]) -> String {
    let digit = |four_bits: u8| char::from_digit(u32::from(four_bits), 16).unwrap();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[test]
fn what_cannot_be_applied_is_parked_with_its_reason_and_everything_around_it_is_applied() {
    let world = World::new();
    world.declare();
    let mut cases = [unreadable(), wrong_envelope(), wrong_data()].concat();
    let mut messages = vec![Message::account("a", "studio", 1, json!({ "capacity": 1000 }))];
    for (number, case) in cases.iter_mut().enumerate() {
        // The same id in all of them would make conflicts of those that can be decoded.
        if let Ok(text) = std::str::from_utf8(&case.message.body) {
            case.message.body =
                text.replacen("\"id\":\"bad\"", &format!("\"id\":\"bad-{number}\""), 1).into();
        }
        messages.push(case.message.clone());
        messages.push(Message::project(
            &format!("good-{number}"),
            &format!("good-{number}"),
            "studio",
            1,
            "started",
            1,
        ));
    }
    world.publish(&messages);
    let mut daemon = world.daemon();
    let last = format!("good-{}", cases.len() - 1);
    world.wait_for_messages(&[&last]);

    let parked = world.report(PARKED);
    for case in &cases {
        let found = &parked[hex(&case.message.body)];
        assert_eq!(found["reason"], case.reason, "{}: {found}", case.detail);
        assert!(found["detail"].as_str().unwrap().contains(case.detail), "{}: {found}", case.detail);
    }
    assert_eq!(world.parked().len(), cases.len());
    let held = i64::try_from(cases.len()).unwrap();
    assert_eq!(world.balance("studio"), Some((1000, held, 0, 1000 - held)));
    let batches = world.number("select version from creditd.ledger");
    assert!(batches < 10, "they were to share a batch, and were {batches}");
    world.assert_verified();
    assert!(daemon.is_running());
    assert!(daemon.stop().success());
}

fn headers(pairs: Vec<(&str, AMQPValue)>) -> FieldTable {
    let pairs = pairs.into_iter().map(|(name, value)| (ShortString::from(name), value));
    FieldTable::from(pairs.collect::<std::collections::BTreeMap<_, _>>())
}

/// Headers of every type that AMQP has, some with what neither JSON nor PostgreSQL can hold.
fn outlandish() -> FieldTable {
    let nested = headers(vec![("inner\0", AMQPValue::LongString("a\0b".into()))]);
    let list = vec![AMQPValue::Void, AMQPValue::FieldTable(nested)];
    headers(vec![
        ("nul\0name", AMQPValue::LongString("nul\0value".into())),
        ("bytes", AMQPValue::LongString(b"caf\xe9\xff".to_vec().into())),
        ("array", AMQPValue::FieldArray(FieldArray::from(list))),
        ("half", AMQPValue::Double(0.5)),
        ("decimal", AMQPValue::DecimalValue(DecimalValue { scale: 255, value: 7 })),
        ("flag", AMQPValue::Boolean(true)),
        ("time", AMQPValue::Timestamp(u64::MAX)),
        ("number", AMQPValue::LongLongInt(i64::MIN)),
        // Of 1 BC, which RFC 3339 can't write.
        ("ce-time", AMQPValue::LongLongInt(-62_167_219_201)),
        ("blob", AMQPValue::ByteArray(vec![0, 255].into())),
    ])
}

#[test]
fn headers_of_every_type_neither_spoil_a_good_message_nor_get_lost_with_a_bad_one() {
    let world = World::new();
    let daemon = world.daemon();
    world.publish(&[Message::account("a", "studio", 1, json!({ "capacity": 10 }))]);
    let cloud_event = "application/cloudevents+json";
    let properties = BasicProperties::default()
        .with_content_type(cloud_event.into())
        .with_correlation_id("nul\0inside".into())
        .with_timestamp(u64::MAX)
        .with_headers(outlandish());
    let good = Message::project("good", "brief", "studio", 1, "started", 5);
    world.publish_as("project.status_changed", &properties, b"bad");
    world.publish_as("project\0nul", &properties, b"worse");
    world.publish_as("project.status_changed", &properties, &good.body);
    world.wait_for_messages(&["good"]);

    assert_eq!(world.balance("studio"), Some((10, 5, 0, 5)));
    let parked = world.parked();
    let reasons: Vec<_> = parked.iter().map(|row| row["reason"].clone()).collect();
    assert_eq!(reasons, ["not_json", "not_json"]);
    let key =
        world.json(&["parked", "show", &parked[1]["id"].to_string()])["envelope"]["routing_key"].clone();
    assert_eq!(key, "hex:70726f6a656374006e756c");
    let envelope = world.json(&["parked", "show", &parked[0]["id"].to_string()])["envelope"].clone();
    let expected = json!({
        "hex:6e756c006e616d65": { "hex": "6e756c0076616c7565" },
        "bytes": { "hex": "636166e9ff" },
        "array": [null, { "hex:696e6e657200": { "hex": "610062" } }],
        "half": 0.5,
        "decimal": { "decimal": "7e-255" },
        "flag": true,
        "time": u64::MAX,
        "number": i64::MIN,
        "ce-time": -62_167_219_201_i64,
        "blob": { "hex": "00ff" },
    });
    assert_eq!(envelope["headers"], expected);
    assert_eq!(envelope["properties"]["correlation_id"], json!({ "hex": "6e756c00696e73696465" }));
    assert!(daemon.stop().success());
}

#[test]
fn binary_mode_is_read_like_structured_mode() {
    let world = World::new();
    let daemon = world.daemon();
    world.publish(&[Message::account("a", "studio", 1, json!({ "capacity": 100 }))]);
    let time = midnight();
    let binary = |id: &str, prefix: &str, status: &str| {
        let data = json!({
            "project_id": format!("brief-{id}"), "account_id": "studio", "revision": 1, "status": status,
            "credits": 7,
        });
        let attributes = [
            ("specversion", "1.0"),
            ("id", id),
            ("source", "/test"),
            ("type", "project.status_changed.v1"),
            ("time", time.as_str()),
        ];
        Message {
            content_type: "application/json".to_owned(),
            headers: attributes.map(|(name, value)| (format!("{prefix}{name}"), value.to_owned())).to_vec(),
            ..Message::raw("project.status_changed", data.to_string())
        }
    };
    let structured = Message::project("b1", "brief-b1", "studio", 1, "started", 7);
    let mut without_id = binary("b5", "cloudEvents:", "started");
    without_id.headers.retain(|(name, _)| !name.ends_with(":id"));
    world.publish(&[
        binary("b1", "cloudEvents:", "started"),
        structured,
        binary("b2", "cloudEvents_", "started"),
        binary("b3", "ce-", "started"),
        binary("b4", "cloudEvents:", "vanished"),
        without_id,
        binary("b6", "CloudEvents:", "draft"),
    ]);
    world.wait_for_messages(&["b6"]);

    assert_eq!(world.balance("studio"), Some((100, 21, 0, 79)));
    let first = world.explain("b1");
    let came = (&first["outcome"], &first["deliveries"], &first["conflicts"]);
    assert_eq!(came, (&json!("applied"), &json!(2), &json!(0)), "both modes say the same message");
    let mut reasons: Vec<_> = world.parked().iter().map(|row| row["reason"].to_string()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["\"not_cloudevent\"", "\"unknown_status\""]);
    assert!(daemon.stop().success());
}

#[test]
fn a_message_with_deeply_nested_headers_is_parked_shown_and_offered_again() {
    let world = World::new();
    let daemon = world.daemon();
    let nested = |inner, _| AMQPValue::FieldArray(vec![inner].into());
    let deep = (0..130).fold(AMQPValue::LongString("a\0b".into()), nested);
    let properties = BasicProperties::default().with_headers(headers(vec![("deep", deep)]));
    let early = Message::grant("early", "studio", 5);
    world.publish_as("credits.granted", &properties, &early.body);
    world.wait_for_messages(&["early"]);
    let shown = world.json(&["parked", "show", "1"]);
    assert_eq!(shown["reason"], "account_unknown");
    assert!(shown["envelope"]["headers"]["deep"].to_string().contains("LongString"), "{shown}");
    world.publish(&[Message::account("a", "studio", 1, json!({ "capacity": 10 }))]);
    wait_until("the early one is applied", || world.explain("early")["outcome"] == "applied");
    assert_eq!(world.balance("studio"), Some((15, 0, 0, 15)));
    assert!(daemon.stop().success());
}

#[test]
fn headers_nested_a_thousand_deep_do_not_end_the_daemon() {
    let world = World::new();
    let mut daemon = world.daemon();
    let nested = (0..1000).fold(FieldArray::default(), |inner, _| vec![AMQPValue::FieldArray(inner)].into());
    let mut headers = FieldTable::default();
    headers.insert("deep".into(), AMQPValue::FieldArray(nested));
    let properties = BasicProperties::default()
        .with_content_type("application/cloudevents+json".into())
        .with_headers(headers);
    let account = Message::account("a", "studio", 1, json!({ "capacity": 100 }));
    world.publish_as(&account.routing_key, &properties, &account.body);
    world.wait_for_messages(&["a"]);
    assert!(daemon.is_running());
    assert_eq!(world.balance("studio"), Some((100, 0, 0, 100)));
}

/// The time of this test's messages.
fn midnight() -> String {
    format!("{}T00:00:00Z", today())
}
