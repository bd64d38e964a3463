//! Whatever is delivered, it is decoded or refused, the same each time, and with something that can be stored.

use serde_json::Value;

use super::super::inbound::decode;
use super::super::raw::RawMessage;
use crate::fuzzing::{examples, fuzz};
use crate::ledger::moment::Timestamp;

/// A message from a text: its content type, its headers, and from the third line on its body.
fn message(input: &[u8]) -> RawMessage {
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let content_type = std::str::from_utf8(line()).ok().filter(|text| !text.is_empty());
    let headers = match serde_json::from_slice(line()) {
        Ok(Value::Object(headers)) => headers,
        _ => serde_json::Map::new(),
    };
    RawMessage {
        routing_key: "project.amended".to_owned(),
        content_type: content_type.map(str::to_owned),
        headers,
        properties: serde_json::Map::new(),
        body: line().to_vec(),
    }
}

/// The contract's examples, in structured mode and in binary mode with a time as text and in AMQP's own type.
fn seeds() -> Vec<Vec<u8>> {
    let both = |event: Value| {
        let structured = format!("application/cloudevents+json\n{{}}\n{event}");
        let mut headers = serde_json::Map::new();
        for (name, attribute) in event.as_object().unwrap().iter().filter(|(name, _)| *name != "data") {
            headers.insert(format!("cloudEvents:{name}"), attribute.clone());
        }
        let mut headers_by_number = headers.clone();
        headers_by_number.insert("cloudEvents:time".to_owned(), 1_772_366_400.into());
        let binary = [headers, headers_by_number]
            .map(|headers| format!("application/json\n{}\n{}", Value::Object(headers), event["data"]));
        [[structured].as_slice(), &binary].concat().into_iter().map(String::into_bytes).collect::<Vec<_>>()
    };
    examples().into_iter().flat_map(both).collect()
}

/// The names of what is told, by the text that `{:?}` makes of it.
fn members_told(fact: &str) -> String {
    let told = fact.split(": Some(").map(|before| before.rsplit([' ', '(']).next().unwrap_or_default());
    told.collect::<Vec<_>>().join(" ")
}

#[test]
fn whatever_is_delivered_is_decoded_or_refused() {
    fuzz("decode", seeds(), |input| {
        let raw = message(input);
        let decoded = decode(&raw);
        assert_eq!(decode(&raw), decoded, "it is decoded the same each time");
        match decoded {
            Ok(message) => {
                let fingerprint = message.fingerprint();
                assert_eq!(decode(&raw).unwrap().fingerprint(), fingerprint);
                assert!(message.time.is_none_or(|time| Timestamp::parse(&time.to_string()) == Ok(time)));
                let key = &message.cause.key;
                assert!(!key.source.contains('\0') && !key.id.contains('\0') && !key.id.is_empty());
                let shape = members_told(&format!("{:?}", message.fact));
                let input = message.into_input(Timestamp::from_micros(0).unwrap());
                format!("{} {shape} {}", input.cause.message_type, input.revision.is_some())
            }
            Err(error) => {
                assert!(!error.detail.is_empty());
                assert!(!error.detail.chars().any(char::is_control), "{:?}", error.detail);
                assert!(error.detail.chars().count() <= 1003, "{:?}", error.detail);
                // What was expected, without where, which can have colons of the sender's, and in place of what.
                let expected = error.detail.split(", found").next().unwrap_or_default();
                let (_, expected) = expected.rsplit_once(": ").unwrap_or(("", expected));
                format!("{:?} {expected} {}", error.reason, error.key.is_some())
            }
        }
    });
}
