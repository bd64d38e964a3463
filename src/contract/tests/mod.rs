//! The contract, tested from outside: raw messages in, facts and sentences out.

use serde_json::{Map, Value, json};

use super::inbound::{DecodeError, Message, decode};
use super::raw::RawMessage;
use crate::ledger::outcome::ParkReason;

mod document;
mod envelope;
mod events;
mod fuzz;
mod generators;
mod good;
mod properties;
mod published;
mod wrong_data;

fn table(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("not an object: {other}"),
    }
}

fn raw(content_type: Option<&str>, headers: Value, body: impl Into<Vec<u8>>) -> RawMessage {
    RawMessage {
        routing_key: String::new(),
        content_type: content_type.map(str::to_owned),
        headers: table(headers),
        properties: Map::new(),
        body: body.into(),
    }
}

/// An event of `message_type` with `data`, as structured mode has it.
fn event(message_type: &str, data: &Value) -> Value {
    json!({
        "specversion": "1.0", "source": "projects", "id": "m-1", "type": message_type,
        "time": "2026-03-01T12:00:00Z", "data": data,
    })
}

fn structured(event: &Value) -> RawMessage {
    raw(Some("application/cloudevents+json; charset=utf-8"), json!({}), event.to_string())
}

fn binary(message_type: &str, data: &Value) -> RawMessage {
    let headers = json!({
        "cloudEvents:specversion": "1.0", "cloudEvents:source": "projects", "cloudEvents:id": "m-1",
        "cloudEvents:type": message_type, "cloudEvents:time": "2026-03-01T12:00:00Z",
    });
    raw(Some("application/json"), headers, data.to_string())
}

fn decoded(raw: &RawMessage) -> Message {
    decode(raw).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&raw.body)))
}

#[track_caller]
fn refused(raw: &RawMessage) -> DecodeError {
    decode(raw).expect_err("a message that must be refused was taken")
}

/// Says that `raw` is refused for exactly this reason, in exactly these words.
#[track_caller]
fn assert_refused(raw: &RawMessage, reason: ParkReason, detail: &str) {
    let error = refused(raw);
    assert_eq!((error.reason, error.detail.as_str()), (reason, detail));
}
