//! A message as the broker delivered it, before anything is decoded.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Headers that the broker itself writes or changes on the way to us. They differ between two deliveries of
/// one message, so they are no part of its fingerprint.
const BROKER_HEADERS: [&str; 9] = [
    "x-acquired-count",
    "x-death",
    "x-delivery-count",
    "x-first-death-exchange",
    "x-first-death-queue",
    "x-first-death-reason",
    "x-last-death-exchange",
    "x-last-death-queue",
    "x-last-death-reason",
];

/// Separates these hashes from all others, and one layout from the next.
const FINGERPRINT_LAYOUT: &[u8] = b"creditd raw message 1";
const VALUE_LAYOUT: &[u8] = b"creditd value 1";

/// A message with all that came with it, in types that know no broker.
///
/// Text here never holds a NUL, which PostgreSQL could not store: where the publisher sent one, or bytes that
/// are not UTF-8, the value is `{"hex": "..."}`, and a name or key is `hex:...`, as is one that begins so itself.
#[derive(Clone, Debug, PartialEq)]
pub struct RawMessage {
    /// The routing key that the publisher gave.
    pub routing_key: String,
    /// The media type, as sent.
    pub content_type: Option<String>,
    /// The header table. A timestamp is an integer (seconds since 1970); what JSON lacks is an object of one
    /// member: `hex`, `decimal` or `float`; and what nests too deep for it, `debug`.
    pub headers: Map<String, Value>,
    /// The other properties that were set, by their AMQP names: `message_id`, `type`, `timestamp`, ...
    pub properties: Map<String, Value>,
    /// The body, untouched.
    pub body: Vec<u8>,
}

impl RawMessage {
    /// Identifies the message over all its deliveries, without decoding it: the SHA-256 of what the publisher
    /// sent, and of nothing that the broker adds.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut canonical = Canonical::new(FINGERPRINT_LAYOUT);
        canonical.bytes(self.routing_key.as_bytes());
        canonical.option(self.content_type.as_deref());
        canonical.table(self.headers.iter().filter(|(name, _)| !BROKER_HEADERS.contains(&name.as_str())));
        canonical.table(self.properties.iter());
        canonical.bytes(&self.body);
        canonical.0.finalize().into()
    }
}

/// The SHA-256 of what `value` says: the order of members makes no difference.
pub(super) fn value_hash(value: &Value) -> [u8; 32] {
    let mut canonical = Canonical::new(VALUE_LAYOUT);
    canonical.value(value);
    canonical.0.finalize().into()
}

/// Feeds a hash so that different inputs never give the same bytes: each value carries its kind and length.
struct Canonical(Sha256);

impl Canonical {
    fn new(layout: &[u8]) -> Self {
        let mut canonical = Self(Sha256::new());
        canonical.bytes(layout);
        canonical
    }

    fn count(&mut self, count: usize) {
        self.0.update((count as u64).to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.update(bytes);
    }

    fn option(&mut self, text: Option<&str>) {
        self.count(usize::from(text.is_some()));
        self.bytes(text.unwrap_or_default().as_bytes());
    }

    /// Sorts, because a JSON map may keep the order of insertion.
    fn table<'a>(&mut self, members: impl Iterator<Item = (&'a String, &'a Value)>) {
        let mut members: Vec<_> = members.collect();
        members.sort_unstable_by_key(|(name, _)| *name);
        self.count(members.len());
        for (name, value) in members {
            self.bytes(name.as_bytes());
            self.value(value);
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.0.update(b"z"),
            Value::Bool(flag) => self.0.update([b'b', u8::from(*flag)]),
            Value::Number(number) => {
                self.0.update(b"n");
                self.bytes(number.to_string().as_bytes());
            }
            Value::String(text) => {
                self.0.update(b"s");
                self.bytes(text.as_bytes());
            }
            Value::Array(items) => {
                self.0.update(b"a");
                self.count(items.len());
                for item in items {
                    self.value(item);
                }
            }
            Value::Object(members) => {
                self.0.update(b"o");
                self.table(members.iter());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(members) => members,
            other => panic!("not a table: {other}"),
        }
    }

    fn message() -> RawMessage {
        RawMessage {
            routing_key: "project.amended".into(),
            content_type: Some("application/json".into()),
            headers: table(json!({"a": 1, "b": ["x", {"c": null}]})),
            properties: table(json!({"message_id": "m-1"})),
            body: b"{}".to_vec(),
        }
    }

    #[test]
    fn a_redelivery_has_the_fingerprint_of_the_first_delivery() {
        let mut again = message();
        again.headers.insert("x-delivery-count".into(), json!(7));
        again.headers.insert("x-death".into(), json!([{"count": 1}]));
        again.headers.insert("x-first-death-reason".into(), json!("expired"));
        assert_eq!(again.fingerprint(), message().fingerprint());
    }

    #[test]
    fn a_fingerprint_does_not_depend_on_the_order_of_headers() {
        let mut reordered = message();
        let first = reordered.headers.remove("a").unwrap();
        reordered.headers.insert("a".into(), first);
        assert_eq!(reordered.fingerprint(), message().fingerprint());
    }

    #[test]
    fn each_part_of_a_message_changes_its_fingerprint() {
        let changes: [fn(&mut RawMessage); 8] = [
            |message| message.routing_key.push('x'),
            |message| message.content_type = None,
            |message| message.content_type = Some(String::new()),
            |message| message.body.push(b' '),
            |message| drop(message.headers.insert("a".into(), json!("1"))),
            |message| drop(message.headers.insert("x-retries".into(), json!(1))),
            |message| drop(message.headers.insert("b".into(), json!(["x", {"c": false}]))),
            |message| drop(message.properties.insert("type".into(), json!("t"))),
        ];
        let mut seen = vec![message().fingerprint()];
        for change in changes {
            let mut other = message();
            change(&mut other);
            seen.push(other.fingerprint());
        }
        let messages = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), messages);
    }

    #[test]
    fn bytes_moved_between_neighbouring_parts_change_the_fingerprint() {
        let mut left = message();
        left.headers = table(json!({"ab": "c"}));
        let mut right = message();
        right.headers = table(json!({"a": "bc"}));
        assert_ne!(left.fingerprint(), right.fingerprint());

        let mut as_header = message();
        as_header.headers.insert("type".into(), json!("t"));
        let mut as_property = message();
        as_property.properties.insert("type".into(), json!("t"));
        assert_ne!(as_header.fingerprint(), as_property.fingerprint());
    }

    /// Stored counts of tries are looked up by this value: it must not change without a new layout.
    #[test]
    fn the_layout_of_the_fingerprint_is_pinned() {
        let pinned = "b13f35bb7978d3ce5e0510d847229f9cfb311ed97dab0c7adc0684b6d5010f13";
        let digits =
            |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap());
        let found: String = message().fingerprint().iter().flat_map(digits).collect();
        assert_eq!(found, pinned);
    }
}
