//! The envelope: CloudEvents 1.0 over AMQP, in structured and in binary mode.
//!
//! The CloudEvents AMQP binding tells the modes apart by the content type, and writes attributes as headers
//! `cloudEvents:x`. In the field there are also `cloudEvents_x` (where a colon isn't allowed) and `ce-x` (as
//! over HTTP), so all three are taken, in any case. A structured event may also come as `application/json`
//! or without a content type, because that is what simple publishers send.

use serde_json::{Map, Value};

use super::json;
use super::places::{Path, Wrong, quoted};
use super::raw::RawMessage;
use crate::ledger::moment::Timestamp;
use crate::ledger::outcome::ParkReason;

/// The largest body that is read.
pub(super) const BODY_BYTES_MAX: usize = 256 * 1024;
/// What the names of header attributes begin with, in small letters.
const HEADER_PREFIXES: [&str; 3] = ["cloudevents:", "cloudevents_", "ce-"];
/// The attributes that make a message with plain JSON a CloudEvent in binary mode. One is enough, so that a
/// missing one is told as missing.
const MARKS_OF_BINARY_MODE: [&str; 4] = ["specversion", "id", "source", "type"];

/// Why a message is not accepted.
#[derive(Debug)]
pub(super) struct Refusal {
    /// For programs.
    pub(super) reason: ParkReason,
    /// For people.
    pub(super) detail: String,
}

