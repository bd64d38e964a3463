//! The AsyncAPI document: where messages are published and from where they are read, in which forms, and what
//! may be relied on.

use serde_json::{Map, Value, json};

use super::super::samples;
use super::schema_path;
use super::text::yaml;
use crate::contract::attributes::{ContextMembers, NameMembers};
use crate::contract::facts::{INBOUND_TYPES, InboundType};
use crate::contract::kinds::Schema;
use crate::contract::members::{Members, ObjectSchema};
use crate::contract::outbound::{CONTENT_TYPE, OUTBOUND_TYPES, OutboundType};

/// The version of AsyncAPI.
const ASYNCAPI: &str = "3.0.0";
/// The version of the AMQP bindings.
const BINDINGS: &str = "0.3.0";
/// The names that the built-in settings give.
const INBOUND_EXCHANGE: &str = "projects";
const QUEUE: &str = "creditd.projects";
const EVENTS_EXCHANGE: &str = "creditd.events";
/// The channel that stands for the queue.
const QUEUE_CHANNEL: &str = "inbound_queue";
/// The schema that the headers of all types share in binary mode.
const BINARY_HEADERS: &str = "binary_headers";
/// What the names of attributes begin with in the headers of binary mode.
const HEADER_PREFIX: &str = "cloudEvents:";

const ABOUT: &str = "\
creditd turns what happens to projects into holds and releases of credits on an exact ledger, and tells what
became of them. Every message is a CloudEvent 1.0 over AMQP 0-9-1. A type ends in its version, `.v1`; members
and types may be added under a version, and a new meaning gets a new version.

**What comes in** is published to the topic exchange `projects`, persistent, with the type without its version
as the routing key. `source` and `id` together identify a message: send it again as often as you like, it takes
effect once, in whatever order messages arrive. A message that can't be applied is parked with its reason, never
lost.

There are two ways to write one. *Structured*: content type `application/cloudevents+json`, and the whole event
in the body; `application/json` and none at all are taken as well, if there are no CloudEvents headers. *Binary*:
content type JSON, the data alone in the body, and the attributes as headers `cloudEvents:id` and so on;
`cloudEvents_id` and `ce-id` mean the same.

**What goes out** is published to the topic exchange `creditd.events`, persistent, in structured mode. The
routing key is the type without its version, then `.` and the account's id, in which each `.` is written `%2E`.
An event keeps its id and its bytes however often it is sent. Its extensions: `sequence` is its place in the
ledger's order, `partitionkey` the account, and `traceparent` is handed on from its cause.

What a consumer may rely on:

- Each event is delivered at least once, and only if what it says was committed.
- The events of an account come in order. After the broker refused one, some later ones may come early, and
  then again in order.
- So keep the last `data.sequence` of each account and type. An event at or below it: drop it. The next one:
  apply it. One beyond: wait for the gap to fill; it will.
- The attribute `sequence` orders all events of a ledger, but numbers are missing from it for whoever doesn't
  receive every type and account. Only `data.sequence` shows a gap.

The names of exchanges and queue are those of the built-in settings.";

const ABOUT_THE_QUEUE: &str = "\
The durable quorum queue that creditd reads, bound to the exchange with `#`: a message of a type that isn't
known is parked rather than lost. It has a single active consumer, so that of several daemons one consumes and
the others stand by, and as good as no delivery limit, since each disconnect counts as a delivery. A message is
acknowledged only after the commit that holds its outcome.";

/// The document, in YAML.
pub(super) fn document() -> String {
    yaml(&[
        ("asyncapi", json!(ASYNCAPI)),
        ("info", info()),
        ("defaultContentType", json!(CONTENT_TYPE)),
        ("servers", servers()),
        ("channels", channels()),
        ("operations", operations()),
        ("components", json!({"messages": messages(), "schemas": {BINARY_HEADERS: binary_headers()}})),
    ])
}

fn info() -> Value {
    json!({
        "title": "creditd",
        "version": env!("CARGO_PKG_VERSION"),
        "description": ABOUT,
        "license": {"name": env!("CARGO_PKG_LICENSE")},
    })
}