impl Refusal {
    pub(super) fn new(reason: ParkReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// Says that something is wrong with the envelope.
pub(super) fn not_cloudevent(wrong: Wrong) -> Refusal {
    Refusal::new(ParkReason::NotCloudevent, wrong.0)
}

/// A message taken apart into attributes and data, neither of them checked yet. What can't be read of one
/// part leaves the other readable, so that an error can still name the message.
pub(super) struct Opened {
    /// The attributes by name.
    pub(super) attributes: Result<Map<String, Value>, Refusal>,
    /// The data, or why there is none to read.
    pub(super) data: Result<Data, Refusal>,
}

/// An event's data, not checked yet.
#[derive(Debug, Default)]
pub(super) struct Data {
    /// The data; null where the message has none.
    pub(super) value: Value,
    /// Something in it that JSON allows and the contract doesn't.
    pub(super) flaw: Option<Wrong>,
}

/// Takes `raw` apart by its mode.
pub(super) fn open(raw: &RawMessage) -> Opened {
    let headers = header_attributes(&raw.headers);
    let is_binary = match &headers {
        Ok(attributes) => MARKS_OF_BINARY_MODE.iter().any(|name| attributes.contains_key(*name)),
        Err(_) => true,
    };
    let media_type = raw.content_type.as_deref().map(media_type);
    match media_type.as_deref() {
        Some("application/cloudevents+json") => structured(&raw.body),
        Some(other) if other.starts_with("application/cloudevents") => {
            refuse_content_type(headers, raw, "application/cloudevents+json, one event a message")
        }
        Some(other) if !is_json(other) => {
            refuse_content_type(headers, raw, "application/cloudevents+json or application/json")
        }
        _ if is_binary => Opened { attributes: headers, data: read_data(&raw.body) },
        _ => structured(&raw.body),
    }
}

/// The media type without its parameters, in small letters.
fn media_type(content_type: &str) -> String {
    let (media_type, _parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    media_type.trim().to_ascii_lowercase()
}

/// Whether a media type, in small letters, says that the data is JSON.
fn is_json(media_type: &str) -> bool {
    matches!(media_type, "application/json" | "text/json") || media_type.ends_with("+json")
}

/// Whether a content type, in any case and with any parameters, says that the data is JSON.
pub(super) fn is_json_content_type(content_type: &str) -> bool {
    is_json(&media_type(content_type))
}

fn refuse_content_type(
    headers: Result<Map<String, Value>, Refusal>,
    raw: &RawMessage,
    expected: &str,
) -> Opened {
    let found = quoted(raw.content_type.as_deref().unwrap_or_default());
    let detail = format!("content type: expected {expected}, found {found}");
    Opened { attributes: headers, data: Err(Refusal::new(ParkReason::NotCloudevent, detail)) }
}

/// The attributes among the headers. Two headers may name one attribute if they say the same.
fn header_attributes(headers: &Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    let mut attributes = Map::new();
    for (header, value) in headers {
        let lowercase = header.to_ascii_lowercase();
        let Some(name) = HEADER_PREFIXES.iter().find_map(|prefix| lowercase.strip_prefix(prefix)) else {
            continue;
        };
        let value = if name == "time" { time_as_text(value) } else { value.clone() };
        match attributes.insert(name.to_owned(), value.clone()) {
            Some(other) if other != value => {
                let wrong = Wrong::at(&Path::Member(&Path::Top, name), "two headers differ in it");
                return Err(not_cloudevent(wrong));
            }
            _ => {}
        }
    }
    Ok(attributes)
}

/// A time may come in AMQP's own type, which counts whole seconds since 1970.
fn time_as_text(value: &Value) -> Value {
    let micros = value.as_i64().and_then(|seconds| seconds.checked_mul(1_000_000));
    match micros.and_then(Timestamp::from_micros) {
        Some(time) => Value::String(time.to_string()),
        None => value.clone(),
    }
}

/// The body of binary mode is the data.
fn read_data(body: &[u8]) -> Result<Data, Refusal> {
    let document = parse(body, &Path::Member(&Path::Top, "data"))?;
    Ok(Data { value: document.value, flaw: document.flaw.map(|flaw| flaw.wrong) })
}

/// The body of structured mode is the whole event.
fn structured(body: &[u8]) -> Opened {
    let document = match parse(body, &Path::Top) {
        Ok(document) => document,
        Err(refusal) => return Opened { attributes: Ok(Map::new()), data: Err(refusal) },
    };
    let Value::Object(mut attributes) = document.value else {
        let detail = "body: expected a CloudEvent, which is a JSON object";
        let refusal = Refusal::new(ParkReason::NotCloudevent, detail);
        return Opened { attributes: Ok(Map::new()), data: Err(refusal) };
    };
    let (in_data, in_envelope) = match document.flaw {
        Some(flaw) if flaw.in_data => (Some(flaw.wrong), None),
        Some(flaw) => (None, Some(flaw.wrong)),
        None => (None, None),
    };
    let data = Data { value: attributes.remove("data").unwrap_or_default(), flaw: in_data };
    match in_envelope {
        Some(wrong) => Opened { attributes: Err(not_cloudevent(wrong)), data: Ok(data) },
        None => Opened { attributes: Ok(attributes), data: Ok(data) },
    }
}

fn parse(body: &[u8], path: &Path) -> Result<json::Document, Refusal> {
    if body.len() > BODY_BYTES_MAX {
        let detail = format!("body: {} bytes; at most {BODY_BYTES_MAX} are read", body.len());
        return Err(Refusal::new(ParkReason::Oversize, detail));
    }
    json::parse(body, path).map_err(|error| Refusal::new(ParkReason::NotJson, format!("body: {error}")))
}

/// Whether `value` is a W3C trace context of the form that version 00 gives it.
pub(super) fn is_traceparent(value: &str) -> bool {
    let is_hex = |part: &str, digits: usize| {
        let lowercase_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        part.len() == digits && part.bytes().all(lowercase_hex)
    };
    let is_id = |part: &str, digits: usize| is_hex(part, digits) && part.bytes().any(|byte| byte != b'0');
    let parts: Vec<&str> = value.split('-').take(5).collect();
    let [version, trace_id, parent_id, flags] = parts[..] else { return false };
    is_hex(version, 2) && version != "ff" && is_id(trace_id, 32) && is_id(parent_id, 16) && is_hex(flags, 2)
}