fn servers() -> Value {
    let host = json!({"default": "localhost", "description": "The setting broker.url says which."});
    json!({
        "rabbitmq": {
            "host": "{host}:5672",
            "protocol": "amqp",
            "protocolVersion": "0.9.1",
            "description": "RabbitMQ.",
            "variables": {"host": host},
        },
    })
}

/// A type's name as it can stand in a reference.
fn key(type_name: &str) -> String {
    type_name.replace('.', "_")
}

/// A type's name without its version: what its routing keys begin with.
fn base(inbound: &InboundType) -> &'static str {
    let (base, _version) = inbound.name.rsplit_once(".v").expect("every type's name ends in .vN");
    base
}

fn structured_message(inbound: &InboundType) -> String {
    key(inbound.name)
}

fn binary_message(inbound: &InboundType) -> String {
    format!("{}_binary", key(inbound.name))
}

fn channels() -> Value {
    let mut channels = Map::new();
    let mut in_queue = Map::new();
    for inbound in &INBOUND_TYPES {
        let names = [structured_message(inbound), binary_message(inbound)];
        let messages: Map<_, _> =
            names.into_iter().map(|name| (name.clone(), shared_message(&name))).collect();
        in_queue.extend(messages.clone());
        let channel = json!({
            "address": base(inbound),
            "description": (inbound.about)(),
            "messages": messages,
            "bindings": routing_key_of(INBOUND_EXCHANGE),
        });
        channels.insert(key(base(inbound)), channel);
    }
    let queue = json!({"name": QUEUE, "durable": true, "exclusive": false, "autoDelete": false});
    let channel = json!({
        "address": QUEUE,
        "description": ABOUT_THE_QUEUE,
        "messages": in_queue,
        "bindings": {"amqp": {"is": "queue", "queue": queue, "bindingVersion": BINDINGS}},
    });
    channels.insert(QUEUE_CHANNEL.to_owned(), channel);
    for outbound in &OUTBOUND_TYPES {
        channels.insert(key(outbound.name), outbound_channel(outbound));
    }
    Value::Object(channels)
}

fn outbound_channel(outbound: &OutboundType) -> Value {
    let name = key(&outbound.full_name());
    json!({
        "address": format!("{}.{{account}}", outbound.name),
        "description": outbound.about,
        "parameters": {
            "account": {
                "description": "The account's id, with each `.` written `%2E`, so that it is a single word: \
                                `*.*.ACCOUNT` binds to all events of one account. A pool's id is `pool:` and \
                                its organization's.",
                "examples": ["acme", "studio%2Enorth", "pool:acme-group"],
            },
        },
        "messages": {name.as_str(): shared_message(&name)},
        "bindings": routing_key_of(EVENTS_EXCHANGE),
    })
}

fn shared_message(name: &str) -> Value {
    json!({"$ref": format!("#/components/messages/{name}")})
}

fn routing_key_of(exchange: &str) -> Value {
    let exchange = json!({"name": exchange, "type": "topic", "durable": true, "autoDelete": false});
    json!({"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": BINDINGS}})
}

fn operations() -> Value {
    let mut operations = Map::new();
    let read =
        INBOUND_TYPES.iter().flat_map(|inbound| [structured_message(inbound), binary_message(inbound)]);
    let receive = json!({
        "action": "receive",
        "summary": "creditd reads every message from its queue.",
        "channel": {"$ref": format!("#/channels/{QUEUE_CHANNEL}")},
        "messages": read.map(|name| message_of(QUEUE_CHANNEL, &name)).collect::<Value>(),
        "bindings": {"amqp": {"ack": true, "bindingVersion": BINDINGS}},
    });
    operations.insert("receive".to_owned(), receive);
    for outbound in &OUTBOUND_TYPES {
        let channel = key(outbound.name);
        let send = json!({
            "action": "send",
            "summary": outbound.about,
            "channel": {"$ref": format!("#/channels/{channel}")},
            "messages": [message_of(&channel, &key(&outbound.full_name()))],
            "bindings": {"amqp": {"deliveryMode": 2, "mandatory": true, "bindingVersion": BINDINGS}},
        });
        operations.insert(format!("send_{channel}"), send);
    }
    Value::Object(operations)
}

fn message_of(channel: &str, name: &str) -> Value {
    json!({"$ref": format!("#/channels/{channel}/messages/{name}")})
}

fn messages() -> Value {
    let mut messages = Map::new();
    for inbound in &INBOUND_TYPES {
        let examples: Vec<Value> = inbound.examples.iter().map(|text| parsed(text.as_bytes())).collect();
        let in_binary = examples.iter().map(in_binary_mode).collect::<Value>();
        messages.insert(structured_message(inbound), structured(inbound.name, &(inbound.about)(), &examples));
        let binary = json!({
            "name": inbound.name,
            "title": format!("{}, binary mode", inbound.name),
            "summary": (inbound.about)(),
            "contentType": "application/json",
            "headers": headers_of(inbound),
            "payload": {"$ref": format!("./{}.json#/properties/data", schema_path(inbound.name))},
            "examples": in_binary,
        });
        messages.insert(binary_message(inbound), binary);
    }
    for outbound in &OUTBOUND_TYPES {
        let samples = samples::of(outbound);
        let examples: Vec<Value> = samples.iter().map(|(_, event)| parsed(&event.body)).collect();
        let name = outbound.full_name();
        messages.insert(key(&name), structured(&name, outbound.about, &examples));
    }
    Value::Object(messages)
}

fn structured(type_name: &str, about: &str, examples: &[Value]) -> Value {
    json!({
        "name": type_name,
        "title": type_name,
        "summary": about,
        "contentType": CONTENT_TYPE,
        "payload": {"$ref": format!("./{}.json", schema_path(type_name))},
        "examples": examples.iter().map(|event| json!({"payload": event})).collect::<Value>(),
    })
}

fn parsed(event: &[u8]) -> Value {
    serde_json::from_slice(event).expect("each example is JSON, as a test shows")
}

/// The headers of an inbound type in binary mode.
fn headers_of(inbound: &InboundType) -> Schema {
    let own = json!({format!("{HEADER_PREFIX}type"): {"const": inbound.name}});
    let shared = format!("#/components/schemas/{BINARY_HEADERS}");
    json!({"type": "object", "allOf": [{"$ref": shared}, {"properties": own}]})
}

/// The headers of any inbound type in binary mode.
fn binary_headers() -> Schema {
    let mut attributes = ObjectSchema::default();
    NameMembers::describe(&mut attributes);
    ContextMembers::describe(&mut attributes);
    let mut headers = attributes
        .into_schema("Each attribute as a header. Upper and lower case of their names don't matter.");
    // AMQP has a type of its own for times.
    headers["properties"]["time"]["type"] = json!(["string", "integer", "null"]);
    let with_prefix = |name: &str| format!("{HEADER_PREFIX}{name}");
    if let Value::Object(properties) = headers["properties"].take() {
        let prefixed = properties.into_iter().map(|(name, schema)| (with_prefix(&name), schema));
        headers["properties"] = Value::Object(prefixed.collect());
    }
    if let Value::Array(required) = headers["required"].take() {
        headers["required"] = required.iter().filter_map(Value::as_str).map(with_prefix).collect();
    }
    headers
}

/// An example of structured mode, in binary mode.
fn in_binary_mode(event: &Value) -> Value {
    let attributes = event.as_object().into_iter().flatten().filter(|(name, _)| *name != "data");
    let headers: Map<_, _> =
        attributes.map(|(name, value)| (format!("{HEADER_PREFIX}{name}"), value.clone())).collect();
    json!({"headers": headers, "payload": event["data"]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_built_in_settings() {
        let settings = include_str!("../../../config/creditd.toml");
        let named = [
            format!("inbound_exchange = \"{INBOUND_EXCHANGE}\""),
            format!("queue = \"{QUEUE}\""),
            format!("events_exchange = \"{EVENTS_EXCHANGE}\""),
        ];
        for line in named {
            assert!(settings.lines().any(|found| found == line), "{line}");
        }
    }
}
